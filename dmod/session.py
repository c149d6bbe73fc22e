"""Where a user begins: ``connect()`` gives a `Session`, ``session.run(directory)`` a `Job`.

The job goes on in the background, in this process or in a ``dmod serve`` where one runs;
waiting for it shows nothing and raises what went wrong.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dmod.conductor.asking import AnyPath, request_from, request_of
from dmod.errors import InputError
from dmod.handle import Job, JobList
from dmod.job.request import Composition, JobRequest
from dmod.schedule.resources import Host
from dmod.service import LocalService, Service
from dmod.settings import Settings, read_settings

if TYPE_CHECKING:
    from dmod.catalog.catalog import Catalog
    from dmod.domain.domain import Domain
    from dmod.model.findings import Report
    from dmod.model.formulation import Formulation

__all__ = ["Job", "Session", "connect", "request_from", "request_of", "run"]


def connect(url: str | None = None, *, token: str | None = None) -> Session:
    """A session on this machine, or at a service over HTTP.

    Parameters
    ----------
    url : str, optional
        Base URL of a Jupyter server with dmod, or of ``dmod serve --http``; what ``DMOD_URL`` says
        otherwise, and this machine where that says nothing.
    token : str, optional
        Lets you in there; what ``DMOD_TOKEN`` says otherwise.

    Returns
    -------
    Session
        Ready to run. In a kernel of a Jupyter server with dmod, that server conducts its jobs.

    Raises
    ------
    InputError
        If it is no URL.
    """
    settings = read_settings()
    if url is None:
        return Session(settings, token=token)
    return Session(replace(settings, url=url), token=token or os.environ.get("DMOD_TOKEN", ""))


def run(directory: AnyPath, **options: Any) -> Job:
    """Run an ngen or NGIAB run directory; see `Session.run`."""
    return connect().run(directory, **options)


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


def _lasting(ref: AnyPath) -> str:
    """A path that means the same in another directory; the name of a dataset as it is."""
    path = Path(ref).expanduser()
    return str(path.absolute()) if path.exists() else str(ref)


class Session:
    """A place to run things: this machine, or a Dask cluster it reaches.

    Examples
    --------
    >>> connect()
    Session(this machine, ... jobs)
    """

    def __init__(self, settings: Settings | None = None, *, token: str | None = None) -> None:
        #: What holds where a request says nothing.
        self.settings = read_settings() if settings is None else settings
        #: Who answers.
        self.service: Service = LocalService(self.settings)
        if self.settings.url is not None:
            from dmod.gateway.asking_http import token_there
            from dmod.gateway.remote import RemoteService

            self.service = RemoteService(self.settings.url, token_there() if token is None else token)
        atexit.register(self.close)

    def __repr__(self) -> str:
        return f"Session({self.settings.url or 'this machine'}, {len(self.service.jobs())} jobs)"

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
        """The datasets there are: add, find, open, get, remove.

        Raises
        ------
        InputError
            If the session is at a service over HTTP: its datasets are on its own machine.
        """
        from dmod.catalog.catalog import Catalog

        if not isinstance(self.service, LocalService):
            raise InputError(
                "the datasets of a service are on its own machine", service=self.settings.url,
                hint="see them in its JupyterLab, or connect() there without a URL",
            )  # fmt: skip
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
