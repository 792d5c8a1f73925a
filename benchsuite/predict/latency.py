"""How long a request waits: one copy of a model that serves arrivals by continuous batching with chunked prefill.

A small event simulation, deterministic for a seed. In each iteration every running sequence writes one token, and
prompts that wait are read, first come first served, as far as ``chunk`` tokens go (Agrawal et al., Sarathi-Serve, OSDI
2024, arXiv 2403.02310); decode and prefill are added, as in the step model. A request is admitted when fewer than
``batch`` are under way, so that memory always suffices: nobody is evicted.

    per output token at saturation = step(B) + B / osl x prompt          (each step, B / osl sequences make room)
    as a client sees it            = step(B) + (B - 1) / osl x prompt
    saturation rate                = B / (osl step(B) + B prompt)        requests per second

Limits that are known exactly: osl = 1, B = 1 is the queue M/D/1 (mean wait rho D / (2 (1 - rho)), Pollaczek-Khinchine),
and L = lambda W always (Little, 1961). Sequences stay at their mean context, isl + osl / 2, and all are equally long.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

CHUNK = 2048
"""Tokens of one iteration: the default of vLLM's max_num_batched_tokens (vllm.config.SchedulerConfig)."""
MOST = 0.98
"""Share of the saturation rate beyond which a queue is not asked for its tail: it would not end in any finite time."""
HALVINGS = 7
"""Of the interval in which the highest rate is looked for: it is found to 0.8 % of the saturation rate."""
LEAST, ENOUGH = 600, 3000
"""Requests of a simulation: at least, and at most unless more are under way at once."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a model at work.

    step: seconds of one step of so many sequences, which must not fall as they become more; prompt: seconds of reading
    one prompt of ``isl`` tokens alone. batch: sequences under way at most; chunk: tokens of an iteration at most.
    """

    step: Callable[[int], float]
    prompt: float
    isl: int
    osl: int
    batch: int
    chunk: int = CHUNK

    def per_token(self, batch: int) -> float:
        """Seconds of an output token when ``batch`` sequences are always under way, prompts of the next ones read."""
        return self.step(batch) + batch / self.osl * self.prompt

    def tpot(self, batch: int) -> float:
        """Seconds of each further token as a client sees them then: nobody waits for its own prompt."""
        return self.step(batch) + (batch - 1) / self.osl * self.prompt

    @property
    def saturation(self) -> float:
        """Requests per second beyond which the queue grows without end."""
        return self.batch / (self.osl * self.per_token(self.batch))

    def steady(self, rate: float) -> int:
        """Sequences under way at ``rate``, by Little's law: B = rate x osl x per_token(B). Below saturation."""
        low, high = 0, self.batch
        while low < high:
            middle = (low + high) // 2
            if middle and middle >= rate * self.osl * self.per_token(middle):
                high = middle
            else:
                low = middle + 1
        return low


@dataclass(frozen=True, slots=True)
class Limits:
    """What is promised: seconds to the first token and of each further one, which ``share`` of the requests keep."""

    ttft: float = math.inf
    tpot: float = math.inf
    share: float = 0.99


