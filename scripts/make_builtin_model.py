"""Write the potential included in the package as `builtin:ethanol`, and its card.

    potentials train configs/ethanol-guide.yaml
    python scripts/make_builtin_model.py runs/ethanol-guide

The model file is that of the run, except that its header does not contain the folder of the run.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from potentials.evaluation.error_table import UNITS, ErrorTable, SplitErrors
from potentials.potential import model_file

ROOT = Path(__file__).parent.parent
CONFIGURATION = "configs/ethanol-guide.yaml"
FOLDER = ROOT / "potentials" / "data" / "builtin"
CARD = """# builtin:ethanol as a potential

A small MACE with {parameters:,} weights in {precision}, for trying commands and for the guide docs/what-it-does.md. It
describes ethanol at 300 K to 500 K at the GFN2-xTB level of theory, and the repulsion of atoms at short distances
(distorted molecules, fragments and pairs, `ethanol-distorted.md`, and ZBL repulsion). It is not meant for research.

## How it was made

    potentials train {configuration}
    python scripts/make_builtin_model.py runs/ethanol-guide

in {minutes:.0f} minutes on one core of a machine with other load, with {versions}.
{history}
Dynamics at 300 K and 500 K (`builtin:ethanol`) contains no distances below 0.88 Å, and a model trained on it alone had
minima there that were thousands of eV too deep. `tests/data/test_builtin_potential.py` checks that the energy of this
model increases as any two atoms approach each other, down to 0.05 Å, and that basin hopping and dynamics at 1000 K
find no energy below that of the molecule. Energies of broken and compressed molecules are rough: see the training
frames in the groups `forces_...`, named by the largest force in eV/Å.

## Errors

{units}

{errors}

## License

CC0 1.0, as the data it was trained on (`ethanol.md`, `ethanol-distorted.md`).
"""


def main() -> None:
    """Write the model file and its card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the finished run")
    parser.add_argument("--continued-from", type=int, help="epochs of a first run, continued with a longer schedule")
    arguments = parser.parse_args()
    run: Path = arguments.run
    potential = model_file.load(run / "best.potential")
    potential.metadata["config"]["run"] = "ethanol-guide"
    paths = absolute_paths(potential.metadata)
    if paths:
        sys.exit(f"the header contains absolute paths of this machine: {', '.join(paths)}")
    model_file.save(potential, FOLDER / "ethanol.potential")
    table = ErrorTable.from_json(json.loads((run / "errors.json").read_text()))
    with (run / "metrics.csv").open() as file:
        seconds = float(list(csv.DictReader(file))[-1]["time_s"])
    card = CARD.format(
        parameters=sum(parameter.numel() for parameter in potential.model.parameters()),
        precision=potential.precision,
        configuration=CONFIGURATION,
        minutes=seconds / 60,
        versions=", ".join(f"{package} {version(package)}" for package in ("potentials", "torch", "e3nn")),
        units=f"{UNITS.partition(', stress')[0].replace('meV/A', 'meV/Å')}.",
        history=history(arguments.continued_from, potential.metadata["config"]["train"]["max_epochs"]),
        errors="\n".join(f"    {line}" for line in by_group(table).text().splitlines()),
    )
    (FOLDER / "ethanol-potential.md").write_text(card, encoding="utf-8")
    print(card)


def history(first: int | None, epochs: int) -> str:
    """Describe how the schedule was extended; return an empty text if it was not."""
    if first is None:
        return ""
    return (
        f"The schedule was first set to {first} epochs and then to {epochs}, with another warm-up of the learning rate "
        "in between;\na single run ends with different weights.\n"
    )


def by_group(table: ErrorTable) -> ErrorTable:
    """Add a row for each group of training frames, whose errors differ by orders of magnitude."""
    train, *others = table.splits
    lines = [
        SplitErrors(f"train, {name}", errors.energy.count if errors.energy else 0, 0, errors)
        for name, errors in train.groups.items()
    ]
    return ErrorTable([*lines, *others])


def absolute_paths(value: Any) -> list[str]:
    """List texts in a header that look like absolute paths or paths in a home folder."""
    if isinstance(value, dict):
        return [path for inner in value.values() for path in absolute_paths(inner)]
    if isinstance(value, list):
        return [path for inner in value for path in absolute_paths(inner)]
    return [value] if isinstance(value, str) and re.match(r"[/~]|[A-Za-z]:\\", value) else []


if __name__ == "__main__":
    main()
