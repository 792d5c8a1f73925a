"""Prefill attention on GeForce Blackwell: what its main loop is made of, against the clocks that its products take."""

from __future__ import annotations

from collections import Counter

import pytest

from benchsuite.backends.cuda import compiler, cubin, occupancy
from benchsuite.benchmarks import attention
from benchsuite.errors import UnavailableError
from benchsuite.model import TYPICAL, Case
from tests import sass

GEFORCE = TYPICAL["sm_120a"]
MMA_CLOCKS = 32
"""Of a scheduler for one 16 x 8 x 16: 4096 operations at 128 a clock, a quarter of 209.5 TFLOP/s / 170 / 2.407 GHz."""
EXPONENTIAL_CLOCKS = 8
"""Of a scheduler for one warp's exponentials: four lanes at a time."""
LDMATRIX_CLOCKS = 4
"""Of a processor's shared memory for 512 bytes."""
EXPOSED = 300
"""Clocks between a warp's last score and its first product with v: a chain of about 90 instructions, estimated."""
GOAL = 0.94


def case(dim: int, dtype: str = "bf16") -> Case:
    shape = {"batch": 1, "heads": 32, "kv_heads": 8, "head_dim": dim, "seq": 8192, "causal": True, "dtype": dtype}
    return Case.of("attention", **shape)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[64, 128, 256])
def compiled(request: pytest.FixtureRequest) -> tuple[int, compiler.Compiled, Counter[str]]:
    """A head dimension, its kernel and the kernel's main loop."""
    done = compiler.compile(attention.source(case(request.param), GEFORCE), "sm_120a")
    try:
        return request.param, done, sass.loop(sass.disassembly(done.path), "HMMA")
    except UnavailableError as error:
        pytest.skip(str(error))


def test_the_loop_has_the_products_of_one_tile_and_loads_each_operand_once(
    compiled: tuple[int, compiler.Compiled, Counter[str]],
) -> None:
    dim, done, body = compiled
    tile = attention.tiling(case(dim), GEFORCE)
    rows = tile["BM"] // tile["WARPS"]
    assert rows == 16, "q stays in registers"
    assert body["HMMA"] == 2 * (rows // 16) * (tile["BN"] // 8) * (dim // 16)
    assert body["LDSM"] == body["HMMA"] // 2, "a load of four 8 x 8 feeds two products"
    assert body["STL"] == body["LDL"] == 0
    (entry,) = cubin.entries(done.path.read_bytes(), done.log)
    assert (entry.spills, entry.stack) == (0, 0)


def test_the_tensor_cores_are_the_bound_with_room_for_the_goal(
    compiled: tuple[int, compiler.Compiled, Counter[str]],
) -> None:
    """By arithmetic: nothing here was timed."""
    dim, done, body = compiled
    tile, (launch,) = attention.tiling(case(dim), GEFORCE), attention.launches(case(dim), GEFORCE)
    (entry,) = cubin.entries(done.path.read_bytes(), done.log)
    blocks = occupancy.blocks("sm_120a", launch.block[0], entry.registers, launch.shared)
    assert blocks == tile["BLOCKS"]
    warps = blocks * tile["WARPS"] // 4  # of a scheduler
    assert warps >= 2
    clocks = warps * body["HMMA"] * MMA_CLOCKS  # in which each of them does one tile
    assert warps * body.total() < clocks / 4, "issue slots, masks and rescaling included"
    assert warps * body["MUFU"] * EXPONENTIAL_CLOCKS < clocks / 4
    copied = 4 * tile["BN"] * dim * blocks / 128  # bytes of k and v, written at 128 a clock
    assert 4 * warps * body["LDSM"] * LDMATRIX_CLOCKS + copied < clocks / 2, "one shared memory for all schedulers"
    assert clocks / (clocks + EXPOSED) > GOAL, "even if all warps of a scheduler wait at once"


@pytest.mark.parametrize("causal", [False, True])
def test_the_last_round_of_blocks_leaves_the_goal_in_reach(causal: bool) -> None:
    """Equal blocks end together; the last round holds few of them, alone on their processors, in half a round's time.

    Causal: a block's time goes with its queries' place; the longest start first, and the shortest fill the end.
    """
    (launch,) = attention.launches(case(128), GEFORCE)
    heads, tiles, sets = launch.grid
    slots = GEFORCE.processors * attention.tiling(case(128), GEFORCE)["BLOCKS"]
    blocks = heads * tiles * sets
    free = [0.0] * slots
    for i in range(blocks):  # in the order in which they start; the time of a full row of tiles is 1
        first = min(range(slots), key=free.__getitem__)
        free[first] += (tiles - i // heads % tiles) / tiles if causal else 1.0
    ideal = sum(free) / slots
    rounds = max(free) if causal else blocks // slots + (0.55 if blocks % slots else 0.0)
    assert ideal / rounds > 0.95
