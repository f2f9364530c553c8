"""
UCUM quantities in the unit a reader wants, or "cannot convert".

The arithmetic is pint's; this module knows how senders spell units. UCUM: https://ucum.org/ucum (case-sensitive codes).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from math import isfinite


@contextmanager
def _without(*modules: str) -> Iterator[None]:
    """Let what is imported inside do without modules that are not loaded yet: an import of one fails, as if absent."""
    kept_out = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(kept_out))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in kept_out:
            del sys.modules[name]


# Where they are installed, pint loads them for arrays, and there are none here: 13 MB of a worker, 5 % of its start.
with _without("numpy", "scipy"):
    import pint

_SPELLINGS = {
    # Units of counting: what stands in braces is an annotation in UCUM §12 and converts into nothing but itself.
    "{score}": ("{score}", "{Score}", "score", "Score", "{points}", "points", "{ScoreOf}", "1"),
    "{tablet}": (
        "{tablet}",
        "{tbl}",
        "{Tablet}",
        "{TABLET}",
        "{tablets}",
        "{tab}",
        "tablet",
        "tablets",
        "tab",
        "tabs",
        "Tablet",
        "TABLET",
        "TAB",
        "tablet(s)",
    ),
    "{capsule}": (
        "{capsule}",
        "{Capsule}",
        "{CAPSULE}",
        "{capsules}",
        "{cap}",
        "capsule",
        "capsules",
        "cap",
        "caps",
        "Capsule",
        "CAPSULE",
        "CAP",
        "capsule(s)",
    ),
    "{patch}": ("{patch}", "patch", "patches", "{Patch}"),
    "{spray}": ("{spray}", "spray", "sprays", "{Spray}", "[spray]"),
    "[drp]": ("[drp]", "drop", "drops", "gtt"),
    # Time. UCUM table 4: wk = 7 d, a = 365.25 d, mo = a / 12.
    "s": ("s", "sec", "second", "seconds"),
    "min": ("min", "minute", "minutes"),
    "h": ("h", "hr", "hour", "hours", "H"),
    "d": ("d", "day", "days", "Day", "Days", "D", "{day}", "{days}", "24.h"),
    "wk": ("wk", "week", "weeks", "Week", "Weeks"),
    "mo": ("mo", "month", "months", "Month", "Months"),
    "a": ("a", "yr", "year", "years", "Year", "Years"),
    # Mass, volume, amount, length, pressure
    "g": ("g", "gram", "grams", "gm"),
    "kg": ("kg", "KG", "Kg"),
    "mg": ("mg", "MG", "Mg", "milligram", "milligrams"),
    "ug": ("ug", "mcg", "MCG", "\N{MICRO SIGN}g", "\N{GREEK SMALL LETTER MU}g", "microgram", "micrograms"),
    "ng": ("ng",),
    "L": ("L", "l", "liter", "litre"),
    "dL": ("dL", "dl"),
    "mL": ("mL", "ml", "ML", "milliliter", "milliliters"),
    "uL": ("uL", "ul"),
    "mol": ("mol",),
    "mmol": ("mmol",),
    "umol": ("umol",),
    "nmol": ("nmol",),
    "m": ("m",),
    "cm": ("cm",),
    "mm": ("mm",),
    "m2": ("m2",),
    "[in_i]": ("[in_i]", "in", "[in_us]"),
    "[ft_i]": ("[ft_i]", "ft"),
    "[lb_av]": ("[lb_av]", "lb", "lbs"),
    "[oz_av]": ("[oz_av]", "oz"),
    "mm[Hg]": ("mm[Hg]", "mmHg", "mmhg", "mm Hg", "mm_Hg", "MMHG"),
    "kPa": ("kPa",),
    "%": ("%", "percent"),
}
_PLAIN = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}

_PINT = {
    "s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "7 * day",
    "mo": "30.4375 * day", "a": "365.25 * day",
    "g": "gram", "kg": "kilogram", "mg": "milligram", "ug": "microgram", "ng": "nanogram",
    "L": "liter", "dL": "deciliter", "mL": "milliliter", "uL": "microliter",
    "mol": "mole", "mmol": "millimole", "umol": "micromole", "nmol": "nanomole",
    "m": "meter", "cm": "centimeter", "mm": "millimeter", "m2": "meter ** 2",
    "[in_i]": "inch", "[ft_i]": "foot", "[lb_av]": "pound", "[oz_av]": "ounce",
    "mm[Hg]": "mmHg", "kPa": "kilopascal",
}  # fmt: skip

_DEFINITIONS = """
milli- = 1e-3
micro- = 1e-6
nano- = 1e-9
centi- = 1e-2
deci- = 1e-1
kilo- = 1e3
meter = [length]
second = [time]
gram = [mass]
mole = [substance]
minute = 60 * second
hour = 60 * minute
day = 24 * hour
liter = decimeter ** 3
inch = 0.0254 * meter
foot = 0.3048 * meter
pound = 0.45359237 * kilogram
ounce = pound / 16
newton = kilogram * meter / second ** 2
pascal = newton / meter ** 2
mmHg = 133.322387415 * pascal
"""
"""What of pint's own definitions is needed, with its numbers: all of them take 0.2 s to read at each start."""

