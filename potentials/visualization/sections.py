"""The sections of the page: a few plain sentences, the equation, the picture."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from ase import Atoms

from potentials.models.anatomy import Anatomy
from potentials.pages import Arrows, Gallery, Paragraph, Plot, Section, StructureFrame, StructureView, Table, palette
from potentials.pages.content import Part
from potentials.potential import Potential
from potentials.visualization.messages import messages_json
from potentials.visualization.numbers import plain
from potentials.visualization.observation import Observation
from potentials.visualization.paths import Couplings, coupling_figure, couplings_of, products_figure
from potentials.visualization.radial import radial_json
from potentials.visualization.scene import Scene
from potentials.visualization.signals import features_json
from potentials.visualization.turning import Turns
from potentials.visualization.widget import Equation, Widget

_LONGEST_FORCE = 1.2
"""A in the picture."""


def harmonics_section(anatomy: Anatomy) -> Section:
    """Shapes of the spherical harmonics that the network uses."""
    title = "Spherical harmonics"
    if anatomy.edge_degree == 0:
        why = "This network knows directions by a grid of orientations, not by spherical harmonics."
        if anatomy.basis is not None:
            why = "This network uses distances only: of the harmonics it has but the constant one, a sphere."
        return Section(title, missing=f"{why} There is nothing more to draw.")
    parts: list[Part] = [
        Paragraph(
            "From an atom's point of view each neighbor lies in some direction. Spherical harmonics turn a "
            "direction into a handful of numbers, the same functions of the angles that s, p, d and f orbitals "
            "have. How far a shape reaches in a direction is the size of the number there, and its color is the "
            "sign."
        ),
        Equation(
            "Real spherical harmonics, in e3nn's order and normalization; l is the degree, m numbers the 2l + 1 "
            "functions of it",
            "Y_{lm}(u),   sum over m of Y_{lm}(u)^{2} = 2l + 1   for every direction u",
        ),
        Widget(
            "harmonics",
            {"degree": anatomy.edge_degree},
            "One row for each degree, with m from -l to l. Their parity is written as e (even: the shape looks the "
            "same from the opposite side) or o (odd: the colors are swapped there). Drag to turn.",
            {"scene": 560},
            "Shapes of the spherical harmonics",
        ),
    ]
    return Section(title, parts=parts)


def radial_section(potential: Potential, anatomy: Anatomy, observation: Observation) -> Section:
    """The basis and the learned weights against the distance."""
    title = "Radial functions"
    if anatomy.basis is None:
        return Section(
            title,
            missing="The kernels of this network are functions of where a neighbor lies relative to an orientation; "
            "there is no basis of the distance alone to draw.",
        )
    remark = ""
    if not any(place.radial is not None for place in anatomy.rounds):
        remark = " In this family weights depend on learned features too, so only the basis can be drawn."
    elif not all(place.learned for place in anatomy.rounds):
        remark = " In this family they are the basis itself: nothing about them is learned."
    parts: list[Part] = [
        Paragraph(
            "The distance to a neighbor enters through a few fixed functions, multiplied by an envelope that goes "
            "smoothly to zero at the cutoff, so that no force jumps when an atom comes into range. A small network "
            "mixes them into learned functions R(r): how strongly a neighbor at that distance is heard, for each "
            "kind of message." + remark
        ),
        Equation(
            "Learned radial functions of path p and channel c",
            "R_{pc}(r) = network( B_{1}(r), B_{2}(r), ... )_{pc},   B_{n}(r) = b_{n}(r) f_{cut}(r)",
        ),
        Widget(
            "radial",
            radial_json(potential, anatomy, observation),
            "Beneath: how often each distance occurs among the neighbors in this structure; shaded: closer than "
            "any of them.",
            {"curves": 500},
            "Radial functions against the distance, and a histogram of the distances",
        ),
    ]
    return Section(title, parts=parts)


def paths_section(anatomy: Anatomy) -> Section:
    """Which products of tensors there are, and how many."""
    title = "Tensor-product paths"
    couplings = [found for found in couplings_of(anatomy) if found.paths]
    if not couplings and not anatomy.many_body:
        return Section(title, missing="This network multiplies no tensors: its features have no degrees to couple.")
    parts: list[Part] = [
        Paragraph(
            "What a neighbor sends is its features multiplied by the harmonics of the direction between the two "
            "atoms. As for angular momenta in quantum mechanics, degrees l1 and l2 couple to every degree from |l1 "
            "- l2| to l1 + l2, and parities multiply. Each allowed combination is a path with learned weights of "
            "its own."
        ),
        Equation(
            "Messages: Clebsch-Gordan couplings C of the features h of atom j with the harmonics of the edge",
            "m_{ij, l3 m3} = R_{p}(r_{ij})  sum over m1, m2 of  C^{l3 m3}_{l1 m1, l2 m2}  h_{j, l1 m1}  "
            "Y_{l2 m2}(u_{ij})",
        ),
    ]
    if couplings:
        parts.append(Gallery({found.name: _coupling_plot(found) for found in couplings}))
        rows = [
            [str(path), found.name, str(path.weights) if found.has_weights else "-", str(path.terms)]
            for found in couplings
            for path in found.paths
        ]
        parts.append(Table(["path", "where", "weights", "couplings"], rows, filterable=True, text_columns=[1]))
    if anatomy.many_body:
        parts += _many_body(anatomy)
    return Section(title, parts=parts)


def _coupling_plot(couplings: Couplings) -> Plot:
    paths = couplings.paths
    numbers = [f"{len(paths)} paths"]
    if couplings.has_weights:
        numbers.append(f"{sum(path.weights for path in paths)} weights (functions of the distance)")
    numbers.append(f"{sum(path.terms for path in paths)} couplings that are not zero")
    tallest = max(len({path.path[position] for path in paths}) for position in range(3))
    return Plot(
        coupling_figure(couplings),
        f"{', '.join(numbers)}. Lines are as thick as they have couplings, in the color of the block they start from.",
        height=max(300, 78 * tallest),
        label=f"Tensor-product paths of {couplings.name}",
    )


def _many_body(anatomy: Anatomy) -> list[Part]:
    rows = [
        [place.name, str(irrep), *[str(number) for number in counts], str(place.terms.get(irrep, "-"))]
        for place in anatomy.many_body
        for irrep, counts in place.counts.items()
    ]
    orders = max(len(row) for row in rows) - 3
    rows = [[*row[:-1], *["-"] * (orders + 3 - len(row)), row[-1]] for row in rows]
    heads = [f"{number} factor{'s' if number > 1 else ''}" for number in range(1, orders + 1)]
    weights = sum(place.weights for place in anatomy.many_body)
    return [
        Paragraph(
            "The sum over the neighbors is then multiplied with itself: a product of two factors knows pairs of "
            "neighbors, and so angles; one of three knows triples. Only combinations that come out as a tensor of "
            f"the wanted degree are kept, and of those only independent ones. Together they have {weights:,} learned "
            "weights."
        ),
        Equation(
            "Many-body products of the atomic basis A, up to the correlation order",
            "B = w_{1} A + w_{2} (A x A) + w_{3} (A x A x A) + ...",
        ),
        Plot(products_figure(anatomy.many_body), height=340, label="Numbers of many-body products"),
        Table(["where", "block", *heads, "monomials"], rows, text_columns=[1]),
    ]


def messages_section(anatomy: Anatomy, observation: Observation, scene: Scene) -> Section:
    """How much each neighbor tells an atom."""
    title = "Messages of the neighbors"
    if not observation.topology.num_edges:
        return Section(
            title,
            missing="No atom of this structure has a neighbor within the cutoff, so there are no messages. Choose a "
            "structure whose atoms are closer to each other.",
        )
    parts: list[Part] = [
        Paragraph(
            "In each layer every neighbor sends a message, and an atom adds up what it receives. Here is how large "
            "each message is. Messages are tensors with a direction, so those from opposite sides can cancel: the "
            "size of their sum is below the sum of their sizes."
        ),
        Equation("Sum of the messages to atom i", "A_{i} = sum over neighbors j of  m_{ij}"),
        Widget(
            "messages",
            messages_json(observation, anatomy.rounds, scene),
            "Lines are as thick as the message is large. Click an atom to choose it.",
            {"scene": 420, "bars": 420},
            "Sizes of the messages of each neighbor",
        ),
    ]
    return Section(title, parts=parts)


def _what_features_are(anatomy: Anatomy) -> list[Part]:
    """A few sentences and the equation, for tensors or for functions on a grid of orientations."""
    knows = "The features of an atom are what the network knows of its surroundings. "
    if any(place.grid is not None for place in anatomy.features):
        return [
            Paragraph(
                f"{knows}Here they are numbers for each direction of a grid, the same directions for every atom. "
                "Each dot is one direction, as large as the number (its square root, to be exact) and in the color "
                "of its sign."
            ),
            Equation("Features of PONITA: functions of the orientation o", "x_{i}(o)"),
        ]
    return [
        Paragraph(
            f"{knows}Those of degree l are 2l + 1 numbers, the coefficients of harmonics, and can be drawn like "
            "them: as a shape around the atom. Degree 0 is a sphere, degree 1 an arrow with two lobes, degree 2 "
            "looks like d orbitals."
        ),
        Paragraph(
            "A block such as 1o is named by degree and parity. Tensors whose parity is not that of their harmonics "
            "(1e, 2o, ...) are pseudotensors: they turn like the others but change their sign once more in a "
            "mirror, as an axis of rotation does."
        ),
        Equation(
            "The signal of the features h of degree l in direction u; radius |f|, color its sign",
            "f(u) = sum over m of h_{lm} Y_{lm}(u)",
        ),
    ]


def features_section(anatomy: Anatomy, observation: Observation, scene: Scene) -> Section:
    """The features of the atoms as signals on the sphere."""
    parts: list[Part] = [
        *_what_features_are(anatomy),
        *([Paragraph(anatomy.remark)] if anatomy.remark else []),
        Widget(
            "features",
            features_json(observation, anatomy.features, scene.shown),
            "Combinations mix channels, always the same way for all atoms, so that they turn as single channels "
            "do; the first is the strongest one there is. Click an atom to choose it; the bars are its channels.",
            {"scene": 460, "bars": 460},
            "Features of the atoms as signals on the sphere",
        ),
    ]
    return Section("Features on the atoms", parts=parts)


def turning_section(turns: Turns, precision: str, exactly_symmetric: bool) -> Section:
    """Molecule and features turning together."""
    energy = max(abs(change) for change in turns.energy)
    forces = max(turns.forces)
    largest = turns.largest_feature_difference()
    good = (
        f"both halves of the picture are the same at every angle, and differences are the rounding of {precision}."
        if exactly_symmetric
        else "differences are small against the errors of the potential: this family is symmetric approximately."
    )
    said = (
        f"Over {len(turns.energy)} turns the energy changed by at most {plain(energy)} meV and the forces, beyond "
        f"turning with the structure, by at most {plain(forces)} meV/A."
    )
    if turns.stages:
        said += (
            f" The features differed from what Wigner's matrices make of the unturned ones by {plain(largest)} of the "
            "largest feature."
        )
    built_in = (
        "It is not learned but built in: features of degree l turn by a matrix known beforehand, Wigner's D."
        if exactly_symmetric
        else "This family learns it from frames turned at random, as far as its grid of orientations allows."
    )
    parts: list[Part] = [
        Paragraph(
            "Turn the structure, and the energy must stay as it is while forces and features turn along. That is "
            f"equivariance. {built_in}"
        ),
        Equation(
            "Equivariance under a rotation R",
            "E(R x) = E(x),   F(R x) = R F(x)" + (",   h_{l}(R x) = D^{l}(R) h_{l}(x)" if turns.stages else ""),
        ),
        Paragraph(said),
    ]
    if turns.stages:
        parts.append(
            Widget(
                "turning",
                turns.json(),
                "Left: the network computed the features of the turned structure anew at each angle. Right: the "
                "features of the structure as it was, multiplied by D, or left as they were, to see what goes "
                "wrong then.",
                {"computed": 400, "expected": 400},
                "The structure and its features, turned",
            )
        )
    else:
        parts.append(Plot(_turning_figure(turns), "What turning changes.", label="Differences by angle"))
    return Section("Turning together", good, parts)


def _turning_figure(turns: Turns) -> go.Figure:
    figure = go.Figure()
    steps = len(turns.angles)
    for axis in range(3):
        part = slice(axis * steps, (axis + 1) * steps)
        name = f"turned about {'xyz'[axis]}"
        figure.add_scatter(x=turns.angles, y=turns.forces[part], name=name, line={"color": palette.SERIES[axis]})
    figure.update_layout(xaxis_title="angle (degrees)", yaxis_title="largest change of a force component (meV/A)")
    return figure


def energies_section(potential: Potential, atoms: Atoms, observation: Observation, scene: Scene) -> Section:
    """What comes out: energies of the atoms, forces as their slopes."""
    symbols = atoms.get_chemical_symbols()
    isolated = potential.reference_energies.numpy()[observation.graph.species.numpy()]
    energies = (observation.node_energies - isolated)[scene.shown]
    forces = observation.forces[scene.shown]
    sizes = np.linalg.norm(forces, axis=1)
    scale = _LONGEST_FORCE / max(float(sizes.max()), 1e-12)
    notes = [f"{energy:+.3f} eV, |F| {size:.3f} eV/A" for energy, size in zip(energies, sizes, strict=True)]
    drawn = Atoms(scene.symbols, positions=scene.positions)
    arrows = [Arrows("forces", forces, palette.PREDICTION, scale)] if sizes.max() > 0 else []
    frame = StructureFrame("forces", drawn, arrows, notes=notes)
    rows = [
        [f"{symbols[atom]} {atom}", f"{energy:.4f}", *[f"{part:+.4f}" for part in force], f"{size:.4f}"]
        for atom, energy, force, size in zip(scene.shown, energies, forces, sizes, strict=True)
    ]
    parts: list[Part] = [
        Paragraph(
            "The scalars of each atom, which no rotation changes, become its share of the energy; the energy of the "
            "structure is their sum. Forces are not predicted but derived: minus the slope of the energy when an "
            "atom is moved, so energy is conserved in dynamics."
        ),
        Equation("Energy and forces", "E = sum over i of ( E^{0}_{z(i)} + e_{i} ),   F_{i} = - dE / dx_{i}"),
        StructureView(
            [frame],
            f"Arrows are forces (the longest {sizes.max():.3f} eV/A). Point at an atom for its share of the energy: "
            "relative to the isolated atom.",
        ),
        Table(
            ["atom", "energy share (eV)", "Fx (eV/A)", "Fy", "Fz", "|F|"],
            rows,
            f"E = {observation.energy:.6f} eV, of which {float(isolated.sum()):.6f} eV are the isolated atoms.",
            filterable=len(rows) > 12,
        ),
    ]
    return Section("Energies and forces", parts=parts)
