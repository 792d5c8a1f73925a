"""The probes of a GPU, executed on the CPU: counts are right, planted faults are found, loops are pure arithmetic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from benchsuite import units
from benchsuite.backends.cuda import compiler, cubin
from benchsuite.benchmarks import fill, peak, processors
from benchsuite.errors import UnavailableError
from benchsuite.model import ARCHITECTURES, TYPICAL, Benchmark, Case, CudaKernel, Rejected
from tests.cuda_host import simulate
from tests.sass import disassembly

GPP = pytest.mark.skipif(not simulate.available(), reason="g++ is not installed")


def accepted(
    benchmark: Benchmark,
    name: str,
    case: Case,
    arch: str = "sm_80",
    seed: int = 0,
    edit: Mapping[str, str] | None = None,
) -> bool:
    result = simulate.run(benchmark, name, case, arch, seed=seed, edit=edit)
    if isinstance(result, Rejected) and edit is None:
        print(result)
    return not isinstance(result, Rejected)


def peak_case(dtype: str, flops: int = 2**21) -> Case:
    return Case.of("peak", dtype=dtype, flops=flops)


PEAKS = [
    *(("fma", dtype, "sm_80") for dtype in ("fp32", "fp64")),
    *(("mma.sync", dtype, "sm_80") for dtype in peak.KINDS if dtype not in {"fp32", "e4m3", *peak.BLOCK_SCALED}),
    ("mma.sync", "fp64", "sm_90a"),  # another instruction
    ("mma.sync-e4m3", "e4m3", "sm_89"),
    *(("mma.sync-scaled", dtype, "sm_120a") for dtype in sorted(peak.BLOCK_SCALED)),
]

# ---------------------------------------------------------------- peak: operands and sums


@pytest.mark.parametrize("dtype", peak.KINDS)
def test_operands_are_stored_exactly_and_pairs_add_up_to_the_grid(dtype: str) -> None:
    form = peak.KINDS[dtype]
    arrays = peak.inputs(peak_case(dtype), np.random.default_rng(3))
    for name, other in (("a", 16), ("b", 8)):
        values = units.as_float(arrays[name], form.stored).astype(np.float64)
        assert np.array_equal(values + values[np.arange(len(values)) ^ other], np.full(values.shape, form.step))
        assert np.max(np.abs(values)) <= form.limit
        assert np.std(values) > 0.4 * form.limit  # random data, not small change
        assert len(np.unique(values)) >= min(8, values.size // 4)


@pytest.mark.parametrize("dtype", peak.KINDS)
def test_sums_have_the_bits_they_need(dtype: str) -> None:
    """After most rounds of a stretch, every sum on the way is a multiple of e e of no more bits than the type keeps."""
    form = peak.KINDS[dtype]
    assert form.stretch >= 32
    arrays = peak.inputs(peak_case(dtype), np.random.default_rng(3))
    a, b = (units.as_float(arrays[name], form.stored).astype(np.float64) for name in "ab")
    sums = np.full((form.rows, form.columns), (form.stretch - 1) * form.depth * form.step**2)
    for left, right in ((0, 0), (16, 0), (16, 8), (0, 8)):
        sums += a[np.arange(form.rows) ^ left] @ b[np.arange(form.columns) ^ right].T
        steps = sums / form.step**2
        assert np.array_equal(steps, np.rint(steps))
        assert np.max(np.abs(steps)) <= 2.0**form.bits
    assert np.array_equal(steps, np.full_like(steps, form.stretch * form.depth))


def test_flops_are_whole_rounds_of_every_implementation() -> None:
    assert peak.invalid(peak_case("bf16", peak.QUANTUM + 2))
    assert not peak.invalid(peak_case("bf16", peak.QUANTUM))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_processor_gets_four_blocks_where_there_is_work(arch: str) -> None:
    device = TYPICAL[arch]
    for item in peak.BENCHMARK.implementations[:4]:
        for dtype in peak.KINDS:
            case = peak_case(dtype, 2**36)
            if item.supports(case):
                assert isinstance(item.op, CudaKernel)
                (launch,) = item.op.launches(case, device)
                assert launch.grid == (4 * device.processors, 1, 1)


@GPP
@pytest.mark.parametrize(("name", "dtype", "arch"), PEAKS)
def test_peak_counts_all_multiply_adds(name: str, dtype: str, arch: str) -> None:
    assert accepted(peak.BENCHMARK, name, peak_case(dtype), arch)


@GPP
@pytest.mark.parametrize("seed", [1, 2])
def test_peak_divides_uneven_rounds(seed: int) -> None:
    """19 rounds on the 16 warps of 4 blocks, and sums that start again after every second round."""
    case = peak_case("int8", 19 * peak.QUANTUM)
    assert accepted(peak.BENCHMARK, "mma.sync", case, seed=seed, edit={"min(share, stretch)": "min(share, 2u)"})


PEAK_FAULTS = {
    "a product left out": {"registers.add_products<1, 1>();": ""},
    "the wrong partner": {"registers.add_products<0, 1>();": "registers.add_products<0, 0>();"},
    "a round left out": {"r < now; r++": "r + 1 < now; r++"},
    "a stale sum": {"registers.clear();": "if (threadIdx.x) registers.clear();"},
    "another warp's rounds": {"rounds * warp / warps": "rounds * (warp / 2) / warps"},
    "a wrong operand": {"t + r / 2 * 4]": "t + r / 2 * 4] ^ (g == 3 && i == 2)"},
    "a block not counted": {"total += __ldcg(partial + i)": "total += i ? __ldcg(partial + i) : 0"},
}


@GPP
@pytest.mark.parametrize("fault", PEAK_FAULTS)
def test_a_fault_of_peak_is_found(fault: str) -> None:
    assert not accepted(peak.BENCHMARK, "mma.sync", peak_case("int8", 2**22), edit=PEAK_FAULTS[fault])


@GPP
def test_a_total_before_the_last_block_has_ended_is_found() -> None:
    """In the first iteration: later ones would find the right numbers of the one before."""
    edit, case = {"!= gridDim.x - 1) return": "!= gridDim.x - 2) return"}, peak_case("int8", 2**22)
    assert isinstance(simulate.run(peak.BENCHMARK, "mma.sync", case, edit=edit, iterations=1), Rejected)


@GPP
def test_a_lost_multiply_add_of_fma_is_found() -> None:
    edit = {"d[i][j] = multiply_add(": "if (i != 7 || j != 3 || threadIdx.x != 5) d[i][j] = multiply_add("}
    assert not accepted(peak.BENCHMARK, "fma", peak_case("fp32"), edit=edit)


# ---------------------------------------------------------------- peak: the loop

PADDING = re.compile(r"^@!U?PT ")
"""Instructions that are never executed: ptxas paces the fp64 tensor cores with them."""


def loop(text: str, instruction: str) -> list[str]:
    """The innermost loop with the most of ``instruction``: from the label that a branch goes back to, to the branch."""
    lines, labels, best = [], {}, list[str]()
    for line in text.splitlines():
        if match := re.match(r"(\.L_\w+):", line):
            labels[match[1]] = len(lines)
        elif match := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", line):
            lines.append(match[1])
            back = re.search(r"\bBRA\b.*(\.L_\w+)", match[1])
            body = lines[labels[back[1]] :] if back and back[1] in labels else []
            if sum(instruction in one for one in body) and (not best or len(body) < len(best)):
                best = body
    return best


def compiled(name: str, dtype: str, arch: str) -> tuple[list[str], str, cubin.Entry]:
    """The loop, its instruction, and the kernel's needs."""
    op = next(item.op for item in peak.BENCHMARK.implementations if item.name == name)
    assert isinstance(op, CudaKernel)
    instruction = op.tensor(peak_case(dtype))
    try:
        done = compiler.compile(op.source(peak_case(dtype), TYPICAL[arch]), arch)
        body = loop(disassembly(done.path), instruction)
    except UnavailableError as error:
        pytest.skip(str(error))
    return body, instruction, cubin.entries(done.path.read_bytes(), done.log)[0]


