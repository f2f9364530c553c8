"""Verdicts → JUnit XML, which CI servers show case by case."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as Xml

from cds.authoring.testing.run import CaseVerdict


def junit(verdicts: Iterable[CaseVerdict]) -> str:
    """One test suite for each test file; a failing case holds what differs and the reasons."""
    by_file: dict[str, list[CaseVerdict]] = {}
    for verdict in verdicts:
        by_file.setdefault(str(verdict.case.file), []).append(verdict)
    root = Xml.Element("testsuites", name="cds test")
    for file, cases in by_file.items():
        failures = sum(not verdict.passed for verdict in cases)
        suite = Xml.SubElement(root, "testsuite", name=file, tests=str(len(cases)), failures=str(failures))
        for verdict in cases:
            case = Xml.SubElement(
                suite, "testcase", name=verdict.name, classname=file, file=file, line=str(verdict.case.line)
            )
            if not verdict.passed:
                failure = Xml.SubElement(case, "failure", message=_legal("; ".join(verdict.differences)))
                failure.text = _legal(verdict.text)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _legal(text: str) -> str:
    """The text without the control characters XML has no way to write."""
    return "".join(sign for sign in text if sign >= " " or sign in "\n\t")
