"""Configuration files of CFE and PET from a hydrofabric's attributes."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmod.data.coverage import ALL, Coverage
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Derivable, Found, Listed, Missing, match
from dmod.domain.domain import Domain
from dmod.engine.modules.cfe import Cfe
from dmod.engine.modules.pet import Pet
from dmod.errors import ConfigError, HydrofabricError
from dmod.model.configs import parse
from dmod.model.formulation import Formulation
from dmod.prepare import cfe_config, pet_config
from dmod.prepare.cfe_config import cfe_table
from dmod.prepare.config_rules import ConfigRule, config_tables, configs_needed
from dmod.prepare.pet_config import pet_table
from dmod.prepare.rules import derive

FABRICS = {"gage-10109001": "gage-10109001_subset.gpkg", "cat-1555522": "cat-1555522_subset.gpkg"}
DIGEST = "sha256:" + "5" * 64


def river(data, name="gage-10109001"):
    """A real hydrofabric of version 2.2."""
    return Domain.open(data / "hydrofabric" / "v2.2" / FABRICS[name])


def fabric(path, ids, name="fabric"):
    """A hydrofabric as a dataset, in place."""
    coverage = Coverage.of(spans=ALL, ids=ids, variables=ALL)
    return Dataset(
        name, name, Category.HYDROFABRIC, Format.GEOPACKAGE, coverage, DIGEST, path.stat().st_size, (), str(path)
    )


def keys_of(text):
    """Key to value, without units."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.strip().startswith("#"))
    return {key.strip(): value.partition("[")[0].strip() for key, value in pairs}


def derived(data, tmp_path, formulation, ids=None):
    """The folder that the rule makes for catchments of a real river, and its table of sources."""
    path = data / "hydrofabric" / "v2.2" / FABRICS["gage-10109001"]
    everything = list(river(data).catchments)
    rule = ConfigRule()
    offer = rule.offers(configs_needed(formulation, ids or everything), Listed([fabric(path, everything)]))
    made = derive(offer, [path], tmp_path, known=[rule])
    with (made.path / "sources.csv").open(newline="") as file:
        return made, list(csv.DictReader(file))


@pytest.mark.parametrize("name", FABRICS)
def test_cfe_gets_the_values_that_nextgen_in_a_box_gives_it(data, name):
    golden = json.loads((data / "configs" / "ngiab_golden" / "config" / f"{name}.json").read_text())
    domain = river(data, name)
    table = cfe_table(domain.attributes(cfe_config.ATTRIBUTES))
    for row, catchment in enumerate(table.ids):
        wanted = keys_of(golden[f"cat_config/CFE/{catchment}.ini"])
        wanted.pop("DEBUG")
        found = keys_of(table.text(row))
        assert {key: found[key] for key in wanted} == wanted, catchment
    assert len(table.ids) == len(domain)


@pytest.mark.parametrize("name", FABRICS)
def test_pet_is_told_the_place_that_nextgen_in_a_box_tells_other_modules(data, name):
    golden = json.loads((data / "configs" / "ngiab_golden" / "config" / f"{name}.json").read_text())
    domain = river(data, name)
    table = pet_table(domain.attributes(pet_config.ATTRIBUTES), crs=domain.crs)
    for row, catchment in enumerate(table.ids):
        noah, found = golden[f"cat_config/NOAH-OWP-M/{catchment}.input"], keys_of(table.text(row))
        for short, key in (("lat", "latitude_degrees"), ("lon", "longitude_degrees")):
            assert found[key] == re.search(rf"{short}\s+=\s+(\S+)", noah)[1], catchment


@pytest.mark.parametrize("scheme", ["Schaake", "Xinanjiang"])
def test_the_files_say_nothing_that_their_module_does_not_understand(data, scheme):
    domain = river(data)
    tables = [
        (Cfe, cfe_table(domain.attributes(cfe_config.ATTRIBUTES), scheme=scheme)),
        (Pet, pet_table(domain.attributes(pet_config.ATTRIBUTES), crs=domain.crs)),
    ]
    for module, table in tables:
        assert {
            problem for row in range(len(table.ids)) for problem in parse(module.schema, table.text(row)).problems
        } == set()


def test_keys_stand_in_the_order_in_which_cfe_needs_them(data):
    order = list(keys_of(cfe_table(river(data).attributes(cfe_config.ATTRIBUTES), scheme="Xinanjiang").text(0)))
    assert order.index("max_gw_storage") < order.index("gw_storage")
    assert order.index("surface_partitioning_scheme") < order.index("a_Xinanjiang_inflection_point_parameter")


