"""Checks of cards: texts, placeholders, suggestions, services."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set
from datetime import date
from typing import Any

from pydantic import ValidationError

from cds.facts.data import RESERVED_KEYS, camel_case
from cds.facts.kind import FACTS, Numbers
from cds.locale.plural import NUMBER_SIGN
from cds.rulebook.compile import OVERRIDE_REASONS, parameter_values
from cds.rulebook.format.cards import CardSpec
from cds.rulebook.format.wording import WordingFile
from cds.rulebook.lint.names import KINDS, fits, suggest
from cds.rulebook.lint.view import RulebookView
from cds.rulebook.placeholders import (
    BRIEF_NOTES,
    FILLERS,
    NOTES,
    PATIENT,
    PLURAL_FORMS,
    Placeholder,
    TextAt,
    fill,
    leaflet_texts,
    placeholders_in,
    stray_braces,
    texts,
    wrong_forms,
)
from cds.rulebook.prefetch import prefetch
from cds.rulebook.references import PARAMETER, SUMMARY, Rule
from cds.rulebook.tables import code_sets
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path
from cds.yaml_source.fields import listed
from cds.yaml_source.problem import Problem

SUMMARY_BELOW = 140  # CDS Hooks 2.0.1, card.summary: "less than 140 characters"
DRUG_ORDERS = frozenset({"MedicationRequest", "MedicationAdministration", "MedicationDispense"})
PATIENT_PLACEHOLDER = "{{ patient.reference }}"
EMPTY: tuple[object, ...] = ("", None, [], {})  # left out of a resource
# Whatever the chart holds, the resource is valid: it is checked here with what a placeholder may become, and not again
# in each request.
SAMPLES = (
    ("example", ""),
    ("", " where nothing fills a placeholder"),
    ("≥ 3  mg/day,\n“see note” <b>", " where any text fills a placeholder"),
)
FILLER_LIST = ", ".join(f"{word}(name)" for word in FILLERS)
FORMS_SHOWN = "name | one: # thing | other: # things"
A_NUMBER = "000"  # what a measured number in a summary is counted as


def cards_of(view: RulebookView) -> Iterator[tuple[Rule, str, CardSpec]]:
    """Every card with its file and name."""
    for rule in view.rules:
        for name, card in rule.model.cards.items():
            yield rule, name, card


def texts_of(view: RulebookView) -> Iterator[tuple[Rule, CardSpec, TextAt]]:
    """Every text of every card."""
    for rule, name, card in cards_of(view):
        for text in texts(card, ("cards", name)):
            yield rule, card, text


# ---------------------------------------------------------------- the summary


def summary_fits(view: RulebookView) -> Iterator[Problem]:
    """CDS Hooks asks for a summary of one line under 140 characters."""
    for rule, _, text in texts_of(view):
        if text.place != "summary":
            continue
        path, summary = text.path, text.text
        length = len(_filled(summary, view))
        if length >= SUMMARY_BELOW:
            yield rule.problem(
                path, "summary-too-long", f"The summary has {length} characters; CDS Hooks wants fewer than 140.",
                "Move what is less important to `detail`.",
            )  # fmt: skip
        if "\n" in summary:
            yield rule.problem(
                path, "summary-has-line-break", "The summary has more than one line.",
                "Write it in one line, or with `>-`.", "An EHR shows it as a title.",
            )  # fmt: skip


def _filled(text: str, view: RulebookView) -> str:
    """The text as long as it can be: parameters put in place, numbers as three digits, the longest plural form."""

    def value(placeholder: Placeholder) -> str:
        found = view.one(placeholder.name)
        return str(found.spec.value) if found and found.role == PARAMETER else A_NUMBER

    def longest(placeholder: Placeholder) -> str:
        forms = (form.replace(NUMBER_SIGN, value(placeholder)) for _, form in placeholder.forms)
        return max(forms, key=len, default=value(placeholder))

    return fill(text, longest)


# ---------------------------------------------------------------- placeholders


def placeholder_syntax(view: RulebookView) -> Iterator[Problem]:
    """A placeholder is a name, or a word with a name; nothing else is a template."""
    for rule, _, text in texts_of(view):
        if stray := sorted(set(stray_braces(text.text))):
            yield rule.problem(
                text.path, "hole-syntax", f"`{'` and `'.join(stray)}` here is part of no placeholder.",
                "Write placeholders as `{{ name }}`; for a sentence that depends on something, add a note with `when`.",
            )  # fmt: skip
        for placeholder in placeholders_in(text.text):
            if not placeholder.understood:
                yield rule.problem(
                    text.path, "hole-syntax", f"`{{{{ {placeholder.text} }}}}` is not a placeholder.",
                    f"Write a name, {FILLER_LIST}, or `{FORMS_SHOWN}`; nothing is computed in a text.",
                )  # fmt: skip
            elif text.place == "plain":
                yield rule.problem(
                    text.path, "hole-syntax", f"`{{{{ {placeholder.text} }}}}` would not be filled in here.",
                    "Placeholders are filled in `summary`, `detail`, `say` and `resource`.",
                )  # fmt: skip
            elif placeholder.word == "references" and text.place == "resource" and not _alone(text.text):
                yield rule.problem(
                    text.path, "hole-syntax",
                    f"`{{{{ {placeholder.text} }}}}` is a list, and cannot stand inside a text.",
                    f'Write it alone, as in `reasonReference: "{{{{ {placeholder.text} }}}}"`.',
                )  # fmt: skip


def unknown_placeholder(view: RulebookView) -> Iterator[Problem]:
    """A placeholder names something that can fill it."""
    for rule, _, text in texts_of(view):
        for placeholder in placeholders_in(text.text):
            if placeholder.word and placeholder.word not in FILLERS:
                yield rule.problem(
                    text.path, "hole-unknown", f"`{placeholder.word}(…)` fills no placeholder.",
                    did_you_mean(placeholder.word, FILLERS, f"Write a name, or {FILLER_LIST}."),
                )  # fmt: skip
    for reading in view.readings:
        if not reading.placeholder or view.may_be_defined(reading.name):
            continue
        found = view.one(reading.name)
        if found is None:
            yield reading.rule.problem(
                reading.path, "hole-unknown",
                f"`{reading.name}` in a placeholder is not a fact, conclusion or parameter.",
                suggest(reading, view),
            )  # fmt: skip
        elif not fits(reading, found) and reading.wants == SUMMARY:
            yield reading.rule.problem(
                reading.path, "hole-in-summary", f"`{reading.name}` would put text of the chart into the summary.",
                "Keep only parameters and numbers in the summary; move this to `detail`.",
                "A summary is shown as plain text, at a glance, in places we do not know.",
            )  # fmt: skip
        elif not fits(reading, found):
            yield reading.rule.problem(
                reading.path, "hole-unknown",
                f"`{reading.name}` is a {found.role if found.role not in FACTS else 'fact of another kind'};"
                f" here belongs {KINDS[reading.wants]}.",
                f"Write `{{{{ why({reading.name}) }}}}`." if found.role == "conclusion" else suggest(reading, view),
            )  # fmt: skip


def plural_forms(view: RulebookView) -> Iterator[Problem]:
    """A number has the plural forms of the language of its text; those of a site's wording are looked at there."""
    for rule, text in _texts_with_forms(view):
        if isinstance(rule.overlaid.get(text.path, (rule,))[0].model, WordingFile):
            continue
        for placeholder in placeholders_in(text.text):
            if wrong := wrong_forms(placeholder, text.language):
                yield rule.problem(text.path, PLURAL_FORMS, *wrong)


