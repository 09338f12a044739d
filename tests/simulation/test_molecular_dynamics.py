"""Molecular dynamics of a copper crystal and cluster with Morse pairs."""

import os
import signal
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.constraints import FixAtoms
from ase.io.trajectory import Trajectory
from ase.md.verlet import VelocityVerlet
from morse_family import morse_oracle, morse_potential

from potentials.errors import SimulationError, UnknownElementError
from potentials.potential import PotentialCalculator
from potentials.simulation import MDResult, MDSettings, run_md
from potentials.simulation.md_log import MDLog, MDRecord, energy_drift, read_log

LATTICE_CONSTANT = 3.5639  # of the Morse crystal without pressure


def crystal(repeat: int = 2) -> Atoms:
    return bulk("Cu", a=LATTICE_CONSTANT, cubic=True) * (repeat, repeat, repeat)


def cluster() -> Atoms:
    return Atoms("Cu4", 2.0 * np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]]) / np.sqrt(2) * 1.4)


def run(atoms: Atoms, output: Path, skin: float = 0.5, **settings: object) -> MDResult:
    overwrite = bool(settings.pop("overwrite", False))
    calculator = PotentialCalculator(morse_potential(), skin=skin)
    return run_md(calculator, atoms, MDSettings(**settings), output, overwrite=overwrite, progress=False)


def columns(records: list[MDRecord]) -> list[tuple]:
    """The records without the wall time."""
    return [(r.step, r.temperature_K, r.potential_energy_eV, r.total_energy_eV, r.volume_A3) for r in records]


def assert_same_frames(one: Path, other: Path) -> None:
    with Trajectory(one) as a, Trajectory(other) as b:
        assert len(a) == len(b)
        for first, second in zip(a, b, strict=True):
            assert first.info == second.info
            assert np.array_equal(first.positions, second.positions)
            assert np.array_equal(first.get_momenta(), second.get_momenta())
            assert np.array_equal(first.cell, second.cell)
            assert first.get_potential_energy() == second.get_potential_energy()
            assert np.array_equal(first.get_forces(), second.get_forces())


def test_nve_is_velocity_verlet_with_the_forces_of_the_oracle(tmp_path: Path) -> None:
    result = run(cluster(), tmp_path / "md.traj", temperature=500.0, timestep=1.0, steps=50, every=25)
    frames = ase.io.read(result.trajectory, index=":")
    assert [frame.info["md_step"] for frame in frames] == [0, 25, 50]
    atoms = frames[0].copy()
    atoms.calc = morse_oracle()
    VelocityVerlet(atoms, 1.0 * units.fs).run(50)
    np.testing.assert_allclose(frames[-1].positions, atoms.positions, atol=1e-9)
    np.testing.assert_allclose(frames[-1].get_momenta(), atoms.get_momenta(), atol=1e-9)


@pytest.mark.slow
def test_nve_deviation_falls_with_the_square_of_the_time_step(tmp_path: Path) -> None:
    largest = []
    for timestep in (4.0, 2.0, 1.0):
        result = run(
            crystal(1),
            tmp_path / f"{timestep}.traj",
            temperature=300.0,
            timestep=timestep,
            steps=int(400 / timestep),
            every=1,
        )
        assert result.drift is not None
        largest.append(result.drift.largest)
    assert largest[0] / largest[1] == pytest.approx(4.0, rel=0.15)
    assert largest[1] / largest[2] == pytest.approx(4.0, rel=0.15)
    assert largest[2] < 0.05