def test_both_versions_of_cfe_find_the_keys_they_read(data):
    keys = keys_of(cfe_table(river(data).attributes(cfe_config.ATTRIBUTES)).text(0))
    for old, new in (
        ("surface_partitioning_scheme", "surface_water_partitioning_scheme"),
        ("K_nash", "K_nash_subsurface"),
        ("nash_storage", "nash_storage_subsurface"),
    ):
        assert keys[old] == keys[new]


def test_the_classes_are_those_of_noah_mp(data):
    tables = data / "configs" / "bmi_init" / "gauge_01073000" / "NOAH" / "parameters"
    soils = (tables / "SOILPARM.TBL").read_text().splitlines()[3:22]
    for line in soils:
        number, values = int(line.split(",")[0]), [float(one) for one in line.split(",")[12:15]]
        known = cfe_config.SOIL_CLASSES[number]
        assert [known.inflection, known.tension, known.free] == values
    modis = (tables / "MPTABLE.TBL").read_text().split("&modis_veg_parameters")[1]
    heights = [float(one) for one in re.search(r"HVT\s*=\s*([^\n]*)", modis)[1].rstrip(", ").split(",")]
    assert [pet_config.VEGETATION[number].height_m for number in range(1, 21)] == heights


def test_every_value_has_its_source(data, tmp_path):
    made, rows = derived(data, tmp_path, Formulation.load("cfe"))
    table = pd.DataFrame(rows)
    assert list(table.columns) == ["module", "parameter", "value", "source", "unit", "catchments"]
    for module in ("cfe", "pet"):
        files = sorted((made.path / module.upper()).glob("*.ini"))
        assert len(files) == 88
        told = table[table.module == module]
        assert set(told.parameter) == set(keys_of(files[0].read_text()))
        assert (told.catchments == "all").all()
    sources = table.set_index("parameter").source
    assert sources["soil_params.slop"] == "mean.slope_1km"
    assert sources["max_gw_storage"] == "mean.Zmax / 1000"
    assert sources["site_elevation_m"] == "mean.elevation / 100"
    assert sources["K_lf"] == "default"


def test_only_the_catchments_asked_for_get_files(data, tmp_path):
    made, _ = derived(data, tmp_path, Formulation.load("cfe"), ids=["cat-2861380", "cat-2861379"])
    assert sorted(path.name for path in (made.path / "CFE").iterdir()) == ["cat-2861379.ini", "cat-2861380.ini"]


def test_keys_of_the_formulation_win_and_are_said_to(data, tmp_path):
    formulation = Formulation.load("cfe-x").with_configs({"cfe": {"soil_storage": 0.4}, "pet": {"pet_method": 5}})
    dry = formulation.with_configs({"cfe": {"soil_storage": 0.1}})
    made, rows = derived(data, tmp_path, formulation.for_catchments({"cat-2861379": dry}))
    storage = {path.stem: keys_of(path.read_text())["soil_storage"] for path in sorted((made.path / "CFE").iterdir())}
    assert storage.pop("cat-2861379") == "0.1"
    assert set(storage.values()) == {"0.4"}
    pet = keys_of((made.path / "PET" / "cat-2861379.ini").read_text())
    assert pet["pet_method"] == "5"
    told = [
        (row["value"], row["source"], len(row["catchments"].split()))
        for row in rows
        if row["parameter"] == "soil_storage"
    ]
    assert sorted(told) == [("0.1", "formulation", 1), ("0.4", "formulation", 87)]
    cfe = keys_of((made.path / "CFE" / "cat-2861380.ini").read_text())
    assert cfe["surface_partitioning_scheme"] == cfe["surface_water_partitioning_scheme"] == "Xinanjiang"


def test_one_module_alone_gets_its_files(data, tmp_path):
    # Where a realization had one module and no list of them, the first DMOD stopped here.
    alone = Formulation("alone", json.dumps(json.loads(Formulation.load("cfe").entry)["params"]["modules"][2]))
    made, _ = derived(data, tmp_path, alone)
    assert sorted(path.name for path in made.path.iterdir()) == ["CFE", "sources.csv"]


def test_files_are_found_again_where_they_were_derived_for_the_same(data, tmp_path):
    made, _ = derived(data, tmp_path, Formulation.load("cfe-x"))
    ids = list(river(data).catchments)
    files = Dataset(
        "1", "files", Category.CONFIG, made.format, made.coverage, DIGEST, 1, (), str(made.path), facts=made.facts,
        lineage=made.lineage,
    )  # fmt: skip
    assert isinstance(match([configs_needed(Formulation.load("cfe-x"), ids)], [files])[0], Found)
    assert isinstance(match([configs_needed(Formulation.load("cfe-x"), ids[:3])], [files])[0], Found)
    other = Formulation.load("cfe-x").with_configs({"cfe": {"soil_storage": 0.4}})
    assert isinstance(match([configs_needed(other, ids)], [files])[0], Missing)


