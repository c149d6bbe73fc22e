"""A river is cut into parts of one weight, no nexus is split, and what crosses is told in full."""

from __future__ import annotations

import json
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.domain.domain import Domain
from dmod.domain.network import Network
from dmod.domain.partitioning import Partitioning
from dmod.errors import HydrofabricError, InputError, OutputError, SelectionError
from dmod.formats.names import Names
from dmod.formats.partition_json import RECEIVES, SENDS, Rank, RemoteConnection, read_partitions, write_partitions


def river(below):
    """Catchment cat-(i + 1) flows into that of below[i]; into a terminal nexus of its own for -1, into none for -2.

    What flows into cat-N goes through nex-N; counted from 1, as wb-0 means nowhere.
    """
    count = len(below)
    inlets = [f"{b + 1}" for b in sorted({b for b in below if b >= 0})]
    mouths = [f"tnx-{i + 1}" for i in range(count) if below[i] == -1]
    return Network.of(
        [f"cat-{i + 1}" for i in range(count)],
        [f"nex-{b + 1}" if b >= 0 else (f"tnx-{i + 1}" if b == -1 else None) for i, b in enumerate(below)],
        np.arange(1.0, count + 1),
        [f"nex-{n}" for n in inlets] + mouths,
        [f"wb-{n}" for n in inlets] + ["wb-0"] * len(mouths),
    )


def cut(below, part_of, count=None):
    """A partitioning made by hand."""
    part = np.array(part_of)
    return Partitioning(river(below), part, count or int(part.max()) + 1, np.ones(len(part)))


def chain(count, onto=-1, first=0):
    """A river without tributaries, numbered from *first* at its mouth, which flows into *onto*."""
    return [onto, *range(first, first + count - 1)]


def grown(count, seed):
    """A river in which each catchment has two feeders at most, most of the water on one of them."""
    random = np.random.default_rng(seed)
    below, room = [-1], [0, 0]
    for place in range(1, count):
        at = room.pop(int(len(room) * random.random() ** 0.3))
        below.append(at)
        room += [place, place]
    return below


@st.composite
def rivers(draw, most=40):
    """Forests of any shape, numbered in any order, some catchments without a nexus."""
    count = draw(st.integers(1, most))
    below = [draw(st.integers(-2, place - 1)) for place in range(count)]
    name = draw(st.permutations(range(count)))
    shuffled = [0] * count
    for place, at in enumerate(below):
        shuffled[name[place]] = name[at] if at >= 0 else at
    return shuffled


weight = st.floats(0, 10) | st.just(0.0) | st.integers(1, 5)


@settings(deadline=None)
@given(rivers(), st.integers(1, 50), st.sampled_from(["auto", "contiguous"]), st.data())
def test_any_river_is_cut_into_parts_that_hold_everything_once_and_split_no_nexus(below, parts, method, data):
    network = river(below)
    weights = np.array(data.draw(st.lists(weight, min_size=len(below), max_size=len(below))))
    if not weights.any():
        weights[0] = 1
    made = Partitioning.of(network, parts, weights=weights, method=method)
    groups = {}
    for place, at in enumerate(below):
        groups.setdefault(at if at >= 0 else -1 - place, []).append(place)
    assert len(made) == made.count == min(parts, len(groups))
    assert bool(made.note) == (parts > len(groups))
    assert sorted(np.concatenate(made.parts).tolist()) == list(range(len(below)))
    assert all(part.size and (np.diff(part) > 0).all() for part in made.parts)
    assert [part[0] for part in made.parts] == sorted(part[0] for part in made.parts)
    assert all(len({made.part_of[i] for i in network.contributors(n)}) <= 1 for n in range(len(network.nexuses)))
    report = made.report
    assert report.split_nexuses == report.hanging_nexuses == 0
    assert made.hangs_ngen() == []
    assert report.loads == pytest.approx([weights[part].sum() for part in made.parts])
    # An even share and one whole group is what laying groups in a row can always keep to.
    heaviest = max(
        sum(weights[i] for i in range(len(below)) if (below[i] if below[i] >= 0 else -1 - i) == g) for g in groups
    )
    if len(made) == len(groups):
        assert max(report.loads) == pytest.approx(heaviest)
    assert max(report.loads) >= heaviest - 1e-9


