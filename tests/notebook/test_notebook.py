"""A job in a real notebook: a card that lives, and stays readable once saved."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from dmod.prepare.basin import make_basin

WIDGET = "application/vnd.jupyter.widget-view+json"

RUN = """\
import dmod
job = dmod.run({directory!r})
job
"""
WAIT = """\
job.wait(60)
job
"""
BROKEN = """\
import dmod.errors
broken = dmod.run({directory!r} + "-that-is-not-there")
try:
    broken.wait(60)
except dmod.errors.DmodError as problem:
    print(type(problem).__name__)
broken
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The notebook after a run of all its cells, read back from its file."""
    folder = tmp_path_factory.mktemp("notebook")
    basin = make_basin(folder / "mad-river", catchments=6, days=2)
    texts = [text.format(directory=str(basin.directory)) for text in (RUN, WAIT, BROKEN)]
    # A card asks twice a second: give the first one time to hear of the end.
    texts.append("import time\ntime.sleep(2)\njob")
    notebook = new_notebook(cells=[new_code_cell(text) for text in texts])
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    nbformat.write(notebook, folder / "saved.ipynb")
    return nbformat.read(folder / "saved.ipynb", as_version=4)


def shown(cell) -> dict[str, object]:
    """What a cell displays as its last value."""
    return next(output["data"] for output in cell["outputs"] if output["output_type"] == "execute_result")


def test_no_cell_raises_or_complains(saved):
    for cell in saved["cells"]:
        kinds = [(o["output_type"], o.get("name")) for o in cell["outputs"]]
        assert ("error", None) not in kinds
        assert ("stream", "stderr") not in kinds


def test_a_job_is_a_live_widget_with_a_card_for_when_there_is_no_kernel(saved):
    for cell in saved["cells"]:
        data = shown(cell)
        assert data[WIDGET]["model_id"]
        assert "mad-river" in data["text/html"]
        assert 'role="progressbar"' in data["text/html"]


def test_after_the_end_the_card_says_complete(saved):
    card = shown(saved["cells"][1])["text/html"]
    assert "complete" in card
    assert "100 %" in card
    assert "outputs" in card


def test_the_card_of_a_failed_job_says_why(saved):
    cell = saved["cells"][2]
    assert next(o["text"] for o in cell["outputs"] if o["output_type"] == "stream").endswith("Error\n")
    card = shown(cell)["text/html"]
    assert "failed" in card
    assert "mad-river-that-is-not-there" in card


def test_the_widget_of_the_first_cell_has_followed_its_job_to_the_end(saved):
    model = shown(saved["cells"][0])[WIDGET]["model_id"]
    states = saved["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert states[model]["state"]["shown"]["state"] == "complete"
    assert states[model]["state"]["shown"]["percent"] == 100.0
