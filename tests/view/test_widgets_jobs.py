"""The table of jobs: what it asks, what it tells, and what a browser makes of it."""

from __future__ import annotations

import threading
import time

import pytest
from widget_page import opened

from dmod.errors import JobError
from dmod.view import job_table
from dmod.view.job_table import JobTable, as_html, row_of


class FakeJob:
    """A job that stands where it was put, and counts how often it was asked."""

    def __init__(self, number, state="running", **status):
        self.id, self.asked = f"mad-river-{number:04d}", 0
        self.told = {"name": "mad-river", "state": state, "fraction": 0.25, "rate": 1.5e6, "remaining_s": 90, **status}

    def status(self):
        self.asked += 1
        return dict(self.told)

    def cancel(self):
        self.told |= {"state": "cancelled"}

    def restart(self):
        if self.told.get("broken"):
            raise JobError("it cannot be restarted")
        self.told |= {"state": "running"}


class FakeJobs(list):
    """Jobs that tell their states all at once."""

    def states(self):
        return {job.id: job.told["state"] for job in self if job.told["state"] != "gone"}


def until(what, seconds=60.0):
    """Wait for something to hold."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


@pytest.fixture
def shown(monkeypatch):
    """Makes tables that ask often, and closes them."""
    monkeypatch.setattr(job_table, "POLL_S", 0.02)
    tables = []

    def show(jobs, **traits):
        tables.append(JobTable(jobs, **traits))
        return tables[-1]

    yield show
    for table in tables:
        table.close()


def test_a_row_says_what_the_card_says():
    row = row_of("mad-river-0001", FakeJob(1).told)
    assert row == {
        "id": "mad-river-0001", "name": "mad-river", "state": "running", "sign": "●", "tone": "busy", "percent": 25.0,
        "rate": 1.5e6, "left": "1 min 30 s", "message": "", "can": "cancel",
    }  # fmt: skip
    assert row_of("x", {"state": "complete"})["can"] == ""
    assert row_of("x", {"state": "complete", "rate": 5.0})["rate"] is None


def test_the_table_follows_its_jobs_to_the_end_and_asks_no_more(shown):
    jobs = [FakeJob(n) for n in range(3)]
    table = shown(jobs)
    assert table.is_following
    jobs[1].told |= {"state": "failed", "message": "no forcing"}
    until(lambda: table.rows["mad-river-0001"]["state"] == "failed")
    assert [row["id"] for row in table.changes] == ["mad-river-0001"]
    for job in jobs:
        job.told |= {"state": "complete", "fraction": 1.0}
    jobs[1].told |= {"state": "failed"}
    until(lambda: not table.is_following)
    assert [row["percent"] for row in table.rows.values()] == [100.0, 25.0, 100.0]
    before = [job.asked for job in jobs]
    assert not any(thread.name == "dmod-job-table" for thread in threading.enumerate())
    assert [job.asked for job in jobs] == before


def test_a_table_that_was_answered_late_does_not_rest_for_long(shown, monkeypatch):
    monkeypatch.setattr(job_table, "_LONGEST_S", 0.05)
    monkeypatch.setattr(job_table, "_BUSY", 1e-6)
    job = FakeJob(1)
    shown([job])
    until(lambda: job.asked > 3, seconds=5)


def test_a_closed_table_asks_no_more(shown):
    job = FakeJob(1)
    table = shown([job])
    table.close()
    until(lambda: not table.is_following)
    before = job.asked
    assert job.asked == before
    assert "mad-river" in table._repr_mimebundle_()["text/html"]


def test_jobs_that_have_ended_are_asked_once(shown):
    jobs = FakeJobs([FakeJob(1, "complete"), FakeJob(2, "requested"), FakeJob(3)])
    table = shown(jobs)
    until(lambda: jobs[2].asked > 5)
    assert (jobs[0].asked, jobs[1].asked) == (1, 1)
    jobs[1].told |= {"state": "running"}
    until(lambda: table.rows[jobs[1].id]["state"] == "running")


def test_a_job_that_is_deleted_elsewhere_says_so(shown):
    jobs = FakeJobs([FakeJob(1)])
    table = shown(jobs)
    jobs[0].told |= {"state": "gone"}
    until(lambda: table.rows["mad-river-0001"]["state"] == "deleted")
    until(lambda: not table.is_following)


def test_a_job_that_cannot_be_asked_does_not_silence_the_others(shown):
    jobs = [FakeJob(1), FakeJob(2)]
    table = shown(jobs)
    jobs[0].status = lambda: 1 / 0
    until(lambda: "cannot be read" in table.rows["mad-river-0001"]["message"])
    jobs[1].told |= {"state": "complete"}
    until(lambda: table.rows["mad-river-0002"]["state"] == "complete")


def test_selected_rows_come_back_as_jobs(shown):
    jobs = [FakeJob(n) for n in range(3)]
    table = shown(jobs, selected=["mad-river-0002", "somebody-elses"])
    assert table.jobs == [jobs[2]]


def test_buttons_cancel_and_restart(shown):
    jobs = [FakeJob(1), FakeJob(2, "failed"), FakeJob(3, "failed", broken=True)]
    table = shown(jobs)
    table._handle_custom_msg({"do": "cancel", "ids": ["mad-river-0001", "nobody"]}, [])
    until(lambda: table.rows["mad-river-0001"]["state"] == "cancelled")
    table._handle_custom_msg({"do": "restart", "ids": [job.id for job in jobs[1:]]}, [])
    until(lambda: table.rows["mad-river-0002"]["state"] == "running")
    until(lambda: table.problem == "mad-river-0003: it cannot be restarted")
    assert table.is_following
    table.selected = ["mad-river-0002"]
    table.cancel()
    assert table.rows["mad-river-0002"]["state"] == "cancelled"
    assert table.problem == ""


@pytest.mark.parametrize("message", [{"do": "delete", "ids": ["mad-river-0001"]}, {"do": "cancel", "ids": 3}, {}, "x"])
def test_what_makes_no_sense_is_not_done(shown, message):
    job = FakeJob(1)
    table = shown([job])
    table._handle_custom_msg(message, [])
    until(lambda: job.asked > 3)
    assert job.told["state"] == "running"


def test_a_thousand_jobs_are_there_at_once(shown):
    jobs = FakeJobs([FakeJob(n, ("complete", "running")[n % 2]) for n in range(1_000)])
    began = time.process_time()
    table = shown(jobs)
    assert time.process_time() - began < 20
    until(lambda: sum(row["percent"] == 25.0 for row in table.rows.values()) == 1_000)
    table.changes = []
    jobs[7].told |= {"fraction": 0.5}
    until(lambda: table.changes)
    assert [row["id"] for row in table.changes] == ["mad-river-0007"]


def test_a_saved_table_is_text_and_says_how_many(shown):
    jobs = [FakeJob(n, "failed", message="<script>alert(1)</script>") for n in range(250)]
    table = shown(jobs)
    data, _ = table._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    page = data["text/html"]
    assert "<script" not in page
    assert page.count("<tr>") == 201
    assert "250 jobs: 250 failed. 50 more are not listed." in page
    assert data["text/plain"] == "JobTable(250 jobs: 250 failed)"
    assert "0 jobs." in as_html([])


SCRIPT = """
const rows = () => [...el.querySelectorAll("tbody tr")];
const press = (key) =>
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const chip = (text) => [...el.querySelectorAll(".dmod-jobs-chip")].find((one) => one.textContent.endsWith(text));
const found = { count: rows().length };
found.chips = [...el.querySelectorAll(".dmod-jobs-chip")].map((one) => one.textContent);
found.name = rows()[0].querySelector("th").textContent;
found.markup = el.querySelector("tbody b") !== null;
rows()[1].querySelector("input").click();
found.told = sent.splice(0);
arrive({ selected: ["mad-river-0004", "mad-river-0001"] });
found.marked = rows().filter((row) => row.getAttribute("aria-selected") === "true").map((row) => row.dataset.id);
const [cancel] = el.querySelectorAll(".dmod-jobs-button");
found.button = cancel.textContent;
cancel.click();
found.sure = [cancel.textContent, sent.length];
cancel.click();
found.asked = sent.splice(0);
chip("failed").click();
found.filtered = rows().length;
found.status = el.querySelector(".dmod-jobs-status").textContent;
chip("failed").click();
sent.splice(0);
rows()[0].querySelector("input").focus();
press("ArrowDown");
press("ArrowDown");
found.focused = document.activeElement.closest("tr").dataset.id;
found.stops = el.querySelectorAll("tbody [tabindex='0']").length;
const changed = { ...model.get("rows")["mad-river-0002"], state: "complete", tone: "good", percent: 100, can: "" };
const node = rows()[2];
arrive({ changes: [changed] });
found.changed = [node.isConnected, node.textContent.includes("100 %"), chip("complete").textContent];
el.querySelectorAll(".dmod-jobs-head")[2].click();
el.querySelectorAll(".dmod-jobs-head")[2].click();
found.first = rows()[0].dataset.id;
found.sorted = el.querySelectorAll("thead th")[3].getAttribute("aria-sort");
rows().find((row) => row.dataset.tone === "bad").querySelector(".dmod-jobs-act").click();
found.restart = sent.splice(0);
arrive({ problem: "it cannot be <b>" });
found.problem = el.querySelector('[role="alert"]').textContent;
const again = document.createElement("div");
document.body.append(again);
const second = await widget.render({ model, el: again });
found.second = again.querySelectorAll("tbody tr")[2].textContent.includes("complete");
second();
const before = listening();
await end();
found.left = before - listening();
return found;
"""


def test_a_browser_shows_sorts_filters_selects_and_asks(shown, tmp_path):
    jobs = [FakeJob(n) for n in range(5)] + [FakeJob(9, "failed"), FakeJob(10, "failed")]
    jobs[0].told["name"] = "<b>mad</b>"
    found = opened(tmp_path, shown(jobs), SCRIPT)
    assert found["count"] == 7
    assert found["chips"] == ["5 running", "2 failed"]
    assert (found["name"], found["markup"]) == ("<b>mad</b> mad-river-0000", False)
    assert found["told"] == [{"set": {"selected": ["mad-river-0001"]}}]
    assert found["marked"] == ["mad-river-0001", "mad-river-0004"]
    assert found["button"] == "cancel 2"
    assert found["sure"] == ["really cancel 2?", 0]
    assert found["asked"] == [{"do": "cancel", "ids": ["mad-river-0004", "mad-river-0001"]}]
    assert (found["filtered"], found["status"]) == (2, "2 of 7 jobs are shown, 2 selected")
    assert found["focused"] == "mad-river-0002"
    assert found["stops"] == 2
    assert found["changed"] == [True, True, "1 complete"]
    assert (found["first"], found["sorted"]) == ("mad-river-0002", "descending")
    assert found["restart"] == [{"do": "restart", "ids": ["mad-river-0009"]}]
    assert found["problem"] == "it cannot be <b>"
    assert found["second"] is True
    assert found["left"] == 3


def test_a_thousand_rows_are_laid_out_and_changed_quickly(shown, tmp_path):
    jobs = [FakeJob(n, ("running", "failed")[n % 2]) for n in range(1_000)]
    table = shown(jobs)
    until(lambda: all(row["percent"] == 25.0 for row in table.rows.values()))
    script = """
    const took = (act) => {
      const began = performance.now();
      act();
      document.body.offsetHeight;
      return performance.now() - began;
    };
    const again = document.createElement("div");
    document.body.append(again);
    const lay = took(() => widget.render({ model, el: again }));
    const changes = Object.values(model.get("rows")).slice(0, 100).map((row) => ({ ...row, percent: 99 }));
    const change = took(() => arrive({ changes }));
    const filter = took(() => arrive({ filter: "failed" }));
    return { lay, change, filter, count: again.querySelectorAll("tbody tr").length };
    """
    found = opened(tmp_path, table, script)
    assert found["count"] == 500
    assert found["lay"] < 3_000
    assert found["change"] < 1_000
    assert found["filter"] < 1_500
