"""Files that may be model files: random, cut short, flipped, with absurd headers and tensors, of others."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from ase import Atoms
from hypothesis import strategies as st

from fuzz.limits import check_message, check_one_line, limited
from fuzz.mutations import NUMBERS, changed_bytes, changed_tree, odd_values
from potentials.config.families import families
from potentials.data.graph import build_graph
from potentials.errors import PotentialsError
from potentials.evaluation.evaluate import label_config
from potentials.kernels.dispatch import use_kernels
from potentials.potential import model_file

FOLDER = Path(__file__).parent.parent / "model_files"
SIZES = (0, 1, 2, 3, 7, 64, 100, 200, 1000, 8192, 65_536, 10**6, 10**9, 2**31, 2**63, 10**30, -1, 0.5, True, "8", None)
LISTS = ([], [1], [64, 64], [0], [10**9], [10**9, 10**9], [1] * 1000, [65_536] * 20, list(range(1, 4000)))
SETTINGS = (
    *(
        "channels",
        "layers",
        "degree",
        "feature_degree",
        "edge_degree",
        "correlation",
        "angular_degree",
        "attention_heads",
    ),
    *(
        "polynomial_degree",
        "orientations",
        "basis",
        "widening",
        "scalar_channels",
        "radial_mlp",
        "latent_mlp",
        "readout_mlp",
    ),
    *(
        "readout_channels",
        "envelope_power",
        "cutoff",
        "average_neighbors",
        "scale",
        "shift",
        "elements",
        "zbl",
        "radial",
    ),
)
LARGE = defaultdict(lambda: (4, 64, 100, 200, 8192, 65_536, 65_537), degree=(0, 1, 2, 3, 4, 6, 8, 30, 10**6))
LARGE |= {"mlp": ([65_536] * 20, [1], [], [10**9]), "ion": (1, 2, 3, 4), "ads": (1, 4, 8192)}
"""The largest settings that there may be, by what their names contain or end with."""
ELEMENTS = (
    ["H"],
    ["H", "C", "O", "N"],
    ["Xx"],
    [],
    ["H", "H"],
    "auto",
    ["H", "C", "X"],
    ["H"] * 1000,
    [1, 6, 8],
    "H",
    None,
)


@dataclass(frozen=True)
class Example:
    """What stands in the file."""

    data: bytes


@cache
def shipped() -> tuple[bytes, ...]:
    """The files that releases have written."""
    return tuple(file.read_bytes() for file in sorted(FOLDER.glob("*/*.potential")))


def parts(data: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Header, index of the tensors, and the numbers of a file."""
    (length,) = struct.unpack("<Q", data[:8])
    index = json.loads(data[8 : 8 + length])
    header = json.loads(index.pop("__metadata__")["potentials"])
    return header, index, data[8 + length :]


def whole(header: Any, index: Any, numbers: bytes, length: int | None = None) -> bytes:
    """A file of these parts, whatever they are."""
    text = header if isinstance(header, str) else json.dumps(header)
    entries = {"__metadata__": {"potentials": text}, **index} if isinstance(index, dict) else index
    encoded = json.dumps(entries).encode()
    return struct.pack("<Q", len(encoded) if length is None else length % 2**64) + encoded + numbers


@st.composite
def changed_headers(draw: st.DrawFn) -> bytes:
    """Files that are whole, with other headers."""
    header, index, numbers = parts(draw(st.sampled_from(shipped())))
    match draw(st.sampled_from(["settings", "settings", "model", "tree", "tree", "text", "version", "metadata"])):
        case "settings":
            for name in draw(st.lists(st.sampled_from(SETTINGS), min_size=1, max_size=4)):
                _change_setting(draw, header["model"], name)
        case "model":
            header["model"] = draw(changed_tree(header["model"]))
        case "tree":
            header = draw(changed_tree(header))
        case "text":
            text = json.dumps(header).encode()
            header = draw(changed_bytes(text)).decode("utf-8", "replace")
        case "version":
            header["format_version"] = draw(st.one_of(st.sampled_from(NUMBERS), odd_values()))
            header["versions"] = draw(st.one_of(st.just(header["versions"]), odd_values()))
        case _:
            header["metadata"] = draw(changed_tree(header["metadata"]))
    return whole(header, index, numbers)


def _change_setting(draw: st.DrawFn, model: dict[str, Any], name: str) -> None:
    sizes = st.sampled_from([*SIZES, *LISTS])
    if name == "elements":
        model[name] = draw(st.sampled_from(ELEMENTS))
    elif name == "radial" and isinstance(model.get("radial"), dict):
        model["radial"] = {**model["radial"], draw(st.sampled_from([*model["radial"], "size", "gamma"])): draw(sizes)}
    else:
        model[name] = draw(st.one_of(sizes, sizes, st.sampled_from(NUMBERS), odd_values()))


@st.composite
def monsters(draw: st.DrawFn) -> bytes:
    """Files of a family whose header asks for the largest that its configuration allows, and more."""
    header, index, numbers = parts(draw(st.sampled_from(shipped())))
    name = draw(st.sampled_from([*families()]))
    model = {key: header["model"][key] for key in ("cutoff", "elements", "average_neighbors", "scale", "shift")}
    for setting in families()[name].model_fields:
        if setting in SETTINGS and setting not in (*model, "zbl", "radial") and draw(st.booleans()):
            model[setting] = draw(st.sampled_from(LARGE["degree" if "degree" in setting else setting[-3:]]))
    header["model"] = {"name": name, **model}
    return whole(header, index, numbers)


