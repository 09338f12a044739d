"""Page on a potential and a structure."""

from __future__ import annotations

from dataclasses import replace

from ase import Atoms

from potentials.pages import Page
from potentials.potential import Potential
from potentials.visualization.observation import anatomy_of, observe
from potentials.visualization.rotation import rotation_changes
from potentials.visualization.scene import scene_of
from potentials.visualization.sections import (
    energies_section,
    features_section,
    harmonics_section,
    messages_section,
    paths_section,
    radial_section,
    rotation_section,
)
from potentials.visualization.signals import sphere_json
from potentials.visualization.widget import SharedData, visualize_script


def visualization_page(
    potential: Potential, atoms: Atoms, *, model_name: str, structure_name: str, atom: int | None = None
) -> str:
    """One self-contained, interactive HTML page.

    Args:
        potential: potential on the CPU, as returned by `potentials.load`.
        atoms: the structure, in A.
        model_name: name of the model on the page.
        structure_name: name of the structure on the page.
        atom: index of the atom whose surroundings are shown if the structure has too many atoms.

    Raises:
        PotentialsError: the model family does not describe its layers.
        DataError: no atoms, too many, or no atom of that index.
        UnknownElementError: an element that the potential does not support.
    """
    anatomy = anatomy_of(potential)
    scene = scene_of(atoms, atom)
    observation = observe(potential, atoms)
    changes = rotation_changes(potential, observation, list(anatomy.features), atoms, scene.shown)
    config = potential.config
    rotates_exactly = config.broken_symmetry is None or config.broken_symmetry[0] != "rotations"
    highest = max([anatomy.edge_degree, *(place.blocks.layout.degree for place in anatomy.features)])
    sections = [
        harmonics_section(anatomy),
        radial_section(potential, anatomy, observation),
        paths_section(anatomy),
        messages_section(anatomy, observation, scene),
        features_section(anatomy, observation, scene),
        rotation_section(changes, potential.precision, rotates_exactly),
        energies_section(potential, atoms, observation, scene),
    ]
    shared = SharedData({"sphere": sphere_json(highest), "structure": scene.json()})
    # Data shared by all drawings are stored in a section that is never empty.
    sections[-1] = replace(sections[-1], parts=[*sections[-1].parts, shared])
    facts = [
        ("model", model_name),
        ("family", config.name),
        ("cutoff", f"{potential.cutoff:g} Å"),
        ("elements", ", ".join(potential.elements)),
        ("structure", f"{structure_name}: {atoms.get_chemical_formula()}"),
        ("neighbors of an atom", f"{observation.topology.num_edges / len(atoms):.1f} on average"),
        ("energy", f"{observation.energy:.4f} eV"),
    ]
    subtitle = "From atoms to energies and forces, step by step. " + scene.note
    return Page(
        "What a potential computes for a structure",
        subtitle.strip(),
        sections,
        facts,
        "Written by `potentials visualize`. Everything shown was computed by the model.",
        [visualize_script()],
    ).html()
