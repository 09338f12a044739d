"""Downloads that continue where they were cut off."""

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
"""Called with the bytes there are, and those there will be (None where the server does not say)."""

_CHUNK = 1 << 18
_TIMEOUT = 60.0  # seconds without a byte


class DownloadError(DataError):
    """A download that the other side refused or did not finish."""


def download(url: str, path: Path, progress: Progress) -> None:
    """Download to a file; what the file holds already is taken for the beginning, and only the rest is asked for.

    A server that ignores the request for the rest (it answers 200 and not 206) starts the file anew. What has come
    before a failure stays in the file.

    Args:
        url: http or https.
        path: its folder exists.
        progress: called after each piece.

    Raises:
        DownloadError: the server cannot be reached, refuses or breaks off.
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
        raise DownloadError(f"{url}: the server answers {error.code} {error.reason}") from error
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
        raise DownloadError(f"{response.url} broke off after {done} of {total} bytes; the same command continues")


def _begin(response: HTTPResponse, have: int) -> int:
    """Where in the file the answer belongs."""
    if response.status == HTTPStatus.OK:
        return 0
    part = response.headers.get("Content-Range", "")
    if response.status == HTTPStatus.PARTIAL_CONTENT and part.startswith(f"bytes {have}-"):
        return have
    raise DownloadError(
        f'{response.url}: expected the bytes from {have} on, got an answer {response.status} with the range "{part}"'
    )


def _pieces(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            piece = response.read(_CHUNK)
        except (OSError, HTTPException) as error:
            raise DownloadError(f"{response.url} broke off ({error}); the same command continues") from error
        if not piece:
            return
        yield piece


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
