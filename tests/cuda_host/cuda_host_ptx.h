// The functions of `ptx.cuh` and CUDA's built-in ones, by their definition. Included by cuda_host.h.
#pragma once

// ---------------------------------------------------------------- barriers, fences, clocks

DEVICE void __syncthreads() { sim::barrier(); }
DEVICE void __syncwarp(u32 mask = ALL_LANES) {
  sim::meet("__syncwarp", mask, nullptr, [](void**, u32 present) {
    sim::warp_epochs[sim::current / 32]++;
    sim::join_warp(present);
  });
}
DEVICE int syncthreads_reduce(int value, int how) {
  static int totals[sim::MOST_CLUSTER][3];
  int* total = totals[sim::here - sim::blocks];
  __syncthreads();
  if (sim::current % sim::threads == 0) { total[0] = 0; total[1] = 0; total[2] = 1; }
  __syncthreads();
  total[0] += value != 0; total[1] |= value != 0; total[2] &= value != 0;
  __syncthreads();
  return total[how];
}
DEVICE int __syncthreads_count(int value) { return syncthreads_reduce(value, 0); }
DEVICE int __syncthreads_or(int value) { return syncthreads_reduce(value, 1); }
DEVICE int __syncthreads_and(int value) { return syncthreads_reduce(value, 2); }
DEVICE void __threadfence() {}
DEVICE void __threadfence_block() {}
DEVICE void __threadfence_system() {}
DEVICE void __nanosleep(u32) {}
DEVICE u64 global_timer() { static u64 now; return now += 32; }  // 32 ns a look
DEVICE i64 clock64() { static i64 now; return now += 16; }
DEVICE u32 lane_id() { return static_cast<u32>(sim::current % 32); }
// Blocks are dealt to processors in turn, as far as a kernel can tell.
DEVICE u32 processor_id() { return (blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z)) % 4; }

// ---------------------------------------------------------------- shuffles and votes

