"""Data: reading structures and labels, splits, reference energies, statistics, neighbour lists, graphs and batches.

Everything the models see comes from here as `AtomicGraph`; nothing after this room knows about files or ASE.
"""
