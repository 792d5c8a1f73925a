// The STREAM operations and a pure read, in float64, at the rate of whatever level of memory holds the set.
//
// What bounds it. Bytes under way = bandwidth x latency (Little's law): HBM3e at 4.8 TB/s and 600-800 ns needs
// 3-4 MB under way, 25-30 KB for each of 132 processors; HBM3e at 8 TB/s about 43 KB for each of 148. Here a
// thread has 8 independent 16-byte loads under way before it uses the first, and 64 registers at most let
// 1024 threads be resident: 8 x 16 B x 1024 = 128 KiB a processor, enough even where half the threads are
// starting, storing or waiting for a place in a queue.
//
// A block takes a tile of adjacent bytes, so that all processors together sweep one front through DRAM's open
// pages. A set that is passed over once is dealt tile by tile as blocks come free: processors are not equally far
// from the memory, and equal shares would wait for the slowest. A set that is passed over often stays
// with the block, and so in its processor's first-level cache if it fits there.
//
// GeForce chips make 2 fp64 operations a clock and processor: 16 bytes of `read`, about 5 TB/s over 128 processors,
// well above their DRAM but not above their caches, which `cache.cu` reads in integers.
//
// ONCE = 1: loads and stores say that the data will not be used again (no line of the first-level cache, first
// to leave the second); 0: they say nothing.
#include "ptx.cuh"

#ifndef ONCE
#error "define ONCE: 1 for accesses that leave no trace in the caches, 0 for ordinary ones"
#endif

constexpr u32 THREADS = 256;  // benchmarks/memory.py launches so many
constexpr u32 LOADS = 8;      // under way in a thread: 8 of one source, or 4 of each of two

DEVICE uint4 load(const uint4* place) { return ONCE ? load_once(place) : *place; }
DEVICE void store(uint4* place, uint4 v) {
  if (ONCE) store_once(place, v);
  else *place = v;
}
DEVICE double low(uint4 v) { return __longlong_as_double(static_cast<i64>(static_cast<u64>(v.y) << 32 | v.x)); }
DEVICE double high(uint4 v) { return __longlong_as_double(static_cast<i64>(static_cast<u64>(v.w) << 32 | v.z)); }
DEVICE uint4 both(double x, double y) {
  u64 a = static_cast<u64>(__double_as_longlong(x)), b = static_cast<u64>(__double_as_longlong(y));
  return make_uint4(static_cast<u32>(a), static_cast<u32>(a >> 32), static_cast<u32>(b), static_cast<u32>(b >> 32));
}

// For every vector (16 bytes) of `count`, a thread's `depth` loads first, then what is done with them.
template <bool full, u32 depth, class Load, class Use> DEVICE void tile(u32 count, Load load_one, Use use) {
#pragma unroll
  for (u32 j = 0; j < depth; j++)
    if (full || threadIdx.x + j * THREADS < count) load_one(j, threadIdx.x + j * THREADS);
#pragma unroll
  for (u32 j = 0; j < depth; j++)
    if (full || threadIdx.x + j * THREADS < count) use(j, threadIdx.x + j * THREADS);
}

// Every pass over this block's tiles: tile t holds vectors t span ... (t + 1) span - 1 of `vectors`.
template <u32 depth, class Load, class Use> DEVICE void sweep(u64 vectors, u32 span, u32 passes, Load load_one, Use use) {
  for (u32 pass = 0; pass < passes; pass++)
    for (u64 first = static_cast<u64>(blockIdx.x) * span; first < vectors; first += static_cast<u64>(gridDim.x) * span) {
      u32 count = static_cast<u32>(min(static_cast<u64>(span), vectors - first));
      auto load_here = [&](u32 j, u32 i) { load_one(j, first + i); };
      auto use_here = [&](u32 j, u32 i) { use(j, first + i); };
      if (count == depth * THREADS) tile<true, depth>(count, load_here, use_here);
      else tile<false, depth>(count, load_here, use_here);
    }
}

