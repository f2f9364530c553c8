"""tenants.yaml → who may call, with which keys, and what each is answered with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import httpx
import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from rapidfuzz import process

from cds.auth.jwks import (
    READ_SECONDS,
    JwksEndpoint,
    JwksError,
    KeySource,
    PinnedKeySource,
    PublishedKeySource,
    address_of,
    public_keys,
)
from cds.auth.smart import SmartClient
from cds.errors import CdsError
from cds.fhir_client.allowlist import ServerAllowlist, base_url, network
from cds.fhir_client.network import client_for
from cds.yaml_source.document import YamlDocument, read_yaml
from cds.yaml_source.problem import Problem, RulesError
from cds.yaml_source.source_file import UnreadableSourceError, source_bytes

# Signatures of two keys only; none and HMAC cannot be set (CDS Hooks 2.0.1: SHALL NOT be used).
Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
Words = Annotated[str, Field(min_length=1)]
CHECK = "tenants"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeysEntry(_Entry):
    """Where the client's public keys are: exactly one of the three."""

    file: Annotated[Path | None, Field(description="A JWK set in a file, beside this one.")] = None
    set: Annotated[dict[str, Any] | None, Field(description="A JWK set, written here.")] = None
    urls: Annotated[
        tuple[Words, ...] | None,
        Field(min_length=1, description="Addresses of JWK sets; a token's jku must be one of them."),
    ] = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(one is not None for one in (self.file, self.set, self.urls)) != 1:
            raise ValueError("Name exactly one of file, set and urls.")
        return self


class SmartEntry(_Entry):
    """How this app is registered at the organisation's EHR."""

    client_id: Words
    client_secret_file: Annotated[Path | None, Field(description="A file with its secret, beside this one.")] = None


