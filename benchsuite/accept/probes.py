"""Is it what it claims to be? Probes of what computes and what stores, which a changed name does not change.

Each reads one number from verified runs of the identity suite. All devices of a node are probed at once, each with
data of its own (``seed``), so that no card can answer for another. An owner of the kernel and of a faster card of the
same kind can still deceive them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchsuite import units
from benchsuite.accept.inspecting import Inspection
from benchsuite.accept.rule import OUTSIDE
from benchsuite.benchmarks.cores import ALL
from benchsuite.model import Contract, Entry, Kind, Probed, Record, Region, Scalar, Status, Subject

SEED_BYTES = 6
"""A seed stays exact as a JSON number in every language."""
STEP = 1.5
"""One block more than there are processors doubles the time: half-way is the threshold."""
EXACT = 8
"""Regions of at most so many processors are counted one by one."""
COARSE = 8
"""Numbers of blocks that are tried below a region."""
SIZES = 9
"""Working sets that are tried for a cache, from half the region's least to four times its most."""
LEAST_STEP = 1.3
"""Memory slower than this times the cache is a step; less is none."""
FLOPS = {"fp64": 2**33, "fp32": 2**36, "tf32": 2**38, "bf16": 2**39, "fp16": 2**39, "int8": 2**40, "e4m3": 2**40}
"""Operations of one iteration: some milliseconds on a data-centre GPU."""
SHARE = 0.25

Value = tuple[float | None, str]
"""A number, or ``None``; and a reason or a remark."""


@dataclass(frozen=True, slots=True)
class Probe:
    """An identity probe. title: a phrase; unit: of its value (SI; ``""`` of a count); kinds: what it applies to.

    entries: what must be measured for a region; read: the value from the records of the identity suite.
    """

    title: str
    unit: str
    kinds: frozenset[Kind]
    entries: Callable[[Region], tuple[Entry, ...]]
    read: Callable[[Region, Sequence[Record]], Value]


def entries(region: Region) -> tuple[Entry, ...]:
    """What a suite must measure for this region's probe: tables of a suite, one implementation for each backend. Pure.

    ``fill`` measures ``region.low`` bytes (``fill-rate`` the same as ``fill``: no more than a region of it is needed);
    ``processors`` and caches measure around the region. Raises ``KeyError`` for an unknown probe.
    """
    return PROBES[region.probe].entries(region)


def found(
    contract: Contract, subject: Subject, records: Sequence[Record], inspection: Inspection | None = None
) -> tuple[Probed, ...]:
    """What each of the contract's regions' probes found, in the order of ``contract.identity``.

    records: of the identity suite of this subject. ``Probed.value`` is ``None`` with a reason where a record is
    missing, skipped, failed or wrong, and where the value lies outside but others were at work meanwhile. Pure.
    """
    made = []
    for region in contract.identity:
        probe = PROBES.get(region.probe)
        value, reason = probe.read(region, records) if probe else (None, f"there is no probe {region.probe}")
        if value is not None and not math.isfinite(value):
            value, reason = None, "the value is no number"
        if value is not None and not region.low <= value <= region.high and _disturbed(contract, region, records):
            value, reason = None, f"{value:.4g} was found while others disturbed it"
        if value is None and inspection is not None and inspection.reason:
            reason = f"{reason}; {inspection.reason}"
        made.append(Probed(region.probe, value, reason))
    return tuple(made)


def _disturbed(contract: Contract, region: Region, records: Sequence[Record]) -> bool:
    """Whether others were at work on the device while it was probed: then a value outside accuses nobody.

    Of a GPU only who used the GPU itself counts: its probes run on all GPUs at once, and need no processor meanwhile.
    """
    benchmarks = {name for entry in entries(region) for name in entry.select} or {"fill"}
    mine = [record for record in records if record.case.benchmark in benchmarks]
    codes = {caveat.code for record in mine for caveat in record.caveats}
    if contract.claim.kind is Kind.HOST:
        return bool(codes & OUTSIDE)
    met = (record.samples.conditions.get("foreign_processes", 0.0) for record in mine if record.samples is not None)
    return "GPU_SHARED" in codes or any(met)


