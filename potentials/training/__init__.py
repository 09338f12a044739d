"""Training with Lightning: losses, averaging, optimizer and schedules, and the training run.

`run.train` implements the `train` command. `lifecycle/` manages the run folder, checkpoints, signals and processes;
`loggers/` displays and records metrics; `linear/` fits linear models in closed form.
"""
