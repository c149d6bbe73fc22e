"""How fast a domain is, from a small file to one of the whole United States.

``python tests/benchmarks/domain.py`` makes hydrofabrics of 20,000, 200,000 and 832,000 divides
(kept in ``--files`` for the next time) and prints for each operation, beside its goal, the CPU
seconds, user and system, and the peak memory of the process that did it. Of the seconds it is the
median, and the least in brackets: they differ where the machine has other work. Of the memory the
brackets say how much the operation added. Every figure is of a fresh process, the file in the
system's cache, one thread; imports and opening come before the clock starts unless they are what
is measured. What else does the same job and is installed is run beside; what was measured earlier
on a made-up continent of that size is printed as such. The goals are for 832,000 divides; to measure
that takes four minutes, and to make the file the first time some minutes more.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: The basins that are looked for, by catchments; those of about that size are taken.
BASINS = (100, 10_000, 94_000, 356_000)
#: One point is looked up too fast to be timed.
POINTS = 200
#: Divides from which reading a whole file is left out unless asked for.
SLOW = 500_000
PARTS = 32


@dataclass(frozen=True)
class Case:
    """What a process is to measure."""

    #: The hydrofabric.
    file: Path
    #: A folder of its own.
    scratch: Path
    #: Where basins end: about how many catchments they have, to the id and the exact number.
    basins: dict[str, tuple[str, int]] = field(default_factory=dict)
    #: Points inside catchments [degree].
    points: list[tuple[float, float]] = field(default_factory=list)
    #: Which basin, about how many catchments.
    size: int = 0

    @property
    def outlet(self) -> str:
        """Catchment at the end of the basin."""
        return self.basins[str(self.size)][0]


#: Makes ready, yields, does what is timed, yields, and returns what to tell of it.
Step = Generator[None, None, str]
Operation = Callable[[Case], Step]


@dataclass(frozen=True)
class Line:
    """One line of what is printed."""

    #: What is done.
    what: str
    operation: Operation
    #: Which basin, about how many catchments; 0 for none.
    size: int = 0
    #: Goal for 832,000 divides: CPU [s] and peak memory [MB]; None for none.
    goal_s: float | None = None
    goal_mb: float | None = None
    #: What others took on the continent, measured earlier.
    earlier: str = ""
    #: What is run beside it: name, operation, library that it needs, whether it reads the whole file.
    beside: tuple[tuple[str, Operation, str, bool], ...] = ()


def opened(case: Case) -> Any:
    """The domain of the whole file."""
    from dmod.domain.domain import Domain

    return Domain.open(case.file)


def pick(case: Case) -> Step:
    """Basins and points to ask for, as JSON."""
    import numpy as np

    domain = opened(case)
    yield
    size = domain.river.walk.size[: domain.river.count]
    ends = [(about, int(np.abs(size - about).argmin())) for about in BASINS]
    basins = {about: (domain.catchments[at], int(size[at])) for about, at in ends if abs(size[at] - about) < about / 3}
    shapes = domain.sample(POINTS).divides(columns=[], crs="EPSG:4326").representative_point()
    yield
    return json.dumps({"basins": basins, "points": [(point.x, point.y) for point in shapes]})


def build(case: Case) -> Step:
    """The first open of all, which builds the sidecar."""
    from dmod.domain.domain import Domain

    os.environ["DMOD_CACHE"] = str(case.scratch)
    yield
    Domain.open(case.file)
    yield
    sidecar = sum(path.stat().st_size for path in case.scratch.rglob("*.index"))
    return f"sidecar of {sidecar / 1e6:.0f} MB"


def reopen(case: Case) -> Step:
    """Any later open."""
    from dmod.domain.domain import Domain

    yield
    domain = Domain.open(case.file)
    yield
    return f"{len(domain):,} divides"


def gage(case: Case) -> Step:
    """A gage found by its number, and all upstream of it."""
    name = next(uri for uri in opened(case).hydrofabric.topology.marks.uri if uri.startswith("gages-"))
    domain = opened(case)
    yield
    basin = domain.subset(name)
    yield
    return f"{len(basin):,} catchments"


def upstream(case: Case) -> Step:
    """The places upstream of one, and their ids as arrays."""
    domain = opened(case)
    yield
    found = domain.upstream(case.outlet).catchments
    yield
    return f"{len(found):,} ids"


def breadth_first(case: Case) -> Step:
    """The same from a dict of lists, which is what everyone writes first."""
    end = case.outlet.replace("cat-", "wb-")
    yield
    above: defaultdict[str, list[str]] = defaultdict(list)
    with sqlite3.connect(f"file:{case.file}?mode=ro&immutable=1", uri=True) as file:
        for name, toid in file.execute('SELECT id, toid FROM "flowpath-attributes"'):
            # A nexus has the number of what it flows into.
            above["wb-" + toid[4:] if toid.startswith("nex-") else toid].append(name)
    began = time.process_time()
    found, waiting = {end}, [end]
    while waiting:
        more = above.get(waiting.pop(), [])
        found.update(more)
        waiting += more
    walked = time.process_time() - began
    yield
    return f"{len(found):,} ids; {walked:.3f} s of it the walk"


def networkx_ancestors(case: Case) -> Step:
    """The same with networkx."""
    import networkx as nx

    yield
    with sqlite3.connect(f"file:{case.file}?mode=ro&immutable=1", uri=True) as file:
        graph = nx.DiGraph(file.execute("SELECT DISTINCT id, toid FROM network WHERE toid != 'wb-0'"))
    began = time.process_time()
    found = [name for name in nx.ancestors(graph, case.outlet.replace("cat-", "wb-")) if name.startswith("wb-")]
    walked = time.process_time() - began
    yield
    return f"{len(found) + 1:,} ids; {walked:.3f} s of it the walk"


def write(case: Case) -> Step:
    """A basin by the id of its outlet, with all layers in a file of its own."""
    domain = opened(case)
    yield
    made = domain.subset(case.outlet)
    path = made.to_gpkg(case.scratch / "subset.gpkg")
    yield
    return f"{len(made):,} divides, {path.stat().st_size / 1e6:.1f} MB"


def naive_write(case: Case) -> Step:
    """The same as geopandas does it: each layer read whole, filtered, written."""
    import pyogrio

    basin = opened(case).subset(case.outlet)
    ids = {*basin.catchments, *basin.flowpath_ids, *basin.nexus_ids}
    yield
    path = case.scratch / "naive.gpkg"
    for layer, _ in pyogrio.list_layers(case.file):
        table = pyogrio.read_dataframe(case.file, layer=layer, use_arrow=True)
        key = "divide_id" if layer.startswith("divide") else "id" if "id" in table else None
        pyogrio.write_dataframe(table if key is None else table[table[key].isin(ids)], path, layer=layer)
    yield
    return f"{path.stat().st_size / 1e6:.1f} MB"


def frame(case: Case) -> Step:
    """Divides of a basin as a GeoDataFrame."""
    import geopandas  # noqa: F401 - before the clock starts

    basin = opened(case).subset(case.outlet)
    yield
    table = basin.divides()
    yield
    return f"{len(table):,} divides"


def naive_frame(case: Case) -> Step:
    """The same from the whole layer."""
    import geopandas

    ids = set(opened(case).subset(case.outlet).catchments)
    yield
    table = geopandas.read_file(case.file, layer="divides", engine="pyogrio", use_arrow=True)
    table = table[table["divide_id"].isin(ids)]
    yield
    return f"{len(table):,} divides"


def validation(case: Case) -> Step:
    """All checks of ids and links."""
    domain = opened(case)
    yield
    found = domain.validate(attributes=False)
    yield
    return f"{len(found.errors)} errors, {len(found.warnings)} warnings, {len(found.notes)} notes"


def partition(case: Case, method: str = "auto") -> Step:
    """A cut into parts, with its report and its file."""
    domain = opened(case)
    if method == "metis":
        import pymetis  # noqa: F401 - before the clock starts
    yield
    made = domain.partition(PARTS, method=method)  # type: ignore[arg-type]
    made.to_json(case.scratch / f"partitions_{len(made)}.json")
    yield
    told = made.report
    return f"imbalance {told.imbalance:.2%}, {told.cut_nexuses} cut, {told.split_nexuses} split"


def metis(case: Case) -> Step:
    """The same with METIS."""
    return (yield from partition(case, "metis"))


def point(case: Case) -> Step:
    """The catchment that holds a point."""
    domain = opened(case)
    domain.locate(lon=case.points[0][0], lat=case.points[0][1])
    yield
    for lon, lat in case.points:
        domain.locate(lon=lon, lat=lat)
    yield
    return f"mean of {POINTS}, the first left out"


def first_point(case: Case) -> Step:
    """The first such question, which opens the file and sets up the projection."""
    domain = opened(case)
    yield
    domain.locate(lon=case.points[0][0], lat=case.points[0][1])
    yield
    return ""


def box_of(case: Case) -> tuple[float, float, float, float]:
    """A box of a thousand catchments or so [degree]."""
    lon, lat = case.points[len(case.points) // 2]
    return lon - 0.3, lat - 0.25, lon + 0.3, lat + 0.25


def box(case: Case) -> Step:
    """The catchments that meet a box."""
    domain = opened(case)
    domain.locate(lon=case.points[0][0], lat=case.points[0][1])
    yield
    found = domain.subset(bbox=box_of(case))
    yield
    return f"{len(found):,} catchments"


def naive_point(case: Case) -> Step:
    """The same through GDAL, which uses the file's R-tree too."""
    import geopandas
    import pyproj
    import shapely

    turn = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:5070", always_xy=True)
    yield
    for lon, lat in case.points:
        x, y = turn.transform(lon, lat)
        table = geopandas.read_file(case.file, layer="divides", bbox=(x, y, x, y))
        assert table.contains(shapely.Point(x, y)).any()
    yield
    return f"mean of {POINTS}"


