"""The extension of the Jupyter server: the gateway's routes with Jupyter's own authentication, and a conductor.

Found by the server as the extension ``dmod.gateway.jupyter``; configured as ``c.Dmod``. A job
that a notebook or the panel has asked for goes on here when kernel and browser are gone.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Int

from dmod.gateway.asking_http import token_there
from dmod.gateway.hosting import Hosting
from dmod.gateway.jupyter_handlers import RouteHandler, StreamHandler
from dmod.gateway.jupyter_passing import PassingHandler, PassingStream
from dmod.gateway.routes import PREFIX
from dmod.gateway.web import urls
from dmod.settings import read_settings

__all__ = ["Dmod"]


class Dmod(ExtensionApp):
    """Runs NextGen models in the background, and shows them in JupyterLab."""

    name = "dmod"
    load_other_extensions = True

    conduct = Bool(True, help="Whether this server conducts jobs; False where a `dmod serve` does.").tag(config=True)
    cores = Int(None, allow_none=True, help="Cores of this machine to give to jobs; None for all.").tag(config=True)

    hosting: Hosting | None = None

    def initialize_settings(self) -> None:
        """Find out where jobs are; where they are here, open what lives as long as the server."""
        self._settings = read_settings(self._root)
        if self._settings.url is None:
            self.hosting = Hosting(self._settings, cores=self.cores, conducts=self.conduct, only_own=True)

    def initialize_handlers(self) -> None:
        """One handler for each address, below the base URL of the server."""
        if self.hosting is None:
            there = {"url": str(self._settings.url).rstrip("/"), "token": token_there()}
            self.handlers.append((f"/{PREFIX}/stream", PassingStream, there))
            self.handlers.append((f"/{PREFIX}/(.+)", PassingHandler, there))
            return
        given: dict[str, Any] = {"hosting": self.hosting, "root": self._root}
        self.handlers.extend([(pattern, RouteHandler, {**given, "routes": routes}) for pattern, routes in urls()])
        self.handlers.append((f"/{PREFIX}/stream", StreamHandler, {"hosting": self.hosting}))
        self.hosting.start()

    def current_activity(self) -> dict[str, Any] | None:
        """Jobs that are conducted here, so that a server which is busy is not taken for idle."""
        return None if self.hosting is None else self.hosting.activity()

    async def stop_extension(self) -> None:
        """Let go of jobs under way; others, or the next server, take them up."""
        if self.hosting is not None:
            await asyncio.get_running_loop().run_in_executor(None, partial(self.hosting.stop))
            self.hosting = None

    @property
    def _root(self) -> Path:
        """The directory that the server shows."""
        assert self.serverapp is not None
        return Path(self.serverapp.root_dir).expanduser()


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Where the Jupyter server finds the extension."""
    return [{"module": "dmod.gateway.jupyter", "app": Dmod}]
