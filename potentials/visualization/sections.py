"""Sections of the page: a short explanation, the equation, and the drawing."""

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
from potentials.visualization.rotation import RotationChanges
from potentials.visualization.scene import Scene
from potentials.visualization.signals import features_json
from potentials.visualization.widget import Equation, Widget

_LONGEST_FORCE = 1.2
"""Longest arrow of a force, A in the drawing."""


def harmonics_section(anatomy: Anatomy) -> Section:
    """Show the spherical harmonics that the network uses."""
    title = "Spherical harmonics"
    if anatomy.edge_degree == 0:
        why = "This network represents directions on a grid of orientations, not by spherical harmonics."
        if anatomy.basis is not None:
            why = "This network uses distances only, so its only harmonic is the constant one, a sphere."
        return Section(title, missing=f"{why} There is nothing else to draw.")
    parts: list[Part] = [
        Paragraph(
            "Each neighbor of an atom lies in some direction. Spherical harmonics map a direction to a few "
            "numbers, the same functions of the angles that s, p, d and f orbitals "
            "have. The radius of a shape in a direction is the magnitude of the value there, and the color is its sign."
        ),
        Equation(
            "Real spherical harmonics, in e3nn's order and normalization; l is the degree, m labels the 2l + 1 "
            "functions of degree l",
            "Y_{lm}(u),   sum over m of Y_{lm}(u)^{2} = 2l + 1   for every direction u",
        ),
        Widget(
            "harmonics",
            {"degree": anatomy.edge_degree},
            "One row for each degree, with m from -l to l. Parity is written as e (even: the shape is "
            "unchanged under inversion) or o (odd: the colors are swapped). Drag to rotate.",
            {"scene": 560},
            "Shapes of the spherical harmonics",
        ),
    ]
    return Section(title, parts=parts)


def radial_section(potential: Potential, anatomy: Anatomy, observation: Observation) -> Section:
    """Show the radial basis and the learned weights as functions of distance."""
    title = "Radial functions"
    if anatomy.basis is None:
        return Section(
            title,
            missing="The kernels of this network are functions of the position of a neighbor relative to an "
            "orientation; there is no basis of the distance alone.",
        )
    remark = ""
    if not any(place.radial is not None for place in anatomy.rounds):
        remark = " In this family weights also depend on learned features, so only the basis is drawn."
    elif not all(place.learned for place in anatomy.rounds):
        remark = " In this family the weights are the basis functions themselves and are not learned."
    parts: list[Part] = [
        Paragraph(
            "The distance to a neighbor enters through a few fixed basis functions, multiplied by an "
            "envelope that goes smoothly to zero at the cutoff, so that forces are continuous when an atom "
            "crosses it. A small network combines them into learned functions R(r): the weight of a neighbor "
            "at that distance in each type of message." + remark
        ),
        Equation(
            "Learned radial functions of path p and channel c",
            "R_{pc}(r) = network( B_{1}(r), B_{2}(r), ... )_{pc},   B_{n}(r) = b_{n}(r) f_{cut}(r)",
        ),
        Widget(
            "radial",
            radial_json(potential, anatomy, observation),
            "The lower panel is a histogram of the neighbor distances in this structure; no distance lies in the "
            "shaded range.",
            {"curves": 500},
            "Radial functions against the distance, and a histogram of the distances",
        ),
    ]
    return Section(title, parts=parts)


