"""Each way of breaking a GeoPackage is told, and a sound one is told nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
from shapely import Point, box

from dmod.formats.geopackage_conformance import conformance

REAL = sorted(
    [
        "misc/aggregate",
        "misc/ngen_example_3857",
        "misc/ngen_example_4326",
        "nhdplus/coastal_example",
        "nhdplus/new_hope",
    ]
    + ["nhdplus/walker", "nhdplus/walker_cats", "reference-v2.2/reference-comid-101-subset", "v1.x-pre/hy_network"]
    + [f"v1.2/{name}" for name in ("dmod_example_hydrofabric_2", "dmod_lib_test_hydrofabric", "gauge_01069700")]
    + ["v2.0/gauge_01073000", "v2.2/cat-1555522_subset"]
)


@pytest.fixture
def sound(tmp_path) -> Path:
    """A file as GDAL writes it: three squares, a point, and a table; its R-tree triggers may be fired."""
    path = tmp_path / "sound.gpkg"
    squares = gpd.GeoDataFrame(geometry=[box(100 * i, 0, 100 * i + 50, 70) for i in (1, 2, 3)], crs="EPSG:5070")
    point = gpd.GeoDataFrame(geometry=[Point(1, 2)], crs="EPSG:5070")
    pyogrio.write_dataframe(squares, path, layer="divides", layer_options={"GEOMETRY_NAME": "geom"})
    pyogrio.write_dataframe(point, path, layer="nexus", layer_options={"GEOMETRY_NAME": "geom"})
    pyogrio.write_dataframe(pd.DataFrame({"divide_id": ["cat-1"]}), path, layer="network")
    return path


def broken(path: Path, *statements: str) -> Path:
    """The file after statements, without the triggers on its layers."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        triggers = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            file.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            file.execute(statement)
        for name, sql in triggers:
            if not any(name in statement for statement in statements):
                file.execute(sql)
    return path


@pytest.mark.parametrize("name", REAL)
def test_published_files_conform(data, name):
    assert conformance(data / "hydrofabric" / f"{name}.gpkg") == []


def test_the_published_gage_subset_holds_points_of_spatialite(data):
    (said,) = conformance(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg")
    assert said.startswith("geometry of 'hydrolocations', row 119581: it is one of SpatiaLite")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("PRAGMA application_id = 7", "application_id is 0x00000007, not that of a GeoPackage"),
        ("PRAGMA user_version = 1", "user_version is 1, not that of a GeoPackage of 1.2 or later"),
        ("DELETE FROM gpkg_spatial_ref_sys WHERE srs_id = -1", "reference system -1 is missing"),
        (
            "INSERT INTO gpkg_contents (table_name, data_type) VALUES ('gone', 'attributes')",
            "layer 'gone' is listed in gpkg_contents, but there is no such table",
        ),
        (
            "UPDATE gpkg_contents SET srs_id = 77 WHERE table_name = 'nexus'",
            "layer 'nexus' has reference system 77, which gpkg_spatial_ref_sys does not define",
        ),
        (
            "UPDATE gpkg_contents SET last_change = 'lately' WHERE table_name = 'nexus'",
            "layer 'nexus' was last changed at 'lately', which is no date",
        ),
        (
            "DELETE FROM gpkg_geometry_columns WHERE table_name = 'nexus'",
            "features 'nexus' have no entry in gpkg_geometry_columns",
        ),
        (
            "UPDATE gpkg_geometry_columns SET column_name = 'shape' WHERE table_name = 'nexus'",
            "layer 'nexus' has no column 'shape', which gpkg_geometry_columns names",
        ),
        (
            "UPDATE gpkg_contents SET data_type = 'attributes' WHERE table_name = 'nexus'",
            "layer 'nexus' has a geometry column, but gpkg_contents does not list it as features",
        ),
        (
            "UPDATE gpkg_geometry_columns SET srs_id = 4326 WHERE table_name = 'nexus'",
            "geometry of 'nexus', row 1: its reference system is 5070, that of the layer 4326",
        ),
        ("DELETE FROM gpkg_extensions", "the R-tree of 'nexus' is not listed in gpkg_extensions"),
        ("DROP TABLE rtree_nexus_geom", "the R-tree of 'nexus' is listed in gpkg_extensions, but it is not there"),
        (
            "UPDATE nexus SET geom = CAST('XY' || substr(geom, 3) AS BLOB)",
            "geometry of 'nexus', row 1: it does not begin with 'GP'",
        ),
        (
            "UPDATE gpkg_contents SET max_x = 300 WHERE table_name = 'divides'",
            "layer 'divides' reaches beyond its extent in gpkg_contents",
        ),
        (
            "INSERT OR REPLACE INTO rtree_divides_geom VALUES (2, 0, 1, 0, 1)",
            "row 2 of 'divides' has another box in the R-tree",
        ),
        ("DELETE FROM rtree_divides_geom WHERE id = 2", "row 2 of 'divides' is not in the R-tree"),
        ("-- rtree_divides_geom_delete", "the R-tree of 'divides' lacks triggers: delete"),
    ],
)
def test_a_break_is_told_without_reading_the_whole_file(sound, statement, said):
    assert conformance(sound) == []
    assert said in conformance(broken(sound, statement), integrity=False)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM rtree_divides_geom WHERE id = 2", "the R-tree of 'divides' lacks 1 rows that have geometry"),
        (
            "INSERT INTO rtree_divides_geom VALUES (9, 0, 1, 0, 1)",
            "the R-tree of 'divides' holds 1 rows that the layer has not, or has without geometry",
        ),
        (
            "UPDATE divides SET geom = NULL WHERE fid = 1",
            "the R-tree of 'divides' holds 1 rows that the layer has not, or has without geometry",
        ),
        ("DELETE FROM rtree_divides_geom_rowid", "the R-tree of 'divides' is damaged"),
        ("DELETE FROM network", "layer 'network' has 0 rows, but gpkg_ogr_contents says 1"),
    ],
)
def test_a_break_is_told_that_only_shows_in_the_whole_file(sound, statement, said):
    assert any(finding.startswith(said) for finding in conformance(broken(sound, statement)))


def test_what_is_no_geopackage_is_told_not_raised(sound, tmp_path):
    assert conformance(tmp_path / "absent.gpkg") == ["there is no such file"]
    text = tmp_path / "text.gpkg"
    text.write_text("divide_id,toid\n" * 20)
    assert conformance(text) == ["the file cannot be read: file is not a database"]
    plain = tmp_path / "plain.db"
    with closing(sqlite3.connect(plain)) as file:
        file.execute("CREATE TABLE a (b)")
    assert conformance(plain) == [
        "application_id is 0x00000000, not that of a GeoPackage",
        "table gpkg_spatial_ref_sys is missing",
        "table gpkg_contents is missing",
    ]
    cut = tmp_path / "cut.gpkg"
    cut.write_bytes(sound.read_bytes()[:40_000])
    assert conformance(cut) != []


def test_the_file_is_left_alone(sound):
    before = sound.read_bytes(), sound.stat().st_mtime_ns
    conformance(sound)
    assert (sound.read_bytes(), sound.stat().st_mtime_ns) == before
    assert [p.name for p in sound.parent.iterdir()] == ["sound.gpkg"]
