"""The panel in a real JupyterLab: a run is started, watched, looked into, cancelled; pages and servers come and go."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from panel_lab import CONTRAST, run_from_browser, show_browser, show_panel, state, until


def listed(lab, program: str, *words: str) -> str:
    """What a program of the environment of a JupyterLab prints."""
    command = [str(Path(lab.python).parent / program), *words]
    ran = subprocess.run(command, env=lab.environment, cwd=lab.folder, capture_output=True, text=True, check=True)
    return ran.stdout + ran.stderr


def test_the_panel_is_enabled_and_well(lab):
    panels = listed(lab, "jupyter-labextension", "list")
    line = next(line for line in panels.splitlines() if "dmod-jupyterlab" in line)
    assert "enabled" in line
    assert "OK" in line


def test_the_server_extension_is_enabled_and_well(lab):
    assert lab.ask("status")["root"] == str(lab.root)
    if os.environ.get("DMOD_TEST_LAB"):  # elsewhere the server is told of it when it is started
        extensions = listed(lab, "jupyter-server", "extension", "list")
        assert re.search(r"dmod\.gateway\.jupyter\S* *\S*OK", extensions)


def test_a_run_directory_is_run_from_the_file_browser_and_looked_into(lab, visit, shot):
    page = visit(lab)
    page.get_by_text("No jobs yet.").wait_for()
    shot(page, "empty")
    show_browser(page)
    page.locator(".jp-DirListing-item", has_text="mad-river").click(button="right")
    shot(page, "menu")
    page.keyboard.press("Escape")
    run_from_browser(page, "mad-river")
    state(page, "complete", "mad-river").wait_for()
    tab = page.locator(".dmod-Job")
    tab.get_by_role("heading", name="mad-river").wait_for()
    assert tab.locator('.dmod-Verb[data-stage="done"]').count() == 7
    assert tab.get_by_role("progressbar").get_attribute("aria-valuetext") == "100 %"

    tab.get_by_role("tab", name="Outputs").click()
    tab.locator(".dmod-Plot canvas").wait_for()
    assert tab.get_by_label("Variable").input_value() == "nexus_flow"
    shot(page, "outputs")
    tab.get_by_role("tab", name="Log").click()
    tab.locator(".dmod-LogLine", has_text="complete: outputs in").wait_for()
    tab.get_by_role("tab", name="Plan").click()
    tab.locator(".dmod-Pre").wait_for()
    tab.get_by_role("tab", name="Inputs").click()
    tab.get_by_role("cell", name="realization.json").wait_for()
    tab.get_by_role("tab", name="Resources").click()
    tab.locator(".dmod-Plot canvas").wait_for()

    page.locator(".dmod-Panel").get_by_role("tab", name="Datasets").click()
    page.locator(".dmod-Dataset summary", has_text="mad-river").click()
    page.locator(".dmod-Dataset", has_text="2015-10-01T00:00Z").wait_for()
    shot(page, "datasets")


def test_a_run_is_watched_across_a_reload_and_a_restart_of_the_server(lab, visit, shot):
    lab.go.unlink(missing_ok=True)
    page = visit(lab)
    run_from_browser(page, "slow-river")
    state(page, "running", "slow-river").wait_for()
    bar = page.locator(".dmod-Job").get_by_role("progressbar")
    until(lambda: float(bar.get_attribute("aria-valuenow") or 0) >= 5)
    page.locator(".dmod-Job").get_by_role("tab", name="Log").click()
    page.locator(".dmod-LogLine", has_text="running").first.wait_for()
    page.locator(".dmod-VerbTime", has_text="s").first.wait_for()
    shot(page, "running")

    page = visit(lab, reset=False)
    state(page, "running", "slow-river").wait_for()
    page.locator(".dmod-Job").get_by_role("heading", name="slow-river").wait_for()

    lab.stop()
    page.locator(".dmod-Panel .dmod-Presence", has_text="does not answer").wait_for()
    shot(page, "away")
    lab.start()
    until(lambda: page.locator(".dmod-Panel .dmod-Presence").inner_text() == "" or page.wait_for_timeout(200))
    lab.go.touch()
    state(page, "complete", "slow-river").wait_for()


def test_a_job_is_cancelled_restarted_and_deleted_once_that_is_confirmed(lab, visit):
    lab.go.unlink(missing_ok=True)
    page = visit(lab)
    run_from_browser(page, "slow-river")
    state(page, "running", "slow-river").wait_for()
    tab = page.locator(".dmod-Job")
    tab.get_by_role("button", name="Cancel").click()
    tab.locator(".dmod-JobTitle .dmod-State", has_text="cancelled").wait_for()
    lab.go.touch()
    tab.get_by_role("button", name="Restart").click()
    tab.locator(".dmod-JobTitle .dmod-State", has_text="complete").wait_for()
    jobs = len(lab.ask("jobs")["jobs"])

    tab.get_by_role("button", name="Delete").click()
    page.locator(".jp-Dialog-button", has_text="Cancel").click()
    assert len(lab.ask("jobs")["jobs"]) == jobs
    tab.get_by_role("button", name="Delete").click()
    page.locator(".jp-Dialog-button", has_text="Delete").click()
    page.get_by_text("is not there any more").wait_for()
    assert len(lab.ask("jobs")["jobs"]) == jobs - 1


def test_what_is_wrong_with_a_request_is_said_in_the_dialog_which_stays(lab, visit, shot):
    page = visit(lab)
    page.get_by_role("button", name="Run a directory …").first.click()
    page.get_by_label("Run directory").fill("no-such-river")
    page.locator(".dmod-Dialog .jp-mod-accept").click()
    page.locator(".dmod-Form .dmod-Trouble", has_text="there is no such run directory").wait_for()
    assert page.get_by_label("Run directory").input_value() == "no-such-river"
    shot(page, "refused")
    page.locator(".dmod-Dialog .jp-mod-reject").click()


def test_a_page_whose_login_has_expired_says_so(lab, visit):
    page = visit(lab)
    page.locator('.dmod-Presence[data-phase="live"]').wait_for(state="attached")
    before = lab.token
    lab.stop()
    page.context.clear_cookies()  # before it could be let in once more
    lab.token = "another-one"
    lab.start()
    try:
        page.locator(".dmod-Panel .dmod-Presence", has_text="login has expired").wait_for()
    finally:
        lab.stop()
        lab.token = before
        lab.start()


def test_nothing_is_open_while_the_panel_is_hidden(lab, page, visit):
    streams: list[object] = []
    page.on("websocket", lambda one: streams.append(one) if "dmod/api/stream" in one.url else None)
    visit(lab)
    page.locator('.dmod-Presence[data-phase="live"]').wait_for(state="attached")
    assert len(streams) == 1
    show_browser(page)
    until(lambda: streams[0].is_closed() or page.wait_for_timeout(100))
    show_panel(page)
    until(lambda: len(streams) == 2 or page.wait_for_timeout(100))
    assert "cursor=" in streams[1].url


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_words_can_be_read_in_either_theme(lab, visit, shot, theme):
    """Text has a contrast of 4.5 to 1 at least, secondary text 3 to 1 as JupyterLab's own has."""
    lab.theme(theme)
    page = visit(lab)
    page.locator(".dmod-Row").first.click()
    page.locator(".dmod-Job .dmod-Line").wait_for()
    page.wait_for_function("document.body.dataset.jpThemeLight !== undefined")
    contrast = page.evaluate(
        CONTRAST, [".dmod-Name", ".dmod-State", ".dmod-RowText", ".dmod-Facts dt", ".dmod-VerbName"]
    )
    shot(page, "light" if theme.endswith("Light") else "dark")
    assert contrast[".dmod-Name"] >= 4.5
    assert contrast[".dmod-State"] >= 4.5
    assert min(contrast.values()) >= 3.0
