"""Splits whose frames stay in their files and are read and labeled when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import ArrayLike, NDArray

from potentials.config.data import DataConfig
from potentials.data.index import FrameIndex
from potentials.data.label import DEFAULT_GROUP, LabeledFrame, data_digest, label_frames
from potentials.data.read import Frame
from potentials.data.split.graphs_in_files import GraphsInFiles
from potentials.data.split.sampling import sampled_numbers
from potentials.data.split.split import FrameLocation, Split
from potentials.data.stores import FrameStore


@dataclass(frozen=True, eq=False)
class IndexedFile:
    """A file, what messages call it, and what is known of its frames."""

    name: str
    store: FrameStore
    index: FrameIndex


class SplitInFiles(Split):
    """Frames of stores, in any order; a million take some megabytes.

    A frame is read and labeled each time it is asked for, in whatever process. What is wrong with it is said then, by
    a `DataError` that names file and frame.

    Args:
        files: that the frames are in.
        file: [n], the number of each frame's file in `files`.
        number: [n], the number of each frame in its file.
        config: the `data` section, which says what labels are called.
    """

    def __init__(
        self, files: Sequence[IndexedFile], file: NDArray[np.int32], number: NDArray[np.int64], config: DataConfig
    ) -> None:
        self.files = files
        self.file = file
        self.number = number
        self.config = config

    def __len__(self) -> int:
        return len(self.number)

    @overload
    def __getitem__(self, index: int) -> LabeledFrame: ...

    @overload
    def __getitem__(self, index: slice) -> SplitInFiles: ...

    def __getitem__(self, index: int | slice) -> LabeledFrame | SplitInFiles:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return label_frames([self.raw(index)], self.config, required=False)[0]

    def __iter__(self) -> Iterator[LabeledFrame]:
        return (self[index] for index in range(len(self)))

    def raw(self, index: int) -> Frame:
        """A frame as it stands in its file."""
        where = self.location(index)
        return Frame(self.files[self.file[index]].store.read(where.index), where.file, where.index)

    def take(self, chosen: ArrayLike) -> SplitInFiles:
        """The frames with the numbers `chosen`."""
        numbers = np.asarray(chosen, dtype=np.int64)
        return SplitInFiles(self.files, self.file[numbers], self.number[numbers], self.config)

    def where(self, mask: NDArray[np.bool_]) -> SplitInFiles:
        """The frames for which `mask` [n] is true."""
        return self.take(np.flatnonzero(mask))

    @property
    def num_atoms(self) -> NDArray[np.int64]:
        """[n], without reading any frame."""
        return self._indexed([source.index.num_atoms for source in self.files])

    def location(self, index: int) -> FrameLocation:
        """File and number of a frame, without reading it."""
        return FrameLocation(self.files[self.file[index]].name, int(self.number[index]))

    def elements(self) -> set[str]:
        """Symbols that occur in any of the frames."""
        sets = self._indexed([source.index.element_set_index for source in self.files])
        found = set()
        for file, source in enumerate(self.files):
            for number in np.unique(sets[self.file == file]):
                found |= set(source.index.element_sets[number])
        return {chemical_symbols[number] for number in found}

    def has_element(self, symbol: str) -> NDArray[np.bool_]:
        """[n], whether an element occurs in a frame."""
        wanted = chemical_symbols.index(symbol)
        of_sets = [[wanted in numbers for numbers in source.index.element_sets] for source in self.files]
        return self._indexed(
            [
                np.array(of_file, dtype=bool)[source.index.element_set_index]
                for of_file, source in zip(of_sets, self.files, strict=True)
            ]
        )

    def has_key(self, key: str) -> NDArray[np.bool_]:
        """[n], whether a frame has a value under `key`."""
        return self._indexed([source.index.has_key(key) for source in self.files])

    @property
    def periodic(self) -> NDArray[np.bool_]:
        """[n], whether a frame is periodic in three directions."""
        return self._indexed([source.index.periodic for source in self.files])

    @property
    def isolated(self) -> NDArray[np.bool_]:
        """[n], whether a frame is an isolated atom."""
        return self._indexed([source.index.isolated for source in self.files])

    def structure_hashes(self, length_in_angstrom: float) -> NDArray[np.uint64]:
        """[n], in the length unit of the files, which is that of all splits."""
        return self._indexed([source.index.structure_hashes for source in self.files])

    def group_names(self) -> set[str]:
        """The groups of the frames."""
        groups = self._indexed([source.index.group_index for source in self.files])
        return {
            DEFAULT_GROUP if (name := source.index.group_names[number]) is None else name
            for file, source in enumerate(self.files)
            for number in np.unique(groups[self.file == file])
        }

    def has_forces(self) -> bool:
        """Whether any frame has forces."""
        return self.config.forces is not None and bool(self.has_key(self.config.forces.key).any())

    def has_stress(self) -> bool:
        """Whether any frame has a stress."""
        label = self.config.virial if self.config.stress is None else self.config.stress
        return label is not None and bool((self.has_key(label.key) & self.periodic).any())

    def numbers_by_file(self) -> dict[str, list[int]]:
        """The numbers of the frames, by the name of their file."""
        present = np.unique(self.file, return_index=True)
        by_first = [present[0][k] for k in np.argsort(present[1])]
        return {self.files[file].name: self.number[self.file == file].tolist() for file in by_first}

    def digest(self) -> str:
        """See `Split`."""
        return data_digest(self._indexed([source.index.frame_digests for source in self.files]), self.config)

    def graphs(self, elements: Sequence[str], cutoff: float, groups: Sequence[str]) -> GraphsInFiles:
        """Graphs that are built when they are asked for, in whatever process."""
        return GraphsInFiles(self, elements, cutoff, groups)

    def sample(self, seed: int) -> list[LabeledFrame]:
        """At most `SAMPLED_FRAMES` frames drawn at random, which are read now."""
        return [*self.take(sampled_numbers(len(self), seed))]

    def _indexed(self, of_files: Sequence[NDArray]) -> NDArray:
        """[n, ...], from arrays over all frames of each file."""
        starts = np.concatenate([[0], np.cumsum([len(values) for values in of_files])])
        return np.concatenate(of_files)[starts[self.file] + self.number]
