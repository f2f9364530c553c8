"""
Writes the tables of docs/clinicians/settle.md: how many answers a chart that is unknown needs until it is decided.

    python scripts/answers_needed.py [FOLDER]

FOLDER holds the public charts (FHIR Bundles, some of them gzipped), a folder for each source. Where it is not there,
their table stays as it is.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "clinicians" / "settle.md"
CHARTS = ROOT.parent / "shared" / "data"
CHARTS_ARE = "Of public charts (quality measures, Synthea, MIMIC-IV demo, examples of HL7), those that are unknown."
BEGIN, END = "<!-- {}:begin -->\n", "<!-- {}:end -->\n"

from cds.decide import Ruleset, decide  # noqa: E402
from cds.errors import RequestError  # noqa: E402
from cds.read_request import read_record  # noqa: E402
from cds.record.bundle import read_bundle  # noqa: E402
from cds.review.questions import AnswersNeeded, answers_needed, undecided  # noqa: E402
from cds.ruleset import load_rules  # noqa: E402
from cds.settings import Settings  # noqa: E402


@dataclass
class ChartSource:
    """The charts of one source: how many can be read as a patient's, and what each unknown one needs."""

    name: str
    charts: int
    needed: list[AnswersNeeded]


def needed(files: Iterable[Path], rules: Ruleset, today: date) -> Iterator[tuple[Path, AnswersNeeded]]:
    """Each example whose answer is unknown, with how many answers settle it."""
    for path in files:
        record, service = read_record(path.read_bytes(), rules, Settings())
        decision = decide(rules, record, today, service)
        if undecided(rules, decision):
            yield path, answers_needed(rules, decision, service)


def sources(folder: Path, rules: Ruleset, today: date) -> Iterator[ChartSource]:
    """What each source of public charts needs; what is no Bundle of one patient is none."""
    for source in sorted(path for path in folder.iterdir() if path.is_dir()):
        found = ChartSource(source.name, 0, [])
        for path in sorted((*source.rglob("*.json"), *source.rglob("*.json.gz"))):
            body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            try:
                record = read_bundle(body, most_entries=200_000, max_depth=64)
            except RequestError:
                continue
            found.charts += 1
            decision = decide(rules, record, today, None)
            if undecided(rules, decision):
                found.needed.append(answers_needed(rules, decision))
        if found.charts:
            yield found


def examples_table(found: Sequence[tuple[str, AnswersNeeded]]) -> str:
    """A row for each example, and the medians."""
    rows = "".join(f"| {name} | {_count(one.least)} | {_count(one.most)} |\n" for name, one in found)
    head = "| example | answers, at the least | at the most |\n| --- | --- | --- |\n"
    return f"{head}{rows}\n{_medians([one for _, one in found])}\n"


def charts_table(found: Sequence[ChartSource], today: date) -> str:
    """A row for each source, and the medians."""
    head = "| source | charts | unknown | 1 answer | 2 or 3 | 4 or more | not settled |\n"
    rows = "".join(_row(one.name, one.charts, one.needed) for one in found)
    everything = [one for source in found for one in source.needed]
    total = _row("all", sum(one.charts for one in found), everything)
    line = "| --- | --- | --- | --- | --- | --- | --- |\n"
    return f"{CHARTS_ARE} As of {today}, by answers at the most:\n\n{head}{line}{rows}{total}\n{_medians(everything)}\n"


def _row(name: str, charts: int, needed: Sequence[AnswersNeeded]) -> str:
    most = [one.most for one in needed]
    counts = (
        sum(one == 1 for one in most),
        sum(one in (2, 3) for one in most),
        sum(one is not None and one >= 4 for one in most),
        sum(one is None for one in most),
    )
    return f"| {name} | {charts} | {len(needed)} | {' | '.join(map(str, counts))} |\n"


def _count(answers: int | None) -> str:
    return "not settled" if answers is None else str(answers)


def _medians(found: Sequence[AnswersNeeded]) -> str:
    """What is not settled counts as more than any other."""
    least, most = (median(99 if one is None else one for one in ends) for ends in zip(*_ends(found), strict=True))
    return f"Median: {least:g} at the least, {most:g} at the most."


def _ends(found: Sequence[AnswersNeeded]) -> Iterator[tuple[int | None, int | None]]:
    for one in found:
        yield one.least, one.most


def with_table(text: str, name: str, table: str) -> str:
    """The page with a table in its place."""
    begin, end = BEGIN.format(name), END.format(name)
    before, rest = text.split(begin)
    return before + begin + table + end + rest.split(end)[1]


def with_examples(text: str, rules: Ruleset, today: date) -> str:
    """The page with the table of the examples."""
    files = sorted((ROOT / "fhir_examples").glob("*/request.json"))
    found = [(path.parent.name, one) for path, one in needed(files, rules, today)]
    return with_table(text, "answers", examples_table(found))


def main() -> None:
    """Write the page."""
    today = date.fromisoformat((ROOT / "fhir_examples" / "today.txt").read_text().strip())
    rules = load_rules(ROOT / "rules", None, today)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHARTS
    page = with_examples(PAGE.read_text(encoding="utf-8"), rules, today)
    if folder.is_dir():
        page = with_table(page, "charts", charts_table(list(sources(folder, rules, today)), today))
    else:
        print("The public charts are not here: their table stays as it is.")
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
