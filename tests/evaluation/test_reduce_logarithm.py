"""The logarithm that is written out: right to the last places, and compiled for several values at a time."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from dmod.evaluation import passes

SMALLEST, LARGEST = np.finfo(np.float64).tiny, np.finfo(np.float64).max


@njit
def logarithms(x, out):
    for at in range(x.size):
        out[at] = passes.ln(x[at])


def off(x):
    """Largest error in units in the last place, against extended precision where the machine has it."""
    got = np.empty_like(x)
    logarithms(x, got)
    right = np.log(x.astype(np.longdouble))
    return float((np.abs(got - right) / np.spacing(np.abs(right.astype(np.float64)))).max())


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(lambda rng: rng.uniform(0.5, 2.0, 400_000), id="about one"),
        pytest.param(lambda rng: 1.0 + rng.normal(size=100_000) * 1e-9, id="next to one"),
        pytest.param(lambda rng: np.exp(rng.uniform(-708, 709, 400_000)), id="everywhere"),
        pytest.param(lambda rng: 2.0 ** np.arange(-1022, 1024), id="powers of two"),
        pytest.param(lambda rng: np.sqrt(0.5) * 2.0 ** np.arange(-1021, 1024), id="where the exponent changes"),
        pytest.param(lambda rng: np.nextafter(np.sqrt(2.0), [0.0, 9.0]), id="about the square root of two"),
        pytest.param(lambda rng: np.array([SMALLEST, LARGEST, np.nextafter(1, 0), np.nextafter(1, 2)]), id="ends"),
    ],
)
def test_a_logarithm_is_right_to_two_units_in_the_last_place(values):
    assert off(values(np.random.default_rng(5))) <= 2.0


@settings(max_examples=200, deadline=None)
@given(st.floats(min_value=SMALLEST, max_value=LARGEST))
def test_any_normal_number_has_its_logarithm(x):
    assert off(np.array([x])) <= 2.0


def test_the_logarithm_of_one_is_zero():
    got = np.empty(1)
    logarithms(np.ones(1), got)
    assert got.tolist() == [0.0]


def test_logarithms_are_taken_of_several_values_at_a_time():
    series, room = np.ones(8), np.empty(8)
    passes._fill_logs(series, series, 0.01, room, room.copy())
    assembly = "\n".join(passes._fill_logs.inspect_asm().values())
    assert re.search(r"\bv?divpd\b|\bfdiv\s+v\d+\.2d", assembly), "a division of several values"