class TenantEntry(_Entry):
    """One organisation that calls."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="For the log.")]
    issuers: Annotated[tuple[Words, ...], Field(min_length=1, description="Its tokens' iss, to the letter.")]
    keys: KeysEntry
    audiences: Annotated[tuple[Words, ...], Field(description="aud of its tokens, instead of our public address.")] = ()
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("ES384", "RS384")
    fhir_servers: Annotated[
        tuple[str, ...] | None, Field(description="Instead of CDS_FHIR_SERVERS; an empty list: none.")
    ] = None
    fhir_networks: Annotated[tuple[str, ...] | None, Field(description="Instead of CDS_FHIR_NETWORKS.")] = None
    key_networks: Annotated[
        tuple[str, ...], Field(description="Networks that addresses of keys may lead to though not public.")
    ] = ()
    rules: Annotated[Path | None, Field(description="Folder of rule files, instead of CDS_RULES.")] = None
    smart: Annotated[SmartEntry | None, Field(description="For SMART launches, instead of CDS_SMART_CLIENT_ID.")] = None


class TenantsFile(_Entry):
    """The file that CDS_TENANTS names."""

    tenants: Annotated[tuple[TenantEntry, ...], Field(min_length=1)]


KEYS = [*TenantsFile.model_fields, *TenantEntry.model_fields, *KeysEntry.model_fields, *SmartEntry.model_fields]


@dataclass(frozen=True, slots=True)
class Tenant:
    """
    One organisation that calls.

    Attributes:
        name: For the log.
        issuers: iss of its tokens.
        keys: Its public keys.
        audiences: aud of its tokens; none: the public address of this service.
        algorithms: What it may sign with.
        servers: FHIR servers its data may be read from.
        rules: Folder of its rule files.
        smart: This app at its EHR; None where that does not launch it, or as the settings say.
    """

    name: str
    issuers: tuple[str, ...]
    keys: KeySource
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    servers: ServerAllowlist
    rules: Path
    smart: SmartClient | None = None


class TenantsError(RulesError):
    """The tenants file holds mistakes; nothing was started."""


def read_tenants(
    path: Path, servers: ServerAllowlist, rules: Path, keys_seconds: float
) -> tuple[tuple[Tenant, ...], list[httpx.AsyncClient]]:
    """
    The tenants of a file, and the clients that read their keys (the caller closes them).

    `servers` and `rules` are of those that name none of their own.

    Raises:
        TenantsError: With every mistake.
    """
    try:
        located = read_yaml(source_bytes(path).decode("utf-8"), str(path))
    except (UnreadableSourceError, UnicodeDecodeError) as error:
        why = error.what if isinstance(error, UnreadableSourceError) else "This file is not UTF-8 text."
        what, fix = f"The tenants cannot be read. {why}", "Name a YAML file in CDS_TENANTS, or unset it."
        raise TenantsError((Problem(str(path), 0, 0, CHECK, what, fix),)) from None
    problems = list(located.problems)
    try:
        listed = TenantsFile.model_validate(located.value).tenants
    except ValidationError as error:
        raise TenantsError(tuple(problems or _of_form(error, located))) from None
    problems += _twice(listed, located)
    made: list[Tenant] = []
    clients: list[httpx.AsyncClient] = []
    for index, entry in enumerate(listed):
        try:
            made.append(_tenant(entry, path.parent, servers, rules, keys_seconds, clients))
        except _TenantEntryError as wrong:
            line, column = located.at(("tenants", index, *wrong.where))
            what = f"Tenant {entry.name}, {'.'.join(wrong.where)}: {wrong}."
            problems.append(Problem(str(path), line, column, CHECK, what, wrong.fix))
    if problems:
        raise TenantsError(tuple(problems))
    return tuple(made), clients


class _TenantEntryError(CdsError):
    def __init__(self, what: object, fix: str, *where: str) -> None:
        super().__init__(str(what))
        self.fix = fix
        self.where = where


def _twice(listed: tuple[TenantEntry, ...], located: YamlDocument) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(listed):
        for where, values in (("name", (entry.name,)), ("issuers", entry.issuers)):
            for value in values:
                if (where, value) in seen:
                    line, column = located.at(("tenants", index, where))
                    what = f"{value} stands twice among the tenants; a token must lead to one."
                    yield Problem(located.file, line, column, CHECK, what, "Keep one of them.")
                seen.add((where, value))


def _of_form(error: ValidationError, located: YamlDocument) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        path = detail["loc"]
        line, column = located.at(path)
        where = ".".join(str(step) for step in path) or "the file"
        if detail["type"] == "missing":
            what, fix = f"`{where}` is missing.", f"Add `{path[-1]}:`."
        elif detail["type"] == "extra_forbidden":
            close = process.extractOne(str(path[-1]), KEYS, score_cutoff=70)
            what = f"`{where}` is no key of a tenants file."
            fix = f"Did you mean `{close[0]}`?" if close else "Remove it, or see docs/integrators/authentication.md."
        else:
            what, fix = (
                f"`{where}`: {detail['msg']}.",
                "See docs/integrators/authentication.md for what can stand here.",
            )
        yield Problem(located.file, line, column, CHECK, what, fix)


def _tenant(
    entry: TenantEntry,
    folder: Path,
    servers: ServerAllowlist,
    rules: Path,
    keys_seconds: float,
    clients: list[httpx.AsyncClient],
) -> Tenant:
    try:
        bases = servers.bases if entry.fhir_servers is None else tuple(base_url(text) for text in entry.fhir_servers)
    except ValueError as error:
        raise _TenantEntryError(error, "Write the base URL of a FHIR server.", "fhir_servers") from None
    own = rules if entry.rules is None else folder / entry.rules
    if not own.is_dir():
        raise _TenantEntryError("there is no such folder", "Name a folder of rule files, seen from this file.", "rules")
    return Tenant(
        name=entry.name,
        issuers=entry.issuers,
        keys=_keys(entry, folder, keys_seconds, clients),
        audiences=entry.audiences,
        algorithms=entry.algorithms,
        servers=ServerAllowlist(
            bases,
            servers.networks if entry.fhir_networks is None else _networks(entry.fhir_networks, "fhir_networks"),
        ),
        rules=own,
        smart=_app(entry.smart, folder) if entry.smart is not None else None,
    )


def _app(entry: SmartEntry, folder: Path) -> SmartClient:
    if entry.client_secret_file is None:
        return SmartClient(entry.client_id)
    try:
        secret = source_bytes(folder / entry.client_secret_file).decode("utf-8").strip()
    except (UnreadableSourceError, UnicodeDecodeError):
        secret = ""
    if not secret:
        raise _TenantEntryError(
            "there is no secret in it", "Name a file beside this one.", "smart", "client_secret_file"
        )
    return SmartClient(entry.client_id, secret)


def _networks(texts: tuple[str, ...], where: str) -> tuple[Any, ...]:
    try:
        return tuple(network(text) for text in texts)
    except ValueError as error:
        raise _TenantEntryError(error, "Write a network as 10.0.0.0/8.", where) from None


def _keys(entry: TenantEntry, folder: Path, seconds: float, clients: list[httpx.AsyncClient]) -> KeySource:
    if entry.keys.urls is not None:
        try:
            urls = [address_of(text) for text in entry.keys.urls]
        except ValueError as error:
            raise _TenantEntryError(error, "Write the https address of a JWK set.", "keys", "urls") from None
        client = client_for(ServerAllowlist(networks=_networks(entry.key_networks, "key_networks")), READ_SECONDS)
        clients.append(client)
        return PublishedKeySource(JwksEndpoint(url, client, seconds) for url in urls)
    where = "file" if entry.keys.file is not None else "set"
    try:
        value = entry.keys.set
        if entry.keys.file is not None:
            value = msgspec.json.decode(source_bytes(folder / entry.keys.file))
        return PinnedKeySource(public_keys(value))
    except UnreadableSourceError as unreadable:
        raise _TenantEntryError(unreadable.what, "Name a file beside this one.", "keys", where) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _TenantEntryError("this is not JSON", "Save a JWK set there.", "keys", where) from None
    except JwksError as error:
        raise _TenantEntryError(error, "Give the client's public JWK set.", "keys", where) from None
