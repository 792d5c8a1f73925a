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
// DIM        64 or 128: head_dim
// KV         BF16, FP16, INT8 or E4M3: what the cache stores. 8-bit numbers have one float scale for each token and
//            KV head (a cache is written token by token) and are multiplied as fp16, in which they are exact.
// IO         BF16 or FP16: q and o
// WARPS      warps of a block
// SLOTS      K and V tiles in a warp's ring, odd
// BLOCKS     blocks that shall fit on a processor together
#include "ptx.cuh"

#if !defined(DIM) || !defined(WARPS) || !defined(SLOTS) || !defined(BLOCKS)
#error "define DIM, WARPS, SLOTS and BLOCKS"
#endif
#define BF16 1
#define FP16 2
#define INT8 3
#define E4M3 4
#if KV < BF16 || KV > E4M3 || IO < BF16 || IO > FP16
#error "define KV as BF16, FP16, INT8 or E4M3, and IO as BF16 or FP16"
#endif

constexpr bool QUANTISED = KV >= INT8;
constexpr int TOKENS = 16;                      // of a tile
constexpr int ROW = DIM * (QUANTISED ? 1 : 2);  // bytes of a token
constexpr int CHUNKS = ROW / 16;
constexpr int TILE = TOKENS * ROW;
constexpr int SLOT = TILE + (QUANTISED ? (ROW > 64 ? ROW : 64) : 0);  // a tile and its scales; a multiple of ROW
constexpr int AHEAD = SLOTS / 2;                // tiles under way behind the one in use
constexpr int PITCH = DIM + 8;                  // floats of a row of results in shared memory
constexpr float SLACK = 4.0f;                   // see follow()
static_assert(DIM == 64 || DIM == 128, "head_dim is 64 or 128");
static_assert(SLOTS % 2 == 1 && SLOTS >= 3, "an odd ring refills K from K and V from V");
static_assert(SLOTS * SLOT >= (TOKENS * PITCH + 2 * TOKENS) * 4, "the ring holds the warp's result in the end");

DEVICE float minus_infinity() { return __uint_as_float(0xff800000u); }

// What is fixed for a warp: its tiles are first, first + WARPS, … of a sequence of `tokens`, `count` of them.
struct Share {
  const u8 *k, *v;
  const float *k_scale, *v_scale;
  const i32* table;  // page numbers of the sequence
  int kv_head, kv_heads, page_shift, tokens, first, count;
};

DEVICE int first_token(const Share& share, int tile) { return (share.first + tile * WARPS) * TOKENS; }

// Page numbers of the 32 tiles from `tile` on, one a lane.
DEVICE i32 load_pages(const Share& share, int tile) {
  const int mine = tile + static_cast<int>(lane_id());
  return mine < share.count ? share.table[first_token(share, mine) >> share.page_shift] : 0;
}

// Where 16 bytes of a tile lie. ldmatrix reads the same chunk of 8 rows: the exclusive or puts them on 8 different
// groups of 4 banks (rows of 64 bytes: two share a line of 128 bytes, so the key is that of the pair).
DEVICE constexpr u32 key(u32 row) { return row / (ROW < 128 ? 128 / ROW : 1) % (CHUNKS < 8 ? CHUNKS : 8) * 16; }
DEVICE constexpr u32 place(u32 row, u32 chunk) { return row * ROW + (chunk * 16 ^ key(row)); }

// Start copying a tile; tokens from `valid` on become zeros with scale zero (anything may lie there, also NaN).
// A warp's 32 pieces of 16 bytes are SPAN whole rows, a power of two, so that key(a + SPAN b) = key(a) ^ key(SPAN b).
DEVICE void fetch(u32 slot, const u8* cache, const float* scales, u32 row, int valid) {
  constexpr int SPAN = WARP / CHUNKS;
  if (valid > 0) {
    const u32 lane = lane_id(), to = slot + place(lane / CHUNKS, lane % CHUNKS);
    const u8* from = cache + static_cast<u64>(row) * ROW + lane * 16;
    const int left = valid - static_cast<int>(lane / CHUNKS);
#pragma unroll
    for (int i = 0; i < TOKENS / SPAN; ++i)
      copy_async16((to ^ key(SPAN * i)) + i * 512, from + i * 512, SPAN * i < left);
    if (QUANTISED && lane < TOKENS)
      copy_async4(slot + TILE + 4 * lane, scales + row + lane, static_cast<int>(lane) < valid);
  }
  copy_async_commit();
}

