"""Each format is known by what is in it, and gives the same discharge by the same rules."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dmod.errors import ObservationError
from dmod.evaluation.observations import Reader, read_observations, readers
from dmod.evaluation.records import Records, labels, one_label

CFS = 0.3048**3
HOURS = pd.date_range("2016-09-01", periods=6, freq="h")


def long_table(sites=("usgs-01073000", "usgs-01013500")):
    """Six hours of each site, site after site; 1, 2, 3, ... [m3 s-1]."""
    return pd.DataFrame(
        {
            "location_id": np.repeat(sites, 6),
            "value_time": np.tile(HOURS, len(sites)),
            "value": np.arange(1.0, 6 * len(sites) + 1),
            "unit_name": "m^3/s",
            "variable_name": "streamflow_hourly_inst",
            "configuration_name": "usgs_observations",
            "reference_time": pd.NaT,
        }
    )


def numbers(array):
    return array.values.tolist()


# Parquet


def test_parquet_of_teehr_is_read_with_its_units_and_sites(tmp_path):
    long_table().to_parquet(tmp_path / "obs.parquet")
    obs = read_observations(tmp_path / "obs.parquet")
    assert obs.dims == ("site", "time")
    assert obs.site.values.tolist() == ["usgs-01013500", "usgs-01073000"]
    assert numbers(obs) == [[7, 8, 9, 10, 11, 12], [1, 2, 3, 4, 5, 6]]
    assert obs.attrs["notes"] == "times without a zone taken as UTC"


def test_parquet_in_any_order_comes_out_in_order(tmp_path):
    long_table().sample(frac=1, random_state=1).to_parquet(tmp_path / "obs.parquet")
    obs = read_observations(tmp_path / "obs.parquet")
    assert numbers(obs) == [[7, 8, 9, 10, 11, 12], [1, 2, 3, 4, 5, 6]]
    assert "rows put in order of time" in obs.attrs["notes"]


def test_of_parquet_sites_and_a_period_are_read(tmp_path):
    long_table().to_parquet(tmp_path / "obs.parquet")
    obs = read_observations(
        tmp_path / "obs.parquet", sites=["01073000", "09999999"], start="2016-09-01T02:00", end="2016-09-01T04:00"
    )
    assert numbers(obs) == [3, 4, 5]
    assert obs.site.item() == "usgs-01073000"
    assert "1 site asked for not there: 09999999" in obs.attrs["notes"]
    with pytest.raises(ObservationError, match=r"none of the sites(.|\n)*usgs-01013500, usgs-01073000"):
        read_observations(tmp_path / "obs.parquet", sites="09999999")
    with pytest.raises(ObservationError, match=r"no values of the sites in the period(.|\n)*2 sites, 2016-09-01 00:00"):
        read_observations(tmp_path / "obs.parquet", start="2017-01-01")


def test_parquet_times_with_a_zone_become_utc(tmp_path):
    table = long_table(["a"])
    table["value_time"] = table["value_time"].dt.tz_localize("America/New_York")
    table.to_parquet(tmp_path / "obs.parquet")
    obs = read_observations(tmp_path / "obs.parquet", start="2016-09-01T05:00Z")
    assert str(obs.time.values[0])[:16] == "2016-09-01T05:00"
    assert numbers(obs) == [2, 3, 4, 5, 6]
    assert obs.attrs["notes"] == ""


def test_a_directory_of_parquet_by_folders_is_one_table(tmp_path):
    for site in ("a", "b"):
        folder = tmp_path / "obs" / f"location_id={site}"
        folder.mkdir(parents=True)
        long_table([site]).drop(columns="location_id").to_parquet(folder / "part.parquet")
    obs = read_observations(tmp_path / "obs")
    assert obs.site.values.tolist() == ["a", "b"]
    assert numbers(obs.sel(site="b")) == [1, 2, 3, 4, 5, 6]


def test_several_parquet_files_are_one_table(tmp_path):
    for site in ("a", "b"):
        long_table([site]).to_parquet(tmp_path / f"{site}.parquet")
    assert read_observations(tmp_path / "*.parquet").shape == (2, 6)
    assert read_observations(tmp_path).shape == (2, 6)


def test_parquet_with_several_variables_needs_to_know_which(tmp_path):
    table = long_table(["a"])
    other = table.assign(variable_name="precipitation", value=0.0)
    pd.concat([table, other]).to_parquet(tmp_path / "two.parquet")
    obs = read_observations(tmp_path / "two.parquet")
    assert numbers(obs) == [1, 2, 3, 4, 5, 6]
    assert "streamflow_hourly_inst taken of 2 variables" in obs.attrs["notes"]
    third = table.assign(variable_name="streamflow_daily_mean", value=9.0)
    pd.concat([table, third]).to_parquet(tmp_path / "both.parquet")
    with pytest.raises(ObservationError, match=r"more than one variable(.|\n)*streamflow_daily_mean"):
        read_observations(tmp_path / "both.parquet")
    assert numbers(read_observations(tmp_path / "both.parquet", variable="streamflow_daily_mean")) == [9] * 6


def test_parquet_with_several_configurations_is_refused(tmp_path):
    table = long_table(["a"])
    pd.concat([table, table.assign(configuration_name="nwm30_retro")]).to_parquet(tmp_path / "obs.parquet")
    with pytest.raises(ObservationError, match=r"more than one configuration(.|\n)*nwm30_retro"):
        read_observations(tmp_path / "obs.parquet")


def test_parquet_without_units_or_that_is_cut_off_says_so(tmp_path):
    long_table(["a"]).drop(columns="unit_name").to_parquet(tmp_path / "obs.parquet")
    with pytest.raises(ObservationError, match="does not say what units"):
        read_observations(tmp_path / "obs.parquet")
    assert float(read_observations(tmp_path / "obs.parquet", units="cfs")[0]) == pytest.approx(CFS)
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "obs.parquet").read_bytes()[:500])
    with pytest.raises(ObservationError, match=r"cannot be read as parquet(.|\n)*copy it again"):
        read_observations(tmp_path / "cut.parquet")


def test_gaps_and_whole_numbers_in_parquet_are_read(tmp_path):
    table = long_table(["a"])
    table["value"] = pd.array([1, None, 3, 4, 5, -9999], dtype="Int64")
    table.to_parquet(tmp_path / "obs.parquet")
    np.testing.assert_array_equal(read_observations(tmp_path / "obs.parquet"), [1, np.nan, 3, 4, 5, np.nan])


# NetCDF and Zarr


@pytest.fixture
def dataset():
    flow = xr.DataArray(np.arange(12.0).reshape(6, 2), dims=("time", "gage"), attrs={"units": "ft3 s-1"})
    return xr.Dataset({"flow": flow, "gage_id": ("gage", np.array(["01", "02"], dtype=object))}, coords={"time": HOURS})


def test_zarr_and_netcdf_give_the_same(tmp_path, dataset):
    dataset.to_zarr(tmp_path / "obs.zarr", consolidated=False)
    dataset.to_netcdf(tmp_path / "obs.nc", engine="h5netcdf")
    for name in ("obs.zarr", "obs.nc"):
        obs = read_observations(tmp_path / name, sites=["02"], start="2016-09-01T01:00", end="2016-09-01T02:00")
        np.testing.assert_allclose(obs, np.array([3, 5]) * CFS)
        assert obs.site.item() == "02"


def test_an_array_out_of_order_is_put_in_order(tmp_path, dataset):
    dataset.isel(time=[3, 0, 1]).to_netcdf(tmp_path / "obs.nc", engine="h5netcdf")
    obs = read_observations(tmp_path / "obs.nc", sites="01")
    np.testing.assert_allclose(obs, np.array([0, 2, 6]) * CFS)
    assert "rows put in order of time" in obs.attrs["notes"]


def test_what_was_read_is_written_and_read_again(tmp_path, answer):
    first = read_observations(answer(waterml((1, [("2016-01-01T00:00:00Z", "10", ["P"])]))))
    first.to_netcdf(tmp_path / "obs.nc", engine="h5netcdf")
    again = read_observations(tmp_path / "obs.nc", sites="USGS-01073000")
    xr.testing.assert_equal(again, first.drop_vars("qualifier"))
    with pytest.raises(ObservationError, match=r"none of the sites(.|\n)*01073000"):
        read_observations(tmp_path / "obs.nc", sites="02")


def test_a_classic_netcdf_file_is_read(tmp_path, dataset):
    dataset[["flow"]].to_netcdf(tmp_path / "obs.nc", engine="netcdf4", format="NETCDF3_CLASSIC")
    assert read_observations(tmp_path / "obs.nc").shape == (2, 6)


# RDB

RDB = """# some words
agency_cd\tsite_no\tdatetime\ttz_cd\t{columns}
5s\t15s\t20d\t6s\t14n\t10s\t14n\t10s
USGS\t01073000\t2016-01-01 00:00\tEST\t10\tA:e\t20\tP
USGS\t01073000\t2016-01-01 00:15\tEST\tIce\tP\t\t
USGS\t01073000\t2016-01-01 00:30\tEST\t12\tA\t\t
"""


def test_rdb_with_two_sensors_takes_one_by_a_rule(tmp_path):
    path = tmp_path / "iv.rdb"
    path.write_text(RDB.format(columns="69928_00060\t69928_00060_cd\t70000_00060\t70000_00060_cd"))
    obs = read_observations(path)
    np.testing.assert_allclose(obs, np.array([10, np.nan, 12]) * CFS)
    assert str(obs.time.values[0])[:16] == "2016-01-01T05:00"
    assert "method '69928' taken of '69928' (2 values), '70000' (1 value" in obs.attrs["notes"]
    assert float(read_observations(path, method="70000")[0]) == pytest.approx(20 * CFS)
    np.testing.assert_allclose(read_observations(path, drop="e"), np.array([np.nan, np.nan, 12]) * CFS)


def test_rdb_of_daily_values_takes_the_mean(tmp_path):
    path = tmp_path / "dv.rdb"
    path.write_text(RDB.format(columns="1_00060_00001\t1_00060_00001_cd\t1_00060_00003\t1_00060_00003_cd"))
    obs = read_observations(path)
    assert float(obs[0]) == pytest.approx(20 * CFS)
    assert "statistic 00003 taken of 00001, 00003" in obs.attrs["notes"]
    assert float(read_observations(path, variable="1_00060_00001")[0]) == pytest.approx(10 * CFS)


def test_rdb_with_a_table_for_each_site_is_one_table(tmp_path):
    head, widths = "agency_cd\tsite_no\tdatetime\ttz_cd\t{}_00060\t{}_00060_cd\n", "5s\t15s\t20d\t6s\t14n\t10s\n"
    text = "# first\n" + head.format(1, 1) + widths + "USGS\t01\t2016-01-01 00:00\tUTC\t10\tA\n"
    text += "# second\n" + head.format(2, 2) + widths + "USGS\t02\t2016-01-01 00:00\tUTC\t20\tA\n"
    (tmp_path / "iv.rdb").write_text(text)
    obs = read_observations(tmp_path / "iv.rdb")
    assert obs.site.values.tolist() == ["01", "02"]
    np.testing.assert_allclose(obs[:, 0], np.array([10, 20]) * CFS)


def test_annual_peaks_are_read_with_the_day_where_it_is_known(tmp_path):
    text = "agency_cd\tsite_no\tpeak_dt\tpeak_tm\tpeak_va\tpeak_cd\n5s\t15s\t10d\t6s\t8s\t33s\n"
    text += "USGS\t01594440\t2000-03-22\t\t3640\t5\nUSGS\t01594440\t2001-06-08\t06:30\t3800\t5\n"
    text += "USGS\t01594440\t1936-03-00\t\t9000\tBd\n"
    (tmp_path / "peaks.rdb").write_text(text)
    obs = read_observations(tmp_path / "peaks.rdb")
    np.testing.assert_allclose(obs, np.array([3640, 3800]) * CFS)
    assert str(obs.time.values[1])[:16] == "2001-06-08T06:30"
    assert "1 peak without a day left out" in obs.attrs["notes"]


def test_a_directory_of_tables_has_a_site_for_each(tmp_path):
    for site, value in (("01073000", 1), ("01013500", 2)):
        (tmp_path / f"{site}.csv").write_text(f"time,flow [cms]\n2016-09-01,{value}\n")
    obs = read_observations(tmp_path)
    assert obs.site.values.tolist() == ["01013500", "01073000"]
    assert numbers(obs[:, 0]) == [2, 1]


# WaterML and Water Data


def waterml(*blocks, site="01073000", unit="ft3/s", none=-999999.0, code="00060", statistic="00000"):
    """A series of values: (method, [(time, value, qualifiers), ...]) for each block."""
    return {
        "name": f"USGS:{site}:{code}:{statistic}",
        "sourceInfo": {"siteCode": [{"value": site, "network": "NWIS", "agencyCode": "USGS"}]},
        "variable": {
            "variableCode": [{"value": code}],
            "unit": {"unitCode": unit},
            "options": {"option": [{"name": "Statistic", "optionCode": statistic}]},
            "noDataValue": none,
        },
        "values": [
            {
                "method": [{"methodID": method, "methodDescription": ""}],
                "value": [{"dateTime": t, "value": v, "qualifiers": q} for t, v, q in rows],
            }
            for method, rows in blocks
        ],
    }


@pytest.fixture
def answer(tmp_path):
    """A function that saves an answer and gives its path."""

    def save(*series):
        path = tmp_path / "answer.json"
        path.write_text(json.dumps({"name": "ns1:timeSeriesResponseType", "value": {"timeSeries": series}}))
        return path

    return save


def test_waterml_has_offsets_qualifiers_and_its_own_value_for_none(answer):
    rows = [
        ("2016-01-01T00:00:00.000-05:00", "10", ["A"]),
        ("2016-01-01T00:15:00.000-05:00", "-999999", ["P", "Ice"]),
        ("2016-01-01T01:30:00.000-04:00", "-777", ["P"]),
        ("2016-01-01T00:45:00.000-05:00", "13", ["P", "e"]),
    ]
    obs = read_observations(answer(waterml((1, rows), none=-777)))
    assert [str(t)[11:16] for t in obs.time.values] == ["05:00", "05:15", "05:30", "05:45"]
    np.testing.assert_allclose(obs, np.array([10, np.nan, np.nan, 13]) * CFS)
    words = dict(zip(obs.qualifier.attrs["flag_values"], obs.qualifier.attrs["flag_meanings"].split(), strict=True))
    assert [words[code] for code in obs.qualifier.values] == ["A", "P,Ice", "P", "P,e"]
    notes = obs.attrs["notes"].split("; ")
    assert "values of -777, which the source says are none, taken as missing" in notes
    assert "1 value qualified e kept" in notes
    dropped = read_observations(answer(waterml((1, rows), none=-777)), drop="e")
    assert int(np.isfinite(dropped).sum()) == 1


def test_of_waterml_only_discharge_is_read(answer):
    rows = [("2016-01-01T00:00:00.000-05:00", "10", ["A"])]
    level = waterml((2, [("2016-01-01T00:00:00.000-05:00", "3.2", ["A"])]), code="00065", unit="ft")
    daily = waterml((3, [("2016-01-01T00:00:00.000", "99", ["A"])]), statistic="00003")
    assert float(read_observations(answer(level, waterml((1, rows)), daily))[0]) == pytest.approx(10 * CFS)
    with pytest.raises(ObservationError, match=r"no series of discharge(.|\n)*00065"):
        read_observations(answer(level))
    with pytest.raises(ObservationError, match="not a unit of discharge"):
        read_observations(answer(level), variable="00065")


def test_methods_of_a_site_are_told_apart(answer):
    one = [("2016-01-01T00:00:00.000Z", "1", ["A"]), ("2016-01-01T01:00:00.000Z", "2", ["A"])]
    two = [("2016-01-01T00:00:00.000Z", "7", ["A"])]
    path = answer(waterml((501, two), (502, one)))
    np.testing.assert_allclose(read_observations(path), np.array([1, 2]) * CFS)
    np.testing.assert_allclose(read_observations(path, method="first"), np.array([7]) * CFS)
    np.testing.assert_allclose(read_observations(path, method="501"), np.array([7]) * CFS)
    with pytest.raises(ObservationError, match=r"more than one method(.|\n)*'501' \(1 value"):
        read_observations(path, method="error")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"value": {"timeSeries": []}}', "no series of discharge"),
        ('{"value": {"timeSeries": [', "cannot be read as WaterML"),
        ('{"value": {"timeSeries": [{"variable": {"variableCode": [{"value": "00060"}]}}]}}', "not as WaterML has it"),
    ],
)
def test_waterml_that_is_empty_or_broken_says_so(tmp_path, text, message):
    (tmp_path / "answer.json").write_text(text)
    with pytest.raises(ObservationError, match=message) as caught:
        read_observations(tmp_path / "answer.json")
    assert caught.value.hint


def test_repeated_instants_are_an_error_or_chosen_by_a_rule(answer):
    rows = [("2016-01-01T00:00:00Z", "1", []), ("2016-01-01T00:00:00Z", "3", []), ("2016-01-01T01:00:00Z", "5", [])]
    path = answer(waterml((1, rows)))
    with pytest.raises(ObservationError, match=r"different values for one instant(.|\n)*duplicates='first'"):
        read_observations(path)
    for rule, value in (("first", 1), ("last", 3), ("mean", 2)):
        obs = read_observations(path, duplicates=rule)
        np.testing.assert_allclose(obs, np.array([value, 5]) * CFS)
        assert f"1 instant with different values: the {rule} of them taken" in obs.attrs["notes"]
    with pytest.raises(ObservationError, match="no rule 'any'"):
        read_observations(path, duplicates="any")


def test_a_saved_answer_of_the_water_data_api_is_read(tmp_path):
    properties = {
        "monitoring_location_id": "USGS-05427718", "parameter_code": "00060", "time": "2025-12-26", "value": "20.2",
        "unit_of_measure": "ft^3/s", "approval_status": "Provisional", "qualifier": None, "time_series_id": "a",
    }  # fmt: skip
    saved = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": properties}]}
    (tmp_path / "daily.json").write_text(json.dumps(saved))
    obs = read_observations(tmp_path / "daily.json")
    assert obs.site.item() == "05427718"
    np.testing.assert_allclose(obs, [20.2 * CFS])
    assert "1 value qualified P kept" in obs.attrs["notes"]


# What nobody knows, and plug-ins


@pytest.mark.parametrize(
    ("name", "content", "seems"),
    [
        ("a.gpkg", b"SQLite format 3\0" + bytes(100), "SQLite"),
        ("a.zip", b"PK\3\4" + bytes(100), "archive"),
        ("a.json", b'{"type": "FeatureCollection", "features": []}', "text that begins with"),
        ("a.xml", b"<?xml version='1.0'?><a/>", "text that begins with"),
        ("a.bin", bytes(range(256)), "bytes"),
    ],
)
def test_a_file_that_nobody_knows_says_what_it_seems_to_be(tmp_path, name, content, seems):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ObservationError, match="another file of observations") as caught:
        read_observations(tmp_path / name)
    assert seems in str(caught.value.facts["seems"])
    assert "WaterML" in str(caught.value.facts["known"])


def test_a_directory_or_service_that_nobody_knows_says_so(tmp_path):
    with pytest.raises(ObservationError, match="no directory of observations"):
        read_observations(tmp_path)
    with pytest.raises(ObservationError, match="nobody knows how to read river:42"):
        read_observations("river:42")
    with pytest.raises(ObservationError, match="no file fits the pattern"):
        read_observations(tmp_path / "*.csv")


class FixedWidth:
    """A reader of a format of its own."""

    reads = "fixed-width text"

    def knows(self, source):
        return source.glance is not None and source.glance.text.startswith("FLOW")

    def read(self, source, asked):
        values = np.array([float(line) for line in source.path.read_text().splitlines()[1:]])
        times = HOURS.values[: len(values)].astype("datetime64[ns]")
        return Records(labels(np.array(["a"] * len(values))), times, values, one_label("m3/s", len(values)))


def test_a_plug_in_reads_its_own_and_is_asked_first(tmp_path, monkeypatch):
    from dmod.plugins import Group

    groups = {"dmod.observations": Group({"fixed": FixedWidth(), "wrong": object()}, ())}
    monkeypatch.setattr("dmod.evaluation.observations.load", lambda group: groups[group])
    (tmp_path / "a.txt").write_text("FLOW\n1\n2\n")
    assert numbers(read_observations(tmp_path / "a.txt")) == [1, 2]
    assert type(readers()[0]) is FixedWidth
    assert all(isinstance(one, Reader) for one in readers())


def test_a_period_includes_both_ends_and_a_whole_last_day(tmp_path):
    long_table(["a"]).to_csv(tmp_path / "obs.csv", index=False)
    assert read_observations(tmp_path / "obs.csv", end="2016-09-01").sizes["time"] == 6
    assert read_observations(tmp_path / "obs.csv", end="2016-09-01T00:00").sizes["time"] == 1
    assert numbers(read_observations(tmp_path / "obs.csv", start="2016-09-01T01:00-03:00")) == [5, 6]
    assert numbers(read_observations(tmp_path / "obs.csv", start=HOURS[4], end=np.datetime64("2016-09-02"))) == [5, 6]
    with pytest.raises(ObservationError, match="start of the period cannot be read"):
        read_observations(tmp_path / "obs.csv", start="yesterday evening")
    with pytest.raises(ObservationError, match="no site is asked for"):
        read_observations(tmp_path / "obs.csv", sites=[])
