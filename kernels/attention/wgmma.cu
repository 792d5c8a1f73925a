// Prefill attention, forward, on Hopper's tensor cores by wgmma: o = softmax(q k^T * scale) v for bf16, fp16 and e4m3.
//
// The technique is FlashAttention-3's (Shah et al. 2024, arXiv 2407.08608), written anew. A block of one producer warpgroup and
// two or three consumers takes tiles of 64 queries a consumer, all of one head, and walks over the keys from the last it sees to
// the first. The producer's threads have the copy engine bring k and v in tiles of BN keys, through a ring each. A consumer
// keeps its scores s, its weights p and its sums o in registers; s becomes p where it lies, for the result layout of the first
// product is the A layout of the second. Two overlaps keep the tensor cores busy while the exponentials are computed:
//
//   consumer 0    | QK1 PV0 |  soft 1   | QK2 PV1 |  soft 2   |      within a warpgroup: PV of the tile before runs while
//   consumer 1      soft 0  | QK1 PV0 |  soft 1   | QK2 PV1 |        softmax works on the scores of this one;
//   tensor cores  |    0    |    1    |    0    |    1     |        between them: turns. Who has handed both products to the
//                                                                   tensor cores gives the turn to the next (named barriers).
//
// The budget, for HEAD_DIM 128, bf16, two consumers and BN = 128; in clocks of a processor and for 64 x 128 scores:
//   tensor cores  QK and PV are 64 x 128 x 128 multiply-adds each, 512 clocks at 2048 a clock: 1024.
//   exponentials  64 x 128 on 16 lanes: 512, and about 5.5 of 4 x 128 issue slots a score, 352. Two consumers need 1024 of 2048.
//                 At HEAD_DIM 64, or with e4m3 at 128, they need as long as the products do.
//   shared reads  QK reads 2 KiB of q and 4 KiB of k for 64 clocks, 96 of 128 B a clock; PV v only: 64.
//   level 2       k and v, 64 KiB, for 2048 clocks of two consumers: 32 B a clock.
//   shared memory q 32 KiB, over which o is written on its way out, and 3 stages of k and v, 64 KiB each: 224 of 227 KiB.
//   registers     384 threads begin with 168 each; the producer keeps 24, a consumer has 240 for 64 sums of o, 64 scores and
//                 32 pairs of weights. With three consumers: 128, 32 and 160.
//
// e4m3: wgmma takes 8-bit operands along k only, for PV along the keys. So `transpose` writes v^T first: 2 seq D bytes of traffic
// against 4 seq^2 D flop. It also orders each 16 keys as the 8-bit A layout has them where the scores lie, so nothing is
// shuffled. Weights are 2^(s scale - top + 8), up to 256 of e4m3's 448: what matters stays above its smallest numbers.
//
// Order of tiles: tickets, by an atomic counter. Heads whose k and v fit in the second-level cache come together, of these the
// last queries first, which see the most keys where causal: short tiles fill the end. The block that ends last resets the counter.
#include "ptx.cuh"

#if !defined(TYPE) || !defined(HEAD_DIM) || !defined(BN) || !defined(CONSUMERS) || !defined(STAGES)
#error "give TYPE (bf16 fp16 e4m3), HEAD_DIM (64, 128, 256), BN (keys of a tile), CONSUMERS (2, 3), STAGES"
#endif

// ---------------------------------------------------------------- element types

struct bf16 { static constexpr int bytes = 2; static constexpr float boost = 0.0f; };
struct fp16 { static constexpr int bytes = 2; static constexpr float boost = 0.0f; };
struct e4m3 { static constexpr int bytes = 1; static constexpr float boost = 8.0f; };  // binary orders that weights are raised by
typedef TYPE Type;