DEVICE void mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  u32 b[2] = {b0, b1};
#if KV == BF16
  mma_bf16(d, a, b);
#else
  mma_fp16(d, a, b);
#endif
}

DEVICE u32 pack(float low, float high) { return KV == BF16 ? pack_bf16(low, high) : pack_fp16(low, high); }

// Four 8-bit numbers to fp16: bytes 0 and 2, and bytes 1 and 3; WIDENED times the result is the number.
#if KV == E4M3 && __CUDA_ARCH__ < 890
constexpr float WIDENED = 256.0f;
#else
constexpr float WIDENED = 1.0f;
#endif
DEVICE void widen(u32 bytes, u32& even, u32& odd) {
#if KV == INT8
  // 0x6400 is 1024 and its last place 1, so 0x6400 | (x + 128) is 1152 + x; x + 128 flips the sign bit.
  const u32 biased = bytes ^ 0x80808080u;
  even = fma_fp16x2(__byte_perm(biased, 0x64u, 0x4240), 0x3c003c00u, 0xe480e480u);
  odd = fma_fp16x2(__byte_perm(biased, 0x64u, 0x4341), 0x3c003c00u, 0xe480e480u);
#elif __CUDA_ARCH__ < 890
  // s eeee mmm -> s 0eeee mmm0000000 is x / 256: fp16's exponent is biased by 15, e4m3's by 7. Subnormals come out
  // right, too; the code of NaN becomes 480, and a cache has none.
  even = (bytes << 8 & 0x80008000u) | (bytes << 7 & 0x3f803f80u);
  odd = (bytes & 0x80008000u) | (bytes >> 1 & 0x3f803f80u);
#else
  const u32 sorted = __byte_perm(bytes, 0, 0x3120);
  even = unpack_e4m3(static_cast<u16>(sorted));
  odd = unpack_e4m3(static_cast<u16>(sorted >> 16));
#endif
}

// Two bf16 numbers to fp16: exact between 2^-14 and 65504, where queries lie.
DEVICE u32 to_fp16_pair(u32 pair) {
  return pack_fp16(from_bf16(static_cast<u16>(pair)), from_bf16(static_cast<u16>(pair >> 16)));
}

// The queries as the rows of mma's first operand, zeros below the last of them. An 8-bit K comes as dimensions
// 4t, 4t+2 | 4t+1, 4t+3 (t = lane % 4) where the layout says 2t, 2t+1 | 2t+8, 2t+9: a sum does not mind, if q comes in
// the same order.
DEVICE void load_queries(u32 (&q)[DIM / 16][4], const u16* query, int group) {
  const int t = static_cast<int>(lane_id() % 4), g = static_cast<int>(lane_id() / 4);
#pragma unroll
  for (int i = 0; i < DIM / 8; ++i) {
    const int step = i / 2, row = g + i % 2 * 8;
    const u32* words = reinterpret_cast<const u32*>(query + row * DIM + 16 * step);
    u32 low = 0, high = 0;
    if (row < group) low = words[QUANTISED ? 2 * t : t], high = words[QUANTISED ? 2 * t + 1 : t + 4];
    if (QUANTISED) {
      const u32 even = __byte_perm(low, high, 0x5410), odd = __byte_perm(low, high, 0x7632);
      low = IO == BF16 ? to_fp16_pair(even) : even;
      high = IO == BF16 ? to_fp16_pair(odd) : odd;
    }
    q[step][i % 2] = low;
    q[step][i % 2 + 2] = high;
  }
}

