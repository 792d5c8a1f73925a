// C (m, n) = A (m, k) B on tensor cores by mma.sync: bf16, fp16, tf32, int8 and e4m3 in one main loop.
//
// Whatever the type, one mma takes 32 bytes of k (16 x 2, 8 x 4, 32 x 1), and ldmatrix moves bytes: so the loop counts
// k in bytes and only the mma, the sum and the result differ. A is row-major (m, k). B is (n, k), k contiguous,
// or with NN (k, n): 2-byte elements are then transposed by ldmatrix, 4-byte ones are read one by one.
//
// What bounds it, for warps of 64 x 64: 32 mma need 8 ldmatrix.x4 of 512 bytes, 128 B an mma. An A100 or
// an H100 (by mma.sync) starts one every 2 clocks: 64 of the 128 B that shared memory gives in a clock, and a
// 128 x 256 tile is written at 24 B a clock. GeForce takes 4 to 8 clocks an mma. From the second-level
// cache a tile of 128 x 256 takes (1/128 + 1/256) x ELEMENT bytes a multiply-add: 3.7 TB/s at 312 TFLOP/s in bf16.
//
// STAGES tiles of BK bytes of k are under way (cp.async); the fragments of the next step are loaded while this
// one multiplies; blocks go through C in groups of GROUP tile rows, so that those running together share rows and
// columns in the second-level cache; with few tiles, k is split among `splits` blocks, the last of which adds up.
#include "ptx.cuh"

#if !defined(TYPE) || !defined(BM) || !defined(BN) || !defined(WM) || !defined(WN) || !defined(BK) || !defined(STAGES)
#error "give TYPE (bf16 fp16 tf32 int8 e4m3 e4m3_scaled), BM BN (block), WM WN (warp), BK (bytes), STAGES, BLOCKS, NN, ALIGNED"
#endif

// ---------------------------------------------------------------- element types

struct bf16 { static constexpr int bytes = 2; typedef u16 Bits; typedef float Sum; typedef u32 Pair; };
struct fp16 { static constexpr int bytes = 2; typedef u16 Bits; typedef float Sum; typedef u32 Pair; };
struct tf32 { static constexpr int bytes = 4; typedef u32 Bits; typedef float Sum; typedef uint2 Pair; };
struct int8 { static constexpr int bytes = 1; typedef u8 Bits; typedef i32 Sum; typedef uint2 Pair; };
struct e4m3 { static constexpr int bytes = 1; typedef u8 Bits; typedef float Sum; typedef u32 Pair; };
struct e4m3_scaled : e4m3 {};  // by the block-scaled instruction of sm_120, with scales of 1

// Two neighbouring sums as they are stored in C.
DEVICE u32 pair(bf16, float x, float y) { return pack_bf16(x, y); }
DEVICE u32 pair(fp16, float x, float y) { return pack_fp16(x, y); }
DEVICE u32 pair(e4m3, float x, float y) { return pack_bf16(x, y); }
DEVICE uint2 pair(tf32, float x, float y) { return make_uint2(__float_as_uint(x), __float_as_uint(y)); }
DEVICE uint2 pair(int8, i32 x, i32 y) { return make_uint2(static_cast<u32>(x), static_cast<u32>(y)); }
DEVICE void put(u32 place, u32 v) { store_shared4(place, v); }
DEVICE void put(u32 place, uint2 v) { store_shared8(place, v); }
DEVICE u32 bits(float v) { return __float_as_uint(v); }
DEVICE u32 bits(i32 v) { return static_cast<u32>(v); }
DEVICE void add(float& sum, u32 v) { sum += __uint_as_float(v); }
DEVICE void add(i32& sum, u32 v) { sum += static_cast<i32>(v); }

#define JOIN(a, b) a##b
#define MMA_OF(type) JOIN(mma_, type)

typedef TYPE Type;
typedef Type::Sum Sum;
typedef Type::Pair Pair;

// ---------------------------------------------------------------- sizes

constexpr int ELEMENT = Type::bytes, OUT = sizeof(Pair) / 2;
constexpr int STEP = 32, STEPS = BK / STEP;  // bytes of k in one mma; mma steps in one tile
constexpr int THREADS = BM / WM * (BN / WN) * WARP, ROWS = WM / 16, COLUMNS = WN / 8;  // a warp's mma tiles
constexpr int B_PITCH = NN ? BN * ELEMENT : BK, K_ELEMENTS = BK / ELEMENT;
constexpr int A_BYTES = BM * BK, STAGE = A_BYTES + BN * BK;
constexpr int A_CHUNKS = A_BYTES / 16 / THREADS, B_CHUNKS = BN * BK / 16 / THREADS;  // 16-byte copies of a thread
constexpr int GROUP = 16;  // about sqrt(tiles at work x BN / BM): the fewest rows and columns for a full GPU
constexpr int C_PITCH = WN * OUT, SPREAD = NN ? ELEMENT / 2 : 1;

