"""YAML of a configuration: a reader that keeps line numbers, the resulting document, and overrides."""
