"""The gateway's addresses in a Jupyter server whose jobs are elsewhere: every question is passed on.

Where ``DMOD_URL`` names a service, as a hub may set it for all its users, the panel shows
the jobs there. Who may ask is still Jupyter's to say; who that is there, the token's.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from jupyter_server.auth.decorator import authorized, ws_authenticated
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.utils import ensure_async
from tornado import web, websocket
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from dmod.errors import ServiceError
from dmod.gateway.routes import PREFIX, Reply, failure

__all__ = ["PassingHandler", "PassingStream"]

_RESOURCE = "dmod"
_ANSWER_S = 60.0


class PassingHandler(APIHandler):
    """Passes questions on."""

    auth_resource = _RESOURCE

    def initialize(self, url: str, token: str | None) -> None:
        """Keep where to."""
        self.there, self.headers_there = url, _headers(token)

    async def _pass_on(self, path: str) -> None:
        """Ask there, and give the answer."""
        query = self.request.query
        request = HTTPRequest(
            f"{self.there}/{PREFIX}/{path}{f'?{query}' if query else ''}", method=str(self.request.method),
            body=self.request.body if self.request.method == "POST" else None, headers=self.headers_there,
            request_timeout=_ANSWER_S, follow_redirects=False,
        )  # fmt: skip
        try:
            found = await AsyncHTTPClient().fetch(request, raise_error=False)
            reply = Reply(found.code, found.body)
        except (OSError, HTTPClientError) as problem:
            reply = failure(
                ServiceError("the service does not answer", service=self.there, reason=problem, hint="is it running?")
            )
        if reply.status == 599 or 300 <= reply.status < 400:
            reply = failure(ServiceError("the service does not answer as one", service=self.there))
        self.set_status(reply.status)
        self.finish(reply.body)

    @web.authenticated
    @authorized
    async def get(self, path: str) -> None:
        """Pass a question on."""
        await self._pass_on(path)

    @web.authenticated
    @authorized
    async def post(self, path: str) -> None:
        """Have something done there."""
        await self._pass_on(path)

    @web.authenticated
    @authorized
    async def delete(self, path: str) -> None:
        """Have something removed there."""
        await self._pass_on(path)


class PassingStream(WebSocketMixin, websocket.WebSocketHandler, JupyterHandler):
    """Passes on what is told, and what is asked of whoever tells it."""

    auth_resource = _RESOURCE
    _line: websocket.WebSocketClientConnection | None = None

    def initialize(self, url: str, token: str | None) -> None:
        """Keep where to."""
        self.there, self.headers_there = url, _headers(token)

    def set_default_headers(self) -> None:
        """None: a websocket has no use for those of a page."""

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open both websockets for somebody who may read."""
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, "read", _RESOURCE)):
            raise web.HTTPError(403)
        cursor = self.get_query_argument("cursor", "")
        address = (
            f"ws{self.there.removeprefix('http')}/{PREFIX}/stream{f'?cursor={cursor}' if cursor.isdigit() else ''}"
        )
        try:
            request = HTTPRequest(address, headers=self.headers_there, request_timeout=_ANSWER_S)
            self._line = await websocket.websocket_connect(request, compression_options={})
        except HTTPClientError as problem:
            raise web.HTTPError(problem.code if problem.code < 500 else 502) from None
        except OSError:
            raise web.HTTPError(502, "the service does not answer") from None
        await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Begin to pass on."""
        super().open(*args, **kwargs)
        self._passing = asyncio.ensure_future(self._pass_on())

    async def _pass_on(self) -> None:
        """Until one of both sides has enough."""
        line = self._line
        with contextlib.suppress(websocket.WebSocketClosedError):
            while line is not None and (text := await line.read_message()) is not None:
                await self.write_message(text)
        self.close()

    async def on_message(self, message: str | bytes) -> None:
        """Pass on what is asked."""
        if self._line is not None:
            with contextlib.suppress(websocket.WebSocketClosedError):
                await self._line.write_message(message)

    def on_close(self) -> None:
        """End the other side too."""
        if self._line is not None:
            self._line.close()
        super().on_close()


def _headers(token: str | None) -> dict[str, str]:
    """What says who asks there."""
    return {"Authorization": f"token {token}"} if token else {}
