"""Management of a run: folder, log, checkpoints, signals, and coordination of several processes.

A run that was interrupted continues to a bitwise identical result. These modules do not depend on what is trained.
"""
