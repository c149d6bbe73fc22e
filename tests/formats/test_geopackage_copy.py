"""A copied GeoPackage holds the rows named, just as they were, and the source never notices."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
from geopandas.testing import assert_geoseries_equal
from pandas.testing import assert_frame_equal
from shapely import Point, Polygon, box

from dmod.errors import HydrofabricError, OutputError, SelectionError
from dmod.formats.geopackage_conformance import conformance
from dmod.formats.geopackage_copy import copy_rows

GAGE = "hydrofabric/v2.2/gage-10109001_subset.gpkg"
FILES = (
    GAGE,
    "hydrofabric/v2.2/cat-1555522_subset.gpkg",
    "hydrofabric/v2.0/gauge_01073000.gpkg",
    "hydrofabric/v1.2/gauge_01069700.gpkg",
    "hydrofabric/v1.2/dmod_example_hydrofabric_2.gpkg",  # attributes registered as features, srs 0
    "hydrofabric/v1.2/dmod_lib_test_hydrofabric.gpkg",
    "hydrofabric/v1.x-pre/hy_network.gpkg",
    "hydrofabric/reference-v2.2/reference-comid-101-subset.gpkg",
    "hydrofabric/misc/ngen_example_4326.gpkg",  # with metadata of its own
    "hydrofabric/nhdplus/new_hope.gpkg",  # a reference system of its own
)


def asked(path: Path, query: str, *values: object) -> list[tuple]:
    """The answer of a file to a query; the file is left alone."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as file:
        return file.execute(query, values).fetchall()


def layers_of(path: Path) -> dict[str, np.ndarray]:
    """Layer to all its fids."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'gpkg_*' AND name NOT GLOB 'rtree_*'"
    names = [name for (name,) in asked(path, query) if not name.startswith("sqlite_")]
    return {
        name: np.array([f for (f,) in asked(path, f'SELECT fid FROM "{name}" ORDER BY fid')], int) for name in names
    }


def read(path: Path, layer: str):
    """A layer as geopandas has it, under its fids."""
    return pyogrio.read_dataframe(path, layer=layer, fid_as_index=True)


def same_rows(source: Path, target: Path, rows: dict[str, np.ndarray]) -> None:
    """Assert that each layer of *target* has the rows, with the geometry and attributes of *source*."""
    for layer, fids in layers_of(source).items():
        theirs, ours = read(source, layer), read(target, layer)
        assert list(ours.index) == list(rows[layer])
        assert list(ours.columns) == list(theirs.columns)
        if isinstance(theirs, gpd.GeoDataFrame):
            assert ours.crs == theirs.crs
            assert_geoseries_equal(ours.geometry, theirs.geometry.loc[rows[layer]], check_index_type=False)
        # pandas chooses a column's type by its values, so that parts of a table can differ in it.
        if len(rows[layer]) == len(fids):
            assert_frame_equal(*(pd.DataFrame(t).drop(columns="geometry", errors="ignore") for t in (ours, theirs)))
        held = {row[0]: row for row in asked(source, f'SELECT fid, * FROM "{layer}"')}
        for row in asked(target, f'SELECT fid, * FROM "{layer}"'):
            # SQLite's own values, where 1 and 1.0 are two things. A geometry of SpatiaLite alone may change.
            pairs = zip(row, held[row[0]], strict=True)
            assert all(repr(x) == repr(y) for x, y in pairs if not (isinstance(y, bytes) and y[:2] == b"\0\1"))


def make(
    path: Path, shapes: list[object], *, tree: bool = True, layer: str = "divides", srs: str = "EPSG:5070"
) -> Path:
    """A GeoPackage of one layer, whose first row has fid 1."""
    frame = gpd.GeoDataFrame({"divide_id": [f"cat-{i}" for i in range(1, len(shapes) + 1)]}, geometry=shapes, crs=srs)
    pyogrio.write_dataframe(
        frame,
        path,
        layer=layer,
        geometry_type="Unknown",
        append=path.exists(),
        layer_options={"GEOMETRY_NAME": "geom", "SPATIAL_INDEX": "YES" if tree else "NO"},
    )
    return path


def rewrite(path: Path, *statements: str | tuple[str, tuple]) -> Path:
    """Do to a file what GDAL would not."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for statement in statements:
            file.execute(*((statement,) if isinstance(statement, str) else statement))
    return path


SQUARES = [box(1000 * i, 2000 * i, 1000 * i + 500, 2000 * i + 700) for i in range(1, 8)]


