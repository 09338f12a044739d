"""Messages about a configuration: expected and found values, with their places, in words."""
