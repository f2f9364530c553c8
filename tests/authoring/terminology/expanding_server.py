"""
A FHIR terminology server in a process of its own: GET /fhir/ValueSet/$expand, in pages, with what can go wrong.

Run as a module; it writes its port to standard output.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
KNOWN = "http://example.org/ValueSet/depression"
CODES = [f"F33.{number}" for number in range(4)] + ["F32.0", "F32.1"]
PAGE_OF_THE_SERVER = 4  # it gives less than it is asked for


class Expanding(BaseHTTPRequestHandler):
    """Answers for a few canonicals."""

    def do_GET(self) -> None:
        """One request."""
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        url = asked.get("url", "")
        if parts.path != "/fhir/ValueSet/$expand":
            self.answer(404, b"<html>not here</html>", "text/html")
        elif url == KNOWN:
            self.expand(asked)
        elif url.endswith("/not-whole"):
            extension = [{"url": "http://hl7.org/fhir/StructureDefinition/valueset-unclosed", "valueBoolean": True}]
            self.resource(200, {"resourceType": "ValueSet", "expansion": {"extension": extension}})
        elif url.endswith("/stops"):
            self.resource(200, {"resourceType": "ValueSet", "expansion": {"total": 9, "contains": []}})
        elif url.endswith("/garbage"):
            self.answer(200, b"<html>", "text/html")
        else:
            issue = {"severity": "error", "code": "not-found", "diagnostics": f"Unknown ValueSet\n{url}"}
            self.resource(404, {"resourceType": "OperationOutcome", "issue": [issue]})

    def expand(self, asked: dict[str, str]) -> None:
        """A page of the codes."""
        first = int(asked.get("offset", 0))
        version = asked.get("valueSetVersion", "2026")
        codes = CODES if version == "2026" else CODES[:3]
        page = codes[first : first + min(int(asked["count"]), PAGE_OF_THE_SERVER)]
        contains = [{"system": ICD, "code": code, "display": f"Depression {code}"} for code in page]
        expansion = {"total": len(codes), "offset": first, "contains": contains}
        self.resource(200, {"resourceType": "ValueSet", "url": KNOWN, "version": version, "expansion": expansion})

    def resource(self, status: int, body: dict[str, object]) -> None:
        """A resource."""
        self.answer(status, json.dumps(body).encode(), "application/fhir+json")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        """Any answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Expanding)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
