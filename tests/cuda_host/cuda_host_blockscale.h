// Block-scaled products of sm_120a by the PTX ISA's definition. Included by `ptx_blockscale.cuh` where there is no CUDA.
//
// Every number comes from the register that the ISA names: A's and B's fragments by lane and byte, each scale from the one
// lane of its quad and the one byte that the selectors tell. So a wrong selector, a wrong lane and a wrong order of nibbles
// give other sums; a scale that is NaN gives NaN.
#pragma once

#if MACHINES && __CUDA_ARCH__ == 1200
template <int count> DEVICE void registers_decrease() { sim::set_registers("setmaxnreg.dec", count, false); }
template <int count> DEVICE void registers_increase() { sim::set_registers("setmaxnreg.inc", count, true); }
DEVICE void tensor_load_own(u32 to, const TensorMap& map, int x, int y, u32 mbarrier) { tensor_load(to, map, x, y, mbarrier); }
#endif

DEVICE uint2 load_shared8(u32 at) { return sim::load_shared<uint2>(at); }

DEVICE double from_e2m1(u32 bits) {  // OCP Microscaling Formats 1.0, 5.3.3: sign, two bits of exponent (bias 1), one of mantissa
  static const double sizes[8] = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};
  return bits & 8 ? -sizes[bits & 7] : sizes[bits & 7];
}
DEVICE double from_ue8m0(u8 bits) { return bits == 255 ? NAN : ldexp(1.0, bits - 127); }
DEVICE double from_ue4m3(u8 bits) { return from_e4m3(bits & 127); }

struct ScaledOperands { float* d; const u32 *a, *b; u32 scale_a, scale_b; };

// k counts elements of `width` bits; `scales` of them lie along k, in bytes `byte` and up of their registers.
template <int width, int scales, class Decode, class Scale>
DEVICE void multiply_scaled(const char* what, ScaledOperands slot, int byte, int pair, int owner, Decode decode, Scale scale) {
  constexpr int packed = 32 / width, half = 4 * packed, depth = 2 * half;  // elements of a register; of four lanes; of k
  sim::meet(what, ALL_LANES, &slot, [&](void** slots, u32) {
    static double left[16][depth], right[8][depth];
    auto of = [&](int lane) { return static_cast<ScaledOperands*>(slots[lane]); };
    auto element = [&](u32 word, int k) { return decode(word >> width * (k % packed) & ((1u << width) - 1)); };
    auto scaled = [&](u32 word, int k) { return scale(static_cast<u8>(word >> 8 * (byte + k / (depth / scales)))); };
    for (int k = 0; k < depth; k++) {
      int t = k % half / packed, upper = k / half;
      for (int row = 0; row < 16; row++) {
        u32 word = of(row % 8 * 4 + t)->a[row / 8 + 2 * upper];
        left[row][k] = element(word, k) * scaled(of(row % 8 * 4 + 2 * pair + row / 8)->scale_a, k);
      }
      for (int column = 0; column < 8; column++)
        right[column][k] = element(of(column * 4 + t)->b[upper], k) * scaled(of(column * 4 + owner)->scale_b, k);
    }
    for (int lane = 0; lane < 32; lane++)
      for (int i = 0; i < 4; i++) {
        const double *row = left[lane / 4 + 8 * (i / 2)], *column = right[lane % 4 * 2 + i % 2];
        double sum = static_cast<double>(of(lane)->d[i]);
        for (int k = 0; k < depth; k++) sum += row[k] * column[k];
        of(lane)->d[i] = static_cast<float>(sum);
      }
  });
}

template <int byte, int pair, int owner>
DEVICE void mma_mxfp8(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], u32 scale_a, u32 scale_b) {
  static_assert(0 <= byte && byte < 4 && 0 <= pair && pair < 2 && 0 <= owner && owner < 4, "a selector of scales");
  auto decode = [](u32 v) { return static_cast<double>(from_e4m3(static_cast<u8>(v))); };
  multiply_scaled<8, 1>("mma.mxfp8", {d, a, b, scale_a, scale_b}, byte, pair, owner, decode, from_ue8m0);
}
template <int pair, int owner>
DEVICE void mma_nvfp4(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], u32 scale_a, u32 scale_b) {
  static_assert(0 <= pair && pair < 2 && 0 <= owner && owner < 4, "a selector of scales");
  multiply_scaled<4, 4>("mma.nvfp4", {d, a, b, scale_a, scale_b}, 0, pair, owner, from_e2m1, from_ue4m3);
}
