"""Progress of any long work: on a terminal, from threads, and in a browser."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from widget_page import opened

from dmod.errors import InputError
from dmod.view import progress
from dmod.view.progress import Progress, as_html


class Terminal(io.StringIO):
    def isatty(self):
        return True


def told_to(stream, monkeypatch):
    """Has progress write to *stream*."""
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream, modules=sys.modules))
    return stream


@pytest.fixture
def terminal(monkeypatch):
    return told_to(Terminal(), monkeypatch)


def test_what_is_gone_through_is_given_on_and_counted(terminal):
    work = Progress(iter("abc"), "fetching", total=3)
    assert list(work) == ["a", "b", "c"]
    assert (work.done, len(work)) == (3, 3)
    assert terminal.getvalue().endswith("\n")
    last = terminal.getvalue().rstrip("\n").split("\r")[-1]
    assert last.startswith("fetching   100 %  3 of 3 · ")
    assert "done after" in last


def test_a_line_on_a_terminal_is_written_over_and_holds_no_control_letters(terminal, monkeypatch):
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    with Progress(label="a\x1b[31m\nb", total=2) as work:
        work.advance(message="a very long message")
        work.advance(message="")
    lines = terminal.getvalue().rstrip("\n").split("\r")[1:]
    assert len(lines) == 4
    assert len(lines[2]) >= len(lines[1].rstrip())
    assert "\x1b" not in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


def test_where_nothing_can_be_written_over_there_is_one_line(monkeypatch):
    stream = told_to(io.StringIO(), monkeypatch)
    for _ in Progress(range(5), "reading"):
        assert stream.getvalue() == ""
    assert stream.getvalue().count("\n") == 1


def test_threads_tell_of_their_steps_and_none_is_lost(terminal):
    with Progress(label="cells", total=8_000) as work:
        threads = [threading.Thread(target=lambda: [work.advance() for _ in range(1_000)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert work.done == 8_000
    assert work.reached()["percent"] == 100.0


@pytest.mark.parametrize(
    ("problem", "state", "message"),
    [(ValueError("no such gage"), "failed", "ValueError: no such gage"), (KeyboardInterrupt(), "stopped", "")],
)
def test_what_ends_early_says_so_and_is_raised(terminal, problem, state, message):
    work = Progress(label="reading", total=4)

    def fails():
        with work:
            work.advance()
            raise problem

    with pytest.raises(type(problem)):
        fails()
    assert (work.reached()["state"], work.reached()["message"]) == (state, message)
    assert work.reached()["percent"] == 25.0


def test_a_loop_that_is_left_is_stopped(terminal):
    work = Progress(range(10), "fetching")
    for item in work:
        if item == 3:
            break
    assert (work.done, work.reached()["state"]) == (3, "stopped")


def test_rate_and_time_left_are_of_late():
    work = Progress(label="x", total=100)
    work._begun, work.done = 0.0, 60
    work._spots.extend([(50.0, 40)])
    assert work.reached(now=60.0)["facts"] == "60 of 100 · 2/s · 20 s left"
    work.total = None
    assert work.reached(now=60.0)["percent"] is None
    assert work.reached(now=60.0)["facts"] == "60 · 2/s"


def test_what_makes_no_sense_is_told():
    with pytest.raises(InputError, match="not negative"):
        Progress(total=-1)
    with pytest.raises(InputError, match="nothing to go through"):
        list(Progress(label="x"))
    with pytest.raises(TypeError, match="nobody knows"):
        len(Progress(iter("ab")))


def test_a_reader_who_is_gone_does_not_end_the_work(monkeypatch):
    told_to(Terminal(), monkeypatch).close()
    assert list(Progress([1, 2])) == [1, 2]


def test_it_is_light():
    code = "import sys, dmod.view.progress as p; list(p.Progress([1])); "
    code += "print([m for m in ('anywidget', 'matplotlib', 'pandas', 'IPython') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_name_with_html_in_it_is_text():
    work = Progress(label="<script>alert(1)</script>", total=2)
    told = as_html({**work.reached(), "message": "<b>"})
    assert "<script" not in told
    assert "<b>" not in told
    assert 'role="progressbar"' in told


def test_the_browser_shows_it_and_a_screen_reader_hears_the_end(tmp_path):
    work = Progress(label="fetching <i>gages</i>", total=40)
    work.done = 12
    widget = progress._widget_class()(shown=dict(work.reached()))
    script = """
    const bar = () => el.querySelector('[role="progressbar"]');
    const read = () => [bar().getAttribute("aria-valuenow"), el.querySelector(".dmod-progress-percent").textContent,
      el.querySelector('[role="status"]').textContent];
    const first = read();
    arrive({ shown: { ...model.get("shown"), percent: 100, state: "done", tone: "good", facts: "40 of 40 · done" } });
    const last = read();
    arrive({ shown: { ...model.get("shown"), percent: null, state: "going", facts: "7" } });
    const open = [bar().hasAttribute("aria-valuenow"), bar().className.includes("open")];
    await end();
    return { first, last, open, label: el.querySelector(".dmod-progress-label").textContent, left: listening(),
      markup: el.querySelector("i") !== null };
    """
    found = opened(tmp_path, widget, script)
    assert found["first"] == ["30", "30 %", ""]
    assert found["last"] == ["100", "100 %", "fetching <i>gages</i>: 40 of 40 · done"]
    assert found["open"] == [False, True]
    assert found["label"] == "fetching <i>gages</i>"
    assert (found["left"], found["markup"]) == (0, False)
