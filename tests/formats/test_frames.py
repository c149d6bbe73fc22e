"""Tables in memory are a hydrofabric like any file: the same ids, links, gages and rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dmod.domain.domain import Domain
from dmod.errors import HydrofabricError, InputError
from dmod.formats.frames import FrameTables, KeyedRows, fabric_of, from_frames
from dmod.formats.geopackage_tables import GeopackageTables
from dmod.formats.hydrofabric import open_hydrofabric

FILES = (
    "v2.2/gage-10109001_subset.gpkg",
    "v2.2/cat-1555522_subset.gpkg",
    "v2.0/gauge_01073000.gpkg",
    "v1.2/gauge_01069700.gpkg",
    "v1.2/dmod_example_hydrofabric_2.gpkg",
    "v1.2/dmod_lib_test_hydrofabric.gpkg",
)


def same(ours, theirs):
    """Whether two hydrofabrics say the same of the river."""
    a, b = ours.topology, theirs.topology
    assert ours.version == theirs.version
    assert ours.catchments.equals(theirs.catchments)
    assert ours.nexuses.equals(theirs.nexuses)
    assert a.regions == b.regions
    assert np.array_equal(a.catchments.region, b.catchments.region)
    assert a.flowpaths.ids == b.flowpaths.ids
    assert a.flowpaths.toid == b.flowpaths.toid
    for name in ("length_km", "total_km2", "order", "mainstem"):
        assert np.array_equal(getattr(a.flowpaths, name), getattr(b.flowpaths, name), equal_nan=True)
    assert dict(ours.gages) == dict(theirs.gages)
    assert [str(uri) for uri in a.marks.uri] == [str(uri) for uri in b.marks.uri]


@pytest.mark.parametrize("file", FILES)
def test_any_source_of_the_same_tables_is_the_same_hydrofabric(data, file):
    path = data / "hydrofabric" / file
    source, direct = GeopackageTables(path), open_hydrofabric(path)
    same(fabric_of(source, path), direct)
    given = {layer: source.read(layer) for layer in source.layers}
    first = {layer: given.pop(layer) for layer in ("divides", "nexus", "flowpaths")}
    framed = from_frames(**first, tables=given, name="mine")
    same(framed, direct)
    assert framed.path.stem == "mine"


@pytest.mark.parametrize("file", FILES)
def test_rows_by_their_ids_are_those_that_the_file_has(data, file):
    path = data / "hydrofabric" / file
    source, fabric = GeopackageTables(path), open_hydrofabric(path)
    domain = Domain.of(fabric)
    by_id, by_file = KeyedRows(source, fabric.topology), source.rows(fabric.topology)
    rng = np.random.default_rng(7)
    for _ in range(5):
        part = domain.part(np.flatnonzero(rng.random(len(domain)) < 0.4), "some")
        places = (part.catchment_places, part.flowpath_places, part.nexus_places)
        for layer in ("divides", "flowpaths", "nexus", "network", "divide-attributes", "flowpath_attributes"):
            if layer in source.layers:
                assert by_id.of(layer, *places).tolist() == by_file.of(layer, *places).tolist()


def three():
    """Three catchments in a row, ids as columns."""
    divides = pd.DataFrame(
        {"divide_id": ["cat-1", "cat-2", "cat-3"], "toid": ["nex-2", "nex-3", "tnx-9"], "areasqkm": [1.0, 2.0, 3.0]}
    )
    nexus = pd.DataFrame({"id": ["nex-2", "nex-3", "tnx-9"], "toid": ["wb-2", "wb-3", "wb-0"]})
    return divides, nexus


def test_ids_may_be_columns_or_the_index_with_or_without_a_name():
    divides, nexus = three()
    for one, other in (
        (divides, nexus),
        (divides.set_index("divide_id"), nexus.set_index("id")),
        (divides.set_index("divide_id").rename_axis(None), nexus.set_index("id").rename_axis(None)),
        (divides.set_axis([7, 8, 9], axis=0).iloc[[0, 1, 2]], nexus),
    ):
        domain = Domain.of(from_frames(one, other))
        assert domain.catchments.to_list() == ["cat-1", "cat-2", "cat-3"]
        assert domain.network.downstream.tolist() == [1, 2, -1]
    assert list(divides.columns) == ["divide_id", "toid", "areasqkm"]


def test_geometry_under_any_name_keeps_its_system(data):
    source = GeopackageTables(data / "hydrofabric/v2.0/gauge_01073000.gpkg")
    divides = source.read("divides").rename_geometry("shape")
    fabric = from_frames(divides, source.read("nexus"))
    tables = vars(fabric)["source"]
    assert tables.crs("divides") == "EPSG:5070"
    assert tables.bounds("divides") == tuple(divides.total_bounds)
    found = tables.read("divides", rows=np.array([1, 3]), columns=["toid"])
    assert found.index.to_list() == divides.index[[1, 3]].to_list()
    assert found.geometry.iloc[0].equals(divides.geometry.iloc[1])


def test_lakes_are_found_by_their_point_of_interest():
    divides, nexus = three()
    divides["id"] = ["wb-1", "wb-2", "wb-3"]
    flowpaths = pd.DataFrame({"id": ["wb-1", "wb-2", "wb-3"], "toid": divides["toid"]})
    pois = pd.DataFrame({"poi_id": [11, 12], "id": ["wb-1", "wb-3"]})
    # Numbers are text in one table and numbers in another.
    lakes = pd.DataFrame({"lake_id": [1.0, 2.0, 3.0], "poi_id": ["12", "11", None]})
    fabric = from_frames(divides, nexus, flowpaths, tables={"pois": pois, "lakes": lakes})
    rows = vars(fabric)["source"].rows(fabric.topology)
    third = (np.array([2]), np.array([2]), np.array([2]))
    assert rows.of("lakes", *third).tolist() == [0]
    assert rows.of("pois", *third).tolist() == [1]
    assert rows.of("divides", *third).tolist() == [2]


def test_a_table_that_names_nothing_belongs_to_everything():
    divides, nexus = three()
    fabric = from_frames(divides, nexus, tables={"notes": pd.DataFrame({"text": ["a", "b"]})})
    rows = vars(fabric)["source"].rows(fabric.topology)
    assert rows.of("notes", *(np.array([0]),) * 3).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d, n: (d.drop(columns="toid"), n), "no column 'toid'"),
        (lambda d, n: (d.drop(columns="areasqkm"), n), "no column 'areasqkm'"),
        (lambda d, n: (d.assign(divide_id=["wb-1", "wb-2", "wb-3"]), n), "flowpath ids"),
        (lambda d, n: (d, n.drop(columns="toid")), "layer 'nexus' has no column 'toid'"),
    ],
)
def test_tables_that_lack_something_are_refused(change, match):
    with pytest.raises(HydrofabricError, match=match):
        from_frames(*change(*three()))


def test_what_is_no_table_is_refused(tmp_path):
    divides, _ = three()
    with pytest.raises(InputError, match="'nexus' is no table") as caught:
        from_frames(divides, "nexus.geojson")
    assert caught.value.facts["has"] == "str"
    with pytest.raises(HydrofabricError, match="no layer 'nexus'"):
        fabric_of(FrameTables(tmp_path, {"divides": divides}), tmp_path)