def within(probed: Probed, region: Region) -> bool:
    """Whether the value lies in the region; ``None`` and NaN never do."""
    return probed.value is not None and region.low <= probed.value <= region.high


def seed(nonce: str, subject: Subject) -> int:
    """The seed of all data on this subject in a challenge: SHA-256 of nonce, node and device, 48 bits of it.

    Nobody can prepare the data before the nonce is known, and no device's results serve for another's. Give it to
    ``campaign.Request.seed``. Without a challenge the nonce is random, drawn by the driver.
    """
    words = "\0".join([nonce, subject.node, "" if subject.device is None else str(subject.device)])
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:SEED_BYTES], "big")


def _entry(
    benchmark: str, implementations: Sequence[str], *points: Mapping[str, Scalar], share: float = SHARE
) -> Entry:
    return Entry((benchmark,), {}, tuple(tuple(point.items()) for point in points), tuple(implementations), share)


def _of(records: Sequence[Record], benchmark: str, **params: Scalar) -> list[Record]:
    """The records of a benchmark's cases with these parameters."""
    return [
        record
        for record in records
        if record.case.benchmark == benchmark
        and all((name, value) in record.case.params for name, value in params.items())
    ]


def _seconds(records: Sequence[Record]) -> Value:
    """The median of the fastest run, seconds of an iteration; or why there is none. One wrong result is enough."""
    wrong = next((record for record in records if record.status is Status.REJECTED), None)
    if wrong is not None:
        return None, f"a result was wrong: {wrong.reason.rstrip('.') or wrong.case.key}"
    good = [record.summary.median for record in records if record.status is Status.OK and record.summary is not None]
    good = [seconds for seconds in good if seconds > 0 and math.isfinite(seconds)]
    if good:
        return min(good), ""
    said = next((f"{record.status.value}: {record.reason.rstrip('.')}" for record in records if record.reason), "")
    return None, said or "it was not measured"


def _rate(benchmark: str, **params: Scalar) -> Callable[[Region, Sequence[Record]], Value]:
    """The metric of the fastest run."""

    def read(region: Region, records: Sequence[Record]) -> Value:
        mine = _of(records, benchmark, **params)
        seconds, reason = _seconds(mine)
        return (mine[0].metric.quantity(mine[0].work, seconds), "") if seconds is not None else (None, reason)

    return read


def _peak(dtype: str, implementation: str, title: str) -> Probe:
    def made(region: Region) -> tuple[Entry, ...]:
        return (_entry("peak", (implementation,), {"dtype": dtype, "flops": FLOPS[dtype]}),)

    return Probe(title, "flop/s", frozenset({Kind.GPU}), made, _rate("peak", dtype=dtype))


