// Decode attention over a paged KV cache: one query token a sequence, softmax(q k^T scale) v over its context.
//
// A cache is read once, for 2 heads / kv_heads flops a byte (bf16), so memory bounds the time and the art is to
// keep enough bytes under way with little work for each:
//
// - A block serves one sequence, one KV head and one part of the context. The heads / kv_heads <= 16 queries that
//   share the KV head are the 16 rows of m16n8k16, so each byte is read once for all of them. With a single query
//   (MHA) 15 rows are wasted and it costs nothing, see the count below.
// - Each warp walks tiles of 16 tokens of its own, with a ring, a softmax and sums of its own: nothing in the loop
//   waits for another warp. 16 tokens never straddle a page (of 16 tokens or more) and are one piece of memory,
//   [page][KV head][token][head_dim]: 4 KiB of bf16 at head_dim 128, in copies of 512 bytes an instruction.
// - A warp's ring holds tiles K0 V0 K1 V1 …, and all but the one in use are under way: two or three blocks of 4
//   warps fill a processor's shared memory, which is 64 KiB under way on the 100 KiB processors of sm_86, 89 and
//   120, and 128 KiB or more elsewhere. Bandwidth times latency (0.8 us under load, datasheet bandwidth) wants
//   15 KB on an A100, 29 KB on an H200, 43 KB on a B200, 8 KB on an RTX 5090, per processor.
// - Page numbers are one load for 32 tiles, a lane each, requested 32 tiles before the first of them is used.
// - Instructions for a tile of K and V (bf16, head_dim 128, counted in SASS): 16 copies, 16 ldmatrix, 32 HMMA, 8 ex2,
//   some 230 in all. At 4.3 TB/s, 90 % of an H200's, a processor takes 8 KiB in 440 clocks or 1760 issue slots: 13 %
//   are used. 8-bit caches halve the bytes and add the conversion of 64 pairs of numbers a lane: some 400 of 880.
//
// Parts are merged by the block that finishes last: each leaves its normalised result and the log2 of its sum of
// exponentials, and o = sum 2^(lse_i - lse) o_i. A part writes 4 head_dim heads / kv_heads bytes, 4 KiB for 8
// queries, having read at least 32 KiB.
//
// DIM, KV, IO  see decode.cuh
//            8-bit caches have a float scale for each KV head and token (a cache is written token by token) or page.
// WARPS      warps of a block
// SLOTS      K and V tiles in a warp's ring, odd
// BLOCKS     blocks that shall fit on a processor together
#define TILE_ROWS 16
#include "attention/decode.cuh"

#if !defined(WARPS) || !defined(SLOTS) || !defined(BLOCKS)
#error "define WARPS, SLOTS and BLOCKS"
#endif

constexpr int TILE = TOKENS * ROW;
constexpr int SLOT = TILE + (QUANTISED ? (ROW > 64 ? ROW : 64) : 0);  // a tile and its scales; a multiple of LINE
constexpr int AHEAD = SLOTS / 2;  // tiles under way behind the one in use
static_assert(SLOTS % 2 == 1 && SLOTS >= 3, "an odd ring refills K from K and V from V");
static_assert(SLOTS * SLOT >= (TOKENS * PITCH + 2 * TOKENS) * 4, "the ring holds the warp's result in the end");

// What is fixed for a warp: its tiles are first, first + WARPS, … of a sequence of `tokens`, `count` of them.
struct Share {
  const u8 *k, *v;
  const float *k_scale, *v_scale;
  const i32* table;  // page numbers of the sequence
  int kv_head, kv_heads, page_shift, scale_shift, tokens, first, count;
};

DEVICE int first_token(const Share& share, int tile) { return (share.first + tile * WARPS) * TOKENS; }

// Page numbers of the 32 tiles from `tile` on, one a lane.
DEVICE i32 load_pages(const Share& share, int tile) {
  const int mine = tile + static_cast<int>(lane_id());
  return mine < share.count ? share.table[first_token(share, mine) >> share.page_shift] : 0;
}

