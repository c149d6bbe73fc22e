"""What of a run is done already, kept beside its outputs while they are made.

A run that lost its conductor, or was stopped, is taken up again: the file is laid out
still, and parts that left their mark are not computed a second time. It is only taken up
if it is the same run, told by a fingerprint of everything that decides what is written.
Whoever takes it up tells those to stop who were at it before: their tasks may live on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dmod.engine.part_run import PartReport
from dmod.execution.plan import RunPlan
from dmod.formats.run_output import Layout

__all__ = ["Resume"]

_FOLDER = "RESUME"
_LAYOUT = "layout.json"
#: What a staging directory itself keeps, see `dmod.store.staging`.
_MARK = "PARTIAL"
#: Beginnings of the names of files that say who is at it, and who is to stop.
_AT_IT, _STOP = "run-", "stop-"


@dataclass(frozen=True, slots=True)
class Resume:
    """Marks of one run in its staging directory."""

    #: Where outputs are made.
    staging: Path
    #: Of all that decides what is written where, see `fingerprint_of`.
    fingerprint: str

    @property
    def folder(self) -> Path:
        """Where the marks are; every worker sees it. Those of another run are elsewhere."""
        return self.staging / _FOLDER / self.fingerprint[:16]

    def found(self) -> Layout | None:
        """The layout of the same run, if it was begun here."""
        try:
            kept = json.loads((self.folder / _LAYOUT).read_text(encoding="utf-8"))
            layout = Layout(Path(kept["path"]), int(kept["steps"]), kept["offsets"])
            if kept["fingerprint"] == self.fingerprint and layout.path.stat().st_size == kept["size"]:
                return layout
        except (OSError, ValueError, KeyError, TypeError):
            return None  # never begun, or cut off while it was: it begins anew
        return None

    def make_room(self) -> None:
        """Remove what another run, or one that was cut off, left in the directory, and its marks."""
        for item in (*self.staging.iterdir(), *(self.staging / _FOLDER).iterdir()):
            if item.is_dir() and not item.is_symlink() and item.name != _FOLDER:
                shutil.rmtree(item, ignore_errors=True)
            elif item.parent == self.staging and item.name not in (_FOLDER, _MARK):
                item.unlink(missing_ok=True)  # removed, not emptied: somebody may be writing to it still

    def begin(self, layout: Layout) -> None:
        """Say that the file is laid out."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {
            "fingerprint": self.fingerprint, "path": str(layout.path), "steps": layout.steps,
            "offsets": dict(layout.offsets), "size": layout.path.stat().st_size,
        }  # fmt: skip
        _write(self.folder / _LAYOUT, kept)

    def close(self) -> None:
        """Say that the file is being completed: one that is cut off while it is may be torn, and is made anew."""
        (self.folder / _LAYOUT).unlink(missing_ok=True)

    def done(self) -> dict[int, PartReport]:
        """Reports of the parts that are done, by number."""
        found = {}
        for path in self.folder.glob("part-*.json"):
            try:
                report = PartReport(**json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError):
                continue  # a mark that was cut off is none
            found[report.index] = report
        return found

    @staticmethod
    def enter(staging: Path, name: str) -> Path:
        """Begin to write; all who were at it before are told to stop.

        Parameters
        ----------
        staging : Path
            Where outputs are made.
        name : str
            A name that nobody else has, safe in a path.

        Returns
        -------
        Path
            The file whose existence tells our own tasks to stop.
        """
        folder = staging / _FOLDER
        folder.mkdir(exist_ok=True)
        for mark in folder.glob(f"{_AT_IT}*"):
            mark.replace(mark.with_name(_STOP + mark.name.removeprefix(_AT_IT)))
        (folder / f"{_AT_IT}{name}").touch()
        return folder / f"{_STOP}{name}"

    @staticmethod
    def clear(staging: Path) -> None:
        """Remove all marks."""
        gone = staging / f".{_FOLDER}"
        with contextlib.suppress(FileNotFoundError):
            # Renamed first: from then on nobody who was told to stop writes anything into it.
            (staging / _FOLDER).replace(gone)
        shutil.rmtree(gone, ignore_errors=True)

    @staticmethod
    def mark(folder: Path, report: PartReport) -> None:
        """Say that a part is done; called by whoever did it."""
        _write(folder / f"part-{report.index}.json", asdict(report))

    @staticmethod
    def fingerprint_of(plan: RunPlan, variables: Iterable[object], provenance: Mapping[str, str]) -> str:
        """Of all that decides what is written where."""
        case, network = plan.case, plan.case.domain.network
        told = hashlib.sha256()
        for text in (
            [case.start_s, case.steps, sorted((k, v) for k, v in provenance.items() if k.endswith("_digest"))],
            [str(variable) for variable in variables],
            [network.catchments.to_list(), network.nexuses.to_list(), provenance.get("units_policy")],
        ):
            told.update(json.dumps(text).encode())
        for piece in plan.pieces:
            told.update(np.ascontiguousarray(piece, dtype=np.int64).tobytes() + b"|")
        return told.hexdigest()


def _write(path: Path, content: object) -> None:
    """A JSON file, whole or not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # a task may run twice at once
    beside.write_text(json.dumps(content), encoding="utf-8")
    beside.replace(path)
