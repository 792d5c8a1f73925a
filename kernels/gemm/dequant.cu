// y (m, n) = x (m, k) W (k, n) with W stored as int4 or int8 and one scale for each 128 of k and each column.
//
// Every weight is used m <= 64 times, so the kernel is bound by reading the weights. What that leaves on an H200, where
// 4.8 TB/s are 20 B a clock and processor, 40 weights if int4, with `VECTORS` 2:
//   bytes in flight   4.8 TB/s x 700 ns = 3.4 MB = 25 KiB a processor; here BLOCKS (STAGES - 1) 16 KiB = 96 KiB and more
//   instructions      a warp's mma eats 256 weights: 25 issue slots. int4 -> bf16 takes 11 (7 of them on the integer pipe,
//                     which issues every other clock), all the rest 7 at m <= 8
//   shared memory     x is read once for every 32 columns: m/16 B a weight. With W and x in and W out once, 65 B a clock
//                     of 128 up to m = 8, 90 at m = 16
//   tensor cores      m = 32 asks 1280 fma a clock, about what mma.sync does there: beyond, the product bounds int4
// W is the mma's A operand, so n lies on its 16 rows and m on its 8 columns: m <= 8 wastes nothing on larger tiles.
//
// The weights' order in memory (`pack` in benchmarks/dequant.py): a strip of 16 columns is a sequence of 512-byte blocks
// along k, 16 bytes a lane: the lane's A fragments of the next 4 (int4) or 2 (int8) steps of k 16. So
// 16-byte loads move everything, no lane reads another's weights, and no ldmatrix is needed for them.
// The scales of columns c and c + 8 of a strip, which one lane needs, are neighbours.
//
// Work is dealt out by chunks (128 columns x CHUNK_K): block b of B takes the chunks [bU/B, (b+1)U/B) of U, k fastest, so
// that all blocks read the same number of bytes, whatever n and k are ("stream-K", Osama et al. 2023). Where a
// column tile is shared, each block leaves its sums in `partial`, and the last to arrive adds them up in the
// order of the blocks: the same bits in every run.
#include "ptx.cuh"

#if !defined(WEIGHT_BITS) || !defined(DTYPE_BF16) || !defined(M_TILES) || !defined(VECTORS) || !defined(STAGES) || !defined(BLOCKS)
#error "define WEIGHT_BITS (4, 8), DTYPE_BF16 (0 is fp16), M_TILES (8 rows of x each), VECTORS, STAGES, BLOCKS (a processor)"
#endif
static_assert(WEIGHT_BITS == 4 || WEIGHT_BITS == 8, "weights are int4 or int8");
static_assert(STAGES >= 3, "the pipeline needs a stage to read, one to fill and one under way");

constexpr int GROUP = 128;                  // k of one scale
constexpr int STRIP = 16;                   // columns of W in one mma
constexpr int WARPS_N = 4, WARPS_K = 2, THREADS = 32 * WARPS_N * WARPS_K;
constexpr int STRIPS = 2;                   // a warp: x is read from shared memory once for both
constexpr int TILE_N = STRIP * STRIPS * WARPS_N;
constexpr int BLOCK_BYTES = 512;            // 16 a lane
constexpr int BLOCK_K = 8 * BLOCK_BYTES / (STRIP * WEIGHT_BITS);
constexpr int WARP_K = VECTORS * BLOCK_K, CHUNK_K = WARPS_K * WARP_K;
constexpr int STEPS = WARP_K / 16;
constexpr int STRIP_BYTES = WARPS_K * VECTORS * BLOCK_BYTES;  // of one chunk
constexpr int SCALE_ROWS = CHUNK_K > GROUP ? CHUNK_K / GROUP : 1;
static_assert(WARP_K <= GROUP, "a warp's part of a chunk must lie in one group");
static_assert(STRIPS == WARPS_K, "after the exchange each warp along k owns one strip");

constexpr u32 WEIGHT_BYTES = STRIPS * WARPS_N * STRIP_BYTES;
constexpr u32 X_ROW = 2 * CHUNK_K, X_BYTES = 8 * M_TILES * X_ROW;
constexpr u32 SCALE_BYTES = 2 * SCALE_ROWS * TILE_N;
constexpr u32 STAGE_BYTES = WEIGHT_BYTES + X_BYTES + SCALE_BYTES;
static_assert(STAGE_BYTES >= 16u * M_TILES * 32 * WARPS_N, "a stage must hold the sums that warps exchange");

