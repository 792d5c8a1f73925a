// Atomic additions of 1 to counters: all to one, or spread over a range.
//
// What bounds it: the second-level cache, where they are done. To one address they follow one another, one (or
// one warp's) every few clocks; spread, each slice of the cache serves its own. Add number g of the whole grid goes to
// counter g mod `counters` (`shift` 0: neighbouring lanes to neighbouring counters) or (g / 32) mod
// `counters` (`shift` 5: a warp to one counter). Written as PTX `red` and `atom`, since a compiler may put
// `atomicAdd`s of equal address together before the memory sees them.
#include "ptx.cuh"

// counters = start, in words of 4 bytes.
KERNEL void atomics_start(u32* counters, const u32* start, u32 words) {
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < words; i += gridDim.x * blockDim.x) counters[i] = start[i];
}

constexpr u32 UNROLL = 8;

// This thread's share of `adds`; `add` is given the counter, and which of up to UNROLL additions in a row it is.
template <class T, class Add, class Then> DEVICE void add_all(T* counters, u32 count, u64 adds, u32 shift, Add add, Then then) {
  u32 threads = gridDim.x * blockDim.x, thread = blockIdx.x * blockDim.x + threadIdx.x;
  u32 at = (thread >> shift) % count, step = (threads >> shift) % count;
  u32 own = static_cast<u32>(thread < adds ? (adds - thread - 1) / threads + 1 : 0);
  auto one = [&](u32 j) {
    add(counters + at, j);
    at += step;
    if (at >= count) at -= count;
  };
  for (; own >= UNROLL; own -= UNROLL) {
#pragma unroll
    for (u32 j = 0; j < UNROLL; j++) one(j);
    then(UNROLL);
  }
#pragma unroll 1
  for (; own; own--) {
    one(0);
    then(1);
  }
}

// Nobody asks what was there before: a thread sends its additions and goes on.
template <class T> DEVICE void reduce(T* counters, u32 count, u64 adds, u32 shift) {
  add_all(counters, count, adds, shift, [](T* p, u32) { reduce_add(p, static_cast<T>(1)); }, [](u32) {});
}
// Every addition answers; each thread leaves the sum of the answers, or they would not be asked for.
template <class T> DEVICE void fetch(T* counters, u32 count, u64 adds, u32 shift, T* seen) {
  T sum = 0, before[UNROLL];
  add_all(
      counters, count, adds, shift, [&](T* p, u32 j) { before[j] = fetch_add(p, static_cast<T>(1)); },
      [&](u32 made) {
#pragma unroll
        for (u32 j = 0; j < UNROLL; j++)
          if (j < made) sum += before[j];
      });
  seen[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

KERNEL void red_uint32(u32* counters, u32 count, u64 adds, u32 shift) { reduce(counters, count, adds, shift); }
KERNEL void atom_uint32(u32* counters, u32 count, u64 adds, u32 shift, u32* seen) { fetch(counters, count, adds, shift, seen); }
KERNEL void red_uint64(u64* counters, u32 count, u64 adds, u32 shift) { reduce(counters, count, adds, shift); }
KERNEL void atom_uint64(u64* counters, u32 count, u64 adds, u32 shift, u64* seen) { fetch(counters, count, adds, shift, seen); }
KERNEL void red_fp32(float* counters, u32 count, u64 adds, u32 shift) { reduce(counters, count, adds, shift); }
KERNEL void atom_fp32(float* counters, u32 count, u64 adds, u32 shift, float* seen) { fetch(counters, count, adds, shift, seen); }
