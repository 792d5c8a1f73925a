// One lane follows a ring of addresses: the load-to-use latency of the level that holds the ring.
//
// What bounds it: nothing but the latency. The case gives the ring as indices, from which an address costs a
// multiply-add (4-5 clocks, against 35 for a first-level hit) in every step. So the first iteration writes
// the ring once more with addresses, and a step is one load whose result is the next load's address.
#include "ptx.cuh"

constexpr u32 WORDS = 8;   // of a line of 64 bytes: address of the next line, place in the ring, nothing
constexpr u32 UNROLL = 16;

// The ring with addresses, unless an earlier iteration has made it.
KERNEL void chase_prepare(const u64* next, u64* ring, u64 lines, const u32* ready) {
  if (*ready) return;
  u64 line = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (line >= lines) return;
  ring[line * WORDS] = reinterpret_cast<u64>(ring + next[line * WORDS]);
  ring[line * WORDS + 1] = next[line * WORDS + 1];
}

// `steps` loads on from the line where the last iteration ended: a fixed start would visit the same lines again.
template <class Load> DEVICE void follow(u64* ring, u64 steps, u64 lines, u64* place, u32* ready, u64* advance, Load load) {
  u64 start = *place ? *place : reinterpret_cast<u64>(ring), here = start;
  for (; steps >= UNROLL; steps -= UNROLL)
#pragma unroll
    for (u32 i = 0; i < UNROLL; i++) here = load(reinterpret_cast<const u64*>(here));
#pragma unroll 1
  for (; steps; steps--) here = load(reinterpret_cast<const u64*>(here));
  *place = here;
  *ready = 1;
  *advance = (reinterpret_cast<const u64*>(here)[1] + lines - reinterpret_cast<const u64*>(start)[1]) % lines;
}

// Through the first-level cache, or from the second-level cache on.
KERNEL void chase_l1(u64* ring, const u64* steps, u64 lines, u64* place, u32* ready, u64* advance) {
  follow(ring, *steps, lines, place, ready, advance, [](const u64* p) { return load8_l1(p); });
}
KERNEL void chase_l2(u64* ring, const u64* steps, u64 lines, u64* place, u32* ready, u64* advance) {
  follow(ring, *steps, lines, place, ready, advance, [](const u64* p) { return load8_l2(p); });
}
