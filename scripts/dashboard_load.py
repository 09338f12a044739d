"""Measure the dashboard with many long runs: time to the first view, live updates, memory.

    python scripts/dashboard_load.py /tmp/load --runs 200 --steps 100000 --grow 5 --browser

The runs (some gigabytes) are written once and reused. `--keep` continues serving and adding rows until Ctrl-C.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import potentials.models  # noqa: F401  (registers the families)
from potentials.config import dump_config, parse_config

STEPS_COLUMNS = (
    "step,epoch,time_s,learning_rate,loss,loss_energy,loss_forces,loss_stress,gradient_norm,frames_per_s,"
    "cpu_percent,memory_MB,gpu_memory_MB"
)
METRICS_COLUMNS = (
    "epoch,step,time_s,stage,learning_rate,training_loss,validation_loss,energy_mae_meV,energy_rmse_meV,"
    "energy_per_atom_mae_meV,energy_per_atom_rmse_meV,forces_mae_meV_per_A,forces_rmse_meV_per_A,"
    "stress_mae_meV_per_A3,stress_rmse_meV_per_A3,best"
)
DISTINCT_METRICS = 8
"""Number of different learning curves; further runs repeat them."""
LOGGED_EVERY = 50
ROWS_PER_EPOCH = 4
CONFIG = """
run: {name}
seed: {seed}
data:
  {{train: builtin:ethanol, validation: 100, energy: {{key: energy, unit: eV}}, forces: {{key: forces, unit: eV/A}}}}
model: {{name: {family}, cutoff: 5.0, channels: {channels}}}
loss: {{energy: {{weight: 1}}, forces: {{weight: {weight}}}}}
train: {{max_epochs: {epochs}, optimizer: {{name: adam, learning_rate: {rate}}}}}
"""


def main() -> None:
    """Generate missing runs, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=100_000, help="rows of steps.csv")
    parser.add_argument("--validations", type=int, help="rows of metrics.csv; default: the number of steps")
    parser.add_argument("--grow", type=int, default=5, help="number of runs to which a row is added each second")
    parser.add_argument("--browser", action="store_true", help="measure in headless Chromium too")
    parser.add_argument("--keep", action="store_true", help="continue until Ctrl-C")
    asked = parser.parse_args()
    generate(asked.folder, asked.runs, asked.steps, asked.validations or asked.steps)
    stop = threading.Event()
    growing = [asked.folder / run_name(number) for number in range(asked.grow)]
    grower = threading.Thread(target=grow, args=(growing, stop), daemon=True)
    grower.start()
    server, address, started = start_server(asked.folder)
    try:
        print_rows([("server ready", f"{started:.2f} s")])
        print_rows(measure(address, server.pid))
        if asked.browser:
            print_rows(measure_in_browser(address, asked.folder / run_name(asked.grow)))
        print_rows([("memory of the server afterwards", memory(server.pid))])
        while asked.keep:
            time.sleep(1)
    finally:
        stop.set()
        server.terminate()
        server.wait()


def print_rows(rows: list[tuple[str, str]]) -> None:
    """Print results."""
    for name, figure in rows:
        print(f"{name:<70}{figure:>10}", flush=True)


def run_name(number: int) -> str:
    """Return the name of a generated run; some runs are in subfolders."""
    return f"sweep-{number // 20:02d}/run-{number:03d}" if number % 3 else f"run-{number:03d}"


def generate(folder: Path, runs: int, steps: int, validations: int) -> None:
    """Write the runs that do not exist yet."""
    written: dict[int, Path] = {}
    for number in range(runs):
        path = folder / run_name(number)
        if (path / "status.json").exists():
            continue
        path.mkdir(parents=True, exist_ok=True)
        seed = number % DISTINCT_METRICS
        if seed in written:
            for name in ("steps.csv", "metrics.csv", "log.txt"):
                shutil.copyfile(written[seed] / name, path / name)
        else:
            write_metrics(path, seed, steps, validations)
            written[seed] = path
        write_config(path, number, steps)
        write_status(path, number, steps)  # last, because it marks the run as complete


