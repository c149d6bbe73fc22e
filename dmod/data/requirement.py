"""What a job needs, and what there is for it: found, derivable, or missing, and why.

`match` goes through requirements one by one. A dataset that is named wins, or is refused
with the reason; else the one with least excess is taken, the newest on a tie; else the
first rule that offers to derive it; else it is missing. Nothing is made here: a
`Derivable` says what would be. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Protocol, TypeAlias

from dmod.data.coverage import Coverage
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format, can_serve
from dmod.errors import DatasetError

__all__ = [
    "Catalog",
    "Derivable",
    "Found",
    "Listed",
    "Match",
    "Missing",
    "Offer",
    "Requirement",
    "Rule",
    "match",
    "rank",
]

#: Of how many datasets the nearest is looked for: it only serves the message.
_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that a job needs."""

    #: What the job calls it: ``forcing``, ``hydrofabric``.
    key: str
    #: What it is for.
    category: Category
    #: Formats that can be used as they are, the best first; ``generic`` for any.
    formats: tuple[Format, ...]
    #: What it must hold.
    coverage: Coverage
    #: Name of the dataset to take; None for whichever fits best.
    explicit: str | None = None
    #: Facts that it must state, with these values: ``{"parts": 4}``.
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.key:
            raise DatasetError("a requirement needs a key", hint="say what the job calls it")
        if not self.formats:
            raise DatasetError(f"{self.key} can have no format at all", hint=f"say {Format.GENERIC} for any")
        if wrong := [kind for kind in self.formats if self.category not in kind.categories]:
            raise DatasetError(f"{self.key} is of the category {self.category}, and {wrong[0]} never is")

    def takes(self, dataset: Dataset) -> bool:
        """Whether a dataset can be used just as it is."""
        return not self.refuses(dataset)

    def refuses(self, dataset: Dataset) -> str:
        """Why a dataset cannot be used as it is; empty where it can."""
        if dataset.category is not self.category:
            return f"it is of the category {dataset.category}, and {self.category} is needed"
        if Format.GENERIC not in self.formats and dataset.format not in self.formats:
            return f"it is {dataset.format}, and {' or '.join(self.formats)} is needed"
        for fact, value in self.facts.items():
            if fact not in dataset.facts or dataset.facts[fact] != value:
                return f"its {fact} is {dataset.facts.get(fact, 'not known')}, and {value} is needed"
        if gaps := dataset.coverage.missing(self.coverage):
            return f"it lacks {'; '.join(map(str, gaps))}"
        return ""


class Catalog(Protocol):
    """Where datasets are looked for."""

    def dataset(self, ref: str, /) -> Dataset:
        """The dataset of that name; `DatasetError` where there is none."""

    def datasets(self, *, category: Category | None = None, limit: int | None = None) -> Sequence[Dataset]:
        """Datasets of a category, the newest first."""

    def find(self, category: Category, formats: tuple[Format, ...], coverage: Coverage) -> Sequence[Dataset]:
        """Datasets of one of the formats that cover all of *coverage*, the best first, see `rank`."""


class Offer(Protocol):
    """What a rule would do to meet a requirement."""

    @property
    def parents(self) -> tuple[Dataset, ...]:
        """What it would derive from."""

    @property
    def note(self) -> str:
        """What it would do, in words."""


class Rule(Protocol):
    """A way to derive a dataset from others."""

    @property
    def name(self) -> str:
        """What it is called; the name of its entry point."""

    def offers(self, requirement: Requirement, candidates: Catalog, /) -> Offer | None:
        """How it would meet the requirement with what there is; None where it cannot."""


@dataclass(frozen=True, slots=True)
class Found:
    """There is a dataset."""

    #: The dataset.
    dataset: Dataset
    #: Why this one.
    note: str
    #: What was needed.
    requirement: Requirement

    def __str__(self) -> str:
        return f"{self.requirement.key}: found {self.dataset.name!r}; {self.note}"


@dataclass(frozen=True, slots=True)
class Derivable:
    """There is none, and a rule can make one."""

    #: Name of the rule.
    rule: str
    #: What it derives from.
    parents: tuple[Dataset, ...]
    #: What it would do.
    note: str
    #: What was needed.
    requirement: Requirement
    #: What the rule offered, to be handed back to it.
    offer: Offer

    def __str__(self) -> str:
        parents = ", ".join(repr(parent.name) for parent in self.parents)
        return f"{self.requirement.key}: {self.rule} derives it{f' from {parents}' if parents else ''}; {self.note}"


@dataclass(frozen=True, slots=True)
class Missing:
    """There is none, and nothing makes one."""

    #: Why not.
    reason: str
    #: The dataset that comes nearest; None where there is none of the category.
    nearest: Dataset | None
    #: What was needed.
    requirement: Requirement

    def __str__(self) -> str:
        return f"{self.requirement.key}: missing; {self.reason}"


#: What came of one requirement.
Match: TypeAlias = Found | Derivable | Missing


