"""The life of a run: its folder and log, checkpoints to continue from, stopping, and several processes as one.

Everything here makes that a run which was cut off continues to identical bits; nothing here knows what is trained on.
"""
