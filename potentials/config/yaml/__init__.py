"""YAML of a configuration: the reader that keeps line numbers, the document it gives, and overrides put into it."""
