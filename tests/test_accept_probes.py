"""Identity probes on simulated cards: the right card is found; a renamed, cut or throttled one is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import catalog, discovery, plan, suite, units
from benchsuite.accept import needs, probes, regions
from benchsuite.backends.host import fill as host_fill
from benchsuite.benchmarks import cores
from benchsuite.benchmarks import fill as filling
from benchsuite.catalog import Accelerator
from benchsuite.errors import MeasureError
from benchsuite.machine import cpu
from benchsuite.model import (
    TYPICAL,
    Case,
    Caveat,
    Claim,
    Contract,
    Failed,
    Kind,
    Probed,
    Record,
    Region,
    Rejected,
    Rule,
    Skipped,
    Subject,
)
from benchsuite.plan import Capacity, Options
from tests.builders import record

BENCHMARKS = discovery.discover()
CARDS = catalog.load().accelerators
GPU = Subject("node1", 0)
HOST = regions.of_host(8, 32 * units.MIB, 64 * units.GIB)
SHIPPED = (
    "a100_sxm_80", "h100_sxm_80", "h100_pcie_80", "h200_sxm_141", "b200_sxm_180", "l40s", "rtx_4090", "rtx_5090",
)  # fmt: skip
LLC = 50 << 20


@dataclass(frozen=True)
class Machine:
    """A pretended card or host: what each probe's benchmark would find on it."""

    processors: int = 132
    flops: Callable[[str], float] = lambda dtype: 1e13
    cache: float = 50 * units.MIB
    bandwidth: float = 4e12
    memory: float = 150e9
    cores: float = 8.0

    def seconds(self, case: Case) -> float:
        """Of one iteration."""
        match case.benchmark:
            case "processors":
                return 1e-4 * -(-case.integer("blocks") // self.processors)
            case "peak":
                return case.integer("flops") / self.flops(case.text("dtype"))
            case "latency":
                nearer = 0.03 if case.integer("bytes") <= self.cache / 4 else 0.035  # addresses are translated too
                return nearer if case.integer("bytes") <= self.cache else 0.08
            case "memory":
                return BENCHMARKS["memory"].work(case).bytes / self.bandwidth
            case "fill":
                return BENCHMARKS["fill"].work(case).bytes / (0.6 * self.bandwidth)
            case _:
                return 0.05 / min(case.integer("threads"), self.cores)


def of(card: Accelerator, **changes: object) -> Machine:
    """A healthy card of this model: in the middle of what healthy cards reach."""
    reach = {one.probe: (one.healthy.least * one.healthy.most) ** 0.5 * one.figure for one in regions.expected(card)}

    def flops(dtype: str) -> float:
        return reach.get(dtype, reach.get(f"tensor-{dtype}", 1.0))

    made = Machine(card.processors, flops, reach.get("l2", 1.0), reach["bandwidth"], card.nvml_memory or card.memory)
    return replace(made, **changes)  # type: ignore[arg-type]


def contract(identity: Iterable[Region], kind: Kind = Kind.GPU) -> Contract:
    return Contract(1, "t", "", Claim(kind, "x"), Rule(), (), identity=tuple(identity))


def cases(made: Contract) -> list[tuple[Case, str]]:
    """What the identity suite asks for, through the suite's text."""
    text = needs.identity_suite(made)
    parsed = suite.parse(text, "identity", BENCHMARKS)
    found = []
    for entry in parsed.entries:
        for _, case in plan.cases(entry, BENCHMARKS, LLC, 1):
            found.append((case, entry.implementations[0]))
    return found


def measured(machine: Machine, made: Contract) -> list[Record]:
    records = []
    for case, name in cases(made):
        fails = case.benchmark == "fill" and case.integer("bytes") > machine.memory
        outcome = Failed("out of memory", "setup") if fails else None
        seconds = [machine.seconds(case)] * 9
        records.append(record(BENCHMARKS[case.benchmark], case, name, outcome=outcome, seconds=seconds))
    return records


def outside(machine: Machine, made: Contract) -> set[str]:
    """The probes that do not find what they must."""
    found = probes.found(made, GPU, measured(machine, made))
    assert [one.probe for one in found] == [region.probe for region in made.identity]
    return {one.probe for one, region in zip(found, made.identity, strict=True) if not probes.within(one, region)}


@pytest.mark.parametrize("key", SHIPPED)
def test_a_healthy_card_lies_within_its_region(key: str) -> None:
    made = contract(regions.of(CARDS[key]))
    assert {"processors", "fill", "bandwidth", "fp32"} <= {region.probe for region in made.identity}
    assert outside(of(CARDS[key]), made) == set()


@pytest.mark.parametrize(
    ("claimed", "real", "told"),
    [
        ("h200_sxm_141", "h100_sxm_80", {"bandwidth", "fill"}),
        ("h100_sxm_80", "h100_pcie_80", {"processors"}),
        ("h100_sxm_80", "a100_sxm_80", {"processors", "fp64"}),
        ("a100_sxm_80", "a100_sxm_40", {"fill"}),
        ("rtx_4090", "rtx_3090", {"processors"}),
        ("rtx_5090", "rtx_4090", {"processors", "bandwidth", "fill"}),
        ("l40s", "rtx_4090", {"processors", "fill"}),
        ("b200_sxm_180", "h200_sxm_141", {"processors", "bandwidth", "fill"}),
    ],
)
def test_a_renamed_card_lies_outside(claimed: str, real: str, told: set[str]) -> None:
    assert told <= outside(of(CARDS[real]), contract(regions.of(CARDS[claimed])))


H200 = CARDS["h200_sxm_141"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"processors": 131}, {"processors"}),
        ({"processors": 133}, {"processors"}),
        ({"processors": 16}, {"processors"}),
        ({"processors": 1}, {"processors"}),
        ({"bandwidth": 3.3e12}, {"bandwidth"}),
        ({"bandwidth": 5e10}, {"bandwidth", "fill-rate"}),
        ({"memory": 120e9}, {"fill", "fill-rate"}),
        ({"cache": 6 * units.MIB}, {"l2"}),
        ({"flops": lambda dtype: 1e12}, {"fp32", "fp64", "tensor-bf16"}),
    ],
)
def test_a_card_that_differs_in_one_thing_is_found_by_it(change: dict[str, object], told: set[str]) -> None:
    assert outside(of(H200, **change), contract(regions.of(H200))) == told


