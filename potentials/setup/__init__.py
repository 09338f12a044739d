"""Setup: preparation and inspection around a training run.

`survey` describes a set of structures and `suggest` writes a first configuration for it, `translation/` translates
configurations of other programs, `audit/` finds silent errors of data, `rehearsal` runs one batch of a configuration to
estimate time and memory, `environment` checks the installation, `inspection` reads a model file, `speed` measures one.
It may import training, not the reverse.
"""
