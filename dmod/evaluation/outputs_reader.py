"""Outputs of a run as a series of flow: ours, ngen's nexuses, t-route's.

So a run can be compared with another run, or one be the baseline. Routed flow is read where
there is some, as it is the flow of the river; else the flow into nexuses.
"""

from __future__ import annotations

import xarray as xr

from dmod.errors import ObservationError
from dmod.evaluation.records import Asked
from dmod.evaluation.sources import Source
from dmod.formats.describe_outputs import DETECTORS
from dmod.formats.ngen_files import CATCHMENT_FILE, TOGETHER_FILE

__all__ = ["OutputsReader"]

#: What is read of outputs, the first that is there: variable, its places, its times.
_FLOWS = (("routed_flow", "flowpath-id", "routed-time"), ("nexus_flow", "nexus-id", "time"))
_MEANING = {"routed-time": "times are those a value is valid at", "time": "times are the starts of steps"}


class OutputsReader:
    """Reads outputs of runs."""

    reads = "outputs of a run (run.nc, run.zarr, CSV and NetCDF of ngen, outputs of t-route)"

    def knows(self, source: Source) -> bool:
        """Whether these are outputs with flow; a CSV file of one catchment is a table."""
        glance = source.glance
        if glance is None or glance.is_archive:
            return False
        if not glance.is_directory and any(one.fullmatch(source.name) for one in (CATCHMENT_FILE, TOGETHER_FILE)):
            return False
        return any(one.sniff(glance) for one in DETECTORS)

    def read(self, source: Source, asked: Asked) -> xr.DataArray:
        """The flow, lazy."""
        from dmod.formats.outputs import open_outputs

        dataset = open_outputs(source.path)
        there = {name: (place, clock) for name, place, clock in _FLOWS if name in dataset}
        wanted = asked.variable or next(iter(there), None)
        if wanted not in there:
            raise ObservationError(
                f"{source.name} has no {asked.variable or 'flow'}",
                has=", ".join(f"{name} [{held.attrs.get('units', '')}]" for name, held in dataset.data_vars.items()),
                needed=" or ".join(name for name, *_ in _FLOWS),
                hint="give the directory of the whole run, or choose one of 'needed' with variable='...'",
            )
        place, clock = there[wanted]
        flow = dataset[wanted].transpose(place, clock).reset_coords(drop=True)
        others = [name for name in there if name != wanted]
        notes = [f"{wanted} read" + (f", {' and '.join(others)} is there too" if others else ""), _MEANING[clock]]
        flow = flow.rename({place: "site", clock: "time"})
        flow.attrs = {"units": str(flow.attrs.get("units", "")), "said": "; ".join(notes)}
        return flow
