"""New files for rule authors: complete, and with a TODO wherever only the author knows what to write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

from cds.authoring.fix.fixes import schema_from
from cds.errors import CdsError
from cds.rulebook.loader import PACKET, VALUESETS, Rulebook
from cds.rulebook.loader import REVIEW as REVIEW_FILE
from cds.rulebook.loader import WORDING as WORDING_FOLDER
from cds.rulebook.overlay_wording import packet_places, review_places, set_key, set_places, text_places
from cds.rulebook.shipped import SHIPPED
from cds.yaml_source.document import Path as YamlPath

REVIEW = timedelta(days=183)

RULE = """\
# yaml-language-server: $schema={schema}
about:
  id: {id}
  title: "TODO: the question this file answers, in a line"
  version: 0.1.0
  status: draft                       # then silent, then active: docs/rule-authors/lifecycle.md
  purpose: "TODO: what it decides, for whom"
  limits: "TODO: what it does not see, and whom it is not for"
  owners: ["TODO: who answers for it"]
  reviewed: {{date: {today}, by: pending, next: {next}}}
  developer: "TODO: who makes a rule of the research or guideline"
  funding: "TODO: who pays for that, or that nobody does"
  released: {today}                 # the first day a server can use it; then `revised` with each version
  uses:                                # of the person; `cds check` compares it with what is read
    date_of_birth: "TODO: what the age is used for"
  does_not_use:
    [race, ethnicity, language, sexual_orientation, gender_identity, sex, social_determinants,
     health_status_assessments]

evidence:
  source:
    cite: "TODO: author, journal, year; or who decided it"
    says: "TODO: the one sentence the rule rests on"
    verified: false

parameters:
  {name}_age: {{value: 18, unit: years, evidence: [source], note: "TODO: the number this rule turns on"}}

facts:
  {name}_years: {{label: Age, find: age, unit: years}}   # TODO: what to look for (docs/rule-authors/format.md)

conclusions:
  {name}:
    label: "TODO: what is concluded, as a clinician would say it"
    when:
      {name}_years: {{at_least: {name}_age}}
    evidence: [source]
"""

CASES = """\
# yaml-language-server: $schema={schema}
today: {today}

patients:
  {name}_patient:                     # TODO: a patient for whom it holds
    age: 46

tests:
{cases}"""

CASE = """\
  - name: "TODO: a sentence: when {conclusion} is {truth}"
    given: {name}_patient
    then: {{{conclusion}: {truth}}}   # TODO: change the patient (`but:`) until a clinician would agree
"""

VALUE_SET = """\
# yaml-language-server: $schema={schema}
valueset:
  id: {id}
  title: "TODO: what a clinician calls it"
  limits: "TODO: what is not in it, and why"
# source_attribute: race               # TODO: if reading it uses data of a kind that `about.uses` has; or remove it
names:                                # TODO: codes, by system, each with its source (docs/rule-authors/format.md)
  source: "TODO: who chose these words"
  verified: false
  words: ["TODO word"]
"""

SITE = """\
# yaml-language-server: $schema={schema}
site:
  id: {id}
  name: {name}
  rules: {rules}                       # what this stands on{where}
  uses:                                # the versions it was tested with
{uses}
# set:                                 # what differs: docs/rule-authors/sites.md lists what may
#   a_parameter: {{to: 3, because: why, by: who, review: {next}}}
"""


WORDING = """\
# yaml-language-server: $schema={schema}
wording:
  of: {of}
{version}  language: {language}
  because: "TODO: why the texts differ here"
  by: "TODO: who answers for the words"
  review: {next}
