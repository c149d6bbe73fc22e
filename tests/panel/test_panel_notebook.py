"""The panel in Notebook 7: beside its list of files, and beside a notebook."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

import pytest
from panel_lab import Lab, ready_lab, state, until
from requiring import cannot

from dmod.testing.rivers import tiny_run_directory


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A Notebook 7 with a small river and a notebook below its root."""
    made = ready_lab(tmp_path_factory.mktemp("notebook"), program="notebook")
    if subprocess.run([made.python, "-c", "import notebook.app"], capture_output=True, check=False).returncode:
        cannot("there is no Notebook 7: pip install 'notebook>=7'")
    tiny_run_directory(made.root / "tiny-river", hours=24)
    empty = {
        "cells": [],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (made.root / "empty.ipynb").write_text(json.dumps(empty))
    made.start()
    yield made
    made.stop()


def show_jobs(page) -> None:
    """Bring the panel into sight by the menu, which has it once the page has settled."""
    from playwright.sync_api import TimeoutError as TooLong

    item = page.locator(".lm-Menu-item", has_text="Show dmod")

    def offered() -> bool:
        with contextlib.suppress(TooLong):
            page.get_by_role("menuitem", name="View").click(timeout=10_000)
            page.locator(".lm-Menu-item", has_text="Left Sidebar").hover(timeout=5000)
            item.wait_for(timeout=1000)
        if not item.is_visible():
            page.keyboard.press("Escape")
        return bool(item.is_visible())

    until(offered)
    item.click()
    page.locator(".dmod-Panel").wait_for()


def test_a_directory_is_run_and_looked_into_from_the_files_and_beside_a_notebook(notebook, page, shot):
    page.goto(f"{notebook.url}tree?token={notebook.token}")
    page.locator(".jp-DirListing-item", has_text="tiny-river").click(button="right")
    page.get_by_role("menuitem", name="Run with dmod").click()
    page.locator(".dmod-Dialog .jp-mod-accept").click()
    state(page, "complete", "tiny-river").wait_for()
    tab = page.locator(".dmod-Job")
    tab.get_by_role("tab", name="Outputs").click()
    tab.locator(".dmod-Plot canvas").wait_for()
    shot(page, "notebook")
    title = page.locator(".lm-TabBar-tab", has_text="tiny-river")
    title.locator(".lm-TabBar-tabCloseIcon").click()
    tab.wait_for(state="detached")
    page.locator(".lm-TabBar-tab", has_text="Files").click()
    page.locator(".jp-DirListing-item", has_text="tiny-river").wait_for()

    page.goto(f"{notebook.url}notebooks/empty.ipynb")
    page.locator(".jp-Notebook").wait_for()
    show_jobs(page)
    state(page, "complete", "tiny-river").click()
    tab.get_by_role("heading", name="tiny-river").wait_for()
    until(lambda: (tab.locator("xpath=..").bounding_box() or {})["height"] > 200 or page.wait_for_timeout(100))
    shot(page, "notebook-below")
    assert page.locator(".jp-Notebook").is_visible()
