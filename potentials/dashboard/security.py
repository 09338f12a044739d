"""Access control of requests, and security headers of responses."""

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
"""Policy of our own page. Inline styles are allowed, because plotly uses them."""
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; worker-src blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Policy of reports: their scripts run in an opaque origin and cannot send requests."""
FILE_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
"""Policy of other files of runs."""
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
    """Accepts GET and HEAD requests to the names of this server, and adds missing security headers to responses.

    A page of another site can make its own name resolve to 127.0.0.1 and then send requests to this server (DNS
    rebinding). Such requests have that name in `Host` and are refused.

    Args:
        app: the protected application.
        names: names of this server that are accepted in `Host`, without a port.
        addresses: whether every IP address is accepted; a site cannot use an address for DNS rebinding.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], addresses: bool = False) -> None:
        self.app = app
        self.names = {name.lower() for name in names}
        self.addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
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
    """Return whether a host name is an IP address; IPv6 in brackets."""
    try:
        ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server at this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_of(host: str) -> set[str]:
    """Return the names that requests may use for a server at `host`."""
    if is_loopback(host):
        return {*LOCAL_NAMES, f"[{host}]" if ":" in host else host}
    return {*LOCAL_NAMES, host, socket.gethostname(), socket.getfqdn()}
