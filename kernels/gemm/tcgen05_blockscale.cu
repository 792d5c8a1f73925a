// C (m, n) = A (m, k) B on the block-scaled tensor cores of datacenter Blackwell (sm_100a) by tcgen05: mxfp8 and nvfp4.
//
// mxfp8: e4m3 numbers, 32 of them along k share a power of two (ue8m0). nvfp4: e2m1 numbers, two a byte, 16 share a scale
// ue4m3, and a whole matrix one float. The tensor cores multiply by the blocks' scales themselves. C is bf16.
//
// As in tcgen05.cu two blocks of a cluster are a pair and compute tiles of 256 x 256, one after the other; one thread has the
// copy engine bring stages of 128 bytes of k, one thread of the pair has them multiplied, four warps of each block store. What
// differs is that the tensor cores take scales from tensor memory: the multiplying thread has each stage's copied there before
// its products. And that sums and scales share 512 columns, so the two buffers of sums overlap:
//
//   columns  0          192        256         448        512
//            | buffer 0 ............|           | scales   |
//                       | buffer 1 .............|
//
// A tile is stored beginning with the 64 columns that the next one needs; once these are in registers the next tile starts, and
// the other 192 are stored while it is multiplied:
//
//   copy engine    A0 B0 S0 | A1 B1 S1 | ... | A0 B0 S0 ...      waits for empty[s], reports to full[s] of the first block
//   tensor cores          | tile 0 into buffer 0  |..| tile 1 into buffer 1  |..| tile 2 into buffer 0 ...
//                         waits for full[s] and drained; commits to empty[s] and, after a tile, summed[b] of both blocks
//   warps 0-3                                     |64| store 192 of tile 0   |64| store ...
//                         wait for summed[b]; arrive at drained of the first block when the columns are free that both share
//
// The budget:
//   clocks         128 x 256 x 32 bytes of k in each block are 128 clocks, at 8192 multiply-adds a clock (mxfp8) or 16384 (nvfp4);
//                  a stage is 512, a tile of k = 8192 32,768 or 16,384. Of them the tensor cores wait some 300, by estimate, for
//                  the first 64 columns to be fetched: 1 to 2 %.
//   shared reads   128 rows of A, 128 of B and the scales: 67 or 76 of 128 B a clock.
//   level 2        a stage is 16 KiB of A, 16 of B and 1.5 (mxfp8) or 6 of scales: 67 or 76 B a clock.
//   in flight      4 of 5 stages, 134 or 152 KiB a processor or 20 MB in all; 8 TB/s x 0.8 us need 6.4 MB.
//   shared memory  5 x 38 KiB of stages and 4 x 2 x 4 KiB of results on their way out: 222 of 227 KiB (nvfp4).
//
// Scales lie as cuBLAS wants them (cuBLAS documentation, "1D Block Scaling Factors Layout"): 512 bytes for 128 rows and 4 blocks
// of k, byte 16 (r mod 32) + 4 (r / 32) + s for row r and block s; such groups along k, then along rows. Copied to tensor memory
// as 32 lanes of 16 bytes, once for each quarter of the lanes, a group is four columns: row r in lane r mod 32 of column r / 32,
// its four scales in one word, as the tensor cores want them (PTX ISA, "Block scaling for tcgen05.mma"). A group serves a stage of
// mxfp8, each product picking its byte, or one product of nvfp4. Every block needs the scales of its rows of A and of all of B.
//
// That a copy waits for the products before it, whose scales it replaces, is not in the PTX ISA's list of what goes in order. Both
// go through the tensor cores' one queue, and public kernels rely on it.
#include "ptx_tcgen05.cuh"

#if !defined(NVFP4) || !defined(STAGES)
#error "give NVFP4 (0: mxfp8), STAGES"
#endif

// ---------------------------------------------------------------- sizes

