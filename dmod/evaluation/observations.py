"""Observed discharge, from wherever it is kept, in m3 s-1 and UTC.

`read_observations` finds the `Reader` whose own a source is, by what is in it, and applies
the same rules to all of them; each that changed something is told in the ``notes`` of what
comes back:

* Units are read from the source or given by the caller. They are never guessed.
* Times become UTC. A time without a zone is taken as UTC, and the notes say so.
* Values of -9999 and -999999, infinities, blanks and the codes of USGS (``Ice``, ``Eqp``,
  ...) are missing values. Any other text among the values is an error.
* Rows are put in order of time. A value given twice for one instant counts once; two
  different values for one instant are an error, unless it is said which counts.
* Of a site with several sensors or methods one is taken, by a rule that has a name.
* Qualifiers are kept beside the values; those that are named may make them missing.
* Negative discharge is kept: a tidal river may flow upstream.

The rules are applied in `dmod.evaluation.settling`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import xarray as xr

from dmod.errors import DmodError, ObservationError
from dmod.evaluation.records import Asked, Records
from dmod.evaluation.settling import NO_DATA, UNITS, settled, settled_array
from dmod.evaluation.sources import Source, source_of
from dmod.plugins import load

if TYPE_CHECKING:
    import os

__all__ = ["NO_DATA", "UNITS", "Reader", "read_observations", "readers"]

log = logging.getLogger("dmod.evaluation")


@runtime_checkable
class Reader(Protocol):
    """Reads observations of one format; what the entry points of ``dmod.observations`` name."""

    #: What it reads, in words, for the list in an error.
    reads: str

    def knows(self, source: Source) -> bool:
        """Whether a source is its own, by what is in it. Quick, and never an error."""
        ...

    def read(self, source: Source, asked: Asked) -> Records | xr.DataArray:
        """Rows as they stand in the source, or an array (time,) or (site, time) with ``units``.

        Sites, period and rules are applied afterwards; a reader may use what is asked to read
        less. What it assumed stands in the notes of rows, or in the attribute ``said`` of an array. An
        array that has the attribute ``notes`` is settled already, and given as it is.
        """
        ...


def readers() -> tuple[Reader, ...]:
    """All readers, in the order in which they are asked.

    Returns
    -------
    tuple of Reader
        Those of plug-ins by name, then ours; what is named there and is no `Reader` is left out.
    """
    from dmod.evaluation import (
        nwm_reader,
        outputs_reader,
        parquet_reader,
        retrospective,
        table_reader,
        usgs,
        waterdata_reader,
        waterml_reader,
        xarray_reader,
    )  # fmt: skip

    found = load("dmod.observations").found
    for name, plug_in in found.items():
        if not isinstance(plug_in, Reader):
            log.warning("plug-in %s of dmod.observations is no Reader, and left out", name)
    return (
        *(plug_in for plug_in in found.values() if isinstance(plug_in, Reader)),
        usgs.UsgsReader(),
        retrospective.RetrospectiveReader(),
        outputs_reader.OutputsReader(),
        nwm_reader.NwmReader(),
        waterml_reader.WaterMlReader(),
        waterdata_reader.WaterDataReader(),
        parquet_reader.ParquetReader(),
        xarray_reader.ZarrReader(),
        xarray_reader.NetcdfReader(),
        table_reader.TableReader(),
    )


def read_observations(
    path: str | os.PathLike[str],
    *,
    units: str | None = None,
    variable: str | None = None,
    sites: str | int | Iterable[str | int] | None = None,
    start: object = None,
    end: object = None,
    drop: str | Collection[str] = (),
    method: str = "most",
    duplicates: Literal["error", "first", "last", "mean"] = "error",
) -> xr.DataArray:
    """Read observed discharge.

    Parameters
    ----------
    path : str or path-like
        A file, a directory, a pattern such as ``*.CHRTOUT_DOMAIN1``, a URL, or a service:
        ``usgs:01073000,01013500`` (values of USGS), ``nwm:101`` (the retrospective run of the
        National Water Model). What formats there are is told on the page on observations.
    units : str, optional
        Units of the values, where the source does not tell. A table may tell in the header,
        ``flow [m3 s-1]`` or ``flow (cfs)``, or in a column ``units``.
    variable : str, optional
        Column or variable to read, if not the one found by name or units.
    sites : str, int or iterable of them, optional
        The sites to read; all otherwise. Those that are not there are told in the notes.
    start, end : str or datetime, optional
        First and last instant, both included; UTC without a zone. An *end* such as
        ``2016-09-30`` is that whole day.
    drop : str or collection of str
        Qualifiers whose values count as missing: ``("Ice", "e")``, or ``"P"`` for provisional.
    method : str
        Of a site with several sensors or methods: the one with ``most`` values, the ``first``,
        one by its name, or ``error``.
    duplicates : str
        Which of several different values for one instant counts.

    Returns
    -------
    xarray.DataArray
        ``discharge`` [m3 s-1], dimensions ``(time,)`` or, for more than one site, ``(site, time)``;
        ``time`` is naive datetime64 in UTC, strictly increasing; NaN is missing. Coordinate
        ``qualifier`` has CF flags where the source qualifies values. Attribute ``notes``.

    Raises
    ------
    ObservationError
        If nobody knows the source, it cannot be read or understood, units are missing or not of
        discharge, an instant has two values, or it has none of the sites or period.
    """
    asked = Asked.of(
        units=units, variable=variable, sites=sites, start=start, end=end, drop=drop, method=method,
        duplicates=duplicates,
    )  # fmt: skip
    return _read(source_of(path), asked)


def _read(source: Source, asked: Asked) -> xr.DataArray:
    """What the reader of a source gives, with the rules applied."""
    known = readers()
    reader = next((one for one in known if one.knows(source)), None)
    if reader is None:
        raise _unknown(source, known)
    found = reader.read(source, asked)
    if isinstance(found, Records):
        return settled(found, asked, source.name)
    if "notes" in found.attrs:
        return found
    said = str(found.attrs.get("said", ""))
    return settled_array(found, asked, source.name, [said] if said else [])


def _unknown(source: Source, known: Iterable[Reader]) -> ObservationError:
    """The error for what nobody knows: what it seems to be, and what is read."""
    formats = "; ".join(one.reads for one in known)
    if source.glance is None:
        return ObservationError(
            f"nobody knows how to read {source.name}", has=source.name, known=formats, hint="give one of 'known'"
        )
    from dmod.formats.describe import describe

    seems = source.glance.seen()
    try:
        seems = describe(source.path).format.docs
    except DmodError:  # nothing that is known, or damaged: what is seen must do
        log.debug("nobody can say what %s is", source.path)
    directory = source.glance.is_directory
    what = "no directory of observations" if directory else "not a table of text, nor another file of observations"
    return ObservationError(
        f"{source.name} is {what} that is known",
        seems=seems,
        known=formats,
        hint="unpack it first" if source.glance.is_archive else "give one of 'known', or export it as CSV",
    )