@pytest.mark.parametrize("part", ["all rows", "every second row", "the first row", "no rows"])
@pytest.mark.parametrize("name", FILES)
def test_rows_come_back_as_they_were_and_the_file_conforms(data, tmp_path, name, part):
    step = {
        "all rows": slice(None),
        "every second row": slice(1, None, 2),
        "the first row": slice(1),
        "no rows": slice(0),
    }
    rows = {layer: fids[step[part]] for layer, fids in layers_of(data / name).items()}
    target = copy_rows(data / name, tmp_path / "part.gpkg", rows)
    assert conformance(target) == []
    same_rows(data / name, target, rows)
    assert {layer: fids.tolist() for layer, fids in layers_of(target).items()} == {
        k: v.tolist() for k, v in rows.items()
    }


def test_tables_are_made_just_as_in_the_source(data, tmp_path):
    target = copy_rows(data / GAGE, tmp_path / "part.gpkg", layers_of(data / GAGE))
    for kind in ("table", "trigger"):
        query = f"SELECT name, sql FROM sqlite_master WHERE type = '{kind}' AND tbl_name NOT GLOB 'gpkg_*'"
        theirs, ours = ({n: s for n, s in asked(p, query) if not n.startswith("rtree_")} for p in (data / GAGE, target))
        assert theirs.items() <= ours.items()
    assert asked(target, "PRAGMA page_size") == asked(data / GAGE, "PRAGMA page_size")
    assert asked(target, "PRAGMA application_id") == [(int.from_bytes(b"GPKG", "big"),)]
    assert asked(target, "SELECT feature_count FROM gpkg_ogr_contents WHERE table_name = 'divides'") == [(88,)]
    assert [srs for (srs,) in asked(target, "SELECT srs_id FROM gpkg_spatial_ref_sys ORDER BY 1")] == [
        -1,
        0,
        4326,
        5070,
    ]


def test_layers_that_are_not_named_are_there_and_empty(data, tmp_path):
    target = copy_rows(data / GAGE, tmp_path / "part.gpkg", {"nexus": np.array([331199])})
    assert {layer: len(fids) for layer, fids in layers_of(target).items() if len(fids)} == {"nexus": 1}
    assert list(read(target, "divides").columns) == list(read(data / GAGE, "divides").columns)
    assert conformance(target) == []


def test_extents_are_those_of_the_rows(data, tmp_path):
    rows = {"divides": layers_of(data / GAGE)["divides"][10:20]}
    target = copy_rows(data / GAGE, tmp_path / "part.gpkg", rows)
    extent = asked(target, "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = 'divides'")[0]
    assert extent == tuple(read(target, "divides").total_bounds)
    empty = asked(target, "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = 'nexus'")
    assert empty == [(None,) * 4]


def test_points_of_spatialite_become_those_of_geopackage(data, tmp_path):
    # The published subset holds such hydrolocations: GDAL reads them, readers that keep to the standard do not.
    assert any("SpatiaLite" in said for said in conformance(data / GAGE))
    target = copy_rows(data / GAGE, tmp_path / "part.gpkg", layers_of(data / GAGE))
    blobs = asked(target, "SELECT substr(geom, 1, 2), length(geom) FROM hydrolocations")
    assert blobs == [(b"GP", 29)] * 12
    assert conformance(target) == []


def test_a_bounding_box_query_finds_what_is_there(data, tmp_path):
    target = copy_rows(data / GAGE, tmp_path / "part.gpkg", layers_of(data / GAGE))
    divides = read(data / GAGE, "divides")
    for minx, miny, maxx, maxy in divides.bounds.iloc[::9].itertuples(index=False):
        found = pyogrio.read_dataframe(target, layer="divides", bbox=(minx, miny, maxx, maxy), fid_as_index=True)
        assert sorted(found.index) == sorted(divides.index[divides.intersects(box(minx, miny, maxx, maxy))])


def test_the_same_rows_give_the_same_bytes(data, tmp_path):
    rows = {layer: fids[::3] for layer, fids in layers_of(data / GAGE).items()}
    stamp = {"version": "2.2", "selection": "gage 10109001"}
    one, two = (copy_rows(data / GAGE, tmp_path / name, rows, stamp=stamp) for name in ("one.gpkg", "two.gpkg"))
    assert one.read_bytes() == two.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.gpkg", "two.gpkg"]


def test_the_source_is_never_touched(data, tmp_path):
    source = tmp_path / "source.gpkg"
    shutil.copyfile(data / GAGE, source)
    source.chmod(0o444)
    before = source.read_bytes(), source.stat().st_mtime_ns, source.stat().st_ino
    copy_rows(source, tmp_path / "part.gpkg", layers_of(source))
    assert (source.read_bytes(), source.stat().st_mtime_ns, source.stat().st_ino) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["part.gpkg", "source.gpkg"]


