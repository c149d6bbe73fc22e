"""A made-up basin keeps the hydrofabric's rules, and its weather is weather."""

from __future__ import annotations

import filecmp
import json
import os
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest

from dmod.errors import InputError
from dmod.formats.forcing import ForcingRef, open_forcing
from dmod.prepare.basin import make_basin, perturb_configs
from dmod.prepare.basin_configs import perturbed, unit_hydrograph
from dmod.prepare.basin_map import draw_map
from dmod.prepare.basin_network import cut_flowpaths
from dmod.prepare.basin_rain import Fronts
from dmod.prepare.basin_shapes import draw_rings
from dmod.prepare.basin_terrain import Terrain, accumulate, grow_terrain
from dmod.prepare.basin_weather import Sites, Weather


@pytest.fixture(scope="module")
def basin(tmp_path_factory):
    """Two hundred catchments, ten days in October."""
    return make_basin(tmp_path_factory.mktemp("made") / "run", catchments=200, days=10)


@pytest.fixture(scope="module")
def layers(basin):
    """Every layer of its hydrofabric."""
    names = [name for name, _ in pyogrio.list_layers(basin.geopackage)]
    return {name: pyogrio.read_dataframe(basin.geopackage, layer=name) for name in names}


@pytest.fixture(scope="module")
def weather(basin):
    """All of its forcing."""
    source = open_forcing(ForcingRef(basin.forcing, "NetCDF"))
    rows = np.arange(len(basin.ids))
    values = {name: source.read(name, rows, 0, source.axis.count) for name in source.variables}
    source.close()
    return values


def files(directory: Path) -> list[str]:
    """Every file below *directory*."""
    return sorted(p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file())


def test_the_same_seed_gives_the_same_files(tmp_path):
    one, two, other = (tmp_path / name for name in ("one", "two", "other"))
    for directory, seed in ((one, 1), (two, 1), (other, 2)):
        make_basin(directory, catchments=12, days=3, seed=seed)
    same, different, missing = filecmp.cmpfiles(one, two, files(one), shallow=False)
    assert (len(same), different, missing) == (3 + 2 * 12, [], [])
    assert filecmp.cmpfiles(one, other, files(one), shallow=False)[0] == ["config/realization.json"]


def test_the_run_directory_is_as_ngen_wants_it(basin):
    assert sorted(p.name for p in basin.directory.iterdir()) == ["config", "forcings", "outputs"]
    assert list((basin.directory / "outputs" / "ngen").iterdir()) == []
    content = json.loads(basin.realization.read_text())
    assert content["time"] == {
        "start_time": "2015-10-01 00:00:00",
        "end_time": "2015-10-10 23:00:00",
        "output_interval": 3600,
    }
    modules = content["global"]["formulations"][0]["params"]["modules"]
    assert [m["params"]["model_type_name"] for m in modules] == ["SLOTH", "PET", "CFE"]
    for module in modules[1:]:
        for name in basin.ids:
            config = module["params"]["init_config"].replace("{{id}}", name)
            assert (basin.directory / config).is_file()
    assert (basin.directory / content["global"]["forcing"]["path"]).samefile(basin.forcing)


def test_numbers_tie_catchments_flowpaths_and_nexuses_together(basin, layers):
    divides, flowpaths, nexus = layers["divides"], layers["flowpaths"], layers["nexus"]
    assert tuple(divides["divide_id"]) == basin.ids
    assert divides["id"].tolist() == flowpaths["id"].tolist() == [f"wb-{n}" for n in range(1, 201)]
    assert divides["toid"].tolist() == flowpaths["toid"].tolist()
    inlets = nexus[nexus["id"] != basin.outlet]
    assert [f"wb-{i.removeprefix('nex-')}" for i in inlets["id"]] == inlets["toid"].tolist()
    assert nexus.loc[nexus["id"] == basin.outlet, "toid"].tolist() == ["wb-0"]
    assert set(flowpaths["toid"]) == set(nexus["id"])
    assert flowpaths["toid"].value_counts().between(1, 3).all()


def test_water_flows_to_the_outlet(basin, layers):
    flowpaths, nexus = layers["flowpaths"].set_index("id"), layers["nexus"].set_index("id")
    below = flowpaths["toid"].map(nexus["toid"])
    seen = flowpaths[below != "wb-0"]
    further = flowpaths.loc[below[below != "wb-0"]]
    assert (below == "wb-0").sum() == 1
    assert (further["hydroseq"].to_numpy() < seen["hydroseq"].to_numpy()).all()
    assert (further["order"].to_numpy() >= seen["order"].to_numpy()).all()
    own = flowpaths["areasqkm"] + seen["tot_drainage_areasqkm"].groupby(below).sum().reindex(flowpaths.index).fillna(0)
    np.testing.assert_allclose(own, flowpaths["tot_drainage_areasqkm"])
    assert flowpaths["tot_drainage_areasqkm"].max() == pytest.approx(basin.area_km2)


