// How many multiply-adds one instruction reaches: operands and sums stay in registers, and nothing else is in the loop.
//
// The sums count. Rows of A come in pairs a, a' = -a + e, columns of B in pairs b, b' = -b + e, all of them multiples of
// the grid e. One round adds four products to every sum: a b + a' b + a' b' + a b' = (a + a')(b + b') = e e for each k. So
// the large products cancel, every sum stays on the grid e e, is exact in whatever order the hardware adds, and
// after n rounds is n DEPTH e e to the last bit: one multiply-add left out anywhere shows. Warps share the
// rounds, so any number of processors divides the same work evenly, and what they counted is added up.
//
// Multiply-adds in flight: a sub-partition (a quarter of a processor) holds 4 warps. Each has 16 sums of 16x8 under way (4 of
// 16x8 in fp64, 64 or 32 single ones without tensor cores), so 64 mma. At 2048 FLOP a cycle and processor (sm_80, bf16) a
// quarter takes a 16x8x16 mma every 8 cycles: 64 in flight hide 512 cycles, and at twice that rate, 256; a latency of some
// tens of cycles asks for 4 to 16. Without tensor cores a quarter starts a warp's multiply-add every 1 or 2 cycles
// and has it back after 4 or so (64 a warp hide 64); fp64 is slower still.
//
// Macro: one of FMA_FP32 FMA_FP64 MMA_FP64 MMA_TF32 MMA_BF16 MMA_FP16 MMA_FP16_SUM16 MMA_INT8 MMA_E4M3 MMA_MXFP8 MMA_NVFP4, the last
// two with scales of one for every block.
#include "ptx_blockscale.cuh"

#define METHOD __device__ __forceinline__

constexpr int WARPS = 4;  // of a block; four blocks share a processor

// Row i of A is paired with row i ^ 16, column j of B with column j ^ 8.
#if defined(FMA_FP32) || defined(FMA_FP64)
constexpr int ROW_PAIR = 16, COLUMN_PAIR = 8;
#ifdef FMA_FP32
using Sum = float;
constexpr int STORED_DEPTH = 1, ROWS = 8, COLUMNS = 8;
DEVICE float multiply_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
#else
using Sum = double;
constexpr int STORED_DEPTH = 16, ROWS = 8, COLUMNS = 4;
DEVICE double multiply_add(double a, double b, double c) { return __fma_rn(a, b, c); }
#endif
constexpr int DEPTH = 1;  // products that one instruction adds to a sum

// One lane: an outer product. Each factor of A meets all of B, forwards and backwards in turn, so that an instruction shares
// a factor with the one before, takes it from the reuse cache and never asks one register bank for all three operands.
struct Registers {
  Sum a[ROWS], b[COLUMNS], d[ROWS][COLUMNS];

  METHOD void load(const void* left, const void* right) {
    const Sum *rows = static_cast<const Sum*>(left), *columns = static_cast<const Sum*>(right);
    int lane = static_cast<int>(lane_id()), k = lane % STORED_DEPTH;
    for (int i = 0; i < ROWS; i++) a[i] = rows[((lane + i / 2) % ROW_PAIR + i % 2 * ROW_PAIR) * STORED_DEPTH + k];
    for (int j = 0; j < COLUMNS; j++) b[j] = columns[((lane + j / 2) % COLUMN_PAIR + j % 2 * COLUMN_PAIR) * STORED_DEPTH + k];
  }
  METHOD void clear() {
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS; j++) d[i][j] = 0;
  }
  template <int other_a, int other_b> METHOD void add_products() {
    for (int i = 0; i < ROWS; i++)
      for (int n = 0; n < COLUMNS; n++) {
        int j = i % 2 ? COLUMNS - 1 - n : n;
        d[i][j] = multiply_add(a[i ^ other_a], b[j ^ other_b], d[i][j]);
      }
  }
  METHOD u32 equal(Sum want) const {
    u32 count = 0;
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS; j++) count += d[i][j] == want;
    return count;
  }
};

