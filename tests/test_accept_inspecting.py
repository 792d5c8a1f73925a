"""What the machine says of itself, and that each gate fires: traces go through the real pynvml to NVML's double."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchsuite.accept import gates, inspecting, judge
from benchsuite.accept.gates import GATES
from benchsuite.accept.inspecting import Card, Inspection, inspect
from benchsuite.errors import DataError
from benchsuite.machine import cpu, isolation, memory_errors
from benchsuite.model import Case, Claim, Contract, Kind, Observation, Record, Rule, State, Subject, Weight, Word
from benchsuite.telemetry import kernel_log
from benchsuite.telemetry.cards import Listed
from benchsuite.telemetry.nvml import LOST
from tests import acceptance_data, nvml_double
from tests.builders import record
from tests.conftest import toy
from tests.nvml_double import CARD, IDLE
from tests.nvml_traces import BOOT, Seen, Trace, replay

needs_double = pytest.mark.skipif(bool(nvml_double.unavailable()), reason=nvml_double.unavailable())
CLAIM = Claim(Kind.GPU, "h200_sxm_141")
CONTRACT = Contract(1, "test", "", CLAIM, Rule(), (), gates=gates.defaults(Kind.GPU))
GPU = Subject("node1", 0)


def xid(number: int, bus: str = "0000:01:00", at: int = 102) -> str:
    return f"3,{at},9000000,-;NVRM: Xid (PCI:{bus}): {number}, pid=7, name=python\n"


TRACES: dict[str, tuple[Trace, set[str]]] = {
    "healthy": (Trace(), set()),
    "hardware slows down": (Trace(work="throttle=0x48 sm=600"), {"throttle"}),
    "power brake": (Trace(work="throttle=0x80 sm=600"), {"throttle"}),
    "warm": (Trace(work="throttle=0x20 sm=1500 temperature=88"), {"thermal"}),
    "power cap": (Trace(first="limit=500000", work="throttle=4 sm=1400"), {"power-limit"}),
    "power cap meanwhile": (Trace(work="limit=450000", last="limit=700000"), {"power-limit"}),
    "another board": (Trace(first="limit=600000 limit_default=600000"), {"power-limit"}),
    "locked clock": (Trace(work="sm=900"), {"clocks"}),
    "application clock": (Trace(work="throttle=2 sm=1900"), {"clocks"}),
    "uncorrected error": (Trace(last="uncorrected=1"), {"ecc"}),
    "corrected errors": (Trace(last="corrected=12"), {"ecc-corrected"}),
    "row remapped": (Trace(last="remapped=1"), {"memory-repair"}),
    "page retired": (Trace(last="retired=1"), {"memory-repair"}),
    "remap pending": (Trace(last="pending=1"), {"remap-pending"}),
    "remap failed": (Trace(first="failed=1"), {"remap-failed"}),
    "no spare rows": (Trace(first="exhausted=2"), {"remap-failed"}),
    "link down": (Trace(first="links=17"), {"nvlink"}),
    "link errors": (Trace(last="link_errors=3"), {"nvlink-errors"}),
    "fell off the bus": (Trace(late=xid(79)), {"xid"}),
    "uncontained": (Trace(late=xid(95) + xid(31, at=103)), {"xid", "xid-program"}),
    "a program's fault": (Trace(late=xid(31)), {"xid-program"}),
    "another card's XID": (Trace(late=xid(79, "0000:02:00")), set()),
    "told by the driver": (Trace(log="", first="event=0", work="event=79"), {"xid"}),
    "lost at work": (Trace(work="sm=!15", last="sm=!15"), {"device-lost"}),
    "lost for a moment": (Trace(work="sm=!15"), {"device-lost"}),
    "lost at the end": (Trace(last="sm=!15"), {"device-lost"}),
    "gone at the end": (Trace(work="handle=!15"), {"device-lost"}),
    "narrow": (Trace(work="width=8"), {"pcie"}),
    "narrow slot": (Trace(first="width_max=8", work="width=8"), {"pcie"}),
    "slow slot": (Trace(first="gen_max=4", work="gen=4"), {"pcie"}),
    "spoofed name": (
        Trace(
            first="pci=0x2684 capability=89 total=25757220864",
            files={"sys/bus/pci/devices/0000:01:00.0/device": "0x2684\n"},
        ),
        {"model"},
    ),
    "a driver that lies": (Trace(files={"sys/bus/pci/devices/0000:01:00.0/device": "0x2684\n"}), {"model"}),
    "other name": (Trace(first="name=NVIDIA_H100_80GB_HBM3"), {"model"}),
    "slice": (Trace(first="name=NVIDIA_H200_MIG_1g.18gb"), {"model"}),
    "half the memory": (Trace(first="total=75377410048"), {"model"}),
    "MIG": (Trace(first="mig=1"), {"mig"}),
    "vGPU": (Trace(first="virtualisation=2"), {"mig"}),
    "no error correction": (Trace(first="ecc=0"), {"ecc-mode"}),
    "neighbours": (Trace(work="processes=4711,4242,4243"), {"foreign"}),
    "neighbours before": (Trace(first="processes=4242,4243", work="processes=4711"), {"foreign"}),
    "persistence off": (Trace(first="persistence=0"), {"persistence"}),
    "module of another version": (
        Trace(files={"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.10.1  Wed"}),
        {"driver"},
    ),
    "library of another version": (Trace(first="init=!18"), {"driver"}),
    "no driver": (Trace(first="init=!9"), set()),
    "no permission": (Trace(first="uncorrected=!4 remapped=!4"), set()),
    "no kernel log": (Trace(log=""), set()),
    "sensors silent": (Trace(first="throttle=!3", work="throttle=!3", last="throttle=!3"), set()),
}
"""What NVML says, and the gates that fail by it: these and no others."""
UNSEEN = {
    "library of another version": {"nvml", "model", "count", "device-lost", "xid", "ecc"},
    "no driver": {"nvml", "model", "count", "device-lost", "xid", "ecc", "driver"},
    "no permission": {"ecc", "memory-repair"},
    "no kernel log": {"xid", "xid-program"},
    "sensors silent": {"nvml", "throttle"},
}
"""The gates that cannot be seen then (some of them)."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    return replay(tmp_path_factory.mktemp("traces"), {name: trace for name, (trace, _) in TRACES.items()})