def test_log_agrees_with_the_frames(tmp_path: Path) -> None:
    result = run(crystal(), tmp_path / "md.traj", steps=30, every=10, timestep=1.0)
    records = read_log(result.log)
    assert np.isnan(records[0].ms_per_step)
    assert records[1:] == result.records[1:]
    frames = ase.io.read(result.trajectory, index=":")
    assert [record.step for record in records] == [0, 10, 20, 30]
    assert [record.time_fs for record in records] == [0.0, 10.0, 20.0, 30.0]
    for record, frame in zip(records, frames, strict=True):
        assert record.potential_energy_eV == frame.get_potential_energy()
        assert record.kinetic_energy_eV == pytest.approx(frame.get_kinetic_energy(), rel=1e-12)
        assert record.total_energy_eV == record.potential_energy_eV + record.kinetic_energy_eV
        assert record.total_energy_per_atom_eV == pytest.approx(record.total_energy_eV / 32, rel=1e-15)
        assert record.temperature_K == pytest.approx(frame.get_kinetic_energy() * 2 / units.kB / 93, rel=1e-12)
        assert record.volume_A3 == pytest.approx(8 * LATTICE_CONSTANT**3)
        # The pressure is what resists compression: -dE/dV of the static crystal, plus that of the ideal gas.
        virial = -frame.get_stress()[:3].mean() / units.GPa
        gas = 2 * frame.get_kinetic_energy() / (3 * record.volume_A3) / units.GPa
        assert record.pressure_GPa == pytest.approx(virial + gas, rel=1e-9)
    assert records[0].temperature_K == pytest.approx(300.0)


def test_molecules_have_no_pressure(tmp_path: Path) -> None:
    result = run(cluster(), tmp_path / "md.traj", steps=2, every=1)
    assert all(np.isnan(record.pressure_GPa) and np.isnan(record.volume_A3) for record in read_log(result.log))


def test_energy_drift_of_a_known_line() -> None:
    records = [
        MDRecord(n, 10.0 * n, 300.0, 0.0, 0.0, 0.0, -1.0 + 2e-3 * 0.01 * n, np.nan, np.nan, 1.0) for n in range(11)
    ]
    drift = energy_drift(records)
    assert drift is not None
    assert drift.slope == pytest.approx(2.0)  # meV/atom/ps
    assert drift.largest == pytest.approx(0.2)
    assert energy_drift(records[:1]) is None


@pytest.mark.slow
def test_langevin_has_the_temperature_asked_for(tmp_path: Path) -> None:
    result = run(
        crystal(),
        tmp_path / "md.traj",
        ensemble="langevin",
        temperature=400.0,
        timestep=4.0,
        friction=0.02,
        steps=900,
        every=3,
    )
    settled = [record.temperature_K for record in result.records[75:]]
    # 96 degrees of freedom, about 50 correlation times of 25 to 50 fs: the mean is known to about 2 %.
    assert np.mean(settled) == pytest.approx(400.0, rel=0.07)
    # The kinetic energy of a canonical ensemble fluctuates by sqrt(2 / 96).
    assert np.std(settled) / 400.0 == pytest.approx(np.sqrt(2 / 96), rel=0.4)
    assert result.drift is None


def test_temperature_ramp_heats(tmp_path: Path) -> None:
    result = run(
        crystal(),
        tmp_path / "md.traj",
        ensemble="langevin",
        temperature=50.0,
        temperature_end=600.0,
        timestep=4.0,
        friction=0.05,
        steps=400,
        every=4,
    )
    temperatures = [record.temperature_K for record in result.records]
    assert np.mean(temperatures[:20]) < 150
    assert np.mean(temperatures[-20:]) == pytest.approx(545, rel=0.2)


@pytest.mark.slow
def test_npt_goes_to_the_pressure_asked_for(tmp_path: Path) -> None:
    """From a crystal under tension; the bulk modulus of the Morse crystal is about 120 GPa."""
    start = crystal()
    start.set_cell(1.02 * start.cell, scale_atoms=True)
    result = run(start, tmp_path / "md.traj", ensemble="npt", pressure=3.0, timestep=4.0, steps=1000, every=5)
    settled = result.records[60:]
    assert result.records[0].pressure_GPa < -4
    assert np.mean([record.pressure_GPa for record in settled]) == pytest.approx(3.0, abs=0.5)
    assert np.mean([record.temperature_K for record in settled]) == pytest.approx(300.0, rel=0.15)
    with Trajectory(result.trajectory) as frames:
        shape = frames[-1].cell / frames[-1].cell.volume ** (1 / 3)
        np.testing.assert_allclose(shape, np.eye(3), atol=1e-9)


