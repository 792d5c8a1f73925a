"""Whether the raw results of an acceptance were made as the contract and the rule want it: what no digest tells.

Every run must be the one that the runs before it asked for, of the suite that the contract gives, with data made from
the nonce, by the program that the acceptance names; and the journals of the nodes must vouch for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isclose, log1p
from pathlib import Path

from benchsuite import discovery, identity, store, suite
from benchsuite.accept import deriving, layout, needs, stages
from benchsuite.accept.deriving import Judged, Ran
from benchsuite.accept.layout import Attempt
from benchsuite.burn import events as burning
from benchsuite.burn.loads import NAMES
from benchsuite.errors import DataError
from benchsuite.journal import read
from benchsuite.model import Policy, Subject
from benchsuite.scan import ledger


def problems(path: Path, found: Judged) -> list[str]:
    """What is not as it must be, in sentences; empty when all is."""
    return [*found.problems, *_all(path, found)]


def _all(path: Path, found: Judged) -> Iterator[str]:
    made = found.made
    if made.backend != needs.BACKENDS[found.contract.claim.kind]:
        yield f"It was measured by the backend {made.backend}, which says nothing of a {found.contract.claim.kind}."
    if found.contract.challenge and not made.challenged:
        yield "The contract wants a challenge, and nobody gave a nonce."
    if made.code == identity.code() and dict(made.kernels) != layout.kernels():
        yield "The digests of the kernels are not those of this program."
    yield from _scanned(path, found)
    for node in layout.nodes(path):
        for attempt in made.attempts:
            subjects = deriving.tested(found.contract, node, attempt)
            folder = layout.attempt_folder(path, node, attempt.number)
            if subjects and folder.is_dir():
                told = f"{node}, attempt {attempt.number}"
                yield from (f"{told}: {one}" for one in _attempt(folder, found, attempt, subjects))


def _scanned(path: Path, found: Judged) -> Iterator[str]:
    """Whether the scan between the nodes is the one that the contract asks for; what cannot be read is told before."""
    run, between = deriving.newest_scan(path), found.contract.between
    if run is None or found.scan is None:
        return
    known = [event.data for event in store.journal_of(path)[0] if event.event == "scan-end"]
    sha = store.digest((run / store.JOURNAL).read_bytes())
    if not known or (known[-1].get("run"), known[-1].get("sha")) != (run.name, sha):
        yield f"The journal does not know the scan {run.name}."
    made = ledger.load(run)[2]
    if (made.code, made.backend) != (found.made.code, found.made.backend):
        yield "Another program or backend made the scan between the nodes."
    margin = made.plan.margin
    if made.plan.rounds != between.rounds or margin is None or not isclose(margin, log1p(between.margin), rel_tol=1e-4):
        yield "The scan between the nodes is not the one that the contract asks for."


def _attempt(folder: Path, found: Judged, attempt: Attempt, subjects: tuple[Subject, ...]) -> Iterator[str]:
    try:
        events, broken = read(folder / layout.JOURNAL)
    except DataError as error:
        yield error.message
        return
    if broken:
        yield f"its journal cannot be trusted: {broken}."
    looked = {event.data.get("file", ""): event.data.get("sha", "") for event in events if event.event == "looked"}
    yield from _looked(folder, looked)
    ends = [event for event in events if event.event in {"burnt", "unburnt"}]
    burnt = {event.data.get("folder", ""): event.data.get("sha", "") for event in ends}
    yield from _burnt(folder, burnt)
    yield from _heated(folder, found, attempt, subjects)
    known = {
        (event.data.get("part", ""), event.data.get("step", "")): (event.data.get("run", ""), event.data.get("sha", ""))
        for event in events
        if event.event == "run"
    }
    for subject in subjects:
        part = layout.part(subject)
        ran = deriving.runs(folder, subject)
        own = {step: told for (name, step), told in known.items() if name == part}
        yield from (f"{part}, {one}" for one in _vouched(ran, own))
        yield from (f"{part}, {one}" for one in _asked(found, attempt, subject, ran))


def _looked(folder: Path, known: Mapping[str, str]) -> Iterator[str]:
    for name in (f"{layout.BEFORE}.json", f"{layout.AFTER}.json"):
        there = folder / name
        if there.is_file() != (name in known):
            yield f"{name} and the journal do not fit."
        elif there.is_file() and store.digest(there.read_bytes()) != known[name]:
            yield f"{name} was changed."


def _burnt(folder: Path, known: Mapping[str, str]) -> Iterator[str]:
    """Whether the journal knows each burn-in, to its end or to where it was interrupted."""
    for name, sha in known.items():
        if deriving.told_by_burn(folder / name) != sha:
            yield f"{name}: its journal was changed, or is missing."
    if strange := [one.name for one in deriving.burns(folder) if one.name not in known]:
        yield f"{strange[0]}: the journal does not know how it ended."


def _heated(folder: Path, found: Judged, attempt: Attempt, subjects: tuple[Subject, ...]) -> Iterator[str]:
    """Whether each burn-in is the one that the contract asks for, by this program, of these devices."""
    made = found.made
    for one in deriving.burns(folder):
        try:
            told = burning.told(one / burning.FILE)
        except DataError as error:
            yield f"{one.name}: {error.message}"
            continue
        burnt = [(history.subject.node, history.subject.device) for history in told.histories]
        if not burnt or not {*burnt} <= {(subject.node, subject.device) for subject in subjects}:
            yield f"{one.name}: it is of other devices."
            continue
        if (told.code, told.backend) != (made.code, made.backend):
            yield f"{one.name}: another program or backend made it."
        if told.seed != str(stages.seed(made, attempt, layout.BURN, Subject(*burnt[0]))):
            yield f"{one.name}: its data was not made from the nonce."
        if (told.loads, told.asked) != (",".join(NAMES), 60.0 * found.contract.heat.minutes):
            yield f"{one.name}: it is not what the contract asks for."


def _vouched(ran: tuple[Ran, ...], known: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Whether the journal knows each run, and each run that it knows is there."""
    there = {one.step: one.path for one in ran if one.path is not None}
    for step in sorted(there.keys() | {step for step, (run, _) in known.items() if run}):
        path, (run, sha) = there.get(step), known.get(step, ("", ""))
        if path is None:
            yield f"{step}: the run {run} is missing."
        elif path.name != run:
            yield f"{step}: the journal does not know the run {path.name}."
        elif deriving.told_by_run(path) != sha:
            yield f"{step}: the journal of the run, or what the sensors said, was changed."


