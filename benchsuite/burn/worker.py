"""One device under load: prepare, then turn by turn until the time is over; tells what was found after every slice."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from itertools import cycle
from statistics import median

from benchsuite.backends.base import Backend
from benchsuite.burn.preparing import Hearth, Held, place
from benchsuite.errors import DeviceLostError, MeasureError
from benchsuite.model import Benchmark, World
from benchsuite.protocol import Job, Kind, Message, Turn

OVERTIME = 3.0
"""How many times as long as it should be under load a process tries: one that comes to load so rarely has ended."""
SLACK = 60.0
"""Seconds more, for short ones."""

Send = Callable[[Message], None]


def serve(
    job: Job,
    backend: Backend,
    world: World,
    benchmarks: Mapping[str, Benchmark],
    send: Send,
    doing: Callable[[str], None] = lambda words: None,
) -> None:
    """Burn in one device. A device that is lost is told as such, and raised: ``DeviceLostError``."""
    assert job.burn is not None  # noqa: S101  (the caller looked)

    def say(phase: str) -> None:
        doing(phase)
        send(Message(job.nonce, Kind.PHASE, phase=phase.partition(":")[0]))

    send(Message(job.nonce, Kind.HELLO, pids=(os.getpid(),), facts={"libraries": backend.providers()}))
    hearth = Hearth(backend, world, benchmarks, job.burn, job.seed, say)
    try:
        held = []
        for load in job.burn.loads:
            found, ready = hearth.prepare(load)
            send(Message(job.nonce, Kind.READY, ready=ready))
            held += [found] if found is not None else []
        if held:
            _burn(hearth, held, lambda turn: send(Message(job.nonce, Kind.TURN, turn=turn)))
    except DeviceLostError as error:
        send(Message(job.nonce, Kind.LOST, phase=str(error)))
        raise
    doing("end")
    send(Message(job.nonce, Kind.BYE))


def _burn(hearth: Hearth, held: list[Held], tell: Callable[[Turn], None]) -> None:
    """The loads by turns, until they have taken the time that was asked for."""
    timer, asked = hearth.backend.timer(), hearth.job.seconds
    began, spent = timer(), 0.0
    for number, one in enumerate(cycle(held)):
        turn = _turn(hearth, one, number, min(hearth.job.turn, asked - spent), tell)
        spent += turn.spent
        if spent >= asked or timer() - began > OVERTIME * asked + SLACK:
            return


def _turn(hearth: Hearth, held: Held, number: int, wanted: float, tell: Callable[[Turn], None]) -> Turn:
    """Slices of one load for ``wanted`` seconds, then one result more that the host compares."""
    backend, checks, wrong, where = hearth.backend, 0, 0, ""
    seconds: list[float] = []
    starts: list[float] = []
    timer = backend.timer()

    def so_far(*, done: bool) -> Turn:
        speed = held.metric.quantity(held.work, median(seconds))
        told = tuple(seconds), tuple(start - starts[0] for start in starts)
        turn = Turn(held.name, number, starts[0], held.iterations, *told, speed, checks, wrong, where, done)
        tell(turn)
        return turn

    while sum(seconds) * held.iterations < wanted or not seconds:
        hearth.say(f"measure: {held.name}, turn {number}")
        starts.append(timer())
        spent = backend.elapsed(held.batch).seconds
        if not 0.0 < spent < float("inf"):
            raise MeasureError(f"A slice took {spent:g} s by the clock, which cannot be.", "Check the clock source.")
        seconds.append(spent / held.iterations)
        counts = held.comparison.fresh()
        missed = sum(max(0, held.golden[name].size * held.compared - one.compared) for name, one in counts.items())
        checks += held.compared * len(counts)
        wrong += sum(one.wrong for one in counts.values()) + missed
        where = where or place(counts) or (f"{missed} elements were never compared" if missed else "")
        so_far(done=False)
    hearth.say(f"verify: {held.name}, turn {number}")
    again, spot = hearth.spot(held)
    checks, wrong = checks + len(held.golden), wrong + again
    if wrong:
        where = "; ".join(filter(None, (where or spot, hearth.spoilt(held))))
    return so_far(done=True)
