"""Whether the raw results of an acceptance were made as the contract and the rule want it: what no digest tells.

Every run must be the one that the runs before it asked for, of the suite that the contract gives, with data made from
the nonce, by the program that the acceptance names; and the journals of the nodes must vouch for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from benchsuite import store
from benchsuite.accept import deriving, layout, needs, stages
from benchsuite.accept.deriving import Judged, Ran
from benchsuite.accept.layout import Attempt
from benchsuite.burn import events as burning
from benchsuite.errors import DataError
from benchsuite.journal import read
from benchsuite.model import Subject


def problems(path: Path, found: Judged) -> list[str]:
    """What is not as it must be, in sentences; empty when all is."""
    return [*found.problems, *_all(path, found)]


def _all(path: Path, found: Judged) -> Iterator[str]:
    made = found.made
    if made.backend != needs.BACKENDS[found.contract.claim.kind]:
        yield f"It was measured by the backend {made.backend}, which says nothing of a {found.contract.claim.kind}."
    if found.contract.challenge and not made.challenged:
        yield "The contract wants a challenge, and nobody gave a nonce."
    for node in layout.nodes(path):
        for attempt in made.attempts:
            subjects = deriving.tested(found.contract, node, attempt)
            folder = layout.attempt_folder(path, node, attempt.number)
            if subjects and folder.is_dir():
                told = f"{node}, attempt {attempt.number}"
                yield from (f"{told}: {one}" for one in _attempt(folder, found, attempt, subjects))


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
    burnt = {event.data.get("folder", ""): event.data.get("sha", "") for event in events if event.event == "burnt"}
    yield from _burnt(folder, burnt)
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
    """Whether the journal knows each burn-in that came to its end."""
    for name, sha in known.items():
        file = folder / name / burning.FILE
        if not file.is_file() or store.digest(file.read_bytes()) != sha:
            yield f"{name}: its journal was changed, or is missing."
    there = sorted(one.parent.name for one in folder.glob(f"{layout.BURN}*/{burning.FILE}"))
    if known and there[-1:] != [max(known)]:
        yield f"{layout.BURN}: the journal does not know the last one."


def _vouched(ran: tuple[Ran, ...], known: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Whether the journal knows each run, and each run that it knows is there."""
    there = {one.step: one.path for one in ran if one.path is not None}
    for step in sorted(there.keys() | {step for step, (run, _) in known.items() if run}):
        path, (run, sha) = there.get(step), known.get(step, ("", ""))
        if path is None:
            yield f"{step}: the run {run} is missing."
        elif path.name != run:
            yield f"{step}: the journal does not know the run {path.name}."
        elif store.digest((path / store.JOURNAL).read_bytes()) != sha:
            yield f"{step}: the journal of the run was changed."


def _asked(found: Judged, attempt: Attempt, subject: Subject, ran: tuple[Ran, ...]) -> Iterator[str]:
    """Whether each run is the one that those before it asked for."""
    for number, one in enumerate(ran):
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
