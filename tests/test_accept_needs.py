"""What a contract needs measured: a suite of one task a requirement, and run values that never hide a failure."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from benchsuite import discovery, plan
from benchsuite import suite as suites
from benchsuite.accept import contract, needs
from benchsuite.benchmarks import latency, memory
from benchsuite.model import (
    Benchmark,
    Case,
    Caveat,
    Contract,
    Entry,
    Failed,
    Kind,
    Metric,
    Outcome,
    Record,
    Region,
    Rejected,
    RunValue,
    Samples,
    Skipped,
    Status,
    Task,
    Work,
)
from benchsuite.record import assemble
from tests.test_accept_contract import GOOD

CONTRACT = contract.loads(GOOD.encode())
TRIAD = Case.of("memory", op="triad", bytes=128 << 20)
CHASE = Case.of("latency", bytes=1 << 20)
KEYS = needs.resolve(CONTRACT, cache=1 << 20)


def measured(
    case: Case = TRIAD,
    implementation: str = "stream",
    *,
    benchmark: Benchmark = memory.BENCHMARK,
    outcome: Outcome | None = None,
    seconds: float = 0.01,
    campaign: str = "20260102-030405-one-beef",
    run: int = 0,
    caveats: tuple[Caveat, ...] = (),
    backend: str = "host",
) -> Record:
    samples = Samples(tuple(seconds * (1 + 0.001 * i) for i in range(-4, 5)), 1, caveats=caveats)
    return assemble(
        benchmark, Task(case, implementation), outcome or samples, campaign=campaign, run=run, position=0,
        backend=backend, provider="numba", started="2026-01-02T03:04:05+00:00",
    )  # fmt: skip


def triad(*records: Record) -> tuple[RunValue, ...]:
    return needs.values(CONTRACT, KEYS, records)[0].runs


def test_the_suite_has_a_task_for_each_requirement() -> None:
    made = suites.parse(needs.suite(CONTRACT), "acceptance", discovery.discover())
    assert (made.policy.runs, made.policy.seconds, made.policy.warmup) == (4, 0.25, 0.1)
    assert made.policy.precision == needs.PRECISION
    machine = plan.Capacity(frozenset({"host", "numba"}), cores=2, cache=1 << 20, memory=64 << 30)
    found = plan.build(made, discovery.discover(), machine, plan.Options(runs=2))
    assert not found.skips
    assert sorted(task.key for task in found.tasks) == sorted(KEYS.values())
    assert list(KEYS) == ["triad", "chase"]


def test_sizes_are_resolved_on_the_machine() -> None:
    small, large = needs.resolve(CONTRACT, cache=1 << 20), needs.resolve(CONTRACT, cache=32 << 20)
    assert "bytes=134217728" in small["triad"]  # 128 MiB at least
    assert "bytes=536870912" in large["triad"]
    assert small["chase"] == large["chase"] == "latency bytes=1048576 [chase]"


def test_only_some_requirements_are_measured_again() -> None:
    made = suites.parse(needs.suite(CONTRACT, only=["chase"]), "acceptance", discovery.discover())
    assert [one.select for one in made.entries] == [("latency",)]


def test_every_shipped_contract_can_be_measured() -> None:
    for path in contract.shipped().values():
        found = contract.read(path)
        made = suites.parse(needs.suite(found), "acceptance", discovery.discover())
        assert len(made.entries) == len(found.requirements)
        assert len(set(needs.resolve(found, cache=50 << 20).values())) == len(found.requirements)


def test_the_identity_suite_asks_for_each_entry_once(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry(("fma",), {"dtype": ("fp64",)}, ((),), ("registers",), 0.5)
    asked: list[str] = []

    def entries(region: Region) -> tuple[Entry, ...]:
        asked.append(region.probe)
        return (replace(entry, points=()),)

    monkeypatch.setattr("benchsuite.accept.probes.entries", entries)
    region = CONTRACT.identity[0]
    both = replace(CONTRACT, identity=(region, replace(region, probe="other")))
    made = suites.parse(needs.identity_suite(both), "identity", discovery.discover())
    assert asked == [region.probe, "other"]
    assert len(made.entries) == 1
    assert made.policy.runs == 1
    assert made.entries[0].share == 0.5
    assert made.entries[0].axes == {"dtype": ("fp64",)}
    assert needs.identity_suite(replace(CONTRACT, identity=())) == ""


def test_the_identity_probes_of_shipped_contracts_can_be_measured() -> None:
    for path in contract.shipped().values():
        text = needs.identity_suite(contract.read(path))
        assert suites.parse(text, "identity", discovery.discover()).entries


def test_a_value_is_the_metric_at_the_median() -> None:
    (found,) = triad(measured(seconds=0.01))
    work = memory.BENCHMARK.work(TRIAD)
    assert found.value == pytest.approx(work.bytes / 0.01)
    assert (found.status, found.run) == (Status.OK, "20260102-030405-one-beef/0")
    chase = measured(CHASE, "chase", benchmark=latency.BENCHMARK, seconds=0.02)
    (one,) = needs.values(CONTRACT, KEYS, [chase])[1].runs
    assert one.value == pytest.approx(0.02 / latency.BENCHMARK.work(CHASE).steps)


def test_runs_are_in_the_order_they_were_made() -> None:
    later = [measured(campaign="20260102-030405-two-beef", run=run, seconds=0.02 + run / 1000) for run in (1, 0)]
    first = [measured(run=run) for run in (2, 0, 1)]
    runs = [one.run.partition("-")[2] for one in triad(*first, *later)]
    assert runs == [f"030405-one-beef/{run}" for run in range(3)] + [f"030405-two-beef/{run}" for run in range(2)]


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        (Rejected("c[3] is wrong", where="c[3]"), Status.REJECTED, "c[3] is wrong"),
        (Failed("out of memory", "setup"), Status.FAILED, "out of memory"),
        (Skipped("no numba"), Status.SKIPPED, "no numba"),
        (Samples((0.0,) * 9, 1), Status.FAILED, ""),
        (Samples((math.nan,) * 9, 1), Status.FAILED, ""),
        (Samples((-1.0,) * 9, 1), Status.FAILED, ""),
        (Samples((math.inf,) * 9, 1), Status.FAILED, ""),
    ],
)
def test_what_has_no_number_has_no_value(outcome: Outcome, status: Status, reason: str) -> None:
    (found,) = triad(measured(outcome=outcome))
    assert (found.value, found.status) == (None, status)
    assert reason in found.reason
    assert found.reason


def test_a_scripted_clock_answers_nothing() -> None:
    (found,) = triad(measured(backend="fake"))
    assert (found.value, found.status) == (None, Status.FAILED)
    assert "the backend fake, not by host" in found.reason


def test_a_run_counts_once() -> None:
    (found,) = triad(measured(), measured(seconds=0.005))
    assert (found.value, found.status) == (None, Status.FAILED)
    assert "2 times" in found.reason
    (wrong,) = triad(measured(), measured(outcome=Rejected("wrong")))
    assert wrong.status is Status.REJECTED


def test_another_metric_answers_nothing() -> None:
    (found,) = triad(replace(measured(), metric=Metric.FLOPS))
    assert (found.value, found.status) == (None, Status.FAILED)


def test_no_work_is_no_result() -> None:
    (found,) = triad(replace(measured(), work=Work()))
    assert (found.value, found.status) == (None, Status.FAILED)


def test_caveats_come_with_their_codes_once() -> None:
    notes = (Caveat("CONTENDED", "a"), Caveat("CONTENDED", "b"), Caveat("NOT_STEADY", "c"))
    (found,) = triad(measured(caveats=notes))
    assert found.codes == ("CONTENDED", "NOT_STEADY")


def test_what_nobody_measured_has_no_runs() -> None:
    other = measured(replace(TRIAD, params=(("bytes", 1 << 20), ("op", "triad"))))
    assert [one.runs for one in needs.values(CONTRACT, KEYS, [other])] == [(), ()]
    assert [one.requirement for one in needs.values(CONTRACT, {}, [measured()])] == ["triad", "chase"]


def test_the_order_of_records_within_a_campaign_is_immaterial() -> None:
    records = [measured(run=run, seconds=0.01 + run / 1000) for run in range(3)]
    told = {triad(*each) for each in itertools.permutations(records)}
    assert len(told) == 1


def of(benchmark: str, implementation: str, **axes: object) -> Contract:
    requirement = replace(CONTRACT.requirements[0], benchmark=benchmark, implementation=implementation, axes=axes)  # type: ignore[arg-type]
    return replace(CONTRACT, requirements=(requirement,))


@pytest.mark.parametrize(
    ("kind", "name", "implementation", "axes", "words"),
    [
        (Kind.HOST, "memory", "wide", {"op": "read", "bytes": "16xLLC"}, "does not run on a host"),
        (Kind.GPU, "memory", "stream", {"op": "read", "bytes": "16xLLC"}, "does not run on a gpu"),
        (Kind.GPU, "p2p", "read", {"source": 0, "target": 1, "direction": "uni", "bytes": 1 << 28}, "several devices"),
        (Kind.GPU, "p2p", "read", {"source": 0, "target": 0, "direction": "uni", "bytes": 1 << 28}, "several devices"),
        (Kind.GPU, "memory", "memcpy", {"op": "read", "bytes": 1 << 28}, "does not offer that case"),
        (Kind.GPU, "memory", "wide", {"op": "read", "bytes": 8}, "makes no sense"),
        (Kind.GPU, "memory", "wide", {"op": "read", "bytes": "16xLLC"}, ""),
        (Kind.HOST, "memory", "stream", {"op": "read", "bytes": "16xLLC"}, ""),
    ],
)
def test_what_no_device_can_answer_is_unfit(
    kind: Kind, name: str, implementation: str, axes: dict[str, object], words: str
) -> None:
    found = needs.unfit(of(name, implementation, **axes).requirements[0], kind)
    assert words in found
    assert bool(words) == bool(found)
