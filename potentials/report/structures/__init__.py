"""Structures that a report computes with, chosen from the data, and the calculators that it uses."""
