"""Rulebook + cases → a page for each rule file: what it is for, what it rests on, what proves it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from cds.casebook.cases import Casebook
from cds.rulebook import format as f
from cds.rulebook.checks.view import coded
from cds.rulebook.difference import written
from cds.rulebook.meaning import plain
from cds.rulebook.names import BareNumber, Rule, readings
from cds.rulebook.plan import code_sets
from cds.rulebook.read import Rulebook

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
    homes = {name: rule for rule in book.rules.values() for name in _defined(rule)}
    for name in files:
        made[f"docs/{name}.md"] = "\n".join(_page(book.rules[name], homes, casebook)) + "\n"
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


def _page(rule: Rule, homes: dict[str, Rule], casebook: Casebook) -> Iterator[str]:
    model, about = rule.model, rule.model.about
    yield from (f"# {about.title}", "", about.purpose, "", f"**What it does not see.** {about.limits}", "")
    reviewed = "clinical review pending" if about.reviewed.by == "pending" else f"reviewed by {about.reviewed.by}"
    owners = ", ".join(about.owners)
    yield f"Version {about.version}, {about.status}; owners {owners}; {reviewed}, next {about.reviewed.next}."
    if model.conclusions or model.cards:
        yield from ("", "## What depends on what", "", "```mermaid", "flowchart LR")
        yield from _diagram(rule, homes)
        yield "```"
    if model.parameters:
        yield from (
            "",
            "## Parameters",
            "",
            "| parameter | value | a site may set | evidence | note |",
            "|---|---|---|---|---|",
        )
        for name, spec in model.parameters.items():
            evidence, note = ", ".join(spec.evidence), _cell(spec.note or "")
            yield f"| `{name}` | {spec.value} {spec.unit or ''} | {_range(spec)} | {evidence} | {note} |"
    if model.facts:
        yield from ("", "## What is looked for", "", "| fact | what |", "|---|---|")
        yield from (f"| `{name}` | {_cell(spec.label or name)} |" for name, spec in model.facts.items())
    if model.conclusions:
        yield from ("", "## What follows", "")
        for name, conclusion in model.conclusions.items():
            yield f"- **{conclusion.label}** (`{name}`): `{written(plain(conclusion.condition(), 'when'))}`"
    if model.cards:
        yield from ("", "## Cards", "")
        for name, card in model.cards.items():
            when = written(plain(card.show_when, "when"))
            yield f"- **{_plain_text(card.summary)}** (`{name}`, {card.indicator}): `{when}`"
    if model.evidence:
        yield from ("", "## Evidence", "")
        for name, entry in model.evidence.items():
            yield f"- `{name}`: {entry.cite}. {entry.says} {'' if entry.verified else '*Not verified yet.*'}".rstrip()
    proof = [case for case in casebook.cases if _proves(case.file, rule)]
    if proof:
        yield from ("", "## What proves it", "")
        yield from (f"- {_plain_text(case.name)}" for case in proof)


def _proves(file: Path, rule: Rule) -> bool:
    """Whether a test file is one of this rule file: the same name, or the only folder-mate it tells of."""
    return Path(file).name.removesuffix(".test.yaml") == Path(rule.file).stem


def _defined(rule: Rule) -> list[str]:
    return [*rule.model.facts, *rule.model.conclusions]


def _diagram(rule: Rule, homes: dict[str, Rule]) -> Iterator[str]:
    """Conclusions and cards of a file, and what each reads; what another file defines stands by its name there."""
    reads: dict[tuple[str, str], set[str]] = {}
    for reading in readings(rule):
        if isinstance(reading, BareNumber) or reading.hole or reading.path[0] not in {"conclusions", "cards"}:
            continue
        if reading.name in homes:
            reads.setdefault((str(reading.path[0]), str(reading.path[1])), set()).add(reading.name)
    shown = sorted({name for names in reads.values() for name in names})
    for name in shown:
        home = homes[name]
        elsewhere = "" if home is rule else f"<br/>{home.model.about.id}"
        is_fact = name in home.model.facts
        yield f'  {name}{"([" if is_fact else "["}"{name}{elsewhere}"{"])" if is_fact else "]"}'
    for (section, name), names in sorted(reads.items()):
        node = f"card_{name}" if section == "cards" else name
        if section == "cards":
            yield f'  {node}[["card {name}"]]'
        yield from (f"  {read} --> {node}" for read in sorted(names))


def _range(spec: f.Parameter) -> str:
    if spec.site_may_set is True:
        return ", ".join(spec.one_of or [])
    return f"{spec.site_may_set[0]} to {spec.site_may_set[1]}" if isinstance(spec.site_may_set, list) else "no"


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