static_assert(STEPS % 2 == 0, "fragments alternate between two buffers: BK must be a multiple of 64 bytes");
static_assert(A_CHUNKS * THREADS * 16 == A_BYTES && B_CHUNKS * THREADS * 16 == BN * BK, "every thread copies alike");
static_assert(COLUMNS % 2 == 0 && WM % 16 == 0, "B is loaded for 16 columns at a time");
static_assert(!NN || ELEMENT > 1, "1-byte elements of B must be (n, k): ldmatrix transposes 2-byte ones only");
static_assert(STAGES * STAGE >= 16 * C_PITCH * THREADS / WARP, "the result passes through the stages");

// A warp's share of the block's tile.
DEVICE int warp_row(int warp) { return warp / (BN / WN) * WM; }
DEVICE int warp_column(int warp) { return warp % (BN / WN) * WN; }

// Offset of a 16-byte chunk in a tile whose rows are `pitch` bytes apart. Eight rows' chunks of one column (with
// spread 2: four rows' pairs of chunks) lie in different banks, without padding.
template <int pitch, int spread> DEVICE u32 swizzled(int row, int chunk) {
  constexpr int rows_a_line = pitch < 128 ? 128 / pitch : 1, mask = (pitch < 128 ? pitch : 128) / 16 - 1;
  return row * pitch + ((chunk ^ (row * spread / rows_a_line & mask)) << 4);
}

// ---------------------------------------------------------------- global -> shared

// What is left of a matrix from this thread's first chunk on: bytes from row to row, rows, bytes of a row. And the
// chunk's place in a tile whose rows are `pitch` bytes apart.
struct View { const u8* from; int stride, rows, bytes; u32 place; };

template <int pitch, int spread> DEVICE View view(const u8* corner, int stride, int rows, int bytes) {
  int row = threadIdx.x / (pitch / 16), chunk = threadIdx.x % (pitch / 16);
  const u8* from = corner + static_cast<i64>(row) * stride + chunk * 16;
  return {from, stride, rows - row, bytes - chunk * 16, swizzled<pitch, spread>(row, chunk)};
}

// This thread's chunk number `i` of a tile; zeros where the matrix has ended.
template <int pitch, int spread> DEVICE void copy_chunk(u32 tile, const View& view, int i) {
  constexpr int down = THREADS / (pitch / 16);  // rows from one chunk of a thread to its next
  static_assert(THREADS % (pitch / 16) == 0 && down * spread % 8 == 0, "all chunks of a thread are swizzled alike");
  const u8* from = view.from + static_cast<i64>(i * down) * view.stride;
  u32 to = tile + view.place + i * down * pitch;
  bool valid = i * down < view.rows && 0 < view.bytes;
#if ALIGNED
  copy_async16(to, from, valid);
#else  // rows start anywhere: element by element
  u32 words[4] = {};
  for (int e = 0; e < 16 / ELEMENT; e++)
    if (valid && e * ELEMENT < view.bytes)
      words[e * ELEMENT / 4] |= static_cast<u32>(reinterpret_cast<const Type::Bits*>(from)[e]) << e * ELEMENT % 4 * 8;
  store_shared16(to, make_uint4(words[0], words[1], words[2], words[3]));
#endif
}

// Part `part` of `parts` of the copies of one stage: spread over the steps, they do not crowd out the ldmatrix.
DEVICE void copy_part(u32 stage, const View& a, const View& b, int part, int parts) {
#pragma unroll
  for (int i = 0; i < A_CHUNKS + B_CHUNKS; i++) {
    if (i % parts != part) continue;
    if (i < A_CHUNKS) copy_chunk<BK, 1>(stage, a, i);
    else copy_chunk<B_PITCH, SPREAD>(stage + A_BYTES, b, i - A_CHUNKS);
  }
}

DEVICE void advance(View& a, View& b) {
  a.from += BK;
  a.bytes -= BK;
  b.from += NN ? static_cast<i64>(K_ELEMENTS) * b.stride : BK;
  if (NN) b.rows -= K_ELEMENTS;
  else b.bytes -= BK;
}

// ---------------------------------------------------------------- shared -> registers -> mma

struct Fragments { u32 a[ROWS][4], b[COLUMNS][2]; };