@settings(max_examples=30)
@given(st.integers(1, 200))
def test_the_number_of_processors_is_exact_around_the_region_and_a_lower_bound_below(count: int) -> None:
    made = contract([Region("processors", 132, 132, "")])
    (found,) = probes.found(made, GPU, measured(Machine(count), made))
    assert found.value is not None
    if count in {131, 132}:
        assert (found.value, found.reason) == (count, "")
    elif count >= 133:
        assert (found.value, found.reason) == (133, "or more")
    else:
        assert found.value <= count
    assert probes.within(found, made.identity[0]) == (count == 132)


@settings(max_examples=30)
@given(st.floats(2.0, 200.0))
def test_the_end_of_a_cache_is_found_within_a_step(mib: float) -> None:
    made = contract([Region("l2", mib * 0.5 * units.MIB, mib * 2 * units.MIB, "")])
    (found,) = probes.found(made, GPU, measured(Machine(cache=mib * units.MIB), made))
    assert found.value is not None
    steps = probes.sizes(made.identity[0])
    assert max(size for size in steps if size <= mib * units.MIB) <= found.value
    assert found.value <= min(size for size in steps if size > mib * units.MIB)


@pytest.mark.parametrize("cache", [0.0, 1e12])
def test_latency_that_never_steps_finds_no_cache(cache: float) -> None:
    made = contract([Region("l2", 20e6, 60e6, "")])
    (found,) = probes.found(made, GPU, measured(Machine(cache=cache), made))
    assert found.value is None
    assert "does not step" in found.reason


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Rejected("line 7 is wrong", 1.0, "7"), "a result was wrong: line 7 is wrong"),
        (Failed("the worker died", "measure"), "failed: the worker died"),
        (Skipped("needs sm_90a"), "skipped: needs sm_90a"),
    ],
)
@pytest.mark.parametrize("region", regions.of(H200), ids=lambda region: region.probe)
def test_what_was_not_measured_rightly_has_no_value(outcome: object, words: str, region: Region) -> None:
    made = contract(regions.of(H200))
    asked = probes.entries(region)
    mine = {entry.select[0] for entry in asked} or {"fill"}  # its rate is that of the same runs
    records = [
        record(BENCHMARKS[one.case.benchmark], one.case, one.implementation, outcome=outcome)  # type: ignore[arg-type]
        if one.case.benchmark in mine
        else one
        for one in measured(of(H200), made)
    ]
    (found,) = probes.found(contract([region]), GPU, records)
    assert found.value is None
    assert words in found.reason
    (silent,) = probes.found(contract([region]), GPU, [])
    assert silent.value is None
    assert "not measured" in silent.reason


