"""Hard gates of a GPU: whether it is what was claimed, and whether it stayed healthy while it was measured.

What each fact means: NVIDIA's "XID Errors" and "GPU Memory Error Management", and the NVML API reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchsuite.accept.look import NOT_SUPPORTED, Look, Seen, absent, clause, failed, passed, unknown, unseen
from benchsuite.catalog import Accelerator
from benchsuite.catalog.gpus import LEAST, MOST, called
from benchsuite.machine.pci import DEVICES
from benchsuite.model import Status
from benchsuite.telemetry.kernel_log import address
from benchsuite.telemetry.nvml import LOST
from benchsuite.units import size

PROGRAM = frozenset({13, 31, 43, 45})
"""XIDs that a program can cause by itself (NVIDIA, "XID Errors"): not hardware by their number alone."""
ACTIONS: Mapping[int, str] = {
    46: "Reset the GPU and test again; if it repeats, have it serviced.",
    48: "Drain the node, reset the GPU and test again; if it repeats, replace the GPU.",
    61: "Reset the GPU and test again; if it repeats, replace it.",
    62: "Reset the GPU and test again; if it repeats, replace it.",
    63: "A row was remapped: reset the GPU and test again.",
    64: "Remapping failed: replace the GPU.",
    74: "Look at the link's other end and its switch, reset, test again; if it repeats, replace the link.",
    79: "It fell off the bus: power-cycle the node, look at slot and power, then replace the GPU.",
    94: "A contained memory error: reset the GPU and test again.",
    95: "An uncontained memory error: reset the GPU before any use, test again; if it repeats, replace it.",
    109: "Reset the GPU or restart the node; if it repeats, have it serviced.",
    119: "Its system processor did not answer: restart the node; if it repeats, have it serviced.",
    120: "Its system processor failed: restart the node; if it repeats, have it serviced.",
}
"""What to do, by the number."""
LINKS = {"NVLink2": 6, "NVLink3": 12, "NVLink4": 18, "NVLink5": 18}
"""NVLinks of a module, by generation (NVIDIA's architecture white papers of V100, A100, H100; B200's datasheet)."""
NEAR = 0.08
"""How far the driver's count of memory may be from what the catalogue has of it."""
FEW_LINK_ERRORS = 4
"""Replays and recoveries of links that are not held against a GPU: from five on they are looked into."""


def wrong_result(look: Look) -> Seen:
    """Whether every result was right."""
    wrong = [record for record in look.records if record.status is Status.REJECTED]
    right = sum(record.status is Status.OK for record in look.records)
    if wrong:
        first = wrong[0]
        more = f" ({len(wrong)} such runs)" if len(wrong) > 1 else ""
        reason = first.reason.rstrip(".") or "it differs from the reference"
        return failed(f"A result was wrong{more}: {first.case.key}, {first.implementation}: {reason}.")
    if not right:
        return unknown("Whether results are right", "nothing was measured")
    return passed(f"All {right} verified results were right.")


def model(look: Look) -> Seen:
    """Whether the card is the one that was claimed, as far as driver and bus tell."""
    card, _ = look.cards
    claimed, key = look.model, look.contract.claim.model
    if card is None or "name" not in card.facts:
        reason = card.missing.get("name", "") if card is not None else unseen(look.before)
        return unknown("Which GPU this is", reason)
    if claimed is None:
        return unknown(f"Whether this is a {key}", "the catalogue has no such model")
    told = list(_differences(card.facts, card.values, claimed))
    promised, there = look.contract.claim.memory, card.values.get("memory_total", 0.0)
    if there and there < (1 - NEAR) * promised:
        told.append(f"It has {size(int(there))} of memory; the contract claims {size(promised)}.")
    name = card.facts["name"]
    return failed(" ".join(told)) if told else passed(f"The driver calls it {name}: a {claimed.name}.")


