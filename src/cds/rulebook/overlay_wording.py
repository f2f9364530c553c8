"""Files of rules + a site's wording → the same in other words or another language; only texts can differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any, Generic

from cds.locale.catalog import ENGLISH
from cds.rulebook.format.leaflets import DOSE, NO_DOSE
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.format.wording import WordingFile
from cds.rulebook.overlay import SiteOverride
from cds.rulebook.placeholders import PLURAL_FORMS, placeholders_in, wrong_forms
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path
from cds.yaml_source.loaded import LoadedFile, Model
from cds.yaml_source.problem import Problem

CHECK, BEHIND = "site-wording", "wording-behind"
# Keys of a rule file whose values are texts for readers; no condition, code or number is among them.
TEXT_KEYS = frozenset(
    {
        "label",
        "because",
        "says",
        "say",
        "summary",
        "detail",
        "title",
        "description",
        "create",
        "text",
        "confirm",
        "timeline",
    }
)
SECTIONS = ("facts", "conclusions", "definitions", "published", "services", "cards", "leaflets")
ABOUT_KEYS = frozenset({"title", "purpose", "limits"})  # of the header of a rule file
REVIEW_KEYS = frozenset({"title", "text", "display", "entries", "drug", "start", "others", "notice"})
IN = "in"  # below it, in a leaflet: language → text
MOST_NAMED = 5

Wording = LoadedFile[WordingFile]
Places = Callable[[Any], Iterable[tuple[Path, str]]]


def text_places(values: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text of a rule file that a clinician may read, with its path, in order."""
    for here, text in _texts(values, path):
        of_header = here[:-1] == ("about",) and here[-1] in ABOUT_KEYS
        if of_header or (here[0] in SECTIONS and (here[-1] in TEXT_KEYS or here[-2] == IN)):
            yield here, text


