"""Training on Lightning: losses, averaging, optimizer and schedules, and the run that puts them together.

`run.train` does everything the command does. `lifecycle/` keeps a run alive: its folder, checkpoints, signals and
processes; `loggers/` shows and records its figures; `linear/` fits linear models in closed form.
"""
