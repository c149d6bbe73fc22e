"""Rows of every layer are found for any piece of river, in files of all versions and by either reader."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmod.errors import HydrofabricError
from dmod.formats import geopackage_columns
from dmod.formats.crosswalk import Crosswalk
from dmod.formats.geopackage import read_geopackage
from dmod.formats.geopackage_columns import read_columns
from dmod.formats.layer_rows import LayerRows, Members, read_members

FILES = [
    "v2.2/gage-10109001_subset.gpkg",
    "v2.2/cat-1555522_subset.gpkg",
    "v2.0/gauge_01073000.gpkg",
    "v1.2/gauge_01069700.gpkg",
    "v1.2/dmod_example_hydrofabric_2.gpkg",
]
GOLDEN = FILES[0]


@pytest.fixture(params=["row by row", "through arrow"])
def reader(request, monkeypatch):
    """Both ways to read a column."""
    monkeypatch.setattr(geopackage_columns, "LARGE", 0 if request.param == "through arrow" else 2**62)
    if request.param == "through arrow":
        pytest.importorskip("pyarrow", reason="GDAL hands over columns through it")
    return request.param


#: The least that makes a GeoPackage for GDAL.
STANDARD = """
    PRAGMA application_id = 1196444487;
    PRAGMA user_version = 10300;
    CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
        organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
    CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
        description TEXT DEFAULT '', last_change DATETIME, min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE,
        srs_id INTEGER);
"""


def made(path: Path, statements: str) -> Path:
    """A GeoPackage of hand-made tables."""
    with closing(sqlite3.connect(path)) as file:
        file.executescript(STANDARD + statements)
    return path


def everything(topology):
    """All places of all kinds."""
    return [np.arange(len(held.ids)) for held in (topology.catchments, topology.flowpaths, topology.nexuses)]


@pytest.mark.parametrize("file", FILES)
def test_all_places_have_all_rows(data, file, reader):
    path = data / "hydrofabric" / file
    topology = read_geopackage(path).topology
    rows = LayerRows.read(path, topology)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as held:
        for layer in rows.layers:
            fids = [fid for (fid,) in held.execute(f'SELECT rowid FROM "{layer}" ORDER BY rowid')]
            assert rows.all(layer).tolist() == fids
            assert rows.of(layer, *everything(topology)).tolist() == fids, layer
    assert {"divides", "flowpaths", "nexus"} <= set(rows.layers)


def test_rows_of_some_catchments_are_those_that_name_them(data, reader):
    path = data / "hydrofabric" / GOLDEN
    topology = read_geopackage(path).topology
    rows = LayerRows.read(path, topology)
    chosen = np.array([3, 40, 41, 87])
    flowpaths = topology.flowpaths.ids.find(topology.catchments.flowpath.take(chosen))
    nexuses = topology.nexuses.ids.find(topology.catchments.toid.take(chosen))
    ids = [*topology.catchments.ids.take(chosen), *topology.flowpaths.ids.take(flowpaths)]
    ids += topology.nexuses.ids.take(nexuses).to_list()
    marks = ", ".join("?" * len(ids))
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as held:
        for layer in rows.layers:
            columns = [row[1] for row in held.execute(f'PRAGMA table_info("{layer}")')]
            if not (key := next((k for k in ("id", "divide_id") if k in columns), None)) or layer == "lakes":
                continue
            key = "divide_id" if layer == "divides" else key
            named = held.execute(f'SELECT fid FROM "{layer}" WHERE "{key}" IN ({marks}) ORDER BY fid', ids)
            found = rows.of(layer, chosen, flowpaths, nexuses).tolist()
            assert found == [fid for (fid,) in named], layer
    assert len(rows.of("network", chosen, flowpaths, nexuses)) > 2 * len(chosen)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_parts_of_a_river_share_no_row_and_lack_none(data, seed):
    path = data / "hydrofabric" / GOLDEN
    topology = read_geopackage(path).topology
    rows = LayerRows.read(path, topology)
    generator = np.random.default_rng(seed)
    parts = [generator.integers(0, 3, len(places)) for places in everything(topology)]
    for layer in rows.layers:
        found = [rows.of(layer, *(np.flatnonzero(part == n) for part in parts)) for n in range(3)]
        assert sorted(np.concatenate(found).tolist()) == rows.all(layer).tolist()


RIVER = """
    CREATE TABLE divides (fid INTEGER PRIMARY KEY, geom BLOB, divide_id TEXT, toid TEXT, areasqkm REAL, id TEXT);
    INSERT INTO divides VALUES (7, NULL, 'cat-2', 'nex-1', 1.0, 'wb-2'), (9, NULL, 'cat-1', 'tnx-9', 1.0, 'wb-1'),
        (12, NULL, 'cat-8', NULL, 1.0, NULL);
    CREATE TABLE flowpaths (fid INTEGER PRIMARY KEY, id TEXT, toid TEXT);
    INSERT INTO flowpaths VALUES (1, 'wb-1', 'tnx-9'), (2, 'wb-2', 'nex-1');
    CREATE TABLE nexus (fid INTEGER PRIMARY KEY, id TEXT, toid TEXT);
    INSERT INTO nexus VALUES (1, 'nex-1', 'wb-1'), (2, 'tnx-9', 'wb-0');
    CREATE TABLE network (fid INTEGER PRIMARY KEY, id TEXT, toid TEXT, divide_id TEXT, hf_id REAL);
    INSERT INTO network VALUES (5, 'wb-2', 'nex-1', 'cat-2', 101.0), (6, 'wb-1', 'tnx-9', 'cat-1', 102.5),
        (7, 'nex-1', 'wb-1', NULL, NULL), (8, NULL, NULL, 'cat-8', 103.0), (9, 'wb-2', 'nex-1', 'cat-2', 102.0),
        (20, 'wb-77', 'nex-1', NULL, 104.0), (21, 'wb-2', 'nex-1', 'cat-2', 101.0);
    CREATE INDEX network_id ON network (id);
