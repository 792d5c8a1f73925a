// C (m, n) = A (m, k) B on the block-scaled tensor cores of GeForce Blackwell (sm_120a): mxfp8 and nvfp4 in one main loop.
//
// mxfp8: e4m3 numbers, 32 of them along k share a power of two (ue8m0). nvfp4: e2m1 numbers, two a byte, 16 share a scale
// ue4m3, and a whole matrix one float. The tensor core multiplies by the blocks' scales itself; no other instruction takes
// these types at the chip's full rate. C is bf16.
//
// A block computes tiles of 128 x BN, one after the other. One warp produces: a single lane has the copy engine bring
// stages of 64 bytes of k, and the scales that belong to them. Eight warps multiply WM x 64 each, by ldmatrix and mma.sync
// (sm_120 has a copy engine and mbarriers, but neither wgmma nor TMEM). All meet at mbarriers only:
//
//   copy engine   A0 B0 S0 | A1 B1 S1 | A2 B2 S2 | A0 B0 S0 ...       waits for empty[s], reports to full[s]
//   warps 0..7              step 0, step 1 | step 0, step 1 ... store  wait for full[s], arrive at empty[s]; each for itself
//
// A warp that stores leaves the tensor cores to the other warp of its scheduler, and loading runs ahead into the next tile.
//
// The budget, for BN = 256. Either type starts an mma of 16 x 8 x 32 bytes every 4 clocks of a processor (1024 or 2048
// multiply-adds a clock: 838 and 1676 TFLOP/s on a 5090's 170 processors at 2.41 GHz):
//   clocks        a step of 32 bytes of k is 8 warps x 32 mma: 1024. A stage is 2048, a tile of k = 8192 in nvfp4 131,072.
//   issue slots   a warp's stage is 64 mma among 110 (nvfp4) or 121 instructions; its scheduler has 1024 clocks for it.
//   shared reads  a step: 64 ldmatrix of 4 clocks and 16 loads of scales of 4: 320 of 1024 clocks.
//   level 2       a stage is 24 KiB and 1.5 or 3 of scales: 13 B a clock, 5.3 TB/s by 170 processors. 128 x 128 needs 17.
//   in flight     2 of 3 stages, 51 or 54 KiB a processor, 9 MB in all; 1.8 TB/s x 0.8 us need 1.4 MB.
//   shared memory 3 x 27 KiB of stages and 8 x 2 of results on their way out: 97 of 99 KiB (nvfp4).
//   registers     128 sums, 32 of A's fragments (this step's and the next one's), 8 of B's, scales, places: 190. 384 threads
//                 begin with 168 each; the producers keep 24, so that a consumer has 240.
//
// The copy engine's swizzle (64 bytes: chunk c of row r at c xor r / 2 mod 4) puts eight rows of one chunk into different
// banks, which is what ldmatrix reads. Beyond m, n and k it loads zeros and stores nothing: tails need no code.
//
// Scales lie as cuBLAS wants them (cuBLAS documentation, "1D Block Scaling Factors Layout"): 512 bytes for 128 rows and 4
// blocks of k, byte 16 (r mod 32) + 4 (r / 32) + s for row r and block s; such groups along k, then along rows. Four bytes
// are one register of the mma: of mxfp8 the scales of four steps, from which the instruction picks a byte; of nvfp4 those
// of one step. Lane 4 g + t loads row 8 t + g of 32 rows, which are two mma of A (lanes t = 0, 1 and t = 2, 3 serve one each)
// or four of B (one lane of a quad each): two loads of 8 bytes serve the 32 mma of a step.
#include "ptx_blockscale.cuh"

#if !defined(NVFP4) || !defined(BN) || !defined(STAGES)
#error "give NVFP4 (0: mxfp8), BN (128, 256), STAGES"
#endif

// ---------------------------------------------------------------- sizes