def _differences(facts: Mapping[str, str], values: Mapping[str, float], claimed: Accelerator) -> Iterator[str]:
    name = facts["name"]
    if "MIG " in name:
        yield f"{name} is a slice of a card (MIG), not the whole."
    elif claimed.key not in {card.key for card in called(name)}:
        yield f"The driver calls it {name}; claimed is {claimed.name}."
    known = DEVICES.get(facts.get("pci device", ""))
    if known is not None and known.hardware != claimed.key:
        yield f"Its number on the PCI bus, {facts['pci device']}, is that of {known.hardware}, not {claimed.key}."
    capability = facts.get("capability", "")
    if capability and claimed.capability and capability != claimed.capability:
        yield f"Its compute capability is {capability}; {claimed.name} has {claimed.capability}."
    memory = values.get("memory_total", 0.0)
    least, most = _memory(claimed)
    if memory and not least < memory < most:
        yield f"It has {size(int(memory))} of memory; {claimed.name} has {claimed.memory / 1e9:.0f} GB."


def _memory(claimed: Accelerator) -> tuple[float, float]:
    """Between which bytes the driver's count of memory may lie; error correction in GDDR takes a sixteenth."""
    if claimed.nvml_memory:
        return (1 - NEAR) * claimed.nvml_memory, (1 + NEAR) * claimed.nvml_memory
    return LEAST * claimed.memory, MOST * claimed.memory


def count(look: Look) -> Seen:
    """Whether the node has as many GPUs as were claimed, and each of them once."""
    claimed, before = look.contract.claim.devices, look.before
    if before is None or before.reason:
        return unknown("How many GPUs there are", unseen(before))
    there = [card for card in before.cards if LOST not in card.values]
    names = [card.identity for card in there if card.identity]
    if len(set(names)) < len(names):
        return failed("Two of the GPUs that the driver lists are the same card.")
    if len(there) < claimed:
        return failed(f"The driver lists {len(there)} usable GPUs; {claimed} were claimed.")
    return passed(f"The driver lists {len(there)} GPUs; {claimed} were claimed.")


def device_lost(look: Look) -> Seen:
    """Whether the GPU was there all the time."""
    first, last = look.cards
    remedy = "Power-cycle the node, look at slot and power; if it repeats, replace the GPU."
    if any(one.values.get(LOST) for one in look.readings) or (last is not None and LOST in last.values):
        return failed(f"The driver lost the GPU while it was measured. {remedy}")
    if first is not None and LOST in first.values:
        return failed(f"The driver had lost the GPU before anything was measured. {remedy}")
    if first is None and look.before is not None and not look.before.reason:
        return failed(f"The driver does not list GPU {look.subject.device}.")
    if first is not None and last is None and look.after is not None and not look.after.reason:
        return failed(f"The driver no longer lists the GPU after the measurement. {remedy}")
    if first is None or last is None:
        return unknown("Whether the GPU is still there", unseen(look.after if first is not None else look.before))
    return passed("The GPU was there before and after, and at every reading.")


def nvml(look: Look) -> Seen:
    """Whether the GPU's own sensors were read: without them no GPU is accepted."""
    needed = ("sm_clock", "throttle")
    for card, one in zip(look.cards, (look.before, look.after), strict=True):
        silent = [name for name in needed if card is None or name not in card.values]
        if silent:
            reason = (card.missing.get(silent[0]) or card.missing.get("gpu")) if card is not None else ""
            return unknown("What the GPU's sensors say", reason or unseen(one))
    if not any(set(needed) <= set(one.values) for one in look.loaded):
        return unknown("What the GPU's sensors say under load", "no reading tells it")
    return passed(f"The GPU's sensors were read {len(look.readings)} times, {len(look.loaded)} times under load.")


