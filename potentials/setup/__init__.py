"""Setup: what is looked at before and around a training run.

`survey` says what a set of structures holds and `suggest` writes a first configuration for it, `audit/` finds silent
errors of data, `rehearsal` runs one batch of a configuration to estimate time and memory, `environment` checks the
installation, `inspection` reads a model file, `speed` measures one. It may use training, never the other way round.
"""
