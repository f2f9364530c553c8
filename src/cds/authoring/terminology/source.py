"""Why a release, a file or a server could not be compared with."""

from __future__ import annotations

from cds.errors import CdsError


class TerminologySourceError(CdsError):
    """
    A release, file or server of codes cannot be read.

    Attributes:
        what: One sentence that says what is wrong, and where.
        fix: One sentence that says what to do.
    """

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what} {fix}")
        self.what = what
        self.fix = fix
