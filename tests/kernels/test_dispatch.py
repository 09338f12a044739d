"""Which implementation runs, and who decides."""

from __future__ import annotations

import pytest
import torch

from potentials.errors import PotentialsError
from potentials.kernels.dispatch import VARIABLE, chosen_backend, describe_kernels, implementation, use_kernels
from potentials.kernels.registry import IMPLEMENTATIONS, register_implementations

SINGLE = torch.zeros(1)
HALF = torch.zeros(1, dtype=torch.float16)


def test_compiled_code_where_it_serves_and_the_reference_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert chosen_backend(SINGLE) == "cpu"
    assert chosen_backend(SINGLE.double()) == "cpu"
    assert chosen_backend(HALF) == "reference"
    assert chosen_backend(SINGLE.to("meta")) == "reference"


def test_the_environment_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "reference")
    assert chosen_backend(SINGLE) == "reference"
    assert describe_kernels(SINGLE) == "plain PyTorch (reference)"


def test_the_configuration_decides_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "reference")
    with use_kernels("cpu"):
        assert chosen_backend(SINGLE) == "cpu"
        with use_kernels("auto"):
            assert chosen_backend(SINGLE) == "reference"
        assert chosen_backend(SINGLE) == "cpu"
    assert chosen_backend(SINGLE) == "reference"


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "fortran")
    with pytest.raises(
        PotentialsError, match=r"POTENTIALS_KERNELS: expected one of auto, reference, cpu, gpu; got 'fortran'"
    ):
        implementation("gate", SINGLE)


def test_what_cannot_be_served_is_refused() -> None:
    with use_kernels("cpu"), pytest.raises(PotentialsError, match=r"float32 and float64 on a CPU; got torch.float16"):
        implementation("gate", HALF)


def test_the_description_names_processor_and_threads() -> None:
    with use_kernels("cpu"):
        assert "-bit vectors), on " in describe_kernels(SINGLE)


@pytest.mark.parametrize("operator", IMPLEMENTATIONS)
def test_every_operator_has_a_function_for_each_backend(operator: str) -> None:
    """One for each choice, each of a module of its own; where Triton has none, the reference serves."""
    found = IMPLEMENTATIONS[operator]
    with use_kernels("reference"):
        assert implementation(operator, SINGLE) is found.reference
    with use_kernels("cpu"):
        assert implementation(operator, SINGLE) is found.cpu
    with use_kernels("gpu"):
        assert implementation(operator, SINGLE) is (found.gpu.compute if found.gpu else found.reference)
    functions = [found.reference, found.cpu, *([found.gpu.compute] if found.gpu else [])]
    assert len({function.__name__ for function in functions}) == 1
    assert len(set(functions)) == len(functions)
    assert hasattr(torch.ops.potentials, operator)


def test_an_operator_is_registered_once() -> None:
    with pytest.raises(ValueError, match="gate is already registered"):
        register_implementations("gate", reference=len, cpu=len)
