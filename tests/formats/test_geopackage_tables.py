"""Layers are read as GDAL reads them, whole or some rows, under their ids and in their own coordinates."""

from __future__ import annotations

import sqlite3
import struct

import numpy as np
import pyogrio
import pytest
import shapely

from dmod.errors import HydrofabricError
from dmod.formats.geopackage_blobs import boxes_of, shapes_of
from dmod.formats.geopackage_tables import GeopackageTables, read_boxes, read_table

FILES = (
    "v2.2/gage-10109001_subset.gpkg",
    "v2.0/gauge_01073000.gpkg",
    "v1.2/gauge_01069700.gpkg",
    "v1.2/dmod_example_hydrofabric_2.gpkg",
    "misc/ngen_example_4326.gpkg",
    "nhdplus/new_hope.gpkg",
)


@pytest.fixture
def gage(data):
    """The larger real file of version 2.2."""
    return data / "hydrofabric/v2.2/gage-10109001_subset.gpkg"


@pytest.mark.parametrize("file", FILES)
def test_every_layer_is_as_gdal_reads_it(data, file):
    path = data / "hydrofabric" / file
    source = GeopackageTables(path)
    assert set(source.layers) <= {layer for layer, _ in pyogrio.list_layers(path)}
    for layer in source.layers:
        ours, theirs = source.read(layer), pyogrio.read_dataframe(path, layer=layer, fid_as_index=True)
        assert len(ours) == len(theirs)
        named = theirs[ours.index.name].to_list() if ours.index.name in theirs else theirs.index.to_list()
        assert ours.index.to_list() == named
        for column in ours.columns.drop("geometry", errors="ignore"):
            assert ours[column].isna().tolist() == theirs[column].isna().tolist()
            assert ours[column].dropna().tolist() == theirs[column].dropna().tolist()
        if "geometry" in ours:
            assert (ours.geometry.to_wkb().to_numpy() == theirs.geometry.to_wkb().to_numpy()).all()
            assert ours.crs == theirs.crs
            assert np.array_equal(source.boxes(layer), shapely.bounds(theirs.geometry.to_numpy()), equal_nan=True)


def test_rows_are_those_named_by_fid_in_file_order(gage):
    whole = read_table(gage, "divides", columns=["fid"])
    fids = whole["fid"].to_numpy()
    for chosen in (fids[:1], fids[[3, 4, 5, 20, 60, 61]], fids[::2], fids):
        part = read_table(gage, "divides", rows=chosen)
        assert part.index.to_list() == whole.index[np.isin(fids, chosen)].to_list()
        assert np.array_equal(read_boxes(gage, "divides", chosen), shapely.bounds(part.geometry.to_numpy()))
    none = read_table(gage, "divides", rows=np.zeros(0, dtype=np.int64))
    assert len(none) == 0
    assert none.crs.to_epsg() == 5070
    assert read_table(gage, "divides", rows=np.array([10**12]), geometry=False).empty


def test_tables_have_their_ids_as_index_and_just_the_columns_asked_for(gage):
    assert read_table(gage, "divide-attributes").index.name == "divide_id"
    paths = read_table(gage, "flowpaths", columns=["order", "toid"])
    assert paths.index.name == "id"
    assert list(paths.columns) == ["order", "toid", "geometry"]
    plain = read_table(gage, "flowpaths", columns=["id"], geometry=False)
    assert list(plain.columns) == ["id"]
    assert plain.index.to_list() == plain["id"].to_list()
    # A name that is both a column and the index would be neither for pandas.
    assert plain.index.name is None


def test_numbers_are_numbers_and_text_keeps_its_zeros(gage, data):
    network = read_table(gage, "network")
    assert network["hf_id"].dtype == np.float64
    assert network["hydroseq"].isna().any()
    assert read_table(gage, "flowpaths")["hydroseq"].dtype == np.int64
    assert read_table(gage, "flowpaths")["has_divide"].dtype == bool
    gages = read_table(data / "hydrofabric/v2.0/gauge_01073000.gpkg", "flowpath_attributes")["rl_gages"]
    assert gages.dropna().tolist() == ["01073000"]


def test_other_coordinates_are_given_on_request(gage):
    moved = read_table(gage, "nexus", crs="EPSG:4326")
    assert moved.crs.to_epsg() == 4326
    assert moved.geometry.x.between(-112, -111).all()
    assert read_table(gage, "network", crs="EPSG:4326").shape == (280, 18)
    with pytest.raises(HydrofabricError, match="no coordinate reference system"):
        read_table(gage, "nexus", crs="EPSG:nonsense")


def test_unknown_layers_and_columns_are_named_with_what_is_like_them(gage):
    with pytest.raises(HydrofabricError, match="no layer 'divide_attributes'") as caught:
        read_table(gage, "divide_attributes")
    assert "divide-attributes" in caught.value.facts["has"]
    with pytest.raises(HydrofabricError, match="no column 'areasqk'") as caught:
        read_table(gage, "divides", columns=["areasqk"])
    assert "areasqkm" in caught.value.facts["has"]


def test_bounds_of_a_layer_need_no_blob(gage, data):
    source = GeopackageTables(gage)
    exact = np.array([-1297995.0003, 2185364.9997, -1268264.9997, 2226224.9997])
    assert source.bounds("divides") == pytest.approx(exact, abs=0.5)
    assert source.bounds("divides", source.numbers("divides")) == pytest.approx(exact, abs=1e-3)
    assert np.isnan(source.bounds("lakes")).all()
    assert np.isnan(source.bounds("network")).all()


