"""Drug tables + a site's changes → the tables as they are in force there: drugs and names more, other minimum doses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cds.rulebook.format.drug_table import DrugFile, DrugRow
from cds.rulebook.format.site import DrugChange, SiteFile, TableChange
from cds.rulebook.overlay import SiteOverride
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.problem import Problem

Tables = dict[str, LoadedFile[DrugFile]]
DOSES = ("minimum_mg_a_day", "strict_minimum_mg_a_day")


def with_tables(tables: Tables, site: LoadedFile[SiteFile]) -> tuple[Tables, list[SiteOverride], list[Problem]]:
    """
    The drug tables with a site's changes in place, the changes, and what is wrong with them.

    A row is changed column by column, so that it says what differs. What a drug is recognized by, its class and its
    role stay: taken away, an exclusion might not find it any more.
    """
    found: list[SiteOverride] = []
    problems: list[Problem] = []
    for name, change in site.model.tables.items():
        here: Path = ("tables", name)
        if name not in tables:
            fix = did_you_mean(name, tables, "Name one of the shipped ones.")
            problems.append(site.problem(here, "unknown-override", f"`{name}` is no drug table.", fix))
            continue
        wrong = list(_wrong(name, change, tables[name], site))
        problems += wrong
        if not wrong:
            tables = {**tables, name: _changed(tables[name], change, site, here)}
            says = _in_words(change)
            found.append(SiteOverride(f"drug table {name}", says, change.because, change.by, change.review, here))
    return tables, found, problems


def _wrong(
    name: str, change: TableChange, table: LoadedFile[DrugFile], site: LoadedFile[SiteFile]
) -> Iterator[Problem]:
    known = table.model.drugs
    for drug in change.add:
        if drug in known:
            what = f"`{drug}` is in `{name}` already."
            fix = "Write what differs under `set`; a whole row would hide it."
            yield site.problem(("tables", name, "add", drug), "site-may-not", what, fix)
    for drug in change.set:
        if drug not in known:
            fix = did_you_mean(drug, known, "Write a drug of the table, or a new one under `add`.")
            yield site.problem(("tables", name, "set", drug), "unknown-override", f"`{name}` has no `{drug}`.", fix)


def _changed(
    table: LoadedFile[DrugFile], change: TableChange, site: LoadedFile[SiteFile], here: Path
) -> LoadedFile[DrugFile]:
    drugs: dict[str, DrugRow] = dict(table.model.drugs) | change.add
    overlaid = dict(table.overlaid) | {("drugs", drug): (site, (*here, "add", drug)) for drug in change.add}
    for drug, columns in change.set.items():
        before = drugs[drug]
        drugs[drug] = _row(before, columns)
        place: Path = (*here, "set", drug)
        overlaid |= {("drugs", drug, key): (site, (*place, key)) for key in columns.model_fields_set - {"names"}}
        first = len(before.names.spellings)
        for index in range(len(columns.names)):
            overlaid["drugs", drug, "names", "spellings", first + index] = (site, (*place, "names", index))
    return replace(table, model=table.model.model_copy(update={"drugs": drugs}), overlaid=overlaid)


def _row(row: DrugRow, columns: DrugChange) -> DrugRow:
    update = {key: value for key in DOSES if (value := getattr(columns, key)) is not None}
    if columns.counts_as_trial is not None:
        update["counts_as_trial"] = columns.counts_as_trial
    if columns.names:
        update["names"] = row.names.model_copy(update={"spellings": [*row.names.spellings, *columns.names]})
    return row.model_copy(update=update)


def _in_words(change: TableChange) -> str:
    parts = [f"{drug} added" for drug in change.add]
    for drug, columns in change.set.items():
        if columns.minimum_mg_a_day is not None:
            parts.append(f"{drug} from {columns.minimum_mg_a_day.value:g} mg a day")
        if others := sorted(columns.model_fields_set - {"minimum_mg_a_day"}):
            parts.append(f"{drug}: other {', '.join(others)}")
    parts += [f"products of {change.products}"] if change.products else []
    parts += [f"NDCs of {change.ndcs}"] if change.ndcs else []
    return "; ".join(parts)
