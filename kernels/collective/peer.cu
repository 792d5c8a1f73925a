// The sum of a message over up to 8 GPUs that read each other's memory: one process, no library.
//
// one shot: every GPU reads all messages and adds them; n - 1 messages come in over its links, in one launch.
// two shots: every GPU adds its share, 1/n, of all messages; when all have, it reads the other shares of the sum. 2 (n - 1)/n
// messages come in, the least there can be, but in two launches with everybody waiting in between. So one shot
// wins while (n - 1)(n - 2)/n messages take the links less time than a launch takes: at 8 GPUs, 450 GB/s and 3 us, up to 256 KiB.
//
// In flight: 768 threads on each of 132 processors, 16 bytes each and peer, are 1.6 MB; 450 GB/s at 2 us need 0.9 MB.
// A launch's messages begin with its own GPU's and go on around the ring, so that not all GPUs read the same one at once.
// Macro: one of DTYPE_FP32 DTYPE_BF16 DTYPE_FP16. Sums are made in fp32 and rounded once.
#include "ptx.cuh"

constexpr int THREADS = 256, BLOCKS = 3, MOST = 8;
constexpr int AHEAD = 4;  // vectors that a thread has under way while it copies

#if defined(DTYPE_FP32)
using Element = float;
DEVICE float number(Element v) { return v; }
DEVICE Element element(float v) { return v; }
DEVICE void add_word(float* total, u32 word) { total[0] += __uint_as_float(word); }
DEVICE u32 word(const float* total) { return __float_as_uint(total[0]); }
#elif defined(DTYPE_BF16)
using Element = u16;
DEVICE float number(Element v) { return from_bf16(v); }
DEVICE Element element(float v) { return to_bf16(v); }
DEVICE u32 word(const float* total) { return pack_bf16(total[0], total[1]); }
#elif defined(DTYPE_FP16)
using Element = u16;
DEVICE float number(Element v) { return from_fp16(v); }
DEVICE Element element(float v) { return to_fp16(v); }
DEVICE u32 word(const float* total) { return pack_fp16(total[0], total[1]); }
#else
#error "define one of DTYPE_FP32 DTYPE_BF16 DTYPE_FP16"
#endif
#if defined(DTYPE_BF16) || defined(DTYPE_FP16)
DEVICE void add_word(float* total, u32 word) {
  total[0] += number(static_cast<u16>(word & 0xffff));
  total[1] += number(static_cast<u16>(word >> 16));
}
#endif
constexpr int PER_WORD = 4 / sizeof(Element), PER_VECTOR = 4 * PER_WORD;

#define MESSAGES                                                                                                     \
  const Element *m0, const Element *m1, const Element *m2, const Element *m3, const Element *m4, const Element *m5, \
      const Element *m6, const Element *m7

// sum[i] = m0[i] + ... of `count` messages, for i in [first, last); `first` is a multiple of a vector.
KERNEL void __launch_bounds__(THREADS, BLOCKS) reduce(MESSAGES, Element* sum, i64 first, i64 last, i32 count) {
  const Element* const messages[MOST] = {m0, m1, m2, m3, m4, m5, m6, m7};
  i64 thread = blockIdx.x * THREADS + threadIdx.x, stride = static_cast<i64>(gridDim.x) * THREADS * PER_VECTOR;
  i64 whole = first + (last - first) / PER_VECTOR * PER_VECTOR;
  for (i64 at = first + thread * PER_VECTOR; at < whole; at += stride) {
    uint4 v[MOST];
#pragma unroll
    for (int m = 0; m < MOST; m++)  // all under way before the first is used
      if (m < count) v[m] = load_once(messages[m] + at);
    float total[PER_VECTOR] = {};
#pragma unroll
    for (int m = 0; m < MOST; m++) {
      if (m >= count) break;
      add_word(total, v[m].x);
      add_word(total + PER_WORD, v[m].y);
      add_word(total + 2 * PER_WORD, v[m].z);
      add_word(total + 3 * PER_WORD, v[m].w);
    }
    *reinterpret_cast<uint4*>(sum + at) =
        make_uint4(word(total), word(total + PER_WORD), word(total + 2 * PER_WORD), word(total + 3 * PER_WORD));
  }
  i64 at = whole + thread;  // what is left of a vector
  if (at >= last) return;
  float total = 0.0f;
#pragma unroll
  for (int m = 0; m < MOST; m++)
    if (m < count) total += number(messages[m][at]);
  sum[at] = element(total);
}

// The other GPUs' shares of the sum, to the same place in this GPU's. Message m is the sum of GPU rank + m; blocks of row y
// copy that of m = y + 1. share: elements of a share, a multiple of a vector; length: elements of the message.
KERNEL void __launch_bounds__(THREADS, BLOCKS) gather(MESSAGES, Element* sum, i64 share, i64 length, i32 rank, i32 count) {
  const Element* const messages[MOST] = {m0, m1, m2, m3, m4, m5, m6, m7};
  int peer = static_cast<int>(blockIdx.y) + 1;
  const Element* from = messages[0];
#pragma unroll
  for (int m = 1; m < MOST; m++)
    if (m == peer) from = messages[m];
  i64 first = (rank + peer) % count * share, last = min(first + share, length);
  i64 thread = blockIdx.x * THREADS + threadIdx.x, stride = static_cast<i64>(gridDim.x) * THREADS * PER_VECTOR;
  i64 whole = first + (last - first) / PER_VECTOR * PER_VECTOR;
  for (i64 at = first + thread * PER_VECTOR; at < whole; at += AHEAD * stride) {
    uint4 v[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++)
      if (at + i * stride < whole) v[i] = load_once(from + at + i * stride);
#pragma unroll
    for (int i = 0; i < AHEAD; i++)
      if (at + i * stride < whole) store_once(sum + at + i * stride, v[i]);
  }
  i64 at = whole + thread;
  if (at >= first && at < last) sum[at] = from[at];
}
