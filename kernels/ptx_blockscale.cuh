// Instructions of sm_120a for block-scaled products, one small function each, as in `ptx.cuh`.
#pragma once
#include "ptx.cuh"

#ifndef __CUDACC__
#include "cuda_host_blockscale.h"
#elif __CUDA_ARCH__ == 1200

// Registers of each thread from here on; the block's warpgroups (four warps) share what it was launched with.
template <int count> DEVICE void registers_decrease() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count)); }
template <int count> DEVICE void registers_increase() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count)); }

// `tensor_load` into this block's own memory. Spelt for a cluster, it would be guarded by a call here: sm_120's copy engine
// reaches no other block, and the compiler must provide for an address that means one.
DEVICE void tensor_load_own(u32 to, const TensorMap& map, int x, int y, u32 mbarrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cta.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];"
               ::"r"(to), "l"(&map), "r"(mbarrier), "r"(x), "r"(y) : "memory");
}

DEVICE uint2 load_shared8(u32 place) {
  uint2 v; asm volatile("ld.shared.v2.u32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(place) : "memory"); return v;
}

// d += (scales x a) (scales x b) for 16 x 8 of the result and 32 bytes of k, one warp. PTX ISA, "Matrix Fragments for
// mma.m16n8k32 / m16n8k64" and "Block Scaling for mma.sync". With g = lane / 4 and t = lane % 4:
//   a, b, d  as of any mma on bytes (`ptx.cuh`). A byte is one e4m3, or two e2m1, the lower k in its low bits.
//   mxfp8    k = 32, one scale ue8m0 (2^(byte - 127)) a row of a and a column of b: byte `byte` of a register.
//   nvfp4    k = 64, four scales ue4m3 a row or column, byte i of the register for k 16 i .. 16 i + 15.
//   scale_a  of row g in lane t = 2 `pair`, of row g + 8 in lane t = 2 `pair` + 1: a register serves two mma.
//   scale_b  of column g in lane t = `owner`: a register serves four mma.
#define MMA_BLOCK_SCALED(name, parameters, byte, shape, kind, types)                                                     \
  template <parameters int pair, int owner>                                                                             \
  DEVICE void name(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], u32 scale_a, u32 scale_b) {                     \
    static_assert(0 <= byte && byte < 4 && 0 <= pair && pair < 2 && 0 <= owner && owner < 4, "a selector of scales");   \
    asm volatile("mma.sync.aligned." shape ".row.col.kind::" kind ".block_scale.scale_vec::" types                      \
                 " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3}, {%10}, {%12, %13}, {%11}, {%12, %14};"         \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                       \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(scale_a), "r"(scale_b),        \
                   "n"(byte), "n"(pair), "n"(owner));                                                                   \
  }
#define BYTE_AND int byte,
MMA_BLOCK_SCALED(mma_mxfp8, BYTE_AND, byte, "m16n8k32", "mxf8f6f4", "1X.f32.e4m3.e4m3.f32.ue8m0")
MMA_BLOCK_SCALED(mma_nvfp4, , 0, "m16n8k64", "mxf4nvf4", "4X.f32.e2m1.e2m1.f32.ue4m3")
#undef MMA_BLOCK_SCALED
#undef BYTE_AND

#endif
