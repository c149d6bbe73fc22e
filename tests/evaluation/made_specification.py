"""A small specification with everything the original has, and the files that it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

#: Four days over the end of a February without a 29th.
TIMES = pd.date_range("2021-02-27", periods=96, freq="h")
SITES = {"01": "cat-1", "02": "cat-2"}
#: Thresholds of 27 and 28 February, 1 and 2 March [ft3 s-1].
BY_DAY = {58: 10.0, 59: 20.0, 61: 30.0, 62: 40.0}
FT3 = 0.028316846592


def flows() -> dict[str, np.ndarray]:
    """Observed flow at each site [ft3 s-1]: a wave of a day on a slope, no two values alike."""
    hours = np.arange(len(TIMES))
    wave = 25 + 15 * np.sin(hours * 2 * np.pi / 24) + 0.1 * hours
    return {"01": wave, "02": 2 * wave[::-1] + 1}


def simulated() -> dict[str, np.ndarray]:
    """Simulated flow [ft3 s-1]: what was observed, a little off and three hours late."""
    return {site: 0.97 * np.roll(values, 3) + 1 for site, values in flows().items()}


def written(folder: Path, *, obs: dict[str, Any] | None = None, sim: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write the files into *folder*, and give the specification, which is yet to be written or changed."""
    observed, predicted = obs or flows(), sim or simulated()
    series = [
        {
            "sourceInfo": {"siteCode": [{"value": site}]},
            "variable": {"unit": {"unitCode": "ft3/s"}, "noDataValue": -999999.0},
            "values": [{"value": [_entry(t, v) for t, v in zip(TIMES, values, strict=True)]}],
        }
        for site, values in observed.items()
    ]
    (folder / "observed.json").write_text(json.dumps({"value": {"timeSeries": series}}))
    for site, values in predicted.items():
        table = pd.DataFrame({"date": TIMES, "predicted": np.asarray(values, dtype=float) * FT3})
        table.to_csv(folder / f"{SITES[site]}_run.csv", index=False)
    (folder / "crosswalk.json").write_text(json.dumps({cat: {"site_no": site} for site, cat in SITES.items()}))
    write_rdb(folder, dict.fromkeys(SITES, BY_DAY))
    (folder / "flood.csv").write_text("site_no,flood,unit\n01,1.0,m3/s\n02,2.0,m3/s\n")
    return specification()


def _entry(time: pd.Timestamp, value: Any) -> dict[str, Any]:
    text = {"value": value if isinstance(value, str) else f"{value:.12g}"} if value is not None else {}
    # Local time of a zone five hours behind: days are told in UTC all the same.
    return {**text, "dateTime": (time - pd.Timedelta(hours=5)).isoformat() + "-05:00", "qualifiers": ["A"]}


def write_rdb(folder: Path, thresholds: dict[str, dict[int, Any]]) -> None:
    """Thresholds by day [ft3 s-1] as NWIS writes them; None is a blank."""
    rows = ["# statistics", "site_no\tmonth_nu\tday_nu\tp50_va", "15s\t3n\t3n\t12s"]
    for site, by_day in thresholds.items():
        for day, value in by_day.items():
            at = pd.Timestamp(2020, 1, 1) + pd.Timedelta(days=day - 1)
            rows.append(f"{site}\t{at.month}\t{at.day}\t{'' if value is None else value}")
    (folder / "stat.rdb").write_text("\n".join(rows) + "\n")


def specification() -> dict[str, Any]:
    """Every element once."""
    return {
        "name": "four days",
        "observations": [
            {
                "value_field": "observation",
                "backend": {"backend_type": "file", "format": "json", "address": "observed.json"},
                "value_selectors": [
                    {
                        "name": "observation", "where": "value", "datatype": "float",
                        "origin": ["$", "value", "timeSeries[*]"], "path": ["values[*]", "value[*]", "value"],
                        "associated_fields": [
                            {"name": "value_date", "path": "values[*]/value[*]/dateTime", "datatype": "datetime"},
                            {"name": "gauge", "path": "sourceInfo/siteCode/[0]/value", "datatype": "string"},
                            {"name": "unit", "path": ["variable", "unit", "unitCode"], "datatype": "string"},
                        ],
                    }
                ],
                "locations": {"identify": True, "from_field": "value"},
                "unit": {"field": "unit"},
            }
        ],
        "predictions": [
            {
                "value_field": "prediction",
                "backend": {
                    "backend_type": "file", "format": "csv", "address": r"cat.*run\.csv", "parse_dates": ["date"]
                },
                "value_selectors": [
                    {
                        "name": "predicted", "where": "column",
                        "associated_fields": [{"name": "date", "datatype": "datetime"}],
                    }
                ],
                "locations": {"from_field": "filename", "pattern": r"cat-\d+"},
                "field_mapping": [
                    {"field": "prediction", "map_type": "column", "value": "predicted"},
                    {"field": "catchment", "map_type": "column", "value": "location"},
                    {"field": "value_date", "map_type": "column", "value": "date"},
                ],
                "unit": "m3 s-1",
            }
        ],
        "crosswalks": [
            {
                "backend": {"backend_type": "file", "format": "json", "address": "crosswalk.json"},
                "observation_field_name": "gauge", "prediction_field_name": "catchment",
                "field": {
                    "name": "catchment", "where": "key", "path": ["* where site_no"], "datatype": "string",
                    "associated_fields": [{"name": "gauge", "path": "site_no"}],
                },
            }
        ],
        "thresholds": [
            {
                "backend": {"backend_type": "file", "format": "rdb", "address": "stat.rdb"},
                "locations": {"from_field": "column", "pattern": "site_no"},
                "application_rules": {
                    "threshold_field": {"name": "day", "path": ["month_nu", "day_nu"], "datatype": "Day"},
                    "observation_field": {"name": "day", "path": ["value_date"], "datatype": "Day"},
                },
                "definitions": [{"name": "Median", "field": "p50_va", "weight": 3, "unit": {"value": "ft^3/s"}}],
            },
            {
                "backend": {"backend_type": "file", "format": "csv", "address": "flood.csv"},
                "locations": {"from_field": "column", "pattern": "site_no"},
                "definitions": [{"name": "Flood", "field": "flood", "weight": 1, "unit": {"field": "unit"}}],
            },
        ],
        "scheme": {
            "metrics": [
                {"name": "Probability of Detection", "weight": 2},
                {"name": "False Alarm Ratio", "weight": 1},
                {"name": "Kling-Gupta Efficiency", "weight": 3},
            ]
        },
    }  # fmt: skip


def saved(folder: Path, spec: dict[str, Any]) -> Path:
    """The specification as a file beside its data."""
    path = folder / "evaluation.json"
    path.write_text(json.dumps(spec))
    return path
