// Decode attention over a paged KV cache on Hopper: the copy engine reads the pages, and every block reads as many as the others.
//
// The question: a decode step reads the cache once, 2 heads / kv_heads flops a byte, so nothing but reading takes time. How do
// all processors read all the time? decode.cu lets each warp ask for its own bytes, 16 a lane, and cuts contexts into
// parts, as many blocks as that makes. Here
//
// - a warp of its own asks for boxes of 128 bytes x 16 to 64 tokens, one lane for all; the others only compute. The engine finds
//   the addresses, swizzles (ldmatrix meets no bank conflict), and reports bytes to mbarriers;
// - the grid is what fits on the GPU together, by occupancy, and the rounds of ROUND tokens of all sequences and KV heads, put in
//   a row, are dealt out evenly: no last wave, whatever batch, heads and lengths. A block's ring runs on from one context into
//   the next while its warps put their results together.
//
//   copy engine  K0 V0 | K1 V1 | K2 V2 | K0 V0 ...        waits for empty[slot], reports to full[slot]
//   warp 0       q k^T  softmax  p v | q k^T ...          tokens 0-15 of a round; waits for full[slot], arrives at empty[slot]
//   warp 1 ...   the same for tokens 16-31, ...           each with a softmax of its own; they meet when a context ends
//
// The budget, for bf16, head_dim 128, 8 queries a KV head: rounds of 128 tokens, eight warps, one block a processor:
//   in flight     bandwidth x latency = 4.8 TB/s x 600 ns = 2.9 MB, 22 KB a processor. A round is 32 KiB of K and 32 of V;
//                 2 of 3 rounds are under way: 128 KiB. fp8: 5 of 6 rounds of 32 KiB, 160 KiB.
//   shared memory 3 x 64 KiB of ring, 8.5 KiB of results, 1.2 KiB of maxima, sums and barriers, 1 KiB to align: 203 of 227 KiB.
//   clocks        at 4.3 TB/s a processor gets 64 KiB in 3540 clocks: 14,160 issue slots. A round is about 8 x 200 instructions
//                 (decode.cu's, as counted, less its copies; 16 ldmatrix, 32 HMMA, 8 ex2 a warp) and some 60 of the producer's:
//                 12 %. fp8: 8 x 370 in 7080, 42 %.
//   registers     64 of o, 32 of q, 8 of scores and what surrounds them: 168, so that 12 warps fill a processor. At head_dim 64
//                 118 do: two blocks of five warps, which take the registers of eight.
//   beside        a block that begins or ends within a context leaves 4 head_dim heads / kv_heads bytes, 4 KiB, twice at most.
//
// The heads / kv_heads <= 16 queries of a KV head are the 16 rows of m16n8k16: each byte serves them all. Blocks that share a
// context are neighbours; the last to arrive merges o = sum 2^(lse_i - lse) o_i in block order: the same bits in every run.
//
// Beyond the last token a page holds anything, also NaN. Its scores are masked; 0 times a NaN of V is NaN, so V is cleared
// there, and a proxy fence shows the engine the slot as ours before it writes there again. Every sequence has a token.
//
// DIM, KV, IO  see decode.cuh. 8-bit caches have a float scale for each page and KV head, which is one factor of a warp's tile.
// ROUND      tokens that a block takes at a time, 16 a warp
// BOX        tokens of a copy: 16, 32 or 64, not more than a page has
// STAGES     rounds in the ring
// BLOCKS     blocks that shall fit on a processor together
#define TILE_ROWS ROUND
#include "attention/decode.cuh"

#if !defined(ROUND) || !defined(BOX) || !defined(STAGES) || !defined(BLOCKS)
#error "define ROUND, BOX, STAGES and BLOCKS"
#endif

constexpr int WARPS = TILE_ROWS / TOKENS, CONSUMERS = WARPS * WARP;  // and a producer's warp behind them
constexpr int BOXES = TILE_ROWS / BOX, BOX_BYTES = BOX * LINE, HALVES = ROW / LINE, TILE = TILE_ROWS * ROW;
constexpr int ALONG = LINE / (QUANTISED ? 1 : 2);  // numbers of a token in one box
constexpr int GRANTED = (CONSUMERS + WARP + 127) / 128 * 128;  // threads: a processor has registers for four warps at a time
constexpr int PATTERN = 1024;                      // bytes after which the swizzle repeats
constexpr int RESULTS = TOKENS * PITCH * 4, LEFT = 2 * WARPS * TOKENS * 4, WHOLE = 2 * TOKENS * 4;
enum { K, V };
static_assert(WARP % BOXES == 0, "the page numbers of a round come together");

