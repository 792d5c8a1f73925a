// The only inline assembly of benchsuite, one small function an instruction. Every kernel includes this.
//
// g++ builds the same kernels for the tests: there `cuda_host.h` gives these functions their meaning by the
// definitions of the PTX ISA (https://docs.nvidia.com/cuda/parallel-thread-execution/), so that a
// kernel's arithmetic can be executed, and its races and stray addresses found, without a GPU.
//
// No CUDA header is needed: 16-bit and 8-bit floats are kept as their bits (u16, u8).
#pragma once

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;

constexpr u32 ALL_LANES = 0xffffffffu;
constexpr int WARP = 32;

// What the copy engine of sm_90 knows of a matrix: 128 bytes that the host makes and a kernel takes by value, `__grid_constant__`.
struct alignas(64) TensorMap { u64 opaque[16]; };

#ifndef __CUDACC__
#include "cuda_host.h"
#else

#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__
// Dynamic shared memory, the only kind whose address the asynchronous instructions take.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(1024) u8 name[]

// ---------------------------------------------------------------- addresses, lanes, clocks

// The 32-bit address of a place in dynamic shared memory.
DEVICE u32 shared_address(const void* place) { return static_cast<u32>(__cvta_generic_to_shared(place)); }
DEVICE u32 lane_id() { return threadIdx.x & 31u; }
DEVICE u32 processor_id() { u32 id; asm volatile("mov.u32 %0, %%smid;" : "=r"(id)); return id; }
DEVICE u64 global_timer() { u64 t; asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t)); return t; }  // ns

// ---------------------------------------------------------------- global memory

// 16 bytes past the first-level cache: data that is used once must not evict what is used twice.
DEVICE uint4 load_once(const void* place) {
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(place));
  return v;
}
// 16 bytes straight from the second-level cache, never from the first (which may be stale or would hide it).
DEVICE uint4 load_l2(const void* place) {
  uint4 v;
  asm volatile("ld.global.cg.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(place) : "memory");
  return v;
}
// 16 bytes through the first-level cache, as ordinary loads go (spelt `.ca` it would become a strong one).
DEVICE uint4 load_l1(const void* place) {
  uint4 v;
  asm volatile("ld.global.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(place) : "memory");
  return v;
}
// 16 bytes that will not be read again soon.
DEVICE void store_once(void* place, uint4 v) {
  asm volatile("st.global.cs.v4.u32 [%0], {%1,%2,%3,%4};" ::"l"(place), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}
// 8 bytes through the first-level cache, and 8 bytes past it: the links of a pointer chase.
DEVICE u64 load8_l1(const void* place) { u64 v; asm volatile("ld.global.u64 %0, [%1];" : "=l"(v) : "l"(place) : "memory"); return v; }
DEVICE u64 load8_l2(const void* place) { u64 v; asm volatile("ld.global.cg.u64 %0, [%1];" : "=l"(v) : "l"(place) : "memory"); return v; }
// Atomic addition where it is written: the compiler may make one of a warp's equal `atomicAdd`s, never of these.
// `reduce_add` wants no answer (the thread goes on at once), `fetch_add` returns what was there before.
#define ATOMIC_ADD(T, type, letter)                                                                                \
  DEVICE void reduce_add(T* place, T v) {                                                                         \
    asm volatile("red.relaxed.gpu.global.add." type " [%0], %1;" ::"l"(place), letter(v) : "memory");             \
  }                                                                                                               \
  DEVICE T fetch_add(T* place, T v) {                                                                             \
    T old;                                                                                                        \
    asm volatile("atom.relaxed.gpu.global.add." type " %0, [%1], %2;" : "=" letter(old) : "l"(place), letter(v) : "memory"); \
    return old;                                                                                                   \
  }
ATOMIC_ADD(u32, "u32", "r")
ATOMIC_ADD(u64, "u64", "l")
ATOMIC_ADD(float, "f32", "f")
#undef ATOMIC_ADD
// Flags between kernels, devices and the host.
DEVICE u32 load_acquire_system(const u32* place) {
  u32 v; asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(v) : "l"(place) : "memory"); return v;
}
DEVICE void store_release_system(u32* place, u32 v) {
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(place), "r"(v) : "memory");
}
DEVICE u32 load_acquire(const u32* place) {
  u32 v; asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(place) : "memory"); return v;
}
DEVICE void store_release(u32* place, u32 v) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(place), "r"(v) : "memory");
}

