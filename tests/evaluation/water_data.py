"""A server on this machine that answers as the Water Data API of USGS does."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pandas as pd


@dataclass
class Fault:
    """An answer that is no good."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class WaterData:
    """What the server holds, and what it was asked."""

    #: Rows of ``continuous`` and of ``daily``, each the properties of a feature.
    continuous: list[dict[str, Any]] = field(default_factory=list)
    daily: list[dict[str, Any]] = field(default_factory=list)
    #: Sites that there are.
    locations: set[str] = field(default_factory=set)
    #: Features on a page.
    page: int = 10_000
    #: Answers to the next requests; None for a good one.
    faults: deque[Fault | None] = field(default_factory=deque)
    #: Collection and parameters of each request, and its headers.
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    #: When each came [s].
    came: list[float] = field(default_factory=list)
    #: Called at each request, before it is answered.
    before: Callable[[int], None] | None = None
    url: str = ""
    #: What it speaks TLS with, where it is asked as a proxy.
    tls: ssl.SSLContext | None = None

    def add(self, site: str, start: str, end: str, *, step: str = "15min", value: float = 100.0, **more: Any) -> None:
        """Values of a site at each step, one more each time, in cubic feet per second."""
        self.locations.add(f"USGS-{site}")
        for at, instant in enumerate(pd.date_range(start, end, freq=step, tz="UTC")):
            self.continuous.append(feature(site, instant.isoformat(), value + at, **more))

    def add_daily(self, site: str, start: str, end: str, *, value: float = 100.0, **more: Any) -> None:
        """A value of a site for each day."""
        self.locations.add(f"USGS-{site}")
        for at, day in enumerate(pd.date_range(start, end, freq="D")):
            self.daily.append(feature(site, f"{day:%Y-%m-%d}", value + at, **({"statistic_id": "00003"} | more)))

    @property
    def windows(self) -> list[tuple[str, str]]:
        """Sites and time of the requests for values, without further pages."""
        return [
            (asked["monitoring_location_id"], asked["time"])
            for name, asked in self.asked
            if name in ("continuous", "daily") and "offset" not in asked
        ]

    def answer(self, collection: str, asked: dict[str, str], path: str) -> dict[str, Any]:
        """The answer to a good request."""
        if collection == "monitoring-locations":
            wanted = asked.get("id", "").split(",")
            found = [{"id": one, "monitoring_location_number": one[5:]} for one in wanted if one in self.locations]
        else:
            rows = self.continuous if collection == "continuous" else self.daily
            found = [row for row in rows if _fits(row, asked)]
        start = int(asked.get("offset", 0))
        page = found[start : start + self.page]
        answer: dict[str, Any] = {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "id": f"{start + at}", "geometry": None, "properties": row}
                for at, row in enumerate(page)
            ],
            "numberReturned": len(page),
            "links": [],
        }
        if start + self.page < len(found):
            query = urlencode(asked | {"offset": str(start + self.page)})
            answer["links"] = [{"rel": "next", "href": f"{self.url}{path}?{query}"}]
        return answer


def feature(site: str, time: str, value: float, **more: Any) -> dict[str, Any]:
    """The properties of a feature, in the shape of the API."""
    return {
        "monitoring_location_id": f"USGS-{site}", "parameter_code": "00060", "statistic_id": "00011", "time": time,
        "value": f"{value:g}", "unit_of_measure": "ft^3/s", "approval_status": "Approved", "qualifier": None,
        "time_series_id": f"series-of-{site}",
    } | more  # fmt: skip


def _fits(row: dict[str, Any], asked: dict[str, str]) -> bool:
    """Whether a row is asked for."""
    if row["monitoring_location_id"] not in asked["monitoring_location_id"].split(","):
        return False
    if row["parameter_code"] != asked["parameter_code"]:
        return False
    if "statistic_id" in asked and row["statistic_id"] != asked["statistic_id"]:
        return False
    first, last = (pd.Timestamp(edge).tz_localize(None) for edge in asked["time"].split("/"))
    return bool(first <= pd.Timestamp(row["time"]).tz_localize(None) <= last)


@contextmanager
def serving(held: WaterData) -> Iterator[WaterData]:
    """Answer requests in a thread."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            collection = parts.path.split("/collections/")[-1].split("/")[0]
            asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
            held.asked.append((collection, asked))
            held.headers.append({key.lower(): value for key, value in self.headers.items()})
            held.came.append(time.monotonic())
            if held.before is not None:
                held.before(len(held.asked))
            fault = held.faults.popleft() if held.faults else None
            if fault is not None:
                self.reply(fault.status, fault.body, fault.headers)
                return
            self.reply(200, json.dumps(held.answer(collection, asked, parts.path)).encode(), {})

        def do_CONNECT(self) -> None:
            assert held.tls is not None
            self.send_response(200)
            self.end_headers()
            outside = self.rfile, self.wfile
            with (
                held.tls.wrap_socket(self.connection, server_side=True) as inside,
                inside.makefile("rb") as self.rfile,
                inside.makefile("wb", buffering=0) as self.wfile,
            ):
                self.handle()
            self.rfile, self.wfile = outside
            self.close_connection = True

        def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
