"""Common parts of the commands: printing, options, exit codes, groups, and the environment of the terminal."""
