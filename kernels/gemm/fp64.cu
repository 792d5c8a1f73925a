// C (m, n) = A (m, k) B in fp64 on tensor cores (DMMA). A is row-major (m, k); B is (n, k), or with NN (k, n).
//
// What bounds it: the tensor cores, alone. An A100 multiplies 8 x 8 x 4 in 4 clocks of a processor, an H100 in 2;
// for warps of 64 x 32 that takes (8 + 4) x 256 / 32 = 96 bytes of shared memory a multiply, 24 or 48 of the 128 B a
// clock. A block tile of 128 x 128 reads (1/128 + 1/128) x 8 B a multiply-add from the second-level cache: 1.2 TB/s
// at the A100's 19.5 TFLOP/s, 4.2 TB/s at the H100's 67. So what must be kept away is waiting: a stage is 16 k, STAGES
// of them are under way, the next 16 rows of A and the next stage's B are loaded while 16 rows multiply, and the
// barrier comes before the last 16 rows of a stage, whose operands lie in registers.
//
// The order of k within a stage is free as long as A and B agree: lane t takes k 4t .. 4t + 3 in place of
// t, t + 4, t + 8, t + 12, which lie together, in two 16-byte loads.
#include "ptx.cuh"

#if !defined(BM) || !defined(BN) || !defined(WM) || !defined(WN) || !defined(STAGES) || !defined(NN) || !defined(ALIGNED)
#error "give BM BN (block tile), WM WN (warp tile), STAGES, NN, ALIGNED"
#endif

constexpr int BK = 16, ELEMENT = 8, PITCH = BK * ELEMENT, B_PITCH = NN ? BN * ELEMENT : PITCH;
constexpr int THREADS = BM / WM * (BN / WN) * WARP, ROWS = WM / 16, COLUMNS = WN / 8;
constexpr int A_BYTES = BM * PITCH, STAGE = A_BYTES + BN * PITCH;
constexpr int A_CHUNKS = A_BYTES / 16 / THREADS, B_CHUNKS = BN * PITCH / 16 / THREADS;
constexpr int GROUP = 16;
static_assert(ROWS % 2 == 0, "rows of A alternate between two buffers: WM must be a multiple of 32");
static_assert(A_CHUNKS * THREADS * 16 == A_BYTES && B_CHUNKS * THREADS * 16 == BN * PITCH, "every thread copies alike");

// Offset of a 16-byte chunk. With k along the rows, lanes (g, t) read chunks 2t of rows g: odd rows are shifted by one.
// With n along the rows (wide), they read n = g of rows 4t + i: every fourth row is shifted by two.
template <bool wide> DEVICE u32 swizzled(int row, int chunk) {
  return wide ? row * B_PITCH + ((chunk ^ (row / 4 * 2 & 6)) << 4) : row * PITCH + ((chunk ^ (row & 1)) << 4);
}

// ---------------------------------------------------------------- global -> shared

// What is left of a matrix from this thread's first chunk on: bytes from row to row, rows, bytes of a row.
struct View { const u8* from; int stride, rows, bytes; };

template <int pitch> DEVICE View view(const u8* corner, int stride, int rows, int bytes) {
  int row = threadIdx.x / (pitch / 16), chunk = threadIdx.x % (pitch / 16);
  return {corner + static_cast<i64>(row) * stride + chunk * 16, stride, rows - row, bytes - chunk * 16};
}

template <int pitch, bool wide> DEVICE void copy_chunk(u32 tile, const View& view, int i) {
  constexpr int down = THREADS / (pitch / 16);
  const u8* from = view.from + static_cast<i64>(i * down) * view.stride;
  u32 to = tile + swizzled<wide>(threadIdx.x / (pitch / 16) + i * down, threadIdx.x % (pitch / 16));
  bool valid = i * down < view.rows;
#if ALIGNED
  copy_async16(to, from, valid && 0 < view.bytes);
#else  // rows start at any element
  copy_async8(to, from, valid && 0 < view.bytes);
  copy_async8(to + 8, from + 8, valid && 8 < view.bytes);
#endif
}

// Part `part` of `parts` of the copies of one stage.
DEVICE void copy_part(u32 stage, const View& a, const View& b, int part, int parts) {
#pragma unroll
  for (int i = 0; i < A_CHUNKS + B_CHUNKS; i++) {
    if (i % parts != part) continue;
    if (i < A_CHUNKS) copy_chunk<PITCH, false>(stage, a, i);
    else copy_chunk<B_PITCH, NN>(stage + A_BYTES, b, i - A_CHUNKS);
  }
}

DEVICE void advance(View& a, View& b) {
  a.from += PITCH;
  a.bytes -= PITCH;
  b.from += NN ? static_cast<i64>(BK) * b.stride : PITCH;
  if (NN) b.rows -= BK;
  else b.bytes -= PITCH;
}

// ---------------------------------------------------------------- shared -> registers -> mma

DEVICE void load_two(double& x, double& y, u32 place) {
  uint4 v = load_shared16(place);
  x = __longlong_as_double(static_cast<i64>(static_cast<u64>(v.y) << 32 | v.x));
  y = __longlong_as_double(static_cast<i64>(static_cast<u64>(v.w) << 32 | v.z));
}

// 16 rows of A: a[2i] is row g, a[2i + 1] row g + 8, of k 4t + i.
DEVICE void load_a(double (&a)[8], u32 stage, int row) {
  int g = lane_id() / 4, t = lane_id() % 4;
#pragma unroll
  for (int h = 0; h < 2; h++) {
    load_two(a[h], a[2 + h], stage + swizzled<false>(row + g + 8 * h, 2 * t));
    load_two(a[4 + h], a[6 + h], stage + swizzled<false>(row + g + 8 * h, 2 * t + 1));
  }
}