def xid(look: Look) -> Seen:
    """Whether the driver reported an error of the hardware."""
    numbers, blind = _xids(look)
    found = [number for number in numbers if number not in PROGRAM]
    if found:
        return failed(
            f"The driver reported XID {_listed(found)} for this GPU while it was measured. {_action(found[0])}"
        )
    return unknown("Whether the driver reported errors (XID)", blind) if blind else passed("No XID was reported.")


def xid_program(look: Look) -> Seen:
    """Whether the driver reported an error that a program can cause."""
    numbers, blind = _xids(look)
    found = [number for number in numbers if number in PROGRAM]
    if found:
        advice = "A program can cause it: test again; if it repeats on one GPU only, replace that."
        return failed(f"The driver reported XID {_listed(found)} for this GPU. {advice}")
    return unknown("Whether the driver reported errors (XID)", blind) if blind else passed("No such XID was reported.")


def _xids(look: Look) -> tuple[list[int], str]:
    """The numbers of all XIDs of this GPU between both looks, and why there may be others; else nothing.

    Told by the kernel log over the whole time, else by those sensor processes that ran while something was measured.
    """
    last_counts = [one for one in look.readings if one.values.get("xids")]
    found = [int(one.values.get("xid_last", 0.0)) for one in last_counts]
    bus = next((card.facts["bus"] for card in look.cards if card is not None and "bus" in card.facts), "")
    before, after = look.before, look.after
    if (
        before is not None
        and after is not None
        and bus
        and before.same_boot(after)
        and not after.missing.get("kernel_log")
    ):
        where = address(bus)
        found += [number for at, gpu, number in after.xids if at > before.log_last and gpu == where]
        if after.log_first <= before.log_last + 1:
            return list(dict.fromkeys(found)), ""
    heard = bool(look.readings) and all("xids" not in one.missing and "gpu" not in one.missing for one in look.readings)
    if heard and any("xids" in one.values for one in look.readings):
        return list(dict.fromkeys(found)), ""
    reason = after.missing.get("kernel_log", "") if after is not None else "nobody looked"
    return list(dict.fromkeys(found)), reason or "the kernel log no longer holds the whole time"


def _listed(numbers: list[int]) -> str:
    return " and ".join(map(str, numbers))


def _action(number: int) -> str:
    return ACTIONS.get(number, "Reset the GPU and test again; if it repeats, replace it.")


def ecc(look: Look) -> Seen:
    """Whether memory errors arose that could not be corrected."""
    grown, reason = _grown(look, "ecc_uncorrected")
    if reason:
        return _lacking(look, "How many uncorrected memory errors there are", reason)
    if grown:
        return failed(
            f"{grown:.0f} uncorrected memory errors arose while it was measured. Replace the GPU if they return."
        )
    return passed("No uncorrected memory error arose.")


def ecc_corrected(look: Look) -> Seen:
    """How many memory errors were corrected."""
    grown, reason = _grown(look, "ecc_corrected")
    if reason:
        return _lacking(look, "How many memory errors were corrected", reason)
    if grown:
        return failed(f"{grown:.0f} memory errors were corrected while it was measured.")
    return passed("No memory error had to be corrected.")


def memory_repair(look: Look) -> Seen:
    """Whether rows were remapped or pages retired."""
    names = {
        "rows_remapped_uncorrected": "rows of memory were remapped after uncorrected errors",
        "rows_remapped_corrected": "rows of memory were remapped after corrected errors",
        "pages_retired": "pages of memory were retired",
    }
    told = {name: _grown(look, name) for name in names}
    grown = [f"{amount:.0f} {names[name]}" for name, (amount, _) in told.items() if amount]
    if grown:
        return failed(f"While it was measured {' and '.join(grown)}. Reset the GPU and test again.")
    reasons = [reason for _, reason in told.values() if reason]
    if any(NOT_SUPPORTED not in reason for reason in reasons) or len(reasons) == len(names):
        return _lacking(look, "Whether memory was repaired", next(iter(reasons), ""))
    return passed("No row of memory was remapped, no page retired.")


