"""
Write what rules mark unverified into docs/clinicians/unverified.md: drugs, evidence, value sets, codes.

What people wrote on that page, about judgements that no field of a rule file holds, stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cds.rulebook.format.drug_table import DrugRow, MinimumDose
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.rulebook.tables import names_groups

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "clinicians" / "unverified.md"
START, END = "<!-- made by scripts/renew_unverified.py: {} -->", "<!-- end of what the script made -->"
SHORT_BASIS = {"usual adult dose range": "usual range", "from memory": "from memory"}
CLASSES = {"antidepressant": "Antidepressants", "augmentation": "Augmentation (never a trial of its own)"}
NEVER = "Never counted"


def page(text: str, book: Rulebook) -> str:
    """The page with each block as the rules are now."""
    for name, lines in (("drugs", drugs(book)), ("evidence", evidence(book)), ("value sets", value_sets(book))):
        start = START.format(name)
        pattern = re.compile(rf"{re.escape(start)}\n.*?{re.escape(END)}", re.DOTALL)
        made = "\n".join([start, "", *lines, "", END])
        text, count = pattern.subn(made.replace("\\", "\\\\"), text)
        if count != 1:
            raise SystemExit(f"{PAGE.name} has no block for {name}")
    return text


def drugs(book: Rulebook) -> Iterator[str]:
    """A line for each drug of a table with something unverified or missing, by role."""
    by_role: dict[str, list[str]] = {}
    for table in book.tables.values():
        for name, row in table.model.drugs.items():
            if parts := list(_of_drug(row)):
                by_role.setdefault(CLASSES.get(row.role, NEVER), []).append(f"- [ ] {name}: {'; '.join(parts)}.")
    for number, (role, lines) in enumerate(by_role.items()):
        yield from [""] * bool(number)
        yield f"**{role}**"
        yield ""
        yield from lines


def _of_drug(row: DrugRow) -> Iterator[str]:
    counts = row.role == "antidepressant" and row.counts_as_trial != "never"
    if row.minimum_mg_a_day is not None and not row.minimum_mg_a_day.verified:
        yield f"minimum {row.minimum_mg_a_day.value:g} mg a day ({_basis(row.minimum_mg_a_day)})"
    elif row.minimum_mg_a_day is None and counts:
        yield "**no minimum**, so its dose is never judged"
    if row.strict_minimum_mg_a_day is not None and not row.strict_minimum_mg_a_day.verified:
        yield f"strict minimum {row.strict_minimum_mg_a_day.value:g} ({_basis(row.strict_minimum_mg_a_day)})"
    if row.rxnorm is None:
        yield "RxNorm code of the ingredient missing"
    if not row.atc:
        yield "ATC code missing"
    if names := [*row.names.brands_unverified, *row.names.spellings]:
        yield f"names {', '.join(names)}"


def _basis(dose: MinimumDose) -> str:
    return next((short for begin, short in SHORT_BASIS.items() if dose.basis.startswith(begin)), dose.basis)


def evidence(book: Rulebook) -> Iterator[str]:
    """A line for each entry of evidence that nobody of this project read."""
    for name, rule in sorted(book.rules.items()):
        for entry, spec in rule.model.evidence.items():
            if not spec.verified:
                cite = re.sub(r"\s*\([^()]*\)\Z", "", spec.cite.strip().rstrip("."))
                yield f"- [ ] `{entry}` ({name}): {cite}."


def value_sets(book: Rulebook) -> Iterator[str]:
    """A line for each value set with codes, words or answers that are marked unverified, and which."""
    found: dict[str, list[str]] = {}
    for loaded in book.sets:
        model = loaded.model
        parts = found.setdefault(model.valueset.id or model.valueset.adds_to or "", [])
        for group in model.codes:
            if not group.verified:
                codes = [*group.exact, *group.with_children, *(f"not {code}" for code in group.except_)]
                codes += [f"{one.from_} to {one.to}" for one in group.by_character]
                parts.append(f"{group.system} {', '.join(codes)}")
        if languages := sorted({group.language for group in names_groups(model) if not group.verified}):
            parts.append(f"words in {', '.join(languages)}")
        if whole := sorted({group.language for group in model.full_names if not group.verified}):
            parts.append(f"whole names in {', '.join(whole)}")
        answers = [code for group in model.answers if not group.verified for code in group.values]
        parts += [f"answers {', '.join(answers)}"] if answers else []
        if spoken := sorted({group.language for group in model.answers_in_words if not group.verified}):
            parts.append(f"answers in words in {', '.join(spoken)}")
    return (f"- [ ] `{name}`: {'; '.join(parts)}." for name, parts in sorted(found.items()) if parts)


def main() -> None:
    """Write the page."""
    text = page(PAGE.read_text(encoding="utf-8"), read_rulebook(ROOT / "rules"))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
