"""GET and POST /decisions/{id}/what-if: the same data, changed; POST …/save: what was answered, saved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from cds.api.body import read_body
from cds.decide import Ruleset
from cds.errors import RequestError
from cds.explanation.flips import flips
from cds.journal.inputs import StoredDecision
from cds.locale.sentence import say
from cds.web.decisions import DecisionLookup, fields_of
from cds.web.explained import explained_values
from cds.web.page import HTMX, Pages, page_route
from cds.web.page_words import LOCALE
from cds.web.saving import ReviewSaver
from cds.web.settle import NUMBER, FilledReview, filled_review, new_number, settling_of, without_signature
from cds.web.what_if import WhatIfInputError, changeable, changed, edits_of

MOST_FORM = 200_000  # bytes


class SentForm:
    """Makes the answer to a form that was sent: what its changes change, and the review in it."""

    def __init__(self, lookup: DecisionLookup, saver: ReviewSaver) -> None:
        self._lookup = lookup
        self._saver = saver

    def answered(
        self,
        request: Request,
        found: StoredDecision,
        rules: Ruleset,
        typed: Mapping[str, str],
        authored: datetime | None,
    ) -> tuple[dict[str, Any], FilledReview | None]:
        """What a page says of a form that was sent, and the review in it; `authored` when it is to be saved."""
        service, questionnaire = rules.program.services[found.service], rules.program.codes.review
        was = self._lookup.decided(found, rules, found.body)
        chart = changeable(found.body, rules.program, service, was)
        settling = settling_of(rules, was, found.service)
        number = typed.get(NUMBER, "")
        values: dict[str, Any] = {
            "kept": found, "form": chart, "settling": settling, "typed": typed, "wrong": "", "flips": None,
            "place": self._saver.place(request, found).value, "number": number, "saved": None, "review": None,
            LOCALE: rules.program.words,
        }  # fmt: skip
        try:
            if not settling.is_number(number):
                raise WhatIfInputError(say("This form does not fit the data any more: load the page again"))
            edits = edits_of(chart, without_signature(typed), settling.fields)
            tried = filled_review(settling, typed, was, questionnaire)
            body = changed(found.body, edits, rules.program, service, found.day, tried.resources if tried else ())
            now = self._lookup.decided(found, rules, body)
            values |= {"flips": flips(rules, was, now), "review": tried}
            values |= explained_values(rules, now, found.service)
            if authored is None:
                return values, None
            review = filled_review(settling, typed, was, questionnaire, authored)
            if review is None:
                raise WhatIfInputError(
                    say("Nothing is answered that could be saved: only answers are, and no other change")
                )
            if not review.author:
                raise WhatIfInputError(say("Say who answers: what is saved carries your name"))
        except (WhatIfInputError, RequestError) as wrong:
            values |= {"wrong": wrong.args[0], "flips": None}
            return values, None
        return values, review


def what_if_routes(pages: Pages, lookup: DecisionLookup, saver: ReviewSaver) -> APIRouter:
    """The form behind a decision, and what is made of it."""
    router = APIRouter(include_in_schema=False, route_class=page_route(pages))
    form = SentForm(lookup, saver)

    def shown(request: Request, values: dict[str, Any], key: str) -> Response:
        if HTMX in request.headers:  # which shows a piece of a page only when it comes with 200
            return pages.page("what_if_result.html", values | {"key": key})
        return pages.page("what_if.html", values | {"key": key}, 400 if values["wrong"] else 200)

    @router.get("/decisions/{decision}/what-if")
    async def what_if_form(request: Request, decision: str, key: str = "") -> Response:
        found, rules = await lookup.soon(request, decision, key)

        def answer() -> Response:
            service = rules.program.services[found.service]
            was = lookup.decided(found, rules, found.body)
            values = {
                "kept": found, "key": key, "form": changeable(found.body, rules.program, service, was),
                "settling": settling_of(rules, was, found.service), "typed": {}, "wrong": "", "flips": None,
                "place": saver.place(request, found).value, "number": new_number(), "saved": None,
                LOCALE: rules.program.words,
            }  # fmt: skip
            return pages.page("what_if_form.html" if HTMX in request.headers else "what_if.html", values)

        return await lookup.in_worker(answer)

    @router.post("/decisions/{decision}/what-if")
    async def what_if(request: Request, decision: str, key: str = "") -> Response:
        found, rules = await lookup.soon(request, decision, key)
        typed = fields_of(await read_body(request, MOST_FORM))
        values, _ = await lookup.in_worker(lambda: form.answered(request, found, rules, typed, None))
        return shown(request, values, key)

    @router.post("/decisions/{decision}/save")
    async def save(request: Request, decision: str, key: str = "") -> Response:
        found, rules = await lookup.soon(request, decision, key)
        typed = fields_of(await read_body(request, MOST_FORM))
        values, review = await lookup.in_worker(lambda: form.answered(request, found, rules, typed, saver.now()))
        if review is not None:
            result = await saver.save(request, found, review.resources)
            values |= {"saved": result, "review": review}
        return shown(request, values, key)

    return router
