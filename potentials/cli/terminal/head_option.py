"""The option that selects a head of a model."""

from __future__ import annotations

from typing import Annotated

import typer

HeadName = Annotated[
    str | None,
    typer.Option("--head", help="Head (level of theory), if the model has several.", show_default=False),
]
