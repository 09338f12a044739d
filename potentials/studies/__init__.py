"""Learning curves: many runs of several models on growing parts of the data, and what follows from them.

`study.py` reads a study, `cells.py` makes a run of each of its cells, `queue.py` trains those that are not done yet,
`curves.py` fits power laws to their errors, `report.py` and its neighbors write them down; `launch.py` has several
processes or a cluster work on one queue.
"""
