"""Requests to the dashboard and their responses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from potentials.dashboard.assets import KIT_SCRIPTS, PLOTLY, SCRIPTS, STYLES, asset, tags
from potentials.dashboard.curves import AXES, Curves, Seen
from potentials.dashboard.details import details, files_of
from potentials.dashboard.machine import Machine
from potentials.dashboard.overview import Overview
from potentials.dashboard.reading.configuration import differences
from potentials.dashboard.reading.folder import Folder, readable
from potentials.dashboard.security import FILE_POLICY, LOCAL_NAMES, REPORT_POLICY, Guard
from potentials.dashboard.watch import RunWatch

MOST_CHOSEN = 24
"""Largest number of runs whose curves are shown."""
_TEXTS = {".txt", ".csv", ".json", ".yaml", ".yml", ".log", ".md", ".xyz", ".extxyz"}
_FOR_GOOD = "public, max-age=31536000, immutable"


class Dashboard:
    """Request handlers for one folder.

    Args:
        folder: folder of the runs.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.overview = Overview(folder)
        self.curves = Curves(folder)
        self.machine = Machine()

    def prepare(self) -> None:
        """Read all runs and compress plotly.js before the first request, because both are slow."""
        self.overview.changes(0)
        asset(PLOTLY)

    def page(self, _: Request) -> Response:
        """Return the page; its data are loaded by the other requests."""
        return HTMLResponse(_page(readable(str(self.folder.path))))

    def static(self, request: Request) -> Response:
        """Return a style sheet or script."""
        try:
            found = asset(request.path_params["name"])
        except KeyError:
            raise HTTPException(404) from None
        headers = {"cache-control": _FOR_GOOD, "etag": f'"{found.tag}"', "vary": "accept-encoding"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                found.compressed, headers=headers | {"content-encoding": "gzip"}, media_type=found.media_type
            )
        return Response(found.contents, headers=headers, media_type=found.media_type)

    def runs(self, request: Request) -> Response:
        """Return the rows of the runs that changed after `since`."""
        since = request.query_params.get("since", "0")
        return _json(
            self.overview.changes(int(since) if since.isascii() and since.isdigit() and len(since) < 16 else 0)
        )

    def new_curves(self, request: Request) -> Response:
        """Return new points of the curves of runs, each given as `run=KEY,STEPS SEEN,METRICS SEEN`."""
        axis = request.query_params.get("x", "step")
        if axis not in AXES:
            raise HTTPException(400, f"x: expected one of {', '.join(AXES)}")
        asked = []
        for text in request.query_params.getlist("run")[:MOST_CHOSEN]:
            key, steps, metrics = (*text.split(",", 2), "", "")[:3]
            watch = self.overview.watch(key)
            if watch is not None:
                asked.append((watch.run, {"steps": Seen.parse(steps), "metrics": Seen.parse(metrics)}))
        return _json(self.curves.news(asked, axis))

    def run(self, request: Request) -> Response:
        """Return all data of one run except its curves."""
        watch = self._watch(request)
        return _json({"summary": self.overview.summary(watch.run.key), **details(watch)})

    def configurations(self, request: Request) -> Response:
        """Return the differences between the configurations of runs."""
        asked = request.query_params.getlist("run")[:MOST_CHOSEN]
        watches = [watch for key in asked if (watch := self.overview.watch(key)) is not None]
        configs = [(watch.run.key, watch.config) for watch in watches]
        readable_ones = [(key, config) for key, config in configs if not isinstance(config, str)]
        return _json(
            {
                "keys": [key for key, _ in readable_ones],
                "unreadable": [key for key, config in configs if isinstance(config, str)],
                "rows": differences([config for _, config in readable_ones]),
            }
        )

    def hardware(self, _: Request) -> Response:
        """Return the hardware use of this machine."""
        return _json(self.machine.figures())

    def file(self, request: Request) -> Response:
        """Return a file in a run folder, not in its subfolders."""
        watch, name = self._watch(request), request.path_params["name"]
        if name not in {file["name"] for file in files_of(self.folder, watch.run.path)}:
            raise HTTPException(404)
        content = self._contents(watch, name)
        size = next(content)
        suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
        headers = {"content-length": str(size), "content-security-policy": FILE_POLICY}
        if suffix == ".html":
            return StreamingResponse(
                content, headers=headers | {"content-security-policy": REPORT_POLICY}, media_type="text/html"
            )
        if suffix in _TEXTS:
            return StreamingResponse(content, headers=headers, media_type="text/plain; charset=utf-8")
        headers["content-disposition"] = "attachment"
        return StreamingResponse(content, headers=headers, media_type="application/octet-stream")

    def _contents(self, watch: RunWatch, name: str) -> Iterator[Any]:
        """Yield the current size of a file, then that number of bytes in pieces."""
        try:
            with self.folder.open(watch.run.path / name) as file:
                left = os.fstat(file.fileno()).st_size
                yield left
                while left > 0 and (piece := file.read(min(left, 1 << 20))):
                    left -= len(piece)
                    yield piece
        except OSError:
            raise HTTPException(404) from None

    def _watch(self, request: Request) -> RunWatch:
        watch = self.overview.watch(request.path_params["key"])
        if watch is None:
            raise HTTPException(404)
        return watch


def application(
    dashboard: Dashboard, names: set[str] | frozenset[str] = LOCAL_NAMES, addresses: bool = False
) -> Starlette:
    """Build the ASGI application of a dashboard.

    Args:
        dashboard: the request handlers.
        names: accepted names of the server in requests (`security.Guard`).
        addresses: whether every IP address is accepted.
    """
    return Starlette(
        routes=[
            Route("/", dashboard.page),
            Route("/static/{name}", dashboard.static),
            Route("/api/runs", dashboard.runs),
            Route("/api/curves", dashboard.new_curves),
            Route("/api/run/{key}", dashboard.run),
            Route("/api/differences", dashboard.configurations),
            Route("/api/machine", dashboard.hardware),
            Route("/files/{key}/{name}", dashboard.file),
            Route("/favicon.ico", lambda _: Response(status_code=204)),
        ],
        middleware=[Middleware(Guard, names=names, addresses=addresses)],
        exception_handlers={HTTPException: _refuse},
    )


def _refuse(_: Request, error: Exception) -> Response:
    detail, code = (error.detail, error.status_code) if isinstance(error, HTTPException) else ("error", 500)
    return PlainTextResponse(detail, status_code=code)


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


@cache
def _page(folder: str) -> str:
    environment = Environment(loader=PackageLoader("potentials.dashboard"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("index.html").render(
        folder=folder, tags=tags(), styles=STYLES, scripts=(*KIT_SCRIPTS, *SCRIPTS), plotly=PLOTLY, most=MOST_CHOSEN
    )