def _texts_with_forms(view: RulebookView) -> Iterator[tuple[Rule, TextAt]]:
    for rule, _, text in texts_of(view):
        yield rule, text
    for rule in view.rules:
        for name, leaflet in rule.model.leaflets.items():
            for text in leaflet_texts(leaflet, ("leaflets", name)):
                yield rule, text


def placeholders_in_place(view: RulebookView) -> Iterator[Problem]:
    """`notes` stands in the detail of a card that has notes; a summary has no lists."""
    for rule, card, text in texts_of(view):
        for placeholder in placeholders_in(text.text):
            if text.place == "summary" and (
                placeholder.word in FILLERS or placeholder.text in (NOTES, BRIEF_NOTES, PATIENT)
            ):
                yield rule.problem(
                    text.path, "hole-in-summary", f"`{{{{ {placeholder.text} }}}}` does not fit into a summary.",
                    "Move it to `detail`.",
                )  # fmt: skip
            elif placeholder.text in (NOTES, BRIEF_NOTES) and (text.place != "detail" or not card.notes):
                fix = (
                    "Add `notes` to the card, or remove the placeholder."
                    if text.place == "detail"
                    else "Move it to `detail`."
                )
                what = f"`{{{{ {placeholder.text} }}}}` is filled with nothing here."
                yield rule.problem(text.path, "notes-without-hole", what, fix)
            elif placeholder.text == PATIENT and text.place not in ("resource", "plain"):
                yield rule.problem(
                    text.path, "hole-unknown", "`{{ patient.reference }}` belongs into a resource.", "Remove it here."
                )
    for rule, name, card in cards_of(view):
        places = [placeholder.text for placeholder in placeholders_in(card.detail)]
        for place in sorted({BRIEF_NOTES if note.brief else NOTES for note in card.notes}):
            if place not in places:
                yield rule.problem(
                    ("cards", name, "notes"), "notes-without-hole",
                    f"This card has {place.replace('_', ' ')}, but `detail` has no place for them.",
                    f"Write `{{{{ {place} }}}}` where they belong.",
                )  # fmt: skip