def test_features_can_be_added_afterwards(data, tmp_path):
    target = copy_rows(data / GAGE, tmp_path / "part.gpkg", layers_of(data / GAGE))
    far = gpd.GeoDataFrame({"id": ["nex-1"]}, geometry=[Point(2e6, 3e6)], crs="EPSG:5070")
    pyogrio.write_dataframe(far, target, layer="nexus", append=True)
    assert conformance(target) == []
    assert list(pyogrio.read_dataframe(target, layer="nexus", bbox=(1.9e6, 2.9e6, 2.1e6, 3.1e6))["id"]) == ["nex-1"]


@pytest.mark.parametrize("tree", [True, False])
def test_triggers_keep_the_r_tree_true_whether_the_source_had_one_or_not(tmp_path, tree):
    target = copy_rows(make(tmp_path / "a.gpkg", SQUARES, tree=tree), tmp_path / "b.gpkg", {"divides": np.arange(1, 6)})
    pyogrio.write_dataframe(
        gpd.GeoDataFrame({"divide_id": ["cat-99"]}, geometry=[box(9e5, 9e5, 9.1e5, 9.1e5)], crs="EPSG:5070"),
        target,
        layer="divides",
        append=True,
    )
    assert conformance(target) == []
    with closing(sqlite3.connect(target, isolation_level=None)) as file:
        # GDAL's own functions, as far as the triggers ask for them.
        for name, place in (("ST_MinX", 0), ("ST_MaxX", 1), ("ST_MinY", 2), ("ST_MaxY", 3)):
            file.create_function(name, 1, lambda blob, place=place: struct.unpack_from("<4d", blob, 8)[place])
        file.create_function("ST_IsEmpty", 1, lambda blob: None if blob is None else bool(blob[3] & 16))
        file.execute("UPDATE divides SET geom = (SELECT geom FROM divides WHERE fid = 2) WHERE fid = 1")
        file.execute("UPDATE divides SET geom = NULL WHERE fid = 3")
        file.execute("UPDATE divides SET geom = (SELECT geom FROM divides WHERE fid = 4) WHERE fid = 3")
        file.execute("UPDATE divides SET fid = 40 WHERE fid = 4")
        file.execute("DELETE FROM divides WHERE fid = 5")
    assert conformance(target) == []
    assert asked(target, "SELECT id FROM rtree_divides_geom ORDER BY id") == [(1,), (2,), (3,), (6,), (40,)]


def header(flags: int, body: bytes = b"") -> bytes:
    """A geometry of GeoPackage in EPSG:5070."""
    return b"GP\0" + bytes([flags]) + struct.pack("<i" if flags & 1 else ">i", 5070) + body


def test_boxes_are_found_however_the_geometry_is_written(tmp_path):
    square = Polygon([(1, 2), (3, 2), (3, 5), (1, 5)])
    shapes = {
        1: (header(1, square.wkb), (1, 3, 2, 5)),  # no box in the header
        2: (header(0, struct.pack(">BI2d", 0, 1, 7, 8)), (7, 7, 8, 8)),  # a point, big-endian
        3: (header(1, struct.pack("<BI3d", 1, 1001, 7, 9, 4)), (7, 7, 9, 9)),  # a point with Z
        4: (header(5, struct.pack("<6d", 1, 3, 2, 5, 0, 0) + square.wkb), (1, 3, 2, 5)),  # a box with Z
        5: (header(1 | 16, struct.pack("<BI2d", 1, 1, np.nan, np.nan)), None),  # an empty point
        6: (None, None),
        7: (header(3, struct.pack("<4d", *[np.nan] * 4) + square.wkb), (1, 3, 2, 5)),  # a box of no use
    }
    source = make(tmp_path / "a.gpkg", SQUARES, tree=False)
    rewrite(source, *(("UPDATE divides SET geom = ? WHERE fid = ?", (blob, fid)) for fid, (blob, _) in shapes.items()))
    target = copy_rows(source, tmp_path / "b.gpkg", {"divides": np.arange(1, 8)})
    assert conformance(target) == []
    assert asked(target, "SELECT fid, geom FROM divides") == [(fid, blob) for fid, (blob, _) in shapes.items()]
    tree = {fid: tuple(box) for fid, *box in asked(target, "SELECT * FROM rtree_divides_geom")}
    assert tree == {fid: expected for fid, (_, expected) in shapes.items() if expected}
    assert asked(target, "SELECT min_x, max_x, min_y, max_y FROM gpkg_contents") == [(1, 7, 2, 9)]


