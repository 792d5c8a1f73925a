// Prefill attention, forward, on datacenter Blackwell's tensor cores by tcgen05: o = softmax(q k^T * scale) v for bf16 and fp16.
//
// As in FlashAttention-4 scores, weights and sums live in tensor memory. A block takes two tiles of 128 queries of one head and walks
// over the keys in tiles of 128, from the first on. One thread has the copy engine bring k and v, through one ring. One thread has
// the tensor cores multiply. A warpgroup for each tile of queries does softmax: a thread has a whole row of scores, so nothing is
// shuffled; it writes the weights over them, from where the tensor cores take them. One tile's softmax runs while the other's
// products do:
//
//   tensor cores  | PV0 QK0 | PV1 QK1 | PV0 QK0 | PV1 QK1 |     waits for full[s] and weighed[t]; commits to empty[s], scored[t]
//   softmax 0               |   softmax 0  ..   |               and, after the last PV, summed[t]
//   softmax 1     |   softmax 1  ..   |                         waits for scored[t]; arrives at weighed[t]
//
// Sums are scaled down only when a row's largest score has grown by 2^8 since they were begun: rarely, so whoever does softmax does
// that too: the scores that have come say that the PV before them is done. Weights are then up to 2^8, which either type and the sums in float32 bear.
//
// The budget, for HEAD_DIM 128; in clocks of a processor and for both tiles and 128 keys:
//   tensor cores  four products of 128 x 128 x 128, at 4096 multiply-adds a clock 512 clocks each: 2048.
//   exponentials  2 x 128 x 128 on 16 lanes: 2048 as well. Which of both is the wall a GPU must tell; a part of the exponentials by
//                 a polynomial would relieve the second.
//   shared reads  QK reads 4 KiB of q and 4 KiB of k for 64 clocks, all of 128 B a clock; PV v only: 64.
//   level 2       k and v, 64 KiB: 32 B a clock.
//   shared memory q 64 KiB, over which o is written on its way out, and 5 tiles of k or v, 32 KiB each: 224 of 227 KiB.
//   tensor memory 2 x 128 columns of scores, 2 x HEAD_DIM of sums.
//   registers     384 threads begin with 168 each. Those that do softmax take 208: a row is 128 scores, and 32 words of weights at
//                 a time. The third warpgroup, of which two threads work, keeps 88: 128 x (2 x 208 + 88) = 64,512.
//
// Order: the tiles with the most keys first, where causal; blocks take them in turn. QK writes scores over the weights that the PV
// before it reads: both go through the tensor cores' one queue, which public kernels rely on too.
#include "ptx_tcgen05.cuh"

#if !defined(TYPE) || !defined(HEAD_DIM) || !defined(STAGES)
#error "give TYPE (bf16 fp16), HEAD_DIM (64, 128), STAGES (tiles of k or v)"
#endif

// ---------------------------------------------------------------- sizes and types

struct bf16 { static constexpr u32 format = 1; };
struct fp16 { static constexpr u32 format = 0; };
typedef TYPE Type;
DEVICE u32 pair(bf16, float x, float y) { return pack_bf16(x, y); }
DEVICE u32 pair(fp16, float x, float y) { return pack_fp16(x, y); }

constexpr int DIM = HEAD_DIM, TILES = 2, ROWS = 128, KEYS = 128;               // tiles of queries, and their rows
constexpr int GROUP_THREADS = 128, COPIER = 8, MULTIPLIER = 9, THREADS = (TILES + 1) * GROUP_THREADS;  // warps, by their number
constexpr int FEWER = 88, MORE = 208;          // registers
constexpr int LINE = 128, WIDE = LINE / 2, BOXES = DIM / WIDE, BOX = ROWS * LINE, TILE = BOXES * BOX;  // bytes of q, k or v
constexpr int STEP = 32, STEP_KEYS = 16;       // bytes of a row, and keys, in one product
constexpr int PART = 64;                       // columns that a thread takes to registers at a time
constexpr int PATTERN = 1024;                  // bytes after which the swizzle repeats: boxes begin there
constexpr u32 COLUMNS = 512, SUMS = TILES * KEYS;  // of tensor memory; scores, over them weights, then sums
constexpr u32 SCORE = tcgen05_instruction(1, Type::format, false, ROWS, KEYS), VALUE = tcgen05_instruction(1, Type::format, true, ROWS, DIM);
constexpr float LAZY = 8.0f;                   // binary orders that weights may exceed 1 by

static_assert(KEYS == ROWS, "k and v come in tiles as q does");

#define INFINITE __int_as_float(0x7f800000)

