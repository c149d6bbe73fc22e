"""Pieces of rivers that can be drawn by hand, of random ones, and of real ones."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.domain.domain import Domain
from dmod.domain.locate import locate
from dmod.domain.selection import between, describe, difference, intersection, subset, union
from dmod.errors import HydrofabricError, SelectionError
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.topology import Topology

FILES = {"v2.2/gage-10109001_subset.gpkg": "10109001", "v2.0/gauge_01073000.gpkg": "01073000"}
GAGED = "hydrofabric/v2.2/gage-10109001_subset.gpkg"


def river(down, bare=(), marks=(), total=None):
    """A domain: flowpath i flows into flowpath down[i], or leaves where that is -1; *bare* have no catchment."""
    count = len(down)
    toid = [f"nex-{d + 1}" if d >= 0 else f"tnx-{1000 + i}" for i, d in enumerate(down)]
    cats = [i for i in range(count) if i not in bare]
    topology = Topology.of(
        {
            "id": [f"cat-{i + 1}" for i in cats],
            "toid": [toid[i] for i in cats],
            "flowpath": [f"wb-{i + 1}" for i in cats],
            "area_km2": [1.0] * len(cats),
            "region": ["01" if i % 2 else "02" for i in cats],
        },
        {"id": [f"nex-{i + 1}" for i in range(count)], "toid": [f"wb-{i + 1}" for i in range(count)]},
        {"id": [f"wb-{i + 1}" for i in range(count)], "toid": toid, "total_km2": total or [float("nan")] * count},
        list(marks),
    )
    return Domain.of(Hydrofabric(Path("made-up.gpkg"), None, "v2.2", topology))


#: 1 leaves; 2 and 5 flow into 1, 3 and 4 into 2, 6 into 4; 7 leaves elsewhere.
#:
#: ::
#:
#:     6 - 4 - 2 - 1      7
#:         3 /   5 /
DOWN = (-1, 0, 1, 1, 0, 3, -1)


def numbers(domain):
    """Numbers of the catchments of a domain."""
    return sorted(int(name[4:]) for name in domain.catchments)


def error_of(verb, *args, **how):
    """The error that asking gives."""
    with pytest.raises(SelectionError) as caught:
        verb(*args, **how)
    return caught.value


@pytest.fixture(scope="module")
def hand():
    """The river drawn above, with a gage at the end of 2."""
    return river(DOWN, marks=[("gages-00000002", "wb-2", None)])


@pytest.mark.parametrize(
    ("what", "how", "result"),
    [
        ("cat-2", {}, [2, 3, 4, 6]),
        ("wb-2", {}, [2, 3, 4, 6]),
        ("cat-2", {"upstream": False}, [2]),
        ("cat-2", {"upstream": 0}, [2]),
        ("cat-2", {"upstream": 1}, [2, 3, 4]),
        ("cat-2", {"upstream": np.int64(2)}, [2, 3, 4, 6]),
        ("cat-1", {"upstream": 2}, [1, 2, 3, 4, 5]),
        (["cat-1", "cat-4"], {"upstream": 1}, [1, 2, 4, 5, 6]),
        ("cat-2", {"at": "nexus"}, [2, 3, 4, 5, 6]),
        ("cat-2", {"at": "nexus", "upstream": False}, [2, 5]),
        ("cat-2", {"at": "nexus", "upstream": 1}, [2, 3, 4, 5]),
        ("gage-2", {}, [2, 3, 4, 6]),
        ("gage-2", {"at": "nexus"}, [2, 3, 4, 6]),
        ("nex-1", {}, [2, 3, 4, 5, 6]),
        ("nex-1", {"upstream": False}, [2, 5]),
        ("nex-1", {"upstream": 1}, [2, 3, 4, 5]),
        ("tnx-1000", {}, [1, 2, 3, 4, 5, 6]),
        (["cat-3", "cat-7"], {}, [3, 7]),
        ("cat-4", {"downstream_to": True}, [1, 2, 4, 6]),
        ("cat-4", {"downstream_to": "cat-2"}, [2, 4, 6]),
        ("cat-4", {"downstream_to": "gage-2"}, [2, 4, 6]),
        ("cat-4", {"downstream_to": "nex-1", "upstream": False}, [2, 4]),
        ("cat-6", {"downstream_to": "cat-1"}, [1, 2, 4, 6]),
        (["cat-6", "cat-5"], {"downstream_to": "cat-2"}, [2, 4, 5, 6]),
        ("cat-4", {"downstream_to": False}, [4, 6]),
        ("cat-1", {"exclude": "cat-2"}, [1, 5]),
        ("cat-1", {"exclude": ["cat-6", "cat-5"]}, [1, 2, 3, 4]),
        ("cat-1", {"exclude": "nex-2"}, [1, 2, 5]),
        ("cat-4", {"downstream_to": True, "exclude": "cat-6"}, [1, 2, 4]),
        ("vpu-01", {}, [2, 4, 6]),
        ("vpu-01", {"upstream": True}, [2, 3, 4, 6]),
        ("vpu-02", {"exclude": "cat-2"}, [1, 5, 7]),
        (["vpu-01", "cat-5"], {}, [2, 4, 5, 6]),
    ],
)
def test_a_piece_of_a_river_drawn_by_hand(hand, what, how, result):
    assert numbers(subset(hand, what, **how)) == result


def test_keywords_are_taken_together_with_each_other(hand):
    assert numbers(subset(hand, "cat-7", gage="2", vpu="02")) == [1, 2, 3, 4, 5, 6, 7]


def test_a_domain_is_taken_as_it_is_unless_upstream_is_asked_for(hand):
    part = hand.select(["cat-2", "cat-7"])
    assert numbers(subset(hand, part)) == [2, 7]
    assert numbers(subset(hand, part, upstream=True)) == [2, 3, 4, 6, 7]
    assert numbers(subset(hand, "cat-1", exclude=part)) == [1, 3, 4, 5, 6]


def test_a_piece_of_a_piece_stays_within_it(hand):
    part = subset(hand, "cat-1", exclude="cat-4")
    assert numbers(subset(part, "cat-2")) == [2, 3]
    assert numbers(subset(part, "cat-3", downstream_to=True)) == [1, 2, 3]
    assert "in the file, but not in this domain" in str(error_of(subset, part, "cat-6"))


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        ("cat-4", "cat-1", [1, 2, 3, 4, 5]),
        ("cat-6", "cat-2", [2, 3, 4, 6]),
        ("cat-2", "cat-2", [2]),
        ("nex-2", "cat-1", [1, 2, 5]),
        ("cat-4", "nex-1", [2, 3, 4, 5]),
        ("gage-2", "cat-1", [1, 5]),
        ("cat-6", "gage-2", [2, 3, 4, 6]),
        (["cat-4", "cat-5"], "cat-1", [1, 2, 3, 4, 5]),
        (["cat-6", "cat-7"], ["cat-4", "cat-7"], [4, 6, 7]),
    ],
)
def test_between_two_places_is_the_way_and_what_joins_it(hand, a, b, result):
    assert numbers(between(hand, a, b)) == result


def test_between_refuses_places_of_which_one_does_not_drain_through_the_other(hand):
    assert "exchange the two" in error_of(between, hand, "cat-1", "cat-4").hint
    assert "exchange" not in error_of(between, hand, "cat-7", "cat-4").hint
    assert "nothing lies between" in error_of(between, hand, "gage-2", "cat-2").headline


@pytest.mark.parametrize(
    ("what", "how", "says"),
    [
        ("cat-2", {"upstream": -1}, "no way of saying how far upstream"),
        ("cat-2", {"upstream": 1.5}, "no way of saying how far upstream"),
        ("cat-2", {"upstream": "yes"}, "no way of saying how far upstream"),
        ("cat-2", {"at": "inlet"}, "there is no at='inlet'"),
        ("cat-2", {"downstream_to": "cat-7"}, "flows to catchment cat-7"),
        ("cat-2", {"downstream_to": "cat-4"}, "flows to catchment cat-4"),
        ("cat-2", {"downstream_to": "cat-77"}, "'cat-77' is not in the hydrofabric"),
        ("cat-2", {"exclude": "cat-1"}, "nothing is left"),
        ("cat-2", {"exclude": []}, "is empty"),
        ("nex-3", {}, "nothing drains to nexus nex-3"),
        (None, {}, "nothing was asked for"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(hand, what, how, says):
    error = error_of(subset, hand, what, **how)
    assert says in error.headline
    assert error.hint


def test_what_two_pieces_make_together(hand):
    a, b = subset(hand, "cat-2"), subset(hand, "cat-4", downstream_to=True)
    assert numbers(union(a, b)) == [1, 2, 3, 4, 6]
    assert numbers(intersection(a, b)) == [2, 4, 6]
    assert numbers(difference(a, b)) == [3]
    assert numbers(union(hand, a)) == [1, 2, 3, 4, 5, 6, 7]
    assert "nothing in common" in error_of(intersection, a, subset(hand, "cat-7")).headline
    assert "nothing is left" in error_of(difference, a, a).headline
    assert "not two domains of one file" in error_of(union, a, river(DOWN)).headline
    assert "not two domains of one file" in error_of(union, a, "cat-7").headline


def test_a_circle_is_refused_only_where_upstream_is_asked_for():
    round_ = river((1, 2, 0, -1))
    assert numbers(subset(round_, "cat-2", upstream=False)) == [2]
    assert numbers(subset(round_, "vpu-01")) == [2, 4]
    with pytest.raises(HydrofabricError, match="circle"):
        subset(round_, "cat-2")
    assert "flows to the sea" in error_of(subset, round_, "cat-2", upstream=False, downstream_to=True).headline


def test_a_flowpath_without_a_catchment_does_not_part_what_it_links():
    linked = river((-1, 0, 1, 2), bare={1})
    assert numbers(subset(linked, "cat-1")) == [1, 3, 4]
    part = subset(linked, "vpu-02")
    assert numbers(part) == [1, 3]
    assert part.flowpath_ids.to_list() == ["wb-1", "wb-2", "wb-3"]
    assert numbers(subset(linked, "wb-2")) == [3, 4]
    assert subset(linked, "wb-2", upstream=False).flowpath_ids.to_list() == ["wb-2"]


def test_the_story_says_what_each_input_was_taken_for(hand):
    assert subset(hand, "USGS-00000002").story == (
        "gage 00000002, at the end of wb-2 (cat-2), with all upstream: 4 catchments, 4.0 km2",
    )
    assert subset(hand, gage=2, upstream=1, exclude="cat-4").story == (
        "gage 00000002, at the end of wb-2 (cat-2), up to 1 place upstream",
        "gage 2 taken as 00000002",
        "without catchment cat-4, with all upstream: 1 place less",
        "in all 2 catchments, 2.0 km2",
        "water enters from outside at 1 place: cat-2",
    )
    assert subset(hand, "cat-6", downstream_to="cat-2").story[:2] == (
        "catchment cat-6, with all upstream",
        "with the way down to catchment cat-2: 2 places more",
    )


def test_open_inlets_are_told_and_closed_pieces_have_none(hand):
    def told(domain):
        return [line for line in domain.story if "enters from outside" in line]

    assert told(subset(hand, "vpu-01")) == ["water enters from outside at 1 place: cat-2"]
    assert told(subset(hand, "vpu-01", upstream=True)) == []
    assert told(subset(hand, "cat-2", upstream=False)) == ["water enters from outside at 1 place: cat-2"]
    assert told(subset(hand, "cat-1")) == []
    assert told(subset(hand, "cat-4", downstream_to=True)) == ["water enters from outside at 2 places: cat-1, cat-2"]
    assert told(between(hand, "cat-4", "cat-1")) == ["water enters from outside at 1 place: cat-4"]


def test_both_drainage_areas_are_told_where_they_differ():
    alike, unlike = river((-1, 0, 0), total=[3.02, 1.0, 1.0]), river((-1, 0, 0), total=[4.0, 1.0, 1.0])
    assert len(subset(alike, "cat-1").story) == 1
    assert (
        subset(unlike, "cat-1")
        .story[1]
        .startswith("drainage area: 3.0 km2 by the links of the file (toid), 4.0 km2 as reported at cat-1 (-25.0%)")
    )
    assert len(subset(unlike, "cat-2").story) == 1


def test_describing_says_the_size_first(hand):
    lines = describe(subset(hand, "cat-2")).splitlines()
    assert lines[0] == "4 catchments, 3 nexuses, 4.0 km2 of made-up (v2.2)"
    assert lines[1] == "  outlet: cat-2"
    assert describe(locate(hand, "cat-2")) == "cat-2 -> catchment cat-2"


#: Rivers in which water flows to lower numbers, and which of their flowpaths have no catchment.
rivers = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        st.tuples(*(st.integers(-1, i - 1) for i in range(n))), st.sets(st.integers(0, n - 1), max_size=n // 4)
    )
)


def naive_up(down, seeds, steps=10**6):
    """Everything at most so many steps above some flowpaths, one by one."""
    found = set(seeds)
    for _ in range(min(steps, len(down))):
        found |= {i for i, d in enumerate(down) if d in found}
    return found


def held(domain):
    """Flowpaths of a domain, counted from 0."""
    return {int(name[3:]) - 1 for name in domain.flowpath_ids}


@settings(max_examples=150, deadline=None)
@given(rivers, st.data())
def test_upstream_of_anything_is_what_one_finds_by_walking(made, data):
    down, bare = made
    domain = river(down, bare)
    seeds = data.draw(st.sets(st.integers(0, len(down) - 1), min_size=1, max_size=4))
    steps = data.draw(st.integers(0, 6))
    names = [f"wb-{i + 1}" for i in seeds]
    assert held(subset(domain, names)) == naive_up(down, seeds)
    assert held(subset(domain, names, upstream=steps)) == naive_up(down, seeds, steps)
    assert held(subset(domain, names, upstream=False)) == seeds


@settings(max_examples=150, deadline=None)
@given(rivers, st.data())
def test_the_way_down_between_and_without_are_what_one_finds_by_walking(made, data):
    down, bare = made
    domain = river(down, bare)
    a = data.draw(st.integers(0, len(down) - 1))
    way = [a]
    while down[way[-1]] >= 0:
        way.append(down[way[-1]])
    b = data.draw(st.sampled_from(way))
    a_, b_ = f"wb-{a + 1}", f"wb-{b + 1}"
    assert held(subset(domain, a_, upstream=False, downstream_to=b_)) == set(way[: way.index(b) + 1])
    assert held(subset(domain, a_, upstream=False, downstream_to=True)) == set(way)
    assert held(between(domain, a_, b_)) == naive_up(down, {b}) - (naive_up(down, {a}) - {a})
    left = naive_up(down, {b}) - naive_up(down, {a})
    if left:
        assert held(subset(domain, b_, exclude=a_)) == left
        assert held(difference(subset(domain, b_), subset(domain, a_))) == left


@settings(max_examples=60, deadline=None)
@given(rivers, st.data())
def test_every_open_inlet_is_told_and_no_other(made, data):
    down, bare = made
    domain = river(down, bare)
    chosen = data.draw(st.sets(st.integers(0, len(down) - 1), min_size=1))
    part = subset(domain, [f"wb-{i + 1}" for i in chosen], upstream=False)
    open_ = {d for i, d in enumerate(down) if i not in chosen and d in chosen}
    told = [int(n) for line in part.story for n in re.findall(r"enters from outside at (\d+) place", line)]
    assert told == ([len(open_)] if open_ else [])


@pytest.mark.parametrize("name", list(FILES))
def test_upstream_of_every_flowpath_of_a_real_file_is_as_many_as_known(data, name):
    facts = json.loads((data / "expected/expected_facts.json").read_text())[name]
    domain = Domain.open(data / "hydrofabric" / name)
    for flowpath, count in facts["upstream_count_by_flowpath"].items():
        part = subset(domain, flowpath)
        assert len(part) == len(part.flowpath_ids) == count
        reported = facts["tot_drainage_mismatch"].get(flowpath)
        if reported:
            by_links, at_outlet = reported["accumulated_along_toid"], reported["reported"]
            assert part.area_km2 == pytest.approx(by_links, abs=1e-3)
            apart = abs(by_links - at_outlet) > 0.01 * at_outlet
            assert any(f"{at_outlet:,.1f} km2 as reported" in line for line in part.story) == apart
    whole = subset(domain, gage=FILES[name])
    assert whole.catchments == domain.catchments
    assert whole.area_km2 == pytest.approx(facts["total_area_sqkm"])
    assert numbers(subset(domain, facts["outlet_nexus"])) == numbers(domain)


def test_v1_2_files_and_geojson_are_asked_in_the_same_way(data):
    old = Domain.open(data / "hydrofabric/v1.2/gauge_01069700.gpkg")
    assert len(subset(old, gage="1069700")) == 3
    assert len(subset(old, bbox=(-180, -80, 180, 85))) == 3
    plain = Domain.open(data / "hydrofabric/v0-geojson/ngen/catchment_data.geojson")
    point = plain.hydrofabric.geometry("divides").geometry.representative_point().iloc[1]
    assert subset(plain, point, crs="EPSG:4326", upstream=False).catchments[0] == plain.catchments[1]


def test_a_box_of_a_real_file_tells_where_water_enters(data):
    domain = Domain.open(data / GAGED)
    part = subset(domain, bbox=(-111.7, 41.9, -111.6, 42))
    assert len(part) == 16
    assert part.story[0] == "box (-111.7, 41.9, -111.6, 42), catchments that meet it"
    assert "water enters from outside at 2 places: cat-2861380, cat-2861381" in part.story
    assert len(subset(domain, bbox=(-111.7, 41.9, -111.6, 42), upstream=True)) == 19


def test_a_point_of_a_real_file_is_its_catchment_and_all_upstream(data):
    domain = Domain.open(data / GAGED)
    shapes = domain.hydrofabric.geometry("divides").to_crs("EPSG:4326")
    inside = shapes.loc["cat-2861384"].geometry.representative_point()
    assert subset(domain, lon=inside.x, lat=inside.y).catchments == subset(domain, "cat-2861384").catchments
    assert len(subset(domain, shapely.box(*inside.buffer(0.001).bounds), crs="EPSG:4326")) <= 4


def test_a_piece_is_a_value_that_travels(data):
    domain = Domain.open(data / GAGED)
    part = subset(domain, lon=-111.6, lat=41.95)
    again = pickle.loads(pickle.dumps(part))
    assert again.catchments == part.catchments
    assert again.story == part.story
    assert len(subset(again, bbox=(-111.7, 41.9, -111.5, 42.1))) >= 1
