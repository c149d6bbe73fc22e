"""Rules that derive datasets from others, and how one of them is applied.

A `Rule` says what it would do, an `Offer`, and does it when told to. `derive` does so
beside the place and renames; an offer has a `lineage_key`, by which whoever keeps datasets
finds what was derived before. Rules are the plug-in point ``dmod.rules``. Nothing is
published here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dmod import plugins
from dmod.data.coverage import Coverage
from dmod.data.dataset import Dataset, Lineage
from dmod.data.kinds import Format
from dmod.data.requirement import Catalog, Requirement
from dmod.errors import DatasetError, OutputError

__all__ = ["Derived", "Offer", "Progress", "Rule", "derive", "lineage_key", "parents_for", "rules", "the_one"]

#: Told the share that is done, in [0, 1].
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Offer:
    """What a rule would do to meet a requirement."""

    #: The rule's name.
    rule: str
    #: Its version.
    version: str
    #: What it would derive from.
    parents: tuple[Dataset, ...]
    #: What it would be told; as JSON has it. With the parents it settles every byte.
    parameters: Mapping[str, Any] = field(hash=False)
    #: The format of what it would make.
    format: Format
    #: What that would hold at least.
    coverage: Coverage
    #: What it would do, in words.
    note: str
    #: Facts that the dataset would state.
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        """Equal for offers that make the same; see `lineage_key`."""
        return lineage_key(self.lineage)

    @property
    def lineage(self) -> Lineage:
        """What the dataset would be derived from, and how."""
        return Lineage(self.rule, self.version, tuple(one.digest for one in self.parents), self.parameters)


class Rule(Protocol):
    """A way to derive a dataset. The unit of the plug-in point ``dmod.rules``: a class without arguments."""

    #: What it is called; also the entry point's name.
    name: str
    #: Changes whenever the same parents and parameters would give other bytes.
    version: str
    #: Formats that it makes.
    makes: tuple[Format, ...]

    def offers(self, requirement: Requirement, candidates: Catalog, /) -> Offer | None:
        """How it would meet the requirement with what there is; None where it cannot."""
        ...

    def apply(self, offer: Offer, parents: Sequence[Path], folder: Path, *, progress: Progress | None = None) -> Path:
        """Make it in an empty folder, from the offer's parents as they lie on this machine; the file or directory."""
        ...


@dataclass(frozen=True)
class Derived:
    """What a rule made, not yet published."""

    #: The file or directory.
    path: Path
    #: Its format.
    format: Format
    #: What it holds at least.
    coverage: Coverage
    #: What it was derived from.
    lineage: Lineage
    #: Facts that it states.
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)


def rules() -> tuple[Rule, ...]:
    """All rules there are, by name; those that cannot be loaded are left out and logged."""
    return tuple(made() for made in plugins.load("dmod.rules").found.values())


def lineage_key(lineage: Lineage) -> str:
    """What is equal for datasets that are derived alike: same rule and version, parents' bytes and parameters.

    Parameters
    ----------
    lineage : Lineage
        Of a dataset, or of an offer.

    Returns
    -------
    str
        64 hexadecimal digits, the same in every process.

    Examples
    --------
    >>> one = Lineage("cut", "1", ("sha256:" + "0" * 64,), {"a": 1, "b": 2})
    >>> lineage_key(one) == lineage_key(Lineage("cut", "1", one.parents, {"b": 2, "a": 1}))
    True
    """
    told = [lineage.rule, lineage.version, list(lineage.parents), dict(lineage.parameters)]
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def derive(
    offer: Offer,
    parents: Sequence[Path],
    folder: Path,
    *,
    known: Iterable[Rule] | None = None,
    progress: Progress | None = None,
) -> Derived:
    """Do what a rule offered.

    What was made earlier for the same offer in the same folder is given again; what was left
    half-made never bears the name of what is whole.

    Parameters
    ----------
    offer : Offer
        What to do.
    parents : sequence of Path
        Where the offer's parents lie on this machine, in their order.
    folder : Path
        Where to make it, in a folder of its own; made if absent.
    known : iterable of Rule, optional
        Rules to look among; all there are if not given.
    progress : callable, optional
        Told the share that is done.

    Returns
    -------
    Derived

    Raises
    ------
    DatasetError
        If the rule is not there in that version, or parents are missing.
    InputError
        If a parent cannot be used; nothing is left then.
    OutputError
        If it cannot be written.
    """
    rule = _rule(offer, rules() if known is None else tuple(known))
    _check_parents(offer, parents)
    place = folder / offer.key[:16]
    if not place.is_dir():
        _make(rule, offer, parents, place, progress=progress)
    (made,) = place.iterdir()
    return Derived(made, offer.format, offer.coverage, offer.lineage, offer.facts)