// Where things lie in shared memory; barriers of each tile of queries are 8 bytes apart.
struct Shared { u32 queries, ring, full, empty, asked, stored, scored, weighed, summed, tmem; };

DEVICE Shared shared_places(u32 start) {
  u32 queries = (start + PATTERN - 1) / PATTERN * PATTERN, ring = queries + TILES * TILE, full = ring + STAGES * TILE;
  u32 asked = full + 16 * STAGES, each = 8 * TILES;
  return {queries, ring, full, full + 8 * STAGES, asked, asked + each, asked + 2 * each, asked + 3 * each, asked + 4 * each, asked + 5 * each};
}

// A slot of the ring, and the parity of the phase of its mbarrier that is waited for.
struct Turn { u32 slot, parity; };
DEVICE void advance(Turn& turn) {
  if (++turn.slot < STAGES) return;
  turn.slot = 0;
  turn.parity ^= 1;
}

struct Shape { i32 heads, group, seq, causal; };
struct Work { i32 head, start, steps[TILES], most; };  // tiles of keys that each tile of queries sees, none if it has no row

DEVICE i32 works(const Shape& shape) { return shape.heads * ((shape.seq + TILES * ROWS - 1) / (TILES * ROWS)); }
DEVICE Work work_of(const Shape& shape, i32 at) {
  i32 down = (shape.seq + TILES * ROWS - 1) / (TILES * ROWS);
  Work work{at % shape.heads, (down - 1 - at / shape.heads) * TILES * ROWS, {}, 0};
#pragma unroll
  for (int t = 0; t < TILES; t++) {
    i32 start = work.start + t * ROWS, end = shape.causal ? min(start + ROWS, shape.seq) : shape.seq;
    work.steps[t] = start < shape.seq ? (end + KEYS - 1) / KEYS : 0;
    work.most = max(work.most, work.steps[t]);
  }
  return work;
}

// ---------------------------------------------------------------- one thread: global -> shared

DEVICE void load_rows(u32 to, const TensorMap& map, i32 row, i32 head, u32 full) {
  mbarrier_arrive_expect(full, TILE);
#pragma unroll
  for (int i = 0; i < BOXES; i++) tensor_load(to + i * BOX, map, i * WIDE, row, head, full);
}

DEVICE void bring(const TensorMap& q, const TensorMap& k, const TensorMap& v, const Shape& shape, const Shared& shared) {
  Turn turn{0, 1};  // at first every slot is empty
  u32 parity[TILES] = {1, 1};
  for (i32 at = blockIdx.x; at < works(shape); at += gridDim.x) {
    Work work = work_of(shape, at);
#pragma unroll
    for (int t = 0; t < TILES; t++) {
      if (!work.steps[t]) continue;
      mbarrier_wait(shared.stored + 8 * t, parity[t]);
      parity[t] ^= 1;
      load_rows(shared.queries + t * TILE, q, work.start + t * ROWS, work.head, shared.asked + 8 * t);
    }
    for (int i = 0; i < 2 * work.most; i++, advance(turn)) {
      mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);
      load_rows(shared.ring + turn.slot * TILE, i % 2 ? v : k, i / 2 * KEYS, work.head / shape.group, shared.full + 8 * turn.slot);
    }
  }
}

// ---------------------------------------------------------------- one thread: the products

DEVICE void multiply_scores(const Shared& shared, u32 tmem, int t, u32 slot) {
  u64 q = tcgen05_operand(shared.queries + t * TILE, 0), k = tcgen05_operand(shared.ring + slot * TILE, 0);
#pragma unroll
  for (int i = 0; i < DIM / STEP_KEYS; i++) {
    u32 on = (i * STEP / LINE * BOX + i * STEP % LINE) / 16;
    tcgen05_f16<1>(tmem + t * KEYS, q + on, k + on, SCORE, i > 0);
  }
  tcgen05_commit(shared.scored + 8 * t);
}
DEVICE void multiply_values(const Shared& shared, u32 tmem, int t, u32 slot, bool add) {
  u64 v = tcgen05_operand(shared.ring + slot * TILE, BOX);
#pragma unroll
  for (int i = 0; i < KEYS / STEP_KEYS; i++)
    tcgen05_f16_tmem(tmem + SUMS + t * DIM, tmem + t * KEYS + i * STEP_KEYS / 2, v + i * (STEP_KEYS * LINE / 16), VALUE, add || i > 0);
}

