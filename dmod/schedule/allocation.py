"""Which cores and how much memory of which hosts a job gets.

`allocate` gives an `Allocation`, or None where it has to wait; `never` says why waiting is
of no use. Three ways to spread a job over hosts are known, as in the first DMOD: all on one
host (``single_node``), as few hosts as will do (``fill_nodes``), a core of each in turn
(``round_robin``). Memory goes with cores, in equal shares. Pure: the hosts are values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from dmod.errors import AllocationError
from dmod.schedule.resources import Host, Resources, memory_text

__all__ = ["PARADIGMS", "Allocation", "allocate", "fill_nodes", "never", "round_robin", "single_node"]

_MEBIBYTE = 2**20
#: A host, and how many of its cores and bytes.
Part = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a job holds.

    Examples
    --------
    >>> given = Allocation((("left", 2, 0), ("right", 1, 0)))
    >>> print(given, given.cores)
    2 cores of left, 1 core of right 3
    """

    #: Host, cores (at least 1) and memory [bytes] of each part; each host once.
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        names = [name for name, _, _ in self.parts]
        if not names or len(set(names)) < len(names) or any(c < 1 or m < 0 for _, c, m in self.parts):
            raise ValueError(
                f"an allocation holds cores of hosts, each named once, and this one does not: {self.parts}"
            )

    @property
    def cores(self) -> int:
        """Cores of all parts."""
        return sum(cores for _, cores, _ in self.parts)

    @property
    def memory_bytes(self) -> int:
        """Memory of all parts [bytes]."""
        return sum(memory for _, _, memory in self.parts)

    def taken_from(self, hosts: Sequence[Host]) -> tuple[Host, ...]:
        """The hosts with what this allocation holds no longer free.

        Parameters
        ----------
        hosts : sequence of Host
            Those of its parts among them.

        Returns
        -------
        tuple of Host
            In the same order.

        Raises
        ------
        AllocationError
            If a host is not there, or has less than that free.
        """
        return self._moved(hosts, -1)

    def given_back_to(self, hosts: Sequence[Host]) -> tuple[Host, ...]:
        """The hosts with what this allocation held free again.

        Parameters
        ----------
        hosts : sequence of Host
            Those of its parts among them.

        Returns
        -------
        tuple of Host
            In the same order.

        Raises
        ------
        AllocationError
            If a host is not there, or would have more free than it has.
        """
        return self._moved(hosts, 1)

    def __str__(self) -> str:
        return ", ".join(
            f"{cores} core{'s' * (cores != 1)}{f' and {memory_text(memory)}' if memory else ''} of {name}"
            for name, cores, memory in self.parts
        )

    def _moved(self, hosts: Sequence[Host], sign: int) -> tuple[Host, ...]:
        """The hosts with more or less free."""
        held = {name: (cores, memory) for name, cores, memory in self.parts}
        if absent := held.keys() - {host.name for host in hosts}:
            raise AllocationError("a host is gone", needed=", ".join(sorted(absent)), has=_names(hosts))
        moved = []
        for host in hosts:
            cores, memory = held.get(host.name, (0, 0))
            free = host.free_cores + sign * cores, host.free_memory_bytes + sign * memory
            if not (0 <= free[0] <= host.cores and 0 <= free[1] <= host.memory_bytes):
                what = "does not have that much free" if sign < 0 else "never gave that much away"
                raise AllocationError(f"{host.name} {what}", allocation=self, host=host)
            moved.append(replace(host, free_cores=free[0], free_memory_bytes=free[1]))
        return tuple(moved)


def single_node(resources: Resources, hosts: Sequence[Host]) -> Allocation | None:
    """All on one host: of those that can, the one with fewest cores left over."""
    fitting = [host for host in hosts if _room(host, resources) >= resources.cores]
    if not fitting:
        return None
    tightest = min(fitting, key=lambda host: (host.free_cores, host.free_memory_bytes))
    return Allocation(((tightest.name, resources.cores, resources.memory_bytes),))


def fill_nodes(resources: Resources, hosts: Sequence[Host]) -> Allocation | None:
    """On as few hosts as will do, those with most room first."""
    left, taken = resources.cores, {}
    for host, room in _by_room(resources, hosts):
        taken[host.name] = min(room, left)
        left -= taken[host.name]
    return None if left else _parts(resources, taken)