EACH = [
    pytest.param(item.name, dtype, arch, id=f"{item.name}-{dtype}-{arch}")
    for item in peak.BENCHMARK.implementations
    if isinstance(item.op, CudaKernel)
    for dtype in ("fp32", "fp64", "bf16", "int8", "e4m3", "mxfp8", "nvfp4")  # the others are bf16 with another word
    if item.supports(peak_case(dtype))
    for arch in sorted(item.op.archs)
]


@pytest.mark.parametrize(("name", "dtype", "arch"), EACH)
def test_the_loop_is_nothing_but_its_instruction(name: str, dtype: str, arch: str) -> None:
    body, instruction, entry = compiled(name, dtype, arch)
    words = Counter(re.sub(r"^@!?U?P\w+ ", "", one).split()[0] for one in body if not PADDING.match(one))
    wanted = sum(count for word, count in words.items() if word.startswith(instruction))
    assert wanted >= 16
    assert sum(words.values()) - wanted <= 7, f"more than a counter beside the arithmetic: {words}"
    scales = int(name == "mma.sync-scaled")  # one constant, which the compiler makes again in each round
    assert sum(count for word, count in words.items() if word.startswith("MOV")) <= scales
    assert not [word for word in words if word.startswith(("LD", "ST"))]
    assert entry.spills == 0
    assert entry.registers * 512 <= 65536  # four blocks of four warps on a processor


