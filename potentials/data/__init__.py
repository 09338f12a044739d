"""Data: structures and labels, splits, reference energies, statistics, neighbor lists, graphs and batches.

Models receive the data as `AtomicGraph`; later stages are independent of files and of ASE.
"""
