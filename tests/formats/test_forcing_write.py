"""A forcing file is read back as it was written, whole or not at all."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest

from dmod.errors import ForcingError
from dmod.formats.forcing import ForcingRef, TimeAxis, open_forcing
from dmod.formats.forcing_write import AORC, ForcingWriter, write_forcing

IDS = ["cat-1", "cat-2", "cat-10"]
#: Four hours from 2015-10-01T00:00Z.
AXIS = TimeAxis(1_443_657_600, 3600, 4)


def counted(start, stop):
    """Row 2 of the third variable holds 220, 221, 222, 223."""
    rows = np.arange(start, stop)[:, None] * 10 + np.arange(AXIS.count)
    return {name: (100 * i + rows).astype(np.float32) for i, name in enumerate(AORC)}


def test_ngen_finds_ids_times_and_units_where_it_looks(tmp_path):
    path = write_forcing(tmp_path / "forcings.nc", IDS, axis=AXIS, blocks=counted, block_rows=2)
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        assert file["ids"].dimensions == ("catchment-id",)
        assert file["ids"][:].tolist() == IDS
        assert file["Time"].units == "s"
        assert file["Time"].epoch_start == "01/01/1970 00:00:00"
        hours = [1_443_657_600, 1_443_661_200, 1_443_664_800, 1_443_668_400]
        assert file["Time"][:].tolist() == [hours] * 3
        humidity = file["SPFH_2maboveground"]
        assert humidity.dimensions == ("catchment-id", "time")
        assert humidity.dtype == np.float32
        assert humidity.chunking() == "contiguous"
        assert humidity[2].tolist() == [220, 221, 222, 223]
        assert {name: file[name].units for name in AORC} == dict(AORC)
        assert not any("_FillValue" in file[name].ncattrs() for name in AORC)


def test_we_read_what_we_wrote(tmp_path):
    path = write_forcing(tmp_path / "forcings.nc", IDS, axis=AXIS, blocks=counted)
    source = open_forcing(ForcingRef(path, "NetCDF"))
    try:
        assert list(source.ids) == IDS
        assert source.axis == AXIS
        assert source.variables["precip_rate"] == "mm s^-1"
        assert source.read("precip_rate", np.array([2, 0]), 1, 3).tolist() == [[21, 22], [1, 2]]
    finally:
        source.close()


def test_the_file_does_not_depend_on_the_size_of_blocks(tmp_path):
    files = [
        write_forcing(tmp_path / f"{rows}.nc", IDS, axis=AXIS, blocks=counted, block_rows=rows).read_bytes()
        for rows in (1, 2, 3, 64)
    ]
    assert files.count(files[0]) == 4


def test_an_error_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = write_forcing(tmp_path / "forcings.nc", IDS, axis=AXIS, blocks=counted)
    before = path.read_bytes()

    def fails(start, stop):
        if start:
            raise OSError("no more weather")
        return counted(start, stop)

    with pytest.raises(OSError, match="no more weather"):
        write_forcing(path, IDS, axis=AXIS, blocks=fails, block_rows=1)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["forcings.nc"]


def test_a_missing_row_is_an_error(tmp_path):
    with (
        pytest.raises(ForcingError, match="1 of 3 rows"),
        ForcingWriter(tmp_path / "forcings.nc", IDS, axis=AXIS) as writer,
    ):
        writer.write(0, counted(0, 2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("block", "message"),
    [
        pytest.param({"precip_rate": np.zeros((3, 4), np.float32)}, "just the variables", id="variables missing"),
        pytest.param({n: np.zeros((3, 5), np.float32) for n in AORC}, "does not fit", id="an hour too many"),
        pytest.param({n: np.zeros((4, 4), np.float32) for n in AORC}, "does not fit", id="a row too many"),
    ],
)
def test_a_block_must_fit(tmp_path, block, message):
    with (
        pytest.raises(ForcingError, match=message),
        ForcingWriter(tmp_path / "forcings.nc", IDS, axis=AXIS) as writer,
    ):
        writer.write(0, block)


def test_an_id_may_not_occur_twice(tmp_path):
    with pytest.raises(ForcingError, match="twice"):
        ForcingWriter(tmp_path / "forcings.nc", ["cat-1", "cat-1"], axis=AXIS)
