"""Loggers: recording and display of the metrics of a run during training.

`figures` writes `metrics.csv` and `steps.csv` and sends both to Weights & Biases, TensorBoard and MLflow, each of which
has its own file; `progress` is the display in a terminal.
"""
