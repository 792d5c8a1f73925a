"""What is to be done and what came of it: suite, plan, samples, summary, record, score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from benchsuite.model.benchmark import Case, Metric, Scalar, Work
from benchsuite.model.training import Pattern


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and when to stop (docs/method.md). Times in seconds.

    runs: fresh process groups, the statistical unit. seconds: measured time per case,
    implementation and run. warmup: warm-up time before it. min_samples, max_samples, precision:
    stop when the order-statistic interval of the median is within ``precision`` of it.
    deadline: how long a worker may go without a word while it measures; setup_deadline: while it starts,
    makes inputs or verifies; compile_deadline: while kernels are compiled and first run.
    """

    runs: int = 3
    seconds: float = 1.0
    warmup: float = 0.2
    min_samples: int = 20
    max_samples: int = 400
    precision: float = 0.01
    deadline: float = 120.0
    setup_deadline: float = 120.0
    compile_deadline: float = 600.0
    isolation: str = "run"


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of a suite: benchmarks chosen by pattern, every combination of ``axes`` with every point.

    ``implementations`` are patterns; empty means all. ``share`` scales the measured time of each case.
    """

    select: tuple[str, ...]
    axes: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    points: tuple[tuple[tuple[str, Scalar], ...], ...] = ()
    implementations: tuple[str, ...] = ()
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Suite:
    """What to run, as data. ``source`` is the file's text, kept with every campaign.

    patterns: the steps of training whose messages are among the entries.
    """

    name: str
    title: str
    entries: tuple[Entry, ...]
    policy: Policy
    ranks: int = 0
    source: str = ""
    patterns: tuple[Pattern, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One case with one implementation: what is measured. ``share`` scales its measured time."""

    case: Case
    implementation: str
    share: float = 1.0

    @property
    def key(self) -> str:
        """The task's identity within a campaign."""
        return f"{self.case.key} [{self.implementation}]"


