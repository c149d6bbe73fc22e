"""The pages of metrics and conventions say what is so: every metric is there, and their examples run."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from dmod.evaluation.metric import METRICS, find_metric
from dmod.testing.metrics import MetricContract

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The code of one language on a page."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.fixture(scope="module")
def tables():
    """The module that makes the tables."""
    spec = importlib.util.spec_from_file_location("metric_tables", DOCS / "metric_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_metrics_gets_every_metric_once(tables):
    assert tables.PLACE in (DOCS / "metrics.md").read_text(encoding="utf-8")
    made = tables.tables()
    assert sorted(re.findall(r"^\| \*\*`(\w+)`", made, re.MULTILINE)) == sorted(METRICS)
    for line in made.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 7, line


def test_every_doi_of_a_source_is_a_link(tables):
    made = tables.tables()
    assert "doi:" not in made
    for link in re.findall(r"\[doi\]\(<(.*?)>\)", made):
        assert re.fullmatch(r"https://doi\.org/10\.\d{4,9}/[\w./:()%-]+", link), link


def test_the_examples_of_the_page_of_conventions_are_so():
    code = "\n".join(blocks("conventions.md", "pycon"))
    test = doctest.DocTestParser().get_doctest(code, {}, "conventions.md", None, 0)
    assert len(test.examples) > 10
    told: list[str] = []
    doctest.DocTestRunner().run(test, out=told.append)
    assert told == []


def test_the_metric_of_the_page_runs_and_keeps_the_contract(monkeypatch):
    monkeypatch.setattr(METRICS, "_held", dict(METRICS._filled()))
    first, example, proof = blocks("metrics.md", "python")
    exec(first, known := {})
    assert float(known["kge"]([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])) == pytest.approx(1 - np.sqrt(2))
    exec(example, {"__name__": "mine"})
    assert float(find_metric("relative variance error")([2.0, 6.0], [1.0, 3.0])) == pytest.approx(3.0)
    exec(proof, known)
    contract = known["TestVarianceError"]()
    assert isinstance(contract, MetricContract)
    for name in dir(contract):
        if name.startswith("test_"):
            getattr(contract, name)()
