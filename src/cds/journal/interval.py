"""So many of so many → the share it may be in the long run."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z = 1.959963984540054  # the normal distribution leaves 2.5 % beyond it on either side
FEWEST = 10  # of fewer cases, an interval is wider than anything one could conclude from it


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval, each from 0 to 1; `of` is how many it is out of."""

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The share itself; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def too_few(self) -> bool:
        """Whether nothing should be concluded from it."""
        return self.of < FEWEST


def share(count: int, of: int) -> Share:
    """
    A share with Wilson's score interval (Wilson 1927, JASA 22:209-212; recommended for small numbers by Brown, Cai and
    DasGupta 2001, Statistical Science 16:101-133). Of nothing, anything may be: 0 to 1.
    """
    if of <= 0:
        return Share(0, 0, 0.0, 1.0)
    part = count / of
    centre = part + Z * Z / (2 * of)
    spread = Z * sqrt(part * (1 - part) / of + Z * Z / (4 * of * of))
    scale = 1 + Z * Z / of
    return Share(count, of, max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))
