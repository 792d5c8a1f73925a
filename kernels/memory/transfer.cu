// Copies by the processors themselves, to and from the host's pinned memory or another GPU's.
//
// What bounds it: the link, and bytes under way. PCIe 5 x16 carries 55-58 GB/s of payload at 1-2 us: about 100 KB;
// NVLink 4 carries 370-380 GB/s each way at about 1.5 us: 560 KB, over 132 processors 4.3 KB each. Two blocks
// of 256 threads with 8 loads of 16 bytes have 64 KiB. A warp's load is 512 adjacent bytes, whole packets of the link.
#include "ptx.cuh"

constexpr u32 LOADS = 8;      // under way in a thread
constexpr u32 THREADS = 256;  // benchmarks/transfer.py and p2p.py launch so many

// One tile of 16-byte vectors: every load first, then every store.
template <bool full> DEVICE void move_tile(uint4* to, const uint4* from, u64 count) {
  uint4 x[LOADS];
#pragma unroll
  for (u32 j = 0; j < LOADS; j++)
    if (full || threadIdx.x + j * THREADS < count) x[j] = load_once(from + threadIdx.x + j * THREADS);
#pragma unroll
  for (u32 j = 0; j < LOADS; j++)
    if (full || threadIdx.x + j * THREADS < count) store_once(to + threadIdx.x + j * THREADS, x[j]);
}

// to = from, `bytes` of it, by `blocks` blocks of which this is number `block`.
DEVICE void move(u8* to, const u8* from, u64 bytes, u32 block, u32 blocks) {
  constexpr u64 TILE = THREADS * LOADS;
  uint4* target = reinterpret_cast<uint4*>(to);
  const uint4* source = reinterpret_cast<const uint4*>(from);
  u64 vectors = bytes / 16;
  for (u64 first = block * TILE; first < vectors; first += blocks * TILE) {
    if (vectors - first >= TILE) move_tile<true>(target + first, source + first, TILE);
    else move_tile<false>(target + first, source + first, vectors - first);
  }
  u64 rest = vectors * 16 + threadIdx.x;  // the last bytes, fewer than 16
  if (block == 0 && rest < bytes) to[rest] = from[rest];
}

KERNEL void __launch_bounds__(THREADS, 2) transfer_one(u8* to, const u8* from, u64 bytes) {
  move(to, from, bytes, blockIdx.x, gridDim.x);
}

// Both directions at once: even blocks one way, odd blocks the other.
KERNEL void __launch_bounds__(THREADS, 2) transfer_both(u8* to, const u8* from, u8* back_to, const u8* back_from, u64 bytes) {
  bool back = blockIdx.x % 2;
  move(back ? back_to : to, back ? back_from : from, bytes, blockIdx.x / 2, gridDim.x / 2);
}
