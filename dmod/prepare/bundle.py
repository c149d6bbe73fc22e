"""Bundles: run directories put together from datasets, as ngen and NextGen In A Box have them.

``config/`` gets hydrofabric, realization and the modules' files, ``forcings/`` the weather,
``outputs/`` is there and empty. Large files are linked where the file system can, all else is
copied, so that a bundle can be edited without touching what it was made of. The
realization's forcing is set to that of the bundle; nothing else in it is changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmod.data.coverage import ALL, Coverage
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Catalog, Requirement
from dmod.errors import DatasetError, OutputError, RealizationError
from dmod.model.realization import ForcingEntry, Realization, read_realization
from dmod.model.realization_writing import forcing_entry
from dmod.model.run_directory import find_run_directory
from dmod.prepare.config_rules import CONFIG_FOLDER
from dmod.prepare.forcing_rules import FORCING_NAMES, forcing_ref
from dmod.prepare.rules import Offer, Progress, the_one

__all__ = ["PARTS", "BundleRule", "Part", "assemble", "bundle_needed"]

#: What a bundle can have, and in which formats; the first two it must have.
PARTS: Mapping[str, tuple[Format, ...]] = {
    "hydrofabric": (Format.GEOPACKAGE, Format.GEOJSON),
    "realization": (Format.REALIZATION,),
    "forcing": (Format.FORCING_NETCDF, Format.FORCING_CSV, Format.FORCING_ZARR),
    "configs": (Format.BMI_CONFIG,),
    "partitions": (Format.PARTITIONS,),
    "troute": (Format.TROUTE_CONFIG,),
}
_NEEDED = ("hydrofabric", "realization")
#: From what size on a file is linked, not copied [bytes].
_LARGE_BYTES = 2**20
_OUTPUTS = ("ngen", "troute")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Part:
    """One dataset of a bundle, as it lies on this machine."""

    #: Its file or directory.
    path: Path
    #: Its format.
    format: Format


def assemble(target: Path, parts: Mapping[str, Part], *, link: bool = True) -> Path:
    """Put a run directory together.

    Parameters
    ----------
    target : Path
        The directory to make; it must not exist, or be empty.
    parts : mapping of str to Part
        By the names of `PARTS`; ``hydrofabric`` and ``realization`` at least.
    link : bool
        Whether large files may be linked; they are copied otherwise.

    Returns
    -------
    Path
        *target*, whole; there is nothing where an error was raised.

    Raises
    ------
    DatasetError
        If a part is missing, not known, or of a format that a run directory does not have.
    RealizationError
        If the realization looks for configuration files where the bundle has none.
    OutputError
        If there is something at *target*, or it cannot be written.
    """
    _check(parts)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError("there is something already", path=target, hint="name a directory that does not exist yet")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        try:
            aside.chmod(0o755)
            _fill(aside, parts, link=link)
            aside.replace(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as problem:
        raise OutputError(
            "the run directory cannot be written",
            path=target,
            reason=problem.strerror or problem,
            hint="choose a place that you may write to, with room left",
        ) from problem
    return target


def bundle_needed(names: Mapping[str, str], coverage: Coverage, *, explicit: str | None = None) -> Requirement:
    """What a run needs as one directory.

    Parameters
    ----------
    names : mapping of str to str
        Part, see `PARTS`, to the name of its dataset.
    coverage : Coverage
        Times and catchments that all parts must have.
    explicit : str, optional
        Name of the dataset to take.

    Raises
    ------
    DatasetError
        If a part is missing or not known.
    """
    _check_names(names)
    return Requirement(
        "bundle", Category.CONFIG, (Format.COMPOSITE,), coverage, explicit, {"made_of": dict(sorted(names.items()))}
    )


class BundleRule:
    """A run directory from the datasets that a requirement names; see `bundle_needed`."""

    name = "bundle"
    version = "1"
    makes = (Format.COMPOSITE,)

    def offers(self, requirement: Requirement, candidates: Catalog) -> Offer | None:
        """From the datasets that are named, if each is there and holds what is needed."""
        names = requirement.facts.get("made_of")
        if Format.COMPOSITE not in requirement.formats or not isinstance(names, Mapping) or len(requirement.facts) > 1:
            return None
        parents: dict[str, Dataset] = {}
        for part in sorted(names):
            try:
                parents[part] = candidates.dataset(names[part])
            except DatasetError:
                return None
            if part not in PARTS or parents[part].format not in PARTS[part]:
                return None
            if not parents[part].coverage.covers(_needed_of(part, parents[part], requirement.coverage)):
                return None
        if set(_NEEDED) - parents.keys():
            return None
        parameters = {"parts": {part: str(one.format) for part, one in parents.items()}}
        note = f"a run directory is put together from {', '.join(repr(one.name) for one in parents.values())}"
        return Offer(
            self.name, self.version, tuple(parents.values()), parameters, Format.COMPOSITE, requirement.coverage,
            note, dict(requirement.facts),
        )  # fmt: skip

    def apply(self, offer: Offer, parents: Sequence[Path], folder: Path, *, progress: Progress | None = None) -> Path:
        """Put it together."""
        del progress
        told = offer.parameters["parts"].items()
        parts = {name: Part(path, Format(kind)) for (name, kind), path in zip(told, parents, strict=True)}
        return assemble(folder / "run", parts)


def _needed_of(part: str, dataset: Dataset, needed: Coverage) -> Coverage:
    """What a part must hold of what the bundle must."""
    timed = part in ("forcing", "realization")
    ids = ALL if part == "troute" or dataset.coverage.ids is ALL else needed.ids
    return Coverage(needed.spans if timed else ALL, ids, dataset.coverage.variables)


def _check_names(names: Mapping[str, Any]) -> None:
    """Refuse parts that are missing or not known."""
    absent = [part for part in _NEEDED if part not in names]
    unknown = [part for part in names if part not in PARTS]
    if absent or unknown:
        raise DatasetError(
            f"a bundle has no part {unknown[0]!r}" if unknown else f"a bundle needs a {absent[0]}",
            known=", ".join(PARTS),
            has=", ".join(names) or "no parts",
            hint="name the parts of a run directory",
        )


def _check(parts: Mapping[str, Part]) -> None:
    """Refuse parts that cannot be put together."""
    _check_names(parts)
    for name, part in parts.items():
        if part.format not in PARTS[name]:
            raise DatasetError(
                f"the {name} of a bundle cannot be {part.format}",
                needed=" or ".join(PARTS[name]),
                hint="derive it in one of these formats first",
            )
        if not part.path.exists():
            raise DatasetError(f"the {name} is not where it should be", path=part.path, hint="fetch it again")


def _fill(root: Path, parts: Mapping[str, Part], *, link: bool) -> None:
    """Put every part in its place."""
    config, forcings = root / "config", root / "forcings"
    for folder in (config, forcings, *(root / "outputs" / name for name in _OUTPUTS)):
        folder.mkdir(parents=True)
    _place_fabric(parts["hydrofabric"], config, link=link)
    forcing = _place_forcing(parts["forcing"], forcings, link=link) if "forcing" in parts else None
    if "configs" in parts:
        source = parts["configs"].path
        inner = source / CONFIG_FOLDER
        _copy(inner if inner.is_dir() else source, config / CONFIG_FOLDER, link=False)
    if "partitions" in parts:
        file = the_one(parts["partitions"].path, lambda p: p.suffix.lower() == ".json", "partition file")
        _copy(file, root / file.name, link=False)
    if "troute" in parts:
        file = the_one(parts["troute"].path, lambda p: p.suffix.lower() in (".yaml", ".yml"), "t-route configuration")
        _copy(file, config / "troute.yaml", link=False)
    _place_realization(parts["realization"], config / "realization.json", forcing)
    if "configs" in parts:
        _check_configs(root)


def _place_fabric(part: Part, config: Path, *, link: bool) -> None:
    """The hydrofabric, under its own name."""
    if part.format is Format.GEOPACKAGE:
        file = the_one(part.path, lambda p: p.suffix.lower() == ".gpkg", "GeoPackage")
        _copy(file, config / file.name, link=link)
        return
    folder = part.path if part.path.is_dir() else part.path.parent
    for file in sorted(folder.rglob("*.geojson")):
        _copy(file, config / file.name, link=link)


def _place_forcing(part: Part, forcings: Path, *, link: bool) -> ForcingEntry:
    """The forcing, and how a realization names it."""
    ref = forcing_ref(part.path, part.format)
    if part.format is Format.FORCING_CSV:
        for file in [ref.path] if ref.path.is_file() else sorted(ref.path.glob("*.csv")):
            _copy(file, forcings / file.name, link=link)
        return ForcingEntry("./forcings", "CsvPerFeature", r"(.*[^0-9])?{{id}}([^0-9].*)?\.csv")
    name = FORCING_NAMES[part.format]
    _copy(ref.path, forcings / name, link=link)
    return ForcingEntry(f"./forcings/{name}", ref.provider)


def _place_realization(part: Part, target: Path, forcing: ForcingEntry | None) -> None:
    """The realization, with the bundle's forcing where it has one."""
    file = the_one(part.path, lambda p: p.suffix.lower() == ".json", "realization")
    if forcing is None:
        _copy(file, target, link=False)
    else:
        entry = forcing_entry(forcing)
        content = dict(_read(file).raw)
        content["global"] = {**content.get("global", {}), "forcing": entry}
        if content.get("catchments"):
            content["catchments"] = {name: {**own, "forcing": entry} for name, own in content["catchments"].items()}
        target.write_text(json.dumps(content, indent=1) + "\n")
    _read(target, whole=True)


