"""Load and validate a configuration: from YAML text to a `RunConfig`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from potentials.config.base import StrictConfig
from potentials.config.data.paths import resolve_data_paths, resolve_replay_paths
from potentials.config.messages.descriptions import describe_value, format_names
from potentials.config.messages.problems import MAX_PROBLEMS, problems_from
from potentials.config.run import RunConfig
from potentials.config.yaml.overrides import apply_overrides
from potentials.config.yaml.reader import MAX_CHARACTERS, read_document
from potentials.errors import ConfigError, Problem

ConfigT = TypeVar("ConfigT", bound=StrictConfig)


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> RunConfig:
    """Read and validate a configuration file.

    Args:
        path: the YAML file.
        overrides: changes such as `train.max_epochs=10`.

    Returns:
        The configuration, with absolute paths of data files; relative paths are relative to the folder of `path`.

    Raises:
        ConfigError: with every problem found.
    """
    text = read_text(Path(path))
    folder = Path(path).resolve().parent
    config = parse_config(text, str(path), overrides, folder)
    return with_absolute_paths(config, folder)


def with_absolute_paths(config: RunConfig, folder: Path) -> RunConfig:
    """Return the configuration with absolute paths of data files, which relative paths start from `folder`."""
    data, fine_tune = resolve_data_paths(config.data, folder), resolve_replay_paths(config.fine_tune, folder)
    return config.model_copy(update={"data": data, "fine_tune": fine_tune})


def parse_config(
    text: str, file: str = "<text>", overrides: Sequence[str] = (), folder: Path | None = None
) -> RunConfig:
    """Validate the YAML text of a configuration. Like `load_config`, but paths of data files are not changed.

    Args:
        text: the YAML text.
        file: its name in messages.
        overrides: changes such as `train.max_epochs=10`.
        folder: folder that the path of a starting potential is relative to; by default the working directory.

    Raises:
        ConfigError: with every problem found.
    """
    return parse_as(RunConfig, text, file, overrides, folder)


def parse_as(
    model: type[ConfigT], text: str, file: str, overrides: Sequence[str] = (), folder: Path | None = None
) -> ConfigT:
    """Validate YAML text against a configuration class.

    Args:
        model: the configuration class.
        text: the YAML text.
        file: its name in messages.
        overrides: changes such as `train.max_epochs=10`.
        folder: as in `parse_config`.

    Raises:
        ConfigError: with every problem found.
    """
    document, problems = read_document(text, file)
    if not isinstance(document.value, dict):
        message = (
            f"expected a mapping with {format_names('key', model.model_fields)}, got {describe_value(document.plain())}"
        )
        raise ConfigError([*problems, Problem(message, file=file, line=document.place.line)])
    document, override_problems = apply_overrides(document, overrides)
    problems += override_problems
    try:
        config = model.model_validate(document.plain(), context={"folder": folder or Path.cwd()})
    except ValidationError as error:
        problems += _without_reported(problems_from(error, model, document), problems)
    if problems:
        ordered = sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0))
        raise ConfigError(_limit_problems(ordered, file))
    return config


def _limit_problems(problems: list[Problem], file: str) -> list[Problem]:
    """Return the first problems; with more, the file is probably not a configuration."""
    if len(problems) <= MAX_PROBLEMS:
        return problems
    return [*problems[:MAX_PROBLEMS], Problem("and more problems; fix these first", file=file)]


def _without_reported(found: list[Problem], reported: list[Problem]) -> list[Problem]:
    """Remove problems of values that could not be read; these are null in the document and were reported before."""
    reported_locations = {(problem.file, problem.line, problem.key) for problem in reported}
    return [problem for problem in found if (problem.file, problem.line, problem.key) not in reported_locations]


def read_text(path: Path) -> str:
    """Read the text of a configuration file.

    Raises:
        ConfigError: the file cannot be read, or is not text.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(4 * MAX_CHARACTERS + 4)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError([Problem(f"cannot be read: {reason}", file=str(path))]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem("not UTF-8 text; is this a configuration?", file=str(path), line=line)]) from None