// Start copying a tile; tokens from `valid` on become zeros with scale zero (anything may lie there, also NaN).
// A warp's 32 pieces of 16 bytes are SPAN whole rows, a power of two, so that key(a + SPAN b) = key(a) ^ key(SPAN b).
DEVICE void fetch(u32 slot, const u8* cache, const float* scales, u32 row, int scale_shift, int valid) {
  constexpr int SPAN = WARP / CHUNKS;
  if (valid > 0) {
    const u32 lane = lane_id(), to = slot + place(lane / CHUNKS, lane % CHUNKS);
    const u8* from = cache + static_cast<u64>(row) * ROW + lane * 16;
    const int left = valid - static_cast<int>(lane / CHUNKS);
#pragma unroll
    for (int i = 0; i < TOKENS / SPAN; ++i)
      copy_async16((to ^ key(SPAN * i)) + i * SPAN * LINE, from + i * SPAN * ROW, SPAN * i < left);
    if (QUANTISED && lane < TOKENS)
      copy_async4(slot + TILE + 4 * lane, scales + (row >> scale_shift) + (scale_shift ? 0 : lane), static_cast<int>(lane) < valid);
  }
  copy_async_commit();
}

// s times the scales of its tokens, which lie behind the tile, and times `common`.
DEVICE void rescale(float (&s)[2][4], u32 slot, float common) {
  const u32 scales = slot + TILE + lane_id() % 4 * 8;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float factor = common;
    if (QUANTISED) factor *= __uint_as_float(load_shared4(scales + i / 2 * 32 + i % 2 * 4));
    s[i / 2][i % 2] *= factor;
    s[i / 2][i % 2 + 2] *= factor;
  }
}

// A warp's tiles, start to end: what remains is o, relative to 2^top, and sums of exponentials (of this lane's tokens).
DEVICE void walk(const Share& share, const u16* query, int group, float scale, u32 ring, float (&o)[DIM / 8][4],
                 float (&top)[2], float (&sum)[2]) {
  i32 now = 0, next = load_pages(share, 0);
  auto row_of = [&](int tile) {  // in the cache; called for tiles in order
    if (tile % WARP == 0) now = next, next = load_pages(share, tile + WARP);
    const u32 page = __shfl_sync(ALL_LANES, now, tile % WARP);
    const u32 within = first_token(share, tile) & ((1 << share.page_shift) - 1);
    return ((page * share.kv_heads + share.kv_head) << share.page_shift) + within;
  };
  auto valid = [&](int tile) { return tile < share.count ? share.tokens - first_token(share, tile) : 0; };
#pragma unroll
  for (int tile = 0; tile < AHEAD; ++tile) {
    const u32 row = row_of(tile);
    fetch(ring + 2 * tile * SLOT, share.k, share.k_scale, row, share.scale_shift, valid(tile));
    fetch(ring + (2 * tile + 1) * SLOT, share.v, share.v_scale, row, share.scale_shift, valid(tile));
  }
  u32 q[DIM / 16][4];
  load_queries(q, query, group);
  const u32 last = ring + (SLOTS - 1) * SLOT;
  u32 full = ring, free = last;  // the slot to be used, and the one used before it
  auto advance = [&] { free = full, full = full == last ? ring : full + SLOT; };
  for (int tile = 0; tile < share.count; ++tile) {
    const u32 row = row_of(tile + AHEAD);
    const int rest = valid(tile), later = valid(tile + AHEAD);
    float s[2][4];
    copy_async_wait<SLOTS - 2>();
    __syncwarp();  // every lane's copies of this K have landed, and every lane has done with the V before it
    fetch(free, share.k, share.k_scale, row, share.scale_shift, later);
    scores(s, full, q);
    rescale(s, full, scale * WIDENED);
    if (rest < TOKENS) mask(s, rest);
    follow(s, top, sum, o);
    weigh(s, top, sum);
    advance();
    copy_async_wait<SLOTS - 2>();
    __syncwarp();  // the same for this V and the K before it
    fetch(free, share.v, share.v_scale, row, share.scale_shift, later);
    if (QUANTISED) rescale(s, full, WIDENED);
    u32 p[4];
    pack_weights(p, s);
    accumulate(o, full, p);
    advance();
  }
  copy_async_wait<0>();
}

// A warp's result to shared memory: 16 rows of o, then their `top`, then their sums.
DEVICE void leave(float* mine, const float (&o)[DIM / 8][4], const float (&top)[2], const float (&sum)[2]) {
  u32 lane = lane_id();
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    u32 row = lane / 4 + 8 * r;
    float total = sum[r] + __shfl_xor_sync(ALL_LANES, sum[r], 1);
    total += __shfl_xor_sync(ALL_LANES, total, 2);
#pragma unroll
    for (int j = 0; j < DIM / 8; ++j) {
      mine[row * PITCH + column(j, 0)] = o[j][2 * r];
      mine[row * PITCH + column(j, 1)] = o[j][2 * r + 1];
    }
    mine[TOKENS * PITCH + row] = top[r];
    mine[TOKENS * PITCH + TOKENS + row] = total;
  }
}