// s = q k^T of 16 tokens: s[n] has tokens 8n + 2t, 8n + 2t + 1 of rows g and g + 8. Two chains of sums, half as long.
DEVICE void scores(float (&s)[2][4], u32 slot, const u32 (&q)[DIM / 16][4]) {
  float other[2][4] = {};
#pragma unroll
  for (int i = 0; i < 8; ++i) s[i / 4][i % 4] = 0.0f;
  u32 lane = lane_id(), from = slot + place(lane % 8 + lane / 16 * 8, lane / 8 % 2);
#pragma unroll
  for (int pair = 0; pair < ROW / 32; ++pair) {
    u32 k[4];
    load_matrix_x4(k, from ^ (pair * 32));
#if KV >= INT8
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      u32 even, odd;
      widen(k[2 * n], even, odd);
      mma(s[n], q[2 * pair], even, odd);
      widen(k[2 * n + 1], even, odd);
      mma(other[n], q[2 * pair + 1], even, odd);
    }
#else
    mma(pair % 2 ? other[0] : s[0], q[pair], k[0], k[1]);
    mma(pair % 2 ? other[1] : s[1], q[pair], k[2], k[3]);
#endif
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) s[i / 4][i % 4] += other[i / 4][i % 4];
}

// o += p v of 16 tokens. An 8-bit V transposed in pairs has dimension 2g in its even bytes and 2g + 1 in its odd ones:
// result 2c holds the even dimensions of 16c … 16c + 15, result 2c + 1 the odd ones; column() knows.
DEVICE void accumulate(float (&o)[DIM / 8][4], u32 slot, const u32 (&p)[4]) {
  u32 lane = lane_id(), from = slot + place(lane % 16, lane / 16);
#pragma unroll
  for (int pair = 0; pair < ROW / 32; ++pair) {
    u32 v[4];
    load_matrix_x4_transposed(v, from ^ (pair * 32));
#if KV >= INT8
#pragma unroll
    for (int chunk = 0; chunk < 2; ++chunk) {
      u32 even[2], odd[2];
      widen(v[2 * chunk], even[0], odd[0]);
      widen(v[2 * chunk + 1], even[1], odd[1]);
      mma(o[4 * pair + 2 * chunk], p, even[0], even[1]);
      mma(o[4 * pair + 2 * chunk + 1], p, odd[0], odd[1]);
    }
#else
    mma(o[2 * pair], p, v[0], v[1]);
    mma(o[2 * pair + 1], p, v[2], v[3]);
#endif
  }
}

DEVICE int column(int result, int i) {
  int t = static_cast<int>(lane_id() % 4);
  return QUANTISED ? result / 2 * 16 + 4 * t + 2 * i + result % 2 : result * 8 + 2 * t + i;
}

// Exponentials are taken relative to 2^top, and `top` follows the largest score only when that is SLACK beyond it:
// weights up to 2^4 fit every format, the quotient in the end is the same, and rescaling all of o is rare.
DEVICE void follow(const float (&s)[2][4], float (&top)[2], float (&sum)[2], float (&o)[DIM / 8][4]) {
  float best[2];
#pragma unroll
  for (int r = 0; r < 2; ++r)
    best[r] = fmaxf(fmaxf(s[0][2 * r], s[0][2 * r + 1]), fmaxf(s[1][2 * r], s[1][2 * r + 1]));
  if (!__any_sync(ALL_LANES, best[0] > top[0] + SLACK || best[1] > top[1] + SLACK)) return;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    best[r] = fmaxf(best[r], __shfl_xor_sync(ALL_LANES, best[r], 1));
    best[r] = fmaxf(best[r], __shfl_xor_sync(ALL_LANES, best[r], 2));
    float next = fmaxf(top[r], best[r]), fade = exp2_fast(top[r] - next);
    top[r] = next;
    sum[r] *= fade;
#pragma unroll
    for (int j = 0; j < DIM / 8; ++j) {
      o[j][2 * r] *= fade;
      o[j][2 * r + 1] *= fade;
    }
  }
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