@pytest.mark.parametrize(
    "settings",
    [
        {"ensemble": "nve"},
        {"ensemble": "langevin"},
        {"ensemble": "langevin", "temperature_end": 500.0},
        {"ensemble": "npt", "pressure": 1.0},
    ],
    ids=["nve", "langevin", "ramp", "npt"],
)
def test_continued_is_uninterrupted_to_the_bit(settings: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C after a step in between two frames, then the same call again; neighbors are searched at other moments."""
    common = {**settings, "temperature": 700.0, "timestep": 3.0, "steps": 60, "every": 20}
    whole = run(crystal(), tmp_path / "whole.traj", skin=0.1, **common)

    stop_during_step(37, monkeypatch)
    first = run(crystal(), tmp_path / "parts.traj", skin=0.1, **common)
    monkeypatch.undo()
    assert (first.first_step, first.last_step, first.interrupted) == (0, 37, True)
    second = run(crystal(), tmp_path / "parts.traj", skin=0.1, **common)
    assert (second.first_step, second.last_step, second.interrupted) == (37, 60, False)

    steps = [record.step for record in second.records]
    assert steps == [0, 20, 37, 40, 60]
    assert columns(whole.records) == [row for row in columns(second.records) if row[0] != 37]
    assert columns(read_log(second.log)) == columns(second.records)
    frames = ase.io.read(second.trajectory, index=":")
    ase.io.write(tmp_path / "same.traj", [frame for frame in frames if frame.info["md_step"] != 37])
    assert_same_frames(whole.trajectory, tmp_path / "same.traj")


def stop_during_step(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process a Ctrl-C when the forces are calculated the `step`-th time after the start."""
    calculate, calls = PotentialCalculator.calculate, iter(range(10**6))

    def interrupted(self: PotentialCalculator, *arguments: object) -> None:
        if next(calls) == step:
            os.kill(os.getpid(), signal.SIGINT)
        calculate(self, *arguments)

    monkeypatch.setattr(PotentialCalculator, "calculate", interrupted)


def test_a_longer_run_of_the_same_kind_goes_on(tmp_path: Path) -> None:
    run(cluster(), tmp_path / "parts.traj", steps=20)
    done = run(cluster(), tmp_path / "parts.traj", steps=20)
    assert (done.first_step, done.last_step, done.interrupted) == (20, 20, False)
    assert np.isnan(done.ns_per_day)
    run(cluster(), tmp_path / "parts.traj", steps=50)
    run(cluster(), tmp_path / "whole.traj", steps=50)
    assert_same_frames(tmp_path / "whole.traj", tmp_path / "parts.traj")


def test_a_log_that_ran_ahead_of_the_frames_is_cut_back(tmp_path: Path) -> None:
    """As after a kill between the two: the line of a step whose frame is missing, and half a line."""
    run(cluster(), tmp_path / "md.traj", steps=20)
    log = tmp_path / "md.csv"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines, lines[-1].replace("20,", "30,", 1), "40,3.1"]))
    result = run(cluster(), tmp_path / "md.traj", steps=30)
    assert [record.step for record in read_log(log)] == [0, 10, 20, 30]
    whole = run(cluster(), tmp_path / "whole.traj", steps=30)
    assert columns(result.records) == columns(whole.records)


