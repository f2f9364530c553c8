"""Work spread over processes comes back whole, in order, with its errors."""

from __future__ import annotations

import gc
import os

import pytest

from cds.parallel import in_shares, run_in_processes
from cds.yaml_source.problem import Problem, RulesError

pytestmark = pytest.mark.processes


def test_results_come_in_the_order_of_the_shares_and_from_other_processes() -> None:
    here = os.getpid()
    results = list(run_in_processes(lambda share: (share, os.getpid() == here), [1, 2, 3, 4], jobs=2))

    assert [share for share, _ in results] == [1, 2, 3, 4]


def test_one_job_stays_in_this_process() -> None:
    assert set(run_in_processes(lambda _: os.getpid(), [1, 2, 3], jobs=1)) == {os.getpid()}


def test_what_is_wrong_with_the_rules_travels_back() -> None:
    problem = Problem("rule.yaml", 1, 1, "a-check", "What.", "Fix.")

    def work(_: int) -> None:
        raise RulesError((problem,))

    with pytest.raises(RulesError) as wrong:
        list(run_in_processes(work, [1, 2], jobs=2))
    assert wrong.value.problems == (problem,)


def test_every_number_is_in_one_share() -> None:
    assert [list(share) for share in in_shares(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert in_shares(0, 3) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_was_there_before_the_work_is_no_work_of_a_collector_meanwhile(jobs: int) -> None:
    gc.unfreeze()
    frozen = list(run_in_processes(lambda _: gc.get_freeze_count(), [1, 2], jobs=jobs))

    assert min(frozen) > 10_000
    assert gc.get_freeze_count() == 0