// ---------------------------------------------------------------- global -> shared, asynchronously (sm_80)

// 16 bytes; where not `valid`, zeros, and `from` is not read.
DEVICE void copy_async16(u32 to, const void* from, bool valid = true) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(valid ? 16 : 0) : "memory");
}
DEVICE void copy_async8(u32 to, const void* from, bool valid = true) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(to), "l"(from), "r"(valid ? 8 : 0) : "memory");
}
DEVICE void copy_async4(u32 to, const void* from, bool valid = true) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from), "r"(valid ? 4 : 0) : "memory");
}
// Close this thread's group of copies; wait until at most `pending` of its groups are under way.
DEVICE void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int pending> DEVICE void copy_async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory"); }

// ---------------------------------------------------------------- shared -> registers

DEVICE uint4 load_shared16(u32 place) {
  uint4 v;
  asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(place) : "memory");
  return v;
}
DEVICE void store_shared16(u32 place, uint4 v) {
  asm volatile("st.shared.v4.u32 [%0], {%1,%2,%3,%4};" ::"r"(place), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}
DEVICE void store_shared8(u32 place, uint2 v) {
  asm volatile("st.shared.v2.u32 [%0], {%1,%2};" ::"r"(place), "r"(v.x), "r"(v.y) : "memory");
}
DEVICE u32 load_shared4(u32 place) {
  u32 v; asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(place) : "memory"); return v;
}
DEVICE void store_shared4(u32 place, u32 v) { asm volatile("st.shared.u32 [%0], %1;" ::"r"(place), "r"(v) : "memory"); }
DEVICE double load_shared_f64(u32 place) {
  double v; asm volatile("ld.shared.f64 %0, [%1];" : "=d"(v) : "r"(place) : "memory"); return v;
}

// Four 8x8 matrices of 16-bit elements; lane i gives the address of row i % 8 of matrix i / 8 (16 bytes, aligned).
// Register j of lane i receives elements 2 (i % 4) and 2 (i % 4) + 1 of row i / 4 of matrix j.
DEVICE void load_matrix_x4(u32 (&r)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}
// The same, each matrix transposed.
DEVICE void load_matrix_x4_transposed(u32 (&r)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}
DEVICE void load_matrix_x2(u32 (&r)[2], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(row) : "memory");
}
DEVICE void load_matrix_x2_transposed(u32 (&r)[2], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(row) : "memory");
}

// ---------------------------------------------------------------- tensor cores: d += a b, one warp
// Fragment layouts: PTX ISA, "Matrix Fragments for mma". With g = lane / 4 and t = lane % 4:
//   16x8 result: d[0..1] = row g, columns 2t, 2t+1; d[2..3] = row g+8.
//   16-bit a (16x16): a[0] = row g, k 2t..; a[1] = row g+8; a[2] = row g, k 2t+8..; a[3] = row g+8, k 2t+8..
//   16-bit b (16x8):  b[0] = column g, k 2t..; b[1] = column g, k 2t+8..
//   8-bit types: the same with 4 consecutive k in a register and k 4t.., 4t+16..
//   tf32 a (16x8): a[0] = (g, t), a[1] = (g+8, t), a[2] = (g, t+4), a[3] = (g+8, t+4); b[0] = (k t, column g), b[1] = (k t+4, g)

