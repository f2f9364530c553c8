"""
Answer the same requests with two revisions, and name the first answers that differ in a byte.

    python scripts/compare_answers.py aa21216 --charts FOLDER

The requests: every example of fhir_examples, every rule test case written as FHIR, and every chart of a folder. Each is
asked at /evaluate, and at each CDS service with what its prefetch asks for. The other revision is checked out into a
worktree and answers in a process of its own, with its own rules; `--rules` gives both the rules of this revision.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from itertools import chain, islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "fhir_examples"
UUID = re.compile(rb'"uuid":"[^"]*"')  # made for each answer
SHOWN = 10  # differences that are printed
AROUND = 100  # bytes of an answer before and after the first that differs


def main() -> int:
    """Compare; 1 when an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="the other revision")
    parser.add_argument("--charts", type=Path, help="a folder of FHIR Bundles and CDS Hooks requests, at any depth")
    parser.add_argument("--rules", type=Path, help="answer both from this folder of rules")
    parser.add_argument("--today", type=date.fromisoformat, help="the day charts are decided for")
    parser.add_argument("--every", type=int, default=1, help="ask only every so many requests")
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.answer:
        asyncio.run(answer_all(Path(asked.revision), asked.answer))
        return 0
    today = asked.today or date.fromisoformat((EXAMPLES / "today.txt").read_text(encoding="utf-8").strip())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        count = write_requests(work / "requests", asked.charts, today, asked.every)
        other = work / "other"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", str(other), asked.revision], check=True)
        try:
            trees = {"before": other, "after": ROOT}
            running = [answering(tree, work, name, asked.rules) for name, tree in trees.items()]
            if any([process.wait() for process in running]):  # noqa: C419 (every one must end)
                return 1
        finally:
            subprocess.run([*git, "remove", "--force", str(other)], check=True)
        return report(work, count)


def write_requests(folder: Path, charts: Path | None, today: date, every: int) -> int:
    """Write requests to files of their own, `{"name": …, "today": …, "body": …}`, and say how many."""
    folder.mkdir()
    files = [(f"example {path.parent.name}", path) for path in sorted(EXAMPLES.glob("*/request.json"))]
    files += [(f"chart {path.relative_to(charts)}", path) for path in sorted(charts.rglob("*.json"))] if charts else []
    given = ((name, today, path.read_text(encoding="utf-8", errors="replace")) for name, path in files)
    count = 0
    for name, day, body in islice(chain(given, cases()), 0, None, every):
        values = {"name": name, "today": day.isoformat(), "body": body}
        (folder / f"{count:05}").write_text(json.dumps(values), encoding="utf-8")
        count += 1
    return count


def cases() -> Iterator[tuple[str, date, str]]:
    """Every rule test case as a Bundle, and as a request where it has orders or data that were not sent."""
    from cds.authoring.testing.cases import read_rule_tests
    from cds.authoring.testing.fhir_writer import bundle_of, request_of
    from cds.authoring.testing.resource_writer import FhirWriterError
    from cds.rulebook.compile import compile_ruleset
    from cds.rulebook.loader import read_rulebook

    book = read_rulebook(ROOT / "rules")
    codes = compile_ruleset(book).codes
    for case in read_rule_tests(ROOT / "rules", book).cases:
        if case.patient is None:
            given = case.request or case.bundle
            if given is not None:
                yield f"case {case.name}", case.today, given.read_text(encoding="utf-8")
            continue
        hook = "order-sign" if case.patient.orders else "patient-view"
        try:
            for written in (
                bundle_of(case.patient, case.today, codes),
                request_of(case.patient, case.today, codes, hook),
            ):
                yield f"case {case.name}", case.today, json.dumps(written)
        except FhirWriterError:  # a case that expects just that
            continue


