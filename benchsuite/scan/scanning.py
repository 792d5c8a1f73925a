"""What one rank of a scan does: exchange with its partner of each round, run the agreed kernels alone, report.

In a round each pair sends one way and then the other, never both at once. The receiver times: it calls the sender,
waits for the data, and compares every byte with what had to come. Ranks without a partner rest (``resting``), and so
do pairs that must wait for their turn because ranks share cores. After each round rank 0 reports it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import numpy as np

from benchsuite.backends.base import Backend
from benchsuite.errors import MeasureError
from benchsuite.model import Group, Local, Pause, Round, Scan, Transfer, Unit, World
from benchsuite.protocol import Job, Kind, Message, ScanJob
from benchsuite.scan import resting
from benchsuite.scan.localkernels import Timing, prepare
from benchsuite.scan.pairwise import FEWEST, Line
from benchsuite.scan.pauses import PauseWatch, withheld
from benchsuite.scan.resting import Machine, Rest

Send = Callable[[Message], None]
Say = Callable[[str], None]
T = TypeVar("T")

EXCHANGES, COMPUTES, WAITS, RESTS = "exchanges with rank", "computes", "waits for ranks", "rests"
"""What a rank says that it does, so that the controller knows which pair hangs."""


def serve(job: Job, backend: Backend, world: World, send: Send, doing: Say = lambda words: None) -> None:
    """Measure every round of ``job.scan`` on this rank; rank 0 sends what there is to say.

    ``doing`` is told on every rank what it is about to do, so that one that hangs can be named.
    """
    asked = job.scan
    if asked is None:
        raise MeasureError("This job is no scan: it has no rounds.")
    say: Send = send if world.rank == 0 else lambda message: None
    pids = tuple(world.share(os.getpid()))
    say(Message(job.nonce, Kind.HELLO, pids=pids, facts={"libraries": backend.providers(), "world": world.facts()}))
    watch = PauseWatch(world.rank).start()
    try:
        rank = _Rank(job, asked, backend, world, watch, doing)
        say(Message(job.nonce, Kind.ROUND, scan=rank.introduced()))
        for index, one in enumerate(asked.rounds):
            say(Message(job.nonce, Kind.PHASE, index, "measure"))
            say(Message(job.nonce, Kind.ROUND, index, scan=rank.round(one)))
        for left_out in asked.groups:
            say(Message(job.nonce, Kind.PHASE, len(asked.rounds), "measure"))
            say(Message(job.nonce, Kind.ROUND, len(asked.rounds), scan=rank.group(left_out)))
    finally:
        watch.close()
    doing("end")
    say(Message(job.nonce, Kind.BYE))


@dataclass(frozen=True, slots=True)
class _Own:
    """What one rank has to tell of a round."""

    transfers: tuple[Transfer, ...]
    locals: tuple[Local, ...]
    pauses: tuple[Pause, ...]


class _Rank:
    """This rank's part of a scan."""

    def __init__(self, job: Job, asked: ScanJob, backend: Backend, world: World, watch: PauseWatch, doing: Say) -> None:
        self._job, self._asked, self._world = job, asked, world
        self._watch, self._doing = watch, doing
        self._rest = Rest(world)
        device = f"GPU {world.local_rank}" if backend.name == "cuda" else ""
        ranks = world.share((Unit(world.rank, world.host, world.local_rank, device), resting.here()))
        self.units: tuple[Unit, ...] = tuple(unit for unit, _ in ranks)
        self._machines: list[Machine] = [machine for _, machine in ranks]
        self._neighbours = resting.neighbours(self._machines, world.rank)
        self._line = Line(world, asked, job.seed)
        ready = [prepare(name, backend, job.seed) for name in asked.kernels]
        filling = self._in_turn(lambda: [kernel.filling() for kernel in ready])
        told = world.share([(count, kernel.reason) for count, kernel in zip(filling, ready, strict=True)])
        each = list(zip(*told, strict=True))
        able = [number for number, one in enumerate(each) if not all(reason for _, reason in one)]
        self._kernels = [ready[number] for number in able]  # what nobody can run is nobody's fault
        self._iterations = [max(count for count, _ in each[number]) for number in able]  # the quickest rank's, on all

    def introduced(self) -> Scan:
        """Who takes part, before anything is measured."""
        return Scan(
            self.units, self._job.seed, self._line.payload.nbytes, transport=self._world.facts().get("transport", "")
        )

    def round(self, one: Round) -> Scan:
        """Everything that one round measured, the same on every rank."""
        began = time.monotonic()
        before = withheld()
        transfers = self._exchanged(one)
        timings = self._computed(one)
        self._meet(one.number)
        reason = withheld().since(before, time.monotonic() - began)
        own = _Own(transfers, self._locals(one, timings, reason), self._watch.take())
        every: list[_Own] = self._world.share(own)
        return Scan(
            (),
            self._job.seed,
            self._line.payload.nbytes,
            rounds=(one,),
            transfers=tuple(item for theirs in every for item in theirs.transfers),
            locals=tuple(item for theirs in every for item in theirs.locals),
            pauses=tuple(item for theirs in every for item in theirs.pauses),
            seconds=time.monotonic() - began,
        )

    def _exchanged(self, one: Round) -> tuple[Transfer, ...]:
        """What this rank received in the round."""
        rank, found = self._world.rank, []
        for wave in resting.waves(one.pairs, self._machines):
            self._meet(one.number)
            pair = next((pair for pair in wave if rank in pair), None)
            if pair is None:
                continue
            peer = pair[1] if rank == pair[0] else pair[0]
            self._doing(f"round {one.number}: {EXCHANGES} {peer}")
            for sender, receiver in (pair, pair[::-1]):
                if rank == sender:
                    self._line.send(one, receiver)
                else:
                    found.append(self._line.receive(one, sender))
        return tuple(found)

    def _computed(self, one: Round) -> list[Timing]:
        """The agreed kernels, while nobody else on these cores computes."""
        self._meet(one.number)
        self._doing(f"round {one.number}: {COMPUTES}")
        counts = zip(self._kernels, self._iterations, strict=True)
        return self._in_turn(lambda: [kernel.run(iterations) for kernel, iterations in counts])

    def _locals(self, one: Round, timings: Sequence[Timing], reason: str) -> tuple[Local, ...]:
        return tuple(
            Local(one.stage, one.number, self._world.rank, t.kernel, t.seconds, t.wrong, t.reason or reason)
            for t in timings
        )

    def group(self, left_out: Sequence[int]) -> Scan:
        """An all-reduce of all units but ``left_out``; its time is that of the slowest rank's median."""
        last = self._asked.rounds[-1]
        self._meet(last.number)
        members = [unit.rank for unit in self.units if unit.rank not in left_out]
        world = self._world.subset(members)
        self._doing(f"all-reduce without {len(left_out)} ranks")
        times = _allreduced(world, self._line.payload.nbytes, self._asked) if world else ([], "")
        self._meet(last.number)
        every: list[tuple[list[float], str]] = self._world.share(times)
        reason = next((text for _, text in every if text), "")
        seconds = None if reason else max((median(mine) for mine, _ in every if mine), default=None)
        names = ", ".join(dict.fromkeys(self.units[rank].node for rank in left_out))
        group = Group(last.stage, last.number, names, seconds, reason)
        return Scan((), self._job.seed, self._line.payload.nbytes, groups=(group,))

    def _in_turn(self, work: Callable[[], T]) -> T:
        """``work()``, after the ranks before this one on its cores have done theirs."""
        position = self._neighbours.index(self._world.rank)
        if position > 0:
            self._rest.receive(self._neighbours[position - 1])
        done = work()
        if position + 1 < len(self._neighbours):
            self._rest.call(self._neighbours[position + 1])
        return done

    def _meet(self, number: int) -> None:
        """Rest until every rank is here."""
        self._doing(f"round {number}: {RESTS}")
        self._rest.barrier(lambda late: self._doing(f"round {number}: {WAITS} {', '.join(map(str, late))}"))


def _allreduced(world: World, nbytes: int, asked: ScanJob) -> tuple[list[float], str]:
    """The times of this rank, and what was wrong with a result. One before them warms up."""
    send = np.ones(max(1, nbytes // 4), np.float32)
    receive = np.zeros_like(send)
    times: list[float] = []
    wrong = False
    began = time.perf_counter()
    enough = False
    while not enough:
        world.barrier()
        start = time.perf_counter()
        world.allreduce(send, receive)
        times.append(time.perf_counter() - start)
        wrong = wrong or not np.all(receive == world.size)
        over = len(times) > asked.repeats or time.perf_counter() - began > asked.seconds
        enough = len(times) > FEWEST and world.share(over)[0]
    return times[1:], "the sum of an all-reduce was wrong" if wrong else ""