def test_catchments_cover_the_basin_without_gaps_or_overlaps(basin, layers):
    divides = layers["divides"]
    assert divides.crs.to_epsg() == 5070
    assert set(divides.geom_type) == {"Polygon"}
    assert divides.is_valid.all()
    np.testing.assert_allclose(divides.area / 1e6, divides["areasqkm"], rtol=1e-6)
    whole = divides.union_all()
    assert whole.geom_type == "Polygon"
    assert len(whole.interiors) == 0
    assert whole.area / 1e6 == pytest.approx(divides["areasqkm"].sum(), rel=1e-9)
    assert basin.area_km2 == pytest.approx(200 * 8, rel=0.02)


def test_flowpaths_end_in_their_nexus(layers):
    ends = gpd.GeoSeries.from_xy(*zip(*(line.coords[-1] for line in layers["flowpaths"].geometry), strict=True))
    nexus = layers["nexus"].set_index("id").geometry
    expected = gpd.GeoSeries(nexus.loc[layers["flowpaths"]["toid"]].to_numpy())
    assert ends.distance(expected).max() == 0
    np.testing.assert_allclose(layers["flowpaths"].length / 1000, layers["flowpaths"]["lengthkm"], rtol=1e-6)


def test_the_gage_stands_where_headwaters_meet(basin, layers):
    flowpaths, channels = layers["flowpaths"], layers["flowpath-attributes"]
    gaged = channels[channels["gage"].notna()].iloc[0]
    assert (gaged["gage"], gaged["gage_nex_id"]) == ("09990001", basin.gage_nexus)
    assert gaged["toid"] == basin.gage_nexus
    above = flowpaths[flowpaths["toid"] == basin.gage_nexus]
    assert tuple(above["divide_id"]) == basin.gage_ids
    assert len(above) in (2, 3)
    assert not set(layers["nexus"]["toid"]) & set(above["id"])
    assert basin.gage_area_km2 == pytest.approx(above["areasqkm"].sum())
    place = layers["hydrolocations"].iloc[0]
    assert (place["hl_uri"], place["id"], place["nex_id"]) == (
        "gages-09990001",
        gaged["id"],
        basin.gage_nexus,
    )
    assert layers["network"]["hl_uri"].dropna().tolist() == ["gages-09990001"]


def test_the_network_names_every_flowpath_and_nexus_once(layers):
    network = layers["network"]
    named = pd.concat([layers["flowpaths"][["id", "toid"]], layers["nexus"][["id", "toid"]]])
    assert network[["id", "toid"]].to_numpy().tolist() == named.to_numpy().tolist()


def test_layers_have_the_columns_of_published_files(layers, data):
    published = data / "hydrofabric" / "v2.2" / "gage-10109001_subset.gpkg"
    for name, table in layers.items():
        assert set(table.columns) == set(pyogrio.read_dataframe(published, layer=name).columns), name


def test_weather_is_possible(weather):
    kelvin, humidity = weather["TMP_2maboveground"], weather["SPFH_2maboveground"]
    saturated = 611 * np.exp(17.27 * (kelvin - 273.15) / (kelvin - 35.85))
    relative = humidity * weather["PRES_surface"] / 0.622 / saturated
    assert all(np.isfinite(values).all() for values in weather.values())
    assert 250 < kelvin.min() < kelvin.max() < 315
    assert 0.1 < relative.min() < relative.max() <= 1.0
    assert weather["precip_rate"].min() == 0
    assert weather["precip_rate"].max() * 3600 < 90
    assert 0.5 < (weather["precip_rate"] == 0).mean() < 0.98
    assert weather["DSWRF_surface"].min() == 0
    assert 400 < weather["DSWRF_surface"].max() < 1100
    assert 150 < weather["DLWRF_surface"].min() < weather["DLWRF_surface"].max() < 480
    assert 80e3 < weather["PRES_surface"].min() < weather["PRES_surface"].max() < 104e3


def test_the_sun_is_up_at_noon_and_down_at_midnight(weather):
    # Near 83 degrees west the sun stands highest about 17:30 UTC.
    by_hour = weather["DSWRF_surface"].mean(axis=0).reshape(-1, 24).mean(axis=0)
    assert by_hour.argmax() in (16, 17, 18)
    assert by_hour[4:9].max() == 0


def test_weather_does_not_depend_on_how_it_is_asked():
    place = np.linspace(0, 50e3, 7)
    sites = Sites(place, place, 36 + place / 1e6, -83 + place / 1e6, 300 + place / 100)
    made = Weather(sites, start_s=1_467_331_200, hours=240, seed=5)  # July: fronts and showers
    whole = made.block(0, 7)
    for start, stop in ((0, 1), (3, 5), (6, 7)):
        part = made.block(start, stop)
        assert all(np.array_equal(part[name], whole[name][start:stop]) for name in whole)


def test_a_front_brings_the_water_it_has():
    fronts = Fronts.draw(np.random.default_rng(1), 24 * 60)
    here = fronts.at(0.0, 0.0, 1.0, 24 * 60 + 48)
    inside = fronts.arrival >= 0
    most = fronts.depth * np.exp(0.3 * fronts.pattern.at(0.0, 0.0)[:, 0] - 0.045)
    assert most[inside].sum() <= here.sum() * (1 + 1e-9) <= most.sum() * (1 + 1e-8)


