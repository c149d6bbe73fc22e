"""How quick the views in JupyterLab are: a panel of a thousand jobs, a hydrograph of a million points.

``python tests/benchmarks/panel.py`` prints each figure beside its goal, and beside what something
of the kind takes in the same browser: JupyterLab's own file browser with a thousand files, and
uPlot with all of the points. Needs Chromium, and the panel as it was built in ``jupyter_ext``, or
installed in the environment that ``DMOD_TEST_LAB`` names.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

TESTS = Path(__file__).parents[1]
for _place in (TESTS, TESTS / "view", TESTS / "panel"):
    sys.path.insert(0, str(_place))

JOBS = 1000
POINTS = 1_000_000


def line(what: str, value: str, *, met: bool, goal: str, more: str = "") -> None:
    """Print a figure."""
    print(f"{what:<52} {value:>12}   goal {goal:<10} {'ok' if met else 'MISSED':<7} {more}", flush=True)


#: Frames while a hand drags for three seconds: how many in a second, and the longest of them [ms].
DRAGGED = """
const frames = [];
const end = performance.now() + 3000;
let before = performance.now();
for (let n = 0; before < end; n++) {
  step(n);
  await new Promise(requestAnimationFrame);
  const now = performance.now();
  frames.push(now - before);
  before = now;
}
const sum = frames.reduce((a, b) => a + b, 0);
return { rate: 1000 * frames.length / sum, longest: Math.max(...frames) };
"""

#: The panel is moved to and fro.
OURS = (
    """
const bounds = given.more;
const step = (n) => {
  const shift = (bounds[1] - bounds[0]) * 0.2 * Math.sin(n / 20);
  arrive({ window: [0.3, 0.7].map((share) => bounds[0] + share * (bounds[1] - bounds[0]) + shift) });
};
"""
    + DRAGGED
)

#: uPlot with every point, dragged alike.
UPLOT = (
    """
