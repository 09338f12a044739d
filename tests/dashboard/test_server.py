"""Requests: what is answered, what is refused, and what browsers are told to do with it."""

import html
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from run_folders import METRICS, STEPS, metrics_row, steps_row, write_run
from starlette.testclient import TestClient

from potentials.dashboard import assets, overview
from potentials.dashboard.curves import Curves
from potentials.dashboard.reading.folder import Folder
from potentials.dashboard.security import is_loopback, names_of
from potentials.dashboard.server import Dashboard, application
from potentials.dashboard.serving import serve
from potentials.errors import DashboardError


@pytest.fixture(autouse=True)
def look_at_once(monkeypatch):
    monkeypatch.setattr(overview, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(overview, "_SEARCH_SECONDS", 0.0)


def client_of(path, **options):
    return TestClient(application(Dashboard(Folder(path)), **options), base_url="http://localhost:8765")


def key_of(client, name):
    return next(row["key"] for row in client.get("/api/runs").json()["rows"] if row["name"] == name)


def ask(client, seen, *keys, axis="step"):
    """What is new of curves; brings `seen`, {key: {kind: text}}, up to date."""
    parts = [f"run={key},{seen.get(key, {}).get('steps', '')},{seen.get(key, {}).get('metrics', '')}" for key in keys]
    answer = client.get(f"/api/curves?x={axis}&{'&'.join(parts)}").json()
    for key, kinds in answer["runs"].items():
        seen.setdefault(key, {}).update({kind: news["seen"] for kind, news in kinds.items()})
    return answer


# --- answers


def test_the_page_and_all_that_it_asks_for_are_there(tmp_path):
    client = client_of(tmp_path)
    page = client.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    asked = re.findall(r'(?:src|href|data-plotly)="(static/[^"]+)"', page.text)
    assert len(asked) == len(assets.STYLES) + len(assets.KIT_SCRIPTS) + len(assets.SCRIPTS) + 1
    for address in asked:
        found = client.get(f"/{html.unescape(address)}")
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]
        again = client.get(f"/{address}", headers={"If-None-Match": found.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert not re.search(r"(src|href)=\"(https?:)?//", page.text)
    assert client.get("/static/__init__.py").status_code == 404


def test_without_runs_the_list_is_empty(tmp_path):
    answer = client_of(tmp_path / "absent").get("/api/runs").json()
    assert (answer["rows"], answer["keys"]) == ([], [])


def test_everything_of_one_run(tmp_path):
    log = "2026-01-01 00:00:00  warning: odd: a.xyz, frame 3 (38.1)\n"
    run = write_run(tmp_path / "water", log=log)
    (run / "errors.json").write_text(json.dumps({"splits": [{"split": "test", "errors": {"forces": {"mae": 0.5}}}]}))
    client = client_of(tmp_path)
    found = client.get(f"/api/run/{key_of(client, 'water')}").json()
    assert found["summary"]["state"] == "finished"
    assert found["warnings"][0]["frames"] == [{"source": "a.xyz", "frames": "3 (38.1)"}]
    assert found["errors"][0]["forces_mae"] == 500
    assert found["config"] == (run / "resolved.yaml").read_text()
    assert found["log"] == [log.rstrip("\n")]
    assert [file["name"] for file in found["files"]] == sorted(path.name for path in run.iterdir())


def test_configurations_beside_each_other(tmp_path):
    write_run(tmp_path / "a", config="seed: 1\nmodel: {name: mace, cutoff: 5.0}\n")
    write_run(tmp_path / "b", config="seed: 2\nmodel: {name: mace, cutoff: 5.0, layers: 2}\n")
    write_run(tmp_path / "c", config="[")
    client = client_of(tmp_path)
    a, b, c = (key_of(client, name) for name in "abc")
    found = client.get(f"/api/differences?run={b}&run={a}&run={c}&run=unknown").json()
    assert (found["keys"], found["unreadable"]) == ([b, a], [c])
    assert found["rows"] == [["seed", ["2", "1"]], ["model.layers", ["2", None]]]


def test_this_machine(tmp_path):
    found = client_of(tmp_path).get("/api/machine").json()
    assert found["cores"] >= 1
    assert 0 < found["memory_used"] < found["memory_total"]


# --- curves


@pytest.mark.parametrize("axis", ["step", "epoch", "time"])
def test_curves_are_what_the_files_hold(tmp_path, axis):
    write_run(tmp_path / "water", rows=20)
    client = client_of(tmp_path)
    key = key_of(client, "water")
    found = ask(client, {}, key, axis=axis)["runs"][key]
    unit = {"step": 10, "epoch": 0.1, "time": 1.0}[axis]
    x, y = found["steps"]["columns"]["loss"]
    np.testing.assert_allclose(x, unit * np.arange(1, 21))
    np.testing.assert_allclose(y, 1 / np.arange(1, 21), rtol=1e-6)
    assert "loss_stress" not in found["steps"]["columns"]
    assert found["metrics"]["columns"]["forces_rmse_meV_per_A"][1] == [100 - row for row in range(20)]


def test_curves_grow_by_what_is_new(tmp_path):
    run = write_run(tmp_path / "water", rows=20)
    write_run(tmp_path / "other", rows=20)
    client, seen = client_of(tmp_path), {}
    water, other = key_of(client, "water"), key_of(client, "other")
    ask(client, seen, water, other)
    assert ask(client, seen, water, other)["runs"] == {}
    with (run / "steps.csv").open("a") as file:
        file.write(steps_row(210, 7.0) + "220,")
    news = ask(client, seen, water, other)["runs"]
    assert list(news) == [water]
    assert list(news[water]) == ["steps"]
    assert news[water]["steps"]["keep"] == 20
    assert news[water]["steps"]["columns"]["loss"] == [[210.0], [7.0]]


def test_what_was_kept_and_what_is_new_are_the_whole(tmp_path):
    run = write_run(tmp_path / "water", rows=1)
    losses = np.random.default_rng(1).random(5000).round(6)
    client, seen, kept = client_of(tmp_path), {}, [[], []]
    key = key_of(client, "water")
    (run / "steps.csv").write_text(STEPS)
    for some in np.array_split(np.arange(5000), 37):
        with (run / "steps.csv").open("a") as file:
            file.writelines(steps_row(int(row) + 1, losses[row]) for row in some)
        news = ask(client, seen, key)["runs"][key]["steps"]
        kept = [before[: news["keep"]] + after for before, after in zip(kept, news["columns"]["loss"], strict=True)]
    whole = ask(client, {}, key)["runs"][key]["steps"]["columns"]["loss"]
    assert kept == whole
    assert (max(whole[1]), min(whole[1])) == pytest.approx((losses.max(), losses.min()))


def test_a_run_that_goes_back_to_its_checkpoint_is_sent_anew(tmp_path):
    run = write_run(tmp_path / "water", rows=20)
    client, seen = client_of(tmp_path), {}
    key = key_of(client, "water")
    ask(client, seen, key)
    (run / "steps.csv").write_text(STEPS + "".join(steps_row(10 * row, 3.0) for row in range(1, 30)))
    news = ask(client, seen, key)["runs"][key]["steps"]
    assert (news["keep"], set(news["columns"]["loss"][1])) == (0, {3.0})
    (run / "steps.csv").unlink()
    assert ask(client, seen, key)["runs"][key]["steps"]["columns"] == {}


def test_a_long_file_is_shown_by_samples_first_and_then_with_every_spike(tmp_path):
    run = write_run(tmp_path / "water", rows=1)
    rows = [steps_row(step, 9.0 if step == 43_210 else 0.5) for step in range(1, 70_001)]
    (run / "steps.csv").write_text(STEPS + "".join(rows))
    client, seen = client_of(tmp_path), {}
    key = key_of(client, "water")
    first = ask(client, seen, key)
    assert first["more"]
    x, _ = first["runs"][key]["steps"]["columns"]["loss"]
    assert x[0] < 200
    assert x[-1] > 69_800
    more, news = True, None
    while more:  # the answer that says that there is no more may contain nothing new
        answer = ask(client, seen, key)
        more, news = answer["more"], answer["runs"].get(key, {"steps": news})["steps"]
    x, y = news["columns"]["loss"]
    assert news["keep"] == 0
    assert x[y.index(9.0)] == 43_210


def test_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("potentials.dashboard.curves._MOST_KEPT", 4)
    for name in "abcdef":
        write_run(tmp_path / name)
    curves = Curves(Folder(tmp_path))
    dashboard = overview.Overview(Folder(tmp_path))
    for key in dashboard.changes(0)["keys"]:
        curves.news([(dashboard.watch(key).run, {})], "step")
    assert len(curves._kept) == 4


@pytest.mark.parametrize("seen", ["", "x", "1.2", "1.2.3.4", "-1.1.1", "9" * 99 + ".1.1", "0.0.0", "1.1.9999999"])
def test_nonsense_of_what_was_seen_gives_everything(tmp_path, seen):
    write_run(tmp_path / "water", rows=5)
    client = client_of(tmp_path)
    key = key_of(client, "water")
    news = client.get(f"/api/curves?run={key},{seen}").json()["runs"][key]["steps"]
    assert (news["keep"], len(news["columns"]["loss"][0])) == (0, 5)


# --- files


def test_files_are_given_as_text_and_reports_in_a_sandbox(tmp_path):
    run = write_run(tmp_path / "water")
    (run / "report.html").write_text("<script>1</script>")
    (run / "best.potential").write_bytes(b"\x00\x01")
    (run / "evil.svg").write_text("<svg onload=alert(1)>")
    client = client_of(tmp_path)
    key = key_of(client, "water")
    report = client.get(f"/files/{key}/report.html")
    assert report.headers["content-type"].startswith("text/html")
    policy = report.headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    log = client.get(f"/files/{key}/resolved.yaml")
    assert log.headers["content-type"].startswith("text/plain")
    assert log.content == (run / "resolved.yaml").read_bytes()
    for name in ("best.potential", "evil.svg"):
        found = client.get(f"/files/{key}/{name}")
        assert found.headers["content-disposition"] == "attachment"
        assert found.content == (run / name).read_bytes()
    for found in (report, log):
        assert found.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in found.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/files/{key}/../secret.txt",
        "/files/{key}/%2e%2e/secret.txt",
        "/files/{key}/..%2fsecret.txt",
        "/files/{key}/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/files/{key}//etc/passwd",
        "/files/{key}/%2fetc%2fpasswd",
        "/files/{key}/..%5csecret.txt",
        "/files/{key}/link.txt",
        "/files/{key}/folder/inner.txt",
        "/files/{key}/folder",
        "/files/{key}/.hidden",
        "/files/{key}/%00",
        "/files/{key}/.",
        "/files/{key}/",
        "/files/../secret.txt/x",
        "/files/%2e%2e/secret.txt",
        "/static/../server.py",
        "/static/%2e%2e%2fserver.py",
        "/static//etc/passwd",
        "/api/run/..",
        "/api/run/%2e%2e%2fwater",
    ],
)
def test_nothing_outside_is_served(tmp_path, path):
    folder = tmp_path / "runs"
    run = write_run(folder / "water")
    for place in (tmp_path, folder):
        (place / "secret.txt").write_text("secret")
    (run / "link.txt").symlink_to(tmp_path / "secret.txt")
    (run / ".hidden").write_text("secret")
    (run / "folder").mkdir()
    (run / "folder" / "inner.txt").write_text("secret")
    client = client_of(folder)
    answer = client.get(path.format(key=key_of(client, "water")), follow_redirects=False)
    assert answer.status_code in (404, 307)
    assert "secret" not in answer.text
    assert "root:" not in answer.text


