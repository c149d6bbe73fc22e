"""A wheel of the dmod that runs here, made of its own installed files.

An image gets the very code that builds it, whether that was installed from a wheel or is
worked on in place. The same files make the same bytes, so an engine finds that it has
built from them before.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import dmod
from dmod.errors import RunError

__all__ = ["own_wheel"]

_TAG = "py3-none-any"
_WHEEL = f"Wheel-Version: 1.0\nGenerator: dmod\nRoot-Is-Purelib: true\nTag: {_TAG}\n"
#: What is left out: made on this machine, and for it.
_LEFT_OUT = (".pyc", ".nbi", ".nbc")
#: The earliest time that a zip file can tell.
_WHEN = (1980, 1, 1, 0, 0, 0)


def own_wheel() -> tuple[str, bytes]:
    """Pack the installed package.

    Returns
    -------
    name : str
        Of the file, ``dmod-<version>-py3-none-any.whl``.
    content : bytes
        Equal for equal files.

    Raises
    ------
    RunError
        If the package is not installed in a way that tells what it needs.
    """
    package = Path(dmod.__file__).parent
    found = distribution("dmod")
    told = {name: found.read_text(name) for name in ("METADATA", "entry_points.txt")}
    if not told["METADATA"]:
        raise RunError("dmod does not know what it needs", hint="install it: pip install dmod")
    files = {
        f"{package.name}/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in _LEFT_OUT
    }
    info = f"dmod-{found.version}.dist-info"
    files |= {f"{info}/{name}": text.encode() for name, text in told.items() if text}
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    lines = [f"{name},sha256={_hash(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return f"dmod-{found.version}-{_TAG}.whl", packed.getvalue()


def _hash(content: bytes) -> str:
    """A digest as wheels have it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