// Scores of tokens from `rest` on count nothing.
DEVICE void mask(float (&s)[2][4], int rest) {
  const int mine = static_cast<int>(lane_id() % 4) * 2;
#pragma unroll
  for (int i = 0; i < 8; ++i)
    if (mine + i / 4 * 8 + i % 2 >= rest) s[i / 4][i % 4] = minus_infinity();
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
    fetch(ring + 2 * tile * SLOT, share.k, share.k_scale, row, valid(tile));
    fetch(ring + (2 * tile + 1) * SLOT, share.v, share.v_scale, row, valid(tile));
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
    fetch(free, share.k, share.k_scale, row, later);
    scores(s, full, q);
    rescale(s, full, scale * WIDENED);
    if (rest < TOKENS) mask(s, rest);
    follow(s, top, sum, o);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      s[i / 4][i % 4] = exp2_fast(s[i / 4][i % 4] - top[i / 2 % 2]);
      sum[i / 2 % 2] += s[i / 4][i % 4];
    }
    advance();
    copy_async_wait<SLOTS - 2>();
    __syncwarp();  // the same for this V and the K before it
    fetch(free, share.v, share.v_scale, row, later);
    if (QUANTISED) rescale(s, full, WIDENED);
    const u32 p[4] = {pack(s[0][0], s[0][1]), pack(s[0][2], s[0][3]), pack(s[1][0], s[1][1]), pack(s[1][2], s[1][3])};
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

// sum of w_i o_i / sum of w_i sum_i with w_i = 2^(top_i - largest top), four columns of a row; returns log2 of the
// whole sum of exponentials. Results without tokens have top = -infinity and weigh nothing.
template <typename Top, typename Sum, typename Value>
DEVICE float merge(int count, Top top, Sum sum, Value value, float4& out) {
  float high = minus_infinity(), total = 0.0f;
#pragma unroll 8
  for (int i = 0; i < count; ++i) high = fmaxf(high, top(i));
  out = {0.0f, 0.0f, 0.0f, 0.0f};
  if (high == minus_infinity()) return high;
#pragma unroll 8
  for (int i = 0; i < count; ++i) {
    float weight = exp2_fast(top(i) - high);
    float4 part = value(i);
    total += weight * sum(i);
    out.x += weight * part.x, out.y += weight * part.y, out.z += weight * part.z, out.w += weight * part.w;
  }
  float inverse = 1.0f / total;
  out.x *= inverse, out.y *= inverse, out.z *= inverse, out.w *= inverse;
  return high + log2_fast(total);
}

DEVICE void store_output(u16* to, float4 v) {
  const bool bf16 = IO == BF16;
  *reinterpret_cast<uint2*>(to) = {bf16 ? pack_bf16(v.x, v.y) : pack_fp16(v.x, v.y),
                                   bf16 ? pack_bf16(v.z, v.w) : pack_fp16(v.z, v.w)};
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
// than 2^32 tokens in all; k_scale, v_scale: the same without the last, unused for 16-bit caches. table:
// [sequence][width]; a page has 2^page_shift >= 16 tokens. scale: log2(e) / sqrt(DIM). partial: [sequence][KV head]
// [part][row][DIM], lse without the last; arrived: [sequence][KV head], zeros. Only o is used when there is one part.
KERNEL void __launch_bounds__(WARPS * WARP, BLOCKS)
decode(const u16* q, const u8* k, const u8* v, const float* k_scale, const float* v_scale, const i32* table,
       const i32* lengths, u16* o, float* partial, float* lse, u32* arrived, i32 group, i32 width, i32 page_shift,
       float scale) {
  DYNAMIC_SHARED(memory);
  const int part = blockIdx.x, parts = gridDim.x, kv_head = blockIdx.y, kv_heads = gridDim.y, sequence = blockIdx.z;
  const int warp = threadIdx.x / WARP, shared_by = sequence * kv_heads + kv_head, first_row = shared_by * group;
  const int tokens = lengths[sequence], tiles = (tokens + TOKENS - 1) / TOKENS;
  const i64 rounds = (tiles + WARPS - 1) / WARPS;  // the parts differ by one round at most
  const int begin = static_cast<int>(rounds * part / parts) * WARPS + warp;
  const int limit = static_cast<int>(rounds * (part + 1) / parts) * WARPS, end = limit < tiles ? limit : tiles;
  const int count = begin < end ? (end - begin + WARPS - 1) / WARPS : 0;
  const i32* pages = table + static_cast<i64>(sequence) * width;
  const Share share = {k, v, k_scale, v_scale, pages, kv_head, kv_heads, page_shift, tokens, begin, count};
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
