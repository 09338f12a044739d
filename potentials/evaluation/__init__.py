"""Evaluation: what a potential predicts for structures, and how far that is from their labels.

`predict` needs structures alone; `evaluate` reads labelled ones and compares. Errors are sums over labelled entries
(`metrics`), shown as tables (`error_table`); training, which stands above, measures its own validations with them.
"""