@pytest.mark.parametrize("key", [key for key, one in CARDS.items() if one.vendor == "nvidia"])
def test_every_region_is_a_suite_that_can_be_planned(key: str) -> None:
    made = contract(regions.of(CARDS[key]))
    wanted = cases(made)
    assert len({(case.key, name) for case, name in wanted}) == len(wanted)
    for case, name in wanted:
        benchmark = BENCHMARKS[case.benchmark]
        assert not benchmark.invalid(case)
        (implementation,) = [one for one in benchmark.implementations if one.name == name]
        assert implementation.supports(case)


def test_nearly_all_of_the_memory_can_be_planned_to_be_filled_and_no_more() -> None:
    """The other benchmarks keep to two fifths of what is free."""
    device = replace(TYPICAL["sm_90a"], count=1)
    (region,) = [region for region in regions.of(H200) if region.probe == "fill"]
    text = needs.identity_suite(contract([region]))

    def skips(free: float) -> int:
        offered = Capacity(frozenset({"cuda"}), 8, device.l2, int(free), device=device)
        return len(plan.build(suite.parse(text, "s", BENCHMARKS), BENCHMARKS, offered, Options()).skips)

    assert region.low >= 0.95 * (H200.nvml_memory or 0) - 1
    assert skips(0.98 * (H200.nvml_memory or 0)) == 0
    assert skips(region.low) == 1


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -1.0, 0.99, 2.01])
def test_nothing_but_a_number_within_lies_within(value: float | None) -> None:
    assert not probes.within(Probed("x", value), Region("x", 1.0, 2.0, ""))
    assert probes.within(Probed("x", 1.0), Region("x", 1.0, 2.0, ""))
    assert probes.within(Probed("x", 2.0), Region("x", 1.0, 2.0, ""))


def test_an_unknown_probe_finds_nothing() -> None:
    (found,) = probes.found(contract([Region("mystery", 0.0, 1.0, "")]), GPU, [])
    assert found == Probed("mystery", None, "there is no probe mystery")


@given(st.text(max_size=8), st.text(max_size=8), st.integers(0, 15), st.integers(0, 15))
def test_every_device_and_every_challenge_has_data_of_its_own(nonce: str, other: str, one: int, two: int) -> None:
    seed = probes.seed(nonce, Subject("n", one))
    assert seed == probes.seed(nonce, Subject("n", one, "whoever"))
    assert 0 <= seed < 2**48
    same = (nonce, one) == (other, two)
    assert (seed == probes.seed(other, Subject("n", two))) == same
    assert probes.seed(nonce, Subject("m", one)) != seed
    assert probes.seed(nonce, Subject("n1", 0)) != probes.seed(nonce, Subject("n", 10))
    assert probes.seed(nonce, Subject("n")) != seed


def disturbed(records: list[Record], code: str = "", foreign: float = 0.0) -> list[Record]:
    """The same, measured beside others."""
    notes = (Caveat(code, "others were at work"),) if code else ()
    return [
        replace(one, caveats=notes, samples=replace(one.samples, conditions={"foreign_processes": foreign}))
        for one in records
        if one.samples is not None
    ]


