"""Generate the figures and numbers of docs/what-it-does.md with the built-in ethanol potential.

    python scripts/guide_pictures.py            # writes docs/images/guide-*.png and prints the numbers in the text

Everything is computed by the model; all numbers quoted in the text are printed here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from ase import Atoms
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from potentials import load
from potentials.equivariant import spherical_harmonics
from potentials.models.anatomy import NodeFeatures
from potentials.pages.palette import element_color
from potentials.potential import Potential
from potentials.visualization.messages import block_norms
from potentials.visualization.observation import Observation, anatomy_of, observe
from potentials.visualization.paths import couplings_of
from potentials.visualization.radial import functions_at, weights_at
from potentials.visualization.rotation import rotation_changes
from potentials.visualization.scene import scene_of
from potentials.visualization.signals import blocks_at, mixtures, sphere
from potentials.visualization.structures import structure_to_show

FOLDER = Path(__file__).parent.parent / "docs" / "images"
MODEL = "builtin:ethanol"
POSITIVE, NEGATIVE, INK, BLUE = "#c8501e", "#2468b4", "#1d2430", "#0b62a8"
COLORS = ["#0b62a8", "#c8501e", "#1b8a5a", "#8a4fa3", "#a97a00", "#2b98b8", "#c2447d", "#6b7480"]
RADII = {"H": 0.2, "C": 0.34, "O": 0.32}

Array = NDArray[np.float64]


def main() -> None:
    """Create all figures and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the figures")
    folder: Path = parser.parse_args().folder
    mpl.rcParams.update(
        {
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.facecolor": "white",
        }
    )
    potential = load(MODEL)
    atoms = structure_to_show(potential, None).atoms
    seen = observe(potential, atoms)
    view = flat(atoms)
    pictures = {
        "neighbors": neighbors_picture(potential, atoms, view),
        "harmonics": harmonics_picture(),
        "radial": radial_picture(potential),
        "messages": messages_picture(potential, atoms, seen),
        "features": features_picture(potential, atoms, seen),
        "energies": energies_picture(potential, atoms, seen, view),
    }
    for name, figure in pictures.items():
        figure.savefig(folder / f"guide-{name}.png", dpi=130, metadata={"Software": None})
    print_numbers(potential, atoms, seen)


def flat(atoms: Atoms) -> Array:
    """Compute the rotation [3, 3] to a slightly tilted view with the longest extent along the first axis."""
    _, _, axes = np.linalg.svd(atoms.positions - atoms.positions.mean(axis=0))
    return tilt() @ (axes * np.sign(axes[np.arange(3), np.abs(axes).argmax(axis=1)])[:, None])


def draw_molecule(axes: Axes, atoms: Atoms, places: Array, bonded: float = 1.6) -> None:
    """Draw atoms as discs with their indices, and bonds, projected on the figure plane."""
    distances = atoms.get_all_distances()
    for i in range(len(atoms)):
        for j in range(i):
            if distances[i, j] < (bonded if "H" not in (atoms.symbols[i], atoms.symbols[j]) else 1.3):
                axes.plot(*places[[i, j], :2].T, color="#aab2bd", linewidth=3, zorder=1)
    for number in np.argsort(places[:, 2]):
        symbol = atoms.symbols[number]
        x, y = places[number, :2].tolist()
        disc = plt.Circle((x, y), RADII[symbol], facecolor=element_color(symbol), edgecolor=INK, lw=0.8, zorder=2)
        axes.add_patch(disc)
        axes.text(x, y, f"{symbol}{number}", ha="center", va="center", fontsize=7, zorder=3)
    axes.set_aspect("equal")
    axes.set_axis_off()