# ---------------------------------------------------------------- processors


def blocks_case(blocks: int, steps: int = 50) -> Case:
    return Case.of("processors", blocks=blocks, steps=steps)


@GPP
@pytest.mark.parametrize("blocks", [1, 4, 5, 130])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_block_is_seen_and_does_its_work(blocks: int, seed: int) -> None:
    assert accepted(processors.BENCHMARK, "spin", blocks_case(blocks), seed=seed)


PROCESSOR_FAULTS = {
    "a step left out": {"i < steps": "i + 1 < steps"},
    "nothing forgotten": {"seen[threadIdx.x] = 0": "seen[threadIdx.x] += 0"},
    "a block not seen": {"processor < length": "processor < length && blockIdx.x"},
    "a wrong block": {"end[blockIdx.x] = value": "end[0] = value"},
}


@GPP
@pytest.mark.parametrize("fault", PROCESSOR_FAULTS)
def test_a_fault_of_processors_is_found(fault: str) -> None:
    assert not accepted(processors.BENCHMARK, "spin", blocks_case(5), edit=PROCESSOR_FAULTS[fault])


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_two_blocks_do_not_fit_on_a_processor(arch: str) -> None:
    """A processor has no more than 1 KiB beyond what one block may have, and keeps 1 KiB of each block for itself."""
    device = TYPICAL[arch]
    spin = processors.launches(blocks_case(1), device)[1]
    assert 2 * (spin.shared + 1024) > device.shared + 1024


# ---------------------------------------------------------------- fill


def fill_case(nbytes: int) -> Case:
    return Case.of("fill", bytes=nbytes)


@GPP
@pytest.mark.parametrize("nbytes", [16, 16 * 511, 16 * 4097, 2**19])
@pytest.mark.parametrize("seed", [1, 2])
def test_memory_that_keeps_its_lines_passes(nbytes: int, seed: int) -> None:
    assert accepted(fill.BENCHMARK, "hash", fill_case(nbytes), seed=seed)


FILL_FAULTS = {
    "a stuck address line": {"store_once(memory + line,": "store_once(memory + (line & ~64ull),"},
    "the last line not written": {"line < lines; line += stride": "line + 1 < lines; line += stride"},
    "lines not compared": {"line += AHEAD * stride": "line += 2 * AHEAD * stride"},
    "another seed": {"(line >> 32) + seed": "(line >> 32) + seed + 1"},
    "all lines alike": {"static_cast<u32>(line) ^": "0 ^"},
    "findings not reset": {"*findings = {0, ~0ull, 0}": "findings->bad = 0"},
}


@GPP
@pytest.mark.parametrize("fault", FILL_FAULTS)
def test_a_fault_of_fill_is_found(fault: str) -> None:
    assert not accepted(fill.BENCHMARK, "hash", fill_case(2**19), edit=FILL_FAULTS[fault])


@GPP
@pytest.mark.parametrize("line", [0, 777, 4095])
@pytest.mark.parametrize("word", range(4))
def test_one_flipped_bit_is_found_where_it_is(line: int, word: int) -> None:
    case, runtime = fill_case(2**16), simulate.SimulatedRuntime()
    _, _, buffers = simulate.bound(fill.BENCHMARK, "hash", case, runtime)
    source = fill.KERNEL.source(case, runtime.device())
    written, _, verified = (
        runtime.prepare(source, launch, buffers) for launch in fill.launches(case, runtime.device())
    )
    written()
    buffers["memory"][line, word] ^= np.uint32(1 << 30)
    verified()
    assert buffers["findings"].tolist() == [1, line, 4096]


@GPP
def test_lines_beyond_64_gib_hash_as_the_reference_says() -> None:
    """The kernel, told that its lines begin at number 2**33 + 5, against Python's integers."""
    start, case = 2**33 + 5, fill_case(2**12)
    runtime = simulate.SimulatedRuntime(
        edit={"pattern(u64 line, u32 seed) {": f"pattern(u64 line, u32 seed) {{ line += {start}ull;"}
    )
    step, inputs, buffers = simulate.bound(fill.BENCHMARK, "hash", case, runtime)
    step()
    seed = int(inputs["seed"][0])
    assert buffers["findings"].tolist() == [0, fill.NONE, 256]
    assert buffers["memory"].tolist() == [list(fill.line_words(start + i, seed)) for i in range(256)]


def test_the_whole_chip_fills_and_few_lines_fill_few_blocks() -> None:
    device = replace(TYPICAL["sm_90a"], processors=3)
    assert fill.launches(fill_case(2**30), device)[0].grid == (6, 1, 1)
    assert fill.launches(fill_case(16), device)[2].grid == (1, 1, 1)
