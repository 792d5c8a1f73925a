// The local step of a ring reduce: y = a + b, where y may be a or b.
//
// What bounds it: two bytes read for each written, and the bytes under way. A thread has 4 loads of 16 bytes of each
// source under way before it uses the first, 128 bytes; with at most 64 registers 1024 threads are resident,
// 128 KiB a processor, where bandwidth times latency asks for 43 KB at most (B200: 8 TB/s / 148 x 0.8 us). A block
// takes adjacent bytes, 16 KiB of each array, and every access of a warp is 512 contiguous bytes.
//
// FP32, FP16 or BF16 = 1: the element type. 16-bit sums are one packed multiply-add, a 1 + b, rounded once.
#include "ptx.cuh"

#if FP32 + FP16 + BF16 != 1
#error "define one of FP32, FP16 and BF16 as 1"
#endif

constexpr int THREADS = 256, DEPTH = 4;  // vectors of a thread; benchmarks/reduce_step.py counts blocks by them
#if FP32
using Element = u32;
#else
using Element = u16;
#endif

DEVICE u32 sum(u32 a, u32 b) {
#if FP32
  return __float_as_uint(__uint_as_float(a) + __uint_as_float(b));
#elif FP16
  return fma_fp16x2(a, 0x3c003c00u, b);
#else
  return fma_bf16x2(a, 0x3f803f80u, b);
#endif
}

// `words` of 4 bytes, and with 16-bit elements perhaps half a word more (`odd`), from addresses that are multiples of 16.
DEVICE void add_vectors(u8* y, const u8* a, const u8* b, u64 words, u32 odd) {
  const u64 vectors = words / 4, first = static_cast<u64>(blockIdx.x) * (THREADS * DEPTH) + threadIdx.x;
  uint4 left[DEPTH], right[DEPTH];
#pragma unroll
  for (int i = 0; i < DEPTH; ++i) {
    const u64 at = (first + i * THREADS) * 16;
    if (first + i * THREADS < vectors) left[i] = load_l2(a + at), right[i] = load_l2(b + at);
  }
#pragma unroll
  for (int i = 0; i < DEPTH; ++i) {
    const uint4 p = left[i], q = right[i];
    if (first + i * THREADS < vectors)
      store_once(y + (first + i * THREADS) * 16, {sum(p.x, q.x), sum(p.y, q.y), sum(p.z, q.z), sum(p.w, q.w)});
  }
  if (blockIdx.x) return;
  // What does not fill a vector: up to 3 words, and half a word.
  const u64 word = vectors * 4 + threadIdx.x;
  auto words_of = [](const u8* from) { return reinterpret_cast<const u32*>(from); };
  if (word < words) reinterpret_cast<u32*>(y)[word] = sum(words_of(a)[word], words_of(b)[word]);
  if (odd && threadIdx.x == 0) {
    const u16 p = reinterpret_cast<const u16*>(a)[2 * words], q = reinterpret_cast<const u16*>(b)[2 * words];
    reinterpret_cast<u16*>(y)[2 * words] = static_cast<u16>(sum(p, q));
  }
}

KERNEL void __launch_bounds__(THREADS, 4) add(u8* y, const u8* a, const u8* b, u64 words, u32 odd) {
  add_vectors(y, a, b, words, odd);
}

// Parts of a message that begin anywhere: first `head` elements one by one, until all three lie on vectors.
KERNEL void __launch_bounds__(THREADS, 4) add_from(u8* y, const u8* a, const u8* b, u64 head, u64 words, u32 odd) {
  const u64 stride = static_cast<u64>(gridDim.x) * THREADS;
  for (u64 at = static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x; at < head; at += stride)
    reinterpret_cast<Element*>(y)[at] =
        static_cast<Element>(sum(reinterpret_cast<const Element*>(a)[at], reinterpret_cast<const Element*>(b)[at]));
  const u64 skipped = head * sizeof(Element);
  add_vectors(y + skipped, a + skipped, b + skipped, words, odd);
}
