"""Rulebook + cases → a page for each rule file: what it is for, what it rests on, what proves it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

from cds.authoring.reference.diagram import HEIGHT, WIDTH, drawn
from cds.authoring.reference.rule_page import FACT, FILE, RulePage, rule_pages
from cds.authoring.reference.wording import ConditionWording
from cds.authoring.testing.cases import RuleTests
from cds.rulebook.lint.view import coded
from cds.rulebook.loader import Rulebook
from cds.rulebook.tables import code_sets

SITE = """\
site_name: {name}
theme: {{name: material, font: false}}
use_directory_urls: false
plugins: [search]
markdown_extensions:
  - tables
extra_css: [diagram.css]
validation: {{links: {{not_found: warn, anchors: warn}}}}
nav:
{nav}
"""

STYLE = """\
.md-typeset .depends { max-width: none; }
.scroll { overflow-x: auto; }
.depends rect { fill: var(--md-default-bg-color); stroke: currentColor; }
.depends .file rect { stroke-dasharray: 4 2; }
.depends .card rect { stroke-width: 2.5; }
.depends path { fill: none; stroke: currentColor; opacity: .4; }
.depends text { fill: currentColor; font-size: 12px; }
"""


def pages(book: Rulebook, rule_tests: RuleTests) -> dict[str, str]:
    """File of the site → its text: mkdocs.yml, and under docs/ an index, a page per rule file, and the value sets."""
    files = sorted(book.rules)
    nav = ["  - Rules: index.md", *(f"  - {name}: {name}.md" for name in files), "  - Value sets: sets.md"]
    made = {
        "mkdocs.yml": SITE.format(name="Rules", nav="\n".join(nav)),
        "docs/diagram.css": STYLE,
        "docs/index.md": "\n".join(_index(book)) + "\n",
        "docs/sets.md": "\n".join(_sets(book)) + "\n",
    }
    for sheet in rule_pages(book, rule_tests):
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
        yield f"| `{name}` | {_cell(one.title)} | {codes} | {len(one.words)} | {by} |"


def _page(sheet: RulePage) -> Iterator[str]:
    yield from (f"# {sheet.title}", "", sheet.purpose, "", f"**What it does not see.** {sheet.limits}", "")
    reviewed = f"reviewed by {sheet.reviewed}" if sheet.reviewed else "clinical review pending"
    owners = ", ".join(sheet.owners)
    yield f"Version {sheet.version}, {sheet.status}; owners {owners}; {reviewed}, next {sheet.review_due}."
    if sheet.links:
        yield from ("", "## What depends on what", "", "Left is what is looked for, right what is shown.")
        yield from ("Round: facts; bold: cards; dashed: other files, which lead to their pages.", "")
        yield f'<div class="scroll">{_diagram(sheet)}</div>'
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
            yield f"| `{one.name}` | {one.value} | {one.may or 'no'} | {evidence} | {note} |"
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


def _nested(words: ConditionWording, depth: int) -> Iterator[str]:
    """A condition as a list in a list."""
    yield f"{'    ' * depth}- {_plain_text(words.text)}"
    for part in words.parts:
        yield from _nested(part, depth + 1)


def _diagram(sheet: RulePage) -> str:
    """Facts, conclusions and cards, the files they read from, and those that read from here: SVG in one line."""
    diagram = drawn(sheet.nodes, sheet.links)
    width, height = str(diagram.width), str(diagram.height)
    size = {"width": width, "height": height, "viewBox": f"0 0 {width} {height}"}
    svg = Xml.Element("svg", {"class": "depends", "role": "group", "aria-label": "What depends on what", **size})
    for line in diagram.lines:
        Xml.SubElement(svg, "path", {"d": line})
    for node, box in zip(sheet.nodes, diagram.boxes, strict=True):
        around = Xml.SubElement(svg, "a", {"href": f"{node.target}.html"}) if node.kind == FILE else svg
        group = Xml.SubElement(around, "g", {"class": node.kind})
        Xml.SubElement(group, "title").text = box.says
        place = {"x": str(box.x), "y": str(box.y), "width": str(WIDTH), "height": str(HEIGHT)}
        Xml.SubElement(group, "rect", {**place, "rx": str(HEIGHT // 2 if node.kind == FACT else 3)})
        Xml.SubElement(group, "text", {"x": str(box.x + 8), "y": str(box.y + 17)}).text = box.words
    return Xml.tostring(svg, encoding="unicode")


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
