"""A run directory, just as ngen and NextGen In A Box leave it.

``config/`` holds one hydrofabric and one ``*realization*.json``, ``forcings/`` the weather and
``outputs/`` the results. Paths inside a realization are relative to the directory itself.
`find_run_directory` says where everything is; it opens nothing and makes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from dmod.errors import DmodError, ForcingError, HydrofabricError, InputError, RealizationError, listed

__all__ = ["RunDirectory", "find_run_directory"]

#: Two spellings of one folder: what NextGen In A Box writes, and what its documentation says.
_TWINS = {"cat_config": "cat-config", "cat-config": "cat_config"}
_GEOJSON = (".geojson", ".json")
_PARTS = (".gpkg", ".geojson", ".json", ".yaml", ".yml")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where the parts of a run are. All paths are absolute."""

    #: The directory itself; paths inside the realization are relative to it.
    root: Path
    #: The GeoPackage, or the GeoJSON file of the catchments.
    hydrofabric: Path
    #: The GeoJSON file of the nexuses; None for a GeoPackage, which holds both.
    nexus: Path | None
    #: The realization.
    realization: Path
    #: The folder of results; it need not exist.
    outputs: Path
    #: The t-route configuration, where there is one beside the realization.
    troute: Path | None = None
    #: Weather to use in place of what the realization names; None to keep to it.
    forcing: Path | None = None

    def __str__(self) -> str:
        return str(self.root)

    def resolve(self, path_text: str) -> Path:
        """Where a path of the realization is.

        Parameters
        ----------
        path_text : str
            As written: absolute, or relative to the run directory. It may hold ``{{id}}``.

        Returns
        -------
        Path
            Absolute; it need not exist. ``cat_config`` and ``cat-config`` are taken for each
            other where only one of them is there.
        """
        found = self.root
        for part in Path(path_text).parts:
            step = found / part
            twin = found / _TWINS.get(part, part)
            found = twin if part in _TWINS and twin.is_dir() and not step.is_dir() else step
        return found


def find_run_directory(
    root: Path,
    *,
    hydrofabric: Path | None = None,
    nexus: Path | None = None,
    realization: Path | None = None,
    forcing: Path | None = None,
    outputs: Path | None = None,
    troute: Path | None = None,
) -> RunDirectory:
    """Find the parts of a run.

    Parameters
    ----------
    root : Path
        The run directory.
    hydrofabric, nexus, realization, forcing, outputs, troute : Path, optional
        Parts that are elsewhere, or of which there are several; relative to the working
        directory or, if not found there, to *root*.

    Returns
    -------
    RunDirectory
        Where everything is.

    Raises
    ------
    InputError
        If there is no such directory, or it has no ``config``.
    HydrofabricError
        If there is no hydrofabric, or more than one.
    RealizationError
        If there is no realization, or more than one.
    ForcingError
        If the forcing named is not there.
    """
    root = _root(Path(root).expanduser())
    complete = hydrofabric is not None and realization is not None
    files = _files(root / "config" if complete else _config(root))
    fabric, points = _fabric(root, files, hydrofabric, nexus)
    return RunDirectory(
        root=root,
        hydrofabric=fabric,
        nexus=points,
        realization=_realization(root, files, realization),
        outputs=root / "outputs" if outputs is None else Path(outputs).expanduser().absolute(),
        troute=_troute(files) if troute is None else _named(root, troute, "t-route configuration", InputError),
        forcing=None if forcing is None else _named(root, forcing, "forcing", ForcingError),
    )


def _root(root: Path) -> Path:
    """The run directory itself, absolute."""
    if not root.is_dir():
        raise InputError(
            f"there is no run directory {root}",
            found="a file" if root.exists() else "nothing",
            hint="name the folder that holds config/, forcings/ and outputs/",
        )
    return root.resolve()


def _config(root: Path) -> Path:
    """The folder ``config``."""
    config = root / "config"
    if config.is_dir():
        return config
    # a DataStream wraps the run directory as ngen-run; people name a folder too high or too low
    near = [p for p in (root / "ngen-run", root.parent) if (p / "config").is_dir()]
    deeper = sorted(p.parent for p in root.glob("*/config") if p.is_dir())
    near += [p for p in deeper if p not in near]
    raise InputError(
        f"{root} is not a run directory: it has no folder config",
        looked_for=config,
        found=_listing(sorted(p.name + "/" * p.is_dir() for p in root.iterdir())),
        hint=f"did you mean {near[0]}?" if near else "name the folder that holds config/, forcings/ and outputs/",
    )


