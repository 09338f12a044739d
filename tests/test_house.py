"""The rules of the house: few files in a folder, and imports that run downward. Rooms are those of docs/design.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import potentials

PACKAGE = Path(potentials.__file__).parent
MOST_FILES = 15

FLOORS: list[set[str]] = [
    {"__main__"},
    {"cli", "engines"},
    {"dashboard", "report", "studies", "visualization"},
    {"physics", "setup"},
    {"simulation", "training"},
    {"interop"},
    {"evaluation"},
    {"potential"},
    {"data", "models"},
    {"equivariant"},
    {"kernels"},
    {"config", "outputs", "pages", "row_files"},
    {"cache"},
    {"files"},
    {"errors"},
    {"durations", "exit_codes", "interrupts", "openmp", "torch_state", "units"},
]
"""The rooms of the package from top to bottom. `potentials/__init__.py`, the face of the whole, stands above them."""

KERNEL_FLOORS: list[set[str]] = [
    {"message_passing"},
    {"block_mixing", "edge_geometry", "gate", "many_body", "radial_network"},
    {"dispatch"},
    {"boundary", "trials"},
    {"autograd", "registry"},
    {"activations", "memory", "tables", "topology", "transforms", "vector_math"},
    {"codegen"},
]
"""The same of `potentials.kernels`: what all operators share knows none of them, and codegen not even the rest."""

DATA_FLOORS: list[set[str]] = [
    {"module"},
    {"prepare"},
    {"audit"},
    {"infer"},
    {"split"},
    {"batch", "conversion", "index", "public"},
    {"graph", "write"},
    {"label"},
    {"read"},
    {"builtin", "stores"},
    {"findings", "geometry"},
]
"""The same of `potentials.data`: the way of the data, from files at the bottom to batches at the top."""


def imported_modules(source: Path, package: str) -> Iterator[str]:
    """Names of all modules that a file imports, also inside functions; `from a import b` may mean the module a.b."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise AssertionError(f"{source}:{node.lineno}: relative imports hide which room is meant")
            if node.module == package:
                yield from (f"{package}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room_of(source: Path, folder: Path) -> str:
    return source.relative_to(folder).parts[0].removesuffix(".py")


def upward_imports(folder: Path, package: str, floors: list[set[str]]) -> list[str]:
    """What rooms of a folder import of others that do not stand below them."""
    floor_of = {room: number for number, rooms in enumerate(floors) for room in rooms}
    found = []
    for source in sorted(folder.rglob("*.py")):
        room = room_of(source, folder)
        if room == "__init__":
            continue
        for module in imported_modules(source, package):
            if module != package and not module.startswith(f"{package}."):
                continue
            other = module.removeprefix(package).removeprefix(".").split(".")[0]
            # What is no room is a name of the face, which stands above all rooms.
            if other != room and floor_of.get(other, -1) <= floor_of[room]:
                found.append(f"{source.relative_to(folder)} imports {module}")
    return found


ALL_FLOORS = [
    pytest.param(PACKAGE, "potentials", FLOORS, id="potentials"),
    pytest.param(PACKAGE / "kernels", "potentials.kernels", KERNEL_FLOORS, id="kernels"),
    pytest.param(PACKAGE / "data", "potentials.data", DATA_FLOORS, id="data"),
]


@pytest.mark.parametrize(("folder", "package", "floors"), ALL_FLOORS)
def test_every_room_has_a_floor(folder: Path, package: str, floors: list[set[str]]) -> None:
    rooms = {room_of(source, folder) for source in folder.rglob("*.py")} - {"__init__"}
    assert rooms == set().union(*floors), f"enter new rooms of {package} in this file, and take out those that are gone"
    assert len(rooms) == sum(len(rooms) for rooms in floors)


@pytest.mark.parametrize(("folder", "package", "floors"), ALL_FLOORS)
def test_imports_run_downward(folder: Path, package: str, floors: list[set[str]]) -> None:
    assert upward_imports(folder, package, floors) == []


def test_an_upward_import_is_found(tmp_path: Path) -> None:
    """At the top of a file and inside a function, of a room, of what is in it, and of the face."""
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper" / "a.py").write_text("from house.lower import x\nimport house.lower\nimport torch\n")
    upward = ["from house.upper.a import y", "import house.upper", "from house import upper", "from house import load"]
    (tmp_path / "lower.py").write_text(
        "\n    ".join(["import torch\ndef f():", *upward, "import house", "import lower"])
    )
    found = upward_imports(tmp_path, "house", [{"upper"}, {"lower"}])
    modules = ["house.upper.a", "house.upper", "house.upper", "house.load", "house"]
    assert found == [f"lower.py imports {module}" for module in modules]


def test_no_folder_holds_many_files() -> None:
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())]
    crowded = [
        folder.relative_to(PACKAGE).as_posix() for folder in folders if len(list(folder.glob("*.py"))) > MOST_FILES
    ]
    assert not crowded, f"a folder holds at most {MOST_FILES} files"
