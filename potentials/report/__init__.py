"""The report: one page that says whether a potential can be trusted, and for what.

`report.py` lists the sections, which are in `sections/`, and puts them together. `predictions/` holds what several of
them need of labels and predictions, `structures/` which structures of the data they compute with.
"""
