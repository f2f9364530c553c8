"""Each check finds its mistake, in the right line, and leaves its near miss alone."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cds.rulebook.format.rule_file import RuleFile
from cds.rulebook.json_schema import schema_text
from cds.rulebook.lint.lint import check, has_errors
from cds.rulebook.loader import read_rulebook
from tests.rulebook.small_rules import (
    ANOTHER_FILE,
    GOOD,
    ITEM_SET,
    OTHER,
    PRODUCTS,
    RULE,
    SCORE_SET,
    SET,
    SNOMED_SET,
    TABLE,
    TODAY,
    changed,
    check_rules,
    line_of,
)

DOCS = Path(__file__).parents[2] / "docs" / "rule-authors"
FORM_CHECKS = {
    # Made while reading; their tests are in test_read.py.
    "yaml-syntax", "duplicate-key", "empty-value", "missing-key", "unknown-key", "unknown-kind", "wrong-value",
    "wrong-form", "unreadable", "file-ending", "no-rules", "duplicate-id", "product-columns",
    "lock-out-of-date",  # in test_lock.py
    "todo-left",  # in tests/cli/test_make.py
    "list-age",  # in test_list_ages.py
    "vocabulary-entry",  # in test_site_vocabulary.py
    "site-uses", "site-may-not", "unknown-override", "site-review-overdue",  # in test_overlay.py
}  # fmt: skip


class Slip(NamedTuple):
    """
    One mistake: in `file`, `old` becomes `new`, and the check says so at the line of `at`; `near` is all right.

    `says` stands in the message, `warning` says which kind it is, `seen_in` is the file it is seen in if it is another.
    `near` None: the good rules are the near miss.
    """

    check: str
    file: str
    old: str
    new: str
    at: str
    near: str | None = None
    says: str = ""
    warning: bool = False
    seen_in: str = ""


BOOK = "evidence: [book]"
AGE_LINE = "- age: {at_least: adult_age}"
SHOW = "all: [resistant, symptomatic]"
SUMMARY = '"At least {{ trials_required }} trials; the score is {{ score }}"'
WHY = "{{ why(resistant) }}"
COUNT = '"{{ failed_trials | %s }}"'
FORMS = "one: # trial | other: # trials"
LABEL = "label: Resistant\n"
PATIENT = 'subject: {reference: "{{ patient.reference }}"}\n              code: {text: Evaluation}'
LOW = '  low_score: {value: 5, unit: "{score}", evidence: [book]}\n'
HIGH = '  high_score: {value: 10, unit: "{score}", evidence: [book]}\n'
F32 = "      F32.0: Mild\n"
STAGES = "    find: points\n    unit: points\n    evidence: [book]\n    adds: "
FAILED = "  failed_trials:\n    count"
CHOSEN = "    find: setting\n    parameter: standard\n    is_one_of: "

SLIPS = [
    # names
    Slip(
        "unknown-name",
        RULE,
        "- failed_trials: {at",
        "- failed_trails: {at",
        "failed_trails",
        says="mean `failed_trials`?",
    ),
    Slip("unknown-name", RULE, "in_episode: episode", "in_episode: episod", "in_episode", says="mean `episode`?"),
    Slip(
        "unknown-name", RULE, "{at_least: adult_age}", "{at_least: adult_ago}", AGE_LINE[:6], says="mean `adult_age`?"
    ),
    Slip(
        "unknown-name",
        RULE,
        "lasts_at_least: adequate_duration",
        "lasts_at_least: adequate_time",
        "lasts_at_least: ade",
        near="lasts_at_least: 6 weeks",
    ),
    Slip(
        "unknown-name",
        RULE,
        "accepts: response_evidence",
        "accepts: reponse_evidence",
        "accepts:",
        near="accepts: also_inferred",
    ),
    Slip("wrong-kind", RULE, "      - depression\n", "      - score\n", "- score", says="`score: {at_least: …}`"),
    Slip("wrong-kind", RULE, "      - depression\n", "      - trials\n", "- trials", says="`count:`"),
    Slip(
        "wrong-kind",
        RULE,
        AGE_LINE,
        "- depression: {at_least: adult_age}",
        "- depression: {",
        says="`depression` alone",
    ),
    Slip("wrong-kind", RULE, "count: trials", "count: score", "count: score", says="a medication_trials fact"),
    Slip("wrong-kind", RULE, "in_episode: episode", "in_episode: depression", "in_episode", says="an episode fact"),
    Slip(
        "wrong-kind",
        RULE,
        "{score: score, below",
        "{score: age, below",
        "remission_by_score",
        says="an observation or score",
    ),
    Slip("wrong-kind", RULE, "{at_least: adult_age}", "{at_least: response_evidence}", AGE_LINE[:6], says="a number"),
    Slip(
        "wrong-kind",
        RULE,
        "lasts_at_least: adequate_duration",
        "lasts_at_least: trials_required",
        "lasts_at_least: tri",
        says="days, weeks, months or years",
    ),
    Slip("wrong-kind", RULE, "accepts: response_evidence", "accepts: adult_age", "accepts:", says="coded_or_measured"),
    Slip(
        "wrong-kind",
        RULE,
        "dose_reaches: minimum",
        "dose_reaches: response_evidence",
        "dose_reaches:",
        says="minimum, strict_minimum",
    ),
    Slip(
        "unknown-name",
        RULE,
        "dose_reaches: minimum",
        "dose_reaches: minimun",
        "dose_reaches:",
        says="mean `minimum`?",
    ),
    Slip(
        "duplicate-name",
        RULE,
        "definitions:\n",
        "  score: {label: Again, when: resistant, evidence: [book]}\ndefinitions:\n",
        "label: Again",
        says="already a fact",
    ),
    Slip(
        "name-reserved",
        RULE,
        "definitions:\n",
        "  score__again: {label: Again, when: resistant, evidence: [book]}\ndefinitions:\n",
        "label: Again",
        says="Write `score_again`",
    ),
    Slip("cycle", RULE, "      - depression\n", "      - resistant\n", "  resistant:"),
    Slip(
        "unused-fact",
        RULE,
        "conclusions:\n",
        "  died: {find: deceased}\nconclusions:\n",
        "  died:",
        warning=True,
    ),
    Slip(
        "unused-parameter",
        RULE,
        HIGH,
        HIGH + "  spare: {value: 1, unit: days, evidence: [book]}\n",
        "  spare:",
        warning=True,
    ),
    Slip(
        "unused-pattern",
        RULE,
        "\nfacts:\n",
        "\npatterns:\n  spare: {find: condition}\n\nfacts:\n",
        "  spare:",
        says="`like:`",
        warning=True,
    ),
    # numbers
    Slip(
        "bare-number",
        RULE,
        "{at_least: adult_age}",
        "{at_least: 18}",
        AGE_LINE[:6],
        says="18 stands here without a name",
    ),
    Slip("bare-number", RULE, "{at_least: adult_age}", '{at_least: "18"}', AGE_LINE[:6]),
    Slip("bare-number", RULE, "plausible: [low_score, high_score]", "plausible: [0, high_score]", "plausible"),
    Slip("bare-number", RULE, "falls_less_than: response_drop", "falls_less_than: 50", "falls_less_than"),
    Slip(
        "bare-number",
        RULE,
        "lasts_at_least: adequate_duration",
        "lasts_at_least: adequate_duration\n      implausible_above: 10",
        "implausible_above",
    ),
    Slip("bare-number", RULE, "still_symptomatic_at: high_score", "still_symptomatic_at: 10", "still_symptomatic_at"),
    Slip("bare-number", RULE, "remission_below: low_score", "remission_below: 5", "remission_below"),
    Slip("bare-number", RULE, "below: low_score, apart", "below: 5, apart", "remission_by_score"),
    Slip(
        "unit-mismatch",
        RULE,
        "{at_least: trials_required}",
        "{at_least: adult_age}",
        "failed_trials: {",
        says="is in trials",
    ),
    Slip(
        "unit-mismatch",
        RULE,
        "falls_less_than: response_drop",
        "falls_less_than: low_score",
        "falls_less_than",
        says="percent",
    ),
    Slip("unit-mismatch", RULE, "[low_score, high_score]", "[adult_age, high_score]", "plausible"),
    Slip(
        "unit-mismatch",
        RULE,
        "{value: 18, unit: years,",
        "{value: 18, unit: months,",
        AGE_LINE[:6],
        near="{value: 18, unit: a,",
    ),
    Slip(
        "parameter-outside-range",
        RULE,
        "{value: 2, unit: trials,",
        "{value: 5, unit: trials,",
        "trials_required: {value",
        near="{value: 4, unit: trials,",
    ),
    Slip("parameter-outside-range", RULE, "site_may_set: [1, 4]", "site_may_set: true", "trials_required: {value"),
    Slip(
        "range-upside-down",
        RULE,
        "site_may_set: [1, 4]",
        "site_may_set: [4, 1]",
        "trials_required: {value",
        near="site_may_set: [2, 2]",
    ),
    Slip("range-upside-down", RULE, "[low_score, high_score]", "[high_score, low_score]", "plausible"),
    Slip(
        "range-upside-down",
        RULE,
        "score: {at_least: high_score}",
        "score: {between: [high_score, low_score]}",
        "between",
        near="score: {between: [low_score, high_score]}",
    ),
    # conditions
    Slip(
        "condition-always-false",
        RULE,
        AGE_LINE,
        "- not: depression",
        "  resistant:",
        near="- not: symptomatic",
        warning=True,
    ),
    Slip(
        "at-least-count",
        RULE,
        AGE_LINE,
        AGE_LINE + "\n      - {at_least: 3, of: [depression, symptomatic]}",
        "at_least: 3",
        near=AGE_LINE + "\n      - {at_least: 1, of: [symptomatic]}",
    ),
    Slip(
        "condition-always-false",
        RULE,
        AGE_LINE,
        AGE_LINE + "\n      - score: {above: high_score}\n      - score: {at_most: low_score}",
        "  resistant:",
        near=AGE_LINE + "\n      - score: {at_least: low_score}\n      - score: {at_most: low_score}",
        warning=True,
    ),
    Slip(
        "condition-always-false",
        RULE,
        "{unknown: symptomatic}",
        "{unknown: {unknown: symptomatic}}",
        "unknown:",
        warning=True,
    ),
    Slip(
        "condition-always-true",
        RULE,
        AGE_LINE,
        AGE_LINE + "\n      - any: [symptomatic, {not: symptomatic}]",
        "any: [sym",
        near=AGE_LINE + "\n      - any: [symptomatic, {not: depression}]",
        warning=True,
    ),
    Slip(
        "at-least-count",
        RULE,
        AGE_LINE,
        AGE_LINE + "\n      - {at_least: 0, of: [symptomatic]}",
        "at_least: 0",
    ),
    Slip(
        "card-never-shown",
        RULE,
        SHOW,
        "all: [resistant, {not: resistant}]",
        "show_when",
        near="all: [resistant, {not: symptomatic}]",
        warning=True,
    ),
    Slip("part-twice", RULE, SHOW, "all: [resistant, symptomatic, resistant]", "all: [resistant, sy", warning=True),
    # value sets
    Slip("unknown-valueset", RULE, "coded: score-codes", "coded: score-cods", "score-cods", says="mean `score-codes`?"),
    Slip(
        "unknown-valueset",
        RULE,
        "stopped_for: depression-codes\n      unless",
        "stopped_for: [depression-codes, no]\n      unless",
        "[depression-codes, no]",
    ),
    Slip(
        "unknown-valueset",
        SNOMED_SET,
        "adds_to: depression-codes",
        "adds_to: depresion-codes",
        "adds_to",
        says="mean `depression-codes`?",
    ),
    Slip("empty-valueset", SCORE_SET, "    exact:\n      44261-6: Total score\n", "", "valueset:"),
    Slip(
        "unused-valueset",
        RULE,
        "coded: score-codes",
        "coded: depression-codes",
        "valueset:",
        warning=True,
        seen_in=SCORE_SET,
    ),
    Slip("id-is-file-name", SET, "id: depression-codes", "id: depression-code", "id: depression-code"),
    Slip("conflicting-code", SET, F32, F32 + "      F33.8: Also\n", "F33.8: Other"),
    Slip("needless-exception", SET, "    F33.8: Other recurrent", "    F34.8: Other recurrent", "F34.8", warning=True),
    Slip(
        "codes-not-text",
        SNOMED_SET,
        '"370143000"',
        "370143000",
        "370143000",
        near="'370143000'",
        says='Write "370143000"',
    ),
    Slip("codes-not-text", TABLE, 'rxnorm: "6448"', "rxnorm: 6448", "rxnorm: 6448", says='Write "6448"'),
    Slip(
        "snomed-in-own-file",
        SCORE_SET,
        "system: http://loinc.org\n    source: Invented for tests\n    verified: false\n    exact:\n      44261-6",
        "system: http://snomed.info/sct\n    source: Invented\n    verified: false\n    exact:\n      '720433000'",
        "system:",
    ),
    Slip(
        "system-spelling",
        SET,
        "system: http://hl7.org/fhir/sid/icd-10-cm",
        "system: http://hl7.org/fhir/sid/icd10-cm",
        "system:",
        near="system: http://example.org/our-own-codes",
    ),
    Slip(
        "system-spelling",
        SET,
        "system: http://hl7.org/fhir/sid/icd-10-cm",
        "system: ICD-10-CM",
        "system:",
        near="system: http://example.org/our-own-codes",
    ),
    Slip(
        "system-spelling",
        SET,
        "system: http://hl7.org/fhir/sid/icd-10-cm",
        "system: urn:oid:2.16.840.1.113883.6.90",
        "system:",
    ),
    Slip("code-spelling", SET, "F32.0: Mild", "F320: Mild", "F320"),
    Slip("code-spelling", SET, "F32.0: Mild", "f32.0: Mild", "f32.0"),
    Slip("code-spelling", SCORE_SET, "44261-6: Total", '"442616": Total', "442616", near="44261-7: Total"),
    Slip("code-spelling", ITEM_SET, "LA6568-5: 0", "LA6568: 0", "LA6568:"),
    Slip("code-spelling", SNOMED_SET, '"370143000"', "F33.9", "F33.9", near='"370143009"'),
    Slip("code-spelling", TABLE, 'rxnorm: "6448"', "rxnorm: lithium", "rxnorm: lithium"),
    Slip("code-spelling", TABLE, "[N06AB06]", "[n06ab06]", "n06ab06", near="[N06AB05]"),
    Slip("code-spelling", PRODUCTS, "312941", "312-941", "312-941"),
    Slip(
        "code-twice",
        SET,
        "    with_children:\n      F33: R",
        "    with_children:\n      F32.0: Again\n      F33: R",
        "Again",
        near="    with_children:\n      F32.1: Again\n      F33: R",
        warning=True,
    ),
    Slip("word-twice", SET, "words: [depression, ", "words: [depression, depression, ", "words", warning=True),
    Slip(
        "children-of-flat-codes",
        SCORE_SET,
        "    exact:\n      44261-6: Total score\n",
        "    exact:\n      44261-6: Total score\n    with_children:\n      44262-4: Items\n",
        "with_children",
    ),
    Slip(
        "name-never-matches",
        SET,
        "words: [depression, ",
        "words: [a name of nine words that nobody writes alike, ",
        "words:",
        near="words: [a long name too, ",
    ),
    Slip("name-never-matches", TABLE, "brands: [Zoloft]", 'brands: ["100 mg 5 of it so"]', "brands"),
    Slip(
        "nothing-to-ask-for",
        SCORE_SET,
        "    exact:\n      44261-6: Total score\n",
        "names: {source: x, verified: false, words: [total]}\n",
        "coded: score-codes",
        seen_in=RULE,
    ),
    Slip(
        "items-without-answers", ITEM_SET, GOOD[ITEM_SET][GOOD[ITEM_SET].index("answers:") :], "", "items: {coded",
        seen_in=RULE,
    ),
    Slip(
        "items-without-answers", ITEM_SET, "      44255-8: Second item\n",
        "  - {system: http://hl7.org/fhir/sid/icd-10-cm, source: x, verified: false, with_children: {F33: y}}\n",
        "items: {coded", seen_in=RULE,
    ),
    Slip("unit-mismatch", RULE, "fewest: fewest_items", "fewest: low_score", "items: {coded"),
    Slip("unknown-valueset", RULE, "coded: item-codes", "coded: item-code", "items: {coded", says="mean `item-codes`?"),
    Slip(
        "unknown-status",
        RULE,
        "status: [active, relapse]",
        "status: [active, relaps]",
        "relaps]",
        says="mean `relapse`?",
    ),
    # drug tables
    Slip(
        "unknown-drug",
        RULE,
        "  failed_trials:\n",
        "  history: {find: drug_history, drugs: drugs, named: [sertralin], unit: drugs}\n  failed_trials:\n",
        "named: [sertralin]",
        says="mean `sertraline`?",
    ),
    Slip("unknown-table", RULE, "drugs: drugs", "drugs: drug", "drugs: drug", says="mean `drugs`?"),
    Slip(
        "table-without-minimum",
        TABLE,
        "    minimum_mg_a_day: {value: 50, basis: Invented, verified: false}\n",
        "",
        "sertraline:",
        warning=True,
    ),
    Slip(
        "same-drug-twice",
        TABLE,
        'rxnorm: "6448"',
        'rxnorm: "36437" # again',
        "# again",
        near='rxnorm: "6449"',
        says="for `sertraline`",
    ),
    Slip("same-drug-twice", TABLE, '    rxnorm: "6448"\n', "    names: {spellings: [ZOLOFT]}\n", "ZOLOFT"),
    Slip(
        "product-without-drug",
        PRODUCTS,
        "Tablet,sertraline,25,",
        "Tablet,sertralin,25,",
        "sertralin,25",
        says="mean `sertraline`?",
    ),
    Slip("product-strength-not-a-number", PRODUCTS, ",25,", ",25 mg,", "25 mg", near=",,"),
    Slip("product-strength-not-a-number", PRODUCTS, ",25,", ",nan,", ",nan,", near=",25.0,"),
    Slip("product-strength-not-a-number", PRODUCTS, ",25,", ",0,", ",0,"),
    Slip(
        "product-trial-not-yes-or-no",
        PRODUCTS,
        ",25,tablet,tablet,,yes",
        ",25,tablet,tablet,,Yes",
        ",Yes,",
        near=",25,tablet,tablet,,no",
    ),
    Slip(
        "strict-below-minimum",
        TABLE,
        "    names: {brands",
        "    strict_minimum_mg_a_day: {value: 49, basis: Invented, verified: false}\n    names: {brands",
        "value: 49",
        near="    strict_minimum_mg_a_day: {value: 50, basis: Invented, verified: false}\n    names: {brands",
    ),
    Slip("brand-not-in-products", TABLE, "brands: [Zoloft]", "brands: [Lustral]", "Lustral", warning=True),
    Slip("product-note", PRODUCTS, ",25,tablet,tablet,,yes", ",25,tablet,tablet,,no", ",no,", warning=True),
    Slip("product-strength-differs", PRODUCTS, ",25,", ",2.5,", ",2.5,", near=",25.0,", warning=True),
    Slip("duplicate-product", PRODUCTS, "312941", "312940", "50 MG", says="line 2"),
    # files
    Slip(
        "unknown-evidence",
        RULE,
        "age: {value: 18, unit: years, " + BOOK,
        "age: {value: 18, unit: years, evidence: [bok]",
        "[bok]",
        says="mean `book`?",
    ),
    Slip(
        "unused-evidence",
        RULE,
        "parameters:\n",
        "  leaflet: {cite: x, says: x, verified: false}\nparameters:\n",
        "leaflet",
        warning=True,
    ),
    Slip(
        "conclusion-without-evidence",
        RULE,
        "      score: {at_least: high_score}\n    evidence: [book]\n",
        "      score: {at_least: high_score}\n",
        "  symptomatic:",
        warning=True,
    ),
    Slip(
        "parameter-without-evidence",
        RULE,
        "{value: 18, unit: years, evidence: [book]}",
        "{value: 18, unit: years}",
        "adult_age: {value",
        near="{value: 18, unit: years, note: Decided by us.}",
        warning=True,
    ),
    Slip(
        "critical-needs-evidence",
        RULE,
        "indicator: info",
        "indicator: critical",
        "indicator:",
        near="indicator: critical\n    evidence: [book]",
    ),
    Slip(
        "review-overdue",
        RULE,
        "next: 2026-01-01",
        "next: 2025-05-31",
        "reviewed:",
        near="next: 2025-06-01",
        says="1 day ago",
        warning=True,
    ),
    Slip(
        "review-overdue", RULE, "next: 2026-01-01", "next: 2025-01-02", "reviewed:", says="150 days ago", warning=True
    ),
    Slip("review-overdue", RULE, "next: 2026-01-01", "next: 2025-01-01", "reviewed:", says="not after the last"),
    Slip(
        "source-attribute-missing",
        RULE,
        "  developer: Tests\n",
        "",
        "about:",
        says="`developer`: “Developer of the intervention",
    ),
    Slip(
        "source-attribute-missing",
        RULE,
        "does_not_use:\n    [race, ",
        "does_not_use:\n    [",
        "about:",
        says="whether it uses race.",
    ),
    Slip(
        "source-attribute-differs",
        RULE,
        "uses: {date_of_birth: Adults only.}",
        "uses: {date_of_birth: Adults only., race: Invented.}",
        "uses:",
        says="both name race",
    ),
    Slip(
        "source-attribute-differs",
        RULE,
        "uses: {date_of_birth: Adults only.}\n  does_not_use:\n    [race, ",
        "uses: {date_of_birth: Adults only., race: Invented.}\n  does_not_use:\n    [",
        "uses:",
        says="nothing this file rests on reads it",
    ),
    Slip(
        "source-attribute-differs",
        RULE,
        "uses: {date_of_birth: Adults only.}\n  does_not_use:\n    [race, ",
        "does_not_use:\n    [date_of_birth, race, ",
        "[date_of_birth",
        says="it is read: `age`",
    ),
    Slip(
        "source-attribute-differs",
        RULE,
        "  released: 2025-01-01\n",
        "  released: 2025-01-01\n  revised: 2024-12-31\n",
        "revised: 2024",
        near="  released: 2025-01-01\n  revised: 2025-01-01\n",
        says="before it was released",
    ),
    Slip(
        "retired-without-reason",
        RULE,
        "status: active",
        "status: retired",
        "status: retired",
        near="status: retired\n  retired: {date: 2025-05-01, because: A test.}",
    ),
    Slip(
        "retired-without-reason",
        RULE,
        "status: active",
        "status: active\n  retired: {date: 2025-05-01, because: A test.}",
        "retired:",
    ),
    Slip(
        "look-back-means-nothing", RULE, "unit: years\n", "unit: years\n    look_back: 5 years\n", "look_back: 5 years"
    ),
    # cards
    Slip("summary-too-long", RULE, SUMMARY, "x" * 140, "summary:", near="x" * 139, says="140 characters"),
    Slip(
        "summary-too-long",
        RULE,
        SUMMARY,
        f'"{"x" * 138} {{{{ trials_required }}}}"',
        "summary:",
        near=f'"{"x" * 137} {{{{ trials_required }}}}"',
    ),
    Slip("summary-has-line-break", RULE, SUMMARY, '"one\\ntwo"', "summary:", near='"one two"'),
    Slip("hole-in-summary", RULE, SUMMARY, '"{{ depression }}"', "summary:", near='"{{ failed_trials }}"'),
    Slip("hole-in-summary", RULE, SUMMARY, '"{{ why(resistant) }}"', "summary:"),
    Slip("hole-syntax", RULE, WHY, "{{ why(resistant) ", "detail:", says="`{{`"),
    Slip("hole-syntax", RULE, WHY, "{% if resistant %}", "detail:", says="`{%`"),
    Slip("hole-syntax", RULE, WHY, "{{ if resistant }}", "detail:", says="nothing is computed"),
    Slip("hole-syntax", RULE, WHY, "{{ score + 1 }}", "detail:", near="{{score}}"),
    Slip(
        "hole-syntax",
        RULE,
        "label: Refer\n",
        'label: "{{ score }}"\n',
        '- label: "{{ score',
        says="not be filled in here",
    ),
    Slip(
        "hole-syntax",
        RULE,
        "code: {text: Evaluation}",
        'code: {text: "For {{ references(depression) }}"}',
        "code: {text: ",
        near='code: {text: "For {{ depression }}"}',
        says="is a list",
    ),
    Slip("hole-unknown", RULE, WHY, "{{ why(resistent) }}", "detail:", says="mean `resistant`?"),
    Slip("hole-unknown", RULE, WHY, "{{ mising(resistant) }}", "detail:", says="mean `missing`?"),
    Slip("hole-unknown", RULE, WHY, "{{ why(depression) }}", "detail:", says="a conclusion"),
    Slip(
        "hole-unknown", RULE, "{{ trials(trials) }}", "{{ trials(failed_trials) }}", "detail:", says="medication_trials"
    ),
    Slip(
        "hole-unknown", RULE, WHY, "{{ resistant }}", "detail:", near="{{ depression }}", says="`{{ why(resistant) }}`"
    ),
    Slip("hole-unknown", RULE, WHY, "{{ patient.reference }}", "detail:"),
    Slip("plural-forms", RULE, SUMMARY, COUNT % "other: # trials", "summary:", near=COUNT % FORMS, says="lacks"),
    Slip("plural-forms", RULE, SUMMARY, COUNT % f"{FORMS} | few: #", "summary:", says="`few`"),
    Slip("plural-forms", RULE, SUMMARY, COUNT % f"{FORMS} | one: #", "summary:", says="twice"),
    Slip(
        "plural-forms",
        RULE,
        SUMMARY,
        COUNT % "one: # | other: trials",
        "summary:",
        near=COUNT % "one: one trial | other: # trials",
        says="does not show the number",
    ),
    Slip("hole-syntax", RULE, SUMMARY, COUNT % "one # trial", "summary:", near=COUNT % FORMS),
    Slip("hole-syntax", RULE, WHY, "{{ why(resistant) | one: # | other: # }}", "detail:"),
    Slip(
        "hole-unknown",
        RULE,
        WHY,
        "{{ depression | one: # | other: # }}",
        "detail:",
        near="{{ score | one: # | other: # }}",
        says="a number",
    ),
    Slip("hole-unknown", RULE, "{{ because(score) }}", "{{ because(scor) }}", "say:", near="{{ when(score) }}"),
    Slip("notes-without-hole", RULE, "      {{ notes }}\n", "", "notes:"),
    Slip("notes-without-hole", RULE, 'say: "No score: {{ because(score) }}."', 'say: "{{ notes }}"', "say:"),
    Slip(
        "resource-template-invalid",
        RULE,
        "code: {text: Evaluation}",
        "code: {txt: Evaluation}",
        "txt",
        says="`ServiceRequest.code.txt`",
    ),
    Slip(
        "resource-template-invalid",
        RULE,
        "code: {text: Evaluation}",
        "code: {text: Evaluation}\n              authoredOn: 2025-01-01",
        "authoredOn",
        near='code: {text: Evaluation}\n              authoredOn: "2025-01-01"',
        says='Write "2025-01-01"',
    ),
    Slip("resource-template-invalid", RULE, PATIENT, "code: {text: Evaluation}", "resource:", says="subject"),
    Slip(
        "resource-template-invalid",
        RULE,
        "code: {text: Evaluation}",
        'code: {text: Evaluation}\n              priority: "{{ score }}"',
        "priority",
        near='code: {text: "Evaluation, score {{ score }}"}',
        says="`ServiceRequest.priority` where any text fills a placeholder",
    ),
    Slip(
        "resource-template-invalid",
        RULE,
        "code: {text: Evaluation}",
        'code: {text: Evaluation}\n              note: [{authorString: Thirdline, text: "{{ score }}"}]',
        "text: \"{{ score }}\"",
        near='code: {text: Evaluation}\n              note: [{text: "{{ score }}"}]',
        says="where nothing fills a placeholder",
    ),
    Slip(
        "resource-template-invalid",
        RULE,
        "code: {text: Evaluation}",
        'code: {txt: "{{ score }}"}',
        "txt",
        near='code: {text: Evaluation}\n              note: [{authorString: Thirdline, text: "{{ trials_required }}"}]',
        says="`ServiceRequest.code.txt`",
    ),
    Slip(
        "resource-template-invalid",
        RULE,
        PATIENT,
        "subject: {reference: Patient/1}\n              code: {text: Evaluation}",
        "subject: {reference: P",
        says="the patient of the request",
    ),
    Slip(
        "resource-template-invalid",
        RULE,
        "intent: proposal\n              " + PATIENT,
        "intent: order\n              " + PATIENT,
        "intent: order",
        says="Write `intent: proposal`",
    ),
    Slip(
        "resource-template-invalid",
        RULE,
        "resourceType: ServiceRequest\n              status: draft\n              intent: proposal\n              "
        + PATIENT,
        "resourceType: ServiceReqest\n              status: draft\n              intent: proposal\n              "
        + PATIENT,
        "ServiceReqest",
    ),
    Slip(
        "orders-a-drug",
        RULE,
        "code: {text: Evaluation}",
        "code: {text: Evaluation}\n              contained: [{resourceType: MedicationRequest}]",
        "contained",
        says="order, give or dispense",
    ),
    Slip(
        "selection-behavior",
        RULE,
        "      - label: Measure again\n",
        "      - recommended: true\n        label: Measure again\n",
        "- recommended: true",
        near="      - recommended: false\n        label: Measure again\n",
    ),
    Slip(
        "unknown-override-reason",
        RULE,
        "[patient-refuses]",
        "[patient-refused]",
        "patient-refused",
        says="mean `patient-refuses`?",
    ),
    Slip(
        "unknown-service",
        RULE,
        "service: small-service",
        "service: smal-service",
        "service: smal",
        says="mean `small-service`?",
    ),
    Slip(
        "service-without-cards",
        RULE,
        "cards:\n",
        "  idle: {hook: patient-view, title: Idle, description: Idle., most_cards: 1}\ncards:\n",
        "idle",
        warning=True,
    ),
    Slip(
        "requires-unknown-key",
        RULE,
        "requires: [patient, conditions]",
        "requires: [patient, condition]",
        "requires",
        says="mean `conditions`?",
        near="requires: [patient, score, medicationRequests]",
    ),
    Slip(
        "reserved-prefetch-key",
        RULE,
        "look_back: 60 days\n",
        "look_back: 60 days\n    prefetch: conditions\n",
        "prefetch: cond",
        near="look_back: 60 days\n    prefetch: scores\n",
    ),
    Slip(
        "bands-out-of-order", RULE, FAILED,
        f"  stage:\n{STAGES}[{{from: score, bands: [{{from: 5, points: 1}}, {{from: 5, points: 2}}]}}]\n{FAILED}",
        "bands:",
        near=f"  stage:\n{STAGES}[{{from: score, bands: [{{from: 5, points: 2}}, {{from: 9, points: 1}}]}}]\n{FAILED}",
    ),
    Slip(
        "bands-out-of-order", RULE, FAILED,
        f"  stage:\n{STAGES}[{{each: score, points: 1}}]\n"
        f"    categories: [{{from: 2, name: a}}, {{from: 1, name: b}}]\n{FAILED}",
        "categories:",
    ),
    # definitions
    Slip("definition-choice", RULE, "one_of: [ours, theirs]", "one_of: [ours, yours]", "standard:", says="theirs"),
    Slip(
        "definition-value", RULE, "adequate_duration: 8,", "adequate_duration: long,", "duration: long", says="weeks",
        near="adequate_duration: 9,",
    ),
    Slip(
        "definition-value", RULE, "adequate_duration: 8,", "response_evidence: also_infered,", "also_infered",
        says="mean `also_inferred`?", near="response_evidence: coded_or_measured,",
    ),
    Slip("definition-value", RULE, "adequate_duration: 8,", "adequate_duration: 6,", "duration: 6,", warning=True),
    Slip(
        "definition-without-effect", RULE, "adequate_duration: 8,", "standard: theirs,", "standard: theirs,",
        says="does not rest", warning=True,
    ),
    Slip(
        "setting-value", RULE, FAILED, f"  chosen:\n{CHOSEN}[their]\n{FAILED}", "is_one_of: [their]",
        says="mean `theirs`?", near=f"  chosen:\n{CHOSEN}[theirs]\n{FAILED}",
    ),
]  # fmt: skip


def test_the_small_rules_have_no_problem_at_all(tmp_path: Path) -> None:
    assert check_rules(tmp_path, GOOD) == []


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip.check}: {slip.new.strip()[:40]}")
def test_a_slip_is_found_once_at_its_line_and_nothing_else_is_an_error(tmp_path: Path, slip: Slip) -> None:
    files = {**GOOD, slip.file: changed(GOOD[slip.file], slip.old, slip.new)}
    seen_in = slip.seen_in or slip.file

    problems = check_rules(tmp_path, files)

    errors = [problem for problem in problems if not problem.warning]
    found = [problem for problem in problems if problem.check == slip.check]
    assert [(p.file, p.line, p.warning) for p in found] == [
        (str(tmp_path / seen_in), line_of(files[seen_in], slip.at), slip.warning)
    ]
    assert slip.says in str(found[0])
    assert errors == ([] if slip.warning else found)


@pytest.mark.parametrize(
    "slip",
    [slip for slip in SLIPS if slip.near is not None],
    ids=lambda slip: f"{slip.check}: {slip.near.strip()[:40]}",
)
def test_its_near_miss_is_left_alone(tmp_path: Path, slip: Slip) -> None:
    files = {**GOOD, slip.file: changed(GOOD[slip.file], slip.old, slip.near or "")}

    assert slip.check not in {problem.check for problem in check_rules(tmp_path, files)}


@pytest.mark.parametrize(
    "after", ["    that_are: [adequate, no_response]\n", "    drugs: drugs\n", "    otherwise: 5 years\n"]
)
def test_a_window_without_effect_is_told_on_every_such_kind(tmp_path: Path, after: str) -> None:
    files = {**GOOD, RULE: changed(GOOD[RULE], after, after + "    look_back: 1 year\n")}

    assert [problem.check for problem in check_rules(tmp_path, files)] == ["look-back-means-nothing"]


@pytest.mark.parametrize("order", ["MedicationRequest", "MedicationAdministration", "MedicationDispense"])
def test_a_suggestion_that_orders_a_drug_is_refused_once(tmp_path: Path, order: str) -> None:
    first = (
        "resourceType: ServiceRequest\n              status: draft\n              intent: proposal\n              "
        + PATIENT
    )
    files = {**GOOD, RULE: changed(GOOD[RULE], first, first.replace("ServiceRequest", order))}

    assert [problem.check for problem in check_rules(tmp_path, files)] == ["orders-a-drug"]


def test_five_mistakes_give_five_messages(tmp_path: Path) -> None:
    text = GOOD[RULE]
    for old, new in (
        ("- failed_trials: {at", "- failed_trails: {at"),
        ("coded: score-codes", "coded: score-code"),
        ("{at_least: adult_age}", "{at_least: 18}"),
        (WHY, "{{ why(resistent) }}"),
        ("[patient-refuses]", "[patient-refused]"),
    ):
        text = changed(text, old, new)

    problems = check_rules(tmp_path, {**GOOD, RULE: text})

    assert [problem.check for problem in problems if not problem.warning] == [
        "unknown-valueset",
        "bare-number",
        "unknown-name",
        "hole-unknown",
        "unknown-override-reason",
    ]


def test_a_message_says_where_what_why_and_what_to_do(tmp_path: Path) -> None:
    files = {**GOOD, RULE: changed(GOOD[RULE], "- failed_trials: {at", "- failed_trails: {at")}

    (problem,) = (p for p in check_rules(tmp_path, files) if p.check == "unknown-name")

    assert str(problem).removeprefix(str(tmp_path)) == (
        f"/depression/depression.yaml:{line_of(files[RULE], 'failed_trails')}:9  unknown-name\n"
        "  `failed_trails` is not a fact, conclusion or parameter.\n"
        "  Names are shared by all rule files; see docs/rule-authors/names.md.\n"
        "  Did you mean `failed_trials`?"
    )


# ---------------------------------------------------------------- several files


def other_file(more: str, old: str = "", new: str = "") -> dict[str, str | bytes]:
    """The good rules and one more file."""
    return {**GOOD, OTHER: (changed(ANOTHER_FILE, old, new) if old else ANOTHER_FILE) + more}


CARD = """\
cards:
  another:
    service: small-service
    show_when: symptomatic
    indicator: info
    summary: Another
    detail: Another.
    source: {label: Tests}
    topic: {system: "https://example.org/topics", code: small, display: Small}
