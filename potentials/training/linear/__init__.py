"""Fit of linear models in closed form by regularized least squares, without epochs.

`linear_equations` builds the rows whose squared residuals are the training loss, `least_squares` solves them, and
`linear_fit` uses both in place of training.
"""