def test_links_in_place_of_a_runs_own_files_are_not_read(tmp_path):
    run = write_run(tmp_path / "runs" / "water")
    (tmp_path / "secret").write_text("secret: secret\n2026-01-01 00:00:00  warning: secret\n")
    for name in ("resolved.yaml", "log.txt", "errors.json", "steps.csv", "metrics.csv"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(tmp_path / "secret")
    client = client_of(tmp_path / "runs")
    key = key_of(client, "water")
    for path in ("/api/runs", f"/api/run/{key}", f"/api/curves?run={key}", f"/api/differences?run={key}&run={key}"):
        assert "secret" not in client.get(path).text


# --- who may ask, and how


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading_is_allowed(tmp_path, method):
    assert client_of(tmp_path).request(method, "/api/runs").status_code == 405


def test_heads_have_no_body(tmp_path):
    answer = client_of(tmp_path).head("/")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:8765", "[::1]:8765", "[::1]", "LocalHost:80"])
def test_names_of_this_machine_are_accepted(tmp_path, host):
    assert client_of(tmp_path).get("/api/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "192.168.1.5",
        "[::2]",
        "x@localhost",
    ],
)
def test_other_names_are_refused(tmp_path, host):
    answer = client_of(tmp_path).get("/api/runs", headers={"Host": host})
    assert answer.status_code == 400
    assert "rows" not in answer.text


