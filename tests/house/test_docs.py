"""What the documentation says is so: its tables agree with the code, and its examples run."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import typer

import dmod
from dmod.cli.commands import app
from dmod.job.lifecycle import LINE, State
from dmod.model.module import ModuleSpec
from dmod.testing.rivers import run_here, tiny_run_directory

HOUSE = Path(__file__).parents[2]
DOCS = HOUSE / "docs"
PAGES = sorted([*HOUSE.glob("*.md"), *(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)])
NOTEBOOKS = sorted((HOUSE / "examples").glob("*.ipynb"))


def text(name: str) -> str:
    """A page, by its path from the top of the project."""
    return (HOUSE / name).read_text(encoding="utf-8")


def table(page: str, first: str) -> list[list[str]]:
    """The rows of the table of a page whose first heading is *first*, cell by cell."""
    lines = page.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |")) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip().strip("|").split("|")])
    return rows


def blocks(page: str, language: str) -> list[str]:
    """The code of one language on a page, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Imports a piece of code as a module that workers in this process find too."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def as_module(name: str, code: str) -> ModuleType:
        (tmp_path / f"{name}.py").write_text(code)
        names.append(name)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield as_module
    for name in names:
        sys.modules.pop(name, None)


def test_the_page_of_the_line_has_the_line_of_the_code():
    rows = [(row[0], row[1], row[4]) for row in table(text("docs/line.md"), "verb")]
    assert rows[0] == ("request", "job", State.REQUESTED)
    assert rows[1:] == [(verb.name, verb.room, verb.after) for verb in LINE]


def test_every_option_of_run_and_check_is_explained():
    page = text("docs/run.md")
    commands = typer.main.get_command(app).commands
    for command in ("run", "check"):
        options = {o for p in commands[command].params for o in p.opts if o.startswith("--")} - {"--help"}
        assert {option for option in options if f"`{option}" not in page} == set()


def test_the_floors_of_the_architecture_page_are_those_that_are_held():
    held = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]["layers"]
    assert blocks(text("docs/architecture.md"), "text")[0].splitlines() == held


def test_the_architecture_page_names_every_room_and_says_which_are_empty():
    rows = {row[0]: row[2] for row in table(text("docs/architecture.md"), "room")}
    root = HOUSE / "dmod"
    rooms = {path.parent.name: list(path.parent.glob("*.py")) for path in root.glob("*/__init__.py")}
    modules = {path.stem for path in root.glob("*.py")} - {"__init__"}
    assert set(rows) == set(rooms) | modules
    empty = {name for name, files in rooms.items() if len(files) == 1}
    assert {name for name, what in rows.items() if what.startswith("*empty*")} == empty


def test_the_reference_begins_with_every_public_name():
    page = text("docs/api.md")
    assert [name for name in dmod.__all__ if name != "__version__" and f"`dmod.{name} <" not in page] == []


def test_every_decision_is_in_the_list_of_decisions():
    written = sorted(path.stem for path in (DOCS / "adr").glob("0*.md"))
    assert [line for line in text("docs/adr/index.md").splitlines() if line.startswith("0")] == written


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(HOUSE).as_posix())
def test_links_lead_to_files_that_are_there(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    # Sphinx finds the examples beside the pages; git does not.
    places = {link: (page.parent / link, HOUSE / link) for link in links}
    missing = [link for link, (near, top) in places.items() if not near.exists() and not top.exists()]
    assert missing == []


@pytest.mark.parametrize("name", ["demo-command", "test-command"])
def test_the_readme_marks_one_command_of_one_line(name):
    found = re.findall(rf"<!-- {name} -->\n```sh\n(.*?)```", text("README.md"), re.DOTALL)
    assert len(found) == 1
    assert found[0].count("\n") == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_examples_are_kept_without_outputs_and_each_cell_is_introduced(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [i for i, cell in enumerate(cells) if cell["cell_type"] == "code"]
    assert all(cells[i]["outputs"] == [] and cells[i]["execution_count"] is None for i in code)
    assert all(cells[i - 1]["cell_type"] == "markdown" for i in code)


def test_the_python_model_of_the_page_runs(tmp_path, imported):
    """14.0625 mm fall in hour 1; a tenth leaves in that hour, nine hundredths in the next."""
    page = text("docs/add-a-model.md")
    imported("bucket", blocks(page, "python")[0])
    formulation = json.loads(blocks(page, "json")[0])
    outputs = run_here(tiny_run_directory(tmp_path / "river", hours=4, formulation=formulation))
    depth = np.array([0.0, 1.0, 0.9, 0.81]) * 1.40625e-3
    np.testing.assert_allclose(outputs["flow"].sel({"catchment-id": "cat-2"}), depth, rtol=1e-12)
    # One millimetre in an hour on the 36 km2 of cat-3 is 10 m3/s.
    flow = outputs["nexus_flow"].sel({"nexus-id": "tnx-4"})
    np.testing.assert_allclose(flow, 1e4 * depth, rtol=1e-12)


@pytest.fixture
def reservoir(imported):
    """The native module of the page, and the attributes of its contract."""
    page = text("docs/add-a-model.md")
    _, native, proof = blocks(page, "python")
    module = imported("reservoir_of_the_page", native)
    proof = proof.replace("my_package.reservoir", "reservoir_of_the_page")
    return module, imported("proof_of_the_page", proof).TestReservoir


def test_the_native_module_of_the_page_gives_numbers_by_hand(reservoir):
    """2 mm in the first hour; half of what is held leaves every hour."""
    module, _ = reservoir
    running = module.Reservoir.build(ModuleSpec("bmi_c", "Reservoir"), {"k": np.array([0.5])}, 1)
    running.set_block(module.RAIN, np.array([[2.0, 0.0, 0.0]]))
    running.update_block(3)
    np.testing.assert_allclose(running.get_block("flow"), [[1e-3, 0.5e-3, 0.25e-3]], rtol=1e-12)


def test_the_native_module_of_the_page_keeps_its_contract(tmp_path):
    _, native, proof = blocks(text("docs/add-a-model.md"), "python")
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "__init__.py").touch()
    (tmp_path / "my_package" / "reservoir.py").write_text(native)
    (tmp_path / "test_reservoir.py").write_text(proof)
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
            "test_reservoir.py",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert int(re.search(r"(\d+) passed", ran.stdout)[1]) > 10


def test_the_page_of_domains_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known: dict[str, object] = {}
    for block in blocks(text("docs/domains.md"), "python"):
        exec(block, known)
    assert known["cut"].report.split_nexuses == 0
    assert len(known["piece"]) == 528
