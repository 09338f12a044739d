"""Converted weights give what mace-torch and nequip gave: the fixtures are theirs (scripts/make_oracles.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from slow_cases import slow_but

from potentials.data.graph import build_graph, collate
from potentials.errors import ConversionError
from potentials.interop import potential_from_allegro, potential_from_mace, potential_from_nequip

ORACLES = Path(__file__).parent / "oracles"
CONVERTERS = {
    "mace-torch": potential_from_mace,
    "nequip": potential_from_nequip,
    "nequip-allegro": potential_from_allegro,
}
NAMES = sorted(path.stem for path in ORACLES.glob("*-*.npz"))
STRUCTURES = ("molecule", "triclinic", "left-handed", "slab")


class Oracle:
    """One fixture: a peer's hyperparameters and state dict, structures, and what the peer gave for them."""

    def __init__(self, name):
        arrays = dict(np.load(ORACLES / f"{name}.npz"))
        metadata = json.loads(str(arrays["metadata"]))
        self.peer, self.hyperparameters = metadata["peer"], metadata["hyperparameters"]
        self.state = {
            k.removeprefix("state/"): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("state/")
        }
        couplings = np.load(ORACLES / "couplings.npz")
        for buffer, key in metadata["couplings"].items():
            dense = torch.zeros(tuple(couplings[f"{key}/shape"]), dtype=torch.float64)
            dense.view(-1)[torch.from_numpy(couplings[f"{key}/index"]).long()] = torch.from_numpy(
                couplings[f"{key}/value"]
            )
            self.state[buffer] = dense
        self.results = {
            label: {k.split("/")[2]: v for k, v in arrays.items() if k.startswith(f"structure/{label}/")}
            for label in STRUCTURES
        }

    def potential(self, **changes):
        return CONVERTERS[self.peer](self.hyperparameters | changes, self.state)

    def atoms(self, label):
        values = self.results[label]
        return Atoms(values["numbers"], values["positions"], cell=values["cell"], pbc=values["pbc"])


def assert_close(ours, theirs, what):
    """Agreement to 1e-8 of the largest number."""
    error = np.abs(ours.detach().numpy() - theirs).max()
    assert error < 1e-8 * np.abs(theirs).max(), f"{what}: off by {error:.2e} of {np.abs(theirs).max():.2e}"


def test_there_are_fixtures_of_all_peers():
    assert sum(name.startswith("mace-") for name in NAMES) >= 10
    assert sum(name.startswith("nequip-") for name in NAMES) >= 8
    assert sum(name.startswith("allegro-") for name in NAMES) >= 6


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(
    "name",
    slow_but(NAMES, "mace-residual-L0-correlation1", "mace-first-L1-correlation3", "nequip-l1-parity", "nequip-l2"),
)
def test_converted_weights_reproduce_the_peer(name):
    oracle = Oracle(name)
    potential = oracle.potential().eval()
    for label, theirs in oracle.results.items():
        graph = build_graph(oracle.atoms(label), potential.elements, potential.cutoff)
        ours = potential(graph, stress=True, node_virials=True)
        assert_close(ours.energy[0], theirs["energy"], f"{label}, energy")
        assert_close(ours.node_energies, theirs["node_energies"], f"{label}, node energies")
        assert_close(ours.forces, theirs["forces"], f"{label}, forces")
        virial = ours.node_virials.sum(dim=0)
        assert_close(virial, theirs["virial"], f"{label}, virial")
        if "stress" in theirs:
            assert_close(ours.stress[0], theirs["stress"], f"{label}, stress")


@pytest.mark.parametrize("name", ["mace-residual-L2-correlation3", "nequip-l2-parity", "allegro-l3-parity"])
def test_a_batch_reproduces_the_peer(name):
    oracle = Oracle(name)
    potential = oracle.potential().eval()
    graphs = [build_graph(oracle.atoms(label), potential.elements, potential.cutoff) for label in STRUCTURES]
    ours = potential(collate(graphs))
    assert_close(ours.energy, np.array([oracle.results[label]["energy"] for label in STRUCTURES]), "energies")
    assert_close(ours.forces, np.concatenate([oracle.results[label]["forces"] for label in STRUCTURES]), "forces")


