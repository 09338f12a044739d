"""Sections of the report: each a file with a function `section(subject)`, which gives a `Section` of the page kit."""
