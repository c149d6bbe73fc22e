"""Leaves in the ledger what others may ask of a job later: its plan, its tasks, what was found in it."""

from __future__ import annotations

import contextlib
import json
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
    known = {
        "target": str(conduct.request.target) if conduct.composer is not None else None,
        "tasks": json.dumps([asdict(one) for one in conduct.reports]) if conduct.reports else None,
        "plan": str(conduct.plan) if conduct.plan is not None else None,
        "report": conduct.report.to_json() if conduct.report is not None else None,
    }
    news = {key: text for key, text in known.items() if text is not None and held.told.get(key) != text}
    with contextlib.suppress(DmodError):
        if news:
            ledger.put_details(held.id, news)
            held.told |= news
