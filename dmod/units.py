"""Units: one factor and one offset between two spellings, as NextGen writes them.

The spellings are those of UDUNITS (``mm s^-1``, ``kg m-2``, ``W m-2``); none,
unitless, dimensionless, ``-`` and the empty string are all ``1``. pint is used
here and nowhere else. Equal spellings never reach it.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmod.errors import UnitsError

if TYPE_CHECKING:
    import pint

__all__ = ["Conversion", "conversion", "is_known"]

_DIMENSIONLESS = frozenset({"", "1", "none", "unitless", "dimensionless", "-", "n/a"})

#: Spellings seen in NextGen files that pint reads differently or not at all.
_ALIASES = {
    "mm/h": "millimeter / hour",
    "mm/s": "millimeter / second",
    "cms": "meter ** 3 / second",
    "CMS": "meter ** 3 / second",
    "cfs": "foot ** 3 / second",
    "CFS": "foot ** 3 / second",
    "kcfs": "kilofoot * foot ** 2 / second",
    "KCFS": "kilofoot * foot ** 2 / second",
    "h": "hour",
    "hr": "hour",
    "C": "degC",
    "celsius": "degC",
    "Celsius": "degC",
    "°C": "degC",
    "F": "degF",
    "°F": "degF",
    "%": "percent",
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """``target = slope * source + intercept``."""

    #: Factor, in target units per source unit.
    slope: float = 1.0
    #: Offset, in target units.
    intercept: float = 0.0

    @property
    def is_identity(self) -> bool:
        """Whether values pass unchanged."""
        return self.slope == 1.0 and self.intercept == 0.0


@functools.cache
def _registry() -> pint.UnitRegistry[float]:
    """Pint's registry, made on first use: it costs a third of a second."""
    import pint

    try:
        return pint.UnitRegistry(cache_folder=":auto:")
    except OSError:  # nothing can be written there, as in a container whose root is read-only
        return pint.UnitRegistry()


def _plain(text: str) -> str:
    """*text* with UDUNITS exponents and implied products written as pint reads them.

    >>> _plain("mm s^-1")
    'mm * s ** -1'
    >>> _plain("kg m-2 s-1")
    'kg * m ** -2 * s ** -1'
    """
    stripped = text.strip()
    if stripped.lower() in _DIMENSIONLESS:
        return "dimensionless"
    if stripped in _ALIASES:
        return _ALIASES[stripped]
    spaced = re.sub(r"\s*/\s*", " / ", stripped.replace("·", " ").replace(".", " "))
    words = []
    for word in spaced.split():
        found = re.fullmatch(r"([A-Za-z°%_]+)(?:\*\*|\^)?([+-]?\d+)", word)
        name, power = (found[1], f" ** {int(found[2])}") if found else (word, "")
        words.append(_ALIASES.get(name, name) + power if name != "h" else "hour" + power)
    return re.sub(r" \* (/|\*) \* ", r" \1 ", " * ".join(words))


def is_known(unit: str) -> bool:
    """Whether *unit* is a spelling that can be read."""
    try:
        _registry().parse_units(_plain(unit))
    except Exception:  # pint raises a dozen kinds, among them tokenize errors
        return False
    return True


@functools.lru_cache(maxsize=4096)
def conversion(source: str, target: str) -> Conversion:
    """The conversion from *source* to *target* units.

    Parameters
    ----------
    source, target : str
        Units as UDUNITS or pint spell them.

    Returns
    -------
    Conversion
        Slope and intercept; the identity where the spellings are equal.

    Raises
    ------
    UnitsError
        If a unit is unknown or the two measure different things.

    Examples
    --------
    >>> conversion("mm s^-1", "mm h-1").slope
    3600.0
    >>> conversion("degC", "K")
    Conversion(slope=1.0, intercept=273.15)
    """
    if source.strip() == target.strip():
        return Conversion()
    registry = _registry()
    try:
        here, there = registry.parse_units(_plain(source)), registry.parse_units(_plain(target))
    except Exception as problem:
        raise UnitsError(
            f"cannot read the unit {source!r} or {target!r}",
            reason=str(problem).partition("\n")[0] or type(problem).__name__,
            hint="write it as UDUNITS does, for example 'mm h-1' or 'W m-2'",
        ) from problem
    if here.dimensionality != there.dimensionality:
        raise UnitsError(
            f"{source!r} does not convert into {target!r}",
            has=str(here.dimensionality),
            needed=str(there.dimensionality),
            hint="correct the units where the variable is made, or map another variable",
        )
    zero = float(registry.Quantity(0.0, here).to(there).magnitude)
    one = float(registry.Quantity(1.0, here).to(there).magnitude)
    big = float(registry.Quantity(1.0e6, here).to(there).magnitude)
    slope = one if zero == 0.0 else (big - zero) / 1.0e6
    return Conversion(slope=float(f"{slope:.15g}"), intercept=float(f"{zero:.15g}"))