def write_metrics(path: Path, seed: int, steps: int, validations: int) -> None:
    """Write the metrics of a run: a noisy decreasing loss with some spikes."""
    random = np.random.default_rng(seed)
    row = np.arange(1, steps + 1)
    noise = np.exp(0.25 * random.standard_normal(steps))
    loss = (40 * (1 + row / steps * 4000) ** (-0.75 - 0.05 * seed) + 0.02) * noise
    loss[random.integers(0, steps, 5)] *= 30
    rate = 0.005 * (1 + np.cos(np.pi * row / steps)) + 1e-5
    speed = 60 + 4 * random.standard_normal(steps) + 5 * seed
    with (path / "steps.csv").open("w") as file:
        file.write(STEPS_COLUMNS + "\n")
        for index in range(steps):
            file.write(steps_line(index + 1, rate[index], loss[index], speed[index]))
    chosen = np.linspace(0, steps - 1, validations).astype(int)
    decay = (1 + chosen / steps * 3000) ** (-0.45 - 0.02 * seed)
    forces = 12 + 380 * decay * np.exp(0.04 * random.standard_normal(validations))
    best = np.minimum.accumulate(forces) == forces
    with (path / "metrics.csv").open("w") as file:
        file.write(METRICS_COLUMNS + "\n")
        for index in range(validations):
            at = chosen[index]
            file.write(metrics_line(at + 1, rate[at], loss[at], forces[index], bool(best[index])))
    with (path / "log.txt").open("w") as file:
        file.write("2026-01-01 00:00:00  warning: training: 3 frames repeat others (water.xyz: 3, 7, 12)\n")
        for index in range(min(validations, 20_000)):
            file.write(f"2026-01-01 00:00:00  epoch {index + 1}/{steps}  loss {loss[index]:.4g}  best  3h left\n")


def steps_line(row: int, rate: float, loss: float, speed: float) -> str:
    """Format a row of steps.csv."""
    epoch, seconds = row / ROWS_PER_EPOCH, 0.4 * row
    return (
        f"{LOGGED_EVERY * row},{epoch:.6f},{seconds:.3f},{rate:.17g},{loss:.17g},{0.2 * loss:.17g},{0.8 * loss:.17g},,"
        f"{3 * loss**0.5:.17g},{speed:.2f},{180 + 10 * (row % 3)},{900 + 0.0005 * row:.1f},\n"
    )


def metrics_line(row: int, rate: float, loss: float, forces: float, best: bool) -> str:
    """Format a row of metrics.csv."""
    energy = forces / 9
    errors = (
        f"{9 * energy:.16g},{11 * energy:.16g},{energy:.16g},{1.2 * energy:.16g},{0.7 * forces:.16g},{forces:.16g},,"
    )
    epoch, seconds = row / ROWS_PER_EPOCH, 0.4 * row
    figures = f"{rate:.17g},{loss:.17g},{forces**2 / 1e4:.17g},{errors}"
    return f"{epoch},{LOGGED_EVERY * row},{seconds:.3f},1,{figures},{int(best)}\n"


def write_config(path: Path, number: int, steps: int) -> None:
    """Write the complete configuration of a run."""
    text = CONFIG.format(
        name=path.name,
        seed=number,
        family=("mace", "nequip", "allegro")[number % 3],
        channels=16 * (1 + number % 4),
        weight=(10, 100, 1000)[number % 3],
        rate=(0.01, 0.005)[number % 2],
        epochs=int(1.3 * steps / ROWS_PER_EPOCH),
    )
    (path / "resolved.yaml").write_text(dump_config(parse_config(text)))


def write_status(path: Path, number: int, steps: int) -> None:
    """Write the status of a run: some are running, with the id of this process; most are finished."""
    state = "running" if number < 12 else ("interrupted" if number % 10 == 0 else "finished")
    process = psutil.Process()
    status = {
        "state": state,
        "reason": {"running": "", "interrupted": "interrupted", "finished": "max_epochs"}[state],
        "epoch": steps / ROWS_PER_EPOCH,
        "elapsed": 0.4 * steps,
        "max_epochs": int((1.3 if state != "finished" else 1.0) * steps / ROWS_PER_EPOCH),
        "host": socket.gethostname(),
        "pid": process.pid,
        "started": datetime.fromtimestamp(process.create_time()).astimezone().isoformat(),
    }
    (path / "status.json").write_text(json.dumps(status))


def grow(paths: list[Path], stop: threading.Event) -> None:
    """Add a row to the files of some runs each second."""
    for number, path in enumerate(paths):
        write_status(path, number, last_step(path))
    rows = {path: last_step(path) for path in paths}
    while not stop.wait(1.0):
        for path in paths:
            rows[path] += 1
            with (path / "steps.csv").open("a") as file:
                file.write(steps_line(rows[path], 1e-3, 0.05 + 0.01 * np.random.default_rng(rows[path]).random(), 61.0))
            with (path / "metrics.csv").open("a") as file:
                file.write(metrics_line(rows[path], 1e-3, 0.05, 15.0, False))


def last_step(path: Path) -> int:
    """Return the last step in the existing rows."""
    with (path / "steps.csv").open("rb") as file:
        file.seek(max(0, (path / "steps.csv").stat().st_size - 400))
        return int(file.read().splitlines()[-1].split(b",")[0]) // LOGGED_EVERY


