"""Who may ask, where everybody has a token: a file of names and tokens, or one token for one user.

A token is looked for in constant time. It is read from the ``Authorization`` header; a
websocket of a browser, which cannot send one, may have it in its address.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dmod.errors import InputError

__all__ = ["Tokens", "given_token", "own_token", "read_tokens"]

_HEADER = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_LEAST = 16


@dataclass(frozen=True, repr=False)
class Tokens:
    """Digests of tokens, by user."""

    _digests: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"Tokens({', '.join(sorted(self._digests))})"

    def user(self, token: str) -> str | None:
        """Whose token this is; None for nobody's."""
        given = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        found = None
        for user, digest in self._digests.items():
            if hmac.compare_digest(given, digest):
                found = user
        return found


def given_token(header: str) -> str | None:
    """The token of an ``Authorization`` header; None where it has none.

    Examples
    --------
    >>> given_token("token abc")
    'abc'
    """
    found = _HEADER.fullmatch(header)
    return None if found is None else found[1]


def read_tokens(path: Path) -> Tokens:
    """Read a file of users and tokens, ``ann = "…"`` or ``ann = "sha256:…"``, one line each.

    Parameters
    ----------
    path : Path
        TOML; nobody but its owner may read it.

    Returns
    -------
    Tokens

    Raises
    ------
    InputError
        If it cannot be read, others may read it, or what it holds is no token.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise InputError("others may read the file of tokens", file=path, hint=f"run `chmod 600 {path}`")
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise InputError("the file of tokens cannot be read", file=path, reason=problem) from None
    if not given:
        raise InputError("the file of tokens names nobody", file=path, needed='lines such as ann = "…"')
    digests = {}
    for user, token in given.items():
        if not isinstance(token, str) or len(token) < _LEAST:
            raise InputError(
                f"the token of {user} is none", needed=f"a text of {_LEAST} characters at least", file=path,
                hint="make one with `openssl rand -hex 32`",
            )  # fmt: skip
        kept = _DIGEST.fullmatch(token)
        digests[user] = bytes.fromhex(kept[1]) if kept else hashlib.sha256(token.encode()).digest()
    return Tokens(digests)


def own_token(owner: str, home: Path) -> tuple[Tokens, Path | None]:
    """The token of the one user that a server is for: from ``DMOD_TOKEN``, or a file in *home*, made if need be.

    Parameters
    ----------
    owner : str
        The user.
    home : Path
        Where the file is.

    Returns
    -------
    (Tokens, Path or None)
        And the file; None where the environment has the token.

    Raises
    ------
    InputError
        If the file cannot be read or made, or the token is too short.
    """
    file = None
    if (token := os.environ.get("DMOD_TOKEN", "")) == "":
        file = home / "token"
        try:
            home.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
                    opened.write(secrets.token_hex(32) + "\n")
            token = file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as problem:
            raise InputError("the token cannot be kept", file=file, reason=problem, hint="set DMOD_TOKEN") from None
    if len(token) < _LEAST:
        raise InputError("the token is too short", needed=f"{_LEAST} characters at least", hint="make a longer one")
    return Tokens({owner: hashlib.sha256(token.encode()).digest()}), file