#define MMA_FLOAT(name, shape, types)                                                                              \
  DEVICE void name(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {                                          \
    asm volatile("mma.sync.aligned." shape ".row.col.f32." types ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                 \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                             \
  }
MMA_FLOAT(mma_bf16, "m16n8k16", "bf16.bf16")
MMA_FLOAT(mma_fp16, "m16n8k16", "f16.f16")
MMA_FLOAT(mma_tf32, "m16n8k8", "tf32.tf32")
#if __CUDA_ARCH__ == 890 || __CUDA_ARCH__ >= 1200
// Only where the chip has it: on sm_90 and sm_100 the compiler would quietly make it two fp16 products.
MMA_FLOAT(mma_e4m3, "m16n8k32", "e4m3.e4m3")
#endif
#undef MMA_FLOAT

#if __CUDA_ARCH__ == 1200
// The same product by the block-scaled instruction with every scale 1 (ue8m0 127): GeForce runs this one at twice the rate.
DEVICE void mma_e4m3_scaled(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.kind::mxf8f6f4.block_scale.scale_vec::1X.f32.e4m3.e4m3.f32.ue8m0 "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3}, {%10}, {0, 0}, {%10}, {0, 0};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(0x7f7f7f7f));
}
#endif

// fp16 with an fp16 sum (twice the rate on GeForce): d[0] = row g, d[1] = row g+8, two columns each.
DEVICE void mma_fp16_sum16(u32 (&d)[2], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%0,%1};"
               : "+r"(d[0]), "+r"(d[1]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma_int8(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// fp64, 8x8x4: a = (row g, k t), b = (k t, column g), d[0..1] = row g, columns 2t, 2t+1.
DEVICE void mma_fp64(double (&d)[2], double a, double b) {
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+d"(d[0]), "+d"(d[1]) : "d"(a), "d"(b));
}
#if __CUDA_ARCH__ >= 900
// fp64, 16x8x16: a[2i] = (row g, k 4i + t), a[2i+1] = (row g+8, k 4i + t), b[i] = (k 4i + t, column g), i = 0..3.
DEVICE void mma_fp64_k16(double (&d)[4], const double (&a)[8], const double (&b)[4]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, {%4,%5,%6,%7,%8,%9,%10,%11}, {%12,%13,%14,%15}, {%0,%1,%2,%3};"
               : "+d"(d[0]), "+d"(d[1]), "+d"(d[2]), "+d"(d[3])
               : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(a[4]), "d"(a[5]), "d"(a[6]), "d"(a[7]),
                 "d"(b[0]), "d"(b[1]), "d"(b[2]), "d"(b[3]));
}
#endif

// ---------------------------------------------------------------- number formats

// Two floats to two 16-bit ones, round to nearest even; `low` in the low half.
DEVICE u32 pack_bf16(float low, float high) { u32 r; asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low)); return r; }
DEVICE u32 pack_fp16(float low, float high) { u32 r; asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low)); return r; }
DEVICE float from_bf16(u16 bits) { return __uint_as_float(static_cast<u32>(bits) << 16); }
DEVICE float from_fp16(u16 bits) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(bits)); return f; }
DEVICE u16 to_bf16(float v) { return static_cast<u16>(pack_bf16(v, 0.0f)); }
DEVICE u16 to_fp16(float v) { return static_cast<u16>(pack_fp16(v, 0.0f)); }
// Two e4m3 numbers (low byte first) to two fp16 ones, exactly; a NaN becomes a NaN.
DEVICE u32 unpack_e4m3(u16 pair) {
#if __CUDA_ARCH__ >= 890
  u32 r; asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(r) : "h"(pair)); return r;
#else
  // s eeee mmm -> s 0eeee mmm0000000 and times 2^8: fp16's exponent is biased by 15, e4m3's by 7. No infinities arise.
  u32 wide = (static_cast<u32>(pair & 0xff) << 8) | (static_cast<u32>(pair & 0xff00) << 16);
  u32 shifted = (wide & 0x80008000u) | ((wide & 0x7f007f00u) >> 1), r;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(r) : "r"(shifted), "r"(0x5c005c00u));
  if ((wide & 0x7f00u) == 0x7f00u) r |= 0x7fffu;
  if ((wide & 0x7f000000u) == 0x7f000000u) r |= 0x7fff0000u;
  return r;
#endif
}
#if __CUDA_ARCH__ >= 890
// Four floats to e4m3, the first in the low byte: round to nearest even, and what is too large to the largest.
DEVICE u32 pack_e4m3(float a, float b, float c, float d) {
  u32 r;
  asm("{ .reg .b16 l, h; cvt.rn.satfinite.e4m3x2.f32 l, %2, %1; cvt.rn.satfinite.e4m3x2.f32 h, %4, %3; mov.b32 %0, {l, h}; }"
      : "=r"(r) : "f"(a), "f"(b), "f"(c), "f"(d));
  return r;
}
#endif
// Two-at-a-time arithmetic on packed halves.
DEVICE u32 fma_bf16x2(u32 a, u32 b, u32 c) { u32 r; asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }
DEVICE u32 fma_fp16x2(u32 a, u32 b, u32 c) { u32 r; asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }

