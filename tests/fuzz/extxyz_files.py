"""Files that may be structures with labels: sound ones with odd words, lines, counts, columns and bytes."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import strategies as st

import potentials.models  # noqa: F401  (enters the families)
from fuzz.extxyz_words import COUNTS, FAR_VECTORS, NUMBERS, VECTORS, WORDS
from fuzz.limits import check_message, limited
from fuzz.mutations import changed_bytes, changed_text
from potentials.config import RunConfig
from potentials.data.findings import Findings
from potentials.data.label import label_frames
from potentials.data.prepare import prepare
from potentials.data.read import read_frames
from potentials.errors import DataError

MOST_WARNINGS = 20
"""Of Python's warnings, which nobody reads where there are many."""

LABELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stress": {"stress": "stress"},
    "virial": {"stress": None, "virial": {"key": "virial", "sign": "compression-positive"}},
    "weights": {"weights": {"key": "weight"}, "group_key": "kind", "length_unit": "Bohr"},
    "only energies": {"forces": None},
    "other keys": {"energy": "REF_energy", "forces": "REF_forces", "isolated_atoms": "its last frames"},
}


@dataclass(frozen=True)
class Example:
    """What stands in a file of this name, and which labels are looked for (a name of `LABELS`)."""

    data: bytes
    name: str = "example.xyz"
    labels: str = "plain"


@cache
def sound() -> tuple[str, ...]:
    """Files without fault: molecules, crystals, both with isolated atoms."""
    random = np.random.default_rng(0)
    files = []
    for periodic in (False, True):
        frames = [_frame(random, periodic) for _ in range(5)]
        frames += [_labeled(Atoms(symbol, [[0.0, 0, 0]]), random) for symbol in ("H", "O")]
        frames[-1].info["config_type"] = frames[-2].info["config_type"] = "IsolatedAtom"
        text = io.StringIO()
        ase.io.write(text, frames, format="extxyz")
        files.append(text.getvalue())
    return tuple(files)


def _frame(random: np.random.Generator, periodic: bool) -> Atoms:
    atoms = Atoms("OHH", np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]) + random.normal(scale=0.05, size=(3, 3)))
    if periodic:
        atoms.set_cell([[4.0, 0, 0], [0.3, 4.1, 0], [0, 0.2, 4.2]])
        atoms.pbc = True
    return _labeled(atoms, random)


def _labeled(atoms: Atoms, random: np.random.Generator) -> Atoms:
    results = {"energy": random.normal(), "forces": random.normal(size=(len(atoms), 3))}
    if atoms.pbc.all():
        results["stress"] = random.normal(scale=0.01, size=6)
        atoms.info["virial"] = random.normal(size=(3, 3))
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info |= {"weight": 1.5, "kind": "water", "REF_energy": random.normal()}
    atoms.arrays["REF_forces"] = random.normal(size=(len(atoms), 3))
    return atoms


@st.composite
def changed_parts(draw: st.DrawFn) -> str:
    """A sound file in whose frames (one or all) values are replaced by odd ones that can still be read as such."""
    lines = draw(st.sampled_from(sound())).splitlines()
    comments = [number for number, line in enumerate(lines) if "Properties" in line]
    for _ in range(draw(st.integers(1, 3))):
        everywhere = draw(st.booleans())
        chosen = comments if everywhere else [draw(st.sampled_from(comments))]
        kind = draw(st.sampled_from(["lattice", "pbc", "position", "force", "symbol", "scale", "key", "key"]))
        vectors = [draw(st.sampled_from([*VECTORS, *VECTORS, *FAR_VECTORS])) for _ in range(3)]
        value, word = draw(st.sampled_from(NUMBERS)), draw(st.sampled_from([word for word in WORDS if "=" in word[1:]]))
        column = draw(st.integers(0, 2))
        for comment in chosen:
            atoms = range(comment + 1, comment + 1 + int(lines[comment - 1]))
            if kind == "lattice":
                lines[comment] = without(lines[comment], "Lattice") + f' Lattice="{" ".join(vectors)}"'
            elif kind == "pbc":
                lines[comment] = (
                    without(lines[comment], "pbc")
                    + ' pbc="'
                    + draw(st.sampled_from(["T T T", "T F F", "F T T", "F F F"]))
                    + '"'
                )
            elif kind == "key":
                lines[comment] = without(lines[comment], word.partition("=")[0]) + " " + word
            elif kind == "scale":
                for atom in atoms:
                    words = lines[atom].split()
                    words[1:4] = [f"{float(position) * float(value):g}" for position in words[1:4]]
                    lines[atom] = " ".join(words)
            else:
                atom = draw(st.sampled_from(list(atoms)))
                words = lines[atom].split()
                if kind == "symbol":
                    words[0] = draw(st.sampled_from(["He", "Og", "X", "Xx", "D", "h", "H1", "1", "\u0397"]))
                else:
                    words[1 + column + (3 if kind == "force" else 0)] = value
                lines[atom] = " ".join(words)
    return "\n".join(lines) + "\n"


