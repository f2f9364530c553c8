"""What clinicians stated of a patient, where a site keeps it in the journal: saved once, and read back by patient."""

from __future__ import annotations

import gzip
from datetime import datetime

import msgspec
from sqlalchemy import select

from cds.journal.decision_records import patient_digest
from cds.journal.store import Store
from cds.journal.tables import reviews


def keep_review(
    store: Store, tenant: str, patient: str, decision: str, identifier: str, body: bytes, now: datetime
) -> bool:
    """
    Keep what was saved together; durable once this returns. False: it is there already, and nothing was kept.

    An earlier one of the same decision gives way to it: it was filled in on the same page, and is corrected.

    Args:
        patient: The keyed digest of the patient (decision_records.patient_digest).
        decision: The decision whose page it was filled in on.
        identifier: What the same answers have again, and no other.
        body: A list of QuestionnaireResponses, as JSON.

    Raises:
        StoreDownError: Nothing was kept.
    """
    row = {
        "digest": store.digest("review", tenant, patient, identifier),
        "tenant": tenant,
        "patient": patient,
        "decision": decision,
        "saved_at": now,
        "body": gzip.compress(body),
    }
    same = (reviews.c.tenant == tenant, reviews.c.patient == patient, reviews.c.decision == decision)
    with store.writing() as connection:
        new = connection.execute(store.insert_new(reviews), row).rowcount > 0
        connection.execute(reviews.delete().where(*same, reviews.c.digest != row["digest"]))
    return new


def kept_reviews(store: Store, tenant: str, patient_id: str, since: datetime) -> list[bytes]:
    """
    The reviews of a patient that were saved since then, as JSON, oldest first.

    Raises:
        StoreDownError: Nobody can tell.
    """
    mine = (
        reviews.c.patient == patient_digest(store, tenant, patient_id),
        reviews.c.tenant == tenant,
        reviews.c.saved_at >= since,
    )
    with store.reading() as connection:
        found = connection.execute(select(reviews.c.body).where(*mine).order_by(reviews.c.saved_at, reviews.c.digest))
        return [
            bytes(one)
            for body in found.scalars()
            for one in msgspec.json.decode(gzip.decompress(body), type=list[msgspec.Raw])
        ]
