"""Files that are whole or not there: what a reader opens is never half written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dmod.errors import OutputError

__all__ = ["write_atomically"]


def write_atomically(where: Path, content: bytes) -> None:
    """Put *content* at *where*, whole or not at all."""
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=where.parent, prefix=f".{where.name}.")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
            Path(name).chmod(0o644)
            Path(name).replace(where)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise OutputError(
            f"cannot write {where}",
            reason=problem.strerror or str(problem),
            hint="choose a folder that can be written",
        ) from problem
