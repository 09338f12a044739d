"""Conversion of MACE models from mace-torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from ase.data import chemical_symbols
from torch import Tensor

from potentials.config.messages.foreign_keys import MACE_INTERACTIONS, natural_irreps
from potentials.config.train import Precision
from potentials.equivariant import BlockMixing, Layout, SpeciesMixing, SymmetricBasis, symmetric_basis
from potentials.errors import ConversionError
from potentials.interop.foreign_state import ForeignState, check_hyperparameters, converted_config, fill
from potentials.models.blocks import Perceptron
from potentials.models.mace import MACE, Interaction, MACEConfig, Product, Readout
from potentials.models.radial import AgnesiTransform, BesselBasis
from potentials.models.zbl import ZBLRepulsion
from potentials.potential import Potential

PEER = "mace-torch"

USED = (
    "r_max", "num_bessel", "num_polynomial_cutoff", "max_ell", "interaction_cls", "interaction_cls_first",
    "num_interactions", "hidden_irreps", "MLP_irreps", "avg_num_neighbors", "atomic_numbers", "correlation",
    "radial_MLP",
)  # fmt: skip
FIXED: dict[str, tuple[Any, ...]] = {
    "model": ("MACE", "ScaleShiftMACE"), "gate": ("silu",), "radial_type": ("bessel",), "apply_cutoff": (True,),
    "distance_transform": ("None", None, "Agnesi"), "pair_repulsion": (), "heads": (None, ["Default"], ["default"]),
    "use_so3": (False,), "use_agnostic_product": (False,), "use_last_readout_only": (False,), "edge_irreps": (None,),
    "use_edge_irreps_first": (False,), "use_embedding_readout": (False,), "embedding_specs": (None,),
    "keep_last_layer_irreps": (False,), "readout_cls": ("NonLinearReadoutBlock",),
    # Contained in the state dict (such as the coupling tensors) or without effect.
    "num_elements": (), "atomic_energies": (), "atomic_inter_scale": (), "atomic_inter_shift": (),
    "use_reduced_cg": (), "cueq_config": (None,), "oeq_config": (None,), "lammps_mliap": (),
}  # fmt: skip
IGNORED = ("output_mask", "_zeroed", "num_interactions", "bessel_fn.prefactor", "covalent_radii")


def potential_from_mace(
    hyperparameters: Mapping[str, Any], state_dict: Mapping[str, Tensor], precision: Precision = "float64"
) -> Potential:
    """Convert a MACE model of mace-torch to a potential with the same energies.

    Args:
        hyperparameters: the arguments of mace-torch's model by name; classes, irreps and `gate` as text. E0, scale and
            shift are taken from the state dict.
        state_dict: the model's state dict, parameters and buffers. It must contain the coupling tensors `U_matrix_*`,
            because the weights of the products depend on them.
        precision: precision of the potential.

    Returns:
        The potential.

    Raises:
        ConversionError: a hyperparameter or tensor is missing, or the family does not support a setting of the model.
    """
    check_hyperparameters(hyperparameters, USED, FIXED, PEER)
    state = ForeignState(state_dict, IGNORED)
    config = _config(hyperparameters, state)
    numbers = [int(z) for z in hyperparameters["atomic_numbers"]]
    order = np.argsort(numbers).tolist()
    state.check("atomic_numbers", numbers)
    energies = state.take("atomic_energies_fn.atomic_energies", len(numbers))[order].tolist()
    metadata = {"imported_from": {"program": PEER}}
    potential = Potential(config, dict(zip(config.elements, energies, strict=True)), precision, metadata)
    _fill_model(cast(MACE, potential.model), state, order)
    state.finish()
    return potential


def _config(given: Mapping[str, Any], state: ForeignState) -> MACEConfig:
    channels, degree = _natural_irreps(given["hidden_irreps"])
    forms = []
    for name in (given["interaction_cls_first"], given["interaction_cls"]):
        if name not in MACE_INTERACTIONS:
            raise ConversionError(
                f"hyperparameters of {PEER}: expected one of {', '.join(MACE_INTERACTIONS)}, got {name}"
            )
        forms.append(MACE_INTERACTIONS[name])
    (first, first_normalization), (other, normalization) = forms
    if first_normalization != normalization and given["num_interactions"] > 1:
        raise ConversionError(
            f"hyperparameters of {PEER}: expected all layers normalized alike, got {given['interaction_cls_first']} "
            f"and {given['interaction_cls']}"
        )
    scale = state.take("scale_shift.scale", 1).item() if "scale_shift.scale" in state else 1.0
    shift = state.take("scale_shift.shift", 1).item() if "scale_shift.shift" in state else 0.0
    agnesi = given.get("distance_transform") == "Agnesi"
    _check_constants(given, state, agnesi)
    zbl = {"envelope_power": given["num_polynomial_cutoff"], "prefactor": scale}
    section = {
        "name": "mace",
        "cutoff": float(given["r_max"]),
        "elements": [chemical_symbols[z] for z in sorted(given["atomic_numbers"])],
        "average_neighbors": float(given["avg_num_neighbors"]),
        "scale": scale,
        "shift": shift,
        "zbl": zbl if given.get("pair_repulsion") else None,
        "channels": channels,
        "layers": given["num_interactions"],
        "feature_degree": degree,
        "edge_degree": given["max_ell"],
        "correlation": given["correlation"],
        "radial": {
            "size": given["num_bessel"],
            "envelope_power": given["num_polynomial_cutoff"],
            "distance_transform": "agnesi" if agnesi else "none",
        },
        "radial_mlp": list(given["radial_MLP"]),
        "readout_channels": _natural_irreps(given["MLP_irreps"])[0],
        "first_interaction": first,
        "interaction": other,
        "normalization": first_normalization,
    }
    return converted_config(MACEConfig, section, PEER)


def _natural_irreps(text: str) -> tuple[int, int]:
    try:
        return natural_irreps(text)
    except ValueError as error:
        raise ConversionError(f"hyperparameters of {PEER}: {error}") from error


def _check_constants(given: Mapping[str, Any], state: ForeignState, agnesi: bool) -> None:
    """Check the constants that mace-torch stores as buffers and this program in its code."""
    state.check("r_max", given["r_max"])
    state.check("radial_embedding.bessel_fn.r_max", given["r_max"])
    state.check("radial_embedding.cutoff_fn.r_max", given["r_max"])
    state.check("radial_embedding.cutoff_fn.p", given["num_polynomial_cutoff"])
    if agnesi:
        for name, constant in {"a": AgnesiTransform.A, "q": AgnesiTransform.Q, "p": AgnesiTransform.P}.items():
            state.check(f"radial_embedding.distance_transform.{name}", constant)
    if given.get("pair_repulsion"):
        coefficients = [coefficient for coefficient, _ in ZBLRepulsion.SCREENING]
        constants = {"c": coefficients, "p": given["num_polynomial_cutoff"], "a_exp": 0.3, "a_prefactor": 0.4543}
        for name, constant in constants.items():
            state.check(f"pair_repulsion_fn.{name}", constant)


def _fill_model(model: MACE, state: ForeignState, order: list[int]) -> None:
    """Fill the parameters in the order of the forward pass; `order` sorts the peer's species by atomic number."""
    channels, layers = model.config.channels, model.config.layers
    fill(model.embedding, state.take("node_embedding.linear.weight", len(order), channels)[order])
    roots = state.take("radial_embedding.bessel_fn.bessel_weights", -1)
    fill(cast(BesselBasis, model.edges.radial.basis).frequencies, roots)
    for layer in range(layers):
        _fill_interaction(cast(Interaction, model.interactions[layer]), state, f"interactions.{layer}", order)
        outputs = Layout.natural(0 if layer == layers - 1 else model.config.feature_degree)
        basis = symmetric_basis(Layout.natural(model.config.edge_degree), outputs, model.config.correlation_of(layer))
        _fill_product(cast(Product, model.products[layer]), state, f"products.{layer}", basis, outputs, order)
        _fill_readout(cast(Readout, model.readouts[layer]), state, f"readouts.{layer}")


