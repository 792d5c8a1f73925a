// Prefill attention, forward, by mma.sync: o = softmax(q k^T * scale) v, head by head, for sm_80 and later.
//
// A block of WARPS warps takes BM queries of one head and walks over the keys in tiles of BN (online softmax:
// Milakov & Gimelshein 2018; the tiling: Dao 2023, FlashAttention-2). A warp owns BM / WARPS query rows from the
// first score to the last store, so softmax needs no exchange between warps. Scores stay in registers: the
// result layout of the first product is the A layout of the second.
//
// What bounds it, per tile of 128 queries, 64 keys and DIM 128, in clocks of an SM (rates of the tuning guides):
//   tensor cores  4 BM BN DIM flop: 2048 at 1024 FMA/clk (A100), 4096 at 512 (A6000), 8192 at 256 (4090, 5090).
//   exponentials  BM BN on 16 MUFU lanes: 512, whatever the GPU and DIM; at DIM 64 half of an A100's tensor time.
//                 They and the 3.5 other instructions a score hide behind products, of this warp (the compiler
//                 interleaves them) and of others: at least 2 warps share a scheduler.
//   ldmatrix      four 8x8 matrices are 512 B, 4 clocks at 128 B/clk, and feed R / 8 mma for R queries a warp. An mma
//                 takes 2 clocks of an A100, 8 of a 4090: R = 16 keeps an A100's shared memory as busy as its tensor
//                 cores, so there R = 32 (at DIM 128 q then is too large for registers, its loads leave 3 mma a load:
//                 2/3 of the tensor time). GeForce takes R = 16 and keeps q in registers.
//   second-level cache  4 BN DIM bytes per BM queries: 16 B/clk of an A100 at BM = 128, 8 B/clk of a 4090 at BM = 64.
// The budget of a scheduler of GeForce Blackwell (sm_120), which starts an mma every 32 clocks; instructions as compiled:
//   DIM   tile of a warp  mma  clocks  other instructions      warps  of their clocks, slots for all instructions
//   64    16 x 64          64    2048  < 380, 34 exponentials  3      21 %
//   128   16 x 64         128    4096  < 520, 34 exponentials  2      16 %
//   256   16 x 32         128    4096  < 420, 18 exponentials  2      13 %
// (a third of the other instructions mask and rescale, which few tiles do). Between its last score and its first product with
// v a warp needs the tensor cores for nothing: some 90 instructions in a chain of about 300 clocks. They stand still only
// when all warps of a scheduler are there at once: at worst 300 of 6144 or 8192 clocks, 4 or 5 %, so 95 % or more remain.
// What is lost beside is the last round of blocks: see docs/kernels.md.
// So the tensor cores are the bound where their rate is <= 1024 FMA/clk. Hopper's mma.sync reaches about
// 0.65 of its wgmma, which no order of this loop gets back.
//
// Macros: HEAD_DIM 64, 128, 256. DTYPE_BF16 1, or 0 for fp16. BM, BN, WARPS: above. Q_REGISTERS 1: q's fragments are
// loaded once. V_STAGES 2: the next tile's k and v are copied while this one is used, one barrier a tile;
// 1: v has one buffer, filled while the scores are computed, for 1/4 less memory and a second barrier.
// BLOCKS: blocks an SM is to hold.
#include "ptx.cuh"

#if !defined(HEAD_DIM) || !defined(DTYPE_BF16) || !defined(BM) || !defined(BN) || !defined(WARPS)
#error "prefill.cu needs HEAD_DIM, DTYPE_BF16, BM, BN, WARPS, Q_REGISTERS, V_STAGES and BLOCKS"
#endif

constexpr int DIM = HEAD_DIM, THREADS = WARPS * WARP;
constexpr int ROWS = BM / WARPS;             // queries of a warp
constexpr int M = ROWS / 16;                 // ... in mma's rows of 16
constexpr int PITCH = DIM * 2;               // bytes of a row of q, k, v or o
constexpr int CHUNKS = DIM / 8;              // ... in copies of 16 bytes
constexpr int COPY_ROWS = THREADS / CHUNKS;  // rows that the block copies at once
constexpr int TILE = BN * PITCH;             // bytes of a tile of k or of v
constexpr int STAGE = V_STAGES == 2 ? 2 * TILE : TILE;  // between one k tile and the next
constexpr int V_PLACE = V_STAGES == 2 ? TILE : 2 * TILE;
constexpr int RING = (2 + V_STAGES) * TILE;
// q either stays behind the ring or passes through what the first tile leaves free of it.
constexpr int Q_PLACE = Q_REGISTERS ? STAGE : RING;

