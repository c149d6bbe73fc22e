"""Leaves in the ledger what others may ask of a job later: its plan, its tasks, what was found in it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from dmod.errors import DmodError

if TYPE_CHECKING:
    from dmod.conductor.turns import Held
    from dmod.ledger.ledger import Ledger

__all__ = ["tell"]


def tell(ledger: Ledger, held: Held) -> None:
    """Write what is new about a job; a ledger that cannot be reached is told another time.

    Parameters
    ----------
    ledger : Ledger
        Where to.
    held : Held
        The job; what it was told before is not written again.
    """
    conduct = held.conduct
    known: dict[str, tuple[object, Callable[[], str]]] = {
        "target": (
            conduct.composer or conduct.request.origin or conduct.request.delivery,
            lambda: str(conduct.request.target),
        ),
        "tasks": (conduct.reports or None, lambda: json.dumps([asdict(one) for one in conduct.reports])),
        "plan": (conduct.plan, lambda: str(conduct.plan)),
        "report": (report := conduct.report, lambda: report.to_json() if report is not None else ""),
    }
    news = {key: about for key, (about, _) in known.items() if about is not None and held.told.get(key) is not about}
    with contextlib.suppress(DmodError):
        if news:
            ledger.put_details(held.id, {key: known[key][1]() for key in news})
            held.told |= news