@dataclass(frozen=True, slots=True)
class Skip:
    """A case or implementation that will not run here, and why."""

    case: Case
    implementation: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run, in which order. ``order[r]`` is the seeded random order of the tasks in run r."""

    suite: str
    policy: Policy
    seed: int
    tasks: tuple[Task, ...]
    skips: tuple[Skip, ...]
    order: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Caveat:
    """Something beside the number that a reader must know. ``code`` is stable, ``text`` a sentence."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Energy:
    """What the samples cost in energy: ``joules`` over all of them, ``per_iteration`` of one iteration.

    source: what was asked (``gpu``: the card's own counter or its power over time; ``package``: RAPL of the
    processor). Both numbers are ``None`` where they cannot be known, and ``reason`` says why.
    """

    source: str
    joules: float | None = None
    per_iteration: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Samples:
    """Every timed interval of one task in one run.

    seconds: per iteration, the slowest rank's, in the order taken; each sample timed
    ``iterations`` iterations back to back. starts: when each began, in seconds after the first warm-up sample
    began (rank 0's monotonic clock). warmup, warmup_starts: the same before steady state. by_rank: the
    seconds per rank, where there is more than one; rank_starts: when each rank began, on rank 0's clock.
    sync: how the ranks began together (``none``, ``barrier`` or ``window``), ``sync_error``: the bound of the
    error of their clocks in seconds, where that is known. sets: buffer sets rotated through. steady_from: samples
    before it still belong to the approach of the steady state (MSER-5); they are kept and counted all the same.
    beside: seconds of each iteration that are not the operation, measured by themselves and not subtracted: ``call``
    (the same call in a world of one rank) and ``restore`` (putting back what an operation in place overwrites).
    conditions: what the sensors said meanwhile, medians in SI units; annotations: by the code of a condition, the
    numbers of the samples it touched; energy: what they cost (``telemetry.join``).
    """

    seconds: tuple[float, ...]
    iterations: int
    starts: tuple[float, ...] = ()
    warmup: tuple[float, ...] = ()
    warmup_starts: tuple[float, ...] = ()
    by_rank: tuple[tuple[float, ...], ...] = ()
    rank_starts: tuple[tuple[float, ...], ...] = ()
    setup_seconds: float = 0.0
    sets: int = 1
    sync: str = "none"
    sync_error: float | None = None
    steady_from: int = 0
    max_error: float = 0.0
    caveats: tuple[Caveat, ...] = ()
    conditions: Mapping[str, float] = field(default_factory=dict)
    annotations: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    energy: tuple[Energy, ...] = ()
    beside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A wrong result: no time is reported. ``where`` is the first wrong element or the rank."""

    reason: str
    max_error: float | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The task could not be measured: crash, deadline, out of memory."""

    reason: str
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The task found at run time that it cannot run here."""

    reason: str


Outcome = Samples | Rejected | Failed | Skipped


class Status(StrEnum):
    """How one task of one run ended. Only ``OK`` has a number."""

    OK = "ok"
    REJECTED = "rejected"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Skew:
    """How late each rank came to a sample and how long that then took, in seconds (medians over a run's samples).

    lags: each rank's start after the first one's, 0 where it is below twice the clocks' ``error``. transfer: from the
    last start to the last end, of a whole sample.
    """

    lags: tuple[float, ...]
    transfer: float
    error: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Description of one run's samples, in seconds per iteration. Labelled "this run only".

    clean, clean_median: how many samples no annotation touches, and their median: how much the disturbed ones matter.
    bimodal: the samples fall into two groups (``statistics.shape``). Nothing is ever left out of ``median``.
    skew: who came late, of several ranks.
    """

    n: int
    median: float
    low: float
    high: float
    confidence: float
    minimum: float
    p5: float
    p95: float
    maximum: float
    mad: float
    lag1: float
    n_effective: float
    outliers_mild: int
    outliers_severe: int
    clean: int = 0
    clean_median: float | None = None
    bimodal: bool = False
    skew: Skew | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One task of one run, as stored: a line of ``records.jsonl``."""

    campaign: str
    run: int
    position: int
    case: Case
    implementation: str
    provider: str
    backend: str
    metric: Metric
    status: Status
    work: Work
    started: str
    samples: Samples | None = None
    summary: Summary | None = None
    reason: str = ""
    caveats: tuple[Caveat, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """Where a task's noise arises, as relative standard deviations (``statistics.components``).

    between: of the runs' true medians. within: of the median of ``samples`` independent samples of one run, times
    their root. samples: how many a run had on average, freed of their correlation. cost: of set-up and warm-up of a
    run, in such samples.
    """

    between: float
    within: float
    samples: float
    cost: float = 1.0


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The samples of one run in seconds per iteration: how many, and how they spread. For what travels without them."""

    n: int
    minimum: float
    p5: float
    median: float
    p95: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Score:
    """One task over all runs of a campaign, in the benchmark's metric (SI units, no prefix).

    value, low, high: geometric mean of the runs' medians and its 95 % t interval on the log
    scale; with one run, that run's order-statistic interval (``interval`` says which).
    ceiling: what the roofline of the measured ceilings allows; of_ceiling: value / ceiling.
    of_datasheet: value / dense datasheet peak (or memory bandwidth); of_clock: value / peak at the median
    clock of the timed regions. best: the fastest verified implementation of its case.
    unreportable: why the number must not be published as clean (docs/method.md); empty when it may.
    spread: where its noise arises, from two runs on. backend, cache, sync: what measured it, whether its data came
    from a cache (``hot``) and how its ranks began together: numbers that differ in one of them are not compared.
    joules: energy of one iteration, the median over runs, where a counter told it. samples: the spread of each run's
    samples. source: where a number stands that was not measured here: file and line, or a publication; meaning: what
    it is, in words, and as it was printed there.
    """

    case: Case
    implementation: str
    provider: str
    metric: Metric
    status: Status
    work: Work
    runs: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str = ""
    run_values: tuple[float, ...] = ()
    ceiling: float | None = None
    of_ceiling: float | None = None
    ceiling_name: str = ""
    of_datasheet: float | None = None
    of_clock: float | None = None
    conditions: Mapping[str, float] = field(default_factory=dict)
    best: bool = False
    reason: str = ""
    caveats: tuple[Caveat, ...] = ()
    unreportable: tuple[str, ...] = ()
    spread: Spread | None = None
    backend: str = ""
    cache: str = ""
    sync: str = ""
    joules: float | None = None
    samples: tuple[Quantiles, ...] = ()
    source: str = ""
    meaning: str = ""
