"""Versions of the data model are told by their columns, and read as the same river."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from dmod.domain.river import River
from dmod.errors import HydrofabricError
from dmod.formats.geopackage import read_geopackage
from dmod.formats.layer_rows import read_members

V21 = """
    CREATE TABLE divides (fid INTEGER PRIMARY KEY, divide_id TEXT, toid TEXT, type TEXT, areasqkm REAL, vpuid TEXT,
        id TEXT);
    INSERT INTO divides VALUES (1, 'cat-2', 'nex-1', 'network', 2.0, '01', 'wb-2'),
        (2, 'cat-1', 'tnx-9', 'network', 1.0, '01', 'wb-1');
    CREATE TABLE flowpaths (fid INTEGER PRIMARY KEY, id TEXT, toid TEXT, mainstem REAL, lengthkm REAL, vpuid TEXT);
    INSERT INTO flowpaths VALUES (1, 'wb-1', 'tnx-9', 5.0, 1.5, '01'), (2, 'wb-2', 'nex-1', 5.0, 2.5, '01');
    CREATE TABLE nexus (fid INTEGER PRIMARY KEY, id TEXT, toid TEXT, hl_id TEXT, vpuid TEXT);
    INSERT INTO nexus VALUES (1, 'nex-1', 'wb-1', NULL, '01'), (2, 'tnx-9', 'wb-0', '7', '01');
    CREATE TABLE network (fid INTEGER PRIMARY KEY, id TEXT, toid TEXT, divide_id TEXT, hf_id REAL, hl_id TEXT,
        hl_uri TEXT, vpuid TEXT);
    INSERT INTO network VALUES (1, 'wb-2', 'nex-1', 'cat-2', 101.0, NULL, NULL, '01'),
        (2, 'nex-1', 'wb-1', NULL, NULL, NULL, NULL, '01');
    CREATE TABLE hydrolocations (fid INTEGER PRIMARY KEY, hl_id TEXT, id TEXT, hl_uri TEXT);
    INSERT INTO hydrolocations VALUES (1, '7', 'tnx-9', 'Gages-01073000');
    CREATE TABLE lakes (fid INTEGER PRIMARY KEY, lake_id REAL, hl_id TEXT);
    INSERT INTO lakes VALUES (1, 3.0, '7'), (2, 4.0, '8');
"""
V3 = """
    CREATE TABLE divides (fid INTEGER PRIMARY KEY, divide_id TEXT, flowpath_id TEXT, {toid} type TEXT, areasqkm REAL,
        vpuid TEXT);
    INSERT INTO divides (divide_id, flowpath_id, {named} type, areasqkm, vpuid)
        VALUES ('cat-2', 'fp-2', {a} 'network', 2.0, '01'), ('cat-1', 'fp-1', {b} 'network', 1.0, '01'),
               ('lnd-3', NULL, {c} 'internal', 4.0, '01');
    CREATE TABLE flowpaths (fid INTEGER PRIMARY KEY, flowpath_id TEXT, flowpath_toid TEXT, mainstem_id INTEGER,
        lengthkm REAL, total_dasqkm REAL, streamorder INTEGER, vpuid TEXT);
    INSERT INTO flowpaths VALUES (1, 'fp-1', 'tnx-9', 5, 1.5, 3.0, 2, '01'), (2, 'fp-2', 'nex-1', 5, 2.5, 2.0, 1, '01');
    CREATE TABLE nexus (fid INTEGER PRIMARY KEY, nexus_id TEXT, nexus_toid TEXT, vpuid TEXT);
    INSERT INTO nexus VALUES (1, 'nex-1', 'fp-1', '01'), (2, 'tnx-9', NULL, '01');
    CREATE TABLE network (fid INTEGER PRIMARY KEY, flowpath_id TEXT, flowpath_toid TEXT, divide_id TEXT, hf_id TEXT);
    INSERT INTO network VALUES (1, 'fp-2', 'nex-1', 'cat-2', '101'), (2, 'fp-1', 'tnx-9', 'cat-1', '102');
    CREATE TABLE hydrolocations (fid INTEGER PRIMARY KEY, poi_id INTEGER, flowpath_id TEXT, hl_class TEXT,
        hl_reference TEXT, hl_uri TEXT);
    INSERT INTO hydrolocations VALUES (1, 4, 'fp-2', 'gage', 'nwis-01073000', 'https://example.org/1');
"""


def made(path, statements):
    """A file of hand-made tables."""
    with closing(sqlite3.connect(path)) as file:
        file.executescript(statements)
    return path


def test_version_2_1_is_told_by_its_network(tmp_path):
    fabric = read_geopackage(made(tmp_path / "a.gpkg", V21))
    assert fabric.version == "v2.1"
    assert fabric.gages == {"01073000": "wb-1"}
    assert River.of(fabric.topology).downstream.tolist() == [1, -1]
    rows, crosswalk = read_members(fabric.path, fabric.topology)
    # The gage, and with it the lake, is at the nexus.
    assert rows.of("lakes", *([[]] * 2), [1]).tolist() == [1]
    assert crosswalk.comid.tolist() == [101]


@pytest.mark.parametrize("native", [True, False], ids=["divides say where water goes", "flowpaths do"])
def test_version_3_names_are_the_same_river(tmp_path, native):
    words = {"toid": "flowpath_toid TEXT,", "named": "flowpath_toid,", "a": "'nex-1',", "b": "'tnx-9',", "c": "NULL,"}
    statements = V3.format(**(words if native else dict.fromkeys(words, "")))
    fabric = read_geopackage(made(tmp_path / "a.gpkg", statements))
    topology = fabric.topology
    assert fabric.version == "v3"
    assert topology.catchments.ids == ["cat-2", "cat-1", "lnd-3"]
    assert topology.catchments.flowpath == ["fp-2", "fp-1", ""]
    assert topology.catchments.toid == ["nex-1", "tnx-9", ""]
    assert topology.flowpaths.total_km2.tolist() == [3.0, 2.0]
    assert topology.flowpaths.order.tolist() == [2.0, 1.0]
    assert River.of(topology).downstream.tolist() == [1, -1, -1]
    assert fabric.gages == {"01073000": "fp-2"}
    rows, crosswalk = read_members(fabric.path, topology)
    assert rows.of("network", [], [0], []).tolist() == [2]
    assert crosswalk.comid.tolist() == [101, 102]
    assert crosswalk.flowpath.tolist() == [1, 0]


def test_version_3_without_any_link_is_refused(tmp_path):
    statements = V3.format(**dict.fromkeys(("toid", "named", "a", "b", "c"), ""))
    path = made(tmp_path / "a.gpkg", statements + "DROP TABLE flowpaths;")
    with pytest.raises(HydrofabricError, match="no column 'toid'"):
        read_geopackage(path)


def test_rows_are_in_the_order_of_the_file_also_where_an_index_holds_the_ids(tmp_path):
    path = made(tmp_path / "a.gpkg", V21 + "CREATE INDEX i ON divides (divide_id, toid, id, areasqkm, vpuid);")
    assert read_geopackage(path).topology.catchments.ids == ["cat-2", "cat-1"]