def test_a_public_server_answers_to_its_names_and_to_addresses(tmp_path):
    client = client_of(tmp_path, names=names_of("node7"), addresses=True)
    for host, code in (("node7:80", 200), ("192.168.1.5:80", 200), ("[fe80::1]:80", 200), ("evil.example", 400)):
        assert client.get("/api/runs", headers={"Host": host}).status_code == code


@pytest.mark.parametrize("path", ["/", "/api/runs", "/nothing", "/static/page.css"])
def test_every_answer_carries_the_headers(tmp_path, path):
    headers = client_of(tmp_path).get(path).headers
    for name in (
        "content-security-policy",
        "x-content-type-options",
        "x-frame-options",
        "cross-origin-resource-policy",
    ):
        assert name in headers


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_listening_to_others_needs_to_be_said(tmp_path, host):
    with pytest.raises(DashboardError, match="--public"):
        serve(tmp_path, host, None, False, print)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DashboardError, match="is a file"):
        serve(tmp_path / "file", "127.0.0.1", None, False, print)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback(host, local):
    assert is_loopback(host) == local


def test_names_with_markup_are_text(tmp_path):
    evil = "<img src=x onerror=alert(1)>\"'&\n\u202e"
    folder = tmp_path / evil
    write_run(folder / evil)
    client = client_of(folder)
    page = client.get("/").text
    assert "<img" not in page
    assert "&lt;img" in page
    answer = client.get("/api/runs")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["rows"][0]["name"] == evil


