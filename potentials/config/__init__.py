"""Configuration: the schema of the YAML file, the reader that keeps line numbers, overrides and error messages.

Families of models enter their own configuration classes into `families`; everything else of the schema is here.
"""
