"""Figures carry units, tell the same as the evaluation, and are drawn without a display."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from dmod.errors import OutputError, SelectionError, UnitsError
from dmod.evaluation.evaluate import evaluate
from dmod.view.plots import decimate, domain_map, hydrograph, save_figure

TIMES = pd.date_range("2016-09-01", periods=72, freq="h", unit="ns")


def series(values, units="m3 s-1", times=TIMES):
    return xr.DataArray(np.asarray(values, float), {"time": times}, name="discharge", attrs={"units": units})


@pytest.fixture
def evaluation():
    wave = 2 + np.sin(np.arange(72) / 9)
    return evaluate(series(1.1 * wave), series(wave), name="Mad River")


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_hydrograph_has_units_on_its_axes_and_the_scores_beside_it(evaluation):
    figure = hydrograph(evaluation)
    flow = figure.axes[0]
    assert flow.get_ylabel() == "discharge [m³ s⁻¹]"
    assert flow.get_xlabel() == "time (UTC)"
    assert flow.get_title(loc="left") == "Mad River"
    nse = f"{float(evaluation.scores['nse']):.2f}"
    assert texts(figure) == ["KGE", "0.86", "NSE", nse, "PBIAS", "+10.0 %", "pairs", "72"]


def test_a_hydrograph_draws_what_was_paired(evaluation):
    observed, simulated = hydrograph(evaluation).axes[0].lines
    np.testing.assert_array_equal(observed.get_ydata(), evaluation.pairs["obs"])
    np.testing.assert_array_equal(simulated.get_ydata(), evaluation.pairs["sim"])
    assert observed.get_color() != simulated.get_color()


def test_a_figure_says_in_words_what_it_shows(evaluation):
    assert hydrograph(evaluation, title="A river").get_label() == (
        "Hydrograph, A river: observed and simulated discharge from 2016-09-01 to 2016-09-03; "
        f"KGE 0.86, NSE {float(evaluation.scores['nse']):.2f}, PBIAS +10.0 %, pairs 72"
    )


@pytest.mark.parametrize(("units", "factor"), [("mm h-1", 1.0), ("mm s^-1", 3600.0), ("kg m-2 s-1", 3600.0)])
def test_rain_hangs_from_the_top_in_mm_per_hour(evaluation, units, factor):
    figure = hydrograph(evaluation, rain=series(np.eye(72)[5] * 2.0, units))
    rain = next(axes for axes in figure.axes if axes.get_ylabel() == "rain [mm h⁻¹]")
    bottom, top = rain.get_ylim()
    assert (bottom, top) == (pytest.approx(1.08 * 2.0 * factor), 0)


def test_dry_weather_is_drawn_too(evaluation):
    assert hydrograph(evaluation, rain=series(np.zeros(72), "mm h-1")).axes[1].get_ylim() == (1.0, 0.0)


def test_rain_without_units_or_in_others_is_refused(evaluation):
    with pytest.raises(UnitsError, match="rain does not say"):
        hydrograph(evaluation, rain=series(np.zeros(72), ""))
    with pytest.raises(UnitsError, match="does not convert"):
        hydrograph(evaluation, rain=series(np.zeros(72), "K"))
    with pytest.raises(SelectionError, match="not one series"):
        hydrograph(evaluation, rain=series(np.zeros(72), "mm h-1").expand_dims(catchment=["cat-1"]))


def test_one_place_of_several_is_drawn():
    both = xr.concat([series(np.arange(72)), series(np.arange(72) * 2)], pd.Index(["a", "b"], name="nexus-id"))
    found = evaluate(both, both)
    assert max(hydrograph(found, place="b").axes[0].lines[0].get_ydata()) == 142
    with pytest.raises(SelectionError, match=r"one place(.|\n)*place='a'"):
        hydrograph(found)
    with pytest.raises(SelectionError, match="no place 'c'"):
        hydrograph(found, place="c")


def test_a_line_is_not_drawn_across_a_gap():
    times = TIMES.delete(slice(20, 40))
    line = hydrograph(evaluate(series(range(52), times=times), series(range(52), times=times))).axes[0].lines[0]
    assert np.flatnonzero(np.isnan(line.get_ydata())).tolist() == [20]


def test_an_undefined_score_says_so():
    figure = hydrograph(evaluate(series(np.arange(72)), series(np.ones(72)), ["nse"]))
    assert texts(figure)[:2] == ["NSE", "undefined"]


def test_a_long_series_keeps_its_extremes_and_its_gaps():
    values = np.random.default_rng(3).normal(size=200_001)
    values[[77_777, 123_456]] = 50.0, -50.0
    values[150_000:160_000] = np.nan
    times = np.datetime64("2000-01-01", "ns") + np.arange(values.size) * np.timedelta64(1, "h")
    x, y = decimate(times, values)
    assert len(x) == len(y) <= 6_000
    assert (np.diff(x) > np.timedelta64(0)).all()
    assert dict(zip(x, y, strict=True))[times[77_777]] == 50.0
    assert dict(zip(x, y, strict=True))[times[123_456]] == -50.0
    assert np.isnan(y).any()


def test_a_short_series_is_left_alone():
    times, values = TIMES.to_numpy(), np.arange(72.0)
    assert decimate(times, values)[1] is values


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_is_written_whole(tmp_path, evaluation, suffix, start):
    path = save_figure(hydrograph(evaluation), tmp_path / "new" / f"flow.{suffix}")
    assert path.read_bytes().startswith(start)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_unknown_kind_of_picture_is_refused(tmp_path, evaluation):
    with pytest.raises(OutputError, match=r"flow.bmp(.|\n)*\.png, \.svg or \.pdf"):
        save_figure(hydrograph(evaluation), tmp_path / "flow.bmp")


def test_a_place_that_cannot_be_written_is_an_error(tmp_path, evaluation):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        save_figure(hydrograph(evaluation), tmp_path / "file" / "flow.png")


def test_figures_are_drawn_in_a_thread_and_no_global_state_knows_them(tmp_path, evaluation):
    worker = threading.Thread(target=lambda: save_figure(hydrograph(evaluation), tmp_path / "flow.png"))
    worker.start()
    worker.join()
    assert (tmp_path / "flow.png").exists()
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


@pytest.fixture
def layers(data):
    geopandas = pytest.importorskip("geopandas")
    file = data / "hydrofabric/v2.2/gage-10109001_subset.gpkg"
    return [geopandas.read_file(file, layer=layer) for layer in ("divides", "flowpaths", "nexus")]


def test_a_domain_is_a_map_of_its_layers(layers, tmp_path):
    figure = domain_map(*layers, gage=str(layers[2]["id"].iloc[0]), title="Logan River")
    divides, rivers, *_ = figure.axes[0].collections
    assert len(divides.get_paths()) == 88
    assert len(rivers.get_segments()) >= 88
    assert "5 km" in texts(figure)
    assert figure.get_label().startswith("Map of 88 catchments and 88 river reaches, with nex-")
    save_figure(figure, tmp_path / "map.png")


@pytest.mark.parametrize("kind", [1, 0])
def test_a_gage_may_be_on_a_flowpath_or_in_a_divide(layers, kind):
    column = "id" if kind == 1 else "divide_id"
    gage = str(layers[kind][column].iloc[0])
    assert gage in texts(domain_map(*layers, gage=gage))


def test_a_map_in_degrees_has_no_bar_of_kilometres(layers):
    figure = domain_map(*(layer.to_crs(4326) for layer in layers))
    assert isinstance(figure, Figure)
    assert not texts(figure)


def test_a_gage_that_is_not_on_the_map_is_refused(layers):
    with pytest.raises(SelectionError, match="nex-0 is not on the map"):
        domain_map(*layers, gage="nex-0")