@settings(deadline=None)
@given(rivers(), st.data())
def test_measures_are_what_a_walk_from_catchment_to_catchment_counts(below, data):
    part_of = data.draw(st.lists(st.integers(0, 3), min_size=len(below), max_size=len(below)))
    report = cut(below, part_of, 4).report
    flows = [(below[i], part_of[i], part_of[below[i]]) for i in range(len(below)) if below[i] >= 0]
    crossing = {flow for flow in flows if flow[1] != flow[2]}
    assert report.messages == len(crossing)
    assert report.cut_nexuses == len({nexus for nexus, _, _ in crossing})
    owners = {nexus: {part for n, part, _ in flows if n == nexus} for nexus, _, _ in flows}
    assert report.split_nexuses == sum(len(parts) > 1 for parts in owners.values())
    talk = Counter(part for _, a, b in crossing for part in (a, b))
    assert report.max_remote == max(talk.values(), default=0)
    beside = {part: {a + b - part for _, a, b in crossing if part in (a, b)} for part in range(4)}
    assert report.max_neighbours == max(len(others) for others in beside.values())
    local = Counter(nexus for nexus, a, b in flows if a == b)
    assert report.hanging_nexuses == sum(local[nexus] >= 2 for nexus in {nexus for nexus, _, _ in crossing})

    def changes(at):
        return 0 if below[at] < 0 else (part_of[at] != part_of[below[at]]) + changes(below[at])

    assert report.depth == max(changes(at) for at in range(len(below)))


@settings(deadline=None)
@given(rivers(), st.data())
def test_every_connection_has_its_other_side_and_a_file_reads_back_as_it_was(tmp_path_factory, below, data):
    part_of = data.draw(st.lists(st.integers(0, 3), min_size=len(below), max_size=len(below)))
    made = cut(below, part_of, 4)
    path = tmp_path_factory.mktemp("cut") / "partitions_4.json"
    ranks = read_partitions(made.to_json(path))
    again = Partitioning.read(path, made.network)
    assert again.part_of.tolist() == part_of
    assert len(again) == 4
    sent = {(at, c.rank, c.nexus) for at, rank in enumerate(ranks) for c in rank.remote if c.direction == SENDS}
    received = {(c.rank, at, c.nexus) for at, rank in enumerate(ranks) for c in rank.remote if c.direction == RECEIVES}
    assert sent == received
    assert len(sent) == made.report.messages
    for at, rank in enumerate(ranks):
        for connection in rank.remote:
            assert connection.nexus in rank.nexuses
            assert connection.catchment in ranks[connection.rank].catchments
        own = {int(name.removeprefix("cat-")) - 1 for name in rank.catchments}
        assert own == {i for i in range(len(below)) if part_of[i] == at}
        drained = {f"nex-{below[i] + 1}" if below[i] >= 0 else f"tnx-{i + 1}" for i in own if below[i] > -2}
        assert set(rank.nexuses) == drained | {f"nex-{b + 1}" for b in below if b in own}


def test_weights_decide_where_the_cut_is():
    # Four basins of one catchment: a heavy one balances the three others.
    below = [-1, -1, -1, -1]
    assert Partitioning.of(river(below), 2, weights=np.array([1, 3, 1, 1])).part_of.tolist() == [0, 1, 0, 0]
    # Areas of `river` are 1, 2, 3, 4 km2.
    assert Partitioning.of(river(below), 2, weights="area").report.loads == (5.0, 5.0)
    by_id = pd.Series({"cat-4": 3.0, "cat-1": 1.0, "cat-2": 1.0, "cat-3": 1.0, "cat-99": 50.0})
    assert Partitioning.of(river(below), 2, weights=by_id).part_of.tolist() == [0, 0, 0, 1]


def test_an_end_moves_within_the_tolerance_to_where_fewer_nexuses_are_cut():
    # A mouth of 3, below a nexus at which tributaries of 50 and 53 meet: 106 in all. The walk takes the mouth,
    # the two at the nexus, the other 49 of the shorter one, which is one more than half, then the longer one.
    network = river([*chain(3), *chain(50, onto=2, first=3), *chain(53, onto=2, first=53)])
    loose = Partitioning.of(network, 2, method="contiguous").report
    tight = Partitioning.of(network, 2, method="contiguous", tolerance=0.001).report
    assert (loose.loads, loose.cut_nexuses) == ((54.0, 52.0), 1)
    assert (tight.loads, tight.cut_nexuses) == ((53.0, 53.0), 2)


def test_a_river_of_100000_catchments_in_a_row_is_cut_at_31_places():
    count = 100_000
    names = Names.numbered("cat", np.arange(1, count + 1))
    nexuses = Names.numbered("nex", np.arange(1, count))
    network = Network(names, nexuses, np.ones(count), np.arange(count) - 1, np.arange(count - 1))
    report = Partitioning.of(network, 32).report
    assert (report.cut_nexuses, report.depth, report.split_nexuses) == (31, 31, 0)
    assert report.imbalance <= 0.02