def test_water_adds_up_downstream():
    # 0 is the mouth; 1 and 2 drain to it, 3 and 4 to 2.
    assert accumulate(np.array([-1, 0, 0, 2, 2]), np.ones(5)).tolist() == [5, 1, 3, 1, 1]


def test_a_catchment_that_touches_itself_encloses_a_hole():
    # Seven of nine cells are catchment 0, one in the middle is 1, and a corner is outside.
    cells = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2), (1, 2)]
    column, row = np.array(cells).T
    terrain = Terrain(np.arange(-1, 7), column, row, np.zeros(8), 3)
    rings = draw_rings(terrain, np.array([int(c == (1, 1)) for c in cells]), softening=0)
    assert sorted(zip(rings.polygon.tolist(), rings.area.tolist(), strict=True)) == [(0, -1), (0, 8), (1, 1)]


@pytest.mark.parametrize("count", [3, 4, 5, 7, 30, 61])
@pytest.mark.parametrize("seed", range(8))
def test_a_basin_has_as_many_catchments_as_wanted(count, seed):
    drawn = draw_map(count, np.random.default_rng(seed), gage="09990001")
    assert len(drawn.down) == len(drawn.outlines) == count
    assert (drawn.down[:-1] > np.arange(count - 1)).all()
    assert drawn.down[-1] == -1
    assert (drawn.area_km2 > 0).all()
    assert (drawn.length_km > 0).all()
    outlines = gpd.GeoSeries.from_wkb(drawn.outlines)
    assert outlines.is_valid.all()
    np.testing.assert_allclose(outlines.area / 1e6, drawn.area_km2, rtol=1e-6)
    assert outlines.union_all().area / 1e6 == pytest.approx(drawn.area_km2.sum(), rel=1e-9)


def test_too_many_flowpaths_for_the_cells_is_said():
    with pytest.raises(ValueError, match="flowpaths"):
        cut_flowpaths(grow_terrain(100, np.random.default_rng(0)), 90)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param({"catchments": 2}, "too small", id="too few catchments"),
        pytest.param({"days": 0}, "too small", id="no day"),
        pytest.param({"start": "October"}, "no date", id="no date"),
    ],
)
def test_an_impossible_basin_is_refused(tmp_path, asked, message):
    with pytest.raises(InputError, match=message):
        make_basin(tmp_path, **asked)
    assert list(tmp_path.iterdir()) == []


def test_progress_runs_from_nothing_to_all(tmp_path):
    told = []
    make_basin(tmp_path, catchments=5, days=1, progress=lambda done, what: told.append((done, what)))
    assert told[0] == (0.0, "river network")
    assert told[-1] == (1.0, "weather")
    assert told == sorted(told, key=lambda pair: pair[0])


def test_a_twin_differs_in_parameters_only_and_finds_the_weather(basin, tmp_path):
    twin = tmp_path / "twin"
    path = perturb_configs(basin, twin, seed=7)
    assert path == twin / "config" / "realization.json"
    ours, theirs = (json.loads(p.read_text()) for p in (basin.realization, path))
    forcing = theirs["global"]["forcing"].pop("path")
    ours["global"]["forcing"].pop("path")
    assert ours == theirs
    assert Path(os.path.normpath(twin.resolve() / forcing)) == basin.forcing.resolve()
    names = [n for n in files(basin.directory / "config") if n != "realization.json"]
    same, different, _ = filecmp.cmpfiles(basin.directory / "config", twin / "config", names, shallow=False)
    assert different == [f"cat_config/CFE/{n}.ini" for n in sorted(basin.ids)]
    assert len(same) == 201
    again = tmp_path / "again"
    perturb_configs(basin, again, seed=7)
    assert (again / "config" / different[0]).read_text() == (twin / "config" / different[0]).read_text()


def test_a_twin_needs_a_place_of_its_own(basin):
    with pytest.raises(InputError, match="directory of its own"):
        perturb_configs(basin, basin.directory, seed=1)


def test_a_perturbed_value_keeps_its_unit_and_its_bounds():
    class Mean:
        """Chance that always gives the mean."""

        def standard_normal(self):
            return 0.0

    shared = dict.fromkeys(
        ["soil_params.satdk", "soil_params.slop", "refkdt", "max_gw_storage", "Cgw", "K_lf", "K_nash"], 2.0
    )
    text = "soil_params.slop=0.9[m/m]\nexpon=4.5[]\nrefkdt=1.5\nCgw=2e-05[m h-1]\n"
    expected = "soil_params.slop=1[m/m]\nexpon=4.5[]\nrefkdt=3\nCgw=4e-05[m h-1]\n"
    assert perturbed(text, Mean(), shared) == expected


@pytest.mark.parametrize("area", [0.01, 1.0, 8.0, 70.0, 5000.0])
def test_a_unit_hydrograph_keeps_the_water(area):
    shares = unit_hydrograph(area)
    assert sum(shares) == pytest.approx(1.0, abs=1e-12)
    assert min(shares) > 0
    assert len(shares) <= 14
