"""HTTP server of the dashboard."""

from __future__ import annotations

import errno
import getpass
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn

from potentials.dashboard.reading.folder import Folder
from potentials.dashboard.security import is_loopback, names_of
from potentials.dashboard.server import Dashboard, application
from potentials.errors import DashboardError

USUAL_PORT = 8765


def serve(path: Path, host: str, port: int | None, public: bool, say: Callable[[str], None]) -> None:
    """Serve the dashboard of a folder until interrupted.

    Args:
        path: the folder.
        host: address to listen on.
        port: port to listen on; by default the usual one, or a free one if that is in use.
        public: whether other machines may connect.
        say: called with the address when the server listens.

    Raises:
        DashboardError: the path is a file, other machines could connect although `public` is not set, or the server
        cannot
            listen on the address.
    """
    if path.exists() and not path.is_dir():
        raise DashboardError(f"{path} is a file; expected a folder of runs, such as runs/")
    if not is_loopback(host) and not public:
        raise DashboardError(
            f"--host {host}: everyone who can reach this machine could then read the runs without a password. "
            "To view them from elsewhere, remove --host and forward the port with ssh (docs/dashboard.md); "
            "if this is intended, add --public"
        )
    folder = Folder(path)
    listening = _listen(host, port)
    address = _address(host, listening.getsockname()[1])
    say(_greeting(folder, address, listening.getsockname()[1], host))
    with listening:
        answer(folder, listening, host)


def answer(folder: Folder, listening: socket.socket, host: str) -> None:
    """Answer requests until interrupted."""
    dashboard = Dashboard(folder)
    threading.Thread(target=dashboard.prepare, daemon=True).start()
    config = uvicorn.Config(
        application(dashboard, names_of(host), addresses=not is_loopback(host)),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    wanted = USUAL_PORT if port is None else port
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise DashboardError(f"--host {host}: expected an address or the name of this machine ({error})") from error
    try:
        return _bound(family, host, wanted)
    except OSError as error:
        if port is None and error.errno == errno.EADDRINUSE:
            return _bound(family, host, 0)
        why = error.strerror or error
        raise DashboardError(f"cannot listen at {_address(host, wanted)}: {why}; give another --port") from error


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(64)
    except OSError:
        listening.close()
        raise
    return listening


def _address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _greeting(folder: Folder, address: str, port: int, host: str) -> str:
    there = "" if folder.path.is_dir() else " (does not exist yet; runs appear on the page when they start)"
    lines = [f"runs in {folder.path}{there}", f"open {address}"]
    if is_loopback(host):
        machine = f"{getpass.getuser()}@{socket.gethostname()}"
        at = f"[{host}]" if ":" in host else host
        lines.append(
            f"from another computer: ssh -N -L {port}:{at}:{port} {machine}, then open http://localhost:{port} there"
        )
    else:
        lines.append("everyone who can reach this machine can read these runs")
    return "\n".join([*lines, "press Ctrl-C to stop"])
