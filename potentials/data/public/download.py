"""Downloads that resume after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from potentials.errors import DataError

Progress = Callable[[int, int | None], None]
"""Called with the number of bytes so far and the total (None where the server does not state it)."""

_CHUNK = 1 << 18
_TIMEOUT = 60.0  # seconds without a byte


class DownloadError(DataError):
    """A download that the server refused or did not complete."""


def download(url: str, path: Path, progress: Progress) -> None:
    """Download to a file; existing content is kept as the beginning, and only the rest is requested.

    If the server ignores the range request (status 200 instead of 206), the file is rewritten from the start. After a
    failure, the bytes received so far remain in the file.

    Args:
        url: http or https.
        path: the file; its folder must exist.
        progress: called after each chunk.

    Raises:
        DownloadError: the server cannot be reached, refuses the request or closes the connection.
        DataError: the file cannot be written.
    """
    with _writing(path):
        have = path.stat().st_size if path.exists() else 0
    request = Request(url, headers={"User-Agent": "potentials"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urlopen(request, timeout=_TIMEOUT)
    except HTTPError as error:
        if have and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return  # it was complete
            with _writing(path):
                path.unlink()
            return download(url, path, progress)
        raise DownloadError(f"{url}: the server returned {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise DownloadError(f"cannot reach {url}: {getattr(error, 'reason', None) or error}") from error
    with response:
        _receive(response, path, have, progress)


def _receive(response: HTTPResponse, path: Path, have: int, progress: Progress) -> None:
    begin = _begin(response, have)
    length = response.headers.get("Content-Length")
    total = None if length is None else begin + int(length)
    done = begin
    with _writing(path), path.open("ab" if begin else "wb") as file:
        for piece in _pieces(response):
            file.write(piece)
            done += len(piece)
            progress(done, total)
    if total is not None and done < total:
        raise DownloadError(
            f"{response.url}: connection closed after {done} of {total} bytes; run the same command to resume"
        )


def _begin(response: HTTPResponse, have: int) -> int:
    """Return the position in the file where the response starts."""
    if response.status == HTTPStatus.OK:
        return 0
    part = response.headers.get("Content-Range", "")
    if response.status == HTTPStatus.PARTIAL_CONTENT and part.startswith(f"bytes {have}-"):
        return have
    raise DownloadError(
        f'{response.url}: expected bytes from {have} on, got status {response.status} with range "{part}"'
    )


def _pieces(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            piece = response.read(_CHUNK)
        except (OSError, HTTPException) as error:
            raise DownloadError(f"{response.url}: connection lost ({error}); run the same command to resume") from error
        if not piece:
            return
        yield piece


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
