"""Work on many things side by side, in threads; the first failure stops the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["each"]

One = TypeVar("One")
Result = TypeVar("Result")


def each(work: Callable[[One], Result], things: Iterable[One], threads: int) -> list[Result]:
    """Do the same with each of some things.

    Parameters
    ----------
    work : callable
        What to do with one.
    things : iterable
        With what.
    threads : int
        How many at a time, from 1.

    Returns
    -------
    list
        The results, in the order of the things.

    Examples
    --------
    >>> each(len, ["a", "bc"], threads=2)
    [1, 2]
    """
    given = list(things)
    if min(threads, len(given)) <= 1:
        return [work(one) for one in given]
    results: dict[int, Result] = {}
    numbers = iter(range(len(given)))
    turn, stop = threading.Lock(), threading.Event()

    def next_number() -> int | None:
        with turn:
            return None if stop.is_set() else next(numbers, None)

    def go() -> None:
        try:
            while (number := next_number()) is not None:
                results[number] = work(given[number])
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(min(threads, len(given))) as pool:
        try:
            for one in [pool.submit(go) for _ in range(min(threads, len(given)))]:
                one.result()
        finally:
            stop.set()
    return [results[number] for number in range(len(given))]
