"""Files of the National Water Model and outputs of runs are read as observations or as a baseline."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from dmod.errors import ObservationError
from dmod.evaluation.observations import read_observations
from dmod.testing.rivers import run_here, tiny_run_directory

SINCE = np.bytes_("minutes since 1970-01-01T00:00:00+00:00")


def chrtout(path, minutes, flows, ids=(101, 179, 183)):
    """Channel output of an instant, packed in hundredths."""
    with h5py.File(path, "w") as file:
        file["feature_id"] = np.array(ids, dtype="i8")
        file["streamflow"] = np.array([-999900 if f is None else round(f * 100) for f in flows], dtype="i4")
        file["streamflow"].attrs.update({"units": np.bytes_("m3 s-1"), "scale_factor": np.float32(0.01)})
        file["streamflow"].attrs["_FillValue"] = np.array([-999900], dtype="i4")
        file["time"] = np.array([minutes], dtype="i4")
        file["time"].attrs["units"] = SINCE
    return path


def letters(words):
    """Words of one length, as characters."""
    return np.array([list(word) for word in words], dtype="S1")


def time_slice(path, rows, when):
    """A TimeSlice file: (station, flow, quality) for each row."""
    with h5py.File(path, "w") as file:
        file["stationId"] = letters([station.rjust(15) for station, *_ in rows])
        file["time"] = letters([when] * len(rows))
        file["discharge"] = np.array([flow for _, flow, _ in rows], dtype="f4")
        file["discharge"].attrs["units"] = np.bytes_("m^3/s")
        file["discharge_quality"] = np.array([quality for *_, quality in rows], dtype="i2")
    return path


@pytest.fixture
def channel(tmp_path):
    """Three hours of channel output, named so that their order is not that of time."""
    chrtout(tmp_path / "c.CHRTOUT_DOMAIN1", 0, (1.25, 2.5, None))
    chrtout(tmp_path / "a.CHRTOUT_DOMAIN1", 60, (1.26, 2.6, None))
    chrtout(tmp_path / "b.CHRTOUT_DOMAIN1", 120, (1.27, 2.7, 3.0))
    return tmp_path


def test_a_directory_of_channel_output_is_a_series_for_each_reach(channel):
    obs = read_observations(channel)
    assert obs.site.values.tolist() == ["101", "179", "183"]
    assert obs.sel(site="101").values.tolist() == [1.25, 1.26, 1.27]
    assert np.isnan(obs.sel(site="183")[:2]).all()
    assert obs.attrs["notes"] == "3 files read"


def test_of_channel_output_reaches_and_a_period_are_read(channel):
    obs = read_observations(channel / "*.CHRTOUT_DOMAIN1", sites=[179, 999], start="1970-01-01T01:00")
    assert obs.dims == ("time",)
    assert obs.values.tolist() == [2.6, 2.7]
    assert "999" in obs.attrs["notes"]
    with pytest.raises(ObservationError, match=r"none of the features(.|\n)*COMIDs"):
        read_observations(channel, sites="999")
    with pytest.raises(ObservationError, match="no variable 'velocity'"):
        read_observations(channel, variable="velocity")


def test_two_files_for_an_instant_are_refused(channel):
    chrtout(channel / "again.CHRTOUT_DOMAIN1", 60, (9.0, 9.0, 9.0))
    with pytest.raises(ObservationError, match=r"more than one file for an instant\n  instant  1970-01-01T01:00Z"):
        read_observations(channel)


def test_reaches_in_another_order_are_found_and_other_reaches_refused(channel):
    chrtout(channel / "d.CHRTOUT_DOMAIN1", 180, (3.3, 2.8, 1.28), ids=(183, 179, 101))
    assert read_observations(channel, sites=["179", "101"]).values.tolist() == [
        [1.25, 1.26, 1.27, 1.28],
        [2.5, 2.6, 2.7, 2.8],
    ]
    with pytest.raises(ObservationError, match="different features"):
        read_observations(channel)


def test_a_file_that_is_cut_off_is_named(channel):
    whole = (channel / "b.CHRTOUT_DOMAIN1").read_bytes()
    (channel / "b.CHRTOUT_DOMAIN1").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ObservationError, match=r"b.CHRTOUT_DOMAIN1 cannot be read"):
        read_observations(channel)


def test_time_slices_have_values_at_their_own_times_and_quality(tmp_path):
    rows = [("01073000", 1.5, 100), ("01013500", 2.5, 0)]
    time_slice(tmp_path / "one.15min.usgsTimeSlice.ncdf", rows, "2021-08-23_00:00:00")
    time_slice(tmp_path / "two.15min.usgsTimeSlice.ncdf", [(s, f + 1, 100) for s, f, _ in rows], "2021-08-23_00:15:00")
    obs = read_observations(tmp_path)
    assert obs.site.values.tolist() == ["01013500", "01073000"]
    np.testing.assert_array_equal(obs, [[np.nan, 3.5], [1.5, 2.5]])
    assert "1 value of quality 0 taken as missing" in obs.attrs["notes"]
    assert read_observations(tmp_path / "*.ncdf", sites="01073000").values.tolist() == [1.5, 2.5]


def test_of_a_river_forecast_only_what_was_observed_is_read(tmp_path):
    with h5py.File(tmp_path / "x.60min.ABCD1.RFCTimeSeries.ncdf", "w") as file:
        file["stationId"] = letters(["ABCD1"])[0]
        file["discharges"] = np.array([[1.0, -999.99, 3.0, 4.0, 5.0]], dtype="f4")
        file["discharges"].attrs["units"] = np.bytes_("m^3/s")
        file["synthetic_values"] = np.array([[0, 0, 1, 0, 0]], dtype="i1")
        file["observedCounts"] = np.array([3], dtype="i2")
        file["timeSteps"] = np.array([3600], dtype="i4")
        file.attrs.update({"sliceStartTimeUTC": np.bytes_("2021-08-21_00:00:00"), "missingValue": np.float32(-999.99)})
    obs = read_observations(tmp_path / "x.60min.ABCD1.RFCTimeSeries.ncdf")
    np.testing.assert_array_equal(obs, [1.0, np.nan, np.nan])
    assert obs.site.item() == "ABCD1"
    assert "1 value that are synthetic taken as missing" in obs.attrs["notes"]
    assert "2 values of forecasts left out" in obs.attrs["notes"]


def test_outputs_of_a_run_of_ours_are_a_baseline(tmp_path):
    directory = tiny_run_directory(tmp_path / "river", hours=4)
    outputs = run_here(directory)
    obs = read_observations(directory, sites=["nex-3"] if "nex-3" in outputs["nexus-id"] else None)
    flow = outputs["nexus_flow"].sel({"nexus-id": np.atleast_1d(obs.site.values)})
    np.testing.assert_allclose(np.atleast_2d(obs.values), flow.values, rtol=1e-12)
    assert "nexus_flow read; times are the starts of steps" in obs.attrs["notes"]
    with pytest.raises(ObservationError, match=r"no routed_flow(.|\n)*nexus_flow \[m3 s-1\]"):
        read_observations(directory, variable="routed_flow")


def test_files_of_nexuses_of_ngen_are_read(tmp_path):
    for nexus, flow in (("nex-1", 0.5), ("nex-2", 0.25)):
        rows = "".join(f"{step}, 2015-12-01 0{step}:00:00, {flow * (step + 1)}\n" for step in range(3))
        (tmp_path / f"{nexus}_output.csv").write_text(rows)
    obs = read_observations(tmp_path, sites="nex-2", start="2015-12-01T01:00")
    assert obs.values.tolist() == [0.5, 0.75]
    assert read_observations(tmp_path / "nex-1_output.csv").values.tolist() == [0.5, 1.0, 1.5]


def test_real_files_of_the_national_water_model(data):
    flow = read_observations(data / "nwm_output/LowerColorado_TX", sites=[5728811])
    assert flow.sizes["time"] == 2
    assert read_observations(data / "troute_domains/HurricaneLaura/channel_forcing").shape == (18, 24)
    slices = read_observations(data / "observations/nwm_timeslice/*usgsTimeSlice.ncdf")
    assert slices.shape == (65, 3)
    rfc = read_observations(data / "observations/nwm_timeslice/2021-08-23_00.60min.BCRT2.RFCTimeSeries.ncdf")
    assert rfc.sizes["time"] == 48


def test_real_outputs_of_t_route_and_ngen(data):
    for name in ("troute_output.nc", "troute_output.csv", "flowveldepth.parquet"):
        flow = read_observations(data / "ngen_output/troute_output" / name)
        assert flow.site.item() == "wb-2420800"
    assert read_observations(data / "ngen_output/nexus_csv").shape == (3, 720)


def test_real_answers_of_nwis(data):
    folder = data / "observations"
    saved = read_observations(folder / "dmod_evaluations/2015_observations.json")
    table = read_observations(folder / "dmod_evaluations/observations.csv")
    np.testing.assert_allclose(saved, table, rtol=1e-9)
    with pytest.raises(ObservationError, match="different values for one instant"):
        read_observations(folder / "dmod_evaluations/observations.json")
    assert read_observations(folder / "dmod_evaluations/observations.json", duplicates="first").shape[0] == 2
    assert read_observations(folder / "usgs_dataretrieval/waterservices_iv.txt").shape == (2, 8)
    assert read_observations(folder / "usgs_dataretrieval/waterservices_peaks.txt").sizes["time"] == 20