// The block's sum, known to thread 0.
DEVICE double block_sum(double sum) {
  __shared__ double sums[THREADS / WARP];
#pragma unroll
  for (int by = WARP / 2; by; by /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, by);
  if (lane_id() == 0) sums[threadIdx.x / WARP] = sum;
  __syncthreads();
  if (threadIdx.x == 0)
    for (u32 w = 1; w < THREADS / WARP; w++) sum += sums[w];
  return sum;
}

// total = sum of b. The numbers are whole, so that every sum is exact in any order, also the one over all passes,
// which divided by their count is the sum of one: had a pass been left out, it would not be whole or right.
// The last block to arrive hands the sum over and leaves `running` and `arrived` as it found them, zero.
KERNEL void __launch_bounds__(THREADS, 4)
    stream_read(const uint4* b, u64 vectors, u32 span, u32 passes, double* running, u32* arrived, double* total) {
  uint4 x[LOADS];
  double even = 0.0, odd = 0.0;
  sweep<LOADS>(
      vectors, span, passes, [&](u32 j, u64 i) { x[j] = load(b + i); }, [&](u32 j, u64) { even += low(x[j]); odd += high(x[j]); });
  double sum = block_sum(even + odd);
  if (threadIdx.x) return;
  atomicAdd(running, sum);
  __threadfence();
  if (atomicInc(arrived, gridDim.x - 1) != gridDim.x - 1) return;
  __threadfence();
  u64 all = atomicExch(reinterpret_cast<u64*>(running), 0ull);
  total[0] = __longlong_as_double(static_cast<i64>(all)) / passes;
}

// a = s
KERNEL void __launch_bounds__(THREADS, 4) stream_write(uint4* a, const double* s, u64 vectors, u32 span, u32 passes) {
  uint4 v = both(s[0], s[0]);
  sweep<LOADS>(vectors, span, passes, [](u32, u64) {}, [&](u32, u64 i) { store(a + i, v); });
}

// a = f(b)
template <class Function> DEVICE void from_one(uint4* a, const uint4* b, u64 vectors, u32 span, u32 passes, Function f) {
  uint4 x[LOADS];
  sweep<LOADS>(
      vectors, span, passes, [&](u32 j, u64 i) { x[j] = load(b + i); }, [&](u32 j, u64 i) { store(a + i, f(x[j])); });
}
// a = f(b, c)
template <class Function>
DEVICE void from_two(uint4* a, const uint4* b, const uint4* c, u64 vectors, u32 span, u32 passes, Function f) {
  uint4 x[LOADS / 2], y[LOADS / 2];
  sweep<LOADS / 2>(
      vectors, span, passes, [&](u32 j, u64 i) { x[j] = load(b + i); y[j] = load(c + i); },
      [&](u32 j, u64 i) { store(a + i, f(x[j], y[j])); });
}

KERNEL void __launch_bounds__(THREADS, 4) stream_copy(uint4* a, const uint4* b, u64 vectors, u32 span, u32 passes) {
  from_one(a, b, vectors, span, passes, [](uint4 x) { return x; });
}
KERNEL void __launch_bounds__(THREADS, 4)
    stream_scale(uint4* a, const uint4* b, const double* s, u64 vectors, u32 span, u32 passes) {
  double factor = s[0];
  from_one(a, b, vectors, span, passes, [=](uint4 x) { return both(factor * low(x), factor * high(x)); });
}
KERNEL void __launch_bounds__(THREADS, 4)
    stream_add(uint4* a, const uint4* b, const uint4* c, u64 vectors, u32 span, u32 passes) {
  from_two(a, b, c, vectors, span, passes, [](uint4 x, uint4 y) { return both(low(x) + low(y), high(x) + high(y)); });
}
KERNEL void __launch_bounds__(THREADS, 4)
    stream_triad(uint4* a, const uint4* b, const uint4* c, const double* s, u64 vectors, u32 span, u32 passes) {
  double factor = s[0];
  from_two(a, b, c, vectors, span, passes,
           [=](uint4 x, uint4 y) { return both(low(x) + factor * low(y), high(x) + factor * high(y)); });
}