def test_a_missing_log_does_not_stop_a_continuation(tmp_path: Path) -> None:
    run(cluster(), tmp_path / "md.traj", steps=20)
    (tmp_path / "md.csv").unlink()
    result = run(cluster(), tmp_path / "md.traj", steps=30)
    assert [record.step for record in result.records] == [20, 30]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 310.0}, "temperature was 300.0, now 310.0"),
        ({"timestep": 1.0}, "timestep was 0.5, now 1.0"),
        ({"ensemble": "langevin"}, "ensemble was nve, now langevin"),
        ({"seed": 1}, "seed was 0, now 1"),
    ],
)
def test_other_settings_do_not_continue(change: dict, message: str, tmp_path: Path) -> None:
    run(cluster(), tmp_path / "md.traj", steps=10)
    before = (tmp_path / "md.traj").read_bytes(), (tmp_path / "md.csv").read_bytes()
    with pytest.raises(SimulationError, match=message):
        run(cluster(), tmp_path / "md.traj", steps=20, **change)
    assert before == ((tmp_path / "md.traj").read_bytes(), (tmp_path / "md.csv").read_bytes())


def test_other_structure_or_potential_does_not_continue(tmp_path: Path) -> None:
    run(cluster(), tmp_path / "md.traj", steps=10)
    moved = cluster()
    moved.positions[0, 0] += 1e-10
    with pytest.raises(SimulationError, match="the initial structure differs"):
        run(moved, tmp_path / "md.traj", steps=20)
    other = PotentialCalculator(morse_potential(epsilon=0.3))
    with pytest.raises(SimulationError, match="the potential differs"):
        run_md(other, cluster(), MDSettings(steps=20), tmp_path / "md.traj", progress=False)


def test_overwrite_starts_over(tmp_path: Path) -> None:
    run(cluster(), tmp_path / "md.traj", steps=20)
    result = run(cluster(), tmp_path / "md.traj", steps=10, seed=5, overwrite=True)
    assert (result.first_step, result.last_step) == (0, 10)
    assert [record.step for record in read_log(result.log)] == [0, 10]
    assert len(ase.io.read(result.trajectory, index=":")) == 2


def test_extxyz_is_written_but_not_continued(tmp_path: Path) -> None:
    result = run(crystal(1), tmp_path / "md.extxyz", steps=20)
    frames = ase.io.read(result.trajectory, index=":")
    assert [frame.info["md_step"] for frame in frames] == [0, 10, 20]
    assert frames[1].get_potential_energy() == pytest.approx(result.records[1].potential_energy_eV, abs=1e-6)
    assert frames[1].get_momenta().any()
    assert frames[1].get_stress().any()
    with pytest.raises(SimulationError, match=r"only \.traj files can be continued"):
        run(crystal(1), tmp_path / "md.extxyz", steps=30)
    run(crystal(1), tmp_path / "md.extxyz", steps=10, overwrite=True)
    assert len(ase.io.read(result.trajectory, index=":")) == 2


def test_velocities_of_the_structure_are_kept(tmp_path: Path) -> None:
    atoms = cluster()
    atoms.set_velocities(0.01 * np.arange(12).reshape(4, 3))
    result = run(atoms, tmp_path / "md.traj", steps=0, keep_velocities=True)
    assert np.array_equal(ase.io.read(result.trajectory, index=0).get_momenta(), atoms.get_momenta())
    with pytest.raises(SimulationError, match="no velocities to keep"):
        run(cluster(), tmp_path / "other.traj", steps=0, keep_velocities=True)


def test_input_labels_do_not_enter_the_trajectory_and_the_input_is_not_changed(tmp_path: Path) -> None:
    atoms = cluster()
    atoms.info["REF_energy"] = 3.0
    atoms.arrays["REF_forces"] = np.ones((4, 3))
    before = atoms.copy()
    result = run(atoms, tmp_path / "md.extxyz", steps=1)
    assert atoms == before
    assert atoms.calc is None
    assert not atoms.has("momenta")
    frame = ase.io.read(result.trajectory, index=0)
    assert "REF_energy" not in frame.info
    assert "REF_forces" not in frame.arrays


def test_fixed_atoms_stay_and_are_still_fixed_after_a_continuation(tmp_path: Path) -> None:
    atoms = crystal()
    atoms.set_constraint(FixAtoms([0, 5]))
    for steps in (10, 20):
        run(atoms, tmp_path / "md.traj", ensemble="langevin", timestep=2.0, steps=steps)
    last = ase.io.read(tmp_path / "md.traj", index=-1)
    assert np.array_equal(last.positions[[0, 5]], atoms.positions[[0, 5]])
    assert np.abs(last.positions - atoms.positions).max() > 0.01