def test_what_is_broken_in_the_source_is_mended(tmp_path):
    source = make(make(tmp_path / "a.gpkg", SQUARES), SQUARES, layer="flowpaths", tree=False)
    rewrite(
        source,
        "DELETE FROM gpkg_geometry_columns WHERE table_name = 'flowpaths'",
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES ('gone', 'features', 'g', 5070)",
        "UPDATE gpkg_contents SET srs_id = 12345, last_change = 'lately' WHERE table_name = 'divides'",
        "UPDATE gpkg_geometry_columns SET srs_id = 12345",
        "DELETE FROM gpkg_spatial_ref_sys WHERE srs_id = -1",
        "DROP TRIGGER rtree_divides_geom_insert",
    )
    assert len(conformance(source)) >= 6
    target = copy_rows(source, tmp_path / "b.gpkg", {"divides": np.array([2, 5]), "flowpaths": np.array([1])})
    # The geometries themselves stay as they are, and still say 5070.
    assert conformance(target) == [
        "geometry of 'divides', row 2: its reference system is 5070, that of the layer 12345"
    ]
    assert asked(target, "SELECT table_name, data_type FROM gpkg_contents") == [
        ("divides", "features"),
        ("flowpaths", "attributes"),
    ]
    assert asked(target, "SELECT definition FROM gpkg_spatial_ref_sys WHERE srs_id = 12345") == [("undefined",)]


def test_views_indexes_and_tables_of_any_name_come_along(tmp_path):
    source = rewrite(
        make(tmp_path / "a.gpkg", SQUARES),
        'CREATE TABLE "odd ""name" (fid INTEGER PRIMARY KEY, "a b" TEXT, twice TEXT AS ("a b" || "a b") STORED)',
        'INSERT INTO "odd ""name" (fid, "a b") VALUES (3, \'x\'), (7, \'y\')',
        "CREATE TABLE numberless (word TEXT)",
        "INSERT INTO numberless (rowid, word) VALUES (4, 'four'), (9, 'nine')",
        "CREATE INDEX by_id ON divides (divide_id)",
        "CREATE VIEW few AS SELECT * FROM divides WHERE fid < 3",
    )
    rows = {"divides": np.arange(2, 5), 'odd "name': np.array([7]), "numberless": np.array([9])}
    target = copy_rows(source, tmp_path / "b.gpkg", rows)
    assert asked(target, 'SELECT * FROM "odd ""name"') == [(7, "y", "yy")]
    assert asked(target, "SELECT rowid, word FROM numberless") == [(9, "nine")]
    assert asked(target, "SELECT fid FROM few") == [(2,)]
    assert asked(target, "SELECT fid FROM divides INDEXED BY by_id WHERE divide_id = 'cat-4'") == [(4,)]
    assert conformance(target) == []


@pytest.mark.parametrize(("page", "encoding"), [(512, "UTF-8"), (65536, "UTF-16le")])
def test_page_size_and_encoding_are_kept(data, tmp_path, page, encoding):
    source = tmp_path / "a.gpkg"
    with closing(sqlite3.connect(source, isolation_level=None)) as file:
        file.execute(f"PRAGMA page_size = {page}")
        file.execute(f"PRAGMA encoding = '{encoding}'")
        with closing(sqlite3.connect(make(tmp_path / "plain.gpkg", SQUARES, tree=False))) as plain:
            for statement in plain.iterdump():
                file.execute(statement)
    target = copy_rows(source, tmp_path / "b.gpkg", {"divides": np.arange(1, 8)})
    assert (asked(target, "PRAGMA page_size"), asked(target, "PRAGMA encoding")) == ([(page,)], [(encoding,)])
    assert conformance(target) == []
    assert asked(target, "SELECT divide_id FROM divides WHERE fid = 3") == [("cat-3",)]


def test_the_stamp_says_version_licence_and_selection(data, tmp_path):
    source = data / "hydrofabric/misc/ngen_example_4326.gpkg"
    earlier = asked(source, "SELECT md_standard_uri, metadata FROM gpkg_metadata")
    stamp = {
        "version": "2.2",
        "license": "ODbL-1.0",
        "selection": "upstream of cat-11",
        "https://example.org/s": "more",
    }
    target = copy_rows(source, tmp_path / "b.gpkg", layers_of(source), stamp=stamp)
    assert asked(target, "SELECT md_standard_uri, metadata FROM gpkg_metadata ORDER BY id") == [
        ("https://semver.org", "2.2"),
        ("https://spdx.org/licenses/", "ODbL-1.0"),
        ("http://purl.org/dc/terms/description", "upstream of cat-11"),
        ("https://example.org/s", "more"),
        *earlier,
    ]
    again = copy_rows(target, tmp_path / "c.gpkg", layers_of(source), stamp={"version": "2.2"})
    said = asked(again, "SELECT metadata FROM gpkg_metadata WHERE md_standard_uri = 'https://semver.org'")
    assert said == [("2.2",)], "a stamp takes the place of the earlier one"
    assert conformance(again) == []