def _files(folder: Path) -> list[Path]:
    """The files below *folder* that can be a part of a run, sorted, and a few others to tell of.

    Hidden ones such as JupyterLab's checkpoints are left out. There may be ten thousands of
    configuration files: of those only a few are kept.
    """
    found: list[Path] = []
    others: list[Path] = []
    for here, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                continue
            if name.lower().endswith(_PARTS):
                found.append(Path(here, name))
            elif len(others) <= _SHOWN:
                others.append(Path(here, name))
    return sorted(found + others)


def _matching(files: Sequence[Path], pattern: str) -> list[Path]:
    """The files whose name matches *pattern*, capitals and small letters alike."""
    return [path for path in files if fnmatch(path.name.lower(), pattern)]


def _fabric(root: Path, files: Sequence[Path], named: Path | None, nexus: Path | None) -> tuple[Path, Path | None]:
    """The hydrofabric, and the nexuses where they are a file of their own."""
    points = None if nexus is None else _named(root, nexus, "nexus file", HydrofabricError)
    if named is not None:
        fabric = _named(root, named, "hydrofabric", HydrofabricError)
        if fabric.suffix.lower() in _GEOJSON and points is None:
            points = _nexus_beside(fabric)
        return fabric, points
    packages = _matching(files, "*.gpkg")
    if len(packages) > 1:
        raise HydrofabricError(
            f"there are {len(packages)} hydrofabrics in {root / 'config'}",
            found=_relative(root, packages),
            hint="keep one, or name the one to use with --hydrofabric",
        )
    if packages:
        return packages[0], points
    collections = [path for path in files if path.suffix.lower() in _GEOJSON]
    catchments = _matching(collections, "*catchment*.geojson") or _matching(collections, "catchment_data*.json")
    if len(catchments) == 1:
        return catchments[0], points or _nexus_beside(catchments[0])
    raise HydrofabricError(
        f"there is no hydrofabric in {root / 'config'}"
        if not catchments
        else f"there are {len(catchments)} files of catchments in {root / 'config'}",
        looked_for="one *.gpkg, or *catchment*.geojson with *nexus*.geojson beside it",
        found=_relative(root, catchments or files),
        hint="put one there, or name it with --hydrofabric",
    )


def _nexus_beside(catchments: Path) -> Path:
    """The file of nexuses that belongs to a file of catchments."""
    twin = catchments.with_name(catchments.name.replace("catchment", "nexus"))
    if twin != catchments and twin.is_file():
        return twin
    beside = [p for p in sorted(catchments.parent.iterdir()) if p.suffix.lower() in _GEOJSON]
    found = _matching(beside, "*nexus*")
    if len(found) == 1:
        return found[0]
    raise HydrofabricError(
        f"{catchments.name} holds catchments, but the nexuses that belong to it are not clear",
        looked_for=twin,
        found=_relative(catchments.parent, found or beside),
        hint="put the GeoJSON file of the nexuses beside it, or use a GeoPackage",
    )


def _realization(root: Path, files: Sequence[Path], named: Path | None) -> Path:
    """The realization named, or the one below ``config``."""
    if named is not None:
        return _named(root, named, "realization", RealizationError)
    found = _matching(files, "*realization*.json")
    if len(found) == 1:
        return found[0]
    if found:
        raise RealizationError(
            f"there are {len(found)} realizations in {root / 'config'}",
            found=_relative(root, found),
            hint="name the one to use with --realization",
        )
    others = _matching(files, "*.json")
    raise RealizationError(
        f"there is no realization in {root / 'config'}",
        looked_for="one file *realization*.json, in any folder below config",
        found=_relative(root, others or files),
        hint="put one there, or name it with --realization",
    )


def _troute(files: Sequence[Path]) -> Path | None:
    """The t-route configuration by its usual names, if there is exactly one."""
    for pattern in ("troute.y*ml", "*t[-_]route*.y*ml", "*troute*.y*ml", "*routing*.y*ml"):
        found = _matching(files, pattern)
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _named(root: Path, named: Path, what: str, kind: type[DmodError]) -> Path:
    """A part that the caller named, seen from the working directory or from *root*."""
    given = Path(named).expanduser()
    places = list(dict.fromkeys((given.absolute(), root / given)))
    for place in places:
        if place.exists():
            return place
    raise kind(
        f"there is no {what} {named}",
        looked_for=", ".join(str(place) for place in places),
        hint="correct the path",
    )


def _relative(root: Path, paths: Sequence[Path]) -> str:
    """Paths as seen from the run directory."""
    return _listing([path.relative_to(root).as_posix() for path in paths])


def _listing(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    return listed(names, _SHOWN) or "nothing"
