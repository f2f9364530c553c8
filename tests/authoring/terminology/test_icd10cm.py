"""ICD-10-CM codes of value sets against a release: an invented one, and the real one of the shipped sets."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds.authoring.terminology.icd10cm import PackagedIcdRelease, compare_icd
from cds.authoring.terminology.proposal import Proposal
from cds.authoring.terminology.source import TerminologySourceError
from cds.rulebook.list_ages import value_set_files
from cds.rulebook.loader import read_rulebook
from tests.rulebook.small_rules import GOOD, SET, write_rules
from tests.shipped import shipped_book

TODAY = date(2026, 11, 29)
TITLES = {
    "F32": "Depressive episode",
    "F32.0": "Mild",
    "F32.1": "Moderate",
    "F32.2": "Severe",
    "F33": "Recurrent",
    "F33.0": "Recurrent, mild",
    "F33.4": "Recurrent, in remission",
    "F33.40": "Recurrent, remission unspecified",
    "F33.41": "Recurrent, partial remission",
}
LIST = """\
valueset:
  id: depression-codes
  title: Depression
codes:
  - system: http://hl7.org/fhir/sid/icd-10-cm
    source: Invented
    verified: false
    exact:
      F32.0: Mild   # stays
      F32.1: Middling
      F33.4: Recurrent, in remission
      F33.49: Recurrent, partial remission
    except:
      F33.40: Recurrent, remission unspecified
"""


class Invented:
    """A small release."""

    name = "ICD-10-CM invented"

    def title(self, code: str) -> str | None:
        return TITLES.get(code)

    def children(self, code: str) -> tuple[str, ...]:
        longer = (other for other in TITLES if other.startswith(code) and other != code)
        return tuple(other for other in longer if len(other.replace(".", "")) == len(code.replace(".", "")) + 1)


def compared(folder: Path, text: str, *, siblings: bool = False) -> Proposal:
    book = read_rulebook(write_rules(folder, {**GOOD, SET: text}))
    mine = [loaded for loaded in book.sets if Path(loaded.file).name == "depression-codes.yaml"][:1]
    return compare_icd(mine, Invented(), TODAY, siblings=siblings)


def test_what_a_release_lacks_has_below_and_calls_otherwise_is_told(tmp_path: Path) -> None:
    proposal = compared(tmp_path, LIST, siblings=True)

    assert [(one.kind, one.code) for one in proposal.findings] == [
        ("new-child", "F33.41"), ("not-in-release", "F33.49"), ("other-title", "F32.1"), ("sibling", "F32.2"),
    ]  # fmt: skip
    lacking = proposal.findings[1]
    assert "Perhaps F33.41: Recurrent, partial remission." in lacking.says


def test_a_child_is_proposed_in_a_group_of_its_source_and_the_list_is_not_marked(tmp_path: Path) -> None:
    (edit,) = compared(tmp_path, LIST).edits

    added = [line[1:] for line in edit.diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert added == [
        "  - system: http://hl7.org/fhir/sid/icd-10-cm",
        '    source: "ICD-10-CM invented"',
        "    verified: true",
        "    exact:",
        '      F33.41: "Recurrent, partial remission"',
    ]


def test_a_list_with_all_its_codes_in_the_release_is_marked_as_compared(tmp_path: Path) -> None:
    text = LIST.replace("      F33.49: Recurrent, partial remission\n", "").replace("Middling", "Moderate")

    proposal = compared(tmp_path, text.replace("      F33.4: Recurrent, in remission\n", ""))

    assert proposal.findings == ()
    assert '+  checked: {date: 2026-11-29, release: "ICD-10-CM invented"}' in proposal.diff


def test_a_list_with_codes_of_other_systems_is_not_marked(tmp_path: Path) -> None:
    other = '  - {system: "http://snomed.info/sct", source: Invented, verified: false, exact: {"1": One}}\n'
    text = LIST.replace("      F33.49: Recurrent, partial remission\n", "") + other

    assert "checked" not in compared(tmp_path, text).diff


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "simple_icd_10_cm", None)

    with pytest.raises(TerminologySourceError, match=r"pip install 'thirdline\[terminology\]'"):
        PackagedIcdRelease()


@pytest.mark.seconds
def test_every_shipped_icd_10_cm_code_is_in_the_real_release_under_its_title() -> None:
    pytest.importorskip("simple_icd_10_cm")
    sets = [loaded for loaded, _ in value_set_files(shipped_book())]

    proposal = compare_icd(sets, PackagedIcdRelease(), TODAY)

    assert proposal.findings == ()
    assert int(proposal.compared.split()[0]) > 250
