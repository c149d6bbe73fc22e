"""What a rank says last is read before it ends all ranks."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from dmod.execution.ngen_ranks import wait_until_read

LAST_WORDS = b"the bucket leaks\n"


@pytest.fixture
def pipe():
    """Both ends of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_pipe_is_waited_for_until_its_reader_has_read(pipe):
    out, into = pipe
    os.write(into, LAST_WORDS)
    waiting = threading.Thread(target=wait_until_read, args=(into,), kwargs={"seconds": 60})
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    assert os.read(out, 4) == LAST_WORDS[:4]
    waiting.join(0.3)
    assert waiting.is_alive(), "there is more to read"
    os.read(out, 100)
    waiting.join(30)
    assert not waiting.is_alive()


def test_nobody_who_reads_nothing_is_waited_for_long(pipe):
    os.write(pipe[1], LAST_WORDS)
    wait_until_read(pipe[1], seconds=0.05)
    assert os.read(pipe[0], 100) == LAST_WORDS


def test_what_is_no_pipe_is_not_waited_for(tmp_path):
    with (tmp_path / "log").open("w+b", buffering=0) as log, Path(os.devnull).open("wb") as nothing:
        log.write(LAST_WORDS)
        log.seek(0)
        begun = time.monotonic()
        wait_until_read(log.fileno(), nothing.fileno(), seconds=60)
        assert time.monotonic() - begun < 30
