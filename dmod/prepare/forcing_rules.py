"""The rule for forcing: cut it to catchments and times, and make one format of another.

Values, units and precision stay what they are, see `dmod.formats.forcing_copy`. A forcing
must hold all that is needed: nothing is fetched, filled, joined or resampled here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dmod.data.coverage import Coverage, Everything, IdSet, Span
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Catalog, Requirement
from dmod.errors import ForcingError
from dmod.formats.forcing import ForcingRef, ForcingSource, open_forcing
from dmod.formats.forcing_copy import copy_forcing, cut_of
from dmod.formats.forcing_zarr import ZarrForcing, is_zarr
from dmod.prepare.rules import Offer, Progress, parents_for, the_one

__all__ = ["FORCING_NAMES", "ForcingRule", "forcing_ref"]

#: What a derived forcing of each format is called.
FORCING_NAMES: Mapping[Format, str] = {
    Format.FORCING_NETCDF: "forcings.nc",
    Format.FORCING_ZARR: "forcings.zarr",
    Format.FORCING_CSV: "forcings",
}
_FORMATS = tuple(FORCING_NAMES)


class ForcingRule:
    """Forcing for the catchments and times that are needed, in the first of the formats that will do."""

    name = "forcing"
    version = "1"
    makes = _FORMATS

    def offers(self, requirement: Requirement, candidates: Catalog) -> Offer | None:
        """From the forcing that holds all that is needed, with the least excess."""
        kind = _wanted(requirement)
        if requirement.category is not Category.FORCING or kind is None:
            return None
        needed = requirement.coverage
        for parent in parents_for(requirement, candidates, _FORMATS):
            if isinstance(parent.coverage.ids, Everything) and isinstance(needed.ids, Everything):
                continue  # one series that serves every catchment names none
            if all(parent.facts.get(fact) == value for fact, value in requirement.facts.items()):
                return self._offer(requirement, parent, kind)
        return None

    def _offer(self, requirement: Requirement, parent: Dataset, kind: Format) -> Offer:
        """What is cut of one parent."""
        needed, held = requirement.coverage, parent.coverage
        ids = held.ids if isinstance(needed.ids, Everything) else needed.ids
        spans = held.spans if isinstance(needed.spans, Everything) else needed.spans
        variables = held.variables if isinstance(needed.variables, Everything) else needed.variables
        if not isinstance(spans, Everything):
            spans = (Span(spans[0].start_s, spans[-1].stop_s),)
        parameters: dict[str, Any] = {
            "from": str(parent.format),
            "to": str(kind),
            "ids": None if isinstance(needed.ids, Everything) else needed.ids.to_dict(),
            "span": None if isinstance(spans, Everything) else [spans[0].start_s, spans[0].stop_s],
            "variables": None if isinstance(needed.variables, Everything) else sorted(needed.variables),
        }
        cut = held != Coverage(spans, ids, variables)
        turned = f"{parent.format} is made {kind}" if parent.format is not kind else f"it stays {kind}"
        note = f"{parent.name!r} is cut to what is needed; {turned}" if cut else f"{parent.name!r}: {turned}"
        facts = {**requirement.facts, **({"step_s": parent.facts["step_s"]} if "step_s" in parent.facts else {})}
        return Offer(self.name, self.version, (parent,), parameters, kind, Coverage(spans, ids, variables), note, facts)

    def apply(self, offer: Offer, parents: Sequence[Path], folder: Path, *, progress: Progress | None = None) -> Path:
        """Copy what is needed."""
        told = offer.parameters
        ids = None if told["ids"] is None else IdSet.from_dict(told["ids"]).to_list()
        span = None if told["span"] is None else (int(told["span"][0]), int(told["span"][1]))
        kind = Format(told["to"])
        source = _opened(forcing_ref(parents[0], Format(told["from"])), ids)
        try:
            cut = cut_of(source, ids=ids, span=span, variables=told["variables"])
            return copy_forcing(source, folder / FORCING_NAMES[kind], kind, cut=cut, progress=progress)
        finally:
            source.close()


def forcing_ref(path: Path, kind: Format) -> ForcingRef:
    """Where the forcing of a dataset lies, as it is opened.

    Parameters
    ----------
    path : Path
        The file or directory that the dataset is, or the directory that it was put in.
    kind : Format
        One of the formats of forcing.

    Returns
    -------
    ForcingRef

    Raises
    ------
    DatasetError
        If there is nothing of that format.
    ForcingError
        If it is no format of forcing.
    """
    if kind is Format.FORCING_ZARR:
        return ForcingRef(the_one(path, is_zarr, "Zarr store"), "Zarr")
    if kind is Format.FORCING_NETCDF:
        return ForcingRef(the_one(path, Path.is_file, "NetCDF file"), "NetCDF")
    if kind is Format.FORCING_CSV:
        return ForcingRef(the_one(path, _holds_csv, "directory of CSV files"), "CsvPerFeature")
    raise ForcingError(f"{kind} is no format of forcing", needed=", ".join(_FORMATS))


def _wanted(requirement: Requirement) -> Format | None:
    """The first format of a requirement that is made here."""
    if Format.GENERIC in requirement.formats:
        return Format.FORCING_NETCDF
    return next((kind for kind in requirement.formats if kind in _FORMATS), None)


def _holds_csv(path: Path) -> bool:
    """Whether it is a CSV file, or a directory with one."""
    return path.suffix.lower() == ".csv" if path.is_file() else any(path.glob("*.csv"))


def _opened(ref: ForcingRef, ids: Sequence[str] | None) -> ForcingSource:
    """The forcing, opened."""
    return ZarrForcing(ref) if ref.provider == "Zarr" else open_forcing(ref, ids)
