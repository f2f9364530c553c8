"""Value sets + a release of ICD-10-CM → codes it does not have, children that are missed, titles that changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from rapidfuzz import process

from cds.authoring.terminology.proposal import (
    EXTRA,
    FileEdit,
    Finding,
    Proposal,
    add_codes,
    edited_yaml,
    in_order,
    set_checked,
)
from cds.authoring.terminology.source import TerminologySourceError
from cds.rulebook.format.value_set import CodeGroup, ValueSetFile
from cds.terminology.systems import ICD10CM, ICD_CATEGORY, canonical_system
from cds.yaml_source.loaded import LoadedFile

PACKAGE = "simple-icd-10-cm"


class IcdRelease(Protocol):
    """A release of ICD-10-CM: titles and hierarchy."""

    @property
    def name(self) -> str:
        """Which release, in words."""

    def title(self, code: str) -> str | None:
        """The title of a code; None for one the release does not have."""

    def children(self, code: str) -> tuple[str, ...]:
        """The codes directly below one."""


class PackagedIcdRelease:
    """The release that the package simple-icd-10-cm carries (public domain: CMS and NCHS)."""

    def __init__(self, name: str | None = None) -> None:
        try:
            import simple_icd_10_cm  # noqa: PLC0415 (an extra, which takes seconds to load)
        except ImportError:
            raise TerminologySourceError(
                f"{PACKAGE} is not installed.", f"Install the extra: pip install 'thirdline[{EXTRA}]'."
            ) from None
        self._icd = simple_icd_10_cm
        self.name = name or f"ICD-10-CM as in {PACKAGE} {version(PACKAGE)}"

    def title(self, code: str) -> str | None:
        """The title of a code; None for one the release does not have."""
        return str(self._icd.get_description(code)) if self._icd.is_valid_item(code) else None

    def children(self, code: str) -> tuple[str, ...]:
        """The codes directly below one."""
        return tuple(self._icd.get_children(code))


def compare_icd(
    sets: Iterable[LoadedFile[ValueSetFile]], release: IcdRelease, today: date | None, *, siblings: bool = False
) -> Proposal:
    """
    Compare the ICD-10-CM codes of value sets with a release.

    Children of a code that a list holds without them are proposed; a code the release does not have is only reported,
    for what to write instead is a decision. `siblings` also reports what is missing of a code above, where a list
    holds more than half of what is below it.
    A list is marked as compared where all its codes are of ICD-10-CM and the release has each; with `today` None none
    is.
    """
    findings: list[Finding] = []
    edits: list[FileEdit] = []
    compared = 0
    lists = 0
    for loaded in sets:
        groups = [group for group in loaded.model.codes if canonical_system(group.system) == ICD10CM]
        if not groups:
            continue
        lists += 1
        held = Held.of(groups)
        compared += len(held.all)
        name = loaded.model.valueset.id or f"{loaded.model.valueset.adds_to}"
        found = list(_compared(name, held, release))
        new = {
            child: release.title(child) or ""
            for code in held.exact
            for child in release.children(code)
            if not held.holds(child)
        }
        findings += found
        findings += [
            Finding(
                "new-child", name, code, f"{title}: below {code[:-1].rstrip('.')}, which the list holds without it."
            )
            for code, title in new.items()
        ]
        if siblings:
            findings += _siblings(name, held, release)
        unresolved = any(one.kind == "not-in-release" for one in found)
        whole = len(groups) == len(loaded.model.codes) and not unresolved
        checked = today if whole else None
        if new or checked is not None:
            edits.append(_edit(loaded, groups[0].system, release, new, checked))
    return Proposal(release.name, f"{compared} codes of {lists} lists", in_order(findings), tuple(edits))


class Held:
    """The ICD-10-CM codes one list holds."""

    def __init__(self, exact: Mapping[str, str], roots: Mapping[str, str], excepted: Mapping[str, str]) -> None:
        self.exact, self.roots, self.excepted = exact, roots, excepted
        self.all = {**exact, **roots, **excepted}

    @classmethod
    def of(cls, groups: Iterable[CodeGroup]) -> Held:
        """The codes of some groups together."""
        listed = list(groups)
        return cls(
            {code: words for group in listed for code, words in group.exact.items()},
            {code: words for group in listed for code, words in group.with_children.items()},
            {code: words for group in listed for code, words in group.except_.items()},
        )

    def holds(self, code: str) -> bool:
        """Whether a code is in the list, itself or below a root, or left out of it by name."""
        return code in self.all or any(code.startswith(root) for root in self.roots)


def _compared(name: str, held: Held, release: IcdRelease) -> Iterator[Finding]:
    for code, display in held.all.items():
        title = release.title(code)
        if title is None:
            yield Finding(
                "not-in-release", name, code, f"{display}: the release has no {code}.{_instead(code, display, release)}"
            )
        elif _same_words(title) != _same_words(display):
            yield Finding("other-title", name, code, f"{display}: the release says {title}.")


def _instead(code: str, display: str, release: IcdRelease) -> str:
    """The code near by whose title is most like the words of the list; "" where none is."""
    nearer = (_above(code[: end + 1]) for end in range(len(code) - 1, ICD_CATEGORY - 1, -1))
    above = next((parent for parent in nearer if release.title(parent)), None)
    if above is None:
        return ""
    titles = {child: release.title(child) or "" for child in release.children(above)}
    best = process.extractOne(display, titles, score_cutoff=60)
    return f" Perhaps {best[2]}: {best[0]}." if best else ""


def _siblings(name: str, held: Held, release: IcdRelease) -> Iterator[Finding]:
    """What is missing of a code above, where the list holds more than half of what is below it."""
    for parent in sorted({_above(code) for code in held.exact if len(code) > ICD_CATEGORY}):
        below = release.children(parent)
        missing = [code for code in below if not held.holds(code)]
        if 2 * len(missing) < len(below):
            for code in missing:
                yield Finding("sibling", name, code, f"{release.title(code)}: next to codes of the list.")


def _edit(
    loaded: LoadedFile[ValueSetFile], system: str, release: IcdRelease, new: Mapping[str, str], checked: date | None
) -> FileEdit:
    def change(values: object) -> None:
        if checked is not None:
            set_checked(values["valueset"], checked, release.name)  # type: ignore[index]
        if new:
            add_codes(values, system, release.name, new)  # type: ignore[arg-type]

    return edited_yaml(Path(loaded.file), loaded.text, change)


def _above(code: str) -> str:
    """The code one character shorter."""
    return code[:-1].rstrip(".")


def _same_words(text: str) -> str:
    return " ".join(text.casefold().replace(",", " ").split())
