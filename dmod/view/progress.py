"""How far something long has come: a bar in a notebook, one line of text on a terminal.

`Progress` goes around what is iterated over, or is a context that threads tell of their steps.
It imports nothing until it shows something, and shows something ten times a second at most.
"""

from __future__ import annotations

import functools
import html
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypedDict, TypeVar

from dmod.errors import InputError
from dmod.view.card import COLOURS, bar, duration
from dmod.view.widget import front_end, in_kernel, log

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Progress", "Reached", "as_html"]

T = TypeVar("T")

#: Time between two changes of what is shown [s].
_EVERY_S = 0.1
#: How far back the rate looks [s], and with how many spots at least.
_BACK_S, _SPOTS = 15.0, 8
#: Width of a line on a terminal where it has none.
_WIDTH = 79


class Reached(TypedDict):
    """How far it is, in words; JSON, so that it can travel to the front end."""

    #: What is done.
    label: str
    #: ``going``, ``done``, ``stopped`` or ``failed``.
    state: str
    #: ``good``, ``bad``, ``quiet`` or ``busy``.
    tone: str
    #: Share that is done [%], None if nobody knows how much there is.
    percent: float | None
    #: Steps, rate and time left.
    facts: str
    #: What is done just now; may be empty.
    message: str


class Progress(Generic[T]):
    """How far something long has come.

    Parameters
    ----------
    items : iterable, optional
        What is gone through, where this is iterated over.
    label : str
        What is done, such as ``fetching``.
    total : int, optional
        Number of steps; that of *items* otherwise, if they know it.

    Raises
    ------
    InputError
        If *total* is negative.

    Examples
    --------
    >>> for gage in Progress(["09380000", "10154200"], "fetching"):
    ...     pass
    >>> with Progress(label="reading", total=3) as progress:
    ...     progress.advance(2, message="forcing.nc")
    >>> progress
    Progress(reading, 2 of 3)
    """

    def __init__(self, items: Iterable[T] | None = None, label: str = "", *, total: int | None = None) -> None:
        if total is not None and total < 0:
            raise InputError("a number of steps is not negative", has=total, hint="leave out total= if nobody knows it")
        self._items = items
        #: What is done.
        self.label = label
        #: Number of steps; None if nobody knows it. May be set later.
        self.total = total
        if total is None and (length := getattr(items, "__len__", None)) is not None:
            self.total = length()
        #: Steps that are done.
        self.done = 0
        #: What is done just now.
        self.message = ""
        self._state = "going"
        self._lock = threading.Lock()
        self._begun = self._next = 0.0
        self._spots: deque[tuple[float, int]] = deque()
        self._sheet: _Sheet | None = None

    def __iter__(self) -> Iterator[T]:
        """The items, each of them a step once the next one is asked for."""
        if self._items is None:
            raise InputError("there is nothing to go through", hint="Progress(items), or `with Progress() as progress`")
        with self:
            for item in self._items:
                yield item
                self.advance()

    def __len__(self) -> int:
        """Number of steps."""
        if self.total is None:
            raise TypeError("nobody knows how many steps there are")
        return self.total

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        with self._lock:
            self._begun = time.monotonic()
            self.done, self._state = 0, "going"
            self._spots = deque([(self._begun, 0)])
            self._sheet = _sheet()
            self._show(self._begun)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            stopped = kind is not None and issubclass(kind, GeneratorExit | KeyboardInterrupt)
            self._state = "done" if kind is None else "stopped" if stopped else "failed"
            if problem is not None and not stopped:
                self.message = f"{type(problem).__name__}: {problem}".rstrip(": ")
            if self._sheet is not None:
                self._sheet.end(self.reached(time.monotonic()))
                self._sheet = None

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        """Tell of *steps* that are done, and of what comes now; from any thread."""
        with self._lock:
            self.done += steps
            if message is not None:
                self.message = message
            now = time.monotonic()
            if now >= self._next:
                self._show(now)

    def reached(self, now: float | None = None) -> Reached:
        """How far it is, in words."""
        now = time.monotonic() if now is None else now
        going = self._state == "going"
        rate = self._rate(now)
        facts = [f"{self.done:,}" if self.total is None else f"{self.done:,} of {self.total:,}"]
        if rate > 0:
            facts.append(_rate_in_words(rate))
        if going and rate > 0 and self.total is not None and self.done < self.total:
            facts.append(f"{duration((self.total - self.done) / rate)} left")
        if not going:
            facts.append(f"{self._state} after {duration(now - self._begun)}")
        share = None if not self.total else min(100 * self.done / self.total, 100.0)
        return Reached(
            label=self.label or "progress",
            state=self._state,
            tone={"going": "busy", "done": "good", "stopped": "quiet", "failed": "bad"}[self._state],
            percent=100.0 if share is None and self._state == "done" else None if share is None else round(share, 1),
            facts=" · ".join(facts),
            message=self.message if self._state in ("going", "failed") else "",
        )

    def _rate(self, now: float) -> float:
        """Steps in a second: lately while it goes on, over all at its end."""
        first, before = self._spots[0] if self._spots and self._state == "going" else (self._begun, 0)
        return (self.done - before) / (now - first) if now > first else 0.0

    def _show(self, now: float) -> None:
        self._next = now + _EVERY_S
        self._spots.append((now, self.done))
        while len(self._spots) > _SPOTS and now - self._spots[0][0] > _BACK_S:
            self._spots.popleft()
        if self._sheet is not None:
            self._sheet.show(self.reached(now))

    def __repr__(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        return f"Progress({self.label or 'progress'}, {self.done:,}{of})"


def _rate_in_words(rate: float) -> str:
    """Steps in a second, or the seconds of a step."""
    if rate < 0.2:
        return f"{duration(1 / rate)} each"
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"


class _Sheet(Protocol):
    """Where it is shown."""

    def show(self, reached: Reached) -> None: ...

    def end(self, reached: Reached) -> None: ...


def _sheet() -> _Sheet:
    """A widget where there is a notebook, else text."""
    if in_kernel():
        try:
            return _InNotebook()
        except (ImportError, OSError):  # no anywidget, or the front end's files are missing
            log.info("progress is told as text: its live form cannot be made", exc_info=True)
    return _OnTerminal()


class _OnTerminal:
    """One line that is written over; where that cannot be, one line at the end."""

    def __init__(self) -> None:
        self.stream = sys.stderr
        self.moves = bool(getattr(self.stream, "isatty", lambda: False)())
        self.width = 0

    def show(self, reached: Reached) -> None:
        if self.moves:
            self._write(reached, "")

    def end(self, reached: Reached) -> None:
        self._write(reached, "\n")

    def _write(self, reached: Reached, end: str) -> None:
        import shutil

        room = shutil.get_terminal_size((_WIDTH + 1, 24)).columns - 1 if self.moves else 10_000
        share = "" if reached["percent"] is None else f"{reached['percent']:4.0f} %  "
        line = f"{reached['label']}  {share}{reached['facts']}  {reached['message']}".rstrip()
        line = "".join(letter if letter.isprintable() else " " for letter in line)[:room]
        blank = " " * (self.width - len(line))
        self.width = len(line)
        try:
            self.stream.write(f"\r{line}{blank}{end}" if self.moves else f"{line}{end}")
            self.stream.flush()
        except (OSError, ValueError):  # nobody reads any more; the work goes on
            log.debug("progress cannot be written", exc_info=True)


class _InNotebook:
    """A widget while it goes on, plain HTML from then on: nothing in a saved notebook asks for a kernel."""

    def __init__(self) -> None:
        from IPython import display

        self.widget: Any = None
        shows: Any = display
        self.tell, self.tell_again = shows.display, shows.update_display
        self.name = f"dmod-progress-{time.monotonic_ns()}-{id(self)}"
        self.make = _widget_class()

    def show(self, reached: Reached) -> None:
        if self.widget is not None:
            self.widget.shown = dict(reached)
            return
        self.widget = self.make(shown=dict(reached))
        bundle = self.widget._repr_mimebundle_()
        self.tell(bundle[0], metadata=bundle[1], raw=True, display_id=self.name)

    def end(self, reached: Reached) -> None:
        told = {"text/html": as_html(reached), "text/plain": _as_text(reached)}
        self.tell_again(told, raw=True, display_id=self.name)
        if self.widget is not None:
            self.widget.shown = dict(reached)
            self.widget.close()


def _as_text(reached: Reached) -> str:
    return f"{reached['label']}: {reached['facts']}"


def as_html(reached: Reached) -> str:
    """How far it is as HTML that needs nothing around it; all text is escaped."""
    colour = COLOURS[reached["tone"]]
    quiet = "color:var(--jp-ui-font-color2, currentColor);font-size:0.9em;font-variant-numeric:tabular-nums"
    message = f'<div style="{quiet};overflow-wrap:anywhere">{html.escape(reached["message"])}</div>'
    return (
        f'<div role="group" aria-label="{html.escape(reached["label"], quote=True)}" style="max-width:44em;'
        'margin:0.2em 0;color:var(--jp-ui-font-color1, currentColor);font:0.95em/1.45 system-ui, sans-serif">'
        '<div style="display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1.5em">'
        f'<span style="font-weight:600;overflow-wrap:anywhere">{html.escape(reached["label"])}</span>'
        f'<span style="{quiet}">{html.escape(reached["facts"])}</span></div>'
        f"{bar(reached['percent'], colour)}{message if reached['message'] else ''}</div>"
    )


@functools.cache
def _widget_class() -> type[Any]:
    """The widget's class, made on first use: anywidget takes a while to import."""
    import traitlets

    from dmod.view.still_widget import StillWidget

    class ProgressBar(StillWidget):
        """How far something is."""

        _esm = front_end("progress.js")
        _css = front_end("progress.css")

        #: What is shown, as `Reached`.
        shown = traitlets.Dict().tag(sync=True)

        def still(self) -> str:
            reached: Any = self.shown
            return as_html(reached)

        def __repr__(self) -> str:
            reached: Any = self.shown
            return _as_text(reached)

    return ProgressBar