def remap_failed(look: Look) -> Seen:
    """Whether a row of memory could not be remapped."""
    failing, reason = _last(look, "rows_remap_failed")
    if failing:
        return failed("A row of the GPU's memory could not be remapped: replace the GPU.")
    exhausted, _ = _last(look, "banks_exhausted")
    if exhausted:
        return failed(f"{exhausted:.0f} banks of the GPU's memory have no spare row left: replace the GPU.")
    if reason:
        return _lacking(look, "Whether a row could not be remapped", reason)
    return passed("No row of memory failed to be remapped.")


def remap_pending(look: Look) -> Seen:
    """Whether a row of memory waits to be remapped."""
    pending, reason = _last(look, "rows_remap_pending")
    if pending:
        return failed("A row of the GPU's memory waits to be remapped: reset the GPU and test again.")
    if reason:
        return _lacking(look, "Whether a row waits to be remapped", reason)
    return passed("No row of memory waits to be remapped.")


def nvlink(look: Look) -> Seen:
    """Whether all NVLinks of the module are up."""
    link = look.model.link if look.model is not None else None
    kind = link.kind.split()[0] if link is not None and "bridge" not in link.kind else ""
    expected = LINKS.get(kind, 0)
    if not expected:
        return absent("The claimed card has no NVLinks of its own.")
    active = [value for value in look.number("nvlinks_active")[:2] if value is not None]
    if not active:
        return unknown("How many NVLinks are up", look.number("nvlinks_active")[2])
    if _single(look):
        return absent("Its NVLinks are off, as no other GPU of the node is here (a virtual machine with one).")
    if min(active) < expected:
        return failed(f"{min(active):.0f} of {expected} NVLinks are up. Look at both ends and the switch.")
    return passed(f"All {expected} NVLinks are up.")


def _single(look: Look) -> bool:
    """Whether one GPU was claimed and is there alone, with all its links off: there is nothing to be linked with."""
    alone = look.contract.claim.devices == 1 and look.before is not None and len(look.before.cards) == 1
    return alone and look.number("nvlinks_active")[:2] == (0.0, 0.0)


def nvlink_errors(look: Look) -> Seen:
    """Whether the NVLinks had to repeat data."""
    grown, reason = _grown(look, "nvlink_errors")
    if reason:
        if _single(look):
            return absent("Its NVLinks are off, as no other GPU of the node is here (a virtual machine with one).")
        if LINKS.get(look.model.link.kind.split()[0] if look.model is not None and look.model.link else "", 0):
            return unknown("How many errors the NVLinks had", reason)
        return absent("The claimed card has no NVLinks of its own.")
    if grown > FEW_LINK_ERRORS:
        return failed(f"The NVLinks had {grown:.0f} errors while it was measured. Reseat or reset, then test again.")
    return passed(f"The NVLinks had {grown:.0f} errors.")


def _grown(look: Look, name: str) -> tuple[float, str]:
    """By how much a count grew from the first look to the last, and why that is not known; else nothing."""
    first, last, reason = look.number(name)
    if first is None or last is None:
        return 0.0, reason
    most = max([last, *(one.values[name] for one in look.readings if name in one.values)])
    if last < first or most > last:
        return max(0.0, most - first), "" if most > first else "the count was reset meanwhile"
    return last - first, ""


def _last(look: Look, name: str) -> tuple[float, str]:
    """The larger value of both looks, and why one of them is not known; else nothing."""
    first, last, reason = look.number(name)
    told = [value for value in (first, last) if value is not None]
    return max(told, default=0.0), reason if len(told) < 2 else ""


def _lacking(look: Look, what: str, reason: str) -> Seen:
    """Unknown; but a card without such memory protection lacks nothing that was claimed."""
    if look.plain and NOT_SUPPORTED in reason:
        return absent(f"A card of this kind does not tell {clause(what)} ({reason}).")
    return unknown(what, reason)