#elif defined(MMA_FP64)
using Sum = double;
constexpr int DEPTH = 16, COLUMNS = 2;
#if __CUDA_ARCH__ >= 900
constexpr int HEIGHT = 16, ROWS = 2, PAIR = 1, STEPS = 1, A = 8, B = 4, D = 4;  // one 16x8x16 instruction a tile
#else
constexpr int HEIGHT = 8, ROWS = 4, PAIR = 2, STEPS = 4, A = 1, B = 1, D = 2;  // four of 8x8x4
#endif

struct Registers {
  double a[ROWS][STEPS][A], b[COLUMNS][STEPS][B], d[ROWS][COLUMNS][D];

  METHOD void load(const void* left, const void* right) {
    const double *rows = static_cast<const double*>(left), *columns = static_cast<const double*>(right);
    int g = static_cast<int>(lane_id()) / 4, t = static_cast<int>(lane_id()) % 4;
    for (int s = 0; s < STEPS; s++) {
      for (int i = 0; i < ROWS; i++)
        for (int r = 0; r < A; r++) a[i][s][r] = rows[(i * HEIGHT + g + r % 2 * 8) * DEPTH + (s + r / 2) * 4 + t];
      for (int j = 0; j < COLUMNS; j++)
        for (int r = 0; r < B; r++) b[j][s][r] = columns[(j * 8 + g) * DEPTH + (s + r) * 4 + t];
    }
  }
  METHOD void clear() {
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS; j++)
        for (int r = 0; r < D; r++) d[i][j][r] = 0;
  }
  template <int other_a, int other_b> METHOD void add_products() {
    for (int s = 0; s < STEPS; s++)
      for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
#if __CUDA_ARCH__ >= 900
          mma_fp64_k16(d[i][j], a[i ^ other_a * PAIR][s], b[j ^ other_b][s]);
#else
          mma_fp64(d[i][j], a[i ^ other_a * PAIR][s][0], b[j ^ other_b][s][0]);
#endif
  }
  METHOD u32 equal(Sum want) const {
    u32 count = 0;
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS; j++)
        for (int r = 0; r < D; r++) count += d[i][j][r] == want;
    return count;
  }
};

#else  // 32 bytes of k in a row of A and in a column of B, whatever the element type: the same registers for all
#if defined(MMA_TF32)
constexpr int DEPTH = 8;
#define MMA mma_tf32
#elif defined(MMA_BF16)
constexpr int DEPTH = 16;
#define MMA mma_bf16
#elif defined(MMA_FP16)
constexpr int DEPTH = 16;
#define MMA mma_fp16
#elif defined(MMA_FP16_SUM16)
constexpr int DEPTH = 16;
#define MMA mma_fp16_sum16
#elif defined(MMA_INT8)
constexpr int DEPTH = 32;
#define MMA mma_int8
#elif defined(MMA_E4M3)
constexpr int DEPTH = 32;
#define MMA mma_e4m3
#elif defined(MMA_MXFP8)
constexpr int DEPTH = 32;
#define MMA(d, a, b) mma_mxfp8<0, 0, 0>(d, a, b, 0x7f7f7f7f, 0x7f7f7f7f)
#elif defined(MMA_NVFP4)
constexpr int DEPTH = 64;
#define MMA(d, a, b) mma_nvfp4<0, 0>(d, a, b, 0x38383838, 0x38383838)
#else
#error "define one of FMA_FP32 FMA_FP64 MMA_FP64 MMA_TF32 MMA_BF16 MMA_FP16 MMA_FP16_SUM16 MMA_INT8 MMA_E4M3 MMA_MXFP8 MMA_NVFP4"
#endif

#if defined(MMA_INT8)
using Sum = i32;
using Register = i32;
constexpr int D = 4;
#elif defined(MMA_FP16_SUM16)
using Sum = float;
using Register = u32;  // two fp16 sums
constexpr int D = 2;
#else
using Sum = float;
using Register = float;
constexpr int D = 4;
#endif

