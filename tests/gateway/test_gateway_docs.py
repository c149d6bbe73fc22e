"""What the pages about the gateway say is so."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from dmod.gateway.jupyter import Dmod
from dmod.gateway.routes import ROUTES
from dmod.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


def rows(page, first):
    """Cells of the table whose first heading is *first*."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |")) + 2
    end = next(i for i, line in enumerate([*lines[start:], ""], start) if not line.startswith("|"))
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[start:end]]


def test_the_page_of_the_interface_has_the_routes_of_the_code():
    assert rows("rest.md", "how") == [[route.method, route.path, route.summary] for route in ROUTES]


def test_the_page_of_the_hub_has_the_settings_of_the_extension():
    told = {row[0].removeprefix("c.Dmod.") for row in rows("jupyterhub.md", "setting")}
    assert told == {name for name in Dmod.class_own_traits(config=True) if name != "default_url"}


def test_every_setting_is_explained_to_operators():
    told = {row[0] for row in rows("operators.md", "variable")}
    assert {f"DMOD_{one.name.upper()}" for one in fields(Settings)} <= told