// All columns of the warp: b[j][i] is column 8j + g of k 4t + i.
DEVICE void load_b(double (&b)[COLUMNS][4], u32 stage, int column) {
  int g = lane_id() / 4, t = lane_id() % 4;
#pragma unroll
  for (int j = 0; j < COLUMNS; j++) {
    int n = column + 8 * j + g;
    if (NN) {
#pragma unroll
      for (int i = 0; i < 4; i++) b[j][i] = load_shared_f64(stage + A_BYTES + swizzled<true>(4 * t + i, n / 2) + n % 2 * 8);
    } else {
      load_two(b[j][0], b[j][1], stage + A_BYTES + swizzled<false>(n, 2 * t));
      load_two(b[j][2], b[j][3], stage + A_BYTES + swizzled<false>(n, 2 * t + 1));
    }
  }
}

// 16 rows by WN columns by 16 k.
DEVICE void multiply(double (&sum)[COLUMNS][4], const double (&a)[8], const double (&b)[COLUMNS][4]) {
#if __CUDA_ARCH__ == 900  // one instruction there; elsewhere the compiler would make it eight of the small ones
#pragma unroll
  for (int j = 0; j < COLUMNS; j++) mma_fp64_k16(sum[j], a, b[j]);
#else
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
      double upper[2] = {sum[j][0], sum[j][1]}, lower[2] = {sum[j][2], sum[j][3]};
      mma_fp64(upper, a[2 * i], b[j][i]);
      mma_fp64(lower, a[2 * i + 1], b[j][i]);
      sum[j][0] = upper[0], sum[j][1] = upper[1], sum[j][2] = lower[0], sum[j][3] = lower[1];
    }
#endif
}

DEVICE void main_loop(double (&sum)[ROWS][COLUMNS][4], u32 shared, View a, View b, int row, int column, int tiles) {
#pragma unroll
  for (int s = 0; s < STAGES - 1; s++) {
    if (s < tiles) copy_part(shared + s * STAGE, a, b, 0, 1);
    copy_async_commit();
    advance(a, b);
  }
  copy_async_wait<STAGES - 2>();
  __syncthreads();
  double fa[2][8], fb[COLUMNS][4], next[COLUMNS][4];
  u32 reading = shared, writing = shared + (STAGES - 1) * STAGE;
  load_a(fa[0], reading, row);
  load_b(fb, reading, column);
  for (int left = tiles; left > 0; left--) {
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      if (i == ROWS - 1) {  // the next stage has come, for all; and all have read what the copies will overwrite
        copy_async_commit();
        copy_async_wait<STAGES - 2>();
        __syncthreads();
        writing = reading;
        reading = reading == shared + (STAGES - 1) * STAGE ? shared : reading + STAGE;
        load_b(next, reading, column);
      }
      load_a(fa[(i + 1) % 2], reading, row + (i + 1) % ROWS * 16);
      if (i < ROWS - 1 && left >= STAGES) copy_part(writing, a, b, i, ROWS - 1);
      multiply(sum[i], fa[i % 2], fb);
    }
#pragma unroll
    for (int j = 0; j < COLUMNS; j++)
#pragma unroll
      for (int i = 0; i < 4; i++) fb[j][i] = next[j][i];
    advance(a, b);
  }
}

// Grid: tiles of C, in groups of GROUP tile rows: about the square root of the blocks at work, so that together they
// need the fewest rows and columns.
KERNEL void __launch_bounds__(THREADS, 1) gemm(const u8* a, const u8* b, double* c, int m, int n, int k) {
  DYNAMIC_SHARED(memory);
  int down = (m + BM - 1) / BM, wide = (n + BN - 1) / BN, index = blockIdx.x;
  int first = index / (GROUP * wide) * GROUP, height = min(down - first, GROUP), within = index % (GROUP * wide);
  int row = (first + within % height) * BM, column = within / height * BN;
  int warp = threadIdx.x / WARP, warp_row = warp / (BN / WN) * WM, warp_column = warp % (BN / WN) * WN;

  int a_stride = k * ELEMENT, b_stride = (NN ? n : k) * ELEMENT;
  int b_row = NN ? 0 : column, b_byte = NN ? column * ELEMENT : 0;
  View left = view<PITCH>(a + static_cast<i64>(row) * a_stride, a_stride, m - row, a_stride);
  const u8* corner = b + static_cast<i64>(b_row) * b_stride + b_byte;
  View right = view<B_PITCH>(corner, b_stride, (NN ? k : n) - b_row, b_stride - b_byte);

  double sum[ROWS][COLUMNS][4] = {};
  main_loop(sum, shared_address(memory), left, right, warp_row, warp_column, (k + BK - 1) / BK);

  // Four lanes write 64 bytes of a row: whole sectors.
  int lane = lane_id(), to_row = row + warp_row + lane / 4, to_column = column + warp_column + lane % 4 * 2;
#pragma unroll
  for (int i = 0; i < ROWS; i++)
#pragma unroll
    for (int j = 0; j < COLUMNS; j++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        int r = to_row + i * 16 + h * 8, s = to_column + j * 8;
        if (r >= m || s >= n) continue;
        double* to = c + static_cast<i64>(r) * n + s;
        if (n % 2 == 0) {
          *reinterpret_cast<double2*>(to) = {sum[i][j][2 * h], sum[i][j][2 * h + 1]};
        } else {
          to[0] = sum[i][j][2 * h];
          if (s + 1 < n) to[1] = sum[i][j][2 * h + 1];
        }
      }
}
