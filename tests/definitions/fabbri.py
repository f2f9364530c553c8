"""
Fabbri 2021 over OMOP tables, in SQL: written from the description of the algorithm, not from our code.

Nothing of the public R program (GPL-3) is copied. What its code settles and its text does not: tryptophan does not
count, rows of one day keep an order (here: by name), and a single issue lasts until the next issue of any drug.
"""

from __future__ import annotations

import duckdb

from tests.definitions.vocabulary import DIAGNOSES, DRUGS

# Of the drugs that are generated, those among the names of the public program; tryptophan is taken out by it.
COUNTED = (
    "amitriptyline", "bupropion", "citalopram", "clomipramine", "duloxetine", "escitalopram", "fluoxetine",
    "mirtazapine", "paroxetine", "sertraline", "trazodone", "venlafaxine", "viloxazine",
)  # fmt: skip
DEPRESSION = ("depression", "atypical depression")
EXCLUDED = (
    "bipolar", "mania", "schizophrenia", "depressive psychosis", "drug-induced psychosis", "alcohol abuse",
    "alcoholic dementia",
)  # fmt: skip

RESISTANT = """
WITH names(concept, drug) AS (SELECT * FROM drug_names),
issue AS (  -- one row for each drug and day
    SELECT DISTINCT e.person_id AS person, n.drug, e.drug_exposure_start_date AS day
    FROM cdm.drug_exposure e JOIN names n ON n.concept = e.drug_concept_id),
spaced AS (
    SELECT *, date_diff('day', lag(day) OVER own, day) AS since_own,
           lead(drug) OVER everything AS next_drug,
           date_diff('day', day, lead(day) OVER everything) AS until_next
    FROM issue
    WINDOW own AS (PARTITION BY person, drug ORDER BY day),
           everything AS (PARTITION BY person ORDER BY day, drug)),
episode AS (
    SELECT *, sum(CASE WHEN since_own > 26 * 7 THEN 1 ELSE 0 END)
              OVER (PARTITION BY person, drug ORDER BY day) AS number
    FROM spaced),
measured AS (
    SELECT *, max(day) OVER whole = day AS ends_it, date_diff('day', min(day) OVER whole, max(day) OVER whole) AS lasted
    FROM episode WINDOW whole AS (PARTITION BY person, drug, number)),
lengths AS (
    SELECT *, CASE WHEN lasted > 0 THEN lasted WHEN until_next <= 14 * 7 THEN until_next ELSE 0 END AS days
    FROM measured),
switch AS (
    SELECT person, drug FROM lengths
    WHERE ends_it AND next_drug <> drug AND days >= 6 * 7 AND until_next > 0 AND until_next <= 14 * 7),
many AS (SELECT person FROM issue GROUP BY person HAVING count(DISTINCT drug) > 2),
depressed AS (
    SELECT person_id AS person FROM cdm.condition_occurrence
    WHERE condition_concept_id IN (SELECT unnest($depression)) GROUP BY person_id HAVING count(*) >= 2),
excluded AS (
    SELECT DISTINCT person_id AS person FROM cdm.condition_occurrence
    WHERE condition_concept_id IN (SELECT unnest($excluded)))
SELECT person FROM switch
WHERE person IN (FROM many) AND person IN (FROM depressed) AND person NOT IN (FROM excluded)
GROUP BY person HAVING count(*) >= 2 AND count(DISTINCT drug) > 1
ORDER BY person
"""


def resistant_by_sql(database: duckdb.DuckDBPyConnection) -> list[int]:
    """Persons with treatment-resistant depression."""
    database.execute("CREATE OR REPLACE TEMP TABLE drug_names (concept BIGINT, drug VARCHAR)")
    database.executemany("INSERT INTO drug_names VALUES (?, ?)", [(DRUGS[name].omop, name) for name in COUNTED])
    found = database.execute(
        RESISTANT,
        {
            "depression": [DIAGNOSES[name].omop for name in DEPRESSION],
            "excluded": [DIAGNOSES[name].omop for name in EXCLUDED],
        },
    )
    return [person for (person,) in found.fetchall()]
