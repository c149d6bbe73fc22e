"""Importing this makes the native modules ready: their code loaded and compiled.

Workers import it while they start, so that the first task finds everything in place. The
first time on a machine this compiles, which takes seconds; afterwards the compiled code is
found on disk.
"""

from __future__ import annotations

import numpy as np

from dmod.engine import part_run
from dmod.engine.modules import cfe_kernel, pet_kernel

__all__ = ["warm"]


def warm() -> bool:
    """Call each kernel once on one catchment and one step; whether parts can be run afterwards."""
    one, count = np.ones((1, 1)), np.ones(1, dtype=np.int64)
    for kind in (np.float32, np.float64):
        weather = tuple(np.ones((1, 1), dtype=kind) for _ in range(7))
        pet_kernel.advance(np.ones((1, len(pet_kernel.CONSTANTS))), count.copy(), weather, np.empty((1, 1)))
    state = (np.ones(1), np.ones(1), np.ones(1), np.ones(1))
    cfe_kernel.advance(
        np.ones((1, len(cfe_kernel.CONSTANTS))), one, count, count, (one, one, one, one, one),
        state, one.copy(), one.copy(), np.full(13, -1), np.empty((0, 1, 1)),
    )  # fmt: skip
    return callable(part_run.run_part)


warm()
