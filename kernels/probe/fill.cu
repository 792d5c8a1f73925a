// Does memory keep what is written to it, at every address? A line is 16 bytes and holds a hash of the seed and its number,
// so a line that was lost, moved, stuck or written by another address is not what it should be.
//
// Cost beside the traffic: 15 to 20 integer operations a line. A processor does 64 a cycle, hence 50 bytes a cycle at least,
// nearly twice what the fastest memory gives it (8 TB/s over 148 processors at 1.9 GHz: 28). In flight: 1024 threads of
// 4 lines each are 64 KiB a processor, and 8 TB/s at 800 ns need 43 KiB. (2048 threads do not fit on sm_86, sm_89 and sm_120.)
#include "ptx.cuh"

constexpr int THREADS = 512, AHEAD = 4;  // lines that a thread has under way

// MurmurHash3's finaliser: every bit of the result depends on every bit of x.
DEVICE u32 mixed(u32 x) {
  x = (x ^ x >> 16) * 0x85ebca6bu;
  x = (x ^ x >> 13) * 0xc2b2ae35u;
  return x ^ x >> 16;
}

// The first word is the hash; the others follow from it one to one.
DEVICE uint4 pattern(u64 line, u32 seed) {
  u32 h = mixed(static_cast<u32>(line) ^ mixed(static_cast<u32>(line >> 32) + seed));
  return make_uint4(h, h * 0x9e3779b1u + 0x7f4a7c15u, h * 0x27d4eb2fu + 0x165667b1u, ~h);
}

// What the check finds: lines that differ, the first of them, lines compared.
struct Findings { u64 bad, first, compared; };

KERNEL void __launch_bounds__(THREADS) fill(uint4* memory, u64 lines, const u32* seed, Findings* findings) {
  if (blockIdx.x == 0 && threadIdx.x == 0) *findings = {0, ~0ull, 0};
  u32 key = *seed;
  u64 stride = static_cast<u64>(gridDim.x) * THREADS;
  for (u64 line = blockIdx.x * THREADS + threadIdx.x; line < lines; line += stride) store_once(memory + line, pattern(line, key));
}

// words[i] = line where[i], read in the order of `where`: single lines, far apart.
KERNEL void __launch_bounds__(THREADS) sample(const uint4* memory, const u64* where, uint4* words, u32 count) {
  u32 i = blockIdx.x * THREADS + threadIdx.x;
  if (i < count) words[i] = load_l2(memory + where[i]);
}

KERNEL void __launch_bounds__(THREADS) verify(const uint4* memory, u64 lines, const u32* seed, Findings* findings) {
  u32 key = *seed;
  u64 stride = static_cast<u64>(gridDim.x) * THREADS, bad = 0, first = ~0ull, compared = 0;
  for (u64 line = blockIdx.x * THREADS + threadIdx.x; line < lines; line += AHEAD * stride) {
    uint4 got[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++)
      if (line + i * stride < lines) got[i] = load_l2(memory + line + i * stride);
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      if (line + i * stride >= lines) continue;
      uint4 want = pattern(line + i * stride, key);
      compared++;
      if ((got[i].x ^ want.x) | (got[i].y ^ want.y) | (got[i].z ^ want.z) | (got[i].w ^ want.w)) {
        bad++;
        first = min(first, line + i * stride);
      }
    }
  }
  for (int by = 16; by; by /= 2) {
    bad += __shfl_xor_sync(ALL_LANES, bad, by);
    compared += __shfl_xor_sync(ALL_LANES, compared, by);
    first = min(first, __shfl_xor_sync(ALL_LANES, first, by));
  }
  if (lane_id()) return;
  atomicAdd(&findings->compared, compared);
  if (!bad) return;
  atomicAdd(&findings->bad, bad);
  atomicMin(&findings->first, first);
}
