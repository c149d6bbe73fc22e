"""Makes a run directory for a run that is composed of parts: each is found, or derived, or missing.

What the parts must hold follows from catchments, time and formulation. Whatever is derived
becomes a dataset with its lineage, and is found when it is needed again.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from dmod.catalog.catalog import Catalog
from dmod.catalog.in_place import files_of
from dmod.data.coverage import ALL, Coverage, Span
from dmod.data.dataset import Dataset, File
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Derivable, Found, Match, Missing, Requirement, match
from dmod.errors import CoverageError, DatasetError, InputError
from dmod.job.request import Composition, JobRequest
from dmod.model.formulation import Formulation
from dmod.prepare.bundle import Part, assemble
from dmod.prepare.config_rules import configs_needed, realization_needed
from dmod.prepare.hydrofabric_rules import open_fabric
from dmod.prepare.rules import Derived, Offer, derive, rules

__all__ = ["Composer"]

_STEP_S = 3600
_FABRICS = (Format.GEOPACKAGE,)
_WEATHER = (Format.FORCING_NETCDF, Format.FORCING_ZARR, Format.FORCING_CSV)
#: Weather that a module cannot do without, under the names of AORC.
_NEEDED = {
    "cfe": ("precip_rate",),
    "pet": (
        "DLWRF_surface", "DSWRF_surface", "PRES_surface", "SPFH_2maboveground", "TMP_2maboveground",
        "UGRD_10maboveground", "VGRD_10maboveground",
    ),
}  # fmt: skip


@dataclass
class Composer:
    """Puts one run together.

    Parameters
    ----------
    catalog : Catalog
        What there is.
    request : JobRequest
        What is asked for; it has a composition.
    job : str
        Id of its job, which keeps the datasets from being removed while it goes on.
    say : callable
        Told what is done, one line each.
    """

    catalog: Catalog
    request: JobRequest
    job: str
    say: Callable[[str], None] = lambda _text: None
    #: The datasets that the run is made of, once it is prepared.
    used: tuple[Dataset, ...] = field(default=(), init=False)

    def resolve(self) -> list[Match]:
        """What becomes of each thing the run needs.

        Returns
        -------
        list of Match
            Of hydrofabric, forcing and configuration files; the realization is always made.

        Raises
        ------
        CoverageError
            If something is missing; the error says what, and what is nearest.
        """
        given = self._composition
        fabric = self._held(given.hydrofabric, Category.HYDROFABRIC)
        ids = self._ids(fabric)
        named = None if given.forcing is None else self._held(given.forcing, Category.FORCING).name
        weather = [name for title in self._formulation.titles for name in _NEEDED.get(title, ())]
        needs = [
            Requirement(
                "hydrofabric", Category.HYDROFABRIC, _FABRICS, Coverage.of(spans=ALL, ids=ids, variables=ALL),
                explicit=fabric.name,
            ),
            Requirement(
                "forcing", Category.FORCING, _WEATHER,
                Coverage.of(spans=[self._span], ids=ids, variables=weather or ["precip_rate"]), explicit=named,
            ),
        ]  # fmt: skip
        if self._formulation.config_modules:
            needs.append(configs_needed(self._formulation, ids, explicit=given.configs))
        found = match(needs, self.catalog.ledger, rules())
        for one in found:
            self.say(str(one))
        if missing := [one for one in found if isinstance(one, Missing)]:
            raise CoverageError(
                "what the run needs is not there and cannot be derived",
                **{one.requirement.key: one.reason for one in missing},
                hint="add it with `dmod datasets add`, or ask for less",
            )
        return found

    def prepare(self, matches: Iterable[Match], folder: Path) -> Path:
        """Derive what is not there yet, and put the run directory together.

        Parameters
        ----------
        matches : iterable of Match
            As `resolve` gave them.
        folder : Path
            Where the run directory is to be; what an earlier conductor left there is replaced.

        Returns
        -------
        Path
            The run directory.
        """
        parts = {one.requirement.key: self._made(one) for one in matches}
        stop_s = self._span.stop_s - _STEP_S
        needed = realization_needed(self._formulation, _text(self._span.start_s), _text(stop_s))
        parts["realization"] = self._made(match([needed], self.catalog.ledger, rules())[0])
        self.used = tuple(parts.values())
        for dataset in self.used:
            self.catalog.ledger.use(dataset.name, self.job)
        places = {key: Part(self.catalog.path(one.name), one.format) for key, one in parts.items()}
        if (folder / "config").exists():
            return folder
        return assemble(folder, places)

    @property
    def _composition(self) -> Composition:
        """What the run is composed of."""
        if self.request.composition is None:
            raise InputError("this run is of a directory: there is nothing to compose")
        return self.request.composition

    @property
    def _formulation(self) -> Formulation:
        """The chain of modules."""
        return Formulation.from_dict(self._composition.formulation)

    @property
    def _span(self) -> Span:
        """Time of the run, half-open."""
        start_s, end_s = self.request.start_s, self.request.end_s
        if start_s is None or end_s is None:
            raise InputError("a composed run needs its time", needed="start and end", hint="pass start= and end=")
        if end_s < start_s:
            raise InputError("the end lies before the start", needed="an end at or after the start")
        return Span(start_s, end_s + _STEP_S)

    def _held(self, ref: str, category: Category) -> Dataset:
        """A dataset by its name, or that of a path; a path that is none yet becomes one, in place."""
        path = Path(ref).expanduser()
        if not path.exists():
            return self.catalog.show(ref)
        place = str(path.absolute())
        for dataset in self.catalog.ledger.datasets(category=category):
            if dataset.location == place:
                try:
                    self.catalog.path(dataset.name)
                except DatasetError:
                    continue  # its bytes have changed since: it is another dataset now
                return dataset
        return self.catalog.add(path, category=category, in_place=True)

    def _ids(self, fabric: Dataset) -> list[str]:
        """Catchments of the run."""
        if self.request.catchments is not None:
            return list(self.request.catchments)
        return open_fabric(self.catalog.path(fabric.name), fabric.format).catchments.to_list()

    def _made(self, one: Match) -> Dataset:
        """The dataset of a match; derived now if it is not there yet."""
        if isinstance(one, Found):
            return one.dataset
        assert isinstance(one, Derivable)
        offer = cast("Offer", one.offer)
        for dataset in self.catalog.ledger.derived(offer.lineage):
            self.say(f"{one.requirement.key}: {dataset.name} was derived before")
            return dataset
        parents = [self.catalog.path(parent.name) for parent in offer.parents]
        with tempfile.TemporaryDirectory(prefix="dmod-derive-") as scratch:
            kept = self._keep(derive(offer, parents, Path(scratch) / "made"), one.requirement.key, offer)
        self.say(f"{one.requirement.key}: {kept.name} is derived: {offer.note}")
        return kept

    def _keep(self, made: Derived, key: str, offer: Offer) -> Dataset:
        """Publish what was derived: bytes first, then the row that says what they are."""
        catalog = self.catalog
        manifest = catalog.store.put(files_of(made.path, [made.path], made.format, links_out=False))
        dataset = Dataset(
            id=uuid.uuid4().hex, name=f"{key}-{offer.key[:10]}", category=made.format.categories[0],
            format=made.format, coverage=made.coverage, digest=manifest.digest, size=manifest.size,
            files=tuple(File(one.path, one.size, one.digest) for one in manifest.files), location=manifest.location,
            lineage=made.lineage, owner=catalog.owner, description=offer.note, created_s=time.time(), facts=made.facts,
        )  # fmt: skip
        try:
            catalog.ledger.add_dataset(dataset)
        except DatasetError:
            # Another job derived the same a moment ago: the same bytes under the same name.
            return next(iter(catalog.ledger.derived(made.lineage)))
        return dataset


def _text(time_s: int) -> str:
    """An instant as realizations write it."""
    return datetime.fromtimestamp(time_s, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
