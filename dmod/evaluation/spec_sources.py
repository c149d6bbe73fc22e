"""Where the bytes of a specification are: files by path, regex or glob, and answers of a web service.

Addresses are relative to the specification's directory. What was moved together with its
specification is found beside it; that this happened is told.
"""

from __future__ import annotations

import fnmatch
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from dmod.errors import InputError, ObservationError
from dmod.evaluation.specification import BackendSpecification

__all__ = ["Document", "documents", "fetched", "files_at"]

#: Characters that a regex or glob has and a path mostly has not.
_SPECIAL = re.compile(r"[*?\[\]{}()|+\\^$]")
#: Answers that are worth asking again for.
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRIES = 4
_WAIT_S = 0.5
_TIMEOUT_S = 60.0
_HIDDEN = frozenset({"params", "headers", "verify", "cert", "tries", "timeout_s", "wait_s"})


@dataclass(frozen=True)
class Document:
    """One file or answer."""

    #: Its path or URL.
    name: str
    #: The file; None for an answer.
    path: Path | None
    #: What a service answered; None for a file.
    content: bytes | None = None

    def read(self) -> bytes:
        """All of it."""
        if self.content is not None:
            return self.content
        assert self.path is not None
        return self.path.read_bytes()


def documents(backend: BackendSpecification, folder: Path) -> Iterator[Document]:
    """What a backend of files or of a web service holds, in the order of names.

    Raises
    ------
    InputError
        If nothing is there.
    ObservationError
        If a service does not answer.
    """
    address = backend.address or ""
    if backend.backend_type == "rest":
        yield Document(address, None, fetched(address, backend.properties))
        return
    for path in files_at(address, folder)[0]:
        yield Document(str(path), path)


def files_at(address: str, folder: Path) -> tuple[list[Path], str]:
    r"""Files that an address means, and a note if they were not quite where it says.

    Parameters
    ----------
    address : str
        A path, or a regex or glob of paths; relative to *folder*.
    folder : pathlib.Path
        Directory of the specification.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as made:
    ...     for name in ("cat-27.csv", "cat-52.csv", "cat-52.json"):
    ...         _ = (Path(made) / name).write_text("")
    ...     [path.name for path in files_at(r"cat.*\.csv", Path(made))[0]]
    ['cat-27.csv', 'cat-52.csv']
    """
    for at in dict.fromkeys((folder, Path())):
        if found := _matching(address, at):
            return found, ""
    last = address.rsplit("/", 1)[-1] if "/" in address else ""
    if last and (found := _matching(last, folder)):
        return found, f"{address} is not there; found beside the specification"
    raise InputError(
        "no file is there",
        address=address,
        folder=folder.resolve(),
        hint="write the path as it is from the specification's directory, or a regex or glob of paths",
    )


def _matching(address: str, folder: Path) -> list[Path]:
    """Files below *folder* whose path is, or matches, *address*."""
    exact = folder / Path(address).expanduser()
    if exact.exists():
        return [exact]
    parts = PurePosixPath(address.removeprefix("./")).parts
    fixed = next((i for i, part in enumerate(parts) if _SPECIAL.search(part)), len(parts) - 1)
    root = folder.joinpath(*parts[:fixed]).expanduser() if parts else folder
    rest = "/".join(parts[fixed:])
    if not rest or not root.is_dir():
        return []
    candidates = root.rglob("*") if "/" in rest or "**" in rest else root.iterdir()
    files = sorted(
        (path.relative_to(root).as_posix(), path) for path in candidates if path.is_file() or path.suffix == ".zarr"
    )
    matches = [path for name, path in files if _is_like(name, rest)]
    return matches or [path for name, path in files if fnmatch.fnmatchcase(name, rest)]


def _is_like(name: str, pattern: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return False  # it may be a glob


def fetched(address: str, options: Mapping[str, Any]) -> bytes:
    """What a web service answers to a GET.

    Parameters
    ----------
    address : str
        The URL.
    options : Mapping
        ``params``, ``headers``, ``verify`` (false for no check of certificates, or a file of them) and
        ``cert`` (a file, or a certificate and its key); what is none of them is part of the query.

    Raises
    ------
    ObservationError
        If the answer is no success, after asking again where that may help.
    """
    query = {**{k: v for k, v in options.items() if k not in _HIDDEN}, **(options.get("params") or {})}
    split = urlsplit(address)
    # The original's parameters may be percent-encoded already: %2b0000 stays what it is.
    told = urlencode({k: v for k, v in query.items() if v is not None}, doseq=True, safe="%,:/+")
    url = urlunsplit(split._replace(query="&".join(part for part in (split.query, told) if part)))
    request = Request(url, headers={"User-Agent": "dmod", **(options.get("headers") or {})})
    tries, wait_s = int(options.get("tries", _TRIES)), float(options.get("wait_s", _WAIT_S))
    context = _certificates(options) if split.scheme == "https" else None
    for attempt in range(1, tries + 1):
        try:
            with urlopen(request, timeout=float(options.get("timeout_s", _TIMEOUT_S)), context=context) as answer:
                content: bytes = answer.read()
                return content
        except HTTPError as problem:
            with problem:
                said = problem.read(500).decode(errors="replace").strip()
            if problem.code not in _BUSY or attempt == tries:
                raise _refused(url, f"{problem.code} {problem.reason}", said, attempt) from problem
            asked = problem.headers.get("Retry-After", "")
            time.sleep(min(float(asked), 60.0) if asked.isdigit() else wait_s * 2 ** (attempt - 1))
        except (URLError, TimeoutError, ConnectionError) as problem:
            if attempt == tries:
                raise _refused(url, str(getattr(problem, "reason", problem)), "", attempt) from problem
            time.sleep(wait_s * 2 ** (attempt - 1))
    raise AssertionError("every try answers or raises")


def _refused(url: str, answer: str, said: str, tries: int) -> ObservationError:
    more = {"said": said.splitlines()[0][:200]} if said else {}
    return ObservationError(
        "a web service did not give what was asked for",
        url=url, answer=answer, **more, tries=tries,
        hint="open the URL in a browser; save what it gives, and name the file with backend_type: file",
    )  # fmt: skip


def _certificates(options: Mapping[str, Any]) -> ssl.SSLContext:
    verify, cert = options.get("verify", True), options.get("cert")
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(*([cert] if isinstance(cert, str) else cert))
    return context
