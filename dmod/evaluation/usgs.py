"""Discharge that USGS measured, fetched from its Water Data API and kept on disk.

What has been fetched is not fetched again: a call asks for the stretches of time that the
cache lacks, in windows that the API allows, and each window is kept as soon as it is here. So
a call that broke off goes on where it stopped, and one for what is there needs no network.
Values that may still be revised are asked for again after a week.
"""

from __future__ import annotations

import logging
import math
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from dmod.data.span import Span, Spans, less_spans, meet_spans, settled
from dmod.errors import ObservationError, StoreError
from dmod.evaluation.records import Asked, Records, bare_site, counted, joined
from dmod.evaluation.settling import settled as settle
from dmod.evaluation.sources import Source
from dmod.evaluation.usgs_cache import Kept, Shelf, nothing
from dmod.evaluation.usgs_service import Service
from dmod.evaluation.waterdata_reader import waterdata_records
from dmod.formats.sidecar import cache_directory

__all__ = ["UsgsReader", "usgs_flow"]

_log = logging.getLogger("dmod.evaluation")
_DAY_S = 86_400
#: The API gives three years of values of instants in one request; daily ones are few.
_WINDOW_S = {False: 3 * 365 * _DAY_S, True: 20 * 365 * _DAY_S}
#: Rows on one page, of which a request should not need many, and sites that fit in an address.
_PAGE_ROWS, _MOST_SITES = 50_000, 50
#: When values that may be revised are asked for again: soon where some may not have arrived yet [s].
_STALE_S, _STALE_LATEST_S, _LATEST_S = 7 * _DAY_S, 3_600, 3 * _DAY_S
_STATISTICS = {"mean": "00003", "max": "00001", "min": "00002", "median": "00008"}
_SITE = re.compile(r"(?:([A-Za-z][A-Za-z0-9]*)-)?(\d{8,15})")

Progress = Callable[[float], None]


class UsgsReader:
    """Reads values of USGS: ``usgs:01073000,01013500``, and daily means as ``usgs-daily:01073000``."""

    reads = "usgs:SITE,SITE and usgs-daily:SITE (values of USGS, fetched and kept)"

    def knows(self, source: Source) -> bool:
        """Whether the service of USGS is named."""
        return source.service in ("usgs", "usgs-daily")

    def read(self, source: Source, asked: Asked) -> xr.DataArray:
        """The values of the sites named."""
        sites = source.text.partition(":")[2].split(",")
        if asked.sites is not None:
            wanted = {bare_site(site) for site in asked.sites}
            sites = [site for site in sites if bare_site(site.strip()) in wanted]
        if asked.start is None:
            raise ObservationError(
                "the period to fetch is not told",
                needed="start, and end unless it is now",
                hint="pass start='2016-09-01'",
            )
        statistic = "mean" if source.service == "usgs-daily" else None
        return _fetched(sites, asked, parameter=asked.variable or "00060", statistic=statistic)


def usgs_flow(
    sites: str | Iterable[str],
    start: object,
    end: object = None,
    *,
    parameter: str = "00060",
    statistic: str | None = None,
    drop: str | Collection[str] = (),
    method: str = "most",
    cache: Path | str | None = None,
    url: str | None = None,
    progress: Progress | None = None,
) -> xr.DataArray:
    """Discharge of gages of USGS.

    Parameters
    ----------
    sites : str or iterable of str
        Numbers of sites, with or without the agency: ``01073000``, ``USGS-01073000``.
    start, end : str or datetime
        First and last instant, both included; UTC without a zone. Until now without an end.
    parameter : str
        Code of USGS; one whose units are those of discharge.
    statistic : str, optional
        ``mean``, ``max``, ``min``, ``median`` or a code, for values of a day. Values of instants
        otherwise, mostly every 15 minutes.
    drop, method : str
        As for `dmod.evaluation.observations.read_observations`: ``P``, ``ICE``, ...
    cache : path, optional
        Where values are kept; the cache directory of dmod otherwise (``DMOD_CACHE``).
    url : str, optional
        A server instead of that of USGS; ``DMOD_USGS_URL`` otherwise.
    progress : callable, optional
        Told the share that is here, in [0, 1]; otherwise `dataretrieval` shows its own.

    Returns
    -------
    xarray.DataArray
        ``discharge`` [m3 s-1], as `dmod.evaluation.observations.read_observations` gives it. Sites
        without values are told in the notes.

    Raises
    ------
    ObservationError
        If a site makes no sense, or none of them is known or has values in the period.
    StoreError
        If the API cannot be reached and the cache lacks a part.
    """
    asked = Asked.of(start=start, end=end, drop=drop, method=method)
    named = [sites] if isinstance(sites, str) else list(sites)
    return _fetched(
        named, asked, parameter=parameter, statistic=statistic, cache=cache, url=url, progress=progress
    )  # fmt: skip


