"""Who may ask, and what browsers may do with the answers."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of our own page. Styles may stand in it, as plotly writes them so."""
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; worker-src blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Of reports: their own scripts run, as of no site at all, and can ask for nothing."""
FILE_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
"""Of other files of runs."""
_HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets GET and HEAD through that name this server, and adds the headers above where an answer has none.

    A page of another site can have its own name resolve to 127.0.0.1 and then ask as if it were this server; its
    requests carry that name as `Host`, and are refused.

    Args:
        app: what is guarded.
        names: of this server, as they may stand in `Host`, without a port.
        addresses: whether every IP address will do too; an address cannot be made to point here.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], addresses: bool = False) -> None:
        self.app = app
        self.names = {name.lower() for name in names}
        self.addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        app = self.app
        host = Headers(scope=scope).get("host", "")
        if scope["method"] not in ("GET", "HEAD"):
            app = PlainTextResponse("this page is read-only", status_code=405, headers={"allow": "GET, HEAD"})
        elif not self._is_ours(host):
            app = PlainTextResponse("unknown host name; open the address that the server printed", status_code=400)
        await app(scope, receive, send_guarded)

    def _is_ours(self, host: str) -> bool:
        name = host.lower()
        if not name.endswith("]"):  # an IPv6 address without port
            before, colon, port = name.rpartition(":")
            if colon and port.isascii() and port.isdigit():
                name = before
        return name in self.names or (self.addresses and is_address(name))


def is_address(name: str) -> bool:
    """Whether it is an IP address; IPv6 in brackets."""
    try:
        ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_of(host: str) -> set[str]:
    """What a server that listens at `host` may be called in requests."""
    if is_loopback(host):
        return {*LOCAL_NAMES, f"[{host}]" if ":" in host else host}
    return {*LOCAL_NAMES, host, socket.gethostname(), socket.getfqdn()}
