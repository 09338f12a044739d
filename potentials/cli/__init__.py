"""The command line: one file per command, which parses arguments, calls other packages and prints, without other logic.

The file `NAME.py` contains the function `NAME`: its parameters are typer's arguments and options, its docstring is the
help. `data/` is a group of commands, whose functions have its prefix: `data fetch` is `data_fetch` in
`data/fetch.py`; `structures/` contains those that write structures. `main.py` and `data/` list their commands; a
command's file is imported only when it is called (`terminal/commands.py`). Print results with `console.output`,
everything else with `console.note`, `warn` and `error` or `console.messages`. Raise a `PotentialsError` for errors of
the user: `commands.py` prints it and exits with code 2.
"""
