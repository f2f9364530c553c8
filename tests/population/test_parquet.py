"""Rows as Parquet: what they hold as NDJSON, and the same bytes each time."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.decide import Ruleset
from cds.population.export import ExportError
from cds.population.index_days import read_index_days
from cds.population.run import RunSummary
from tests.population.runs import WHOLE, bytes_of, run, write_population


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty patients, and a Bundle that cannot be decided for."""
    folder = write_population(tmp_path_factory.mktemp("parquet") / "export", 30, seed=5, size=20)
    two = [{"resource": {"resourceType": "Patient", "id": one}} for one in "ab"]
    (folder / "two.json").write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": two}))
    return folder


@pytest.fixture(scope="module")
def both(asking: Ruleset, export: Path) -> dict[str, tuple[RunSummary, list[dict[str, Any]]]]:
    return {
        form: run(asking, export, export.parent / form, form=form, exported=WHOLE) for form in ("ndjson", "parquet")
    }


def test_rows_are_those_of_ndjson(both: dict[str, Any]) -> None:
    assert both["parquet"][1] == both["ndjson"][1]
    assert both["parquet"][0].outcomes == both["ndjson"][0].outcomes == {"decided": 30, "refused": 1}
    assert any(row.get("newest", "") is None or row.get("missing") for row in both["parquet"][1])


@pytest.mark.seconds
def test_the_same_run_gives_the_same_bytes(asking: Ruleset, export: Path, both: dict[str, Any], tmp_path: Path) -> None:
    run(asking, export, tmp_path / "again", form="parquet", exported=WHOLE, jobs=2)

    assert bytes_of(tmp_path / "again") == bytes_of(export.parent / "parquet")


def test_truths_are_dictionaries_and_every_file_has_the_same_columns(export: Path, both: dict[str, Any]) -> None:
    schemas = {pq.read_schema(file) for file in (export.parent / "parquet" / "rows").iterdir()}
    names = [str(pq.read_schema(file)) for file in (export.parent / "parquet" / "rows").iterdir()]

    assert len(names) > 3
    assert len(set(names)) == len(schemas) == 1
    (schema,) = schemas
    assert str(schema.field("is_treatment_resistant_depression").type).startswith("dictionary<values=string")
    assert str(schema.field("as_of").type) == "date32[day]"
    rows = duckdb.read_parquet(f"{export.parent}/parquet/rows/*.parquet")
    found = rows.filter("is_treatment_resistant_depression = 'true'").count("*").fetchone()
    assert found == (sum(row.get("is_treatment_resistant_depression") == "true" for row in both["ndjson"][1]),)


@pytest.mark.seconds
def test_report_and_omop_read_both(export: Path, both: dict[str, Any]) -> None:
    told = [
        CliRunner().invoke(app, ["population", "report", str(export.parent / form), "--format", "json"]).stdout
        for form in ("ndjson", "parquet")
    ]
    assert json.loads(told[0])["outcomes"]
    assert told[0] == told[1]


@pytest.mark.seconds
def test_days_come_back_as_they_went(asking: Ruleset, export: Path, tmp_path: Path) -> None:
    (tmp_path / "days.csv").write_text("patient,day\np1,2026-01-01\np1,2026-05-01\n")
    days = read_index_days(tmp_path / "days.csv")

    assert (
        run(asking, export, tmp_path / "a", as_of=days, form="parquet")[1]
        == run(asking, export, tmp_path / "b", as_of=days)[1]
    )


def test_without_the_extra_it_says_what_to_install_before_anything_is_read(
    asking: Ruleset, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds.population.row_files.find_spec", lambda name: None)

    with pytest.raises(ExportError, match=r"pip install 'thirdline\[population\]'"):
        run(asking, export, tmp_path / "out", form="parquet")
    assert not (tmp_path / "out").exists()


@pytest.mark.seconds
def test_only_parquet_needs_pyarrow(
    asking: Ruleset, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        assert not name.startswith("pyarrow")
        return importing(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert run(asking, export, tmp_path / "out")[0].patients == 31
