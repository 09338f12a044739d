"""The audit of a data set: silent errors, found before anything is trained.

`audit` gathers the findings, those of `potentials/data/audit/` that need no model and those of `consistency`, which
asks a small linear model (`probe`) whether energies, forces and stresses belong together; `page` shows them.
"""
