"""Suite x machine -> Plan: which tasks run, in which order, and what is skipped and why."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from benchsuite import suite as suites
from benchsuite import units
from benchsuite.errors import UsageError
from benchsuite.model import (
    DEVICE,
    Benchmark,
    CacheMode,
    Case,
    CudaKernel,
    Device,
    Entry,
    Implementation,
    Plan,
    Policy,
    Scalar,
    Skip,
    Suite,
    Task,
)

SETUP_SECONDS = 0.12
"""Inputs, reference and verification of one task, as a plan reckons them."""
ATTEMPT_SECONDS = 2.5
"""Start of one process group with its libraries."""
SHORTEST_SECONDS = 0.02
"""Measured time below which no case can take its twenty samples."""
SMALLEST_DRAM = 128 * units.MIB
MEMORY_SHARE = 0.4
WHOLE = "whole-memory"
"""Tag of a benchmark whose scratch is the memory under test: it may take nearly all of it, and reads nothing else."""
WHOLE_SHARE = 0.99
KINDS = frozenset({"host", "cuda"})
"""What an implementation is written for; a campaign measures one of them."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What planning must know of the machine: capabilities offered, cores, caches and memory in bytes."""

    capabilities: frozenset[str]
    cores: int
    cache: int
    memory: int
    ranks_missing: str = ""
    """Why more than one rank cannot be started here, or nothing."""
    device: Device | None = None
    """The GPU that kernels are planned for; each host has ``device.count`` of them."""
    nodes: int = 1
    """Hosts on which ranks run, as many on each."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line changes of a suite."""

    only: tuple[str, ...] = ()
    runs: int | None = None
    budget: float | None = None
    ranks: int | None = None
    seed: int = 0


def build(suite: Suite, benchmarks: Mapping[str, Benchmark], capacity: Capacity, options: Options) -> Plan:
    """The plan of a campaign.

    Raises ``UsageError`` if ``only`` matches nothing, the budget is impossible or runs is not positive.
    """
    if options.runs is not None and options.runs < 1:
        raise UsageError("The number of runs must be 1 or more.", "Three or more let two campaigns be compared.")
    ranks = _ranks(suite, capacity, options)
    tasks: dict[str, Task] = {}
    skips: dict[str, Skip] = {}
    for entry in suite.entries:
        for benchmark, case in cases(entry, benchmarks, capacity.cache, ranks):
            if not _chosen(case, benchmark, options.only):
                continue
            for task, reason in _tasks(entry, benchmark, case, capacity):
                if reason:
                    skips[task.key] = Skip(case, task.implementation, reason)
                elif task.key not in tasks:
                    tasks[task.key] = task
    if not tasks and not skips:
        hint = next(filter(None, (suites.nearest(word, benchmarks) for word in options.only)), "")
        raise UsageError("Nothing of this suite matches --only.", hint or "'benchsuite list' shows every benchmark.")
    policy = replace(suite.policy, runs=options.runs or suite.policy.runs)
    chosen = tuple(tasks.values())
    policy = _within(options.budget, policy, chosen) if options.budget is not None else policy
    order = tuple(_order(chosen, options.seed, run) for run in range(policy.runs))
    return Plan(suite.name, policy, options.seed, chosen, tuple(skips.values()), order)


def estimate(policy: Policy, tasks: Sequence[Task]) -> float:
    """About how many seconds a plan takes."""
    attempts = len({task.case.ranks for task in tasks})
    measured = sum(task.share for task in tasks) * (policy.seconds + policy.warmup)
    return policy.runs * (measured + len(tasks) * SETUP_SECONDS + attempts * ATTEMPT_SECONDS)


def _within(budget: float, policy: Policy, tasks: Sequence[Task]) -> Policy:
    """The policy with its times scaled so that the plan takes about ``budget`` seconds."""
    fixed = estimate(replace(policy, seconds=0.0, warmup=0.0), tasks)
    timed = estimate(policy, tasks) - fixed
    scale = (budget - fixed) / timed if timed > 0.0 else 1.0
    shortest = min((task.share for task in tasks), default=1.0) * policy.seconds * scale
    if not shortest >= SHORTEST_SECONDS:
        needed = fixed + timed * SHORTEST_SECONDS / (min((t.share for t in tasks), default=1.0) * policy.seconds)
        raise UsageError(
            f"{len(tasks)} tasks in {policy.runs} runs need about {needed:.0f} s, more than {budget:g} s.",
            "Give a larger --budget, fewer --runs, or choose some with --only.",
        )
    return replace(policy, seconds=policy.seconds * scale, warmup=policy.warmup * scale)


def _ranks(suite: Suite, capacity: Capacity, options: Options) -> int:
    asked = options.ranks if options.ranks is not None else suite.ranks
    if options.ranks is not None and options.ranks < 2:
        raise UsageError("A collective needs at least two ranks.", "Leave --ranks out or give 2 or more.")
    most = capacity.device.count if capacity.device else min(capacity.cores, 8)
    return asked or max(2, most)


def cases(
    entry: Entry, benchmarks: Mapping[str, Benchmark], cache: int, ranks: int
) -> Iterator[tuple[Benchmark, Case]]:
    """What a table of a suite asks for: every combination of axes with each point. ``cache``: last level, in bytes."""
    for benchmark in suites.select(entry.select, benchmarks):
        points = [dict(point) for point in entry.points if all(benchmark.axis(name) for name, _ in point)] or [{}]
        for point in points:
            free = [axis for axis in benchmark.axes if axis.name not in point]
            values = [entry.axes.get(axis.name, axis.values) for axis in free]
            for combination in itertools.product(*values):
                chosen = {**point, **dict(zip((axis.name for axis in free), combination, strict=True))}
                params = {name: _resolved(value, cache) for name, value in chosen.items()}
                yield benchmark, Case.of(benchmark.name, ranks if benchmark.collective else 1, **params)


