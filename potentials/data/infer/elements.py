"""The elements of a model, and whether all frames agree with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ase.data import atomic_numbers

from potentials.config.families import FamilyConfig
from potentials.data.findings import Findings
from potentials.data.label import LabeledFrame
from potentials.data.read import frame_list
from potentials.data.split import Splits, as_split, named_splits
from potentials.errors import DataError


def find_elements(model: FamilyConfig, splits: Splits, findings: Findings, are_known: bool = False) -> list[str]:
    """The elements of the model by atomic number: those that are configured, or those of the training frames.

    Args:
        model: its configuration.
        splits: of the run.
        findings: receives the elements that were found.
        are_known: whether the potential knows all its elements before training, so that validation and test frames may
            contain those that the training frames lack.

    Raises:
        DataError: the training frames contain an element outside those configured, or another split contains one that
            the training frames lack.
    """
    trained = sorted(splits.train.elements(), key=lambda symbol: atomic_numbers[symbol])
    elements = trained
    if isinstance(model.elements, str):
        findings.note(f"model.elements = {', '.join(trained)} (those of {len(splits.train)} training frames)")
    else:
        elements = sorted(model.elements, key=lambda symbol: atomic_numbers[symbol])
        check_elements(elements, splits.train)
    for name, split in named_splits(splits)[1:]:
        check_elements_of_split(elements if are_known else trained, name, split)
    return elements


def check_elements(elements: Sequence[str], train: Sequence[LabeledFrame]) -> None:
    """Check that the training frames contain only elements given in `elements`.

    Raises:
        DataError: they contain others; the message names symbols and frames.
    """
    unknown = _unknown_elements(elements, train)
    if unknown:
        raise DataError(
            f"model.elements does not include {_unknown_list(unknown)}; add these elements or set model.elements: auto"
        )


def check_elements_of_split(elements: Sequence[str], split: str, frames: Sequence[LabeledFrame]) -> None:
    """Check that validation or test frames contain only elements that occur in the training frames.

    Raises:
        DataError: they contain others; the message names symbols and frames.
    """
    unknown = _unknown_elements(elements, frames)
    if unknown:
        raise DataError(
            f"the {split} frames contain elements that the training frames lack: {_unknown_list(unknown)}; "
            "a model cannot learn elements that are not in the training set: add training frames or remove these frames"
        )


def _unknown_elements(elements: Sequence[str], frames: Sequence[LabeledFrame]) -> dict[str, str]:
    """Return symbols that are not in `elements`, by atomic number, each with a list of the frames that contain it."""
    split = as_split(frames)
    having = {symbol: split.where(split.has_element(symbol)) for symbol in split.elements() - set(elements)}
    unknown = {symbol: frame_list(of_symbol.locations(), count=len(of_symbol)) for symbol, of_symbol in having.items()}
    return dict(sorted(unknown.items(), key=lambda item: atomic_numbers[item[0]]))


def _unknown_list(unknown: Mapping[str, str]) -> str:
    return "; ".join(f"{symbol} in {frames}" for symbol, frames in unknown.items())
