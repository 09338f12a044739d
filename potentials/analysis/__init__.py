"""Analysis: looking at data, configurations, models and machines, and at how well a potential does.

`suggest` writes a first configuration, `rehearsal` runs one batch of it, `inspection` reads a model file, `environment`
checks the installation, `evaluate` and `predict` apply a potential to structures. It may use the training room (the
loss and the error table are its), never the other way round.
"""
