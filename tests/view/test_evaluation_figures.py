"""Figures of an evaluation: units on every axis, words for who cannot see, and errors that help."""

from __future__ import annotations

import io

import numpy as np
import pytest
import xarray as xr
from domain_fake import chessboard
from evaluation_made import many, one, series, wave, words

from dmod.errors import SelectionError, UnitsError
from dmod.evaluation.evaluation import Evaluation
from dmod.evaluation.scores import Scheme
from dmod.plugins import load
from dmod.view.evaluation_comparison import comparison
from dmod.view.evaluation_duration import curve, flow_duration
from dmod.view.evaluation_events import events
from dmod.view.evaluation_gages import cdf
from dmod.view.evaluation_heatmap import breakdown, heatmap
from dmod.view.evaluation_hydrograph import hydrograph
from dmod.view.evaluation_map import metric_map
from dmod.view.evaluation_performance import performance
from dmod.view.evaluation_residuals import autocorrelation, residuals
from dmod.view.evaluation_scatter import scatter
from dmod.view.evaluation_taylor import taylor

LEVELS = {"action": 2.5, "minor": 2.9, "major": 3.2}
OF_ONE_PLACE = [hydrograph, scatter, flow_duration, residuals, events]
OF_RUNS = [*OF_ONE_PLACE, taylor, comparison]
ALONE = {hydrograph, scatter, flow_duration, residuals, taylor, performance, comparison, heatmap, events}