// Where this lane reads in a stage. One step is 32 bytes on: two chunks, in a swizzled row an exclusive or.
struct Places { u32 a, b; };

DEVICE Places places(int row, int column) {
  int lane = lane_id(), half = lane >> 4;
  u32 a = swizzled<BK, 1>(row + (lane & 15), half);
  u32 b;
  if (!NN) b = swizzled<BK, 1>(column + (lane & 7) + half * 8, lane >> 3 & 1);
  else if (ELEMENT == 2) b = swizzled<B_PITCH, SPREAD>(lane & 15, column / 8 + half);
  else b = swizzled<B_PITCH, SPREAD>(lane & 3, column / 4 + half) + (lane >> 2 & 3) * 4;
  return {a, A_BYTES + b};
}

DEVICE void load_fragments(Fragments& f, u32 stage, Places at, int step) {
#pragma unroll
  for (int i = 0; i < ROWS; i++) load_matrix_x4(f.a[i], stage + (at.a ^ step * STEP) + i * 16 * BK);
#pragma unroll
  for (int j = 0; j < COLUMNS; j += 2) {
    u32 both[4];
    if (!NN) {
      load_matrix_x4(both, stage + (at.b ^ step * STEP) + j * 8 * BK);
    } else if (ELEMENT == 2) {
      load_matrix_x4_transposed(both, stage + (at.b ^ j * 16) + step * 16 * B_PITCH);
    } else {
#pragma unroll
      for (int i = 0; i < 4; i++)
        both[i] = load_shared4(stage + (at.b ^ (j + i / 2) * 32) + (step * 8 + i % 2 * 4) * B_PITCH);
    }
    f.b[j][0] = both[0], f.b[j][1] = both[1], f.b[j + 1][0] = both[2], f.b[j + 1][1] = both[3];
  }
}

DEVICE void multiply(Sum (&sum)[ROWS][COLUMNS][4], const Fragments& f) {
#pragma unroll
  for (int i = 0; i < ROWS; i++)
#pragma unroll
    for (int jj = 0; jj < COLUMNS; jj++) {
      int j = i % 2 ? COLUMNS - 1 - jj : jj;  // back and forth: one operand of the last mma is used again
      MMA_OF(TYPE)(sum[i][j], f.a[i], f.b[j]);
    }
}

// Adds `tiles` tiles of k to the sums.
DEVICE void main_loop(Sum (&sum)[ROWS][COLUMNS][4], u32 shared, View a, View b, Places at, int tiles) {
#pragma unroll
  for (int s = 0; s < STAGES - 1; s++) {
    if (s < tiles) copy_part(shared + s * STAGE, a, b, 0, 1);
    copy_async_commit();
    advance(a, b);
  }
  copy_async_wait<STAGES - 2>();
  __syncthreads();
  Fragments f[2];
  u32 reading = shared, writing = shared + (STAGES - 1) * STAGE;
  load_fragments(f[0], reading, at, 0);
  for (int left = tiles; left > 0; left--) {
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
      if (step == STEPS - 1) {  // the next tile has come, for all; and all have read what the copies will overwrite
        copy_async_commit();
        copy_async_wait<STAGES - 2>();
        __syncthreads();
        writing = reading;
        reading = reading == shared + (STAGES - 1) * STAGE ? shared : reading + STAGE;
      }
      load_fragments(f[(step + 1) % 2], reading, at, (step + 1) % STEPS);
      if (step < STEPS - 1 && left >= STAGES) copy_part(writing, a, b, step, STEPS - 1);
      multiply(sum, f[step % 2]);
    }
    advance(a, b);
  }
  copy_async_wait<0>();
  __syncthreads();
}

// ---------------------------------------------------------------- results

// Adds the sums of all splits of this tile, in their order; true in the block that came last and holds them.
DEVICE bool combine(Sum (&sum)[ROWS][COLUMNS][4], uint4* partial, u32* ticket, int split, int splits, u32 shared) {
  constexpr int QUADS = ROWS * COLUMNS, AHEAD = 16 / COLUMNS;
  uint4* mine = partial + threadIdx.x;
#pragma unroll
  for (int q = 0; q < QUADS; q++) {
    const Sum* s = sum[q / COLUMNS][q % COLUMNS];
    mine[(split * QUADS + q) * THREADS] = make_uint4(bits(s[0]), bits(s[1]), bits(s[2]), bits(s[3]));
  }
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) store_shared4(shared, atomicAdd(ticket, 1u));
  __syncthreads();
  if (load_shared4(shared) != static_cast<u32>(splits) - 1) return false;
  if (threadIdx.x == 0) *ticket = 0;  // all have come: ready for the next launch
  __threadfence();
