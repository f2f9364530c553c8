"""
Writes the table of docs/clinicians/settle.md: how many answers each example needs until it is decided.

    python scripts/answers_needed.py [FOLDER...]

With folders of FHIR Bundles or CDS Hooks requests it prints the same for these, and writes nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "clinicians" / "settle.md"
BEGIN, END = "<!-- answers:begin -->\n", "<!-- answers:end -->\n"

from cds.decide import Ruleset, decide  # noqa: E402
from cds.errors import RequestError  # noqa: E402
from cds.read_request import read_record  # noqa: E402
from cds.review.questions import answers_needed, undecided  # noqa: E402
from cds.ruleset import load_rules  # noqa: E402
from cds.settings import Settings  # noqa: E402


def needed(files: list[Path], rules: Ruleset, today: date) -> Iterator[tuple[Path, int | None]]:
    """Each file whose answer is unknown, with how many answers settle it; None: no answers do."""
    for path in files:
        try:
            record, service = read_record(path.read_bytes(), rules, Settings())
        except RequestError:
            continue
        decision = decide(rules, record, today, service)
        if undecided(rules, decision):
            yield path, answers_needed(rules, decision, service)


def table(found: list[tuple[str, int | None]]) -> str:
    """The rows, and the median; what no answer settles counts as more than any other."""
    counts = [99 if count is None else count for _, count in found]
    rows = "".join(f"| {name} | {'no answer settles it' if count is None else count} |\n" for name, count in found)
    return f"| example | answers until it is decided |\n| --- | --- |\n{rows}\nMedian: {median(counts):g}.\n"


def page(text: str, rules: Ruleset, today: date) -> str:
    """The page with the table of the examples."""
    files = sorted((ROOT / "fhir_examples").glob("*/request.json"))
    made = table([(path.parent.name, count) for path, count in needed(files, rules, today)])
    before, rest = text.split(BEGIN)
    return before + BEGIN + made + END + rest.split(END)[1]


def main() -> None:
    """Write the page, or print how it is with the files of other folders."""
    today = date.fromisoformat((ROOT / "fhir_examples" / "today.txt").read_text().strip())
    rules = load_rules(ROOT / "rules", None, today)
    if len(sys.argv) == 1:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), rules, today), encoding="utf-8")
        return
    files = [path for folder in sys.argv[1:] for path in sorted(Path(folder).rglob("*.json"))]
    counted = Counter(count for _, count in needed(files, rules, today))
    for count, charts in sorted(counted.items(), key=lambda item: (item[0] is None, item[0] or 0)):
        print(f"{'no answer settles it' if count is None else count}: {charts}")


if __name__ == "__main__":
    main()