static_assert(DIM == 64 || DIM == 128 || DIM == 256, "HEAD_DIM is 64, 128 or 256");
static_assert(ROWS * WARPS == BM && M * 16 == ROWS, "BM is WARPS times a multiple of 16");
static_assert(BN % 16 == 0 && (V_STAGES == 1 || V_STAGES == 2), "BN is a multiple of 16, V_STAGES 1 or 2");
static_assert(COPY_ROWS % 8 == 0 && BN % COPY_ROWS == 0 && BM % COPY_ROWS == 0, "a copy takes whole groups of 8 rows");

#define INFINITE __int_as_float(0x7f800000)

// A fragments of q: all of them, or this step's and the next one's; `place`: where this lane's rows begin.
constexpr int HELD = Q_REGISTERS ? DIM / 16 : 2;
struct Queries { u32 a[HELD][M][4], place; };
struct Scores { float s[M][BN / 8][4]; };                         // of BN keys
struct Weights { u32 a[M][4]; };                                  // of 16 keys, as A fragments
struct Rows { float o[M][DIM / 8][4], shift[M][2], sum[M][2]; };  // rows g and g + 8 of each 16; see `raise`

// d += a b for 16 x 8 of the result; b's two registers come from one load of four.
DEVICE void product(float (&d)[4], const u32 (&a)[4], u32 low, u32 high) {
  const u32 b[2] = {low, high};
#if DTYPE_BF16
  mma_bf16(d, a, b);
#else
  mma_fp16(d, a, b);
#endif
}
DEVICE u32 pack(float low, float high) {
#if DTYPE_BF16
  return pack_bf16(low, high);
#else
  return pack_fp16(low, high);
#endif
}

// Where 16 bytes of a row lie: exchanged within 128 bytes so that 8 rows at one chunk, which is what ldmatrix
// reads, and 8 chunks of a row, which is what a copy writes, both touch all 32 banks.
DEVICE u32 swizzled(u32 row, u32 chunk) { return row * PITCH + ((chunk ^ (row & 7)) << 4); }
// The same 2 `pair` chunks further on, for a place with an even chunk below 8: exclusive-or needs no row.
DEVICE u32 further(u32 place, int pair) { return (place ^ ((pair & 3) << 5)) + (pair >> 2 << 7); }

// Copies rows `first` .. `first` + `rows` - 1 of `all`; those from `present` on become zeros.
template <int rows> DEVICE void copy_rows(u32 to, const u16* all, i32 first, i32 present) {
  const i32 thread = static_cast<i32>(threadIdx.x);  // each copies one chunk of a run of COPY_ROWS rows
  const u16* from = all + static_cast<i64>(first) * DIM + thread * 8;
  to += swizzled(thread / CHUNKS, thread % CHUNKS);
#pragma unroll
  for (int i = 0; i < rows; i += COPY_ROWS)
    copy_async16(to + i * PITCH, from + i * DIM, thread < (present - i) * CHUNKS);
}

// q's fragments for dimensions 16 `step` .. 16 `step` + 15.
DEVICE void load_queries(Queries& q, int step) {
#pragma unroll
  for (int m = 0; m < M; m++) load_matrix_x4(q.a[step % HELD][m], further(q.place, step) + m * 16 * PITCH);
}

// s = q k^T, 16 keys by 16 of the head's dimension a load. The next load is issued before this one's products.
DEVICE void score(Scores& scores, Queries& q, u32 keys) {
  constexpr int PAIRS = BN / 16, STEPS = DIM / 16;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int n = 0; n < BN / 8; n++)
#pragma unroll
      for (int e = 0; e < 4; e++) scores.s[m][n][e] = 0.0f;
  u32 b[2][4];
  if (!Q_REGISTERS) load_queries(q, 0);
  load_matrix_x4(b[0], keys);
#pragma unroll
  for (int i = 0; i < STEPS * PAIRS; i++) {
    const int k = i / PAIRS, n = i % PAIRS, next = i + 1;
    if (next < STEPS * PAIRS) load_matrix_x4(b[next % 2], further(keys, next / PAIRS) + next % PAIRS * 16 * PITCH);
    if (!Q_REGISTERS && n == 0 && k + 1 < STEPS) load_queries(q, k + 1);
#pragma unroll
    for (int m = 0; m < M; m++) {
      product(scores.s[m][2 * n], q.a[k % HELD][m], b[i % 2][0], b[i % 2][1]);
      product(scores.s[m][2 * n + 1], q.a[k % HELD][m], b[i % 2][2], b[i % 2][3]);
    }
  }
}

