"""Selectors on tables and documents, and where the bytes come from."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest

from dmod.errors import InputError, ObservationError
from dmod.evaluation.spec_selectors import as_type, day_of_year, days_of_year, json_path, json_table, read_columns, utc
from dmod.evaluation.spec_sources import Document, documents, fetched, files_at
from dmod.evaluation.specification import BackendSpecification, ValueSelector

SERIES = {
    "value": {
        "timeSeries": [
            {
                "sourceInfo": {"siteCode": [{"value": "01"}]},
                "values": [
                    {
                        "value": [
                            {"value": "1.5", "dateTime": "2021-01-01T00:00-05:00"},
                            {"dateTime": "2021-01-01T01:00Z"},
                            {"value": "3", "dateTime": "2021-01-01T02:00Z"},
                        ]
                    }
                ],
            },
            {"sourceInfo": {"siteCode": [{"value": "02"}]}, "values": [{"value": []}]},
            {
                "sourceInfo": {"siteCode": [{"value": "03"}]},
                "values": [
                    {"value": [{"value": "-4e2"}]},
                    {"value": [{"value": "Ice", "dateTime": "2021-01-01T00:00Z"}]},
                ],
            },
        ]
    }
}  # fmt: skip


def selector(**more):
    return ValueSelector.model_validate(
        {
            "name": "flow", "where": "value", "origin": ["$", "value", "timeSeries[*]"],
            "path": ["values[*]", "value[*]", "value"], "datatype": "float",
            "associated_fields": [
                {"name": "at", "path": ["values[*]", "value[*]", "dateTime"], "datatype": "datetime"},
                {"name": "site", "path": ["sourceInfo", "siteCode", "[0]", "value"], "datatype": "string"},
            ],
            **more,
        }
    )  # fmt: skip


def test_a_missing_member_costs_one_value_and_moves_no_other():
    table = json_table(SERIES, selector(), name="x")
    assert table["flow"].tolist()[:3] == [1.5, 3.0, -400.0]
    assert np.isnan(table["flow"].iloc[3])
    assert table["at"].tolist() == [pd.Timestamp("2021-01-01 05:00"), pd.Timestamp("2021-01-01 02:00"), pd.NaT,
                                    pd.Timestamp("2021-01-01")]  # fmt: skip
    assert table["site"].tolist() == ["01", "01", "03", "03"]


def test_keys_are_values_too():
    document = {"cat-1": {"site_no": "01", "x": 1}, "fp-1": {"x": 2}, "cat-2": {"site_no": "02"}}
    chosen = ValueSelector.model_validate(
        {"name": "cat", "where": "key", "path": ["* where site_no"], "associated_fields": [{"name": "site_no"}]}
    )
    assert json_table(document, chosen, name="x").to_dict("list") == {
        "cat": ["cat-1", "cat-2"],
        "site_no": ["01", "02"],
    }


def test_fields_apart_from_the_value_belong_to_all_or_to_each():
    document = {"flow": [1, 2], "at": ["2021-01-01", "2021-01-02"], "site": "a"}
    fields = [{"name": "at", "path": ["at[*]"]}, {"name": "site"}]
    made = selector(origin="$", path=["flow[*]"], associated_fields=fields)
    assert json_table(document, made, name="x")["site"].tolist() == ["a", "a"]
    with pytest.raises(ObservationError, match="open which values of 'at'"):
        json_table({**document, "at": ["2021-01-01"] * 3}, made, name="x")
    with pytest.raises(ObservationError, match="'site' is nowhere"):
        json_table({"flow": [1], "at": ["2021-01-01"]}, made, name="x")


def test_keys_that_are_no_names_are_quoted():
    assert [hit.value for hit in json_path(["cat-27", "x"]).find({"cat-27": {"x": 1}})] == [1]
    with pytest.raises(InputError, match="no JSONPath"):
        json_path(["a[?("])


def test_days_are_those_of_a_leap_year():
    days = days_of_year(pd.to_datetime(["2020-02-29", "2020-03-01", "2021-02-28", "2021-03-01", "2021-12-31"]))
    assert days.tolist() == [60, 61, 59, 61, 366]
    assert [day_of_year(x) for x in ([3, 1], ["3", "1"], [2021, 3, 1], ["2021-03-01"], [61], [61.0])] == [61.0] * 6
    assert all(np.isnan(day_of_year(x)) for x in ([2, 30], [367], [None], [1, 2, 3, 4]))


def test_a_day_is_one_of_utc():
    assert day_of_year(["2021-02-28T23:30-05:00"]) == 61.0


def test_instants_are_utc():
    times = utc(pd.Series(["2021-01-01T00:00-05:00", "2021-01-01 03:00:00", "2021-01-01"]))
    assert times.tolist() == [
        pd.Timestamp("2021-01-01 05:00"),
        pd.Timestamp("2021-01-01 03:00"),
        pd.Timestamp("2021-01-01"),
    ]
    with pytest.raises(ObservationError, match="cannot be read"):
        utc(pd.Series(["soon"]))


def test_datatypes():
    assert as_type(["1.5", 2, None, "x"], "float").fillna(-1).tolist() == [1.5, 2.0, -1.0, -1.0]
    assert as_type([7, None], "string").tolist() == ["7", None]


def document(text):
    return Document("table", None, text.encode())


def test_rdb_has_comments_tabs_types_and_names_with_zeros():
    text = "# made\n#\nsite_no\tday_nu\tp50_va\n15s\t3n\t12s\n0102\t1\t2.5\n0203\t2\t\n"
    table = read_columns(document(text), options={}, text=["site_no"], rdb=True)
    assert table["site_no"].tolist() == ["0102", "0203"]
    assert table["p50_va"].iloc[0] == "2.5"  # text, as the file says; who wants a number makes one
    assert pd.isna(table["p50_va"].iloc[1])


def test_csv_takes_what_pandas_takes():
    table = read_columns(document("a;b\n01;2,5\n"), options={"sep": ";", "decimal": ",", "colour": 1}, text=["a"])
    assert table.to_dict("list") == {"a": ["01"], "b": [2.5]}
    with pytest.raises(ObservationError, match="cannot be read"):
        read_columns(document(""), options={})


# Addresses


@pytest.fixture
def folder(tmp_path):
    for name in ("a-1.csv", "a-2.csv", "a-2.csv.bak", "b.json", "deep/a-3.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("b.json", ["b.json"]),
        (r"a-\d\.csv", ["a-1.csv", "a-2.csv"]),
        ("a.*csv", ["a-1.csv", "a-2.csv"]),
        ("a-*.csv", ["a-1.csv", "a-2.csv"]),
        ("./a-?.csv", ["a-1.csv", "a-2.csv"]),
        ("deep/.*csv", ["a-3.csv"]),
        (r".*/a-\d.csv", ["a-3.csv"]),
        ("**/*.csv", ["a-3.csv"]),
    ],
)
def test_an_address_is_a_path_a_regex_or_a_glob(folder, address, names):
    found, note = files_at(address, folder)
    assert [path.name for path in found] == names
    assert note == ""


def test_an_absolute_address_may_match_too(folder):
    assert len(files_at(f"{folder}/a.*csv", folder / "deep")[0]) == 2


def test_what_was_moved_with_its_specification_is_found_and_told(folder):
    found, note = files_at("resources/there/b.json", folder)
    assert [path.name for path in found] == ["b.json"]
    assert "beside the specification" in note


def test_no_file_is_told(folder):
    with pytest.raises(InputError, match=r"(?s)no file is there.*c\.csv"):
        files_at("c.csv", folder)


class Service(BaseHTTPRequestHandler):
    """Answers as the server's list says, and remembers what was asked."""

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        status, body = self.server.answers.pop(0)
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def service():
    """A web service on this machine; ``answers`` is what it will say."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        server.asked, server.answers = [], []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        server.url = f"http://127.0.0.1:{server.server_port}/iv"
        yield server
        server.shutdown()
        thread.join(10)


def test_a_service_is_asked_with_parameters_and_headers(service, tmp_path):
    service.answers = [(200, json.dumps(SERIES).encode())]
    backend = BackendSpecification.model_validate(
        {
            "backend_type": "rest", "format": "json", "address": service.url, "siteStatus": "all",
            "params": {"sites": "01,02", "startDT": "2022-12-01T00:00%2b0000"}, "headers": {"X-Key": "k"},
        }
    )  # fmt: skip
    [found] = documents(backend, tmp_path)
    assert json.loads(found.read()) == SERIES
    [(path, headers)] = service.asked
    assert headers["X-Key"] == "k"
    assert parse_qs(urlsplit(path).query) == {
        "sites": ["01,02"], "startDT": ["2022-12-01T00:00+0000"], "siteStatus": ["all"]
    }  # fmt: skip


def test_a_busy_service_is_asked_again(service):
    service.answers = [(503, b""), (429, b""), (200, b"ok")]
    assert fetched(service.url, {"wait_s": 0}) == b"ok"
    assert len(service.asked) == 3


def test_a_refusal_is_told_with_what_the_service_says(service):
    service.answers = [(404, b"No sites found\nmatching")]
    with pytest.raises(ObservationError, match=r"(?s)404 Not Found.*No sites found"):
        fetched(service.url, {"wait_s": 0})
    assert len(service.asked) == 1


def test_a_service_that_never_answers_is_told():
    with pytest.raises(ObservationError, match="did not give"):
        fetched("http://127.0.0.1:9/none", {"tries": 2, "wait_s": 0, "timeout_s": 5})
