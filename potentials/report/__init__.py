"""HTML report on the accuracy and the limits of a potential.

`report.py` lists the sections, which are in `sections/`, and assembles the page. `predictions/` holds labels and
predictions that several sections use, `structures/` the structures of the data set that sections compute with.
"""
