// What the kernels of decode attention share: how 16 tokens of a cache lie in shared memory, what a warp does with them, and
// how partial results become one. Include it after TILE_ROWS: tokens of K or V that lie together there, a multiple of 16.
//
// DIM        64 or 128: head_dim
// KV         BF16, FP16, INT8 or E4M3: what the cache stores. 8-bit numbers are multiplied as fp16, in which they are exact.
// IO         BF16 or FP16: q and o
#pragma once
#include "ptx.cuh"

#if !defined(DIM) || !defined(TILE_ROWS)
#error "define DIM and TILE_ROWS"
#endif
#define BF16 1
#define FP16 2
#define INT8 3
#define E4M3 4
#if KV < BF16 || KV > E4M3 || IO < BF16 || IO > FP16
#error "define KV as BF16, FP16, INT8 or E4M3, and IO as BF16 or FP16"
#endif

constexpr bool QUANTISED = KV >= INT8;
constexpr int TOKENS = 16;                      // of a tile: what a warp takes at a time
constexpr int ROW = DIM * (QUANTISED ? 1 : 2);  // bytes of a token
constexpr int LINE = ROW < 128 ? ROW : 128;     // of these, that lie together
constexpr int HALF = TILE_ROWS * LINE;          // where the second 128 bytes of all tokens begin
constexpr int CHUNKS = ROW / 16;
constexpr int PITCH = DIM + 8;                  // floats of a row of results in shared memory
constexpr float SLACK = 4.0f;                   // see follow()
static_assert(DIM == 64 || DIM == 128, "head_dim is 64 or 128");
static_assert(TILE_ROWS % TOKENS == 0, "whole tiles lie together");

DEVICE float minus_infinity() { return __uint_as_float(0xff800000u); }

// Where 16 bytes of a tile lie: as the copy engine's swizzle of 128 or 64 bytes lays them. ldmatrix reads the same chunk of 8
// rows: the exclusive or puts them on 8 different groups of 4 banks (rows of 64 bytes: two share a line of 128, so the key is
// that of the pair). A token of 256 bytes lies in two halves.
DEVICE constexpr u32 key(u32 row) { return row / (128 / LINE) % (LINE / 16) * 16; }
DEVICE constexpr u32 place(u32 row, u32 chunk) { return chunk / 8 * HALF + row * LINE + (chunk % 8 * 16 ^ key(row)); }
// 32 bytes further along the tokens, `pair` times.
DEVICE u32 along(u32 from, int pair) { return (from ^ (pair % 4 * 32)) + pair / 4 * HALF; }

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
    load_matrix_x4(k, along(from, pair));
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
    load_matrix_x4_transposed(v, along(from, pair));
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

// Scores of tokens from `rest` on count nothing.
DEVICE void mask(float (&s)[2][4], int rest) {
  const int mine = static_cast<int>(lane_id() % 4) * 2;
#pragma unroll
  for (int i = 0; i < 8; ++i)
    if (mine + i / 4 * 8 + i % 2 >= rest) s[i / 4][i % 4] = minus_infinity();
}

// Weights of the tokens from their scores, and the sums of these.
DEVICE void weigh(float (&s)[2][4], const float (&top)[2], float (&sum)[2]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    s[i / 4][i % 4] = exp2_fast(s[i / 4][i % 4] - top[i / 2 % 2]);
    sum[i / 2 % 2] += s[i / 4][i % 4];
  }
}

// The weights as mma's first operand.
DEVICE void pack_weights(u32 (&p)[4], const float (&s)[2][4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) p[i] = pack(s[i / 2][i % 2 * 2], s[i / 2][i % 2 * 2 + 1]);
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
