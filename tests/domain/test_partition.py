"""A network is cut by whole nexuses into parts of about one size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmod.domain.domain import Domain
from dmod.domain.network import Network
from dmod.domain.partition import partition


def draining(nexus_of):
    """A network in which catchment i drains to the nexus nexus_of[i], or to none where that is -1."""
    count = max(nexus_of, default=-1) + 1
    return Network.of(
        [f"cat-{i}" for i in range(len(nexus_of))],
        [f"tnx-{n}" if n >= 0 else None for n in nexus_of],
        np.ones(len(nexus_of)),
        [f"tnx-{n}" for n in range(count)],
        ["wb-0"] * count,
    )


@pytest.mark.parametrize(
    ("nexus_of", "parts", "expected"),
    [
        pytest.param([0, 0, 1, 1], 2, [[0, 1], [2, 3]], id="even"),
        pytest.param([0, 1, 0, 1], 2, [[0, 2], [1, 3]], id="woven"),
        pytest.param([1, 1, 0, 2], 3, [[0, 1], [2], [3]], id="file order, not nexus order"),
        pytest.param([0, 0, 0], 4, [[0, 1, 2]], id="one group"),
        pytest.param([-1, -1, -1], 3, [[0], [1], [2]], id="no nexus: each alone"),
        pytest.param([0, 0, 0, 0, 1, 2], 3, [[0, 1, 2, 3], [4], [5]], id="one big group first"),
        pytest.param([0, 1, 2, 2, 2, 2], 3, [[0], [1], [2, 3, 4, 5]], id="one big group last"),
        pytest.param([], 3, [], id="nothing"),
    ],
)
def test_cuts_made_by_hand(nexus_of, parts, expected):
    assert [part.tolist() for part in partition(draining(nexus_of), parts)] == expected


def test_less_than_one_part_is_refused():
    with pytest.raises(ValueError, match="1 part or more"):
        partition(draining([0]), 0)


@given(st.lists(st.integers(-1, 12), max_size=60), st.integers(1, 20))
def test_any_cut_keeps_nexuses_whole_and_shares_even(nexus_of, parts):
    network = draining(nexus_of)
    cut = partition(network, parts)
    groups = [1] * nexus_of.count(-1) + [nexus_of.count(n) for n in set(nexus_of) - {-1}]
    assert len(cut) == min(parts, len(groups))
    assert sorted(i for part in cut for i in part) == list(range(len(nexus_of)))
    home = {int(i): k for k, part in enumerate(cut) for i in part}
    for nexus in range(len(network.nexuses)):
        assert len({home[int(i)] for i in network.contributors(nexus)}) <= 1
    for part in cut:
        assert part.size
        assert (np.diff(part) > 0).all()
        assert part.size <= len(nexus_of) / len(cut) + max(groups)


def test_a_real_basin_is_cut_into_parts_that_differ_little(data):
    network = Domain.open(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg").network
    sizes = [part.size for part in partition(network, 4)]
    assert sum(sizes) == 88
    # The largest group here has 9 catchments, so no part is further than that from 22.
    assert max(np.bincount(network.nexus_of)) == 9
    assert max(abs(size - 22) for size in sizes) <= 9
