"""What is asked for and what is offered: cores and memory.

`Resources` are what a job wants, a `Host` is a machine with what of it is free. Values
only: what this machine has is found out in `dmod.schedule.host_here`, and who gets what in
`dmod.schedule.allocation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dmod.errors import AllocationError

__all__ = ["Host", "Resources", "memory_text", "read_memory"]

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([kmgtp]?)(i?)(b?)\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
#: Stands for all that a host has.
_ALL = -1


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job wants.

    Examples
    --------
    >>> print(Resources.of(8, "16 GiB"))
    8 cores and 16 GiB
    """

    #: Cores, at least 1.
    cores: int = 1
    #: Memory of all its parts together [bytes]; 0 where none is asked for.
    memory_bytes: int = 0

    def __post_init__(self) -> None:
        if self.cores < 1:
            raise AllocationError(f"a job needs at least one core, not {self.cores}", hint="ask for one or more")
        if self.memory_bytes < 0:
            raise AllocationError(f"{self.memory_bytes} bytes is no memory", hint="ask for 0 or more")

    @classmethod
    def of(cls, cores: int = 1, memory: int | str = 0) -> Resources:
        """What a job wants, with memory as people write it.

        Parameters
        ----------
        cores : int
            At least 1.
        memory : int or str
            Bytes, or a text such as ``8 GiB``; 0 for no demand.

        Returns
        -------
        Resources

        Raises
        ------
        AllocationError
            If there is no core, or the size cannot be read.
        """
        return cls(cores, read_memory(memory))

    def __str__(self) -> str:
        return _said(self.cores, self.memory_bytes)


@dataclass(frozen=True, slots=True)
class Host:
    """A machine, and what of it is free.

    Examples
    --------
    >>> host = Host("laptop", 8, 16 * 2**30)
    >>> print(host.without([("laptop", 6, 2**30), ("elsewhere", 1, 0)]))
    laptop: 2 of 8 cores and 15 GiB of 16 GiB free
    """

    #: What it is called among hosts.
    name: str
    #: Cores that it offers, at least 0.
    cores: int
    #: Memory that it offers [bytes].
    memory_bytes: int
    #: Cores that nobody holds, in [0, cores]; all unless given.
    free_cores: int = _ALL
    #: Memory that nobody holds [bytes], in [0, memory_bytes]; all unless given.
    free_memory_bytes: int = _ALL

    def __post_init__(self) -> None:
        for free, whole in (("free_cores", "cores"), ("free_memory_bytes", "memory_bytes")):
            most = getattr(self, whole)
            if getattr(self, free) == _ALL:
                object.__setattr__(self, free, most)
            if not 0 <= getattr(self, free) <= most:
                raise ValueError(f"host {self.name!r}: {free} is {getattr(self, free)}, and {whole} {most}")

    @classmethod
    def here(cls) -> Host:
        """What this process may use of this machine, all of it free.

        Returns
        -------
        Host
            The cores it may run on and the memory, within the limits of its control group.
        """
        from dmod.schedule.host_here import host_here

        return host_here()

    def limited(self, cores: int | None) -> Host:
        """The same host as an operator counts its cores; None for as they are."""
        return self if cores is None else Host(self.name, cores, self.memory_bytes)

    def without(self, taken: Iterable[tuple[str, int, int]]) -> Host:
        """The host with less free.

        Parameters
        ----------
        taken : iterable of (host, cores, memory in bytes)
            What jobs hold; that on other hosts does not matter.

        Returns
        -------
        Host
            Where more is held than was free, nothing is.
        """
        cores, memory = self.free_cores, self.free_memory_bytes
        for name, some_cores, some_memory in taken:
            if name == self.name:
                cores, memory = cores - some_cores, memory - some_memory
        return replace(self, free_cores=max(0, cores), free_memory_bytes=max(0, memory))

    def emptied(self) -> Host:
        """The host with all of it free."""
        return replace(self, free_cores=self.cores, free_memory_bytes=self.memory_bytes)

    def __str__(self) -> str:
        free, whole = memory_text(self.free_memory_bytes), memory_text(self.memory_bytes)
        return f"{self.name}: {self.free_cores} of {self.cores} cores and {free} of {whole} free"


def read_memory(size: int | str) -> int:
    """A size as people write it, in bytes.

    Parameters
    ----------
    size : int or str
        Bytes, or a number with a unit: ``8 GiB`` and ``8Gi`` are 8 times 2**30, ``8 GB`` and ``8G``
        8 times 10**9.

    Returns
    -------
    int
        Bytes, at least 0.

    Raises
    ------
    AllocationError
        If it cannot be read.

    Examples
    --------
    >>> read_memory("1.5 GiB"), read_memory("512 MB"), read_memory(4096)
    (1610612736, 512000000, 4096)
    """
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if found is None and not (isinstance(size, int) and size >= 0):
        raise AllocationError(f"cannot read the memory {size!r}", needed="such as '8 GiB' or '500 MB'")
    if found is None:
        return int(size)
    number, power, binary, _ = found.groups()
    unit: int = (1024 if binary else 1000) ** _POWERS[power.lower()]
    return round(float(number) * unit)


def memory_text(memory_bytes: int) -> str:
    """Bytes as people read them, rounded down so that who asks for what is said asks for no more.

    Examples
    --------
    >>> memory_text(16 * 2**30), memory_text(1_600_000_000), memory_text(0)
    ('16 GiB', '1.4 GiB', '0 bytes')
    """
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if memory_bytes >= 1024**power:
            tenths = memory_bytes * 10 // 1024**power
            return f"{tenths / 10:g} {unit}" if tenths < 1000 else f"{tenths // 10} {unit}"
    return f"{memory_bytes} bytes"


def _said(cores: int, memory_bytes: int) -> str:
    """Cores and memory in words."""
    memory = f" and {memory_text(memory_bytes)}" if memory_bytes else ""
    return f"{cores} core{'s' * (cores != 1)}{memory}"