def neighbors_picture(potential: Potential, atoms: Atoms, view: Array) -> Figure:
    """Draw the molecule and the neighbors of one hydrogen atom within the cutoff."""
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    places = (atoms.positions - atoms.positions.mean(axis=0)) @ view.T
    center = farthest_hydrogen(atoms)
    distances = atoms.get_distances(center, range(len(atoms)))
    for number, distance in enumerate(distances):
        if number != center:
            inside = distance < potential.cutoff
            color, dashes = (BLUE, "-") if inside else ("#9aa6b5", ":")
            axes.plot(*places[[center, number], :2].T, zorder=0, color=color, linestyle=dashes, lw=1.2)
            x, y = (0.4 * places[center, :2] + 0.6 * places[number, :2]).tolist()
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            axes.text(x, y, f"{distance:.2f}", fontsize=7, color=color, ha="center", va="center", bbox=box)
    draw_molecule(axes, atoms, places)
    axes.set_title(f"Distances of H{center} in A: solid within the cutoff of {potential.cutoff:g} A, dotted beyond")
    return figure


def farthest_hydrogen(atoms: Atoms) -> int:
    """Return the hydrogen atom with the largest distance to any other atom."""
    farthest = np.where(atoms.numbers == 1, atoms.get_all_distances().max(axis=1), 0)
    return int(farthest.argmax())


def harmonics_picture(degree: int = 3) -> Figure:
    """Draw all spherical harmonics up to a degree: one row for each degree, m from left to right."""
    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    points, _ = sphere(3)
    harmonics = spherical_harmonics(torch.from_numpy(points @ tilt()), degree).numpy()
    orders = [(n, m) for n in range(degree + 1) for m in range(-n, n + 1)]
    signals = harmonics.T / np.abs(harmonics).max(axis=0)[:, None]
    signals[0] *= 0.65
    draw_signals(axes, signals, np.array([(m, -n, 0.0) for n, m in orders]), 0.47)
    for n in range(degree + 1):
        axes.text(-degree - 0.6, -n, f"l = {n}", va="center", ha="right", color=INK)
    axes.set(xlim=(-degree - 1.1, degree + 0.6), ylim=(-degree - 0.55, 0.55), aspect="equal")
    axes.set_axis_off()
    return figure


def tilt() -> Array:
    """Return a rotation to a view slightly from above and from the side, which shows shapes along the line of sight."""
    a, b = np.radians(18), np.radians(-22)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    return about_x @ about_y


def radial_picture(potential: Potential) -> Figure:
    """Plot the radial basis and the learned weights of one path."""
    anatomy = anatomy_of(potential)
    r = np.linspace(0.85, potential.cutoff, 200)
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.7), layout="constrained")
    basis = functions_at(potential, anatomy, r, 0, 1).values.numpy()
    for number, values in enumerate(basis.T):
        left.plot(r, values, color=COLORS[number % len(COLORS)], lw=1.2)
    left.set(title="The basis: 8 fixed functions", xlabel="distance (A)", ylabel="B(r)")
    place = anatomy.rounds[0]
    weights = weights_at(potential, anatomy, place, r, 0, 1)
    path = next(number for number, (_, second, _) in enumerate(place.paths) if second.degree == 1)
    for number, channel in enumerate(np.argsort(-np.abs(weights[:, path]).max(axis=0))[:8]):
        right.plot(r, weights[:, path, channel], color=COLORS[number], lw=1.2)
    first, second, product = place.paths[path]
    right.set(title=f"Learned: layer 1, {first} x {second} to {product}", xlabel="distance (A)", ylabel="R(r)")
    for axes in (left, right):
        axes.axhline(0, color="#9aa6b5", lw=0.8, zorder=0)
    return figure


def messages_picture(potential: Potential, atoms: Atoms, seen: Observation) -> Figure:
    """Plot the norms of the messages to the oxygen atom in both layers."""
    receiver = int(np.flatnonzero(atoms.numbers == 8)[0])
    rounds = anatomy_of(potential).rounds
    figure, panels = plt.subplots(1, len(rounds), figsize=(6.4, 2.7), layout="constrained", sharey=True)
    start, stop = seen.topology.receiver_pointer[receiver : receiver + 2].tolist()
    order = start + np.argsort(np.linalg.norm(seen.edge_vectors[start:stop], axis=1))
    senders = seen.topology.senders.numpy()[order]
    lengths = np.linalg.norm(seen.edge_vectors[order], axis=1)
    names = [f"{atoms.symbols[j]}{j}, {length:.2f} A" for j, length in zip(senders, lengths, strict=True)]
    for axes, place in zip(panels, rounds, strict=True):
        norms = block_norms(seen.messages(place)[order], place.blocks)
        whole = np.linalg.norm(norms, axis=1)
        left = np.zeros(len(order))
        for number, (irrep, _) in enumerate(place.blocks):
            width = norms[:, number] ** 2 / whole
            axes.barh(names, width, left=left, color=COLORS[number], label=str(irrep))
            left += width
        axes.set(title=place.name, xlabel="norm of the message")
    panels[0].invert_yaxis()
    panels[-1].legend(frameon=False, fontsize=8, title="degree", loc="lower right")
    return figure


