"""The dashboard in Chromium: drawn, chosen from, filtered, pointed at, and seen to grow."""

import json
import math
import os
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
import uvicorn
from opened_pages import WINDOWS, OpenPage, assert_drawn, overflow, pixels
from playwright.sync_api import Page, Route, expect
from run_folders import METRICS, STEPS, metrics_row, steps_row, write_run

from potentials.dashboard.reading.folder import Folder
from potentials.dashboard.server import Dashboard, application

pytestmark = pytest.mark.slow

EVIL = "<img src=x onerror=\"console.error('ran')\"> <b>%{y} {{1}}"
Serve = Callable[[Path], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves the dashboard of a folder, gives its address."""
    servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(folder: Path) -> str:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(application(Dashboard(Folder(folder))), log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield serve
    for server, thread in servers:
        server.should_exit = server.force_exit = True
        thread.join(10)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A run that goes on, finished ones with other settings, one without sign of life, and a broken one."""
    folder = tmp_path / "runs"
    here = {"host": socket.gethostname(), "pid": os.getpid(), "started": datetime.now().astimezone().isoformat()}
    log = "2026-01-01 00:00:00  warning: the loss of step 5 is 27 times the usual; a.xyz, frame 3 (38.1)\n"
    write_run(folder / "going-on", state="running", log=log, epoch=1.0, max_epochs=10, **here)
    for number in (1, 2, 3):
        config = f"seed: {number}\nmodel: {{name: nequip, cutoff: 5.0}}\ntrain: {{max_epochs: 2}}\n"
        run = write_run(folder / "sweep" / f"run-{number}", config=config)
        (run / "steps.csv").write_text(STEPS + "".join(steps_row(row, number / row) for row in range(1, 300)))
        (run / "metrics.csv").write_text(
            METRICS + "".join(metrics_row(row, 90 / number / row, True) for row in range(1, 300, 10))
        )
    errors = {"splits": [{"split": "test", "frames": 7, "errors": {"forces": {"mae": 0.1, "rmse": 0.123}}}]}
    (folder / "sweep" / "run-1" / "errors.json").write_text(json.dumps(errors))
    (folder / "sweep" / "run-1" / "report.html").write_text(
        "<p id=told></p><script>told.textContent = 'script ran'</script>"
    )
    write_run(folder / "lost", state="running", **(here | {"pid": 2**22 + 7}))
    (folder / "broken").mkdir()
    (folder / "broken" / "status.json").write_text("{")
    return folder


def row_of(page: Page, name: str):
    return page.locator("#runs tbody tr").filter(has=page.locator("td.name", has_text=name))


def choose(page: Page, *names: str) -> None:
    page.get_by_role("button", name="Clear selection").click()
    for name in names:
        row_of(page, name).get_by_role("checkbox").check()


@pytest.mark.parametrize(("width", "dark"), WINDOWS)
def test_table_and_curves_are_drawn(serve: Serve, open_page: OpenPage, runs: Path, width: int, dark: bool) -> None:
    page = open_page(serve(runs), width=width, dark=dark)
    expect(page.locator("#runs tbody tr")).to_have_count(6)
    choose(page, "run-1", "run-2")
    expect(page.locator("#chart-loss")).to_be_visible()
    assert_drawn(page, "#charts .chart .drawing")
    assert page.locator("#chart-stress").is_hidden()
    assert overflow(page) == 0
    assert (pixels(page.locator("h1"))[0, 0].sum() < 200) == dark
    page.get_by_role("link", name="run-1").first.click()
    expect(page.locator("#run h2")).to_have_text("sweep/run-1")
    expect(page.locator("#errors")).to_contain_text("123")
    assert_drawn(page, "#chart-forces .drawing")
    assert overflow(page) == 0


def test_states_are_told(serve: Serve, open_page: OpenPage, runs: Path) -> None:
    page = open_page(serve(runs))
    for name, state in (
        ("going-on", "running"),
        ("run-1", "finished"),
        ("lost", "no activity"),
        ("broken", "unknown"),
    ):
        expect(row_of(page, name)).to_contain_text(state)
    expect(row_of(page, "lost")).to_contain_text("since")


def test_runs_that_go_on_are_chosen_at_the_start_and_others_by_hand(
    serve: Serve, open_page: OpenPage, runs: Path
) -> None:
    page = open_page(serve(runs))
    expect(page.locator("#legend li")).to_have_count(1)
    row_of(page, "run-2").get_by_role("checkbox").check()
    expect(page.locator("#legend")).to_contain_text("run-2")
    expect(page.locator("#chart-loss .scatterlayer .trace")).to_have_count(4)  # as they are, and smoothed
    page.get_by_role("button", name="Remove going-on").click()
    expect(page.locator("#chart-loss .scatterlayer .trace")).to_have_count(2)
    page.reload()
    expect(page.locator("#legend li")).to_have_count(1)
    expect(page.locator("#legend")).to_contain_text("run-2")


def test_a_choice_made_before_the_runs_are_there_is_kept(serve: Serve, open_page: OpenPage, runs: Path) -> None:
    page = open_page(serve(runs))
    expect(page.locator("#legend li")).to_have_count(1)
    page.evaluate("sessionStorage.clear()")
    held: list[Route] = []
    page.route("**/api/runs?since=0", lambda route: held.append(route))
    page.reload()
    page.get_by_role("button", name="Clear selection").click()
    expect(page.locator("#runs tbody tr")).to_have_count(0)
    for request in held:
        request.continue_()
    expect(page.locator("#runs tbody tr")).to_have_count(6)
    expect(page.locator("#legend li")).to_have_count(0)


def test_chosen_runs_are_compared(serve: Serve, open_page: OpenPage, runs: Path) -> None:
    page = open_page(serve(runs))
    choose(page, "run-1", "run-3")
    expect(page.locator("#differences tbody tr")).to_have_count(1)
    assert page.locator("#differences tbody tr").first.locator("td").all_text_contents() == ["seed", "1", "3"]
    best = page.locator("#best tbody tr").filter(has_text="run-3")
    expect(best.locator("td.least").first).to_have_text(f"{90 / 3 / 291:.3f}")
    colors = [
        page.locator(place).first.evaluate("e => getComputedStyle(e).borderTopColor")
        for place in (
            "#legend li:nth-child(2) .swatch",
            "#best tbody tr:nth-child(2) .swatch",
            "#differences th:nth-child(3) .swatch",
        )
    ]
    line = (
        page.locator("#chart-validation .scatterlayer path.js-line").nth(1).evaluate("e => getComputedStyle(e).stroke")
    )
    assert {*colors, line} == {line}


def test_the_table_is_filtered_and_sorted(serve: Serve, open_page: OpenPage, runs: Path) -> None:
    page = open_page(serve(runs))
    names = page.locator("#runs tbody td.name a")
    page.fill("#filter", "SWEEP nequip")
    expect(names).to_have_count(3)
    page.get_by_role("button", name="Forces").click()
    expect(names).to_have_text(["sweep/run-3", "sweep/run-2", "sweep/run-1"])
    page.get_by_role("button", name="Forces").click()
    expect(names).to_have_text(["sweep/run-1", "sweep/run-2", "sweep/run-3"])
    page.fill("#filter", "")
    page.locator("#states button", has_text="finished").click()
    expect(names).to_have_count(3)
    page.fill("#filter", "nowhere")
    expect(page.locator("#nothing")).to_contain_text("No run matches")


def test_pointing_at_a_curve_tells_the_run(serve: Serve, open_page: OpenPage, runs: Path) -> None:
    page = open_page(serve(runs))
    choose(page, "run-2")
    assert_drawn(page, "#chart-validation .drawing")
    plot = page.locator("#chart-validation .nsewdrag").bounding_box()
    page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2)
    expect(page.locator("#chart-validation .hoverlayer")).to_contain_text("sweep/run-2")


