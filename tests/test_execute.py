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
from benchsuite.interrupt import InterruptedRunError
from benchsuite.journal import read
from benchsuite.model import Benchmark, CollectiveCall, Failed, Implementation, Samples, Status
from benchsuite.plan import Options, build
from benchsuite.protocol import encode, result
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


def reopened(done: Execution, toys: dict[str, Benchmark], **more: object) -> tuple[Execution, InlineRunner]:
    """The same campaign gone on with by another process."""
    inline = InlineRunner(toys)
    directory = store.RunDirectory.reopen(done.directory.path)
    return Execution(done.plan, toys, directory, inline.place, "fake", Notes(), **more), inline  # type: ignore[arg-type]


def once_each(done: Execution) -> bool:
    """Every task of every run has one record on disk, and nothing there is wrong."""
    loaded = store.load(done.directory.path)
    keys = Counter((r.run, r.case.key, r.implementation) for r in loaded.records)
    return not loaded.problems and len(keys) == 24 and set(keys.values()) == {1}


class _StopAfter:
    """Stops when so many results are in."""

    def __init__(self, results: int) -> None:
        self.left = results

    def check(self, *, measuring: bool) -> None:
        if not measuring:
            self.left -= 1
            if self.left <= 0:
                raise InterruptedRunError("enough")


@pytest.mark.parametrize("results", [1, 7, 20, 40])
def test_a_stopped_campaign_goes_on_where_it_was(tmp_path: Path, toys: dict[str, Benchmark], results: int) -> None:
    done, _ = execution(tmp_path, toys)
    done.stop = _StopAfter(results)
    with pytest.raises(InterruptedRunError):
        done.run()
    kept = list(done.directory.records)
    again, inline = reopened(done, toys)
    again.run()
    assert once_each(again)
    assert again.directory.records[: len(kept)] == kept
    assert sum(len(job.tasks) for job in inline.jobs) == 24 - len(kept)


def test_a_finished_campaign_has_nothing_left(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    done, _ = execution(tmp_path, toys)
    done.run()
    again, inline = reopened(done, toys)
    again.run()
    assert inline.jobs == []
    assert once_each(again)


def test_results_that_no_controller_kept_are_collected(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    """The worker went on a little after its controller was killed; the file holds a forgery, too."""
    done, _ = execution(tmp_path, toys)
    done.run()
    path = done.directory.path
    lines = (path / store.RECORDS).read_bytes().splitlines(keepends=True)
    (path / store.RECORDS).write_bytes(b"".join(lines[:20]))
    events, _ = read(path / store.JOURNAL)
    last = [event.number for event in events if event.event == "record"][19]
    lines = (path / store.JOURNAL).read_bytes().splitlines(keepends=True)
    (path / store.JOURNAL).write_bytes(b"".join(lines[: last + 1]))
    results = path / "attempts" / "0003" / "results.jsonl"
    forged = encode(result("guess", 0, Failed("forged"), "", ""))
    results.write_bytes(results.read_bytes() + forged + b"\n")
    kept = len(store.load(path).records)
    again, inline = reopened(done, toys)
    again.run()
    assert kept < 24
    assert inline.jobs == [], "nothing had to be measured again"
    assert once_each(again)
    assert all(record.reason != "forged" for record in again.directory.records)


def test_what_broke_is_not_tried_again_after_going_on(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    done, _ = execution(tmp_path, toys, fail_at={1: "kind=a n=64 [good]"})
    done.stop = _StopAfter(40)
    with pytest.raises(InterruptedRunError):
        done.run()
    assert counts(done)["failed"] >= 1
    again, _ = reopened(done, toys)
    again.run()
    failed = [record for record in again.directory.records if record.status is Status.FAILED]
    assert {record.case.key for record in failed} == {"toy kind=a n=64"}
    assert [record.reason.startswith("not tried again") for record in failed] == [False, True, True]
    assert once_each(again)


def test_samples_pass_the_observer_who_knows_our_processes(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    class Witness:
        def __init__(self) -> None:
            self.pids: list[tuple[int, ...]] = []

        def own(self, pids: tuple[int, ...]) -> None:
            self.pids.append(pids)

        def observe(self, samples: Samples, began: float) -> Samples:
            return replace(samples, conditions={"began": began, "power": 300.0})

    done, _ = execution(tmp_path, toys)
    done.observer = witness = Witness()
    done.run()
    assert witness.pids == [(os.getpid(),)] * 3
    measured = [record.samples for record in done.directory.records if record.samples]
    assert {samples.conditions["power"] for samples in measured} == {300.0}
    assert all(samples.conditions["began"] > 0.0 for samples in measured), "the worker tells when it began"
