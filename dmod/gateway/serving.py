"""``dmod serve --http`` put together: who is let in, where it listens, what it serves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dmod.gateway.door import Door, TokenDoor
from dmod.gateway.hosting import Hosting
from dmod.gateway.serve import refuse_a_second
from dmod.gateway.server import Listening, serve_http
from dmod.gateway.tokens import own_token, read_tokens
from dmod.settings import read_settings

__all__ = ["serve_over_http"]


def serve_over_http(
    *,
    cores: int | None = None,
    ip: str = "127.0.0.1",
    port: int = 8787,
    root: str = ".",
    tokens: Path | None = None,
    hub: bool = False,
    say: Callable[[str], None] = lambda _text: None,
) -> None:
    """Answer and conduct until a signal ends it.

    Parameters
    ----------
    cores : int, optional
        Cores to give to jobs; all of this machine otherwise.
    ip, port : str, int
        Where to listen; a hub says that itself.
    root : str
        The directory that run directories are in; ``{user}`` in it stands for the name of whoever asks.
    tokens : Path, optional
        File of users and tokens; otherwise there is one token, of the user who runs this.
    hub : bool
        Whether a JupyterHub manages this, and says who is let in.
    say : callable
        Told what people may want to read.

    Raises
    ------
    InputError
        If tokens cannot be read, no hub is there, or nobody can listen there.
    JobError
        If another one serves this ledger on this machine already.
    LedgerError
        If the ledger cannot be opened.
    """
    hosting = Hosting(read_settings(), cores=cores)
    service = hosting.service
    where, door = Listening(ip, port, "/", root), _door(hosting, tokens, hub=hub, say=say)
    if hub:
        from dmod.gateway.hub import hub_listening

        where = hub_listening(root)
    refuse_a_second(service, hosting.host)
    say(f"conducting jobs on {hosting.host.cores} cores of {hosting.host.name}; ledger {service.ledger.where}")
    serve_http(hosting, door, where, say=say)


def _door(hosting: Hosting, tokens: Path | None, *, hub: bool, say: Callable[[str], None]) -> Door:
    """Who is let in."""
    if hub:
        from dmod.gateway.hub import HubDoor

        return HubDoor()
    if tokens is not None:
        return TokenDoor(read_tokens(tokens))
    service = hosting.service
    found, file = own_token(service.owner, service.settings.home)
    say(f"let in: {service.owner}, with the token in {file or 'DMOD_TOKEN'}")
    return TokenDoor(found)
