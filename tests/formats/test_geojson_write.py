"""GeoJSON files that ngen reads, and that we read again as the same river."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest

from dmod.domain.domain import Domain
from dmod.domain.tables import to_geojson
from dmod.errors import HydrofabricError, OutputError
from dmod.formats.geojson_write import write_geojson
from dmod.formats.geopackage_tables import GeopackageTables


@pytest.mark.parametrize("file", ["v2.2/gage-10109001_subset.gpkg", "v2.0/gauge_01073000.gpkg"])
def test_what_is_written_is_the_same_river(data, tmp_path, file):
    domain = Domain.open(data / "hydrofabric" / file)
    path = to_geojson(domain, tmp_path / "pair")
    again = Domain.open(path)
    assert sorted(item.name for item in path.parent.iterdir()) == [
        "catchment_data.geojson",
        "flowpath_data.geojson",
        "nexus_data.geojson",
    ]
    ours, theirs = again.network, domain.network
    assert again.catchments.to_list() == domain.catchments.to_list()
    assert again.nexus_ids.to_list() == domain.nexus_ids.to_list()
    assert again.flowpath_ids.to_list() == domain.flowpath_ids.to_list()
    assert ours.downstream.tolist() == theirs.downstream.tolist()
    assert np.array_equal(ours.area_km2, theirs.area_km2)
    assert dict(again.gages) == dict(domain.gages)
    for name in ("length_km", "total_km2", "order", "mainstem"):
        ours, theirs = (getattr(d.river.topology.flowpaths, name) for d in (again, domain))
        assert np.array_equal(ours, theirs, equal_nan=True)
    assert again.river.topology.regions == domain.river.topology.regions


def test_features_are_as_ngen_has_them(data, tmp_path):
    source = GeopackageTables(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg")
    path = write_geojson(tmp_path, source.read("divides"), source.read("nexus"))
    first = json.loads(path.read_text())["features"][0]
    assert first["id"].startswith("cat-")
    assert "id" not in first["properties"]
    assert first["properties"]["toid"].startswith("nex-")
    assert first["properties"]["area_sqkm"] == source.read("divides")["areasqkm"].iloc[0]
    assert -112 < first["geometry"]["coordinates"][0][0][0] < -111
    nexuses = json.loads((tmp_path / "nexus_data.geojson").read_text())["features"]
    assert {nexus["properties"]["toid"].partition("-")[0] for nexus in nexuses} == {"cat"}
    frame = geopandas.read_file(path)
    assert frame.crs.to_epsg() == 4326
    moved = frame.set_index("id").geometry.to_crs(5070).sort_index()
    apart = moved.hausdorff_distance(source.read("divides").geometry.sort_index(), align=False)
    assert apart.max() < 0.01


def test_layers_without_shapes_or_a_system_are_refused(data, tmp_path):
    source = GeopackageTables(data / "hydrofabric/v2.0/gauge_01073000.gpkg")
    divides, nexus = source.read("divides"), source.read("nexus")
    with pytest.raises(HydrofabricError, match="'nexus' has no geometry"):
        write_geojson(tmp_path / "a", divides, nexus.drop(columns="geometry"))
    with pytest.raises(HydrofabricError, match="does not say which coordinate reference system"):
        write_geojson(tmp_path / "a", divides.set_crs(None, allow_override=True), nexus)
    assert list(tmp_path.rglob("*.geojson*")) == []


def test_files_that_are_there_are_replaced_together_or_not_at_all(data, tmp_path):
    source = GeopackageTables(data / "hydrofabric/v2.0/gauge_01073000.gpkg")
    tables = [source.read(layer) for layer in ("divides", "nexus", "flowpaths")]
    write_geojson(tmp_path, *tables)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match="something already"):
        write_geojson(tmp_path, *tables)
    with pytest.raises(HydrofabricError):
        write_geojson(tmp_path, tables[0], tables[1].set_crs(None, allow_override=True), overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    write_geojson(tmp_path, *tables[:2], overwrite=True)
    assert not (tmp_path / "flowpath_data.geojson").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_geojson(tmp_path / "file", *tables)


def test_older_files_of_ngen_are_layers_too(data):
    domain = Domain.open(data / "hydrofabric/v0-geojson/ngen/catchment_data.geojson")
    source = vars(domain.hydrofabric)["source"]
    assert set(source.layers) == {"divides", "nexus", "flowpaths"}
    # Their flowpaths flow into flowpaths: they say nothing of nexuses.
    assert len(domain.flowpath_ids) == 0
    paths = source.read("flowpaths", columns=["realized_catchment"])
    assert paths.loc["fp-27", "realized_catchment"] == "cat-27"
    assert paths.crs.to_epsg() == 4326