def test_rows_that_wait_in_a_log_are_copied(tmp_path):
    source = make(tmp_path / "a.gpkg", SQUARES, tree=False)
    with closing(sqlite3.connect(source, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE divides SET divide_id = 'cat-new' WHERE fid = 2")
        target = copy_rows(source, tmp_path / "b.gpkg", {"divides": np.array([2])})
    assert asked(target, "SELECT divide_id FROM divides") == [("cat-new",)]


def test_progress_rises_to_one(data, tmp_path):
    told: list[float] = []
    copy_rows(data / GAGE, tmp_path / "part.gpkg", layers_of(data / GAGE), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1


def test_whoever_stops_it_leaves_nothing_behind(data, tmp_path):
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_rows(data / GAGE, tmp_path / "part.gpkg", layers_of(data / GAGE), progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_unless_it_may_be_overwritten(data, tmp_path):
    target = tmp_path / "part.gpkg"
    target.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        copy_rows(data / GAGE, target, {})
    assert target.read_text() == "precious"
    copy_rows(data / GAGE, target, {}, overwrite=True)
    assert conformance(target) == []
    assert [p.name for p in tmp_path.iterdir()] == ["part.gpkg"]


def test_a_file_is_not_written_over_itself(data, tmp_path):
    source = tmp_path / "source.gpkg"
    shutil.copyfile(data / GAGE, source)
    (tmp_path / "link.gpkg").symlink_to(source)
    for target in (source, tmp_path / "link.gpkg"):
        with pytest.raises(OutputError, match="over itself"):
            copy_rows(source, target, {}, overwrite=True)
    assert source.read_bytes() == (data / GAGE).read_bytes()


def test_a_file_that_someone_writes_to_is_not_replaced(data, tmp_path):
    target = make(tmp_path / "b.gpkg", SQUARES)
    (tmp_path / "b.gpkg-wal").write_bytes(b"something")
    with pytest.raises(OutputError, match="someone is writing"):
        copy_rows(data / GAGE, target, {}, overwrite=True)


def test_a_full_disk_is_told_and_leaves_nothing(data, tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match=r"cannot be written[\s\S]*GB free"):
            copy_rows(data / GAGE, tmp_path / "part.gpkg", layers_of(data / GAGE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_not_there_are_refused(data, tmp_path):
    with pytest.raises(HydrofabricError, match=r"'divides' has not all the rows[\s\S]*2 rows, such as fid 1\b"):
        copy_rows(data / GAGE, tmp_path / "part.gpkg", {"divides": np.array([1, 2, 673859])})
    with pytest.raises(SelectionError, match=r"no layer 'divide'[\s\S]*divides"):
        copy_rows(data / GAGE, tmp_path / "part.gpkg", {"divide": np.array([1])})
    with pytest.raises(ValueError, match="ascending"):
        copy_rows(data / GAGE, tmp_path / "part.gpkg", {"divides": np.array([2, 1])})
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_geopackage_is_refused(data, tmp_path):
    plain, text, cut = tmp_path / "plain.db", tmp_path / "text.gpkg", tmp_path / "cut.gpkg"
    rewrite(plain, "CREATE TABLE a (b)")
    text.write_text("divide_id,toid\n" * 20)
    cut.write_bytes((data / GAGE).read_bytes()[:300_000])
    for source in (plain, text):
        with pytest.raises(HydrofabricError, match="no GeoPackage"):
            copy_rows(source, tmp_path / "part.gpkg", {})
    with pytest.raises(HydrofabricError, match=r"cannot be read"):
        copy_rows(cut, tmp_path / "part.gpkg", layers_of(data / GAGE))
    with pytest.raises(HydrofabricError, match="cannot be read"):
        copy_rows(tmp_path / "absent.gpkg", tmp_path / "part.gpkg", {})
    with pytest.raises(OutputError, match="folder"):
        copy_rows(data / GAGE, tmp_path / "absent" / "part.gpkg", {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.gpkg", "plain.db", "text.gpkg"]