template <int n> DEVICE void scores(bf16, float (&d)[n], u64 a, u64 b, u32 add) { wgmma_bf16(d, a, b, add); }
template <int n> DEVICE void scores(fp16, float (&d)[n], u64 a, u64 b, u32 add) { wgmma_fp16(d, a, b, add); }
template <int n> DEVICE void scores(e4m3, float (&d)[n], u64 a, u64 b, u32 add) { wgmma_e4m3(d, a, b, add); }
template <int n> DEVICE void values(bf16, float (&d)[n], const u32 (&a)[4], u64 b) { wgmma_bf16_nn(d, a, b, 1); }
template <int n> DEVICE void values(fp16, float (&d)[n], const u32 (&a)[4], u64 b) { wgmma_fp16_nn(d, a, b, 1); }
template <int n> DEVICE void values(e4m3, float (&d)[n], const u32 (&a)[4], u64 b) { wgmma_e4m3(d, a, b, 1); }
DEVICE u32 pair(bf16, float x, float y) { return pack_bf16(x, y); }
DEVICE u32 pair(fp16, float x, float y) { return pack_fp16(x, y); }
DEVICE u32 pair(e4m3, float x, float y) { return pack_bf16(x, y); }  // of o, which is bf16

// ---------------------------------------------------------------- sizes

constexpr int DIM = HEAD_DIM, ELEMENT = Type::bytes, GROUP_THREADS = 128, THREADS = (1 + CONSUMERS) * GROUP_THREADS;
constexpr int ROWS = 64, BM = CONSUMERS * ROWS;                     // queries of a consumer, and of a block
constexpr int FEWER = CONSUMERS == 2 ? 24 : 32, MORE = CONSUMERS == 2 ? 240 : 160;  // registers
constexpr int ROW = DIM * ELEMENT, LINE = ROW < 128 ? ROW : 128;    // bytes of a row of q, k or v, and of it in one box
constexpr int BOXES = ROW / LINE, WIDE = LINE / ELEMENT;            // boxes of a row, and elements of one
constexpr int Q_BOX = ROWS * LINE, K_BOX = BN * LINE, TILE = BN * ROW;
constexpr int O_LINE = 128, O_BOXES = DIM * 2 / O_LINE, O_BOX = ROWS * O_LINE, PLACE = ROWS * DIM * 2;  // of q, and then of o
constexpr bool TRANSPOSED = ELEMENT == 1;                           // v comes as v^T: its lines are keys
constexpr int STEP = 32, KEYS = STEP / ELEMENT;                     // bytes of k, and keys, in one wgmma
constexpr int PATTERN = 1024;                                       // bytes: matrices begin at a multiple of it

static_assert(BN % KEYS == 0 && TILE % PATTERN == 0 && K_BOX % PATTERN == 0, "whole steps of keys, boxes where a pattern begins");
static_assert(!TRANSPOSED || BN == 128, "a box of v^T is 128 bytes of keys");

#define INFINITE __int_as_float(0x7f800000)

// A ring of STAGES tiles with two mbarriers each; whose turn it is, and the parity of the phase that is waited for.
struct Ring { u32 tiles, full, empty; };
struct Turn { u32 slot, parity; };
DEVICE void advance(Turn& turn) {
  if (++turn.slot < STAGES) return;
  turn.slot = 0;
  turn.parity ^= 1;
}

// Where things lie in shared memory. Each consumer has a place for q and o; and, as who loads q, a ticket and two mbarriers.
struct Shared { u32 queries; Ring keys, values; u32 full, empty, tickets; };

DEVICE Shared shared_places(u32 start) {
  u32 queries = (start + PATTERN - 1) / PATTERN * PATTERN, keys = queries + CONSUMERS * PLACE, values = keys + STAGES * TILE;
  u32 k = values + STAGES * TILE, v = k + 16 * STAGES, q = v + 16 * STAGES;
  return {queries, {keys, k, k + 8 * STAGES}, {values, v, v + 8 * STAGES}, q, q + 8 * (CONSUMERS + 1), q + 16 * (CONSUMERS + 1)};
}

DEVICE void make_barriers(u32 full, u32 empty, int count, u32 readers) {
  for (int i = 0; i < count; i++) {
    mbarrier_init(full + 8 * i, 1);
    mbarrier_init(empty + 8 * i, readers);
  }
}

struct Shape { i32 heads, group, seq, causal, together; };
struct Work { i32 head, start, tiles; };  // of queries from `start`; tiles of keys that they see

