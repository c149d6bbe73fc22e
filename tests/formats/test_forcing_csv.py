"""CSV forcing: which file is whose, what it says, and what is refused with file and row."""

from __future__ import annotations

import numpy as np
import pytest

from dmod.errors import ForcingError
from dmod.formats import forcing_csv
from dmod.formats.forcing import ForcingRef, open_forcing
from dmod.formats.forcing_csv import CsvForcing, find_files

START_S = 1448928000  # 2015-12-01T00:00Z
HOURS = [f"2015-12-01 {hour:02}:00:00" for hour in range(4)]


def ref(path, pattern=""):
    return ForcingRef(path, "CsvPerFeature", pattern)


def write(path, rows, header="time,T2D [degC],rain"):
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return path


def rows(*values, times=HOURS):
    """One row per value: the value, and ten times of it."""
    return [f"{time},{value}, {10 * value}" for time, value in zip(times, values, strict=False)]


def test_real_files_of_a_gauge_are_read_as_they_stand(data):
    wanted = ["cat-11509", "cat-99", "cat-11223"]
    source = open_forcing(ref(data / "forcing/csv/gauge_01073000", "{{id}}.csv"), wanted)
    assert source.ids == ("cat-11509", "cat-11223")
    assert (source.axis.start_s, source.axis.step_s, source.axis.count) == (START_S, 3600, 720)
    assert source.variables["TMP_2maboveground"] == "K"
    assert source.resident == 720 * 8
    assert source.read("TMP_2maboveground", np.array([1, 0]), 0, 1).tolist() == [[271.56], [271.44]]
    assert source.read("PRES_surface", np.array([0]), 719, 720).tolist() == [[101938.0]]


def test_units_in_real_headers_are_read_as_ngen_reads_them(data):
    file = data / "forcing/csv/cat-27115-nwm-aorc-variant-derived-format-units.csv"
    source = CsvForcing(ref(file), ["cat-27115"])
    assert source.variables == {
        "RAINRATE": "mm s^-1",
        "T2D": "K",
        "Q2D": "kg kg-1",
        "U2D": "m s-1",
        "V2D": "m/s",
        "TEST": "kg",
        "PSFC[Pa)": "1",
        "SWDOWN(W m-2]": "1",
        "LWDOWN [alt]": "1",
    }
    assert source.read("U2D", np.array([0]), 0, 1).tolist() == [[-0.779]]
    assert source.axis.count == 99


def test_a_real_folder_with_dates_in_its_names_is_searched_by_pattern(data):
    source = CsvForcing(ref(data / "forcing/csv", r".*{{id}}.*\.csv"), ["cat-67", "cat-27"])
    assert source.ids == ("cat-67", "cat-27")
    assert source.read("PRES_surface", np.array([0, 1]), 0, 1).tolist() == [[100320.0], [100310.0]]


def test_a_file_serves_the_id_asked_for_or_the_one_in_its_name(tmp_path):
    file = write(tmp_path / "cat-27_x.csv", rows(1, 2))
    assert CsvForcing(ref(file), ["cat-5"]).ids == ("cat-5",)
    assert CsvForcing(ref(file)).ids == ("cat-27",)


def test_all_files_of_a_folder_are_served_by_number(tmp_path):
    for name in ("cat-10.csv", "cat-9.csv", "notes.txt"):
        write(tmp_path / name, rows(1, 2))
    assert CsvForcing(ref(tmp_path, "{{id}}.csv")).ids == ("cat-9", "cat-10")


@pytest.mark.parametrize("pattern", [r".*{{id}}.*\.csv", r"{{id}}\.csv", "{{id}}.csv", r"(?:{{id}})[.]csv"])
def test_an_id_is_not_the_beginning_of_a_longer_one(tmp_path, pattern):
    for number in (1, 10, 100):
        write(tmp_path / f"cat-{number}.csv", rows(number, 2))
    files = find_files(ref(tmp_path, pattern), ["cat-1", "cat-100"])
    assert {i: path.name for i, path in files.items()} == {"cat-1": "cat-1.csv", "cat-100": "cat-100.csv"}


