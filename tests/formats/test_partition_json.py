"""Partition files: three dialects are read, the present one of ngen is written."""

from __future__ import annotations

import json

import pytest

from dmod.errors import InputError, OutputError
from dmod.formats.partition_json import RECEIVES, SENDS, Rank, RemoteConnection, read_partitions, write_partitions


def test_the_present_dialect_is_read(data):
    zero, one = read_partitions(data / "partitions/simple_partition2.json")
    assert zero.catchments == ("cat-0", "cat-1", "cat-2", "cat-3")
    assert zero.nexuses == ("nex-0", "nex-1")
    assert zero.remote == (RemoteConnection(1, "nex-1", "cat-4", SENDS),)
    assert [c.catchment for c in one.remote] == ["cat-2", "cat-3"]
    assert {c.direction for c in one.remote} == {RECEIVES}


@pytest.mark.parametrize(
    ("name", "connections"),
    [
        pytest.param("partition_huc01.json", 52_510, id="connections without a direction"),
        pytest.param("partition_huc01_100.json", 0, id="ids as text"),
    ],
)
def test_obsolete_dialects_of_a_whole_region_are_read(data, name, connections):
    ranks = read_partitions(data / "partitions" / name)
    assert len(ranks) == 100
    assert sum(len(rank.catchments) for rank in ranks) == 26_951
    assert len({name for rank in ranks for name in rank.catchments}) == 26_951
    assert sum(len(rank.remote) for rank in ranks) == connections
    assert {c.direction for rank in ranks for c in rank.remote} <= {None}


def test_the_oldest_dialect_names_remote_nexuses_only(tmp_path):
    entry = {"id": "0", "cat-ids": ["cat-1"], "nex-ids": [], "remote-up": ["nex-1"], "remote-down": ["nex-2"]}
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"partitions": [entry]}))
    (rank,) = read_partitions(path)
    assert rank.remote == (
        RemoteConnection(None, "nex-1", None, RECEIVES),
        RemoteConnection(None, "nex-2", None, SENDS),
    )


def test_what_is_written_is_the_dialect_of_ngen(tmp_path):
    ranks = [
        Rank(["cat-1", "cat-2"], ["nex-1"], [RemoteConnection(1, "nex-1", "cat-3", RECEIVES)]),
        Rank(["cat-3"], ["nex-1"], [RemoteConnection(0, "nex-1", "cat-1", SENDS)]),
        Rank([], []),
    ]
    path = write_partitions(tmp_path / "partitions_3.json", ranks)
    assert json.loads(path.read_text()) == {
        "partitions": [
            {
                "id": 0,
                "cat-ids": ["cat-1", "cat-2"],
                "nex-ids": ["nex-1"],
                "remote-connections": [
                    {"mpi-rank": 1, "nex-id": "nex-1", "cat-id": "cat-3", "cat-direction": "orig_cat-to-nex"}
                ],
            },
            {
                "id": 1,
                "cat-ids": ["cat-3"],
                "nex-ids": ["nex-1"],
                "remote-connections": [
                    {"mpi-rank": 0, "nex-id": "nex-1", "cat-id": "cat-1", "cat-direction": "nex-to-dest_cat"}
                ],
            },
            {"id": 2, "cat-ids": [], "nex-ids": [], "remote-connections": []},
        ]
    }


@pytest.mark.parametrize("odd", ['a"b', "back\\slash", "line\nbreak", "Fluß", '", "'])
def test_any_id_reads_back_as_it_was(tmp_path, odd):
    path = write_partitions(tmp_path / "p.json", [Rank(["cat-1", odd], [odd])])
    assert read_partitions(path) == [Rank(("cat-1", odd), (odd,))]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("{", "not JSON", id="half a file"),
        pytest.param(b"\xff\xfe\x00", "not JSON", id="not text"),
        pytest.param("[]", "not a partition file", id="a list"),
        pytest.param('{"partitions": []}', "not a partition file", id="no partition"),
        pytest.param('{"partitions": [3]}', "partition 0 is not as", id="a number"),
        pytest.param('{"partitions": [{"id": 0}]}', "a list 'cat-ids'", id="no catchments"),
        pytest.param('{"partitions": [{"id": 0, "cat-ids": "cat-1"}]}', "a list 'cat-ids'", id="one catchment as text"),
        pytest.param('{"partitions": [{"id": 0, "cat-ids": [1]}]}', "ids as text", id="numbers for ids"),
        pytest.param('{"partitions": [{"id": 1, "cat-ids": []}]}', "id 0 in place 0", id="counted from 1"),
        pytest.param(
            '{"partitions": [{"id": 0, "cat-ids": [], "remote-connections": [{"nex-id": "nex-1"}]}]}',
            "'mpi-rank', 'nex-id' and 'cat-id'",
            id="half a connection",
        ),
        pytest.param(
            '{"partitions": [{"id": 0, "cat-ids": [], "remote-connections": [{"mpi-rank": 0, "nex-id": "nex-1",'
            ' "cat-id": "cat-1", "cat-direction": "up"}]}]}',
            "'cat-direction' of",
            id="unknown direction",
        ),
        pytest.param(
            '{"partitions": [{"id": 0, "cat-ids": [], "remote-connections": [{"mpi-rank": 5, "nex-id": "nex-1",'
            ' "cat-id": "cat-1"}]}]}',
            r"a rank in 0 \.\. 0",
            id="unknown rank",
        ),
    ],
)
def test_what_is_not_a_partition_file_is_refused(tmp_path, content, says):
    path = tmp_path / "p.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=says):
        read_partitions(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_partitions(tmp_path / "none.json")


def test_a_target_is_replaced_only_when_allowed_and_never_half(tmp_path):
    path = tmp_path / "p.json"
    write_partitions(path, [Rank(["cat-1"], [])])
    with pytest.raises(OutputError, match="exists"):
        write_partitions(path, [])

    def failing():
        yield Rank(["cat-2"], [])
        raise RuntimeError("the network went away")

    with pytest.raises(RuntimeError):
        write_partitions(path, failing(), overwrite=True)
    assert read_partitions(path) == [Rank(("cat-1",), ())]
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(OutputError, match="folder"):
        write_partitions(tmp_path, [], overwrite=True)
    with pytest.raises(OutputError, match="cannot be written"):
        write_partitions(tmp_path / "none" / "p.json", [])
