"""Who is let in to `dmod serve --http`: whoever has a token, or whoever a JupyterHub knows.

A `Door` names the user that a request is from. The hub's is in `dmod.gateway.hub`.
"""

from __future__ import annotations

from typing import Any, Protocol

from tornado import httputil, web

from dmod.gateway.tokens import Tokens, given_token

__all__ = ["Door", "TokenDoor"]


class Door(Protocol):
    """Names the user that a request is from."""

    async def user(self, handler: web.RequestHandler) -> str | None:
        """The name of the user; None for somebody who is not known, or has not said enough."""

    def handlers(self, base_url: str) -> list[tuple[Any, ...]]:
        """Further addresses that letting in needs, as tornado has them."""


class TokenDoor:
    """Lets in whoever has a token.

    Parameters
    ----------
    tokens : Tokens
        Those there are.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def user(self, handler: web.RequestHandler) -> str | None:
        """See `Door.user`. No cookie is looked at, so that no other page can ask in a user's name."""
        token = given_token(handler.request.headers.get("Authorization", "")) or _in_address(handler.request)
        return None if token is None else self._tokens.user(token)

    def handlers(self, _base_url: str) -> list[tuple[Any, ...]]:
        """None: a token is all there is."""
        return []


def _in_address(request: httputil.HTTPServerRequest) -> str | None:
    """The token in the address of a websocket; addresses of others are kept in histories and logs."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return None
    found = request.query_arguments.get("token")
    return found[-1].decode("utf-8", "replace") if found else None
