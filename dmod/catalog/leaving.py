"""Copying datasets that lie in place: beside the target, checked, then renamed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from dmod.catalog.in_place import take_stock
from dmod.data.dataset import Dataset
from dmod.errors import DatasetError, OutputError
from dmod.store.reporting import Progress, Report
from dmod.store.staging import open_staging

__all__ = ["copy_out", "require_room"]


def require_room(target: Path) -> None:
    """Refuse a target that is neither an empty directory nor absent.

    Raises
    ------
    OutputError
        If something is there.
    """
    if target.is_dir():
        held = sorted(one.name for one in target.iterdir())
    else:
        held = [target.name] if target.exists() or target.is_symlink() else []
    if held:
        raise OutputError(
            "there is something where the dataset is to go",
            path=target,
            has=", ".join(held[:5]) + (", …" if len(held) > 5 else ""),
            hint="name a directory that is empty, or not there yet",
        )


def copy_out(dataset: Dataset, files: Mapping[str, Path], target: Path, *, progress: Progress | None) -> None:
    """Copy the files of a dataset in place into a directory.

    Parameters
    ----------
    dataset : Dataset
        What is copied.
    files : mapping of str to Path
        Place in the dataset to file.
    target : Path
        The directory; empty or absent. It appears when it is whole.
    progress : callable or None
        Is told step, bytes done and bytes to do; the step is ``copy``.

    Raises
    ------
    DatasetError
        If a file changed meanwhile.
    OutputError
        If it cannot be written.
    """
    staging = open_staging(target, overwrite=False, ours=())
    report = Report(progress, "copy", dataset.size)
    done = False
    try:
        copies: dict[str, Path] = {}
        for place, file in files.items():
            copies[place] = staging.path / place
            copies[place].parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copies[place])
            report(copies[place].stat().st_size)
        if take_stock(copies).digest != dataset.digest:
            raise DatasetError(
                f"dataset {dataset.name!r} changed while it was copied",
                path=dataset.location,
                hint="put back what was there, or remove it from the catalog and add it anew",
            )
        staging.publish()
        done = True
    except OSError as problem:
        raise OutputError(
            "the directory cannot be written",
            path=target,
            reason=problem.strerror or type(problem).__name__,
            hint="make room, or choose another",
        ) from problem
    finally:
        if not done:
            staging.discard()
