"""How values of the house become what goes over the wire; what is too long to be sent is cut, and says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dmod.gateway.wire import JobEvent, JobSummary, Step
from dmod.job.lifecycle import LINE
from dmod.job.record import Event
from dmod.ledger.glances import Glance

__all__ = ["cut", "event_of", "steps", "summary_of"]

#: What is sent of one event's facts, or of one value in them [characters].
_FACTS, _VALUE = 2**16, 2**12


def summary_of(glance: Glance) -> JobSummary:
    """A job, as a list shows it."""
    progress, asked, facts = glance.progress, glance.request, glance.facts
    return JobSummary.model_construct(
        id=glance.id, name=glance.name, owner=glance.owner, state=glance.state, goal=str(glance.goal),
        message=glance.message, fraction=progress.fraction, done=progress.done, total=progress.total,
        rate=progress.rate, elapsed_s=progress.elapsed_s,
        remaining_s=None if glance.state.is_final else progress.remaining_s,
        submitted_s=glance.submitted_s, updated_s=glance.updated_s,
        on=str(asked.get("on", "dask")), ranks=_whole(asked.get("ranks")),
        workers=_whole(facts.get("workers", asked.get("workers"))),
        hosts=list(glance.hosts) or [str(host) for host in asked.get("hosts") or ()],
        output=_text(asked.get("delivery") or facts.get("output") or asked.get("output")),
        is_final=glance.state.is_final, array=glance.array, priority=glance.priority,
    )  # fmt: skip


def event_of(event: Event) -> JobEvent:
    """An event; of facts that are too long only as much as may be sent."""
    facts = cut(event.facts)
    verb = facts.get("verb")
    return JobEvent.model_construct(
        number=event.number, at_s=event.time_s, state=event.state, message=_shortened(event.message, _VALUE),
        verb=None if verb is None else str(verb), facts=facts,
    )  # fmt: skip


def steps() -> list[Step]:
    """The line that every job walks."""
    return [Step(verb=verb.name, before=verb.before, after=verb.after) for verb in LINE]


def cut(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that may be sent: where all together are too long, each long one becomes the beginning of its text.

    Examples
    --------
    >>> cut({"workers": 2})
    {'workers': 2}
    >>> cut({"workers": 2, "listed": "x" * 100_000})["listed"][4090:]
    'xxxxxx … (100,000 characters, cut here)'
    """
    if len(json.dumps(dict(facts), default=str)) <= _FACTS:
        return dict(facts)
    kept: dict[str, Any] = {}
    for name, value in list(facts.items())[:100]:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        kept[name[:200]] = value if len(text) <= _VALUE // 8 else _shortened(text, _VALUE)
    if len(facts) > len(kept):
        kept["…"] = f"{len(facts) - len(kept):,} more were cut here"
    return kept


def _shortened(text: str, most: int) -> str:
    """A text, or its beginning and how long it is."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters, cut here)"


def _whole(value: object) -> int | None:
    """A whole number, where it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    """A text, where there is one."""
    return None if value is None else str(value)
