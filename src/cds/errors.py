"""
Errors: what this package raises on purpose, as one hierarchy.

A RequestError says what the caller sent wrong; the edge turns it into an OperationOutcome.
The others are caught where a person reads them: at start, on the command line, on a page.

    CdsError
        AlreadyExistsError  authoring/scaffold.py
        BlockedAddressError  fhir_client/network.py
        BrokenArchiveError  rulebook/archive.py
        ChartReviewError  population/chart_review.py
        CohortTableError  population/omop.py
        CreateError  fhir_client/create.py
        DerivableCountError  population/linked.py
        DisagreementError  engine/evaluator.py
        EngineError  engine/durable.py
        EngineLimitError  engine/durable.py
        ExportError  population/export.py
        FetchError  fhir_client/fetch.py
            ServerBusyError  fhir_client/fetch.py
        FhirWriterError  authoring/testing/resource_writer.py
        GroupError  population/group.py
        JwksError  auth/jwks.py
        LaunchError  auth/smart.py
        NoFhirServerError  fhir_client/fetch.py
        NotSignedInError  web/console/users.py
        RenameError  language_server/rename.py
        RequestError
            BusyError
            NoJournalError
            NoPageError
            NoPatientError
            NotAllowedError
            NotFhirError
            NotJsonError
            PrefetchMissingError
            SignInDownError
            TooLargeError
            TookTooLongError
            UnknownRuleError
            UnknownServiceError
            WrongClockError
            WrongPatientError
        RevisionNotFoundError  authoring/impact/revisions.py
        RuleNotFoundError  authoring/scaffold.py
        RulesError  yaml_source/problem.py
            TenantsError  auth/tenants.py
        SettingsError  configuration.py
        StoreDownError  journal/store.py
        TerminologySourceError  authoring/terminology/source.py
        UnreadableSourceError  yaml_source/source_file.py
        UnsafeSettingsError  app.py
        UntrustedCallerError  auth/client_jwt.py
        ValidationError  population/validation.py
        WhatIfInputError  web/what_if.py
        _NoRulesError  replay.py
        _TenantEntryError  auth/tenants.py
        _UnknownTablesError  journal/store.py
"""

from __future__ import annotations


class CdsError(Exception):
    """Whatever this package raises on purpose; what is raised besides is a fault of ours, answered with 500."""


class RequestError(CdsError):
    """
    The request is impossible to answer, and why.

    Attributes:
        what: One sentence that says what is wrong, without chart text or identifiers of a patient's name.
        fix: One sentence that says what to send instead.
        where: Path in the request, "" when it is the whole of it.
    """

    def __init__(self, what: str, *, fix: str, where: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.where = where


class NotJsonError(RequestError):
    """The body is not JSON (or is not UTF-8, or holds NaN or Infinity)."""


class NotFhirError(RequestError):
    """The body is JSON, but not what this address takes: not a Bundle, not a CDS Hooks request, wrong types."""


class TooLargeError(RequestError):
    """The body, its nesting or its number of entries is beyond the configured limit."""


class WrongPatientError(RequestError):
    """Resources of another patient are among the data, or more than one Patient; nothing was evaluated."""


class NoPatientError(RequestError):
    """The data say nothing about whom they are."""


class PrefetchMissingError(RequestError):
    """A prefetch key without which no answer is possible was not sent, and there is no way to fetch it (412)."""


class UnknownServiceError(RequestError):
    """No service has this id (404)."""


class UnknownRuleError(RequestError):
    """No rule file in force has this id (404)."""


class BusyError(RequestError):
    """Too much is under way already; the same request may be answered a little later (503)."""


class TookTooLongError(RequestError):
    """The answer was not ready in time; nothing is known of this patient (503)."""


class NoJournalError(RequestError):
    """The service keeps no journal, so that feedback and reviews cannot be taken (501)."""


class NoPageError(RequestError):
    """There is no such page, or nothing is kept any more to show on it (404)."""


class NotAllowedError(RequestError):
    """Whoever asks may not see this (403)."""


class SignInDownError(RequestError):
    """Nobody can sign in now: the provider that would say who it is does not answer (503)."""


class WrongClockError(RequestError):
    """The clock of this server cannot be right; nothing is known of any patient until it is set (503)."""