// x += a b, y += a c in fp32: one instruction (FFMA2) on sm_100, two elsewhere.
DEVICE void fma_pair(float& x, float& y, float a, float b, float c) {
#if __CUDA_ARCH__ >= 1000 && __CUDA_ARCH__ < 1200
  asm("{ .reg .b64 d, p, q; mov.b64 d, {%0, %1}; mov.b64 p, {%2, %2}; mov.b64 q, {%3, %4};\n"
      "  fma.rn.f32x2 d, p, q, d; mov.b64 {%0, %1}, d; }" : "+f"(x), "+f"(y) : "f"(a), "f"(b), "f"(c));
#else
  x = __fmaf_rn(a, b, x), y = __fmaf_rn(a, c, y);
#endif
}

// 2^x and log2 x, about 2 units in the last place of float.
DEVICE float exp2_fast(float x) { float y; asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
DEVICE float log2_fast(float x) { float y; asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }

// (a & b) | c and friends in one instruction: bit i of `table` is the result for inputs i = 4a + 2b + c.
template <u32 table> DEVICE u32 logic3(u32 a, u32 b, u32 c) {
  u32 r; asm("lop3.b32 %0, %1, %2, %3, %4;" : "=r"(r) : "r"(a), "r"(b), "r"(c), "n"(table)); return r;
}

#if __CUDA_ARCH__ >= 900
// ---------------------------------------------------------------- sm_90: barriers in shared memory that copies report to
// A mbarrier goes through phases. One ends when all arrivals that it was made for have come and all bytes that were announced;
// whoever waits names its phase by its parity, and the phase before the first one counts as ended, with parity 1.

DEVICE void mbarrier_init(u32 at, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(arrivals) : "memory");
}
// What this thread has initialised is seen by the cluster and the copy engine once a barrier follows.
DEVICE void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
DEVICE void mbarrier_arrive(u32 at) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at) : "memory"); }
// Arrive, and announce bytes that copies will bring in this phase.
DEVICE void mbarrier_arrive_expect(u32 at, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes) : "memory");
}
// At a block's mbarrier of this cluster, by its `cluster_address`.
DEVICE void mbarrier_arrive_cluster(u32 at) {
  asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(at) : "memory");
}
// Until the phase of this parity has ended.
DEVICE void mbarrier_wait(u32 at, u32 parity) {
  u32 ended;
  do asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
                  : "=r"(ended) : "r"(at), "r"(parity) : "memory");
  while (!ended);
}
// What this thread wrote to shared memory is seen by the copy engine and by wgmma, after a barrier that follows.
DEVICE void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// Barrier `id` (1 to 15) of so many threads, whole warps: to wait there, or only to have come by.
DEVICE void named_barrier_sync(u32 id, u32 threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
DEVICE void named_barrier_arrive(u32 id, u32 threads) { asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory"); }

// ---------------------------------------------------------------- sm_90: the copy engine
// A box of a matrix, whose corner is at column x and row y, by a tensor map that the host made. What lies outside the matrix
// comes as zeros and goes nowhere. Its rows' chunks of 16 bytes are swizzled as the map says: with 128 bytes, chunk c of
// row r lies at c xor (r mod 8). Coordinates may be negative.

DEVICE void tensor_load(u32 to, const TensorMap& map, int x, int y, u32 mbarrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];"
               ::"r"(to), "l"(&map), "r"(mbarrier), "r"(x), "r"(y) : "memory");
}
// Into the same place of every block of the cluster whose bit is set, and reported to each one's own mbarrier.
DEVICE void tensor_load_multicast(u32 to, const TensorMap& map, int x, int y, u32 mbarrier, u16 blocks) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster "
               "[%0], [%1, {%4, %5}], [%2], %3;"
               ::"r"(to), "l"(&map), "r"(mbarrier), "h"(blocks), "r"(x), "r"(y) : "memory");
}
DEVICE void tensor_store(const TensorMap& map, int x, int y, u32 from) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];"
               ::"l"(&map), "r"(from), "r"(x), "r"(y) : "memory");
}
// The same in one of a row of matrices, matrix z.
DEVICE void tensor_load(u32 to, const TensorMap& map, int x, int y, int z, u32 mbarrier) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];"
               ::"r"(to), "l"(&map), "r"(mbarrier), "r"(x), "r"(y), "r"(z) : "memory");
}
DEVICE void tensor_store(const TensorMap& map, int x, int y, int z, u32 from) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];"
               ::"l"(&map), "r"(from), "r"(x), "r"(y), "r"(z) : "memory");
}
// Close this thread's group of stores; wait until at most `pending` of its groups still read shared memory.
DEVICE void tensor_store_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
template <int pending> DEVICE void tensor_store_wait_read() { asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(pending) : "memory"); }

