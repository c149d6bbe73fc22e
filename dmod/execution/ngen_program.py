"""``python -m dmod.execution.ngen_program``: our engine behind the command line of ``ngen``.

The same arguments, partition file, log lines and exit codes as ``ngen-serial`` and
``ngen-parallel``, so that whatever starts those starts this. Rank 0 checks and plans,
each rank computes its partition, and nothing is sent while they do. Outputs go to ngen's
files where the realization says, or to one NetCDF file that ``DMOD_OUTPUT`` names.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from dmod.errors import DmodError
from dmod.execution.failure import as_task_failure
from dmod.execution.kernel_cache import make_writable
from dmod.execution.ngen_arguments import REFUSED, USAGE, read_arguments
from dmod.execution.ngen_ranks import Alone, Ranks, ranks_here

if TYPE_CHECKING:
    from dmod.execution.ngen_orders import Order

__all__ = ["main"]

#: The release of ngen whose command line, files and log lines these are.
_LIKE = "0.3.0"
_FAILED, _STOPPED = 1, 128 + signal.SIGTERM
#: How often a rank tells how far it is at most [s].
_TELL_S = 0.25


class _Stop(BaseException):
    """The process was told to end."""


def main(words: Sequence[str] | None = None) -> int:
    """Run as ngen does.

    Parameters
    ----------
    words : sequence of str, optional
        What follows the name of the program; that of this process otherwise.

    Returns
    -------
    int
        The exit code: 0 done; 255 wrong arguments or files that cannot be read; 1 anything else, and, as
        with ``ngen``, after ``--info``. A process that is told to end (SIGTERM) ends with 143.
    """
    words = sys.argv[1:] if words is None else words
    if not words:
        _say(f"{USAGE}\n{_info()}")
        return 0
    if words[0] == "--info":
        _say(_info())
        return _FAILED
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # a rank has one core
    make_writable()
    signal.signal(signal.SIGTERM, _stop)
    ranks: Ranks = Alone()
    try:
        ranks = ranks_here()
        return _run(words, ranks)
    except _Stop:
        _warn("told to end (SIGTERM)")
        sys.stdout.flush()
        os._exit(_STOPPED)  # the other ranks may never come to where MPI would wait for them
    except DmodError as problem:
        _warn(f"{type(problem).__name__}: {problem}")
    except Exception as problem:  # a rank that ends alone would leave the others waiting for ever
        traceback.print_exc()
        _warn(f"RunError: {as_task_failure(problem)}")
    ranks.abort(_FAILED)
    return _FAILED


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _Stop


def _say(text: str) -> None:
    """A line of the log, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _warn(text: str) -> None:
    """Something people should know."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _info() -> str:
    """What this program is."""
    lines = [f"NGen Framework {_LIKE}, as dmod {version('dmod')} runs it", "", "Build:"]
    lines += [f"  {name}: {version(name)}" for name in ("dmod", "numpy", "numba", "h5py")]
    return "\n".join([*lines, "Python:", f"  version: {sys.version.split()[0]}", f"  executable: {sys.executable}"])


def _run(words: Sequence[str], ranks: Ranks) -> int:
    """One rank's run from the beginning to the end."""
    began = time.perf_counter()
    _say(f"NGen Framework {_LIKE}, as dmod {version('dmod')} runs it")
    if ranks.rank:
        importlib.import_module("dmod.engine.modules.warm")  # while rank 0 checks
    order: Order | int = ranks.dealt(_orders(words, ranks.size) if ranks.rank == 0 else None)
    if isinstance(order, int):
        return order
    try:
        _tell_what(order)
        ready = time.perf_counter()
        _say("Running Models")
        if order.part is not None:
            _compute(order)
        _say(f"Finished {order.steps} timesteps.")
        _deliver(order, ranks)
    except BaseException:
        if order.files is not None:
            shutil.rmtree(order.made.parent, ignore_errors=True)
        raise
    _say("NGen top-level timings:")
    _say(f"\tNGen::init: {ready - began:.6g}\n\tNGen::simulation: {time.perf_counter() - ready:.6g}")
    return 0


def _orders(words: Sequence[str], ranks: int) -> list[Order] | list[int]:
    """What each rank is to do: an order, or an exit code to end with."""
    from dmod.execution.ngen_orders import orders_of

    code = REFUSED
    try:
        arguments = read_arguments(words, ranks)
        code = _FAILED
        output = os.environ.get("DMOD_OUTPUT")
        return orders_of(arguments, ranks, Path(output).absolute() if output else None, warn=_warn)
    except DmodError as problem:
        _warn(f"{type(problem).__name__}: {problem}")
        return [code] * ranks


def _tell_what(order: Order) -> None:
    """The log lines with which ngen begins."""
    catchments = 0 if order.part is None else len(order.part.ids)
    for line in (
        "Building Nexus collection",
        f"Reading {order.nexuses} features from layer nexus using ID column `id`",
        "Building Catchment collection",
        f"Reading {catchments} features from layer divides using ID column `divide_id`",
        "Initializing formulations",
        "Not Using Routing",
        "Building Feature Index",
        "Catchment topology is dendritic.",
    ):
        _say(line)


def _compute(order: Order) -> None:
    """The rank's part, telling how far it is."""
    from dmod.engine.part_run import run_part

    assert order.part is not None
    count, told = len(order.part.ids), time.monotonic()

    def tell(_index: int, done: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= _TELL_S:
            told = now
            _say(f"Running timestep {done // count}")

    run_part(order.part, tell)


def _deliver(order: Order, ranks: Ranks) -> None:
    """Outputs where they are wanted, once every rank has written its rows."""
    from dmod.formats.run_output import seal

    ranks.meet()
    if ranks.rank == 0:
        seal(order.layout, order.made, order.attributes)
    if order.files is None:
        return
    ranks.meet()
    _write_ngen(order)
    ranks.meet()
    if ranks.rank == 0:
        shutil.rmtree(order.made.parent, ignore_errors=True)


def _write_ngen(order: Order) -> None:
    """The rank's share of ngen's files."""
    from dmod.formats.ngen_csv import write_ngen
    from dmod.formats.output_variables import CATCHMENT, NEXUS
    from dmod.formats.outputs import open_outputs
    from dmod.formats.run_output import FLOW

    files = order.files
    assert files is not None
    with open_outputs(order.made) as dataset:
        if files.catchments is not None and files.catchment_rows.size:
            own = dataset.drop_vars(FLOW).isel({CATCHMENT: files.catchment_rows})
            write_ngen(own, files.catchments, grouping=files.grouping)
        if files.nexuses is not None and files.nexus_rows.size:
            write_ngen(dataset[[FLOW]].isel({NEXUS: files.nexus_rows}), files.nexuses)


if __name__ == "__main__":
    raise SystemExit(main())
