"""Evaluation: predictions of a potential, and their errors on labeled structures.

`predict` needs structures only; `evaluate` compares predictions with labels. Errors are accumulated as sums over
labeled entries (`metrics`) and shown as tables (`error_table`); training uses the same metrics for validation.
"""
