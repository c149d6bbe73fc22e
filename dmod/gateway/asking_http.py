"""One HTTP line to a gateway: questions as JSON, answers as JSON, errors as the errors they were there.

Only the standard library. A token goes to the address it was given for and nowhere else:
redirections are not followed.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from dmod.errors import DmodError, InputError, ServiceError, from_facts
from dmod.gateway.routes import PREFIX

__all__ = ["Line", "token_there"]

#: How long an answer may take, and how long a question is asked again that nobody hears [s].
_ANSWER_S, _PATIENCE_S = 60.0, 10.0
#: What a browser shows of a Jupyter server, below its base URL.
_PAGES = re.compile(r"/(?:lab|tree|notebooks|doc|consoles|edit)(?:/.*)?$")
_HERE = ("localhost", "127.0.0.1", "::1")


class _Stay(HTTPRedirectHandler):
    """Follows nobody."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nowhere else."""


class Line:
    """A line to a gateway.

    Parameters
    ----------
    url : str
        Base URL of the server; the address in a browser's bar does too, with its token.
    token : str, optional
        Who asks.

    Raises
    ------
    InputError
        If it is no URL.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{url!r} is no address of a service", needed="such as http://127.0.0.1:8787")
        if parts.username or parts.password:
            raise InputError("the address of a service holds no name or password", hint="pass token=")
        #: Where it leads, without a token.
        self.url = f"{parts.scheme}://{parts.netloc}{_PAGES.sub('', parts.path).rstrip('/')}"
        self._token = token or next(iter(parse_qs(parts.query).get("token", [])), None)
        direct = [ProxyHandler({})] if parts.hostname in _HERE else []
        self._opener: OpenerDirector = build_opener(_Stay, *direct)

    def get(self, *path: str, **query: object) -> dict[str, Any]:
        """Ask; again for a while, where nobody hears."""
        asked = urlencode({name: value for name, value in query.items() if value != ""})
        place = "/".join(quote(part, safe="") for part in path)
        until, pause_s = time.monotonic() + _PATIENCE_S, 0.2
        while True:
            try:
                return self._ask("GET", f"{place}?{asked}" if asked else place, None)
            except ServiceError:
                if time.monotonic() + pause_s > until:
                    raise
            time.sleep(pause_s)
            pause_s *= 2

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Have something done; once."""
        return self._ask("POST", path, json.dumps(body or {}).encode())

    def delete(self, path: str) -> dict[str, Any]:
        """Have something removed; once."""
        return self._ask("DELETE", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        """One question, one answer."""
        headers = {"Accept": "application/json", **({"Content-Type": "application/json"} if body is not None else {})}
        if self._token:
            headers["Authorization"] = f"token {self._token}"
        request = Request(f"{self.url}/{PREFIX}/{path}", body, headers, method=method)
        try:
            with self._opener.open(request, timeout=_ANSWER_S) as answer:
                text = answer.read()
        except HTTPError as refused:
            with refused:
                raise self._refusal(refused.code, refused.read()) from None
        except (URLError, OSError, HTTPException) as problem:
            reason = getattr(problem, "reason", problem)
            raise ServiceError(
                "the service does not answer", service=self.url, reason=reason,
                hint="is it running, and is the address right?",
            ) from problem  # fmt: skip
        if not isinstance(told := _parsed(text), dict):
            raise self._no_gateway()
        return told

    def _refusal(self, status: int, text: bytes) -> DmodError:
        """What the service would not do, as the error that it was there."""
        told = _parsed(text)
        if isinstance(told, dict) and "error" in told and status not in (401, 403):
            return from_facts({**told, "headline": told["error"], "facts": told.get("facts", {})})
        if status in (401, 403):
            said = "a token that it does not know" if self._token else "no token"
            return InputError(
                "the service does not let you in", service=self.url, has=said,
                hint="pass token=, or set DMOD_TOKEN; whoever runs it gives you one",
            )  # fmt: skip
        if status in (502, 503, 504):
            return ServiceError("the service does not answer", service=self.url, reason=f"HTTP status {status}")
        return self._no_gateway(status)

    def _no_gateway(self, status: int = 200) -> InputError:
        """What is said of a server of something else."""
        return InputError(
            "there is no dmod at this address", service=self.url, status=status,
            hint="give the base URL of a Jupyter server with dmod, or of `dmod serve --http`",
        )  # fmt: skip


def token_there() -> str | None:
    """What lets us in at ``DMOD_URL``: a hub that sets it means the token it gives. A file gets no token sent."""
    given = os.environ.get("DMOD_TOKEN") or os.environ.get("JUPYTERHUB_API_TOKEN")
    return given if os.environ.get("DMOD_URL") else None


def _parsed(text: bytes) -> Any:
    """JSON; None where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