"""


def test_each_row_belongs_to_what_its_id_names(tmp_path, reader):
    path = made(tmp_path / "a.gpkg", RIVER)
    topology = read_geopackage(path).topology
    rows, crosswalk = read_members(path, topology)
    none = np.zeros(0, dtype=int)
    assert rows.of("divides", np.array([0, 2]), none, none).tolist() == [7, 12]
    assert rows.of("network", none, np.array([1]), none).tolist() == [5, 9, 21]
    assert rows.of("network", none, none, np.array([0])).tolist() == [7]
    assert rows.of("network", np.array([2]), none, none).tolist() == [8]
    # A terminal nexus that the file does not list has no row.
    assert rows.of("nexus", none, none, np.array([1, 2, 99])).tolist() == [2]
    assert rows.all("network").tolist() == [5, 6, 7, 8, 9, 20, 21]
    assert crosswalk.comid.tolist() == [101, 102, 102]
    assert crosswalk.flowpath.tolist() == [1, 0, 1]


def test_lakes_belong_to_the_flowpath_of_their_point_of_interest(tmp_path, reader):
    tables = """
        CREATE TABLE pois (fid INTEGER PRIMARY KEY, poi_id INTEGER, id TEXT, nex_id TEXT);
        INSERT INTO pois VALUES (1, 31, 'wb-2', 'nex-1'), (2, 32, NULL, 'tnx-9');
        CREATE TABLE lakes (fid INTEGER PRIMARY KEY, lake_id REAL, poi_id TEXT);
        INSERT INTO lakes VALUES (1, 5.0, '32'), (2, 6.0, '31'), (3, 7.0, '99'), (4, 8.0, NULL);
    """
    path = made(tmp_path / "a.gpkg", RIVER + tables)
    rows = LayerRows.read(path, read_geopackage(path).topology)
    none = np.zeros(0, dtype=int)
    assert rows.of("lakes", none, np.array([1]), none).tolist() == [2]
    assert rows.of("lakes", none, none, np.array([1])).tolist() == [1]


def test_a_table_that_names_nothing_belongs_to_every_piece(tmp_path, reader):
    tables = """
        CREATE TABLE notes (fid INTEGER PRIMARY KEY, remark TEXT);
        INSERT INTO notes VALUES (1, 'a'), (2, 'b');
        CREATE TABLE styles (fid INTEGER PRIMARY KEY, id TEXT);
        INSERT INTO styles VALUES (4, '1'), (6, '2');
        CREATE VIEW seen AS SELECT id FROM flowpaths;
        CREATE TABLE pairs (id TEXT PRIMARY KEY) WITHOUT ROWID;
    """
    path = made(tmp_path / "a.gpkg", RIVER + tables)
    rows = LayerRows.read(path, read_geopackage(path).topology)
    none = np.zeros(0, dtype=int)
    assert rows.of("notes", none, none, none).tolist() == [1, 2]
    assert rows.of("styles", np.array([0]), none, none).tolist() == [4, 6]
    assert "seen" not in rows.layers
    assert "pairs" not in rows.layers
    with pytest.raises(HydrofabricError, match="no layer 'seen'") as caught:
        rows.of("seen", none, none, none)
    assert "notes" in str(caught.value.facts["has"])


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 50)), max_size=12), st.lists(st.integers(-2, 12), max_size=6)
)
def test_grouped_rows_are_those_of_each_place(pairs, asked):
    pairs = sorted(pairs, key=lambda pair: pair[1])
    places, rows = (np.array([pair[n] for pair in pairs], dtype=int) for n in (0, 1))
    for count in (10, 1000):  # few places have edges, many do not
        found = Members.of(places, rows, count).at(np.array(asked, dtype=int))
        expected = [row for place in asked for p, row in pairs if p == place]
        assert found.tolist() == expected


def test_a_crosswalk_answers_for_known_and_unknown_comids():
    crosswalk = Crosswalk.of(np.array([7.0, 5.0, 7.0, np.nan, 5.0, -1.0, 9.2]), np.array([2, 0, 1, 3, 0, 4, -1]))
    assert len(crosswalk) == 3
    assert crosswalk.flowpaths_of(7).tolist() == [1, 2]
    assert crosswalk.flowpaths_of(6).tolist() == []
    assert crosswalk.comids_of(0).tolist() == [5]
    assert crosswalk.nearest(6) == [5, 7]
    assert Crosswalk.of(np.zeros(0), np.zeros(0, dtype=int)).nearest(1) == []


def test_both_readers_give_the_same_columns(data, monkeypatch):
    pytest.importorskip("pyarrow", reason="GDAL hands over columns through it")
    path = data / "hydrofabric" / GOLDEN
    wanted = {"ids": ["id", "divide_id"], "texts": ["vpuid", "hl_uri"], "numbers": ["hf_id", "poi_id", "mainstem"]}
    one = read_columns(path, "network", rowwise=True, **wanted)
    monkeypatch.delattr(geopackage_columns, "_row_pieces")
    other = read_columns(path, "network", rowwise=False, **wanted)
    assert np.array_equal(one.fids, other.fids)
    assert one.ids == other.ids
    assert one.texts == other.texts
    for name in wanted["numbers"]:
        assert np.array_equal(one.numbers[name], other.numbers[name], equal_nan=True)


def test_a_file_that_ends_too_early_is_refused_by_either_reader(data, tmp_path, reader):
    whole = (data / "hydrofabric" / GOLDEN).read_bytes()
    cut = tmp_path / "cut.gpkg"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HydrofabricError, match="cannot be read"):
        LayerRows.read(cut, read_geopackage(cut).topology)
