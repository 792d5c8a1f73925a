// C (m, n) = A (m, k) B in fp32 by fused multiply-adds (FFMA), without tensor cores. A is row-major (m, k); B is (n, k),
// or with NN (k, n).
//
// What bounds it: instructions. From GA102 on a scheduler starts one instruction a clock and that should be an FFMA, so
// everything else is loss. A thread computes 8 x 16 results: 128 FFMA a k want 8 + 16 numbers, 6 loads of 16 bytes: 4.7 %;
// copies and the loop add 2 %. (8 x 8 would lose 6.3 %, more would not fit into 255 registers.) On sm_100 two
// FFMA are one instruction, and the loss goes into the free slots. Shared memory: 6 loads of 2 wavefronts (a half
// warp reads no more than 128 different bytes) in 128 clocks for each of 4 schedulers: 48 of 128.
//
// A is read along k, 4 k of 8 rows at once, and so needs no transposition. A block of 128 x 256 takes (1/128 + 1/256) x 4 B
// a multiply-add from the second-level cache: 1.9 TB/s at 82 TFLOP/s.
#include "ptx.cuh"

#if !defined(WARPS_M) || !defined(WARPS_N) || !defined(STAGES) || !defined(BLOCKS) || !defined(NN) || !defined(ALIGNED)
#error "give WARPS_M WARPS_N (warps of 32 rows x 128 columns), STAGES, BLOCKS (a processor), NN, ALIGNED"
#endif

constexpr int ROWS = 8, COLUMNS = 16;  // of a thread; 4 x 8 threads make a warp
constexpr int BM = 32 * WARPS_M, BN = 128 * WARPS_N, BK = 16, THREADS = WARPS_M * WARPS_N * WARP;
constexpr int PITCH = BK * 4, B_PITCH = NN ? BN * 4 : PITCH, A_BYTES = BM * PITCH, STAGE = A_BYTES + BN * PITCH;
constexpr int A_CHUNKS = A_BYTES / 16 / THREADS, B_CHUNKS = BN * PITCH / 16 / THREADS, GROUP = 16;
static_assert(A_CHUNKS * THREADS * 16 == A_BYTES && B_CHUNKS * THREADS * 16 == BN * PITCH, "every thread copies alike");

// Offset of a 16-byte chunk of a row. Rows of B along k are 64 bytes, two to a line of banks: swizzled so that eight
// neighbouring rows' chunks of one k lie in different banks. Of A, half a warp reads two neighbouring rows only, and of B
// along n neighbouring chunks: these need it not.
template <int pitch, bool swizzle> DEVICE u32 place(int row, int chunk) {
  return row * pitch + ((swizzle ? chunk ^ (row >> 1 & 3) : chunk) << 4);
}

// ---------------------------------------------------------------- global -> shared

// What is left of a matrix from this thread's first chunk on: bytes from row to row, rows, bytes of a row.
struct View { const u8* from; int stride, rows, bytes; };

template <int pitch> DEVICE View view(const u8* corner, int stride, int rows, int bytes) {
  int row = threadIdx.x / (pitch / 16), chunk = threadIdx.x % (pitch / 16);
  return {corner + static_cast<i64>(row) * stride + chunk * 16, stride, rows - row, bytes - chunk * 16};
}

template <int pitch, bool swizzle> DEVICE void copy_chunk(u32 tile, const View& view, int i) {
  constexpr int down = THREADS / (pitch / 16);
  static_assert(THREADS % (pitch / 16) == 0 && (!swizzle || down % 8 == 0), "all chunks of a thread are swizzled alike");
  const u8* from = view.from + static_cast<i64>(i * down) * view.stride;
  u32 to = tile + place<pitch, swizzle>(threadIdx.x / (pitch / 16), threadIdx.x % (pitch / 16)) + i * down * pitch;
  bool valid = i * down < view.rows;
#if ALIGNED
  copy_async16(to, from, valid && 0 < view.bytes);
#else  // rows start at any element
#pragma unroll
  for (int e = 0; e < 16; e += 4) copy_async4(to + e, from + e, valid && e < view.bytes);
#endif
}

DEVICE void copy(u32 stage, View& a, View& b, bool valid) {
  if (valid) {
#pragma unroll
    for (int i = 0; i < A_CHUNKS; i++) copy_chunk<PITCH, false>(stage, a, i);
#pragma unroll
    for (int i = 0; i < B_CHUNKS; i++) copy_chunk<B_PITCH, !NN>(stage + A_BYTES, b, i);
  }
  copy_async_commit();
  a.from += PITCH;
  a.bytes -= PITCH;
  b.from += NN ? static_cast<i64>(BK) * b.stride : PITCH;
  if (NN) b.rows -= BK;
  else b.bytes -= PITCH;
}

// ---------------------------------------------------------------- shared -> registers -> sums

DEVICE void load_four(float (&to)[4], u32 place) {
  uint4 v = load_shared16(place);
  to[0] = __uint_as_float(v.x), to[1] = __uint_as_float(v.y), to[2] = __uint_as_float(v.z), to[3] = __uint_as_float(v.w);
}

