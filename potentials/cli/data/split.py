"""`potentials data split`: write training, validation and test files from one set of structures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from potentials.cli.terminal import console
from potentials.errors import DataError


class SplitBy(StrEnum):
    """Criterion by which frames are kept together."""

    random = "random"
    block = "block"
    group = "group"
    composition = "composition"
    farthest_point = "farthest-point"


def data_split(
    files: Annotated[list[str], typer.Argument(help="Files, globs or builtin:NAME.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to; created if necessary.")],
    by: Annotated[
        SplitBy, typer.Option("--by", help="How frames are assigned to the three files (see above).")
    ] = SplitBy.block,
    validation: Annotated[float, typer.Option("--validation", help="Fraction of validation frames; 0 for none.")] = 0.1,
    test: Annotated[float, typer.Option("--test", help="Fraction of test frames; 0 for none.")] = 0.1,
    blocks: Annotated[int, typer.Option("--blocks", help="With --by block: number of blocks per input file.")] = 10,
    group_key: Annotated[
        str, typer.Option("--group-key", help="With --by group: entry of the frames that names the group.")
    ] = "config_type",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Split frames into train.extxyz, validation.extxyz and test.extxyz; by default in blocks, to avoid leaks.

    block: trajectories are cut into blocks of successive frames; each block is in one file.

    group, composition: all frames of a group or composition are in the same file.

    farthest-point: the training frames are the most diverse ones.

    random: each frame is drawn independently; frames of one trajectory then leak between the sets.

    Isolated atoms go to the training file.
    """
    from potentials.data.label import holds_isolated_atom
    from potentials.data.read import read_frames
    from potentials.data.split.dividing import TRAIN, divide_frames
    from potentials.data.write import check_structure_output, write_structures

    read = read_frames(files)
    frames = [frame for frame in read if not holds_isolated_atom(frame.atoms)]
    isolated = [frame for frame in read if holds_isolated_atom(frame.atoms)]
    fractions = {name: fraction for name, fraction in (("validation", validation), ("test", test)) if fraction != 0}
    if not fractions:
        raise DataError("both fractions are 0, so there is nothing to split; give --validation or --test")
    splits = divide_frames(frames, fractions, by.value, seed, blocks=blocks, group_key=group_key)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"the folder {output} cannot be created: {error.strerror}") from error
    paths = {name: output / f"{name}.extxyz" for name in splits}
    for path in paths.values():
        check_structure_output(path, read)
        if path.exists() and not overwrite:
            raise DataError(f"{path} exists; choose another folder, or use --overwrite")
    for name, members in splits.items():
        chosen = [frames[k] for k in members] + (isolated if name == TRAIN else [])
        write_structures(paths[name], (frame.atoms for frame in chosen))
        atoms = f" and {len(isolated)} isolated atoms" if isolated and name == TRAIN else ""
        console.output.print(f"{console.path(paths[name])}: {len(members)} frames{atoms}", soft_wrap=True)
