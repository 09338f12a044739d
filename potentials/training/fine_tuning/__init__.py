"""Runs that start from a potential: its weights, low-rank updates, replay, and penalties on changes."""
