// The fifth generation of tensor cores, of sm_100a: tcgen05. Included beside ptx.cuh by the kernels that use them; the inline
// assembly of these instructions is here and nowhere else (PTX ISA, "TensorCore 5th Generation Family Instructions").
//
// Sums live in tensor memory (TMEM), 128 lanes by 512 columns of 32 bits in each processor. One thread has a whole product
// computed: a and b are read from shared memory as their descriptors say, and nobody waits. What was asked for is told to a
// mbarrier when it is done (commit). The sums then come to registers, to be rounded and stored; warp w reads lanes 32 (w mod 4)
// and on. Two blocks of a cluster can act as a pair: one thread of its first block multiplies what lies in both.
#pragma once
#include "ptx.cuh"

// ---------------------------------------------------------------- what the instructions are told

// Of a matrix in shared memory with rows of 128 bytes and the 128-byte swizzle, 1024 bytes to a pattern of eight rows (16 bytes
// are the unit). `leading`: between boxes of 128 bytes of rows, where rows are innermost; along k it says nothing.
// Bits 0-13 the place, 16-29 leading, 32-45 from pattern to pattern, 46-48 always 1, 61-63 the swizzle (2: 128 bytes).
DEVICE u64 tcgen05_operand(u32 place, u32 leading) {
  return 2ull << 61 | 1ull << 46 | 1024ull / 16 << 32 | static_cast<u64>(leading / 16) << 16 | place / 16;
}
// Of a product: bits 4-5 the type of the sums, 7-9 of a, 10-12 of b, 16 whether b is innermost along its rows and not along k,
// 17-22 columns / 8, 24-28 rows / 16.
constexpr u32 tcgen05_instruction(u32 sum, u32 type, bool across, u32 rows, u32 columns) {
  return sum << 4 | type << 7 | type << 10 | (across ? 1u << 16 : 0u) | columns / 8 << 17 | rows / 16 << 24;
}
// Of a block-scaled product: 7-9 and 10-12 the type of a and b, 23 of their scales, 17-22 and 24-28 as above. Bits 4-5 and 29-30
// say which byte of b's and of a's words the scale is.
constexpr u32 tcgen05_scaled_instruction(u32 type, u32 scale, u32 rows, u32 columns) {
  return type << 7 | type << 10 | columns / 8 << 17 | scale << 23 | rows / 16 << 24;
}
constexpr u32 tcgen05_with_scale(u32 instruction, u32 byte) { return instruction | byte << 4 | byte << 29; }
// Of rows of 16 bytes that follow each other without a swizzle, eight rows after eight rows.
DEVICE u64 tcgen05_plain_operand(u32 place) { return 1ull << 46 | 128ull / 16 << 32 | 128ull / 16 << 16 | place / 16; }
// The address in tensor memory of a lane and column.
constexpr u32 tmem_place(u32 tmem, u32 lane, u32 column) { return tmem + (lane << 16) + column; }

#ifndef __CUDACC__
#include "cuda_host_tcgen05.h"
#elif __CUDA_ARCH__ == 1000 || __CUDA_ARCH__ == 1030

// One lane of the warp, always the same.
DEVICE bool elect_one() {
  u32 chosen;
  asm volatile("{ .reg .pred p; elect.sync _|p, 0xffffffff; selp.u32 %0, 1, 0, p; }" : "=r"(chosen));
  return chosen;
}

// Registers of each thread from here on; the block's warpgroups (four warps) share what it was launched with.
template <int count> DEVICE void registers_decrease() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count)); }
template <int count> DEVICE void registers_increase() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count)); }

// ---------------------------------------------------------------- tensor memory: warps ask for columns, a power of two from 32

