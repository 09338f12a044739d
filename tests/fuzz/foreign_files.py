"""Files that may be models of other programs: descriptions, numbers, configurations and archives with small changes."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms
from hypothesis import strategies as st

from fuzz.limits import check_message, check_one_line, limited
from fuzz.mutations import changed_bytes
from potentials.data.graph import build_graph
from potentials.errors import PotentialsError
from potentials.interop import import_model
from potentials.kernels.dispatch import use_kernels

FOLDER = Path(__file__).parent.parent / "interop" / "model_files"
NAMES = tuple(sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".npz"))
HEADS = (None, None, "pbe", "r2scan", "Default", "", "é")


@dataclass(frozen=True)
class Example:
    """A file, and the head that is asked for."""

    name: str
    data: bytes
    head: str | None

    def __repr__(self) -> str:
        return f"Example({self.name}, {len(self.data)} bytes, head={self.head!r})"


@st.composite
def changed_entries(draw: st.DrawFn, name: str) -> bytes:
    """An archive of which one entry has changed: mostly the description of the model, else numbers or a text."""
    with zipfile.ZipFile(FOLDER / name) as source:
        content = {entry: source.read(entry) for entry in source.namelist()}
    described = [entry for entry in content if entry.endswith((".pkl", ".yaml", "byteorder"))]
    entry = draw(st.one_of(st.sampled_from(described), st.sampled_from(described), st.sampled_from(sorted(content))))
    content[entry] = draw(changed_bytes(content[entry]))
    return _archive(content, draw(st.sampled_from((zipfile.ZIP_STORED,) * 9 + (zipfile.ZIP_DEFLATED,))))


def _archive(content: dict[str, bytes], compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for entry, data in content.items():
            file.writestr(entry, data)
    return buffer.getvalue()


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """A file of another program, as it is or with changes to an entry or to the bytes of the whole file."""
    name = draw(st.sampled_from(NAMES))
    data = (FOLDER / name).read_bytes()
    kind = draw(st.integers(0, 9))
    if kind < 7:
        data = draw(changed_entries(name))
    elif kind < 9:
        data = draw(changed_bytes(data))
    return Example(name, data, draw(st.sampled_from(HEADS)))


def check(example: Example, folder: Path) -> str:
    """Import it: a potential or a refusal with a message comes out, in bounded time and memory."""
    file = folder / example.name
    file.write_bytes(example.data)
    with limited():
        try:
            potential = import_model(file, example.head)
        except PotentialsError as error:
            check_message(str(error))
            check_one_line(str(error))
            return type(error).__name__
        potential = potential.select_head(potential.heads[0]) if potential.heads else potential
        dimer = Atoms([potential.elements[0]] * 2, [[0, 0, 0], [0.8, 0.9, 0.3]])
        with use_kernels("reference"):
            potential(build_graph(dimer, potential.elements, potential.cutoff))
    return "accepted"
