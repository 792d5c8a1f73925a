"""Gates of a host: whether it is what was claimed, and whether something went wrong while it was measured."""

from __future__ import annotations

from fnmatch import fnmatchcase

from benchsuite.accept.look import Look, Seen, absent, failed, passed, unknown, unseen
from benchsuite.units import size

KERNELS_OWN = 0.05
"""Part of the memory that firmware and kernel may keep for themselves."""


def processor(look: Look) -> Seen:
    """Whether the processor's name is the one claimed."""
    pattern, before = look.contract.claim.model, look.before
    name = before.facts.get("processor", {}).get("model", "") if before is not None else ""
    if not name:
        return unknown("Which processor this is", unseen(before))
    if not fnmatchcase(name.lower(), pattern.lower()):
        return failed(f"The processor is {name}; claimed is {pattern}.")
    return passed(f"The processor is {name}, as claimed.")


def cores(look: Look) -> Seen:
    """Whether as many cores can be used as were claimed."""
    claimed = look.contract.claim.processors
    if not claimed:
        return absent("No number of cores was claimed.")
    first, last, reason = look.of_host("cores")
    if first is None or last is None:
        return unknown("How many cores can be used", reason)
    if min(first, last) < claimed:
        why = "Look at the CPU quota, the affinity and cores that are off."
        return failed(f"{min(first, last):.0f} cores can be used; {claimed} were claimed. {why}")
    return passed(f"{min(first, last):.0f} cores can be used; {claimed} were claimed.")


def memory_size(look: Look) -> Seen:
    """Whether there is as much memory as was claimed."""
    claimed = look.contract.claim.memory
    if not claimed:
        return absent("No amount of memory was claimed.")
    first, last, reason = look.of_host("memory")
    if first is None or last is None:
        return unknown("How much memory there is", reason)
    if min(first, last) < (1 - KERNELS_OWN) * claimed:
        return failed(f"There are {size(int(min(first, last)))} of memory; {size(claimed)} were claimed.")
    return passed(f"There are {size(int(first))} of memory; {size(claimed)} were claimed.")


def host_ecc(look: Look) -> Seen:
    """Whether errors of the host's memory arose that could not be corrected."""
    name = "memory_errors_uncorrected"
    first, last, reason = look.of_host(name)
    if first is None and last is None and look.before is not None and look.after is not None:
        return absent(
            "Linux watches no memory controller here, as in a virtual machine: memory errors are not counted."
        )
    if first is None or last is None:
        return unknown("How many errors the host's memory had", reason)
    if last > first:
        return failed(
            f"{last - first:.0f} uncorrected errors of the host's memory arose. Find the module and replace it."
        )
    if last < first:
        return unknown("How many errors the host's memory had", "the count was reset meanwhile")
    return passed("No uncorrected error of the host's memory arose.")


def oom(look: Look) -> Seen:
    """Whether the kernel ended processes for want of memory."""
    first, last, reason = look.of_host("oom_kills")
    if first is None or last is None:
        return unknown("Whether processes were ended for want of memory", reason)
    if last > first:
        return failed(
            f"The kernel ended {last - first:.0f} processes for want of memory meanwhile. Free some, test again."
        )
    return passed("No process was ended for want of memory.")


def governor(look: Look) -> Seen:
    """Whether the frequency governor lets the processor run at full speed."""
    name = look.before.facts.get("system", {}).get("frequency governor", "") if look.before is not None else ""
    if not name:
        return absent("The kernel does not govern the frequency here.")
    if name != "performance":
        return failed(f"The frequency governor is {name}; performance keeps the clock steady.")
    return passed("The frequency governor is performance.")


def virtual(look: Look) -> Seen:
    """Whether this is a virtual machine."""
    told = look.before.facts.get("processor", {}) if look.before is not None else {}
    if not told:
        return unknown("Whether this is a virtual machine", unseen(look.before))
    if told.get("virtual machine"):
        return failed("This is a virtual machine: its host decides how much of it there really is.")
    return passed("This is no virtual machine.")


def same_machine(look: Look) -> Seen:
    """Whether both looks were at one machine that was not restarted, and at one card."""
    before, after = look.before, look.after
    if before is None or after is None or not before.boot or not after.boot:
        missing = before if before is None or not before.boot else after
        return unknown("Whether this stayed one machine", unseen(missing))
    if not before.same_boot(after):
        return failed("The machine was restarted, or is another, since the first look: begin a new test.")
    first, last = look.cards
    if first is not None and last is not None and first.identity and last.identity and first.identity != last.identity:
        return failed(f"GPU {first.index} is another card than at the first look: begin a new test.")
    return passed("The machine and its cards stayed the same.")