def round_robin(resources: Resources, hosts: Sequence[Host]) -> Allocation | None:
    """A core of each host in turn, until there are enough: parts differ only where a host is full."""
    ranked = _by_room(resources, hosts)
    left, taken = resources.cores, {host.name: 0 for host, _ in ranked}
    while left:
        open_ = [host.name for host, room in ranked if taken[host.name] < room]
        if not open_:
            return None
        # As many whole rounds at once as the fullest of them allows.
        rounds = min(room - taken[host.name] for host, room in ranked if taken[host.name] < room)
        each = min(rounds, left // len(open_))
        for name in open_ if each else open_[:left]:
            taken[name] += max(1, each)
            left -= max(1, each)
    return _parts(resources, taken)


#: The ways to spread a job over hosts, by name.
PARADIGMS: Mapping[str, Callable[[Resources, Sequence[Host]], Allocation | None]] = MappingProxyType(
    {"single_node": single_node, "fill_nodes": fill_nodes, "round_robin": round_robin}
)


def allocate(resources: Resources, hosts: Sequence[Host], paradigm: str = "single_node") -> Allocation | None:
    """Give a job what it wants, if that is free.

    Parameters
    ----------
    resources : Resources
        What it wants.
    hosts : sequence of Host
        What there is; each named once.
    paradigm : {"single_node", "fill_nodes", "round_robin"}
        How it is spread.

    Returns
    -------
    Allocation or None
        Just what was wanted, of what is free; None where it has to wait.

    Raises
    ------
    AllocationError
        If there is no such paradigm.

    Examples
    --------
    >>> hosts = [Host("left", 4, 8 * 2**30), Host("right", 2, 8 * 2**30)]
    >>> print(allocate(Resources(4), hosts, "round_robin"))
    2 cores of left, 2 cores of right
    >>> print(allocate(Resources.of(5, "10 GiB"), hosts, "fill_nodes"))
    4 cores and 8 GiB of left, 1 core and 2 GiB of right
    >>> allocate(Resources(5), hosts, "single_node") is None
    True
    """
    spread = PARADIGMS.get(paradigm)
    if spread is None:
        raise AllocationError(f"there is no way {paradigm!r} to spread a job over hosts", known=", ".join(PARADIGMS))
    return spread(resources, hosts)


def never(resources: Resources, hosts: Sequence[Host], paradigm: str = "single_node") -> str | None:
    """Why a job can never get what it wants, whoever gives back what they hold.

    Parameters
    ----------
    resources : Resources
        What it wants.
    hosts : sequence of Host
        What there is; what of it is free does not matter.
    paradigm : {"single_node", "fill_nodes", "round_robin"}
        How it is to be spread.

    Returns
    -------
    str or None
        What is too much, and what would fit; None where it is a matter of waiting.

    Raises
    ------
    AllocationError
        If there is no such paradigm.

    Examples
    --------
    >>> never(Resources(12), [Host("laptop", 8, 16 * 2**30)])
    'no host has more than 8 cores; 8 cores would fit'
    """
    empty = [host.emptied() for host in hosts]
    if allocate(resources, empty, paradigm) is not None:
        return None
    if not any(host.cores for host in empty):
        return "there is no host with a core"
    alone = paradigm == "single_node"
    who = "no host has" if alone else "all hosts together have no"
    has_cores = [host.cores for host in empty]
    has_memory = [host.memory_bytes for host in empty]
    most_cores, most_memory = (max(has_cores), max(has_memory)) if alone else (sum(has_cores), sum(has_memory))
    if resources.cores > most_cores:
        why = f"{who} more than {most_cores} core{'s' * (most_cores != 1)}"
    elif resources.memory_bytes > most_memory:
        why = f"{who} more than {memory_text(most_memory)} of memory"
    else:
        why = f"no host has {resources}" if alone else "no cores have so much memory beside them"
    elsewhere = f", or {resources} with fill_nodes" if alone and fill_nodes(resources, empty) is not None else ""
    return f"{why}; {_fitting(resources, empty, paradigm)}{elsewhere} would fit"


def _fitting(resources: Resources, empty: Sequence[Host], paradigm: str) -> str:
    """What would fit: fewer cores with the same memory, less memory on the same cores, or less of both."""

    def fits(cores: int, memory: int) -> bool:
        return allocate(Resources(cores, memory), empty, paradigm) is not None

    wanted, memory = resources.cores, resources.memory_bytes
    # Fewer cores have larger shares of memory each, so that fewer is not always easier.
    counts = range(min(wanted, sum(host.cores for host in empty)), 0, -1)
    found = [Resources(cores, memory) for cores in counts if fits(cores, memory)][:1]
    most = next(cores for cores in counts if fits(cores, 0))
    if memory and (most == wanted or not found):
        low, high = 0, memory // _MEBIBYTE
        while low < high:
            middle = -(-(low + high) // 2)
            low, high = (middle, high) if fits(most, middle * _MEBIBYTE) else (low, middle - 1)
        found.append(Resources(most, low * _MEBIBYTE))
    return ", or ".join(map(str, found))


def _room(host: Host, resources: Resources) -> int:
    """How many of a job's cores a host has room for, each with its share of memory."""
    cores = min(host.free_cores, resources.cores)
    share = -(-resources.memory_bytes // resources.cores)
    # Shares are rounded up, so that all of them together are never more than was asked for with the last.
    if not share or min(share * cores, resources.memory_bytes) <= host.free_memory_bytes:
        return cores
    return min(cores, host.free_memory_bytes // share)


def _by_room(resources: Resources, hosts: Sequence[Host]) -> list[tuple[Host, int]]:
    """The hosts that have room, most of it first."""
    ranked = [(host, room) for host in hosts if (room := _room(host, resources))]
    return sorted(ranked, key=lambda pair: -pair[1])


def _parts(resources: Resources, taken: Mapping[str, int]) -> Allocation:
    """Cores of hosts with their shares of memory, which add up to what was asked for."""
    share = -(-resources.memory_bytes // resources.cores)
    left, parts = resources.memory_bytes, []
    for name, cores in taken.items():
        if cores:
            memory = min(share * cores, left)
            left -= memory
            parts.append((name, cores, memory))
    return Allocation(tuple(parts))


def _names(hosts: Sequence[Host]) -> str:
    """What the hosts are called."""
    return ", ".join(host.name for host in hosts) or "no host"