@dataclass(frozen=True, slots=True)
class Served:
    """What became of each request, in order of arrival: seconds on one clock. busy: seconds with work under way."""

    arrived: tuple[float, ...]
    first: tuple[float, ...]
    last: tuple[float, ...]
    osl: int
    busy: float

    @property
    def ttft(self) -> tuple[float, ...]:
        """Seconds from arrival to the first token."""
        return tuple(first - arrived for first, arrived in zip(self.first, self.arrived, strict=True))

    @property
    def tpot(self) -> tuple[float, ...]:
        """Mean seconds of each further token; 0 where there is only one."""
        steps = max(1, self.osl - 1)
        return tuple((last - first) / steps for last, first in zip(self.last, self.first, strict=True))

    @property
    def utilisation(self) -> float:
        """Share of the time with work under way."""
        return self.busy / (max(self.last) - self.arrived[0])


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles in seconds at ``rate`` requests per second of one copy. load: of the saturation rate."""

    rate: float
    load: float
    ttft_p50: float
    ttft_p99: float
    tpot_p50: float
    tpot_p99: float
    kept: bool


class _Prompt(NamedTuple):
    request: int
    left: int


def simulate(copy: Copy, arrivals: Sequence[float], running: Sequence[int] = ()) -> Served:
    """Serve requests that arrive at these seconds, in order. running: tokens that those under way have yet to write."""
    return _Server(copy, arrivals, running).served()


class _Server:
    """The state of a simulation: who waits, who runs until which step, and what time it is."""

    def __init__(self, copy: Copy, arrivals: Sequence[float], running: Sequence[int]) -> None:
        self.copy, self.arrivals = copy, arrivals
        self.waiting: deque[_Prompt] = deque()
        self.running: list[tuple[int, int]] = [(left, -1) for left in running]
        heapq.heapify(self.running)
        self.first = [0.0] * len(arrivals)
        self.last = [0.0] * len(arrivals)
        self.clock, self.busy, self.steps, self.next = 0.0, 0.0, 0, 0

    def served(self) -> Served:
        while self.next < len(self.arrivals) or self.waiting or self.running:
            while self.next < len(self.arrivals) and self.arrivals[self.next] <= self.clock:
                self.waiting.append(_Prompt(self.next, self.copy.isl))
                self.next += 1
            if self.waiting and len(self.running) < self.copy.batch:
                self._read()
            elif self.running:
                self._write()
            else:
                self.clock = self.arrivals[self.next]
        return Served(tuple(self.arrivals), tuple(self.first), tuple(self.last), self.copy.osl, self.busy)

    def _read(self) -> None:
        """One iteration that reads prompts beside the tokens it writes."""
        copy, beside = self.copy, len(self.running)
        budget = tokens = max(1, copy.chunk - beside)
        done: list[int] = []
        while self.waiting and budget and beside + len(done) < copy.batch:
            prompt = self.waiting.popleft()
            taken = min(prompt.left, budget)
            budget -= taken
            if taken == prompt.left:
                done.append(prompt.request)
            else:
                self.waiting.appendleft(prompt._replace(left=prompt.left - taken))
        seconds = copy.prompt * (tokens - budget) / copy.isl
        self._pass(seconds + copy.step(beside) if beside else max(seconds, copy.step(1)), 1)
        for request in done:
            self.first[request] = self.clock
            if copy.osl == 1:
                self.last[request] = self.clock
            else:
                heapq.heappush(self.running, (self.steps + copy.osl - 1, request))

    def _write(self) -> None:
        """Steps that only write, until a sequence ends or a request arrives that has room."""
        seconds = self.copy.step(len(self.running))
        count = self.running[0][0] - self.steps
        if self.next < len(self.arrivals) and len(self.running) < self.copy.batch:
            count = min(count, max(1, math.ceil((self.arrivals[self.next] - self.clock) / seconds)))
        self._pass(seconds, count)

    def _pass(self, seconds: float, count: int) -> None:
        self.clock += seconds * count
        self.busy += seconds * count
        self.steps += count
        while self.running and self.running[0][0] <= self.steps:
            _, request = heapq.heappop(self.running)
            if request >= 0:
                self.last[request] = self.clock


def poisson(rate: float, count: int, seed: int) -> list[float]:
    """Arrivals of a Poisson stream: the same for a seed but for their scale, so that rates are compared fairly."""
    gaps, clock = random.Random(seed), 0.0
    made = []
    for _ in range(count):
        clock += gaps.expovariate(1.0) / rate
        made.append(clock)
    return made


def at(copy: Copy, rate: float, limits: Limits, seed: int = 0) -> Latency:
    """The latency of one copy at ``rate`` requests per second, from a system that is in its steady state already."""
    under_way = copy.steady(rate)
    count = max(LEAST, min(ENOUGH, 4 * under_way), 2 * under_way)  # at least half of them end among their equals
    left = [1 + (number * (copy.osl - 1)) // max(1, under_way) for number in range(under_way)] if copy.osl > 1 else []
    served = simulate(copy, poisson(rate, count, seed), left)
    ttft, tpot = sorted(served.ttft), sorted(served.tpot[: max(1, count - under_way)])
    kept = quantile(ttft, limits.share) <= limits.ttft and quantile(tpot, limits.share) <= limits.tpot
    return Latency(
        rate=rate,
        load=rate / copy.saturation,
        ttft_p50=quantile(ttft, 0.5),
        ttft_p99=quantile(ttft, 0.99),
        tpot_p50=quantile(tpot, 0.5),
        tpot_p99=quantile(tpot, 0.99),
        kept=kept,
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of ``ordered`` that ``share`` of them do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def fitted(copy: Copy, limits: Limits) -> Copy | None:
    """The copy with the largest batch that keeps the time per token at saturation; ``None`` where not even 1 does."""
    low, high = 0, copy.batch
    while low < high:
        middle = (low + high + 1) // 2
        if copy.tpot(middle) <= limits.tpot:
            low = middle
        else:
            high = middle - 1
    return replace(copy, batch=low) if low else None


def highest(copy: Copy, limits: Limits, seed: int = 0, enough: float = math.inf) -> Latency | None:
    """The highest rate at which the limits are kept, and the latency at it; ``None`` where there is none.

    enough: a rate beyond which nobody asks. By halving the interval below it; a rate is only given when a simulation
    at it kept the limits.
    """
    best = None
    most = min(MOST, enough / copy.saturation)
    low, high, share = 0.0, most, most
    for _ in range(HALVINGS + 1):
        found = at(copy, share * copy.saturation, limits, seed)
        if found.kept:
            best, low = found, share
        else:
            high = share
        if low == most:
            break
        share = (low + high) / 2
    return best


def waiting(rate: float, seconds: float) -> float:
    """Mean wait in a queue M/D/1: Poisson arrivals, one server, ``seconds`` each (Pollaczek-Khinchine)."""
    load = rate * seconds
    return math.inf if load >= 1.0 else load * seconds / (2 * (1.0 - load))
