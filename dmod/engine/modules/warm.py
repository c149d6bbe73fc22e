"""Importing this makes the native modules ready: their code is loaded, not yet compiled.

Workers import it while they start, so that the first task finds everything in place.
"""

from __future__ import annotations

from dmod import plugins
from dmod.engine import part_run

__all__ = ["READY"]

#: Whether it worked.
READY = bool(plugins.load("dmod.modules").found) and part_run is not None
