"""Writes tables of docs: in which code systems and languages each value set is read, and why not in others."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cds.terminology.systems import (  # noqa: E402 (the repository is no package)
    ATC,
    ICD9CM,
    ICD10CM,
    ICD11,
    ICPC2,
    RXNORM,
    SNOMED,
)
from cds.terminology.value_sets import ValueSet  # noqa: E402
from cds.yaml_source.fields import listed  # noqa: E402
from tests.shipped import shipped_book, shipped_program  # noqa: E402

DOCS = ROOT / "docs" / "clinicians"
BEGIN, END = "<!-- sets:begin -->\n", "<!-- sets:end -->"
LANGUAGES = ("en", "de", "es", "fr", "nl", "sv")
SYSTEMS = {
    "ICD-10-CM, GM, AM, CA": ICD10CM, "ICD-9-CM": ICD9CM, "ICD-11": ICD11, "ICPC-2": ICPC2, "SNOMED CT": SNOMED,
    "RxNorm": RXNORM, "ATC": ATC,
}  # fmt: skip


def sets() -> Iterator[ValueSet]:
    """The shipped value sets, in the order of their names."""
    codes = shipped_program().codes
    return (codes.sets[name] for name in sorted(codes.sets))


def code_table() -> str:
    """Value set → how many codes of each system it lists; those of observations and answers are told by LOINC."""
    lines = ["| value set | " + " | ".join(SYSTEMS) + " |", "| --- " * (len(SYSTEMS) + 1) + "|"]
    for one in sets():
        listed = Counter(system for system, _ in (*one.codes, *one.roots))
        listed.update(part.system for part in one.ranges)
        if any(listed[system] for system in SYSTEMS.values()):
            counts = (str(listed[system] or "–") for system in SYSTEMS.values())
            lines.append(f"| `{one.name}` | {' | '.join(counts)} |")
    return "\n".join([*lines, "", *reasons()]) + "\n"


def reasons() -> Iterator[str]:
    """Why a set with codes of ICD-10-CM has none of another system of diagnoses, as rules/reading/reading.yaml says."""
    reading = shipped_book().reading
    if reading is None:
        return
    names = {uri: name for name, uri in SYSTEMS.items()}
    yield "| system | sets | why it has no code there |"
    yield "| --- | --- | --- |"
    for one in reading.model.maps:
        for without in one.without:
            sets = ", ".join(f"`{name}`" for name in sorted(listed(without.sets)))
            yield f"| {names[one.system]} | {sets} | {without.because} |"
    yield ""
    for one in reading.model.maps:
        yield f"What was read of {names[one.system]}: {one.read[0].lower()}{one.read[1:]}."


def word_table() -> str:
    """Value set → how many words and whole names of each language it has."""
    lines = ["| value set | " + " | ".join(LANGUAGES) + " |", "| --- " * (len(LANGUAGES) + 1) + "|"]
    for one in sets():
        words = Counter[str]()
        for group in one.names:
            words[group.language] += len(group.words) + len(group.abbreviations)
        if words:
            counts = (str(words[language] or "–") for language in LANGUAGES)
            lines.append(f"| `{one.name}` | {' | '.join(counts)} |")
    return "\n".join(lines) + "\n"


PAGES = {DOCS / "codes.md": code_table, DOCS / "languages.md": word_table}


def written(page: Path) -> str:
    """A page with its table in place."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}{PAGES[page]()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(written(path), encoding="utf-8")
