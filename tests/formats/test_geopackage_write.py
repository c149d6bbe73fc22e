"""A GeoPackage is written whole, and the same layers give the same bytes."""

from __future__ import annotations

import sqlite3
import struct

import geopandas as gpd
import pandas as pd
import pytest

from dmod.errors import HydrofabricError
from dmod.formats.geopackage_write import write_geopackage

POINTS = pd.DataFrame({"id": ["nex-1", "nex-2"], "geom": [struct.pack("<BIdd", 1, 1, x, 7.0) for x in (3.0, 4.0)]})
TABLE = pd.DataFrame({"divide_id": ["cat-1"], "mean.elevation": [246395.0]})
EMPTY = pd.DataFrame({"lake_id": pd.Series([], dtype="float64"), "geom": pd.Series([], dtype=object)})


def test_layers_come_back_with_their_kind(tmp_path):
    layers = {"nexus": POINTS, "lakes": EMPTY, "divide-attributes": TABLE}
    path = write_geopackage(tmp_path / "a.gpkg", layers, kinds={"lakes": "Point"})
    nexus = gpd.read_file(path, layer="nexus")
    assert nexus.crs.to_epsg() == 5070
    assert [(p.x, p.y) for p in nexus.geometry] == [(3, 7), (4, 7)]
    file = sqlite3.connect(path)
    assert file.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall() == [
        ("nexus", "features"),
        ("lakes", "features"),
        ("divide-attributes", "attributes"),
    ]
    assert file.execute("SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns").fetchall() == [
        ("nexus", "geom", 5070),
        ("lakes", "geom", 5070),
    ]
    assert file.execute('SELECT "mean.elevation" FROM "divide-attributes"').fetchall() == [(246395,)]
    file.close()


def test_the_same_layers_give_the_same_bytes_and_nothing_is_left_over(tmp_path):
    one = write_geopackage(tmp_path / "one.gpkg", {"nexus": POINTS}).read_bytes()
    two = write_geopackage(tmp_path / "two.gpkg", {"nexus": POINTS}).read_bytes()
    assert one == two
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.gpkg", "two.gpkg"]


def test_an_empty_layer_needs_a_kind_and_the_earlier_file_stays(tmp_path):
    path = write_geopackage(tmp_path / "a.gpkg", {"nexus": POINTS})
    before = path.read_bytes()
    with pytest.raises(HydrofabricError, match="'lakes' needs one geometry type"):
        write_geopackage(path, {"nexus": POINTS, "lakes": EMPTY})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.gpkg"]
