"""What the URL of a store means. Pure: nothing is opened here.

Keys never stand in a URL: a store's URL is shown in errors and logs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dmod.errors import StoreError

__all__ = ["Address", "parse_address"]

_KNOWN = "file:///directory, s3://bucket/prefix or memory://name"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is."""

    #: ``file``, ``s3`` or ``memory``.
    protocol: str
    #: Absolute directory, or bucket and prefix without slashes at either end.
    path: str

    def __str__(self) -> str:
        return f"{self.protocol}://{self.path}"

    @property
    def bucket(self) -> str:
        """The first name of the path."""
        return self.path.partition("/")[0]

    @property
    def prefix(self) -> str:
        """What follows the bucket, with a slash at its end unless empty."""
        rest = self.path.partition("/")[2]
        return rest + "/" if rest else ""


def parse_address(url: str | os.PathLike[str]) -> Address:
    """Read the URL of a store.

    Parameters
    ----------
    url : str or path
        A plain path, or a URL of one of the known kinds.

    Returns
    -------
    Address
        Made absolute.

    Raises
    ------
    StoreError
        If the URL makes no sense, or has keys in it.
    """
    text = os.fspath(url)
    protocol, between, rest = text.partition("://")
    if not between:
        return Address("file", str(Path(text).expanduser().absolute()))
    if protocol not in ("file", "s3", "memory"):
        raise StoreError("a store of this kind is not known", kind=ascii(protocol), needed=_KNOWN)
    if protocol == "file":
        if not rest.startswith("/"):
            raise StoreError("the store's directory is not absolute", url=text, hint="write file:///directory")
        return Address("file", str(Path(rest)))
    if "@" in rest.partition("/")[0]:
        raise StoreError(
            "keys must not stand in the URL of a store",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in AWS_PROFILE",
        )
    path = rest.strip("/")
    names = path.split("/")
    if not path or rest.startswith("/") or {"", ".", ".."} & set(names) or set("?#\\") & set(path):
        raise StoreError("the URL of the store makes no sense", url=text, needed=_KNOWN)
    return Address(protocol, path)
