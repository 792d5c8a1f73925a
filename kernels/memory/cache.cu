// The read bandwidth of the caches and of shared memory: every pass adds up every word of the set.
//
// What bounds it. First-level cache and shared memory give 128 bytes a clock and processor: a warp's 16-byte load
// every 4 clocks, in which its four schedulers issue 16 instructions, 8 of them integer arithmetic (up to sm_90). A
// load costs itself, two three-input additions, and a fourth of the loop's: 4 of the 16 and 3 of the 8, so that
// the memory is the limit and not the sum. In flight: 128 B x 35 clocks = 4.5 KB; 1024 threads with 4 loads have
// 64 KiB. The second-level cache gives some 40 bytes a clock and processor at 270 clocks, more under load:
// 11-20 KB; 768 threads with 8 loads have 96 KiB.
//
// The sum is of 32-bit words modulo 2^32, over all passes: a word missed or read twice in any pass shows.
// Loads are volatile, so that none is carried from one pass to the next.
#include "ptx.cuh"

constexpr u32 DEEP = 8, DEEP_THREADS = 256;   // loads under way, threads of a block: second-level cache (3 blocks each)
constexpr u32 NEAR = 4, NEAR_THREADS = 1024;  // the first, and shared memory (1 block each); as in benchmarks/gpu_cache.py

DEVICE void add_words(u32& sum, u32& other, uint4 v) {  // two three-input additions
  sum = sum + v.x + v.y;
  other = other + v.z + v.w;
}

// How many of `count` vectors are this thread's, in steps of `threads`.
template <u32 threads> DEVICE u32 own_of(u32 count) { return count > threadIdx.x ? (count - threadIdx.x - 1) / threads + 1 : 0; }

// This thread's `own` vectors from `place` on, `threads` apart: `depth` loads under way, then what is left over.
template <u32 threads, u32 depth, class Place, class Load>
DEVICE void read_own(Place place, u32 own, u32& sum, u32& other, Load load) {
  u32 rest = own % depth;
#pragma unroll 1
  for (u32 group = own / depth; group; group--, place += depth * threads) {
    uint4 x[depth];
#pragma unroll
    for (u32 j = 0; j < depth; j++) x[j] = load(place + j * threads);
#pragma unroll
    for (u32 j = 0; j < depth; j++) add_words(sum, other, x[j]);
  }
  uint4 y[depth];
#pragma unroll
  for (u32 j = 0; j + 1 < depth; j++)
    if (j < rest) y[j] = load(place + j * threads);
#pragma unroll
  for (u32 j = 0; j + 1 < depth; j++)
    if (j < rest) add_words(sum, other, y[j]);
}

// total = the sum of every thread's `sum`. The last block to arrive hands it over and leaves `running` and
// `arrived` as it found them, zero.
DEVICE void hand_over(u32 sum, u32* running, u32* arrived, u32* total) {
  sum = __reduce_add_sync(ALL_LANES, sum);
  if (lane_id() == 0) atomicAdd(running, sum);
  __threadfence();
  __syncthreads();
  if (threadIdx.x || atomicInc(arrived, gridDim.x - 1) != gridDim.x - 1) return;
  __threadfence();
  *total = atomicExch(running, 0u);
}

// All blocks share the set: from pass to pass a tile goes to the next block, so that every part of the
// cache serves every processor, near and far.
KERNEL void __launch_bounds__(DEEP_THREADS, 3)
    cache_l2(const uint4* x, u32 vectors, u32 span, u32 passes, u32* running, u32* arrived, u32* total) {
  u32 sum = 0, other = 0, tiles = (vectors + span - 1) / span, turn = 0;
  for (u32 pass = 0; pass < passes; pass++) {
    for (u32 t = blockIdx.x; t < tiles; t += gridDim.x) {
      u32 tile = t + turn < tiles ? t + turn : t + turn - tiles;
      const uint4* place = x + static_cast<u64>(tile) * span + threadIdx.x;
      u32 count = own_of<DEEP_THREADS>(min(span, vectors - tile * span));
      read_own<DEEP_THREADS, DEEP>(place, count, sum, other, [](const uint4* p) { return load_l2(p); });
    }
    if (++turn == tiles) turn = 0;
  }
  hand_over(sum + other, running, arrived, total);
}

// Each block, alone on its processor, keeps to its own share.
KERNEL void __launch_bounds__(NEAR_THREADS, 1)
    cache_l1(const uint4* x, u32 vectors, u32 span, u32 passes, u32* running, u32* arrived, u32* total) {
  u32 sum = 0, other = 0, first = min(blockIdx.x * span, vectors), own = own_of<NEAR_THREADS>(min(span, vectors - first));
  const uint4* place = x + first + threadIdx.x;
  for (u32 pass = 0; pass < passes; pass++)
    read_own<NEAR_THREADS, NEAR>(place, own, sum, other, [](const uint4* p) { return load_l1(p); });
  hand_over(sum + other, running, arrived, total);
}

// The same share, kept in shared memory; a thread reads back what it wrote, so no barrier is needed.
KERNEL void __launch_bounds__(NEAR_THREADS, 1)
    cache_shared(const uint4* x, u32 vectors, u32 span, u32 passes, u32* running, u32* arrived, u32* total) {
  DYNAMIC_SHARED(set);
  u32 sum = 0, other = 0, first = min(blockIdx.x * span, vectors), count = min(span, vectors - first);
  u32 base = shared_address(set);
  for (u32 i = threadIdx.x; i < count; i += NEAR_THREADS) store_shared16(base + 16 * i, x[first + i]);
  u32 own = own_of<NEAR_THREADS>(count);
  for (u32 pass = 0; pass < passes; pass++)
    read_own<NEAR_THREADS, NEAR>(threadIdx.x, own, sum, other, [=](u32 i) { return load_shared16(base + 16 * i); });
  hand_over(sum + other, running, arrived, total);
}