def review_places(values: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text of review.yaml that a clinician or patient reads, with its path, in order."""
    for here, text in _texts(values, path):
        of_answers = here[0] == "panels" and here[-2] == "answers"
        if here[-1] in REVIEW_KEYS or here[0] == "statements" or of_answers:
            yield here, text


def packet_places(values: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text of packet.yaml that is printed, with its path, in order."""
    for here, text in _texts(values, path):
        if here[0] in {"columns", "words"} or here[-1] == "title" or here in {("packet", "letter"), ("packet", "says")}:
            yield here, text


def set_places(values: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Title, notes and displays of a value set, with their paths, in order; words that are looked for are no texts."""
    for here, text in _texts(values, path):
        of_set = here[0] == "valueset" and here[-1] in {"title", "notice", "limits"}
        of_code = here[0] == "codes" and (here[2] in {"exact", "with_children"} or here[-1] == "display")
        if of_set or of_code:
            yield here, text


def set_key(file: LoadedFile[ValueSetFile]) -> str:
    """What a value set is called in a wording: its id; of a file that adds to another set, folder and name."""
    place = FilePath(file.file)
    return file.model.valueset.id or f"{place.parent.name}/{place.stem}"


def _texts(values: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(values, str):
        yield path, values
    elif isinstance(values, dict):
        for key, value in values.items():
            yield from _texts(value, (*path, key))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            yield from _texts(value, (*path, index))


@dataclass(frozen=True, slots=True)
class WordedFile(Generic[Model]):
    """
    A file with a wording in place.

    Attributes:
        file: With the texts of the wording.
        texts: How many texts it has.
        others: How many of them are others now.
        left: Those that stay as they were, as an author writes their paths.
        problems: What is wrong with the wording; the file is as it was if anything is.
    """

    file: LoadedFile[Model]
    texts: int
    others: int
    left: tuple[str, ...]
    problems: tuple[Problem, ...]


def with_wording(
    file: LoadedFile[Model], places: Places, wording: Wording, under: Path = ("texts",)
) -> WordedFile[Model]:
    """
    A file with the texts of a wording that are under a path.

    A text keeps its placeholders, each as often as before: what a card says of the patient cannot be left out.
    """
    language = wording.model.wording.language
    there = dict(places(file.located.value))
    by_name = {shown_path(path): path for path in there}
    texts: Any = wording.model.texts
    for step in under[1:]:
        texts = texts[step]
    problems: list[Problem] = []
    written: dict[Path, tuple[Path, str]] = {}
    for mine, text in _leaves(texts, under):
        name = ".".join(map(str, mine[len(under) :]))
        path = by_name.get(name)
        if path is None:
            fix = did_you_mean(name, by_name, "Write the keys as they are in the rule file.")
            problems.append(wording.problem(mine, CHECK, f"The rule file has no text at `{name}`.", fix))
        elif wrong := _wrong(path, text, there):
            problems.append(wording.problem(mine, CHECK, *wrong))
        elif wrong_plural := _wrong_plural(path, str(text), there, language):
            problems.append(wording.problem(mine, PLURAL_FORMS, *wrong_plural))
        else:
            written[path] = (mine, str(text))
    left = tuple(name for name, path in by_name.items() if path not in written or written[path][1] == there[path])
    if problems:
        return WordedFile(file, len(there), 0, left, tuple(problems))
    values = deepcopy(file.located.value)
    for path, (_, text) in written.items():
        _put(values, path, text)
    overlaid = {**file.overlaid, **{path: (wording, mine) for path, (mine, _) in written.items()}}
    changed = replace(file, model=type(file.model).model_validate(values), overlaid=overlaid)
    others = sum(there[path] != text for path, (_, text) in written.items())
    return WordedFile(changed, len(there), others, left, ())


def told_of(
    wording: Wording, files: Sequence[WordedFile[Any]], version: str | None
) -> tuple[SiteOverride, list[Problem]]:
    """What a wording changes, and what of its files it leaves behind: a warning, and the text stays as it was."""
    header = wording.model.wording
    total, others = sum(one.texts for one in files), sum(one.others for one in files)
    says = f"{others} of {total} texts in {header.language}"
    override = SiteOverride(
        f"wording of {header.of}", says, header.because, header.by, header.review, ("wording",), wording
    )
    left = [name for one in files for name in one.left]
    return override, list(_behind(wording, version, left, total))


def _wrong(path: Path, text: object, there: Mapping[Path, str]) -> tuple[str, str] | None:
    """Why a text cannot take the place of another, and what to write; None when it can."""
    shown = shown_path(path)
    if not isinstance(text, str) or not text.strip():
        return f"`{shown}` is no text.", "Write one, or remove the key."
    if path[0] == "leaflets" and DOSE.search(text):
        return f"`{shown}` names a dose.", NO_DOSE.capitalize() + "."
    before, after = (Counter(placeholder.shows for placeholder in placeholders_in(one)) for one in (there[path], text))
    lost = [f"{{{{ {name} }}}}" for name in before - after]
    new = [f"{{{{ {name} }}}}" for name in after - before]
    if lost or new:
        what = " and ".join([*(f"lacks {one}" for one in lost), *(f"has {one} more" for one in new)])
        return f"`{shown}` {what}.", "Keep each placeholder of the text as often as it is there."
    return None


def _wrong_plural(path: Path, text: str, there: Mapping[Path, str], language: str) -> tuple[str, str] | None:
    """What is wrong with the plural forms of a text in its language; a text that was not translated has its own."""
    if text == there[path]:
        return None
    language = str(path[-1]) if path[-2:-1] == (IN,) else language
    return next((wrong for one in placeholders_in(text) if (wrong := wrong_forms(one, language))), None)


def _behind(wording: Wording, version: str | None, left: Sequence[str], total: int) -> Iterator[Problem]:
    header = wording.model.wording
    if header.version != version:
        here = ("wording", "version") if header.version else ("wording",)
        written = f"It was written from version {header.version}" if header.version else "It does not say its version"
        yield wording.problem(
            here, BEHIND, f"{written}; `{header.of}` {f'is {version}' if version else 'has none'}.",
            "Compare the texts (`cds diff`), then write the version they fit.",
            "A text that has changed may say something else now.", warning=True,
        )  # fmt: skip
    if left and header.language.split("-")[0] != ENGLISH:
        named = ", ".join(left[:MOST_NAMED]) + (" …" if len(left) > MOST_NAMED else "")
        yield wording.problem(
            ("texts",), BEHIND, f"{len(left)} of {total} texts are not translated: {named}.",
            "Translate them; until then they are shown as they are in the rule file.", warning=True,
        )  # fmt: skip


def shown_path(path: Path) -> str:
    """A path as an author writes it: parts of a list by number, from 1."""
    return ".".join(str(step + 1) if isinstance(step, int) else step for step in path)


def _leaves(values: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield from _leaves(value, (*path, key))
    else:
        yield path, values


def _put(values: Any, path: Path, text: str) -> None:
    for step in path[:-1]:
        values = values[step]
    values[path[-1]] = text
