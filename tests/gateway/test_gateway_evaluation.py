"""How good a run is, asked of the gateway: a real run against observations in files and in the catalog."""

from __future__ import annotations

import json
import math
from contextlib import closing
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from gateway_world import DEADLINE_S, asked, kept, service_of, until

from dmod.catalog.catalog import Catalog
from dmod.catalog.evaluations import evaluate_run
from dmod.errors import SelectionError
from dmod.evaluation.evaluate import evaluate
from dmod.evaluation.metric import METRICS
from dmod.formats.outputs import open_outputs
from dmod.gateway.asker import Asker
from dmod.gateway.opened import opened
from dmod.gateway.telling_evaluation import answer_of
from dmod.handle import Job
from dmod.job.lifecycle import State
from dmod.prepare.basin import Basin, make_basin
from dmod.service import LocalService
from dmod.session import Session, request_of

PAGE_BYTES = 2_500_000
HTML = "<img src=x onerror=alert(1)>"


def told(reply, status=200):
    assert reply.status == status, reply.body[:2000]
    return json.loads(reply.body)


@dataclass
class World:
    """Ann's run of a basin that is complete, and bob, who shares her ledger."""

    basin: Basin
    ann: Asker
    bob: Asker
    job: str

    @property
    def root(self) -> Path:
        return self.ann.root

    @property
    def handle(self) -> Job:
        return Job(self.ann.service, self.job)

    def evaluate(self, status=200, job=None, asker=None, **body):
        body = {"observations": "observed.csv", **body}
        path = f"jobs/{job or self.job}/evaluate"
        return told(asked(asker or self.ann, "POST", path, body=json.dumps(body).encode()), status)

    def kept(self, name, status=200, asker=None):
        return told(asked(asker or self.ann, "GET", f"datasets/{name}/evaluation"), status)

    def catalog(self, owner="ann"):
        service = (self.ann if owner == "ann" else self.bob).service
        return Catalog.at(service.settings, service.ledger, owner=owner)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A basin of twelve catchments, ten days; nobody writes into its outputs."""
    root = tmp_path_factory.mktemp("root")
    basin = make_basin(root / "river", catchments=12, days=10)
    ann, bob = (service_of(root.parent / f"{root.name}-home", owner) for owner in ("ann", "bob"))
    job = ann.submit(request_of(basin.directory))
    until(lambda: ann.job(job).state.is_final, 3 * DEADLINE_S)
    assert ann.job(job).state is State.COMPLETE
    yield World(basin, Asker(ann, root), Asker(bob, root), job)
    ann.close()
    bob.close()


@pytest.fixture(scope="module")
def flow(world):
    """What was simulated at the gage."""
    with open_outputs(world.basin.directory / "outputs" / "dmod") as outputs:
        return outputs["nexus_flow"].sel({"nexus-id": world.basin.gage_nexus}).load()


def written(path, flow, site=None):
    """A table of observations."""
    rows = [f"{str(t)[:19]}Z,{q:.17g}" for t, q in zip(flow["time"].values, flow.values, strict=True)]
    if site is None:
        path.write_text("\n".join(["time,discharge [m3 s-1]", *rows]) + "\n")
    else:
        path.write_text("\n".join(["time,discharge [m3 s-1],site", *(f"{row},{site}" for row in rows)]) + "\n")
    return path


@pytest.fixture(scope="module", autouse=True)
def observed(world, flow):
    """A file in the root: a tenth more than was simulated, and a little."""
    return written(world.root / "observed.csv", 1.1 * flow + 0.1)


def test_gages_are_told_whether_a_job_is_complete_or_not(world):
    basin = world.basin
    gages = {"gages": [{"gage": basin.gage, "place": basin.gage_nexus}], "total": 1}
    assert told(asked(world.ann, "GET", f"jobs/{world.job}/gages")) == gages
    new = kept(world.ann.service, basin.directory, output=world.root / "new")
    assert told(asked(world.ann, "GET", f"jobs/{new}/gages")) == gages
    elsewhere = next(one for one in basin.ids if one not in basin.gage_ids)
    part = kept(world.ann.service, basin.directory, output=world.root / "part", catchments=[elsewhere])
    assert told(asked(world.ann, "GET", f"jobs/{part}/gages")) == {"gages": [], "total": 0}


def test_a_run_that_is_not_composed_yet_is_a_conflict(world):
    asking = {"composition": {"hydrofabric": "river/config/none.gpkg", "formulation": {"modules": []}}}
    body = json.dumps({"request": {**asking, "start_s": 0, "end_s": 3600}}).encode()
    job = told(asked(world.ann, "POST", "jobs", body=body), 201)["id"]
    assert "no directory yet" in told(asked(world.ann, "GET", f"jobs/{job}/gages"), 409)["error"]


def test_a_composed_run_is_compared_as_any_other(world):
    basin, service = world.basin, world.ann.service
    request = Session(service.settings).request(
        basin.geopackage, "cfe", forcing=basin.forcing, start="2015-10-01", end="2015-10-03"
    )
    job = service.submit(request)
    until(lambda: service.job(job).state.is_final, 3 * DEADLINE_S)
    assert told(asked(world.ann, "GET", f"jobs/{job}/gages"))["total"] == 1
    assert world.evaluate(job=job)["rows"][0]["gage"] == basin.gage
    with closing(LocalService(service.settings)) as elsewhere:
        assert list(Job(elsewhere, job).domain.gages) == [basin.gage]


def test_a_place_that_a_variable_has_not_is_refused(world, flow):
    routed = flow.drop_vars("nexus-id").expand_dims({"flowpath-id": ["wb-1", "wb-2"]}).rename(time="routed-time")
    domain = world.handle.domain
    for place in ({"nexus": world.basin.gage_nexus}, {"gage": world.basin.gage}):
        with pytest.raises(SelectionError, match="routed_flow has no"):
            evaluate_run(routed.to_dataset(name="routed_flow"), domain, flow, variable="routed_flow", **place)


def test_a_run_directory_that_is_gone_is_the_users_to_mend(world, tmp_path):
    gone = make_basin(world.root / "gone", catchments=3, days=1)
    job = kept(world.ann.service, gone.directory)
    gone.geopackage.unlink()
    assert told(asked(world.ann, "GET", f"jobs/{job}/gages"), 400)["hint"]


@pytest.mark.parametrize("metrics", [None, ["kge", "RMSE"], ["standard"], ["all"]], ids=str)
def test_scores_are_those_of_the_job(world, observed, metrics):
    found = world.evaluate(metrics=metrics)
    single = metrics[0] if metrics in (["standard"], ["all"]) else metrics
    scores = world.handle.evaluate(observed, metrics=single).scores
    names = [one["name"] for one in found["metrics"]]
    assert names == [name for name in scores if name in METRICS]
    (row,) = found["rows"]
    assert (row["place"], row["gage"], row["part"]) == (world.basin.gage_nexus, world.basin.gage, "")
    assert (found["total"], found["kept"]) == (1, None)
    for name, value, good in zip(names, row["values"], row["goodness"], strict=True):
        assert value == float(scores[name]) if value is not None else math.isnan(float(scores[name]))
        assert good is None or 0 <= good <= 1
    assert found["page"].startswith("<!doctype html>")


def test_a_metric_says_what_it_is_and_how_good_its_value_is(world, flow):
    written(world.root / "twice.csv", 2 * flow)
    found = world.evaluate(observations="twice.csv", metrics=["pbias", "rmse"])
    pbias, rmse = found["metrics"]
    assert (pbias["label"], pbias["units"], pbias["ideal"]) == ("PBIAS", "%", 0)
    assert (rmse["units"], rmse["ideal"]) == ("m3 s-1", 0)
    assert pbias["about"].startswith("Percent bias: 100")
    (row,) = found["rows"]
    assert row["values"][0] == pytest.approx(-50)
    assert row["goodness"] == [pytest.approx(0.5), None]


@pytest.mark.parametrize("owner", ["ann", "bob"])
def test_observations_are_found_in_the_catalog_whoever_added_them(world, observed, owner):
    name = f"seen-by-{owner}"
    world.catalog(owner).add(observed, name=name)
    found = world.evaluate(observations=name)
    assert found["rows"] == world.evaluate()["rows"]
    assert found["title"] == f"{world.basin.gage_nexus} against {name}"


def test_a_dataset_comes_before_a_file_of_its_name(world, flow, observed):
    world.catalog().add(observed, name="twins.csv")
    written(world.root / "twins.csv", flow)
    nse = {name: world.evaluate(observations=name, metrics=["nse"])["rows"][0]["values"][0]
           for name in ("twins.csv", "./twins.csv")}  # fmt: skip
    assert nse["twins.csv"] < nse["./twins.csv"] == 1


def test_outputs_of_others_are_no_observations_and_not_even_there(world):
    world.catalog("bob").add(b"1", name="numbers", category="output", format="generic")
    foreign = world.evaluate(400, observations="numbers")
    absent = world.evaluate(400, observations="numbers-not-there")
    assert json.dumps(foreign) == json.dumps(absent).replace("numbers-not-there", "numbers")
    own = world.evaluate(400, observations=f"{world.job}-outputs")
    assert own["facts"]["has"] == "a dataset for output"


WRONG = [
    pytest.param({"observations": ""}, "observations", id="nothing to compare with"),
    pytest.param({"observations": "nothing.csv"}, "there are no observations", id="no such file"),
    pytest.param({"observations": "x" * 400}, "there are no observations", id="a name that no file can have"),
    pytest.param({"observations": "a\0b"}, "observations is no path", id="a zero in the name"),
    pytest.param({"observations": "\ud800"}, "observations", id="half a letter"),
    pytest.param({"observations": "usgs:01073000"}, "there are no observations", id="a service"),
    pytest.param({"observations": "*.csv"}, "there are no observations", id="a pattern"),
    pytest.param({"observations": "../observed.csv"}, "observations lies outside", id="a path that leads out"),
    pytest.param({"observations": "/etc/passwd"}, "observations lies outside", id="a path elsewhere"),
    pytest.param({"observations": "file:///etc/passwd"}, "observations is no path", id="an address of this machine"),
    pytest.param({"observations": "http://127.0.0.1:9/x.csv"}, "may not lie there", id="an address"),
    pytest.param({"observations": "s3://b/x::file:///etc/passwd"}, "may not lie there", id="an address in another"),
    pytest.param({"observations": "river/config"}, "config", id="a directory of something else"),
    pytest.param({"observations": "river/config/mad-river.gpkg"}, "", id="a file of something else"),
    pytest.param({"metrics": ["nonsense"]}, "there is no metric 'nonsense'", id="no such metric"),
    pytest.param({"metrics": ["kge", "all"]}, "there is no metric 'all'", id="a set among names"),
    pytest.param({"metrics": []}, "no metric was asked for", id="no metric"),
    pytest.param({"metrics": ["pod"]}, "needs thresholds", id="a metric of thresholds"),
    pytest.param({"metrics": "kge"}, "metrics", id="metrics in a text"),
    pytest.param({"gage": "00000000"}, "gage 00000000 is not in the domain", id="no such gage"),
    pytest.param({"gage": 9990001}, "gage", id="a gage that is a number"),
    pytest.param({"nexus": "nex-999"}, "nexus nex-999 is not in the domain", id="no such nexus"),
    pytest.param({"units": "apples"}, "apples", id="no such units"),
    pytest.param({"variable": "DEPTH"}, "variable", id="no such variable"),
    pytest.param({"variable": "routed_flow"}, "routed_flow", id="a variable that the run has not"),
    pytest.param({"keep": "No Name"}, "cannot be the name", id="a name that is none"),
    pytest.param({"thresholds": "q90"}, "thresholds", id="an unknown option"),
]


@pytest.mark.parametrize(("body", "said"), WRONG)
def test_what_makes_no_sense_is_refused_with_a_remedy(world, body, said):
    problem = world.evaluate(400, **body)
    assert said in problem["error"]
    assert problem["hint"]


def test_no_link_leads_out_of_the_root(world, tmp_path, flow):
    written(tmp_path / "secret.csv", flow)
    (world.root / "link.csv").symlink_to(tmp_path / "secret.csv")
    (world.root / "many").mkdir()
    written(world.root / "many" / "1.csv", flow, "1")
    assert world.evaluate(observations="many", metrics=["nse"])["rows"][0]["values"] == [1]
    (world.root / "many" / "2.csv").symlink_to(tmp_path / "secret.csv")
    for name in ("link.csv", "many"):
        assert "lies outside" in world.evaluate(400, observations=name)["error"]


def test_a_job_that_is_not_complete_is_a_conflict(world):
    job = kept(world.ann.service, world.basin.directory, output=world.root / "later")
    assert "it is requested" in world.evaluate(409, job=job)["error"]


@pytest.mark.parametrize("path", ["gages", "evaluate"])
def test_jobs_of_others_are_not_there(world, path):
    method = "POST" if path == "evaluate" else "GET"
    body = json.dumps({"observations": "observed.csv"}).encode()
    foreign, absent = (asked(world.bob, method, f"jobs/{job}/{path}", body=body) for job in (world.job, "river-000000"))
    assert (foreign.status, foreign.body) == (404, absent.body.replace(b"river-000000", world.job.encode()))


def test_what_is_kept_comes_back_the_same_and_only_to_its_owner(world):
    made = world.evaluate(keep="good-run", metrics=["standard"])
    assert made["kept"] == "good-run"
    assert world.kept("good-run") == made
    listed = told(asked(world.ann, "GET", "datasets", {"format": "evaluation"}))["datasets"]
    assert [one["name"] for one in listed if one["name"] == "good-run"] == ["good-run"]
    assert {one["format"] for one in listed} == {"evaluation"}
    detail = told(asked(world.ann, "GET", "datasets/good-run"))
    assert world.catalog().show(f"{world.job}-outputs").digest in detail["parents"]
    assert told(asked(world.bob, "GET", "datasets", {"format": "evaluation"}))["datasets"] == []
    foreign, absent = world.kept("good-run", 404, world.bob), world.kept("good-runs", 404, world.bob)
    assert json.dumps(foreign) == json.dumps(absent).replace("good-runs", "good-run")
    assert "already" in world.evaluate(409, keep="good-run")["error"]
    assert "already" in world.evaluate(409, keep="good-run", asker=world.ann, observations="nothing.csv")["error"]


def test_a_dataset_that_is_no_evaluation_says_so(world):
    assert "is no evaluation" in world.kept(f"{world.job}-outputs", 400)["error"]
    world.catalog().add(b"1", name="no-scores", category="output", format="generic")
    assert "is no evaluation" in world.kept("no-scores", 400)["error"]


def test_nothing_is_kept_where_nothing_could_be_compared(world):
    world.evaluate(400, keep="never", metrics=["nonsense"])
    world.kept("never", 404)


def test_html_in_what_people_write_stays_text(world, flow):
    written(world.root / f"{HTML}.csv", 1.5 * flow, f"{HTML}</script>")
    found = world.evaluate(observations=f"{HTML}.csv", nexus=world.basin.gage_nexus, keep="html")
    assert found["rows"][0]["gage"] == f"{HTML}</script>"
    assert HTML in found["title"]
    assert HTML not in found["page"]
    assert escape(HTML) in found["page"]
    assert found["page"].count("</script>") == found["page"].count("<script")
    assert world.kept("html")["page"] == found["page"]


def test_a_value_that_is_not_there_is_null_and_says_why(world, flow):
    written(world.root / "level.csv", xr.ones_like(flow))
    found = world.evaluate(observations="level.csv", metrics=["nse", "pbias"])
    (row,) = found["rows"]
    assert row["values"][0] is None is row["goodness"][0]
    assert isinstance(row["values"][1], float)
    assert found["missing"] == [
        {"metric": "nse", "reason": "observations never vary", "where": world.basin.gage_nexus}
    ]  # fmt: skip


def test_observations_with_gaps_are_paired_where_there_are_some(world, flow):
    some = flow.copy()
    some[5:200] = np.nan
    written(world.root / "gaps.csv", some)
    found = world.evaluate(observations="gaps.csv")
    assert found["rows"][0]["values"][1] == 1
    assert found["page"] is not None


def test_every_gage_is_a_row_and_sites_elsewhere_are_told_in_notes(world, flow):
    seen = xr.concat([flow, flow], pd.Index([f"USGS-{world.basin.gage}", "00000001"], name="site"))
    seen.drop_vars("nexus-id").to_dataset(name="discharge").to_netcdf(world.root / "many.nc")
    found = world.evaluate(observations="many.nc", metrics=["nse"])
    assert [(one["place"], one["gage"], one["values"]) for one in found["rows"]] == [
        (world.basin.gage_nexus, f"USGS-{world.basin.gage}", [1])
    ]
    assert any(note.startswith("left out: 00000001") for note in found["notes"])


def test_outputs_of_another_run_can_stand_for_observations(world):
    found = world.evaluate(observations="river/outputs/dmod", metrics=["nse"])
    assert found["total"] == len(found["rows"]) > 1
    assert {tuple(row["values"]) for row in found["rows"]} <= {(1.0,), (None,)}


def test_parts_and_thresholds_of_a_kept_evaluation_are_rows(world, observed):
    made = world.handle.evaluate(
        observed, metrics=["nse", "pod"], groups="hour", thresholds=["q50", "q90"], keep="by-hour"
    )
    found = world.kept("by-hour")
    assert found["total"] == len(found["rows"]) == 24 * 3
    assert [one["name"] for one in found["metrics"]] == ["nse", "pod"]
    frame = made.to_frame()
    for at in range(24):
        whole, half, tenth = found["rows"][3 * at : 3 * at + 3]
        assert (half["part"], tenth["part"]) == (f"{whole['part']}, threshold q50", f"{whole['part']}, threshold q90")
        assert whole["values"][1] is None is half["values"][0]
        assert whole["values"][0] == pytest.approx(frame["nse", ""].iloc[at], rel=1e-12)
        assert [half["values"][1], tenth["values"][1]] == [
            None if np.isnan(pod) else pod for pod in frame["pod"][["q50", "q90"]].iloc[at]
        ]
        assert {row["place"] for row in (whole, half, tenth)} == {world.basin.gage_nexus}


def test_of_very_many_places_the_first_are_sent():
    times = pd.date_range("2020-01-01", periods=400, freq="D")
    sites = [f"nex-{i}" for i in range(1200)]
    obs = xr.DataArray(
        np.random.default_rng(1).gamma(2.0, 3.0, (1200, 400)),
        {"site": sites, "time": times}, ("site", "time"), attrs={"units": "m3 s-1"},
    )  # fmt: skip
    obs[:200] = 1.0
    told_of = answer_of(evaluate(1.2 * obs, obs), None)
    assert (len(told_of.rows), told_of.total, len(told_of.missing)) == (1000, 1200, 100)
    assert told_of.missing[0].where == "nex-0"
    assert told_of.page is not None
    assert len(told_of.page) < PAGE_BYTES


def test_metrics_are_computed_while_somebody_else_reads_the_outputs(world):
    with opened(world.basin.directory / "outputs" / "dmod"):
        assert world.evaluate()["total"] == 1


def test_a_file_that_is_damaged_is_not_our_fault(world):
    world.evaluate(keep="damaged")
    path = world.catalog().path("damaged")
    path.chmod(0o600)
    path.write_bytes(b"\x89HDF nothing more")
    assert world.kept("damaged", 400)["kind"] in ("OutputError", "DatasetError")