def test_names_that_are_not_utf_8_are_answered(tmp_path):
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    write_run(tmp_path / name)
    client = client_of(tmp_path)
    key = key_of(client, "caf?")
    assert client.get(f"/api/run/{key}").status_code == 200
    assert client.get(f"/files/{key}/log.txt").status_code == 200


def test_half_written_files_are_waited_for(tmp_path):
    run = write_run(tmp_path / "water", rows=3)
    client, seen = client_of(tmp_path), {}
    key = key_of(client, "water")
    ask(client, seen, key)
    row = metrics_row(40, 50.0, True)
    for cut in range(0, len(row), 7):
        (run / "metrics.csv").write_text(METRICS + metrics_row(10, 70.0, True) + row[:cut])
        ask(client, seen, key)
        assert client.get(f"/api/run/{key}").json()["summary"]["best"]["forces"] == 70.0
    (run / "metrics.csv").write_text(METRICS + metrics_row(10, 70.0, True) + row)
    assert client.get(f"/api/run/{key}").json()["summary"]["best"]["forces"] == 50.0


def test_the_server_imports_nothing_heavy():

    heavy = {"torch", "ase", "lightning", "pydantic", "plotly", "matplotlib"}
    program = "import sys, potentials.dashboard.serving, potentials.cli.dashboard; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert not heavy & set(loaded)
