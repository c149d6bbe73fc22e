"""NetCDF forcing: every way to write time, every layout on disk, and every file that is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dmod.errors import ForcingError
from dmod.formats.forcing import ForcingRef, TimeAxis, canonical, open_forcing
from dmod.formats.forcing_netcdf import NetcdfForcing, time_axis

IDS = ("cat-1", "cat-2", "cat-3", "cat-4", "cat-5")
STEPS = 48
FIRST = int(datetime(2015, 12, 1, tzinfo=UTC).timestamp())
HOURS = np.arange(STEPS)
#: Row r, hour t holds 100 r + t: every value says where it comes from.
VALUES = 100.0 * np.arange(len(IDS))[:, None] + HOURS


def write(path: Path, *, time: Any = None, variables: Any = None, ids: Any = IDS, **attributes: str) -> Path:
    """A forcing file; *variables* maps a name to (array, attributes, how to store it)."""
    instants = FIRST + 3600 * HOURS if time is None else np.asarray(time)
    with h5py.File(path, "w") as file:
        if ids is not None:
            file.create_dataset("ids", data=list(ids), dtype=h5py.string_dtype())
        if instants.size:
            file.create_dataset("Time", data=np.broadcast_to(instants, (len(IDS), len(instants))))
            file["Time"].attrs.update(attributes)
        for name, (data, notes, store) in (variables or {"precip_rate": (VALUES, {}, {})}).items():
            file.create_dataset(name, data=data, **store).attrs.update(notes)
    return path


def opened(path: Path) -> NetcdfForcing:
    """The file, as the engine opens it."""
    return NetcdfForcing(ForcingRef(path, "NetCDF"))


def block(source: NetcdfForcing, rows: Any, start: int = 0, stop: int = STEPS, name: str = "precip_rate") -> Any:
    """Values of some rows."""
    return source.read(name, np.array(rows, dtype=np.intp), start, stop)


SINCE_1970 = FIRST + 3600 * HOURS


@pytest.mark.parametrize("kind", ["f8", "i8"])
@pytest.mark.parametrize(
    ("time", "attributes"),
    [
        pytest.param(SINCE_1970 * 10**9, {"units": "ns"}, id="ns without an epoch, as the gauge of ngen"),
        pytest.param(SINCE_1970, {}, id="no units at all are seconds"),
        pytest.param(SINCE_1970, {"units": "s"}, id="s"),
        pytest.param(SINCE_1970, {"units": "seconds"}, id="seconds"),
        pytest.param(SINCE_1970 // 60, {"units": "m"}, id="m is minutes"),
        pytest.param(SINCE_1970 // 60, {"units": "minutes"}, id="minutes"),
        pytest.param(SINCE_1970 // 3600, {"units": "h"}, id="h"),
        pytest.param(SINCE_1970 // 3600, {"units": "hours"}, id="hours"),
        pytest.param(SINCE_1970 * 10**3, {"units": "ms"}, id="ms"),
        pytest.param(SINCE_1970 * 10**6, {"units": "us"}, id="us"),
        pytest.param(SINCE_1970, {"units": "s", "epoch_start": "01/01/1970 00:00:00"}, id="NGIAB's epoch"),
        pytest.param(SINCE_1970, {"units": "s", "epoch_start": "01/01/70 00:00:00"}, id="year 70"),
        pytest.param(3600 * HOURS, {"units": "s", "epoch_start": "12/01/15 00:00:00"}, id="year 15"),
        pytest.param(HOURS, {"units": "h", "epoch_start": "12/01/2015 00:00:00"}, id="hours after an epoch"),
        pytest.param(60 * HOURS - 30, {"units": "m", "epoch_start": "12/01/2015 00:30:00"}, id="minus"),
        pytest.param(SINCE_1970, {"units": "seconds since 1970-01-01 00:00:00"}, id="CF seconds"),
        pytest.param(HOURS, {"units": "hours since 2015-12-01 00:00:00"}, id="CF hours"),
        pytest.param(60 * HOURS, {"units": "minutes since 2015-12-01 00:00"}, id="CF without seconds"),
        pytest.param(HOURS, {"units": "hours since 2015-12-01"}, id="CF without a time"),
        pytest.param(HOURS, {"units": "hours since 2015-12-01T00:00:00Z"}, id="CF with a T"),
        pytest.param(HOURS - 1, {"units": "hours since 2015-12-1 1:00:00"}, id="CF with one digit"),
        pytest.param(
            HOURS, {"units": "hours since 2015-12-01", "epoch_start": "01/01/1970 00:00:00"}, id="CF wins"
        ),
    ],
)  # fmt: skip
def test_every_encoding_of_time_means_the_same_hours(tmp_path, time, attributes, kind):
    source = opened(write(tmp_path / "f.nc", time=np.asarray(time, dtype=kind), **attributes))
    assert source.axis == TimeAxis(FIRST, 3600, STEPS)
    assert source.ids == list(IDS)
    source.close()


def test_days_written_as_fractions_are_rounded_to_the_second():
    axis = time_axis(HOURS / 24.0, {"units": "days since 2015-12-01"}, "f.nc")
    assert axis == TimeAxis(FIRST, 3600, STEPS)


def test_units_are_text_however_hdf5_keeps_them(tmp_path):
    path = write(tmp_path / "f.nc", time=HOURS)
    with h5py.File(path, "a") as file:
        file["Time"].attrs["units"] = np.bytes_("hours")
        file["Time"].attrs["epoch_start"] = np.array([b"12/01/2015 00:00:00"])
    assert opened(path).axis.start_s == FIRST


def test_as_in_ngen_only_the_first_row_of_time_counts(tmp_path):
    path = write(tmp_path / "f.nc")
    with h5py.File(path, "a") as file:
        file["Time"][1:] = 0
    assert opened(path).axis == TimeAxis(FIRST, 3600, STEPS)


def test_a_time_of_one_dimension_will_do(tmp_path):
    path = write(tmp_path / "f.nc", time=[])
    with h5py.File(path, "a") as file:
        file["time"] = SINCE_1970
    assert opened(path).axis == TimeAxis(FIRST, 3600, STEPS)


@pytest.mark.parametrize(
    ("time", "attributes", "words"),
    [
        pytest.param(HOURS, {"units": "fortnights"}, "'fortnights' of Time are unknown", id="units"),
        pytest.param(HOURS, {"units": "hours since last Tuesday"}, "of Time are unknown", id="CF units"),
        pytest.param(
            HOURS,
            {"units": "h", "epoch_start": "1st of May"},
            "the epoch '1st of May'",
            id="epoch",
        ),
        pytest.param(HOURS, {"units": "hours since 2015-13-01"}, "cannot read the epoch", id="month 13"),
        pytest.param([0, 3600, 3600, 7200], {}, "not equally spaced", id="double"),
        pytest.param([0, 3600, 10800], {}, "not equally spaced", id="gap"),
        pytest.param([7200, 3600, 0], {}, "not equally spaced", id="backwards"),
        pytest.param([0, 0, 0], {}, "not equally spaced", id="standing still"),
        pytest.param([0.0, np.nan, 7200.0], {}, "missing instants", id="nan"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(tmp_path, time, attributes, words):
    with pytest.raises(ForcingError, match=words) as caught:
        opened(write(tmp_path / "f.nc", time=time, **attributes))
    assert "f.nc" in caught.value.headline
    assert caught.value.hint


def test_unequal_spacing_is_said_with_its_place(tmp_path):
    with pytest.raises(ForcingError) as caught:
        opened(write(tmp_path / "f.nc", time=[0, 3600, 7200, 14400]))
    assert caught.value.facts["at"] == "value 3"
    assert caught.value.facts["spacings"] == "3600 s, 7200 s"


@pytest.mark.parametrize(
    "store",
    [
        pytest.param({}, id="in one piece"),
        pytest.param({"chunks": (1, STEPS)}, id="a row each"),
        pytest.param({"chunks": (len(IDS), 1)}, id="an hour each, as the gauge of ngen"),
        pytest.param({"chunks": (2, 7), "compression": "gzip", "shuffle": True}, id="odd and packed tight"),
        pytest.param({"chunks": (2, 24), "maxshape": (len(IDS), None)}, id="unlimited time"),
        pytest.param({"dtype": "f4"}, id="single precision"),
        pytest.param({"dtype": ">f4"}, id="single precision, big end first"),
        pytest.param({"dtype": ">i2"}, id="whole numbers"),
    ],
)
@pytest.mark.parametrize("rows", [[0], [4], [0, 1, 2, 3, 4], [1, 2, 3], [4, 3, 2, 1, 0], [3, 0, 1, 4], [2, 2], []])
def test_rows_come_in_the_order_asked_for_whatever_the_layout(tmp_path, store, rows):
    with_rows = opened(write(tmp_path / "f.nc", variables={"precip_rate": (VALUES, {}, store)}))
    found = block(with_rows, rows, 5, 29)
    assert found.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(found, VALUES[rows, 5:29])
    with_rows.close()


def test_how_rows_are_best_read_follows_from_the_chunks(tmp_path):
    for chunks, rows in ((None, 1), ((1, STEPS), 1), ((2, 24), 2), ((len(IDS), 1), 0)):
        store = {"chunks": chunks} if chunks else {}
        source = opened(write(tmp_path / f"{rows}-{bool(chunks)}.nc", variables={"T2D": (VALUES, {}, store)}))
        assert source.row_chunk == rows


def test_packed_values_are_unpacked_and_fill_is_missing(tmp_path):
    packed = np.array([[0, 100, -999]] * len(IDS), dtype="i2")
    notes = {"scale_factor": 0.01, "add_offset": 273.15, "_FillValue": np.int16(-999)}
    path = write(tmp_path / "f.nc", time=[0, 3600, 7200], variables={"T2D": (packed, notes, {})})
    np.testing.assert_allclose(block(opened(path), [0, 3], 0, 3, "T2D"), [[273.15, 274.15, np.nan]] * 2)


@pytest.mark.parametrize("key", ["_FillValue", "missing_value"])
def test_fill_of_single_precision_is_missing(tmp_path, key):
    values = np.array([[1.0, 9.96921e36, 3.0]] * len(IDS), dtype="f4")
    notes = {key: np.array([9.96921e36], dtype="f4")}
    path = write(tmp_path / "f.nc", time=[0, 3600, 7200], variables={"T2D": (values, notes, {})})
    np.testing.assert_array_equal(block(opened(path), [1], 0, 3, "T2D"), [[1.0, np.nan, 3.0]])


def test_units_are_the_files_own_else_those_nextgen_takes_for_granted(tmp_path):
    made = {
        "precip_rate": (VALUES, {}, {}),
        "T2D": (VALUES, {"units": "degC"}, {}),
        "PSFC": (VALUES, {"units": " "}, {}),
        "moonlight": (VALUES, {}, {}),
    }
    source = opened(write(tmp_path / "f.nc", variables=made))
    assert dict(source.variables) == {"precip_rate": "mm s^-1", "T2D": "degC", "PSFC": "Pa", "moonlight": "1"}
    assert canonical("land_surface_air__temperature", source.variables) == "T2D"
    assert canonical("moonlight", source.variables) == "moonlight"
    assert canonical("sunshine", source.variables) is None


def test_what_is_no_weather_is_left_out(tmp_path):
    made = {
        "precip_rate": (VALUES, {}, {}),
        "elevation": (VALUES[:, 0], {}, {}),
        "sideways": (VALUES.T, {}, {}),
        "remark": (np.full(VALUES.shape, b"dry"), {}, {}),
    }
    assert list(opened(write(tmp_path / "f.nc", variables=made)).variables) == ["precip_rate"]


def test_a_file_without_ids_says_what_it_has_instead(tmp_path):
    with pytest.raises(ForcingError, match="no variable 'ids'") as caught:
        opened(write(tmp_path / "f.nc", ids=None))
    assert caught.value.facts["has"] == "Time, precip_rate"


def test_a_file_without_time_or_weather_is_refused(tmp_path):
    with pytest.raises(ForcingError, match="no variable 'Time'"):
        opened(write(tmp_path / "t.nc", time=[]))
    with pytest.raises(ForcingError, match="no forcing variable of shape") as caught:
        opened(write(tmp_path / "v.nc", variables={"precip_rate": (VALUES.T, {}, {})}))
    assert caught.value.facts["needed"] == "variables of shape (5, 48)"
    assert "precip_rate(48, 5)" in str(caught.value.facts["has"])


@pytest.mark.parametrize("kept", [0, 4, 100, 700, 0.5, 0.99, -1])
def test_a_file_that_is_cut_short_is_refused(tmp_path, kept):
    path = write(tmp_path / "f.nc")
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(len(whole) * kept)])
    with pytest.raises(ForcingError, match=r"f\.nc is (cut short|not a NetCDF-4)") as caught:
        opened(path)
    assert str(caught.value.facts["size"]) == f"{path.stat().st_size} bytes"
    assert "again" in caught.value.hint


@pytest.mark.parametrize("name", ["ids", "Time", "precip_rate", "/"])
def test_a_damaged_header_is_a_forcing_error(tmp_path, name):
    path = write(tmp_path / "f.nc")
    with h5py.File(path) as file:
        place = h5py.h5o.get_info(file[name].id).addr
    content = bytearray(path.read_bytes())
    content[place : place + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(ForcingError, match=r"f\.nc (cannot be read: its header is damaged|is not a NetCDF-4)"):
        opened(path)


def test_a_damaged_chunk_is_found_when_it_is_read(tmp_path):
    rng = np.random.default_rng(0)
    store = {"chunks": (1, STEPS), "compression": "gzip", "fletcher32": True}
    path = write(tmp_path / "f.nc", variables={"T2D": (rng.random(VALUES.shape), {}, store)})
    with h5py.File(path) as file:
        place = file["T2D"].id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 20] ^= 0xFF
    path.write_bytes(content)
    source = opened(path)
    assert np.isfinite(block(source, [0], name="T2D")).all()
    with pytest.raises(ForcingError, match="T2D is damaged"):
        block(source, [2], name="T2D")


def test_other_files_under_that_name_are_refused(tmp_path):
    classic = tmp_path / "classic.nc"
    classic.write_bytes(b"CDF\x01" + bytes(4 + 3 * 8))  # an empty but valid NetCDF-3 file
    with pytest.raises(ForcingError, match="not a NetCDF-4") as caught:
        opened(classic)
    assert "NetCDF-3 must be converted" in caught.value.hint
    page = tmp_path / "page.nc"
    page.write_text("<html>404</html>")
    with pytest.raises(ForcingError, match="not a NetCDF-4"):
        opened(page)
    for path in (tmp_path / "nowhere.nc", tmp_path):
        with pytest.raises(ForcingError, match="is not there"):
            opened(path)


def test_a_failed_opening_leaves_the_file_free(tmp_path):
    path = write(tmp_path / "f.nc", ids=None)
    with pytest.raises(ForcingError):
        opened(path)
    with h5py.File(path, "a") as file:  # HDF5 refuses this while another handle is open
        file["ids"] = list(IDS)
    assert opened(path).ids == list(IDS)


def test_an_instant_between_two_values_is_nobodys(tmp_path):
    axis = opened(write(tmp_path / "f.nc")).axis
    assert (axis.offset(FIRST), axis.offset(FIRST + 7200), axis.offset(FIRST - 3600)) == (0, 2, -1)
    assert axis.stop_s == FIRST + STEPS * 3600
    with pytest.raises(ForcingError, match="falls between two forcing values"):
        axis.offset(FIRST + 1800)


def test_forcing_is_opened_by_its_provider(tmp_path):
    path = write(tmp_path / "f.nc")
    assert isinstance(open_forcing(ForcingRef(path, "NetCDF")), NetcdfForcing)
    none = open_forcing(ForcingRef(path, "NullForcingProvider"), IDS)
    assert (tuple(none.ids), dict(none.variables)) == (IDS, {})
    with pytest.raises(ForcingError, match="no forcing, so no rain"):
        none.read("rain", np.array([0]), 0, 1)


def test_real_files_start_when_their_names_say(data):
    folder = data / "forcing" / "netcdf"
    three = opened(folder / "cats-27_52_67-2015_12_01-2015_12_30.nc")
    assert (three.axis.start_s, three.axis.step_s) == (FIRST, 3600)
    assert sorted(three.ids) == ["cat-27", "cat-52", "cat-67"]
    gauge = opened(folder / "gauge_01073000_forcing.nc")
    assert (gauge.axis.start_s, gauge.axis.step_s, gauge.row_chunk) == (FIRST, 3600, 0)
    assert np.isfinite(block(gauge, [0], 0, 24, "TMP_2maboveground")).all()
