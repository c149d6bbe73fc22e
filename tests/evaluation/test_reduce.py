"""The pass over pairs: what it counts, what it adds up, and why a metric has no value."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from dmod.evaluation import reduce
from dmod.evaluation.pool import Need, Sums, Table
from dmod.evaluation.reduce import OPERATORS, both_of, pooled, reasons_of, sums_of, table_of

INSTANTS = 2500


def flows(kind=np.float64):
    """Simulated and observed flow of six sites, each with something of its own."""
    rng = np.random.default_rng(7)
    obs = np.exp(rng.normal(size=(6, INSTANTS)))
    sim = obs * np.exp(0.3 * rng.normal(size=obs.shape))
    obs[rng.random(obs.shape) < 0.02], sim[rng.random(obs.shape) < 0.02] = np.nan, np.inf
    obs[1] = 0.1
    sim[2] = np.nan
    obs[3] = 1e4 + rng.normal(size=INSTANTS)
    sim[4, ::2], obs[4, ::3] = 0.0, 0.0
    sim[5, 17] = -9.0
    return sim.astype(kind), obs.astype(kind)


def arrays(held: Sums | Table, prefix=""):
    for field in fields(held):
        value = getattr(held, field.name)
        if isinstance(value, Sums):
            yield from arrays(value, "logs.")
        elif value is not None:
            yield prefix + field.name, value


def assert_same(one, other):
    """Equal within 1e-12, products within 1e-12 of the spreads they are made of."""
    others = dict(arrays(other))
    for name, value in arrays(one):
        allowed = 1e-12 * np.abs(others[name])
        if name.endswith("shared"):
            of = name.removesuffix("shared")
            allowed = 1e-12 * np.sqrt(others[f"{of}sim_spread"] * others[f"{of}obs_spread"])
        assert np.array_equal(np.isnan(value), np.isnan(others[name])), name
        assert np.all((np.abs(value - others[name]) <= allowed) | np.isnan(value)), name


@pytest.fixture
def both_ways(monkeypatch):
    """A function computed with numpy and compiled."""

    def run(function, *args, **options):
        monkeypatch.setattr(reduce, "SMALL", 1 << 60)
        plain = function(*args, **options)
        monkeypatch.setattr(reduce, "SMALL", -1)
        return plain, function(*args, **options)

    return run


GROUPS = {
    "no groups": (None, 0),
    "runs": (np.repeat([0, 1, -1, 2, 1], INSTANTS // 5), 4),
    "interleaved": (np.arange(INSTANTS) * 7919 % 5 - 1, 4),
}


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("groups", GROUPS)
def test_compiled_and_numpy_agree(both_ways, kind, groups):
    codes, count = GROUPS[groups]
    for operator in OPERATORS:
        plain, compiled = both_ways(
            both_of, *flows(kind), [0.5, 1.0, 3.3, np.nan], operator=operator, logs=True, groups=codes, count=count
        )
        assert_same(compiled[0], plain[0])
        assert_same(compiled[1], plain[1])


def test_moments_are_those_of_the_definition(both_ways):
    sim, obs = [1.0, 4.0, np.nan, 3.0], [2.0, 2.0, 5.0, 5.0]
    for sums in both_ways(sums_of, sim, obs, logs=True):
        numbers = dict(arrays(sums))
        assert numbers["n"] == 3.0
        assert numbers["sim_mean"] == pytest.approx(8 / 3, rel=1e-15)
        assert numbers["obs_mean"] == 3.0
        assert numbers["sim_spread"] == pytest.approx(14 / 3, rel=1e-14)
        assert numbers["obs_spread"] == 6.0
        assert numbers["shared"] == pytest.approx(1.0, rel=1e-14)
        assert numbers["squared"] == 9.0
        assert numbers["absolute"] == 5.0
        assert numbers["logs.obs_mean"] == pytest.approx((2 * np.log(2.03) + np.log(5.03)) / 3, rel=1e-14)


@pytest.mark.parametrize(
    ("operator", "counts"), [(">=", (1, 1, 1, 1)), (">", (0, 1, 1, 2)), ("<=", (2, 1, 1, 0)), ("<", (1, 1, 1, 1))]
)
def test_an_event_stands_to_its_threshold_as_the_operator_says(both_ways, operator, counts):
    sim, obs = [3.0, 1.0, 9.0, 2.0], [3.0, 9.0, 1.0, 2.0]
    for table in both_ways(table_of, sim, obs, [3.0], operator=operator):
        assert (table.hits, table.misses, table.false_alarms, table.correct_negatives) == counts


def test_an_unknown_operator_is_refused():
    with pytest.raises(ValueError, match=r"no operator '=='.*>="):
        table_of([1.0], [1.0], [1.0], operator="==")


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        sums_of([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("value", [0.1, 1e-300, 3.3, 1e12, 1 / 3])
def test_what_never_varies_has_exactly_no_spread(both_ways, value):
    obs = np.full(3001, value)
    obs[5] = np.nan
    for sums in both_ways(sums_of, np.linspace(1.0, 2.0, 3001), obs, logs=True):
        assert sums.obs_mean == value
        assert sums.obs_spread == 0.0
        assert sums.shared == 0.0
        assert sums.logs.obs_spread == 0.0


def test_a_small_spread_about_a_large_mean_is_kept(both_ways):
    rng = np.random.default_rng(3)
    deviations = rng.integers(-1000, 1000, size=5000) / 1024  # exact beside 1e9
    obs = 1e9 + deviations
    for sums in both_ways(sums_of, obs, obs):
        assert sums.obs_spread == pytest.approx(deviations.var() * 5000, rel=1e-12)


def test_logarithms_need_flows_above_minus_epsilon(both_ways):
    sim, obs = np.ones((2, 3)), np.full((2, 3), 2.0)
    sim[1, 0] = -0.03
    for sums in both_ways(sums_of, sim, obs, logs=True):
        assert sums.n.tolist() == [3.0, 3.0]
        assert sums.logs.n.tolist() == [3.0, 0.0]
        assert np.isnan(sums.logs.squared[1])
        assert reasons_of([Need.LOGS], sums).tolist() == [0, 1 + list(Need).index(Need.LOGS)]


def test_subnormal_flows_have_a_logarithm(both_ways):
    obs = np.array([5e-324, 1e-310, 3e-308])
    for sums in both_ways(sums_of, 2 * obs, obs, logs=True):
        eps = 0.01 * obs.mean()
        assert sums.logs.obs_mean == pytest.approx(np.log(obs + eps).mean(), rel=1e-12)


def test_values_near_the_largest_have_none():
    sums = sums_of(np.full(300_000, 1.79e308), np.full(300_000, 1.79e308), logs=True)
    assert sums.n == 300_000
    assert sums.logs.n == 0


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(monkeypatch, threads):
    rng = np.random.default_rng(1)
    obs = rng.random((40, 30_000))
    monkeypatch.setattr(reduce, "cores_here", lambda: 1)
    alone = both_of(obs**2, obs, [0.5], logs=True)
    monkeypatch.setattr(reduce, "cores_here", lambda: threads)
    together = both_of(obs**2, obs, [0.5], logs=True)
    for one, other in zip(alone, together, strict=True):
        for (_, a), (_, b) in zip(arrays(one), arrays(other), strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize(
    "laid",
    [
        pytest.param(lambda x: np.asfortranarray(x), id="time first"),
        pytest.param(lambda x: np.repeat(x, 2, axis=1)[:, ::2], id="every other"),
        pytest.param(lambda x: x[:, ::-1][:, ::-1], id="turned twice"),
        pytest.param(lambda x: x.astype(">f8"), id="other byte order"),
        pytest.param(lambda x: x.reshape(2, 3, -1).transpose(1, 0, 2), id="three dimensions"),
    ],
)
def test_it_does_not_matter_how_series_lie_in_memory(monkeypatch, laid):
    monkeypatch.setattr(reduce, "SMALL", -1)
    sim, obs = flows()
    got = sums_of(laid(sim), laid(obs), logs=True)
    at_rest = sums_of(np.ascontiguousarray(laid(sim)), np.ascontiguousarray(laid(obs)), logs=True)
    for (_, a), (_, b) in zip(arrays(got), arrays(at_rest), strict=True):
        assert np.array_equal(a, b, equal_nan=True)


def test_what_is_only_lent_is_read_and_not_written():
    sim, obs = flows()
    before = sim.copy(), obs.copy()
    sim.flags.writeable = obs.flags.writeable = False
    sums_of(np.tile(sim, 20), np.tile(obs, 20), logs=True)
    assert np.array_equal(before[0], sim, equal_nan=True)
    assert np.array_equal(before[1], obs, equal_nan=True)


def test_blocks_merged_are_the_whole():
    sim, obs = flows()
    obs[3] /= 1e4
    codes = np.arange(INSTANTS) // 300
    blocks = sums_of(sim, obs, groups=codes, count=9)
    whole = sums_of(sim, obs)
    merged = pooled(blocks, np.ones((1, 9)))
    assert_same(merged.shaped(6), whole)


def test_a_block_taken_twice_counts_twice():
    rng = np.random.default_rng(2)
    obs, sim = rng.random(60), rng.random(60)
    codes = np.repeat([0, 1, 2], 20)
    taken = pooled(sums_of(sim, obs, groups=codes, count=3), [[2, 0, 1]])
    twice = np.r_[0:20, 0:20, 40:60]
    assert_same(taken.shaped(), sums_of(sim[twice], obs[twice]))


def test_level_blocks_of_one_height_have_no_spread_together():
    obs = np.repeat([0.1, 0.1, 0.7], 20)
    blocks = sums_of(np.arange(60.0), obs, groups=np.repeat([0, 1, 2], 20), count=3)
    assert pooled(blocks, [[1, 2, 0], [0, 0, 3], [1, 1, 1]]).obs_spread[:2].tolist() == [0.0, 0.0]


def test_the_first_need_that_fails_is_the_reason():
    numbers = {need: at for at, need in enumerate(Need, start=1)}
    sums = sums_of([[1.0, 2.0], [np.nan, 1.0], [np.nan, np.nan]], [[1.0, 3.0], [4.0, 4.0], [1.0, 2.0]])
    needs = [Need.PAIRS, Need.TWO_PAIRS, Need.OBS_VARIES]
    assert reasons_of(needs, sums).tolist() == [0, numbers[Need.TWO_PAIRS], numbers[Need.PAIRS]]
    table = table_of([1.0, 5.0], [1.0, 1.0], [2.0, 9.0, 0.5, np.nan])
    assert reasons_of([Need.THRESHOLD, Need.OBS_EVENTS], table=table).tolist() == [
        numbers[Need.OBS_EVENTS], numbers[Need.OBS_EVENTS], 0, numbers[Need.THRESHOLD],
    ]  # fmt: skip


def test_reasons_are_told_from_something():
    with pytest.raises(ValueError, match="sums, a table, or both"):
        reasons_of([Need.PAIRS])
