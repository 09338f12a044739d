"""Nothing in the package executes what it reads: a search of its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "potentials"
UNSAFE_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "pickletools", "shelve", "_pickle"}
ERRORS = {"PickleError", "UnpicklingError"}
"""What torch raises where it refuses a file."""
BUILTINS = {"eval", "exec", "compile", "__import__"}
YAML = {"load", "load_all", "full_load", "unsafe_load", "full_load_all", "unsafe_load_all"}
SHELL = {"os.system", "os.popen"}
RUNS_CODE_OF_ITS_OWN = {"kernels/codegen/triton/compiler.py"}
"""Triton takes functions from files only; this one writes their text and imports it."""

RESTRICTED = {"interop/pickles/unpickler.py": ["import pickle", "import pickletools"]}
"""An unpickler that resolves no name in a file to anything importable; tests/interop/test_pickles.py attacks it."""


def findings(source: str) -> Iterator[str]:
    """What in a module could execute what it reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"import {name.name}" for name in node.names if name.name.partition(".")[0] in UNSAFE_MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in UNSAFE_MODULES:
            if {name.name for name in node.names} - ERRORS:
                yield f"from {node.module} import"
        elif isinstance(node, ast.Call):
            yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    last = name.rpartition(".")[2]
    if name in BUILTINS or name in SHELL or given.get("shell") == "True":
        yield name
    # safetensors.torch.load reads tensors and executes nothing.
    of_torch = "torch" in name and not name.startswith("safetensors.")
    loads = last == "load_from_checkpoint" or (last == "load" and of_torch)
    if (loads or (last == "fit" and "ckpt_path" in given)) and given.get("weights_only") != "True":
        yield name
    if "yaml" in name and last in YAML:
        yield name
    if given.get("allow_pickle", "False") != "False":
        yield name
    if last == "exec_module":
        yield name


def test_the_package_executes_nothing_that_it_reads() -> None:
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        name = str(file.relative_to(PACKAGE))
        calls = [call for call in findings(file.read_text()) if not call.endswith(".exec_module")]
        others = [call for call in findings(file.read_text()) if call.endswith(".exec_module")]
        if (calls and calls != RESTRICTED.get(name)) or (others and name not in RUNS_CODE_OF_ITS_OWN):
            found[name] = calls + others
    assert not found


def test_the_restricted_unpickler_imports_nothing_that_a_file_names() -> None:
    (name,) = RESTRICTED
    source = (PACKAGE / name).read_text()
    called = {ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
    assert "super().find_class" not in called
    assert not called & {"import_module", "importlib.import_module", "pickle.load", "pickle.loads"}
    (unpickler,) = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and node.bases and "Unpickler" in ast.unparse(node.bases[0])
    )
    assert "find_class" in {node.name for node in unpickler.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "safetensors.torch.load_file(x); torch.serialization.load(x)",
        "trainer.fit(module, ckpt_path=path)",
        "Module.load_from_checkpoint(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "eval(text)",
        "exec(text)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "spec.loader.exec_module(module)",
    ],
)
def test_the_search_finds(source: str) -> None:
    assert list(findings(source))


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=True)",
        "trainer.fit(module, ckpt_path=path, weights_only=True)",
        "trainer.fit(module)",
        "model.eval()",
        "re.compile(text)",
        "yaml.safe_load(text)",
        "np.load(path)",
        "safetensors.torch.load_file(path)",
    ],
)
def test_the_search_lets_pass(source: str) -> None:
    assert not list(findings(source))
