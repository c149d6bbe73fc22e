"""Metrics of ensembles agree with their definitions, written out one member and instant at a time."""

from __future__ import annotations

import numpy as np
import pytest

from dmod.evaluation.brier import reliability_curve, roc_curve
from dmod.evaluation.metric import find_metric
from dmod.evaluation.pool import Ensemble
from dmod.evaluation.probability import rank_histogram

CHANCE = np.random.default_rng(1)
OBS = CHANCE.gamma(2.0, size=60)
MEMBERS = OBS * np.exp(0.5 * CHANCE.standard_normal((7, 60)))
AT = [1.5, 4.0]


def test_crps_by_its_definition():
    def at(x, o, by):
        return np.abs(x - o).mean() - np.abs(x[:, None] - x[None, :]).sum() / by

    plain = np.mean([at(MEMBERS[:, t], OBS[t], 2 * 49) for t in range(60)])
    fair = np.mean([at(MEMBERS[:, t], OBS[t], 2 * 42) for t in range(60)])
    assert float(find_metric("crps")(MEMBERS, OBS)) == pytest.approx(plain, rel=1e-12)
    assert float(find_metric("crps_fair")(MEMBERS, OBS)) == pytest.approx(fair, rel=1e-12)
    climate = np.mean([at(OBS, o, 2 * 60 * 60) for o in OBS])
    assert float(find_metric("crps_skill")(MEMBERS, OBS)) == pytest.approx(1 - plain / climate, rel=1e-12)


def test_crps_is_the_area_between_the_distributions():
    x = np.sort(MEMBERS[:, 0])
    grid = np.linspace(0, 50, 2_000_001)
    steps = (grid[:, None] >= x[None, :]).mean(axis=1) - (grid >= OBS[0])
    area = float((steps**2).sum() * (grid[1] - grid[0]))
    assert float(find_metric("crps")(MEMBERS[:, :1], OBS[:1])) == pytest.approx(area, abs=1e-4)


def test_brier_by_its_definition_and_by_its_parts():
    for k, level in enumerate(AT):
        p, e = (level <= MEMBERS).mean(axis=0), level <= OBS
        score = find_metric("brier")(MEMBERS, OBS, thresholds=AT)[k]
        assert score == pytest.approx(((p - e) ** 2).mean(), rel=1e-12)
        base = e.mean()
        skill = find_metric("brier_skill")(MEMBERS, OBS, thresholds=AT)[k]
        assert skill == pytest.approx(1 - score / (base * (1 - base)), rel=1e-12)
        by_p = np.array([e[p == q].mean() for q in p])
        assert find_metric("brier_reliability")(MEMBERS, OBS, thresholds=AT)[k] == pytest.approx(
            ((p - by_p) ** 2).mean(), rel=1e-12
        )
        assert find_metric("brier_resolution")(MEMBERS, OBS, thresholds=AT)[k] == pytest.approx(
            ((by_p - base) ** 2).mean(), rel=1e-12
        )


def test_the_reliability_curve_counts_every_instant_once():
    said, frequency, count = reliability_curve(Ensemble.of(MEMBERS, OBS, AT))
    assert said[[0, -1]].tolist() == [0.0, 1.0]
    assert count.sum(axis=-1).tolist() == [60, 60]
    events = np.nansum(frequency * count, axis=-1)
    assert events == pytest.approx([(level <= OBS).sum() for level in AT])


def test_the_area_under_the_roc_curve_is_how_often_an_event_was_likelier():
    area = find_metric("roc_area")(MEMBERS, OBS, thresholds=AT)
    for k, level in enumerate(AT):
        p, e = (level <= MEMBERS).mean(axis=0), level <= OBS
        larger = (p[e][:, None] > p[~e][None, :]) + 0.5 * (p[e][:, None] == p[~e][None, :])
        assert area[k] == pytest.approx(larger.mean(), rel=1e-12)
    wrong, found = roc_curve(Ensemble.of(MEMBERS, OBS, AT))
    assert (np.diff(wrong) >= 0).all()
    assert (np.diff(found) >= 0).all()


def test_members_that_cannot_be_told_from_the_observation_have_a_flat_histogram_and_spread_as_skill():
    chance = np.random.default_rng(2)
    drawn = chance.standard_normal((10, 20_000)) + chance.standard_normal(20_000)
    obs, members = drawn[0], drawn[1:]
    counts = rank_histogram(Ensemble.of(members, obs))
    assert counts.sum() == pytest.approx(20_000)
    assert counts == pytest.approx(np.full(10, 2000), rel=0.12)
    assert float(find_metric("spread_skill")(members, obs)) == pytest.approx(1.0, abs=0.03)


def test_an_instant_that_lacks_a_member_counts_for_nothing():
    members = MEMBERS.copy()
    members[3, 5] = np.nan
    kept = np.arange(60) != 5
    for name in ("crps", "brier", "spread_skill", "roc_area"):
        entry = find_metric(name)
        np.testing.assert_allclose(
            entry(members, OBS, thresholds=AT), entry(MEMBERS[:, kept], OBS[kept], thresholds=AT), rtol=1e-12
        )
    assert rank_histogram(Ensemble.of(members, OBS)).sum() == pytest.approx(59)


def test_one_member_has_no_spread():
    for name in ("crps_fair", "ensemble_spread", "spread_skill"):
        assert np.isnan(float(find_metric(name)(MEMBERS[:1], OBS)))
