"""Which datasets hold what is asked for, where a question need not name every dimension.

A dimension that is not asked about does not matter: a question without variables is answered
by a dataset whatever its variables are. What nobody knows the contents of, datasets of the
format ``generic``, answers no question unless it is asked for by that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from dmod.data.coverage import ALL, Coverage, Everything, Span
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format
from dmod.errors import CoverageError, DatasetError

if TYPE_CHECKING:
    from dmod.ledger.ledger import Ledger

__all__ = ["Question", "category_of", "find", "format_of", "question_of", "rank"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a dataset must hold; dimensions that do not matter are `ALL` in it."""

    #: What it must hold.
    coverage: Coverage
    #: Whether times, ids and variables matter, in this order.
    matters: tuple[bool, bool, bool] = (True, True, True)

    def seen(self, coverage: Coverage) -> Coverage:
        """What a dataset holds, as far as it matters here."""
        spans, ids, variables = self.matters
        return Coverage(
            coverage.spans if spans else ALL, coverage.ids if ids else ALL, coverage.variables if variables else ALL
        )

    def put_to(self, category: Category) -> Question:
        """The same in the words of a category: forcing calls its variables as AORC does."""
        names = self.coverage.variables
        if category is not Category.FORCING or isinstance(names, Everything):
            return self
        from dmod.formats.describe_forcing import aorc_name

        known = frozenset(map(aorc_name, names))
        return replace(self, coverage=replace(self.coverage, variables=known))


def question_of(
    coverage: Coverage | None = None,
    *,
    ids: Iterable[str] | str | Everything | None = None,
    start: str | datetime | None = None,
    end: str | datetime | None = None,
    variables: Iterable[str] | str | Everything | None = None,
) -> Question:
    """A question from what people write.

    Parameters
    ----------
    coverage : Coverage, optional
        All of it; nothing else is given then.
    ids, variables : iterable of str, comma-separated str, or ALL, optional
        What must be there; whatever there is otherwise.
    start, end : str or datetime, optional
        The time that must be there, UTC, the end not included; one alone is an instant.

    Returns
    -------
    Question

    Raises
    ------
    CoverageError
        If nothing is asked, something twice, or a time cannot be read.
    """
    given = (ids, start, end, variables)
    if coverage is not None:
        if any(one is not None for one in given):
            raise CoverageError("a coverage says all there is to ask", hint="give it, or ids, start, end and variables")
        return Question(coverage)
    if all(one is None for one in given):
        raise CoverageError("nothing is asked for", hint="give ids, start and end, or variables; list() lists all")
    found = Coverage.of(
        spans=ALL if start is None and end is None else _span(start, end),
        ids=ALL if ids is None else _listed(ids),
        variables=ALL if variables is None else _listed(variables),
    )
    return Question(found, (start is not None or end is not None, ids is not None, variables is not None))


def find(
    ledger: Ledger,
    categories: Sequence[Category],
    formats: Sequence[Format] | None,
    question: Question,
    *,
    limit: int | None = None,
) -> list[Dataset]:
    """Datasets that answer a question, the best first.

    Parameters
    ----------
    ledger : Ledger
        Where they are listed.
    categories : sequence of Category
        What they may be for.
    formats : sequence of Format or None
        What they may be; anything whose contents are known if None.
    question : Question
        What they must hold.
    limit : int, optional
        How many at most.

    Returns
    -------
    list of Dataset
        In the order of `rank`.
    """
    found: list[Dataset] = []
    for category in categories:
        known = [one for one in Format if one is not Format.GENERIC] if formats is None else formats
        if asked := [one for one in known if category in one.categories]:
            found += _answers(ledger, category, asked, question.put_to(category), limit)
    return sorted(found, key=rank)[:limit] if len(categories) > 1 else found


def rank(dataset: Dataset) -> tuple[float, float, str]:
    """What answers are ordered by, the best first: the least that covers, then the newest, then by name.

    Of datasets that cover the same, the smaller has less excess; see `dmod.data.requirement.rank`.
    """
    return dataset.coverage.measure, -dataset.created_s, dataset.name


def category_of(text: Category | str) -> Category:
    """A category by its name.

    Raises
    ------
    DatasetError
        If there is none.
    """
    try:
        return Category(text)
    except ValueError:
        raise DatasetError(f"there is no category {str(text)!r}", known=", ".join(Category)) from None


def format_of(text: Format | str) -> Format:
    """A format by its name.

    Raises
    ------
    DatasetError
        If there is none.
    """
    try:
        return Format(text)
    except ValueError:
        raise DatasetError(f"there is no format {str(text)!r}", known=", ".join(Format)) from None


def _answers(
    ledger: Ledger, category: Category, formats: Sequence[Format], question: Question, limit: int | None
) -> list[Dataset]:
    """Those of one category."""
    return ledger.find(category, formats, question.coverage, limit=limit, matters=question.matters)


def _span(start: str | datetime | None, end: str | datetime | None) -> Span:
    """A span; of one second where only one edge is given."""
    if start is not None and end is not None:
        return Span.of(start, end)
    only = start if start is not None else end
    assert only is not None
    # The day that everything has: only its other edge is wanted.
    at = Span.of("0001-01-01", only).stop_s
    return Span(at, at + 1) if end is None else Span(at - 1, at)


def _listed(given: Iterable[str] | str | Everything) -> list[str] | Everything:
    """Names as a list; commas separate those in one text."""
    if isinstance(given, Everything):
        return given
    names = given.split(",") if isinstance(given, str) else given
    return [name.strip() for name in names if name.strip()]
