"""Plugins by which other programs load a potential, one file per program.

Each file imports its program and is loaded only by it, through an entry point or a path; no other module of this
package imports these files. All of them provide `potentials.potential.PotentialCalculator`.
"""