def _alone(text: str) -> bool:
    return not fill(text, lambda _: "").strip() and len(placeholders_in(text)) == 1


# ---------------------------------------------------------------- suggestions


def orders_a_drug(view: RulebookView) -> Iterator[Problem]:
    """A suggestion leads to an evaluation. It never orders, gives or dispenses a drug."""
    for rule, _, path, resource in _resources(view):
        for where in _drug_orders(resource, path):
            yield rule.problem(
                where, "orders-a-drug", "This suggestion would order, give or dispense a drug.",
                "Suggest a ServiceRequest for an evaluation, or remove it.",
                "The decision to treat belongs to the clinician; no card takes the first step of it.",
            )  # fmt: skip


def _drug_orders(value: object, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        if value.get("resourceType") in DRUG_ORDERS:
            yield (*path, "resourceType")
        for key, part in value.items():
            yield from _drug_orders(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _drug_orders(part, (*path, index))


def resource_template(view: RulebookView) -> Iterator[Problem]:
    """With its placeholders filled, a resource is valid FHIR R4, a draft proposal, and about this patient."""
    parameters = frozenset(name for rule in view.rules for name in rule.model.parameters)
    for rule, _, path, resource in _resources(view):
        if any(_drug_orders(resource, path)):
            continue  # told as orders-a-drug
        for where, what, fix in _template_mistakes(resource, parameters):
            yield rule.problem((*path, *where), "resource-template-invalid", what, fix)


def _template_mistakes(resource: dict[str, Any], parameters: Set[str]) -> Iterator[tuple[Path, str, str]]:
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415 (slow to import, and few files need it)

    kind = resource.get("resourceType")
    try:
        model = get_fhir_model_class(str(kind))
    except (KeyError, ValueError):
        yield ("resourceType",), f"FHIR has no resource `{kind}`.", "Write a resource type such as ServiceRequest."
        return
    elements = model.elements_sequence()
    about = next((element for element in ("subject", "patient", "for") if element in elements), None)
    for where, day in _dates(resource, ()):
        yield where, f"{day} stands without quotes.", f'Write "{day}"; FHIR dates are text.'
    told: set[Path] = set()
    for sample, given in SAMPLES:
        try:
            model.model_validate(_sample(resource, sample, parameters))
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                if detail["loc"] == (about,) or detail["loc"] in told:
                    continue  # said below, or of an earlier sample
                told.add(detail["loc"])
                element = ".".join(str(step) for step in detail["loc"])
                words = detail["msg"].removeprefix("Value error, ")
                what = f"`{kind}.{element}`{given}: {words[0].lower()}{words[1:]}."
                yield detail["loc"], what, f"See the FHIR R4 page of {kind}."
    if "intent" in elements:
        for key, value in (("status", "draft"), ("intent", "proposal")):
            if resource.get(key) != value:
                yield (
                    (key,), f"A suggested {kind} has `{key}: {resource.get(key, '(nothing)')}`.",
                    f"Write `{key}: {value}`; the clinician makes it an order.",
                )  # fmt: skip
    if about and not _is_patient(resource.get(about)):
        yield (
            (about,), f"`{kind}.{about}` is not the patient of the request.",
            f'Write `{about}: {{reference: "{PATIENT_PLACEHOLDER}"}}`.',
        )  # fmt: skip


def _is_patient(value: object) -> bool:
    reference = value.get("reference") if isinstance(value, dict) else None
    return (
        isinstance(reference, str)
        and [placeholder.text for placeholder in placeholders_in(reference)] == [PATIENT]
        and _alone(reference)
    )


def _dates(value: object, path: Path) -> Iterator[tuple[Path, date]]:
    match value:
        case date():
            yield path, value
        case dict():
            for key, part in value.items():
                yield from _dates(part, (*path, key))
        case list():
            for index, part in enumerate(value):
                yield from _dates(part, (*path, index))


def _sample(value: Any, sample: str, parameters: Set[str]) -> Any:
    """A template with its placeholders filled as `cds.cards.suggestions` fills them; `sample` is chart text."""
    match value:
        case dict():
            return {
                key: part for key, given in value.items() if (part := _sample(given, sample, parameters)) not in EMPTY
            }
        case list():
            return [part for given in value if (part := _sample(given, sample, parameters)) not in EMPTY]
        case date():
            return value.isoformat()
        case str() if _alone(value) and placeholders_in(value)[0].word == "references":
            return [{"reference": "Condition/example"}] if sample else []
        case str():
            return fill(value, lambda one: _fixed(one, parameters) or sample)
    return value


def _fixed(placeholder: Placeholder, parameters: Set[str]) -> str:
    """What a placeholder becomes that is always filled: the patient or a parameter."""
    if placeholder.text == PATIENT:
        return "Patient/example"
    return "1" if not placeholder.word and placeholder.name in parameters else ""


def _resources(view: RulebookView) -> Iterator[tuple[Rule, str, Path, dict[str, Any]]]:
    for rule, name, card in cards_of(view):
        for number, suggestion in enumerate(card.suggestions):
            for index, action in enumerate(suggestion.actions):
                path: Path = ("cards", name, "suggestions", number, "actions", index, "resource")
                yield rule, name, path, action.resource


def selection_behavior(view: RulebookView) -> Iterator[Problem]:
    """Only one suggestion is recommended where only one can be taken."""
    for rule, name, card in cards_of(view):
        recommended = [index for index, suggestion in enumerate(card.suggestions) if suggestion.recommended]
        if card.selection_behavior == "at-most-one" and len(recommended) > 1:
            yield rule.problem(
                ("cards", name, "suggestions", recommended[1], "recommended"), "selection-behavior",
                "Two suggestions are recommended, but at most one can be taken.",
                "Recommend one, or write `selection_behavior: any`.",
            )  # fmt: skip


def unknown_override_reason(view: RulebookView) -> Iterator[Problem]:
    """A reason to override has a code and words a clinician can pick."""
    for rule, name, card in cards_of(view):
        for index, reason in enumerate(card.override_reasons):
            if reason not in OVERRIDE_REASONS:
                yield rule.problem(
                    ("cards", name, "override_reasons", index), "unknown-override-reason",
                    f"`{reason}` is not a reason we have words for.",
                    did_you_mean(reason, OVERRIDE_REASONS, f"Write some of {', '.join(OVERRIDE_REASONS)}."),
                )  # fmt: skip


# ---------------------------------------------------------------- services


def unknown_service(view: RulebookView) -> Iterator[Problem]:
    """A card is sent by a service that exists; a service has a card to send."""
    services = {name: rule for rule in view.rules for name in rule.model.services}
    for rule, name, card in cards_of(view):
        for service in listed(card.service):
            if service not in services and not view.may_be_defined(service):
                yield rule.problem(
                    ("cards", name, "service"), "unknown-service", f"There is no service `{service}`.",
                    did_you_mean(service, services, "Write the name of one under `services`."),
                )  # fmt: skip
    sending = {service for _, _, card in cards_of(view) for service in listed(card.service)}
    for name, rule in services.items():
        if name not in sending and not view.may_be_read(name):
            yield rule.problem(
                ("services", name), "service-without-cards", f"No card is sent by `{name}`.",
                "Give it a card, or remove it.", warning=True,
            )  # fmt: skip


def requires_unknown_key(view: RulebookView) -> Iterator[Problem]:
    """A service requires only what it asks for."""
    for rule in view.rules:
        for name, spec in rule.model.services.items():
            keys = keys_of(name, view) if spec.requires else None
            for index, key in enumerate(spec.requires):
                if keys is not None and key not in keys:
                    yield rule.problem(
                        ("services", name, "requires", index), "requires-unknown-key",
                        f"`{name}` does not ask for `{key}`.",
                        did_you_mean(key, keys, f"Write some of {', '.join(sorted(keys))}."),
                        "No request would ever be complete.",
                    )  # fmt: skip


def keys_of(service: str, view: RulebookView) -> frozenset[str] | None:
    """Prefetch keys of a service; None when a mistake elsewhere hides them."""
    if view.book.broken:
        return None
    reads: defaultdict[str, set[str]] = defaultdict(set)
    for reading in view.readings:
        section, name = str(reading.path[0]), str(reading.path[1])
        reads[f"card:{name}" if section == "cards" else name].add(reading.name)
    to_do = [f"card:{name}" for _, name, card in cards_of(view) if service in listed(card.service)]
    if not to_do:
        return None
    reached: set[str] = set()
    while to_do:
        name = to_do.pop()
        if name not in reached:
            reached.add(name)
            to_do.extend(reads[name])
    facts = {name: found[0].spec for name, found in view.definitions.items() if found[0].role in FACTS}
    try:
        numbers = Numbers(parameter_values(view.rules))
        wanted = [facts[name].compile(name, numbers) for name in sorted(reached & facts.keys())]
        queries = prefetch(wanted, code_sets(view.book), frozenset())
    except (KeyError, ValueError):
        return None
    return frozenset(query.key for query in queries)


def reserved_prefetch_key(view: RulebookView) -> Iterator[Problem]:
    """An observation is not sent under the key of something else."""
    for rule in view.rules:
        for name, fact in rule.model.facts.items():
            asked = fact.asked_by_code()
            if asked is not None and (key := asked.prefetch or camel_case(name)) in RESERVED_KEYS:
                yield rule.problem(
                    ("facts", name, "prefetch") if asked.prefetch else ("facts", name), "reserved-prefetch-key",
                    f"The prefetch key `{key}` is used for other resources.", "Write another word as `prefetch:`.",
                )  # fmt: skip


def leaflet_of_unknown_card(view: RulebookView) -> Iterator[Problem]:
    """A leaflet is shown behind cards that there are."""
    cards = {name for _, name, _ in cards_of(view)}
    for rule in view.rules:
        for name, leaflet in rule.model.leaflets.items():
            for index, card in enumerate(leaflet.cards):
                if card not in cards and not view.may_be_defined(card):
                    yield rule.problem(
                        ("leaflets", name, "cards", index), "unknown-name", f"`{card}` is not a card.",
                        did_you_mean(card, cards, "Name a card."),
                    )  # fmt: skip


CHECKS = (
    leaflet_of_unknown_card,
    summary_fits,
    placeholder_syntax,
    unknown_placeholder,
    placeholders_in_place,
    plural_forms,
    orders_a_drug,
    resource_template,
    selection_behavior,
    unknown_override_reason,
    unknown_service,
    requires_unknown_key,
    reserved_prefetch_key,
)