// Where things lie in shared memory: the ring; a block's result; every warp's maxima and sums; those of all; barriers.
struct Shared { u32 ring, results, tops, sums, high, total, arrived, barriers; };
DEVICE Shared shared_places(u32 start) {
  const u32 ring = (start + PATTERN - 1) / PATTERN * PATTERN, results = ring + STAGES * 2 * TILE, tops = results + RESULTS;
  const u32 high = tops + LEFT, barriers = high + WHOLE;
  return {ring, results, tops, tops + LEFT / 2, high, high + WHOLE / 2, barriers + 32 * STAGES, barriers};
}
DEVICE u32 full(const Shared& shared, u32 slot, int which) { return shared.barriers + 8 * (2 * slot + which); }
DEVICE u32 empty(const Shared& shared, u32 slot, int which) { return full(shared, slot + STAGES, which); }

struct Turn { u32 slot, parity; };
DEVICE void advance(Turn& turn) {
  if (++turn.slot < STAGES) return;
  turn.slot = 0;
  turn.parity ^= 1;
}

// ---------------------------------------------------------------- who reads what

struct Cache { const i32 *table, *lengths; int batch, kv_heads, width, page_shift; };

// A block's rounds [at, end) of the `total` of all contexts in a row, and the sequence that is at work: its first round, its tokens.
struct Deal { int at, end, total, blocks, sequence, before, tokens; };

DEVICE int rounds_of(int tokens) { return (tokens + TILE_ROWS - 1) / TILE_ROWS; }

// Go on to the sequence that holds round `wanted`, 32 lengths at a time, or beyond the last one.
DEVICE void seek(Deal& deal, const Cache& cache, int wanted) {
  const int lane = static_cast<int>(lane_id());
  while (deal.sequence < cache.batch) {
    const int mine = deal.sequence + lane, tokens = mine < cache.batch ? cache.lengths[mine] : 0;
    const int own = rounds_of(tokens) * cache.kv_heads;
    int sum = own;
#pragma unroll
    for (int by = 1; by < WARP; by *= 2) {
      const int other = __shfl_up_sync(ALL_LANES, sum, by);
      if (lane >= by) sum += other;
    }
    const u32 beyond = __ballot_sync(ALL_LANES, deal.before + sum > wanted);
    const int hit = beyond ? __ffs(static_cast<int>(beyond)) - 1 : WARP - 1;
    deal.before += __shfl_sync(ALL_LANES, beyond ? sum - own : sum, hit);
    deal.tokens = __shfl_sync(ALL_LANES, tokens, hit);
    deal.sequence += beyond ? hit : WARP;
    if (beyond) return;
  }
}

// Where block i begins. `holder` is the block that has a round.
DEVICE int begin_of(const Deal& deal, int i) { return static_cast<int>(static_cast<i64>(deal.total) * i / deal.blocks); }
DEVICE int holder(const Deal& deal, int round) { return static_cast<int>((static_cast<i64>(round + 1) * deal.blocks - 1) / deal.total); }

DEVICE Deal deal_out(const Cache& cache) {
  Deal deal{0, 0, 0, 1, 0, 0, 0};
  seek(deal, cache, 0x7fffffff);
  deal.total = deal.before;
  deal.blocks = min(static_cast<int>(gridDim.x), deal.total);
  deal.sequence = deal.before = 0;
  if (static_cast<int>(blockIdx.x) >= deal.blocks) return deal;
  deal.at = begin_of(deal, blockIdx.x);
  deal.end = begin_of(deal, blockIdx.x + 1);
  return deal;
}

// Rounds that a block reads of one context, the queries of one KV head: `first` of `whole`, which begin at round `start` of all.
struct Piece { int sequence, kv_head, tokens, first, rounds, whole, start; };

DEVICE bool next(Deal& deal, const Cache& cache, Piece& piece) {
  if (deal.at >= deal.end) return false;
  seek(deal, cache, deal.at);
  const int whole = rounds_of(deal.tokens), within = deal.at - deal.before, first = within % whole;
  piece = {deal.sequence, within / whole, deal.tokens, first, min(whole - first, deal.end - deal.at), whole, deal.at - first};
  deal.at += piece.rounds;
  return true;
}

