"""Rulebook → what it means: plain values that are equal when two spellings of a rule decide and say the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from cds.rulebook.drug_rows import national_drug_codes
from cds.rulebook.format import rule_file as f
from cds.rulebook.format.conditions import Comparing
from cds.rulebook.lint.view import coded, tables_read
from cds.rulebook.loader import Rulebook
from cds.rulebook.patterns import LIKE
from cds.rulebook.references import Rule
from cds.rulebook.tables import code_sets
from cds.terminology.phrases import WordGroup

# Lists whose order a reader or the program sees; every other list is a set.
IN_ORDER = frozenset(
    {"notes", "suggestions", "actions", "links", "between", "plausible", "site_may_set", "override_reasons",
     "measured_by", "bands", "categories", "sections", "points"}
)  # fmt: skip
# What may change without a new version: the version itself, who looked at the file and when, and its source attributes,
# which say where it comes from and what it reads; of drugs, sources.
ABOUT_THE_FILE = frozenset(
    {"version", "reviewed", "developer", "funding", "released", "revised", "uses", "does_not_use"}
)
BESIDE_THE_DRUG = frozenset({"source", "notes", "verified", "basis"})


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """
    What a rulebook means.

    Attributes:
        rules: Id of a rule file → its values, in one spelling.
        sets: Value set → "system|code" and words, each → how it counts.
        tables: Drug table → drugs and products.
    """

    rules: Mapping[str, Mapping[str, Any]]
    sets: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, Mapping[str, Any]]


def fingerprint_of(book: Rulebook) -> Fingerprint:
    """What the rulebook means; files with mistakes are not part of it."""
    return Fingerprint(
        rules={name: _rule(rule.model) for name, rule in book.rules.items()},
        sets=_sets(book),
        tables={name: _table(name, book) for name in book.tables},
    )


def digests(book: Rulebook) -> dict[str, str]:
    """
    Rule file → SHA-256 of what it means, with the value sets and drug tables it reads; 32 hexadecimal digits.

    Formatting, order, comments, the version itself and review dates are not part of it.
    """
    meaning = fingerprint_of(book)
    made: dict[str, str] = {}
    for name, rule in book.rules.items():
        body = {key: value for key, value in meaning.rules[name].items() if key != "about"}
        body["about"] = {key: value for key, value in meaning.rules[name]["about"].items() if key not in ABOUT_THE_FILE}
        read = {one: meaning.sets[one] for one, _ in coded(rule) if one in meaning.sets}
        tables = {one: meaning.tables[one] for one in tables_of(rule) if one in meaning.tables}
        made[name] = hashlib.sha256(_spelled([body, read, tables]).encode()).hexdigest()[:32]
    return made


def _rule(model: f.RuleFile) -> dict[str, Any]:
    values: dict[str, Any] = plain(model)
    values.pop("patterns", None)  # what they say is in the facts
    for fact in values.get("facts", {}).values():
        fact.pop(LIKE, None)
    for name, conclusion in model.conclusions.items():
        spec = values["conclusions"][name]
        for key in ("when", "all", "any", "not", "at_least", "of"):
            spec.pop(key, None)
        spec["when"] = plain(conclusion.condition(), "when")
    return values


def plain(value: Any, key: str = "") -> Any:
    """One spelling: defaults left out, one name for a list of one, sets in order, whole numbers whole."""
    if key == "resource":
        return value  # FHIR, whose lists have an order
    if isinstance(value, Comparing):
        return plain(value.root, key)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            info.alias or name: plain(part, info.alias or name)
            for name, info in fields.items()
            if (part := getattr(value, name)) is not None
            and (info.is_required() or part != info.get_default(call_default_factory=True))
        }
    if isinstance(value, Mapping):
        return {name: plain(part, str(name)) for name, part in value.items()}
    if isinstance(value, list):
        parts = [plain(part) for part in value]
        ordered = parts if key in IN_ORDER else sorted(parts, key=_spelled)
        return ordered[0] if len(ordered) == 1 and isinstance(ordered[0], str) else ordered
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _sets(book: Rulebook) -> dict[str, dict[str, Any]]:
    return {
        name: {f"{system}|{code}": "exact" for system, code in one.codes}
        | {f"{system}|{code} and below": "with children" for system, code in one.roots}
        | {f"{system}|{code} not": "excepted" for system, code in one.excepted}
        | {f"{r.system}|{r.first} to {r.last}, character {r.character} is {r.value}": "range" for r in one.ranges}
        | {f"“{word.lower()}”": _said(group) for group in one.names for word in group.words}
        | {f"“{word}” in capitals": _said(group) for group in one.names for word in group.abbreviations}
        | {f"{system}|{code} answers": number for (system, code), number in one.answers.items()}
        | {f"“{text}” whole": "text of a site" for text in one.texts.values()}
        | {f"“{words}” answers": number for words, number in one.answers_in_words.items()}
        for name, one in code_sets(book).items()
    }


def _said(group: WordGroup) -> str:
    unless = f", unless {', '.join(sorted(group.unless))}" if group.unless else ""
    return f"{'word' if group.certain else 'word that suggests it'}{unless}"


def _table(name: str, book: Rulebook) -> dict[str, Any]:
    loaded = book.tables[name]
    drugs = {key: _without(plain(row), BESIDE_THE_DRUG) for key, row in loaded.model.drugs.items()}
    products = {
        f"product {row.values['rxcui']}": {k: v for k, v in row.values.items() if k not in BESIDE_THE_DRUG | {"note"}}
        for row in book.products.get(name, [])
    }
    ndcs = {f"NDC {code}": row.values["rxcui"] for row in book.ndcs.get(name, []) for code in national_drug_codes(row)}
    header = _without(plain(loaded.model.table), frozenset({"title", "notice", "limits", "checked"}))
    return {"table": header, **drugs, **products, **ndcs}


def _without(value: Any, keys: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(part, keys) for key, part in value.items() if key not in keys}
    return value


def _spelled(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def tables_of(rule: Rule) -> frozenset[str]:
    """The drug tables a file reads."""
    return frozenset(table for fact in rule.model.facts.values() for table in tables_read(fact))