DEVICE i32 blocks_of(const Shape& shape) { return (shape.seq + BM - 1) / BM; }
DEVICE i32 tickets_of(const Shape& shape) { return shape.heads * blocks_of(shape); }
DEVICE Work work_of(const Shape& shape, i32 ticket) {
  i32 down = blocks_of(shape), set = ticket / (shape.together * down), within = ticket % (shape.together * down);
  i32 wide = min(shape.heads - set * shape.together, shape.together), start = (down - 1 - within / wide) * BM;
  i32 end = shape.causal ? min(start + BM, shape.seq) : shape.seq;
  return {set * shape.together + within % wide, start, (end + BN - 1) / BN};
}

// ---------------------------------------------------------------- producer: global -> shared

DEVICE void load_rows(u32 to, const TensorMap& map, i32 row, i32 head, u32 full, int box) {
#pragma unroll
  for (int i = 0; i < BOXES; i++) tensor_load(to + i * box, map, i * WIDE, row, head, full);
}
// A tile of keys into the next slot, once it is empty.
DEVICE void load_tile(const Ring& ring, Turn& turn, const TensorMap& map, i32 tile, i32 head, bool transposed) {
  u32 to = ring.tiles + turn.slot * TILE, full = ring.full + 8 * turn.slot;
  mbarrier_wait(ring.empty + 8 * turn.slot, turn.parity);
  mbarrier_arrive_expect(full, TILE);
  if (transposed) tensor_load(to, map, tile * BN, 0, head, full);
  else load_rows(to, map, tile * BN, head, full, K_BOX);
  advance(turn);
}
// One thread has the tickets, and loads keys and values: it runs ahead into the next tile.
DEVICE void produce_keys(const TensorMap& k, const TensorMap& v, const Shape& shape, const Shared& shared, u32* next) {
  Turn keys{0, 1}, values{0, 1};  // at first everything is empty
  for (u32 parity = 1;; parity ^= 1) {
    i32 ticket = static_cast<i32>(fetch_add(next, 1u));
    mbarrier_wait(shared.empty + 8 * CONSUMERS, parity);
    store_shared4(shared.tickets + 4 * CONSUMERS, static_cast<u32>(ticket));
    mbarrier_arrive(shared.full + 8 * CONSUMERS);
    if (ticket >= tickets_of(shape)) break;
    Work work = work_of(shape, ticket);
    i32 head = work.head / shape.group;
    load_tile(shared.keys, keys, k, work.tiles - 1, head, false);
    for (i32 tile = work.tiles - 1; tile >= 0; tile--) {
      if (tile > 0) load_tile(shared.keys, keys, k, tile - 1, head, false);
      load_tile(shared.values, values, v, tile, head, TRANSPOSED);
    }
  }
  if (fetch_add(next + 1, 1u) == gridDim.x - 1) next[0] = next[1] = 0;
}
// Another gives each consumer ticket and queries, once its last o has left.
DEVICE void produce_queries(const TensorMap& q, const Shape& shape, const Shared& shared) {
  for (u32 parity = 0;; parity ^= 1) {
    mbarrier_wait(shared.full + 8 * CONSUMERS, parity);
    i32 ticket = static_cast<i32>(load_shared4(shared.tickets + 4 * CONSUMERS));
    mbarrier_arrive(shared.empty + 8 * CONSUMERS);
    bool any = ticket < tickets_of(shape);
    Work work = work_of(shape, any ? ticket : 0);
    for (int c = 0; c < CONSUMERS; c++) {
      u32 full = shared.full + 8 * c;
      mbarrier_wait(shared.empty + 8 * c, parity ^ 1);
      store_shared4(shared.tickets + 4 * c, static_cast<u32>(ticket));
      if (any) {
        mbarrier_arrive_expect(full, ROWS * ROW);
        load_rows(shared.queries + c * PLACE, q, work.start + c * ROWS, work.head, full, Q_BOX);
      } else {
        mbarrier_arrive(full);
      }
    }
    if (!any) return;
  }
}

// ---------------------------------------------------------------- consumers: shared -> registers -> shared -> global

// Of a matrix in lines of `line` bytes, swizzled by as many: eight lines are a pattern, and the next eight follow it. Of v, which
// is taken across its lines, the next columns are a box later.
DEVICE u64 descriptor(u32 place, int line, bool across) {
  u64 mode = line == 128 ? 1 : 2, stride = 8 * line / 16;
  return mode << 62 | stride << 32 | (across ? static_cast<u64>(K_BOX / 16) << 16 : 0) | place / 16;
}

