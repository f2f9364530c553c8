"""Generated histories as OMOP CDM 5.4 tables in DuckDB, and the published program of 1009 run over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import duckdb
import pyarrow

from tests.definitions.histories import History
from tests.definitions.vocabulary import DIAGNOSES, DRUGS, cohort_1009, published_1009

COHORT = 1009

TABLES = """
CREATE SCHEMA cdm;
CREATE TABLE cdm.person (person_id BIGINT, gender_concept_id INT, year_of_birth INT, birth_datetime TIMESTAMP,
    race_concept_id INT, ethnicity_concept_id INT);
CREATE TABLE cdm.observation_period (observation_period_id BIGINT, person_id BIGINT,
    observation_period_start_date DATE, observation_period_end_date DATE, period_type_concept_id INT);
CREATE TABLE cdm.drug_exposure (drug_exposure_id BIGINT, person_id BIGINT, drug_concept_id BIGINT,
    drug_exposure_start_date DATE, drug_exposure_end_date DATE, days_supply INT, dose_value DOUBLE);
CREATE TABLE cdm.condition_occurrence (condition_occurrence_id BIGINT, person_id BIGINT, condition_concept_id BIGINT,
    condition_start_date DATE, condition_end_date DATE, condition_type_concept_id INT, stop_reason VARCHAR,
    provider_id BIGINT, visit_occurrence_id BIGINT, condition_source_concept_id BIGINT,
    condition_status_concept_id BIGINT, visit_detail_id BIGINT, condition_start_datetime TIMESTAMP);
CREATE TABLE cdm.concept (concept_id BIGINT, concept_name VARCHAR, domain_id VARCHAR, vocabulary_id VARCHAR,
    concept_class_id VARCHAR, standard_concept VARCHAR, concept_code VARCHAR, valid_start_date DATE,
    valid_end_date DATE, invalid_reason VARCHAR);
CREATE TABLE cdm.concept_ancestor (ancestor_concept_id BIGINT, descendant_concept_id BIGINT,
    min_levels_of_separation INT, max_levels_of_separation INT);
CREATE TABLE cdm.concept_relationship (concept_id_1 BIGINT, concept_id_2 BIGINT, relationship_id VARCHAR,
    valid_start_date DATE, valid_end_date DATE, invalid_reason VARCHAR);
"""

# CDM 5.4, DRUG_ERA: exposures of an ingredient whose gap is at most 30 days are one era. An exposure's last day is its
# start plus the days of supply less one, and the gap is counted from that day.
ERAS = """
CREATE TABLE cdm.{name} AS
WITH reach AS (
    SELECT person_id, drug_concept_id, dose_value, drug_exposure_start_date AS first_day,
           drug_exposure_end_date AS last_day,
           max(drug_exposure_end_date) OVER (
               PARTITION BY person_id, drug_concept_id {dose}
               ORDER BY drug_exposure_start_date, drug_exposure_end_date
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
    FROM cdm.drug_exposure),
counted AS (
    SELECT *, count(*) FILTER (WHERE reached IS NULL OR date_diff('day', reached, first_day) > 30) OVER (
               PARTITION BY person_id, drug_concept_id {dose} ORDER BY first_day, last_day
               ROWS UNBOUNDED PRECEDING) AS era
    FROM reach)
SELECT row_number() OVER () AS {name}_id, person_id, drug_concept_id, {columns}
       count(*) AS drug_exposure_count, 0 AS gap_days, min(first_day) AS {name}_start_date,
       max(last_day) AS {name}_end_date
FROM counted GROUP BY person_id, drug_concept_id, era {dose};
"""


def load(people: Iterable[History]) -> duckdb.DuckDBPyConnection:
    """A database in memory with the tables of CDM 5.4 that 1009 reads, filled with these people."""
    database = duckdb.connect(config={"threads": 1})
    database.execute(TABLES)
    known = {term.omop: term.name for term in (*DRUGS.values(), *DIAGNOSES.values())}
    if published_1009() is not None:
        known |= {
            item["concept"]["CONCEPT_ID"]: item["concept"]["CONCEPT_NAME"]
            for concepts in cohort_1009()["ConceptSets"]
            for item in concepts["expression"]["items"]
        }
    _insert(database, "concept", ((key, name, "", "", "", "S", "", None, None, None) for key, name in known.items()))
    _insert(database, "concept_ancestor", ((key, key, 0, 0) for key in known))  # each its own, and none below another
    everybody = list(people)
    _insert(database, "person", ((p.person, 0, p.born.year, p.born, 0, 0) for p in everybody))
    _insert(
        database, "observation_period",
        ((p.person, p.person, date(1990, 1, 1), date(2026, 12, 31), 0) for p in everybody),
    )  # fmt: skip
    exposures = (
        (p.person, DRUGS[i.drug].omop, i.day, i.day + timedelta(i.supply - 1), i.supply, i.mg)
        for p in everybody
        for i in p.issues
    )
    _insert(database, "drug_exposure", ((number, *row) for number, row in enumerate(exposures)))
    found = ((p.person, DIAGNOSES[name].omop, day, day) for p in everybody for day, name in p.diagnoses)
    _insert(
        database, "condition_occurrence",
        ((number, *row, 0, None, None, None, 0, 0, None, None) for number, row in enumerate(found)),
    )  # fmt: skip
    database.execute(ERAS.format(name="drug_era", dose="", columns=""))
    database.execute(ERAS.format(name="dose_era", dose=", dose_value", columns="dose_value, 8576 AS unit_concept_id,"))
    return database


def _insert(database: duckdb.DuckDBPyConnection, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    taken = list(rows)
    if taken:
        columns = pyarrow.table(
            {f"c{index}": pyarrow.array(values) for index, values in enumerate(zip(*taken, strict=True))}
        )
        database.register("taken", columns)
        database.execute(f"INSERT INTO cdm.{table} SELECT * FROM taken")  # noqa: S608 (names of this file)
        database.unregister("taken")


def cohort_by_circe(database: duckdb.DuckDBPyConnection) -> dict[int, date]:
    """Person → day of entry, as the program of OHDSI finds them for the published JSON."""
    from circe.api import build_cohort_query, cohort_expression_from_json
    from circe.cohortdefinition import BuildExpressionQueryOptions
    from circe.sqlrender import render, translate

    path = published_1009()
    assert path is not None
    options = BuildExpressionQueryOptions()  # type: ignore[no-untyped-call]
    options.cdm_schema, options.vocabulary_schema, options.cohort_id = "cdm", "cdm", COHORT
    options.target_table, options.result_schema = "main.cohort", "main"
    options.generate_stats = False
    sql = build_cohort_query(cohort_expression_from_json(path.read_text()), options)
    database.execute(
        "CREATE TABLE cohort (cohort_definition_id INT, subject_id BIGINT, "
        "cohort_start_date DATE, cohort_end_date DATE)"
    )
    translated = translate(render(sql), "duckdb")
    for statement in translated.split(";"):
        if statement.strip():
            database.execute(statement)
    found = database.execute("SELECT subject_id, min(cohort_start_date), count(*) FROM cohort GROUP BY 1").fetchall()
    assert all(count == 1 for _, _, count in found)
    return {person: day for person, day, _ in found}