template <class T> DEVICE T shuffled(const char* what, u32 mask, T value, int source) {
  struct Slot { T value; int source; T result; } slot{value, source, value};
  sim::meet(what, mask, &slot, [what](void** slots, u32 present) {
    for (int lane = 0; lane < 32; lane++) {
      if (!(present >> lane & 1)) continue;
      Slot* own = static_cast<Slot*>(slots[lane]);
      if (!(present >> own->source & 1)) sim::fail("%s: lane %d reads lane %d, which takes no part", what, lane, own->source);
      own->result = static_cast<Slot*>(slots[own->source])->value;
    }
  });
  return slot.result;
}
DEVICE int lane_or_own(int wanted, bool inside) { return inside ? wanted : sim::current % 32; }
template <class T> DEVICE T __shfl_sync(u32 mask, T value, int source, int width = 32) {
  int lane = sim::current % 32;
  return shuffled("__shfl_sync", mask, value, (lane & ~(width - 1)) | (source & (width - 1)));
}
template <class T> DEVICE T __shfl_xor_sync(u32 mask, T value, int by, int width = 32) {
  int lane = sim::current % 32, source = lane ^ by;
  return shuffled("__shfl_xor_sync", mask, value, lane_or_own(source, (source & ~(width - 1)) <= (lane & ~(width - 1))));
}
template <class T> DEVICE T __shfl_down_sync(u32 mask, T value, int by, int width = 32) {
  int lane = sim::current % 32, source = lane + by;
  return shuffled("__shfl_down_sync", mask, value, lane_or_own(source, (lane & (width - 1)) + by < width));
}
template <class T> DEVICE T __shfl_up_sync(u32 mask, T value, int by, int width = 32) {
  int lane = sim::current % 32, source = lane - by;
  return shuffled("__shfl_up_sync", mask, value, lane_or_own(source, (lane & (width - 1)) >= by));
}
DEVICE u32 __ballot_sync(u32 mask, int predicate) {
  struct Slot { int predicate; u32 result; } slot{predicate, 0};
  sim::meet("__ballot_sync", mask, &slot, [](void** slots, u32 present) {
    u32 all = 0;
    for (int lane = 0; lane < 32; lane++)
      if ((present >> lane & 1) && static_cast<Slot*>(slots[lane])->predicate) all |= 1u << lane;
    for (int lane = 0; lane < 32; lane++)
      if (present >> lane & 1) static_cast<Slot*>(slots[lane])->result = all;
  });
  return slot.result;
}
DEVICE int __any_sync(u32 mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
DEVICE int __all_sync(u32 mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
template <class T, class F> DEVICE T reduced(const char* what, u32 mask, T value, F join) {
  struct Slot { T value, result; } slot{value, value};
  sim::meet(what, mask, &slot, [join](void** slots, u32 present) {
    bool first = true;
    T total{};
    for (int lane = 0; lane < 32; lane++)
      if (present >> lane & 1) {
        T one = static_cast<Slot*>(slots[lane])->value;
        total = first ? one : join(total, one);
        first = false;
      }
    for (int lane = 0; lane < 32; lane++)
      if (present >> lane & 1) static_cast<Slot*>(slots[lane])->result = total;
  });
  return slot.result;
}
template <class T> DEVICE T __reduce_add_sync(u32 mask, T v) { return reduced("__reduce_add_sync", mask, v, [](T a, T b) { return static_cast<T>(a + b); }); }
template <class T> DEVICE T __reduce_max_sync(u32 mask, T v) { return reduced("__reduce_max_sync", mask, v, [](T a, T b) { return a > b ? a : b; }); }
template <class T> DEVICE T __reduce_min_sync(u32 mask, T v) { return reduced("__reduce_min_sync", mask, v, [](T a, T b) { return a < b ? a : b; }); }

// ---------------------------------------------------------------- scalar built-ins

template <class To, class From> DEVICE To same_bits(From v) { static_assert(sizeof(To) == sizeof(From)); To r; memcpy(&r, &v, sizeof r); return r; }
DEVICE u32 __float_as_uint(float v) { return same_bits<u32>(v); }
DEVICE i32 __float_as_int(float v) { return same_bits<i32>(v); }
DEVICE float __uint_as_float(u32 v) { return same_bits<float>(v); }
DEVICE float __int_as_float(i32 v) { return same_bits<float>(v); }
DEVICE i64 __double_as_longlong(double v) { return same_bits<i64>(v); }
DEVICE double __longlong_as_double(i64 v) { return same_bits<double>(v); }
DEVICE i32 __float2int_rn(float v) { return static_cast<i32>(nearbyintf(v)); }
DEVICE float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
DEVICE float __fdividef(float a, float b) { return a / b; }
DEVICE float __frcp_rn(float a) { return 1.0f / a; }
#define __expf(a) expf(a)  // glibc has private functions of these names
#define __logf(a) logf(a)
DEVICE float rsqrtf(float a) { return 1.0f / sqrtf(a); }
DEVICE double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
DEVICE int __popc(u32 v) { return __builtin_popcount(v); }
DEVICE int __popcll(u64 v) { return __builtin_popcountll(v); }
DEVICE int __clz(i32 v) { return v ? __builtin_clz(static_cast<u32>(v)) : 32; }
DEVICE int __ffs(i32 v) { return __builtin_ffs(v); }
DEVICE u32 __umulhi(u32 a, u32 b) { return static_cast<u32>(static_cast<u64>(a) * b >> 32); }
DEVICE u64 __umul64hi(u64 a, u64 b) { return static_cast<u64>(static_cast<unsigned __int128>(a) * b >> 64); }
DEVICE u32 __funnelshift_r(u32 low, u32 high, u32 by) { return static_cast<u32>((static_cast<u64>(high) << 32 | low) >> (by & 31)); }
DEVICE u32 __funnelshift_l(u32 low, u32 high, u32 by) { return static_cast<u32>((static_cast<u64>(high) << 32 | low) << (by & 31) >> 32); }
DEVICE u32 __byte_perm(u32 a, u32 b, u32 selector) {
  u64 all = static_cast<u64>(b) << 32 | a;
  u32 r = 0;
  for (int i = 0; i < 4; i++) {
    u32 s = selector >> 4 * i & 15, byte = static_cast<u32>(all >> 8 * (s & 7)) & 255;
    if (s & 8) byte = byte & 128 ? 255 : 0;
    r |= byte << 8 * i;
  }
  return r;
}
DEVICE i32 __dp4a(i32 a, i32 b, i32 c) {
  for (int i = 0; i < 4; i++) c += static_cast<i8>(a >> 8 * i) * static_cast<i8>(b >> 8 * i);
  return c;
}
#define SIM_MIN_MAX(T)                               \
  DEVICE T min(T a, T b) { return a < b ? a : b; }   \
  DEVICE T max(T a, T b) { return a > b ? a : b; }
SIM_MIN_MAX(i32) SIM_MIN_MAX(u32) SIM_MIN_MAX(i64) SIM_MIN_MAX(u64) SIM_MIN_MAX(long) SIM_MIN_MAX(unsigned long) SIM_MIN_MAX(float) SIM_MIN_MAX(double)
#undef SIM_MIN_MAX

template <class T> DEVICE T __ldg(const T* place) { return *place; }
template <class T> DEVICE T __ldcg(const T* place) { return *place; }
template <class T> DEVICE T __ldcs(const T* place) { return *place; }
template <class T> DEVICE void __stcs(T* place, T v) { *place = v; }
template <class T> DEVICE void __stcg(T* place, T v) { *place = v; }

// ---------------------------------------------------------------- atomics

template <class T> struct same { using type = T; };
#define SIM_ATOMIC(name, result)                                                                          \
  template <class T> DEVICE T name(T* place, typename same<T>::type v) { T old = *place; *place = static_cast<T>(result); return old; } \
  template <class T> DEVICE T name##_system(T* place, typename same<T>::type v) { return name(place, v); } \
  template <class T> DEVICE T name##_block(T* place, typename same<T>::type v) { return name(place, v); }
SIM_ATOMIC(atomicAdd, old + v)
SIM_ATOMIC(atomicSub, old - v)
SIM_ATOMIC(atomicExch, v)
SIM_ATOMIC(atomicMax, old > v ? old : v)
SIM_ATOMIC(atomicMin, old < v ? old : v)
SIM_ATOMIC(atomicOr, old | v)
SIM_ATOMIC(atomicAnd, old & v)
SIM_ATOMIC(atomicXor, old ^ v)
SIM_ATOMIC(atomicInc, old >= v ? 0 : old + 1)
#undef SIM_ATOMIC
template <class T> DEVICE T atomicCAS(T* place, typename same<T>::type expected, typename same<T>::type v) {
  T old = *place;
  if (old == expected) *place = v;
  return old;
}

// ---------------------------------------------------------------- memory instructions

DEVICE u32 shared_address(const void* place) {
  const u8* p = static_cast<const u8*>(place);
  if (p < sim::here->arena || p > sim::here->arena + sim::arena_bytes) sim::fail("shared_address: not a place in dynamic shared memory");
  return sim::ARENA_BASE + static_cast<u32>(p - sim::here->arena);
}
DEVICE uint4 load_once(const void* p) { return sim::load_global<uint4>(p, "ld.global.nc"); }
DEVICE uint4 load_l2(const void* p) { return sim::load_global<uint4>(p, "ld.global.cg"); }
DEVICE uint4 load_l1(const void* p) { return sim::load_global<uint4>(p, "ld.global.ca"); }
DEVICE void store_once(void* p, uint4 v) { sim::store_global(p, v, "st.global.cs"); }
DEVICE u64 load8_l1(const void* p) { return sim::load_global<u64>(p, "ld.global.ca"); }
DEVICE u64 load8_l2(const void* p) { return sim::load_global<u64>(p, "ld.global.cg"); }
template <class T> DEVICE T fetch_add(T* p, T v) {
  T old = sim::load_global<T>(p, "atom.global.add");
  *p = old + v;
  return old;
}
template <class T> DEVICE void reduce_add(T* p, T v) { fetch_add(p, v); }
DEVICE u32 load_acquire_system(const u32* p) { return *p; }
DEVICE void store_release_system(u32* p, u32 v) { *p = v; }
DEVICE u32 load_acquire(const u32* p) { return *p; }
DEVICE void store_release(u32* p, u32 v) { *p = v; }

DEVICE void copy_async16(u32 to, const void* from, bool valid = true) { sim::copy_async(to, from, valid, 16); }
DEVICE void copy_async8(u32 to, const void* from, bool valid = true) { sim::copy_async(to, from, valid, 8); }
DEVICE void copy_async4(u32 to, const void* from, bool valid = true) { sim::copy_async(to, from, valid, 4); }
DEVICE void copy_async_commit() { sim::copy_async_commit(); }
template <int pending> DEVICE void copy_async_wait() { sim::copy_async_wait(pending); }

DEVICE uint4 load_shared16(u32 at) { return sim::load_shared<uint4>(at); }
DEVICE void store_shared16(u32 at, uint4 v) { sim::store_shared(at, v); }
DEVICE void store_shared8(u32 at, uint2 v) { sim::store_shared(at, v); }
DEVICE u32 load_shared4(u32 at) { return sim::load_shared<u32>(at); }
DEVICE void store_shared4(u32 at, u32 v) { sim::store_shared(at, v); }
DEVICE double load_shared_f64(u32 at) { return sim::load_shared<double>(at); }

template <int count> DEVICE void load_matrices(const char* what, u32 (&r)[count], u32 row, bool transposed) {
  struct Slot { u32 row; u32* registers; } slot{row, r};
  sim::meet(what, ALL_LANES, &slot, [=](void** slots, u32) {
    int first = sim::current / 32 * 32;
    for (int m = 0; m < count; m++) {
      u16 matrix[8][8];
      for (int i = 0; i < 8; i++) {
        u32 address = static_cast<Slot*>(slots[8 * m + i])->row;
        memcpy(matrix[i], sim::shared_place(address, 16, what), 16);
        sim::touch(address - sim::ARENA_BASE, 16, false, first + 8 * m + i);
      }
      for (int lane = 0; lane < 32; lane++) {
        int i = lane / 4, j = lane % 4 * 2;
        u32 low = transposed ? matrix[j][i] : matrix[i][j], high = transposed ? matrix[j + 1][i] : matrix[i][j + 1];
        static_cast<Slot*>(slots[lane])->registers[m] = high << 16 | low;
      }
    }
  });
}
DEVICE void load_matrix_x4(u32 (&r)[4], u32 row) { load_matrices("ldmatrix.x4", r, row, false); }
DEVICE void load_matrix_x4_transposed(u32 (&r)[4], u32 row) { load_matrices("ldmatrix.x4.trans", r, row, true); }
DEVICE void load_matrix_x2(u32 (&r)[2], u32 row) { load_matrices("ldmatrix.x2", r, row, false); }
DEVICE void load_matrix_x2_transposed(u32 (&r)[2], u32 row) { load_matrices("ldmatrix.x2.trans", r, row, true); }

// ---------------------------------------------------------------- number formats

DEVICE float from_bf16(u16 bits) { return __uint_as_float(static_cast<u32>(bits) << 16); }
DEVICE float from_fp16(u16 bits) { return static_cast<float>(same_bits<_Float16>(bits)); }
DEVICE u16 to_bf16(float v) {
  u32 bits = __float_as_uint(v);
  if (v != v) return 0x7fff;
  return static_cast<u16>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
DEVICE u16 to_fp16(float v) { return same_bits<u16>(static_cast<_Float16>(v)); }
DEVICE u32 pack_bf16(float low, float high) { return static_cast<u32>(to_bf16(high)) << 16 | to_bf16(low); }
DEVICE u32 pack_fp16(float low, float high) { return static_cast<u32>(to_fp16(high)) << 16 | to_fp16(low); }
DEVICE float from_e4m3(u8 bits) {  // OCP 8-bit floating point: bias 7, no infinity, 0x7f is NaN
  int exponent = bits >> 3 & 15, mantissa = bits & 7;
  float size = exponent ? ldexpf(8.0f + mantissa, exponent - 10) : ldexpf(static_cast<float>(mantissa), -9);
  if ((bits & 127) == 127) size = NAN;
  return bits & 128 ? -size : size;
}
#if __CUDA_ARCH__ >= 890
DEVICE u8 to_e4m3(float v) {  // to nearest even; what is beyond 448 becomes 448
  if (v != v) return 0x7f;
  u8 sign = __float_as_uint(v) >> 31 ? 128 : 0;
  float size = fabsf(v);
  if (size >= 448.0f) return sign | 0x7e;
  int exponent = size < 0x1p-6f ? -6 : ilogbf(size);
  int steps = static_cast<int>(nearbyintf(ldexpf(size, 3 - exponent)));  // 8 to 16 of the binary order's eighths, or fewer below it
  return static_cast<u8>(sign | (steps + (exponent + 6) * 8));
}
DEVICE u32 pack_e4m3(float a, float b, float c, float d) {
  return to_e4m3(a) | to_e4m3(b) << 8 | to_e4m3(c) << 16 | static_cast<u32>(to_e4m3(d)) << 24;
}
#endif
DEVICE u32 unpack_e4m3(u16 pair) {
  return pack_fp16(from_e4m3(static_cast<u8>(pair & 255)), from_e4m3(static_cast<u8>(pair >> 8)));
}
DEVICE u32 fma_bf16x2(u32 a, u32 b, u32 c) {
  float low = fmaf(from_bf16(a & 0xffff), from_bf16(b & 0xffff), from_bf16(c & 0xffff));
  float high = fmaf(from_bf16(a >> 16), from_bf16(b >> 16), from_bf16(c >> 16));
  return pack_bf16(low, high);
}
DEVICE u32 fma_fp16x2(u32 a, u32 b, u32 c) {  // exact in double, rounded once
  auto one = [](u32 x, u32 y, u32 z) {
    double exact = static_cast<double>(from_fp16(static_cast<u16>(x))) * from_fp16(static_cast<u16>(y)) + from_fp16(static_cast<u16>(z));
    return same_bits<u16>(static_cast<_Float16>(exact));
  };
  return static_cast<u32>(one(a >> 16, b >> 16, c >> 16)) << 16 | one(a & 0xffff, b & 0xffff, c & 0xffff);
}
DEVICE void fma_pair(float& x, float& y, float a, float b, float c) { x = fmaf(a, b, x), y = fmaf(a, c, y); }
DEVICE float exp2_fast(float x) { return exp2f(x); }
DEVICE float log2_fast(float x) { return log2f(x); }
template <u32 table> DEVICE u32 logic3(u32 a, u32 b, u32 c) {
  u32 r = 0;
  for (int i = 0; i < 8; i++)
    if (table >> i & 1) r |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  return r;
}

// ---------------------------------------------------------------- tensor cores
// One warp: every lane hands in its fragments; A (M x K) and B (K x 8) are put together from them, multiplied and
// the result dealt out. Sums are made in double and rounded once: hardware rounds differently within its
// own accuracy, which the benchmarks' tolerances allow for.

template <class D, class R, int M, int K, int na, int nb, int nd, class ElementA, class ElementB>
DEVICE void multiply(const char* what, D (&d)[nd], const R (&a)[na], const R (&b)[nb], ElementA element_a, ElementB element_b) {
  struct Slot { D* d; const R *a, *b; } slot{d, a, b};
  sim::meet(what, ALL_LANES, &slot, [&](void** slots, u32) {
    double left[M][K], right[K][8];
    auto of = [&](int lane) { return static_cast<Slot*>(slots[lane]); };
    for (int row = 0; row < M; row++)
      for (int k = 0; k < K; k++) left[row][k] = element_a([&](int lane, int i) { return of(lane)->a[i]; }, row, k);
    for (int k = 0; k < K; k++)
      for (int column = 0; column < 8; column++) right[k][column] = element_b([&](int lane, int i) { return of(lane)->b[i]; }, k, column);
    for (int lane = 0; lane < 32; lane++)
      for (int i = 0; i < nd; i++) {
        int row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
        double sum = static_cast<double>(of(lane)->d[i]);
        for (int k = 0; k < K; k++) sum += left[row][k] * right[k][column];
        of(lane)->d[i] = static_cast<D>(sum);
      }
  });
}

// Elements narrower than a register: 4 / bytes of them in each, K of them over four lanes and the registers.
template <int bytes, class D, class Decode> DEVICE void multiply_packed(const char* what, D (&d)[4], const u32 (&a)[4], const u32 (&b)[2], Decode decode) {
  constexpr int packed = 4 / bytes, half = 4 * packed;
  multiply<D, u32, 16, 2 * half>(
      what, d, a, b,
      [=](auto lane_register, int row, int k) {
        u32 word = lane_register(row % 8 * 4 + k % half / packed, row / 8 + 2 * (k / half));
        return decode(word >> 8 * bytes * (k % packed));
      },
      [=](auto lane_register, int k, int column) {
        u32 word = lane_register(column * 4 + k % half / packed, k / half);
        return decode(word >> 8 * bytes * (k % packed));
      });
}
DEVICE void mma_bf16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  multiply_packed<2>("mma.bf16", d, a, b, [](u32 v) { return static_cast<double>(from_bf16(static_cast<u16>(v))); });
}
DEVICE void mma_fp16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  multiply_packed<2>("mma.f16", d, a, b, [](u32 v) { return static_cast<double>(from_fp16(static_cast<u16>(v))); });
}
DEVICE void mma_tf32(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {  // the low 13 bits are not read
  multiply_packed<4>("mma.tf32", d, a, b, [](u32 v) { return static_cast<double>(__uint_as_float(v & 0xffffe000u)); });
}
DEVICE void mma_int8(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  multiply_packed<1>("mma.s8", d, a, b, [](u32 v) { return static_cast<double>(static_cast<i8>(v)); });
}
#if __CUDA_ARCH__ == 890 || __CUDA_ARCH__ >= 1200
DEVICE void mma_e4m3(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  multiply_packed<1>("mma.e4m3", d, a, b, [](u32 v) { return static_cast<double>(from_e4m3(static_cast<u8>(v))); });
}
DEVICE void mma_e4m3_scaled(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) { mma_e4m3(d, a, b); }  // scales of 1
#endif
DEVICE void mma_fp16_sum16(u32 (&d)[2], const u32 (&a)[4], const u32 (&b)[2]) {
  float wide[4] = {from_fp16(d[0] & 0xffff), from_fp16(d[0] >> 16), from_fp16(d[1] & 0xffff), from_fp16(d[1] >> 16)};
  multiply_packed<2>("mma.f16.sum16", wide, a, b, [](u32 v) { return static_cast<double>(from_fp16(static_cast<u16>(v))); });
  d[0] = pack_fp16(wide[0], wide[1]);
  d[1] = pack_fp16(wide[2], wide[3]);
}
DEVICE void mma_fp64(double (&d)[2], double a, double b) {
  double as[1] = {a}, bs[1] = {b};
  multiply<double, double, 8, 4>(
      "mma.f64.k4", d, as, bs, [](auto lane_register, int row, int k) { return lane_register(row * 4 + k, 0); },
      [](auto lane_register, int k, int column) { return lane_register(column * 4 + k, 0); });
}
#if __CUDA_ARCH__ >= 900
DEVICE void mma_fp64_k16(double (&d)[4], const double (&a)[8], const double (&b)[4]) {
  multiply<double, double, 16, 16>(
      "mma.f64.k16", d, a, b, [](auto lane_register, int row, int k) { return lane_register(row % 8 * 4 + k % 4, k / 4 * 2 + row / 8); },
      [](auto lane_register, int k, int column) { return lane_register(column * 4 + k % 4, k / 4); });
}
#endif

// ---------------------------------------------------------------- sm_90: mbarriers, copy engine, clusters, warpgroups

#if __CUDA_ARCH__ >= 900
DEVICE void store_matrix_x4(u32 row, const u32 (&r)[4]) {
  struct Slot { u32 row; const u32* registers; } slot{row, r};
  sim::meet("stmatrix.x4", ALL_LANES, &slot, [](void** slots, u32) {
    int first = sim::current / 32 * 32;
    for (int m = 0; m < 4; m++)
      for (int i = 0; i < 8; i++) {
        u32 address = static_cast<Slot*>(slots[8 * m + i])->row, line[4];
        for (int j = 0; j < 4; j++) line[j] = static_cast<Slot*>(slots[4 * i + j])->registers[m];
        memcpy(sim::shared_place(address, 16, "stmatrix.x4"), line, 16);
        sim::touch(address - sim::ARENA_BASE, 16, true, first + 8 * m + i);
      }
  });
}
#endif

#if MACHINES && __CUDA_ARCH__ >= 900
DEVICE void mbarrier_init(u32 at, u32 arrivals) { sim::mbarrier_init(at, arrivals); }
DEVICE void fence_mbarrier_init() { sim::fence_mbarriers(); }
DEVICE void mbarrier_arrive(u32 at) { sim::mbarrier_arrive(at, 0, "mbarrier.arrive"); }
DEVICE void mbarrier_arrive_expect(u32 at, u32 bytes) { sim::mbarrier_arrive(at, bytes, "mbarrier.arrive.expect_tx"); }
DEVICE void mbarrier_arrive_cluster(u32 at) { sim::mbarrier_arrive(at, 0, "mbarrier.arrive.shared::cluster"); }
DEVICE void mbarrier_wait(u32 at, u32 parity) { sim::mbarrier_wait(at, parity); }
DEVICE void fence_proxy_async() { sim::fence_proxy(); }

DEVICE void tensor_load(u32 to, const TensorMap& map, int x, int y, u32 mbarrier) { sim::tensor_load(to, &map, {2, x, y, 0}, mbarrier, 0, false); }
DEVICE void tensor_load_multicast(u32 to, const TensorMap& map, int x, int y, u32 mbarrier, u16 blocks) {
  sim::tensor_load(to, &map, {2, x, y, 0}, mbarrier, blocks, true);
}
DEVICE void tensor_store(const TensorMap& map, int x, int y, u32 from) { sim::tensor_store(&map, from, {2, x, y, 0}); }
DEVICE void tensor_load(u32 to, const TensorMap& map, int x, int y, int z, u32 mbarrier) {
  sim::tensor_load(to, &map, {3, x, y, z}, mbarrier, 0, false);
}
DEVICE void tensor_store(const TensorMap& map, int x, int y, int z, u32 from) { sim::tensor_store(&map, from, {3, x, y, z}); }
DEVICE void tensor_store_commit() { sim::bulk_commit(); }
template <int pending> DEVICE void tensor_store_wait_read() { sim::bulk_wait_read(pending); }

DEVICE u32 cluster_rank() { return static_cast<u32>(sim::here - sim::blocks); }
DEVICE u32 cluster_address(u32 place, u32 rank) { return sim::cluster_address(place, rank); }
DEVICE u32 cluster_load4(u32 place) { return sim::cluster_load4(place); }
DEVICE void cluster_store4(u32 place, u32 v) { sim::cluster_store4(place, v); }
DEVICE void cluster_arrive() { sim::cluster_arrive(); }
DEVICE void cluster_wait() { sim::cluster_wait(); }
DEVICE void named_barrier_sync(u32 id, u32 threads) { sim::named_barrier_sync(id, threads); }
DEVICE void named_barrier_arrive(u32 id, u32 threads) { sim::named_barrier_arrive(id, threads); }
#endif

#if MACHINES && __CUDA_ARCH__ == 900
template <int count> DEVICE void registers_decrease() { sim::set_registers("setmaxnreg.dec", count, false); }
template <int count> DEVICE void registers_increase() { sim::set_registers("setmaxnreg.inc", count, true); }
DEVICE void wgmma_fence() { sim::wgmma_fence(); }
DEVICE void wgmma_commit() { sim::wgmma_commit(); }
template <int pending, class Sum, int count> DEVICE void wgmma_wait(Sum (&)[count]) { sim::wgmma_wait(pending); }

constexpr int E4M3_BITS = 13;  // after the leading one, that sums of e4m3 keep: cut off after every 32 products
DEVICE double wide_bf16(u32 v) { return static_cast<double>(from_bf16(static_cast<u16>(v))); }
DEVICE double wide_fp16(u32 v) { return static_cast<double>(from_fp16(static_cast<u16>(v))); }
DEVICE double wide_e4m3(u32 v) { return static_cast<double>(from_e4m3(static_cast<u8>(v))); }
template <int count> DEVICE void wgmma_bf16(float (&d)[count], u64 a, u64 b, u32 add) {
  sim::wgmma("wgmma.bf16", d, a, b, add, 2, false, wide_bf16);
}
template <int count> DEVICE void wgmma_bf16_nn(float (&d)[count], u64 a, u64 b, u32 add) {
  sim::wgmma("wgmma.bf16 with b across k", d, a, b, add, 2, true, wide_bf16);
}
template <int count> DEVICE void wgmma_bf16_nn(float (&d)[count], const u32 (&a)[4], u64 b, u32 add) {
  sim::wgmma("wgmma.bf16 with a in registers", d, 0, b, add, 2, true, wide_bf16, 0, a);
}
template <int count> DEVICE void wgmma_fp16(float (&d)[count], u64 a, u64 b, u32 add) {
  sim::wgmma("wgmma.f16", d, a, b, add, 2, false, wide_fp16);
}
template <int count> DEVICE void wgmma_fp16_nn(float (&d)[count], u64 a, u64 b, u32 add) {
  sim::wgmma("wgmma.f16 with b across k", d, a, b, add, 2, true, wide_fp16);
}
template <int count> DEVICE void wgmma_fp16_nn(float (&d)[count], const u32 (&a)[4], u64 b, u32 add) {
  sim::wgmma("wgmma.f16 with a in registers", d, 0, b, add, 2, true, wide_fp16, 0, a);
}
template <int count> DEVICE void wgmma_tf32(float (&d)[count], u64 a, u64 b, u32 add) {  // the low 13 bits are not read
  sim::wgmma("wgmma.tf32", d, a, b, add, 4, false, [](u32 v) { return static_cast<double>(__uint_as_float(v & 0xffffe000u)); });
}
template <int count> DEVICE void wgmma_e4m3(float (&d)[count], u64 a, u64 b, u32 add) {
  sim::wgmma("wgmma.e4m3", d, a, b, add, 1, false, wide_e4m3, E4M3_BITS);
}
template <int count> DEVICE void wgmma_e4m3(float (&d)[count], const u32 (&a)[4], u64 b, u32 add) {
  sim::wgmma("wgmma.e4m3 with a in registers", d, 0, b, add, 1, false, wide_e4m3, E4M3_BITS, a);
}
template <int count> DEVICE void wgmma_int8(i32 (&d)[count], u64 a, u64 b, u32 add) {
  sim::wgmma("wgmma.s8", d, a, b, add, 1, false, [](u32 v) { return static_cast<double>(static_cast<i8>(v)); });
}
#endif