constexpr int STORERS = 4, COPIER = 4, MULTIPLIER = 5, THREADS = 6 * WARP;  // warps, by their number
constexpr int PAIR = 2, BM = 128, BN = 256, WIDTH = BN / PAIR;  // rows, and columns of B, that a block holds
constexpr int BK = 128, K = NVFP4 ? 2 * BK : BK, STEP = 32, STEPS = BK / STEP;  // bytes and elements of k in a stage; of a product
constexpr int GROUP_BYTES = 512, GROUP_ROWS = 128, GROUP_COLUMNS = 4;  // of scales: in memory, of a matrix, in tensor memory
constexpr int GROUPS = NVFP4 ? STEPS : 1, GROUP_WORDS = GROUP_BYTES / 8;  // along k that a stage brings, in words of the copy engine
constexpr int A_BYTES = BM * BK, B_BYTES = WIDTH * BK;
constexpr int A_SCALES = A_BYTES + B_BYTES, B_SCALES = A_SCALES + GROUPS * GROUP_BYTES;
constexpr int BROUGHT = B_SCALES + BN / GROUP_ROWS * GROUPS * GROUP_BYTES;  // bytes of a stage
constexpr int PATTERN = 1024;  // bytes after which the swizzle repeats: stages begin there
constexpr int STAGE = (BROUGHT + PATTERN - 1) / PATTERN * PATTERN;
constexpr int ACROSS = 64, LINE = 128, PART_BYTES = WARP * LINE;  // columns that a warp stores at a time: 128 bytes of 32 rows
constexpr int BUFFERS = 2;                                        // of results, for each warp; and of sums, in tensor memory
constexpr int SHARED_BY = ACROSS, SECOND = BN - SHARED_BY, SCALES = SECOND + BN, COLUMNS = 512;  // of tensor memory, as drawn
constexpr int TURN = 8;  // tile rows that pairs go through together: near the square root of the pairs at work
constexpr u16 BOTH = (1 << PAIR) - 1;
constexpr u32 PRODUCT = tcgen05_scaled_instruction(NVFP4 ? 1 : 0, NVFP4 ? 0 : 1, PAIR * BM, BN);  // e2m1, ue4m3; e4m3, ue8m0

static_assert(SCALES + GROUPS * GROUP_COLUMNS * (1 + BN / GROUP_ROWS) <= COLUMNS, "tensor memory has 512 columns");

// Where things lie in shared memory.
struct Shared { u32 stages, results, full, empty, summed, drained, tmem; };

DEVICE Shared shared_places(u32 start) {
  u32 stages = (start + PATTERN - 1) / PATTERN * PATTERN, results = stages + STAGES * STAGE;
  u32 full = results + STORERS * BUFFERS * PART_BYTES, empty = full + 8 * STAGES, summed = empty + 8 * STAGES;
  return {stages, results, full, empty, summed, summed + 8 * BUFFERS, summed + 8 * BUFFERS + 8};
}

// A place in a ring, and the parity of the phase of its mbarrier that is waited for.
template <int size> struct Turn { u32 slot, parity; };
template <int size> DEVICE void advance(Turn<size>& turn) {
  if (++turn.slot < size) return;
  turn.slot = 0;
  turn.parity ^= 1;
}

// What all warps of a pair go through in the same order, as in tcgen05.cu.
struct Walk { int down, wide, stages, first, step; u32 rank; };
struct Corner { int row, column; };  // of the pair's tile

DEVICE Walk walk_of(int m, int n, int k) {
  int down = (m + PAIR * BM - 1) / (PAIR * BM), wide = (n + BN - 1) / BN;
  return {down, wide, (k + K - 1) / K, static_cast<int>(blockIdx.x) / PAIR, static_cast<int>(gridDim.x) / PAIR, cluster_rank()};
}
DEVICE Corner corner_of(const Walk& walk, int tile) {
  int first = tile / (TURN * walk.wide) * TURN, height = min(walk.down - first, TURN), within = tile % (TURN * walk.wide);
  return {(first + within % height) * PAIR * BM, within / height * BN};
}

struct Maps { const TensorMap &a, &b, &a_scales, &b_scales, &c; };

// ---------------------------------------------------------------- one thread of each block: global -> shared