"""
THIRD = CARD.partition("cards:\n")[2].replace("another:", "third:")
BOTH = """\
evidence:
  ours: {cite: Ours, says: Nothing., verified: false}
conclusions:
  both: {label: Both, all: [resistant, symptomatic], evidence: [ours]}
"""


def test_a_name_of_another_file_is_known(tmp_path: Path) -> None:
    assert not has_errors(check_rules(tmp_path, other_file(BOTH)))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("parameters:\n  high_score: {value: 5, unit: days, note: x}\n", "already a parameter"),
        ("conclusions:\n  score: {label: Score, when: resistant}\n", "already a fact"),
        ("conclusions:\n  new_one: {label: New, when: resistant, formerly: [symptomatic]}\n", "called formerly"),
        (
            "services:\n  small-service: {hook: patient-view, title: x, description: x, most_cards: 1}\n",
            "already a service",
        ),
        (f"{CARD}    formerly: [suggest]\n", "`suggest` is a card in"),
        (f"{CARD}    formerly: [old]\n{THIRD}    formerly: [old]\n", "`another` was called formerly, too"),
    ],
)
def test_a_name_given_twice_is_told_with_the_other_place(tmp_path: Path, more: str, says: str) -> None:
    problems = check_rules(tmp_path, other_file(more))

    (twice,) = (problem for problem in problems if problem.check == "duplicate-name")
    assert says in twice.what


def test_an_old_name_leads_to_the_new_one(tmp_path: Path) -> None:
    files = {**GOOD, RULE: changed(GOOD[RULE], "    label: Symptomatic\n", "    label: Ill\n    formerly: [unwell]\n")}
    files[RULE] = changed(files[RULE], "all: [resistant, symptomatic]", "all: [resistant, unwell]")

    (problem,) = (problem for problem in check_rules(tmp_path, files) if not problem.warning)
    assert problem.fix == "It is called `symptomatic` now."


def test_what_is_in_use_may_not_rest_on_a_draft(tmp_path: Path) -> None:
    files = {**GOOD, RULE: changed(GOOD[RULE], "status: active", "status: draft"), OTHER: ANOTHER_FILE + BOTH}

    problems = check_rules(tmp_path, files)

    assert [(p.check, p.line) for p in problems if not p.warning] == [
        ("file-uses-draft", line_of(ANOTHER_FILE + BOTH, "both:"))
    ] * 2
    assert {p.what.split()[0] for p in problems if not p.warning} == {"`resistant`", "`symptomatic`"}


@pytest.mark.parametrize("status", ["draft", "silent", "active"])
def test_a_file_may_rest_on_what_is_in_use(tmp_path: Path, status: str) -> None:
    problems = check_rules(tmp_path, other_file(BOTH, "status: active", f"status: {status}"))

    assert not has_errors(problems)


def test_a_card_of_a_service_in_a_draft_rests_on_a_draft(tmp_path: Path) -> None:
    start, end = GOOD[RULE].index("services:\n"), GOOD[RULE].index("cards:\n")
    files = {
        **GOOD,
        RULE: GOOD[RULE][:start] + GOOD[RULE][end:],
        OTHER: changed(ANOTHER_FILE, "status: active", "status: draft") + GOOD[RULE][start:end],
    }

    problems = check_rules(tmp_path, files)

    assert [(p.check, p.line) for p in problems] == [("file-uses-draft", line_of(files[RULE], "service: small"))]


def test_a_long_cycle_is_told_once_with_its_way(tmp_path: Path) -> None:
    more = (
        "conclusions:\n  a1: {label: A, when: b1}\n  b1: {label: B, all: [resistant, c1]}\n  c1: {label: C, not: a1}\n"
    )

    (cycle,) = (p for p in check_rules(tmp_path, other_file(more)) if p.check == "cycle")
    assert "`a1` needs `b1` needs `c1` needs `a1`" in cycle.what


def test_a_conclusion_that_needs_itself_is_a_cycle(tmp_path: Path) -> None:
    more = "conclusions:\n  a1: {label: A, any: [a1, resistant]}\n"

    (cycle,) = (p for p in check_rules(tmp_path, other_file(more)) if p.check == "cycle")
    assert cycle.line == line_of(ANOTHER_FILE + more, "a1:")


# ---------------------------------------------------------------- files that could not be read


def test_a_value_set_given_twice_is_told_with_the_first(tmp_path: Path) -> None:
    again = "valuesets/again/score-codes.yaml"

    problems = check_rules(tmp_path, {**GOOD, again: GOOD[SCORE_SET]})

    assert [(p.file, p.check) for p in problems] == [(str(tmp_path / SCORE_SET), "duplicate-name")]
    assert "adds_to: score-codes" in problems[0].fix


def test_names_of_a_file_that_could_not_be_read_are_not_told_to_be_unknown(tmp_path: Path) -> None:
    broken = changed(GOOD[RULE], "    find: age\n", "    fnd: age\n")
    files = {**GOOD, RULE: broken, OTHER: ANOTHER_FILE + BOTH}

    problems = check_rules(tmp_path, files)

    assert [p.check for p in problems if not p.warning] == ["unknown-kind"]


def test_a_name_no_broken_file_can_define_is_still_told(tmp_path: Path) -> None:
    broken = changed(GOOD[RULE], "about:\n", "about: [\n")
    files = {**GOOD, RULE: broken, OTHER: ANOTHER_FILE + changed(BOTH, "resistant,", "rezistant,")}

    problems = check_rules(tmp_path, files)

    assert [p.check for p in problems if not p.warning] == ["yaml-syntax", "unknown-name"]


def test_nothing_is_unused_that_a_broken_file_may_read(tmp_path: Path) -> None:
    files = {**GOOD, RULE: changed(GOOD[RULE], "about:\n", "about: [\n")}

    assert [p.check for p in check_rules(tmp_path, files)] == ["yaml-syntax"]


def test_a_broken_value_set_is_not_told_to_be_unknown(tmp_path: Path) -> None:
    files = {**GOOD, SCORE_SET: changed(GOOD[SCORE_SET], "  title: Score\n", "  titel: Score\n")}

    assert [p.check for p in check_rules(tmp_path, files)] == ["unknown-key"]


def test_an_empty_folder_is_one_problem(tmp_path: Path) -> None:
    assert [p.check for p in check(read_rulebook(tmp_path), today=TODAY)] == ["no-rules"]


# ---------------------------------------------------------------- what checks promise


def test_warnings_are_no_errors(tmp_path: Path) -> None:
    problems = check_rules(tmp_path, GOOD, today=date(2026, 1, 31))

    assert [p.warning for p in problems] == [True]
    assert not has_errors(problems)
    assert has_errors(check_rules(tmp_path, {**GOOD, SCORE_SET: changed(GOOD[SCORE_SET], "  title: Score\n", "")}))


def test_evidence_nobody_read_yet_is_no_problem(tmp_path: Path) -> None:
    assert "verified: false" in GOOD[RULE]
    assert check_rules(tmp_path, GOOD) == []


def keys_with(word: str, text: str) -> set[str]:
    """Keys of the format whose `word`, or that of what they hold, begins so."""
    found: set[str] = set()

    def look(value: Any, key: str) -> None:
        if isinstance(value, dict):
            if str(value.get(word, "")).startswith(text):
                found.add(key)
            for name, part in value.items():
                look(part, key if name in ("items", "anyOf") else name)
        elif isinstance(value, list):
            for part in value:
                look(part, key)

    look(json.loads(schema_text("rules.schema.json", RuleFile)), "")
    return found


@pytest.mark.seconds
def test_no_key_of_the_format_escapes_the_checks_of_names() -> None:
    """When a key is new: read it in cds.rulebook.references or cds.rulebook.lint.view, then add it here."""
    assert keys_with("pattern", "^([0-9]+ (day|") == {
        "look_back", "apart", "otherwise", "joins_gaps_up_to", "lasts_at_least", "augmentation_lasts_at_least",
        "before", "after", "ended_by_successor_within",
        "ended_before", "or_lasts_at_least", "baseline_within", "checked_within",
        "new_episode_after", "lasting_at_least", "within", "earliest", "latest", "ended_within", "longer_than",
        "diagnosed_within", "visit_diagnosis_within", "active_without_sign_for", "induction_lasts",
    }  # fmt: skip
    assert keys_with("description", "A number in the fact's unit") == {
        "at_least", "above", "at_most", "below", "between", "plausible", "still_symptomatic_at", "remission_below",
        "falls_less_than", "falls_at_least", "falls_at_most", "implausible_above", "sessions_at_least", "from",
        "drugs", "issues_before", "issues_after", "issues_in_all", "reaches", "lowest",
    }  # fmt: skip
    assert keys_with("description", "One or more value sets") == {
        "coded", "possibly_coded", "answered", "answered_no", "answered_yes", "asks_for", "of",
        "remission_coded", "stopped_for", "unless_stopped_for", "not_for", "unless_only", "only", "unless_for",
        "treatments", "diagnosed", "diagnosed_except", "never_before", "never_before_except", "coded_except",
    }  # fmt: skip


def test_every_check_has_its_page_and_its_test() -> None:
    pages = {page.stem for page in (DOCS / "checks").iterdir()}

    elsewhere = {
        "file-uses-draft", "engine-limits", "drug-without-row", "conclusion-without-test", "card-without-test",
        "card-over-budget", "card-left-out", "cards-of-one-subject", "case-not-in-snapshot", "unknown-definition",
        "site-wording", "wording-behind", "ndc-without-product", "map-without-codes",
    }  # fmt: skip
    assert pages == {slip.check for slip in SLIPS} | elsewhere | FORM_CHECKS


def test_the_list_of_checks_leads_to_every_page_once() -> None:
    listed = re.findall(r"^\| \[([a-z-]+)\]\(checks/([a-z-]+)\.md\) \|", (DOCS / "checks.md").read_text(), re.MULTILINE)

    assert all(name == target for name, target in listed)
    assert sorted(name for name, _ in listed) == sorted(page.stem for page in (DOCS / "checks").iterdir())


@pytest.mark.parametrize("page", sorted((DOCS / "checks").iterdir()), ids=lambda page: page.stem)
def test_a_page_of_a_check_says_what_to_avoid_what_to_prefer_and_why(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^\*\*(\w+):\*\* \S", text, re.MULTILINE) == ["Avoid", "Prefer", "Why"]
    assert text.endswith("\n[All checks](../checks.md)\n")


def test_a_drug_of_a_class_of_a_table_has_a_row(tmp_path: Path) -> None:
    classes = '  classes: [{system: "http://www.whocc.no/atc", code: N06A}]\n'
    table = changed(GOOD[TABLE], "  products: drug-products.csv\n", f"  products: drug-products.csv\n{classes}")
    group = '  - {system: "http://www.whocc.no/atc", source: Invented, verified: false, exact: {%s: A drug}}\n'

    def found(code: str) -> list[str]:
        files = {**GOOD, TABLE: table, SET: changed(GOOD[SET], "codes:\n", f"codes:\n{group % code}")}
        return [p.what for p in check_rules(tmp_path, files) if p.check == "drug-without-row"]

    assert found("N06AB99") == ["N06AB99 (A drug) is of a class of `drugs`, and has no row."]
    assert found("N06AB06") == found("N05BA01") == found("N06AB") == []
