"""A real JupyterLab with the panel in it, and a real browser that looks at it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from panel_lab import ARGUMENTS, CHROMIUM, PATIENCE_S, SLOW_FORMULATION, Lab, ready_lab, show_panel
from requiring import cannot

from dmod.prepare.basin import make_basin
from dmod.testing.rivers import tiny_run_directory

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: JupyterLab's own questions fail, and say so, while a test has its server stopped; Notebook 7 misses settings of
#: JupyterLab, with or without the panel.
THEIRS = ("Failed to fetch", "Cannot read properties of undefined (reading 'schema')")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try once more what fails in a browser, and say so: when JupyterLab has started to the end it moves the focus."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here and "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab below a base URL, with two rivers to run: a quick one and one that takes its time."""
    made = ready_lab(tmp_path_factory.mktemp("lab"), base="/user/ann%40b/")
    make_basin(made.root / "mad-river", catchments=60, days=60)
    tiny_run_directory(made.root / "slow-river", hours=400, formulation=SLOW_FORMULATION)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def idle_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab that conducts no jobs: whatever is put into its ledger stays as it is."""
    made = ready_lab(tmp_path_factory.mktemp("idle"), options=["--Dmod.conduct=False"])
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as the system has it; as long as it is there, nothing else in this process may have an event loop."""
    if not CHROMIUM:
        cannot("there is no chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own; nothing may go wrong in its scripts, and nothing is asked of other hosts."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_S * 1000)
    problems: list[str] = []
    opened.on("pageerror", lambda error: None if str(error).startswith(THEIRS) else problems.append(str(error)))
    opened.on("request", lambda one: None if _is_here(one.url) else problems.append(f"asked for {one.url}"))
    yield opened
    context.close()
    assert problems == []


def _is_here(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


@pytest.fixture
def visit(page: Page) -> Callable[..., Page]:
    """Opens a JupyterLab, with the panel in sight unless it is said otherwise."""

    def open_lab(lab: Lab, *, reset: bool = True, panel: bool = True) -> Page:
        page.goto(f"{lab.url}lab?token={lab.token}{'&reset' if reset else ''}")
        if panel:
            show_panel(page)
        return page

    return open_lab


@pytest.fixture
def shot(tmp_path: Path) -> Callable[[Page, str], None]:
    """Keeps a picture of a page: in ``DMOD_TEST_SCREENSHOTS`` where that names a folder."""
    folder = Path(os.environ.get("DMOD_TEST_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def keep(page: Page, name: str) -> None:
        from PIL import Image

        path = folder / f"panel-{name}.png"
        page.screenshot(path=path)
        with Image.open(path) as whole:
            small = whole.convert("RGB").quantize(160, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        small.save(path, optimize=True)

    return keep
