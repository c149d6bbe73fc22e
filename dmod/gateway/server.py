"""``dmod serve --http``: the gateway's routes for several users, each of whom sees their own jobs.

tornado and nothing else. Who asks is found out by a `dmod.gateway.door.Door`; what they may
see, by the service that acts for them. Jobs are conducted here, by the account that runs this.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado import web
from tornado.httpserver import HTTPServer

from dmod.errors import DmodError, InputError
from dmod.gateway.asker import Asker
from dmod.gateway.door import Door
from dmod.gateway.hosting import Hosting
from dmod.gateway.routes import MOST_BYTES, PREFIX, Route, failure
from dmod.gateway.web import Answering, Streaming, cursor_of, urls
from dmod.service import LocalService

__all__ = ["Listening", "application", "serve_http"]

log = logging.getLogger("dmod.gateway")


@dataclass(frozen=True)
class Listening:
    """Where a server listens, and what it shows."""

    #: Address and port of this machine; port 0 for any that is free.
    ip: str = "127.0.0.1"
    port: int = 8787
    #: What comes before ``dmod/api``; begins and ends with a slash.
    base_url: str = "/"
    #: The directory that run directories are in; ``{user}`` in it stands for the name of whoever asks.
    root: str = "."

    def root_of(self, user: str) -> Path:
        """The directory of one user.

        Raises
        ------
        InputError
            If the name of the user would lead elsewhere.
        """
        if "{user}" in self.root and (user in ("", ".", "..") or "/" in user or "\0" in user):
            raise InputError(f"there is no directory for a user {user!r}", hint="ask whoever runs this server")
        return Path(self.root.replace("{user}", user)).expanduser().absolute()


class _Known(web.RequestHandler):
    """A request by somebody; nothing is answered before it is known by whom."""

    user_name: str

    def initialize(self, hosting: Hosting, door: Door, listening: Listening, **more: Any) -> None:
        """Keep what is needed to answer."""
        self.hosting, self.door, self.listening = hosting, door, listening
        self.routes: Mapping[str, Route] = more.get("routes", {})

    async def prepare(self) -> None:
        """Find out who asks."""
        name = await self.door.user(self)
        if name is None:
            said = "Authorization" in self.request.headers or "Cookie" in self.request.headers
            raise web.HTTPError(403 if said else 401)
        self.user_name = name

    def service(self) -> LocalService:
        """The service, acting for whoever asks; called in a thread."""
        return self.hosting.acting_for(self.user_name)

    def write_error(self, status_code: int, **_more: Any) -> None:
        """What is wrong, in the words of every other error."""
        told = _ERRORS.get(status_code, _ERRORS[500])
        self.set_header("Content-Type", "application/json")
        self.finish(failure(told).body)

    def set_default_headers(self) -> None:
        """Nothing that is answered is a page."""
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Server", "dmod")


_ERRORS: dict[int, DmodError] = {
    401: InputError("who asks?", needed="a header `Authorization: token TOKEN`", hint="see `dmod serve --help`"),
    403: InputError(
        "you are not known here, or not any more", hint="look at your token, or log in again; changes need X-XSRFToken"
    ),
    404: InputError("there is nothing at this address", hint=f"{PREFIX}/openapi.json lists those there are"),
    405: InputError("that cannot be done at this address", hint=f"{PREFIX}/openapi.json lists what can"),
    500: DmodError("this is a fault of dmod", hint="the log of the server says more"),
}


class _RouteHandler(_Known, Answering):
    """Answers the questions of one address."""

    def asker(self) -> Callable[[], Asker]:
        """Whoever was let in."""
        name = self.user_name
        return lambda: Asker(self.hosting.acting_for(name), self.listening.root_of(name))

    async def get(self, **names: str) -> None:
        """Answer a question."""
        await self.answer("GET", names)

    async def post(self, **names: str) -> None:
        """Do something."""
        await self.answer("POST", names)

    async def delete(self, **names: str) -> None:
        """Remove something."""
        await self.answer("DELETE", names)


class _StreamHandler(_Known, Streaming):
    """Tells what happens."""

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the websocket."""
        try:
            cursor_of(self.request)
        except InputError as problem:
            raise web.HTTPError(400, problem.headline) from None
        await super().get(*args, **kwargs)

    def open(self, *_args: str, **_kwargs: str) -> None:
        """Begin to tell."""
        self.listen(self.service, cursor_of(self.request))


class _NothingHandler(_Known):
    """Says that there is nothing, to those who are known."""

    def get(self, *_: str) -> None:
        """Say so."""
        raise web.HTTPError(404)

    post = delete = put = patch = get


def application(hosting: Hosting, door: Door, listening: Listening) -> web.Application:
    """All addresses of the server, as tornado has them."""
    base = listening.base_url.rstrip("/")
    given: dict[str, Any] = {"hosting": hosting, "door": door, "listening": listening}
    return web.Application(
        [
            *[(base + pattern, _RouteHandler, {**given, "routes": routes}) for pattern, routes in urls()],
            (f"{base}/{PREFIX}/stream", _StreamHandler, given),
            *door.handlers(f"{base}/"),
            (r"/.*", _NothingHandler, given),
        ],
        cookie_secret=secrets.token_bytes(32),
        websocket_ping_interval=30,
        websocket_max_message_size=2**16,
        log_function=_log,
    )


def serve_http(
    hosting: Hosting,
    door: Door,
    listening: Listening,
    *,
    say: Callable[[str], None] = lambda _text: None,
    stopped: threading.Event | None = None,
) -> None:
    """Answer and conduct until a signal, or *stopped*, ends it.

    Parameters
    ----------
    hosting : Hosting
        What is served; stopped at the end.
    door : Door
        Who is let in.
    listening : Listening
        Where.
    say : callable
        Told what people may want to read, the address first.
    stopped : Event, optional
        Ends it when set; SIGINT and SIGTERM do otherwise.

    Raises
    ------
    InputError
        If nobody can listen there.
    """
    asyncio.run(_serve(hosting, door, listening, say, stopped))


async def _serve(
    hosting: Hosting, door: Door, listening: Listening, say: Callable[[str], None], stopped: threading.Event | None
) -> None:
    """The life of the server."""
    from tornado.netutil import bind_sockets

    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    try:
        sockets = bind_sockets(listening.port, listening.ip)
    except OSError as problem:
        raise InputError(
            "nobody can listen there", address=f"{listening.ip}:{listening.port}", reason=problem.strerror or problem,
            hint="choose another --port, or 0 for any that is free",
        ) from None  # fmt: skip
    server = HTTPServer(application(hosting, door, listening), max_buffer_size=2 * MOST_BYTES, max_body_size=MOST_BYTES)
    server.add_sockets(sockets)
    if stopped is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
    hosting.start()
    port = sockets[0].getsockname()[1]
    say(f"http://{listening.ip}:{port}{listening.base_url} answers; Ctrl-C stops")
    try:
        while not (ended.is_set() or (stopped is not None and stopped.is_set())):
            try:
                await asyncio.wait_for(ended.wait(), None if stopped is None else 0.1)
            except TimeoutError:
                continue
    finally:
        server.stop()
        await loop.run_in_executor(None, hosting.stop)
        await server.close_all_connections()
        say("stopped; jobs under way go on when somebody conducts again")


def _log(handler: web.RequestHandler) -> None:
    """One line for each request, without what follows the question mark: it may hold a token."""
    request = handler.request
    log.info("%d %s %s %.0f ms", handler.get_status(), request.method, request.path, 1000 * request.request_time())
