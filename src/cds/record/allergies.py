"""AllergyIntolerance → Allergy."""

from __future__ import annotations

from cds.record import fhir
from cds.record.concepts import clinical_status, code_among, concept_of, concept_of_either
from cds.record.conditions import verification_of
from cds.record.issues import Origin
from cds.record.model import Allergy

CLINICAL = frozenset({"active", "inactive", "resolved"})  # FHIR R4 allergyintolerance-clinical
TYPES = frozenset({"allergy", "intolerance"})  # FHIR R4 allergy-intolerance-type


def allergy_of(said: fhir.AllergyIntolerance, origin: Origin) -> Allergy | None:
    """The allergy with its substances; None for one entered in error."""
    if code_among(said.verificationStatus, frozenset({"entered-in-error"})):
        return None
    substances = [reaction.substance for reaction in said.reaction or () if reaction is not None]
    kind = said.type if isinstance(said.type, str) else code_among(said.type, TYPES)
    return Allergy(
        source=origin.source,
        concepts=(concept_of(said.code), *(concept_of(substance) for substance in substances if substance is not None)),
        status=clinical_status(said.clinicalStatus, CLINICAL),
        verification=verification_of(said.verificationStatus),
        type=kind if kind in TYPES else "",
        effects=tuple(
            concept_of_either(effect)
            for reaction in said.reaction or ()
            if reaction is not None
            for effect in reaction.manifestation or ()
            if effect is not None
        ),
    )
