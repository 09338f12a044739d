"""The command line: one file a command, each of which parses, calls the rooms below, and prints. No logic lives here.

The file `potentials/cli/NAME.py` holds the function `NAME`: its parameters are typer's arguments and options, its
docstring is the help. A command of a group is prefixed with the group: `data fetch` is `data_fetch` in `data_fetch.py`.
`main.py` and the groups list their commands; a command's file is imported only when it is called (`commands.py`).
Print results with `console.output`, everything else with `console.note`, `warn` and `error` or `console.messages`;
raise a `PotentialsError` and `commands.py` prints it and ends with exit code 2.
"""