def test_a_large_river_is_cut_evenly_at_few_places():
    # METIS cuts 71 nexuses of this one.
    report = Partitioning.of(river(grown(20_000, seed=3)), 32).report
    assert report.imbalance <= 0.02
    assert report.cut_nexuses <= 75
    assert report.split_nexuses == 0


@pytest.mark.parametrize(
    ("parts", "imbalance", "most_cut"),
    [pytest.param(4, 0.0, 8, id="4 parts"), pytest.param(8, 0.0, 16, id="8 parts")],
)
def test_a_small_real_basin_is_cut_evenly(data, parts, imbalance, most_cut):
    network = Domain.open(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg").network
    made = Partitioning.of(network, parts)
    assert made.report.imbalance == imbalance
    assert made.report.cut_nexuses <= most_cut
    assert made.report.split_nexuses == 0
    assert made.assign.groupby(made.assign).size().tolist() == [88 // parts] * parts
    assert made.assign.index.tolist() == list(network.catchments)


def test_more_parts_than_groups_are_capped_with_a_note():
    made = Partitioning.of(river([-1, 0, 0, 1, 1]), 100)
    # Groups: the mouth, what flows into it, what flows into cat-2.
    assert (len(made), made.part_of.tolist()) == (3, [0, 1, 1, 2, 2])
    assert made.note == "100 parts were asked for, but there are 3: catchments of one nexus stay together"
    assert made.note in made._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({"parts": 0}, "1 part or more", id="no part"),
        pytest.param({"parts": -3}, "1 part or more", id="fewer than none"),
        pytest.param({"parts": 2.5}, "1 part or more", id="half a part"),
        pytest.param({"method": "magic"}, "no such method", id="unknown method"),
        pytest.param({"tolerance": 0}, "tolerance", id="no tolerance"),
        pytest.param({"tolerance": float("nan")}, "tolerance", id="tolerance not a number"),
        pytest.param({"weights": "length"}, "no such weights", id="unknown weights"),
        pytest.param({"weights": [1.0]}, "one weight for each", id="too few weights"),
        pytest.param({"weights": [1.0, np.nan]}, "cat-2: nan", id="weight missing"),
        pytest.param({"weights": [-1.0, 1.0]}, "cat-1: -1", id="weight negative"),
        pytest.param({"weights": [np.inf, 1.0]}, "cat-1: inf", id="weight infinite"),
        pytest.param({"weights": [0.0, 0.0]}, "all weights are 0", id="nothing weighs"),
        pytest.param({"weights": ["a", "b"]}, "weights are numbers", id="weights of text"),
        pytest.param({"weights": pd.Series({"cat-1": 1.0})}, "cat-2: nan", id="weight of one id missing"),
    ],
)
def test_what_no_cut_can_be_made_of_is_refused(arguments, says):
    with pytest.raises(SelectionError, match=says):
        Partitioning.of(river([-1, 0]), **{"parts": 2, **arguments})


def test_a_river_without_catchments_is_refused():
    with pytest.raises(SelectionError, match="no catchment"):
        Partitioning.of(river([]), 2)


@pytest.mark.parametrize("below", [[1, 0], [0], [-1, 0, 3, 4, 2]], ids=["pair", "itself", "beside a river"])
def test_a_circle_is_refused(below):
    with pytest.raises(HydrofabricError, match="circle"):
        Partitioning.of(river(below), 2)


def test_metis_that_is_not_installed_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymetis", None)
    with pytest.raises(SelectionError, match=r'pip install "dmod\[metis\]"'):
        Partitioning.of(river([-1, 0, 1]), 2, method="metis")


def test_metis_cuts_a_river_into_whole_groups():
    pytest.importorskip("pymetis")
    report = Partitioning.of(river(grown(2_000, seed=1)), 8, method="metis").report
    assert report.split_nexuses == 0
    assert report.imbalance < 0.1
    assert report.cut_nexuses < 30


def test_ranks_are_those_that_ngen_made_for_a_real_basin(data):
    # What partitionGenerator printed for this basin and 2 ranks.
    network = Domain.open(data / "hydrofabric/v2.0/gauge_01073000.gpkg").network
    first = [name in ("cat-11509", "cat-11224") for name in network.catchments]
    made = Partitioning(network, np.where(first, 0, 1), 2, np.ones(5))
    zero, one = made.links.ranks()
    assert set(zero.nexuses) == {"nex-11224", "nex-11225"}
    assert set(one.nexuses) == {"nex-11223", "nex-11224"}
    assert set(zero.remote) == {
        RemoteConnection(1, "nex-11224", "cat-11223", RECEIVES),
        RemoteConnection(1, "nex-11224", "cat-11371", RECEIVES),
    }
    assert one.remote == [RemoteConnection(0, "nex-11224", "cat-11224", SENDS)]


