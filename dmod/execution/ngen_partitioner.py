"""``python -m dmod.execution.ngen_partitioner``: our partitions behind the command line of ``partitionGenerator``.

``<catchment_data> <nexus_data> <partitions.json> <N> <catchment ids> <nexus ids>``. The cut
is that of ``dmod partition``: catchments of one nexus stay together, so that no parallel
``ngen`` waits for ever.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dmod.errors import DmodError, SelectionError
from dmod.execution.ngen_arguments import REFUSED

__all__ = ["main"]

_USAGE = "Usage: partitionGenerator <catchment_data> <nexus_data> <partitions.json> <N> <catchment ids> <nexus ids>"
_ARGUMENTS = 6


def main(words: Sequence[str] | None = None) -> int:
    """Cut a hydrofabric as partitionGenerator does.

    Parameters
    ----------
    words : sequence of str, optional
        What follows the name of the program; that of this process otherwise. Ids are separated by
        commas; ``''`` or ``all`` for all of them.

    Returns
    -------
    int
        The exit code: 0 done, 255 wrong arguments, 1 anything else.
    """
    words = sys.argv[1:] if words is None else words
    if len(words) != _ARGUMENTS or not words[3].isdigit() or not int(words[3]):
        sys.stderr.write(f"{_USAGE}\n")
        return REFUSED
    try:
        count = _cut(Path(words[0]), Path(words[1]), Path(words[2]), int(words[3]), words[4])
    except DmodError as problem:
        sys.stderr.write(f"{type(problem).__name__}: {problem}\n")
        return 1
    sys.stdout.write(f"{count} partitions in {words[2]}\n")
    return 0


def _cut(catchments: Path, nexuses: Path, target: Path, parts: int, ids: str) -> int:
    """Write the partition file; how many partitions it has."""
    from dmod.domain.domain import Domain

    twice = nexuses == catchments or nexuses.suffix.lower() == ".gpkg"
    domain = Domain.open(catchments, None if twice else nexuses)
    if ids not in ("", "all"):
        domain = domain.select([word.strip() for word in ids.split(",")])
    cut = domain.partition(parts)
    if len(cut) < parts:
        # Whoever asks for N partitions starts N ranks.
        raise SelectionError(
            "there are not so many partitions to be had", needed=parts, has=len(cut), hint=f"ask for {len(cut)}"
        )
    cut.to_json(target, overwrite=True)
    return len(cut)


if __name__ == "__main__":
    raise SystemExit(main())