// The place of this thread in its warp: of 4 rows and 8 columns, in an order in which the lanes i and i ^ 1 share their row
// and i and i ^ 2 their column: then two quarters of a warp are served at once.
DEVICE int thread_row() { return (lane_id() >> 1 & 1) | (lane_id() >> 3 & 2); }
DEVICE int thread_column() { return (lane_id() & 1) | (lane_id() >> 1 & 6); }

// Column number c of a thread, from its warp's first one. Along n, it reads four neighbouring columns at once; along k,
// neighbouring threads read neighbouring rows of B.
DEVICE int column_of(int thread, int c) { return NN ? c / 4 * 32 + thread * 4 + c % 4 : c * 8 + thread; }

// 4 k, number `four` of a stage: `a` and `b` are the addresses of this thread's first numbers there.
DEVICE void multiply_four(float (&sum)[ROWS][COLUMNS], u32 a, u32 b, int four) {
  float x[ROWS][4], y[4];
#pragma unroll
  for (int r = 0; r < ROWS; r++) load_four(x[r], a + r * 4 * PITCH + four * 16);
#pragma unroll
  for (int i = 0; i < 16; i++) {
    int c = NN ? i % 4 * 4 : i, k = i / 4;
    load_four(y, NN ? b + (four * 4 + k) * B_PITCH + c * 32 : (b ^ four * 16) + c * 8 * B_PITCH);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      if (NN) {
        fma_pair(sum[r][c], sum[r][c + 1], x[r][k], y[0], y[1]);
        fma_pair(sum[r][c + 2], sum[r][c + 3], x[r][k], y[2], y[3]);
      }
    }
#pragma unroll
    for (int e = 0; e < 4; e++)
#pragma unroll
      for (int r = 0; r < ROWS; r++)
        if (!NN) sum[r][c] = __fmaf_rn(x[r][e], y[e], sum[r][c]);
  }
}

// Grid: tiles of C, in groups of GROUP tile rows: about the square root of the blocks at work, so that together they
// need the fewest rows and columns.
KERNEL void __launch_bounds__(THREADS, BLOCKS) gemm(const u8* a, const u8* b, float* c, int m, int n, int k) {
  DYNAMIC_SHARED(memory);
  u32 shared = shared_address(memory);
  int down = (m + BM - 1) / BM, wide = (n + BN - 1) / BN, index = blockIdx.x;
  int first = index / (GROUP * wide) * GROUP, height = min(down - first, GROUP), within = index % (GROUP * wide);
  int row = (first + within % height) * BM, column = within / height * BN, tiles = (k + BK - 1) / BK;
  int warp_row = threadIdx.x / WARP / WARPS_N * 32 + thread_row(), warp_column = threadIdx.x / WARP % WARPS_N * 128;

  int a_stride = k * 4, b_stride = (NN ? n : k) * 4, b_row = NN ? 0 : column, b_byte = NN ? column * 4 : 0;
  View left = view<PITCH>(a + static_cast<i64>(row) * a_stride, a_stride, m - row, a_stride);
  const u8* corner = b + static_cast<i64>(b_row) * b_stride + b_byte;
  View right = view<B_PITCH>(corner, b_stride, (NN ? k : n) - b_row, b_stride - b_byte);

  float sum[ROWS][COLUMNS] = {};
#pragma unroll
  for (int s = 0; s < STAGES - 1; s++) copy(shared + s * STAGE, left, right, s < tiles);
  int mine = warp_column + column_of(thread_column(), 0);
  u32 at_a = place<PITCH, false>(warp_row, 0), at_b = A_BYTES + (NN ? mine * 4 : place<B_PITCH, true>(mine, 0));
  u32 reading = shared, writing = shared + (STAGES - 1) * STAGE;
  for (int rest = tiles; rest > 0; rest--) {
    copy_async_wait<STAGES - 2>();
    __syncthreads();  // this stage has come, for all; and all have read what the copies will overwrite
    copy(writing, left, right, rest >= STAGES);
#pragma unroll(NN ? 4 : 1)
    for (int four = 0; four < BK / 4; four++) multiply_four(sum, reading + at_a, reading + at_b, four);
    writing = reading;
    reading = reading == shared + (STAGES - 1) * STAGE ? shared : reading + STAGE;
  }

#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    int to_row = row + warp_row + 4 * r;
    if (to_row >= m) continue;
    float* to = c + static_cast<i64>(to_row) * n;
#pragma unroll
    for (int s = 0; s < COLUMNS; s += 4) {
      int from = column + warp_column + column_of(thread_column(), s);
      if (NN && n % 4 == 0) {
        float4 four = make_float4(sum[r][s], sum[r][s + 1], sum[r][s + 2], sum[r][s + 3]);
        if (from < n) *reinterpret_cast<float4*>(to + from) = four;
        continue;
      }
#pragma unroll
      for (int e = 0; e < 4; e++) {
        int at = column + warp_column + column_of(thread_column(), s + e);
        if (at < n) to[at] = sum[r][s + e];
      }
    }
  }
}