constexpr int BM = 128, WARPS = 8, CONSUMERS = WARPS * WARP, PRODUCERS = 4 * WARP;
constexpr int WN = 64, ACROSS = BN / WN, WM = BM * ACROSS / WARPS;  // a warp's share of the tile
constexpr int ROWS = WM / 16, COLUMNS = WN / 8, PAIRS = COLUMNS / 2;  // of mma
constexpr int BK = 64, STEP = 32, STEPS = BK / STEP;                  // bytes of k in a stage, and of one mma
constexpr int WIDTH = NVFP4 ? 4 : 8, K = BK * 8 / WIDTH, BLOCK = NVFP4 ? 16 : 32;  // bits; elements of a stage, of a scale
constexpr int GROUP_BYTES = 512, GROUP_ROWS = 128, GROUP_K = 4 * BLOCK;            // of scales that lie together
constexpr int GROUPS = NVFP4 ? K / GROUP_K : 1;  // along k that a stage brings; two stages of mxfp8 read the same group
constexpr int A_BYTES = BM * BK, B_BYTES = BN * BK, A_SCALES = A_BYTES + B_BYTES, SCALES = GROUPS * GROUP_BYTES;
constexpr int B_SCALES = A_SCALES + SCALES, STAGE = B_SCALES + BN / GROUP_ROWS * SCALES;
constexpr int LINE = WN * 2, RESULT = 16 * LINE;  // 16 rows of a warp's results, on their way out
constexpr int TURN = 16;       // tile rows that blocks go through together: near the square root of blocks x BN / BM
constexpr int PATTERN = 1024;  // bytes after which any swizzle repeats

static_assert(ROWS == 2 || ROWS == 4, "a warp's scales are one or two words a lane");
static_assert(STAGE % 512 == 0, "every stage begins with a pattern of its swizzle");

// Where things lie in shared memory.
struct Shared { u32 results, stages, full, empty; };

DEVICE Shared shared_places(u32 start) {
  u32 results = (start + PATTERN - 1) / PATTERN * PATTERN, stages = results + WARPS * RESULT, full = stages + STAGES * STAGE;
  return {results, stages, full, full + 8 * STAGES};
}

// A slot of the ring of stages, and the parity of the phase of its mbarrier that is waited for.
struct Turn { u32 slot, parity; };
DEVICE void advance(Turn& turn) {
  if (++turn.slot < STAGES) return;
  turn.slot = 0;
  turn.parity ^= 1;
}

// What all warps of a block go through in the same order: tiles by the blocks in turn, in groups of TURN tile rows.
struct Walk { int down, wide, stages; };
struct Corner { int row, column; };

DEVICE Corner corner_of(const Walk& walk, int tile) {
  int first = tile / (TURN * walk.wide) * TURN, height = min(walk.down - first, TURN), within = tile % (TURN * walk.wide);
  return {(first + within % height) * BM, within / height * BN};
}

// ---------------------------------------------------------------- producer: global -> shared

DEVICE void produce(const TensorMap& a, const TensorMap& b, const TensorMap& a_scales, const TensorMap& b_scales,
                    const Walk& walk, const Shared& shared) {
  Turn turn{0, 1};  // at first every slot is empty
  for (int tile = blockIdx.x; tile < walk.down * walk.wide; tile += gridDim.x) {
    Corner corner = corner_of(walk, tile);
    for (int i = 0; i < walk.stages; i++, advance(turn)) {
      u32 stage = shared.stages + turn.slot * STAGE, full = shared.full + 8 * turn.slot;
      int words = i * K / GROUP_K * (GROUP_BYTES / 4);  // of scales, before this stage's
      mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);
      mbarrier_arrive_expect(full, STAGE);
      tensor_load_own(stage, a, i * BK, corner.row, full);
      tensor_load_own(stage + A_BYTES, b, i * BK, corner.column, full);
      tensor_load_own(stage + A_SCALES, a_scales, words, corner.row / GROUP_ROWS, full);
      tensor_load_own(stage + B_SCALES, b_scales, words, corner.column / GROUP_ROWS, full);
    }
  }
}

// ---------------------------------------------------------------- consumers: shared -> registers -> mma