def paths_section(anatomy: Anatomy) -> Section:
    """List the tensor products of the network and the number of paths."""
    title = "Tensor-product paths"
    couplings = [found for found in couplings_of(anatomy) if found.paths]
    if not couplings and not anatomy.many_body:
        return Section(title, missing="This network has no tensor products: its features are scalars.")
    parts: list[Part] = [
        Paragraph(
            "The message of a neighbor is the product of its features with the harmonics of the direction "
            "between the two atoms. As for angular momenta in quantum mechanics, degrees l1 and l2 couple to "
            "every degree from |l1 "
            "- l2| to l1 + l2, and parities multiply. Each allowed combination is a path with its own learned weights."
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
        parts.append(Table(["path", "tensor product", "weights", "couplings"], rows, filterable=True, text_columns=[1]))
    if anatomy.many_body:
        parts += _many_body(anatomy)
    return Section(title, parts=parts)


def _coupling_plot(couplings: Couplings) -> Plot:
    paths = couplings.paths
    numbers = [f"{len(paths)} paths"]
    if couplings.has_weights:
        numbers.append(f"{sum(path.weights for path in paths)} weights (functions of the distance)")
    numbers.append(f"{sum(path.terms for path in paths)} nonzero couplings")
    tallest = max(len({path.path[position] for path in paths}) for position in range(3))
    return Plot(
        coupling_figure(couplings),
        f"{', '.join(numbers)}. The line width shows the number of couplings, the color the first block.",
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
            "The sum over the neighbors is then multiplied with itself: a product of two factors depends on "
            "pairs of neighbors, and thus on angles; a product of three on triples. Only linearly "
            "independent combinations that transform as a tensor of the required degree are kept. Together "
            f"they have {weights:,} learned "
            "weights."
        ),
        Equation(
            "Many-body products of the atomic basis A, up to the correlation order",
            "B = w_{1} A + w_{2} (A x A) + w_{3} (A x A x A) + ...",
        ),
        Plot(products_figure(anatomy.many_body), height=340, label="Numbers of many-body products"),
        Table(["layer", "block", *heads, "monomials"], rows, text_columns=[1]),
    ]


def messages_section(anatomy: Anatomy, observation: Observation, scene: Scene) -> Section:
    """Show the norms of the messages from each neighbor."""
    title = "Messages of the neighbors"
    if not observation.topology.num_edges:
        return Section(
            title,
            missing="No atom of this structure has a neighbor within the cutoff, so there are no messages. Choose a "
            "structure whose atoms are closer to each other.",
        )
    parts: list[Part] = [
        Paragraph(
            "In each layer every neighbor sends a message, and an atom sums the messages it receives. This "
            "section shows the norm of each message. Messages are tensors with a direction, so messages from "
            "opposite sides can cancel: the norm of their sum is smaller than the sum of their norms."
        ),
        Equation("Sum of the messages to atom i", "A_{i} = sum over neighbors j of  m_{ij}"),
        Widget(
            "messages",
            messages_json(observation, anatomy.rounds, scene),
            "The width of a line is the norm of the message. Click an atom to choose it.",
            {"scene": 420, "bars": 420},
            "Norms of the messages of each neighbor",
        ),
    ]
    return Section(title, parts=parts)


def _what_features_are(anatomy: Anatomy) -> list[Part]:
    """Explain features, with their equation, for tensors or for functions on a grid of orientations."""
    knows = "The features of an atom describe its environment. "
    if any(place.grid is not None for place in anatomy.features):
        return [
            Paragraph(
                f"{knows}In this family they are values on a grid of directions, which is the same for every "
                "atom. Each dot is one direction; its size is the square root of the magnitude, its color the "
                "sign."
            ),
            Equation("Features of PONITA: functions of the orientation o", "x_{i}(o)"),
        ]
    return [
        Paragraph(
            f"{knows}Features of degree l are 2l + 1 coefficients of harmonics and can be drawn in the same "
            "way, as a shape around the atom. Degree 0 is a sphere, degree 1 has two lobes of opposite sign (like a p "
            "orbital), degree 2 looks like a d orbital."
        ),
        Paragraph(
            "A block such as 1o is named by degree and parity. Tensors whose parity is not that of their harmonics "
            "(1e, 2o, ...) are pseudotensors: they rotate like proper tensors, but reflection changes their sign "
            "relative to proper tensors, like that of an angular momentum (axial vector)."
        ),
        Equation(
            "The signal of the features h of degree l in direction u; radius |f|, color its sign",
            "f(u) = sum over m of h_{lm} Y_{lm}(u)",
        ),
    ]


def features_section(anatomy: Anatomy, observation: Observation, scene: Scene) -> Section:
    """Show the features of the atoms as signals on the sphere."""
    parts: list[Part] = [
        *_what_features_are(anatomy),
        *([Paragraph(anatomy.remark)] if anatomy.remark else []),
        Widget(
            "features",
            features_json(observation, anatomy.features, scene.shown),
            "Combinations mix channels in the same way for all atoms, so they rotate like single channels; "
            "the first has the largest norm. Click an atom to choose it; the bars are its channels.",
            {"scene": 460, "bars": 460},
            "Features of the atoms as signals on the sphere",
        ),
    ]
    return Section("Features on the atoms", parts=parts)


def rotation_section(changes: RotationChanges, precision: str, exactly_symmetric: bool) -> Section:
    """Compare features after a rotation of the structure with rotated features."""
    energy = max(abs(change) for change in changes.energy)
    forces = max(changes.forces)
    largest = changes.largest_feature_difference()
    good = (
        f"both halves of the picture are the same at every angle; differences are rounding errors of {precision}."
        if exactly_symmetric
        else "differences are small compared with the errors of the potential; this family is approximately symmetric."
    )
    measured = (
        f"Over {len(changes.energy)} rotations the energy changed by at most {plain(energy)} meV, and the "
        f"forces (apart from rotating with the structure) by at most {plain(forces)} meV/Å."
    )
    if changes.stages:
        measured += (
            " The features of the rotated structure and the original features multiplied by Wigner D matrices differed "
            f"by at most {plain(largest)}, relative to the largest feature."
        )
    built_in = (
        "It is built in, not learned: features of degree l are transformed by a known matrix, Wigner's D."
        if exactly_symmetric
        else "This family learns it from randomly rotated frames, to the accuracy of its grid of orientations."
    )
    parts: list[Part] = [
        Paragraph(
            "When the structure is rotated, the energy must not change, and forces and features must rotate "
            f"with it. This is equivariance. {built_in}"
        ),
        Equation(
            "Equivariance under a rotation R",
            "E(R x) = E(x),   F(R x) = R F(x)" + (",   h_{l}(R x) = D^{l}(R) h_{l}(x)" if changes.stages else ""),
        ),
        Paragraph(measured),
    ]
    if changes.stages:
        parts.append(
            Widget(
                "rotation",
                changes.json(),
                "Left: features of the rotated structure, computed by the network at each angle. Right: features "
                "of the original structure, multiplied by D, or unchanged for comparison.",
                {"computed": 400, "expected": 400},
                "The structure and its features, rotated",
            )
        )
    else:
        parts.append(Plot(_rotation_figure(changes), "Differences after rotation.", label="Differences by angle"))
    return Section("Equivariance", good, parts)


def _rotation_figure(changes: RotationChanges) -> go.Figure:
    figure = go.Figure()
    steps = len(changes.angles)
    for axis in range(3):
        part = slice(axis * steps, (axis + 1) * steps)
        name = f"rotated about {'xyz'[axis]}"
        figure.add_scatter(x=changes.angles, y=changes.forces[part], name=name, line={"color": palette.SERIES[axis]})
    figure.update_layout(xaxis_title="angle (degrees)", yaxis_title="largest change of a force component (meV/Å)")
    return figure


def energies_section(potential: Potential, atoms: Atoms, observation: Observation, scene: Scene) -> Section:
    """Show atomic energies, and forces as negative gradients."""
    symbols = atoms.get_chemical_symbols()
    isolated = potential.reference_energies.numpy()[observation.graph.species.numpy()]
    energies = (observation.node_energies - isolated)[scene.shown]
    forces = observation.forces[scene.shown]
    sizes = np.linalg.norm(forces, axis=1)
    scale = _LONGEST_FORCE / max(float(sizes.max()), 1e-12)
    notes = [f"{energy:+.3f} eV, |F| {size:.3f} eV/Å" for energy, size in zip(energies, sizes, strict=True)]
    drawn = Atoms(scene.symbols, positions=scene.positions)
    arrows = [Arrows("forces", forces, palette.PREDICTION, scale)] if sizes.max() > 0 else []
    frame = StructureFrame("forces", drawn, arrows, notes=notes)
    rows = [
        [f"{symbols[atom]} {atom}", f"{energy:.4f}", *[f"{part:+.4f}" for part in force], f"{size:.4f}"]
        for atom, energy, force, size in zip(scene.shown, energies, forces, sizes, strict=True)
    ]
    parts: list[Part] = [
        Paragraph(
            "The scalars of each atom, which no rotation changes, become its contribution to the energy; the "
            "energy of the "
            "structure is their sum. Forces are not predicted separately: they are the negative derivative "
            "of the energy with respect to positions, so energy is conserved in dynamics."
        ),
        Equation("Energy and forces", "E = sum over i of ( E^{0}_{z(i)} + e_{i} ),   F_{i} = - dE / dx_{i}"),
        StructureView(
            [frame],
            f"Arrows are forces (the longest {sizes.max():.3f} eV/Å). Hover over an atom for its contribution "
            "to the energy, relative to the isolated atom.",
        ),
        Table(
            ["atom", "energy contribution (eV)", "Fx (eV/Å)", "Fy", "Fz", "|F|"],
            rows,
            f"E = {observation.energy:.6f} eV, of which {float(isolated.sum()):.6f} eV are the isolated atoms.",
            filterable=len(rows) > 12,
        ),
    ]
    return Section("Energies and forces", parts=parts)