def without(comment: str, key: str) -> str:
    """The comment without the entry of this key."""
    return re.sub(rf'(^| ){re.escape(key)}=("[^"]*"|\S*)', "", comment)


@st.composite
def enormous(draw: st.DrawFn) -> bytes:
    """Much of something."""
    text = draw(st.sampled_from(sound()))
    number = draw(st.sampled_from([100, 10_000, 100_000]))
    match draw(st.sampled_from(["frames", "comment", "keys", "atoms", "together", "line", "blank", "zeros", "spread"])):
        case "frames":
            return (text * 20).encode()
        case "comment":
            return f"1\n{'x' * number}\nH 0 0 0\n".encode()
        case "keys":
            return f"1\n{' '.join(f'k{k}={k}' for k in range(number // 10))}\nH 0 0 0\n".encode()
        case "atoms":
            lines = "\n".join(f"H {2 * k} 0 0" for k in range(number // 10))
            return f"{number // 10}\nProperties=species:S:1:pos:R:3 energy=1\n{lines}\n".encode()
        case "together":
            return f"1000\nProperties=species:S:1:pos:R:3 energy=1\n{chr(10).join(['H 0 0 0'] * 1000)}\n".encode()
        case "line":
            return b"1\nenergy=1\nH " + b"0" * number + b" 0 0\n"
        case "blank":
            return text.encode() + b"\n" * number
        case "zeros":
            return b"\x00" * number
        case _:
            far = draw(st.sampled_from(["1e5", "1e9", "1e15", "1e30", "1e150", "1e300", "1.7e308"]))
            return f"3\nProperties=species:S:1:pos:R:3 energy=1\nH 0 0 0\nH {far} 0 0\nH 0 -{far} {far}\n".encode()


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Files of structures: changed in words, lines and bytes, random, enormous."""
    kind = draw(st.sampled_from([*["parts"] * 8, *["words"] * 4, "bytes", "random", "tokens", "enormous"]))
    if kind == "parts":
        data = draw(changed_parts()).encode()
    elif kind == "words":
        data = draw(st.sampled_from(sound()).flatmap(lambda text: changed_text(text, WORDS))).encode(
            "utf-8", "surrogatepass"
        )
    elif kind == "bytes":
        data = draw(st.sampled_from(sound()).flatmap(lambda text: changed_bytes(text.encode())))
    elif kind == "random":
        data = draw(
            st.one_of(
                st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
            )
        )
    elif kind == "tokens":
        words = st.lists(st.sampled_from([*WORDS, " ", "\n", "\n", "H 0 0 0\n", "O 1 0 0\n"]), max_size=30)
        data = (draw(st.sampled_from(COUNTS)) + "\n" + " ".join(draw(words))).encode()
    else:
        data = draw(enormous())
    name = draw(st.sampled_from(["example.xyz", "example.xyz", "example.xyz", "example.extxyz", "example"]))
    return Example(data, name, draw(st.sampled_from(sorted(LABELS))))


def check(example: Example, folder: Path) -> str:
    """Read, label and prepare it: data or a refusal with a message come out, in bounded time and memory."""
    file = folder / example.name
    file.write_bytes(example.data)
    settings = dict(LABELS[example.labels])
    if "isolated_atoms" in settings:
        settings["isolated_atoms"] = f"{file}@5:"
    data = {"train": f"{file}@:4", "validation": str(file), **settings}
    loss = {"forces": None} if settings.get("forces", "") is None else {}
    model = {"name": "schnet", "cutoff": 4.0}
    config = RunConfig.model_validate({"run": "a", "data": data, "model": model, "loss": loss})
    with warnings.catch_warnings(record=True) as caught, limited():
        warnings.simplefilter("always")
        outcome = _outcome(config, file)
    assert len(caught) <= MOST_WARNINGS, f"{len(caught)} warnings, such as {caught[0].message}"
    return outcome


def _outcome(config: RunConfig, file: Path) -> str:
    outcome = "accepted"
    try:
        prepare(config)
    except DataError as error:
        check_message(str(error))
        outcome = "read, but not fit for training"
    try:
        findings = Findings()
        label_frames(read_frames(str(file)), config.data, required=False, findings=findings)
        for text in [*findings.notes, *findings.warnings]:
            check_message(text)
    except DataError as error:
        check_message(str(error))
        outcome = type(error).__name__
    return outcome