struct Problem {
  const u8 *x, *weights, *scales;
  int m, n, k;
};
// Which part of a tile is this lane's, and where in a stage it finds what it multiplies: fixed for the whole kernel.
struct Lane {
  int lane, warp_n, warp_k;
  u32 weights, x, scales;
};

// ---------------------------------------------------------------- integers to floats, two at a time, exactly
// A float whose exponent makes the last mantissa bit worth 1 is 2^p + integer, so putting the integer's bits there converts
// it; subtracting 2^p is one fma on both halves. Two's complement becomes offset binary by flipping the sign bit.
// Always through logic3, with both constants in registers: as & and | the compiler loads one of them anew for every word.

constexpr u32 AND_XOR = 0x6a;  // logic3's table of (a & b) ^ c

#if DTYPE_BF16
#define MMA mma_bf16
DEVICE u16 rounded(float v) { return to_bf16(v); }
DEVICE float low_half(u32 pair) { return __uint_as_float(pair << 16); }
DEVICE float high_half(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }
#if WEIGHT_BITS == 4
// 7 mantissa bits: 0x4300 is 128, and 128 + (v + 8) - 136 = v.
DEVICE void to_fragment(u32 (&a)[4], u32 word) {
#pragma unroll
  for (int i = 0; i < 4; i++)
    a[i] = fma_bf16x2(logic3<AND_XOR>(word >> (4 * i), 0x000f000fu, 0x43084308u), 0x3f803f80u, 0xc308c308u);
}
#else
// A byte is one bit too long for the mantissa, but its sign bit s falls on the exponent's last bit, where it makes
// 128 256: with the other seven bits p, (128 + p) - (128 + 128 s) = p - 128 s = v.
DEVICE u32 two_bytes(u32 word) {
  return fma_bf16x2(logic3<AND_XOR>(word, 0x007f007fu, 0x43004300u), 0x3f803f80u,
                    logic3<AND_XOR>(word, 0x00800080u, 0xc300c300u));
}
#endif
#else
#define MMA mma_fp16
DEVICE u16 rounded(float v) { return to_fp16(v); }
DEVICE float low_half(u32 pair) { return from_fp16(static_cast<u16>(pair)); }
DEVICE float high_half(u32 pair) { return from_fp16(static_cast<u16>(pair >> 16)); }
#if WEIGHT_BITS == 4
// 10 mantissa bits: 0x6400 is 1024. A nibble four bits up counts 16: (1024 + 16 (v + 8)) / 16 - 72 = v saves the shift.
DEVICE void to_fragment(u32 (&a)[4], u32 word) {
#pragma unroll
  for (int i = 0; i < 4; i += 2, word >>= 8) {
    a[i] = fma_fp16x2(logic3<AND_XOR>(word, 0x000f000fu, 0x64086408u), 0x3c003c00u, 0xe408e408u);
    a[i + 1] = fma_fp16x2(logic3<AND_XOR>(word, 0x00f000f0u, 0x64806480u), 0x2c002c00u, 0xd480d480u);
  }
}
#else
// 1024 + (v + 128) - 1152 = v.
DEVICE u32 two_bytes(u32 word) {
  return fma_fp16x2(logic3<AND_XOR>(word, 0x00ff00ffu, 0x64806480u), 0x3c003c00u, 0xe480e480u);
}
#endif
#endif

// A lane's 16 bytes as the A fragments of BLOCK_K / 16 steps.
DEVICE void to_fragments(u32 (*a)[4], uint4 raw) {
  const u32 words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
#if WEIGHT_BITS == 4
    to_fragment(a[i], words[i]);
#else
    a[i / 2][i % 2 * 2] = two_bytes(words[i]);
    a[i / 2][i % 2 * 2 + 1] = two_bytes(words[i] >> 8);
#endif
  }
}

// ---------------------------------------------------------------- global -> shared

// What this thread copies next: its first 16 bytes of the chunk's weights and x, and how many columns and k are left
// from the chunk to the end of the matrix. Moving on costs a few additions instead of the addresses' arithmetic.
struct Cursor {
  const u8 *weights, *x;
  int columns, depth;
};