@pytest.mark.parametrize("name", ["mace-residual-L0-correlation1", "nequip-l1"])
def test_every_parameter_is_taken_over(name):
    """No weight keeps its random start: two conversions agree to the bit."""
    oracle = Oracle(name)
    first, second = oracle.potential().state_dict(), oracle.potential().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("mace-residual-L0-correlation1", {"apply_cutoff": False}, "apply_cutoff: expected True, got False"),
        ("mace-residual-L0-correlation1", {"width": 3}, "width: unknown hyperparameter"),
        ("mace-residual-L0-correlation1", {"interaction_cls": "Other"}, "got Other"),
        ("mace-residual-L0-correlation1", {"hidden_irreps": "4x0e+2x1o"}, "equal channels"),
        ("mace-residual-L0-correlation1", {"hidden_irreps": "5x0e"}, "node_embedding"),
        ("mace-residual-L0-correlation1", {"r_max": 4.5}, "r_max: expected 4.5"),
        ("mace-residual-L0-correlation1", {"max_ell": 1}, "do not belong to this state dict"),
        ("mace-residual-L0-correlation1", {"num_interactions": 1}, "this family does not use"),
        ("mace-residual-L0-correlation1", {"correlation": 4}, "do not fit the family mace"),
        ("nequip-l1", {"pair_potential": {"_target_": "a.ZBL", "units": "real"}}, "got ZBL with units: real"),
        (
            "allegro-l1",
            {"pair_potential": {"_target_": "a.LJ"}},
            "pair_potential: expected ZBL with units: metal .* got LJ",
        ),
        ("allegro-l1", {"pair_potential": None}, "does not use: pair_potential"),
        ("allegro-l1", {"avg_num_neighbors": {"O": 2.0}}, "avg_num_neighbors: expected int or float"),
        ("allegro-l1", {"allegro_mlp_nonlinearity": "gelu"}, "expected 'silu' or None"),
        ("allegro-l1", {"num_scalar_features": 7}, "embedding_mlp|do not belong to this state dict"),
        ("allegro-l1", {"l_max": 5}, "do not fit the family allegro"),
        (
            "allegro-l1",
            {"radial_chemical_embed": {"_target_": "allegro.nn.TwoBodySplineScalarEmbed", "num_splines": 4}},
            r"expected TwoBodyBesselScalarEmbed .*, got TwoBodySplineScalarEmbed\(num_splines\)",
        ),
        ("nequip-l1", {"num_features": [4, 5]}, "do not belong to this state dict"),
        ("nequip-l1", {"type_embed_num_features": 7}, "as many features as scalars"),
        ("nequip-l1", {"type_names": ["a", "b"]}, "expected chemical symbols, got a, b"),
        (
            "nequip-l1",
            {"avg_num_neighbors": {"O": 1.0, "C": 2.0}},
            "expected a single avg_num_neighbors, got one per type",
        ),
        ("nequip-l1", {"num_layers": 1}, "expected"),
        ("nequip-l1", {"r_max": 4.5}, "_rmax_recip"),
    ],
)
def test_what_cannot_be_converted_says_why(name, changes, message):
    with pytest.raises(ConversionError, match=message):
        Oracle(name).potential(**changes)


def test_a_missing_hyperparameter_is_named():
    oracle = Oracle("mace-residual-L0-correlation1")
    del oracle.hyperparameters["avg_num_neighbors"]
    with pytest.raises(ConversionError, match="avg_num_neighbors: missing"):
        oracle.potential()


@pytest.mark.parametrize("name", ["mace-residual-L0-correlation1", "nequip-l1"])
def test_a_missing_or_unknown_tensor_is_named(name):
    oracle = Oracle(name)
    oracle.state["extra.weight"] = torch.ones(3)
    with pytest.raises(ConversionError, match=r"does not use: extra\.weight"):
        oracle.potential()
    removed = next(key for key in oracle.state if "linear_2.weight" in key)
    del oracle.state[removed]
    with pytest.raises(ConversionError, match=r"linear_2\.weight: missing in the state dict"):
        oracle.potential()


def test_coupling_tensors_of_other_irreps_are_refused():
    oracle = Oracle("mace-residual-L1-correlation2")
    name = "products.0.symmetric_contractions.contractions.1.U_matrix_2"
    oracle.state[name] = oracle.state[name].flip(1)
    with pytest.raises(ConversionError, match="not symmetric polynomials of the expected irreps"):
        oracle.potential()


@pytest.mark.slow
def test_the_sign_of_a_coupling_is_followed():
    """Releases of e3nn differ in the sign of 3j tensors of odd sum: flipping one and its weights changes nothing."""
    oracle = Oracle("nequip-l1-parity-layers6")
    reference = oracle.potential().eval()
    prefix = next(key for key in oracle.state if key.endswith("embed_module.weight")).split("type_embed")[0]
    layer = f"{prefix}layer2_convnet.conv"
    w3j = next(key for key in oracle.state if key.startswith(f"{layer}.tp_scatter") and key.endswith("_w3j_1_1_1"))
    oracle.state[w3j] = -oracle.state[w3j]
    changed = oracle.potential().eval()
    graph = build_graph(oracle.atoms("molecule"), reference.elements, reference.cutoff)
    before, after = reference(graph).energy.item(), changed(graph).energy.item()
    assert abs(before - after) > 1e-6 * abs(before)
    assert torch.equal(
        reference.model.convolutions[2].radial_network.weights[-1].abs(),
        changed.model.convolutions[2].radial_network.weights[-1].abs(),
    )
