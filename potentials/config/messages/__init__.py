"""Messages about a configuration: what the schema expects, what came instead, and where, in words for people."""
