"""Complete reading of another program's state dict and hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from torch import Tensor

from potentials.config.families import FamilyConfig
from potentials.equivariant.couplings import wigner_3j
from potentials.errors import ConversionError

Config = TypeVar("Config", bound=FamilyConfig)


class ForeignState:
    """A state dict from which each tensor is taken once; tensors that remain at the end are an error.

    Args:
        tensors: the state dict.
        ignored: name suffixes of tensors that are not learned; empty tensors are ignored too.
    """

    def __init__(self, tensors: Mapping[str, Tensor], ignored: Sequence[str]) -> None:
        self._left = {
            name: tensor for name, tensor in tensors.items() if tensor.numel() and not name.endswith(tuple(ignored))
        }

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def size(self, name: str) -> int:
        """Return how many numbers the tensor of this name has; 0 if there is none."""
        return self._left[name].numel() if name in self._left else 0

    def take(self, name: str, *shape: int) -> Tensor:
        """Take the tensor of this name in float64, reshaped; a dimension may be -1.

        Raises:
            ConversionError: there is no such tensor, or it does not fit the shape.
        """
        if name not in self._left:
            near = ", ".join(sorted(self._left)[:8]) or "none"
            raise ConversionError(f"{name}: missing in the state dict, which contains {near} ...")
        tensor = self._left.pop(name).detach().cpu()
        size = torch.Size(shape).numel()
        if (size >= 0 and tensor.numel() != size) or (size < 0 and tensor.numel() % size):
            raise ConversionError(
                f"{name}: expected {' x '.join(map(str, shape))} numbers, got {tuple(tensor.shape)}; "
                "the hyperparameters do not belong to this state dict"
            )
        return tensor.to(torch.float64).reshape(shape)

    def take_blocks(self, name: str, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Take a flat tensor of concatenated matrices, as e3nn stores them, and split it."""
        sizes = [torch.Size(shape).numel() for shape in shapes]
        blocks = self.take(name, sum(sizes)).split(sizes)
        return [block.reshape(tuple(shape)) for block, shape in zip(blocks, shapes, strict=True)]

    def check(self, name: str, expected: Any) -> None:
        """Take a constant, if present, and compare it with ours to single precision.

        Raises:
            ConversionError: the constants differ.
        """
        if name not in self._left:
            return
        ours = torch.as_tensor(expected, dtype=torch.float64)
        theirs = self.take(name, *ours.shape)
        if not torch.allclose(theirs, ours, rtol=1e-6, atol=1e-6):
            raise ConversionError(f"{name}: expected {ours.tolist()}, got {theirs.tolist()}")

    def coupling_sign(self, prefix: str, degrees: tuple[int, int, int]) -> int:
        """Determine the sign of the 3j tensor of the tensor product under `prefix` relative to ours.

        Releases of e3nn differ in the sign of some 3j tensors whose degrees have an odd sum. If one degree is zero, the
        state dict contains no tensor, and all releases agree.

        Raises:
            ConversionError: the tensors differ by more than a sign, or are missing where the sign matters.
        """
        ending = "_w3j_" + "_".join(map(str, degrees))
        found = [tensor for name, tensor in self._left.items() if name.startswith(prefix) and name.endswith(ending)]
        if not found:
            if min(degrees) > 0 and sum(degrees) % 2:
                raise ConversionError(f"{prefix}...{ending}: missing in the state dict; its sign cannot be determined")
            return 1
        ours = torch.from_numpy(wigner_3j(*degrees))
        for sign in (1, -1):
            if all(torch.allclose(tensor.to(torch.float64), sign * ours, atol=1e-6) for tensor in found):
                return sign
        raise ConversionError(f"{prefix}...{ending}: differs from the Wigner 3j tensor by more than a sign")

    def finish(self) -> None:
        """Raise `ConversionError` if a tensor was not taken: the model has parameters that the family does not have."""
        left = sorted(name for name in self._left if "_w3j_" not in name)
        if left:
            raise ConversionError(f"the state dict contains tensors that this family does not use: {', '.join(left)}")


def check_hyperparameters(
    given: Mapping[str, Any],
    used: Sequence[str],
    fixed: Mapping[str, Sequence[Any]],
    peer: str,
    types: Mapping[str, tuple[type, ...]] | None = None,
) -> None:
    """Check that hyperparameters are complete, known, and supported by the family.

    Args:
        given: the hyperparameters.
        used: names of required hyperparameters.
        fixed: names of optional hyperparameters, with the values that can be converted (empty: any value).
        peer: name of the other program, for the message.
        types: types of hyperparameters that are used in calculations.

    Raises:
        ConversionError: a hyperparameter is missing, unknown, of another type or not supported; the message lists all
            problems.
    """
    problems = [f"{name}: missing" for name in used if name not in given]
    for name, value in given.items():
        if name in fixed:
            if fixed[name] and value not in fixed[name]:
                expected = " or ".join(map(repr, fixed[name]))
                problems.append(f"{name}: expected {expected}, got {value!r}; other values are not supported")
        elif name not in used:
            problems.append(f"{name}: unknown hyperparameter")
    for name, allowed in (types or {}).items():
        if name in given and not isinstance(given[name], allowed):
            expected = " or ".join(kind.__name__ for kind in allowed)
            problems.append(f"{name}: expected {expected}, got {str(given[name])[:60]!r}")
    if problems:
        raise ConversionError(f"hyperparameters of {peer}:\n  " + "\n  ".join(problems))


def converted_config(config_class: type[Config], section: dict[str, Any], peer: str) -> Config:
    """Validate the configuration of the family; raise `ConversionError` if it is not valid."""
    try:
        return config_class.model_validate(section)
    except ValidationError as error:
        raise ConversionError(f"hyperparameters of {peer} do not fit the family {section['name']}: {error}") from error


def fill(parameter: Tensor, value: Tensor) -> None:
    """Copy a value of the same shape into a parameter."""
    if parameter.shape != value.shape:
        raise ConversionError(f"expected a weight of shape {tuple(parameter.shape)}, got {tuple(value.shape)}")
    with torch.no_grad():
        parameter.copy_(value)