// Writes the address of the columns to shared memory; waits until they are free. With 2 the same warp of both blocks asks.
template <int group> DEVICE void tmem_allocate(u32 to, u32 columns) {
  if (group == 2) asm volatile("tcgen05.alloc.cta_group::2.sync.aligned.shared::cta.b32 [%0], %1;" ::"r"(to), "r"(columns) : "memory");
  else asm volatile("tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%0], %1;" ::"r"(to), "r"(columns) : "memory");
}
template <int group> DEVICE void tmem_free(u32 tmem, u32 columns) {
  if (group == 2) asm volatile("tcgen05.dealloc.cta_group::2.sync.aligned.b32 %0, %1;" ::"r"(tmem), "r"(columns) : "memory");
  else asm volatile("tcgen05.dealloc.cta_group::1.sync.aligned.b32 %0, %1;" ::"r"(tmem), "r"(columns) : "memory");
}
// This block will ask for no more: the next one need not wait for its end.
template <int group> DEVICE void tmem_allocate_no_more() {
  if (group == 2) asm volatile("tcgen05.relinquish_alloc_permit.cta_group::2.sync.aligned;" ::: "memory");
  else asm volatile("tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;" ::: "memory");
}

// ---------------------------------------------------------------- order: tcgen05 instructions are asynchronous

// What this thread asked of tensor memory comes before what others do after the barrier that follows; and what it asks from
// here on comes after what others did before the barrier that it has passed.
DEVICE void tcgen05_fence_before() { asm volatile("tcgen05.fence::before_thread_sync;" ::: "memory"); }
DEVICE void tcgen05_fence_after() { asm volatile("tcgen05.fence::after_thread_sync;" ::: "memory"); }

// One arrival at a mbarrier once all products that this thread has asked for are done: at its own, or at the same place in
// every block whose bit is set. It is a fence before, too.
DEVICE void tcgen05_commit(u32 mbarrier) {
  asm volatile("tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%0];" ::"r"(mbarrier) : "memory");
}
DEVICE void tcgen05_commit_pair(u32 mbarrier, u16 blocks) {
  asm volatile("tcgen05.commit.cta_group::2.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 [%0], %1;"
               ::"r"(mbarrier), "h"(blocks) : "memory");
}

// ---------------------------------------------------------------- products: d = a b, or d += a b with `add`, for 32 bytes of k

// Pair: a block's shared memory has half of a's rows and half of b's columns, its tensor memory half of d's rows.
#define TCGEN05_MULTIPLY(name, kind)                                                                                          \
  template <int group> DEVICE void tcgen05_##name(u32 d, u64 a, u64 b, u32 instruction, u32 add) {                           \
    if (group == 2)                                                                                                           \
      asm volatile("{ .reg .pred p; setp.ne.u32 p, %4, 0;\n tcgen05.mma.cta_group::2.kind::" kind " [%0], %1, %2, %3, p; }"   \
                   ::"r"(d), "l"(a), "l"(b), "r"(instruction), "r"(add) : "memory");                                          \
    else                                                                                                                      \
      asm volatile("{ .reg .pred p; setp.ne.u32 p, %4, 0;\n tcgen05.mma.cta_group::1.kind::" kind " [%0], %1, %2, %3, p; }"   \
                   ::"r"(d), "l"(a), "l"(b), "r"(instruction), "r"(add) : "memory");                                          \
  }
TCGEN05_MULTIPLY(f16, "f16")
TCGEN05_MULTIPLY(tf32, "tf32")
TCGEN05_MULTIPLY(f8f6f4, "f8f6f4")
TCGEN05_MULTIPLY(i8, "i8")
#undef TCGEN05_MULTIPLY

// The same for 16-bit types with a in tensor memory: a row in its lane, two k in a column, the lower one in the low half.
DEVICE void tcgen05_f16_tmem(u32 d, u32 a, u64 b, u32 instruction, u32 add) {
  asm volatile("{ .reg .pred p; setp.ne.u32 p, %4, 0;\n tcgen05.mma.cta_group::1.kind::f16 [%0], [%1], %2, %3, p; }"
               ::"r"(d), "r"(a), "l"(b), "r"(instruction), "r"(add) : "memory");
}

