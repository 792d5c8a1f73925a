"""Ranks that lost their place: no task has failed by it, what was measured is kept, the rest can be resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchsuite import store
from benchsuite.attempt import FAREWELL, End, Mail, allowed, no_poll
from benchsuite.errors import MeasureError
from benchsuite.execute import Execution, Place
from benchsuite.model import Benchmark, Policy, Samples, Status
from benchsuite.protocol import Job, Kind, Message, encode
from benchsuite.record import implausible
from tests.inline import InlineRunner
from tests.test_execute import execution


@dataclass
class Leaving:
    """Runs attempts until the one numbered ``at``, which ends like this, without a word of its ranks."""

    runner: InlineRunner
    at: int
    end: End
    nodes: int = 2

    def __call__(
        self, job: Job, folder: Path, listen: Callable[[Message], None], poll: Callable[[], None] = no_poll
    ) -> End:
        """Run the job, or end."""
        if job.attempt == self.at:
            return self.end
        return self.runner(job, folder, listen, poll)

    def place(self, ranks: int) -> Place:
        """On several hosts."""
        return Place(self, "threads", 1, nodes=self.nodes)


def leaving(tmp_path: Path, toys: dict[str, Benchmark], at: int, end: End, nodes: int = 2) -> Execution:
    done, runner = execution(tmp_path, toys)
    done.places = Leaving(runner, at, end, nodes).place
    return done


def again(done: Execution) -> Execution:
    """The same campaign, gone on with by another process."""
    return replace(done, directory=store.RunDirectory.reopen(done.directory.path), broken={}, done=set(), came_up=set())


@pytest.mark.parametrize(
    "end", [End("node3 could not start its ranks"), End("the job was cancelled", lost=True)], ids=["silent", "lost"]
)
def test_it_stops_with_a_sentence_and_fails_no_task(tmp_path: Path, toys: dict[str, Benchmark], end: End) -> None:
    done = leaving(tmp_path, toys, 2, end)
    with pytest.raises(MeasureError, match=rf"lost its place: {end.reason}\. .*'benchsuite resume' goes on"):
        done.run()
    kept = store.load(done.directory.path).records
    assert {record.run for record in kept} == {0}
    assert Status.FAILED not in {record.status for record in kept}
    with pytest.raises(MeasureError, match="lost its place"):  # resumed too early: the next attempt is the third
        replace(again(done), places=Leaving(InlineRunner(toys), 3, end).place).run()
    later = replace(again(done), places=InlineRunner(toys).place)
    later.run()
    assert len(later.directory.records) == 24
    assert Status.FAILED not in {record.status for record in later.directory.records}


def test_ranks_that_never_came_up_have_failed(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    """From the start nothing can run there, which a second try would not change."""
    done = leaving(tmp_path, toys, 1, End("no route to host"))
    done.run()
    assert [record.reason for record in done.directory.records if record.run == 0] == ["no route to host"] * 8


def test_on_this_host_alone_there_is_no_place_to_lose(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    done = leaving(tmp_path, toys, 2, End("the process was ended by SIGKILL"), nodes=0)
    done.run()
    assert Status.FAILED in {record.status for record in done.directory.records}


def test_after_the_goodbye_the_end_is_not_waited_for_long(tmp_path: Path) -> None:
    policy = Policy(setup_deadline=120.0)
    file = tmp_path / "results.jsonl"
    mail = Mail(file, "word", lambda message: None)
    assert allowed(mail.phase, policy) == 120.0
    file.write_bytes(encode(Message("word", Kind.BYE)) + b"\n")
    mail.collect()
    assert allowed(mail.phase, policy) == FAREWELL < 120.0
    assert allowed(mail.phase, Policy(setup_deadline=1.0)) == 1.0


def test_rank_0_may_begin_the_first_sample_last(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    """Its beginnings are the stamps, so a first sample that the others began before can be longer than the time."""
    done, _ = execution(tmp_path, toys)
    done.run()
    record = next(one for one in done.directory.records if one.status is Status.OK)
    samples = record.samples
    assert samples is not None

    def told(seconds: tuple[float, ...], ranks: int) -> str:
        each = tuple((one,) * ranks for one in seconds) if ranks > 1 else ()
        changed = replace(
            samples, seconds=seconds, iterations=1, starts=(0.0, 1.0, 2.0, 3.0), by_rank=each, steady_from=0
        )
        assert isinstance(changed, Samples)
        median = sorted(seconds)[1] / 2 + sorted(seconds)[2] / 2
        assert record.summary is not None
        return implausible(replace(record, samples=changed, summary=replace(record.summary, median=median)))

    late, never = (2.5, 0.9, 0.9, 0.9), (0.9, 2.5, 2.5, 0.9)
    assert "took longer" in told(late, 1)
    assert not told(late, 3)
    assert "took longer" in told(never, 3)
