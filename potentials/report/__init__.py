"""The report card: one page that says whether a potential can be trusted, and for what.

Each section is a file with a function `section(subject)`, which gives a `Section` of the page kit; `report.py` lists
them and puts them together.
"""