def answering(tree: Path, work: Path, name: str, rules: Path | None) -> subprocess.Popen[bytes]:
    """A process in which one revision answers every request."""
    (work / name).mkdir()
    env = {key: value for key, value in os.environ.items() if not key.startswith("CDS_")}
    env |= {"PYTHONPATH": str(tree / "src"), "CDS_RULES": str((rules or tree / "rules").resolve())}
    env |= {"CDS_UNAUTHENTICATED": "true", "CDS_LOG_LEVEL": "critical", "CDS_REQUEST_TIMEOUT": "60"}
    command = [sys.executable, str(Path(__file__).resolve()), str(work / "requests"), "--answer", str(work / name)]
    return subprocess.Popen(command, cwd=tree, env=env)


async def answer_all(requests: Path, answers: Path) -> None:
    """Answer every request as the revision on the path does, each answer in a file of the request's number."""
    import httpx

    from cds.app import create_app
    from cds.settings import Settings

    paths = sorted(requests.iterdir())
    day = [date.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["today"]) for path in paths[:1]]
    app = create_app(Settings(), clock=lambda: day[0])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://compared") as client:
        services = (await client.get("/cds-services")).json()["services"]
        (answers / "services").write_text(json.dumps(services, sort_keys=True), encoding="utf-8")
        for path in paths:
            asked = json.loads(path.read_text(encoding="utf-8"))
            day[0] = date.fromisoformat(asked["today"])
            body = asked["body"].encode()
            said = [await client.post(f"/evaluate?today={asked['today']}", content=body)]
            for service in services:
                if (request := request_for(service, body)) is not None:
                    said.append(await client.post(f"/cds-services/{service['id']}", content=request))
            text = b"\n".join(f"{answer.status_code} ".encode() + answer.content for answer in said)
            (answers / path.name).write_bytes(UUID.sub(b'"uuid":""', text))


def request_for(service: dict[str, Any], body: bytes) -> bytes | None:
    """A request to a service: the one that was given, or a Bundle's resources by prefetch key; None for neither."""
    try:
        given = json.loads(body)
    except ValueError:
        return None
    if not isinstance(given, dict):
        return None
    if "hook" in given:
        return body if given["hook"] == service["hook"] else None
    entries = given.get("entry")
    if given.get("resourceType") != "Bundle" or not isinstance(entries, list):
        return None
    by_type: dict[str, list[Any]] = {}
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            by_type.setdefault(str(entry["resource"].get("resourceType")), []).append(entry)
    patient = by_type.get("Patient", [{"resource": {"resourceType": "Patient", "id": "none"}}])[0]["resource"]
    prefetch: dict[str, Any] = {
        key: {"resourceType": "Bundle", "type": "searchset", "entry": by_type.get(query.partition("?")[0], [])}
        for key, query in service["prefetch"].items()
        if "?" in query
    }
    context = {"userId": "Practitioner/1", "patientId": patient.get("id"), "encounterId": "1"}
    if service["hook"].startswith("order-"):
        context |= {"draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": []}, "selections": []}
    instance = "00000000-0000-4000-8000-000000000001"
    return json.dumps(
        {
            "hook": service["hook"],
            "hookInstance": instance,
            "context": context,
            "prefetch": prefetch | {"patient": patient},
        }
    ).encode()


def report(work: Path, count: int) -> int:
    """Print what differs, and give 1 if anything does."""
    differ = 0
    names = {path.name: json.loads(path.read_text())["name"] for path in (work / "requests").iterdir()}
    for path in sorted((work / "before").iterdir()):
        before, after = path.read_bytes(), (work / "after" / path.name).read_bytes()
        if before != after:
            differ += 1
            if differ <= SHOWN:
                at = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
                print(f"differs: {names.get(path.name, path.name)}, at byte {at}")
                print(f"  before: {before[max(0, at - AROUND) : at + AROUND].decode(errors='replace')}")
                print(f"  after:  {after[max(0, at - AROUND) : at + AROUND].decode(errors='replace')}")
    print(f"{count} requests answered by both, {differ} answers differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