def right() -> Record:
    return record(toy(), Case.of("toy", n=8, kind="a"))


def observed(one: Seen, contract: Contract = CONTRACT) -> dict[str, Observation]:
    found = gates.observe(contract, GPU, one.before, one.after, one.readings, [right()])
    assert [each.check for each in found] == [gate.check for gate in gates.asked(contract)]
    return {each.check: each for each in found}


@needs_double
@pytest.mark.parametrize("name", TRACES)
def test_each_gate_fires_on_its_trace_and_no_other_does(name: str, seen: dict[str, Seen]) -> None:
    found = observed(seen[name])
    quiet = {"acs-iommu", "virtual", "host-ecc", "oom", "governor"}
    bad = {check for check, one in found.items() if one.state is State.FAILED} - quiet
    assert bad == TRACES[name][1], [one.sentence for one in found.values()]
    for check in UNSEEN.get(name, ()):
        assert found[check].state in {State.UNKNOWN, State.FAILED}, found[check]
    assert all(one.sentence.endswith(".") for one in found.values())


@needs_double
def test_a_healthy_card_passes_every_gate_that_decides(seen: dict[str, Seen]) -> None:
    found = observed(seen["healthy"])
    for gate in CONTRACT.gates:
        if gate.weight is not Weight.NOTE:
            assert found[gate.check].state in {State.PASSED, State.ABSENT}, found[gate.check]
    for check in (
        "model",
        "count",
        "nvml",
        "xid",
        "ecc",
        "throttle",
        "pcie",
        "power-limit",
        "mig",
        "nvlink",
        "foreign",
    ):
        assert found[check].state is State.PASSED, found[check]


@needs_double
@pytest.mark.parametrize(
    ("name", "named"),
    [(name, True) for name in UNSEEN] + [(name, False) for name in UNSEEN if "nvml" in UNSEEN[name]],
)
def test_what_cannot_be_seen_never_accepts(name: str, named: bool, seen: dict[str, Seen]) -> None:
    """Without NVML not even where the contract names no gate at all."""
    contract = CONTRACT if named else replace(CONTRACT, gates=())
    found = observed(seen[name], contract)
    decisive = {gate.check for gate in gates.asked(contract) if gate.weight is not Weight.NOTE}
    assert any(found[check].state in {State.UNKNOWN, State.FAILED} for check in decisive)


@needs_double
@pytest.mark.parametrize("name", TRACES)
def test_the_verdict_on_a_card_that_is_fast_enough_follows_its_gates(name: str, seen: dict[str, Seen]) -> None:
    """Everything else is in order: rejected, invalid or accepted by the weight of what fails or cannot be seen."""
    agreed = replace(acceptance_data.contract(), claim=CLAIM, gates=CONTRACT.gates)
    found = observed(seen[name], agreed)
    evidence = replace(acceptance_data.evidence(agreed), observations=tuple(found.values()))
    said = judge.judge(agreed, evidence)
    weights = {GATES[check].weight for check in TRACES[name][1]}
    if Weight.REJECT in weights:
        assert said.word is Word.REJECT
    elif Weight.INVALID in weights or name in UNSEEN:
        assert said.word is Word.INVALID
    else:
        assert said.word is Word.ACCEPT, said.reason