// ---------------------------------------------------------------- producer: pages -> ring

DEVICE void produce(const TensorMap& k, const TensorMap& v, const Cache& cache, const Shared& shared, Deal deal) {
  Turn turn{0, 1};  // at first every slot is empty
  Piece piece;
  while (next(deal, cache, piece)) {
    const i32* pages = cache.table + static_cast<i64>(piece.sequence) * cache.width;
    const int from = piece.first * TILE_ROWS, left = min(piece.tokens - from, piece.rounds * TILE_ROWS);
    const int boxes = (left + BOX - 1) / BOX;
    auto load_pages = [&](int box) {  // of 32 boxes, one a lane
      box += static_cast<int>(lane_id());
      return box < boxes ? pages[(from + box * BOX) >> cache.page_shift] : 0;
    };
    i32 now = 0, ahead = load_pages(0);
    for (int box = 0; box < boxes; box += BOXES, advance(turn)) {
      if (box % WARP == 0) now = ahead, ahead = load_pages(box + WARP);
      const int count = min(BOXES, boxes - box);
      int row[BOXES];  // of the cache, where each box begins
#pragma unroll
      for (int i = 0; i < BOXES; ++i) {
        const int page = __shfl_sync(ALL_LANES, now, (box + i) % WARP), within = (from + (box + i) * BOX) & ((1 << cache.page_shift) - 1);
        row[i] = ((page * cache.kv_heads + piece.kv_head) << cache.page_shift) + within;
      }
#pragma unroll
      for (int which = K; which <= V; ++which) {
        const u32 tile = shared.ring + (2 * turn.slot + which) * TILE, report = full(shared, turn.slot, which);
        mbarrier_wait(empty(shared, turn.slot, which), turn.parity);
        if (lane_id() != 0) continue;
        mbarrier_arrive_expect(report, count * HALVES * BOX_BYTES);
#pragma unroll
        for (int i = 0; i < BOXES; ++i)
          for (int half = 0; half < HALVES && i < count; ++half)
            tensor_load(tile + half * HALF + i * BOX_BYTES, which == K ? k : v, half * ALONG, row[i], report);
      }
    }
  }
}

// ---------------------------------------------------------------- consumers: ring -> o

// The factor of this warp's tile in a round: its page's scale. It is asked for a round ahead, the page number two.
struct Scales {
  const float *k, *v;
  const i32* pages;
  int kv_head, kv_heads, page_shift, token, tokens;  // token: the first of the tile that is asked for
  i32 page;
  float next_k, next_v;
};
DEVICE i32 page_of(const Scales& scales) { return scales.token < scales.tokens ? scales.pages[scales.token >> scales.page_shift] : -1; }
DEVICE void ask(Scales& scales) {  // for those of the next round
  const i64 at = static_cast<i64>(scales.page) * scales.kv_heads + scales.kv_head;
  if (scales.page >= 0) scales.next_k = scales.k[at], scales.next_v = scales.v[at];
  scales.token += TILE_ROWS;
  scales.page = page_of(scales);
}

// V of tokens from `rest` on becomes zeros.
DEVICE void clear(u32 tile, int rest) {
  for (int piece = static_cast<int>(lane_id()); piece < (TOKENS - rest) * CHUNKS; piece += WARP)
    store_shared16(tile + place(rest + piece / CHUNKS, piece % CHUNKS), uint4{0, 0, 0, 0});
  fence_proxy_async();  // these writes come before the engine's next ones
  __syncwarp();
}

// This warp has done with a tile.
DEVICE void give_back(u32 barrier) {
  __syncwarp();
  if (lane_id() == 0) mbarrier_arrive(barrier);
}

DEVICE void multiply(float (&s)[2][4], float factor) {
#pragma unroll
  for (int i = 0; i < 8; ++i) s[i / 4][i % 4] *= factor;
}