DEVICE void await(const Ring& ring, const Turn& turn) { mbarrier_wait(ring.full + 8 * turn.slot, turn.parity); }
DEVICE void give_back(const Ring& ring, Turn& turn) {  // every warp has read it
  if (lane_id() == 0) mbarrier_arrive(ring.empty + 8 * turn.slot);
  advance(turn);
}

// s = q k^T for one tile of keys: begun.
DEVICE void begin_scores(float (&s)[BN / 2], u32 queries, u32 keys) {
  u64 q = descriptor(queries, LINE, false), k = descriptor(keys, LINE, false);
#pragma unroll
  for (int at = 0; at < ROW; at += STEP) {
    int box = at / LINE, within = at % LINE;
    scores(Type{}, s, q + (box * Q_BOX + within) / 16, k + (box * K_BOX + within) / 16, at > 0);
  }
  wgmma_commit();
}
// o += p v for one tile of keys: begun.
DEVICE void begin_values(float (&o)[DIM / 2], const u32 (&p)[BN / KEYS][4], u32 place) {
  u64 v = descriptor(place, 128, !TRANSPOSED);
#pragma unroll
  for (int i = 0; i < BN / KEYS; i++) values(Type{}, o, p[i], v + i * (TRANSPOSED ? STEP : KEYS * LINE) / 16);
  wgmma_commit();
}

// Rows g and g + 8: the largest score so far, and the sum of weights of this lane's columns.
struct Rows { float top[2], sum[2]; };

// Scores to weights, 2^(s scale - top scale): what sums so far are to be multiplied with. A row that has seen no key keeps 0.
DEVICE void soften(float (&s)[BN / 2], Rows& rows, float (&fade)[2], float scale) {
#pragma unroll
  for (int h = 0; h < 2; h++) {
    float top = rows.top[h];
#pragma unroll
    for (int j = 2 * h; j < BN / 2; j += 4) top = max(top, max(s[j], s[j + 1]));
    top = max(top, __shfl_xor_sync(ALL_LANES, top, 1));
    top = max(top, __shfl_xor_sync(ALL_LANES, top, 2));
    float finite = top == -INFINITE ? 0.0f : top, shift = __fmaf_rn(finite, scale, -Type::boost);
    fade[h] = exp2_fast((rows.top[h] - finite) * scale);
    rows.top[h] = top;
    rows.sum[h] *= fade[h];
#pragma unroll
    for (int j = 2 * h; j < BN / 2; j += 4) {
      s[j] = exp2_fast(__fmaf_rn(s[j], scale, -shift));
      s[j + 1] = exp2_fast(__fmaf_rn(s[j + 1], scale, -shift));
      rows.sum[h] += s[j] + s[j + 1];
    }
  }
}

// Weights as A fragments: rows g, g + 8, then the same 16 bytes of keys further on.
DEVICE void narrow(u32 (&p)[BN / KEYS][4], const float (&s)[BN / 2]) {
#pragma unroll
  for (int i = 0; i < BN / KEYS; i++)
#pragma unroll
    for (int r = 0; r < 4; r++) {
      if constexpr (TRANSPOSED) {  // four keys of two blocks of eight columns, as `transpose` orders them
        const float* w = s + i * 16 + r / 2 * 8 + r % 2 * 2;
        p[i][r] = pack_e4m3(w[0], w[1], w[4], w[5]);
      } else {
        p[i][r] = pair(Type{}, s[i * 8 + r * 2], s[i * 8 + r * 2 + 1]);
      }
    }
}

