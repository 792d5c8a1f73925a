"""Readings joined to samples: exactly the samples that overlap are touched, and silence is never health."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchsuite.model import Samples
from benchsuite.telemetry import conditions
from benchsuite.telemetry.join import Expected, intervals, join, rates, spans, touched, unseen
from benchsuite.telemetry.reading import Reading

BEAT = 0.1
HEALTHY = {"sm_clock": 1.98e9, "sm_clock_max": 1.98e9, "throttle": 0.0, "power": 400.0, "power_limit": 700.0}
NARROW = {**HEALTHY, "pcie_width": 4.0, "pcie_width_max": 16.0, "pcie_generation": 5.0, "pcie_generation_max": 5.0}


def reading(at: float, *, busy: float = 0.0, own: float = 0.0, steal: float = 0.0, **more: float) -> Reading:
    return Reading(at, {"busy": busy, "own": own, "steal": steal, **more})


def quiet(count: int = 40, beat: float = BEAT, **more: float) -> list[Reading]:
    """A machine that works for us alone, one core all the time."""
    return [reading(n * beat, busy=n * beat, own=n * beat, **more) for n in range(count)]


def samples(count: int = 20, seconds: float = 0.05, first: float = 0.0, gap: float = 0.05) -> Samples:
    """Samples of this length, one after another with gaps."""
    starts = tuple(first + n * (seconds + gap) for n in range(count))
    return Samples((seconds / 4,) * count, 4, starts=starts)


def codes(joined: Samples) -> list[str]:
    return [caveat.code for caveat in joined.caveats]


def test_a_quiet_machine_leaves_nothing_to_say() -> None:
    joined = join(samples(), 0.5, quiet(), Expected())
    assert joined.caveats == ()
    assert joined.annotations == {}
    assert joined.conditions["foreign_cores"] == 0.0
    assert joined.conditions["readings"] == 20.0
    assert joined.seconds == samples().seconds


def test_our_own_work_is_not_foreign_and_others_are() -> None:
    busy = [reading(n * BEAT, busy=1.5 * n * BEAT, own=n * BEAT) for n in range(40)]
    joined = join(samples(), 0.5, busy, Expected())
    assert codes(joined) == ["CONTENDED"]
    assert "0.5 cores" in joined.caveats[0].text
    assert joined.annotations["CONTENDED"] == tuple(range(20))


def test_steal_is_told() -> None:
    stolen = [reading(n * BEAT, steal=0.05 * n * BEAT) for n in range(40)]
    joined = join(samples(), 0.5, stolen, Expected())
    assert codes(joined) == ["HOST_STEAL"]
    assert "5.0% of a core" in joined.caveats[0].text


def test_a_moment_of_load_touches_its_samples_and_not_the_number() -> None:
    """Half a second of one core in ten: 0.05 cores on average."""
    load = [reading(n * BEAT, busy=min(max(0.0, n * BEAT - 3.0), 0.5)) for n in range(120)]
    joined = join(samples(100), 0.5, load, Expected())
    assert joined.caveats == ()
    hit = joined.annotations["CONTENDED"]
    assert 0 < len(hit) < 20
    began = {number: 0.5 + joined.starts[number] for number in hit}
    assert all(2.4 < moment < 4.1 for moment in began.values())
    assert {25, 26, 27, 28, 29} <= set(hit), "those that ran meanwhile"


@pytest.mark.parametrize("stolen", [0.0, 0.02])
def test_one_long_sample_is_judged_by_its_average(stolen: float) -> None:
    seen = [reading(n * BEAT, steal=stolen if n > 20 else 0.0, busy=0.05 if n > 20 else 0.0) for n in range(60)]
    joined = join(Samples((4.0,), 1, starts=(0.0,)), 0.5, seen, Expected())
    assert codes(joined) == []
    assert joined.conditions["steal"] < 0.01


def test_a_quota_that_stopped_us_is_told_whenever_it_did() -> None:
    held = [reading(n * BEAT, throttled=0.02 if n > 12 else 0.0) for n in range(40)]
    joined = join(samples(), 0.5, held, Expected())
    assert codes(joined) == ["CGROUP_THROTTLED"]
    assert f"({len(joined.annotations['CGROUP_THROTTLED'])} of 20 samples)" in joined.caveats[0].text


def test_samples_shorter_than_the_beat_take_the_readings_around_them() -> None:
    one = Samples((0.001,) * 3, 1, starts=(0.0, 0.001, 0.002))
    joined = join(one, 1.05, [reading(n * BEAT, busy=n * BEAT) for n in range(40)], Expected())
    assert codes(joined) == ["CONTENDED"]
    assert joined.conditions["readings"] == 2.0


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({**HEALTHY, "throttle": float(0x20)}, "THERMAL"),
        ({**HEALTHY, "throttle": float(0x40)}, "THERMAL"),
        ({**HEALTHY, "throttle": float(0x08)}, "HW_SLOWDOWN"),
        ({**HEALTHY, "throttle": float(0x80)}, "HW_SLOWDOWN"),
        ({**HEALTHY, "throttle": float(0x04)}, "POWER_CAP"),
        ({**HEALTHY, "power_limit_default": 702.0}, "POWER_LIMIT_LOWERED"),
        ({**HEALTHY, "sm_clock": 1.2e9, "throttle": float(0x02)}, "CLOCK_LOCKED"),
        ({**HEALTHY, "sm_clock": 1.2e9}, "CLOCK_LOCKED"),
        (NARROW, "LINK_NARROW"),
        ({**NARROW, "pcie_width": 16.0, "pcie_generation": 4.0}, "LINK_NARROW"),
    ],
)
def test_every_condition_of_the_gpu_has_its_code(values: dict[str, float], code: str) -> None:
    joined = join(samples(), 0.5, quiet(**values), Expected(gpu=True))
    assert codes(joined) == [code]
    assert joined.annotations == {code: tuple(range(20))}


@pytest.mark.parametrize(
    "values",
    [
        HEALTHY,
        {**HEALTHY, "throttle": 1.0, "sm_clock": 3e8},  # idle: slow as it should be
        {**NARROW, "throttle": 1.0, "pcie_generation": 1.0},  # idle: narrow as it should be
        {**HEALTHY, "power_limit_default": 700.4},
        {**HEALTHY, "sm_clock": 1.9e9},
        {**NARROW, "pcie_width": 16.0},
        {**NARROW, "pcie_width": 0.0, "pcie_width_max": 0.0},
    ],
)
def test_what_is_as_it_should_be_has_no_code(values: dict[str, float]) -> None:
    assert codes(join(samples(), 0.5, quiet(**values), Expected(gpu=True))) == []


def test_a_link_is_judged_under_load_only() -> None:
    """Idle at generation 1, then work: the link has widened by the reading after the first one at work."""
    idle, waking, work = (
        {**NARROW, "pcie_width": 16.0, "pcie_generation": generation, "throttle": throttle}
        for generation, throttle in ((1.0, 1.0), (1.0, 0.0), (5.0, 0.0))
    )
    states = [idle] * 6 + [waking] + [work] * 33
    seen = [reading(n * BEAT, **state) for n, state in enumerate(states)]
    assert codes(join(samples(), 0.5, seen, Expected(gpu=True))) == []


def test_other_processes_on_the_gpu_are_contention() -> None:
    seen = [Reading(one.at, one.values, {}, (4242,)) for one in quiet(**HEALTHY)]
    joined = join(samples(), 0.5, seen, Expected(gpu=True))
    assert codes(joined) == ["CONTENDED"]
    assert joined.conditions["foreign_processes"] == 1.0
    assert "1 on the GPU" in joined.caveats[0].text
    unknown = [Reading(one.at, one.values, {}, None) for one in quiet(**HEALTHY)]
    assert codes(join(samples(), 0.5, unknown, Expected(gpu=True))) == []


def test_conditions_are_medians_in_si_units_and_every_throttle_bit_that_was_set() -> None:
    states = [{**HEALTHY, "sm_clock": 1e9 + n, "throttle": float(8 if n == 7 else 4)} for n in range(40)]
    seen = [reading(n * BEAT, **state) for n, state in enumerate(states)]
    told = join(samples(10), 0.45, seen, Expected(gpu=True)).conditions
    assert told["throttle"] == 12.0
    assert told["sm_clock"] == 1e9 + 9.5
    assert told["power"] == 400.0
    assert told["readings"] == 10.0


def test_of_several_gpus_only_one_is_seen_and_none_is_billed_for_all() -> None:
    several = replace(samples(), by_rank=((0.01, 0.01),) * 20)
    seen = quiet(**HEALTHY)
    joined = join(several, 0.5, seen, Expected(gpu=True))
    assert codes(joined) == ["ONE_GPU_SENSED"]
    assert {one.source: one.reason for one in joined.energy}["gpu"] == "the sensors of one of 2 GPUs were read"
    assert all(one.joules is None for one in joined.energy if one.source == "gpu")
    assert "ONE_GPU_SENSED" not in codes(join(several, 0.5, quiet(), Expected(gpu=False))), "ranks of a processor"


def test_earlier_caveats_and_conditions_stay() -> None:
    before = Samples((0.1,), 1, starts=(0.0,), conditions={"x": 1.0}, annotations={"A": (0,)})
    joined = join(before, 0.5, quiet(), Expected())
    assert joined.conditions["x"] == 1.0
    assert joined.annotations == {"A": (0,)}


@pytest.mark.parametrize(
    ("seen", "gpu", "expected"),
    [
        ([], False, ["TELEMETRY_MISSING"]),
        ([], True, ["TELEMETRY_MISSING", "GPU_TELEMETRY_MISSING"]),
        (quiet(), True, ["GPU_TELEMETRY_MISSING"]),
        (quiet(sm_clock=1e9), True, ["GPU_TELEMETRY_MISSING"]),
        (quiet(throttle=0.0), True, ["GPU_TELEMETRY_MISSING"]),
        ([Reading(one.at, {"own": 1.0}) for one in quiet()], False, ["TELEMETRY_MISSING"]),
        (quiet(4), False, ["TELEMETRY_MISSING"]),  # all before
        (quiet(20), False, ["TELEMETRY_MISSING"]),  # ended meanwhile
        ([reading(20 + n) for n in range(9)], False, ["TELEMETRY_MISSING"]),  # all after
        ([reading(0.4), reading(9.0)], False, ["TELEMETRY_MISSING"]),  # nobody looked in between
    ],
)
def test_silence_is_never_health(seen: list[Reading], gpu: bool, expected: list[str]) -> None:
    joined = join(samples(), 0.5, seen, Expected(gpu=gpu))
    assert codes(joined) == expected
    assert all(joined.annotations[code] for code in expected)


def test_only_what_nobody_watched_is_marked() -> None:
    joined = join(samples(), 0.5, [one for one in quiet(60) if not 1.0 < one.at < 3.1], Expected())
    told = joined.annotations["TELEMETRY_MISSING"]
    assert told == tuple(number for number, start in enumerate(joined.starts) if 0.5 + start + 0.05 > 1.0)


def test_counters_of_two_sensor_processes_are_not_compared() -> None:
    """The second one counts our time anew: that is no foreign work, but nobody watched in between."""
    seen = [Reading(one.at, {**one.values, "own": one.at - 1.5 * (one.at > 1.55)}) for one in quiet()]
    seen[16] = Reading(seen[16].at, seen[16].values, first=True)
    joined = join(samples(), 0.5, seen, Expected())
    assert codes(joined) == ["TELEMETRY_MISSING"]
    assert joined.annotations == {"TELEMETRY_MISSING": (10,)}


def test_the_reason_of_silence_is_told() -> None:
    lost = [Reading(one.at, one.values, {"gpu": "NVML says: GPU is lost"}) for one in quiet()]
    assert "NVML says: GPU is lost." in join(samples(), 0.5, lost, Expected(gpu=True)).caveats[0].text
    assert "it hung." in join(samples(), 0.5, [], Expected(blind="it hung")).caveats[0].text


def test_samples_without_a_time_cannot_be_joined() -> None:
    joined = join(Samples((0.1, 0.1), 1), 5.0, quiet(), Expected())
    assert codes(joined) == ["TELEMETRY_MISSING"]


TIMES = st.lists(st.floats(0.01, 3.0), min_size=1, max_size=30)


def rising(steps: Iterable[float]) -> list[float]:
    total, made = 0.0, []
    for step in steps:
        total += step
        made.append(total)
    return made


@given(TIMES, TIMES, st.data())
def test_the_samples_touched_are_exactly_those_that_overlap(
    steps: list[float], beats: list[float], data: st.DataObject
) -> None:
    edges = rising(steps)
    windows = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    moments = rising(beats)
    flags = data.draw(st.lists(st.booleans(), min_size=len(moments), max_size=len(moments)))
    held = [pair for pair, flag in zip(itertools.pairwise(moments), flags, strict=False) if flag]
    expected = [
        number
        for number, (begin, end) in enumerate(windows)
        if any(begin < stop and end > start for start, stop in held)
    ]
    assert touched(windows, held) == expected


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.floats(0.0, 3.0), TIMES)
def test_a_condition_touches_the_samples_next_to_a_reading_that_shows_it(
    shown: list[bool], began: float, steps: list[float]
) -> None:
    seen = [reading(n * BEAT, throttle=4.0 if flag else 0.0, sm_clock=1e9) for n, flag in enumerate(shown)]
    starts = rising(steps)
    one = Samples((0.005,) * len(starts), 2, starts=tuple(starts))
    windows = spans(one, began)
    assume(windows[-1][1] < seen[-1].at)
    hit = join(one, began, seen, Expected(gpu=True)).annotations.get("POWER_CAP", ())
    for number, (begin, end) in enumerate(windows):
        near = [n for n in range(len(seen)) if seen[n].at < end + BEAT and seen[n].at > begin - BEAT]
        assert (number in hit) == any(shown[n] for n in near)


@given(st.lists(st.tuples(st.floats(0.02, 0.3), st.floats(0.0, 2.0)), min_size=3, max_size=60))
def test_no_interval_is_called_foreign_unless_its_surroundings_were(steps: list[tuple[float, float]]) -> None:
    at = busy = 0.0
    seen = [reading(0.0)]
    for wait, load in steps:
        at, busy = at + wait, busy + load * wait
        seen.append(reading(at, busy=busy))
    quietest, busiest = min(load for _, load in steps), max(load for _, load in steps)
    found = intervals([seen])["CONTENDED"]
    if busiest <= conditions.FOREIGN_CORES - 1e-9:
        assert not found
    if quietest >= conditions.FOREIGN_CORES + 1e-9:
        assert len(found) == len(steps)


def test_touching_ends_is_no_overlap_and_the_least_overlap_is_one() -> None:
    window = [(1.0, 2.0)]
    assert touched(window, [(2.0, 3.0)]) == touched(window, [(0.0, 1.0)]) == []
    assert touched(window, [(1.9999, 3.0)]) == touched(window, [(0.0, 1.0001)]) == [0]


def test_a_tick_or_two_between_two_readings_is_noise() -> None:
    """The kernel books whole ticks: 20 ms within one beat look like 0.2 cores, and are 0.04 over half a second."""
    seen = [reading(n * BEAT, busy=0.02 if n > 20 else 0.0) for n in range(40)]
    assert join(samples(), 0.5, seen, Expected()).annotations == {}


def test_windows_must_be_covered_whole() -> None:
    pairs = list(zip(quiet(3), quiet(3)[1:], strict=False))
    needed = frozenset({"busy"})
    assert unseen([(0.0, 0.2), (0.05, 0.15), (0.15, 0.21), (-0.1, 0.1)], pairs, needed) == [2, 3]


def test_rates_are_parts_of_the_time() -> None:
    first = reading(0.0, cpu_pressure=1.0, numa_misses=5.0)
    last = reading(2.0, busy=3.0, own=1.0, steal=0.1, cpu_pressure=2.0, numa_misses=9.0)
    assert rates([[first, last]]) == pytest.approx(
        {"foreign_cores": 1.0, "steal": 0.05, "cpu_pressure": 0.5, "numa_misses": 4.0}
    )