// A warp's share of a piece: what remains is o, relative to 2^top, and sums of exponentials (of this lane's tokens).
DEVICE void walk(const Shared& shared, const Piece& piece, Scales scales, const u32 (&q)[DIM / 16][4], float scale, Turn& turn,
                 float (&o)[DIM / 8][4], float (&top)[2], float (&sum)[2]) {
  const u32 warp = threadIdx.x / WARP;
  int rest = piece.tokens - scales.token;  // tokens from the warp's first one on
  if (QUANTISED) scales.page = page_of(scales), ask(scales);
  for (int round = 0; round < piece.rounds; ++round, rest -= TILE_ROWS, advance(turn)) {
    const u32 k = shared.ring + 2 * turn.slot * TILE + warp * (TOKENS * LINE), v = k + TILE;
    const float of_k = QUANTISED ? scales.next_k * WIDENED : 1.0f, of_v = QUANTISED ? scales.next_v * WIDENED : 1.0f;
    if (QUANTISED) ask(scales);
    float s[2][4];
    mbarrier_wait(full(shared, turn.slot, K), turn.parity);
    if (rest > 0) scores(s, k, q);
    give_back(empty(shared, turn.slot, K));
    if (rest > 0) {
      multiply(s, scale * of_k);
      if (rest < TOKENS) mask(s, rest);
      follow(s, top, sum, o);
      weigh(s, top, sum);
      if (QUANTISED) multiply(s, of_v);
    }
    mbarrier_wait(full(shared, turn.slot, V), turn.parity);
    if (rest > 0) {
      u32 p[4];
      pack_weights(p, s);
      if (rest < TOKENS) clear(v, rest);
      accumulate(o, v, p);
    }
    give_back(empty(shared, turn.slot, V));
  }
}

// The warps' results become the block's, in shared memory: o relative to 2^high, and the whole sum. In turns: in fixed order.
DEVICE void combine(const Shared& shared, const float (&o)[DIM / 8][4], const float (&top)[2], const float (&sum)[2], int group) {
  const u32 warp = threadIdx.x / WARP, lane = lane_id();
  float factor[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float whole = sum[r] + __shfl_xor_sync(ALL_LANES, sum[r], 1);
    whole += __shfl_xor_sync(ALL_LANES, whole, 2);
    const u32 at = 4 * (warp * TOKENS + lane / 4 + 8 * r);
    if (lane % 4 == 0) store_shared4(shared.tops + at, __float_as_uint(top[r])), store_shared4(shared.sums + at, __float_as_uint(whole));
  }
  named_barrier_sync(1, CONSUMERS);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const u32 row = lane / 4 + 8 * r;
    float high = minus_infinity(), whole = 0.0f;
#pragma unroll
    for (u32 w = 0; w < WARPS; ++w) high = fmaxf(high, __uint_as_float(load_shared4(shared.tops + 4 * (w * TOKENS + row))));
#pragma unroll
    for (u32 w = 0; w < WARPS; ++w) {
      const u32 at = 4 * (w * TOKENS + row);
      whole += __uint_as_float(load_shared4(shared.sums + at)) * exp2_fast(__uint_as_float(load_shared4(shared.tops + at)) - high);
    }
    factor[r] = exp2_fast(top[r] - high);
    if (warp == 0 && lane % 4 == 0)
      store_shared4(shared.high + 4 * row, __float_as_uint(high)), store_shared4(shared.total + 4 * row, __float_as_uint(whole));
  }
  for (u32 turn = 0; turn < WARPS; ++turn) {
#pragma unroll
    for (int i = 0; i < DIM / 8 * 4; ++i) {
      const int j = i / 4, r = i / 2 % 2;
      const u32 at = shared.results + 4 * ((lane / 4 + 8 * r) * PITCH + column(j, i % 2));
      if (turn != warp || 8 * r >= group) continue;
      const float value = o[j][i % 4] * factor[r];
      store_shared4(at, __float_as_uint(turn ? __uint_as_float(load_shared4(at)) + value : value));
    }
    named_barrier_sync(1, CONSUMERS);
  }
}

// What blocks leave for others: [block][whether it is the block's last piece and not its first][query][DIM], `lse` without DIM.
struct Partial { float *o, *lse; };

