// Is a result, bit for bit, the one that is known to be right? Every element is compared and then overwritten with ones (a NaN
// in every floating format), so that a result that is not written again is found by the next comparison.
//
// Bits, not numbers: a NaN differs from every number, and no error is too small. Two bytes read and one written for each of
// the result: in flight are 1024 threads of 4 vectors of each array, 128 KiB a processor, more than memory takes (fill.cu).
//
// BYTES: of an element, 1, 2, 4 or 8; arrays begin on multiples of 16 bytes.
#include "ptx.cuh"

#if BYTES == 1
using Element = u8;
#elif BYTES == 2
using Element = u16;
#elif BYTES == 4
using Element = u32;
#elif BYTES == 8
using Element = u64;
#else
#error "define BYTES as 1, 2, 4 or 8"
#endif

constexpr int THREADS = 256, AHEAD = 4;  // vectors that a thread has under way; burn/comparing.py counts blocks by THREADS
constexpr int EACH = 16 / BYTES;         // elements of a vector

// Since the counts were made: elements that differ, the first of them, elements compared.
struct Found { u64 wrong, first, compared; };

// Whether element i of a vector differs, by the vector's words of differing bits.
DEVICE bool differs(const u32 (&bits)[4], int i) {
#if BYTES == 8
  return bits[2 * i] | bits[2 * i + 1];
#else
  return static_cast<Element>(bits[i * BYTES / 4] >> (8 * (i * BYTES % 4)));
#endif
}

KERNEL void __launch_bounds__(THREADS) compare(u8* got, const u8* want, u64 elements, Found* found) {
  const u64 vectors = elements / EACH, stride = static_cast<u64>(gridDim.x) * THREADS;
  u64 wrong = 0, first = ~0ull, compared = 0;
  for (u64 vector = static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x; vector < vectors; vector += AHEAD * stride) {
    uint4 a[AHEAD], b[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      const u64 at = vector + i * stride;
      if (at < vectors) a[i] = load_l2(got + at * 16), b[i] = load_once(want + at * 16);
    }
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      const u64 at = vector + i * stride;
      if (at >= vectors) continue;
      store_once(got + at * 16, make_uint4(~0u, ~0u, ~0u, ~0u));
      compared += EACH;
      const u32 bits[4] = {a[i].x ^ b[i].x, a[i].y ^ b[i].y, a[i].z ^ b[i].z, a[i].w ^ b[i].w};
      if (!(bits[0] | bits[1] | bits[2] | bits[3])) continue;
#pragma unroll
      for (int j = EACH - 1; j >= 0; j--)
        if (differs(bits, j)) wrong++, first = min(first, at * EACH + j);
    }
  }
  const u64 last = vectors * EACH + threadIdx.x;  // what does not fill a vector
  if (blockIdx.x == 0 && last < elements) {
    Element* mine = reinterpret_cast<Element*>(got) + last;
    compared++;
    if (*mine != reinterpret_cast<const Element*>(want)[last]) wrong++, first = min(first, last);
    *mine = static_cast<Element>(~0ull);
  }
  for (int by = 16; by; by /= 2) {
    wrong += __shfl_xor_sync(ALL_LANES, wrong, by);
    compared += __shfl_xor_sync(ALL_LANES, compared, by);
    first = min(first, __shfl_xor_sync(ALL_LANES, first, by));
  }
  if (lane_id()) return;
  atomicAdd(&found->compared, compared);
  if (!wrong) return;
  atomicAdd(&found->wrong, wrong);
  atomicMin(&found->first, first);
}
