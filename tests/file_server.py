"""A web server on this machine that behaves, and misbehaves, as a test wants it to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Serves the contents of `files` by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.knows_ranges = True
        self.shift = 0
        """Added to the first byte of each range asked for: a server that sends another one."""
        self.breaks_off_after: int | None = None
        """Bytes of an answer after which the connection is closed."""
        self.requests: list[tuple[str, str | None]] = []
        """Path and range of each request."""

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        name = self.path.lstrip("/")
        self.server.requests.append((name, asked))
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        begin = 0
        if asked is not None and self.server.knows_ranges:
            begin = int(asked.removeprefix("bytes=").removesuffix("-")) + self.server.shift
            if begin >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin:][: self.server.breaks_off_after])

    def log_message(self, *arguments: object) -> None:
        """Nothing is printed."""


@contextmanager
def running_file_server() -> Iterator[FileServer]:
    """A server that runs in a thread until the end of the block."""
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
