"""Lines of single ranks out of what mpirun prints for all of them.

mpirun puts a rank in front of every piece that it reads, and a piece may end within a line, where
another rank goes on: so what each rank says is put together again here. Pure.
"""

from __future__ import annotations

import re

__all__ = ["RankLines"]

#: As MPICH (``mpirun -l``) and Open MPI (``--tag-output``) write it.
_TAG = re.compile(r"\[(?:(\d+)\] |\d+,(\d+)\]<std(?:out|err)>:)")


class RankLines:
    """Takes lines of mpirun, gives lines of ranks.

    Parameters
    ----------
    ranks : int
        How many there are; a number in brackets that is greater is no rank.

    Examples
    --------
    >>> lines = RankLines(2)
    >>> lines.feed("[0] Running tim[1] Running Models")
    [(1, 'Running Models')]
    >>> lines.feed("[0] estep 1000")
    [(0, 'Running timestep 1000')]
    >>> lines.feed("mpirun has something to say")
    [(None, 'mpirun has something to say')]
    """

    def __init__(self, ranks: int) -> None:
        self._begun = [""] * ranks

    def feed(self, line: str) -> list[tuple[int | None, str]]:
        """Take one line of mpirun, without its end.

        Parameters
        ----------
        line : str
            The line.

        Returns
        -------
        list of (int or None, str)
            Lines that are whole now, with their rank; None for those of mpirun itself.
        """
        tags = [tag for tag in _TAG.finditer(line) if int(tag[1] or tag[2]) < len(self._begun)]
        if not tags or tags[0].start() > 0:
            return [(None, line)]
        rank = 0
        for number, tag in enumerate(tags):
            rank = int(tag[1] or tag[2])
            stop = tags[number + 1].start() if number + 1 < len(tags) else len(line)
            piece = line[tag.end() : stop]
            # Open MPI 5 puts a blank after its tag, at the beginning of a line.
            blank = tag[2] is not None and number == 0 and not self._begun[rank] and piece.startswith(" ")
            self._begun[rank] += piece[1:] if blank else piece
        whole, self._begun[rank] = self._begun[rank], ""
        return [(rank, whole)]

    def rest(self) -> list[tuple[int | None, str]]:
        """What ranks began to say and did not end, once nothing more comes."""
        left: list[tuple[int | None, str]] = [(rank, text) for rank, text in enumerate(self._begun) if text]
        self._begun = [""] * len(self._begun)
        return left
