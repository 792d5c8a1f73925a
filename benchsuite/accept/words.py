"""What is said of a requirement, a probe, a burn-in: sentences that a person signs, the same on every page.

A measured value stands with unit and interval beside what was agreed and who says so; then what follows from it, and
what is to be done, or what would settle it.
"""

from __future__ import annotations

import re
from math import ceil, exp, isnan, log, sqrt

from benchsuite import units
from benchsuite.accept import rule
from benchsuite.accept.probes import PROBES
from benchsuite.accept.rule import Standing
from benchsuite.model import Burned, Contract, Evidence, Grounds, Kind, Probed, Region, Requirement, Subject, Word
from benchsuite.reportable import COMPROMISING
from benchsuite.statistics.runs import MOST_RUNS

CAUSES = {
    "MIG_SLICE": ("it was a slice of a GPU (MIG)", "turn MIG off"),
    "POWER_LIMIT_LOWERED": ("its power limit was set below its default", "restore the limit"),
    "CLOCK_LOCKED": ("its clock was locked below its maximum", "unlock the clock"),
    "HW_SLOWDOWN": ("its hardware lowered the clock: heat, or trouble with its power", "look at its power and cooling"),
    "THERMAL": ("it lowered its clock because of heat", "look at its cooling"),
    "LINK_NARROW": ("its PCIe link was narrower or slower than it can be", "reseat it, or try another slot"),
    "POWER_CAP": ("its power limit held the clock down", "compare its power limit with that of the others"),
}
"""What the sensors said that explains a low value, by the code of the caveat: a clause, and what to do. The most
telling first: settings, faults, and last what also healthy devices may show."""
LAST = "if that does not help, replace"
"""Replacing comes last: there is something to mend first."""
ENDED = "Nothing is left of the tests that were agreed on: it is not accepted."


def decided(contract: Contract, evidence: Evidence, one: Standing) -> str:
    """The sentences about one requirement, without the name of the device."""
    name = one.requirement.name
    match one.word:
        case Word.ACCEPT:
            bad = at(one.requirement, one.requirement.bad)
            return f"{name}: {figures(one)}. It is better than {bad}, which would be bad."
        case Word.REJECT if one.p is not None:
            good = at(one.requirement, one.requirement.good)
            refuted = f"That it does {good}, as a good one would, is refuted ({probability(one.p)})."
            return f"{name}: {figures(one)}. {refuted} {_cause(one, evidence.subject)}"
        case Word.REJECT:
            return f"{name}: {_wrong(one)} {replace(evidence.subject)}"
        case Word.MARGINAL:
            bad, good = (at(one.requirement, part) for part in (one.requirement.bad, one.requirement.good))
            known = f"It is known to lie between {bad} (bad) and {good} (good): more runs would not change that."
            worth = "Agree on what it is worth, or have it looked after."
            return f"{name}: {figures(one)}. {known} {worth} {_cause(one)}".rstrip()
        case Word.INVALID:
            return f"{name}: {one.why.rstrip('.')}. {_compromised(one)}{again(contract, evidence)}"
        case _:
            return f"{name}: {_open(contract, one)}"


def figures(one: Standing) -> str:
    """``3.92 TB/s (3.89–3.95) in 9 runs, 6.0 % less than the agreed 4.17 TB/s (who says so)``."""
    requirement = one.requirement
    agreed = f"the agreed {units.quantity(requirement.reference, requirement.metric)} ({requirement.source})"
    if one.mean is None or one.low is None or one.high is None:
        return f"{counted(one.runs, 'run')} so far, against {agreed}"
    runs = counted(one.runs, "run")
    if aside := len(one.sifted.aside):
        runs += f" ({aside} more set aside: {', '.join(one.sifted.disturbances)})"
    return f"{span(requirement, one.mean, one.low, one.high)} in {runs}, {compared(requirement, one.mean)} {agreed}"


def span(requirement: Requirement, mean: float, low: float, high: float) -> str:
    """A deviation with its limits as values of the metric: ``3.92 TB/s (3.89–3.95)``."""
    value, first, last = (_value(requirement, one) for one in (mean, low, high))
    scale, letter = units.prefix(value)
    places = units.decimals(abs(last - first) / 2, scale)
    ends = units.DASH.join(f"{end / scale:.{places}f}" for end in sorted((first, last)))
    return f"{value / scale:.{places}f}{units.NO_BREAK_SPACE}{units.unit(requirement.metric, letter)} ({ends})"


