"""Where the compiled code of kernels lies while a program runs in a container.

An image brings it along, compiled when it was built. numba refuses a cache that it cannot
write to, as in a container whose root is read-only: then it is copied to a place that can
be written.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import MutableMapping, Sequence
from pathlib import Path

__all__ = ["make_writable"]

_CACHE = "NUMBA_CACHE_DIR"
#: Of these a container has one at least that can be written.
_PLACES = ("", "/dev/shm")


def make_writable(environment: MutableMapping[str, str] | None = None, places: Sequence[str] = _PLACES) -> Path | None:
    """Have numba use a copy of its cache if it could not write to it; to be called before numba is imported.

    Parameters
    ----------
    environment : mutable mapping, optional
        Where ``NUMBA_CACHE_DIR`` is told; the process's own otherwise.
    places : sequence of str
        Where a copy may be made, the first that can be written; empty for the usual place of temporary files.

    Returns
    -------
    Path or None
        The copy, which goes when the process ends; None where none is needed or none can be made.
    """
    told = os.environ if environment is None else environment
    cache = told.get(_CACHE, "")
    if not cache or not Path(cache).is_dir() or os.access(cache, os.W_OK):
        return None
    for place in places:
        try:
            copy = Path(tempfile.mkdtemp(prefix="dmod-kernels-", dir=place or None))
        except OSError:
            continue  # cannot be written: the next one
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        shutil.copytree(cache, copy, dirs_exist_ok=True, copy_function=shutil.copyfile)
        copy.chmod(0o700)
        told[_CACHE] = str(copy)
        return copy
    return None
