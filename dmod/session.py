"""Where a user begins: ``connect()`` gives a `Session`, ``session.run(directory)`` a `Job`.

The job goes on in the background, in this process or in a ``dmod serve`` where one runs;
waiting for it shows nothing and raises what went wrong.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dmod.errors import InputError
from dmod.handle import Job, JobList
from dmod.job.request import Composition, JobRequest, OutputFormat, instant
from dmod.schedule.resources import Host, read_memory
from dmod.service import LocalService
from dmod.settings import Settings, read_settings
from dmod.store.remote import is_remote

if TYPE_CHECKING:
    from dmod.catalog.catalog import Catalog
    from dmod.domain.domain import Domain
    from dmod.model.findings import Report
    from dmod.model.formulation import Formulation

__all__ = ["Job", "Session", "connect", "request_from", "request_of", "run"]

AnyPath = str | os.PathLike[str]


def connect() -> Session:
    """A session on this machine.

    Returns
    -------
    Session
        Ready to run.
    """
    return Session()


def run(directory: AnyPath, **options: Any) -> Job:
    """Run an ngen or NGIAB run directory; see `Session.run`."""
    return connect().run(directory, **options)


def request_of(
    directory: AnyPath,
    *,
    hydrofabric: AnyPath | None = None,
    realization: AnyPath | None = None,
    forcing: AnyPath | None = None,
    output: AnyPath | None = None,
    output_format: OutputFormat = "netcdf",
    overwrite: bool = False,
    catchments: Iterable[str] | str | None = None,
    start: str | None = None,
    end: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    units: str = "strict",
    memory: str | int | None = None,
    priority: int = 50,
    on: str = "dask",
    ranks: int | None = None,
    image: str | None = None,
    hosts: Iterable[str] | str = (),
    gpus: str | None = None,
    partitions: AnyPath | None = None,
    paradigm: str = "single_node",
) -> JobRequest:
    """A request, from what people write; the parameters are those of `Session.run`."""
    if units not in ("strict", "ngen"):
        raise InputError(f"there is no units policy {units!r}", has="strict, ngen")
    away, taken = is_remote(directory), output is not None and is_remote(output)
    return JobRequest(
        directory=None if away else Path(directory).expanduser(),
        origin=os.fspath(directory) if away else None,
        hydrofabric=_path(hydrofabric),
        realization=_path(realization),
        forcing=_path(forcing),
        output=None if taken else _path(output),
        delivery=os.fspath(output) if output is not None and taken else None,
        output_format=output_format,
        overwrite=overwrite,
        catchments=None if catchments is None else _words(catchments),
        start_s=None if start is None else instant(str(start)),
        end_s=None if end is None else instant(str(end)),
        workers=workers,
        scheduler=scheduler,
        units="ngen" if units == "ngen" else "strict",
        memory_bytes=None if memory is None else read_memory(memory),
        priority=priority,
        on=on,
        ranks=ranks,
        image=image,
        hosts=_words(hosts),
        gpus=gpus,
        partitions=_path(partitions),
        paradigm=paradigm if paradigm != "single_node" or len(_words(hosts)) < 2 else "fill_nodes",
    )


def _words(listed: Iterable[str] | str) -> tuple[str, ...]:
    """Names from a list, or from a text with commas between them."""
    words = listed.split(",") if isinstance(listed, str) else listed
    return tuple(word.strip() for word in words if word.strip())


def _composed(
    domain: Domain | AnyPath,
    formulation: Formulation | str,
    *,
    start: str | None = None,
    end: str | None = None,
    forcing: AnyPath | None = None,
    **options: Any,
) -> JobRequest:
    """The request of a formulation on a domain."""
    from dmod.domain.domain import Domain
    from dmod.model.formulation import Formulation

    if start is None or end is None:
        raise InputError(
            "a run on a domain needs its time", needed="start= and end=", hint="such as start='2015-12-01'"
        )
    chain = Formulation.load(formulation) if isinstance(formulation, str) else formulation
    catchments = options.pop("catchments", None)
    if isinstance(domain, Domain):
        where = str(domain.hydrofabric.path.absolute())
        if catchments is None and domain.chosen is not None:
            catchments = domain.catchments.to_list()
    else:
        where = _lasting(domain)
    made = request_of(Path(), start=start, end=end, catchments=catchments, **options)
    composition = Composition(where, chain.to_dict(), None if forcing is None else _lasting(forcing))
    return replace(made, directory=None, composition=composition)


def request_from(path: AnyPath, **options: Any) -> JobRequest:
    """A request from a run directory, or from a file that holds one; *options* are those of `Session.run`.

    Raises
    ------
    InputError
        If the file holds no request, or an option makes no sense.
    """
    place = Path(path).expanduser()
    if is_remote(path):
        return request_of(path, **options)
    if not place.is_file():
        return request_of(place, **options)
    from dmod.conductor.provenance import request_in

    kept, default = request_in(place), JobRequest(Path())
    given = request_of(kept.directory or Path(), **options)
    changed = {
        one.name: getattr(given, one.name)
        for one in fields(JobRequest)
        if one.name not in ("directory", "composition") and getattr(given, one.name) != getattr(default, one.name)
    }
    return replace(kept, **changed)


def _lasting(ref: AnyPath) -> str:
    """A path that means the same in another directory; the name of a dataset as it is."""
    path = Path(ref).expanduser()
    return str(path.absolute()) if path.exists() else str(ref)


def _path(text: AnyPath | None) -> Path | None:
    """A path, with ``~`` meaning home."""
    return None if text is None else Path(text).expanduser()


class Session:
    """A place to run things: this machine, or a Dask cluster it reaches.

    Examples
    --------
    >>> connect()
    Session(this machine, ... jobs)
    """

    def __init__(self, settings: Settings | None = None) -> None:
        #: What holds where a request says nothing.
        self.settings = read_settings() if settings is None else settings
        #: Who answers.
        self.service = LocalService(self.settings)
        atexit.register(self.close)

    def __repr__(self) -> str:
        return f"Session(this machine, {len(self.service.jobs())} jobs)"

    def close(self) -> None:
        """Let go of everything; jobs under way can be taken up by others."""
        atexit.unregister(self.close)
        self.service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def jobs(self) -> JobList:
        """All jobs of the owner, newest first."""
        return JobList(Job(self.service, row.id) for row in self.service.jobs())

    def job(self, job: str) -> Job:
        """The handle of a job by its id, or a beginning of it that is clear.

        Raises
        ------
        JobError
            If there is none.
        """
        return Job(self.service, self.service.job(job).id)

    def submit(self, request: JobRequest) -> Job:
        """Submit a request; returns at once."""
        return Job(self.service, self.service.submit(request))

    @cached_property
    def datasets(self) -> Catalog:
        """The datasets there are: add, find, open, get, remove."""
        from dmod.catalog.catalog import Catalog

        return Catalog.at(self.settings, self.service.ledger, owner=self.service.owner)

    def request(
        self, what: AnyPath | Domain, formulation: Formulation | str | None = None, **options: Any
    ) -> JobRequest:
        """What `run` would submit, as a value: to be kept, changed, or given to `map` with others.

        Parameters
        ----------
        what, formulation, **options
            As for `run`.

        Returns
        -------
        JobRequest
            Not submitted.

        Raises
        ------
        InputError
            If an option makes no sense.
        """
        if options.get("on", "dask") == "dask":
            for name in ("scheduler", "workers"):
                if options.get(name) is None:
                    options[name] = getattr(self.settings, name)
        if formulation is not None or hasattr(what, "hydrofabric"):
            return _composed(what, formulation or "cfe", **options)
        return request_from(what, **options)

    def map(self, requests: Iterable[JobRequest]) -> JobList:
        """Submit many requests as one array, for sweeps and ensembles."""
        return JobList(Job(self.service, job) for job in self.service.submit_many(list(requests))[1])

    def run(self, directory: AnyPath | Domain, formulation: Formulation | str | None = None, **options: Any) -> Job:
        """Run an ngen or NGIAB run directory just as it is, or a formulation on a domain.

        Parameters
        ----------
        directory : path, Domain or name of a dataset
            The directory that holds ``config/`` and ``forcings/``, or its address ``s3://bucket/run``, from
            which it is brought here first; or where to run *formulation*.
        formulation : Formulation or str, optional
            What to compute on a domain, such as ``cfe``; *start* and *end* must be given then. What else
            it needs is found among the datasets, or derived, and the job's events say so.
        hydrofabric, realization, forcing : path, optional
            Parts named by hand. For a run on a domain *forcing* may be the name of a dataset; whatever
            dataset covers it with least excess otherwise.
        output : path, optional
            Where outputs go; ``outputs/dmod`` in the directory otherwise. With an address,
            ``s3://bucket/outputs``, they are taken there when they are whole.
        output_format : {"netcdf", "zarr", "ngen"}
            One NetCDF-4 file, one Zarr store, or ngen's own CSV files.
        overwrite : bool
            Whether earlier outputs may be replaced.
        catchments : iterable of str, or comma-separated str, optional
            Run these only.
        start, end : str, optional
            First instant, and start of the last step, UTC.
        workers : int, optional
            Worker processes, one core each.
        scheduler : str, optional
            Address of a Dask scheduler that runs already, ``tcp://…``.
        on : str
            ``dask``; or ranks of an MPI run: ``docker``, ``apptainer``, or ``host`` for the programs of
            this machine.
        ranks : int, optional
            Ranks of an MPI run; as many as there are cores, and the domain allows, otherwise.
        image : str, optional
            Image that ranks run in; our own otherwise.
        hosts : iterable of str, or comma-separated str, optional
            Addresses of Docker engines, ``tcp://…``; this machine's otherwise.
        gpus : str, optional
            Graphics processors, as ``docker run --gpus`` takes them.
        partitions : path, optional
            A partition file to use in place of our own cut.
        memory : str or int, optional
            What all workers or ranks together may take, ``8 GiB``; a limit that holds.
        priority : int
            The higher, the sooner it gets cores, in [0, 100].
        units : {"strict", "ngen"}
            Refuse links whose units do not convert, or pass the raw value as ngen does.

        Returns
        -------
        Job
            Under way.

        Raises
        ------
        InputError
            If an option makes no sense. What is wrong with files is in the job.
        """
        return self.submit(self.request(directory, formulation, **options))

    def plan(self, directory: AnyPath | Domain, formulation: Formulation | str | None = None, **options: Any) -> Any:
        """What `run` would do, down to the lines that would be typed; nothing is started.

        Parameters
        ----------
        directory, formulation, **options
            As for `run`.

        Returns
        -------
        RunPlan or RankPlan
            ``print`` shows it.

        Raises
        ------
        DmodError
            If it could not be run: what is wrong.
        """
        from dmod.conductor.preview import preview

        wanted = self.request(directory, formulation, **options)
        here = Host.here().limited(self.settings.cores)
        return preview(wanted, self.datasets, self.settings.home / "jobs", here)

    def check(self, directory: AnyPath, **options: Any) -> Report:
        """Check a run without starting it; the parameters are those of `run`.

        Returns
        -------
        Report
            Everything that was found; ``report.ok`` if a run could start.
        """
        from dmod.conductor.question import question_of
        from dmod.model.check import examine

        return examine(question_of(request_of(directory, **options), every_value=True))[1]
