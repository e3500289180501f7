"""Access control of the HTTP server: only programs on this machine, with the token if one is set, and no foreign websites."""

import hmac
import re
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from titans_cli.encoding import well_formed

__all__ = ["BODY", "LOOPBACK_ORIGIN", "Guard", "error_response"]

BODY = 1_000_000
"""Most bytes of a request's body."""
DRAINED = 8 * BODY
"""Bytes of a too large body that are still read, so that the client reads the refusal before the connection closes."""
LOOPBACK_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?"
HOSTS = ("localhost", "127.0.0.1", "::1")


def error_response(status: int, message: str, code: str | None = None, field: str | None = None) -> JSONResponse:
    """An error in OpenAI's format that tells its clients not to retry."""
    kind = {401: "authentication_error", 403: "permission_error"}.get(status, "invalid_request_error" if status < 500 else "server_error")
    headers = {"x-should-retry": "false"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": {"message": well_formed(message), "type": kind, "param": field, "code": code}}, status, headers)


class Guard:
    """Refuses requests by their headers, before the body is read.

    A website can send requests to this machine, but it cannot hide its Origin. If its own name resolves to this machine (DNS rebinding),
    the Host header contains that name.
    """

    def __init__(self, app: ASGIApp, port: int, token: str | None, body: int):
        self.app = app
        self.port = port
        self.token = token
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refusal = self.refusal(scope)
        if refusal is None:
            whole = await self.read(scope, receive)
            if whole is not None:
                await self.app(scope, replayed(whole, receive), send)
                return
            refusal = (413, f"The request body is larger than {self.body:,} bytes.", "too_large")
        else:
            await drain(receive)
        await error_response(*refusal)(scope, receive, send)

    def refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """Status, message and code if the headers are refused, else None."""
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1 or not self.is_here(headers["host"]):
            return 403, f"Wrong Host header. Use http://127.0.0.1:{self.port}", "wrong_host"
        origins = headers.getlist("origin")
        if any(not re.fullmatch(LOOPBACK_ORIGIN, origin) for origin in origins):
            return 403, "Requests from other websites are not allowed.", "wrong_origin"
        if scope["method"] == "OPTIONS" and origins:
            return None  # what a browser asks before it sends the token
        if self.token is not None and not self.may(headers.getlist("authorization")):
            return 401, "Missing or wrong token. Send the header Authorization: Bearer TOKEN", "wrong_token"
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] == "POST" and kind != "application/json":
            return 415, "Send JSON with Content-Type: application/json", "wrong_content_type"
        return None

    def is_here(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            return parts.netloc == host and parts.username is None and parts.hostname in HOSTS and (parts.port or 80) == self.port
        except ValueError:
            return False

    def may(self, given: list[str]) -> bool:
        if len(given) != 1 or self.token is None:
            return False
        scheme, _, token = given[0].partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode("latin-1", "replace"), self.token.encode())

    async def read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body, or None if it is too large."""
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > self.body:
            await drain(receive)
            return None
        whole = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return bytes(whole)  # the client has left
            whole += message.get("body", b"")
            more = message.get("more_body", False)
            if len(whole) > self.body:
                if more:
                    await drain(receive)
                return None
            if not more:
                return bytes(whole)


async def drain(receive: Receive) -> None:
    """Read and drop the rest of the body, up to a limit."""
    size = 0
    while size < DRAINED:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


def replayed(whole: bytes, receive: Receive) -> Receive:
    """A ``receive`` that returns a body that was already read."""
    first: list[dict[str, Any]] = [{"type": "http.request", "body": whole, "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again