DEVICE void bring(const Maps& maps, const Walk& walk, const Shared& shared) {
  Turn<STAGES> turn{0, 1};  // at first every slot is empty
  for (int tile = walk.first; tile < walk.down * walk.wide; tile += walk.step) {
    Corner corner = corner_of(walk, tile);
    int row = corner.row + static_cast<int>(walk.rank) * BM, column = corner.column + static_cast<int>(walk.rank) * WIDTH;
    for (int i = 0; i < walk.stages; i++, advance(turn)) {
      u32 stage = shared.stages + turn.slot * STAGE, full = shared.full + 8 * turn.slot, first = cluster_address(full, 0);
      mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);
      if (walk.rank == 0) mbarrier_arrive_expect(full, PAIR * BROUGHT);
      tensor_load_pair(stage, maps.a, i * BK, row, first);
      tensor_load_pair(stage + A_BYTES, maps.b, i * BK, column, first);
      tensor_load_pair(stage + A_SCALES, maps.a_scales, i * GROUPS * GROUP_WORDS, row / GROUP_ROWS, first);
      tensor_load_pair(stage + B_SCALES, maps.b_scales, i * GROUPS * GROUP_WORDS, corner.column / GROUP_ROWS, first);
    }
  }
  for (int s = 0; s < STAGES; s++, advance(turn))  // no commit is on its way when the block ends
    mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);
}

// ---------------------------------------------------------------- one thread of the pair: shared -> sums in tensor memory

// Group g of A's scales goes to four columns of its own, of B's to eight: those of its first 128 rows, and of the others.
constexpr int A_COLUMN = SCALES, B_COLUMN = SCALES + GROUPS * GROUP_COLUMNS, B_COLUMNS = BN / GROUP_ROWS * GROUP_COLUMNS;

DEVICE void copy_scales(u32 stage, u32 tmem) {
#pragma unroll
  for (int g = 0; g < GROUPS; g++) {
    tcgen05_copy_scales(tmem + A_COLUMN + g * GROUP_COLUMNS, tcgen05_plain_operand(stage + A_SCALES + g * GROUP_BYTES));
#pragma unroll
    for (int rows = 0; rows < BN / GROUP_ROWS; rows++)
      tcgen05_copy_scales(tmem + B_COLUMN + g * B_COLUMNS + rows * GROUP_COLUMNS,
                          tcgen05_plain_operand(stage + B_SCALES + (rows * GROUPS + g) * GROUP_BYTES));
  }
}

DEVICE void multiply(u32 sums, u32 tmem, u64 a, u64 b, int step, u32 add) {
  u32 a_scales = tmem + A_COLUMN, b_scales = tmem + B_COLUMN;
  if (NVFP4) tcgen05_nvfp4(sums, a, b, PRODUCT, a_scales + step * GROUP_COLUMNS, b_scales + step * B_COLUMNS, add);
  else tcgen05_mxfp8(sums, a, b, tcgen05_with_scale(PRODUCT, step), a_scales, b_scales, add);
}

DEVICE void compute(const Walk& walk, const Shared& shared, u32 tmem) {
  Turn<STAGES> turn{0, 0};
  Turn<BUFFERS> buffer{0, 0};
  Turn<1> drained{0, 1};  // at first the shared columns are free
  for (int tile = walk.first; tile < walk.down * walk.wide; tile += walk.step, advance(buffer), advance(drained)) {
    u32 sums = tmem + buffer.slot * SECOND;
    mbarrier_wait(shared.drained, drained.parity);
    for (int i = 0; i < walk.stages; i++, advance(turn)) {
      u32 stage = shared.stages + turn.slot * STAGE;
      u64 a = tcgen05_operand(stage, 0), b = tcgen05_operand(stage + A_BYTES, 0);
      mbarrier_wait(shared.full + 8 * turn.slot, turn.parity);
      tcgen05_fence_after();
      copy_scales(stage, tmem);
#pragma unroll
      for (int step = 0; step < STEPS; step++)
        multiply(sums, tmem, a + step * (STEP / 16), b + step * (STEP / 16), step, i + step > 0);
      tcgen05_commit_pair(shared.empty + 8 * turn.slot, BOTH);
    }
    tcgen05_commit_pair(shared.summed + 8 * buffer.slot, BOTH);
  }
}

// ---------------------------------------------------------------- four warps of each block: sums -> registers -> shared -> global