_A_DAY = re.compile(r"(.+?)/(?:d|day|days|24\.?h|\(24\.h\))", re.ASCII | re.IGNORECASE)


LONGEST_UNIT = 64
"""Characters of the longest text that is read as a unit; longer ones would only fill the cache."""


def plain_unit(unit: str) -> str:
    """Give the UCUM code for a sender's spelling of a unit; the spelling itself if we don't know it."""
    unit = unit.strip()
    if unit in _PLAIN:
        return _PLAIN[unit]
    if "/" in unit:
        return "/".join(_PLAIN.get(part.strip(), part.strip()) for part in unit.split("/"))
    return unit


def split_a_day(unit: str) -> tuple[str, bool]:
    """Take "a day" off a unit: ("mg/d") → ("mg", True); any other unit comes back with False."""
    found = _A_DAY.fullmatch(unit.strip())
    return (found[1], True) if found else (unit, False)


def factor(unit_from: str, unit_to: str) -> float | None:
    """
    Give the number to multiply by to get from one unit to the other; None if they cannot be converted.

    A blank unit is never assumed to be anything. Counting units ({tablet}, {score}) convert into themselves only, and
    so does a unit we do not know. Amount of substance does not convert into mass: that takes the substance.
    """
    return _factor(unit_from, unit_to) if len(unit_from) <= LONGEST_UNIT >= len(unit_to) else None


@lru_cache(maxsize=1024)
def _factor(unit_from: str, unit_to: str) -> float | None:
    here, there = plain_unit(unit_from), plain_unit(unit_to)
    if not here or not there:
        return None
    if here == there:
        return 1.0
    from_expression, to_expression = _expression(here), _expression(there)
    if from_expression is None or to_expression is None:
        return None
    registry = _registry()
    try:
        ratio = float((registry.parse_expression(from_expression) / registry.parse_expression(to_expression)).to("").m)
    except pint.DimensionalityError:
        return None
    return ratio if isfinite(ratio) else None


def warm() -> None:
    """Build pint's registry now, so that no request has to wait for it."""
    factor("wk", "d")


def _expression(unit: str) -> str | None:
    """Give pint's words for a UCUM code made of known units and slashes ("mg/dL"); None for anything else."""
    parts = [_PINT.get(part) for part in unit.split("/")]
    if None in parts:
        return None
    return "(" + ") / (".join(part for part in parts if part) + ")"


@cache
def _registry() -> pint.UnitRegistry[float]:
    registry: pint.UnitRegistry[float] = pint.UnitRegistry(None)
    registry.load_definitions(_DEFINITIONS.splitlines())
    return registry
