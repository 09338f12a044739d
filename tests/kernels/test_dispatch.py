"""Which implementation runs, and who decides."""

from __future__ import annotations

import pytest
import torch

from potentials.errors import PotentialsError
from potentials.kernels import reference
from potentials.kernels.cpu import backend as cpu
from potentials.kernels.dispatch import VARIABLE, describe_kernels, implementation, use_kernels

SINGLE = torch.zeros(1)
HALF = torch.zeros(1, dtype=torch.float16)


def test_compiled_code_where_it_serves_and_the_reference_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert implementation(SINGLE) is cpu
    assert implementation(SINGLE.double()) is cpu
    assert implementation(HALF) is reference
    assert implementation(SINGLE.to("meta")) is reference


def test_the_environment_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "reference")
    assert implementation(SINGLE) is reference
    assert describe_kernels(SINGLE) == "plain PyTorch (reference)"


def test_the_configuration_decides_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "reference")
    with use_kernels("cpu"):
        assert implementation(SINGLE) is cpu
        with use_kernels("auto"):
            assert implementation(SINGLE) is reference
        assert implementation(SINGLE) is cpu
    assert implementation(SINGLE) is reference


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "fortran")
    with pytest.raises(
        PotentialsError, match=r"POTENTIALS_KERNELS: expected one of auto, reference, cpu, gpu; got 'fortran'"
    ):
        implementation(SINGLE)


def test_what_cannot_be_served_is_refused() -> None:
    with use_kernels("cpu"), pytest.raises(PotentialsError, match=r"float32 and float64 on a CPU, got torch.float16"):
        implementation(HALF)


def test_the_description_names_processor_and_threads() -> None:
    with use_kernels("cpu"):
        assert "-bit vectors), on " in describe_kernels(SINGLE)
