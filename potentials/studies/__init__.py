"""Learning curves: runs of several models on training sets of increasing size, and their analysis.

`study.py` reads a study, `runs.py` defines its runs, `queue.py` trains those that are not finished, `curves.py` fits
power laws to their errors, `report.py` and related files write the results; `launch.py` starts several processes or
SLURM jobs that share one queue.
"""
