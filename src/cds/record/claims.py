"""Pharmacy claims (ExplanationOfBenefit) → Exposures: a supply that was paid for, as a statement of what is taken."""

from __future__ import annotations

import msgspec

from cds.locale.sentence import say
from cds.record import fhir
from cds.record.concepts import code_among, concept_of
from cds.record.dates import period_of, shifted, span_of
from cds.record.issues import Origin
from cds.record.medications import days_of_supply
from cds.record.model import Exposure, ExposureKind, IssueKind, Span

PHARMACY = frozenset({"pharmacy"})  # HL7 claim-type
DAYS_SUPPLY = frozenset({"dayssupply"})  # CARIN Blue Button C4BBSupportingInfoType
PAID_FOR = "active"  # HL7 explanationofbenefit-status; cancelled, draft and entered-in-error are none
CLAIM = "claim"  # HL7 claim-use; a preauthorization or predetermination says nothing was supplied
ITEMS = msgspec.json.Decoder(list[fhir.ClaimItem | None])
INFOS = msgspec.json.Decoder(list[fhir.SupportingInfo | None])


def is_pharmacy_claim(said: fhir.ExplanationOfBenefit) -> bool:
    """Whether a claim says that a pharmacy supplied something."""
    return said.status == PAID_FOR and said.use in {None, CLAIM} and bool(code_among(said.type, PHARMACY))


def supplies_of(said: fhir.ExplanationOfBenefit, origin: Origin) -> list[Exposure]:
    """
    What each line of a pharmacy claim shows to have been supplied, from its day for the days of supply.

    A supply whose days are not recorded has no end: it was surely taken on its first day only. Not a fill, since the
    pharmacy's own MedicationDispense of it may have come as well, and one supply would count twice.
    """
    if not is_pharmacy_claim(said):
        return []
    try:
        items = ITEMS.decode(said.item) if said.item else []
        infos = INFOS.decode(said.supportingInfo) if said.supportingInfo else []
    except msgspec.MsgspecError:
        origin.note(IssueKind.UNREADABLE, "item", say("The lines of this pharmacy claim cannot be read."))
        items, infos = [None], []
    listed = [item or fhir.ClaimItem() for item in items]
    supplies = [info.valueQuantity for info in infos if info is not None and code_among(info.category, DAYS_SUPPLY)]
    # Days of supply stand once on a claim: with several lines nothing says whose they are.
    supply = supplies[0] if len(supplies) == len(listed) == 1 else None
    paid, _ = period_of(said.billablePeriod, origin, "billablePeriod")
    otherwise = paid or span_of(said.created, origin, "created")
    return [_supply(item, f"item[{index}]", otherwise, supply, origin) for index, item in enumerate(listed)]


def _supply(
    item: fhir.ClaimItem, path: str, otherwise: Span | None, supply: fhir.Quantity | None, origin: Origin
) -> Exposure:
    begun, _ = period_of(item.servicedPeriod, origin, f"{path}.servicedPeriod")
    start = span_of(item.servicedDate, origin, f"{path}.servicedDate") or begun or otherwise
    days = days_of_supply(supply, origin, "supportingInfo")
    amount = item.quantity.value if item.quantity is not None else None
    return Exposure(
        source=origin.source,
        identity=f"{origin.source}#{path}",
        kind=ExposureKind.STATEMENT,
        drug=concept_of(item.productOrService),
        start=start,
        end=shifted(start, int(days) - 1) if start is not None and days is not None and days >= 1 else None,
        quantity=amount if amount is not None and amount > 0 else None,
        quantity_unit=item.quantity.written if item.quantity is not None else "",
        supply_days=days,
        status="completed",
    )