class Listed:
    """A catalog of a few datasets, in memory.

    Parameters
    ----------
    datasets : iterable of Dataset
        In any order; names differ.
    """

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self._newest = sorted(datasets, key=lambda one: (-one.created_s, one.name))
        self._by_name = {one.name: one for one in self._newest}

    def __iter__(self) -> Iterator[Dataset]:
        return iter(self._newest)

    def __len__(self) -> int:
        return len(self._newest)

    def dataset(self, ref: str) -> Dataset:
        """The dataset of that name, or id.

        Raises
        ------
        DatasetError
            If there is none.
        """
        found = self._by_name.get(ref) or next((one for one in self._newest if one.id == ref), None)
        if found is None:
            near = get_close_matches(ref, self._by_name, n=3)
            raise DatasetError(
                f"there is no dataset {ref!r}",
                hint=f"did you mean {' or '.join(map(repr, near))}?" if near else "list them with `dmod datasets list`",
            )
        return found

    def datasets(self, *, category: Category | None = None, limit: int | None = None) -> Sequence[Dataset]:
        """Datasets of a category, the newest first."""
        return [one for one in self._newest if category in (None, one.category)][:limit]

    def find(self, category: Category, formats: tuple[Format, ...], coverage: Coverage) -> Sequence[Dataset]:
        """Datasets of one of the formats that cover all of *coverage*, the best first."""
        fits = (one for one in self._newest if one.category is category and one.format in formats)
        return sorted((one for one in fits if one.coverage.covers(coverage)), key=lambda one: rank(one, coverage))


def rank(dataset: Dataset, needed: Coverage) -> tuple[float, float, str]:
    """What datasets that cover *needed* are ordered by, the best first: least excess, then newest, then name."""
    return dataset.coverage.excess(needed), -dataset.created_s, dataset.name


def match(
    requirements: Iterable[Requirement], candidates: Catalog | Iterable[Dataset], rules: Iterable[Rule] = ()
) -> list[Match]:
    """Say for each requirement whether it is found, derivable or missing.

    Parameters
    ----------
    requirements : iterable of Requirement
        What a job needs.
    candidates : Catalog or iterable of Dataset
        What there is.
    rules : iterable of Rule
        What can be derived; the first that offers is taken.

    Returns
    -------
    list of Match
        One for each requirement, in their order; ``str()`` of each says why.

    Examples
    --------
    >>> from dmod.data.coverage import ALL
    >>> river = Coverage.of(spans=ALL, ids=["cat-1"], variables=ALL)
    >>> need = Requirement("hydrofabric", Category.HYDROFABRIC, (Format.GEOPACKAGE,), river)
    >>> print(*match([need], []))
    hydrofabric: missing; there is no dataset of the category hydrofabric
    """
    catalog: Catalog = Listed(candidates) if isinstance(candidates, Iterable) else candidates
    ways = tuple(rules)
    return [
        _best(one, catalog, ways) if one.explicit is None else _named(one, one.explicit, catalog, ways)
        for one in requirements
    ]


def _named(requirement: Requirement, name: str, catalog: Catalog, rules: Sequence[Rule]) -> Match:
    """What comes of a requirement for which a dataset is named: that one or none."""
    try:
        dataset = catalog.dataset(name)
    except DatasetError as problem:
        hint = f"; {problem.hint}" if problem.hint else ""
        return Missing(f"{problem.headline}{hint}", None, requirement)
    reason = requirement.refuses(dataset)
    if not reason:
        return Found(dataset, "it was named", requirement)
    # Another format of the same contents is still what was named; anything else is not.
    convertible = any(can_serve(dataset.format, kind) for kind in requirement.formats)
    if convertible and dataset.coverage.covers(requirement.coverage):
        found = _derived(requirement, Listed([dataset]), rules)
        if found is not None:
            return found
    return Missing(f"{name!r} was named, but {reason}", dataset, requirement)


def _best(requirement: Requirement, catalog: Catalog, rules: Sequence[Rule]) -> Match:
    """What comes of a requirement for which any dataset will do."""
    formats = tuple(Format) if Format.GENERIC in requirement.formats else requirement.formats
    held = catalog.find(requirement.category, formats, requirement.coverage)
    fits = [one for one in held if requirement.takes(one)]
    if fits:
        best = min(fits, key=lambda one: rank(one, requirement.coverage))
        return Found(best, _praise(best, requirement.coverage, len(fits)), requirement)
    found = _derived(requirement, catalog, rules)
    return _missing(requirement, catalog, bool(rules)) if found is None else found


def _derived(requirement: Requirement, catalog: Catalog, rules: Sequence[Rule]) -> Derivable | None:
    """What the first rule offers that can meet it."""
    for rule in rules:
        offer = rule.offers(requirement, catalog)
        if offer is not None:
            return Derivable(rule.name, tuple(offer.parents), offer.note, requirement, offer)
    return None


def _missing(requirement: Requirement, catalog: Catalog, rules: bool) -> Missing:
    """Why there is nothing, and what comes nearest."""
    there = catalog.datasets(category=requirement.category, limit=_LOOKED_AT)
    if not there:
        return Missing(f"there is no dataset of the category {requirement.category}", None, requirement)
    needed = requirement.coverage
    nearest = min(there, key=lambda one: (one.coverage.lacks(needed), *rank(one, needed)))
    none = ", and no rule derives one" if rules else ""
    return Missing(
        f"no dataset will do{none}; the nearest is {nearest.name!r}, but {requirement.refuses(nearest)}",
        nearest,
        requirement,
    )


def _praise(dataset: Dataset, needed: Coverage, of: int) -> str:
    """Why a dataset was taken."""
    excess = dataset.coverage.excess(needed)
    holds = "it holds exactly what is needed" if excess == 0 else "it holds all that is needed"
    return holds if of == 1 else f"{holds}, with the least excess of {of:,}, or newest of those"