def _asked(found: Judged, attempt: Attempt, subject: Subject, ran: tuple[Ran, ...]) -> Iterator[str]:
    """Whether each run is the one that those before it asked for."""
    for number, one in enumerate(ran):
        if number and one.step != layout.stage(number):
            yield f"{layout.stage(number)} is missing, and {one.step} is there."
        if one.loaded is None:
            continue
        campaign = one.loaded.campaign
        ask = stages.Ask() if one.step == layout.IDENTITY else stages.wanted(found.contract, subject, ran[:number])
        if campaign.code != found.made.code:
            yield f"{one.step}: another program measured it."
        if campaign.backend != found.made.backend:
            yield f"{one.step}: another backend measured it ({campaign.backend})."
        if campaign.plan.seed != stages.seed(found.made, attempt, one.step, subject):
            yield f"{one.step}: its data was not made from the nonce."
        if one.step != layout.IDENTITY and (not ask.runs or campaign.plan.policy.runs != ask.runs):
            yield f"{one.step}: {campaign.plan.policy.runs} runs were made, and {ask.runs} were wanted."
        elif campaign.suite.source != stages.text_of(found.contract, one.step, ask):
            yield f"{one.step}: what was measured is not what the contract asks for."
        elif campaign.plan.policy != _policy(campaign.suite.source, ask):
            yield f"{one.step}: how long and how often it was measured is not what the contract asks for."


def _policy(text: str, ask: stages.Ask) -> Policy:
    """How a suite is measured when nothing of it is changed on the command line but the number of runs."""
    policy = suite.parse(text, "suite", discovery.discover()).policy
    return replace(policy, runs=ask.runs or policy.runs)