def _fill_interaction(interaction: Interaction, state: ForeignState, prefix: str, order: list[int]) -> None:
    _fill_mixing(interaction.linear_up, state, f"{prefix}.linear_up.weight")
    # The columns of the last layer: both programs sort the paths by receiver, sender and harmonic degree.
    signs = [
        state.coupling_sign(f"{prefix}.conv_tp.", (source.degree, degree, target.degree))
        for source, degree, target in interaction.coupling.paths
    ]
    _fill_network(interaction.radial_network, state, f"{prefix}.conv_tp_weights")
    with torch.no_grad():
        last = interaction.radial_network.weights[-1]
        last.mul_(torch.tensor(signs, dtype=last.dtype).repeat_interleave(last.shape[1] // len(signs)))
    _fill_mixing(interaction.linear, state, f"{prefix}.linear.weight")
    _fill_species_mixing(interaction.skip, state, f"{prefix}.skip_tp.weight", order)
    if interaction.density is not None:
        _fill_network(interaction.density, state, f"{prefix}.density_fn")


def _fill_product(
    product: Product, state: ForeignState, prefix: str, basis: SymmetricBasis, outputs: Layout, order: list[int]
) -> None:
    """Convert the weights of the peer's coupling tensors to our basis of symmetric polynomials."""
    species, _, channels = product.weights.shape
    blocks = []
    for number, slice_of_output in enumerate(outputs.slices()):
        contraction = f"{prefix}.symmetric_contractions.contractions.{number}"
        correlation = len(basis.paths[number])
        for power in range(1, correlation + 1):
            name = "weights_max" if power == correlation else f"weights.{correlation - 1 - power}"
            dim = slice_of_output.stop - slice_of_output.start
            couplings = state.take(f"{contraction}.U_matrix_{power}", dim, basis.table.components**power, -1)
            weights = state.take(f"{contraction}.{name}", species, couplings.shape[2], channels)[order]
            change = _change_of_basis(basis, number, slice_of_output, power, couplings.numpy(), contraction)
            blocks.append(torch.einsum("ok,zkc->zoc", torch.from_numpy(change), weights))
    fill(product.weights, torch.cat(blocks, dim=1))
    _fill_mixing(product.linear, state, f"{prefix}.linear.weight")


def _change_of_basis(
    basis: SymmetricBasis, output: int, components: slice, power: int, couplings: np.ndarray, name: str
) -> np.ndarray:
    """Express our polynomials of one output and power by the peer's coupling tensors, [ours, theirs].

    Only the symmetrized coupling tensor matters, because it multiplies powers of one vector. Both sides are therefore
    expanded in monomials and ours are fitted to theirs; the fit is exact unless the two span different spaces.

    Args:
        basis: our polynomials.
        output: index of the output block.
        components: the components of the output block.
        power: degree of the polynomials.
        couplings: the peer's tensors [output components, input components ** power, paths].
        name: name of the peer's product, for the message.
    """
    size = basis.table.components
    index = np.sort(np.indices((size,) * power).reshape(power, -1), axis=0)
    place = size ** np.arange(power)[::-1]
    codes, monomial_of_index = np.unique(place @ index, return_inverse=True)
    by_index = np.zeros((len(codes), couplings.shape[0], couplings.shape[2]))
    np.add.at(by_index, monomial_of_index, couplings.swapaxes(0, 1))
    theirs = by_index.swapaxes(0, 1).reshape(-1, couplings.shape[2])

    counts = [count for paths in basis.paths for count in paths]
    start = sum(counts[: output * len(basis.paths[output]) + power - 1])
    columns = slice(start, start + basis.paths[output][power - 1])
    factors, of_output = basis.table.factors, basis.table.output_of_term
    rows = np.flatnonzero(
        ((factors < size).sum(axis=1) == power) & (of_output >= components.start) & (of_output < components.stop)
    )
    by_monomial = np.zeros((couplings.shape[0], len(codes), columns.stop - columns.start))
    monomials = np.searchsorted(codes, np.sort(factors[rows, :power], axis=1) @ place)
    by_monomial[of_output[rows] - components.start, monomials] = basis.matrix[rows, columns]
    ours = by_monomial.reshape(-1, by_monomial.shape[2])

    change = np.linalg.lstsq(ours, theirs, rcond=None)[0]
    error = np.abs(ours @ change - theirs).max(initial=0.0)
    if error > 1e-5 * np.abs(theirs).max(initial=1e-12):
        raise ConversionError(
            f"{name}.U_matrix_{power}: the coupling tensors are not symmetric polynomials of the expected irreps "
            f"(misfit {error:.1e}); the hyperparameters do not belong to this state dict"
        )
    return change


def _fill_readout(readout: Readout, state: ForeignState, prefix: str) -> None:
    weights = readout.network.weights
    names = ["linear"] if len(weights) == 1 else ["linear_1", "linear_2"]
    for name, weight in zip(names, weights, strict=True):
        fill(weight, state.take(f"{prefix}.{name}.weight", *weight.shape))


def _fill_network(network: Perceptron, state: ForeignState, prefix: str) -> None:
    for layer, weight in enumerate(network.weights):
        fill(weight, state.take(f"{prefix}.layer{layer}.weight", *weight.shape))


def _fill_mixing(mixing: BlockMixing, state: ForeignState, name: str) -> None:
    blocks = state.take_blocks(name, [weight.shape for weight in mixing.weights])
    for weight, block in zip(mixing.weights, blocks, strict=True):
        fill(weight, block)


def _fill_species_mixing(mixing: SpeciesMixing, state: ForeignState, name: str, order: list[int]) -> None:
    shapes = [(weight.shape[1], weight.shape[0], weight.shape[2]) for weight in mixing.weights]
    for weight, block in zip(mixing.weights, state.take_blocks(name, shapes), strict=True):
        fill(weight, block.transpose(0, 1)[order])