// Hides keys at and beyond a row's limit. `limit`: visible keys of this lane's first row, less the tile's first
// key and this lane's first column; later rows see `later` more each, up to `most`.
DEVICE void mask(Scores& scores, i32 limit, i32 later, i32 most) {
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int n = 0; n < BN / 8; n++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const i32 seen = min(limit + (m * 16 + e / 2 * 8) * later, most);
        if (n * 8 + e % 2 >= seen) scores.s[m][n][e] = -INFINITE;
      }
}

// Weights are 2^(s scale - shift). `shift` need not be the row's largest scaled score, only near it: it follows when
// a score exceeds it by more than 8 binary orders (weights up to 256 lose nothing: they are floating-point). So
// after the first tiles the usual case costs one comparison a score and one vote: no exchange between the four lanes
// of a row, and no pass over `o`. FlashAttention-4 (2025) does the same.
DEVICE void raise(Rows& rows, const Scores& scores, float scale) {
  float top[M][2];
  bool exceeds = false;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      float t = max(scores.s[m][0][2 * h], scores.s[m][0][2 * h + 1]);
#pragma unroll
      for (int n = 1; n < BN / 8; n++) t = max(t, max(scores.s[m][n][2 * h], scores.s[m][n][2 * h + 1]));
      top[m][h] = t * scale;
      exceeds |= top[m][h] > rows.shift[m][h] + 8.0f;
    }
  if (!__any_sync(ALL_LANES, exceeds)) return;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      float t = max(top[m][h], rows.shift[m][h]);
      t = max(t, __shfl_xor_sync(ALL_LANES, t, 1));
      t = max(t, __shfl_xor_sync(ALL_LANES, t, 2));
      const float fade = exp2_fast(rows.shift[m][h] - t);  // 0 at the first tile
      rows.shift[m][h] = t;
      rows.sum[m][h] *= fade;
#pragma unroll
      for (int d = 0; d < DIM / 8; d++) { rows.o[m][d][2 * h] *= fade; rows.o[m][d][2 * h + 1] *= fade; }
    }
}

// The weights of keys 16 `step` .. 16 `step` + 15, rounded to 16 bits for the product but summed before rounding.
DEVICE void weigh(Weights& weights, Rows& rows, const Scores& scores, float scale, int step) {
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int i = 0; i < 4; i++) {  // registers of an A fragment: rows g, g + 8, then the same 8 keys further on
      const int h = i % 2;
      const float(&s)[4] = scores.s[m][2 * step + i / 2];
      const float low = exp2_fast(__fmaf_rn(s[2 * h], scale, -rows.shift[m][h]));
      const float high = exp2_fast(__fmaf_rn(s[2 * h + 1], scale, -rows.shift[m][h]));
      rows.sum[m][h] += low + high;
      weights.a[m][i] = pack(low, high);
    }
}

// o += softmax's weights times v. The compiler interleaves the exponentials of the next 16 keys with the
// products of these.
DEVICE void accumulate(Rows& rows, const Scores& scores, float scale, u32 values) {
  constexpr int PAIRS = DIM / 16, STEPS = BN / 16;
  Weights weights;
  u32 b[2][4];
  load_matrix_x4_transposed(b[0], values);
#pragma unroll
  for (int i = 0; i < STEPS * PAIRS; i++) {
    const int step = i / PAIRS, d = i % PAIRS, next = i + 1;
    if (next < STEPS * PAIRS)
      load_matrix_x4_transposed(b[next % 2], further(values, next % PAIRS) + next / PAIRS * 16 * PITCH);
    if (d == 0) weigh(weights, rows, scores, scale, step);
#pragma unroll
    for (int m = 0; m < M; m++) {
      product(rows.o[m][2 * d], weights.a[m], b[i % 2][0], b[i % 2][1]);
      product(rows.o[m][2 * d + 1], weights.a[m], b[i % 2][2], b[i % 2][3]);
    }
  }
}

// o / sum, rounded, through this warp's own rows of shared memory, so that whole lines are stored.
DEVICE void store(Rows& rows, u32 staged, u16* o, i32 present) {
  const u32 lane = lane_id(), g = lane / 4, t = lane % 4;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      float sum = rows.sum[m][h];
      sum += __shfl_xor_sync(ALL_LANES, sum, 1);
      sum += __shfl_xor_sync(ALL_LANES, sum, 2);
      const float share = __fdividef(1.0f, sum);
#pragma unroll
      for (int d = 0; d < DIM / 8; d++) {
        const u32 pair = pack(rows.o[m][d][2 * h] * share, rows.o[m][d][2 * h + 1] * share);
        store_shared4(staged + swizzled(m * 16 + h * 8 + g, d) + t * 4, pair);
      }
    }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < ROWS * CHUNKS; i += WARP) {
    const i32 row = (i + static_cast<i32>(lane)) / CHUNKS, chunk = (i + static_cast<i32>(lane)) % CHUNKS;
    if (row < present) store_once(o + row * DIM + chunk * 8, load_shared16(staged + swizzled(row, chunk)));
  }
}