#pragma unroll
  for (int i = 0; i < ROWS; i++) {
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) sum[i][j][0] = sum[i][j][1] = sum[i][j][2] = sum[i][j][3] = 0;
#pragma unroll AHEAD
    for (int other = 0; other < splits; other++)
#pragma unroll
      for (int j = 0; j < COLUMNS; j++) {
        uint4 v = load_l2(mine + (other * QUADS + i * COLUMNS + j) * THREADS);
        add(sum[i][j][0], v.x), add(sum[i][j][1], v.y), add(sum[i][j][2], v.z), add(sum[i][j][3], v.w);
      }
  }
  __syncthreads();
  return true;
}

// (row, column): the block's corner.
DEVICE void store(const Sum (&sum)[ROWS][COLUMNS][4], u8* c, u32 shared, int row, int column, int m, int n) {
  constexpr int across = C_PITCH / 16, each = 16 / OUT;
  int lane = lane_id(), warp = threadIdx.x / WARP;
  u32 place = shared + warp * 16 * C_PITCH;
  row += warp_row(warp), column += warp_column(warp);
#pragma unroll
  for (int i = 0; i < ROWS; i++) {
#pragma unroll
    for (int j = 0; j < COLUMNS; j++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        int byte = j * 8 * OUT + lane % 4 * 2 * OUT;
        u32 to = place + swizzled<C_PITCH, OUT / 2>(lane / 4 + h * 8, byte / 16) + byte % 16;
        put(to, pair(Type{}, sum[i][j][2 * h], sum[i][j][2 * h + 1]));
      }
    __syncwarp();
#pragma unroll
    for (int q = 0; q < across / 2; q++) {
      int line = (q * WARP + lane) / across, chunk = (q * WARP + lane) % across;
      int to_row = row + i * 16 + line, to_column = column + chunk * each;
      uint4 v = load_shared16(place + swizzled<C_PITCH, OUT / 2>(line, chunk));
      u8* to = c + (static_cast<i64>(to_row) * n + to_column) * OUT;
      if (to_row >= m || to_column >= n) continue;
      if (n % each == 0) { store_once(to, v); continue; }
      u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
      for (int e = 0; e < each; e++)
        if (to_column + e < n) {
          if (OUT == 4) reinterpret_cast<u32*>(to)[e] = words[e % 4];
          else reinterpret_cast<u16*>(to)[e] = static_cast<u16>(words[e / 2] >> e % 2 * 16);
        }
    }
    __syncwarp();
  }
}

// Grid: (tiles of C, splits). partial: the sums of every split where there are several; tickets: one zero a tile.
KERNEL void __launch_bounds__(THREADS, BLOCKS)
gemm(const u8* a, const u8* b, u8* c, uint4* partial, u32* tickets, int m, int n, int k, int splits) {
  DYNAMIC_SHARED(memory);
  u32 shared = shared_address(memory);
  int down = (m + BM - 1) / BM, wide = (n + BN - 1) / BN, index = blockIdx.x;
  int first = index / (GROUP * wide) * GROUP, height = min(down - first, GROUP), within = index % (GROUP * wide);
  int row = (first + within % height) * BM, column = within / height * BN;
  int all = (k + K_ELEMENTS - 1) / K_ELEMENTS, share = (all + splits - 1) / splits, start = blockIdx.y * share;
  int warp = threadIdx.x / WARP;

  int a_stride = k * ELEMENT, b_stride = (NN ? n : k) * ELEMENT, done = start * BK;  // bytes of a row of k
  View left = view<BK, 1>(a + static_cast<i64>(row) * a_stride + done, a_stride, m - row, a_stride - done);
  int b_row = NN ? start * K_ELEMENTS : column, b_byte = NN ? column * ELEMENT : done;
  const u8* corner = b + static_cast<i64>(b_row) * b_stride + b_byte;
  View right = view<B_PITCH, SPREAD>(corner, b_stride, (NN ? k : n) - b_row, b_stride - b_byte);
  if (NN && ALIGNED) {  // whether a chunk lies in a row does not change with k: one register less
    if (right.bytes <= 0) right.rows = 0;
    right.bytes = 16;
  }

  Sum sum[ROWS][COLUMNS][4] = {};
  main_loop(sum, shared, left, right, places(warp_row(warp), warp_column(warp)), min(share, all - start));
  if (splits > 1) {
    uint4* tile = partial + static_cast<i64>(index) * splits * (BM * BN / 4);
    if (!combine(sum, tile, tickets + index, blockIdx.y, splits, shared)) return;
  }
  store(sum, c, shared, row, column, m, n);
}