def drawn(figure):
    """The figure drawn, as the bytes of a picture."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    return file.getvalue()


@pytest.mark.parametrize("plot", sorted(ALONE, key=lambda one: one.__name__))
def test_every_figure_is_drawn_and_says_in_words_what_it_shows(plot):
    figure = plot(one(thresholds=LEVELS), title="A river")
    assert drawn(figure).startswith(b"\x89PNG")
    assert "A river" in figure.get_label()
    assert len(figure.get_label()) > 40


@pytest.mark.parametrize("plot", OF_ONE_PLACE)
def test_flows_have_units(plot):
    labels = [label for axes in plot(one()).axes for label in (axes.get_ylabel(), axes.get_xlabel())]
    assert any("[m³ s⁻¹]" in label for label in labels)


@pytest.mark.parametrize("plot", OF_RUNS)
def test_runs_beside_each_other_keep_their_names(plot):
    figure = plot(one("before"), one("after", sim=0.9 * wave()))
    drawn(figure)
    assert "before" in figure.get_label()
    assert "after" in figure.get_label()


@pytest.mark.parametrize("plot", OF_RUNS)
def test_runs_in_other_units_are_refused(plot):
    with pytest.raises(UnitsError, match=r"'feet' is in other units(.|\n)*ft3 s-1"):
        plot(one(), one("feet", units="ft3 s-1"))


@pytest.mark.parametrize("plot", OF_ONE_PLACE)
def test_a_place_that_is_not_there_is_told_with_those_that_are_near(plot):
    with pytest.raises(SelectionError, match=r"no place 'nex-11'(.|\n)*did you mean place='nex-1'"):
        plot(many(), place="nex-11")
    with pytest.raises(SelectionError, match="shows one place"):
        plot(many())


def test_a_place_is_found_by_its_gage():
    gages = [f"0{n}" for n in range(9)]
    found = many()
    found = Evaluation(found.scores, found.pairs.assign_coords(gage=("nexus-id", gages)), "gages")
    line = hydrograph(found, place="02").axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), wave(period=42))


@pytest.mark.parametrize("plot", OF_ONE_PLACE)
def test_nothing_to_draw_is_an_error(plot):
    with pytest.raises(SelectionError, match="nothing to draw"):
        plot(one(sim=np.full(240, np.nan)))


@pytest.mark.parametrize("plot", [hydrograph, taylor, cdf, metric_map])
def test_an_evaluation_without_places_is_an_error(plot):
    with pytest.raises(SelectionError, match="no place to draw"):
        plot(Evaluation(many().scores.isel({"nexus-id": []}), many().pairs.isel({"nexus-id": []}), "none"))


def test_two_runs_of_one_name_are_numbered():
    assert "Mad River (2)" in hydrograph(one(), one()).get_label()


def test_thresholds_near_the_flows_are_lines_and_others_are_told():
    figure = hydrograph(one(thresholds={"action": 2.5, "record": 90.0}))
    assert [line.get_ydata()[0] for line in figure.axes[0].lines[2:]] == [2.5]
    assert "above: record (90)" in words(figure)
    assert "with thresholds action" in figure.get_label()


def test_an_ensemble_is_a_median_and_a_band():
    pairs = series(wave(), wave())
    members = xr.concat([pairs["sim"] * factor for factor in (0.5, 1.0, 2.0)], "member")
    found = Evaluation(one().scores, pairs.assign(sim=members), "three members")
    figure = hydrograph(found)
    np.testing.assert_allclose(figure.axes[0].lines[1].get_ydata(), wave())
    assert len(figure.axes[0].collections) == 1
    with pytest.raises(SelectionError, match=r"member \(3\)"):
        scatter(found)


def test_pairs_are_points_and_many_pairs_are_a_density():
    few = scatter(one()).axes[0].collections[0]
    assert len(few.get_offsets()) == 240
    lots = np.tile(wave(), 20)
    figure = scatter(one(sim=1.1 * lots, obs=lots))
    assert sum(np.ma.filled(figure.axes[0].collections[0].get_array(), 0).ravel()) == 4_800
    assert figure.axes[1].get_xlabel() == "pairs in a cell"


def test_a_fit_has_the_slope_that_was_put_in():
    assert "fit, slope 1.10" in words(scatter(one()))
    power = one(sim=wave() ** 2)
    assert "fit, slope 2.00" in words(scatter(power, log=True))


def test_flows_without_a_logarithm_are_left_out_and_counted():
    dry = wave()
    dry[:10] = 0.0
    assert "10 pairs without logarithm" in words(scatter(one(obs=dry), log=True))
    with pytest.raises(SelectionError, match=r"log=False"):
        scatter(one(obs=np.zeros(240)), log=True)
    figure = flow_duration(one(obs=dry))
    assert "zero or below: observed 4.2 %" in words(figure)


def test_a_duration_curve_keeps_both_ends_and_is_right_between():
    values = np.random.default_rng(1).permutation(np.arange(1.0, 100_001.0))
    share, flow = curve(values)
    assert len(flow) <= 1_700
    assert (flow[0], flow[-1]) == (100_000.0, 1.0)
    np.testing.assert_allclose(share, 100 * (100_001 - flow) / 100_001)


@pytest.mark.parametrize("normal", [False, True])
def test_a_duration_curve_is_read_from_logarithmic_flows(normal):
    axes = flow_duration(one(), normal=normal).axes[0]
    assert axes.get_yscale() == "log"
    assert "share of time" in axes.get_xlabel()


def test_autocorrelation_is_that_of_the_pairs_that_exist():
    rng = np.random.default_rng(2)
    noise = rng.normal(size=4_000)
    values = np.zeros(4_000)
    for n in range(1, 4_000):
        values[n] = 0.8 * values[n - 1] + noise[n]
    found = autocorrelation(values, 3)
    np.testing.assert_allclose(found, [1, 0.8, 0.64, 0.512], atol=0.06)
    values[rng.random(4_000) < 0.3] = np.nan
    np.testing.assert_allclose(autocorrelation(values, 3), found, atol=0.05)
    assert np.isnan(autocorrelation(np.full(10, 3.3), 2)).all()


def test_a_point_of_the_taylor_diagram_lies_where_correlation_and_spread_say():
    half = one(sim=2.0 + 0.5 * (wave() - 2.0))
    ((angle, radius),) = taylor(half).axes[0].collections[-1].get_offsets()
    assert (angle, radius) == (pytest.approx(0.0, abs=1e-6), pytest.approx(0.5))
    opposite = taylor(one(sim=4.0 - wave())).axes[0]
    assert opposite.get_thetamax() == pytest.approx(180)
    with pytest.raises(SelectionError, match="no correlation"):
        taylor(one(sim=np.ones(240)))


def test_places_without_a_correlation_are_counted():
    found = many()
    found.pairs["sim"][0] = 1.0
    figure = taylor(found)
    assert "1 without a correlation" in figure.get_supxlabel()


def test_a_perfect_run_is_in_the_corner_of_the_performance_diagram():
    figure = performance(one(sim=wave(), thresholds={"action": 2.5, "never": 9.0}))
    points = figure.axes[0].collections[-1].get_offsets()
    np.testing.assert_allclose(points, [[1.0, 1.0]])
    assert "none simulated: never" in words(figure)
    with pytest.raises(SelectionError, match="no event is at any threshold"):
        performance(one(thresholds={"a": 8.0, "never": 9.0}))
    with pytest.raises(SelectionError, match="has no thresholds"):
        performance(one())


def test_thresholds_that_change_with_time_are_counted_day_by_day():
    found = one(sim=wave(), thresholds={"a": 2.5, "b": 2.6})
    moving = found.thresholds.expand_dims(time=found.pairs["time"]).transpose("threshold", "time")
    figure = performance(Evaluation(found.scores, found.pairs, "daily", thresholds=moving))
    np.testing.assert_allclose(figure.axes[0].collections[-1].get_offsets(), [[1, 1], [1, 1]])
    assert hydrograph(Evaluation(found.scores, found.pairs, "daily", thresholds=moving)).axes[0].lines


def test_the_distribution_over_gages_ends_at_all_of_them():
    figure = cdf(many(), many("better", kge=np.linspace(0, 1, 9)), place="nex-3")
    steps = [line for line in figure.axes[0].lines if len(line.get_ydata()) > 5]
    assert [line.get_ydata()[-1] for line in steps] == [100, 100]
    assert "mean flow" in words(figure)
    assert "better: median 0.50 of 9 places" in figure.get_label()


def test_undefined_values_are_left_out_of_a_distribution_and_counted():
    assert "undefined at 2" in words(cdf(many(kge=[np.nan, 0.1, 0.5, np.nan])))
    with pytest.raises(SelectionError, match="defined at no place"):
        cdf(many(kge=[np.nan, np.nan]))
    with pytest.raises(SelectionError, match="but one place"):
        cdf(one())
    with pytest.raises(SelectionError, match=r"no metric 'crps'(.|\n)*kge, pbias"):
        cdf(many(), metric="crps")


def test_gages_lie_on_their_nexuses():
    board = chessboard(4)
    places = list(board.tables["nexus"].index[:9])
    figure = metric_map(many(places=places), domain=board)
    spots = figure.axes[0].collections[-1].get_offsets()
    wanted = board.tables["nexus"].geometry.iloc[:9]
    assert {tuple(spot) for spot in np.asarray(spots)} == {(point.x, point.y) for point in wanted}
    assert "on 16 catchments" in figure.get_label()


def test_gages_lie_at_their_coordinates_and_undefined_ones_are_hollow():
    found = many(kge=[0.2, np.nan, 0.9])
    lat = ("nexus-id", [40.0, 40.5, 41.0])
    found = Evaluation(
        found.scores, found.pairs.assign_coords(lat=lat, lon=("nexus-id", [-112.0, -111.5, -111.0])), "x"
    )
    figure = metric_map(found)
    hollow, filled = figure.axes[0].collections
    np.testing.assert_allclose(hollow.get_offsets(), [[-111.5, 40.5]])
    np.testing.assert_allclose(sorted(filled.get_array()), [0.2, 0.9])
    assert "hollow: undefined at 1" in words(figure)
    assert figure.axes[1].get_ylabel() == "Kling-Gupta efficiency"
    assert metric_map(found, metric="percent bias").axes[1].get_ylabel() == "percent bias [%]"


def test_a_map_asks_where_the_places_are():
    with pytest.raises(SelectionError, match=r"nobody says where(.|\n)*domain="):
        metric_map(many())


def test_a_comparison_shows_medians_over_places():
    figure = comparison(many(), many("better", kge=np.linspace(0, 1, 9)))
    assert "median and middle half of 9 places" in words(figure)
    assert "KGE: nine gages 0.05, better 0.50" in figure.get_label()
    assert "nex-9" in comparison(many(), place="nex-9").get_label()
    assert "0.90" in words(comparison(many(), place="nex-9"))


def test_a_heat_map_writes_each_value_and_a_dash_where_there_is_none():
    figure = heatmap(one(thresholds=LEVELS))
    assert [text.get_text() for text in figure.axes[0].texts if text.get_text() in {"1.00", "0.75", "0.50", "–"}] == [
        "1.00", "0.75", "0.50", "0.50", "–",
    ]  # fmt: skip
    with pytest.raises(SelectionError, match="no metric at thresholds"):
        heatmap(one())


def test_a_score_is_taken_apart_by_weight():
    figure = breakdown(one(kge=0.5), scheme=Scheme({"kge": 3, "pbias": 1}))
    assert "kge reaches 37.5 of 75.0 %; pbias reaches 22.5 of 25.0 %" in figure.get_label()
    assert "60.0 %" in figure.get_label()
    with pytest.raises(SelectionError, match="was not scored"):
        breakdown(one())


def test_events_tell_how_high_and_how_late_a_peak_is():
    obs = np.ones(240)
    obs[100:110] = 10.0 - np.arange(10)
    late = np.roll(obs, 3) * 1.2
    figure = events(one(obs=obs, sim=late), windows=[("2016-09-04", "2016-09-07")])
    assert "+20 %, 3 h late" in words(figure)
    assert figure.axes[0].get_xlabel() == "hours from the observed peak"


def test_events_are_found_and_the_largest_are_kept():
    obs = np.ones(2_000)
    for start, high in ((200, 5.0), (700, 20.0), (1_300, 10.0)):
        obs[start : start + 200] += high * np.exp(-np.arange(200) / 20)
    figure = events(one(obs=obs, sim=obs), most=2)
    assert "The 2 largest events" in figure.get_label()
    assert "21 m3 s-1" in figure.get_label()
    assert "on time" in words(figure)
    levels = one(obs=obs, sim=obs, thresholds={"flood": 15.0, "more": 30.0})
    assert "The 1 largest" in events(levels, threshold="flood").get_label()
    with pytest.raises(SelectionError, match="no event"):
        events(levels, threshold="more")
    with pytest.raises(SelectionError, match="no threshold 'x'"):
        events(levels, threshold="x")
    with pytest.raises(SelectionError, match="no event has an observation"):
        events(levels, windows=[("1999-01-01", "1999-02-01")])


def test_every_plug_in_of_the_group_is_there_and_explained():
    group = load("dmod.evaluation_plots")
    assert not group.broken
    assert {"hydrograph", "scatter", "flow_duration", "residuals", "taylor", "performance", "events", "cdf", "map",
            "comparison", "heatmap", "breakdown", "explore", "report"} <= set(group.found)  # fmt: skip
    assert all(plot.__doc__ for plot in group.found.values())


def test_an_evaluation_draws_itself():
    found = one()
    assert "hydrograph" in dir(found.plot)
    assert found.plot.hydrograph(title="x").get_label().startswith("Hydrograph, x")