def start_server(folder: Path) -> tuple[subprocess.Popen[str], str, float]:
    """Start the server; return process, address, and the time (s) until it is ready."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "potentials", "dashboard", str(folder), "--port", str(free_port())]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    for line in server.stdout or ():
        if line.startswith("open "):
            return server, line.split()[1], time.perf_counter() - begun
    raise SystemExit("the server did not start")


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def get(address: str) -> tuple[Any, float, int]:
    """Request an address; return the JSON (or None), the time (s) and the size in bytes."""
    begun = time.perf_counter()
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})) as answer:
        body = answer.read()
        parsed = json.loads(body) if answer.headers["content-type"] == "application/json" else None
    return parsed, time.perf_counter() - begun, len(body)


def measure(address: str, pid: int) -> list[tuple[str, str]]:
    """Measure response times over HTTP."""
    rows = []
    _, page, _ = get(f"{address}/")
    _, plotly, _ = get(f"{address}/static/plotly.min.js")
    found, table, size = get(f"{address}/api/runs?since=0")
    rows += [("page", f"{page:.2f} s"), ("plotly.js", f"{plotly:.2f} s")]
    rows.append((f"table of {len(found['rows'])} runs, {size / 1e3:.0f} kB", f"{table:.2f} s"))
    rows.append(("memory of the server", memory(pid)))
    for count in (4, 10, 24):
        keys = found["keys"][:count]
        seen: dict[str, dict[str, str]] = {}
        begun, answers, sent = time.perf_counter(), 0, 0
        more = True
        while more:
            answer, _, size = ask_curves(address, keys, seen)
            more, answers, sent = answer["more"], answers + 1, sent + size
        took = time.perf_counter() - begun
        rows.append((f"curves of {len(keys)} runs, {sent / 1e6:.1f} MB in {answers} answers", f"{took:.2f} s"))
        times = []
        for _ in range(5):
            time.sleep(2)
            _, changed, _ = get(f"{address}/api/runs?since={found['revision']}")
            answer, curves, size = ask_curves(address, keys, seen)
            times.append(changed + curves)
        rows.append(
            (f"live update of table and {len(keys)} runs, {size / 1e3:.0f} kB (slowest of 5)", f"{max(times):.2f} s")
        )
    rows.append(("memory of the server", memory(pid)))
    return rows


def ask_curves(address: str, keys: list[str], seen: dict[str, dict[str, str]]) -> tuple[Any, float, int]:
    """Request new points of curves and update `seen`."""
    query = "&".join(
        f"run={key},{seen.get(key, {}).get('steps', '')},{seen.get(key, {}).get('metrics', '')}" for key in keys
    )
    answer, took, size = get(f"{address}/api/curves?x=step&{query}")
    for key, kinds in answer["runs"].items():
        seen.setdefault(key, {}).update({kind: news["seen"] for kind, news in kinds.items()})
    return answer, took, size


def measure_in_browser(address: str, still: Path) -> list[tuple[str, str]]:
    """Measure times until content is visible in headless Chromium with an empty cache; a run grows meanwhile."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        begun = time.perf_counter()
        page.goto(address)
        page.locator("#runs tbody tr").first.wait_for()
        table = time.perf_counter() - begun
        page.locator(".chart .scatterlayer path.js-line").first.wait_for(timeout=60_000)
        curves = time.perf_counter() - begun
        page.locator("#reading").wait_for(state="hidden", timeout=60_000)
        complete = time.perf_counter() - begun
        updates = []
        for count in range(5):
            page.wait_for_timeout(2000 + 190 * count)
            forces = 0.95 * best_forces(still)
            with (still / "metrics.csv").open("a") as file:
                file.write(metrics_line(last_step(still), 1e-3, 0.05, forces, True))
            begun = time.perf_counter()
            row = page.locator("#runs tbody tr", has_text=still.name).element_handle()
            while f"{forces:.3g}" not in (row.text_content() or ""):  # playwright itself only checks twice a second
                if time.perf_counter() - begun > 30:
                    raise SystemExit("the table does not show a row written 30 s ago")
                page.wait_for_timeout(10)
            updates.append(time.perf_counter() - begun)
        browser.close()
    return [
        ("Chromium: table visible", f"{table:.2f} s"),
        ("Chromium: first curves visible", f"{curves:.2f} s"),
        ("Chromium: all rows of the curves loaded", f"{complete:.2f} s"),
        ("Chromium: from a new row in a file to its value in the table (median of 5)", f"{sorted(updates)[2]:.2f} s"),
        ("Chromium: the slowest of these updates", f"{max(updates):.2f} s"),
    ]


def best_forces(path: Path) -> float:
    """Return the smallest force error in metrics.csv, meV/A."""
    with (path / "metrics.csv").open(newline="") as file:
        return min(float(row["forces_rmse_meV_per_A"]) for row in csv.DictReader(file))


def memory(pid: int) -> str:
    """Return the resident memory of a process as text."""
    return f"{psutil.Process(pid).memory_info().rss / 2**20:.0f} MiB"


if __name__ == "__main__":
    main()
