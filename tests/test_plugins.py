"""Plug-ins: each found by name, a broken one told of, none stopping the others."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint

import pytest

from dmod import plugins
from dmod.plugins import load

GROUP = "dmod.test-group"


@pytest.fixture
def points(monkeypatch):
    """Pretend that these entry points are installed."""

    def pretend(**targets: str) -> plugins.Group:
        made = [EntryPoint(name, target, GROUP) for name, target in targets.items()]
        monkeypatch.setattr(plugins, "entry_points", lambda group: made if group == GROUP else [])
        load.cache_clear()
        return load(GROUP)

    yield pretend
    load.cache_clear()


def test_our_own_modules_are_there():
    group = load("dmod.modules")
    assert {"cfe", "pet", "python", "sloth"} <= set(group.found)
    assert group.broken == ()


def test_plug_ins_come_in_the_order_of_their_names(points):
    assert list(points(b="json:dumps", a="json:loads").found) == ["a", "b"]


def test_broken_ones_are_left_out_with_the_reason(points, caplog):
    caplog.set_level(logging.CRITICAL, logger="dmod.plugins")
    group = points(good="json:loads", gone="no_such_package.thing:Model", typo="json:laods", bad="a b:c")
    assert list(group.found) == ["good"]
    assert [(b.name, b.target) for b in group.broken] == [
        ("bad", "a b:c"),
        ("gone", "no_such_package.thing:Model"),
        ("typo", "json:laods"),
    ]
    reasons = {b.name: b.reason for b in group.broken}
    assert reasons["gone"] == "ModuleNotFoundError: No module named 'no_such_package'"
    assert "laods" in reasons["typo"]


def test_a_group_is_looked_up_once(points, monkeypatch):
    first = points(a="json:loads")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    assert load(GROUP) is first


def test_an_unknown_group_is_empty():
    assert dict(load("dmod.no-such-group").found) == {}


def test_what_was_found_cannot_be_changed(points):
    with pytest.raises(TypeError):
        points(a="json:loads").found["b"] = 1