// Four 8x8 matrices of 16-bit elements, as ldmatrix loads them: lane i gives the address of row i % 8 of matrix i / 8.
DEVICE void store_matrix_x4(u32 row, const u32 (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(row), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
}

// ---------------------------------------------------------------- sm_90: clusters of blocks

DEVICE u32 cluster_rank() { u32 rank; asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank)); return rank; }
// The address, for instructions on the cluster's memory, of what lies at this place in block `rank`.
DEVICE u32 cluster_address(u32 place, u32 rank) {
  u32 r; asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(r) : "r"(place), "r"(rank)); return r;
}
DEVICE u32 cluster_load4(u32 place) {
  u32 v; asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(v) : "r"(place) : "memory"); return v;
}
DEVICE void cluster_store4(u32 place, u32 v) { asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(place), "r"(v) : "memory"); }
// All threads of the cluster: what was done before arriving is seen after waiting.
DEVICE void cluster_arrive() { asm volatile("barrier.cluster.arrive.release;" ::: "memory"); }
DEVICE void cluster_wait() { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }
#endif  // sm_90

#if __CUDA_ARCH__ == 900
// ---------------------------------------------------------------- sm_90a: warpgroups, four warps that begin at a multiple of four

// Registers of each thread from here on; the block's warpgroups share what it was launched with.
template <int count> DEVICE void registers_decrease() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count)); }
template <int count> DEVICE void registers_increase() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count)); }

// d (64, N) = a b, or += with `add`, for 32 bytes of k: asynchronous. d must not be touched before `wgmma_wait`, and
// `wgmma_fence` hands it over. Row 16 w + g of warp w: d[4j..4j+1] = columns 8j + 2t, 8j + 2t + 1; d[4j+2..4j+3] = row g+8.
// a (64, k) and b (N, k) lie in shared memory as their descriptors say; with _nn b is (k, N). Where a is four registers, they
// are mma's fragment of rows 16 w .. 16 w + 15, and go the way of d: handed over by the fence, untouched until the wait.
DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// The operand lists of a wgmma with 64, 80, 128, 176 or 256 columns: half as many sums a thread.
#define LIST_32 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define LIST_40 LIST_32 ",%32,%33,%34,%35,%36,%37,%38,%39"
#define LIST_64 LIST_40 ",%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define LIST_88 LIST_64 ",%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87"
#define LIST_128 LIST_88 ",%88,%89,%90,%91,%92,%93,%94,%95,%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107" \
  ",%108,%109,%110,%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define SUMS_8(c, i) c(d[i]), c(d[i + 1]), c(d[i + 2]), c(d[i + 3]), c(d[i + 4]), c(d[i + 5]), c(d[i + 6]), c(d[i + 7])
#define SUMS_24(c, i) SUMS_8(c, i), SUMS_8(c, i + 8), SUMS_8(c, i + 16)
#define SUMS_32(c) SUMS_8(c, 0), SUMS_24(c, 8)
#define SUMS_40(c) SUMS_32(c), SUMS_8(c, 32)
#define SUMS_64(c) SUMS_40(c), SUMS_24(c, 40)
#define SUMS_88(c) SUMS_64(c), SUMS_24(c, 64)
#define SUMS_128(c) SUMS_88(c), SUMS_24(c, 88), SUMS_8(c, 112), SUMS_8(c, 120)

#define WGMMA(name, Sum, c, count, a_number, b_number, add_number, shape, types, tail)                                   \
  DEVICE void name(Sum (&d)[count], u64 a, u64 b, u32 add) {                                                            \
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %" add_number ", 0;\n"                                                 \
                 "wgmma.mma_async.sync.aligned." shape types " {" LIST_##count "}, %" a_number ", %" b_number ", p" tail "; }" \
                 : SUMS_##count(c) : "l"(a), "l"(b), "r"(add));                                                         \
  }
#define WGMMA_REGISTERS(name, count, a_numbers, b_number, add_number, shape, types, tail)                               \
  DEVICE void name(float (&d)[count], const u32 (&a)[4], u64 b, u32 add) {                                              \
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %" add_number ", 0;\n"                                                 \
                 "wgmma.mma_async.sync.aligned." shape types " {" LIST_##count "}, {" a_numbers "}, %" b_number ", p" tail "; }" \
                 : SUMS_##count(IN_OUT_F) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));              \
  }
