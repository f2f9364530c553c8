"""The link that lets people of this machine into the console: it works once."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from itsdangerous import BadSignature, TimestampSigner

from cds.auth.jti import LocalJtiStore
from cds.journal.store import Store
from cds.journal.used_tokens import first_use
from cds.web.console.urls import ENTER

PURPOSE = "link into the console"
HOURS = 12


class ConsoleDoor:
    """
    Makes and takes one-time tokens.

    They are signed with the key of the journal, so that each worker and `cds console-link` make the same kind; without
    a journal with a key of this process.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._key = secrets.token_hex(32)
        self._used = LocalJtiStore()

    def link(self, base: str) -> str:
        """
        An address that signs in whoever opens it first, for some hours.

        Raises:
            StoreDownError: The key to sign with is in the journal, and that cannot be opened.
        """
        return f"{base}{ENTER}?token={self._signer().sign(secrets.token_urlsafe(24)).decode()}"

    def opens(self, token: str) -> bool:
        """
        Whether this token is ours, not too old, and was never used; from now on it was.

        Raises:
            StoreDownError: Nobody can tell.
        """
        try:
            self._signer().unsign(token, max_age=HOURS * 3600)
        except (BadSignature, UnicodeError):
            return False
        until = datetime.now(UTC) + timedelta(hours=HOURS)
        if self._store is None:
            return self._used.first_use(PURPOSE, token, until)
        return first_use(self._store, PURPOSE, token, until)

    def _signer(self) -> TimestampSigner:
        key = self._key if self._store is None else self._store.digest(PURPOSE)
        return TimestampSigner(key, salt=PURPOSE, digest_method=hashlib.sha256)
