"""The compiled pass of the filter of `dmod.evaluation.baseflow`."""

from __future__ import annotations

from typing import Any

from numba import njit

__all__ = ["take_quick_flow_out"]


@njit(nogil=True, cache=True)
def take_quick_flow_out(flow: Any, keep: float, passes: int) -> None:
    """Leave the slow part of *flow*, shape (place, time), in place: forward, backward, forward and so on."""
    places, length = flow.shape
    half = (1.0 + keep) / 2.0
    for place in range(places):
        for number in range(passes):
            at, step = (0, 1) if number % 2 == 0 else (length - 1, -1)
            quick, before = 0.0, flow[place, at]
            for _ in range(length - 1):
                at += step
                now = flow[place, at]
                quick = max(keep * quick + half * (now - before), 0.0)
                before = now
                flow[place, at] = now - min(quick, max(now, 0.0))