#define WGMMA_WAIT(Sum, c, count, number)                                                                               \
  template <int pending> DEVICE void wgmma_wait(Sum (&d)[count]) {                                                      \
    asm volatile("wgmma.wait_group.sync.aligned %" number ";" : SUMS_##count(c) : "n"(pending) : "memory");             \
  }
#define WGMMA_WIDTHS(name, Sum, c, k, types, tail)                                \
  WGMMA(name, Sum, c, 64, "64", "65", "66", "m64n128" k, types, tail)             \
  WGMMA(name, Sum, c, 128, "128", "129", "130", "m64n256" k, types, tail)
#define WGMMA_SCORES(name, k, types, tail)                                        \
  WGMMA(name, float, IN_OUT_F, 40, "40", "41", "42", "m64n80" k, types, tail)     \
  WGMMA(name, float, IN_OUT_F, 88, "88", "89", "90", "m64n176" k, types, tail)
#define WGMMA_VALUES(name, k, types, tail)                                                                   \
  WGMMA_REGISTERS(name, 32, "%32,%33,%34,%35", "36", "37", "m64n64" k, types, tail)                          \
  WGMMA_REGISTERS(name, 64, "%64,%65,%66,%67", "68", "69", "m64n128" k, types, tail)                         \
  WGMMA_REGISTERS(name, 128, "%128,%129,%130,%131", "132", "133", "m64n256" k, types, tail)
#define IN_OUT_F "+f"
#define IN_OUT_R "+r"
WGMMA_WIDTHS(wgmma_bf16, float, IN_OUT_F, "k16", ".f32.bf16.bf16", ", 1, 1, 0, 0")
WGMMA_WIDTHS(wgmma_bf16_nn, float, IN_OUT_F, "k16", ".f32.bf16.bf16", ", 1, 1, 0, 1")
WGMMA_WIDTHS(wgmma_fp16, float, IN_OUT_F, "k16", ".f32.f16.f16", ", 1, 1, 0, 0")
WGMMA_WIDTHS(wgmma_fp16_nn, float, IN_OUT_F, "k16", ".f32.f16.f16", ", 1, 1, 0, 1")
WGMMA_WIDTHS(wgmma_tf32, float, IN_OUT_F, "k8", ".f32.tf32.tf32", ", 1, 1")
WGMMA_WIDTHS(wgmma_e4m3, float, IN_OUT_F, "k32", ".f32.e4m3.e4m3", ", 1, 1")
WGMMA_WIDTHS(wgmma_int8, i32, IN_OUT_R, "k32", ".s32.s8.s8", "")
WGMMA_SCORES(wgmma_bf16, "k16", ".f32.bf16.bf16", ", 1, 1, 0, 0")
WGMMA_SCORES(wgmma_fp16, "k16", ".f32.f16.f16", ", 1, 1, 0, 0")
WGMMA_VALUES(wgmma_bf16_nn, "k16", ".f32.bf16.bf16", ", 1, 1, 1")
WGMMA_VALUES(wgmma_fp16_nn, "k16", ".f32.f16.f16", ", 1, 1, 1")
WGMMA_VALUES(wgmma_e4m3, "k32", ".f32.e4m3.e4m3", ", 1, 1")
// Until at most `pending` committed groups of this warpgroup are under way. It takes the sums, so that the compiler reads
// none of them earlier.
WGMMA_WAIT(float, IN_OUT_F, 32, "32") WGMMA_WAIT(float, IN_OUT_F, 40, "40") WGMMA_WAIT(float, IN_OUT_F, 64, "64")
WGMMA_WAIT(float, IN_OUT_F, 88, "88") WGMMA_WAIT(float, IN_OUT_F, 128, "128")
WGMMA_WAIT(i32, IN_OUT_R, 64, "64") WGMMA_WAIT(i32, IN_OUT_R, 128, "128")
#undef WGMMA
#undef WGMMA_WAIT
#undef WGMMA_WIDTHS
#undef WGMMA_REGISTERS
#undef WGMMA_SCORES
#undef WGMMA_VALUES
#endif  // sm_90a

#endif  // __CUDACC__
