"""
HealthChain's client goes through an exchange with its own models: discovery, one hook, feedback.

Run in a virtual environment of its own: python exchange.py CDS_ROOT HOOK REQUEST.json
Prints what came back as one line of JSON.
"""

import json
import sys
from pathlib import Path

import httpx
from healthchain.models.responses.cdsdiscovery import CDSServiceInformation  # type: ignore[import-not-found]
from healthchain.models.responses.cdsfeedback import CDSFeedback  # type: ignore[import-not-found]
from healthchain.sandbox import SandboxClient  # type: ignore[import-not-found]
from healthchain.sandbox.requestconstructors import CdsRequestConstructor  # type: ignore[import-not-found]
from healthchain.sandbox.workflows import Workflow  # type: ignore[import-not-found]

root, hook, path = sys.argv[1:]
given = json.loads(Path(path).read_text())
offered = CDSServiceInformation(**httpx.get(f"{root}/cds-services").json()).services
service = next(service for service in offered if service.hook == hook)
address = f"{root}/cds-services/{service.id}"

client = SandboxClient(url=address, workflow=hook)
context = {name: given["context"][name] for name in ("userId", "patientId", "draftOrders") if name in given["context"]}
client.requests.append(CdsRequestConstructor().construct_request(given["prefetch"], Workflow(hook), context))
(answer,) = client.send_requests()

words = [
    CDSFeedback(card=card["uuid"], outcome="overridden", outcomeTimestamp="2026-06-01T12:00:00Z")
    for card in answer.get("cards", ())  # where the service refuses, this client gives what it said
]
said = httpx.post(f"{address}/feedback", json={"feedback": [word.model_dump(exclude_none=True) for word in words]})
print(json.dumps({"services": [each.id for each in offered], "answer": answer, "feedback": said.status_code}))