const count = given.more.count;
const time = Float64Array.from({ length: count }, (_, n) => 631152000 + 900 * n);
const obs = Float64Array.from(time, (_, n) => 2 + Math.sin(n / 500));
const sim = obs.map((value) => value / 2);
const url = URL.createObjectURL(new Blob([atob(given.more.uplot)], { type: "text/javascript" }));
const Plot = (await import(url)).default;
const holder = document.createElement("div");
document.body.append(holder);
const options = { width: 980, height: 300, series: [{}, { stroke: "black" }, { stroke: "red" }] };
const plot = new Plot(options, [time, obs, sim], holder);
const whole = time[count - 1] - time[0];
const step = (n) => {
  const shift = whole * 0.2 * Math.sin(n / 20);
  plot.setScale("x", { min: time[0] + 0.3 * whole + shift, max: time[0] + 0.7 * whole + shift });
};
"""
    + DRAGGED
)


def hydrograph(folder: Path) -> None:
    """Frames in a second while a hydrograph of a million points is dragged."""
    from evaluation_made import score, series
    from widget_page import opened

    from dmod.evaluation.evaluation import Evaluation
    from dmod.view.evaluation_panel import EvaluationPanel

    obs = 2 + np.sin(np.arange(POINTS) / 500)
    pairs = series(0.5 * obs, obs, start="1990-01-01", step="15min")
    panel = EvaluationPanel(Evaluation(xr.Dataset({"kge": score("kge", 0.8)}), pairs, "long"))
    start_ms = 631_152_000_000.0
    bounds = [start_ms, start_ms + 900_000.0 * (POINTS - 1)]
    source = TESTS.parent / "jupyter_ext" / "node_modules" / "uplot" / "dist" / "uPlot.esm.js"
    uplot = {"count": POINTS, "uplot": base64.b64encode(source.read_bytes()).decode()} if source.is_file() else None
    ours, theirs = [], []
    for n in range(3):
        for found, script, more in ((ours, OURS, bounds), (theirs, UPLOT, uplot)):
            if more is not None:
                place = folder / f"{n}-{len(found)}-{found is ours}"
                place.mkdir()
                found.append(opened(place, panel, script, more=more))
    rate = statistics.median(one["rate"] for one in ours)
    beside = ""
    if theirs:
        others = statistics.median(one["rate"] for one in theirs)
        beside = f"uPlot with all points: {others:.0f}; {rate / others:.1f} times as many"
    longest = statistics.median(one["longest"] for one in ours)
    line(
        f"a hydrograph of {POINTS:,} points, dragged", f"{rate:.0f} frames/s", met=rate >= 30, goal="30",
        more=f"the longest took {longest:.0f} ms; {beside}",
    )  # fmt: skip


def panel(folder: Path) -> None:
    """What a panel of a thousand jobs takes to open, and then; and while a hundred events a second come."""
    from panel_lab import ARGUMENTS, CHROMIUM, ready_lab, show_browser
    from playwright.sync_api import sync_playwright
    from test_panel_many import LONGEST_FRAME, OPENING, add, busy_s, move

    from dmod.job.lifecycle import State
    from dmod.job.record import Progress
    from dmod.service import LocalService
    from dmod.settings import Settings

    lab = ready_lab(folder / "lab", options=["--Dmod.conduct=False"])
    (lab.root / "many").mkdir()
    for n in range(JOBS):
        (lab.root / "many" / f"river-{n}.txt").touch()
    lab.start()
    service = LocalService(Settings(home=lab.home))
    try:
        with sync_playwright() as driver, driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as browser:
            first, *_ = add(service, *(f"river-{n}" for n in range(JOBS)))

            def page_of(path: str) -> Any:
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                page.goto(f"{lab.url}lab{path}?token={lab.token}&reset")
                page.locator(".jp-Launcher").first.wait_for(timeout=120_000)
                return page

            ours, theirs, rests, rests_without = [], [], [], []
            for _ in range(3):
                page = page_of("")
                show_browser(page)
                theirs.append(_folder_opens(page))
                rests_without.append(_at_rest(page, busy_s))
                page.evaluate(OPENING)
                page.locator('.jp-SideBar [data-id="dmod-panel"]').click()
                ours.append(page.evaluate("window.opened"))
                rests.append(_at_rest(page, busy_s))
                page.close()
            took = statistics.median(ours)
            line(
                f"a panel of {JOBS:,} jobs opens", f"{took:.2f} s", met=took <= 1, goal="1 s",
                more=f"a folder of {JOBS:,} files in the file browser: {statistics.median(theirs):.2f} s; "
                f"{statistics.median(theirs) / took:.1f} times as quick",
            )  # fmt: skip
            share = statistics.median(rests)
            line(
                "at rest", f"{share:.1%} CPU", met=share <= 0.02, goal="2 %",
                more=f"the same page with the file browser in its place: {statistics.median(rests_without):.1%}",
            )  # fmt: skip
            page = page_of("")
            page.locator('.jp-SideBar [data-id="dmod-panel"]').click()
            page.locator(".dmod-Row").first.wait_for()
            move(service, first, State.RUNNING, "begun")
            over = threading.Event()

            def flood() -> None:
                for n in range(10_000):
                    if over.wait(0.01):
                        return
                    progress = Progress(done=n, total=10_000, elapsed_s=n / 100)
                    service.ledger.append(first, "a test", None, f"event {n}", progress=progress)

            thread = threading.Thread(target=flood)
            thread.start()
            time.sleep(1)
            longest = page.evaluate(LONGEST_FRAME)
            over.set()
            thread.join()
            line("100 events a second: the longest frame", f"{longest:.0f} ms", met=longest < 250, goal="250 ms")
    finally:
        service.close()
        lab.stop()


def _folder_opens(page: Any) -> float:
    """Seconds from a double click on the folder of files until they are drawn."""
    row = page.locator(".jp-DirListing-item", has_text="many")
    row.wait_for()
    began = time.monotonic()
    row.dblclick()
    page.locator(".jp-DirListing-item", has_text="river-").first.wait_for()
    return time.monotonic() - began


def _at_rest(page: Any, busy_s: Callable[[Any], float]) -> float:
    """Share of a core that a page takes when nothing happens."""
    page.wait_for_timeout(3000)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before, began = busy_s(session), time.monotonic()
    page.wait_for_timeout(5000)
    return (busy_s(session) - before) / (time.monotonic() - began)


def bundle(_folder: Path) -> None:
    """What a browser loads of the panel, but for plots."""
    from test_panel_package import built

    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in built().glob("*.js")}
    whole = sum(sizes.values()) / 1000
    line("the bundle, gzipped, with its plots", f"{whole:.1f} kB", met=whole <= 500, goal="500 kB")


def main() -> None:
    """Measure everything, or what is named."""
    measures = {"panel": panel, "hydrograph": hydrograph, "bundle": bundle}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("which", nargs="*", choices=[*measures, []])
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load of others {os.getloadavg()[0]:.1f}")
    for name in given.which or measures:
        with tempfile.TemporaryDirectory(prefix="dmod-bench-") as folder:
            measures[name](Path(folder))


if __name__ == "__main__":
    main()
