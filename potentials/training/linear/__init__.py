"""Linear models: fitted in closed form by regularized least squares, where other families are trained in epochs.

`linear_equations` makes the rows whose squared residuals are the training loss, `least_squares` solves them, and
`linear_fit` puts both in the place of a training run.
"""
