"""The card of a job that keeps itself up to date in a notebook.

`live_card` gives an anywidget whose front end is ``job-card.js``; it asks the job for its
status twice a second until that is final. Where there is no kernel or no anywidget, it
gives the same card without the life. Either way a saved notebook shows the card as it
was when it was displayed.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dmod.view.card import describe, is_final, job_card

__all__ = ["HasStatus", "StaticCard", "front_end", "in_kernel", "live_card"]

log = logging.getLogger("dmod.view")

#: Time between two questions to a job [s].
POLL_S = 0.5


class HasStatus(Protocol):
    """What a card needs of a job."""

    def status(self) -> Mapping[str, object]:
        """The job's status, as `dmod.view.card.describe` takes it; quick, from any thread."""


@dataclass(frozen=True)
class StaticCard:
    """The card of a job at one moment."""

    #: The job's status then.
    status: Mapping[str, object]

    def _repr_html_(self) -> str:
        return job_card(self.status)


def live_card(job: HasStatus) -> Any:
    """A card of *job* for a notebook: live where it can be, still where it cannot.

    Parameters
    ----------
    job : object with a method ``status()``
        What to show. It is asked from a thread of its own until its state is final.

    Returns
    -------
    StillWidget or StaticCard
        The widget has the traits ``status`` (as the job gave it) and ``shown`` (the words on
        the card, shared with the browser); ``close()`` ends it.
    """
    status = dict(job.status())
    if not in_kernel():
        return StaticCard(status)
    try:
        card = _widget_class()(status=status)
    except (ImportError, OSError):  # no anywidget, or the front end's files are missing
        log.info("the card stays as it is: its live form cannot be made", exc_info=True)
        return StaticCard(status)
    if not is_final(status):
        threading.Thread(target=_follow, args=(card, job), name="dmod-card", daemon=True).start()
    return card


def _follow(card: Any, job: HasStatus) -> None:
    """Ask *job* until it is done or *card* is closed."""
    while not card.closed.wait(POLL_S):
        try:
            status = dict(job.status())
        except Exception as problem:  # whatever it is belongs on the card: nobody else waits for this thread
            log.warning("the status of a job cannot be read", exc_info=True)
            card.status = {**card.status, "message": f"the status cannot be read: {problem}"}
            return
        card.status = status
        if is_final(status):
            return


def in_kernel() -> bool:
    """Whether this is a kernel that a browser listens to."""
    shell = sys.modules.get("IPython")  # whoever runs in a kernel has it
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def front_end(name: str) -> str:
    """Text of one of the front end's files: in the installed package, else beside the sources."""
    here = Path(__file__).resolve()
    installed = here.parent / "static" / name
    return (installed if installed.is_file() else here.parents[2] / "jupyter_ext" / "widgets" / name).read_text(
        encoding="utf-8"
    )


@functools.cache
def _widget_class() -> type[Any]:
    """The widget's class, made on first use: anywidget takes a while to import."""
    import traitlets

    from dmod.view.still_widget import StillWidget

    class JobCard(StillWidget):
        """A live card of a job."""

        _esm = front_end("job-card.js")
        _css = front_end("job-card.css")

        #: What the job said.
        status = traitlets.Dict()
        #: The same in words, as the browser gets it.
        shown = traitlets.Dict().tag(sync=True)

        def __init__(self, **traits: Any) -> None:
            self.closed = threading.Event()
            super().__init__(**traits)

        @traitlets.observe("status")
        def _describe(self, change: dict[str, Any]) -> None:
            self.shown = dict(describe(change["new"]))

        def close(self) -> None:
            """End the card; the job runs on."""
            self.closed.set()
            super().close()

        def still(self) -> str:
            return job_card(self.status)

    return JobCard