def _read(file: Path, *, whole: bool = False) -> Realization:
    """A realization; without any error if it is to be *whole*."""
    realization, report = read_realization(file)
    if realization is None or (whole and not report.ok):
        raise RealizationError(
            "the realization cannot be used",
            reason="; ".join(f"{one.key or one.file}: {one.message}" for one in report.errors[:_SHOWN]),
            hint="mend it, or make one of a Formulation",
        )
    return realization


def _check_configs(root: Path) -> None:
    """Refuse a realization that looks for its modules' files elsewhere than they are."""
    run = find_run_directory(root)
    realization = _read(run.realization)
    chains = dict.fromkeys((realization.default_formulation, *realization.own_formulations.values()))
    for spec in (spec for chain in chains if chain is not None for spec in chain.modules):
        place = run.resolve(spec.init_config).parent
        if spec.init_config not in ("", "/dev/null") and "{{id}}" not in str(place) and not place.is_dir():
            made = sorted(p.relative_to(root).as_posix() for p in (root / "config" / CONFIG_FOLDER).iterdir())
            raise RealizationError(
                f"the realization looks for the files of {spec.title} where there are none",
                needed=spec.init_config,
                has=", ".join(made[:4]) or "nothing",
                hint="make the realization with configs='./config/cat_config', or bring files that lie so",
            )


def _copy(source: Path, target: Path, *, link: bool) -> None:
    """A file or directory in its place; large files are linked if that is wanted and possible."""
    if source.is_dir():
        for here, _, names in os.walk(source):
            folder = target / Path(here).relative_to(source)
            folder.mkdir(parents=True, exist_ok=True)
            for name in sorted(names):
                _copy(Path(here, name), folder / name, link=link)
        return
    if link and source.stat().st_size >= _LARGE_BYTES:
        # Not to another file system, nor where there are no links.
        with contextlib.suppress(OSError):
            os.link(source.resolve(), target)
            return
    shutil.copyfile(source, target)
