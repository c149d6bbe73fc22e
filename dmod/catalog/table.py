"""Datasets as a list that is shown as a table. Values only: nothing is looked up here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dmod.data.dataset import Dataset

__all__ = ["DatasetList"]

_COLUMNS = ("dataset", "what", "holds", "size", "owner", "expires")


class DatasetList(list[Dataset]):
    """Datasets, shown as a table."""

    @property
    def names(self) -> list[str]:
        """Their names, in order."""
        return [one.name for one in self]

    def rows(self) -> list[dict[str, str]]:
        """What the table says of each."""
        return [_row(one) for one in self]

    def __str__(self) -> str:
        return _text([_COLUMNS, *(tuple(row.values()) for row in self.rows())]) if self else "no datasets"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """A table."""
        head = "".join(f"<th>{title}</th>" for title in _COLUMNS)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row.values())}</tr>" for row in self.rows()
        )
        empty = f'<tr><td colspan="{len(_COLUMNS)}">no datasets</td></tr>'
        return f'<table class="dmod-datasets"><thead><tr>{head}</tr></thead><tbody>{body or empty}</tbody></table>'


def _row(dataset: Dataset) -> dict[str, str]:
    """One row; a cell for each column."""
    told = dataset.rows()
    cells = (
        dataset.name, f"{dataset.category}, {dataset.format}", str(dataset.coverage), told["size"].partition(",")[0],
        dataset.owner, told.get("expires", ""),
    )  # fmt: skip
    return dict(zip(_COLUMNS, cells, strict=True))


def _text(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
