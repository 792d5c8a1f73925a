"""Gates on looks made by hand: nothing passes unseen, counts are compared rightly, and some gates always count."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import catalog
from benchsuite.accept import gates
from benchsuite.accept.inspecting import Card, Inspection
from benchsuite.model import (
    Case,
    Claim,
    Contract,
    Gate,
    Kind,
    Observation,
    Rejected,
    Rule,
    State,
    Subject,
    Weight,
)
from benchsuite.telemetry.reading import Reading
from tests.builders import record
from tests.conftest import toy

SENSED = {
    "sm_clock": 1.98e9, "sm_clock_max": 1.98e9, "power_limit": 700.0, "power_limit_default": 700.0, "temperature": 50.0,
    "pcie_generation": 5.0, "pcie_generation_max": 5.0, "pcie_width": 16.0, "pcie_width_max": 16.0, "throttle": 0.0,
    "ecc_corrected": 0.0, "ecc_uncorrected": 0.0, "rows_remapped_corrected": 0.0, "rows_remapped_uncorrected": 0.0,
    "rows_remap_pending": 0.0, "rows_remap_failed": 0.0, "nvlink_errors": 0.0, "persistence": 1.0,
}  # fmt: skip
SET_UP = {
    "memory_total": 150754820096.0, "ecc_mode": 1.0, "mig_mode": 0.0, "banks_exhausted": 0.0, "nvlinks_active": 18.0,
}  # fmt: skip
NO_PAGES = {"pages_retired": "NVML says: Not Supported"}
FACTS = {"name": "NVIDIA H200", "bus": "00000000:01:00.0", "pci device": "0x2335", "capability": "9.0"}
CARD = Card(0, "one", FACTS, {**SENSED, **SET_UP}, NO_PAGES, ())
DRIVER = {"driver": {"driver": "580.65.06", "kernel module": "580.65.06"}}
LOOK = Inspection(
    Kind.GPU,
    "2026-01-02T03:04:05+00:00",
    boot="b",
    identity="m",
    facts={**DRIVER, "processor": {"model": "AMD EPYC 9654"}, "system": {"frequency governor": "performance"}},
    values={"cores": 8.0, "memory": 64e9, "oom_kills": 0.0, "bridges": 4.0, "bridges_redirecting": 0.0},
    cards=(CARD,),
    log_first=1,
    log_last=9,
)
WORK = [Reading(float(at), {**SENSED, "xids": 0.0}, NO_PAGES, ()) for at in range(9)]
CONTRACT = Contract(1, "t", "", Claim(Kind.GPU, "h200_sxm_141"), Rule(), (), gates=gates.defaults(Kind.GPU))
HOST = replace(CONTRACT, claim=Claim(Kind.HOST, "*EPYC 9?54*", processors=8, memory=64_000_000_000),
               gates=gates.defaults(Kind.HOST))  # fmt: skip
GPU = Subject("node1", 0)
RIGHT = record(toy(), Case.of("toy", n=8, kind="a"))
WRONG = record(toy(), Case.of("toy", n=8, kind="a"), outcome=Rejected("element 3 is wrong", 1.0, "3"))
NEED_NO_SENSOR = {"oom", "host-ecc", "governor", "virtual", "same-machine", "wrong-result", "acs-iommu"}


def observed(
    contract: Contract = CONTRACT,
    before: Inspection | None = LOOK,
    after: Inspection | None = LOOK,
    readings: list[Reading] = WORK,
    records: list[object] | None = None,
) -> dict[str, Observation]:
    found = gates.observe(contract, GPU, before, after, readings, records if records is not None else [RIGHT])  # type: ignore[arg-type]
    return {one.check: one for one in found}


def carded(**values: float) -> Inspection:
    """The look with other numbers of its card."""
    return replace(LOOK, cards=(replace(CARD, values={**CARD.values, **values}),))


def without(*names: str, reason: str = "NVML says: Insufficient Permissions") -> Inspection:
    """The look at a card that does not tell these."""
    values = {name: value for name, value in CARD.values.items() if name not in names}
    missing = {**CARD.missing, **dict.fromkeys(names, reason)}
    return replace(LOOK, cards=(replace(CARD, values=values, missing=missing),))


@pytest.mark.parametrize("contract", [CONTRACT, HOST], ids=["gpu", "host"])
def test_what_is_right_passes_everywhere(contract: Contract) -> None:
    for check, one in observed(contract).items():
        assert one.state in {State.PASSED, State.ABSENT}, (check, one)


@pytest.mark.parametrize("contract", [CONTRACT, HOST], ids=["gpu", "host"])
@pytest.mark.parametrize("before", [None, Inspection(Kind.GPU, "", reason="The GPU's driver did not answer for 30 s.")])
def test_nothing_passes_unseen(contract: Contract, before: Inspection | None) -> None:
    free = {"governor"}
    free |= {"cores", "memory-size"} if contract is CONTRACT else set()
    for check, one in observed(contract, before, before, [], []).items():
        assert one.state is not State.PASSED, (check, one)
        assert one.state is State.UNKNOWN or check in free | {"nvlink", "nvlink-errors", "host-ecc"}, (check, one)


SENSORS = {
    "ecc_uncorrected": "ecc",
    "rows_remap_failed": "remap-failed",
    "rows_remap_pending": "remap-pending",
    "rows_remapped_uncorrected": "memory-repair",
    "nvlinks_active": "nvlink",
    "nvlink_errors": "nvlink-errors",
    "power_limit": "power-limit",
    "power_limit_default": "power-limit",
    "mig_mode": "mig",
    "ecc_mode": "ecc-mode",
    "persistence": "persistence",
    "sm_clock": "nvml",
    "throttle": "nvml",
}


@pytest.mark.parametrize(("name", "check"), SENSORS.items())
@pytest.mark.parametrize("reason", ["NVML says: Insufficient Permissions", "NVML says: Not Supported"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_number_that_a_data_centre_card_does_not_tell_is_unknown(
    name: str, check: str, reason: str, when: str
) -> None:
    silent = without(name, reason=reason)
    if (name, when) == ("power_limit_default", "after") or (name, when) == ("persistence", "after"):
        silent = LOOK  # these are asked once
        assert observed(after=silent)[check].state is State.PASSED
        return
    if name == "nvlinks_active":
        assert observed(before=silent, after=silent)[check].state is State.UNKNOWN
        return
    found = observed(before=silent) if when == "before" else observed(after=silent)
    expected = State.PASSED if (check, reason[-9:]) == ("memory-repair", "Supported") else State.UNKNOWN
    assert found[check].state is expected, found[check]


def test_a_card_without_memory_protection_lacks_nothing() -> None:
    names = ("ecc_uncorrected", "ecc_corrected", "ecc_mode", "rows_remap_failed", "rows_remap_pending", "mig_mode",
             "rows_remapped_uncorrected", "rows_remapped_corrected", "nvlinks_active", "nvlink_errors")  # fmt: skip
    look = without(*names, reason="NVML says: Not Supported")
    contract = replace(CONTRACT, claim=Claim(Kind.GPU, "rtx_4090"))
    found = observed(contract, look, look)
    for check in (
        "ecc",
        "ecc-mode",
        "remap-failed",
        "remap-pending",
        "memory-repair",
        "mig",
        "nvlink",
        "nvlink-errors",
    ):
        assert found[check].state is State.ABSENT, found[check]
    refused = without(*names)
    found = observed(contract, refused, refused)
    for check in ("ecc", "ecc-mode", "remap-failed", "memory-repair", "mig"):
        assert found[check].state is State.UNKNOWN, found[check]


@given(first=st.integers(0, 5), last=st.integers(0, 5), peak=st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_a_count_fails_exactly_when_it_grew_and_a_reset_is_never_good(first: int, last: int, peak: int) -> None:
    readings = [replace(WORK[0], values={**WORK[0].values, "ecc_uncorrected": float(peak)})]
    found = observed(CONTRACT, carded(ecc_uncorrected=float(first)), carded(ecc_uncorrected=float(last)), readings)[
        "ecc"
    ]
    if max(last, peak) > first:
        assert found.state is State.FAILED
        assert str(max(last, peak) - first) in found.sentence
    elif last == first:
        assert found.state is State.PASSED
    else:
        assert found.state is State.UNKNOWN


@pytest.mark.parametrize(
    ("slow", "state"), [(0, State.PASSED), (2, State.PASSED), (3, State.FAILED), (9, State.FAILED)]
)
def test_a_clock_is_locked_when_it_stays_so_not_for_a_moment(slow: int, state: State) -> None:
    values = {**SENSED, "sm_clock": 0.9e9}
    readings = [replace(one, values=values) if at < slow else one for at, one in enumerate(WORK)]
    assert observed(readings=readings)["clocks"].state is state


@pytest.mark.parametrize(("part", "state"), [(1.0, State.PASSED), (0.97, State.FAILED)])
def test_a_clock_that_was_set_to_the_highest_holds_nothing_down(part: float, state: State) -> None:
    values = {**SENSED, "throttle": float(0x02), "sm_clock": part * SENSED["sm_clock_max"]}
    assert observed(readings=[replace(one, values=values) for one in WORK])["clocks"].state is state


@pytest.mark.parametrize(("promised", "state"), [(0, State.PASSED), (150e9, State.PASSED), (180e9, State.FAILED)])
def test_as_much_memory_as_the_contract_claims(promised: float, state: State) -> None:
    claim = replace(CONTRACT.claim, memory=int(promised))
    assert observed(replace(CONTRACT, claim=claim))["model"].state is state


def test_links_of_a_gpu_that_is_alone_in_a_virtual_machine_are_off_and_nobodys_fault() -> None:
    off = without("nvlink_errors", reason="NVML says: Not Supported")
    off = replace(off, cards=(replace(off.cards[0], values={**off.cards[0].values, "nvlinks_active": 0.0}),))
    found = observed(before=off, after=off)
    assert (found["nvlink"].state, found["nvlink-errors"].state) == (State.ABSENT, State.ABSENT)
    two = replace(off, cards=(*off.cards, replace(off.cards[0], index=1, identity="two")))
    found = observed(before=two, after=two)
    assert (found["nvlink"].state, found["nvlink-errors"].state) == (State.FAILED, State.UNKNOWN)


@pytest.mark.parametrize(("narrow", "state"), [(0, State.PASSED), (4, State.PASSED), (5, State.FAILED)])
def test_a_link_is_narrow_when_it_mostly_is(narrow: int, state: State) -> None:
    values = {**SENSED, "pcie_width": 8.0}
    readings = [replace(one, values=values) if at < narrow else one for at, one in enumerate(WORK)]
    assert observed(readings=readings)["pcie"].state is state


def test_an_idle_card_tells_nothing_of_its_link_and_clock() -> None:
    idle = {**SENSED, "throttle": 1.0, "pcie_generation": 1.0, "sm_clock": 2.1e8}
    found = observed(readings=[replace(one, values=idle) for one in WORK])
    for check in ("pcie", "clocks", "throttle", "thermal", "nvml"):
        assert found[check].state is State.UNKNOWN, found[check]


@pytest.mark.parametrize(("errors", "state"), [(0, State.PASSED), (4, State.PASSED), (5, State.FAILED)])
def test_a_few_repeated_packets_are_not_held_against_a_link(errors: int, state: State) -> None:
    assert observed(after=carded(nvlink_errors=float(errors)))["nvlink-errors"].state is state


def test_one_wrong_result_is_enough() -> None:
    found = observed(records=[RIGHT, WRONG, RIGHT])["wrong-result"]
    assert found.state is State.FAILED
    assert "element 3 is wrong" in found.sentence


def test_reasons_without_a_name_are_told() -> None:
    found = observed(readings=[replace(one, values={**SENSED, "throttle": float(0x400)}) for one in WORK])["throttle"]
    assert (found.state, "9 had a reason without a name" in found.sentence) == (State.PASSED, True)


def test_a_model_of_the_same_silicon_is_told_apart_by_name_and_bus() -> None:
    card = replace(CARD, facts={**FACTS, "name": "NVIDIA H100 80GB HBM3", "pci device": "0x2330"})
    found = observed(before=replace(LOOK, cards=(card,)))["model"]
    assert found.state is State.FAILED
    assert "NVIDIA H100 80GB HBM3" in found.sentence
    assert "h100_sxm_80" in found.sentence
    unknown = replace(CONTRACT, claim=Claim(Kind.GPU, "no_such_model"))
    assert observed(unknown)["model"].state is State.UNKNOWN


@pytest.mark.parametrize(
    "key", [key for key, one in catalog.load().accelerators.items() if one.nvml_names and one.vendor == "nvidia"]
)
def test_every_card_of_the_catalogue_is_itself(key: str) -> None:
    card = catalog.load().accelerators[key]
    memory = card.nvml_memory or card.memory
    facts = {"name": card.nvml_names[0], "bus": FACTS["bus"], "capability": card.capability}
    look = replace(LOOK, cards=(replace(CARD, facts=facts, values={**CARD.values, "memory_total": memory}),))
    found = observed(replace(CONTRACT, claim=Claim(Kind.GPU, key)), look, look)["model"]
    assert found.state is State.PASSED, found


CHANGES: dict[str, tuple[Callable[[Inspection], Inspection], str]] = {
    "another processor": (
        lambda one: replace(one, facts={**one.facts, "processor": {"model": "Intel Xeon"}}),
        "processor",
    ),
    "fewer cores": (lambda one: replace(one, values={**one.values, "cores": 7.0}), "cores"),
    "less memory": (lambda one: replace(one, values={**one.values, "memory": 60e9}), "memory-size"),
    "ended for memory": (lambda one: replace(one, values={**one.values, "oom_kills": 1.0}), "oom"),
    "restarted": (lambda one: replace(one, boot="c"), "same-machine"),
    "another machine": (lambda one: replace(one, identity="n"), "same-machine"),
    "saving power": (
        lambda one: replace(one, facts={**one.facts, "system": {"frequency governor": "powersave"}}),
        "governor",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_gate_of_a_host_fires_and_no_other_does(name: str) -> None:
    change, check = CHANGES[name]
    told_before = {"processor", "governor"}
    before = change(LOOK) if check in told_before else LOOK
    found = observed(HOST, before, change(LOOK))
    assert {one.check for one in found.values() if one.state is State.FAILED} == {check}


@pytest.mark.parametrize(
    ("first", "last", "state"), [(1.0, 1.0, State.PASSED), (1.0, 2.0, State.FAILED), (2.0, 1.0, State.UNKNOWN)]
)
def test_errors_of_the_hosts_memory(first: float, last: float, state: State) -> None:
    before, after = (replace(LOOK, values={**LOOK.values, "memory_errors_uncorrected": one}) for one in (first, last))
    assert observed(HOST, before, after)["host-ecc"].state is state


def test_a_card_that_was_exchanged_is_another_test() -> None:
    after = replace(LOOK, cards=(replace(CARD, identity="two"),))
    assert observed(after=after)["same-machine"].state is State.FAILED


# ------------------------------------------------------------------ which gates count


@pytest.mark.parametrize("kind", Kind)
def test_some_gates_are_judged_whatever_the_contract_names(kind: Kind) -> None:
    bare = replace(CONTRACT if kind is Kind.GPU else HOST, gates=())
    asked = {gate.check: gate.weight for gate in gates.asked(bare)}
    assert asked == {name: one.weight for name, one in gates.GATES.items() if one.always and kind in one.kinds}
    assert "wrong-result" in asked
    assert set(observed(bare)) == set(asked)
    assert Weight.NOTE not in asked.values()


def test_a_gate_is_observed_once_and_by_the_contracts_weight() -> None:
    contract = replace(CONTRACT, gates=(Gate("thermal", Weight.REJECT), Gate("wrong-result", Weight.REJECT)))
    asked = gates.asked(contract)
    assert [gate.check for gate in asked[:2]] == ["thermal", "wrong-result"]
    assert asked[0].weight is Weight.REJECT
    assert len({gate.check for gate in asked}) == len(asked)


def test_a_gate_nobody_knows_or_of_another_kind_does_not_pass() -> None:
    contract = replace(HOST, gates=(Gate("mystery", Weight.REJECT), Gate("xid", Weight.REJECT)))
    found = observed(contract)
    assert found["mystery"].state is State.UNKNOWN
    assert found["xid"].state is State.ABSENT


def test_every_gate_has_a_title_and_a_kind() -> None:
    for name, check in gates.GATES.items():
        assert check.title
        assert check.kinds
        assert name == name.lower()
    for kind in Kind:
        assert {gate.check for gate in gates.defaults(kind)} == {
            n for n, one in gates.GATES.items() if kind in one.kinds
        }


def test_the_documents_table_is_the_code() -> None:
    text = (Path(__file__).parent.parent / "docs/acceptance-gates.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)`( \*)? \| (both|GPU|host) \| (\w+) \| (.+) \|$", text, flags=re.MULTILINE)
    kinds = {gates.GPU: "GPU", gates.HOST: "host", gates.BOTH: "both"}
    assert rows == [
        (name, " *" if one.always else "", kinds[one.kinds], one.weight.value, one.title)
        for name, one in gates.GATES.items()
    ]


@pytest.mark.parametrize(("met", "state"), [(0, State.PASSED), (3, State.PASSED), (4, State.FAILED)])
def test_a_process_that_is_just_about_to_end_is_no_neighbour(met: int, state: State) -> None:
    readings = [replace(one, foreign=(77,)) if at < met else one for at, one in enumerate(WORK)]
    assert observed(readings=readings)["foreign"].state is state
    card = replace(CARD, foreign=(77,))
    assert observed(after=replace(LOOK, cards=(card,)))["foreign"].state is State.FAILED