def parents_for(
    requirement: Requirement, candidates: Catalog, formats: tuple[Format, ...], coverage: Coverage | None = None
) -> list[Dataset]:
    """Datasets that hold what a requirement needs, in formats that a rule can read, the best first.

    Parameters
    ----------
    requirement : Requirement
        What is needed.
    candidates : Catalog
        What there is.
    formats : tuple of Format
        What the rule reads; all of one category.
    coverage : Coverage, optional
        What a parent must hold; that of the requirement if not given.

    Returns
    -------
    list of Dataset
    """
    needed = requirement.coverage if coverage is None else coverage
    return list(candidates.find(formats[0].categories[0], formats, needed))


def the_one(path: Path, fits: Callable[[Path], bool], what: str) -> Path:
    """The file or directory that a dataset is: its path, or the only one that fits in the directory it was put in.

    Raises
    ------
    DatasetError
        If none fits, or several do.
    """
    if fits(path):
        return path
    found = sorted(one for one in path.iterdir() if fits(one)) if path.is_dir() else []
    if len(found) == 1:
        return found[0]
    raise DatasetError(
        f"there is no {what}" if not found else f"there are {len(found)} of what should be one {what}",
        path=path,
        has=", ".join(one.name for one in found[:3]) or "nothing of the kind",
        hint="the dataset is damaged, or of another format than it says",
    )


def _rule(offer: Offer, known: Sequence[Rule]) -> Rule:
    """The rule that made an offer."""
    for rule in known:
        if (rule.name, rule.version) == (offer.rule, offer.version):
            return rule
    raise DatasetError(
        f"there is no rule {offer.rule!r} of version {offer.version}",
        has=", ".join(f"{rule.name} {rule.version}" for rule in known) or "no rules",
        hint="install the plug-in that offered this, or match again",
    )


def _check_parents(offer: Offer, parents: Sequence[Path]) -> None:
    """Refuse to derive from what is not there."""
    if len(parents) != len(offer.parents):
        raise DatasetError(
            f"{offer.rule} derives from {len(offer.parents)} datasets",
            has=f"{len(parents)} paths",
            hint="give one for each",
        )
    for dataset, path in zip(offer.parents, parents, strict=True):
        if not path.exists():
            raise DatasetError(
                f"dataset {dataset.name!r} is not where it should be", path=path, hint="fetch it again, then derive"
            )


def _make(rule: Rule, offer: Offer, parents: Sequence[Path], place: Path, *, progress: Progress | None) -> None:
    """Do what was offered, beside the place, and give it its name when it is whole."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".partial", dir=place.parent))
    except OSError as problem:
        raise OutputError(
            "there is no place to derive a dataset in",
            path=place.parent,
            reason=problem.strerror,
            hint="choose another",
        ) from problem
    try:
        rule.apply(offer, parents, aside, progress=progress)
        _rename(aside, place)
    except OSError as problem:
        raise OutputError(
            f"{offer.rule} cannot write what it derives",
            path=place.parent,
            reason=problem.strerror or problem,
            hint="free some room, or choose another folder",
        ) from problem
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _rename(aside: Path, place: Path) -> None:
    """Give what is whole its name, unless somebody else was first with the same."""
    try:
        aside.rename(place)
    except OSError:
        if not place.is_dir():
            raise
