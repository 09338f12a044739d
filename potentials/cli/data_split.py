"""`potentials data split`: training, validation and test files from one set of structures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from potentials.cli import console
from potentials.errors import DataError


class SplitBy(StrEnum):
    """How frames are kept together."""

    random = "random"
    block = "block"
    group = "group"
    composition = "composition"
    farthest_point = "farthest-point"


def data_split(
    files: Annotated[list[str], typer.Argument(help="Files, globs or builtin:NAME.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to; made if it is not there.")],
    by: Annotated[SplitBy, typer.Option("--by", help="What is kept together.")] = SplitBy.block,
    validation: Annotated[float, typer.Option("--validation", help="Share of the frames; 0 for none.")] = 0.1,
    test: Annotated[float, typer.Option("--test", help="Share of the frames; 0 for none.")] = 0.1,
    blocks: Annotated[int, typer.Option("--blocks", help="Stretches that each file is cut into, by block.")] = 10,
    group_key: Annotated[
        str, typer.Option("--group-key", help="Entry of the frames that names groups, by group.")
    ] = "config_type",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
) -> None:
    """Write train.extxyz, validation.extxyz and test.extxyz, so that what is alike stays together.

    By block, trajectories are cut into stretches of successive frames; by group or composition, the parts differ in
    these; by farthest-point, the training frames are those most unlike each other; by random, each frame goes for
    itself, which leaks between the parts of a trajectory. Isolated atoms go to the training file.
    """
    from potentials.data.label import holds_isolated_atom
    from potentials.data.read import read_frames
    from potentials.data.split.dividing import TRAIN, divide_frames
    from potentials.data.write import check_structure_output, write_structures

    read = read_frames(files)
    frames = [frame for frame in read if not holds_isolated_atom(frame.atoms)]
    isolated = [frame for frame in read if holds_isolated_atom(frame.atoms)]
    shares = {name: share for name, share in (("validation", validation), ("test", test)) if share != 0}
    if not shares:
        raise DataError("both shares are 0, so there is nothing to divide; give --validation or --test")
    parts = divide_frames(frames, shares, by.value, seed, blocks=blocks, group_key=group_key)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"the folder {output} cannot be made: {error.strerror}") from error
    paths = {name: output / f"{name}.extxyz" for name in parts}
    for path in paths.values():
        check_structure_output(path, read)
        if path.exists() and not overwrite:
            raise DataError(f"{path} is there already; choose another folder, or --overwrite")
    for name, members in parts.items():
        chosen = [frames[k] for k in members] + (isolated if name == TRAIN else [])
        write_structures(paths[name], (frame.atoms for frame in chosen))
        atoms = f" and {len(isolated)} isolated atoms" if isolated and name == TRAIN else ""
        console.output.print(f"{console.path(paths[name])}: {len(members)} frames{atoms}", soft_wrap=True)