constexpr int STRIP_THREADS = STRIP_BYTES / 16, PASS_STRIPS = THREADS / STRIP_THREADS;
constexpr int X_UNITS = X_ROW / 16, PASS_ROWS = THREADS / X_UNITS;

DEVICE i64 strip_bytes(const Problem& p) { return static_cast<i64>(p.k) * (STRIP * WEIGHT_BITS / 8); }

DEVICE Cursor cursor_at(const Problem& p, int tile, int chunk) {
  const int thread = static_cast<int>(threadIdx.x);
  const int strip = tile * (TILE_N / STRIP) + thread / STRIP_THREADS;
  const int k = chunk * CHUNK_K + thread % X_UNITS * 8;
  return {p.weights + strip * strip_bytes(p) + chunk * STRIP_BYTES + thread % STRIP_THREADS * 16,
          p.x + 2 * (static_cast<i64>(thread / X_UNITS) * p.k + k), p.n - tile * TILE_N, p.k - chunk * CHUNK_K};
}

DEVICE void advance(Cursor& at, const Problem& p, int chunks) {
  at.weights += STRIP_BYTES;
  at.x += X_ROW;
  at.depth -= CHUNK_K;
  if (at.depth > 0) return;
  at.weights += TILE_N / STRIP * strip_bytes(p) - static_cast<i64>(chunks) * STRIP_BYTES;
  at.x -= static_cast<i64>(chunks) * X_ROW;
  at.depth = p.k;
  at.columns -= TILE_N;
}

// One chunk: weights and scales as they lie in memory, x with its 16-byte units swizzled for ldmatrix. What lies beyond
// m, n or k becomes zeros.
DEVICE void load_chunk(u32 stage, const Cursor& at, const Problem& p) {
  const int thread = static_cast<int>(threadIdx.x);
  const int columns = thread % STRIP_THREADS * 16 / BLOCK_BYTES * BLOCK_K < at.depth ? at.columns : 0;
#pragma unroll
  for (int strip = 0; strip < TILE_N / STRIP; strip += PASS_STRIPS)
    copy_async16(stage + strip * STRIP_BYTES + 16 * thread, at.weights + strip * strip_bytes(p),
                 (strip + thread / STRIP_THREADS) * STRIP < columns);
  const int unit = thread % X_UNITS, row = thread / X_UNITS, rows = 8 * unit < at.depth ? p.m : 0;
#pragma unroll
  for (int r = 0; r < 8 * M_TILES; r += PASS_ROWS)
    if (PASS_ROWS <= 8 * M_TILES || row < 8 * M_TILES)
      copy_async16(stage + WEIGHT_BYTES + (r + row) * X_ROW + 16 * (unit ^ (row & 7)), at.x + static_cast<i64>(r) * 2 * p.k,
                   r + row < rows);
  if (threadIdx.x < SCALE_BYTES / 16) {
    const u32 group = threadIdx.x / (TILE_N / 8), column = threadIdx.x % (TILE_N / 8) * 8;
    const u32 from = (static_cast<u32>(p.k - at.depth) / GROUP + group) * p.n + (p.n - at.columns) + column;
    copy_async16(stage + WEIGHT_BYTES + X_BYTES + 16 * threadIdx.x, p.scales + 2 * static_cast<u64>(from),
                 static_cast<int>(column) < at.columns && static_cast<int>(group * GROUP) < at.depth);
  }
}

// ---------------------------------------------------------------- one chunk