def test_files_of_other_modules_are_not_promised(data):
    noah = Formulation.from_realization(data / "configs" / "ngiab_golden" / "realization" / "cfe-nom.json")
    path = data / "hydrofabric" / "v2.2" / FABRICS["gage-10109001"]
    ids = list(river(data).catchments)
    found = match([configs_needed(noah, ids)], [fabric(path, ids)], [ConfigRule()])
    assert isinstance(found[0], Missing)
    with pytest.raises(ConfigError, match="noahowp are not made here"):
        config_tables(river(data), ["noahowp"], {}, {})


def test_the_offer_says_what_would_be_made(data):
    path = data / "hydrofabric" / "v2.2" / FABRICS["gage-10109001"]
    ids = list(river(data).catchments)
    (found,) = match([configs_needed(Formulation.load("cfe"), ids)], [fabric(path, ids)], [ConfigRule()])
    assert isinstance(found, Derivable)
    assert (
        str(found)
        == "configs: configs derives it from 'fabric'; files of cfe, pet are made of the attributes of 'fabric'"
    )


def test_files_are_not_promised_of_a_hydrofabric_without_attributes(data):
    path = data / "hydrofabric" / "v2.2" / FABRICS["gage-10109001"]
    ids = list(river(data).catchments)
    needed = configs_needed(Formulation.load("cfe"), ids)
    for change in ({"format": Format.GEOJSON}, {"facts": {"version": "v2.0"}}):
        assert ConfigRule().offers(needed, Listed([replace(fabric(path, ids), **change)])) is None
    assert ConfigRule().offers(needed, Listed([replace(fabric(path, ids), facts={"version": "v2.2"})])) is not None


def test_a_hydrofabric_without_attributes_is_refused(data):
    domain = Domain.open(data / "hydrofabric" / "v2.0" / "gauge_01073000.gpkg")
    with pytest.raises(HydrofabricError, match="has no column"):
        config_tables(domain, ["cfe"], {}, {})


def test_a_catchment_without_soil_is_named(data):
    attributes = river(data).attributes(cfe_config.ATTRIBUTES)
    attributes.loc["cat-2861380", "mode.bexp_soil_layers_stag=2"] = float("nan")
    table = cfe_table(attributes)
    with pytest.raises(ConfigError, match=r"1 of 88 catchments have no value for soil_params\.b[\s\S]*cat-2861380"):
        table.require()
    table.with_keys({"soil_params.b": "5"}, Cfe.schema).require()


def test_what_has_a_default_gets_it_and_the_table_says_where(data):
    attributes = river(data).attributes(cfe_config.ATTRIBUTES)
    attributes.loc["cat-2861380", "mean.Coeff"] = float("nan")
    rows = [row for row in cfe_table(attributes).sources(88) if row.parameter == "Cgw"]
    assert [(row.value, row.source) for row in rows] == [
        ("0.005", "mean.Coeff"), ("0.005", "default, for mean.Coeff is missing"),
    ]  # fmt: skip
    assert rows[1].catchments == "cat-2861380"
    assert len(rows[0].catchments.split()) == 87


def test_a_class_of_soil_that_nobody_knows_gives_no_value(data):
    attributes = river(data).attributes(cfe_config.ATTRIBUTES)
    attributes["mode.ISLTYP"] = 42.0
    cfe_table(attributes).require()
    with pytest.raises(ConfigError, match="a_Xinanjiang_inflection_point_parameter"):
        cfe_table(attributes, scheme="Xinanjiang").require()


def test_a_scheme_that_there_is_not_is_refused(data):
    with pytest.raises(ConfigError, match="no scheme 'Shake'"):
        cfe_table(river(data).attributes(cfe_config.ATTRIBUTES), scheme="Shake")


@given(st.floats(min_value=1e-12, max_value=1e6), st.floats(min_value=1e-9, max_value=1e4))
def test_numbers_are_written_with_all_their_digits(satdk, zmax):
    row = dict.fromkeys(cfe_config.ATTRIBUTES, 1.0) | {
        "geom_mean.dksat_soil_layers_stag=2": satdk, "mean.Zmax": zmax,
    }  # fmt: skip
    table = cfe_table(pd.DataFrame([row], index=["cat-1"]))
    keys = keys_of(table.text(0))
    assert float(keys["soil_params.satdk"]) == satdk
    assert float(keys["max_gw_storage"]) == zmax / 1000


def test_the_same_river_gives_the_same_bytes(data, tmp_path):
    first, _ = derived(data, tmp_path / "a", Formulation.load("cfe"))
    again, _ = derived(data, tmp_path / "b", Formulation.load("cfe"))
    files = [path.relative_to(first.path) for path in sorted(first.path.rglob("*")) if path.is_file()]
    assert len(files) == 2 * 88 + 1
    assert all((first.path / one).read_bytes() == Path(again.path, one).read_bytes() for one in files)
