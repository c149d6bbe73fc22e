"""What both web servers share: a question answered in a thread, and a listener at a websocket.

The loop of the server is never made to wait: answers are made, and written as JSON, in
threads of `dmod.gateway.hosting.Hosting`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tornado import httputil, web, websocket

from dmod.errors import DmodError, InputError
from dmod.gateway.asker import Asker
from dmod.gateway.hosting import Hosting
from dmod.gateway.routes import PREFIX, ROUTES, Reply, Route, failure, pattern_of, respond
from dmod.gateway.stream import Listener
from dmod.service import LocalService

__all__ = ["Answering", "Streaming", "cursor_of", "questions", "urls"]

_MOST_ASKED = 10_000


def urls() -> list[tuple[str, dict[str, Route]]]:
    """Pattern of each address below the base URL, and what can be asked there by method."""
    found: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        found.setdefault(f"/{PREFIX}/{pattern_of(route.path)}", {})[route.method] = route
    return list(found.items())


def questions(request: httputil.HTTPServerRequest) -> dict[str, str]:
    """What stands after the question mark; the last of each name."""
    return {name: values[-1].decode("utf-8", "replace") for name, values in request.query_arguments.items() if values}


def cursor_of(request: httputil.HTTPServerRequest) -> int | None:
    """Where a stream is to go on.

    Raises
    ------
    InputError
        If it is no number.
    """
    text = questions(request).get("cursor", "")
    if text and not (text.isascii() and text.isdigit()):
        raise InputError("cursor: not what is needed", has=repr(text)[:100], needed="a whole number from 0")
    return int(text) if text else None


class Answering(web.RequestHandler):
    """Answers the questions of one address."""

    hosting: Hosting
    routes: Mapping[str, Route]

    def asker(self) -> Callable[[], Asker]:
        """What finds out who asks, in a thread."""
        raise NotImplementedError

    async def answer(self, method: str, names: Mapping[str, str]) -> None:
        """Answer a question by somebody who is known."""
        route = self.routes.get(method)
        if route is None:
            raise web.HTTPError(405)
        asker, query, body = self.asker(), questions(self.request), self.request.body

        def act() -> Reply:
            try:
                found = asker()
            except DmodError as problem:
                return failure(problem)
            return respond(route, found, names, query, body)

        threads = self.hosting.patient if route.takes_long else self.hosting.threads
        reply = await asyncio.get_running_loop().run_in_executor(threads, act)
        self.set_status(reply.status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(reply.body)


class Streaming(websocket.WebSocketHandler):
    """Tells what happens, to somebody who is known."""

    hosting: Hosting
    _listener: Listener | None = None

    _gone: bool = False

    def listen(self, service: Callable[[], LocalService], cursor: int | None) -> None:
        """Begin to tell, when the service is there."""
        loop = asyncio.get_running_loop()

        def send(text: str) -> None:
            loop.call_soon_threadsafe(self._write, text)

        def join() -> None:
            self._listener = listener = Listener(service(), send, cursor)
            self.hosting.watch.join(listener)
            if self._gone:
                self.hosting.watch.leave(listener)

        self.hosting.threads.submit(join)

    def _write(self, text: str) -> None:
        """Send a message; the next is made when this one is on its way."""
        listener = self._listener
        if listener is None:
            return
        try:
            sent = asyncio.ensure_future(self.write_message(text))
        except websocket.WebSocketClosedError:
            self.hosting.watch.leave(listener)
            return
        sent.add_done_callback(partial(_sent, listener))

    def on_message(self, message: str | bytes) -> None:
        """Take what the other side asks."""
        if self._listener is not None and len(message) <= _MOST_ASKED:
            self._listener.ask(message)
            self.hosting.watch.wake()

    def on_close(self) -> None:
        """Tell no more."""
        self._gone = True
        if self._listener is not None:
            self.hosting.watch.leave(self._listener)

    def get_compression_options(self) -> dict[str, Any]:
        """A thousand jobs are half a megabyte, and much alike."""
        return {}


def _sent(listener: Listener, done: asyncio.Future[None]) -> None:
    """A message is on its way, or nobody is there to take it."""
    if not done.cancelled():
        done.exception()
    listener.taken()
