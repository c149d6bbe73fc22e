"""The network of a map: what drains where, also among some of the catchments only."""

from __future__ import annotations

import numpy as np
import pandas as pd
from domain_fake import FakeDomain, chessboard
from hypothesis import given
from hypothesis import strategies as st

from dmod.view.domain_flow import downstream, outlets, shortened


@st.composite
def forests(draw):
    """Each flows into one of a lower number, or out."""
    size = draw(st.integers(1, 60))
    return np.array([draw(st.integers(-1, n - 1)) for n in range(size)], dtype=np.intp)


def test_a_chessboard_drains_to_the_west_and_then_to_the_south():
    ids, places = downstream(chessboard(3))
    assert ids[0] == "cat-1"
    assert places.tolist() == [-1, 0, 1, 0, 3, 4, 3, 6, 7]


def test_tables_are_read_without_geometry():
    domain = chessboard(3)
    downstream(domain)
    assert {geometry for _, geometry in domain.read} == {False}


def test_a_real_basin_has_one_outlet_through_which_all_drains(data):
    domain = FakeDomain.open(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg")
    ids, places = downstream(domain)
    ends, sizes = outlets(places)
    # Two catchments meet at the last nexus.
    assert sizes.sum() == 88
    assert "cat-2861391" in ids[ends]
    assert set(domain.tables["divides"]["toid"].iloc[ends]) == {"nex-2861392"}


def test_the_nexuses_of_early_hydrofabrics_name_the_catchment():
    divides = pd.DataFrame({"toid": ["nex-2", "nex-0"]}, index=["cat-1", "cat-2"])
    nexus = pd.DataFrame({"toid": ["cat-2", "cat-0"]}, index=["nex-2", "nex-0"])
    flowpaths = pd.DataFrame({"divide_id": ["cat-1", None]}, index=["wb-1", "wb-2"])

    class Tables:
        layers = staticmethod(lambda: {"flowpaths": ("divide_id",)})
        divides = staticmethod(lambda columns, geometry: divides)
        nexus = staticmethod(lambda columns, geometry: nexus)
        flowpaths = staticmethod(lambda columns, geometry: flowpaths)

    assert downstream(Tables())[1].tolist() == [1, -1]
    nexus = nexus.iloc[:0]
    assert downstream(Tables())[1].tolist() == [-1, -1]


@given(forests(), st.randoms())
def test_among_some_water_goes_to_the_next_of_them(places, random):
    shown = np.array(sorted(random.sample(range(len(places)), random.randint(1, len(places)))))
    expected = []
    for n in shown:
        at = places[n]
        while at >= 0 and at not in shown:
            at = places[at]
        expected.append(shown.tolist().index(at) if at >= 0 else -1)
    assert shortened(places, shown).tolist() == expected


@given(forests())
def test_every_catchment_drains_through_one_outlet(places):
    ends, sizes = outlets(places)
    assert sizes.sum() == len(places)
    assert sorted(ends) == np.flatnonzero(places < 0).tolist()
    assert (np.diff(sizes) <= 0).all()


def test_water_in_a_circle_leads_nowhere_and_ends():
    places = np.array([1, 2, 0, 0], dtype=np.intp)
    assert shortened(places, np.array([3])).tolist() == [-1]
    assert shortened(places, np.array([1, 3])).tolist() == [0, 0]
    assert outlets(places)[0].tolist() == []