def test_a_single_atom_runs(tmp_path: Path) -> None:
    result = run(Atoms("Cu"), tmp_path / "md.traj", steps=5, every=5)
    assert result.records[-1].temperature_K == 0.0
    assert result.records[-1].total_energy_eV == -3.0


def test_an_explosion_ends_the_run_with_a_clear_error(tmp_path: Path) -> None:
    atoms = cluster()
    atoms.positions[1] = atoms.positions[0] + [0.4, 0, 0]  # far up the repulsive wall
    message = r"step \d+ .*temperature is .* K, but the requested one is 300 K.*last frame in .* is step 0"
    with pytest.raises(SimulationError, match=message):
        run(atoms, tmp_path / "md.traj", timestep=2.0, steps=100, every=50)
    assert len(ase.io.read(tmp_path / "md.traj", index=":")) == 1


def test_nan_forces_end_the_run_with_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calculate, calls = PotentialCalculator.calculate, iter(range(10**6))

    def failing(self: PotentialCalculator, *arguments: object) -> None:
        calculate(self, *arguments)
        if next(calls) == 7:
            self.results["forces"][0, 0] = np.nan

    monkeypatch.setattr(PotentialCalculator, "calculate", failing)
    with pytest.raises(SimulationError, match=r"step 7 .*not finite.*last frame in .* is step 6"):
        run(cluster(), tmp_path / "md.traj", steps=20, every=2)


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"npt requires a cell that is periodic in three directions; Cu4"):
        run(cluster(), tmp_path / "md.traj", ensemble="npt")
    fixed = crystal(1)
    fixed.set_constraint(FixAtoms([0]))
    with pytest.raises(SimulationError, match="does not support constraints"):
        run(fixed, tmp_path / "md.traj", ensemble="npt")
    with pytest.raises(UnknownElementError, match=r"contains Au;.*O, Cu"):
        run(bulk("Au"), tmp_path / "md.traj")
    with pytest.raises(SimulationError, match="no atoms"):
        run(Atoms(), tmp_path / "md.traj")
    with pytest.raises(SimulationError, match=r'ends in "\.traj", "\.extxyz" or "\.xyz"'):
        run(cluster(), tmp_path / "md.dat")
    with pytest.raises(SimulationError, match=r"folder of the output .* does not exist"):
        run(cluster(), tmp_path / "nowhere" / "md.traj")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"something else entirely, and long enough to be read as a header"])
def test_files_that_are_no_trajectory_are_not_continued_or_destroyed(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "md.traj").write_bytes(content)
    with pytest.raises(SimulationError, match="cannot be continued"):
        run(cluster(), tmp_path / "md.traj", steps=5)
    assert (tmp_path / "md.traj").read_bytes() == content


def test_trajectories_of_other_programs_are_not_continued(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "md.traj", cluster())
    with pytest.raises(SimulationError, match="was not written by `potentials md`"):
        run(cluster(), tmp_path / "md.traj", steps=5)


def test_a_csv_that_is_no_log_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "md.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SimulationError, match="is not a log of"):
        MDLog(path, keep_to=3)
    assert path.read_text() == "a,b\n1,2\n"


def test_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    whole = run(cluster(), tmp_path / "whole.traj", steps=200, every=2)
    filling = small_disk / "filling"
    filling.write_bytes(b"x" * (200 * 1024))
    with pytest.raises(SimulationError, match="cannot be written: No space left on device"):
        run(cluster(), small_disk / "md.traj", steps=200, every=2)
    frames = len(ase.io.read(small_disk / "md.traj", index=":"))
    assert 5 < frames < 100
    filling.unlink()
    run(cluster(), small_disk / "md.traj", steps=200, every=2)
    assert_same_frames(whole.trajectory, small_disk / "md.traj")
