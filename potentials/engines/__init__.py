"""Engines: what other programs look up to find a potential by name, a file a program.

Each file is loaded by its program alone, through an entry point or a path, and imports that program; nothing in this
package imports them. All hand over `potentials.potential.PotentialCalculator`.
"""