def test_two_files_for_one_id_are_an_error_not_a_lottery(tmp_path):
    for name in ("cat-1_2015.csv", "cat-1_2016.csv"):
        write(tmp_path / name, rows(1, 2))
    with pytest.raises(ForcingError, match=r"two forcing files fit cat-1") as caught:
        CsvForcing(ref(tmp_path, r"{{id}}_.*"), ["cat-1"])
    assert caught.value.facts["has"] == "cat-1_2015.csv, cat-1_2016.csv"


def test_a_pattern_without_id_serves_one_file_to_all(tmp_path):
    write(tmp_path / "weather.csv", rows(1, 2))
    source = CsvForcing(ref(tmp_path, r"weather\..*"), ["cat-1", "cat-2"])
    assert source.read("rain", np.array([0, 1]), 0, 2).tolist() == [[10, 20], [10, 20]]


@pytest.mark.parametrize(
    ("pattern", "match"), [("{{id}}.txt", "no forcing file"), ("(.*{{id}}", "no regular expression")]
)
def test_a_pattern_that_finds_nothing_is_an_error(tmp_path, pattern, match):
    write(tmp_path / "cat-1.csv", rows(1, 2))
    with pytest.raises(ForcingError, match=match):
        CsvForcing(ref(tmp_path, pattern), ["cat-1"])


def test_a_path_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ForcingError, match="cannot be opened"):
        CsvForcing(ref(tmp_path / "absent", "{{id}}.csv"), ["cat-1"])


def test_blocks_rows_and_order_of_columns(tmp_path):
    write(tmp_path / "cat-1.csv", rows(1, 2, 3, 4))
    swapped = [f"{10 * n},{time},{n}" for n, time in zip((5, 6, 7, 8), HOURS, strict=True)]
    write(tmp_path / "cat-2.csv", swapped, header="rain,time,T2D[degC]")
    source = CsvForcing(ref(tmp_path, "{{id}}.csv"), ["cat-1", "cat-2"])
    assert source.variables == {"T2D": "degC", "rain": "1"}
    assert source.read("T2D", np.array([1, 0]), 1, 3).tolist() == [[6, 7], [2, 3]]
    assert source.read("rain", np.array([1]), 0, 4).tolist() == [[50, 60, 70, 80]]
    assert source.read("rain", np.array([], dtype=np.intp), 0, 4).shape == (0, 4)


def test_a_file_is_parsed_once_for_all_its_blocks_while_there_is_room(tmp_path, monkeypatch):
    for number in (1, 2):
        write(tmp_path / f"cat-{number}.csv", rows(1, 2, 3, 4))
    parsed = []
    real = forcing_csv.parse
    monkeypatch.setattr(forcing_csv, "parse", lambda path, *rest: (parsed.append(path.stem), real(path, *rest))[1])
    source = CsvForcing(ref(tmp_path, "{{id}}.csv"), ["cat-1", "cat-2"])
    for start in (0, 2):
        source.read("rain", np.array([0, 1]), start, start + 2)
    assert parsed == ["cat-1", "cat-2"]
    # One file holds 2 variables of 4 values of 8 bytes: with room for 100 bytes only the last stays.
    source.close()
    monkeypatch.setattr(forcing_csv, "_CACHE_BYTES", 100)
    for start in (0, 2):
        source.read("rain", np.array([0, 1]), start, start + 2)
    assert parsed == ["cat-1", "cat-2"] * 3


def test_byte_order_mark_windows_lines_and_blank_end_are_no_matter(tmp_path):
    text = "\ufeffTime,rain\r\n2015-12-01T00:00:00Z,1\r\n2015-12-01 01:00:00,2\r\n\r\n"
    (tmp_path / "cat-1.csv").write_bytes(text.encode())
    source = CsvForcing(ref(tmp_path / "cat-1.csv"), ["cat-1"])
    assert (source.axis.start_s, source.axis.count) == (START_S, 2)
    assert source.read("rain", np.array([0]), 0, 2).tolist() == [[1, 2]]


def test_a_written_nan_stays_and_a_single_row_lasts_an_hour(tmp_path):
    source = CsvForcing(ref(write(tmp_path / "cat-1.csv", [f"{HOURS[0]},nan,1"])), ["cat-1"])
    assert (source.axis.step_s, source.axis.count) == (3600, 1)
    assert np.isnan(source.read("T2D", np.array([0]), 0, 1)).all()


