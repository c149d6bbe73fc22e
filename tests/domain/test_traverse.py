"""Walks and sums on rivers drawn by hand, on random ones against plain loops, and on real ones."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.domain import measures, traverse
from dmod.domain.domain import Domain
from dmod.errors import HydrofabricError, InputError, SelectionError
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.names import Names
from dmod.formats.topology import Topology

#: Real files, and for how many flowpaths their column ``order`` is not that along ``toid``.
REAL = {"v2.2/gage-10109001_subset.gpkg": 6, "v2.0/gauge_01073000.gpkg": 1}


def river(down, *, bare=(), length=None, area=None, stem=None):
    """The domain in which flowpath i + 1 flows into down[i] + 1, or leaves by a nexus of its own where that is -1.

    Flowpaths in *bare* have no catchment.
    """
    count = len(down)
    toid = [f"nex-{d + 1}" if d >= 0 else f"tnx-{i + 1}" for i, d in enumerate(down)]
    kept = [i for i in range(count) if i not in bare]
    areas = [1.0] * count if area is None else area
    fed = sorted({d for d in down if d >= 0})
    topology = Topology.of(
        {
            "id": [f"cat-{i + 1}" for i in kept],
            "toid": [toid[i] for i in kept],
            "flowpath": [f"wb-{i + 1}" for i in kept],
            "area_km2": [areas[i] for i in kept],
        },
        {"id": [f"nex-{i + 1}" for i in fed], "toid": [f"wb-{i + 1}" for i in fed]},
        {
            "id": [f"wb-{i + 1}" for i in range(count)],
            "toid": toid,
            "length_km": [None] * count if length is None else length,
            "mainstem": [None] * count if stem is None else stem,
        },
    )
    return Domain.of(Hydrofabric(Path("made.gpkg"), None, "v2.2", topology))


#: 3 and 4 flow into 2, 2 and 5 into 1, which leaves; 6 leaves on its own.
#:
#:     4   3        areas 40 30
#:      \ /
#:   5   2          areas 50 20
#:    \ /
#:     1    6       areas 10 60
DOWN = [-1, 0, 1, 1, 0, -1]
AREA = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]


@pytest.fixture
def small():
    """The river above, 1 km to 6 km long."""
    return river(DOWN, area=AREA, length=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], stem=[7, 7, 7, 8, 9, 10])


@st.composite
def domains(draw, most=30):
    """A river without a circle in rows of any order, some flowpaths without catchments, and a piece of it or all."""
    count = draw(st.integers(1, most))
    raw = [draw(st.integers(-1, i - 1)) for i in range(count)]
    turn = draw(st.permutations(range(count)))
    down = [0] * count
    for i, d in enumerate(raw):
        down[turn[i]] = turn[d] if d >= 0 else -1
    bare = draw(st.sets(st.integers(0, count - 1), max_size=count // 3))
    bare = set() if len(bare) == count else bare
    area = draw(st.lists(st.sampled_from([1.0, 2.0, 2.5, 7.0]), min_size=count, max_size=count))
    length = [0.5 + i for i in range(count)]
    whole = river(down, bare=bare, area=area, length=length)
    if draw(st.booleans()):
        return whole
    return whole.part(np.array(sorted(draw(st.sets(st.integers(0, count - 1), min_size=1)))), "a piece")


def links(domain):
    """Id to the id it flows into within the domain, or None."""
    names = traverse.names_of(domain, np.arange(len(domain.places))).to_list()
    at = {int(place): name for place, name in zip(domain.places, names, strict=True)}
    return {name: at.get(int(domain.river.downstream[place])) for place, name in at.items()}


def way(down, name):
    """An id and all below it."""
    passed = [name]
    while down[passed[-1]] is not None:
        passed.append(down[passed[-1]])
    return passed


def above(down, name):
    """An id and all whose water passes it."""
    return {other for other in down if name in way(down, other)}


@settings(max_examples=60, deadline=None)
@given(domains())
def test_walks_are_those_of_a_plain_loop(domain):
    down = links(domain)
    assert set(traverse.outlets(domain)) == {n for n, d in down.items() if d is None}
    assert set(traverse.headwaters(domain)) == set(down) - set(down.values())
    order = traverse.topological_order(domain).to_list()
    assert sorted(order) == sorted(down)
    assert all(order.index(n) < order.index(d) for n, d in down.items() if d is not None)
    whole = links(domain.part(np.arange(len(domain.river)), "all"))
    assert set(traverse.inlets(domain)) == {d for n, d in whole.items() if n not in down and d in down}
    for name in down:
        assert traverse.downstream(domain, name) == way(down, name)
        assert set(links(traverse.upstream(domain, name))) == above(down, name)
        assert set(traverse.parents(domain, name)) == {n for n, d in down.items() if d == name}
        assert traverse.children(domain, name) == [d for d in (down[name],) if d is not None]


@settings(max_examples=60, deadline=None)
@given(domains(), st.data())
def test_paths_and_meetings_are_those_of_a_plain_loop(domain, data):
    down = links(domain)
    a, b = (data.draw(st.sampled_from(sorted(down))) for _ in range(2))
    shared = [n for n in way(down, a) if n in way(down, b)]
    meeting = traverse.common_downstream(domain, a, b)
    if shared:
        assert meeting == shared[0]
    else:
        # Each outlet of these rivers has a nexus of its own, but pieces may be cut just above a nexus.
        assert meeting is None or meeting.startswith("nex-")
    upper, lower = (a, b) if b in way(down, a) else (b, a)
    if lower in way(down, upper):
        expected = way(down, upper)[: way(down, upper).index(lower) + 1]
        assert traverse.path(domain, a, b) == traverse.path(domain, b, a) == expected
    else:
        with pytest.raises(SelectionError, match="neither"):
            traverse.path(domain, a, b)


def plain_strahler(down, name):
    """Strahler order, by its definition."""
    orders = sorted((plain_strahler(down, n) for n, d in down.items() if d == name), reverse=True)
    if not orders:
        return 1
    return orders[0] + (len(orders) > 1 and orders[0] == orders[1])


@settings(max_examples=60, deadline=None)
@given(domains(), st.data())
def test_values_are_those_of_a_plain_loop(domain, data):
    down = links(domain)
    numbers = st.one_of(st.just(math.nan), st.floats(-1e6, 1e6))
    values = pd.Series({n: data.draw(numbers) for n in down}, dtype=float)
    for name in down:
        held = values[sorted(above(down, name))]
        known = held.dropna()
        for op, expected in [("sum", known.sum(min_count=1)), ("mean", known.mean()), ("max", known.max())]:
            found = measures.accumulate(domain, values, op)[name]
            assert found == pytest.approx(expected, rel=1e-12, abs=1e-6, nan_ok=True)
        assert measures.accumulate(domain, values, "min")[name] == pytest.approx(known.min(), nan_ok=True)
        assert measures.accumulate(domain, values, "count")[name] == known.size
        strict = measures.accumulate(domain, values, skipna=False)[name]
        assert math.isnan(strict) == held.isna().any()
        assert measures.strahler(domain)[name] == plain_strahler(down, name)
        assert measures.distance_to_outlet(domain, unit="steps")[name] == len(way(down, name)) - 1
        lengths = [int(n.split("-")[1]) - 0.5 for n in way(down, name)[1:]]
        assert measures.distance_to_outlet(domain)[name] == pytest.approx(sum(lengths), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(domains())
def test_stems_follow_the_feeder_that_drains_most_and_basins_share_no_water(domain):
    down = links(domain)
    drained = measures.drainage_area(domain)
    level = measures.levelpath(domain)
    for name in down:
        feeders = [n for n, d in down.items() if d == name]
        on = [n for n in feeders if level[n] == level[name]]
        assert len(on) == min(1, len(feeders))
        assert all(drained[n] == drained[feeders].max() for n in on)
    # The stem numbered first drains most, and every number is used.
    assert sorted(level.unique()) == list(range(1, level.nunique() + 1))
    ends = drained.groupby(level).max()
    assert ends.is_monotonic_decreasing
    basin = measures.basins(domain)
    for name in down:
        assert basin[name] == basin[way(down, name)[-1]]
        label = str(basin[name])
        assert label == way(down, name)[-1] or label in domain.nexus_ids
    assert basin.value_counts().is_monotonic_decreasing


def test_a_river_drawn_by_hand(small):
    assert traverse.upstream(small, "cat-2").catchments == ["cat-2", "cat-3", "cat-4"]
    assert traverse.upstream(small, "cat-2").story[-1] == "cat-2 and all upstream: 3 places"
    assert traverse.downstream(small, "wb-4") == ["cat-4", "cat-2", "cat-1"]
    assert traverse.confluences(small) == ["nex-1", "nex-2"]
    assert measures.strahler(small).to_list() == [2, 2, 1, 1, 1, 1]
    assert measures.distance_to_outlet(small).to_list() == [0, 1, 3, 3, 1, 0]
    assert measures.distance_to_outlet(small).attrs == {"units": "km"}
    assert measures.drainage_area(small).to_list() == [150, 90, 30, 40, 50, 60]
    assert measures.levelpath(small).to_list() == [1, 1, 4, 1, 3, 2]
    assert measures.basins(small).to_list() == ["tnx-1"] * 5 + ["tnx-6"]
    assert traverse.common_downstream(small, "cat-3", "cat-4") == "cat-2"
    assert traverse.common_downstream(small, "cat-3", "cat-4", "cat-5") == "cat-1"
    assert traverse.common_downstream(small, "cat-3", "cat-6") is None
    assert traverse.path(small, "cat-1", "wb-3") == ["cat-3", "cat-2", "cat-1"]


def test_a_nexus_is_what_drains_to_it_or_what_it_flows_into(small):
    assert traverse.upstream(small, "nex-2").catchments == ["cat-3", "cat-4"]
    assert traverse.parents(small, "nex-2") == ["cat-3", "cat-4"]
    assert traverse.parents(small, ["nex-2", "cat-1"]) == ["cat-2", "cat-3", "cat-4", "cat-5"]
    assert traverse.children(small, "nex-2") == ["cat-2"]
    assert traverse.children(small, "tnx-1") == []
    assert traverse.downstream(small, "nex-2") == ["cat-2", "cat-1"]
    assert traverse.downstream(small, "tnx-1") == []
    assert traverse.path(small, "cat-3", "nex-1") == ["cat-3", "cat-2"]
    assert traverse.path(small, "nex-2", "cat-1") == ["cat-2", "cat-1"]
    assert traverse.mainstem(small, "nex-1") == ["cat-4", "cat-2"]
    assert traverse.common_downstream(small, "nex-2", "cat-3") == "cat-2"
    assert traverse.common_downstream(small, "tnx-1", "cat-3") == "tnx-1"
    assert traverse.common_downstream(small, "tnx-1", "cat-6") is None


def test_ids_of_any_kind_and_places_mean_the_same(small):
    for spelled in (
        "cat-2",
        "wb-2",
        1,
        np.int32(1),
        ["wb-2"],
        Names.of(["cat-2"]),
        np.array([1]),
        pd.Series(["cat-2"]),
    ):
        assert traverse.upstream(small, spelled).catchments == ["cat-2", "cat-3", "cat-4"]


def test_the_main_stem_goes_up_where_most_drains_or_as_the_file_says(small):
    assert traverse.mainstem(small) == ["cat-4", "cat-2", "cat-1"]
    assert traverse.mainstem(small, "cat-1", by="column") == ["cat-3", "cat-2", "cat-1"]
    assert traverse.mainstem(small, "cat-5") == ["cat-5"]
    with pytest.raises(HydrofabricError, match="which main stem"):
        traverse.mainstem(river(DOWN), "cat-1", by="column")
    with pytest.raises(InputError, match="two ways"):
        traverse.mainstem(small, by="length")


def test_a_piece_with_open_inlets_is_walked_within_its_bounds(small):
    piece = small.select(["cat-1", "cat-2", "cat-4"])
    assert traverse.inlets(piece) == ["cat-1", "cat-2"]
    assert traverse.headwaters(piece) == ["cat-4"]
    assert measures.drainage_area(piece).to_dict() == {"cat-1": 70.0, "cat-2": 60.0, "cat-4": 40.0}
    apart = small.select(["cat-1", "cat-3", "cat-4"])
    assert traverse.outlets(apart) == ["cat-1", "cat-3", "cat-4"]
    assert traverse.common_downstream(apart, "cat-3", "cat-4") == "nex-2"
    assert measures.basins(apart).to_dict() == {"cat-1": "tnx-1", "cat-3": "nex-2", "cat-4": "nex-2"}
    with pytest.raises(SelectionError, match="cat-2 is not in the domain") as caught:
        traverse.upstream(apart, "cat-2")
    assert caught.value.facts["nearest"]


def test_flowpaths_without_a_catchment_are_passed_and_named():
    domain = river(DOWN, bare={1}, area=AREA, length=[1.0] * 6)
    assert traverse.downstream(domain, "cat-4") == ["cat-4", "wb-2", "cat-1"]
    assert measures.drainage_area(domain).to_dict() == {
        "cat-1": 130, "cat-3": 30, "cat-4": 40, "cat-5": 50, "cat-6": 60, "wb-2": 70,
    }  # fmt: skip
    assert measures.accumulate(domain, [1.0] * 5).loc["wb-2"] == 2


def test_values_may_be_a_series_by_any_id_an_array_or_weighted(small):
    values = pd.Series({"wb-4": 1.0, "cat-3": 4.0, "cat-99": 7.0})
    assert measures.accumulate(small, values).loc[["cat-1", "cat-2", "cat-5"]].to_list() == [
        5, 5, pytest.approx(math.nan, nan_ok=True),
    ]  # fmt: skip
    assert measures.accumulate(small, [1, 2, 3, 4, 5, 6], "max").to_list() == [5, 4, 3, 4, 5, 6]
    mean = measures.accumulate(small, values, "mean", weights=AREA)
    assert mean["cat-2"] == pytest.approx((40 * 1 + 30 * 4) / 70)
    with pytest.raises(InputError, match="do not fit"):
        measures.accumulate(small, [1.0, 2.0])
    with pytest.raises(InputError, match="five ways"):
        measures.accumulate(small, AREA, "median")
    with pytest.raises(InputError, match="for a mean"):
        measures.accumulate(small, AREA, weights=AREA)
    with pytest.raises(SelectionError, match="more than one value"):
        measures.accumulate(small, pd.Series({"cat-1": 1.0, "wb-1": 2.0}))
    with pytest.raises(SelectionError, match="none of the values"):
        measures.accumulate(small, pd.Series({"cat-77": 1.0}))


def test_distances_are_steps_where_no_length_is_known(small):
    bare = river(DOWN)
    assert measures.distance_to_outlet(bare).to_list() == [0, 1, 2, 2, 1, 0]
    assert measures.distance_to_outlet(bare).attrs == {"units": "1"}
    with pytest.raises(HydrofabricError, match="length of any"):
        measures.distance_to_outlet(bare, unit="km")
    with pytest.raises(InputError, match="two units"):
        measures.distance_to_outlet(small, unit="miles")


@pytest.mark.parametrize("spelled", ["cat-77", "wb-0", "nex-3", "tnx-9", "outlet", 6, -1, None])
def test_what_is_not_there_is_named_with_what_is_like_it(small, spelled):
    with pytest.raises(SelectionError, match="not in the domain") as caught:
        traverse.upstream(small, [spelled])
    assert caught.value.facts["has"] == "6 catchments of made"


def test_a_circle_is_named_by_every_walk():
    with pytest.raises(HydrofabricError, match="circle") as caught:
        traverse.headwaters(river([1, 0, 0]))
    assert caught.value.facts["has"] == "cat-1 -> cat-2 -> cat-1"
    # What does not lie on the circle may still be walked on its own.
    assert traverse.outlets(river([1, 0, 0]).select(["cat-3"])) == ["cat-3"]


def test_a_chain_of_a_hundred_thousand_is_walked_quickly():
    count = 100_000
    chain = river(list(range(-1, count - 1)), length=[0.1] * count)
    begin = time.process_time()
    assert len(traverse.downstream(chain, f"cat-{count}")) == count
    assert len(traverse.mainstem(chain)) == count
    exact = measures.accumulate(chain, np.full(count, 0.1))
    assert exact["cat-1"] == pytest.approx(count * 0.1, rel=1e-14)
    assert measures.distance_to_outlet(chain).max() == pytest.approx((count - 1) * 0.1, rel=1e-14)
    assert measures.strahler(chain).max() == 1
    assert measures.levelpath(chain).max() == 1
    assert traverse.common_downstream(chain, "cat-5", f"cat-{count}") == "cat-5"
    assert time.process_time() - begin < 50


@pytest.mark.parametrize("file", REAL)
def test_real_rivers_are_as_computed_for_them(data, file):
    facts = json.loads((data / "expected/expected_facts.json").read_text())[file]
    domain = Domain.open(data / "hydrofabric" / file)
    flowpath = dict(zip(domain.catchments, domain.hydrofabric.catchments["flowpath_id"], strict=True))
    assert sorted(flowpath[c] for c in traverse.headwaters(domain)) == facts["headwaters"]
    assert sorted(flowpath[c] for c in traverse.outlets(domain)) == sorted(facts["outlet_flowpaths"])
    assert measures.basins(domain).cat.categories.to_list() == facts["outlet_nexus"]
    assert measures.distance_to_outlet(domain, unit="steps").max() + 1 == facts["longest_path_flowpaths"]
    counts = measures.accumulate(domain, np.ones(len(domain)), "count")
    assert {flowpath[c]: int(n) for c, n in counts.items()} == facts["upstream_count_by_flowpath"]
    paths = domain.river.topology.flowpaths
    order = pd.Series(paths.order, index=paths.ids.to_list())
    assert order.max() == facts["max_order"]
    # Both differ from the file's own columns where tributaries were moved to the nexus below.
    area = measures.drainage_area(domain).rename(flowpath)
    reported = pd.Series(paths.total_km2, index=paths.ids.to_list())[area.index]
    apart = area[(reported - area).abs() > 0.01 * reported]
    known = facts["tot_drainage_mismatch"]
    assert set(apart.index) == set(known)
    for name, value in apart.items():
        assert value == pytest.approx(known[name]["accumulated_along_toid"], abs=1e-3)
    mine = measures.strahler(domain).rename(flowpath)
    assert (mine != order[mine.index]).sum() == REAL[file]


def test_the_basin_of_a_real_gage_weighs_means_by_area(data):
    domain = Domain.open(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg")
    slope = measures.accumulate(domain, "mean.slope", "mean", weights="areasqkm")
    table = domain.attributes(["mean.slope", "areasqkm"])
    expected = np.average(table["mean.slope"], weights=table["areasqkm"])
    assert slope["cat-2861391"] == pytest.approx(expected, rel=1e-12)
    assert slope.name == "mean.slope"
    stem = traverse.mainstem(domain, "nex-2861392")
    assert stem[-1] == "cat-2861391"
    assert stem[0] in traverse.headwaters(domain)
    assert traverse.path(domain, stem[0], "cat-2861391") == stem
