"""Rulebook + cases → a page for each rule file: what it is for, what it rests on, what proves it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from cds.casebook.cases import Casebook
from cds.rulebook.checks.view import coded
from cds.rulebook.plan import code_sets
from cds.rulebook.read import Rulebook
from cds.workbench.sheet import CARD, CONCLUSION, FACT, FILE, Sheet, sheets
from cds.workbench.words import Words

SITE = """\
site_name: {name}
theme: {{name: material, font: false}}
use_directory_urls: false
plugins: [search]
markdown_extensions:
  - tables
  - pymdownx.superfences:
      custom_fences:
        - name: mermaid
          class: mermaid
          format: !!python/name:pymdownx.superfences.fence_code_format
validation: {{links: {{not_found: warn, anchors: warn}}}}
nav:
{nav}
"""


def pages(book: Rulebook, casebook: Casebook) -> dict[str, str]:
    """File of the site → its text: mkdocs.yml, and under docs/ an index, a page per rule file, and the value sets."""
    files = sorted(book.rules)
    nav = ["  - Rules: index.md", *(f"  - {name}: {name}.md" for name in files), "  - Value sets: sets.md"]
    made = {
        "mkdocs.yml": SITE.format(name="Rules", nav="\n".join(nav)),
        "docs/index.md": "\n".join(_index(book)) + "\n",
        "docs/sets.md": "\n".join(_sets(book)) + "\n",
    }
    for sheet in sheets(book, casebook):
        made[f"docs/{sheet.id}.md"] = "\n".join(_page(sheet)) + "\n"
    return made


def _index(book: Rulebook) -> Iterator[str]:
    yield from ("# Rules", "", "| file | version | status | what for |", "|---|---|---|---|")
    for name in sorted(book.rules):
        about = book.rules[name].model.about
        yield f"| [{name}]({name}.md) | {about.version} | {about.status} | {_cell(about.title)} |"


def _sets(book: Rulebook) -> Iterator[str]:
    readers = defaultdict(list)
    for rule in book.rules.values():
        for name, _ in coded(rule):
            readers[name].append(rule.model.about.id)
    yield from ("# Value sets", "", "| set | what | codes | words | read by |", "|---|---|---|---|---|")
    for name, one in sorted(code_sets(book).items()):
        codes = len(one.codes) + len(one.roots) + len(one.ranges)
        by = ", ".join(f"[{file}]({file}.md)" for file in sorted(set(readers[name])))
        yield f"| `{name}` | {_cell(one.title)} | {codes} | {len(one.names)} | {by} |"


def _page(sheet: Sheet) -> Iterator[str]:
    yield from (f"# {sheet.title}", "", sheet.purpose, "", f"**What it does not see.** {sheet.limits}", "")
    reviewed = f"reviewed by {sheet.reviewed}" if sheet.reviewed else "clinical review pending"
    owners = ", ".join(sheet.owners)
    yield f"Version {sheet.version}, {sheet.status}; owners {owners}; {reviewed}, next {sheet.review_due}."
    if sheet.links:
        yield from ("", "## What depends on what", "", "```mermaid", "flowchart LR")
        yield from _diagram(sheet)
        yield "```"
    if sheet.parameters:
        yield from (
            "",
            "## Parameters",
            "",
            "| parameter | value | a site may set | evidence | note |",
            "|---|---|---|---|---|",
        )
        for one in sheet.parameters:
            evidence, note = ", ".join(one.evidence), _cell(one.note)
            yield f"| `{one.name}` | {one.value} {one.unit} | {one.may or 'no'} | {evidence} | {note} |"
    if sheet.facts:
        yield from ("", "## What is looked for", "", "| fact | what |", "|---|---|")
        yield from (f"| `{fact.name}` | {_cell(fact.label)} |" for fact in sheet.facts)
    if sheet.conclusions:
        yield from ("", "## What follows", "")
        for conclusion in sheet.conclusions:
            yield f"- **{_plain_text(conclusion.label)}** (`{conclusion.name}`)"
            yield from _nested(conclusion.when, 1)
    if sheet.cards:
        yield from ("", "## Cards", "")
        for card in sheet.cards:
            yield f"- **{_plain_text(card.summary)}** (`{card.name}`, {card.indicator})"
            yield from _nested(card.when, 1)
    if sheet.sources:
        yield from ("", "## Evidence", "")
        for entry in sheet.sources:
            doubt = "" if entry.verified else " *Not verified yet.*"
            yield f"- `{entry.id}`: {entry.cite}. {entry.says}{doubt}"
    if sheet.proofs:
        yield from ("", "## What proves it", "")
        yield from (f"- {_plain_text(proof.sentence)}" for proof in sheet.proofs)


def _nested(words: Words, depth: int) -> Iterator[str]:
    """A condition as a list in a list."""
    yield f"{'    ' * depth}- {_plain_text(words.text)}"
    for part in words.parts:
        yield from _nested(part, depth + 1)


def _diagram(sheet: Sheet) -> Iterator[str]:
    """Facts, conclusions and cards, the files they read from, and those that read from here."""
    ends = {FACT: ("([", "])"), CONCLUSION: ("[", "]"), CARD: ("[[", "]]"), FILE: ("[/", "/]")}
    numbers = {node.id: f"n{number}" for number, node in enumerate(sheet.nodes)}
    for node in sheet.nodes:
        opening, closing = ends[node.kind]
        words = _plain_text(node.label).replace('"', "'")
        yield f'  {numbers[node.id]}{opening}"{words}"{closing}'
    yield from (f"  {numbers[read]} --> {numbers[reader]}" for read, reader in sheet.links)


def _cell(text: str) -> str:
    return _plain_text(text).replace("|", "\\|")


def _plain_text(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;").replace("{{", "{ {")


def write(folder: Path, made: dict[str, str]) -> None:
    """Write the pages into a folder."""
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
