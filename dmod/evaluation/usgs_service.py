"""The Water Data API of USGS, asked through `dataretrieval`, politely.

`dataretrieval` follows pages, sends the key of ``API_USGS_PAT`` to USGS alone, and tries again
after what may pass. What it gives up in the middle is taken up here, after the time the
server names, if that is not long. What went wrong is told in our words.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from dmod.data.span import Span, stamp
from dmod.errors import DmodError, InputError, ObservationError, StoreError

__all__ = ["Service"]

_log = logging.getLogger("dmod.evaluation")
#: How often a request that was given up is taken up again, and how long is waited for a server at most [s].
_AGAIN, _PATIENCE_S = 3, 120.0
_COLUMNS = (
    "monitoring_location_id",
    "time_series_id",
    "time",
    "value",
    "unit_of_measure",
    "qualifier",
    "approval_status",
)


class Service:
    """The Water Data API, or a server that stands in for it.

    Parameters
    ----------
    url : str, optional
        Root of a server instead of that of USGS; ``DMOD_USGS_URL`` otherwise. It is sent no key.
    quiet : bool
        Whether `dataretrieval` shows no progress of its own.
    """

    def __init__(self, url: str | None = None, *, quiet: bool = False) -> None:
        self.url = url or os.environ.get("DMOD_USGS_URL") or None
        self._quiet = quiet

    @property
    def name(self) -> str:
        """What its cache is called: the host."""
        host = (self.url or "https://api.waterdata.usgs.gov").partition("://")[2]
        return host.strip("/").replace("/", "_").replace(":", "_")

    def values(self, sites: Sequence[str], span: Span, parameter: str, statistic: str | None) -> pd.DataFrame:
        """Values of sites in a stretch of time.

        Parameters
        ----------
        sites : sequence of str
            With their agency, ``USGS-01073000``.
        span : Span
            No more than three years, for values of an instant.
        parameter : str
            Code of USGS, ``00060`` for discharge.
        statistic : str, optional
            Code of a statistic of the day; None for values of an instant.

        Returns
        -------
        pandas.DataFrame
            Columns as the API names them; no row where there are no values.

        Raises
        ------
        InputError
            If `dataretrieval` is not installed, or the API refuses the request.
        StoreError
            If the API cannot be reached, or asks to wait for long.
        """
        waterdata = _waterdata()
        last = span.stop_s - 1
        wanted: dict[str, Any] = {
            "monitoring_location_id": list(sites), "parameter_code": parameter, "properties": list(_COLUMNS),
            "convert_type": False,
        }  # fmt: skip
        if statistic is None:
            ends = f"{stamp(span.start_s)[:16]}:00Z/{pd.Timestamp(last, unit='s'):%Y-%m-%dT%H:%M:%SZ}"
            return self._asked(lambda: waterdata.get_continuous(time=ends, **wanted))
        days = f"{pd.Timestamp(span.start_s, unit='s'):%Y-%m-%d}/{pd.Timestamp(last, unit='s'):%Y-%m-%d}"
        return self._asked(lambda: waterdata.get_daily(time=days, statistic_id=statistic, skip_geometry=True, **wanted))

    def known(self, site: str) -> bool:
        """Whether there is such a site.

        Raises
        ------
        StoreError
            As `values`.
        """
        waterdata = _waterdata()
        found = self._asked(
            lambda: waterdata.get_monitoring_locations(
                monitoring_location_id=[site], properties=["monitoring_location_number"], skip_geometry=True
            )
        )
        return len(found) > 0

    def _asked(self, ask: Callable[[], tuple[pd.DataFrame, Any]]) -> pd.DataFrame:
        """The answer to a request, taken up again where that may help."""
        from dataretrieval import FanOutInterrupted

        for attempt in range(_AGAIN + 1):
            try:
                with self._configured(), _in_words():
                    frame, _ = ask()
                    return frame
            except FanOutInterrupted as problem:
                wait = 2.0**attempt if problem.retry_after is None else float(problem.retry_after)
                if attempt == _AGAIN or wait > _PATIENCE_S:
                    raise _given_up(problem, wait) from problem
                _log.info("the Water Data API asks to wait: %.0f s", wait)
                time.sleep(wait)
                ask = problem.call.resume if problem.call is not None else ask
        raise AssertionError("a request is answered or given up")

    @contextmanager
    def _configured(self) -> Iterator[None]:
        """`dataretrieval` set up for this server."""
        from dataretrieval import Configuration, configure
        from dataretrieval.waterdata import WaterdataConfiguration

        profiles: list[Any] = [Configuration(progress=False)] if self._quiet else []
        if self.url:
            profiles.append(WaterdataConfiguration(base_url=self.url.rstrip("/")))
        with configure(*profiles):
            yield


def _waterdata() -> Any:
    """The library."""
    try:
        from dataretrieval import waterdata
    except ImportError:
        raise InputError(
            "values of USGS are fetched with dataretrieval, which is not installed",
            needed="dataretrieval 1.4",
            hint="pip install 'dmod[usgs]'; what was fetched earlier is read without it",
        ) from None
    return waterdata


@contextmanager
def _in_words() -> Iterator[None]:
    """Say in our words what goes wrong, but for what may be taken up again."""
    from dataretrieval import DataRetrievalError, FanOutInterrupted

    try:
        yield
    except (FanOutInterrupted, DmodError):
        raise
    except DataRetrievalError as problem:
        raise _as_error(problem) from problem
    except (RuntimeError, ValueError, KeyError, TypeError) as problem:  # what an answer that makes no sense comes to
        raise _senseless(problem) from problem


def _as_error(problem: Any) -> DmodError:
    """What the library could not do."""
    status = problem.status_code
    reason = str(problem).partition(" (URL:")[0].splitlines()[0]
    if status in (401, 403):
        return InputError(
            "the Water Data API of USGS refuses the request",
            reason=reason,
            hint="check the key in API_USGS_PAT (api.waterdata.usgs.gov/signup), or leave it out",
        )
    if status is not None and 400 <= status < 500:
        return ObservationError(
            "the Water Data API of USGS does not understand the request",
            reason=reason,
            hint="check sites, parameter and statistic",
        )
    cause = problem.__cause__
    if isinstance(cause, (ValueError, KeyError, TypeError, AttributeError)):
        return _senseless(cause)
    return StoreError(
        "the Water Data API of USGS cannot be reached",
        reason=type(cause or problem).__name__,
        hint="check the network; what has been fetched is kept, and the same call goes on from there",
    )


def _senseless(problem: Exception) -> StoreError:
    """The error for an answer that is not what the API gives."""
    return StoreError(
        "the Water Data API of USGS gave an answer that makes no sense",
        reason=f"{type(problem).__name__}: {problem}".splitlines()[0],
        hint="try again later; what has been fetched is kept, and the same call goes on from there",
    )


def _given_up(problem: Any, wait: float) -> StoreError:
    """The error for a server that stays busy or away."""
    if type(problem).__name__ == "QuotaExhausted":
        return StoreError(
            "the Water Data API of USGS takes no more requests for now",
            wait=f"{wait:.0f} s",
            hint="get a key (api.waterdata.usgs.gov/signup) and set API_USGS_PAT, or make the same call later: "
            "what has been fetched is kept",
        )
    cause = problem.__cause__
    return StoreError(
        "the Water Data API of USGS cannot be reached",
        reason=str(cause).partition(" (URL:")[0].splitlines()[0] if cause else type(problem).__name__,
        hint="check the network; what has been fetched is kept, and the same call goes on from there",
    )
