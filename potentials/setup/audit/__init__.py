"""The audit of a data set: silent errors, found before training.

`audit` collects the findings: those of `potentials/data/audit/`, which need no model, and those of `consistency`, which
uses a small linear model (`probe`) to test whether energies, forces and stresses agree; `page` shows them.
"""
