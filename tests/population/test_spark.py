"""Rows made on Spark are those of a local run, byte for byte. Skipped without Java 17 and pyspark."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.population.index_days import read_index_days
from cds.population.row import DecisionRows
from cds.population.run import RunOptions, RunProgress, run_population
from cds.settings import Settings
from tests.population.runs import TODAY, WHOLE, bytes_of, write_population
from tests.server import ROOT

pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'thirdline[spark]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java 17"),
    pytest.mark.filterwarnings("ignore"),  # pyspark's own
]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def sent() -> Any:
    from cds.population.spark import SentRules

    return SentRules.of(ROOT / "rules", TODAY, (), Settings(), False)


def both(spark: Any, sent: Any, export: Path, out: Path, **more: Any) -> tuple[Any, Any]:
    from cds.population.spark import run_on_spark

    options = RunOptions(more.pop("as_of", TODAY), TODAY, WHOLE, **{"jobs": 2} | more)
    local = run_population(sent.rows(), export, out / "local", options, RunProgress())
    assert isinstance(sent.rows(), DecisionRows)
    return local, run_on_spark(spark, sent, str(export), out / "spark", options)


def test_rows_are_those_of_a_local_run(spark: Any, sent: Any, tmp_path: Path) -> None:
    """The 1,000 patients whose local rows are what the service answers (test_acceptance), and some broken lines."""
    export = write_population(tmp_path / "export", 1_000, seed=6, size=25, files=3)
    with (export / "Condition.bad.ndjson").open("w") as writing:
        writing.write('\n{"resourceType": "Condition", "subject": {"reference": "Patient/p3"}, "no\n')
        writing.write(
            '{"resourceType": "Condition", "subject": {"reference": "Group/1"}}\n{"resourceType": "Procedure"}\n'
        )
    manifest = {"transactionTime": "2026-05-31", "request": "https://e.example/fhir/$export", "output": []}
    (export / "manifest.json").write_text(json.dumps(manifest))

    local, made = both(spark, sent, export, tmp_path, most_resources=60)

    assert bytes_of(tmp_path / "spark") == bytes_of(tmp_path / "local")
    assert made.patients == 1_000
    assert {**{name: getattr(made, name) for name in made.__struct_fields__}, "identity": ""} == {
        **{name: getattr(local, name) for name in local.__struct_fields__}, "identity": "",
    }  # fmt: skip
    assert "Condition.bad.ndjson:2 is not a FHIR resource in one line of JSON" in made.faults


def test_index_days_and_parquet_come_out_the_same(spark: Any, sent: Any, tmp_path: Path) -> None:
    export = write_population(tmp_path / "export", 20, seed=9, size=25)
    days = "patient,day\np1,2025-09-01\np1,2026-05-01\np2,2026-05-01\nnobody,2026-05-01\n"
    (tmp_path / "days.csv").write_text(days)

    local, made = both(
        spark, sent, export, tmp_path, as_of=read_index_days(tmp_path / "days.csv"), form="parquet"
    )  # fmt: skip

    assert bytes_of(tmp_path / "spark") == bytes_of(tmp_path / "local")
    assert (made.patients, made.without_day, made.lines_not_found) == (2, 18, [5])
    assert (local.outcomes, local.first_day) == (made.outcomes, made.first_day)


@pytest.mark.parametrize("with_days", [False, True])
def test_bundles_and_requests_come_out_the_same(spark: Any, sent: Any, tmp_path: Path, with_days: bool) -> None:
    """One a line (with a byte order mark and empty lines between) and one a file, next to resources one a line."""
    export = write_population(tmp_path / "export", 8, seed=9, size=12)
    bundle = json.dumps(json.loads((ROOT / "fhir_examples" / "bundle.json").read_text())).encode()
    requests = sorted((ROOT / "fhir_examples").glob("*/request.json"))[:4]
    one_line = [json.dumps(json.loads(file.read_text())).encode() for file in requests]
    (export / "bundles.ndjson").write_bytes(b"\xef\xbb\xbf" + bundle + b"\n\n" + one_line[0] + b"\n")
    (export / "more.ndjson.gz").write_bytes(gzip.compress(b"\n".join(one_line)))
    (export / "single.json.gz").write_bytes(gzip.compress(bundle))
    (export / "neither.json").write_text("[]")
    for name, file in zip(("a", "b"), requests, strict=False):
        (export / name).mkdir()
        shutil.copy(file, export / name)
    (export / "broken.json").write_bytes(b'{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": 7}}]}')
    days = (
        "p1,2026-05-01",
        "bundles.ndjson:3,2026-05-01",
        "bundles.ndjson:3,2026-05-20",
        "a,2026-05-02",
        "x,2026-05-02",
    )
    (tmp_path / "days.csv").write_text("\n".join(("patient,day", *days)))
    more = {"as_of": read_index_days(tmp_path / "days.csv")} if with_days else {}

    local, made = both(spark, sent, export, tmp_path, **more)

    assert bytes_of(tmp_path / "spark") == bytes_of(tmp_path / "local")
    assert any(name.startswith("bundles-") for name in bytes_of(tmp_path / "spark"))
    assert {**{name: getattr(made, name) for name in made.__struct_fields__}, "identity": ""} == {
        **{name: getattr(local, name) for name in local.__struct_fields__}, "identity": "",
    }  # fmt: skip
    assert (made.patients, made.without_day) == ((3, 15) if with_days else (18, 0))
    assert made.lines_not_found == ([6] if with_days else [])


def test_the_command_runs_on_spark(spark: Any, tmp_path: Path) -> None:
    export = write_population(tmp_path / "export", 10, seed=9, size=25)
    asked = ["population", "run", str(export), str(tmp_path / "out"), "--today", TODAY.isoformat(), "--engine", "spark"]

    told = CliRunner().invoke(app, asked)

    assert told.exit_code == 0, told.output
    assert "10 patient(s)" in told.stdout


def test_on_this_machine_it_runs_the_python_it_was_called_with(tmp_path: Path) -> None:
    """Spark itself takes python3 of PATH, in which the program need not be installed."""
    export = write_population(tmp_path / "export", 3, seed=9, size=25)
    without = {name: value for name, value in os.environ.items() if name not in {"PYSPARK_PYTHON", "PYTHONPATH"}}
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").write_text("#!/bin/sh\necho no such package >&2\nexit 1\n")
    (folder / "python3").chmod(0o755)

    told = subprocess.run(
        [sys.executable, "-c", "from cds.cli.main import main; main()", "population", "run", str(export),
         str(tmp_path / "out"), "--today", TODAY.isoformat(), "--engine", "spark"],
        env=without | {"PATH": f"{folder}:{without['PATH']}"}, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip

    assert told.returncode == 0, told.stderr
    assert "3 patient(s)" in told.stdout


@pytest.mark.parametrize("own", ["nothing", "arguments", "settings", "options of Java"])
def test_on_this_machine_it_opens_no_page_unless_a_site_has_settings_of_its_own(tmp_path: Path, own: str) -> None:
    export = write_population(tmp_path / "export", 3, seed=9, size=25)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "spark-defaults.conf").write_text("spark.ui.enabled true\nspark.ui.port 0\n")
    more = {
        "nothing": {},
        "arguments": {"PYSPARK_SUBMIT_ARGS": "--conf spark.ui.enabled=true --conf spark.ui.port=0 pyspark-shell"},
        "settings": {"SPARK_CONF_DIR": str(tmp_path / "conf")},
        "options of Java": {"JAVA_TOOL_OPTIONS": "-XX:+UseParallelGC"},
    }[own]
    without = {name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"}
    program = """
import cds.population.spark
from cds.cli.main import main

def told(spark, *_):
    print("page", spark.sparkContext.uiWebUrl)
    raise SystemExit(0)

cds.population.spark.run_on_spark = told
main()
"""
    arguments = ["population", "run", str(export), str(tmp_path / "out"), "--engine", "spark"]

    told = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=without | more,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip

    assert ("page None" if own == "nothing" else "page http") in told.stdout, told.stderr
