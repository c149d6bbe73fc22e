"""A directory of GeoParquet holds what the tables held, and gives just the rows and columns asked for."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from dmod.domain.domain import Domain
from dmod.domain.tables import to_parquet
from dmod.errors import HydrofabricError, OutputError
from dmod.formats.geopackage_tables import GeopackageTables
from dmod.formats.geoparquet import ParquetTables, read_parquet_fabric
from dmod.formats.geoparquet_write import write_parquet
from dmod.formats.hydrofabric import open_hydrofabric


@pytest.fixture
def gage(data):
    """The larger real file of version 2.2."""
    return GeopackageTables(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg")


@pytest.mark.parametrize("hive", [None, "vpuid"])
@pytest.mark.parametrize("size", [1000, 17])
def test_what_is_written_is_read_again(gage, tmp_path, hive, size):
    pieces = {
        layer: [frame.iloc[start : start + size] for start in range(0, max(len(frame), 1), size)]
        for layer, frame in ((layer, gage.read(layer)) for layer in gage.layers)
    }
    written = write_parquet(tmp_path / "fabric", pieces, hive=hive)
    assert written.joinpath("divides/vpuid=16/part-0.parquet" if hive else "divides.parquet").is_file()
    back = ParquetTables(written)
    for layer in gage.layers:
        ours, theirs = back.read(layer), gage.read(layer)
        assert ours.index.to_list() == theirs.index.to_list()
        assert ours.index.name == theirs.index.name
        assert back.crs(layer) == gage.crs(layer)
        if len(theirs):
            for column in theirs.columns.drop("geometry", errors="ignore"):
                assert ours[column].isna().tolist() == theirs[column].isna().tolist()
                assert ours[column].dropna().tolist() == theirs[column].dropna().tolist()
        if "geometry" in theirs:
            assert ours.geometry.geom_equals(theirs.geometry).all()
    fabric, direct = read_parquet_fabric(written), open_hydrofabric(gage.path)
    assert fabric.version == "v2.2"
    assert fabric.catchments.equals(direct.catchments)
    assert dict(fabric.gages) == dict(direct.gages)


def test_rows_come_from_the_groups_that_hold_them(gage, tmp_path, monkeypatch):
    frame = gage.read("divides")
    write_parquet(tmp_path / "fabric", {"divides": [frame.iloc[:30], frame.iloc[30:60], frame.iloc[60:]]})
    read = []
    groups_of = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_groups",
        lambda file, groups, **more: read.append(groups) or groups_of(file, groups, **more),
    )
    found = ParquetTables(tmp_path / "fabric").read("divides", columns=["toid"], rows=np.array([5, 29, 61, 87]))
    assert read == [[0, 2]]
    assert found.index.to_list() == frame.index[[5, 29, 61, 87]].to_list()
    assert list(found.columns) == ["toid", "geometry"]
    none = ParquetTables(tmp_path / "fabric").read("divides", rows=np.zeros(0, dtype=np.int64))
    assert none.empty
    assert none.crs.to_epsg() == 5070


def test_other_libraries_read_what_is_written(gage, tmp_path):
    path = write_parquet(tmp_path / "fabric", {"divides": [gage.read("divides")]}) / "divides.parquet"
    frame = geopandas.read_parquet(path).set_index("divide_id")
    assert frame.crs.to_epsg() == 5070
    assert frame.geometry.geom_equals(gage.read("divides").geometry).all()
    foot = json.loads(pq.read_metadata(path).metadata[b"geo"])
    assert foot["version"] == "1.1.0"
    assert foot["columns"]["geometry"]["geometry_types"] == ["Polygon"]
    assert foot["columns"]["geometry"]["bbox"] == pytest.approx(frame.total_bounds)


def test_what_other_libraries_write_is_read(gage, tmp_path):
    for layer, region in (("divides", "16"), ("nexus", "16"), ("flowpaths", "16")):
        folder = tmp_path / f"conus_{layer}/vpuid={region}"
        folder.mkdir(parents=True)
        frame = gage.read(layer).reset_index().drop(columns="vpuid")
        frame.to_parquet(folder / "part-0.parquet")
    fabric = read_parquet_fabric(tmp_path)
    assert fabric.topology.regions == ("16",)
    assert len(fabric.catchments) == 88
    assert vars(fabric)["source"].crs("divides") == "EPSG:5070"


def test_a_part_of_a_domain_is_written_whole(gage, tmp_path):
    domain = Domain.open(gage.path)
    part = domain.part(domain.river.walk.upstream(domain.catchments.place("cat-2861382")), "some")
    again = Domain.of(read_parquet_fabric(to_parquet(part, tmp_path / "part", hive="vpuid")))
    assert again.catchments.to_list() == part.catchments.to_list()
    assert again.flowpath_ids.to_list() == part.flowpath_ids.to_list()
    assert again.nexus_ids.to_list() == part.nexus_ids.to_list()
    assert again.area_km2 == pytest.approx(part.area_km2)


def test_columns_that_change_their_kind_between_pieces_keep_their_values(tmp_path):
    pieces = [
        pd.DataFrame({"id": ["a"], "whole": [1], "text": [None], "flag": [True]}),
        pd.DataFrame({"id": ["b"], "whole": [np.nan], "text": ["late"], "flag": [None]}),
    ]
    frame = ParquetTables(write_parquet(tmp_path / "fabric", {"network": pieces})).read("network")
    assert frame["whole"].isna().tolist() == [False, True]
    assert frame["text"].tolist()[1] == "late"
    assert frame["flag"].tolist() == [True, None]


def test_what_is_there_is_not_replaced_unless_asked_to_and_never_if_it_is_not_ours(tmp_path):
    target = tmp_path / "fabric"
    table = {"network": [pd.DataFrame({"id": ["a"]})]}
    write_parquet(target, table)
    with pytest.raises(OutputError, match="something already"):
        write_parquet(target, table)
    write_parquet(target, {"pois": [pd.DataFrame({"id": ["b"]})]}, overwrite=True)
    assert [item.name for item in target.iterdir()] == ["pois.parquet"]
    (target / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="something already"):
        write_parquet(target, table, overwrite=True)
    assert (target / "notes.txt").read_text() == "mine"
    assert [item.name for item in tmp_path.iterdir()] == ["fabric"]


def test_what_fails_on_the_way_leaves_nothing_and_spares_what_was_there(tmp_path):
    target = tmp_path / "fabric"
    write_parquet(target, {"network": [pd.DataFrame({"id": ["a"]})]})

    def pieces():
        yield pd.DataFrame({"id": ["b"]})
        raise HydrofabricError("the source broke off")

    with pytest.raises(HydrofabricError, match="broke off"):
        write_parquet(target, {"network": pieces()}, overwrite=True)
    assert ParquetTables(target).read("network").index.to_list() == ["a"]
    with pytest.raises(OutputError, match="kinds"):
        write_parquet(tmp_path / "mixed", {"network": [pd.DataFrame({"id": ["a", "b"], "x": ["text", 1]})]})
    with pytest.raises(OutputError, match="cannot be written"):
        write_parquet(tmp_path / "absent" / "fabric", {"network": [pd.DataFrame({"id": ["a"]})]})
    assert [item.name for item in tmp_path.iterdir()] == ["fabric"]


def test_directories_without_a_hydrofabric_are_refused(tmp_path):
    with pytest.raises(HydrofabricError, match="holds no hydrofabric") as caught:
        read_parquet_fabric(tmp_path)
    assert caught.value.facts["has"] == "nothing"
    (tmp_path / "divides.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(HydrofabricError, match="Parquet file cannot be read"):
        read_parquet_fabric(tmp_path)
    write_parquet(tmp_path / "other", {"network": [pd.DataFrame({"id": ["a"]})]})
    with pytest.raises(HydrofabricError, match="no layer 'divides'"):
        read_parquet_fabric(tmp_path / "other")
