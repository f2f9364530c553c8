"""Bodies that no honest client sends: the examples, changed by Hypothesis in the ways that break readers of FHIR."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
from hypothesis import strategies as st

from tests.api.wire import flaws_in_response, issue
from tests.server import ROOT

Step = str | int
Path = tuple[Step, ...]
JSON = dict[str, Any]
BUNDLE = "bundle"


def deep(levels: int) -> Any:
    """Lists in lists."""
    inside: Any = 1
    for _ in range(levels):
        inside = [inside]
    return inside


VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 10**30, 10**400, 1e308, -1e308, 5e-324, 0.1 + 0.2, "", " ", "\0", "\ud800",
    "\u202e", "0",
    "a" * 100_000, "٣" * 100, "\N{COMBINING ACUTE ACCENT}" * 5000, "1e999", "true", "null", "{{", "{% for %}",
    "<script>",
    "2025", "2025-02-30", "0000-00-00", "9999-12-31", "2025-01-01T24:00:00Z", "2025-01-01T00:00:00+99:99", "-2025",
    "٢٠٢٥",
    "Patient/", "Patient/other", "Patient/example", "/example", "Medication/m", "#", "##", "urn:uuid:0", "http://",
    "http://[",
    "mg", "{tablet}", "kg/m2.s-3^", "mm[Hg", "entered-in-error", "draft", "active", "Bundle", "Patient",
    "OperationOutcome",
    "Observation", "searchset", "http://loinc.org", "44261-6", "http://snomed.info/sct",
    {}, [], [[]], [None], {"": ""}, {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": [None, {}, []]},
    {"resourceType": "OperationOutcome", "issue": None}, {"resourceType": "Patient", "id": "other"},
    {"resourceType": "Patient", "id": "example"}, {"reference": "Patient/other"}, {"reference": None},
    {"coding": None},
    {"coding": [None, {}]}, {"value": None, "unit": 1, "code": []}, {"start": "2025-05", "end": "2024"}, deep(50),
    deep(200),
]  # fmt: skip
SCRAPS = [
    b"", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"NaN", b"-Infinity", b"1e99999", b"{", b"]", b",,", b'"', b"\\u",
    b"\x1f\x8b\x08", b"\xef\xbb\xbf", b"/* */", b'{"a":1,"a":2}', b"[" * 2000, b"9" * 5000,
]  # fmt: skip


@cache
def examples() -> dict[str, tuple[JSON, list[Path]]]:
    """Name → a request (or the Bundle) and the places in it."""
    found = {path.parent.name: path for path in sorted((ROOT / "fhir_examples").glob("*/request.json"))}
    found[BUNDLE] = ROOT / "fhir_examples" / "bundle.json"
    read = {name: json.loads(path.read_text()) for name, path in found.items()}
    return {name: (value, list(_places(value))) for name, value in read.items()}


def _places(value: Any, here: Path = ()) -> Iterator[Path]:
    if here:
        yield here
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        yield from _places(member, (*here, step))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=12), inside, max_size=4),
    max_leaves=12,
)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """Where a body is sent ("" for the Bundle), and the body."""
    name = draw(st.sampled_from(sorted(examples())))
    original, places = examples()[name]
    body = copy.deepcopy(original)
    for number in range(draw(st.integers(1, 6))):
        _change(draw, body, draw(st.sampled_from(places)), places, HOW if number else [*HOW, "many"])
    raw = json.dumps(body).encode()
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at, length = draw(st.integers(0, len(raw))), draw(st.integers(0, 40))
        raw = raw[:at] + draw(st.sampled_from(SCRAPS) | st.binary(max_size=8)) + raw[at + length :]
    return "" if name == BUNDLE else original["hook"], raw


HOW = ["value", "value", "value", "anything", "remove", "wrap", "move", "add"]  # many of many would fill the memory


def _change(draw: st.DrawFn, body: JSON, place: Path, places: list[Path], ways: list[str]) -> None:
    holder: Any = body
    for step in place[:-1]:
        holder = _member(holder, step)
    last = place[-1]
    if _member(holder, last) is None:
        return  # another change took it away
    how = draw(st.sampled_from(ways))
    if how == "remove":
        del holder[last]
    elif how == "many":
        holder[last] = [holder[last]] * draw(st.integers(2, 60))
    elif how == "wrap":
        holder[last] = [holder[last]] if draw(st.booleans()) else {"resource": holder[last]}
    elif how == "move":
        other: Any = body
        for step in draw(st.sampled_from(places)):
            other = _member(other, step)
        holder[last] = copy.deepcopy(other)
    elif how == "add" and isinstance(holder[last], dict):
        holder[last][draw(st.text(max_size=8) | st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    else:
        holder[last] = draw(ANY) if how == "anything" else copy.deepcopy(draw(st.sampled_from(VALUES)))


KEYS = [
    "contained", "modifierExtension", "implicitRules", "extension", "entry", "link", "next", "resourceType", "id",
    "subject",
    "patient", "status", "valueQuantity", "component", "effectiveDateTime", "dosageInstruction",
    "medicationReference",
]  # fmt: skip


def _member(value: Any, step: Step) -> Any:
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None


ADDRESSES = {
    "": "/evaluate",
    "patient-view": "/cds-services/ketamine-evaluation",
    "order-select": "/cds-services/ketamine-evaluation-order-select",
    "order-sign": "/cds-services/ketamine-evaluation-order-sign",
    "encounter-start": "/cds-services/ketamine-evaluation-encounter-start",
}


def send(client: httpx.Client, hook: str, body: bytes) -> httpx.Response:
    """The answer to a body; raises when none comes in time."""
    return client.post(ADDRESSES[hook], content=body)


def flaw_of(answer: httpx.Response) -> str:
    """What is wrong with an answer to a body that may be impossible; "" for nothing."""
    if answer.status_code >= 500:
        return f"status {answer.status_code}"
    said = answer.json()
    if answer.status_code >= 400:
        try:
            issue(said)
        except AssertionError:
            return f"status {answer.status_code} without an OperationOutcome that says what to do"
        return ""
    if "conclusions" in said:
        return "" if isinstance(said["cards"], list) else "no cards"
    return "; ".join(flaws_in_response(said))
