"""The doctor tells what is installed."""

from __future__ import annotations

import json
from importlib.metadata import version

from dmod.doctor import examine_installation


def test_versions_are_those_installed():
    found = examine_installation()
    assert found.versions["numpy"] == version("numpy")
    assert found.machine["cores"].isdigit()


def test_all_engines_are_found_and_none_is_broken():
    found = examine_installation()
    assert set(found.modules) >= {"cfe", "pet", "python", "sloth"}
    assert "register_bmi_cfe" in found.modules["cfe"]
    assert found.broken == {}


def test_it_can_be_read_by_people_and_programs():
    found = examine_installation()
    assert "register_bmi_pet" in str(found)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_it_says_whether_a_container_engine_answers(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    assert examine_installation().programs["container engine"].startswith("none: ")