# Write over each text; keep the placeholders in double braces. What stays as it is here is shown as in the rule file.
texts:
{texts}
"""


VERSION = "  version: {version}                     # the version these texts are written from\n"


class AlreadyExistsError(CdsError):
    """There is such a file already; nothing was written."""


class RuleNotFoundError(CdsError):
    """There is no such rule file."""


def new_rule(book: Rulebook, place: str, today: date) -> dict[Path, str]:
    """A rule file (`depression/my-rule`, or a name alone) and its tests."""
    path = book.root / f"{place}.yaml"
    names = {"id": path.stem, "name": path.stem.replace("-", "_"), "today": today, "next": today + REVIEW}
    rule = RULE.format(schema=schema_from(path, book, "rules.schema.json"), **names)
    tests = _cases(path, book, [str(names["name"])], today)
    return {path: rule, path.with_name(f"{path.stem}.test.yaml"): tests}


def new_test(book: Rulebook, rule: str, today: date) -> dict[Path, str]:
    """
    Cases for every conclusion of a rule file; for one that a site stands on, in the site's folder.

    Raises:
        RuleNotFoundError: No rule file has that id.
    """
    if rule not in book.rules:
        raise RuleNotFoundError(f"there is no rule file {rule}; there is {', '.join(sorted(book.rules))}")
    path = Path(book.rules[rule].file)
    if book.base is not None and path.is_relative_to(book.base):
        path = book.root / path.relative_to(book.base)
    conclusions = list(book.rules[rule].model.conclusions)
    return {path.with_name(f"{path.stem}.test.yaml"): _cases(path, book, conclusions, today)}


def _cases(path: Path, book: Rulebook, conclusions: list[str], today: date) -> str:
    name = path.stem.replace("-", "_")
    cases = "\n".join(
        CASE.format(conclusion=conclusion, truth=truth, name=name)
        for conclusion in conclusions
        for truth in ("true", "false", "unknown")
    )
    return CASES.format(schema=schema_from(path, book, "casetest.schema.json"), today=today, name=name, cases=cases)


def new_value_set(book: Rulebook, name: str) -> dict[Path, str]:
    """A value set that is recognized by a word until it has codes."""
    path = book.root / "valuesets" / f"{name}.yaml"
    return {path: VALUE_SET.format(schema=schema_from(path, book, "valueset.schema.json"), id=path.stem)}


def new_wording(book: Rulebook, rule: str, language: str, today: date) -> dict[Path, str]:
    """
    All texts of a rule file, in the folder of a site, to be written over in another language or in other words.

    Raises:
        RuleNotFoundError: No rule file has that id, or the folder is no site's.
    """
    if book.site is None:
        raise RuleNotFoundError(f"{book.root} is not a site's folder; make one with `cds new site NAME`")
    found = _worded_texts(book, rule)
    if found is None:
        known = ", ".join((*sorted(book.rules), REVIEW_FILE, PACKET, VALUESETS))
        raise RuleNotFoundError(f"there is no rule file {rule}; there is {known}")
    version, texts = found
    path = book.root / WORDING_FOLDER / f"{rule}.yaml"
    text = WORDING.format(
        schema=schema_from(path, book, "wording.schema.json"),
        of=rule,
        version=VERSION.format(version=version) if version else "",
        language=language,
        next=today + REVIEW,
        texts="\n".join(_nested(texts, (), 1)),
    )
    return {path: text}


def _worded_texts(book: Rulebook, of: str) -> tuple[str, dict[YamlPath, str]] | None:
    """Version ("" for none) and texts of what a wording can be of; None where there is no such file."""
    if of in book.rules:
        rule = book.rules[of]
        return rule.model.about.version, dict(text_places(rule.located.value))
    if of == REVIEW_FILE and book.review is not None:
        return book.review.model.review.version, dict(review_places(book.review.located.value))
    if of == PACKET and book.packet is not None:
        return book.packet.model.packet.version, dict(packet_places(book.packet.located.value))
    if of == VALUESETS:
        sets = {set_key(one): one.located.value for one in book.sets}
        return "", {(name, *path): text for name in sorted(sets) for path, text in set_places(sets[name])}
    return None


def _nested(texts: Mapping[YamlPath, str], above: YamlPath, depth: int) -> Iterator[str]:
    """Texts as keys with values, parts of a list by number from 1, each text on its line or as a block."""
    indent = "  " * depth
    for key in dict.fromkeys(path[len(above)] for path in texts):
        here = (*above, key)
        name = str(key + 1) if isinstance(key, int) else key
        if here in texts:
            yield f"{indent}{name}: {_as_yaml(texts[here], indent)}"
        else:
            yield f"{indent}{name}:"
            yield from _nested(
                {path: text for path, text in texts.items() if path[: len(here)] == here}, here, depth + 1
            )


def _as_yaml(text: str, indent: str) -> str:
    if "\n" not in text or text.endswith("\n\n") or any(line.startswith(" ") for line in text.splitlines()):
        return json.dumps(text, ensure_ascii=False)
    lines = (f"{indent}  {line}" if line else "" for line in text.removesuffix("\n").split("\n"))
    return ("|\n" if text.endswith("\n") else "|-\n") + "\n".join(lines)


def new_site(folder: Path, book: Rulebook, rules: str | None, today: date) -> dict[Path, str]:
    """
    A site's folder with an overlay that changes nothing yet, of the rules as they are.

    `rules` is their folder, seen from the new one; None for those of the package, whose schemas are then copied, so
    that the folder can be moved to another machine.
    """
    uses = "\n".join(
        f"    - {name} >={rule.model.about.version},<{_next(rule.model.about.version)}"
        for name, rule in book.rules.items()
    )
    text = SITE.format(
        schema=f"{rules}/site.schema.json" if rules else "site.schema.json",
        id=folder.name,
        name=folder.name.replace("-", " ").title(),
        rules=rules or SHIPPED,
        where="" if rules else ": the rules that came with the package",
        uses=uses,
        next=today + REVIEW,
    )
    source = book.base or book.root
    schemas = {} if rules else {folder / path.name: path.read_text("utf-8") for path in source.glob("*.schema.json")}
    return {folder / "site.yaml": text, **schemas}


def _next(version: str) -> str:
    return f"{int(version.split('.', maxsplit=1)[0]) + 1}.0"


def write(files: Mapping[Path, str]) -> None:
    """
    Write new files, all or none.

    Raises:
        AlreadyExistsError: With the first that is there already.
    """
    for path in files:
        if path.exists():
            raise AlreadyExistsError(f"{path} is there already; nothing was written")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
