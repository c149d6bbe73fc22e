"""A t-route configuration as an MPI run needs it: it reads and writes where ngen may write.

The text is edited line by line, so that all else in it, comments and order too, stays. Pure
but for the paths, which are asked of somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["routed_to"]

#: A line ``key: value``; value without quotes and comment.
_LINE = re.compile(r"""^(\s*(?:-\s+)?)([A-Za-z_]\w*)(\s*:[ \t]+)(["']?)([^"'#\n]*?)\4(\s*(?:#.*)?)$""")
#: Where t-route looks for what ngen wrote, and keeps its own form of it.
_READ = ("qlat_input_folder", "binary_nexus_file_folder", "nexus_input_folder")
#: Where it writes.
_WRITTEN = re.compile(r"\w+_output_(?:directory|folder)|lakeout_output")


def routed_to(text: str, *, flows: str, folder: str, place: Callable[[str, str], str]) -> str:
    """A configuration that reads and writes elsewhere.

    Parameters
    ----------
    text : str
        The YAML as it is.
    flows : str
        Where ngen leaves the flow of nexuses.
    folder : str
        Where results go.
    place : callable
        Told an absolute path and its key: what to write in its place.

    Returns
    -------
    str

    Examples
    --------
    >>> print(routed_to("qlat_input_folder: ./outputs/ngen  # here", flows="/o", folder="/o/troute", place=min))
    qlat_input_folder: /o  # here
    """
    return "\n".join(_line(line, flows, folder, place) for line in text.split("\n"))


def _line(line: str, flows: str, folder: str, place: Callable[[str, str], str]) -> str:
    """One line."""
    found = _LINE.match(line.rstrip("\r"))
    if found is None or not found[5]:
        return line
    before, key, colon, quote, value, after = found.groups()
    if key in _READ:
        value = flows
    elif _WRITTEN.fullmatch(key):
        value = folder
    elif value.startswith("/"):
        value = place(value, key)
    else:
        return line
    return f"{before}{key}{colon}{quote}{value}{quote}{after}"