// Integers times x in float32 through the warp's part of the chunk, then times the group's scale: scaling the sums costs 4
// fma for every 8 x 16 of them, scaling the weights would cost one for every pair and round each of them.
DEVICE void multiply(float (&sums)[STRIPS][M_TILES][4], u32 stage, const Lane& me) {
  u32 weights[STRIPS][STEPS][4];
  float scale[STRIPS][2];
#pragma unroll
  for (int s = 0; s < STRIPS; s++) {
#pragma unroll
    for (int v = 0; v < VECTORS; v++)
      to_fragments(&weights[s][v * STEPS / VECTORS], load_shared16(stage + me.weights + s * STRIP_BYTES + v * BLOCK_BYTES));
    const u32 pair = load_shared4(stage + me.scales + s * STRIP * 2);
    scale[s][0] = low_half(pair);
    scale[s][1] = high_half(pair);
  }
  // Two steps are 64 bytes of a row. The swizzle exchanges 16-byte units within 128, so every second pair of steps lies
  // on the other side of bit 6.
  const u32 even = stage + me.x, odd = stage + (me.x ^ 64);
#pragma unroll
  for (int i = 0; i < M_TILES; i++) {
    u32 x[STEPS][2];
#pragma unroll
    for (int step = 0; step < STEPS; step += 2) {
      u32 r[4];
      load_matrix_x4(r, (step & 2 ? odd : even) + 8 * i * X_ROW + step / 4 * 128);
      x[step][0] = r[0]; x[step][1] = r[1]; x[step + 1][0] = r[2]; x[step + 1][1] = r[3];
    }
#pragma unroll
    for (int s = 0; s < STRIPS; s++) {
      float group[4] = {};
#pragma unroll
      for (int step = 0; step < STEPS; step++) MMA(group, weights[s][step], x[step]);
#pragma unroll
      for (int j = 0; j < 4; j++) sums[s][i][j] += scale[s][j / 2] * group[j];
    }
    if (M_TILES == 8) __syncwarp();  // else ptxas loads x so far ahead that registers spill (sm_80)
  }
}

DEVICE Lane this_lane() {
  const int lane = static_cast<int>(lane_id()), warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_n = warp / WARPS_K, warp_k = warp % WARPS_K, row = lane % 8, matrix = lane / 8;
  const u32 strip = static_cast<u32>(warp_n * STRIPS), k = static_cast<u32>(warp_k * WARP_K);
  return {lane, warp_n, warp_k,
          strip * STRIP_BYTES + static_cast<u32>(warp_k * VECTORS * BLOCK_BYTES + 16 * lane),
          WEIGHT_BYTES + static_cast<u32>(row) * X_ROW + 16 * ((k / 8 + matrix) ^ row),
          WEIGHT_BYTES + X_BYTES + k / GROUP * TILE_N * 2 + strip * STRIP * 2 + static_cast<u32>(lane / 4 * 4)};
}

// ---------------------------------------------------------------- the end of a column tile

DEVICE uint4 words_of(const float (&v)[4]) {
  return make_uint4(__float_as_uint(v[0]), __float_as_uint(v[1]), __float_as_uint(v[2]), __float_as_uint(v[3]));
}
DEVICE void add(float (&sum)[4], uint4 v) {
  sum[0] += __uint_as_float(v.x); sum[1] += __uint_as_float(v.y);
  sum[2] += __uint_as_float(v.z); sum[3] += __uint_as_float(v.w);
}
DEVICE void clear(float (&v)[4]) { v[0] = v[1] = v[2] = v[3] = 0.0f; }

// Add up what the warps along k have: afterwards warp_k owns strip warp_k. `room` is a stage that has been read.
DEVICE void exchange(float (&own)[M_TILES][4], const float (&sums)[STRIPS][M_TILES][4], u32 room, const Lane& me) {
  const u32 at = room + 16 * (me.warp_n * 32 + me.lane);
#pragma unroll
  for (int s = 0; s < STRIPS; s++) {
    __syncthreads();  // the room is free
#pragma unroll
    for (int i = 0; i < M_TILES; i++)
      if (me.warp_k != s) store_shared16(at + i * 16 * 32 * WARPS_N, words_of(sums[s][i]));
    __syncthreads();  // the others' sums are there
#pragma unroll
    for (int i = 0; i < M_TILES; i++)
      if (me.warp_k == s) {
#pragma unroll
        for (int j = 0; j < 4; j++) own[i][j] = sums[s][i][j];
        add(own[i], load_shared16(at + i * 16 * 32 * WARPS_N));
      }
  }
}

DEVICE void store_result(u16* y, const float (&own)[M_TILES][4], const Problem& p, int tile, const Lane& me) {
  const int column = tile * TILE_N + (me.warp_n * STRIPS + me.warp_k) * STRIP + me.lane / 4;
#pragma unroll
  for (int i = 0; i < M_TILES; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int row = 8 * i + me.lane % 4 * 2 + j % 2;
      if (row < p.m && column < p.n) y[static_cast<i64>(row) * p.n + column + j / 2 * 8] = rounded(own[i][j]);
    }
}

// How `units` chunks are dealt to the grid's blocks, and who has a chunk.
DEVICE int first_unit(u32 block, u32 units) { return static_cast<int>(block * units / gridDim.x); }
DEVICE int block_of(u32 unit, u32 units) { return static_cast<int>(((unit + 1) * gridDim.x - 1) / units); }