def _resolved(value: Scalar, cache: int) -> Scalar:
    """``"8xLLC"`` as bytes: a power of two, 128 MiB at least, so that most machines measure the same case."""
    match = suites.CACHE_MULTIPLE.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    wanted = max(SMALLEST_DRAM, int(match[1]) * cache)
    return int(1 << (wanted - 1).bit_length())


def _chosen(case: Case, benchmark: Benchmark, only: Sequence[str]) -> bool:
    return not only or any(_named(case, benchmark, pattern.split()) for pattern in only)


def _named(case: Case, benchmark: Benchmark, words: Sequence[str]) -> bool:
    """Whether the first word names the benchmark or a tag of it, and every other a parameter ``name=value``."""
    names = [benchmark.name, *(f"tag:{tag}" for tag in benchmark.tags)]
    found = [any(fnmatchcase(name, word) for name in names) for word in words[:1]]
    params = case.key.split()[1:]
    found += [any(fnmatchcase(param, word) for param in params) for word in words[1:]]
    return bool(found) and all(found)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _tasks(entry: Entry, benchmark: Benchmark, case: Case, capacity: Capacity) -> Iterator[tuple[Task, str]]:
    """The case with each implementation wanted, and why it cannot run here, or nothing.

    An implementation that does not offer the case at all is left out, unless none offers it; so is one for
    another kind of backend (a GPU's, when the processor is measured), unless there is none of this kind.
    """
    wanted = [item for item in benchmark.implementations if _matches(item.name, entry.implementations)]
    offered = [item for item in wanted if item.supports(case)]
    fitting = [item for item in offered if not (item.requires & KINDS) - capacity.capabilities]
    reason = _unfit(benchmark, case, capacity)
    for item in fitting or offered:
        missing = ", ".join(sorted(item.requires - capacity.capabilities))
        lacks = f"needs {missing}, which this machine does not offer" if missing else ""
        yield Task(case, item.name, entry.share), reason or lacks or _lacks(item, benchmark, case, capacity)
    if not offered:
        names = ", ".join(item.name for item in wanted) or "no implementation asked for"
        yield Task(case, names, entry.share), reason or "none of these offers this case"


def _lacks(item: Implementation, benchmark: Benchmark, case: Case, capacity: Capacity) -> str:
    """Why this GPU cannot run the case with this kernel, as a phrase, or nothing."""
    if capacity.device is None or not isinstance(item.op, CudaKernel):
        return ""
    if reason := item.op.lacks(case, capacity.device):
        return reason
    needed = _least_memory(item.op, benchmark, case, capacity.device)
    if needed > (WHOLE_SHARE if WHOLE in benchmark.tags else MEMORY_SHARE) * capacity.memory:
        return f"needs {units.size(needed)} at least of {units.size(capacity.memory)} free memory"
    return ""


def _least_memory(kernel: CudaKernel, benchmark: Benchmark, case: Case, device: Device) -> int:
    """Bytes of device memory that the buffers take at least: what must be read, the results and the scratch.

    Inputs are not made to be counted, but each byte that must come from memory lies somewhere; a benchmark
    of a cache reads the same bytes over and over. Where buffers rotate, three caches lie between two
    uses of one (``measure.buffers``), scratch included.
    """
    places = benchmark.places(case)
    specs = {**benchmark.outputs(case), **kernel.scratch(case, device)}
    size = sum(spec.nbytes for name, spec in specs.items() if places.get(name, DEVICE) == DEVICE)
    cold = benchmark.cache is CacheMode.COLD
    size += int(benchmark.work(case).read) if cold or ("dram" in benchmark.tags and WHOLE not in benchmark.tags) else 0
    return size + (3 * device.l2 if cold else 0)


def _unfit(benchmark: Benchmark, case: Case, capacity: Capacity) -> str:
    """Why this case cannot run here, as a phrase, or nothing."""
    if reason := benchmark.invalid(case):
        return reason
    if case.ranks > 1 and capacity.ranks_missing:
        return capacity.ranks_missing
    each = -(-case.ranks // capacity.nodes)
    if capacity.device and each > max(1, capacity.device.count):
        seen = f"and {capacity.device.count} can be seen: --backend host measures processors"
        return f"{each} ranks a host need a GPU each, {seen}"
    outputs = sum(spec.nbytes for spec in benchmark.outputs(case).values())
    messages = int(benchmark.work(case).read) if case.ranks > 1 else 0  # the host holds both twice: as made, as wanted
    needed = outputs + messages if capacity.device else (outputs + messages) * each
    if needed > MEMORY_SHARE * capacity.memory:
        what = "messages and results" if messages else "results"
        return f"its {what} alone need {units.size(needed)} of {units.size(capacity.memory)} free memory"
    return ""


def _order(tasks: Sequence[Task], seed: int, run: int) -> tuple[int, ...]:
    """Cases in random order, each case's implementations next to each other in random order.

    Neighbouring implementations share their inputs and meet the machine in the same mood, which is
    what their comparison needs.
    """
    rng = np.random.default_rng([seed, run])
    by_case: dict[Case, list[int]] = {}
    for index, task in enumerate(tasks):
        by_case.setdefault(task.case, []).append(index)
    groups = list(by_case.values())
    shuffled = [groups[i] for i in rng.permutation(len(groups))]
    return tuple(int(index) for group in shuffled for index in rng.permutation(group))
