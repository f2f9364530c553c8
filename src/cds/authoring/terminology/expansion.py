"""Value sets that name a published ValueSet + its expansion, from a file or a terminology server → what differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import msgspec

from cds.authoring.terminology.proposal import (
    FileEdit,
    Finding,
    Proposal,
    add_codes,
    edited_yaml,
    in_order,
    set_checked,
)
from cds.authoring.terminology.source import TerminologySourceError
from cds.rulebook.format.value_set import ValueSetFile
from cds.terminology.concepts import Coding
from cds.terminology.systems import canonical_code, canonical_system
from cds.yaml_source.loaded import LoadedFile

PAGE = 1000
TIMEOUT = 60.0
FHIR_JSON = {"Accept": "application/fhir+json"}
UNCLOSED = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"
TOO_COSTLY = "http://hl7.org/fhir/StructureDefinition/valueset-toocostly"


@dataclass(frozen=True, slots=True)
class PublishedValueSet:
    """
    A published ValueSet, expanded.

    Attributes:
        url: Its canonical.
        version: Its version; "" where it does not say.
        codes: Every code in use, with its display.
    """

    url: str
    version: str
    codes: tuple[Coding, ...]


class ExpansionSource:
    """Where expansions come from: a FHIR terminology server, or files."""

    def __init__(self, place: str, *, newest: bool = True, transport: httpx.BaseTransport | None = None) -> None:
        """
        A source.

        Args:
            place: Base address of a server (http://, https://), or a file or folder of ValueSets as FHIR JSON.
            newest: Ask a server for its newest version, not for the one the list names.
            transport: How requests are sent; for tests.
        """
        self.place, self.newest, self._transport = place, newest, transport
        self._files = None if place.startswith(("http://", "https://")) else _in_files(Path(place))

    def get(self, url: str, version: str) -> PublishedValueSet:
        """
        The expansion of a canonical.

        Raises:
            TerminologySourceError: There is none, it is not whole, or the server does not answer as it should.
        """
        if self._files is not None:
            found = self._files.get(url)
            if found is None:
                raise TerminologySourceError(
                    f"{self.place} holds no ValueSet {url}.", f"It holds {', '.join(sorted(self._files)) or 'none'}."
                )
            return found
        return self._expanded(url, "" if self.newest else version)

    def _expanded(self, url: str, version: str) -> PublishedValueSet:
        codes: dict[tuple[str, str], Coding] = {}
        found_version, seen, total = "", 0, 1
        with httpx.Client(transport=self._transport, timeout=TIMEOUT, headers=FHIR_JSON) as client:
            while seen < total:
                asked = {"url": url, "count": str(PAGE), "offset": str(seen)}
                if version:
                    asked["valueSetVersion"] = version
                answer = self._asked(client, asked)
                expansion = answer.get("expansion") or {}
                _refuse_part(url, expansion)
                page = list(_contained(expansion.get("contains") or ()))
                found_version = str(answer.get("version") or found_version)
                codes.update({(one.system, one.code): one for one in page})
                count = sum(1 for _ in _all(expansion.get("contains") or ()))
                seen += count
                total = int(expansion.get("total") or seen)
                if not count and seen < total:
                    raise TerminologySourceError(
                        f"{self.place} gave {seen} of {total} codes of {url} and no more.", "Ask another server."
                    )
        return PublishedValueSet(url, found_version, tuple(codes.values()))

    def _asked(self, client: httpx.Client, asked: Mapping[str, str]) -> dict[str, Any]:
        address = f"{self.place.rstrip('/')}/ValueSet/$expand"
        try:
            response = client.get(address, params=asked)
        except httpx.HTTPError as down:
            raise TerminologySourceError(
                f"{address} cannot be reached: {type(down).__name__}.", "Check the address and the network."
            ) from None
        body = _json_of(response.content)
        if response.status_code != httpx.codes.OK:
            raise TerminologySourceError(
                f"{address} answered {response.status_code} for {asked['url']}{_said(body)}.",
                "Check the address of the server and the canonical in the value set.",
            )
        if not isinstance(body, dict) or body.get("resourceType") != "ValueSet":
            raise TerminologySourceError(f"{address} did not answer with a ValueSet.", "Check the address.")
        return body


def compare_published(
    sets: Iterable[LoadedFile[ValueSetFile]], source: ExpansionSource, today: date | None
) -> Proposal:
    """
    Compare the value sets that name a `canonical` with its expansion.

    Codes the expansion has and the list has not are proposed in a group of their own source. Codes of the list that
    the expansion does not have are reported and stay: charts of earlier years hold them. `today` marks the lists as
    compared; None leaves that as it is.

    Raises:
        TerminologySourceError: No value set names a canonical, or the source cannot be compared with.
    """
    listed = [loaded for loaded in sets if loaded.model.valueset.canonical]
    if not listed:
        raise TerminologySourceError(
            "No value set names a `canonical`.", "Write `canonical` and `version` into the value sets that follow one."
        )
    findings: list[Finding] = []
    edits: list[FileEdit] = []
    for loaded in listed:
        header = loaded.model.valueset
        published = source.get(header.canonical or "", header.version or "")
        new = dict(_missed(loaded.model, published))
        name = header.id or f"{header.adds_to}"
        findings += _differences(name, loaded.model, published, new)
        edits.append(_edit(loaded, published, new, today))
    return Proposal(
        source.place, "1 list" if len(listed) == 1 else f"{len(listed)} lists", in_order(findings), tuple(edits)
    )


def _differences(
    name: str, model: ValueSetFile, published: PublishedValueSet, new: Mapping[tuple[str, str], str]
) -> Iterator[Finding]:
    version = model.valueset.version
    if published.version and published.version != version:
        yield Finding(
            "other-version", name, "", f"Version {published.version} of {published.url} instead of {version}."
        )
    for (system, code), display in new.items():
        yield Finding("new-code", name, code, f"{display or 'without display'} ({system}).")
    codes = {(one.system, one.code) for one in published.codes}
    systems = {one.system for one in published.codes}
    for group in model.codes:
        system = canonical_system(group.system)
        for code, display in group.exact.items():
            if system in systems and (system, code) not in codes:
                yield Finding("not-in-expansion", name, code, f"{display}: not in {published.url}. It stays.")
        for code, display in group.except_.items():
            if (system, code) in codes:
                yield Finding("left-out", name, code, f"{display}: in {published.url}, and left out here by name.")


def _missed(model: ValueSetFile, published: PublishedValueSet) -> Iterator[tuple[tuple[str, str], str]]:
    """The codes of an expansion that a list does not hold, with their displays."""
    exact = {(canonical_system(group.system), code) for group in model.codes for code in (*group.exact, *group.except_)}
    roots = [(canonical_system(group.system), code) for group in model.codes for code in group.with_children]
    for one in published.codes:
        below = any(system == one.system and one.code.startswith(root) for system, root in roots)
        if (one.system, one.code) not in exact and not below:
            yield (one.system, one.code), one.display


def _edit(
    loaded: LoadedFile[ValueSetFile],
    published: PublishedValueSet,
    new: Mapping[tuple[str, str], str],
    today: date | None,
) -> FileEdit:
    version = published.version or loaded.model.valueset.version or ""
    source = f"{published.url}|{version}"

    def change(values: Any) -> None:
        if today is not None:
            set_checked(values["valueset"], today, source)
        values["valueset"]["version"] = type(values["valueset"]["version"])(version)
        for system in dict.fromkeys(system for system, _ in new):
            codes = {code: display or code for (of, code), display in new.items() if of == system}
            add_codes(values, _as_written(loaded.model, system), source, codes)

    return edited_yaml(Path(loaded.file), loaded.text, change)


def _as_written(model: ValueSetFile, system: str) -> str:
    """A code system as the list spells it."""
    return next((group.system for group in model.codes if canonical_system(group.system) == system), system)


def _in_files(place: Path) -> dict[str, PublishedValueSet]:
    """Canonical → ValueSet, of a file or of every .json of a folder."""
    if not place.exists():
        raise TerminologySourceError(f"{place} does not exist.", "Name a file or folder of ValueSets, or a server.")
    found: dict[str, PublishedValueSet] = {}
    for path in sorted(place.rglob("*.json")) if place.is_dir() else [place]:
        body = _json_of(path.read_bytes())
        if body is None:
            raise TerminologySourceError(f"{path} is no JSON.", "Save the ValueSet as FHIR JSON.")
        for resource in _value_sets(body):
            url = resource.get("url")
            if not isinstance(url, str):
                raise TerminologySourceError(f"A ValueSet in {path} has no url.", "Give it the canonical of the list.")
            found[url] = _read(url, resource)
    if not found:
        raise TerminologySourceError(f"{place} holds no ValueSet.", "Name a file or folder of ValueSets as FHIR JSON.")
    return found


def _value_sets(body: Any) -> Iterator[dict[str, Any]]:
    if isinstance(body, dict) and body.get("resourceType") == "ValueSet":
        yield body
    elif isinstance(body, dict) and body.get("resourceType") == "Bundle":
        for entry in body.get("entry") or ():
            yield from _value_sets(entry.get("resource"))


def _read(url: str, resource: Mapping[str, Any]) -> PublishedValueSet:
    expansion = resource.get("expansion") or {}
    if expansion:
        _refuse_part(url, expansion)
        total, held = expansion.get("total"), sum(1 for _ in _all(expansion.get("contains") or ()))
        if total is not None and int(total) > held:
            raise TerminologySourceError(f"{url} holds {held} of {total} codes.", "Export the whole expansion.")
        codes = tuple(_contained(expansion.get("contains") or ()))
    else:
        codes = tuple(_composed(url, resource.get("compose") or {}))
    return PublishedValueSet(url, str(resource.get("version") or ""), codes)


def _composed(url: str, compose: Mapping[str, Any]) -> Iterator[Coding]:
    """The codes a definition lists; one that says them by a filter or another set has to be expanded first."""
    if compose.get("exclude"):
        raise TerminologySourceError(f"{url} is a definition with `exclude`.", "Expand it first.")
    for include in compose.get("include") or ():
        if include.get("filter") or include.get("valueSet") or not include.get("concept"):
            raise TerminologySourceError(f"{url} is a definition without the codes themselves.", "Expand it first.")
        for concept in include["concept"]:
            yield _coding(include.get("system"), concept)


def _refuse_part(url: str, expansion: Mapping[str, Any]) -> None:
    for extension in expansion.get("extension") or ():
        if extension.get("url") in {UNCLOSED, TOO_COSTLY}:
            raise TerminologySourceError(f"The expansion of {url} is not whole.", "Ask another server, or use a file.")


def _all(contains: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for one in contains:
        yield one
        yield from _all(one.get("contains") or ())


def _contained(contains: Iterable[Mapping[str, Any]]) -> Iterator[Coding]:
    """Codes in use; what is abstract only groups others."""
    for one in _all(contains):
        if one.get("code") and not one.get("abstract") and not one.get("inactive"):
            yield _coding(one.get("system"), one)


def _coding(system: object, one: Mapping[str, Any]) -> Coding:
    canonical = canonical_system(str(system or ""))
    return Coding(canonical, canonical_code(canonical, str(one.get("code") or "")), str(one.get("display") or ""))


def _json_of(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


def _said(body: Any) -> str:
    """What an OperationOutcome says, on one line; "" for anything else."""
    if not isinstance(body, dict) or body.get("resourceType") != "OperationOutcome":
        return ""
    said = [
        str(issue.get("diagnostics") or (issue.get("details") or {}).get("text") or issue.get("code") or "")
        for issue in body.get("issue") or ()
    ]
    return f": {' '.join(' '.join(said).split()).rstrip('.')}"[:300] if any(said) else ""
