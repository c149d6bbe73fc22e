"""Which flowpaths were made of which flowlines of the source network, by COMID.

NWM, NHDPlus and many data sets name reaches by COMID. A hydrofabric says for each flowpath
which of them it was made of; a `Crosswalk` is that, turned round. A value; it is read by
`dmod.formats.layer_rows.read_members`, together with what names a flowpath in the same table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Crosswalk"]

_MANY = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class Crosswalk:
    """COMIDs and the flowpaths made of them; either may stand with several of the other."""

    #: COMIDs, ascending; one that went into several flowpaths stands once for each, shape (n,).
    comid: NDArray[np.int64]
    #: Row of the flowpath in `Topology.flowpaths`, ascending for each COMID, shape (n,).
    flowpath: NDArray[np.int32]

    @classmethod
    def of(cls, comids: NDArray[np.floating], flowpaths: NDArray[np.integer]) -> Crosswalk:
        """A crosswalk from pairs in any order and any number.

        Parameters
        ----------
        comids : array of float, shape (n,)
            COMIDs; NaN, and what is not above 0, is left out. Parts of one, such as 5844484.1, are that one.
        flowpaths : array of int, shape (n,)
            Row of the flowpath of each, -1 for none, which is left out.
        """
        kept = (comids > 0) & (flowpaths >= 0)
        span = int(flowpaths.max(initial=0)) + 1
        # Some at a time: for a continent each copy of such a column is 20 MB.
        pairs = np.empty(int(np.count_nonzero(kept)), dtype=np.int64)
        at = 0
        for start in range(0, len(kept), _MANY):
            some = slice(start, start + _MANY)
            found = comids[some][kept[some]].astype(np.int64) * span + flowpaths[some][kept[some]]
            pairs[at : at + len(found)] = found
            at += len(found)
        pairs.sort()
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])] if len(pairs) else pairs
        rows = np.empty(len(pairs), dtype=np.int32)
        np.remainder(pairs, span, out=rows, casting="same_kind")
        pairs //= span
        return cls(pairs, rows)

    def __repr__(self) -> str:
        return f"Crosswalk({len(self):,} pairs)"

    def __len__(self) -> int:
        return len(self.comid)

    def flowpaths_of(self, comid: int) -> NDArray[np.int32]:
        """Rows of the flowpaths made of *comid*, ascending; empty for an unknown one."""
        first, last = np.searchsorted(self.comid, [comid, comid + 1])
        return self.flowpath[first:last]

    def comids_of(self, flowpath: int) -> NDArray[np.int64]:
        """The COMIDs that went into the flowpath at a row, ascending."""
        found: NDArray[np.int64] = self.comid[self.flowpath == flowpath]
        return found

    def nearest(self, comid: int, count: int = 3) -> list[int]:
        """Up to *count* known COMIDs closest to *comid* as numbers, closest first."""
        at = int(np.searchsorted(self.comid, comid))
        around = np.unique(self.comid[max(0, at - 8 * count) : at + 8 * count])
        return [int(found) for found in around[np.argsort(np.abs(around - comid), kind="stable")][:count]]