struct Registers {
  static constexpr int ROWS = 4, COLUMNS = 4, WORDS = 8;  // tiles of 16 rows, of 8 columns; words of k
  u32 a[ROWS][4], b[COLUMNS][2];
  Register d[ROWS][COLUMNS][D];

  METHOD void load(const void* left, const void* right) {
    const u32 *rows = static_cast<const u32*>(left), *columns = static_cast<const u32*>(right);
    int g = static_cast<int>(lane_id()) / 4, t = static_cast<int>(lane_id()) % 4;
    for (int i = 0; i < ROWS; i++)
      for (int r = 0; r < 4; r++) a[i][r] = rows[(i * 16 + g + r % 2 * 8) * WORDS + t + r / 2 * 4];
    for (int j = 0; j < COLUMNS; j++)
      for (int r = 0; r < 2; r++) b[j][r] = columns[(j * 8 + g) * WORDS + t + r * 4];
  }
  METHOD void clear() {
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS; j++)
        for (int r = 0; r < D; r++) d[i][j][r] = 0;
  }
  template <int other_a, int other_b> METHOD void add_products() {
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS; j++) MMA(d[i][j], a[i ^ other_a], b[j ^ other_b]);
  }
  METHOD u32 equal(Sum want) const {
#ifdef MMA_FP16_SUM16
    constexpr u32 each = 2;
    u32 wanted = pack_fp16(want, want);
#else
    constexpr u32 each = 1;
    Sum wanted = want;
#endif
    u32 count = 0;
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS; j++)
        for (int r = 0; r < D; r++) count += d[i][j][r] == wanted ? each : 0;
    return count;
  }
};
#endif

DEVICE u64 over_warp(u64 v) {
  for (int by = 16; by; by /= 2) v += __shfl_xor_sync(ALL_LANES, v, by);
  return v;
}

// `counted[0]` = the multiply-adds of all `rounds`, those alone whose sum is right. left, right: A and B, rows and columns
// of DEPTH elements. unit: e e. stretch: rounds that the sums have room for. partial: a word a block; finished: 0.
KERNEL void __launch_bounds__(WARPS * WARP, 4)
peak(const void* left, const void* right, u64* counted, u64* partial, u32* finished, u64 rounds, u32 stretch, float unit) {
  __shared__ u64 sums[WARPS];
  Registers registers;
  registers.load(left, right);
  u64 warp = blockIdx.x * WARPS + threadIdx.x / WARP, warps = gridDim.x * WARPS, right_ones = 0;
  u32 share = static_cast<u32>(rounds * (warp + 1) / warps - rounds * warp / warps);
  while (share) {
    u32 now = min(share, stretch);
    registers.clear();
#if defined(FMA_FP32) || defined(FMA_FP64)
#pragma unroll 2
#else
#pragma unroll 1
#endif
    for (u32 r = 0; r < now; r++) {
      registers.add_products<0, 0>();
      registers.add_products<1, 0>();
      registers.add_products<1, 1>();
      registers.add_products<0, 1>();
    }
    right_ones += static_cast<u64>(registers.equal(static_cast<Sum>(now * DEPTH) * static_cast<Sum>(unit))) * now;
    share -= now;
  }
  right_ones = over_warp(right_ones * 4 * DEPTH);
  if (lane_id() == 0) sums[threadIdx.x / WARP] = right_ones;
  __syncthreads();
  if (threadIdx.x >= WARP) return;
  // The block that ends last adds up what all have left; atomicInc leaves `finished` at 0 for the next launch.
  u32 place = 0;
  if (lane_id() == 0) {
    u64 block = 0;
    for (int w = 0; w < WARPS; w++) block += sums[w];
    partial[blockIdx.x] = block;
    __threadfence();
    place = atomicInc(finished, gridDim.x - 1);
    __threadfence();
  }
  if (__shfl_sync(ALL_LANES, place, 0) != gridDim.x - 1) return;
  u64 total = 0;
  for (u32 i = lane_id(); i < gridDim.x; i += WARP) total += __ldcg(partial + i);
  total = over_warp(total);
  if (lane_id() == 0) counted[0] = total;
}
