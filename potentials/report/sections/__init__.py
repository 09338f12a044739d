"""Sections of the report: each module has a function `section(subject)` that returns a `Section` of the page."""