def blob(shape, *, envelope=True, order="<"):
    """A geometry as GeoPackage has it."""
    flags = (order == "<") | (2 if envelope else 0)
    box = struct.pack(order + "4d", *(shapely.bounds(shape)[[0, 2, 1, 3]])) if envelope else b""
    head = b"GP\0" + bytes([flags]) + struct.pack(order + "i", 5070)
    return head + box + shapely.to_wkb(shape, byte_order=int(order == "<"))


def spatialite(shape, order="<"):
    """A geometry as SpatiaLite has it: the byte order of each member becomes a mark."""
    wkb = bytearray(shapely.to_wkb(shape, byte_order=int(order == "<")))
    if shape.geom_type.startswith("Multi"):
        at = 9
        for member in shape.geoms:
            wkb[at] = 0x69
            at += len(shapely.to_wkb(member))
    box = struct.pack(order + "4d", *shapely.bounds(shape))
    return bytes([0, order == "<"]) + struct.pack(order + "i", 5070) + box + b"\x7c" + bytes(wkb[1:]) + b"\xfe"


SHAPES = (
    shapely.Point(1.5, 2.5),
    shapely.LineString([(0, 0), (3, 4), (5, 1)]),
    shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], holes=[[(1, 1), (2, 1), (2, 2)]]),
    shapely.MultiPoint([(1, 2), (3, 4)]),
    shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3), (4, 0)]]),
    shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(4, 4, 6, 7)]),
)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.geom_type)
def test_blobs_of_either_kind_and_byte_order_are_read(shape, order):
    blobs = [blob(shape, order=order), None, spatialite(shape, order=order), blob(shape, envelope=False, order=order)]
    found = shapes_of(blobs)
    assert found[1] is None
    assert all(shapely.equals_exact(found[place], shape) for place in (0, 2, 3))
    boxes, unknown = boxes_of([b and b[:40] for b in blobs])
    assert np.array_equal(boxes[[0, 2]], shapely.bounds([shape, shape]))
    assert np.isnan(boxes[1]).all()
    assert unknown.tolist() == [False, False, False, shape.geom_type != "Point"]


def test_boxes_of_shapes_without_one_come_from_the_shape(tmp_path):
    path = hand_made(tmp_path / "a.gpkg", [blob(shape, envelope=False) for shape in SHAPES] + [None])
    boxes = read_boxes(path, "divides")
    assert np.array_equal(boxes[:-1], shapely.bounds(np.array(SHAPES)))
    assert np.isnan(boxes[-1]).all()
    # Without an R-tree the box around all comes from the blobs.
    assert GeopackageTables(path).bounds("divides") == (0.0, 0.0, 9.0, 9.0)


def hand_made(path, blobs, srs=5070, listed=("EPSG", 5070, "a definition")):
    """A file of one layer with little more than blobs."""
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE gpkg_geometry_columns (table_name, column_name, srs_id)")
        file.execute("INSERT INTO gpkg_geometry_columns VALUES ('divides', 'shape', ?)", (srs,))
        file.execute("CREATE TABLE gpkg_spatial_ref_sys (organization, organization_coordsys_id, definition, srs_id)")
        if listed is not None:
            file.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?)", (*listed, srs))
        file.execute("CREATE TABLE divides (key INTEGER PRIMARY KEY, divide_id TEXT, shape BLOB, size REAL)")
        rows = [(10 * n, f"cat-{n}", b, "much" if n == 1 else n) for n, b in enumerate(blobs)]
        file.executemany("INSERT INTO divides VALUES (?, ?, ?, ?)", rows)
    file.close()
    return path


def test_a_system_is_told_by_the_file_or_not_at_all(tmp_path):
    point = [blob(SHAPES[0])]
    known = hand_made(tmp_path / "a.gpkg", point, srs=102008, listed=("esri", 102008, ""))
    assert read_table(known, "divides").crs.to_authority() == ("ESRI", "102008")
    unknown = hand_made(tmp_path / "b.gpkg", point, srs=0, listed=None)
    assert read_table(unknown, "divides").crs is None
    with pytest.raises(HydrofabricError, match="does not say which coordinate reference system"):
        read_table(unknown, "divides", crs="EPSG:4326")


def test_values_of_another_kind_than_declared_are_kept(tmp_path):
    path = hand_made(tmp_path / "a.gpkg", [blob(SHAPES[0])] * 3)
    assert read_table(path, "divides", geometry=False)["size"].tolist() == [0, "much", 2]


@pytest.mark.parametrize(
    "broken", [b"", b"GP", b"neither kind of blob", blob(SHAPES[2])[:70], spatialite(SHAPES[2])[:-9]]
)
def test_a_broken_geometry_is_refused_in_our_words(tmp_path, broken):
    path = hand_made(tmp_path / "a.gpkg", [blob(SHAPES[2]), broken])
    with pytest.raises(HydrofabricError, match="geometry cannot be read") as caught:
        read_table(path, "divides")
    assert caught.value.facts["layer"] == "divides"
    assert len(read_table(path, "divides", geometry=False)) == 2
