"""Who is let in to `dmod serve --http --hub`: users of the JupyterHub that manages it.

A user comes with a token of the hub, or with the hub's login in a browser; the hub says who
that is, and whether they may reach the service. Everything else is the hub's own library.
"""

from __future__ import annotations

import os
from html import escape
from typing import Any
from urllib.parse import urlsplit

from tornado import web

from dmod.errors import InputError
from dmod.gateway.routes import PREFIX
from dmod.gateway.server import Listening

__all__ = ["HubDoor", "hub_listening"]

#: How long an answer of the hub is believed [s].
_BELIEVED_S = 60


class HubDoor:
    """Lets in whom a JupyterHub knows.

    Raises
    ------
    InputError
        If no hub has started this process, or its library is not installed.
    """

    def __init__(self) -> None:
        try:
            from jupyterhub.services.auth import HubOAuth
        except ImportError as problem:
            raise InputError(
                "--hub needs JupyterHub's library", missing=problem.name, hint="run `pip install 'dmod[hub]'`"
            ) from None
        if not os.environ.get("JUPYTERHUB_API_TOKEN"):
            raise _no_hub("JUPYTERHUB_API_TOKEN")
        self._auth: Any = HubOAuth(cache_max_age=_BELIEVED_S)
        if not self._auth.access_scopes:
            raise _no_hub("JUPYTERHUB_OAUTH_ACCESS_SCOPES")

    async def user(self, handler: web.RequestHandler) -> str | None:
        """See `dmod.gateway.door.Door.user`; a cookie counts only with the hub's XSRF token."""
        model = await self._auth.get_user(handler, sync=False)
        if not model or not self._auth.check_scopes(self._auth.access_scopes, model):
            return None
        name = str(model["name"])
        return name if model.get("kind", "user") == "user" else f"service:{name}"

    def handlers(self, base_url: str) -> list[tuple[Any, ...]]:
        """Where a browser logs in, and what it sees first."""
        from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated

        auth = self._auth

        class Home(HubOAuthenticated, web.RequestHandler):  # type: ignore[misc]
            """What a browser sees first."""

            hub_auth = auth

            @web.authenticated
            def get(self) -> None:
                """Say who is logged in, and leave the cookie that changes will need."""
                name, _ = escape(str(self.current_user["name"])), self.xsrf_token
                self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
                self.finish(
                    f"<!doctype html><title>dmod</title><p>dmod conducts the jobs of {name}: "
                    f'<a href="{PREFIX}/jobs">jobs</a>, <a href="{PREFIX}/openapi.json">what can be asked</a>.'
                )

        class Callback(HubOAuthCallbackHandler):  # type: ignore[misc]
            """Where the hub sends a browser back to."""

            hub_auth = auth

        return [(base_url, Home), (f"{base_url}oauth_callback", Callback)]


def hub_listening(root: str) -> Listening:
    """Where the hub expects its service to listen.

    Raises
    ------
    InputError
        If no hub has started this process.
    """
    url, prefix = (os.environ.get(f"JUPYTERHUB_SERVICE_{name}", "") for name in ("URL", "PREFIX"))
    parts = urlsplit(url)
    if not (parts.hostname and parts.port and prefix):
        raise _no_hub("JUPYTERHUB_SERVICE_URL, JUPYTERHUB_SERVICE_PREFIX")
    return Listening(parts.hostname, parts.port, f"/{prefix.strip('/')}/", root)


def _no_hub(missing: str) -> InputError:
    """What is said where no hub is there."""
    return InputError(
        "no JupyterHub has started this", missing=missing,
        hint="name it in c.JupyterHub.services, with a url; or leave --hub out",
    )  # fmt: skip