// The same by scales from tensor memory, from these columns on: for 128 rows four, row r in lane r mod 32 of column r / 32, in
// every quarter of the lanes. A block of a pair has the scales of its rows of a and of all of b.
#define TCGEN05_SCALED(name, kind)                                                                                            \
  DEVICE void tcgen05_##name(u32 d, u64 a, u64 b, u32 instruction, u32 a_scales, u32 b_scales, u32 add) {                     \
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %4, 0;\n tcgen05.mma.cta_group::2.kind::" kind " [%0], %1, %2, %3, [%5], [%6], p; }" \
                 ::"r"(d), "l"(a), "l"(b), "r"(instruction), "r"(add), "r"(a_scales), "r"(b_scales) : "memory");              \
  }
TCGEN05_SCALED(mxfp8, "mxf8f6f4.block_scale.scale_vec::1X")
TCGEN05_SCALED(nvfp4, "mxf4nvf4.block_scale.scale_vec::4X")
#undef TCGEN05_SCALED

// 512 bytes of shared memory, 32 rows of 16, to four columns of tensor memory: every quarter of the lanes gets them all. In both
// blocks of the pair, each from its own; in turn with the products of this thread.
DEVICE void tcgen05_copy_scales(u32 columns, u64 from) {
  asm volatile("tcgen05.cp.cta_group::2.32x128b.warpx4 [%0], %1;" ::"r"(columns), "l"(from) : "memory");
}

// ---------------------------------------------------------------- tensor memory <-> registers

#define TMEM_8(c, i) c(r[i]), c(r[i + 1]), c(r[i + 2]), c(r[i + 3]), c(r[i + 4]), c(r[i + 5]), c(r[i + 6]), c(r[i + 7])
#define TMEM_32(c, i) TMEM_8(c, i), TMEM_8(c, i + 8), TMEM_8(c, i + 16), TMEM_8(c, i + 24)
// 64 columns from this place on, of the lane of tensor memory that this thread's is: r[i] = column i. All lanes of a warp.
DEVICE void tmem_load(u32 (&r)[64], u32 place) {
  asm volatile("tcgen05.ld.sync.aligned.32x32b.x64.b32 {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,"
               "%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
               "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, [%64];"
               : TMEM_32("=r", 0), TMEM_32("=r", 32) : "r"(place) : "memory");
}
DEVICE void tmem_load(u32 (&r)[32], u32 place) {  // 32 of them
  asm volatile("tcgen05.ld.sync.aligned.32x32b.x32.b32 {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,"
               "%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}, [%32];" : TMEM_32("=r", 0) : "r"(place) : "memory");
}
// Until what this thread asked for is there. It takes the registers, so that the compiler reads none of them earlier.
DEVICE void tmem_load_wait(u32 (&r)[64]) {
  asm volatile("tcgen05.wait::ld.sync.aligned;" : TMEM_32("+r", 0), TMEM_32("+r", 32)::"memory");
}
DEVICE void tmem_load_wait(u32 (&r)[32]) { asm volatile("tcgen05.wait::ld.sync.aligned;" : TMEM_32("+r", 0)::"memory"); }
// The other way: r[i] to column i, 32 columns; and until what this thread has written is there.
DEVICE void tmem_store(u32 place, const u32 (&r)[32]) {
  asm volatile("tcgen05.st.sync.aligned.32x32b.x32.b32 [%0], {%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,"
               "%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32};" ::"r"(place), TMEM_32("r", 0) : "memory");
}
DEVICE void tmem_store_wait() { asm volatile("tcgen05.wait::st.sync.aligned;" ::: "memory"); }
#undef TMEM_8
#undef TMEM_32

// ---------------------------------------------------------------- the copy engine, for a pair

// As `tensor_load`, and reported to a mbarrier of either block of the pair, by its `cluster_address`.
DEVICE void tensor_load_pair(u32 to, const TensorMap& map, int x, int y, u32 mbarrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.cta_group::2 [%0], [%1, {%3, %4}], [%2];"
               ::"r"(to), "l"(&map), "r"(mbarrier), "r"(x), "r"(y) : "memory");
}
#endif
