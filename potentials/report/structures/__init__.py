"""Structures that a report computes with, selected from the data set, and their calculators."""
