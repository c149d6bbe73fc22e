"""How good a run is, in the panel: it is compared, looked at, kept, found again; what cannot be compared is said."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panel_lab import CONTRAST, Lab, run_from_browser, state, until

from dmod.formats.outputs import open_outputs

#: A name that would do something if it were HTML.
EVIL = '<img src=x onerror="window.evil=1">'
DAYS = 10
#: The page of an evaluation, of the tab that is shown.
FRAME = ".dmod-Explorer iframe:visible"


@dataclass
class River:
    """A run that is complete, and what was observed of it."""

    lab: Lab
    job: str
    gage: str
    nexus: str

    def observe(self, name: str, sites: dict[str, np.ndarray], units: str = "m3 s-1") -> str:
        """Write observations below the root of the lab; their path."""
        path = self.lab.root / "observations" / name
        path.parent.mkdir(exist_ok=True)
        frames = [pd.DataFrame({"time": self.times, "site": site, f"flow [{units}]": q}) for site, q in sites.items()]
        pd.concat(frames).to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
        return str(path.relative_to(self.lab.root))

    @property
    def times(self) -> Any:
        """The last days, hour by hour."""
        return self.flow["time"].to_index()

    @cached_property
    def flow(self) -> Any:
        """What was simulated at every nexus, in the last days."""
        with open_outputs(self.lab.root / "mad-river" / "outputs" / "dmod") as outputs:
            return outputs["nexus_flow"].isel(time=slice(-24 * DAYS, None)).load()

    @property
    def nexuses(self) -> list[str]:
        """Where there is flow."""
        return [str(nexus) for nexus in self.flow["nexus-id"].values]

    def at(self, nexus: str) -> np.ndarray:
        """What was simulated at a nexus [m3 s-1]."""
        return np.asarray(self.flow.sel({"nexus-id": nexus}).transpose("time"))


def met(lab: Lab) -> River:
    """The quick river; run, unless that was done."""
    done = [job["id"] for job in lab.ask("jobs")["jobs"] if job["name"] == "mad-river"]
    job = done[0] if done else lab.ask("jobs", "POST", {"directory": "mad-river"})["id"]
    until(lambda: lab.ask(f"jobs/{job}")["state"] == "complete")
    gage = lab.ask(f"jobs/{job}/gages")["gages"][0]
    return River(lab, job, gage["gage"], gage["place"])


def wavy(flow: np.ndarray, by: float = 0.2) -> np.ndarray:
    """A flow that is off by a part of it, to and fro."""
    return flow * (1 + by * np.sin(np.arange(len(flow)) / 5))


def compare(page: Any, **answers: str) -> Any:
    """Fill in the form and compare; the page that then tells."""
    form = page.locator(".dmod-Evaluation")
    form.locator("form").wait_for()
    for label, answer in answers.items():
        form.get_by_label(label.replace("_", " "), exact=True).fill(answer)
    form.get_by_role("button", name="Evaluate").click()
    return form


def evaluation_page(page: Any) -> None:
    """The Evaluation page of the quick river, by the menu of its row."""
    page.locator(".dmod-Row", has_text="mad-river").first.click(button="right")
    page.get_by_role("menuitem", name="Evaluate …").click()


def drawn(page: Any) -> bool:
    """Whether the explorer has drawn: its canvases have pixels of more than one colour."""
    page.locator(FRAME).scroll_into_view_if_needed()  # a browser draws what is in sight
    frame = page.frame_locator(FRAME)
    frame.locator("canvas").first.wait_for()
    colours = frame.locator("canvas").first.evaluate(COLOURS)
    return bool(colours > 2 or page.wait_for_timeout(50))


COLOURS = """
canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}
"""


def test_a_run_is_compared_from_its_tab_and_the_answer_is_kept_and_found_again(lab, visit):
    page = visit(lab)
    run_from_browser(page, "mad-river")
    state(page, "complete", "mad-river").wait_for()
    river = met(lab)
    path = river.observe("gage.csv", {river.gage: wavy(river.at(river.nexus))})
    tab = page.locator(".dmod-Job")
    tab.get_by_role("tab", name="Evaluation").click()
    choices = tab.get_by_label("Gage").locator("option")
    choices.first.wait_for(state="attached")
    assert choices.all_inner_texts() == ["every gage", f"{river.gage} ({river.nexus})"]

    asked = {"Observations": path, "Metrics": "kge, nse, pbias, rmse"}
    form = compare(page, **asked, Keep_as="mad-river-kept")
    form.get_by_role("status").get_by_text("1 row of scores").wait_for()
    kge = lab.ask(f"jobs/{river.job}/evaluate", "POST", {"observations": path, "metrics": ["kge"]})["rows"][0]
    told = form.locator(".dmod-Scores tbody tr").inner_text().split()
    assert told[:3] == [river.nexus, river.gage, f"{kge['values'][0]:.2f}"]
    header = " ".join(form.locator(".dmod-Scores thead").inner_text().split())
    assert "RMSE [m³ s⁻¹] ideal 0" in header
    until(lambda: drawn(page))
    assert page.locator(FRAME).get_attribute("sandbox") == "allow-scripts"

    asks: list[str] = []
    page.on("request", lambda one: asks.append(one.url) if one.url.endswith("/evaluate") else None)
    tab.get_by_role("tab", name="Log").click()
    tab.get_by_role("tab", name="Evaluation").click()
    form.locator(".dmod-Scores tbody tr").wait_for()
    assert form.get_by_label("Observations", exact=True).input_value() == path
    assert asks == [], "the answer is still there"

    panel = page.locator(".dmod-Panel")
    panel.get_by_role("tab", name="Evaluations").click()
    panel.get_by_label("Search evaluations").fill("river-kept")
    panel.locator(".dmod-Opener", has_text="mad-river-kept").press("Enter")
    page.locator(".dmod-JobTitle", has_text=f"{river.nexus} against gage").wait_for()
    until(lambda: drawn(page))
    until(lambda: b"mad-river-kept" in lab.request("lab/api/workspaces"))  # JupyterLab keeps its layout a moment later
    page = visit(lab, reset=False)
    page.locator(".lm-TabBar-tab", has_text="mad-river-kept").click()
    page.locator(".dmod-Scores tbody tr", has_text=river.nexus).wait_for()
    until(lambda: drawn(page))


def test_what_is_wrong_is_said_as_text_and_the_form_recovers(lab, visit):
    river = met(lab)
    page = visit(lab)
    evaluation_page(page)
    form = compare(page, Observations=f"observations/{EVIL}.csv")
    words = form.get_by_label("Keep as")
    words.press_sequentially("ac")
    words.press("ArrowLeft")
    words.press_sequentially("b")
    assert words.input_value() == "abc", "the caret stays where it is"
    words.fill("")
    form.locator(".dmod-Trouble", has_text=f"there are no observations 'observations/{EVIL}.csv'").wait_for()
    path = river.observe(f"{EVIL}.csv", {river.gage: wavy(river.at(river.nexus))})
    form.get_by_text("More options").click()
    form = compare(page, Nexus=river.nexus)
    form.get_by_role("status").get_by_text("1 row of scores").wait_for()
    assert form.locator(".dmod-Trouble").count() == 0
    title = form.locator("h3").first.inner_text()
    assert EVIL in title or river.gage in title
    assert form.get_by_label("Observations", exact=True).input_value() == path
    assert page.evaluate("window.evil") is None
    assert page.frame_locator(FRAME).locator("canvas").first.evaluate("() => window.evil") is None
    assert page.locator("img[src=x]").count() == 0


def test_scores_of_many_places_are_ordered_by_their_headers_and_what_is_missing_has_its_reason(lab, visit, shot):
    river = met(lab)
    seen = {
        str(nexus): wavy(river.at(nexus), by)
        for nexus, by in zip(river.nexuses, np.linspace(0, 1.6, len(river.nexuses)), strict=True)
    }
    seen[river.nexus] = np.full(24 * DAYS, 1.0)
    path = river.observe("every.csv", seen)
    page = visit(lab)
    evaluation_page(page)
    form = compare(page, Observations=path, Metrics="nse, mae")
    form.locator(".dmod-Scores tbody tr").nth(5).wait_for()
    places = form.locator(".dmod-Scores tbody th")
    header = form.locator(".dmod-Scores th", has_text="NSE")
    assert header.get_attribute("aria-sort") == "none"
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    down = places.all_inner_texts()
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    up = places.all_inner_texts()
    assert sorted(up) == sorted(seen)
    assert up[:-1] == down[:-1][::-1]
    assert up[-1] == down[-1] == river.nexus, "what has no score comes last"
    gap = form.locator(".dmod-Scores tbody tr").last.locator("td").first
    assert gap.get_attribute("title") == "observations never vary"
    form.get_by_role("listitem").get_by_text(f"nse at {river.nexus}: observations never vary").wait_for()
    shot(page, "scores")


def test_a_job_that_is_not_complete_says_so_and_an_evaluation_is_removed_from_the_list(lab, visit):
    lab.go.unlink(missing_ok=True)
    river = met(lab)
    path = river.observe("short.csv", {river.gage: wavy(river.at(river.nexus))})
    lab.ask(f"jobs/{river.job}/evaluate", "POST", {"observations": path, "keep": "to-be-removed"})
    slow = lab.ask("jobs", "POST", {"directory": "slow-river"})["id"]
    page = visit(lab)
    page.locator(f'.dmod-Row[data-job="{slow}"]').click()
    page.locator(".dmod-Job").get_by_role("tab", name="Evaluation").click()
    page.get_by_text("Once the job is complete").wait_for()
    lab.ask(f"jobs/{slow}/cancel", "POST")

    panel = page.locator(".dmod-Panel")
    panel.get_by_role("tab", name="Evaluations").click()
    panel.get_by_role("button", name="Remove to-be-removed").click()
    page.locator(".jp-Dialog-button", has_text="Remove").click()
    panel.locator(".dmod-Opener", has_text="to-be-removed").wait_for(state="detached")
    assert "to-be-removed" not in {one["name"] for one in lab.ask("datasets?format=evaluation")["datasets"]}


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_scores_can_be_read_in_either_theme(lab, visit, shot, theme):
    river = met(lab)
    off = zip(river.nexuses[:4], (0.95, 0.05, 0.5, 0.75), strict=True)
    path = river.observe("gages.csv", {nexus: wavy(river.at(nexus), by) for nexus, by in off})
    lab.theme(theme)
    page = visit(lab)
    evaluation_page(page)
    form = compare(page, Observations=path, Metrics="kge, nse, pbias, mae")
    form.locator(".dmod-mod-score[data-side=far]").first.wait_for()
    form.locator(".dmod-mod-score[data-side=near]").first.wait_for()
    ground = page.frame_locator(FRAME).locator("body").evaluate("node => getComputedStyle(node).backgroundColor")
    assert ground == ("rgb(22, 25, 29)" if theme.endswith("Dark") else "rgb(255, 255, 255)")
    contrast = page.evaluate(CONTRAST, [".dmod-mod-score", ".dmod-Header", ".dmod-Field > span"])
    until(lambda: drawn(page))
    page.set_viewport_size({"width": 1280, "height": 960})
    page.locator(".dmod-JobWidget").evaluate("node => node.scrollTo(0, 265)")
    until(lambda: drawn(page))
    shot(page, "evaluation" if theme.endswith("Light") else "evaluation-dark")
    assert contrast[".dmod-mod-score"] >= 4.5
    assert min(contrast.values()) >= 3.0
