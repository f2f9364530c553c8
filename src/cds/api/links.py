"""Decision → an address that opens its page for a while, and nobody else's: signed, not to be guessed."""

from __future__ import annotations

import hashlib
from enum import Enum

from itsdangerous import BadSignature, SignatureExpired, TimestampSigner

from cds.journal.store import Store

PURPOSE = "link of a decision"


class LinkState(Enum):
    """What a link to the page of a decision is."""

    OPENS = "opens"
    EXPIRED = "expired"
    NOT_OURS = "not signed by this service"


SEPARATOR = "."


class SignedLinks:
    """
    Makes and checks the links of decisions; all processes of one journal make the same.

    Attributes:
        seconds: How long a link opens its page.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        self.seconds = seconds
        self._store = store
        self._made: TimestampSigner | None = None

    def key(self, decision: str) -> str:
        """
        What opens the page of a decision from now on: when it was made, and a signature over both.

        Raises:
            StoreDownError: The key to sign with is in the journal, and that cannot be opened.
        """
        return self._signer().sign(decision).decode().removeprefix(decision + SEPARATOR)

    def opens(self, decision: str, key: str) -> LinkState:
        """
        Whether this key opens the page of this decision now, did so once, or was never made by this service.

        Raises:
            StoreDownError: Nobody can tell.
        """
        try:
            self._signer().unsign(f"{decision}{SEPARATOR}{key}", max_age=int(self.seconds))
        except SignatureExpired:
            return LinkState.EXPIRED
        except (BadSignature, UnicodeError):
            return LinkState.NOT_OURS
        return LinkState.OPENS

    def _signer(self) -> TimestampSigner:
        if self._made is None:
            self._made = TimestampSigner(
                self._store.digest(PURPOSE), sep=SEPARATOR, salt=PURPOSE, digest_method=hashlib.sha256
            )
        return self._made