@dataclass(frozen=True)
class _Request:
    """One call: which values of which sites, and where they are kept."""

    service: Service
    shelf: Shelf
    sites: tuple[str, ...]
    span: Span
    parameter: str
    statistic: str | None

    def lacking(self, site: str) -> Spans:
        """What the cache has not, or has had for too long."""
        fresh = settled(kept.span for kept in self.shelf.kept(site) if not _is_stale(kept))
        return less_spans((self.span,), fresh)


def _fetched(
    sites: Iterable[str],
    asked: Asked,
    *,
    parameter: str,
    statistic: str | None,
    cache: Path | str | None = None,
    url: str | None = None,
    progress: Progress | None = None,
) -> xr.DataArray:
    """What is asked, after what the cache lacks has been fetched."""
    code = None if statistic is None else _STATISTICS.get(statistic, statistic)
    service = Service(url, quiet=progress is not None)
    home = Path(cache) if cache is not None else cache_directory() or Path(tempfile.gettempdir())
    shelf = Shelf(home / "usgs" / service.name / f"{parameter}-{code or 'instants'}")
    request = _Request(service, shelf, _sites(sites), _span(asked, daily=code is not None), parameter, code)
    notes = _fill(request, progress)
    parts = {site: _from_shelf(request, site) for site in request.sites}
    notes += _absent(request, [site for site, part in parts.items() if not len(part.values)])
    records = joined([part for part in parts.values() if len(part.values)])
    records = replace(records, notes=(*records.notes, *notes))
    return settle(records, replace(asked, sites=None, units=None, variable=None), "USGS Water Data API")


def _sites(given: Iterable[str]) -> tuple[str, ...]:
    """Sites as the API names them."""
    found = []
    for one in given:
        text = str(one).strip()
        match = _SITE.fullmatch(text)
        if match is None:
            raise ObservationError(
                f"{text!r} is no site of USGS",
                needed="8 to 15 digits, such as 01073000 or USGS-01073000",
                hint="mind leading zeros: they are lost where a number is read as one",
            )
        found.append(f"{(match[1] or 'USGS').upper()}-{match[2]}")
    if not found:
        raise ObservationError("no site is asked for", hint="name one, such as 01073000")
    return tuple(dict.fromkeys(found))


def _span(asked: Asked, *, daily: bool) -> Span:
    """The period in whole seconds, or days, until now at most."""
    now = int(time.time())
    if asked.start is None:
        raise ObservationError("the period to fetch is not told", needed="start", hint="pass start='2016-09-01'")
    start = int(asked.start.astype("datetime64[s]").astype(np.int64))
    stop = now if asked.end is None else min(now, int(asked.end.astype("datetime64[s]").astype(np.int64)) + 1)
    if daily:
        start, stop = start // _DAY_S * _DAY_S, -(-stop // _DAY_S) * _DAY_S
    if stop <= start:
        raise ObservationError(
            "the period has not begun yet", asked=asked.period(), hint="observations end now: choose an earlier start"
        )
    return Span(start, stop)


def _is_stale(kept: Kept) -> bool:
    """Whether values are to be asked for again."""
    latest = kept.fetched_s - kept.span.stop_s < _LATEST_S
    if not (kept.provisional or latest):
        return False
    return time.time() - kept.fetched_s > (_STALE_LATEST_S if latest else _STALE_S)


def _fill(request: _Request, progress: Progress | None) -> list[str]:
    """Fetch what the cache lacks, window by window; what is to be noted of it."""
    work = list(_windows(request))
    if not work:
        return ["values of the cache, fetched earlier"]
    total = sum(span.seconds * len(sites) for sites, span in work)
    done = 0
    for sites, span in work:
        try:
            frame = request.service.values(sites, span, request.parameter, request.statistic)
        except StoreError as problem:
            return _without_network(request, problem)
        _keep(request, sites, span, frame)
        done += span.seconds * len(sites)
        if progress is not None:
            progress(done / total)
    return [f"{counted(len(work), 'request')} to the Water Data API of USGS, {pd.Timestamp.now('UTC'):%Y-%m-%d}"]


