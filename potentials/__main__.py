"""`python -m potentials` is the `potentials` command."""

from potentials.cli.main import main

main()
