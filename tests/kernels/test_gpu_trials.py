"""Kernels for GPUs are tried before they are used: with Triton's interpreter, and with kernels that are wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernels import test_many_body as many_body
from kernels import test_message_passing as messages
from torch import Tensor

from potentials.errors import OperatorError
from potentials.kernels import dispatch, trials
from potentials.kernels.registry import IMPLEMENTATIONS

TRIED = [operator for operator, functions in IMPLEMENTATIONS.items() if functions.gpu]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def reference(operator: str) -> Callable[..., Any]:
    return IMPLEMENTATIONS[operator].reference


def tried(operator: str, is_strict: bool) -> Callable[..., Any]:
    """What runs on a GPU."""
    found = IMPLEMENTATIONS[operator]
    assert found.gpu is not None
    return trials.tried(operator, found.gpu, found.reference, is_strict)


def replace_kernel(monkeypatch: pytest.MonkeyPatch, operator: str, kernel: Callable[..., Any]) -> None:
    found = IMPLEMENTATIONS[operator]
    assert found.gpu is not None
    monkeypatch.setitem(IMPLEMENTATIONS, operator, found._replace(gpu=found.gpu._replace(compute=kernel)))


@pytest.fixture(autouse=True)
def _untried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "_FINDINGS", {})
    monkeypatch.setattr(trials, "_WARNED", set())


def calls(dtype: torch.dtype) -> dict[str, tuple[Any, ...]]:
    """Arguments of each operator."""
    table = messages.coupled(1, parity=False)
    h, Y, w, g, dh, _, dw, topology = messages.inputs(table, dtype=dtype)
    products = many_body.TABLES["degree 1 to 0"]()
    A, k, species, order, upstream, v = many_body.inputs(products, dtype=dtype)
    return {
        "message_sum": (table, h, Y, w, topology),
        "message_gradients": (table, h, Y, w, g, topology, "hw"),
        "message_tangents": (table, h, Y, w, g, dh, None, dw, topology, "hYwg"),
        "many_body": (products, A, k, species, order),
        "many_body_gradients": (products, A, k, species, order, upstream, "Ak"),
        "many_body_tangents": (products, A, k, species, order, upstream, v, "Akg"),
    }


def as_list(found: Any) -> list[Tensor]:
    return [found] if isinstance(found, Tensor) else list(found)


def agree(found: Any, exact: Any, tolerance: float) -> None:
    for one, other in zip(as_list(found), as_list(exact), strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("operator", TRIED)
def test_right_kernels_are_used(operator: str, dtype: torch.dtype, caplog: pytest.LogCaptureFixture) -> None:
    arguments = calls(dtype)[operator]
    found = tried(operator, is_strict=True)(*arguments)
    assert list(trials._FINDINGS.values()) == [None]
    agree(found, reference(operator)(*arguments), 1e-5 if dtype == torch.float32 else 1e-12)
    assert not caplog.records


@pytest.mark.parametrize("wrong", ["little", "nan", "raises", "compiler"])
@pytest.mark.parametrize("operator", TRIED)
def test_the_reference_stands_in_for_wrong_kernels(
    operator: str, wrong: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def kernel(*arguments: Any) -> Any:
        asked.append(operator)
        if wrong == "raises":
            raise RuntimeError("CUDA error: an illegal instruction was encountered")
        if wrong == "compiler":
            from triton.errors import TritonError

            raise TritonError("out of shared memory")
        results = [x.clone() for x in as_list(reference(operator)(*arguments))]
        for result in results:
            if result.numel():
                result.view(-1)[-1] += 1e-2 if wrong == "little" else torch.nan
        return results[0] if len(results) == 1 else tuple(results)

    replace_kernel(monkeypatch, operator, kernel)
    arguments = calls(torch.float32)[operator]
    with caplog.at_level(logging.WARNING, "potentials.kernels"):
        for _ in range(3):
            agree(tried(operator, is_strict=False)(*arguments), reference(operator)(*arguments), 0.0)
    # Tried once, and warned of once.
    assert asked == [operator]
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{operator} by Triton on cpu: ")
    assert "using plain PyTorch instead" in record.getMessage()
    with pytest.raises(
        OperatorError, match=f"{operator} by Triton on cpu: .*; choose train.kernels: auto or reference"
    ):
        tried(operator, is_strict=True)(*arguments)


def test_another_kernel_is_another_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each precision, number of channels and what is wanted."""
    message_gradients = tried("message_gradients", is_strict=False)
    table = messages.coupled(1, parity=False)
    for dtype, channels in ((torch.float32, 2), (torch.float64, 2), (torch.float64, 3), (torch.float64, 3)):
        values = messages.inputs(table, dtype=dtype, channels=channels)
        message_gradients(table, *values[:4], values.topology, "h")
    message_gradients(table, *values[:4], values.topology, "Yw")
    assert len(trials._FINDINGS) == 4


def test_memory_that_is_used_up_says_nothing_about_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def kernel(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    replace_kernel(monkeypatch, "message_sum", kernel)
    with pytest.raises(torch.OutOfMemoryError):
        tried("message_sum", is_strict=False)(*calls(torch.float32)["message_sum"])
    assert trials._FINDINGS == {}


def test_kernels_for_cuda_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on a CUDA device, without one here: only type and device of the tensor are asked for."""

    class OnCuda:
        dtype, device, is_cpu = torch.float32, torch.device("cuda", 0), False

    monkeypatch.delenv(dispatch.VARIABLE, raising=False)
    for operator, functions in IMPLEMENTATIONS.items():
        found: Any = dispatch.implementation(operator, OnCuda())  # type: ignore[arg-type]
        if functions.gpu is None:
            assert found is functions.reference
        else:
            assert (found.func, *found.args) == (trials._run, operator, functions.gpu, functions.reference, False)
    with dispatch.use_kernels("gpu"):
        assert dispatch.implementation("many_body", OnCuda()).args[-1] is True  # type: ignore[arg-type, attr-defined]
    assert dispatch.describe_kernels(OnCuda()).startswith("Triton")  # type: ignore[arg-type]