// The block's result of a piece to where it belongs; whoever comes last to a context that blocks share merges it.
DEVICE void finish(const Shared& shared, const Deal& deal, const Piece& piece, const Partial& partial, u16* o, u32* arrived, int group) {
  const int first = holder(deal, piece.start), parts = holder(deal, piece.start + piece.whole - 1) - first + 1;
  auto slot = [&](int part, int row) { return (2 * (first + part) + (piece.start > begin_of(deal, first + part))) * group + row; };
  const int own = static_cast<int>(blockIdx.x) - first;
  for (int i = threadIdx.x; i < group * (DIM / 4); i += CONSUMERS) {
    const int row = i / (DIM / 4), at = i % (DIM / 4) * 4;
    const uint4 bits = load_shared16(shared.results + 4 * (row * PITCH + at));
    const float total = __uint_as_float(load_shared4(shared.total + 4 * row)), inverse = 1.0f / total;
    const float4 mine = {__uint_as_float(bits.x) * inverse, __uint_as_float(bits.y) * inverse, __uint_as_float(bits.z) * inverse,
                         __uint_as_float(bits.w) * inverse};
    if (parts == 1) {
      store_output(o + row * DIM + at, mine);
    } else {
      *reinterpret_cast<float4*>(partial.o + static_cast<i64>(slot(own, row)) * DIM + at) = mine;
      if (at == 0) partial.lse[slot(own, row)] = __uint_as_float(load_shared4(shared.high + 4 * row)) + log2_fast(total);
    }
  }
  if (parts == 1) return;
  __threadfence();
  named_barrier_sync(1, CONSUMERS);
  if (threadIdx.x == 0) store_shared4(shared.arrived, atomicInc(arrived, parts - 1));  // the last finds parts - 1 and leaves zero
  named_barrier_sync(1, CONSUMERS);
  if (load_shared4(shared.arrived) + 1 != static_cast<u32>(parts)) return;
  __threadfence();
  for (int i = threadIdx.x; i < group * (DIM / 4); i += CONSUMERS) {
    const int row = i / (DIM / 4), at = i % (DIM / 4) * 4;
    float4 merged;
    merge(
        parts, [&](int p) { return partial.lse[slot(p, row)]; }, [](int) { return 1.0f; },
        [&](int p) { return *reinterpret_cast<const float4*>(partial.o + static_cast<i64>(slot(p, row)) * DIM + at); }, merged);
    store_output(o + row * DIM + at, merged);
  }
}

// Grid: as many blocks as fit on the GPU, and no more than there may be rounds. k, v: maps of the pools as (tokens, DIM), [page][KV
// head][token of the page], fewer than 2^31 tokens. q, o: [sequence][head][DIM]. k_scale, v_scale: [page][KV head]. table:
// [sequence][width]; a page has 2^page_shift >= BOX tokens. scale: log2(e) / sqrt(DIM). arrived: [sequence][KV head], zeros.
KERNEL void __launch_bounds__(GRANTED, BLOCKS)
decode_ring(const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v, const u16* q, const float* k_scale,
            const float* v_scale, const i32* table, const i32* lengths, u16* o, float* partial, float* lse, u32* arrived, i32 batch,
            i32 kv_heads, i32 group, i32 width, i32 page_shift, float scale) {
  DYNAMIC_SHARED(memory);
  const Shared shared = shared_places(shared_address(memory));
  if (threadIdx.x == 0) {
#pragma unroll
    for (int i = 0; i < 2 * STAGES; ++i) {
      mbarrier_init(shared.barriers + 8 * i, 1);
      mbarrier_init(shared.barriers + 8 * (2 * STAGES + i), WARPS);
    }
    fence_mbarrier_init();
  }
  __syncthreads();
  const Cache cache = {table, lengths, batch, kv_heads, width, page_shift};
  Deal deal = deal_out(cache);
  const int warp = threadIdx.x / WARP;
  if (warp == WARPS) return produce(k, v, cache, shared, deal);
  Turn turn{0, 0};
  Piece piece;
  while (next(deal, cache, piece)) {
    const int context = piece.sequence * kv_heads + piece.kv_head, token = piece.first * TILE_ROWS + warp * TOKENS;
    const i32* pages = table + static_cast<i64>(piece.sequence) * width;
    const Scales scales = {k_scale, v_scale, pages, piece.kv_head, kv_heads, page_shift, token, piece.tokens, 0, 0.0f, 0.0f};
    u32 queries[DIM / 16][4];
    load_queries(queries, q + static_cast<i64>(context) * group * DIM, group);
    float out[DIM / 8][4] = {}, top[2] = {minus_infinity(), minus_infinity()}, sum[2] = {};
    walk(shared, piece, scales, queries, scale, turn, out, top, sum);
    combine(shared, out, top, sum, group);
    finish(shared, deal, piece, {partial, lse}, o + static_cast<i64>(context) * group * DIM, arrived + context, group);
  }
}