def naive_box(case: Case) -> Step:
    """The same through GDAL."""
    import geopandas
    import shapely

    area = geopandas.GeoSeries([shapely.box(*box_of(case))], crs="EPSG:4326")
    yield
    found = geopandas.read_file(case.file, layer="divides", mask=area)
    yield
    return f"{len(found):,} catchments"


UPSTREAM = (
    ("a dict of lists, read and walked", breadth_first, "", False),
    ("networkx, read and walked", networkx_ancestors, "networkx", True),
)
LINES = (
    Line("build the sidecar", build, 0, 6.0, 500, "NGIAB 24.9 s, 1,220 MB, and it writes into the file"),
    Line("open again", reopen, 0, 0.15, None, "NGIAB 1.75 s with import, 500 MB"),
    Line("a gage and all upstream", gage),
    Line("upstream ids, small", upstream, 100, 0.005, None, "NGIAB 0.58 s; recursive SQL 0.0015 s", UPSTREAM),
    Line("upstream ids, 94k", upstream, 94_000, 0.005, None, "NGIAB 0.77 s; recursive SQL 0.84 s", UPSTREAM),
    Line("upstream ids, 356k", upstream, 356_000, 0.005),
    Line("subset and write 100", write, 100, 0.05, 300, "NGIAB 1.3 s"),
    Line(
        "subset and write 10k", write, 10_000, 0.4, 300, "NGIAB 2.2 s, 500 MB; geopandas 80 s, 6,050 MB",
        (("geopandas, read and filtered", naive_write, "", True),),
    ),
    Line("subset and write 94k", write, 94_000, 2.5, 300, "NGIAB 15.7 s, 840 MB"),
    Line(
        "10k divides as GeoDataFrame", frame, 10_000, 0.2, 250, "",
        (("geopandas, read and filtered", naive_frame, "", True),),
    ),
    Line("validate all links", validation, 0, 2.0, 600),
    Line(
        f"partition in {PARTS}, and JSON", partition, 0, 1.0, 300,
        "ngen's partitionGenerator 133 s, 5,500 MB: 0.09 %, 3,048 cut, 3,026 split; METIS 2.03 %, 21 cut",
        (("METIS", metis, "pymetis", False),),
    ),
    Line("first point", first_point),
    Line(
        "each later point", point, 0, 0.001, None, "bare R-tree 0.00003 s",
        (("geopandas, bbox=", naive_point, "", False),),
    ),
    Line("a box of 0.6 by 0.5 degrees", box, 0, None, None, "", (("geopandas, mask=", naive_box, "", False),)),
)  # fmt: skip
OPERATIONS = {
    operation.__name__: operation
    for operation in (
        pick,
        *(line.operation for line in LINES),
        *(other for line in LINES for _, other, *_ in line.beside),
    )
}


