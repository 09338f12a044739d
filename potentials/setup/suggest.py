"""A first configuration for a set of structures, with a reason for each setting; written by `potentials init`."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from potentials.config.messages.descriptions import counted
from potentials.config.starting import FINE_TUNING_RATE
from potentials.data.read.frames import BUILTIN_PREFIX, read_frames
from potentials.errors import DataError
from potentials.setup.commented_yaml import LINE_LENGTH, Setting, lines_of, quote, section
from potentials.setup.survey import CONTACT, IMPLAUSIBLE_STRESS, SURVEY_CUTOFF, Candidate, Survey, ase_stress, survey

_GENERIC_NAMES = {"train", "training", "data", "dataset", "all", "frames", "structures"}
_ATOMS_PER_BATCH = 80
_MIXED = 2.0
"""Ratio of the largest frame to the mean size, above which batches are limited by atoms."""
_OPTIMIZER_STEPS = 20_000
_FINE_TUNING_STEPS = 2_000
_FORCES_WEIGHT = 100.0


@dataclass(frozen=True)
class StartingChoice:
    """A potential to start from, as it is written into the configuration."""

    file: str
    head: str | None
    elements: Sequence[str]


@dataclass(frozen=True)
class Suggestion:
    """A configuration with notes and warnings for the user."""

    text: str
    """YAML with comments."""
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def suggest(
    data: Sequence[str], family: str | None = None, folder: Path | None = None, start: StartingChoice | None = None
) -> Suggestion:
    """Read `data` and suggest a configuration to train `family` on it, or to fine-tune a potential.

    Args:
        data: files, globs or `builtin:NAME`, relative to the current folder.
        family: name of the model family; by default mace.
        start: potential to start from, instead of a family.
        folder: folder of the configuration file; files below it are named relative to it, all others absolutely.

    Raises:
        DataError: a file is missing or unreadable, or contains no structures or neither energies nor forces; or an
            element that the starting potential does not know.
    """
    files = [_absolute(item) for item in data]
    found = survey(read_frames(files))
    model = section("model", _model_settings(family or "mace", found))
    if start is not None:
        model = _start_section(start, found)
    sections = [
        _header(data, found),
        _run_section(files[0]),
        _data_section([_below(item, folder) for item in files], found, start is not None),
        model,
        _loss_section(found, start is not None),
        section("train", _train_settings(found, start is not None)),
    ]
    return Suggestion(
        "\n\n".join("\n".join(lines) for lines in sections) + "\n", _notes(found, start is not None), _warnings(found)
    )


def _absolute(item: str) -> str:
    if item.startswith(BUILTIN_PREFIX):
        return item
    path = Path(item).expanduser()
    return str(path.parent.resolve() / path.name)


def _below(item: str, folder: Path | None) -> str:
    if folder is None or item.startswith(BUILTIN_PREFIX) or not Path(item).is_relative_to(folder.resolve()):
        return item
    return str(Path(item).relative_to(folder.resolve()))


# Sections


def _header(data: Sequence[str], found: Survey) -> list[str]:
    fewest, mean, most = found.atoms
    atoms = f"{fewest} atoms" if fewest == most else f"{fewest} to {most} atoms (mean {mean:.0f})"
    facts = [
        f"{counted(found.num_frames, 'frame')} of {atoms}",
        f"elements {', '.join(found.elements)}",
        _periodicity(found),
        f"{found.neighbors:.0f} neighbors within {SURVEY_CUTOFF:g} A",
    ]
    if found.forces:
        facts.append(f"forces {found.forces[0].rms:.3g} (RMS of a component)")
    words = textwrap.wrap(f"{'; '.join(facts)}.", width=LINE_LENGTH - 2)
    return [f"# Written by: potentials init {' '.join(data)}", *(f"# {line}" for line in words)]


def _periodicity(found: Survey) -> str:
    if found.periodic == found.num_frames:
        return "periodic"
    if not found.periodic and not found.partly_periodic:
        return "not periodic"
    open_frames = found.num_frames - found.periodic - found.partly_periodic
    return (
        f"{found.periodic} frames periodic in three directions, {found.partly_periodic} in one or two, "
        f"{open_frames} not periodic"
    )


def _run_section(file: str) -> list[str]:
    name = _run_name(file)
    return [
        *lines_of([Setting("run", quote(name), f"results are written to runs/{name}")]),
        *lines_of([Setting("seed", "1")]),
    ]


def _run_name(file: str) -> str:
    if file.startswith(BUILTIN_PREFIX):
        return file.removeprefix(BUILTIN_PREFIX).partition("@")[0]
    path = Path(file)
    stem = path.name.split(".")[0]
    name = f"{path.parent.name}-{stem}" if stem.lower() in _GENERIC_NAMES or "*" in stem else stem
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name).strip("-") or "run"


_METHODS = "or readouts, lora (train fewer parameters), or replay (also trains on frames of this potential)"


def _start_section(start: StartingChoice, found: Survey) -> list[str]:
    unknown = [symbol for symbol in found.elements if symbol not in start.elements]
    if unknown:
        raise DataError(
            f"the data contain {', '.join(unknown)}, which {start.file} does not support (supported: "
            f"{', '.join(start.elements)}). Remove these frames; or start from another potential; or run init without "
            "these frames, and then add their files to data.train and set fine_tune.new_elements"
        )
    name = quote(start.file) if start.head is None else f"{{file: {quote(start.file)}, head: {quote(start.head)}}}"
    return [
        *lines_of([Setting("start_from", name, "model, cutoff and elements are those of this potential")]),
        *section("fine_tune", [Setting("method", "full", _METHODS)]),
    ]


def _data_section(files: Sequence[str], found: Survey, has_start: bool) -> list[str]:
    settings = [Setting("train", quote(files[0]) if len(files) == 1 else f"[{', '.join(map(quote, files))}]")]
    settings += _split_settings(found)
    settings += [
        _label_setting("energy", "eV", found.energy, found),
        _label_setting("forces", "eV/A", found.forces, found),
    ]
    lines = ["data:", *lines_of(settings, 2), *_stress_lines(found)]
    rest = [Setting("reference_energies", "auto", _reference_energies_reason(found))]
    if has_start:
        kept = "those of the starting potential; if your calculations differ by a constant for each element: auto"
        rest = [Setting("reference_energies", "from-model", kept)]
    if found.group_key:
        names = ", ".join(f"{name} ({count})" for name, count in list(found.groups.items())[:6])
        more = ", ..." if len(found.groups) > 6 else ""
        rest.append(Setting("group_key", quote(found.group_key), f"error tables by group: {names}{more}"))
    lines += lines_of(rest, 2)
    if found.weight_key:
        lines.append(
            f"  # weights: {{key: {quote(found.weight_key)}}}    # present in the frames; uncomment to use "
            "it as a weight"
        )
    return lines + lines_of([_batch_setting(found)], 2)


def _split_settings(found: Survey) -> list[Setting]:
    held_out = "random split with the seed; a separate file is better"
    settings = [Setting("validation", "0.1", f"{counted(max(1, round(0.1 * found.num_frames)), 'frame')}, {held_out}")]
    if found.num_frames >= 100:
        settings.append(
            Setting("test", "0.1", "never used in training; better: a file with frames typical of your application")
        )
    return settings


def _label_setting(label: str, unit: str, candidates: Sequence[Candidate], found: Survey) -> Setting:
    if not candidates:
        return Setting(label, "null", f"no frame has {label}")
    best = candidates[0]
    share = "all frames" if best.frames == found.num_frames else f"{best.frames} of {found.num_frames} frames"
    others = ", ".join(other.key for other in candidates[1:4])
    reason = f"in {share}; the unit is assumed" + (f"; also present: {others}" if others else "")
    return Setting(label, f"{{key: {quote(best.key)}, unit: {unit}}}", reason)


def _stress_lines(found: Survey) -> list[str]:
    taken = ase_stress(found)
    if taken is not None:
        reason = f"in {taken.frames} of {found.num_frames} frames; unit, sign and order are assumed to be ASE's"
        return lines_of([Setting("stress", "{key: stress, unit: eV/A^3, sign: tension-positive}", reason)], 2)
    if not found.stress or not found.periodic:
        return []
    best = found.stress[0]
    label = "virial" if "virial" in best.key.lower() and "stress" not in best.key.lower() else "stress"
    units = "eV, Ha, kcal/mol, ..." if label == "virial" else "eV/A^3, GPa, kbar, ..."
    size = "; too large for eV/A^3" if label == "stress" and best.rms > IMPLAUSIBLE_STRESS else ""
    return [
        f'  # "{best.key}" looks like a {label} (in {best.frames} frames; {best.rms:.3g} RMS{size}).',
        "  # The file does not define its unit, sign and order; wrong ones silently corrupt training. Find out,",
        "  # fill in, and uncomment this and the weight in `loss`:",
        f"  # {label}:",
        f"  #   key: {quote(best.key)}",
        f"  #   unit: FILL-IN     # {units}",
        "  #   sign: FILL-IN     # tension-positive (ASE) or compression-positive (VASP; virials of GAP and MACE)",
        "  #   order: FILL-IN    # xx yy zz yz xz xy (ASE), xx yy zz xy yz xz (VASP), ...; for six numbers",
    ]


def _reference_energies_reason(found: Survey) -> str:
    missing = [symbol for symbol in found.elements if symbol not in found.isolated]
    if not missing:
        return f"isolated atoms of {', '.join(found.isolated)} are in the data"
    if found.compositions < len(found.elements):
        return "least squares, underdetermined because there are too few compositions; better: isolated_atoms: FILE"
    return "least squares; better, if you have energies of isolated atoms: isolated_atoms: FILE"


def _model_settings(family: str, found: Survey) -> list[Setting]:
    cutoff, reason = _cutoff(found)
    settings = [Setting("name", family), Setting("cutoff", f"{cutoff:g}", reason)]
    channels = 32 if found.num_frames < 200 else 64 if found.num_frames < 5000 else 128
    if family == "mace":
        settings += [
            Setting("channels", str(channels), f"for {found.num_frames} frames; more is slower and needs more data"),
            Setting("feature_degree", "1", "0 is faster and less accurate, 2 slower"),
            Setting("edge_degree", "3"),
            Setting("correlation", "3", "correlation order; 3 gives four-body terms"),
            Setting("layers", "2", f"receptive field: {2 * cutoff:g} A"),
        ]
    elif family == "nequip":
        settings += [
            Setting("channels", str(min(channels // 2, 32)), f"for {found.num_frames} frames; more is slower"),
            Setting("degree", "2", "1 is faster and less accurate, 3 slower"),
            Setting("parity", "true", "include features of both parities"),
            Setting("layers", "4", f"receptive field: {4 * cutoff:g} A"),
        ]
    return [*settings, *_repulsion(found)]


def _repulsion(found: Survey) -> list[Setting]:
    """Return ZBL repulsion if the data contain no short distances, where the model would have to extrapolate."""
    far = found.pairs_without_contact
    if not far:
        return []
    listing = f"{', '.join(far[:4])}{', ...' if len(far) > 4 else ''}"
    reason = f"nuclear repulsion: {listing} are never closer than {CONTACT:g} times the sum of their covalent radii"
    return [Setting("zbl", "true", reason)]


def _cutoff(found: Survey) -> tuple[float, str]:
    seen = f"{found.neighbors:.0f} neighbors within {SURVEY_CUTOFF:g} A on average"
    if found.neighbors > 80:
        return 4.5, f"A; {seen}, which is many"
    if found.periodic and found.neighbors < 20:
        return 6.0, f"A; only {seen}"
    return 5.0, f"A; {seen}"


def _loss_section(found: Survey, has_start: bool) -> list[str]:
    lines = ["loss:"]
    if found.energy and has_start:
        reason = "squared error per atom; with a large weight, energies of other substances change less"
        lines += lines_of([Setting("energy", "{weight: 1000}", reason)], 2)
    elif found.energy:
        lines += lines_of([Setting("energy", "{weight: 1}", "squared error per atom, (eV/atom)^2")], 2)
    else:
        lines += lines_of([Setting("energy", "{weight: 0}", "there are no energies")], 2)
    if found.forces:
        reason = "forces carry much more information than one energy per frame; squared errors in (eV/A)^2"
        lines += lines_of([Setting("forces", f"{{weight: {_FORCES_WEIGHT:g}}}", reason)], 2)
    else:
        lines += lines_of([Setting("forces", "{weight: 0}", "there are no forces")], 2)
    taken = ase_stress(found)
    if taken is not None and found.forces:
        reason = "a relative error of the stress contributes one tenth as much as the same relative error of the forces"
        lines += lines_of([Setting("stress", f"{{weight: {_stress_weight(taken, found.forces[0]):g}}}", reason)], 2)
    elif found.stress and found.periodic:
        lines.append("  # stress: {weight: 1000}    # with the stress or virial declared above")
    return lines


def _stress_weight(stress: Candidate, forces: Candidate) -> float:
    """Return 0.1 * forces weight * (RMS force / RMS stress)^2, to one significant digit."""
    if stress.rms == 0 or forces.rms == 0:
        return _FORCES_WEIGHT
    weight = 0.1 * _FORCES_WEIGHT * (forces.rms / stress.rms) ** 2
    return float(f"{weight:.0e}")


def _batch_size(found: Survey) -> int:
    """Return a size with enough atoms for efficiency, and few enough frames for twenty steps per epoch."""
    by_size = min(10, math.ceil(_ATOMS_PER_BATCH / found.atoms[1]))
    return max(1, min(by_size, found.num_frames // 20))


def _batch_setting(found: Survey) -> Setting:
    """Return a number of frames, or of atoms if some frames are too large for such a batch."""
    if not _is_mixed(found):
        batch = _batch_size(found)
        return Setting("batch_size", str(batch), f"about {batch * found.atoms[1]:.0f} atoms per step")
    frames = f"about {_frames_per_batch(found):.0f} frames per batch"
    reason = f"frame sizes differ strongly; {frames} (batch_size would fix the number of frames)"
    return Setting("max_atoms_per_batch", str(_atom_budget(found)), reason)


def _is_mixed(found: Survey) -> bool:
    return found.atoms[2] > _MIXED * found.atoms[1]


def _atom_budget(found: Survey) -> int:
    """Return the number of atoms of a batch of mean frames, but at least that of the largest frame."""
    return max(found.atoms[2], round(_batch_size(found) * found.atoms[1]))


def _frames_per_batch(found: Survey) -> float:
    return _atom_budget(found) / found.atoms[1] if _is_mixed(found) else _batch_size(found)


def _train_settings(found: Survey, has_start: bool) -> list[Setting]:
    training = found.num_frames * (0.8 if found.num_frames >= 100 else 0.9)
    steps = math.ceil(training / _frames_per_batch(found))
    optimizer_steps, rate = (_FINE_TUNING_STEPS, FINE_TUNING_RATE) if has_start else (_OPTIMIZER_STEPS, 0.01)
    epochs = max(20, min(1000, round(optimizer_steps / steps)))
    return [
        Setting("max_epochs", str(epochs), f"{epochs * steps} steps; `potentials check` estimates the time"),
        Setting("optimizer", f"{{name: adam, learning_rate: {rate:g}, amsgrad: true}}"),
        Setting("schedule", "{name: cosine, warmup_epochs: 1}"),
        Setting(
            "ema",
            "{decay: 0.99}",
            "exponential moving average of the weights; used for validation and in the model file",
        ),
    ]


# Messages to the user


def _notes(found: Survey, has_start: bool) -> tuple[str, ...]:
    notes = []
    for label, candidates in (("energy", found.energy), ("forces", found.forces)):
        if candidates:
            best = candidates[0]
            others = ", ".join(f'"{other.key}"' for other in candidates[1:])
            choice = f"; not used: {others} (to use one, change data.{label}.key)" if others else ""
            notes.append(
                f'{label} from "{best.key}" ({best.place}, {best.frames} of {found.num_frames} frames){choice}'
            )
    if found.isolated and not has_start:
        notes.append(f"isolated atoms found: {', '.join(found.isolated)}; used for the reference energies")
    return tuple(notes)


def _warnings(found: Survey) -> tuple[str, ...]:
    warnings = []
    if not found.forces:
        warnings.append("no forces found; training on energies alone needs far more frames")
    force = found.forces[0].rms if found.forces else math.nan
    if force > 15:
        warnings.append(f"an RMS force of {force:.3g} eV/A is large; if it is in kcal/mol/A, set data.forces.unit")
    if 0 < force < 0.08:
        warnings.append(f"an RMS force of {force:.2g} eV/A is small; if it is in Ha/Bohr, set data.forces.unit")
    undeclared = found.stress and found.periodic and ase_stress(found) is None
    if undeclared:
        warnings.append(
            f'"{found.stress[0].key}" is not used: its unit, sign and order must be declared (see the comment in data)'
        )
    missing = [symbol for symbol in found.elements if symbol not in found.isolated]
    if missing and found.compositions < len(found.elements):
        warnings.append(
            f"{found.compositions} composition(s) of {len(found.elements)} elements do not determine the reference "
            "energies; the potential will be wrong for other compositions. Give data.isolated_atoms if you can"
        )
    if found.num_frames < 20:
        warnings.append(f"only {counted(found.num_frames, 'frame')}; expect large errors on other structures")
    return tuple(warnings)
