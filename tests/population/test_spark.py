"""Rows made on Spark are those of a local run, byte for byte. Skipped without Java 17 and pyspark."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.population.export import ExportError
from cds.population.index_days import read_index_days
from cds.population.row import DecisionRows
from cds.population.run import RunOptions, RunProgress, run_population
from cds.settings import Settings
from tests.population.exports import write_population
from tests.population.runs import TODAY, WHOLE, bytes_of
from tests.population.test_population import write
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
    export = write_population(tmp_path / "export", 300, seed=9, size=25, files=3)
    with (export / "Condition.bad.ndjson").open("w") as writing:
        writing.write('\n{"resourceType": "Condition", "subject": {"reference": "Patient/p3"}, "no\n')
        writing.write(
            '{"resourceType": "Condition", "subject": {"reference": "Group/1"}}\n{"resourceType": "Procedure"}\n'
        )
    manifest = {"transactionTime": "2026-05-31", "request": "https://e.example/fhir/$export", "output": []}
    (export / "manifest.json").write_text(json.dumps(manifest))

    local, made = both(spark, sent, export, tmp_path, most_resources=60)

    assert bytes_of(tmp_path / "spark") == bytes_of(tmp_path / "local")
    assert made.patients == 300
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


def test_bundles_are_refused_with_what_to_do(spark: Any, sent: Any, tmp_path: Path) -> None:
    from cds.population.spark import run_on_spark

    export = write(tmp_path / "export", {})
    (export / "one.json").write_text((ROOT / "fhir_examples" / "bundle.json").read_text())

    with pytest.raises(ExportError, match="decide for Bundles and requests without it"):
        run_on_spark(spark, sent, str(export), tmp_path / "out", RunOptions(TODAY, TODAY))


def test_the_command_runs_on_spark(spark: Any, tmp_path: Path) -> None:
    export = write_population(tmp_path / "export", 10, seed=9, size=25)
    asked = ["population", "run", str(export), str(tmp_path / "out"), "--today", TODAY.isoformat(), "--engine", "spark"]

    told = CliRunner().invoke(app, asked)

    assert told.exit_code == 0, told.output
    assert "10 patient(s)" in told.stdout