def features_picture(potential: Potential, atoms: Atoms, seen: Observation) -> Figure:
    """Draw the features after the first layer: the strongest combination of vectors and of tensors of degree 2."""
    place = first_tensors(potential)
    blocks = [block for block in blocks_at(place, seen.features(place)) if block.irrep.degree]
    points, _ = sphere(3)
    view = flat(atoms)
    places = (atoms.positions - atoms.positions.mean(axis=0)) @ view.T
    figure, panels = plt.subplots(1, len(blocks), figsize=(6.4, 2.7), layout="constrained")
    bounds = (places[:, 0].min() - 1, places[:, 0].max() + 1, places[:, 1].min() - 1, places[:, 1].max() + 1)
    for axes, block in zip(panels, blocks, strict=True):
        draw_molecule(axes, atoms, places)
        axes.set(xlim=bounds[:2], ylim=bounds[2:])
        axes.set_title(block.describe(), fontsize=9)
        degree = block.irrep.degree
        harmonics = spherical_harmonics(torch.from_numpy(points @ view), degree).numpy()[:, degree**2 :]
        signals = block.values @ mixtures(block.values)[0][:, 0] @ harmonics.T
        draw_signals(axes, signals, places, 0.95 / np.abs(signals).max())
    return figure


def draw_signals(axes: Axes, signals: Array, places: Array, scale: float) -> None:
    """Draw surfaces of all atoms viewed from above, distant triangles first."""
    points, triangles = sphere(3)
    polygons, colors, depths = [], [], []
    for values, center in zip(signals, places, strict=True):
        corners = (center + scale * np.abs(values)[:, None] * points)[triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        light = 0.65 + 0.35 * np.clip(normals @ np.array([0.3, 0.4, 0.87]), -0.5, 1)
        signs = values[triangles].mean(axis=1)[:, None]
        base = np.where(signs >= 0, mpl.colors.to_rgb(POSITIVE), mpl.colors.to_rgb(NEGATIVE))
        front = normals[:, 2] > 0
        polygons.append(corners[front][:, :, :2])
        colors.append(np.clip(base * light[:, None], 0, 1)[front])
        depths.append(corners[front][:, :, 2].mean(axis=1))
    order = np.argsort(np.concatenate(depths))
    faces = np.concatenate(colors)[order]
    surface = PolyCollection(list(np.concatenate(polygons)[order]), facecolors=faces, edgecolors=faces, linewidths=0.3)
    surface.set_zorder(4)
    axes.add_collection(surface)


def first_tensors(potential: Potential) -> NodeFeatures:
    """Return the features after the first layer."""
    return next(place for place in anatomy_of(potential).features if place.name == "h, features after layer 1")


def energies_picture(potential: Potential, atoms: Atoms, seen: Observation, view: Array) -> Figure:
    """Plot the contributions of the atoms to the energy as bars, and forces as arrows."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.7), layout="constrained", width_ratios=[1.25, 1])
    places = (atoms.positions - atoms.positions.mean(axis=0)) @ view.T
    draw_molecule(left, atoms, places)
    forces = seen.forces @ view.T
    longest = np.linalg.norm(forces, axis=1).max()
    for place, force in zip(places, forces, strict=True):
        arrow = {"arrowstyle": "-|>", "color": POSITIVE, "lw": 1.6}
        left.annotate("", xy=place[:2] + 1.1 * force[:2] / longest, xytext=place[:2], arrowprops=arrow, zorder=5)
    left.set_title(f"Forces (largest: {longest:.2f} eV/A)", fontsize=9)
    left.autoscale_view()
    left.margins(0.12)
    names = [f"{symbol}{number}" for number, symbol in enumerate(atoms.symbols)]
    colors = [element_color(symbol) for symbol in atoms.symbols]
    right.bar(names, shares(potential, seen), color=colors, edgecolor=INK, lw=0.6)
    right.set(title="Contributions to the energy (eV)", ylabel="relative to the isolated atom")
    right.tick_params(axis="x", labelsize=7)
    return figure


def shares(potential: Potential, seen: Observation) -> Array:
    """Return the energy contribution of each atom relative to the isolated atom, eV."""
    return seen.node_energies - potential.reference_energies.numpy()[seen.graph.species.numpy()]


def print_numbers(potential: Potential, atoms: Atoms, seen: Observation) -> None:
    """Print the numbers quoted in the text."""
    center = farthest_hydrogen(atoms)
    distances = atoms.get_distances(center, range(len(atoms)))
    within = int((distances < potential.cutoff).sum()) - 1
    print(f"weights: {sum(p.numel() for p in potential.parameters()):,}; edges: {seen.topology.num_edges}")
    print(f"H{center}: {within} neighbors; atom {distances.argmax()} is {distances.max():.2f} A away")
    print_counts(potential)
    print_messages(potential, atoms, seen)
    print_symmetry(potential, atoms, seen)
    whole = shares(potential, seen).sum()
    print(f"energy {seen.energy:.4f} eV = isolated atoms {seen.energy - whole:.4f} + atomic contributions {whole:.4f}")
    error = np.sqrt(np.mean((seen.forces - atoms.get_forces()) ** 2))
    print(f"GFN2-xTB: energy {atoms.get_potential_energy():.4f} eV; forces differ by {1e3 * error:.1f} meV/A (RMS)")


def print_counts(potential: Potential) -> None:
    """Print numbers of paths, products and weights."""
    anatomy = anatomy_of(potential)
    for couplings in couplings_of(anatomy):
        paths = couplings.paths
        terms, weights = sum(path.terms for path in paths), sum(path.weights for path in paths)
        print(f"{couplings.name}: {len(paths)} paths, {weights} weights, {terms} nonzero couplings")
    for products in anatomy.many_body:
        for irrep, counts in products.counts.items():
            print(
                f"products, {products.name}, {irrep}: {counts} by number of factors, {products.terms[irrep]} monomials"
            )


def print_messages(potential: Potential, atoms: Atoms, seen: Observation) -> None:
    """Print the norms of the messages to the oxygen atom."""
    receiver = int(np.flatnonzero(atoms.numbers == 8)[0])
    start, stop = seen.topology.receiver_pointer[receiver : receiver + 2].tolist()
    for place in anatomy_of(potential).rounds:
        messages = seen.messages(place)[start:stop]
        sizes = np.linalg.norm(messages.reshape(len(messages), -1), axis=1)
        share = np.sort(sizes**2)[-2:].sum() / (sizes**2).sum()
        whole = np.linalg.norm(messages.sum(axis=0))
        print(f"messages to O{receiver}, {place.name}: norms add up to {sizes.sum():.1f}, sum {whole:.1f}; ", end="")
        print(f"the two largest account for {share:.0%} of the sum of squared norms")


def print_symmetry(potential: Potential, atoms: Atoms, seen: Observation) -> None:
    """Print the changes under rotation, and the share of the strongest combination of channels."""
    place = first_tensors(potential)
    for block in blocks_at(place, seen.features(place)):
        print(f"{place.name}, {block.irrep}: the strongest combination contains {mixtures(block.values)[1][0]:.0%}")
    changes = rotation_changes(potential, seen, list(anatomy_of(potential).features), atoms, scene_of(atoms).shown)
    energy, largest = max(map(abs, changes.energy)), changes.largest_feature_difference()
    print(f"{len(changes.energy)} rotations: energy {energy:.1g} meV, forces {max(changes.forces):.1g} meV/A, ", end="")
    print(f"features {largest:.1g} of the largest")


if __name__ == "__main__":
    main()
