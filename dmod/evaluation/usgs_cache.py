"""Values of USGS kept on disk, one file for each stretch of time of a site.

The name of a file says which stretch it is, so what is there is known from a listing, and a
request that overlaps earlier ones asks only for what is missing. A file appears whole or not
at all; one that cannot be read counts as not there.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dmod.data.span import Span
from dmod.errors import StoreError
from dmod.evaluation.records import Records, labels

__all__ = ["Kept", "Shelf", "nothing"]

_log = logging.getLogger("dmod.evaluation")
_STAMP = "%Y%m%dT%H%M%SZ"
#: Columns of text, each kept as codes and names.
_TEXTS = ("sites", "units", "qualifiers", "methods")


@dataclass(frozen=True, slots=True)
class Kept:
    """A stretch of time that is on disk."""

    #: Which time.
    span: Span
    #: Where its values are.
    path: Path
    #: When it was fetched, since 1970 [s].
    fetched_s: float
    #: Whether some of its values may still be revised.
    provisional: bool


@dataclass(frozen=True, slots=True)
class Shelf:
    """The cache of one kind of values: of one service, parameter and statistic."""

    #: The directory.
    place: Path

    def kept(self, site: str) -> list[Kept]:
        """What there is of a site, in order of time."""
        found = []
        for path in sorted((self.place / site).glob("*.npz")):
            start, _, rest = path.stem.partition("-")
            stop, _, state = rest.partition("-")
            try:
                span = Span(_seconds(start), _seconds(stop))
                fetched = path.stat().st_mtime
            except (ValueError, OSError):  # not ours, or just replaced
                continue
            found.append(Kept(span, path, fetched, state == "provisional"))
        return found

    def read(self, kept: Kept) -> Records | None:
        """The values of a stretch; None if the file cannot be read, which is removed then."""
        try:
            with kept.path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                fields: dict[str, Any] = {}
                for name in _TEXTS:
                    if f"{name}_codes" in held:
                        names = pd.Index([str(one) for one in held[f"{name}_names"]], dtype=object)
                        fields[name] = pd.Categorical.from_codes(held[f"{name}_codes"], categories=names)
                notes = tuple(json.loads(str(held["notes"])))
                times, values = held["times"], held["values"]
                if len(times) != len(values):
                    raise ValueError("columns of different length")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
            _log.warning("%s of the cache cannot be read (%s), and is fetched again", kept.path, problem)
            with contextlib.suppress(OSError):
                kept.path.unlink()
            return None
        return Records(times=times, values=values, notes=notes, **fields)

    def keep(self, site: str, span: Span, records: Records) -> None:
        """Keep the values of a site for a stretch of time, also where there are none.

        Raises
        ------
        StoreError
            If the cache cannot be written.
        """
        provisional = _is_provisional(records)
        columns: dict[str, Any] = {"times": records.times, "values": records.values, "notes": json.dumps(records.notes)}
        for name in _TEXTS:
            held = getattr(records, name)
            if held is not None:
                columns[f"{name}_codes"] = held.codes
                columns[f"{name}_names"] = np.array([str(one) for one in held.categories], dtype=str)
        stem = f"{_stamp(span.start_s)}-{_stamp(span.stop_s)}"
        folder = self.place / site
        target = folder / f"{stem}{'-provisional' if provisional else ''}.npz"
        _write(target, columns)
        with contextlib.suppress(OSError):
            (folder / f"{stem}{'' if provisional else '-provisional'}.npz").unlink()


def _is_provisional(records: Records) -> bool:
    """Whether some values are not approved."""
    if records.qualifiers is None:
        return bool(len(records.values))
    return any("A" not in str(name).split(",") for name in records.qualifiers.categories)


def _write(target: Path, columns: dict[str, Any]) -> None:
    """A file, whole or not at all."""
    partial = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **columns)
        Path(partial).replace(target)
    except OSError as problem:
        raise StoreError(
            "the cache directory cannot be written",
            directory=target.parent,
            reason=problem.strerror or problem,
            hint="set DMOD_CACHE to a directory that can be",
        ) from problem
    finally:
        if partial:
            with contextlib.suppress(OSError):
                Path(partial).unlink()


def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_STAMP)


def _seconds(text: str) -> int:
    return int(datetime.strptime(text, _STAMP).replace(tzinfo=UTC).timestamp())


def nothing() -> Records:
    """The values of a stretch of time in which there are none."""
    none = labels(np.array([], dtype=object))
    return Records(none, np.array([], dtype="datetime64[ns]"), np.array([], dtype=np.float64), none)
