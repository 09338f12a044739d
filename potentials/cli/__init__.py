"""The command line: one file a command, each of which parses, calls the rooms below, and prints. No logic lives here.

The file `NAME.py` holds the function `NAME`: its parameters are typer's arguments and options, its docstring is the
help. `data/` is a group of commands, whose functions are prefixed with it: `data fetch` is `data_fetch` in
`data/fetch.py`; `structures/` holds those that write structures. `main.py` and `data/` list their commands; a command's
file is imported only when it is called (`terminal/commands.py`). Print results with `console.output`, everything else
with `console.note`, `warn` and `error` or `console.messages`; raise a `PotentialsError` and `commands.py` prints it and
ends with exit code 2.
"""
