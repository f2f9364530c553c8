"""
What is counted, for Prometheus: names of rules, services and servers only, nothing of a patient.

With several workers each writes its counts into files of one folder (`PROMETHEUS_MULTIPROC_DIR`), and whichever of them
is asked adds them up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as text_of
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.parser import text_string_to_metric_families

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = CONTENT_TYPE_LATEST
STARTED = time.time()  # of this process
# Seconds; most answers take some milliseconds, and EHRs give up after some seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)

requests = Counter("thirdline_requests_total", "Requests answered.", ["endpoint", "status"])
request_seconds = Histogram(
    "thirdline_request_seconds", "Seconds from a request's head to the end of its answer.", ["endpoint"],
    buckets=BUCKETS,
)  # fmt: skip
decisions = Counter("thirdline_decisions_total", "Decisions made.", ["tenant", "service"])
cards = Counter("thirdline_cards_total", "Cards shown.", ["tenant", "service", "card", "indicator"])
unknown_facts = Counter("thirdline_unknown_facts_total", "Facts that stayed unknown.", ["fact"])
disagreements = Counter("thirdline_engine_disagreements_total", "Decisions the two evaluators differed on.")
open_disagreements = Gauge(
    "thirdline_engine_disagreements_open", "Disagreements of the two evaluators that nobody acknowledged.",
    multiprocess_mode="livemax",
)  # fmt: skip
fetches = Counter("thirdline_fetch_total", "Prefetch keys read from FHIR servers.", ["server", "outcome"])
in_progress = Gauge("thirdline_decisions_in_progress", "Requests let in and not answered.", multiprocess_mode="livesum")
queue_waiting = Gauge("thirdline_queue_waiting", "Requests that wait for a thread.", multiprocess_mode="livesum")
overdue = Gauge(
    "thirdline_decisions_overdue", "Decisions that go on after their callers were answered.",
    multiprocess_mode="livesum",
)  # fmt: skip
journal_waiting = Gauge("thirdline_journal_waiting", "Receipts not written yet.", multiprocess_mode="livesum")
journal_lost = Counter("thirdline_journal_lost_total", "Receipts that could not be kept.")
journal_up = Gauge("thirdline_journal_up", "1 while receipts and feedback are kept.", multiprocess_mode="livemin")
rules_info = Gauge(
    "thirdline_rules_info", "1 for the rule set in force.", ["tenant", "digest"], multiprocess_mode="livemax"
)
rules_loaded = Gauge(
    "thirdline_rules_loaded_timestamp_seconds", "When the rule set in force was taken.", ["tenant"],
    multiprocess_mode="livemin",
)  # fmt: skip
build_info = Gauge("thirdline_build_info", "1 for the version that runs.", ["version"], multiprocess_mode="livemax")


@dataclass(frozen=True, slots=True)
class Traffic:
    """
    Requests since the start, of all workers.

    Attributes:
        answered: How many were answered.
        failed: How many of them with a status of 500 or above.
        seconds: What one took on average; None before the first.
        per_minute: How many a minute since this process started.
    """

    answered: int
    failed: int
    seconds: float | None
    per_minute: float


def traffic(now: float) -> Traffic:
    """What was answered up to a time (seconds of `time.time`)."""
    answered = failed = count = total = 0.0
    for family in text_string_to_metric_families(scraped().decode()):
        for sample in family.samples:
            match sample.name:
                case "thirdline_requests_total":
                    answered += sample.value
                    failed += sample.value if sample.labels["status"].startswith("5") else 0
                case "thirdline_request_seconds_count":
                    count += sample.value
                case "thirdline_request_seconds_sum":
                    total += sample.value
    minutes = max((now - STARTED) / 60, 1.0)
    return Traffic(int(answered), int(failed), total / count if count else None, answered / minutes)


def scraped() -> bytes:
    """Everything counted by all workers, as Prometheus reads it."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return text_of(REGISTRY)
    for pid in _dead(Path(folder)):
        mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return text_of(registry)


def forget_this_process() -> None:
    """Take out what this process shows, when it is to be a master of workers that count."""
    if folder := os.environ.get(FOLDER):
        mark_process_dead(os.getpid(), folder)  # type: ignore[no-untyped-call]


def _dead(folder: Path) -> Iterable[int]:
    """Processes that left gauges behind and run no more."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            yield pid
        except PermissionError:
            continue