// Where a block keeps its sums of a tile that it shares: of at most two, one that it did not begin, one that it did not end.
DEVICE float* slot_of(float* partial, int block, bool began) {
  return partial + (static_cast<i64>(2 * block + began) * THREADS * M_TILES + threadIdx.x) * 4;
}

// Leave this block's sums of the tile; the last of its blocks to arrive adds up all of them. True in that block.
DEVICE bool combine(float (&own)[M_TILES][4], float* partial, u32* arrived, int tile, int chunks, int units, u32 room) {
  const int block = static_cast<int>(blockIdx.x), begin = tile * chunks;
  const int first = block_of(begin, units), last = block_of(begin + chunks - 1, units);
  float* slot = slot_of(partial, block, block == first);
#pragma unroll
  for (int i = 0; i < M_TILES; i++)
    *reinterpret_cast<uint4*>(slot + 4 * THREADS * i) = words_of(own[i]);
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) store_shared4(room, atomicAdd(arrived + tile, 1u));
  __syncthreads();
  if (load_shared4(room) != static_cast<u32>(last - first)) return false;
  __threadfence();
  if (threadIdx.x == 0) arrived[tile] = 0;  // for the next launch
#pragma unroll
  for (int i = 0; i < M_TILES; i++) clear(own[i]);
#pragma unroll 8 / M_TILES  // 8 loads under way
  for (int other = first; other <= last; other++) {
    const float* theirs = slot_of(partial, other, other == first);
#pragma unroll
    for (int i = 0; i < M_TILES; i++)
      add(own[i], load_l2(theirs + 4 * THREADS * i));
  }
  return true;
}

// ---------------------------------------------------------------- the kernel

// Grid: any number of blocks up to the number of chunks. partial: float[grid][2][8 M_TILES * 128]; arrived: one zero a tile.
KERNEL void __launch_bounds__(THREADS, BLOCKS) dequant_gemm(u16* y, const u16* x, const u32* weights, const u16* scales,
                                                          float* partial, u32* arrived, int m, int n, int k) {
  DYNAMIC_SHARED(memory);
  const u32 base = shared_address(memory);
  const Problem p{reinterpret_cast<const u8*>(x), reinterpret_cast<const u8*>(weights), reinterpret_cast<const u8*>(scales), m, n, k};
  const Lane me = this_lane();
  const int chunks = (k + CHUNK_K - 1) / CHUNK_K, units = (n + TILE_N - 1) / TILE_N * chunks;
  const int begin = first_unit(static_cast<int>(blockIdx.x), units), end = first_unit(static_cast<int>(blockIdx.x) + 1, units);

  int tile = begin / chunks, chunk = begin % chunks, next = begin;
  Cursor at = cursor_at(p, tile, chunk);
  const auto fetch = [&](int stage) {
    if (next++ < end) load_chunk(base + stage * STAGE_BYTES, at, p);
    copy_async_commit();  // also an empty group: the count of groups tells what has arrived
    advance(at, p, chunks);
  };
  for (int i = 0; i < STAGES - 1; i++) fetch(i);

  float sums[STRIPS][M_TILES][4] = {};
  int stage = 0, began = chunk;
  for (int unit = begin; unit < end; unit++) {
    copy_async_wait<STAGES - 2>();
    __syncthreads();  // everybody's copies of this chunk are here, and everybody has read the chunk before
    fetch(stage == 0 ? STAGES - 1 : stage - 1);
    multiply(sums, base + stage * STAGE_BYTES, me);
    if (chunk == chunks - 1 || unit == end - 1) {
      float own[M_TILES][4];
      const u32 room = base + stage * STAGE_BYTES;
      exchange(own, sums, room, me);
      const bool whole = began == 0 && chunk == chunks - 1;
      if (whole || combine(own, partial, arrived, tile, chunks, units, room)) store_result(y, own, p, tile, me);
      began = 0;
#pragma unroll
      for (int s = 0; s < STRIPS; s++)
#pragma unroll
        for (int i = 0; i < M_TILES; i++) clear(sums[s][i]);
    }
    if (++chunk == chunks) { chunk = 0; tile++; }
    if (++stage == STAGES) stage = 0;
  }
}
