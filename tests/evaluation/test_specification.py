"""Specifications: every element, templates, and everything that is wrong at once."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import yaml
from made_specification import saved, specification, written

from dmod.errors import CheckError, InputError
from dmod.evaluation.spec_reading import check_specification, read_specification
from dmod.evaluation.spec_templates import MANIFEST, Templates, filled, overlaid
from dmod.evaluation.specification import (
    EvaluationSpecification,
    LocationSpecification,
    ThresholdDefinition,
    UnitDefinition,
    ValueSelector,
    json_schema,
)


@pytest.fixture
def spec(tmp_path):
    """A specification whose files are there."""
    return written(tmp_path)


def messages(given, folder):
    """What is wrong, place and message."""
    return [(f.key, f.message) for f in check_specification(given, folder=folder).errors]


def test_the_small_one_is_sound(spec, tmp_path):
    assert str(check_specification(saved(tmp_path, spec))) == "nothing to report"


def test_json_and_yaml_say_the_same(spec, tmp_path):
    path = tmp_path / "evaluation.yaml"
    path.write_text(yaml.safe_dump(spec))
    assert read_specification(path).specification == read_specification(saved(tmp_path, spec)).specification


def test_keys_that_are_not_known_are_properties():
    made = EvaluationSpecification.model_validate({**specification(), "author": "Ada", "properties": {"year": 2021}})
    assert made.properties == {"author": "Ada", "year": 2021}
    assert made.predictions[0].backend.properties == {"parse_dates": ["date"]}


def test_what_is_left_out_is_as_in_the_original():
    made = EvaluationSpecification.model_validate(specification())
    assert made.observations[0].x_axis == "value_date"
    assert made.observations[0].value_selectors[0].associated_fields[1].path == [
        "sourceInfo",
        "siteCode",
        "[0]",
        "value",
    ]
    assert made.crosswalks[0].field.origin == ["$"]
    assert made.crosswalks[0].field.associated_fields[0].path == ["site_no"]
    assert made.scheme.metrics[0].weight == 2.0
    assert made.thresholds[0].application_rules.threshold_field.datatype == "day"
    assert made.predictions[0].unit.value == "m3 s-1"
    assert made.thresholds[0].definitions[0].operator == ">="


def test_paths_are_parts_or_text_or_jsonpath():
    assert ValueSelector(name="a", where="value", path="/b/c").path == ["$", "b", "c"]
    assert ValueSelector(name="a", where="value", path="b/c").path == ["b", "c"]
    assert ValueSelector(name="a", where="VALUE", origin="$.x[?(@.y == 1)]").origin == ["$.x[?(@.y == 1)]"]
    assert ValueSelector(name="a", where="value").parts == ["a"]


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        (UnitDefinition, {}, "exactly one of value, field and path"),
        (UnitDefinition, {"value": "cfs", "field": "unit"}, "this one has value and field"),
        (LocationSpecification, {"from_field": "column", "ids": ["a"]}, "not from both"),
        (LocationSpecification, {"pattern": "cat-.*"}, "needs a from_field"),
        (LocationSpecification, {"identify": True}, "from_field or ids are needed"),
        (ThresholdDefinition, {"name": "x", "unit": "cfs"}, "one of field, quantile and value, this one has none"),
        (ThresholdDefinition, {"name": "x", "field": "p"}, "needs a unit"),
        (ThresholdDefinition, {"name": "x", "quantile": 1.5}, "less than or equal to 1"),
        (ThresholdDefinition, {"name": "x", "value": 1, "unit": "cfs", "operator": "!="}, "'>', '>='"),
        (ValueSelector, {"name": "a", "where": "value", "datatype": "flaot"}, "'flaot' is no datatype"),
    ],
)
def test_an_element_that_contradicts_itself_is_refused(kind, given, says):
    with pytest.raises(ValueError, match=says):
        kind.model_validate(given)


def test_five_mistakes_are_five_lines(spec, tmp_path):
    del spec["observations"][0]["value_field"]
    spec["predictions"][0]["backend"]["address"] = "dog.*csv"
    spec["predictions"][0]["unit"] = "m3 per fortnight"
    spec["scheme"]["metrics"][0]["name"] = "Probability of Deception"
    spec["scheme"]["metrics"][1]["weight"] = "much"
    report = check_specification(saved(tmp_path, spec))
    assert {(f.key, f.message) for f in report.errors} == {
        ("observations[0].value_field", "value_field is missing"),
        ("predictions[0].backend.address", "no file is there: 'dog.*csv'"),
        ("predictions[0].unit.value", "'m3 per fortnight' is no unit that can be read"),
        ("scheme.metrics[0].name", "there is no metric 'Probability of Deception'"),
        ("scheme.metrics[1].weight", "weight is 'much', and must be a number"),
    }
    assert [line[:6] for line in str(report).splitlines()].count("error:") == 5
    with pytest.raises(CheckError) as caught:
        read_specification(saved(tmp_path, spec))
    assert caught.value.exit_code == 2
    assert len(caught.value.report.errors) == 5


def test_more_mistakes_and_how_they_are_told(spec, tmp_path):
    spec["observations"][0]["x_axis"] = "when"
    spec["predictions"][0]["field_mapping"][0]["value"] = "forecast"
    spec["crosswalks"][0]["field"]["path"] = ["* where ("]
    spec["thresholds"][1]["definitions"][0]["name"] = "Median"
    spec["scheme"]["metrics"].append({"name": "RMSE", "weight": 1})
    found = dict(messages(spec, tmp_path))
    assert found["observations[0].x_axis"] == "nothing reads the field 'when'"
    assert found["predictions[0].field_mapping[0].value"] == "nothing reads the field 'forecast'"
    assert "is no JSONPath" in found["crosswalks[0].field.path"]
    assert found["thresholds"] == "two thresholds are called 'Median'"
    assert "no natural scale" in found["scheme"]


def test_a_slip_of_the_pen_is_guessed(spec, tmp_path):
    spec["observations"][0]["value_feild"] = spec["observations"][0].pop("value_field")
    [error] = check_specification(spec, folder=tmp_path).errors
    assert error.remedy == "is 'value_feild' meant to be it?"
    spec = specification()
    spec["tresholds"] = spec.pop("thresholds")
    [warning] = check_specification(spec, folder=tmp_path).warnings
    assert (warning.message, warning.remedy) == ("'tresholds' has no meaning here", "is 'thresholds' meant?")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", '{"observations": [', "is not JSON (at line 1"),
        ("a.yaml", "observations: [", "is not YAML (at line"),
        ("a.json", "[1]", "a specification is one object"),
        ("a.json", b"\xff\xfe\x00", "is not text"),
    ],
)
def test_a_file_that_is_no_specification_is_told(tmp_path, name, text, says):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    [error] = check_specification(path).errors
    assert says in error.message


def test_no_file_is_told(tmp_path):
    assert "no such specification" in check_specification(tmp_path / "none.json").errors[0].message


def test_the_schema_describes_every_element():
    schema = json_schema()
    assert schema["required"] == ["observations", "predictions", "scheme"]
    assert {"DataSourceSpecification", "BackendSpecification", "ValueSelector", "AssociatedField", "UnitDefinition",
            "FieldMappingSpecification", "LocationSpecification", "CrosswalkSpecification", "ThresholdSpecification",
            "ThresholdDefinition", "ThresholdApplicationRules", "SchemeSpecification", "MetricSpecification",
            } <= schema["$defs"].keys()  # fmt: skip
    for name, element in schema["$defs"].items():
        for key, held in element["properties"].items():
            assert held.get("description"), f"{name}.{key} says what it is"
    json.dumps(schema)


# Templates


TEMPLATES = {
    "BackendSpecification": {"csv": {"backend_type": "file", "format": "csv"}},
    "MetricSpecification": {"pod": {"name": "POD", "weight": 4}},
    "SchemeSpecification": {
        "two": {"metrics": [{"template_name": "pod"}, {"name": "KGE", "weight": 1}]},
        "circle": {"template_name": "circle"},
    },
    "ThresholdDefinition": {"median": {"name": "Median", "field": "p50_va", "unit": {"value": "cfs"}, "weight": 9}},
}


def filling(given, *, kind=EvaluationSpecification):
    told = []
    return filled(given, Templates(TEMPLATES), lambda key, message: told.append((key, message)), kind=kind), told


def test_own_keys_win_and_templates_hold_templates():
    made, told = filling({"scheme": {"template_name": "two", "metrics": [{"name": "POD", "weight": 1}]}})
    assert made["scheme"]["metrics"] == [{"name": "POD", "weight": 1}, {"name": "KGE", "weight": 1}]
    assert told == []


@pytest.mark.parametrize("key", ["template_name", "template"])
def test_a_template_is_named_either_way(key):
    made, _ = filling({"predictions": [{"backend": {key: "csv", "address": "x.csv"}}]})
    backend = made["predictions"][0]["backend"]
    assert (backend["format"], backend["address"], backend["name"]) == ("csv", "x.csv", "csv")


def test_of_several_templates_the_later_wins():
    first = {"metrics": [{"name": "x", "weight": 1}], "name": "a"}
    second = {"metrics": [{"name": "x", "weight": 2}, {"name": "y"}], "name": "b"}
    held = Templates({"SchemeSpecification": {"a": first, "b": second}})
    made = filled({"scheme": {"templates": ["a", "b"]}}, held, lambda *_: None)
    assert made["scheme"] == {"metrics": [{"name": "x", "weight": 2}, {"name": "y"}], "name": "b"}


def test_a_template_that_is_not_there_is_told_with_its_place():
    _, told = filling({"thresholds": [{"definitions": [{"template_name": "mean"}]}]})
    assert told == [("thresholds[0].definitions[0]", "there is no template 'mean'; there are median")]


def test_a_template_that_leads_to_itself_is_told():
    _, told = filling({"scheme": {"template_name": "circle"}})
    assert told == [("scheme", "the template 'circle' leads back to itself")]


def test_lists_without_names_are_replaced_or_joined():
    assert overlaid({"path": ["a", "b"]}, {"path": ["c"]}) == {"path": ["c"]}
    assert overlaid([{"x": 1}], [{"x": 2}]) == [{"x": 1}, {"x": 2}]


def manifest(folder: Path) -> Path:
    """A directory of templates with its manifest."""
    listed = {}
    for kind, held in TEMPLATES.items():
        for name, body in held.items():
            listed.setdefault(kind, []).append({"name": name, "path": f"{kind}/{name}.json", "description": ""})
            path = folder / kind / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(body))
    (folder / MANIFEST).write_text(json.dumps(listed))
    return folder


def test_templates_come_from_a_directory_a_manifest_or_a_zip_file(tmp_path):
    folder = manifest(tmp_path / "templates")
    zipped = tmp_path / "templates.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for path in folder.rglob("*.json"):
            archive.write(path, Path("inside") / path.relative_to(folder))
    for given in (folder, folder / MANIFEST, zipped):
        assert Templates.read(given).held == TEMPLATES


def test_templates_beside_a_specification_are_found(tmp_path):
    spec = written(tmp_path)
    manifest(tmp_path / "templates")
    spec["thresholds"][0]["definitions"] = [{"template_name": "median"}]
    spec["scheme"] = {"template_name": "two"}
    made = read_specification(saved(tmp_path, spec)).specification
    assert made.thresholds[0].definitions[0].weight == 9
    assert [metric.name for metric in made.scheme.metrics] == ["POD", "KGE"]


def test_broken_templates_are_told(tmp_path):
    with pytest.raises(InputError, match="no templates"):
        Templates.read(tmp_path)
    (tmp_path / MANIFEST).write_text('{"MetricSpecification": [{"name": "x", "path": "gone.json"}]}')
    with pytest.raises(InputError, match=r"(?s)cannot be read.*gone\.json"):
        Templates.read(tmp_path)
    with pytest.raises(InputError, match="no element 'Metric'"):
        Templates({"Metric": {}})


def test_the_originals_specifications_and_templates_are_read_as_they_are(data):
    folder = data / "evaluation-golden" / "dmod_evaluations"
    if not folder.is_dir():
        pytest.skip("the golden specifications of the original are not in DMOD_TEST_DATA")
    for path in (
        *folder.glob("*evaluation.json"),
        folder / "example_spec.json",
        *folder.glob("templates/evaluation/*.json"),
    ):
        if path.name in ("tophalf.json", "bottomhalf.json"):
            continue  # halves of one
        assert str(check_specification(path, folder=folder, scoring="dmod")) == "nothing to report", path
    assert sum(len(held) for held in Templates.read(folder / "templates").held.values()) == 37
