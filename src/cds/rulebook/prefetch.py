"""Facts → the prefetch queries of a service: each kind of fact says what it is found in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds.facts.data import FORMS, SURVEY_CATEGORY, SURVEYS, TypeQuery
from cds.facts.kind import CompiledFact
from cds.rulebook.compiled_ruleset import Prefetch
from cds.terminology.value_sets import ValueSet

OF_PATIENT = "patient={{context.patientId}}"


def prefetch(
    facts: Iterable[CompiledFact], sets: Mapping[str, ValueSet], required: frozenset[str]
) -> tuple[Prefetch, ...]:
    """
    Queries for the facts, one per FHIR type and one per group of observations.

    Within the subset of CDS Hooks 2.0.1 ("Prefetch query restrictions"): no date tokens, no repeated parameters, all
    statuses; windows are applied to what comes back.
    """
    queries = {"patient": "Patient/{{context.patientId}}"}
    observed: dict[str, set[str]] = {}
    for query in (query for fact in facts for query in fact.data()):
        if isinstance(query, TypeQuery):
            queries[query.key] = f"{query.resource_type}?{OF_PATIENT}"
            continue
        tokens = {f"{system}|{code}" for name in query.asked for system, code in sets[name].codes}
        observed.setdefault(query.key, set()).update(tokens)
        if query.forms:
            queries[FORMS.key] = f"{FORMS.resource_type}?{OF_PATIENT}"
    for key, tokens in observed.items():
        if tokens:
            queries[key] = f"Observation?{OF_PATIENT}&code={','.join(sorted(tokens))}&_sort=-date"
    if not all(observed.values()):  # known by their name alone, which no server can be relied on to search
        queries[SURVEYS] = f"Observation?{OF_PATIENT}&category={SURVEY_CATEGORY}&_sort=-date"
    return tuple(Prefetch(key, query, key in required) for key, query in sorted(queries.items()))
