"""The checks that are no matter of statistics: of the card's health, of what was delivered, of how it is set up.

Whatever cannot be seen is UNKNOWN, never passed; the weight says what that means (``model.Weight``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchsuite.accept import defects, hosts
from benchsuite.accept import preflight as setup
from benchsuite.accept.inspecting import Inspection
from benchsuite.accept.look import Look, Seen
from benchsuite.model import Contract, Gate, Kind, Observation, Record, State, Subject, Weight
from benchsuite.telemetry.reading import Reading

GPU, HOST, BOTH = frozenset({Kind.GPU}), frozenset({Kind.HOST}), frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Check:
    """A gate that a contract can name. title: a phrase; weight: unless the contract says otherwise; kinds: what it
    applies to; look: makes the check; always: observed and judged, by its default weight, even where the contract
    does not name it: no contract can accept without it."""

    title: str
    weight: Weight
    kinds: frozenset[Kind]
    look: Callable[[Look], Seen]
    always: bool = False


REJECT, INVALID, NOTE = Weight.REJECT, Weight.INVALID, Weight.NOTE
GATES: Mapping[str, Check] = {
    "wrong-result": Check("every result was right", REJECT, BOTH, defects.wrong_result, always=True),
    "model": Check("it is the model that was claimed", REJECT, GPU, defects.model, always=True),
    "count": Check("as many GPUs as were claimed", REJECT, GPU, defects.count, always=True),
    "device-lost": Check("the driver never lost the GPU", REJECT, GPU, defects.device_lost, always=True),
    "nvml": Check("the GPU's sensors were read", INVALID, GPU, defects.nvml, always=True),
    "same-machine": Check(
        "one machine, not restarted, with the same cards", INVALID, BOTH, hosts.same_machine, always=True
    ),
    "xid": Check("no error of the hardware in the kernel log (XID)", REJECT, GPU, defects.xid),
    "xid-program": Check("no XID that a program can cause", INVALID, GPU, defects.xid_program),
    "ecc": Check("no uncorrected memory error", REJECT, GPU, defects.ecc),
    "ecc-corrected": Check("no corrected memory error", NOTE, GPU, defects.ecc_corrected),
    "memory-repair": Check("no row remapped, no page retired", REJECT, GPU, defects.memory_repair),
    "remap-failed": Check("no row that could not be remapped", REJECT, GPU, defects.remap_failed),
    "remap-pending": Check("no row that waits to be remapped", INVALID, GPU, defects.remap_pending),
    "nvlink": Check("all NVLinks are up", REJECT, GPU, defects.nvlink),
    "nvlink-errors": Check("the NVLinks are free of errors", INVALID, GPU, defects.nvlink_errors),
    "throttle": Check("the hardware did not lower its clock", REJECT, GPU, setup.throttle),
    "thermal": Check("heat did not lower the clock", NOTE, GPU, setup.thermal),
    "pcie": Check("the PCIe link is as wide and fast as the card's", REJECT, GPU, setup.pcie),
    "power-limit": Check("the power limit is the board's own", REJECT, GPU, setup.power_limit),
    "clocks": Check("no clock is locked", INVALID, GPU, setup.clocks),
    "mig": Check("the card is whole (MIG is off)", INVALID, GPU, setup.mig),
    "ecc-mode": Check("memory errors are corrected (ECC is on)", INVALID, GPU, setup.ecc_mode),
    "foreign": Check("nobody else used the GPU", INVALID, GPU, setup.foreign),
    "driver": Check("one driver, and it did not change", INVALID, GPU, setup.driver),
    "persistence": Check("the driver stays loaded (persistence mode)", NOTE, GPU, setup.persistence),
    "acs-iommu": Check("traffic between GPUs takes no detour (ACS, IOMMU)", NOTE, GPU, setup.acs_iommu),
    "processor": Check("it is the processor that was claimed", REJECT, HOST, hosts.processor, always=True),
    "cores": Check("as many cores as were claimed", REJECT, HOST, hosts.cores, always=True),
    "memory-size": Check("as much memory as was claimed", REJECT, HOST, hosts.memory_size, always=True),
    "host-ecc": Check("no uncorrected error of the host's memory", REJECT, BOTH, hosts.host_ecc),
    "oom": Check("no process was ended for want of memory", INVALID, BOTH, hosts.oom),
    "governor": Check("the processor runs at full speed", NOTE, BOTH, hosts.governor),
    "virtual": Check("it is no virtual machine", NOTE, BOTH, hosts.virtual),
}
"""Every check by its name, with the weight it has unless a contract says otherwise."""


def asked(contract: Contract) -> tuple[Gate, ...]:
    """The contract's gates, then those that are always observed, with their default weight. The judge goes by this."""
    named = {gate.check for gate in contract.gates}
    kind = contract.claim.kind
    rest = (name for name, check in GATES.items() if check.always and kind in check.kinds and name not in named)
    return (*contract.gates, *(Gate(name, GATES[name].weight) for name in rest))


def defaults(kind: Kind) -> tuple[Gate, ...]:
    """Every gate of a kind with its default weight: what a new contract holds."""
    return tuple(Gate(name, check.weight) for name, check in GATES.items() if kind in check.kinds)


def observe(
    contract: Contract,
    subject: Subject,
    before: Inspection | None,
    after: Inspection | None,
    readings: Sequence[Reading] = (),
    records: Sequence[Record] = (),
) -> tuple[Observation, ...]:
    """One observation for each of ``asked(contract)``, in that order.

    before, after: of the whole node. readings: of all sensors over all runs of this subject (``archive.recorded`` of
    each run directory, one after the other); records: of all its runs, those of the identity suite too. Pure.
    """
    return _observations(Look(contract, subject, before, after, readings, records))


def preflight(contract: Contract, subject: Subject, before: Inspection) -> tuple[Observation, ...]:
    """What one look before any measurement already tells against the subject: the checks that fail, and ``nvml`` where
    the sensors of a GPU cannot be read at all. The driver stops here when one of weight REJECT or INVALID is among
    them, unless it is told to go on; empty: go on."""
    look = Look(contract, subject, before, before)
    silent = contract.claim.kind is Kind.GPU and not _sensed(look)
    return tuple(
        one
        for one in _observations(look)
        if one.state is State.FAILED or (silent and one.check == "nvml" and one.state is State.UNKNOWN)
    )


def _sensed(look: Look) -> bool:
    card, _ = look.cards
    return card is not None and "sm_clock" in card.values


def _observations(look: Look) -> tuple[Observation, ...]:
    kind = look.contract.claim.kind
    found = []
    for gate in asked(look.contract):
        check = GATES.get(gate.check)
        if check is None:
            found.append(Observation(gate.check, State.UNKNOWN, f"There is no check called {gate.check}."))
        elif kind not in check.kinds:
            found.append(Observation(gate.check, State.ABSENT, f"It does not apply to a {kind.value} contract."))
        else:
            found.append(Observation(gate.check, *check.look(look)))
    return tuple(found)