def blocks(region: Region) -> tuple[int, ...]:
    """How many blocks are launched to count processors: coarse below the region, one by one around it."""
    low, high = math.ceil(region.low), math.floor(region.high)
    coarse = [1, *(low * part // COARSE for part in range(1, COARSE))]
    near = range(low - 1, high + 2) if high - low < EXACT else (low - 1, low, high, high + 1)
    return tuple(sorted({count for count in (*coarse, *near) if count >= 1}))


def _processors(region: Region, records: Sequence[Record]) -> Value:
    """The largest number of blocks that still takes the time of one."""
    times: dict[int, float] = {}
    for count in blocks(region):
        mine = _of(records, "processors", blocks=count)
        seconds, reason = _seconds(mine)
        if seconds is None:
            return None, f"{count} blocks: {reason}" if mine else reason
        times[count] = seconds
    one = times[min(times)]
    for count, following in pairwise(sorted(times)):
        if times[following] >= STEP * one:
            between = "" if following == count + 1 else f"fewer than {following}"
            return float(count), between
    return float(max(times)), "or more"


def sizes(region: Region) -> tuple[int, ...]:
    """Working sets through which a cache's end is sought, in whole 64 KiB."""
    least, most = region.low / 2, 4 * region.high
    grown = (least * (most / least) ** (step / (SIZES - 1)) for step in range(SIZES))
    return tuple(sorted({max(1, round(size / (64 * units.KIB))) * 64 * units.KIB for size in grown}))


def _knee(region: Region, records: Sequence[Record]) -> Value:
    """Where the latency of a load passes the geometric mean of the cache's and the memory's, interpolated in logs."""
    times: list[tuple[int, float]] = []
    for size in sizes(region):
        mine = _of(records, "latency", bytes=size)
        seconds, reason = _seconds(mine)
        if seconds is None:
            return None, f"{units.size(size)}: {reason}" if mine else reason
        times.append((size, seconds))
    near, far = times[0][1], times[-1][1]
    if far < LEAST_STEP * near:
        return None, "latency does not step: memory is as fast as the cache, or the set never left it"
    middle = math.sqrt(near * far)
    for (size, before), (larger, after) in pairwise(times):
        if after >= middle:
            part = math.log(middle / before) / math.log(after / before)
            return size * (larger / size) ** part, ""
    return None, "latency does not step"


def _cache(title: str, kind: Kind, implementation: str) -> Probe:
    def made(region: Region) -> tuple[Entry, ...]:
        return (_entry("latency", (implementation,), *({"bytes": size} for size in sizes(region))),)

    return Probe(title, "B", frozenset({kind}), made, _knee)


def _fill_entry(region: Region) -> tuple[Entry, ...]:
    size = math.ceil(region.low / units.MIB) * units.MIB
    return (_entry("fill", ("hash", "threads"), {"bytes": size}),)


def _filled(region: Region, records: Sequence[Record]) -> Value:
    """The most bytes that were written and read back right; one wrong line anywhere, and it is nothing."""
    mine = _of(records, "fill")
    seconds, reason = _seconds(mine)
    if seconds is None:
        return None, reason
    return float(max(record.case.integer("bytes") for record in mine if record.status is Status.OK)), ""


def _cores(region: Region, records: Sequence[Record]) -> Value:
    alone, reason = _seconds(_of(records, "cores", threads=1))
    together, other = _seconds(_of(records, "cores", threads=ALL))
    return (alone / together, "") if alone is not None and together is not None else (None, reason or other)


PROBES: Mapping[str, Probe] = {
    "processors": Probe(
        "multiprocessors that a launch gets",
        "",
        frozenset({Kind.GPU}),
        lambda region: (_entry("processors", ("spin",), *({"blocks": count} for count in blocks(region))),),
        _processors,
    ),
    "fp32": _peak("fp32", "fma", "fp32 without tensor cores"),
    "fp64": _peak("fp64", "fma", "fp64 without tensor cores"),
    "tensor-bf16": _peak("bf16", "mma.sync", "bf16 of the tensor cores (mma.sync)"),
    "tensor-fp16": _peak("fp16", "mma.sync", "fp16 of the tensor cores (mma.sync)"),
    "tensor-tf32": _peak("tf32", "mma.sync", "tf32 of the tensor cores (mma.sync)"),
    "tensor-int8": _peak("int8", "mma.sync", "int8 of the tensor cores (mma.sync)"),
    "tensor-e4m3": _peak("e4m3", "mma.sync-e4m3", "e4m3 of the tensor cores (mma.sync)"),
    "l2": _cache("second-level cache", Kind.GPU, "lane-l2"),
    "bandwidth": Probe(
        "memory bandwidth, reading",
        "B/s",
        frozenset(Kind),
        lambda region: (_entry("memory", ("wide", "stream"), {"op": "read", "bytes": "16xLLC"}),),
        _rate("memory", op="read"),
    ),
    "fill": Probe("memory filled and read back", "B", frozenset(Kind), _fill_entry, _filled),
    "fill-rate": Probe("speed of the memory that was filled", "B/s", frozenset(Kind), lambda region: (), _rate("fill")),
    "cores": Probe(
        "speed of all cores over one",
        "",
        frozenset({Kind.HOST}),
        lambda region: (_entry("cores", ("registers",), {"threads": 1}, {"threads": ALL}),),
        _cores,
    ),
    "llc": _cache("last-level cache of a core", Kind.HOST, "chase"),
}
"""Every probe by its name."""
