"""Environment → Settings: every variable, its unit and default in one table (docs/integrators/settings.md)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cds.fhir_client.allowlist import ServerAllowlist, base_url, literal_address, network
from cds.rulebook.shipped import default_rules_folder


class Settings(BaseSettings):
    """How the service runs; each field is read from CDS_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="CDS_", frozen=True, extra="ignore")

    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65535, description="Port to listen on; 0: a free one, which the log names.")
    ] = 8000
    rules: Annotated[Path, Field(default_factory=default_rules_folder, description="Folder of rule files.")]
    show_definitions: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="Published definitions that are decided too and shown with an answer, separated by commas: "
            "their ids, or all; none: no file of theirs is read."
        ),
    ] = ()
    watch: Annotated[
        bool, Field(description="Take changed rule files while running, once they check and their tests pass.")
    ] = False
    engine: Annotated[
        Literal["both", "direct"],
        Field(description="Whose opinions are taken; both must agree, or nobody is answered."),
    ] = "both"
    review_grace_days: Annotated[
        int | None,
        Field(
            ge=0,
            le=3_650,
            description="Days after a clinical review was due until the service refuses to start with the rules; "
            "unset: they go on, and cards, pages, the log and /health say that it is overdue.",
        ),
    ] = None
    max_body_bytes: Annotated[int, Field(ge=1, description="Largest body, in bytes, after decompression.")] = 25_000_000
    most_entries: Annotated[int, Field(ge=1, description="Most Bundle entries in one request.")] = 50_000
    workers: Annotated[int, Field(ge=1, le=64, description="Processes that answer, each with its own rules.")] = 1
    max_concurrency: Annotated[
        int, Field(ge=1, le=64, description="Most decisions under way at once, each in a thread.")
    ] = 4
    queue_size: Annotated[
        int, Field(ge=0, le=10_000, description="Most requests that wait beside them; more get 503.")
    ] = 256
    request_timeout: Annotated[
        float, Field(gt=0, le=300, description="Seconds for one request, from its body to its answer; then 503.")
    ] = 20.0
    max_cpu_seconds: Annotated[
        float, Field(gt=0, le=300, description="Seconds of CPU for one decision; then it is stopped, and 503.")
    ] = 10.0
    max_bytes_in_flight: Annotated[
        int,
        Field(ge=1, description="Bytes of bodies in memory over all requests of a worker; one caller may hold half."),
    ] = 64_000_000
    max_head_bytes: Annotated[
        int, Field(ge=1_000, le=1_000_000, description="Bytes of a request's first line with its headers; then 431.")
    ] = 32_768
    head_timeout: Annotated[float, Field(gt=0, le=300, description="Seconds for the head of a request; then 408.")] = (
        10.0
    )
    body_timeout: Annotated[
        float,
        Field(gt=0, le=300, description="Seconds for the body of a request, and for taking the answer; then 408."),
    ] = 20.0
    max_connections: Annotated[
        int,
        Field(ge=1, le=100_000, description="Connections open at once to a worker, within its limit of open files."),
    ] = 512
    max_requests_per_minute: Annotated[
        int,
        Field(
            ge=0,
            description="Requests of one organisation, or of one address of another machine, in a minute and worker; "
            "then 429. 0: any number.",
        ),
    ] = 6_000
    withhold_labels: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="Codes of security labels (meta.security, such as 42CFRPart2) whose resources are not read, "
            "separated by commas: what they say is unknown; none: all are read."
        ),
    ] = ()
    fhir_servers: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(description="FHIR base URLs that missing data may be read from, separated by commas; none: no fetching."),
    ] = ()
    fhir_networks: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(description="Networks (10.0.0.0/8) that their names may lead to though not public, separated by commas."),
    ] = ()
    fetch_seconds: Annotated[float, Field(gt=0, le=60, description="Seconds for all fetching of one request.")] = 3.0
    fetch_pages: Annotated[int, Field(ge=1, le=1000, description="Most pages fetched of one search.")] = 20
    tenants: Annotated[
        Path | None, Field(description="YAML file of who may call; unset: nobody is asked who they are.")
    ] = None
    public_url: Annotated[
        str, Field(description="This service's address as clients know it, which their tokens must name (aud).")
    ] = ""
    token_skew_seconds: Annotated[
        float, Field(ge=0, le=600, description="How much a client's clock may differ, in seconds.")
    ] = 60.0
    token_longest_seconds: Annotated[
        float, Field(gt=0, le=86400, description="Longest life of a token (exp - iat), in seconds.")
    ] = 3600.0
    keys_seconds: Annotated[
        float, Field(ge=30, le=86400, description="Seconds until clients' published keys are read again.")
    ] = 600.0
    unauthenticated: Annotated[
        bool, Field(description="Let anybody call although other machines reach the address.")
    ] = False
    max_json_depth: Annotated[int, Field(ge=8, le=500, description="Deepest nesting of JSON.")] = 64
    cors_origins: Annotated[
        tuple[str, ...], NoDecode, Field(description="Origins a browser may call from, separated by commas.")
    ] = ()
    journal: Annotated[
        str,
        Field(description="Where receipts and feedback are kept: a path (SQLite), a postgresql:// URL, or none."),
    ] = "~/.local/state/thirdline/journal.sqlite3"
    journal_key: Annotated[
        SecretStr | None,
        Field(min_length=32, description="Key of the digests in the journal; by default a random one kept in it."),
    ] = None
    keep_receipts_days: Annotated[int, Field(ge=1, le=36_500, description="Days receipts and feedback are kept.")] = 730
    keep_comments_days: Annotated[
        int, Field(ge=1, le=36_500, description="Days what clinicians typed with feedback is kept.")
    ] = 90
    keep_inputs_days: Annotated[
        int, Field(ge=0, le=36_500, description="Days the data decided from are kept; 0: not stored.")
    ] = 0
    keep_inputs_of: Annotated[
        Literal["all", "cards"],
        Field(description="Which decisions' data are kept: all, or those that showed a card."),
    ] = "all"
    keep_audit_days: Annotated[
        int, Field(ge=1, le=36_500, description="Days the record of who looked at what is kept.")
    ] = 2_190
    save_reviews: Annotated[
        tuple[Literal["ehr", "journal"], ...],
        NoDecode,
        Field(
            description="Where a page may save what a clinician states: ehr (by the SMART launch), journal, or both "
            "separated by commas, in this order; none: it is given as text for the note."
        ),
    ] = ()
    keep_reviews_days: Annotated[
        int, Field(ge=1, le=36_500, description="Days what a clinician stated is kept in the journal, and counts.")
    ] = 730
    keep_users: Annotated[
        Literal["digest", "plain"],
        Field(description="How the EHR's user (context.userId) is kept with a receipt: a keyed digest, or as sent."),
    ] = "digest"
    link_hours: Annotated[
        float, Field(gt=0, le=24 * 31, description="Hours the link on a card opens the page of its decision.")
    ] = 12.0
    smart_client_id: Annotated[
        str, Field(description="Client id of this app at the EHR of CDS_FHIR_SERVERS, for its SMART launch.")
    ] = ""
    smart_client_secret: Annotated[
        SecretStr | None, Field(description="Its secret, where it is registered as a confidential client.")
    ] = None
    frame_ancestors: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(description="Origins (https://ehr.example) that may frame pages, separated by commas; none: no frames."),
    ] = ()
    console: Annotated[bool, Field(description="Show the console at /console to those who run this service.")] = False
    oidc_issuer: Annotated[
        str, Field(description="OpenID provider that says who may see the console: its issuer, to the letter.")
    ] = ""
    oidc_client_id: Annotated[str, Field(description="What the provider calls this service.")] = ""
    oidc_client_secret: Annotated[
        SecretStr | None, Field(min_length=16, description="What this service proves that to the provider with.")
    ] = None
    oidc_allowed: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="Users who may see the console: sub:…, email:…, group:…, separated by commas, or anybody; "
            "as viewers, or with a role and a tenant before it: analyst=group:…, steward@north=email:…"
        ),
    ] = ()
    tls_certificate: Annotated[
        Path | None, Field(description="PEM file of the certificate chain to answer https with; unset: plain http.")
    ] = None
    tls_key: Annotated[Path | None, Field(description="PEM file of its private key.")] = None
    tls_client_ca: Annotated[
        Path | None, Field(description="PEM file of authorities one of whom a caller's certificate must be from.")
    ] = None
    trusted_proxies: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(description="Addresses or networks of proxies whose X-Forwarded-* count, separated by commas."),
    ] = ("127.0.0.1", "::1")
    metrics: Annotated[bool, Field(description="Give counts for Prometheus at /metrics.")] = False
    metrics_token: Annotated[
        SecretStr | None,
        Field(min_length=16, description="Bearer token that /metrics asks for; unset: nobody is asked."),
    ] = None
    traces_endpoint: Annotated[
        str,
        Field(
            pattern="^(https?://.+)?$",
            description="OTLP/HTTP address that OpenTelemetry traces go to (http://127.0.0.1:4318/v1/traces); "
            "unset: none. Needs the extra otel.",
        ),
    ] = ""
    log_format: Annotated[Literal["text", "json"], Field(description="Lines for people, or a JSON object a line.")] = (
        "text"
    )
    log_level: Annotated[
        Literal["critical", "error", "warning", "info", "debug"], Field(description="How much is logged.")
    ] = "info"

    @field_validator(
        "show_definitions",
        "withhold_labels",
        "save_reviews",
        "cors_origins",
        "fhir_servers",
        "fhir_networks",
        "frame_ancestors",
        "oidc_allowed",
        "trusted_proxies",
        mode="before",
    )
    @classmethod
    def _by_comma(cls, value: object) -> object:
        return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value

    @field_validator("fhir_servers")
    @classmethod
    def _base_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(base_url(text)) for text in value)

    @field_validator("fhir_networks", "trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(network(text)) for text in value)

    @field_validator("frame_ancestors")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not re.fullmatch(r"https?://[A-Za-z0-9.*-]+(:\d+)?", origin):
                raise ValueError(f"{origin} is not an origin: write https://ehr.example")
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, value: str) -> str:
        return str(base_url(value)).rstrip("/") if value else ""

    @model_validator(mode="after")
    def _audience(self) -> Self:
        if self.tenants is not None and not self.public_url:
            raise ValueError(
                "CDS_TENANTS needs CDS_PUBLIC_URL: the address of this service as clients know it (https://cds.example)"
            )
        return self

    @model_validator(mode="after")
    def _launch(self) -> Self:
        if self.smart_client_secret is not None and not self.smart_client_id:
            raise ValueError("CDS_SMART_CLIENT_SECRET needs CDS_SMART_CLIENT_ID: the client it is the secret of")
        if self.smart_client_id and not (self.fhir_servers or self.tenants):
            raise ValueError("CDS_SMART_CLIENT_ID needs CDS_FHIR_SERVERS: the FHIR server of the EHR that launches")
        if self.smart_client_id and not (self.public_url or self.for_this_machine):
            raise ValueError("CDS_SMART_CLIENT_ID needs CDS_PUBLIC_URL: the EHR sends browsers back there")
        return self

    @model_validator(mode="after")
    def _saving(self) -> Self:
        if "ehr" in self.save_reviews and not (self.smart_client_id or self.tenants):
            raise ValueError("CDS_SAVE_REVIEWS=ehr needs CDS_SMART_CLIENT_ID: what is saved there needs a SMART launch")
        if "ehr" in self.save_reviews and self.workers > 1:
            raise ValueError(
                "CDS_SAVE_REVIEWS=ehr needs CDS_WORKERS=1: the token of a launch is in the memory of one process alone"
            )
        if self.save_reviews and self.keep_inputs_days == 0:
            raise ValueError(
                "CDS_SAVE_REVIEWS needs CDS_KEEP_INPUTS_DAYS: the page that saves is of a decision whose data are kept"
            )
        return self

    @model_validator(mode="after")
    def _time(self) -> Self:
        if self.fetch_seconds >= self.request_timeout:
            raise ValueError(
                "CDS_REQUEST_TIMEOUT must be more than CDS_FETCH_SECONDS, or what a server gives comes too late"
            )
        return self

    @model_validator(mode="after")
    def _tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("CDS_TLS_CERTIFICATE and CDS_TLS_KEY need each other: the chain and its private key")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("CDS_TLS_CLIENT_CA needs CDS_TLS_CERTIFICATE: callers show theirs over https only")
        for name in ("tls_certificate", "tls_key", "tls_client_ca"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise ValueError(f"CDS_{name.upper()}: {path} is not a file")
        return self

    @model_validator(mode="after")
    def _metrics(self) -> Self:
        if self.metrics and self.tenants is not None and self.metrics_token is None:
            raise ValueError("CDS_METRICS with CDS_TENANTS needs CDS_METRICS_TOKEN: counts name tenants and cards")
        return self

    @model_validator(mode="after")
    def _bytes(self) -> Self:
        if self.max_bytes_in_flight < self.max_body_bytes:
            raise ValueError(
                "CDS_MAX_BYTES_IN_FLIGHT must be at least CDS_MAX_BODY_BYTES, or the largest body is never read"
            )
        return self

    @property
    def below(self) -> str:
        """The path of another site that this service is below (/cds), "" for none."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def for_this_machine(self) -> bool:
        """Whether only this machine reaches the address that is listened on."""
        literal = literal_address(self.host)
        return self.host == "localhost" if literal is None else literal.is_loopback

    @property
    def servers(self) -> ServerAllowlist:
        """The allowlist."""
        return ServerAllowlist(
            tuple(base_url(text) for text in self.fhir_servers), tuple(network(text) for text in self.fhir_networks)
        )
