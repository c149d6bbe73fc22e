"""Widgets in a real notebook: they live while it runs, and leave something to see once it is saved."""

from __future__ import annotations

import re
from copy import deepcopy

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from requiring import cannot

from dmod.prepare.basin import make_basin

WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"

JOBS = """\
import os, threading, time
import dmod
os.environ["DMOD_HOME"] = os.path.abspath("home")  # jobs of other tests may never end
session = dmod.connect()
job = session.run({directory!r})
table = dmod.JobTable(session.jobs)
table
"""
WAIT = """\
job.wait(120)
session.jobs
"""
#: What a table says between two cells is lost on those who save notebooks, so it says it again within one.
ENDED = """\
deadline = time.monotonic() + 60
while table.is_following and time.monotonic() < deadline:
    time.sleep(0.05)
table.send_state("rows")
table.is_following, table.rows[job.id]["state"]
"""
PROGRESS = """\
def fetch(work):
    for _ in range(20):
        work.advance(message="<b>gage</b>")

with dmod.Progress(label="fetching", total=40) as work:
    threads = [threading.Thread(target=fetch, args=(work,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
MAP = """\
board = dmod.DomainMap(job.domain, outputs=job.outputs, variable="nexus_flow")
board.selected = [str(board.scene["ids"][0])]
board
"""
PANEL = """\
import numpy as np, pandas as pd, xarray as xr
flow = job.outputs["nexus_flow"].compute()
one = flow.isel({{"nexus-id": 0}})
observed = xr.DataArray(one.values * 1.1 + 0.01, {{"time": one["time"].values}}, ("time",), attrs={{"units": "m3 s-1"}})
scores = dmod.evaluate(one, observed, metrics=["kge", "pbias"])
panel = dmod.EvaluationPanel(scores)
panel
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The notebook after a run of all its cells, read back from its file."""
    folder = tmp_path_factory.mktemp("notebook")
    basin = make_basin(folder / "mad-river", catchments=6, days=2)
    texts = [text.format(directory=str(basin.directory)) for text in (JOBS, WAIT, ENDED, PROGRESS, MAP, PANEL)]
    notebook = new_notebook(cells=[new_code_cell(text) for text in texts])
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources=resources).execute()
    nbformat.write(notebook, folder / "saved.ipynb")
    return nbformat.read(folder / "saved.ipynb", as_version=4)


def shown(cell):
    """What a cell displays."""
    return next(out["data"] for out in cell["outputs"] if out["output_type"] in ("execute_result", "display_data"))


def test_no_cell_complains(saved):
    for cell in saved["cells"]:
        assert [out for out in cell["outputs"] if out["output_type"] in ("error", "stream")] == []


def test_a_table_lives_to_the_end_of_its_jobs(saved):
    assert shown(saved["cells"][2])["text/plain"] == "(False, 'complete')"
    model = shown(saved["cells"][0])[WIDGET]["model_id"]
    state = saved["metadata"]["widgets"][STATE]["state"][model]["state"]
    (row,) = [row for row in state["rows"].values() if row["name"] == "mad-river"][:1]
    assert (row["state"], row["percent"]) == ("complete", 100.0)


def test_jobs_of_a_session_are_such_a_table(saved):
    data = shown(saved["cells"][1])
    assert data[WIDGET]["model_id"]
    assert "mad-river" in data["text/html"]
    assert 'role="progressbar"' in data["text/html"]


def test_progress_that_has_ended_asks_for_no_kernel(saved):
    data = shown(saved["cells"][3])
    assert WIDGET not in data
    assert "40 of 40" in data["text/html"]
    assert "done after" in data["text/plain"]


def test_map_and_panel_leave_pictures(saved):
    board, panel = (shown(saved["cells"][n]) for n in (4, 5))
    assert board[WIDGET]["model_id"]
    assert "data:image/svg+xml;base64," in board["text/html"]
    assert panel[WIDGET]["model_id"]
    assert "data:image/png;base64," in panel["text/html"]
    assert "<table" in panel["text/html"]


def test_a_page_of_a_notebook_without_widget_state_shows_all_of_them(saved):
    try:
        from nbconvert import HTMLExporter
    except ImportError:
        cannot("nbconvert is not installed")
    notebook = deepcopy(saved)
    del notebook["metadata"]["widgets"]
    page, _ = HTMLExporter(exclude_input=True).from_notebook_node(notebook)
    assert WIDGET not in page
    assert "model not found" not in page
    alts = re.findall(r'alt="(Hydrograph|Map) of', page)
    assert sorted(set(alts)) == ["Hydrograph", "Map"]
    assert len(re.findall(r'role="progressbar"', page)) >= 3