DEVICE void compute(const Shape& shape, const Shared& shared, u32 tmem) {
  Turn turn{0, 0};
  u32 asked[TILES] = {}, weighed[TILES] = {};  // parities
  for (i32 at = blockIdx.x; at < works(shape); at += gridDim.x) {
    Work work = work_of(shape, at);
    for (i32 j = -1; j < work.most; j++) {  // PV of tile j of keys, and QK of the next
      Turn v = turn;
      if (j >= 0) advance(turn);
#pragma unroll
      for (int t = 0; t < TILES; t++) {
        if (j >= 0 && j < work.steps[t]) {
          mbarrier_wait(shared.full + 8 * v.slot, v.parity);
          mbarrier_wait(shared.weighed + 8 * t, weighed[t]);
          weighed[t] ^= 1;
          tcgen05_fence_after();
          multiply_values(shared, tmem, t, v.slot, j > 0);
          if (j == work.steps[t] - 1) tcgen05_commit(shared.summed + 8 * t);
        }
        if (t == TILES - 1 && j >= 0) tcgen05_commit(shared.empty + 8 * v.slot);
        if (j + 1 < work.steps[t]) {
          if (j < 0) mbarrier_wait(shared.asked + 8 * t, asked[t]), asked[t] ^= 1;
          mbarrier_wait(shared.full + 8 * turn.slot, turn.parity);
          tcgen05_fence_after();
          multiply_scores(shared, tmem, t, turn.slot);
        }
      }
      if (j + 1 < work.most) {
        tcgen05_commit(shared.empty + 8 * turn.slot);
        advance(turn);
      }
    }
  }
}

// ---------------------------------------------------------------- a warpgroup for each tile of queries: softmax

// A thread's row: the largest score, scaled, that its sums and weights are relative to; and the sum of these.
struct Row { float top, sum; };

// Scores from the first key on that the row does not see count as -infinity.
DEVICE void mask(u32 (&s)[PART], i32 first, i32 end) {
#pragma unroll
  for (int i = 0; i < PART; i++)
    if (first + i >= end) s[i] = __float_as_uint(-INFINITE);
}
DEVICE float largest(const u32 (&s)[PART], float so_far) {
#pragma unroll
  for (int i = 0; i < PART; i++) so_far = fmaxf(so_far, __uint_as_float(s[i]));
  return so_far;
}
// 64 scores become 32 words of weights, in tensor memory; their sum.
DEVICE float weigh(const u32 (&s)[PART], float scale, float top, u32 to) {
  u32 p[PART / 2];
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < PART / 2; i++) {
    float x = exp2_fast(__fmaf_rn(__uint_as_float(s[2 * i]), scale, -top)), y = exp2_fast(__fmaf_rn(__uint_as_float(s[2 * i + 1]), scale, -top));
    sum += x + y;
    p[i] = pair(Type{}, x, y);
  }
  tmem_store(to, p);
  return sum;
}
// Sums of this row times a factor.
DEVICE void rescale(u32 sums, float factor) {
#pragma unroll 1
  for (int part = 0; part < DIM; part += PART / 2) {
    u32 o[PART / 2];
    tmem_load(o, sums + part);
    tmem_load_wait(o);
#pragma unroll
    for (int i = 0; i < PART / 2; i++) o[i] = __float_as_uint(__uint_as_float(o[i]) * factor);
    tmem_store(sums + part, o);
  }
}

// 64 columns of this row of o, swizzled as the copy engine expects it, over q.
DEVICE void write_line(u32 place, const u32 (&o)[PART], float factor) {
  u32 row = lane_id();
#pragma unroll
  for (u32 chunk = 0; chunk < 8; chunk++) {
    u32 v[4];
#pragma unroll
    for (int i = 0; i < 4; i++)
      v[i] = pair(Type{}, __uint_as_float(o[chunk * 8 + i * 2]) * factor, __uint_as_float(o[chunk * 8 + i * 2 + 1]) * factor);
    store_shared16(place + row * LINE + (chunk ^ row % 8) * 16, make_uint4(v[0], v[1], v[2], v[3]));
  }
}
DEVICE void store(const TensorMap& map, u32 sums, float factor, u32 place, i32 row, i32 head) {
#pragma unroll 1
  for (int i = 0; i < BOXES; i++) {
    u32 o[PART];
    tmem_load(o, sums + i * PART);
    tmem_load_wait(o);
    write_line(place + i * BOX, o, factor);
    fence_proxy_async();
    __syncwarp();
    if (lane_id() == 0) tensor_store(map, i * WIDE, row, head, place + i * BOX);
  }
  if (lane_id() == 0) {
    tensor_store_commit();
    tensor_store_wait_read<0>();
  }
}

