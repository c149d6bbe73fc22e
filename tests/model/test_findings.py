"""A report says what is wrong, once, with all places counted."""

from __future__ import annotations

import json

import pytest

from dmod.model.findings import Finding, Report


def missing(number: int) -> Finding:
    """One catchment's configuration file that is not there."""
    return Finding(
        "error",
        "no-config",
        "the configuration file is missing",
        f"CFE/cat-{number}.ini",
        ids=(f"cat-{number}",),
        remedy="make it",
    )


def test_like_findings_are_shown_as_one_and_counted():
    report = Report(tuple(missing(n) for n in range(1, 10_001)))
    assert str(report).splitlines() == [
        "error: the configuration file is missing (10,000 times)",
        "  in   CFE/cat-1.ini, CFE/cat-2.ini, CFE/cat-3.ini and 9,997 more",
        "  for  cat-1, cat-2, cat-3 and 9,997 more",
        "  ->   make it",
        "10,000 errors",
    ]
    assert len(report.findings) == 10_000


def test_errors_come_first_and_the_last_line_counts():
    note = Finding("note", "n", "good to know")
    warning = Finding("warning", "w", "mind this", "realization.json", "time.end_time")
    text = str(Report((note, warning, missing(1), missing(2))))
    heads = [line for line in text.splitlines() if not line.startswith(" ")]
    assert heads == [
        "error: the configuration file is missing (2 times)",
        "warning: mind this",
        "note: good to know",
        "2 errors, 1 warning, 1 note",
    ]
    assert "  in   realization.json\n  at   time.end_time" in text


def test_another_message_is_another_fold():
    report = Report((missing(1), Finding("error", "no-config", "the configuration file is empty")))
    assert str(report).count("error: ") == 2


def test_a_report_is_ok_without_errors_only():
    assert Report().ok
    assert Report((Finding("warning", "w", "mind this"),)).ok
    assert not Report((missing(1),)).ok
    assert str(Report()) == "nothing to report"


def test_reports_add_up():
    both = Report((missing(1),)) + Report((Finding("warning", "w", "mind this"),))
    assert [f.severity for f in both.findings] == ["error", "warning"]
    assert len(both.errors) == len(both.warnings) == 1


def test_the_dictionary_is_json_and_folds_nothing():
    held = json.loads(json.dumps(Report((missing(1), missing(2))).to_dict()))
    assert (held["ok"], held["errors"], held["warnings"], held["notes"]) == (False, 2, 0, 0)
    assert held["findings"][1] == {
        "severity": "error",
        "code": "no-config",
        "message": "the configuration file is missing",
        "file": "CFE/cat-2.ini",
        "key": "",
        "ids": ["cat-2"],
        "remedy": "make it",
    }


def test_the_card_escapes_what_files_say():
    card = Report((Finding("error", "x", "'<script>' is no unit"),))._repr_html_()
    assert "<script>" not in card
    assert "&lt;script&gt;" in card


def test_a_finding_refuses_a_severity_nobody_knows():
    with pytest.raises(ValueError, match="not 'fatal'"):
        Finding("fatal", "x", "y")  # type: ignore[arg-type]