struct Sums { float d[ROWS][COLUMNS][4]; };
struct Scales { u32 a[ROWS / 2], b[2]; };
struct Places { u32 a, b, a_scales, b_scales; };  // where this lane reads, from the beginning of a stage

DEVICE u32 swizzled(u32 row, u32 chunk) { return row * BK + ((chunk ^ (row / 2 & 3)) << 4); }

DEVICE Places places(u32 row, u32 column) {
  u32 lane = lane_id(), g = lane / 4, t = lane % 4;
  u32 a = swizzled(row + lane % 16, lane / 16), b = A_BYTES + swizzled(column + lane % 8 + lane / 16 * 8, lane / 8 % 2);
  u32 scale_a = A_SCALES + (8 * t + g) * 16 + row / 32 * 4;
  u32 scale_b = B_SCALES + column / GROUP_ROWS * SCALES + (8 * t + g) * 16 + column % GROUP_ROWS / 32 * 4;
  return {a, b, scale_a, scale_b};
}

// The scales of one step. mxfp8: the low bytes are those of this stage's steps, `later` says which half of the group it is.
DEVICE void load_scales(Scales& s, u32 stage, const Places& at, int step, u32 later) {
  u32 group = stage + (NVFP4 ? step * GROUP_BYTES : 0);
  uint2 b = load_shared8(group + at.b_scales);
  s.b[0] = b.x, s.b[1] = b.y;
  if constexpr (ROWS == 4) {
    uint2 a = load_shared8(group + at.a_scales);
    s.a[0] = a.x, s.a[1] = a.y;
  } else s.a[0] = load_shared4(group + at.a_scales);
#if !NVFP4
#pragma unroll
  for (u32& word : s.a) word >>= 16 * later;
#pragma unroll
  for (u32& word : s.b) word >>= 16 * later;
#endif
}

// One mma; which scales it takes of its lanes' registers follows from where it lies.
template <int step, int row, int column> DEVICE void product(Sums& sums, const u32 (&a)[4], const u32 (&b)[2], const Scales& s) {
#if NVFP4
  mma_nvfp4<row % 2, column % 4>(sums.d[row][column], a, b, s.a[row / 2], s.b[column / 4]);
#else
  mma_mxfp8<step, row % 2, column % 4>(sums.d[row][column], a, b, s.a[row / 2], s.b[column / 4]);
#endif
}
template <int step, int pair, int row = 0>
DEVICE void products(Sums& sums, const u32 (&a)[ROWS][4], const u32 (&b)[4], const Scales& s) {
  const u32 low[2] = {b[0], b[1]}, high[2] = {b[2], b[3]};
  product<step, row, 2 * pair>(sums, a[row], low, s);
  product<step, row, 2 * pair + 1>(sums, a[row], high, s);
  if constexpr (row + 1 < ROWS) products<step, pair, row + 1>(sums, a, b, s);
}

struct Fragments { u32 a[2][ROWS][4], b[2][4]; };

// Step by step, 16 columns at a time: the loads of what comes next stand before these products.
template <int step, int pair> DEVICE void multiply(Sums& sums, Fragments& f, Scales& s, u32 stage, const Places& at, u32 later) {
  constexpr int next = step * PAIRS + pair + 1;
  if constexpr (pair == 0 && (NVFP4 || step == 0)) load_scales(s, stage, at, step, later);
  if constexpr (next < STEPS * PAIRS)
    load_matrix_x4(f.b[next % 2], stage + (at.b ^ next / PAIRS * STEP) + next % PAIRS * 16 * BK);
  if constexpr (step + 1 < STEPS && pair < ROWS)
    load_matrix_x4(f.a[(step + 1) % 2][pair], stage + (at.a ^ (step + 1) * STEP) + pair * 16 * BK);
  products<step, pair>(sums, f.a[step % 2], f.b[(next - 1) % 2], s);
  if constexpr (next < STEPS * PAIRS) multiply<next / PAIRS, next % PAIRS>(sums, f, s, stage, at, later);
}

