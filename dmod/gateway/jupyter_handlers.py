"""The gateway's addresses in a Jupyter server: who asks is whoever that server has let in.

Authentication, authorisation for the resource ``dmod``, XSRF and the base URL are Jupyter's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized, ws_authenticated
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.utils import ensure_async
from tornado import web

from dmod.errors import InputError
from dmod.gateway.asker import Asker
from dmod.gateway.hosting import Hosting
from dmod.gateway.routes import Route
from dmod.gateway.web import Answering, Streaming, cursor_of

__all__ = ["RouteHandler", "StreamHandler"]

_RESOURCE = "dmod"


class RouteHandler(APIHandler, Answering):
    """Answers the questions of one address."""

    auth_resource = _RESOURCE

    def initialize(self, hosting: Hosting, root: Path, routes: Mapping[str, Route]) -> None:
        """Keep what is needed to answer."""
        self.hosting, self.root, self.routes = hosting, root, routes

    def asker(self) -> Callable[[], Asker]:
        """The owner of the server: nobody else is let in to it."""
        return lambda: Asker(self.hosting.service, self.root)

    def update_api_activity(self) -> None:
        """Have the server count as in use where something is done; looking on does not keep it alive."""
        if self.request.method != "GET":
            super().update_api_activity()

    @web.authenticated
    @authorized
    async def get(self, **names: str) -> None:
        """Answer a question."""
        await self.answer("GET", names)

    @web.authenticated
    @authorized
    async def post(self, **names: str) -> None:
        """Do something."""
        await self.answer("POST", names)

    @web.authenticated
    @authorized
    async def delete(self, **names: str) -> None:
        """Remove something."""
        await self.answer("DELETE", names)


class StreamHandler(WebSocketMixin, Streaming, JupyterHandler):
    """Tells what happens."""

    auth_resource = _RESOURCE

    def initialize(self, hosting: Hosting) -> None:
        """Keep what is needed to tell."""
        self.hosting = hosting

    def set_default_headers(self) -> None:
        """None: a websocket has no use for those of a page."""

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the websocket for somebody who may read."""
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, "read", _RESOURCE)):
            raise web.HTTPError(403)
        try:
            cursor_of(self.request)
        except InputError as problem:
            raise web.HTTPError(400, problem.headline) from None
        await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Begin to tell."""
        super().open(*args, **kwargs)
        self.listen(lambda: self.hosting.service, cursor_of(self.request))

    def on_close(self) -> None:
        """Tell no more."""
        Streaming.on_close(self)
        super().on_close()
