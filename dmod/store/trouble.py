"""What went wrong with a store, in words, with what to do.

Nothing of what a library said is passed on but its code: an endpoint may have a password
in it, and errors are shown, logged and kept.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from dmod.errors import StoreError

__all__ = ["Vanished", "code_of", "in_words"]

_AGAIN = "what was under way is continued when the same is asked again"
_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) to keys that may list, read and write there"
_ROOM = f"free some, or name another store in DMOD_STORE; {_AGAIN}"
_NETWORK = f"check the network, and AWS_ENDPOINT_URL or DMOD_S3_ENDPOINT; {_AGAIN}"
_REGION = "set AWS_DEFAULT_REGION to the region of the bucket"
_BUCKET = "create it, or correct DMOD_STORE; nothing was made half"
_NAME = "correct DMOD_STORE"
_REFUSED = "the store refuses the keys"
_FULL = "the store has no room"
_SILENT = "the store does not answer"
_GONE = "the bucket is not there"
_OTHER_REGION = "the bucket is in another region"

#: Code or class of a failure -> headline and hint.
_WORDS = {
    "NoSuchBucket": (_GONE, _BUCKET),
    "InvalidBucketName": ("the bucket's name is not valid", _NAME),
    "ParamValidationError": ("the bucket's name is not valid", _NAME),
    "403": (_REFUSED, _KEYS),
    "AccessDenied": (_REFUSED, _KEYS),
    "ExpiredToken": (_REFUSED, _KEYS),
    "InvalidAccessKeyId": (_REFUSED, _KEYS),
    "InvalidToken": (_REFUSED, _KEYS),
    "SignatureDoesNotMatch": (_REFUSED, _KEYS),
    "NoCredentialsError": ("there are no keys for the store", _KEYS),
    "PartialCredentialsError": ("there are no keys for the store", _KEYS),
    "ProfileNotFound": ("there are no keys for the store", "correct AWS_PROFILE"),
    "RequestTimeTooSkewed": ("the clock of this machine is wrong", "set it, then ask again"),
    "AuthorizationHeaderMalformed": (_OTHER_REGION, _REGION),
    "PermanentRedirect": (_OTHER_REGION, _REGION),
    "301": (_OTHER_REGION, _REGION),
    "QuotaExceeded": (_FULL, _ROOM),
    "XMinioStorageFull": (_FULL, _ROOM),
    "507": (_FULL, _ROOM),
    "ENOSPC": (_FULL, _ROOM),
    "EDQUOT": (_FULL, _ROOM),
    "EFBIG": (_FULL, _ROOM),
    "EACCES": ("the store may not be read or written", "change its permissions, or name another in DMOD_STORE"),
    "EPERM": ("the store may not be read or written", "change its permissions, or name another in DMOD_STORE"),
    "EROFS": ("the store is on a disk that is read-only", "name another in DMOD_STORE"),
    "ENOTDIR": ("the store is not a directory", _NAME),
    "EEXIST": ("the store is not a directory", _NAME),
    "ResponseParserError": ("what answers there is no S3 server", "correct AWS_ENDPOINT_URL or DMOD_S3_ENDPOINT"),
    "InvalidEndpoint": ("the endpoint of the store makes no sense", "correct AWS_ENDPOINT_URL or DMOD_S3_ENDPOINT"),
    "ValueError": ("the endpoint of the store makes no sense", "correct AWS_ENDPOINT_URL or DMOD_S3_ENDPOINT"),
}
_SILENCE = ("Connect", "Connection", "Timeout", "Endpoint", "HTTPClient", "ServerDisconnected", "ClientPayload")


class Vanished(StoreError):
    """The store is there, but it lacks this object."""


@contextmanager
def in_words(where: str, key: str = "", faults: tuple[type[Exception], ...] = (OSError,)) -> Iterator[None]:
    """Say in words what goes wrong with a store meanwhile.

    Parameters
    ----------
    where : str
        The store, as it is shown.
    key : str
        What it was asked for.
    faults : tuple of exception types
        What its library raises.

    Yields
    ------
    None
        To do what may go wrong.

    Raises
    ------
    StoreError
        In place of *faults*; `Vanished` if the store answers that it has no such object.
    """
    try:
        yield
    except faults as problem:
        if isinstance(problem, StoreError):
            raise
        raise _as_error(problem, where, key) from None


def code_of(problem: Exception) -> str:
    """What a store's library means: a code of S3, the name of an errno, or a class.

    Parameters
    ----------
    problem : Exception
        What it raised.

    Returns
    -------
    str
        Such as ``NoSuchBucket``, ``ENOSPC`` or ``EndpointConnectionError``.
    """
    answer = getattr(problem.__cause__, "response", None) or getattr(problem, "response", None)
    if isinstance(answer, dict):
        code = str(answer.get("Error", {}).get("Code", ""))
        status = str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        return status if code not in _WORDS and status in _WORDS else code
    number = getattr(problem, "errno", None) or 0
    return errno.errorcode.get(number, type(problem).__name__)


def _as_error(problem: Exception, where: str, key: str) -> StoreError:
    """The failure as an error of ours."""
    code = code_of(problem)
    if code in _WORDS:
        headline, hint = _WORDS[code]
        return StoreError(headline, store=where, reason=code, hint=hint)
    if code == "ENOENT" and not key:
        return StoreError("the store's directory is not there and cannot be made", store=where, hint=_NAME)
    if code in ("NoSuchKey", "404", "ENOENT", "FileNotFoundError"):
        return Vanished("the store lacks an object", store=where, object=key, hint="put the same files again")
    if any(word in code for word in _SILENCE) or isinstance(problem, ConnectionError | TimeoutError):
        return StoreError(_SILENT, store=where, reason=code, hint=_NETWORK)
    return StoreError("the store failed", store=where, reason=code, hint=_AGAIN)
