"""The card of a job says what its status says, live or still."""

from __future__ import annotations

import time
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from dmod.job.lifecycle import State
from dmod.view import widget
from dmod.view.card import describe, is_final, job_card
from dmod.view.widget import StaticCard, live_card

RUNNING = {
    "name": "mad-river",
    "state": "running",
    "fraction": 0.4306,
    "step": 310,
    "steps": 720,
    "simulated_time": datetime(2016, 9, 13, 22),  # noqa: DTZ001 - simulated times are naive UTC
    "rate": 1.234e6,
    "elapsed_s": 61.4,
    "remaining_s": 3725,
    "workers": 4,
    "catchments": 12345,
    "output": "out/mad",
    "message": "",
}


class Tags(HTMLParser):
    """Start tags with their attributes; fails on tags that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def bar(text):
    return next(attrs for _, attrs in Tags(text).found if attrs.get("role") == "progressbar")


def test_a_status_in_words():
    shown = describe(RUNNING)
    assert shown["percent"] == 43.1
    assert shown["tone"] == "busy"
    assert shown["facts"] == [
        ["step", "310 of 720"],
        ["simulated", "2016-09-13 22:00 UTC"],
        ["catchments", "12,345"],
        ["workers", "4"],
        ["speed", "1.23 million catchment-steps/s"],
        ["elapsed", "1 min 01 s"],
        ["left", "about 1 h 02 min"],
    ]


def test_simulated_time_may_be_of_any_kind():
    for instant in (np.datetime64("2016-09-13T22:00:00", "ns"), "2016-09-13 22:00 UTC"):
        assert describe({"simulated_time": instant})["facts"] == [["simulated", "2016-09-13 22:00 UTC"]]


@pytest.mark.parametrize(
    ("state", "tone", "final"),
    [
        ("queued", "busy", False),
        ("complete", "good", True),
        ("failed", "bad", True),
        ("Cancelled", "quiet", True),
    ],
)
def test_a_state_has_a_tone_and_may_be_final(state, tone, final):
    assert describe({"state": state})["tone"] == tone
    assert is_final({"state": state}) is final


def test_the_bar_can_be_read_aloud():
    attrs = bar(job_card(RUNNING))
    assert (attrs["aria-valuemin"], attrs["aria-valuenow"], attrs["aria-valuemax"]) == ("0", "43.1", "100")
    assert attrs["aria-valuetext"] == "43 %"


@pytest.mark.parametrize("status", [{}, {"fraction": None}, {"fraction": float("nan")}, {"fraction": "soon"}])
def test_unknown_progress_has_no_value(status):
    assert "aria-valuenow" not in bar(job_card(status))


@pytest.mark.parametrize(("fraction", "shown"), [(-1, 0.0), (0, 0.0), (1, 100.0), (7, 100.0)])
def test_progress_stays_between_nothing_and_all(fraction, shown):
    assert describe({"fraction": fraction})["percent"] == shown


def test_all_text_is_escaped():
    evil = '"><script>alert(1)</script>'
    text = job_card(dict.fromkeys(RUNNING, evil))
    assert "<script" not in text
    assert [tag for tag, _ in Tags(text).found if tag == "script"] == []


def test_the_card_needs_nothing_around_it():
    text = job_card({**RUNNING, "state": "failed", "message": "no rain"})
    assert "http" not in text
    assert "class=" not in text
    assert "var(--jp-error-color1, #" in text
    assert "no rain" in text


class Job:
    """A job that is done after a few questions."""

    def __init__(self, *states):
        self.states, self.asked = list(states), 0

    def status(self):
        self.asked += 1
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return {"name": "mad-river", "state": state}


@pytest.fixture
def kernel(monkeypatch):
    pytest.importorskip("anywidget")
    monkeypatch.setattr(widget, "in_kernel", lambda: True)
    monkeypatch.setattr(widget, "POLL_S", 0.01)


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_without_a_kernel_the_card_is_still():
    card = live_card(Job("running"))
    assert isinstance(card, StaticCard)
    assert card._repr_html_() == job_card({"name": "mad-river", "state": "running"})


def test_without_anywidget_the_card_is_still(kernel, monkeypatch):
    def missing():
        raise ImportError("anywidget")

    monkeypatch.setattr(widget, "_widget_class", missing)
    assert isinstance(live_card(Job("running")), StaticCard)


def test_a_live_card_follows_the_job_until_it_is_done_and_then_stops(kernel):
    job = Job("queued", "running", "running", "complete")
    card = live_card(job)
    wait_for(lambda: card.shown["state"] == "complete")
    assert card.status == {"name": "mad-river", "state": "complete"}
    asked = job.asked
    time.sleep(0.1)
    assert job.asked == asked == 4


def test_a_closed_card_asks_no_more(kernel):
    job = Job("running")
    card = live_card(job)
    wait_for(lambda: job.asked > 2)
    card.close()
    time.sleep(0.05)
    asked = job.asked
    time.sleep(0.1)
    assert job.asked == asked


def test_a_job_that_cannot_be_asked_is_told_on_the_card(kernel):
    card = live_card(Job("running", RuntimeError("the cluster is gone")))
    wait_for(lambda: card.shown["message"])
    assert card.shown["message"] == "the status cannot be read: the cluster is gone"


def test_a_saved_notebook_keeps_the_card_as_it_was(kernel):
    card = live_card(Job("complete"))
    data, _ = card._repr_mimebundle_()
    assert data["text/html"] == job_card(card.status)
    assert "application/vnd.jupyter.widget-view+json" in data


def test_the_front_end_asks_no_other_host(kernel):
    script, style = widget.front_end("job-card.js"), widget.front_end("job-card.css")
    assert "export default { render }" in script
    assert "innerHTML" not in script
    assert "http" not in script + style
    assert "@import" not in style


def test_the_installed_front_end_comes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(widget, "__file__", str(tmp_path / "dmod" / "view" / "widget.py"))
    sources, installed = tmp_path / "jupyter_ext" / "widgets", tmp_path / "dmod" / "view" / "static"
    for folder, text in ((sources, "source"), (installed, "installed")):
        folder.mkdir(parents=True)
        Path(folder / "job-card.js").write_text(text)
        assert widget.front_end("job-card.js") == text


@pytest.mark.parametrize("state", State)
def test_the_card_and_the_lifecycle_agree_on_what_is_final(state):
    assert is_final({"state": state}) is state.is_final