def _value(requirement: Requirement, y: float) -> float:
    return requirement.reference * exp(y if requirement.metric.higher_is_better else -y)


def compared(requirement: Requirement, y: float) -> str:
    """``6.0 % less than``, ``1.2 % more than``: the measured value beside the agreed one."""
    part = _value(requirement, y) / requirement.reference - 1.0
    return f"{abs(part) * 100:.1f}{units.NO_BREAK_SPACE}% {'less' if part < 0.0 else 'more'} than"


def at(requirement: Requirement, part: float) -> str:
    """The value of the metric with this part of the agreed performance lost: ``4.09 TB/s``."""
    return units.quantity(_value(requirement, log(1.0 - part)), requirement.metric)


def probability(p: float) -> str:
    """``p = 3e-08``."""
    return f"p = {p:.1g}" if p >= 1e-12 else "p < 1e-12"


def counted(count: int, one: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count} {one}{'' if count == 1 else 's'}"


def replace(subject: Subject) -> str:
    """What a rejection asks for."""
    return f"Replace {subject.part}, or have it mended."


def again(contract: Contract, evidence: Evidence) -> str:
    """What to do with a device of which nothing is concluded."""
    if evidence.attempt <= contract.rule.retests:
        return "Then test it again (benchsuite accept --retest)."
    return ENDED


def _wrong(one: Standing) -> str:
    wrong = one.sifted.wrong
    where = f" (run {wrong.run})" if wrong is not None and wrong.run else ""
    reason = f": {wrong.reason.rstrip('.')}" if wrong is not None and wrong.reason else ""
    return f"a result was wrong{where}{reason}. No speed counts beside that."


def _cause(one: Standing, subject: Subject | None = None) -> str:
    """What the sensors said in half of the runs or more, and so what comes before a replacement (of ``subject``)."""
    for code, (clause, remedy) in CAUSES.items():
        if (count := one.sifted.noted(code, one.runs)) and 2 * count >= one.runs:
            first = f"In {count} of {one.runs} runs {clause} ({code}): {remedy}, then test it again"
            return f"{first}; {LAST} {subject.part}." if subject else f"{first}."
    return replace(subject) if subject else ""


def _compromised(one: Standing) -> str:
    """What the codes in the reason mean."""
    codes = [code for code in re.findall(r"[A-Z_]+", one.why) if code in COMPROMISING]
    if not codes:
        return ""
    texts = " and ".join(COMPROMISING[code] for code in codes)
    return f"{texts[0].upper()}{texts[1:]}: see to that first. "


def _open(contract: Contract, one: Standing) -> str:
    if one.wanted:
        more = counted(one.wanted, "more run")
        return f"{figures(one)}. Not decided: {more} would complete the next look."
    bad, good = (at(one.requirement, part) for part in (one.requirement.bad, one.requirement.good))
    told = f"{figures(one)}. All runs are spent, and it can be told neither from {bad} (bad) nor from {good} (good)"
    return f"{told}: the runs differ by {100 * spread(one):.1f}{units.NO_BREAK_SPACE}% (sd). {_settles(contract, one)}"


def spread(one: Standing) -> float:
    """The sd of the values that were looked at (log)."""
    import numpy as np

    return float(np.std(one.sifted.values[: one.runs], ddof=1))


def _settles(contract: Contract, one: Standing) -> str:
    """How many runs would decide, were mean and spread what they seem to be."""
    each, freedom = rule.levels(contract), one.runs - 1
    mean, sd, requirement = one.mean or 0.0, spread(one), one.requirement
    sides = (
        (mean - log(1.0 - requirement.bad), each.accept),
        (log(1.0 - requirement.good) - mean, each.reject / len(contract.requirements)),
    )
    times = min(rule.quantile(level, freedom) * sd / far for far, level in sides if far > 0.0)
    if times > sqrt(MOST_RUNS):
        return "No sensible number of runs would tell: find out what makes them differ, and test it again."
    about = max(ceil(times**2), one.runs + 1)
    return f"About {about} runs with this spread would tell; or find out what makes them differ, and test it again."