// o / sum, over the place of q, which it has no more use for, and out by the copy engine.
DEVICE void store(const TensorMap& map, const float (&o)[DIM / 2], Rows& rows, const Shared& shared, u32 consumer, const Work& work) {
  u32 lane = lane_id(), row = threadIdx.x % GROUP_THREADS / WARP * 16 + lane % 16, place = shared.queries + consumer * PLACE;
  float share[2];
#pragma unroll
  for (int h = 0; h < 2; h++) {
    float sum = rows.sum[h];
    sum += __shfl_xor_sync(ALL_LANES, sum, 1);
    sum += __shfl_xor_sync(ALL_LANES, sum, 2);
    share[h] = __fdividef(1.0f, sum);
  }
  named_barrier_sync(1 + CONSUMERS + consumer, GROUP_THREADS);  // no warp reads q any more
#pragma unroll
  for (int i = 0; i < DIM / 16; i++) {
    u32 r[4], chunk = i % 4 * 2 + lane / 16;
#pragma unroll
    for (int j = 0; j < 4; j++) r[j] = pair(Type{}, o[i * 8 + j * 2] * share[j % 2], o[i * 8 + j * 2 + 1] * share[j % 2]);
    store_matrix_x4(place + i / 4 * O_BOX + row * O_LINE + (chunk ^ row % 8) * 16, r);
  }
  fence_proxy_async();
  named_barrier_sync(1 + CONSUMERS + consumer, GROUP_THREADS);
  if (threadIdx.x % GROUP_THREADS > 0) return;
#pragma unroll
  for (int i = 0; i < O_BOXES; i++)
    tensor_store(map, i * (O_LINE / 2), work.start + static_cast<i32>(consumer) * ROWS, work.head, place + i * O_BOX);
  tensor_store_commit();
  tensor_store_wait_read<0>();
  mbarrier_arrive(shared.empty + 8 * consumer);
}

// One tile of queries: o and its rows' sums.
DEVICE void attend(float (&o)[DIM / 2], Rows& rows, const Shape& shape, const Shared& shared, u32 consumer, const Work& work,
                   Turn& k, Turn& v, float scale) {
  float s[BN / 2], fade[2];
  u32 p[BN / KEYS][4], queries = shared.queries + consumer * PLACE;
  i32 first = work.start + static_cast<i32>(consumer) * ROWS;  // query
  i32 row = first + static_cast<i32>(threadIdx.x % GROUP_THREADS / WARP * 16 + lane_id() / 4), column = lane_id() % 4 * 2;
  auto hide = [&](i32 tile) {  // keys beyond the last, or later than their query: rows g and g + 8, counted from this lane's first
    i32 from = tile * BN, most = shape.seq - from - column;
    if (from + BN <= shape.seq && (!shape.causal || from + BN - 1 <= first)) return;
    i32 seen = shape.causal ? row + 1 - from - column : most, later = shape.causal ? 8 : 0;
#pragma unroll
    for (int i = 0; i < BN / 2; i++)
      if (i / 4 * 8 + i % 2 >= min(seen + i / 2 % 2 * later, most)) s[i] = -INFINITE;
  };
  await(shared.keys, k);
  wgmma_fence();
  begin_scores(s, queries, shared.keys.tiles + k.slot * TILE);
  wgmma_wait<0>(s);
  give_back(shared.keys, k);
  hide(work.tiles - 1);
  soften(s, rows, fade, scale);
  narrow(p, s);
  if (work.tiles > 1) await(shared.keys, k);
  for (i32 tile = work.tiles - 2; tile >= 0; tile--) {
    named_barrier_sync(1 + consumer, 2 * GROUP_THREADS);  // this one's turn
    wgmma_fence();
    begin_scores(s, queries, shared.keys.tiles + k.slot * TILE);
    await(shared.values, v);
    begin_values(o, p, shared.values.tiles + v.slot * TILE);
    named_barrier_arrive(1 + (consumer + 1) % CONSUMERS, 2 * GROUP_THREADS);  // and the next one's
    wgmma_wait<1>(s);
    give_back(shared.keys, k);
    hide(tile);
    soften(s, rows, fade, scale);
    // Here, not when the next tile begins: a loop keeps the compiler from waiting for PV before it computes the exponentials.
    if (tile > 0) await(shared.keys, k);
    wgmma_wait<0>(o);
    give_back(shared.values, v);
#pragma unroll
    for (int i = 0; i < DIM / 2; i++) o[i] *= fade[i / 2 % 2];
    narrow(p, s);
  }
  await(shared.values, v);
  wgmma_fence();
  begin_values(o, p, shared.values.tiles + v.slot * TILE);
  wgmma_wait<0>(o);
  give_back(shared.values, v);
}