DEVICE void arrive(u32 mbarrier) {
  __syncwarp();
  if (lane_id() == 0) mbarrier_arrive(mbarrier);
}

DEVICE void soften(const TensorMap& o, const Shape& shape, const Shared& shared, u32 tmem, u32 t, u32 warp, float scale) {
  u32 scores = tmem_place(tmem, warp * WARP, t * KEYS), sums = tmem_place(tmem, warp * WARP, SUMS + t * DIM), steps = 0, stored = 0;
  for (i32 at = blockIdx.x; at < works(shape); at += gridDim.x) {
    Work work = work_of(shape, at);
    i32 first = work.start + static_cast<i32>(t * ROWS + warp * WARP), own = first + static_cast<i32>(lane_id());
    i32 count = t ? work.steps[1] : work.steps[0], end = shape.causal ? min(own + 1, shape.seq) : shape.seq;
    Row row{-INFINITE, 0.0f};
    for (i32 j = 0; j < count; j++, steps++) {
      u32 s[2][PART];
      mbarrier_wait(shared.scored + 8 * t, steps & 1);
      tcgen05_fence_after();
      tmem_load(s[0], scores);
      tmem_load(s[1], scores + PART);
      tmem_load_wait(s[0]);
      tmem_load_wait(s[1]);
      if (j == count - 1) mask(s[0], j * KEYS, end), mask(s[1], j * KEYS + PART, end);
      float top = largest(s[1], largest(s[0], -INFINITE)) * scale;
      bool grown = top > row.top + LAZY;  // at first it has
      float factor = grown ? exp2_fast(row.top - top) : 1.0f;
      if (grown) row.top = top;
      float sum = weigh(s[0], scale, row.top, scores) + weigh(s[1], scale, row.top, scores + PART / 2);
      row.sum = row.sum * factor + sum;
      if (j > 0 && __any_sync(ALL_LANES, grown)) rescale(sums, factor);  // PV came before the scores that have come
      tmem_store_wait();
      tcgen05_fence_before();
      arrive(shared.weighed + 8 * t);
    }
    if (!count) continue;
    mbarrier_wait(shared.summed + 8 * t, stored);
    stored ^= 1;
    tcgen05_fence_after();
    store(o, sums, 1.0f / row.sum, shared.queries + t * TILE + warp * (WARP * LINE), first, work.head);
    tcgen05_fence_before();
    arrive(shared.stored + 8 * t);
  }
}

// q, o (heads, seq, DIM) and k, v (heads / group, seq, DIM), batch and heads being one axis. `scale`: log2(e) / sqrt(DIM).
KERNEL void __launch_bounds__(THREADS, 1)
attention(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v,
          const __grid_constant__ TensorMap o, i32 heads, i32 group, i32 seq, i32 causal, float scale) {
  DYNAMIC_SHARED(memory);
  Shared shared = shared_places(shared_address(memory));
  Shape shape{heads, group, seq, causal};
  u32 warp = __shfl_sync(ALL_LANES, threadIdx.x / WARP, 0);  // the same in all lanes, and known to be
  if (threadIdx.x == 0) {
#pragma unroll
    for (int s = 0; s < STAGES; s++) mbarrier_init(shared.full + 8 * s, 1), mbarrier_init(shared.empty + 8 * s, 1);
#pragma unroll
    for (int t = 0; t < TILES; t++) {
      mbarrier_init(shared.asked + 8 * t, 1), mbarrier_init(shared.stored + 8 * t, GROUP_THREADS / WARP);
      mbarrier_init(shared.scored + 8 * t, 1), mbarrier_init(shared.weighed + 8 * t, GROUP_THREADS / WARP);
      mbarrier_init(shared.summed + 8 * t, 1);
    }
    fence_mbarrier_init();
  }
  if (warp == MULTIPLIER) {
    tmem_allocate<1>(shared.tmem, COLUMNS);
    tmem_allocate_no_more<1>();
  }
  tcgen05_fence_before();
  __syncthreads();  // the mbarriers and the tensor memory are there
  u32 tmem = load_shared4(shared.tmem);
  if (warp < COPIER) {
    registers_increase<MORE>();
    soften(o, shape, shared, tmem, warp / 4, warp % 4, scale);
  } else {
    registers_decrease<FEWER>();
    if (warp == COPIER && elect_one()) bring(q, k, v, shape, shared);
    if (warp == MULTIPLIER && elect_one()) compute(shape, shared, tmem);
    __syncwarp();
  }
  __syncthreads();
  tcgen05_fence_after();
  if (warp == MULTIPLIER) tmem_free<1>(tmem, COLUMNS);
}