def test_what_is_measured_now_and_then_is_a_line(serve: Serve, open_page: OpenPage, tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "water", rows=40)
    head, *rows = (run / "steps.csv").read_text().splitlines()
    for number, row in enumerate(rows):
        if number % 3:  # these were written before a look at the machine was due
            rows[number] = row.replace(",150.0,900.0,", ",,,")
    (run / "steps.csv").write_text("\n".join([head, *rows, ""]))
    page = open_page(serve(tmp_path / "runs"))
    line = page.locator("#chart-memory .scatterlayer path.js-line")
    expect(line).to_have_count(1)
    assert line.get_attribute("d").count("M") == 1
    assert line.bounding_box()["width"] > 200


def test_axes_and_errors_can_be_chosen(serve: Serve, open_page: OpenPage, runs: Path) -> None:
    page = open_page(serve(runs))
    choose(page, "run-1")
    title = page.locator("#chart-forces .xtitle")
    expect(title).to_have_text("step")
    page.select_option("#control-axis", "time")
    expect(title).to_have_text("hours of training")
    page.select_option("#control-error", "mae")
    expect(page.locator("#chart-forces figcaption")).to_contain_text("MAE")
    page.select_option("#control-scale", "linear")
    page.select_option("#control-part", "stress")
    expect(page.locator("#chart-loss")).to_be_hidden()