def measured(name: str, case: Case) -> dict[str, Any]:
    """One operation, done here."""
    steps = OPERATIONS[name](case)
    next(steps)
    had, before = peak_mb(), cpu_s()
    next(steps)
    used, peak = cpu_s() - before, peak_mb()
    note = ""
    try:
        next(steps)
    except StopIteration as end:
        note = end.value
    times = len(case.points) if OPERATIONS[name] in (point, naive_point) else 1
    return {"cpu_s": used / times, "peak_mb": peak, "had_mb": had, "note": note}


def cpu_s() -> float:
    """CPU seconds of this process so far, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """The most memory that this process had [MB]; what a parent had does not count, where that is known."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def asked(name: str, case: Case, cache: Path, *, repeat: int = 1) -> dict[str, Any]:
    """The median of some fresh processes that do one operation; two more of short ones."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GDAL_NUM_THREADS"), "1")
    found: list[dict[str, Any]] = []
    while len(found) < repeat + 2 * (repeat > 1 and bool(found) and found[0]["cpu_s"] < 0.5):
        shutil.rmtree(case.scratch, ignore_errors=True)
        case.scratch.mkdir(parents=True)
        given = json.dumps(asdict(case), default=str)
        done = subprocess.run(
            [sys.executable, __file__, "--one", name],
            input=given, env={**os.environ, **single, "DMOD_CACHE": str(cache)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode:
            return {"failed": True}
        found.append(json.loads(done.stdout.splitlines()[-1]))
    middle = {key: statistics.median(each[key] for each in found) for key in ("cpu_s", "peak_mb", "had_mb")}
    return {**middle, "least_s": min(each["cpu_s"] for each in found), "note": found[-1]["note"]}


def tell(line: Line, got: dict[str, Any]) -> None:
    """Print what one operation took."""
    if got.get("failed"):
        print(f"{line.what:<30} failed, see above", flush=True)
        return
    goals = [(got["cpu_s"], line.goal_s, "{:g} s"), (got["peak_mb"], line.goal_mb, "{:g} MB")]
    stated = ", ".join(form.format(goal) for _, goal, form in goals if goal is not None)
    met = all(goal is None or value <= goal for value, goal, _ in goals)
    # How far neighbours on the machine disturbed it.
    least = f"({got['least_s']:.4f})" if line.goal_s is not None else ""
    memory = f"{got['peak_mb']:.0f} MB (+{got['peak_mb'] - got['had_mb']:.0f})"
    goal = f"goal {stated}: {'met' if met else 'MISSED'}" if stated else ""
    print(
        f"{line.what:<42} {got['cpu_s']:8.4f} s {least:<10} {memory:<16} {goal:<28} {got['note']}".rstrip(), flush=True
    )


def one_size(divides: int, file: Path, given: argparse.Namespace, scratch: Path) -> None:
    """Print all lines for one hydrofabric."""
    cache = scratch / f"cache-{divides}"
    with file.open("rb") as content:
        while content.read(1 << 24):
            continue
    case = Case(file, scratch / "work")
    chosen = asked("pick", case, cache)
    if chosen.get("failed"):
        sys.exit(f"{file} cannot be measured")
    case = Case(file, scratch / "work", **json.loads(chosen["note"]))
    print(f"\n{divides:,} divides, {file.stat().st_size / 1e6:,.0f} MB; load {os.getloadavg()[0]:.1f}")
    for line in LINES:
        if (line.size and str(line.size) not in case.basins) or (given.only and given.only not in line.what):
            continue
        here = Case(case.file, case.scratch, case.basins, case.points, line.size)
        tell(line, asked(line.operation.__name__, here, cache, repeat=given.repeat))
        for name, operation, needed, whole in () if given.alone else line.beside:
            if (needed and find_spec(needed) is None) or (whole and divides > SLOW and not given.slow):
                continue
            tell(Line(f"  beside: {name}", operation), asked(operation.__name__, here, cache))
        if line.earlier and divides > SLOW:
            print(f"  measured earlier: {line.earlier}")


def main() -> None:
    """Read the command line, make the files, measure."""
    if sys.argv[1:2] == ["--one"]:
        given = json.load(sys.stdin)
        given |= {"file": Path(given["file"]), "scratch": Path(given["scratch"])}
        print(json.dumps(measured(sys.argv[2], Case(**given))))
        return
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("divides", type=int, nargs="*", default=[20_000, 200_000, 832_000])
    ask.add_argument("--files", type=Path, default=Path(tempfile.gettempdir()) / "dmod-benchmark")
    ask.add_argument("--repeat", type=int, default=3)
    ask.add_argument("--only", help="just the lines in which this text stands")
    ask.add_argument("--alone", action="store_true", help="nothing beside")
    ask.add_argument("--slow", action="store_true", help="also beside: reading all of the largest file")
    asked_for = ask.parse_args()
    asked_for.files.mkdir(parents=True, exist_ok=True)
    for divides in asked_for.divides:
        file = asked_for.files / f"c{divides // 1000}k.gpkg"
        if not file.is_file():
            print(f"making {file} …", flush=True)
            subprocess.run([sys.executable, HERE / "continent.py", str(divides), file], check=True)
        with tempfile.TemporaryDirectory(prefix="domain-", dir=asked_for.files) as scratch:
            one_size(divides, file, asked_for, Path(scratch))


if __name__ == "__main__":
    main()
