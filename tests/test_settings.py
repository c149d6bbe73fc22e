"""Settings: the environment wins over dmod.toml, and nonsense is refused."""

from __future__ import annotations

import pytest

from dmod.errors import InputError
from dmod.settings import Settings, read_settings


def test_nothing_set_is_the_defaults(tmp_path):
    assert read_settings(tmp_path, {}) == Settings(scheduler=None, workers=None)


def test_the_file_is_read(tmp_path):
    (tmp_path / "dmod.toml").write_text('workers = 3\nscheduler = "tcp://10.0.0.1:8786"\n')
    assert read_settings(tmp_path, {}) == Settings("tcp://10.0.0.1:8786", 3)


def test_the_environment_wins(tmp_path):
    (tmp_path / "dmod.toml").write_text("workers = 3\n")
    assert read_settings(tmp_path, {"DMOD_WORKERS": "5"}).workers == 5


@pytest.mark.parametrize("text", ["workers = 0\n", 'workers = "many"\n', "workers = 1.5\n"])
def test_workers_that_make_no_sense_are_refused(tmp_path, text):
    (tmp_path / "dmod.toml").write_text(text)
    with pytest.raises(InputError, match="workers is"):
        read_settings(tmp_path, {})


def test_an_unknown_key_is_named(tmp_path):
    (tmp_path / "dmod.toml").write_text("worker = 2\n")
    with pytest.raises(InputError, match=r"unknown +worker"):
        read_settings(tmp_path, {})


def test_a_file_that_is_no_toml_is_refused(tmp_path):
    (tmp_path / "dmod.toml").write_text("workers: 2\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_settings(tmp_path, {})
