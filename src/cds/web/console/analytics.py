"""GET /console/decisions, /console/feedback, /console/data: what the journal says, in counts; each as CSV, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from cds.errors import NoJournalError, NotFhirError
from cds.journal.csv_text import csv_text
from cds.journal.export import feedback_as_csv
from cds.journal.interval import Share, share
from cds.journal.period import JournalPeriod
from cds.journal.playground import is_playground, playground_of
from cds.journal.settled import settled, settled_as_csv
from cds.journal.stats import Stats, Tally, stats
from cds.journal.store import Store
from cds.journal.trends import Day, by_day, comments_of, read_newest, remarks_of, versions_of
from cds.journal.unread import SHOWN_DAYS, unread_of
from cds.locale.sentence import say
from cds.rulebook.compiled_ruleset import CompiledRuleset
from cds.web.bars import BarChart, bars
from cds.web.console.layout import Console, console_route
from cds.web.console.urls import DATA, DECISIONS, FEEDBACK
from cds.web.explained import NARROW, WIDE

PLAYGROUND = "playground"  # in the address: what was tried there instead of what clinicians saw
CHOICES = (7, 30, 90)  # days
USUAL = 30
LONGEST = 3_660  # days: what a table could still show


@dataclass(frozen=True, slots=True)
class AnalyticsQuery:
    """
    What a page was asked for.

    Attributes:
        first, last: Days, both included.
        days: How the period was chosen; 0: by its days.
        period: The same for the journal.
    """

    first: date
    last: date
    days: int
    period: JournalPeriod


@dataclass(frozen=True, slots=True)
class CardRow:
    """What became of one card of one version: its tally, and shares of those of which something was said."""

    tally: Tally
    accepted: Share
    overridden: Share
    answered: Share


def query_of(request: Request, tenant: str, today: date) -> AnalyticsQuery:
    """
    The period and what it is limited to, by the address.

    Raises:
        NotFhirError: It names no period.
    """
    query = request.query_params
    first, last, days = query.get("from", ""), query.get("to", ""), query.get("days", "")
    if (first or last) and not days:
        begins, ends, chosen = _day(first, "from") if first else date.min, _day(last, "to") if last else today, 0
        if not first:
            begins = ends - timedelta(days=USUAL - 1)
    else:
        chosen = int(days) if days.isdecimal() and int(days) in CHOICES else USUAL
        begins, ends = today - timedelta(days=chosen - 1), today
    if not 0 <= (ends - begins).days < LONGEST:
        raise NotFhirError(
            say("The period ends before it begins, or is too long"), fix=say("Choose its first and last day again")
        )
    period = JournalPeriod(
        datetime.combine(begins, time.min, UTC),
        datetime.combine(ends + timedelta(days=1), time.min, UTC),
        playground_of(tenant) if query.get("of") == PLAYGROUND else tenant,
        query.get("service") or None,
        query.get("rules") or None,
    )
    return AnalyticsQuery(begins, ends, chosen, period)


def _day(text: str, name: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 1900 <= day.year <= 2199:
        raise NotFhirError(say("“{name}” is no day", name=name), fix=say("Write it as 2026-06-01"), where=name)
    return day


def analytics_routes(console: Console) -> APIRouter:
    """The pages, and their tables as CSV."""
    router = APIRouter(route_class=console_route(console.pages))

    def store() -> Store:
        if console.deployment.journal is None:
            raise NoJournalError(
                say("There is no journal, so that nothing is counted"),
                fix=say("Set CDS_JOURNAL, and start the service again"),
            )
        return console.deployment.journal.store

    def asked(request: Request) -> tuple[AnalyticsQuery, CompiledRuleset]:
        tenant_rules = console.tenant_rules(request)
        return query_of(request, tenant_rules.tenant, datetime.now(UTC).date()), tenant_rules.rules.program

    def page(
        request: Request, template: str, asked: AnalyticsQuery, program: CompiledRuleset, values: dict[str, Any]
    ) -> Response:
        about = {
            "asked": asked,
            "choices": CHOICES,
            "recent": {days: _recent(request, days) for days in CHOICES},
            "playground": is_playground(asked.period.tenant or ""),
            "services": list(program.services),
            "csv": f"{request.url.path}.csv?{request.url.query}",
            "settled_csv": f"{DATA}-settled.csv?{request.url.query}",
            "unread_csv": f"{DATA}-unread.csv?{request.url.query}",
            "export": f"{FEEDBACK}-export.csv?{request.url.query}",
        }
        return console.page(request, template, about | values)

    @router.get(DECISIONS)
    async def decisions(request: Request) -> Response:
        about, program = asked(request)
        kept = store()

        def read() -> dict[str, Any]:
            listed = by_day(kept, about.period)
            newest = read_newest(kept, about.period)
            return {
                "listed": listed,
                "drawn": drawn(listed, about),
                "newest": newest,
                "labels": {name: head.label for name, head in program.heads.items()},
                "versions": versions_of(kept, about.period),
            }

        return page(request, "console/decisions.html", about, program, await to_thread.run_sync(read))

    @router.get(f"{DECISIONS}.csv")
    async def decisions_csv(request: Request) -> Response:
        about, _ = asked(request)
        listed = await to_thread.run_sync(by_day, store(), about.period)
        rows = ((day.day, day.service, day.decisions, day.with_cards) for day in listed)
        return _csv("decisions", about, ("day", "service", "decisions", "with_cards"), rows)

    @router.get(FEEDBACK)
    async def feedback(request: Request) -> Response:
        about, program = asked(request)
        kept = store()

        def read() -> dict[str, Any]:
            found = stats(kept, about.period)
            return {
                "rows": rows_of(found),
                "found": found,
                "reasons": reasons_of(found),
                "said": comments_of(kept, about.period),
                "versions": versions_of(kept, about.period),
                "comments_days": console.deployment.settings.keep_comments_days,
            }

        return page(request, "console/feedback.html", about, program, await to_thread.run_sync(read))

    @router.get(f"{FEEDBACK}.csv")
    async def feedback_csv(request: Request) -> Response:
        about, _ = asked(request)
        found = await to_thread.run_sync(stats, store(), about.period)
        header = (
            "rule", "version", "card", "shown", "accepted", "overridden", "no_word", "would_be_shown",
            "overridden_share", "low_95", "high_95",
        )  # fmt: skip
        rows = (
            (
                row.tally.rule, row.tally.version, row.tally.card, row.tally.shown, row.tally.accepted,
                row.tally.overridden, row.tally.shown - row.answered.count, row.tally.silent,
                row.overridden.value, row.overridden.low, row.overridden.high,
            )
            for row in rows_of(found)
        )  # fmt: skip
        return _csv("feedback", about, header, rows)

    @router.get(f"{FEEDBACK}-export.csv")
    async def feedback_export(request: Request) -> Response:
        about, _ = asked(request)
        text = await to_thread.run_sync(feedback_as_csv, store(), about.period)
        return _download("feedback-export", about, text)

    @router.get(DATA)
    async def data(request: Request) -> Response:
        about, program = asked(request)
        kept = store()

        def read() -> dict[str, Any]:
            newest = read_newest(kept, about.period)
            whys = sorted({why for counts in newest.unknown.values() for why in counts})
            return {
                "newest": newest,
                "whys": whys,
                "facts": sorted(newest.unknown.items(), key=lambda item: (-item[1].total(), item[0])),
                "labels": program.labels,
                "remarks": remarks_of(kept, about.period),
                "unread": unread_of(kept, about.period),
                "unread_days": [about.last - timedelta(days=ago) for ago in range(SHOWN_DAYS - 1, -1, -1)],
                "settled": settled(kept, about.period, program.definitions),
                "versions": versions_of(kept, about.period),
            }

        return page(request, "console/data.html", about, program, await to_thread.run_sync(read))

    @router.get(f"{DATA}.csv")
    async def data_csv(request: Request) -> Response:
        about, _ = asked(request)
        listed = await to_thread.run_sync(remarks_of, store(), about.period)
        rows = ((one.kind, one.resource_type, one.what, one.decisions, one.times) for one in listed)
        return _csv("data", about, ("kind", "resource_type", "what", "decisions", "times"), rows)

    @router.get(f"{DATA}-settled.csv")
    async def settled_csv(request: Request) -> Response:
        about, program = asked(request)
        listed = await to_thread.run_sync(settled, store(), about.period, program.definitions)
        return _download("settled", about, settled_as_csv(listed))

    @router.get(f"{DATA}-unread.csv")
    async def unread_csv(request: Request) -> Response:
        about, _ = asked(request)
        listed = await to_thread.run_sync(unread_of, store(), about.period)
        rows = (
            (one.kind, one.system, one.code, one.first, day, decisions)
            for one in listed
            for day, decisions in sorted(one.days.items())
        )
        return _csv("unread", about, ("kind", "system", "code", "first_met", "day", "decisions"), rows)

    return router


def drawn(listed: Iterable[Day], asked: AnalyticsQuery) -> tuple[BarChart, BarChart]:
    """Decisions by day over all services, for a wide window and for a phone."""
    counts: dict[date, tuple[int, int]] = {}
    for day in listed:
        decisions, with_cards = counts.get(day.day, (0, 0))
        counts[day.day] = decisions + day.decisions, with_cards + day.with_cards
    # The day a decision was for may lie beside the one it was made on: another time zone, or a pinned clock.
    first, last = min([asked.first, *counts]), max([asked.last, *counts])
    return bars(counts, first, last, WIDE), bars(counts, first, last, NARROW)


def rows_of(found: Stats) -> list[CardRow]:
    """What became of each card, those shown most first."""
    rows = []
    for tally in found.tallies:
        answered = tally.accepted + tally.overridden
        rows.append(
            CardRow(
                tally, share(tally.accepted, answered), share(tally.overridden, answered), share(answered, tally.shown)
            )
        )
    return sorted(rows, key=lambda row: (-row.tally.shown, row.tally.rule, row.tally.card, row.tally.version))


def reasons_of(found: Stats) -> list[tuple[str, str, int, Share]]:
    """(card, reason, how many, its share of the card's overrides), the most frequent first; "" where none was given."""
    by_card: dict[str, Counter[str]] = {}
    for tally in found.tallies:
        by_card.setdefault(tally.card, Counter()).update(tally.reasons)
    listed = [
        (card, reason, count, share(count, reasons.total()))
        for card, reasons in by_card.items()
        for reason, count in reasons.items()
    ]
    return sorted(listed, key=lambda item: (-item[2], item[0], item[1]))


def _recent(request: Request, days: int) -> str:
    """The same page for the last days."""
    kept = [(name, value) for name, value in request.query_params.items() if name not in ("from", "to", "days")]
    return f"{request.url.path}?{urlencode([*kept, ('days', str(days))])}"


def _csv(name: str, asked: AnalyticsQuery, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    return _download(name, asked, csv_text(header, rows))


def _download(name: str, asked: AnalyticsQuery, text: str) -> Response:
    return Response(
        text,
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="thirdline-{name}-{asked.first}-{asked.last}.csv"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
