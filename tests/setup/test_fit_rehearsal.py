"""What `check` says of a fit in closed form."""

from __future__ import annotations

import potentials.models  # noqa: F401  (enters the families)
from potentials.config import parse_config
from potentials.data.prepare import prepare
from potentials.setup.fit_rehearsal import rehearse_fit

CONFIG = """
run: small
data: {train: "builtin:copper@1:21", validation: 4, stress: stress}
model: {name: ace, cutoff: 4.0, polynomial_degree: 6, radial: {size: 4}}
loss: {stress: {weight: 10}}
"""


def test_figures() -> None:
    prepared = prepare(parse_config(CONFIG))
    found = rehearse_fit(prepared)
    atoms = sum(len(frame.frame.atoms) for frame in prepared.train)
    stresses = sum(bool(frame.frame.atoms.pbc.all()) for frame in prepared.train)
    assert found.equations == len(prepared.train) + 3 * atoms + 9 * stresses
    assert found.coefficients == prepared.config.model.build().coefficients.numel()
    assert 0 < found.seconds < 300
    energies = rehearse_fit(prepare(parse_config(CONFIG, overrides=["loss.forces.weight=0", "loss.stress.weight=0"])))
    assert energies.equations == len(prepared.train)