@st.composite
def changed_tensors(draw: st.DrawFn) -> bytes:
    """Files whose index of tensors is odd: names, types, shapes, places."""
    header, index, numbers = parts(draw(st.sampled_from(shipped())))
    names = list(index)
    for _ in range(draw(st.integers(1, 3))):
        entry = index[draw(st.sampled_from(names))]
        match draw(
            st.sampled_from(["dtype", "shape", "offsets", "swap", "rename", "tree", "length", "numbers", "same"])
        ):
            case "dtype":
                kinds = [
                    "F64",
                    "F16",
                    "BF16",
                    "I64",
                    "I8",
                    "BOOL",
                    "F8_E4M3",
                    "F8_E5M2",
                    "F4",
                    "C64",
                    "U64",
                    "F6_E2M3",
                    "f32",
                    "",
                ]
                entry["dtype"] = draw(st.sampled_from(kinds))
            case "shape":
                entry["shape"] = draw(st.lists(st.sampled_from([0, 1, 2, 3, 2**31, 2**62, 2**64, -1]), max_size=5))
            case "offsets":
                entry["data_offsets"] = draw(st.lists(st.sampled_from([0, 1, 4, 2**40, 2**63, 2**64, -1]), max_size=3))
            case "swap":
                entry["shape"] = entry.get("shape", [])[::-1] if isinstance(entry.get("shape"), list) else [1]
            case "rename":
                index[draw(st.text(max_size=200))] = entry
            case "tree":
                index = draw(changed_tree(index))
                return whole(header, index, numbers)
            case "length":
                return whole(
                    header, index, numbers, draw(st.sampled_from([0, 1, 2, 100, 2**24, 2**27, 2**40, 2**63, 2**64 - 1]))
                )
            case "numbers":
                values = np.frombuffer(numbers[: len(numbers) // 4 * 4], dtype="<f4").copy()
                values[draw(st.integers(0, len(values) - 1))] = draw(
                    st.sampled_from([np.nan, np.inf, -np.inf, 3e38, 1e-45])
                )
                numbers = values.tobytes()
            case _:
                other = index[draw(st.sampled_from(names))]
                entry["data_offsets"] = other.get("data_offsets")
    return whole(header, index, numbers)


@st.composite
def foreign(draw: st.DrawFn) -> bytes:
    """Files of others: safetensors, NumPy, pickles, JSON, and those with a header or index of enormous length."""
    array = np.ones(draw(st.sampled_from([0, 1, 100])), dtype=np.float32)
    match draw(st.sampled_from(["safetensors", "npy", "pickle", "json", "names", "header", "deep"])):
        case "safetensors":
            metadata = draw(st.sampled_from([None, {}, {"format": "pt"}, {"potentials": ""}, {"potentials": "{}"}]))
            return safetensors.numpy.save({"weight": array}, metadata)
        case "npy":
            buffer = io.BytesIO()
            np.save(buffer, array)
            return buffer.getvalue()
        case "pickle":
            return pickle.dumps({"model": array})
        case "json":
            return json.dumps({"format": "potentials"}).encode()
        case "names":
            number = draw(st.sampled_from([100, 30_000]))
            empty = {f"t{k}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for k in range(number)}
            return whole(parts(shipped()[0])[0], empty, b"")
        case "header":
            header, index, numbers = parts(shipped()[0])
            header["metadata"] = {"notes": "x" * draw(st.sampled_from([10**6, 20 * 2**20]))}
            return whole(header, index, numbers)
        case _:
            header, index, numbers = parts(shipped()[0])
            depth = draw(st.sampled_from([500, 900, 990, 5000, 10**6]))
            text = json.dumps({**header, "metadata": {"config": 0}}).replace(
                '"config": 0', f'"config": {"[" * depth + "]" * depth}'
            )
            return whole(text, index, numbers)


def examples() -> st.SearchStrategy[Example]:
    """Model files: sound, broken, hostile."""
    changed = st.sampled_from(shipped()).flatmap(changed_bytes)
    cut = st.sampled_from(shipped()).flatmap(lambda data: st.integers(0, len(data)).map(lambda n: data[:n]))
    plausible = st.binary(max_size=600).map(lambda data: struct.pack("<Q", max(len(data) - 20, 0)) + data)
    kinds = [st.binary(max_size=2000), plausible, cut, changed, changed, changed_headers(), changed_headers()]
    kinds += [changed_headers(), monsters(), changed_tensors(), changed_tensors(), foreign()]
    return st.one_of(kinds).map(Example)


def check(example: Example, folder: Path) -> str:
    """Load it: a potential or a refusal with a message comes out, in bounded time and memory."""
    file = folder / "example.potential"
    file.write_bytes(example.data)
    with limited():
        try:
            potential = model_file.load(file)
            label_config(potential.metadata)
        except PotentialsError as error:
            check_message(str(error))
            check_one_line(str(error))
            return type(error).__name__
        model_file.save(potential, folder / "again.potential")
        dimer = Atoms([potential.elements[0]] * 2, [[0, 0, 0], [0.8, 0.9, 0.3]])
        with use_kernels("reference"):
            potential(build_graph(dimer, potential.elements, potential.cutoff))
    return "accepted"
