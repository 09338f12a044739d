"""The command line: one file a command, each of which parses, calls the rooms below, and prints. No logic lives here.

The file `potentials/cli/NAME.py` holds the function `NAME`: its parameters are typer's arguments and options, its
docstring is the help. `main.py` lists the commands and imports a command's file only when that command is called.
Print results with `console.output`, everything else with `console.note`, `warn` and `error` or `console.messages`;
raise a `PotentialsError` and `main.py` prints it and ends with exit code 2.
"""
