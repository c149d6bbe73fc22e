"""Networks of a few catchments that can be drawn by hand, and what must hold for any."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmod.domain.domain import Domain
from dmod.domain.ids import is_catchment, is_nexus, is_terminal, nearest, number
from dmod.domain.network import Network
from dmod.errors import SelectionError
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.topology import Topology


def domain(catchments, nexuses, tmp_path, gages=None):
    """A domain of (id, toid, area, flowpath) and (id, toid)."""
    columns = dict(zip(("id", "toid", "area_km2", "flowpath"), zip(*catchments, strict=True), strict=True))
    listed = dict(zip(("id", "toid"), zip(*nexuses, strict=True) if nexuses else ((), ()), strict=True))
    marks = [(f"gages-{gage}", flowpath, None) for gage, flowpath in (gages or {}).items()]
    topology = Topology.of(columns, listed, marks=marks)
    return Domain.of(Hydrofabric(tmp_path / "small.gpkg", None, "v2.2", topology))


def forest(down):
    """The network in which catchment i flows into catchment down[i], or leaves where that is -1."""
    count = len(down)
    return Network.of(
        [f"cat-{i + 1}" for i in range(count)],
        [f"nex-{d + 1}" if d >= 0 else f"tnx-{i}" for i, d in enumerate(down)],
        np.ones(count),
        [f"nex-{i + 1}" for i in range(count)],
        [f"wb-{i + 1}" for i in range(count)],
    )


#: Forests in which water flows to lower numbers, so that there is no circle.
forests = st.integers(1, 40).flatmap(lambda n: st.tuples(*(st.integers(-1, i - 1) for i in range(n)))).map(forest)

#: 4 and 3 meet at nex-2, which flows into 2; 2 and 5 at nex-1 into 1; 1 leaves.
RIVER = [
    ("cat-1", "nex-9", 1.0, "wb-1"),
    ("cat-2", "nex-1", 2.0, "wb-2"),
    ("cat-3", "nex-2", 3.0, "wb-3"),
    ("cat-4", "nex-2", 4.0, "wb-4"),
    ("cat-5", "nex-1", 5.0, "wb-5"),
]
MEETINGS = [("nex-1", "wb-1"), ("nex-2", "wb-2"), ("nex-9", "wb-9")]


def test_a_river_drawn_by_hand(tmp_path):
    network = domain(RIVER, MEETINGS, tmp_path).network
    assert network.nexus_of.tolist() == [2, 0, 1, 1, 0]
    assert network.downstream.tolist() == [-1, 0, 1, 1, 0]
    assert network.headwaters.tolist() == [2, 3, 4]
    assert network.upstream([1]).tolist() == [1, 2, 3]
    assert network.upstream([0]).tolist() == [0, 1, 2, 3, 4]
    assert network.upstream([4, 3]).tolist() == [3, 4]
    assert network.contributors(1).tolist() == [2, 3]
    assert network.cycle() is None
    assert network.indices(["cat-3", "cat-7"]).tolist() == [2, -1]


@pytest.mark.parametrize(
    ("toid", "flowpaths", "receiver"),
    [
        ("wb-2", [None, None], 1),
        ("cat-2", [None, None], 1),
        ("wb-2", ["wb-2", "wb-1"], 0),
        ("cat-2", ["wb-2", "wb-1"], 1),
        ("wb-2", ["wb-1", None], -1),
        ("wb-0", [None, None], -1),
        ("cat-0", [None, None], -1),
        ("wb-77", [None, None], -1),
        ("nex-2", [None, None], -1),
        (None, [None, None], -1),
    ],
)
def test_what_a_nexus_flows_into(toid, flowpaths, receiver):
    network = Network.of(["cat-1", "cat-2"], ["nex-5", "tnx-1"], np.ones(2), ["nex-5"], [toid], flowpaths)
    assert network.receiver[0] == receiver


def test_terminals_the_file_does_not_list_are_kept_and_inner_nexuses_are_not():
    network = Network.of(["cat-1", "cat-2"], ["tnx-7", "nex-8"], np.ones(2), [], [])
    assert network.nexuses == ("tnx-7",)
    assert network.nexus_of.tolist() == [0, -1]
    assert network.downstream.tolist() == [-1, -1]


def test_taking_catchments_keeps_the_nexuses_they_drain_to(tmp_path):
    network = domain(RIVER, MEETINGS, tmp_path).network.take([3, 1])
    assert network.catchments == ("cat-2", "cat-4")
    assert network.nexuses == ("nex-1", "nex-2")
    assert network.area_km2.tolist() == [2.0, 4.0]
    # nex-1 flows into cat-1, which is left out.
    assert network.receiver.tolist() == [-1, 0]
    assert network.downstream.tolist() == [-1, 0]


def test_a_circle_is_named_in_the_order_of_flow():
    network = forest([-1, 2, 3, 1, 3, 0])
    assert network.cycle() == ["cat-2", "cat-3", "cat-4"]
    assert network.upstream([1]).tolist() == [1, 2, 3, 4]


def test_an_empty_network_is_a_network():
    network = Network.of([], [], np.ones(0), [], [])
    assert len(network) == 0
    assert network.cycle() is None
    assert network.headwaters.size == 0
    assert network.upstream([]).size == 0


@given(forests)
def test_upstream_is_closed_and_holds_just_what_arrives(network):
    for start in range(len(network)):
        inside = np.zeros(len(network), dtype=bool)
        inside[network.upstream([start])] = True
        for place in range(len(network)):
            at = place
            while at not in (start, -1):
                at = int(network.downstream[at])
            assert inside[place] == (at == start)


@given(forests, st.data())
def test_taking_what_is_upstream_of_an_outlet_keeps_every_link(network, data):
    start = data.draw(st.integers(0, len(network) - 1))
    kept = network.upstream([start])
    part = network.take(kept)
    for new, old in enumerate(kept):
        below = network.downstream[old]
        expected = -1 if old == start or below < 0 else int(np.flatnonzero(kept == below)[0])
        assert part.downstream[new] == expected
    assert part.cycle() is None


def test_prefixes_and_numbers():
    assert is_catchment("cat-1")
    assert is_catchment("agg-1")
    assert not is_catchment("nex-1")
    assert not is_catchment("cat1")
    assert [is_nexus(f"{p}-1") for p in ("nex", "tnx", "cnx", "inx", "tnex", "wb")] == [True] * 5 + [False]
    assert is_terminal("tnx-1")
    assert not is_terminal("nex-1")
    assert number("cat-27") == 27
    assert number("wb-TERMINAL_SENTINEL-nex-3") == 3
    assert number("agg-x") == -1


def test_nearest_names_the_same_number_first():
    assert nearest("wb-27", [f"cat-{n}" for n in range(20_000)])[0] == "cat-27"
    assert nearest("???", ["cat-1"]) == []


def test_selecting_catchments_takes_their_gages_along(tmp_path):
    whole = domain(RIVER, MEETINGS, tmp_path, gages={"01": "wb-2", "02": "wb-5"})
    assert whole.gages == {"01": ("cat-2", "nex-1"), "02": ("cat-5", "nex-1")}
    part = whole.select(["cat-4", "cat-2", "cat-4"])
    assert part.network.catchments == ("cat-2", "cat-4")
    assert part.catchments == ["cat-2", "cat-4"]
    assert part.nexus_ids == ["nex-1", "nex-2"]
    assert part.gages == {"01": ("cat-2", "nex-1")}
    assert part.problems() == []


def test_selecting_what_is_not_there_names_what_is(tmp_path):
    whole = domain(RIVER, MEETINGS, tmp_path)
    with pytest.raises(SelectionError, match="1 of the 2 catchments") as caught:
        whole.select(["cat-1", "wb-4"])
    assert str(caught.value.facts["nearest"]).startswith("wb-4: cat-4")
    with pytest.raises(SelectionError, match="no catchment"):
        whole.select([])


def test_gages_are_found_by_number_where_flowpaths_are_not_known(tmp_path):
    bare = [(i, toid, area, None) for i, toid, area, _ in RIVER]
    assert domain(bare, MEETINGS, tmp_path, gages={"01": "wb-5", "02": "wb-77"}).gages == {"01": ("cat-5", "nex-1")}


@pytest.mark.parametrize(
    ("catchments", "nexuses", "severity", "text", "ids"),
    [
        pytest.param([*RIVER, RIVER[0]], MEETINGS, "error", "catchments have one id", ("cat-1",), id="catchment twice"),
        pytest.param(RIVER, [*MEETINGS, MEETINGS[0]], "error", "nexuses have one id", ("nex-1",), id="nexus twice"),
        pytest.param(RIVER, MEETINGS[:2], "error", "lacks", ("cat-1",), id="nexus lost"),
        pytest.param(RIVER, [*MEETINGS, ("nex-1", "wb-3")], "error", "dendritic", ("nex-1",), id="two receivers"),
        pytest.param(
            [*RIVER, ("cat-6", "nex-9", 1.0, "wb-2")],
            MEETINGS,
            "error",
            "dendritic",
            ("nex-2",),
            id="shared flowpath",
        ),
        pytest.param(
            [("cat-1", "nex-2", 1.0, "wb-1"), ("cat-2", "nex-1", 1.0, "wb-2")],
            MEETINGS[:2],
            "error",
            "circle",
            ("cat-1", "cat-2"),
            id="circle",
        ),
        pytest.param([("cat-1", "nex-9", None, "wb-1")], MEETINGS[2:], "error", "no area", ("cat-1",), id="no area"),
        pytest.param([("cat-1", "nex-9", 0.0, "wb-1")], MEETINGS[2:], "error", "zero", ("cat-1",), id="zero area"),
        pytest.param([("cat-1", "nex-9", -1, "wb-1")], MEETINGS[2:], "error", "zero", ("cat-1",), id="area below zero"),
        pytest.param([*RIVER, ("cat-6", None, 1, "wb-6")], MEETINGS, "warning", "no nexus", ("cat-6",), id="nowhere"),
        pytest.param([*RIVER, ("cat-6", "nex-9", 1, None)], MEETINGS, "warning", "flowpath", ("cat-6",), id="coastal"),
        pytest.param(RIVER, [*MEETINGS, ("nex-3", "wb-3")], "info", "contributing", ("nex-3",), id="dry nexus"),
    ],
)
def test_problems_name_what_is_wrong_and_where(tmp_path, catchments, nexuses, severity, text, ids):
    found = domain(catchments, nexuses, tmp_path).problems()
    assert (severity, ids) in [(p.severity, p.ids) for p in found if text in p.message]


def test_a_sound_river_has_no_problems_and_many_ids_are_cut_short(tmp_path):
    assert domain(RIVER, MEETINGS, tmp_path).problems() == []
    (problem,) = [p for p in domain(RIVER, MEETINGS[2:], tmp_path).problems() if p.severity == "error"]
    assert str(problem).endswith(": cat-2, cat-3, cat-4 and 1 more")
    assert len(problem.ids) == 4


def test_a_domain_shows_itself_and_travels(tmp_path):
    whole = domain(RIVER, MEETINGS, tmp_path, gages={"01": "wb-2"})
    assert repr(whole) == "Domain('small', v2.2, 5 catchments, 3 nexuses, 15.0 km2, 1 gages)"
    assert "15.0 km²" in whole._repr_html_()
    again = pickle.loads(pickle.dumps(whole))
    assert again.gages == whole.gages
    assert np.array_equal(again.network.downstream, whole.network.downstream)
    pd.testing.assert_frame_equal(again.hydrofabric.catchments, whole.hydrofabric.catchments)
