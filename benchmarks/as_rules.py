"""The logic of the workload as a folder of our rule files."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from benchmarks.workload import (
    ADEQUATE_DAYS,
    CODES_OF_A_DRUG,
    DRUGS,
    INVENTED,
    RULES,
    SERVICE,
    SUMMARIES,
    drug_code,
    drug_name,
    minimum_mg,
    value_sets,
)


def write_rules(folder: Path, rules: int = RULES) -> Path:
    """The logic as a folder of rule files with so many contraindications; returns the folder."""
    for sub in ("valuesets", "tables"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    reasons = {name: [(INVENTED, name)] for name in ("ineffective", "not-tolerated")}
    for name, codes in (value_sets(rules) | reasons).items():
        if not name.startswith("ad-"):
            _dump(
                folder / "valuesets" / f"{name}.yaml",
                {
                    "valueset": {"id": name, "title": f"Benchmark {name}"},
                    "codes": [
                        {
                            "system": codes[0][0],
                            "source": "Invented for a benchmark",
                            "verified": False,
                            "exact": {code: f"Benchmark {name}" for _, code in codes},
                        }
                    ],
                },
            )
    _dump(
        folder / "tables" / "bench-drugs.yaml",
        {
            "table": {"id": "bench-drugs", "title": "Invented drugs", "products": "bench-products.csv"},
            "drugs": {
                drug_name(drug): {
                    "class": "invented",
                    "role": "antidepressant",
                    "counts_as_trial": "any",
                    "rxnorm": str(9_900_000 + drug),
                    "minimum_mg_a_day": {"value": minimum_mg(drug), "basis": "invented", "verified": False},
                    "source": "Invented for a benchmark",
                }
                for drug in range(DRUGS)
            },
        },
    )
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["rxcui", "name", "ingredient", "strength_mg", "per", "form", "with", "trial", "note", "source"])
    for drug in range(DRUGS):
        for number in range(CODES_OF_A_DRUG):
            name = f"{drug_name(drug)} {number} oral tablet"
            writer.writerow(
                [drug_code(drug, number), name, drug_name(drug), 10, "tablet", "tablet", "", "yes", "", "invented"]
            )
    (folder / "tables" / "bench-products.csv").write_text(table.getvalue())
    _dump(folder / "bench.yaml", _rule(rules))
    return folder


def _rule(rules: int) -> dict[str, Any]:
    numbers = {
        "window": (90, "days"), "needed_days": (ADEQUATE_DAYS, "days"), "needed_trials": (2, "trials"),
        "moderate": (10, "{score}"), "remission": (5, "{score}"), "gap": (14, "days"), "no_onset": (5, "years"),
        "drop": (50, "percent"), "before": (28, "days"), "after": (7, "days"), "switch": (60, "days"),
        "augmenting": (28, "days"), "never": (0, "days"), "lowest": (0, "{score}"), "highest": (27, "{score}"),
        "apart": (8, "weeks"), "mistake": (1000, "times"),
    }  # fmt: skip
    diagnosis = {"find": "condition", "if_none_found": False, "because": "Expected on the problem list."}
    names = [f"contra_{rule:02d}" for rule in range(rules)]
    facts: dict[str, Any] = {
        "depression": diagnosis
        | {"label": "Depression", "coded": "mdd", "status": ["active", "recurrence", "relapse"]},
        "phq9": {
            "label": "PHQ-9", "find": "score", "coded": "phq9", "unit": "{score}", "look_back": "window",
            "plausible": ["lowest", "highest"], "whole": True,
        },
        "episode": {
            "label": "Episode", "find": "episode", "of": "mdd", "otherwise": "no_onset",
            "remission_by_score": {"score": "phq9", "below": "lowest", "apart": "apart"},
        },
        "trials": {
            "label": "Trials", "find": "medication_trials", "drugs": "bench-drugs", "in_episode": "episode",
            "joins_gaps_up_to": "gap",
            "adequate_when": {
                "dose_reaches": "minimum", "lasts_at_least": "needed_days", "implausible_above": "mistake",
            },
            "no_response_when": {
                "stopped_for": "ineffective", "unless_stopped_for": "not-tolerated",
                "measured_by": [
                    {"score": "phq9", "label": "PHQ-9", "still_symptomatic_at": "moderate",
                     "remission_below": "remission"},
                ],
                "falls_less_than": "drop",
                "baseline_within": {"before": "before", "after": "after"},
                "last_score_within": {"before": "before", "after": "after"},
                "switch_within": {"before": "switch", "after": "switch"},
                "augmentation_lasts_at_least": "augmenting",
                "accepts": "evidence_of_response",
            },
            "ended_by_successor_within": "never",
        },
        "adequate": {
            "label": "Adequate trials", "count": "trials", "that_are": ["adequate"], "different": "ingredient",
        },
    }  # fmt: skip
    for rule, name in enumerate(names):
        facts[name] = diagnosis | {
            "label": f"Contraindication {rule}",
            "coded": f"ci-{rule:02d}",
            "status": ["active", "recurrence", "relapse"],
        }
    # One conclusion for each, as rule authors write them; those beyond the first stand alone and are not reached.
    conclusions: dict[str, Any] = {
        f"{name}_found": {"label": f"Contraindication {rule} is recorded", "when": name, "evidence": ["invented"]}
        for rule, name in enumerate(names)
    }
    conclusions["contraindicated"] = {
        "label": "Contraindicated",
        "any": [f"{name}_found" for name in names[:RULES]],
        "evidence": ["invented"],
    }
    conclusions["resistant"] = {
        "label": "Resistant",
        "all": ["depression", {"adequate": {"at_least": "needed_trials"}}, {"phq9": {"at_least": "moderate"}}],
        "evidence": ["invented"],
    }
    when: dict[str, Any] = {
        "no-mdd": {"not": "depression"},
        "not-trd": {"all": ["depression", {"any": [{"not": "resistant"}, {"unknown": "resistant"}]}]},
        "trd": {"all": ["resistant", {"not": "contraindicated"}]},
        "trd-contra": {"all": ["resistant", "contraindicated"]},
    }
    return {
        "about": {
            "id": "bench", "title": "The reference workload", "version": "1.0.0", "status": "active",
            "purpose": "Measure.", "limits": "Invented. Not for patients.", "owners": ["benchmarks"],
            "reviewed": {"date": date(2026, 1, 1), "by": "pending", "next": date(2030, 1, 1)},
        },
        "evidence": {"invented": {"cite": "Invented for a benchmark", "says": "Nothing.", "verified": False}},
        "parameters": {
            name: {"value": value, "unit": unit, "evidence": ["invented"]} for name, (value, unit) in numbers.items()
        }
        | {
            "evidence_of_response": {
                "value": "also_inferred", "one_of": ["coded_or_measured", "also_inferred"], "evidence": ["invented"],
            }
        },
        "facts": facts,
        "conclusions": conclusions,
        "services": {
            SERVICE: {
                "hook": "patient-view", "title": "Reference workload", "description": "Invented.",
                "requires": ["patient"], "most_cards": 1,
            }
        },
        "cards": {
            outcome.replace("-", "_"): {
                "service": SERVICE,
                "rank": rank,
                "show_when": when[outcome],
                "indicator": indicator,
                "summary": summary,
                "detail": "PHQ-9 {{ phq9 }}; adequate trials {{ adequate }}; {{ why(contraindicated) }}",
                "source": {"label": "Benchmark"},
                "evidence": ["invented"],
                "topic": {"system": "https://example.org/topics", "code": indicator, "display": outcome},
            }
            for rank, (outcome, (summary, indicator)) in enumerate(SUMMARIES.items(), start=1)
        },
    }  # fmt: skip


def _dump(path: Path, value: Any) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False))
