"""How compiled kernels are kept on disk, and run on threads."""

from __future__ import annotations

import importlib.util
import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from slow_cases import slow_but

import potentials.kernels
from potentials.cache import CACHE_VARIABLE
from potentials.equivariant import Layout, message_table
from potentials.kernels import EdgeTopology, MixedBlock, MixingTable, block_mix, message_sum
from potentials.kernels.codegen import code_cache
from potentials.kernels.codegen.code_cache import cache_folder, emitter_sources
from potentials.kernels.codegen.llvm import compiler
from potentials.kernels.codegen.llvm import threads as kernel_threads
from potentials.kernels.codegen.llvm.emitter import Emitter
from potentials.kernels.dispatch import use_kernels


def squares() -> compiler.ir.Function:
    """out[row] = values[row]^2"""
    emitter = Emitter(("values", "out"), 64)
    values, out = emitter.address("values"), emitter.address("out")
    with emitter.rows() as row:
        number = emitter.load(values, row)
        emitter.store(number * number, out, row)
    return emitter.function


def run_squares(address: int, rows: int = 1000) -> None:
    values = torch.arange(rows, dtype=torch.float64)
    out = torch.full_like(values, -1.0)
    kernel_threads.run_rows(address, rows, [values.data_ptr(), out.data_ptr()])
    assert torch.equal(out, values**2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    return tmp_path / "kernels"


def powers(exponent: int) -> compiler.ir.Function:
    """out[row] = values[row]^exponent"""
    emitter = Emitter(("values", "out"), 64)
    values, out = emitter.address("values"), emitter.address("out")
    with emitter.rows() as row:
        number = power = emitter.load(values, row)
        for _ in range(exponent - 1):
            power = power * number
        emitter.store(power, out, row)
    return emitter.function


def test_code_is_kept_and_found_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_squares(compiler.compiled(squares))
    (kept,) = folder.iterdir()
    monkeypatch.setattr(compiler, "_compile", lambda _: pytest.fail("compiled again"))
    run_squares(compiler.compiled(squares))
    assert [kept] == list(folder.iterdir())


def test_damaged_code_is_made_anew(folder: Path) -> None:
    compiler.compiled(squares)
    (kept,) = folder.iterdir()
    good = kept.read_bytes()
    for damaged in (b"", good[:-1], good[:100] + b"x" + good[101:]):
        kept.write_bytes(damaged)
        run_squares(compiler.compiled(squares))
        assert kept.read_bytes() == good


def test_without_a_folder_code_is_compiled_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    assert cache_folder() is None
    run_squares(compiler.compiled(squares))


def test_another_argument_is_another_kernel(folder: Path) -> None:
    compiler.compiled(powers, 3)
    run_squares(compiler.compiled(powers, 2))
    assert len(list(folder.iterdir())) == 2


def write_squares(path: Path, exponent: int) -> Callable[[], compiler.ir.Function]:
    """An emitter in a module of its own."""
    path.write_text(f"from kernels import test_cpu_code\ndef emit():\n    return test_cpu_code.powers({exponent})\n")
    spec = importlib.util.spec_from_file_location(f"operators.{path.parent.name}.code", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.emit


def test_emitters_of_the_same_name_in_other_folders_are_other_kernels(folder: Path, tmp_path: Path) -> None:
    for name, exponent in (("first", 3), ("second", 2)):
        (tmp_path / name).mkdir()
        address = compiler.compiled(write_squares(tmp_path / name / "code.py", exponent))
    run_squares(address)
    assert len(list(folder.iterdir())) == 2


def forget_source() -> None:
    for kept in (code_cache.source_digest, compiler._origin):
        kept.cache_clear()


def test_every_emitter_counts_as_source(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever writes code stands among the files that are hashed, and a change of one of them makes new code."""
    room = Path(potentials.kernels.__file__).parent
    writers = {path for path in room.rglob("*.py") if "llvmlite" in path.read_text() or "Emitter" in path.read_text()}
    assert len(writers) > 10
    assert writers <= set(emitter_sources())
    compiler.compiled(squares)
    changed = tmp_path / "changed.py"
    changed.write_text("another formula")
    with monkeypatch.context() as patched:
        patched.setattr(code_cache, "emitter_sources", lambda: [*emitter_sources(), changed])
        forget_source()
        compiler.compiled(squares)
    forget_source()
    assert len(list(folder.iterdir())) == 2


def test_equal_matrices_of_other_channels_are_another_kernel() -> None:
    """Two copies of 32 channels and one of 64: the same blocks of numbers, but shared out to threads in other rows."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(1, 64 * 64, generator=generator)
    g = torch.randn(5, 1, 64, generator=generator)
    with use_kernels("cpu"):
        for channels, copies in ((64, 1), (32, 2)):
            table = MixingTable((MixedBlock(0, 1, copies, 0),), copies, 1, channels, 64)
            x = torch.randn(5, copies, channels, generator=generator, requires_grad=True)
            weight_here = weight.clone().requires_grad_()
            y = block_mix(table, x, weight_here)
            found = torch.autograd.grad((y * g).sum(), (x, weight_here))
            by_x = (g[:, 0] @ weight.view(64, 64).T / 8).view_as(x)
            by_weight = (x.detach().view(5, 64).T @ g[:, 0] / 8).view_as(weight)
            torch.testing.assert_close(found, (by_x, by_weight))


@pytest.mark.parametrize("number", [1, 2, 5])
def test_every_row_is_done_once(number: int, folder: Path, threads: Callable[[int], None]) -> None:
    threads(number)
    address = compiler.compiled(squares)
    for rows in (0, 1, 2, 7, 1000):
        run_squares(address, rows)


def test_threads_of_python_do_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, threads: Callable[[int], None]
) -> None:
    monkeypatch.setattr("potentials.kernels.codegen.llvm.threads._openmp", lambda: None)
    threads(3)
    run_squares(compiler.compiled(squares))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch may bring no OpenMP library")
def test_pytorch_threads_are_found_on_linux() -> None:
    """The library is the one that PyTorch itself has loaded, not another copy."""
    library = kernel_threads._openmp()
    assert library is not None
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "omp" in line}
    assert str(Path(library._name).resolve()) in {str(Path(path).resolve()) for path in loaded}


def small_message(_: int) -> float:
    table = message_table(Layout.natural(1), 1, Layout.natural(1)).table
    topology = EdgeTopology.from_edge_index(torch.tensor([[0, 1, 2, 0], [0, 0, 1, 2]]), 3)
    h = torch.ones(3, table.sender_components, 4)
    w = torch.ones(4, len(table.paths), 4)
    with use_kernels("cpu"):
        return float(message_sum(table, h, torch.ones(4, table.harmonic_components), w, topology).sum())


@pytest.mark.parametrize("method", slow_but(["fork", "spawn"], "fork"))
def test_data_workers_may_run_kernels(method: str) -> None:
    """A forked process has none of its parent's threads, a spawned one none of its code."""
    expected = small_message(0)
    context = multiprocessing.get_context(method)
    with context.Pool(1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        # With a limit: a pool waits for ever for a worker that died.
        assert pool.map_async(small_message, [0]).get(timeout=300) == [expected]
