"""Importing dmod costs little: a heavy library waits until somebody needs it."""

from __future__ import annotations

import subprocess
import sys

#: Libraries that a notebook's first line must not wait for.
HEAVY = {
    "alembic",
    "dask",
    "distributed",
    "docker",
    "geopandas",
    "ipywidgets",
    "matplotlib",
    "numba",
    "psycopg",
    "pyarrow",
    "sqlalchemy",
    "tornado",
}


def loaded_by(statement: str) -> set[str]:
    """Top-level packages that a fresh interpreter holds after *statement*."""
    script = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_dmod_loads_nothing_heavy():
    assert loaded_by("import dmod") & HEAVY == set()


def test_the_command_line_loads_nothing_heavy_before_it_knows_what_to_do():
    assert loaded_by("import dmod.cli.commands") & HEAVY == set()
