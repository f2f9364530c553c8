"""The logic of the workload as CQL."""

from __future__ import annotations

from benchmarks.workload import ADEQUATE_DAYS, DRUGS, RULES, SETS, minimum_mg, value_sets


def cql(style: str, rules: int = RULES) -> str:
    """
    The logic as CQL.

    `idiomatic` is what authors write, one retrieve for each value set; `tuned` retrieves each type once and keeps
    tuples of what is needed, the best form found for cql-execution. There `return all` is needed throughout, since a
    query drops duplicates otherwise.
    """
    idiomatic = style == "idiomatic"
    lines = [
        "library Reference version '1.0.0'",
        "using FHIR version '4.0.1'",
        "include FHIRHelpers version '4.0.1' called FHIRHelpers",
        *(f"valueset \"{name}\": '{SETS}{name}'" for name in value_sets(rules)),
        CQL_HEAD,
        CQL_IDIOMATIC if idiomatic else CQL_TUNED,
    ]
    for drug in range(DRUGS):
        at_dose = (
            f'AdequateDays([MedicationRequest: "ad-{drug:02d}"], {minimum_mg(drug)}.0)'
            if idiomatic
            else f'Sum("Orders" T where T.code in "ad-{drug:02d}" and T.dose >= {minimum_mg(drug)}.0'
            " return all T.supply)"
        )
        lines.append(f'define "Adequate {drug:02d}": {at_dose} >= {ADEQUATE_DAYS}.0')
    for rule in range(rules):
        among = (
            f'[Condition: "ci-{rule:02d}"] C where IsActive(C)'
            if idiomatic
            else f'"Active" C where C.code in "ci-{rule:02d}" return all C'
        )
        lines.append(f'define "Contra {rule:02d}": exists ({among})')
    trials = ", ".join(f'"Adequate {drug:02d}"' for drug in range(DRUGS))
    contra = ", ".join(f'"Contra {rule:02d}"' for rule in range(rules))
    lines += [
        f'define "Trials": Count(({{ {trials} }}) A where A return all A)',
        f'define "Contraindicated": exists (({{ {contra} }}) A where A return all A)',
        CQL_TAIL,
    ]
    return "\n".join(lines)


CQL_HEAD = """
context Patient
define "AsOf": @2026-06-01T00:00:00.000Z
define function IsActive(c FHIR.Condition):
  exists (c.clinicalStatus.coding X where X.code.value in { 'active', 'recurrence', 'relapse' } return all X)
    and not exists (c.verificationStatus.coding X
      where X.code.value in { 'refuted', 'entered-in-error' } return all X)
define function DailyDose(m FHIR.MedicationRequest):
  First(First(m.dosageInstruction).doseAndRate).dose.value.value
    * ToDecimal(First(m.dosageInstruction).timing.repeat.frequency.value)
    / First(m.dosageInstruction).timing.repeat.period.value
define "Latest PHQ9": Last([Observation: "phq9"] O
    where O.status.value in { 'final', 'amended', 'corrected' }
      and (O.effective as FHIR.dateTime).value >= "AsOf" - 90 days
      and (O.effective as FHIR.dateTime).value <= "AsOf"
    return all Tuple { at: (O.effective as FHIR.dateTime).value, score: (O.value as FHIR.Quantity).value.value }
    sort by at)
"""
CQL_IDIOMATIC = """
define "Active MDD": [Condition: "mdd"] C where IsActive(C)
define "Episode Start": Min("Active MDD" C return all (C.onset as FHIR.dateTime).value)
define function AdequateDays(meds List<FHIR.MedicationRequest>, least Decimal):
  Sum(meds M
    where M.status.value in { 'active', 'completed', 'stopped' }
      and M.authoredOn.value >= "Episode Start"
      and M.authoredOn.value <= "AsOf"
      and DailyDose(M) >= least
    return all M.dispenseRequest.expectedSupplyDuration.value.value)
"""
CQL_TUNED = """
define "Active": [Condition] C where IsActive(C)
  return all Tuple { code: FHIRHelpers.ToConcept(C.code), onset: (C.onset as FHIR.dateTime).value }
define "Active MDD": "Active" C where C.code in "mdd" return all C
define "Episode Start": Min("Active MDD" C return all C.onset)
define "Orders": [MedicationRequest] M
  where M.status.value in { 'active', 'completed', 'stopped' }
    and M.authoredOn.value >= "Episode Start"
    and M.authoredOn.value <= "AsOf"
  return all Tuple {
    code: FHIRHelpers.ToConcept(M.medication as FHIR.CodeableConcept),
    dose: DailyDose(M), supply: M.dispenseRequest.expectedSupplyDuration.value.value }
"""
CQL_TAIL = """
define "Has MDD": exists "Active MDD"
define "Resistant": Coalesce("Has MDD" and "Trials" >= 2 and "Latest PHQ9".score >= 10.0, false)
define "Outcome":
  if not "Has MDD" then 'no-mdd'
  else if not "Resistant" then 'not-trd'
  else if "Contraindicated" then 'trd-contra' else 'trd'
"""
FHIR_HELPERS = """
library FHIRHelpers version '4.0.1'
using FHIR version '4.0.1'
define function ToCode(coding FHIR.Coding):
  if coding is null then null
  else System.Code { code: coding.code.value, system: coding.system.value,
                     version: coding.version.value, display: coding.display.value }
define function ToConcept(concept FHIR.CodeableConcept):
  if concept is null then null
  else System.Concept { codes: concept.coding C return all ToCode(C), display: concept.text.value }
define function ToString(value FHIR.string): value.value
define function ToString(value FHIR.uri): value.value
define function ToDateTime(value FHIR.dateTime): value.value
"""