// 128 bytes of this thread's row, swizzled as the copy engine expects it: eight threads write to eight chunks.
DEVICE void write_line(u32 place, const u32 (&sum)[ACROSS], float factor) {
  u32 row = lane_id();
#pragma unroll
  for (u32 chunk = 0; chunk < 8; chunk++) {
    u32 v[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const u32* s = sum + chunk * 8 + i * 2;
      v[i] = pack_bf16(__uint_as_float(s[0]) * factor, __uint_as_float(s[1]) * factor);
    }
    store_shared16(place + row * LINE + (chunk ^ row % 8) * 16, make_uint4(v[0], v[1], v[2], v[3]));
  }
}

DEVICE void store(const TensorMap& c, float factor, const Walk& walk, const Shared& shared, u32 tmem, u32 warp) {
  Turn<BUFFERS> buffer{0, 0}, result{0, 0};
  for (int tile = walk.first; tile < walk.down * walk.wide; tile += walk.step, advance(buffer)) {
    Corner corner = corner_of(walk, tile);
    int row = corner.row + static_cast<int>(walk.rank) * BM + static_cast<int>(warp) * WARP;
    mbarrier_wait(shared.summed + 8 * buffer.slot, buffer.parity);
    tcgen05_fence_after();
    for (int part = 0; part < BN / ACROSS; part++, advance(result)) {
      int column = (buffer.slot ? part : BN / ACROSS - 1 - part) * ACROSS;  // the columns that both buffers have come first
      u32 sum[ACROSS];
      tmem_load(sum, tmem_place(tmem, warp * WARP, buffer.slot * SECOND + column));
      tmem_load_wait(sum);
      if (part == 0) {
        tcgen05_fence_before();
        __syncwarp();
        if (lane_id() == 0) mbarrier_arrive_cluster(cluster_address(shared.drained, 0));
      }
      u32 place = shared.results + (warp * BUFFERS + result.slot) * PART_BYTES;
      if (lane_id() == 0) tensor_store_wait_read<BUFFERS - 1>();
      __syncwarp();  // the place has been emptied
      write_line(place, sum, factor);
      fence_proxy_async();
      __syncwarp();  // and is filled
      if (lane_id() == 0) {
        tensor_store(c, corner.column + column, row, place);
        tensor_store_commit();
      }
    }
  }
  tcgen05_fence_before();
  if (lane_id() == 0) tensor_store_wait_read<0>();
}

// Grid: as many pairs as run at a time. `factors`: of the whole of A, and of B.
KERNEL void __cluster_dims__(PAIR, 1, 1) __launch_bounds__(THREADS, 1)
gemm(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const __grid_constant__ TensorMap a_scales,
     const __grid_constant__ TensorMap b_scales, const __grid_constant__ TensorMap c, const float* factors, int m, int n, int k) {
  DYNAMIC_SHARED(memory);
  Shared shared = shared_places(shared_address(memory));
  u32 warp = __shfl_sync(ALL_LANES, threadIdx.x / WARP, 0);  // the same in all lanes, and known to be
  if (threadIdx.x == 0) {
#pragma unroll
    for (int s = 0; s < STAGES; s++) {
      mbarrier_init(shared.full + 8 * s, 1);
      mbarrier_init(shared.empty + 8 * s, 1);
    }
#pragma unroll
    for (int s = 0; s < BUFFERS; s++) mbarrier_init(shared.summed + 8 * s, 1);
    mbarrier_init(shared.drained, PAIR * STORERS);
    fence_mbarrier_init();
  }
  if (warp == MULTIPLIER) {
    tmem_allocate<PAIR>(shared.tmem, COLUMNS);
    tmem_allocate_no_more<PAIR>();
  }
  tcgen05_fence_before();
  cluster_arrive();
  cluster_wait();  // the mbarriers and the tensor memory are there, in every block
  u32 tmem = load_shared4(shared.tmem);
  Walk walk = walk_of(m, n, k);
  if (warp < STORERS) store(c, factors[0] * factors[1], walk, shared, tmem, warp);
  else if (warp == COPIER && elect_one()) bring({a, b, a_scales, b_scales, c}, walk, shared);
  else if (warp == MULTIPLIER && walk.rank == 0 && elect_one()) compute(walk, shared, tmem);
  __syncwarp();
  cluster_arrive();
  cluster_wait();  // nobody reads, writes to, or arrives at, a block that has ended
  tcgen05_fence_after();
  if (warp == MULTIPLIER) tmem_free<PAIR>(tmem, COLUMNS);
}