def _windows(request: _Request) -> Iterator[tuple[tuple[str, ...], Span]]:
    """What to ask for: sites that lack the same, and a window that the API allows."""
    alike: dict[Span, list[str]] = {}
    for site in request.sites:
        for lacking in request.lacking(site):
            for window in _cut(lacking, _WINDOW_S[request.statistic is not None]):
                alike.setdefault(window, []).append(site)
    per_day = 1 if request.statistic is not None else 96
    for window, sites in sorted(alike.items()):
        rows = max(1, math.ceil(window.seconds / _DAY_S)) * per_day
        several = max(1, min(_MOST_SITES, _PAGE_ROWS // rows))
        for at in range(0, len(sites), several):
            yield tuple(sites[at : at + several]), window


def _cut(span: Span, longest_s: int) -> Iterator[Span]:
    """A stretch of time in pieces."""
    for start in range(span.start_s, span.stop_s, longest_s):
        yield Span(start, min(start + longest_s, span.stop_s))


def _keep(request: _Request, sites: tuple[str, ...], span: Span, frame: pd.DataFrame) -> None:
    """Put what came on the shelf, site by site."""
    groups = {} if frame.empty else dict(iter(frame.groupby("monitoring_location_id", sort=False)))
    for site in sites:
        part = groups.get(site)
        if part is None:
            request.shelf.keep(site, span, nothing())
            continue
        records = waterdata_records(part.reset_index(drop=True), "USGS Water Data API")
        request.shelf.keep(site, span, _clipped(records, (span,)))


def _without_network(request: _Request, problem: StoreError) -> list[str]:
    """What is to be noted where the cache has it all, if some of it for long; an error where it has not."""
    lacking: dict[str, Spans] = {}
    for site in request.sites:
        held = settled(kept.span for kept in request.shelf.kept(site))
        if missing := less_spans((request.span,), held):
            lacking[site] = missing
    if lacking:
        site, missing = next(iter(lacking.items()))
        held = settled(kept.span for kept in request.shelf.kept(site))
        raise StoreError(
            problem.headline,
            **problem.facts,
            missing=f"{site}: {'; '.join(map(str, missing))}"
            + (f", and {len(lacking) - 1} more sites" if len(lacking) > 1 else ""),
            cache=f"{site}: {'; '.join(map(str, held)) or 'nothing'}",
            hint=f"{problem.hint}; or ask for what 'cache' holds",
        ) from problem
    _log.warning("%s: values fetched earlier are used", problem.headline)
    return [f"{problem.headline}: values of the cache, some of which may have been revised since"]


def _from_shelf(request: _Request, site: str) -> Records:
    """The values of a site, of each instant those that were fetched last."""
    remaining: Spans = (request.span,)
    parts = []
    for kept in sorted(request.shelf.kept(site), key=lambda one: one.fetched_s, reverse=True):
        share = meet_spans(remaining, (kept.span,))
        if not share:
            continue
        records = request.shelf.read(kept)
        if records is None:
            # It was whole when it was counted as there: asked for again at once.
            _fill(request, None)
            return _from_shelf(request, site)
        remaining = less_spans(remaining, (kept.span,))
        parts.append(_clipped(records, share))
    filled = [part for part in parts if len(part.values)]
    return joined(filled) if filled else nothing()


def _clipped(records: Records, spans: Spans) -> Records:
    """The rows inside some stretches of time, in order of time."""
    seconds = records.times.astype("datetime64[s]").astype(np.int64)
    keep = np.zeros(len(seconds), dtype=bool)
    for span in spans:
        keep |= (seconds >= span.start_s) & (seconds < span.stop_s)
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(records.times[rows], kind="stable")]
    return Records(
        records.sites[rows], records.times[rows], records.values[rows], records.units[rows],
        None if records.qualifiers is None else records.qualifiers[rows],
        None if records.methods is None else records.methods[rows], records.notes,
    )  # fmt: skip


def _absent(request: _Request, sites: list[str]) -> list[str]:
    """What is to be noted of sites without values; an error if there are no others."""
    unknown, unsure = [], False
    for site in sites[:_MOST_SITES]:
        try:
            if not request.service.known(site):
                unknown.append(site)
        except StoreError:
            unsure = True
            break
    if len(sites) == len(request.sites):
        if len(unknown) == len(sites):
            raise ObservationError(
                f"USGS knows no site {', '.join(unknown)}", hint="look it up at waterdata.usgs.gov; mind leading zeros"
            )
        raise ObservationError(
            "USGS has no values of the sites in the period",
            sites=", ".join(sites),
            asked=f"parameter {request.parameter}, {request.statistic or 'values of instants'}, {request.span}",
            unknown=", ".join(unknown) or ("the API could not be asked" if unsure else "none"),
            hint="choose another period or site; daily values go back further than those of instants",
        )
    notes = [f"{site}: USGS knows no such site" for site in unknown]
    return notes + [f"{site}: no values in the period" for site in sites if site not in unknown]
