"""Execution: every task of every run recorded once, whatever dies; the whole road, without a clock."""

from __future__ import annotations

import errno
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchsuite import store
from benchsuite.backends.fake import Script
from benchsuite.errors import MeasureError
from benchsuite.execute import Execution
from benchsuite.journal import read
from benchsuite.model import Benchmark, CollectiveCall, Implementation, Status
from benchsuite.plan import Options, build
from benchsuite.record import SCHEMA
from benchsuite.suite import parse
from tests.conftest import toy
from tests.inline import InlineRunner, Notes
from tests.test_plan import HOST

TEXT = """[policy]
runs = 3
seconds = 0.02
warmup = 0.005
[[bench]]
select = ["toy"]
implementations = ["good", "idle"]
"""


def execution(
    tmp_path: Path, toys: dict[str, Benchmark], text: str = TEXT, **runner: object
) -> tuple[Execution, InlineRunner]:
    suite = parse(text, "toys", toys)
    plan = build(suite, toys, HOST, Options(seed=3))
    made = store.Campaign(SCHEMA, "id", store.now(), "0", "benchsuite run", "fake", suite, plan)
    inline = InlineRunner(toys, **runner)  # type: ignore[arg-type]
    directory = store.RunDirectory(tmp_path / "id", made)
    return Execution(plan, toys, directory, inline.place, "fake", Notes()), inline


def counts(done: Execution) -> Counter[str]:
    return Counter(record.status.value for record in done.directory.records)


def test_every_task_of_every_run_is_recorded_once(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    done, runner = execution(tmp_path, toys)
    done.run()
    assert counts(done) == {"ok": 12, "rejected": 12}
    assert len({(r.run, r.case.key, r.implementation) for r in done.directory.records}) == 24
    assert [job.run for job in runner.jobs] == [0, 1, 2]
    assert store.load(done.directory.path).records == tuple(done.directory.records)


def test_runs_follow_the_plan_s_order(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    done, runner = execution(tmp_path, toys)
    done.run()
    assert [tuple(item.index for item in job.tasks) for job in runner.jobs] == list(done.plan.order)
    assert all(done.directory.records[i].position == i % 8 for i in range(24))


def test_a_crash_costs_its_task_and_nothing_else(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    done, runner = execution(tmp_path, toys, fail_at={1: "kind=a n=64 [good]"})
    done.run()
    failed = [record for record in done.directory.records if record.status is Status.FAILED]
    assert {record.case.key for record in failed} == {"toy kind=a n=64"}
    assert [record.reason.startswith("not tried again") for record in failed] == [False, True, True]
    assert "SIGSEGV" in failed[0].reason
    assert {record.provider for record in failed} == {"benchsuite"}, "whose it was is known without the process"
    assert counts(done) == {"ok": 9, "rejected": 12, "failed": 3}
    assert len(runner.jobs) == 4  # one more process group than runs


def test_a_place_that_cannot_start_fails_all_its_tasks_at_once(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    done, runner = execution(tmp_path, toys, silent=True)
    done.run()
    assert counts(done) == {"failed": 24}
    assert len(runner.jobs) == 1
    assert "mpiexec could not start" in done.directory.records[0].reason


def test_isolation_by_case_gives_every_task_its_own_process_group(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    done, runner = execution(tmp_path, toys, TEXT.replace("runs = 3", 'runs = 1\nisolation = "case"'))
    done.run()
    assert [len(job.tasks) for job in runner.jobs] == [1] * 8


def test_ranks_get_attempts_of_their_own(tmp_path: Path) -> None:
    def pair(world: object, buffers: dict[str, object], case: object, ops: object) -> None:
        buffers["y"][:] = 2.0 * buffers["x"]  # type: ignore[index, operator]

    solo = toy()
    both = replace(solo, name="pair", implementations=(Implementation("threads", CollectiveCall(pair)),))  # type: ignore[arg-type]
    toys = {"toy": solo, "pair": both}
    text = TEXT.replace(
        'select = ["toy"]\nimplementations = ["good", "idle"]', 'select = ["*"]\nimplementations = ["good", "threads"]'
    )
    done, runner = execution(tmp_path, toys, text)
    # Rank 0's reference is made from rank 0's inputs: with other ranks the toy is wrong by design on rank 1.
    done.run()
    assert sorted({job.ranks for job in runner.jobs}) == [1, 2]
    collective = [record for record in done.directory.records if record.case.benchmark == "pair"]
    assert {record.status for record in collective} == {Status.REJECTED}
    assert all("rank 1" in record.reason for record in collective)


def test_samples_come_from_the_script(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    done, _ = execution(tmp_path, toys, script=Script((2e-3,)))
    done.run()
    medians = [record.summary.median for record in done.directory.records if record.summary]
    assert medians == pytest.approx([2e-3] * 12)


def test_the_journal_tells_the_story(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    done, _ = execution(tmp_path, toys, fail_at={1: "kind=a n=64 [good]"})
    done.run()
    events, problem = read(done.directory.path / store.JOURNAL)
    told = Counter(event.event for event in events)
    assert problem == ""
    assert told == {"campaign": 1, "run": 3, "attempt": 4, "attempt-end": 4, "record": 24}
    assert next(event.data["reason"] for event in events if event.event == "attempt-end").endswith("SIGSEGV")


def test_a_full_disk_ends_the_campaign_and_loses_nothing(
    tmp_path: Path, toys: dict[str, Benchmark], monkeypatch: pytest.MonkeyPatch
) -> None:
    done, _ = execution(tmp_path, toys)
    write, left = os.write, [9]

    def filling(descriptor: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", filling)
    with pytest.raises(MeasureError, match="No space left"):
        done.run()
    monkeypatch.undo()
    kept = store.load(done.directory.path)
    assert kept.problems == ()
    assert len(done.directory.records) >= len(kept.records) > 0
