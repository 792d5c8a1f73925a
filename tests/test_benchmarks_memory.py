"""What the memory, latency, FMA and GEMM benchmarks count as work, and which cases they refuse."""

from __future__ import annotations

import pytest

from benchsuite import units
from benchsuite.benchmarks import fma, gemm, latency, memory
from benchsuite.model import Case


@pytest.mark.parametrize(
    ("op", "read", "written", "flops"),
    [
        ("read", 1, 0, 1),
        ("write", 0, 1, 0),
        ("copy", 1, 1, 0),
        ("scale", 1, 1, 1),
        ("add", 2, 1, 1),
        ("triad", 2, 1, 2),
    ],
)
def test_stream_byte_counting(op: str, read: int, written: int, flops: int) -> None:
    case = Case.of("memory", op=op, bytes=384 * units.MIB)
    array = 384 * units.MIB / (read + written)
    work = memory.work(case)
    assert (work.read, work.written, work.flops) == (read * array, written * array, flops * array / 8)


@pytest.mark.parametrize("nbytes", [192, units.KIB, 16 * units.KIB, 100_000_000, 256 * units.MIB, units.GIB + 7])
def test_working_set_and_passes(nbytes: int) -> None:
    case = Case.of("memory", op="triad", bytes=nbytes)
    used = 3 * 8 * memory.elements(case)
    assert nbytes - 3 * 64 < used <= nbytes
    assert memory.work(case).bytes == used * units.passes(nbytes)
    assert units.passes(nbytes) * nbytes >= min(256 * units.MIB, nbytes)
    assert units.passes(256 * units.MIB) == units.passes(units.GIB) == 1


def test_non_temporal_stores_only_where_they_can_pay() -> None:
    assert memory.streams(Case.of("memory", op="copy", bytes=8 * units.MIB))
    assert not memory.streams(Case.of("memory", op="copy", bytes=4 * units.MIB))
    assert not memory.streams(Case.of("memory", op="read", bytes=units.GIB))


def test_refused_cases_say_why() -> None:
    assert "64-byte line" in memory.invalid(Case.of("memory", op="triad", bytes=128))
    assert "two" in latency.invalid(Case.of("latency", bytes=64))
    assert "int32" in gemm.invalid(Case.of("gemm", m=8, n=8, k=2**18, dtype="int8", layout="nn", data="normal"))
    assert gemm.invalid(Case.of("gemm", m=0, n=8, k=8, dtype="fp32", layout="nn", data="normal"))
    assert gemm.invalid(Case.of("gemm", m=8, n=8, k=2**18, dtype="fp32", layout="nn", data="normal")) == ""


def test_gemm_and_fma_work() -> None:
    work = gemm.work(Case.of("gemm", m=2, n=3, k=5, dtype="int8", layout="nn", data="normal"))
    assert (work.flops, work.read, work.written) == (60, 10 + 15, 24)
    assert fma.work(Case.of("fma", dtype="fp32")).flops == 2 * fma.ELEMENTS * 2 * fma.PAIRS
    assert fma.ELEMENTS % 960 == 0
