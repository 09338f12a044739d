"""Loggers: where the figures of a run go while it trains, and what a person sees of it.

`figures` writes `metrics.csv` and `steps.csv` and passes both on to Weights & Biases, TensorBoard and MLflow, each of
which has a file; `progress` is the display in a terminal.
"""
