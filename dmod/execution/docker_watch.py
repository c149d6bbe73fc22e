"""Follows one container from threads of its own: its lines, its state, what it takes.

Whoever asks gets what was seen last, at once. A line is heard when it is said; a state is seen
within half a second, and its end as soon as its lines end.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dmod.execution.docker_containers import troubles
from dmod.execution.docker_engine import is_refused, knock

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["Seen", "Watch"]

_LOOK_EVERY_S, _MEASURE_EVERY_S = 0.5, 2.0
#: How long the lines of a container that has ended may take to arrive [s].
_DRAIN_S = 5.0
#: From this version on an engine says what a container takes without waiting for a second look.
_ONE_SHOT_API = (1, 41)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a container last."""

    #: Whether it is gone, has ended, or neither.
    is_gone: bool = False
    exit_code: int | None = None
    #: Whether the engine says that something in it was ended for want of memory.
    out_of_memory: bool = False
    #: For how long its engine has not answered [s]; and whether there is nobody at its address, or it is only slow.
    silent_s: float = 0.0
    is_refused: bool = False
    #: What it takes: cores on average since the last look, memory without what is only cached [bytes].
    cores: float = 0.0
    memory_bytes: int = 0
    #: The most memory that was ever seen [bytes].
    peak_bytes: int = 0


class Watch:
    """Follows a container.

    Parameters
    ----------
    client : DockerClient
        Its engine.
    address : str or None
        Where that is; None for this machine's.
    name : str
        Its name.
    hear : callable
        Called with each of its lines, from the first on.
    changed : callable
        Called when its state has changed.
    """

    def __init__(
        self,
        client: DockerClient,
        address: str | None,
        name: str,
        hear: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._client, self._address, self._name = client, address, name
        self._hear, self._changed = hear, changed
        self._lock = threading.Lock()
        self._seen = Seen()
        self._answered = time.monotonic()
        self._measured: tuple[float, float] | None = None
        self._closing, self._poke, self._drained = threading.Event(), threading.Event(), threading.Event()
        self._stream: Any = None
        self._threads = [
            threading.Thread(target=target, name=f"{name}-{what}", daemon=True)
            for target, what in ((self._follow, "lines"), (self._poll, "state"))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def seen(self) -> Seen:
        """What was seen last."""
        with self._lock:
            is_over = self._seen.is_gone or self._seen.exit_code is not None
            return self._seen if is_over else replace(self._seen, silent_s=time.monotonic() - self._answered)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended or is gone, and all its lines were heard."""
        seen = self.seen
        return self._drained.is_set() and (seen.is_gone or seen.exit_code is not None)

    def wait_for_end(self, seconds: float) -> None:
        """Wait until it has ended, so long at most."""
        until = time.monotonic() + seconds
        while not self.has_ended and time.monotonic() < until:
            self._poke.set()
            time.sleep(0.02)

    def close(self) -> None:
        """Follow it no longer."""
        self._closing.set()
        self._poke.set()
        stream = self._stream
        if stream is not None:
            with contextlib.suppress(*troubles(), AttributeError):  # a response that has ended has no socket
                stream.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _follow(self) -> None:
        """Hear its lines; where the engine breaks off, begin again and leave out those that were heard."""
        heard = 0
        while not self._closing.is_set():
            with contextlib.suppress(*troubles(), ValueError, AttributeError):  # what a closed stream raises
                knock(self._address)
                self._stream = self._client.api.logs(self._name, stream=True, follow=True)
                if self._closing.is_set():
                    self._stream.close()
                for number, line in enumerate(_lines(self._stream), 1):
                    if number > heard:
                        heard = number
                        self._hear(line)
                        self._changed()
            self._look()
            if self._seen.is_gone or self._seen.exit_code is not None:
                break
            self._closing.wait(_LOOK_EVERY_S)
        self._drained.set()
        self._changed()

    def _poll(self) -> None:
        """Look again and again until it has ended."""
        measured = 0.0
        while not self._closing.is_set():
            self._look()
            if self._seen.is_gone or self._seen.exit_code is not None:
                if not self._drained.wait(_DRAIN_S):
                    self._drained.set()
                self._changed()
                return
            if time.monotonic() - measured >= _MEASURE_EVERY_S:
                self._measure()
                measured = time.monotonic()
            self._poke.wait(_LOOK_EVERY_S)
            self._poke.clear()

    def _look(self) -> None:
        """See in what state it is."""
        from docker.errors import NotFound

        try:
            knock(self._address)
            state = self._client.api.inspect_container(self._name)["State"]
        except NotFound:
            self._saw(is_gone=True)
        except troubles() as problem:
            with self._lock:
                self._seen = replace(self._seen, is_refused=is_refused(problem))
        else:
            ended = state["Status"] in ("exited", "dead")
            self._saw(
                exit_code=int(state["ExitCode"]) if ended else None, out_of_memory=bool(state.get("OOMKilled", False))
            )

    def _saw(self, **what: Any) -> None:
        """Remember, and say so if it is new."""
        with self._lock:
            before, self._seen = self._seen, replace(self._seen, is_refused=False, **what)
            self._answered = time.monotonic()
            is_new = before != self._seen
        if is_new and not self._closing.is_set():
            self._changed()

    def _measure(self) -> None:
        """See what it takes."""
        version = tuple(int(part) for part in str(self._client.api.api_version).split("."))
        one_shot = {"one_shot": True} if version >= _ONE_SHOT_API else {}
        try:
            knock(self._address)
            told = self._client.api.stats(self._name, stream=False, **one_shot)
            busy = float(told["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
            memory = told["memory_stats"]
            cached = memory.get("stats", {})
            taken = int(memory["usage"]) - int(cached.get("total_inactive_file", cached.get("inactive_file", 0)))
        except troubles():
            return
        except (KeyError, TypeError):  # a container that has just ended takes nothing
            return
        now = time.monotonic()
        with self._lock:
            cores = 0.0
            if self._measured is not None and now > self._measured[0]:
                cores = max(0.0, (busy - self._measured[1]) / (now - self._measured[0]))
            self._measured = (now, busy)
            taken = max(0, taken)
            peak = max(taken, self._seen.peak_bytes)
            self._seen = replace(self._seen, cores=cores, memory_bytes=taken, peak_bytes=peak)


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Whole lines out of pieces; the last one even if it does not end."""
    begun = b""
    for piece in pieces:
        *whole, begun = (begun + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", errors="replace").rstrip("\r")
    if begun:
        yield begun.decode("utf-8", errors="replace")