DEVICE void consume(const TensorMap& map, const Shape& shape, const Shared& shared, u32 consumer, float scale) {
  Turn k{0, 0}, v{0, 0};
  if (consumer == CONSUMERS - 1) named_barrier_arrive(1, 2 * GROUP_THREADS);  // the first turn is the first one's
  for (u32 parity = 0;; parity ^= 1) {
    mbarrier_wait(shared.full + 8 * consumer, parity);
    i32 ticket = static_cast<i32>(load_shared4(shared.tickets + 4 * consumer));
    if (ticket >= tickets_of(shape)) return;
    Work work = work_of(shape, ticket);
    Rows rows{{-INFINITE, -INFINITE}, {0.0f, 0.0f}};
    float o[DIM / 2];
#pragma unroll
    for (int i = 0; i < DIM / 2; i++) o[i] = 0.0f;
    attend(o, rows, shape, shared, consumer, work, k, v, scale);
    store(map, o, rows, shared, consumer, work);
  }
}

// q, o (heads, seq, DIM) and k, v (heads / group, seq, DIM), batch and heads being one axis; of e4m3 v is v^T. `scale`: log2(e) /
// sqrt(DIM). `together`: heads that share the second-level cache. `next`: tickets sold and blocks that have ended, both 0.
KERNEL void __launch_bounds__(THREADS, 1)
attention(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v,
          const __grid_constant__ TensorMap o, u32* next, i32 heads, i32 group, i32 seq, i32 causal, i32 together, float scale) {
  DYNAMIC_SHARED(memory);
  Shared shared = shared_places(shared_address(memory));
  Shape shape{heads, group, seq, causal, together};
  if (threadIdx.x == 0) {
    make_barriers(shared.keys.full, shared.keys.empty, STAGES, CONSUMERS * GROUP_THREADS / WARP);
    make_barriers(shared.values.full, shared.values.empty, STAGES, CONSUMERS * GROUP_THREADS / WARP);
    make_barriers(shared.full, shared.empty, CONSUMERS + 1, 1);
    fence_mbarrier_init();
  }
  __syncthreads();
  if (threadIdx.x < GROUP_THREADS) {
    registers_decrease<FEWER>();
    if (threadIdx.x == 0) produce_keys(k, v, shape, shared, next);
    if (threadIdx.x == WARP) produce_queries(q, shape, shared);
  } else {
    registers_increase<MORE>();
    // The same in all lanes, and known to be: so descriptors are made in uniform registers, where wgmma takes them.
    u32 group_of = __shfl_sync(ALL_LANES, threadIdx.x / GROUP_THREADS, 0);
    consume(o, shape, shared, group_of - 1, scale);
  }
}

// v (heads, seq, DIM) of bytes -> v^T (heads, DIM, pitch), pitch a multiple of 32, zeros beyond seq. A thread takes 4 columns of 32
// keys. Bytes 4t .. 4t + 3 of each 16 are keys 2t, 2t + 1, 2t + 8, 2t + 9: the columns of scores that lane t of a row holds.
KERNEL void __launch_bounds__(128) transpose(const u32* v, uint4* vt, i32 seq, i32 pitch) {
  constexpr i32 QUADS = DIM / 4;
  i32 at = static_cast<i32>(blockIdx.x * 128 + threadIdx.x), quad = at % QUADS, first = at / QUADS * 32;
  i32 head = static_cast<i32>(blockIdx.y);
  if (first >= pitch) return;
  u32 key[32];
#pragma unroll
  for (int i = 0; i < 32; i++) key[i] = first + i < seq ? v[(static_cast<i64>(head) * seq + first + i) * QUADS + quad] : 0;
#pragma unroll
  for (int b = 0; b < 4; b++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      u32 word[4];
#pragma unroll
      for (int t = 0; t < 4; t++) {
        const u32* k = key + half * 16 + t * 2;
        u32 two = b | (b + 4) << 4;  // byte b of either
        word[t] = __byte_perm(__byte_perm(k[0], k[1], two), __byte_perm(k[8], k[9], two), 0x5410);
      }
      vt[((static_cast<i64>(head) * DIM + quad * 4 + b) * pitch + first) / 16 + half] = make_uint4(word[0], word[1], word[2], word[3]);
    }
}