def test_a_file_made_by_hand_for_ngen_has_the_connections_that_we_would_write(data):
    network = Domain.open(data / "partitions/simple_catchment_data.json").network
    path = data / "partitions/simple_partition2.json"
    made = Partitioning.read(path, network)
    assert (made.report.cut_nexuses, made.report.split_nexuses, made.report.depth) == (1, 0, 1)
    for ours, theirs in zip(made.links.ranks(), read_partitions(path), strict=True):
        assert set(ours.catchments) == set(theirs.catchments)
        assert set(ours.nexuses) == set(theirs.nexuses)
        assert set(ours.remote) == set(theirs.remote)
    eight = Partitioning.read(data / "partitions/simple_partition8.json", network)
    assert (eight.report.cut_nexuses, eight.report.split_nexuses, eight.report.messages) == (4, 3, 7)


def test_a_nexus_where_a_receiver_has_two_contributors_of_its_own_hangs_ngen():
    below = [-1, 0, 0, 0]
    assert cut(below, [0, 0, 0, 1]).hangs_ngen() == ["nex-1"]
    assert cut(below, [0, 0, 1, 1]).hangs_ngen() == []
    assert cut(below, [0, 1, 1, 1]).hangs_ngen() == []


def test_a_split_nexus_without_a_receiver_gets_a_catchment_that_receives():
    # Two catchments of one terminal nexus, in two parts.
    network = Network.of(["cat-1", "cat-2"], ["tnx-9", "tnx-9"], np.ones(2), ["tnx-9"], ["wb-0"])
    zero, one = Partitioning(network, np.array([0, 1]), 2, np.ones(2)).links.ranks()
    assert zero.catchments == ["cat-1", "wb-TERMINAL_SENTINEL-tnx-9"]
    assert zero.remote == [RemoteConnection(1, "tnx-9", "cat-2", RECEIVES)]
    assert one.remote == [RemoteConnection(0, "tnx-9", "wb-TERMINAL_SENTINEL-tnx-9", SENDS)]


@pytest.mark.parametrize(
    ("ranks", "says"),
    [
        pytest.param([["cat-1"], ["cat-2", "cat-7"]], "partition 1 has 1 catchments.*cat-7", id="unknown"),
        pytest.param([["cat-1"], []], "1 of 2 catchments are in no partition", id="left out"),
        pytest.param([["cat-1", "cat-2"], ["cat-2"]], "more than one partition", id="in two"),
        pytest.param([["cat-1", "cat-2", "cat-2"]], "twice in one", id="twice in one"),
    ],
)
def test_a_file_that_does_not_fit_the_river_is_refused(tmp_path, ranks, says):
    path = write_partitions(tmp_path / "p.json", [Rank(ids, []) for ids in ranks])
    with pytest.raises(SelectionError, match=f"(?s){says}"):
        Partitioning.read(path, river([-1, 0]))


def test_made_up_catchments_below_terminals_are_passed_over(tmp_path):
    ranks = [Rank(["cat-1", "wb-TERMINAL_SENTINEL-tnx-1"], []), Rank(["cat-2"], [])]
    path = write_partitions(tmp_path / "p.json", ranks)
    assert Partitioning.read(path, river([-1, 0])).part_of.tolist() == [0, 1]


def test_a_target_that_exists_stays_unless_it_may_be_replaced(tmp_path):
    made, path = cut([-1, 0], [0, 1]), tmp_path / "partitions_2.json"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        made.to_json(path)
    assert path.read_text() == "mine"
    made.to_json(path, overwrite=True)
    assert len(json.loads(path.read_text())["partitions"]) == 2
    assert [found.name for found in tmp_path.iterdir()] == ["partitions_2.json"]


def test_a_missing_file_is_an_error_of_the_user(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Partitioning.read(tmp_path / "none.json", river([-1]))


def test_it_says_what_it_is():
    made = cut([-1, 0, 0, 1], [0, 1, 1, 0])
    assert repr(made) == "Partitioning(2 parts of 4 catchments)"
    assert str(made.report).splitlines() == [
        "parts          2 of 2 to 2 catchments",
        "imbalance      0.00% (heaviest over mean)",
        "cut nexuses    2",
        "split nexuses  0",
        "messages       2 per step, at most 2 for one part",
        "neighbours     at most 1",
        "depth          2 changes of part on the way to an outlet",
    ]
    assert "<th>depth</th>" in made.report._repr_html_()
