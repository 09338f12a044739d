"""The settings of a study's finished runs, so that they are not mixed with those of another description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from potentials.config import RunConfig
from potentials.errors import PotentialsError
from potentials.files import write_text
from potentials.studies.study import Study

_SHARED = ("steps", "time", "warmup_steps", "validations")


def check_record(study: Study, base: RunConfig) -> None:
    """Compare a study with the record in its folder; variants, sizes and seeds may be added or removed.

    Raises:
        PotentialsError: the base configuration, the length of the runs or a variant differs.
    """
    file = _file(study)
    if not file.is_file():
        return
    earlier, now = json.loads(file.read_text(encoding="utf-8")), _record(study, base)
    changed = [key for key in ("base", *_SHARED) if earlier[key] != now[key]]
    before = earlier["variants"]
    changed += [f"variants.{name}" for name, new in now["variants"].items() if before.get(name, new) != new]
    if changed:
        raise PotentialsError(
            f"{study.folder} contains a study with a different description. Changed: "
            f"{', '.join(changed)}. Give the new study another name (study: ...), changed variants other names, or "
            f"delete {study.folder} to start over"
        )


def write_record(study: Study, base: RunConfig) -> None:
    """Write the settings of the runs; variants of earlier descriptions are kept."""
    file, now = _file(study), _record(study, base)
    if file.is_file():
        now["variants"] = json.loads(file.read_text(encoding="utf-8"))["variants"] | now["variants"]
    study.folder.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(now, indent=1) + "\n")


def _file(study: Study) -> Path:
    return study.folder / "study.json"


def _record(study: Study, base: RunConfig) -> dict[str, Any]:
    described = study.model_dump(mode="json", include={*_SHARED, "variants"})
    return {**described, "base": base.model_dump(mode="json", exclude={"run", "logging"})}