def test_what_is_written_meanwhile_is_seen(serve: Serve, open_page: OpenPage, runs: Path) -> None:
    page = open_page(serve(runs))
    assert_drawn(page, "#chart-forces .drawing")
    curve = page.locator("#chart-forces .scatterlayer path.js-line").first
    before = curve.get_attribute("d")
    with (runs / "going-on" / "metrics.csv").open("a") as file:
        file.write(metrics_row(500, 4.321, True))
    expect(row_of(page, "going-on")).to_contain_text("4.32", timeout=8000)
    expect(curve).not_to_have_attribute("d", before, timeout=8000)
    write_run(runs / "newcomer")
    expect(row_of(page, "newcomer")).to_be_visible(timeout=15_000)


def test_one_run_is_told_in_full(serve: Serve, open_page: OpenPage, runs: Path) -> None:
    page = open_page(serve(runs))
    row_of(page, "going-on").get_by_role("link", name="1", exact=True).click()
    expect(page.locator(".warnings")).to_contain_text("27 times the usual")
    expect(page.locator(".frames span")).to_have_text("a.xyz: 3 (38.1)")
    expect(page.locator("#run .facts")).to_contain_text("of 10")
    page.locator("details summary", has_text="resolved.yaml").click()
    expect(page.locator("details[open] pre")).to_contain_text("cutoff: 5.0")
    page.get_by_role("link", name="all runs").click()
    expect(page.locator("#runs")).to_be_visible()


def test_reports_open_with_their_scripts_and_without_rights(serve: Serve, open_page: OpenPage, runs: Path) -> None:
    page = open_page(serve(runs))
    address = row_of(page, "run-1").get_by_role("link", name="Report").get_attribute("href")
    report = open_page(f"{page.url.split('#')[0]}{address}")
    expect(report.locator("#told")).to_have_text("script ran")
    assert report.evaluate("self.origin") == "null"


def test_names_are_text_wherever_they_stand(serve: Serve, open_page: OpenPage, tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x>"
    config = f"model: {{name: {json.dumps(EVIL)}}}\nrun: {{a}}\n"
    for name in ("a", "b"):
        run = write_run(folder / f"{EVIL}{name}", config=config.replace("{a}", json.dumps(EVIL + name)))
        (run / "log.txt").write_text(f"2026-01-01 00:00:00  warning: {EVIL} {EVIL.replace(' ', '')}, frame 3\n")
        (run / f"{EVIL}.txt").write_text("")
        (run / "errors.json").write_text(
            json.dumps({"splits": [{"split": EVIL, "errors": {}, "elements": {EVIL: {"mae": 1}}}]})
        )
    page = open_page(serve(folder))
    assert_drawn(page, "#chart-validation .drawing")
    plot = page.locator("#chart-validation .nsewdrag").bounding_box()
    page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2)
    expect(page.locator("#chart-validation .hoverlayer")).to_contain_text("<img src=x")
    expect(page.locator("#differences")).to_contain_text(EVIL)
    page.locator("#runs td.name a").first.click()
    expect(page.locator(".warnings")).to_contain_text(EVIL)
    expect(page.locator("#errors")).to_contain_text(EVIL)
    assert page.locator("img").count() == 0


def test_an_empty_folder_says_what_to_do(serve: Serve, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(serve(tmp_path / "runs"))
    expect(page.locator("#nothing")).to_contain_text(str(tmp_path / "runs"))
    expect(page.locator("#nothing")).to_contain_text("potentials train")
    write_run(tmp_path / "runs" / "first")
    expect(row_of(page, "first")).to_be_visible(timeout=15_000)
    assert_drawn(page, "#chart-loss .drawing")


def test_it_is_used_with_the_keyboard(serve: Serve, open_page: OpenPage, runs: Path) -> None:
    page = open_page(serve(runs))
    expect(page.locator("#runs tbody tr")).to_have_count(6)
    page.locator("#filter").focus()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.id || document.activeElement.type || document.activeElement.tagName")
        )
    assert {"choose-none", "runs-box", "checkbox", "A", "control-axis", "control-smoothing"} <= reached
    row_of(page, "run-1").get_by_role("checkbox").focus()
    page.keyboard.press("Space")
    expect(page.locator("#legend")).to_contain_text("run-1")
    assert math.isclose(page.locator("#legend li").count(), 2)
