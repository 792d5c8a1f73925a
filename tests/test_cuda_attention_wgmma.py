"""Hopper's attention on the CPU: types, heads, tiles and masks against float64; schedules, faults; machine code."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from benchsuite import discovery, inspection, kernels, units
from benchsuite.backends.cuda import compiler, cubin
from benchsuite.benchmarks import _attention_cuda as cuda
from benchsuite.benchmarks.attention import BENCHMARK, allowed
from benchsuite.model import TYPICAL, Array, Case, Ranks, Rejected
from tests.cuda_host import simulate

needs_gxx = pytest.mark.skipif(not simulate.available(), reason="needs g++")
H200 = TYPICAL["sm_90a"]


def case(**changes: object) -> Case:
    shape = {"batch": 1, "heads": 2, "kv_heads": 1, "head_dim": 64, "seq": 300, "causal": True, "dtype": "bf16"}
    return Case.of("attention", **{**shape, **changes})  # type: ignore[arg-type]


def error(
    this: Case, seed: int = 0, edit: Mapping[str, str] | None = None, iterations: int = 1, l2: int = 1 << 16
) -> float | Rejected:
    on = replace(simulate.device("sm_90a", 2), l2=l2)
    return simulate.run(BENCHMARK, "wgmma", this, on=on, seed=seed, edit=edit, iterations=iterations)


# ---------------------------------------------------------------- right


@needs_gxx
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("dim", [64, 128, 256])
@pytest.mark.parametrize("dtype", ["bf16", "e4m3"])
def test_every_head_and_tile_equals_float64(dtype: str, dim: int, causal: bool) -> None:
    """200 tokens: tails of queries and keys, consumers without queries, tiles that a consumer does not see at all."""
    for seq in (1, 200):
        assert isinstance(found := error(case(head_dim=dim, causal=causal, dtype=dtype, seq=seq)), float), (seq, found)


@needs_gxx
def test_fp16_equals_float64() -> None:
    assert isinstance(found := error(case(dtype="fp16")), float), found


@needs_gxx
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("seq", [63, 64, 65, 127, 129, 191, 193, 256])
def test_every_length_equals_float64(seq: int, causal: bool) -> None:
    for dtype in ("bf16", "e4m3"):
        assert isinstance(found := error(case(seq=seq, causal=causal, heads=1, dtype=dtype), seed=seq), float), found


@needs_gxx
@pytest.mark.parametrize(("batch", "heads", "kv_heads"), [(2, 8, 1), (2, 2, 2), (3, 2, 1)])
@pytest.mark.parametrize("l2", [1 << 10, 1 << 30])
def test_every_head_meets_its_keys_in_every_order_of_tiles(l2: int, batch: int, heads: int, kv_heads: int) -> None:
    """The cache's size decides how many heads run together; a second launch finds the tickets as the first did."""
    for dtype in ("bf16", "e4m3"):
        this = case(batch=batch, heads=heads, kv_heads=kv_heads, seq=70, dtype=dtype)
        assert isinstance(found := error(this, l2=l2, iterations=2), float), found


@needs_gxx
def test_every_schedule_gives_the_same_bits() -> None:
    """Whichever block has which ticket, and whoever of its threads and machines is slow."""

    def bits(seed: int) -> Array:
        runtime = simulate.SimulatedRuntime(simulate.device("sm_90a", 1 + seed % 3), seed)
        step, _, buffers = simulate.bound(BENCHMARK, "wgmma", case(seq=520), runtime)
        step()
        return buffers["o"].copy()

    first = bits(0)
    for seed in range(1, 4):
        np.testing.assert_array_equal(bits(seed), first)