@pytest.mark.parametrize(
    ("lines", "match", "row"),
    [
        pytest.param([], "is empty", 1, id="empty"),
        pytest.param(["date,rain", "x,1"], "no column of times", 1, id="no time"),
        pytest.param(["time,rain,rain [mm]"], "one name", 1, id="name twice"),
        pytest.param(["time,rain"], "no values", None, id="header only"),
        pytest.param(["time,rain", f"{HOURS[0]},1,2"], "more values", 2, id="wide"),
        pytest.param(["time,rain", "noon,1"], "cannot be read", 2, id="no time at all"),
        pytest.param(["time,rain", f"{HOURS[1]},1", f"{HOURS[1]},1"], "equally spaced", 3, id="repeated"),
        pytest.param(["time,rain", f"{HOURS[1]},1", f"{HOURS[0]},1"], "equally spaced", 3, id="backwards"),
        pytest.param(
            ["time,rain", f"{HOURS[0]},1", f"{HOURS[2]},1", f"{HOURS[3]},1"],
            "equally spaced",
            "the last",
            id="uneven",
        ),
    ],
)
def test_opening_refuses_a_first_file_that_makes_no_sense(tmp_path, lines, match, row):
    file = write(tmp_path / "cat-1.csv", lines[1:], header=lines[0] if lines else "")
    with pytest.raises(ForcingError, match=match) as caught:
        CsvForcing(ref(file), ["cat-1"])
    assert caught.value.facts.get("row") == row
    assert caught.value.facts["path"] == file
    assert caught.value.hint


GAP = [HOURS[0], HOURS[1], "2015-12-01 02:30:00", HOURS[3]]


@pytest.mark.parametrize(
    ("header", "lines", "match", "row"),
    [
        pytest.param("time,T2D [degC],rain", rows(1, 2, 3, 4, times=GAP), "not as expected", 4, id="gap"),
        pytest.param("time,T2D [degC],rain", rows(1, 2, 3), "differ in length", None, id="short"),
        pytest.param("time,T2D,rain", rows(1, 2, 3, 4), "different units", None, id="units"),
        pytest.param("time,T2D [degC]", [f"{h},1" for h in HOURS], "no variable 'rain'", None, id="variable"),
        pytest.param(
            "time,T2D [degC],rain",
            [*rows(1, 2), f"{HOURS[2]},1,wet", f"{HOURS[3]},1,1"],
            "no number",
            4,
            id="word",
        ),
        pytest.param(
            "time,T2D [degC],rain",
            [*rows(1), f"{HOURS[1]},1,", *rows(1, 1, times=HOURS[2:])],
            "no number",
            3,
            id="hole",
        ),
        pytest.param(
            "time,T2D [degC],rain", [*rows(1, 2, 3), f"{HOURS[3]},1,2,3"], "cannot be read", None, id="ragged"
        ),
        pytest.param("time,T2D [degC],rain", [f"{h},1,True" for h in HOURS], "no number", 2, id="truth"),
    ],
)
def test_reading_refuses_a_file_unlike_the_first(tmp_path, header, lines, match, row):
    write(tmp_path / "cat-1.csv", rows(1, 2, 3, 4))
    write(tmp_path / "cat-2.csv", lines, header=header)
    source = CsvForcing(ref(tmp_path, "{{id}}.csv"), ["cat-1", "cat-2"])
    source.read("rain", np.array([0]), 0, 4)
    with pytest.raises(ForcingError, match=match) as caught:
        source.read("rain", np.array([1]), 0, 4)
    assert caught.value.facts["path"] == tmp_path / "cat-2.csv"
    assert caught.value.facts.get("row") == row


def test_what_the_forcing_does_not_have_cannot_be_read(tmp_path):
    source = CsvForcing(ref(write(tmp_path / "cat-1.csv", rows(1, 2))), ["cat-1"])
    with pytest.raises(ForcingError, match="no variable 'snow'"):
        source.read("snow", np.array([0]), 0, 1)
    with pytest.raises(ForcingError, match="does not hold these times"):
        source.read("rain", np.array([0]), 0, 3)
