"""Training on Lightning: losses, metrics, averaging, optimizer and schedules, the run with its folder and checkpoints.

`run.train` does everything the command does; the other modules are its parts.
"""