@needs_double
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("power cap", {"power-limit"}),
        ("MIG", {"mig"}),
        ("spoofed name", {"model"}),
        ("no driver", {"nvml"}),
        ("neighbours before", {"foreign"}),
        ("healthy", set()),
        ("narrow", set()),
    ],
)
def test_one_look_before_the_measurement_tells_what_already_fails(
    name: str, told: set[str], seen: dict[str, Seen]
) -> None:
    found = gates.preflight(CONTRACT, GPU, seen[name].before)
    weights = {gate.check: gate.weight for gate in gates.asked(CONTRACT)}
    assert {one.check for one in found if weights[one.check] is not Weight.NOTE} == told


@needs_double
def test_facts_are_in_si_units_and_no_identifier_is_kept(seen: dict[str, Seen]) -> None:
    before = seen["healthy"].before
    (card,) = before.cards
    assert card.facts == {
        "name": "NVIDIA H200",
        "bus": "00000000:01:00.0",
        "pci device": "0x2335",
        "capability": "9.0",
        "vbios": "96.00.A0",
    }
    assert before.facts["driver"] == {
        "driver": "580.65.06",
        "NVML": "13.580.65.06",
        "CUDA": "13.0",
        "kernel module": "580.65.06",
    }
    assert card.values["memory_total"] == 150754820096
    assert (card.values["ecc_mode"], card.values["mig_mode"], card.values["nvlinks_active"]) == (1.0, 0.0, 18.0)
    assert "xids" not in card.values
    assert card.foreign == ()
    assert len(card.identity) == 16
    assert b"GPU-1" not in inspecting.dumps(before)
    assert (before.boot, before.log_first, before.log_last) == (BOOT, 100, 101)
    assert before.xids == ((101, ":01:00", 31),)


@needs_double
def test_every_gpu_is_listed_and_one_card_under_two_numbers_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = f"{IDLE} {CARD} count=2 2.power=90000 2.uuid=GPU-2 2.name=NVIDIA_L4"
    for name, value in nvml_double.environment(tmp_path, [two]).items():
        monkeypatch.setenv(name, value)
    found = inspect(Kind.GPU, root=tmp_path)
    assert found.reason == ""
    assert [card.facts["name"] for card in found.cards] == ["NVIDIA H200", "NVIDIA L4"]
    assert [card.values["power"] for card in found.cards] == [70.0, 90.0]
    assert found.cards[0].identity != found.cards[1].identity
    claimed = replace(CONTRACT, claim=replace(CLAIM, devices=2))

    def count(one: Inspection, contract: Contract = claimed) -> State:
        observed = gates.observe(contract, GPU, one, one)
        return next(each.state for each in observed if each.check == "count")

    same = replace(found, cards=(found.cards[0], replace(found.cards[0], index=1)))
    lost = replace(found, cards=(found.cards[0], Card(1, values={LOST: 1.0})))
    assert count(found) is State.PASSED
    assert count(same) is State.FAILED
    assert count(lost) is State.FAILED
    assert count(found, replace(claimed, claim=replace(CLAIM, devices=3))) is State.FAILED


@needs_double
def test_a_driver_that_hangs_costs_only_its_own_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in nvml_double.environment(tmp_path, [f"{IDLE} {CARD} uuid=hang"]).items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    found = inspect(Kind.GPU, seconds=4.0, root=tmp_path)
    assert time.monotonic() - began < 12.0
    assert found.reason == "The GPU's driver did not answer for 4 s."
    assert found.cards == ()
    states = {one.check: one.state for one in gates.observe(CONTRACT, GPU, found, found)}
    assert states["nvml"] is states["count"] is states["model"] is State.UNKNOWN


def test_an_inspection_that_ends_early_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert inspect(Kind.HOST).reason == "The process that asked the machine ended (exit code 1)."
    monkeypatch.setattr("sys.executable", "/nowhere")
    assert "No such file" in inspect(Kind.HOST).reason


def test_the_host_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHSUITE_CANARY", "canary-7f3a")
    found = inspect(Kind.HOST)
    assert b"canary-7f3a" not in inspecting.dumps(found)
    assert found.reason == ""
    assert found.values["cores"] == cpu.available_cores()
    assert found.values["memory"] == cpu.memory_total()
    assert found.facts["processor"]["model"]
    assert found.same_boot(inspecting.look(Kind.HOST))
    assert not found.same_boot(replace(found, boot="another"))
    assert inspecting.loads(inspecting.dumps(found)) == found


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"kind":"gpu","taken":"x","schema":2}', b'{"kind":"x","taken":"x"}']
)
def test_what_is_no_inspection_is_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        inspecting.loads(data)