@pytest.mark.parametrize(
    ("kind", "code", "foreign", "told"),
    [
        (Kind.GPU, "", 0.0, "rejected"),
        (Kind.GPU, "CONTENDED", 0.0, "rejected"),  # of the processor, by the probes of the other GPUs
        (Kind.GPU, "CONTENDED", 1.0, "nothing"),
        (Kind.GPU, "GPU_SHARED", 0.0, "nothing"),
        (Kind.HOST, "NOT_STEADY", 0.0, "rejected"),
        (Kind.HOST, "CONTENDED", 0.0, "nothing"),
        (Kind.HOST, "CGROUP_THROTTLED", 0.0, "nothing"),
    ],
)
def test_a_value_outside_accuses_nobody_whom_others_disturbed(kind: Kind, code: str, foreign: float, told: str) -> None:
    region = Region("processors", 132, 132, "") if kind is Kind.GPU else HOST[0]
    made = contract([region], kind)

    def value(machine: Machine) -> float | None:
        (found,) = probes.found(made, GPU, disturbed(measured(machine, made), code, foreign))
        return found.value

    assert (value(Machine(processors=114, cores=2.0)) is None) == (told == "nothing")
    assert value(Machine()) is not None  # within: whoever disturbs does not make a card better


# ------------------------------------------------------------------ hosts


@pytest.mark.parametrize(
    ("machine", "told"),
    [
        (Machine(cores=8, cache=32 * units.MIB, memory=64e9), set()),
        (Machine(cores=6, cache=20 * units.MIB, memory=64e9), set()),
        (Machine(cores=4, cache=32 * units.MIB, memory=64e9), {"cores"}),
        (Machine(cores=8, cache=4 * units.MIB, memory=64e9), {"llc"}),
        (Machine(cores=8, cache=32 * units.MIB, memory=30e9), {"fill"}),
    ],
)
def test_a_host_is_found_to_be_what_it_claims(machine: Machine, told: set[str]) -> None:
    assert outside(machine, contract(HOST, Kind.HOST)) == told


def test_what_is_not_known_of_a_host_is_no_region() -> None:
    assert regions.of_host(1, 0, 0) == ()
    assert [region.probe for region in regions.of_host(2, 0, 1 << 30)] == ["cores", "fill"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"cache L1d": "32\u00a0KiB", "cache L2": "1\u00a0MiB", "cache L3": "38.5\u00a0MiB"}, int(38.5 * units.MIB)),
        ({"cache L3": "much"}, 0),
        ({"cache L3": "32\u00a0MiB", "virtual machine": "yes"}, 0),
        ({"model": "x"}, 0),
    ],
)
def test_the_cache_of_a_core_is_read_from_the_facts(facts: dict[str, str], expected: int) -> None:
    assert regions.core_cache(facts) == expected


def test_a_host_keeps_what_is_written_and_a_flipped_bit_is_found() -> None:
    case = Case.of("fill", bytes=1 << 20)
    arrays = filling.inputs(case, np.random.default_rng(5))
    lines, seed = filling.lines(case), np.uint64(arrays["seed"][0])
    memory, parts = np.empty((lines, 4), np.uint32), np.zeros((2, 3), np.uint64)
    host_fill._fill(memory, seed, 2)
    assert [tuple(memory[line]) for line in (0, 77, lines - 1)] == [
        filling.line_words(line, int(seed)) for line in (0, 77, lines - 1)
    ]
    host_fill._verify(memory, seed, parts, 2)
    assert parts[:, 0].sum() == 0
    assert parts[:, 2].sum() == lines
    for word in range(4):
        memory[lines - 3, word] ^= np.uint32(1 << (7 * word))
        host_fill._verify(memory, seed, parts, 2)
        assert (int(parts[:, 0].sum()), int(parts[:, 1].min())) == (1, lines - 3)
        memory[lines - 3, word] ^= np.uint32(1 << (7 * word))


def test_more_memory_than_is_free_is_refused_before_the_kernel_ends_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "memory_limit", lambda: 1 << 20)
    with pytest.raises(MeasureError, match="cannot be filled"):
        host_fill.filled({}, Case.of("fill", bytes=1 << 20), 1)


def test_no_more_threads_are_started_than_cores_can_be_used() -> None:
    from benchsuite.backends.host import fma

    arrays = cores.inputs(Case.of("cores", threads=1), np.random.default_rng(1))
    case = Case.of("cores", threads=cores.ALL)
    buffers = {**arrays, "pairs": np.array([8], np.int64), "y": np.empty(cores.ELEMENTS)}
    fma.by_threads(buffers, case, 2)()
    p, r, q = arrays["factors"]
    expected = arrays["x"]
    for _ in range(8):
        expected = (expected * p + q) * r + q
    assert np.allclose(buffers["y"], expected, rtol=1e-12)
