"""Who conducts, and who only seems to: a conductor that was killed cannot say that it is gone.

Its claims would run out by themselves. On the machine it was on one can see at once that its
process is no more, and so its jobs need not wait. Nothing here conducts anything.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmod.ledger.claims import Holder
    from dmod.ledger.ledger import Ledger

__all__ = ["is_gone", "living", "presence"]


def presence(kind: str, owner: str | None = None) -> dict[str, Any]:
    """What a conductor says of itself.

    Parameters
    ----------
    kind : {"session", "serve"}
        What it conducts.
    owner : str, optional
        Whose jobs it conducts; everybody's otherwise.

    Returns
    -------
    dict
        ``kind``, ``owner``, ``pid``, ``host``, and ``machine``: where that number of a process means
        something; None where the system does not say.
    """
    return {"kind": kind, "owner": owner, "pid": os.getpid(), "host": socket.gethostname(), "machine": _machine()}


def is_gone(holder: Holder) -> bool:
    """Whether a conductor's process is known to be no more; False where nobody can tell from here."""
    machine, pid = holder.facts.get("machine"), holder.facts.get("pid")
    if machine is None or machine != _machine() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _is_zombie(pid)


def living(ledger: Ledger) -> list[Holder]:
    """Who conducts; the claims of those whose process is gone are given up.

    Raises
    ------
    LedgerError
        If the ledger cannot be asked.
    """
    found = []
    for holder in ledger.holders(live=True):
        if is_gone(holder):
            ledger.leave(holder.name)
        else:
            found.append(holder)
    return found


def _machine() -> str | None:
    """Tells machines, and the containers on one, apart: neither a host's name nor a process's number does."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and only waits for its parent to notice."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in ("Z", "X")
    return False