// Whether this block is the last of `parts` to come here; then it sees what the others wrote. `before`: shared.
DEVICE bool last_to_arrive(u32* arrived, int parts, u32* before) {
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) *before = atomicInc(arrived, parts - 1);  // the last finds parts - 1 and leaves zero
  __syncthreads();
  if (*before + 1 != static_cast<u32>(parts)) return false;
  __threadfence();
  return true;
}

// Grid: parts x KV heads x sequences. q, o: [sequence][head][DIM]. k, v: [page][KV head][token of the page][DIM], fewer
// than 2^32 tokens in all; k_scale, v_scale: the same without the last, unused for
// 16-bit caches; scale_shift: 0, or page_shift where they have no token either. table:
// [sequence][width]; a page has 2^page_shift >= 16 tokens. scale: log2(e) / sqrt(DIM). partial: [sequence][KV head]
// [part][row][DIM], lse without the last; arrived: [sequence][KV head], zeros. Only o is used when there is one part.
KERNEL void __launch_bounds__(WARPS * WARP, BLOCKS)
decode(const u16* q, const u8* k, const u8* v, const float* k_scale, const float* v_scale, const i32* table,
       const i32* lengths, u16* o, float* partial, float* lse, u32* arrived, i32 group, i32 width, i32 page_shift,
       i32 scale_shift, float scale) {
  DYNAMIC_SHARED(memory);
  const int part = blockIdx.x, parts = gridDim.x, kv_head = blockIdx.y, kv_heads = gridDim.y, sequence = blockIdx.z;
  const int warp = threadIdx.x / WARP, shared_by = sequence * kv_heads + kv_head, first_row = shared_by * group;
  const int tokens = lengths[sequence], tiles = (tokens + TOKENS - 1) / TOKENS;
  const i64 rounds = (tiles + WARPS - 1) / WARPS;  // the parts differ by one round at most
  const int begin = static_cast<int>(rounds * part / parts) * WARPS + warp;
  const int limit = static_cast<int>(rounds * (part + 1) / parts) * WARPS, end = limit < tiles ? limit : tiles;
  const int count = begin < end ? (end - begin + WARPS - 1) / WARPS : 0;
  const i32* pages = table + static_cast<i64>(sequence) * width;
  const Share share = {k, v, k_scale, v_scale, pages, kv_head, kv_heads, page_shift, scale_shift, tokens, begin, count};
  float out[DIM / 8][4] = {}, top[2] = {minus_infinity(), minus_infinity()}, sum[2] = {};
  u8* ring = memory + warp * SLOTS * SLOT;
  walk(share, q + static_cast<i64>(first_row) * DIM, group, scale, shared_address(ring), out, top, sum);
  __syncwarp();  // every lane has read its last tile: the ring may hold results
  leave(reinterpret_cast<float*>(ring), out, top, sum);
  __syncthreads();
  auto left = [&](int w) { return reinterpret_cast<const float*>(memory) + w * (SLOTS * SLOT / 4); };
  auto place_of = [&](int p, int row) { return (static_cast<i64>(shared_by) * parts + p) * group + row; };
  for (int i = threadIdx.x; i < group * (DIM / 4); i += WARPS * WARP) {
    const int row = i / (DIM / 4), at = i % (DIM / 4) * 4;
    float4 merged;
    const float whole = merge(
        WARPS, [&](int w) { return left(w)[TOKENS * PITCH + row]; },
        [&](int w) { return left(w)[TOKENS * PITCH + TOKENS + row]; },
        [&](int w) { return *reinterpret_cast<const float4*>(left(w) + row * PITCH + at); }, merged);
    if (parts == 1) {
      store_output(o + static_cast<i64>(first_row + row) * DIM + at, merged);
    } else {
      *reinterpret_cast<float4*>(partial + place_of(part, row) * DIM + at) = merged;
      if (at == 0) lse[place_of(part, row)] = whole;
    }
  }
  if (parts == 1 || !last_to_arrive(arrived + shared_by, parts, reinterpret_cast<u32*>(memory))) return;
  for (int i = threadIdx.x; i < group * (DIM / 4); i += WARPS * WARP) {
    const int row = i / (DIM / 4), at = i % (DIM / 4) * 4;
    float4 merged;
    merge(
        parts, [&](int p) { return lse[place_of(p, row)]; }, [](int) { return 1.0f; },
        [&](int p) { return *reinterpret_cast<const float4*>(partial + place_of(p, row) * DIM + at); }, merged);
    store_output(o + static_cast<i64>(first_row + row) * DIM + at, merged);
  }
}
