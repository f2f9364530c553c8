"""The review form, served at the path of its canonical address."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from cds.authoring.strict_fhir import strict_fhir
from cds.review.questionnaire import questionnaire_of
from tests.server import serving
from tests.shipped import shipped_rules


@pytest.mark.seconds
def test_the_form_is_at_the_path_of_its_canonical_address() -> None:
    rules = shipped_rules()
    made = questionnaire_of(rules.program)
    assert made is not None
    with serving(rules) as client:
        answer = client.get(urlsplit(made["url"]).path)
        assert answer.json() == made
        assert answer.headers["content-type"].startswith("application/fhir+json")
        assert strict_fhir(answer.content) == []
        assert client.get("/Questionnaire/another").status_code == 404