@needs_gxx
@pytest.mark.long
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dim", [64, 128, 256])
@pytest.mark.parametrize("dtype", ["bf16", "fp16", "e4m3"])
def test_many_shapes(dtype: str, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        kv_heads, causal, seq = int(rng.integers(1, 3)), bool(rng.integers(2)), int(rng.integers(1, 700))
        heads = kv_heads * int(rng.integers(1, 4))
        this = case(seq=seq, heads=heads, kv_heads=kv_heads, causal=causal, dtype=dtype, head_dim=dim)
        assert isinstance(found := error(this, seed), float), (this.key, found)


def by_rows(this: Case, size: float, edit: Mapping[str, str] | None = None) -> tuple[Array, Array]:
    """Output and float64, of queries that are ``size`` times as large."""
    dtype = this.text("dtype")
    step, inputs, buffers = simulate.bound(BENCHMARK, "wgmma", this, simulate.SimulatedRuntime(H200, edit=edit))
    grown = units.as_float(inputs["q"], dtype).astype(np.float32) * np.float32(size)
    inputs["q"] = units.to_bf16(grown) if dtype == "bf16" else units.to_e4m3(grown)
    buffers["q"][...] = inputs["q"]
    step()
    expected = BENCHMARK.reference(this, cast(Ranks, [inputs]), np.random.default_rng(0))["o"]
    return units.as_float(buffers["o"], "bf16"), expected.values


@needs_gxx
@pytest.mark.parametrize(
    ("dtype", "size"), [("bf16", 1e-3), ("bf16", 20.0), ("bf16", 3e3), ("e4m3", 1e-2), ("e4m3", 20.0)]
)
def test_scores_of_any_size_stay_finite(dtype: str, size: float) -> None:
    """The largest score climbs far where scores are large; nothing may overflow, and no sum be lost."""
    got, want = by_rows(case(heads=1, dtype=dtype), size)
    # Scores of 10^4 are float32 numbers 10^-3 apart: the weights of keys that nearly tie are off by as much. Those of
    # e4m3 are off by 2^-4 each, and its scores by the bits that sums lose.
    near = 2e-2 if dtype == "bf16" else 0.2
    np.testing.assert_allclose(got, want, rtol=1e-2, atol=near)


@needs_gxx
@pytest.mark.parametrize("dtype", ["bf16", "e4m3"])
def test_every_row_is_as_close_as_its_own_number_of_keys_allows(dtype: str) -> None:
    """Of e4m3 they differ most: 0.18 for a few keys, 0.02 for 520."""
    this = case(dtype=dtype, heads=1, seq=520)
    got, want = by_rows(this, 1.0)
    for row in range(520):
        limit = allowed(this, row + 1)
        assert limit is not None
        within = np.abs(got[:, :, row] - want[:, :, row]) <= limit.absolute + limit.relative * np.abs(want[:, :, row])
        assert within.all(), row


def test_what_e4m3_loses_is_inside_the_tolerance_and_a_lost_tile_is_not() -> None:
    """On the reference itself: weights rounded as the kernel rounds them; keys left out of one side."""
    rng = np.random.default_rng(3)
    for keys in (8, 64, 1024, 16384):
        scores, v = rng.standard_normal((200, keys)), rng.standard_normal((keys, 64))
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        rounded = units.as_float(units.to_e4m3((256.0 * weights).astype(np.float32)), "e4m3") / 256.0
        exact = weights @ v / weights.sum(axis=1, keepdims=True)
        limit = allowed(case(dtype="e4m3", seq=keys, causal=False), keys)
        assert limit is not None
        error_of = np.abs(rounded @ v / weights.sum(axis=1, keepdims=True) - exact)
        assert (error_of <= 0.8 * (limit.absolute + limit.relative * np.abs(exact))).all(), keys
        if keys >= 1024:
            kept = np.arange(keys) >= 128
            wrong = weights[:, kept] @ v[kept] / weights[:, kept].sum(axis=1, keepdims=True)
            assert (np.abs(wrong - exact) > limit.absolute + limit.relative * np.abs(exact)).any(), keys


# ---------------------------------------------------------------- wrong

# Edits of the kernel's text. `@fault@` is whether that fault is planted: one build has them all.
EDITS = {
    "Turn k{0, 0}, v{0, 0};": "Turn k{0, @parity@}, v{0, 0};",
    "  mbarrier_wait(ring.empty + 8": "  if (!@empty@) mbarrier_wait(ring.empty + 8",
    "_expect(full, TILE);": "_expect(full, @few@ ? TILE / 2 : TILE);",
    "    wgmma_wait<1>(s);\n": "if (@keys@) give_back(shared.keys, k);\n if (!@scores@) wgmma_wait<1>(s);\n",
    "    wgmma_wait<0>(o);\n": "if (@values@) give_back(shared.values, v);\n if (!@weights@) wgmma_wait<0>(o);\n",
    "    await(shared.values, v);": "    if (!@arrival@) await(shared.values, v);",
    "    mbarrier_wait(shared.full": "    if (!@queries@) mbarrier_wait(shared.full",
    "this one's turn\n": "this one's turn\n    if (!@fence@)",
    "if (consumer == CONSUMERS - 1) named": "if (consumer == CONSUMERS - 1 && !@first@) named",
    "1 + (consumer + 1) % CONSUMERS": "1 + (consumer + !@again@) % (CONSUMERS - @last@)",
    "row + 1 - from": "row + 1 + @next@ - @itself@ - from",
    "from + BN - 1 <= first": "from + BN - 1 <= first + @diagonal@ * ROWS",
    "from + BN <= shape.seq": "from + BN <= shape.seq + @tail@ * BN",
    "top == -INFINITE ?": "top == -INFINITE && !@none@ ?",
    "o[i] *= fade[i / 2 % 2]": "o[i] *= @fade@ ? 1.0f : fade[i / 2 % 2]",
    "rows.sum[h] *= fade[h]": "rows.sum[h] *= @sum@ ? 1.0f : fade[h]",
    "  fence_proxy_async();\n  named": "  if (!@proxy@) fence_proxy_async();\n  if (!@together@) named",
    "  tensor_store_wait_read<0>();": "  if (!@leaving@) tensor_store_wait_read<0>();",
    "(chunk ^ row % 8)": "(chunk ^ row % (@swizzle@ ? 4 : 8))",
    "stride = 8 * line / 16": "stride = (@descriptor@ ? 4 : 8) * line / 16",
    "work.head / shape.group;": "work.head / shape.group ^ @head@;",
    "(end + BN - 1) / BN}": "(end + BN - 1) / BN - (@tile@ && end > BN)}",
    "registers_increase<MORE>();": "@registers@ ? registers_increase<MORE + 8>() : registers_increase<MORE>();",
    "next[0] = next[1] = 0;": "next[0] = @tickets@ ? next[0] : 0, next[1] = 0;",
}
FAULTS = {
    "parity": "deadlock|race|more than",  # consumers wait for the wrong one
    "empty": "more than the 1 arrivals|race: .* the copy engine",  # the producer does not wait for slots
    "few": "too few were expected|bytes fewer than arrived",  # bytes announced
    "keys": "read and written by wgmma and the copy engine",  # given back before they are read
    "values": "read and written by wgmma and the copy engine",
    "scores": "under way|race",  # read before they are there
    "weights": "under way|race",  # overwritten while wgmma reads them
    "arrival": "race: .* the copy engine",  # of values, not waited for
    "queries": "race|outside",  # not waited for, nor the ticket
    "fence": "no wgmma.fence",  # between weights and wgmma
    "first": "deadlock: .*misses",  # nobody has the first turn
    "again": "deadlock: .*misses",  # the turn goes to who has had it
    "last": "deadlock: .*misses",  # the third consumer never has one
    "next": "compared values of o are wrong",  # a token sees the one after it
    "itself": "compared values of o are wrong|finite|NaN",  # ... or not itself
    "diagonal": "compared values of o are wrong",  # is not masked where it crosses a tile
    "none": "finite|NaN",  # a row that sees no key of its first tile
    "fade": "compared values of o are wrong",  # o does not follow its shift
    "sum": "compared values of o are wrong",  # ... nor the sum
    "proxy": "fence.proxy.async is missing",  # the copy engine takes what no fence has shown it
    "together": "race",  # results are stored before all are there
    "leaving": "a bulk store|stores read shared memory",  # results, while queries come
    "swizzle": "compared values of o are wrong",  # of results
    "descriptor": "compared values of o are wrong",  # of lines that lie closer
    "head": "compared values of o are wrong",  # keys of another one
    "tile": "compared values of o are wrong",  # is left out
    "registers": "deadlock: .*misses",  # more than there are
    "tickets": "finite|NaN|compared",  # not counted from the beginning again
}
"""Each fault, and how it is found."""
EDITS_OF_E4M3 = {
    "__byte_perm(k[8], k[9], two)": "__byte_perm(k[@order@ ? 2 : 8], k[9], two)",
    "w[4], w[5]": "w[@exchange@ ? 5 : 4], w[@exchange@ ? 4 : 5]",
    "-Type::boost);": "-(Type::boost + 2 * @large@));",
    "* QUADS + quad] : 0;": "* QUADS + quad] : @padding@ ? ~0u : 0;",
    "tensor_load(to, map, tile * BN, 0, head, full)": "tensor_load(to, map, tile * BN, 0, head ^ @other@, full)",
    "from + BN <= shape.seq": EDITS["from + BN <= shape.seq"],
}
FAULTS_OF_E4M3 = {
    "order": "compared values of o are wrong",  # keys of v^T that are not in that of scores
    "exchange": "compared values of o are wrong",  # weights meet others' values
    "large": "compared values of o are wrong",  # weights beyond e4m3's largest number
    "padding": "finite|NaN",  # of v^T, which is no number
    "other": "compared values of o are wrong",  # head's v^T
    "tail": "compared values of o are wrong",  # keys beyond the last are not masked
}


def planted(edits: Mapping[str, str]) -> dict[str, str]:
    """The edits, where each asks the environment while it runs."""
    ask = '#ifndef __CUDACC__\n#define PLANTED(fault) (!strcmp(getenv("PLANTED"), fault))\n#endif\n'
    head = '#include "ptx.cuh"\n'
    put = {before: re.sub(r"@(\w+)@", r'PLANTED("\1")', after) for before, after in edits.items()}
    return {head: head + ask, **put}


def found(this: Case, edits: Mapping[str, str], fault: str, monkeypatch: pytest.MonkeyPatch) -> float | Rejected:
    monkeypatch.setenv("PLANTED", fault)
    return error(this, edit=planted(edits), iterations=2 if fault == "tickets" else 1)


@needs_gxx
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = found(case(heads=4, kv_heads=2, seq=650), EDITS, fault, monkeypatch)
    assert isinstance(result, Rejected), fault
    assert re.search(FAULTS[fault], result.reason), result.reason


@needs_gxx
@pytest.mark.parametrize("fault", FAULTS_OF_E4M3)
def test_a_fault_planted_in_e4m3_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    this = case(heads=4, kv_heads=2, seq=300, dtype="e4m3", causal=False)
    result = found(this, EDITS_OF_E4M3, fault, monkeypatch)
    assert isinstance(result, Rejected), fault
    assert re.search(FAULTS_OF_E4M3[fault], result.reason), result.reason


@needs_gxx
def test_edits_that_plant_nothing_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(found(case(heads=4, kv_heads=2, seq=650), EDITS, "", monkeypatch), float)
    this = case(heads=4, kv_heads=2, seq=300, dtype="e4m3", causal=False)
    assert isinstance(found(this, EDITS_OF_E4M3, "", monkeypatch), float)


# ---------------------------------------------------------------- how it is cut


def test_blocks_fit_and_every_tile_is_executed() -> None:
    """Shared memory, registers and whole boxes; the runs above take every tile of the table."""
    for (element, dim, causal), cut in cuda.TILES.items():
        this = case(dtype="bf16" if element == 2 else "e4m3", head_dim=dim, causal=causal, heads=8, seq=16384)
        *_, launch = cuda.launches(this, H200)
        assert launch.shared == cuda.shared_memory(cut, dim, dim * element) <= H200.shared
        assert launch.block == (128 * (1 + cut.consumers), 1, 1)
        assert launch.grid == (H200.processors, 1, 1)
        sums, scores, weights = dim // 2, cut.keys // 2, cut.keys * element // 8
        assert sums + scores + weights + 16 <= {2: 240, 3: 160}[cut.consumers]
    *_, launch = cuda.launches(case(seq=1), H200)
    assert launch.grid == (2, 1, 1), "two heads, one tile each"


def test_only_e4m3_is_transposed_and_only_what_wgmma_multiplies_is_served() -> None:
    assert [launch.entry for launch in cuda.launches(case(), H200)] == ["attention"]
    assert [launch.entry for launch in cuda.launches(case(dtype="e4m3"), H200)] == ["transpose", "attention"]
    assert set(cuda.scratch(case(), H200)) == {"tickets"}
    assert cuda.scratch(case(dtype="e4m3", seq=33), H200)["vt"].shape == (1, 64, 64)
    assert not cuda.serves(case(dtype="fp32"))
    assert BENCHMARK.outputs(case(dtype="e4m3"))["o"].dtype == "bf16"


# ---------------------------------------------------------------- machine code


@pytest.fixture(scope="module")
def inspections() -> list[inspection.Inspection]:
    """Every variant that the benchmark and the GPU suites ask for."""
    found = kernels.variants({"attention": BENCHMARK}, ["sm_90a"], kernels.asked(discovery.discover()))
    return inspection.inspect([one for one in found if one.implementations == ("wgmma",)])


def test_the_machine_code_is_what_is_meant(inspections: list[inspection.Inspection]) -> None:
    kinds = set()
    for one in inspections:
        assert one.faults == (), (one.variant.label, one.faults)
        kernel = next(kernel for kernel in one.kernels if kernel.entry == "attention")
        assert {"UTMALDG", "UTMASTG", "USETMAXREG"} <= kernel.feeding.keys(), one.variant.label
        assert (kernel.feeding["USETMAXREG"], kernel.spills, kernel.stack, kernel.static) == (2, 0, 0, 0)
        assert kernel.registers == {384: 168, 512: 128}[kernel.threads], one.variant.label
        assert kernel.blocks == 1
        assert not {"LDGSTS", "LDSM"} & kernel.feeding.keys(), "no thread carries operands"
        kinds |= {name.split(".")[0] for name in kernel.tensor}
    assert kinds == {"HGMMA", "QGMMA"}
    assert len(inspections) == 3 * 3 + 2, "types and heads; at 128 columns 16-bit types have a tile for each mask"


def listing(one: inspection.Inspection) -> list[str]:
    """The instructions of `attention`, one a line."""
    path = compiler.compile(one.variant.source, "sm_90a").path
    command = [cubin.nvdisasm(), "--print-code", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    code = text[text.index(".text.attention:") :]
    return re.findall(r"/\*[0-9a-f]{4,}\*/ +(.+?) ;", code)


def test_exponentials_are_computed_while_the_second_product_is_under_way(
    inspections: list[inspection.Inspection],
) -> None:
    """In the order of the machine code: both products, the turn, the wait for scores, exponentials, the wait for sums.

    The compiler sees no reason against waiting for both at once, and would: then nothing overlaps within a warpgroup.
    """
    for one in inspections:
        if "TYPE=fp16" in one.variant.label:
            continue  # as bf16
        lines = listing(one)
        waits = [at for at, line in enumerate(lines) if "WARPGROUP.DEPBAR.LE gsb0" in line]
        assert [lines[at].split()[-1] for at in waits] == ["0x0", "0x1", "0x0", "0x0"], one.variant.label
        scores, sums = waits[1:3]
        cut, between = dict(one.variant.source.defines), lines[scores:sums]
        exponentials = sum("MUFU.EX2" in line for line in between)
        assert exponentials == int(cut["BN"]) // 2 + 2, one.variant.label
        before = lines[waits[0] : scores]
        products = [line for line in before if "GMMA" in line]
        of_registers = [line for line in products if re.search(r"GMMA\S* R\d+, R\d+, gdesc", line)]
        step = 32 if cut["TYPE"] == "e4m3" else 16
        assert len(of_registers) == int(cut["BN"]) // step, one.variant.label
        assert len(products) - len(of_registers) == int(cut["HEAD_DIM"]) // step, one.variant.label
        assert [line.split()[0] for line in before if line.startswith("BAR.")][-1] == "BAR.ARV", one.variant.label
        assert not any("GMMA" in line for line in between)