def probed(one: Probed, region: Region, subject: Subject) -> str:
    """The sentence about an identity probe outside its region, or without a value."""
    probe = PROBES.get(one.probe)
    title, unit = (probe.title, probe.unit) if probe else (one.probe, "")
    ends = dict.fromkeys(amount(end, unit) for end in (region.low, region.high))
    claimed = f"claimed: {' to '.join(ends)} ({region.source})"
    if one.value is None:
        return f"{title}: nothing was found{f' ({one.reason})' if one.reason else ''}; {claimed}. See to that first."
    return f"{title}: {amount(one.value, unit)}; {claimed}. It is not what it is said to be: replace {subject.part}."


def amount(value: float, unit: str) -> str:
    """A value of a probe with its unit."""
    if unit in {"B", "bytes"}:
        return units.size(value)
    return f"{value:.6g}" if unit in {"", "1"} else units.quantity(value, unit)


def burned(contract: Contract, evidence: Evidence) -> list[tuple[Word, str]]:
    """What the burn-in says against a device, the gravest first."""
    heat, one, subject = contract.heat, evidence.burned, evidence.subject
    asked = f"{heat.minutes:g} minutes of burn-in"
    if one is None:
        return [(Word.INVALID, f"{asked} were agreed, and none was made.")] if heat.minutes > 0.0 else []
    found = [(Word.REJECT, f"burn-in: {text}. {replace(subject)}") for text in _broken(one)]
    if heat.minutes <= 0.0:
        return found
    because = f" ({one.reason.rstrip('.')})" if one.reason else ""
    if not one.seconds >= heat.minutes * 60.0 * 0.99:
        found.append((Word.INVALID, f"burn-in: {asked} were agreed, {one.seconds / 60.0:.1f} were made{because}."))
    elif one.reason:
        found.append((Word.INVALID, f"burn-in: {one.reason.rstrip('.')}."))
    if not one.checks > 0:
        found.append((Word.INVALID, "burn-in: no result was compared, so that nothing is known of their correctness."))
    if one.worst is None or not one.worst <= heat.drift:
        found.append(_drifted(contract, evidence, one))
    return found


def _broken(one: Burned) -> list[str]:
    """Facts for which a device is rejected whatever was agreed."""
    checks = counted(one.checks, "check")
    wrong = f"{counted(one.wrong, 'wrong element')} in {checks} over {one.seconds / 60.0:.1f} minutes"
    lost = f"it died, hung or was lost {counted(one.failures, 'time')}"
    because = f" ({one.reason.rstrip('.')})" if one.reason else ""
    told = [*([wrong] if one.wrong > 0 else []), *([f"{lost}{because}"] if one.failures > 0 else [])]
    return [*told, *(fault.rstrip(".") for fault in one.faults)]


def _drifted(contract: Contract, evidence: Evidence, one: Burned) -> tuple[Word, str]:
    """What follows from a speed that fell: nothing about the device where others took it in too many of its turns."""
    allowed, subject = f"{units.percent(contract.heat.drift)} are allowed", evidence.subject
    if one.worst is None or isnan(one.worst):
        return Word.INVALID, f"burn-in: nothing is known of how far the speed fell; {allowed}."
    told = f"burn-in: {100 * one.worst:.1f}{units.NO_BREAK_SPACE}% of the speed were lost under load; {allowed}"
    if one.disturbed > contract.rule.aside:
        others = f"But in {units.percent(one.disturbed)} of its turns others disturbed it: see to that first."
        return Word.INVALID, f"{told}. {others} {again(contract, evidence)}"
    return Word.REJECT, " ".join([f"{told}.", *one.notes, "Look at its cooling and power.", replace(subject)])


def notes(contract: Contract) -> list[str]:
    """What a reader of the verdict must know of what was agreed."""
    claim, told = contract.claim, []
    own = [one.name for one in contract.requirements if one.grounds is Grounds.OWN]
    if own:
        text = "compared with an earlier run of the same machine: only change is tested, not whether it is like others"
        told.append(f"{', '.join(own)}: {text}.")
    if claim.kind is Kind.GPU and claim.processors and all(one.probe != "processors" for one in contract.identity):
        told.append(f"{claim.processors} multiprocessors are claimed, and no identity probe counts them.")
    return told