// q, o [heads, seq, DIM] and k, v [heads / group, seq, DIM], batch and heads being one axis. One block a tile of
// queries. `scale`: log2(e) / sqrt(DIM).
//
// Blocks start in the order x, y, z. z: heads whose k and v fit in the second-level cache together. y: their last
// queries first, which see the most keys if causal, so that short blocks fill the end. x: head by head, so
// that the heads of a group, which read the same k and v, run at the same time.
KERNEL void __launch_bounds__(THREADS, BLOCKS)
prefill(const u16* q, const u16* k, const u16* v, u16* o, i32 heads, i32 group, i32 seq, i32 causal, float scale) {
  DYNAMIC_SHARED(memory);
  const u32 base = shared_address(memory);
  const i32 head = static_cast<i32>(blockIdx.z * gridDim.x + blockIdx.x);
  const i32 start = static_cast<i32>(gridDim.y - 1 - blockIdx.y) * BM;
  if (head >= heads) return;
  const i32 kv_origin = head / group * seq;  // in rows

  const i32 lane = static_cast<i32>(lane_id()), row = static_cast<i32>(threadIdx.x) / WARP * ROWS;
  const i32 last = start + row + ROWS;                  // beyond this warp's queries
  const i32 end = causal ? min(start + BM, seq) : seq;  // keys of this block

  copy_rows<BM>(base + Q_PLACE, q, head * seq + start, seq - start);
  copy_async_commit();
  copy_rows<BN>(base, k, kv_origin, seq);
  if (V_STAGES == 2) copy_rows<BN>(base + V_PLACE, v, kv_origin, seq);
  copy_async_commit();

  // Where this lane's row of each ldmatrix begins: q's A fragments, k's B fragments, v's transposed ones.
  Queries queries;
  queries.place = base + Q_PLACE + swizzled(row + lane % 16, lane / 16);
  const u32 key = swizzled(lane % 8 + lane / 16 * 8, lane / 8 % 2), value = V_PLACE + swizzled(lane % 16, lane / 16);
  if (Q_REGISTERS) {
    copy_async_wait<1>();
    __syncthreads();
#pragma unroll
    for (int step = 0; step < DIM / 16; step++) load_queries(queries, step);
  }

  Rows rows;
  Scores scores;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      rows.shift[m][h] = -INFINITE;
      rows.sum[m][h] = 0.0f;
#pragma unroll
      for (int d = 0; d < DIM / 8; d++) rows.o[m][d][2 * h] = rows.o[m][d][2 * h + 1] = 0.0f;
    }

  for (i32 from = 0; from < end; from += BN) {
    const i32 after = from + BN;
    const bool busy = !causal || from < last;  // right of the diagonal a warp has nothing to do
    const u32 stage = (from / BN & 1) * STAGE, other = stage ^ STAGE;  // the two stages in turn
    copy_async_wait<0>();
    __syncthreads();  // this tile has come, and every warp is done with the one before
    if (V_STAGES == 1) {
      copy_rows<BN>(base + V_PLACE, v, kv_origin + from, seq - from);
      copy_async_commit();
    }
    if (after < end) {
      copy_rows<BN>(base + other, k, kv_origin + after, seq - after);
      if (V_STAGES == 2) copy_rows<BN>(base + other + V_PLACE, v, kv_origin + after, seq - after);
    }
    copy_async_commit();
    if (busy) score(scores, queries, base + stage + key);
    if (V_STAGES == 1) {
      copy_async_wait<1>();
      __syncthreads();
    }
    if (busy) {
      if (after > seq || (causal && after + ROWS - 1 > last)) {
        const i32 column = from + lane % 4 * 2;
        mask(scores, (causal ? last - ROWS + 1 + lane / 4 : seq) - column, causal, seq - column);
      }
      raise(rows, scores, scale);
      accumulate(rows, scores, scale, base + value + (V_STAGES == 2 ? stage : 0));
    }
  }

  // The output takes the place of tiles, which other warps may still read, or of this warp's own queries.
  if (Q_REGISTERS) __syncthreads();
  else __syncwarp();
  store(rows, base + Q_PLACE + row * PITCH, o + (static_cast<i64>(head) * seq + start + row) * DIM, seq - start - row);
}