DEVICE void multiply_tile(Sums& sums, const Walk& walk, const Shared& shared, const Places& at, Turn& turn) {
#pragma unroll
  for (auto& row : sums.d)
#pragma unroll
    for (auto& four : row) four[0] = four[1] = four[2] = four[3] = 0.0f;
#pragma unroll 1
  for (int i = 0; i < walk.stages; i++, advance(turn)) {
    u32 stage = shared.stages + turn.slot * STAGE;
    Fragments f;
    Scales s;
    mbarrier_wait(shared.full + 8 * turn.slot, turn.parity);
    load_matrix_x4(f.b[0], stage + at.b);
#pragma unroll
    for (int row = 0; row < ROWS; row++) load_matrix_x4(f.a[0][row], stage + at.a + row * 16 * BK);
    multiply<0, 0>(sums, f, s, stage, at, i % 2);
    __syncwarp();  // all lanes have read
    if (lane_id() == 0) mbarrier_arrive(shared.empty + 8 * turn.slot);
  }
}

// ---------------------------------------------------------------- sums -> shared -> global

// 16 rows at a time, times the matrices' own scales, swizzled as the copy engine expects 128-byte rows.
DEVICE void store(const TensorMap& c, const Sums& sums, u32 buffer, float scale, int row, int column) {
  u32 lane = lane_id();
#pragma unroll
  for (int m = 0; m < ROWS; m++) {
    if (lane == 0) tensor_store_wait_read<0>();
    __syncwarp();  // the buffer has been emptied
#pragma unroll
    for (int q = 0; q < COLUMNS; q += 2) {
      const float(&x)[4] = sums.d[m][q], (&y)[4] = sums.d[m][q + 1];
      u32 r[4] = {pack_bf16(x[0] * scale, x[1] * scale), pack_bf16(x[2] * scale, x[3] * scale),
                  pack_bf16(y[0] * scale, y[1] * scale), pack_bf16(y[2] * scale, y[3] * scale)};
      store_matrix_x4(buffer + lane % 16 * LINE + ((q + lane / 16) ^ lane % 8) * 16, r);
    }
    fence_proxy_async();
    __syncwarp();  // and is filled
    if (lane == 0) {
      tensor_store(c, column, row + m * 16, buffer);
      tensor_store_commit();
    }
  }
}

DEVICE void consume(const TensorMap& c, const Walk& walk, const Shared& shared, float scale) {
  int warp = static_cast<int>(threadIdx.x) / WARP, row = warp / ACROSS * WM, column = warp % ACROSS * WN;
  Places at = places(row, column);
  Turn turn{0, 0};
  for (int tile = blockIdx.x; tile < walk.down * walk.wide; tile += gridDim.x) {
    Corner corner = corner_of(walk, tile);
    Sums sums;
    multiply_tile(sums, walk, shared, at, turn);
    store(c, sums, shared.results + warp * RESULT, scale, corner.row + row, corner.column + column);
  }
  if (lane_id() == 0) tensor_store_wait_read<0>();
}

// Grid: as many blocks as run at a time. globals: A's and B's own scales.
KERNEL void __launch_bounds__(CONSUMERS + PRODUCERS, 1)
gemm(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const __grid_constant__ TensorMap a_scales,
     const __grid_constant__ TensorMap b_scales, const __grid_constant__ TensorMap c, const float* globals, int m, int n, int k) {
  DYNAMIC_SHARED(memory);
  Shared shared = shared_places(shared_address(memory));
  if (threadIdx.x == 0) {
#pragma unroll
    for (int s = 0; s < STAGES; s++) {
      mbarrier_init(shared.full + 8 * s, 1);
      mbarrier_init(shared.empty + 8 * s, WARPS);
    }
    fence_mbarrier_init();
  }
  __syncthreads();  // the mbarriers are there
  Walk walk{(m + BM - 1) / BM, (n + BN - 1) / BN, (k + K - 1) / K};
  if (threadIdx.x < CONSUMERS) {
    registers_increase<240>();
    consume(c, walk, shared, globals[0] * globals[1]);
  } else {
    registers_decrease<24>();
    if (threadIdx.x == CONSUMERS) produce(a, b, a_scales, b_scales, walk, shared);
  }
}
