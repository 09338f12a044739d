"""Checkpoints of SevenNet: what cannot be converted says why; test_importing.py compares with SevenNet."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from slow_cases import slow_but

from potentials.errors import ConversionError
from potentials.interop.importing import import_model
from potentials.interop.irreps import parse_irreps
from potentials.interop.pickles import read_torch_file
from potentials.interop.sevennet import is_sevennet_checkpoint, potential_from_sevennet

FILES = Path(__file__).parent / "model_files"
Change = Callable[[dict[str, Any], dict[str, Any]], Any]


def checkpoint(name: str) -> dict[str, Any]:
    return torch.load(FILES / f"{name}.pth", weights_only=True)


def converted(tmp_path: Path, name: str, change: Change, head: str | None = None) -> Any:
    """Import a checkpoint after a change of its configuration or its weights."""
    content = copy.deepcopy(checkpoint(name))
    change(content["config"], content["model_state_dict"])
    torch.save(content, tmp_path / "changed.pth")
    return import_model(tmp_path / "changed.pth", head)


def put(**values: Any) -> Change:
    return lambda config, state: config.update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(readout_as_fcn=True), "readout_as_fcn: expected False, got True"),
        (put(act_radial="ssp"), "act_radial: expected 'silu', got 'ssp'"),
        (put(interaction_type="mace"), "interaction_type: expected 'nequip'"),
        (put(self_connection_type=["linear", "nequip", "linear"]), "self_connection_type"),
        (put(cutoff_function={"cutoff_function_name": "cosine"}), "cutoff_function: expected poly_cut, or XPLOR"),
        (put(radial_basis={"radial_basis_name": "gaussian"}), "radial_basis: expected bessel, got gaussian"),
        (put(irreps_manual=["8x0e", "8x0e+4x1e", "8x0e+4x1e+2x2e", "8x0e"]), "irreps_manual: expected only scalars"),
        (
            put(irreps_manual=["8x0e", "8x0e+4x1e+2x3e", "8x0e+4x1e+2x3e", "8x0e"]),
            "irreps_manual: expected only scalars",
        ),
        (put(irreps_manual=["8x0e", "8 scalars", "8x0e", "8x0e"]), "expected irreps such as 128x0e"),
        (put(_type_map={1: 0, 6: 1, 800: 2}), "_type_map: expected atomic numbers"),
        (put(_type_map={1: 0, 6: 1, 8: 1}), "_type_map: expected each index"),
        (put(_type_map=[1, 6, 8]), "_type_map: expected Mapping"),
        (put(version="new"), "version: expected a release"),
        (put(num_convolution_layer=2), "irreps_manual: expected the irreps before and after each of the 2 layers"),
        (put(num_convolution_layer=0), "num_convolution_layer: expected 1 to 100, got 0"),
        (put(cutoff=-1.0), "cutoff: expected a positive number, got -1.0"),
        (put(cutoff=100.0), "do not fit the family nequip"),
        (put(lmax=10**9), "lmax: expected 0 to 8"),
        (lambda config, state: config.pop("cutoff"), "cutoff: missing"),
        (lambda config, state: state.pop("1_convolution.weight_nn.layer0.weight"), "layer0.weight: missing"),
        (lambda config, state: state.update(extra=torch.ones(3)), "does not use: extra"),
    ],
)
def test_what_cannot_be_converted(tmp_path: Path, change: Change, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        converted(tmp_path, "sevenn-degrees", change)


def test_maps_by_species_need_as_many_channels_as_species(tmp_path: Path) -> None:
    """Two species, whose embeddings are equal, cannot have maps of their own."""

    def same(config: dict[str, Any], state: dict[str, Any]) -> None:
        weight = state["onehot_to_feature_x.linear.weight"].reshape(3, -1)
        weight[1] = weight[0]

    with pytest.raises(ConversionError, match="maps of 3 species cannot be written as linear maps of an embedding"):
        converted(tmp_path, "sevenn-parity", same)


@pytest.mark.parametrize("head", [None, "hf"])
def test_modals_have_to_be_chosen(head: str | None) -> None:
    with pytest.raises(ConversionError, match=r"(choose|expected) one of pbe, r2scan"):
        import_model(FILES / "sevenn-modals.pth", head)
    with pytest.raises(ConversionError, match=r"no named heads; remove the option `head` \(given: pbe\)"):
        import_model(FILES / "sevenn-parity.pth", "pbe")


def test_names_before_release_0_10(tmp_path: Path) -> None:
    """Modules were named with spaces, and the denominator otherwise."""

    def rename(config: dict[str, Any], state: dict[str, Any]) -> None:
        for name in list(state):
            module, _, rest = name.partition(".")
            old = {"edge_embedding": "EdgeEmbedding"}.get(module, module.replace("_", " "))
            old = old.replace("reduce input", "reducing nn input").replace("reduce hidden", "reducing nn hidden")
            state[f"{old}.{rest.replace('denominator', 'denumerator')}"] = state.pop(name)

    old = converted(tmp_path, "sevenn-degrees", rename)
    new = import_model(FILES / "sevenn-degrees.pth")
    assert all(torch.equal(weight, new.model.state_dict()[name]) for name, weight in old.model.state_dict().items())


def test_irreps() -> None:
    found = [(number, str(irrep)) for number, irrep in parse_irreps("8x0e + 4x1o+2e")]
    assert found == [(8, "0e"), (4, "1o"), (1, "2e")]
    for wrong in ("", "8x0", "x0e", "0e+", 3, None, "8x0e+" * 2):
        with pytest.raises(ConversionError, match="expected irreps"):
            parse_irreps(wrong)


def test_other_checkpoints_are_not_taken_for_sevennets() -> None:
    assert is_sevennet_checkpoint(checkpoint("sevenn-parity"))
    for content in (None, {}, {"model_state_dict": {}, "config": {}}, {"model_state_dict": 3, "config": {}}):
        assert not is_sevennet_checkpoint(content)
    with pytest.raises(ConversionError, match="missing"):
        potential_from_sevennet({"model_state_dict": {}, "config": {"cutoff_function": {}}})


ODD = (None, "x", "", -1, 0, 10**9, 1.5, float("nan"), True, [], {}, [None], {"a": 1}, b"x", [1, "x"], {1: "x"})


@pytest.mark.parametrize("name", slow_but(["sevenn-degrees", "sevenn-modals", "sevenn-parity"], "sevenn-modals"))
def test_settings_of_other_types_are_refused_or_without_effect(name: str) -> None:
    """No other exception leaves the conversion."""
    content = read_torch_file(FILES / f"{name}.pth")
    head = "pbe" if name == "sevenn-modals" else None
    for key in content["config"]:
        for value in ODD:
            changed = {**content, "config": {**content["config"], key: value}}
            with contextlib.suppress(ConversionError):
                potential_from_sevennet(changed, head)
    for key, nested in content["config"].items():
        for inner in nested if isinstance(nested, dict) else ():
            for value in ODD:
                changed = {**content, "config": {**content["config"], key: {**nested, inner: value}}}
                with contextlib.suppress(ConversionError):
                    potential_from_sevennet(changed, head)