def test_the_kernel_log_is_read_from_its_oldest_record(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    lines = [f"6,{number},{number}00,-;record {number}\n SUBSYSTEM=pci\n" for number in range(40, 3000)]
    path.write_text("".join(lines[:50]) + xid(74, at=90) + "".join(lines[51:]))
    found = kernel_log.history(path)
    assert (found.first, found.last, found.reason) == (40, 2999, "")
    assert found.xids == ((90, ":01:00", 74),)
    assert kernel_log.history(tmp_path) != kernel_log.History()
    assert "No such file" in kernel_log.history(tmp_path / "none").reason


@pytest.mark.parametrize(("first", "state"), [(100, State.PASSED), (103, State.PASSED), (104, State.UNKNOWN)])
@needs_double
def test_a_log_that_lost_records_meanwhile_says_nothing(first: int, state: State, seen: dict[str, Seen]) -> None:
    one = seen["healthy"]
    before = replace(one.before, log_last=102)
    after = replace(one.after, log_first=first, log_last=200)
    found = {each.check: each for each in gates.observe(CONTRACT, GPU, before, after)}
    assert found["xid"].state is state


# ------------------------------------------------------------------ the machine's own files


def plant(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def bridge(control: int | None, length: int = 4096) -> bytes:
    """A configuration space: an error-reporting capability, then access control with this control word, if any."""
    space = bytearray(length)
    following = 0x148 if control is not None else 0
    if length > 0x100:
        space[0x100:0x104] = (0x0001 | 1 << 16 | following << 20).to_bytes(4, "little")
    if control is not None and length > 0x148:
        space[0x148:0x14C] = (0x000D | 1 << 16).to_bytes(4, "little")
        space[0x14E:0x150] = control.to_bytes(2, "little")
    return bytes(space)


@pytest.mark.parametrize(
    ("bridges", "redirecting", "seen_"),
    [
        ([bridge(0x1D), bridge(0x00), bridge(None)], 1, 3),
        ([bridge(0x0C)], 1, 1),
        ([bridge(0x11)], 0, 1),
        ([bridge(0x1D, 64)], 0, 0),
        ([], 0, 0),
    ],
)
def test_bridges_that_redirect_are_counted(tmp_path: Path, bridges: list[bytes], redirecting: int, seen_: int) -> None:
    files = {"sys/class/iommu/dmar0/x": b""} if bridges else {}
    for number, space in enumerate(bridges):
        files |= {
            f"sys/bus/pci/devices/0000:0{number}:00.0/{name}": data
            for name, data in (("class", b"0x060400\n"), ("config", space))
        }
    files["sys/bus/pci/devices/0000:09:00.0/class"] = b"0x030200\n"
    found = isolation.look(plant(tmp_path, files))
    assert (found.redirecting, found.bridges) == (redirecting, seen_)
    assert found.iommu is (True if bridges else None)


def test_errors_of_the_hosts_memory_are_added_up_or_unknown(tmp_path: Path) -> None:
    assert memory_errors.counts(tmp_path) == {}
    folder = "sys/devices/system/edac/mc"
    plant(tmp_path, {f"{folder}/mc{n}/{kind}_count": b"%d\n" % (n + 1) for n in range(2) for kind in ("ue", "ce")})
    assert memory_errors.counts(tmp_path) == {"memory_errors_uncorrected": 3.0, "memory_errors_corrected": 3.0}
    plant(tmp_path, {f"{folder}/mc1/ue_count": b"?"})
    assert memory_errors.counts(tmp_path) == {}


@pytest.mark.parametrize(
    ("told", "order"),
    [
        (None, [0, 1, 2, 3]),
        ("3", [3]),
        ("2, 0", [2, 0]),
        ("GPU-c,GPU-aaaa", [2, 0]),
        ("1,7,2", [1]),
        ("", []),
        ("-1", []),
        ("MIG-5", [0, 1, 2, 3]),
    ],
)
def test_the_card_that_is_asked_is_the_one_that_is_measured(told: str | None, order: list[int]) -> None:
    listed = [Listed(number, {"uuid": f"GPU-{4 * letter}"}) for number, letter in enumerate("abcd")]
    found = inspecting.visible(listed, told)
    assert [one.facts["uuid"] for one in found] == [listed[number].facts["uuid"] for number in order]
    assert [one.index for one in found] == list(range(len(order)))
