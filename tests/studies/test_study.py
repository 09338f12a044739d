"""What the description of a study says, and what is wrong with others."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from potentials.errors import ConfigError
from potentials.studies.study import load_study


def test_base_is_relative_to_the_study(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    study = load_study(study_file)
    assert Path(study.base) == study_file.parent / "base.yaml"
    assert study.folder == study_file.parent / "study"


def test_a_name_is_a_folder_under_studies(study_file: Path) -> None:
    study_file.write_text(study_file.read_text().replace(f"study: {study_file.parent}/study", "study: degrees"))
    assert load_study(study_file).folder == Path("studies/degrees")


def test_time_instead_of_steps(study_file: Path) -> None:
    study_file.write_text(study_file.read_text().replace("steps: 8", "time: 2m"))
    assert load_study(study_file).time == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 8", "", r"steps: expected either steps or time"),
        ("steps: 8", "steps: 8\ntime: 1m", r"steps: expected either steps or time"),
        ("sizes: [16, 8]", "sizes: [16, 16]", r"study.yaml:4  sizes: 16 is given twice"),
        ("sizes: [16, 8]", "sizes: [16]", r"sizes: .*2"),
        ("seeds: [1, 2]", "seeds: [1, 1]", r"seeds: 1 is given twice"),
        ("seeds: [1, 2]", "seed: [1]", r"seed: unknown key; did you mean .seeds"),
        ("  schnet: {}", "  a/b: {}", r'"/" cannot be used in the name of a variant'),
        ("  schnet: {}", "  schnet: {match_parameters: {variant: wid}}", r"expected another variant \(wide, ace\)"),
        ("  schnet: {}", "  schnet: {match_parameters: {variant: schnet}}", r"expected another variant \(wide, ace\)"),
        ("  schnet: {}", "  schnet: {modle: {}}", r"variants.schnet.modle: unknown key; did you mean .model"),
        ("base: base.yaml", "", r"base: missing"),
    ],
    ids=str,
)
def test_wrong_descriptions(study_file: Path, old: str, new: str, message: str) -> None:
    text = study_file.read_text()
    assert old in text
    study_file.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_study(study_file)


def test_a_match_of_a_match(study_file: Path) -> None:
    text = study_file.read_text().replace("schnet: {}", "schnet: {match_parameters: {variant: wide}}")
    study_file.write_text(text.replace("  wide: {", "  wide: {match_parameters: {variant: ace}, "))
    with pytest.raises(ConfigError, match="wide is itself matched to another"):
        load_study(study_file)
