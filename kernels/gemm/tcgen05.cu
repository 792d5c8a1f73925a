// C (m, n) = A (m, k) B on datacenter Blackwell's tensor cores by tcgen05: bf16, fp16, tf32, int8 and e4m3 in one main loop.
//
// Two blocks of a cluster are a pair and compute tiles of 256 x BN together, one after the other; or, for small matrices, a
// block works alone on 128 x BN. Its six warps have three trades. One thread has the copy engine bring stages of 128 bytes of k.
// One thread, of the first block, has the tensor cores multiply what both blocks hold. Four warps store: the sums are in tensor
// memory, in two buffers of BN columns, so a tile is stored while the next one is multiplied. All meet at mbarriers only:
//
//   copy engine    A0 B0 | A1 B1 | ... | A5 B5 | A0 B0 ...      waits for empty[s], reports to full[s] of the first block
//   tensor cores          | tile 0 into buffer 0  | tile 1 into buffer 1  | tile 2 into buffer 0 ...
//                         waits for full[s] and drained[b]; commits to empty[s] and, after a tile, summed[b] of both blocks
//   warps 0-3                                     | store tile 0          | store tile 1 ...
//                         wait for summed[b], arrive at drained[b] of the first block
//
// The budget, for a pair, BN = 256 and bf16:
//   clocks         128 x 256 x 16 multiply-adds in each block are 128 clocks at 4096 a clock; a stage of 64 k is 512.
//                  A tile of k = 8192 is 65,536 clocks. Storing it takes 1024 at least (64 KiB into shared memory, and out of
//                  it) and is hidden, once k is a few stages long.
//   shared reads   an instruction reads 128 rows of A and, as each block gives half of B to both, 128 of B, 32 bytes each:
//                  64 of 128 B a clock. A block alone would read 96 for the same product.
//   level 2        a stage is 16 KiB of A and 16 KiB of B: 64 B a clock.
//   in flight      5 of 6 stages, 160 KiB a processor or 24 MB in all; 8 TB/s x 0.8 us need 6.4 MB.
//   shared memory  6 x 32 KiB of stages and 4 x 2 x 4 KiB of results on their way out: 224 of 227 KiB.
//   tensor memory  2 x 256 of 512 columns.
//   registers      192 threads: more than one could use. The sums are none of them.
//
// Whatever the type, a stage is 128 bytes of k and four products of 32, in rows of 128 bytes that the copy engine swizzles
// (chunk c of row r at c xor r mod 8) and the tensor cores take so. Beyond m, n and k it loads zeros and stores nothing:
// tails need no code. B is (n, k); or with NN (k, n), here in 2-byte types, in boxes of 64 columns.
#include "ptx_tcgen05.cuh"

#if !defined(TYPE) || !defined(PAIR) || !defined(BN) || !defined(STAGES) || !defined(NN)
#error "give TYPE (bf16 fp16 tf32 int8 e4m3), PAIR (blocks that work together: 1, 2), BN (128, 256), STAGES, NN"
#endif

// ---------------------------------------------------------------- element types: their number in an instruction descriptor

struct bf16 { static constexpr int bytes = 2, out = 2; static constexpr u32 format = 1, sum = 1; };
struct fp16 { static constexpr int bytes = 2, out = 2; static constexpr u32 format = 0, sum = 1; };
struct tf32 { static constexpr int bytes = 4, out = 4; static constexpr u32 format = 2, sum = 1; };
struct int8 { static constexpr int bytes = 1, out = 4; static constexpr u32 format = 1, sum = 2; };
struct e4m3 { static constexpr int bytes = 1, out = 2; static constexpr u32 format = 0, sum = 1; };  // to bf16

typedef TYPE Type;

DEVICE void multiply(bf16, u32 d, u64 a, u64 b, u32 how, u32 add) { tcgen05_f16<PAIR>(d, a, b, how, add); }
DEVICE void multiply(fp16, u32 d, u64 a, u64 b, u32 how, u32 add) { tcgen05_f16<PAIR>(d, a, b, how, add); }
DEVICE void multiply(tf32, u32 d, u64 a, u64 b, u32 how, u32 add) { tcgen05_tf32<PAIR>(d, a, b, how, add); }
DEVICE void multiply(int8, u32 d, u64 a, u64 b, u32 how, u32 add) { tcgen05_i8<PAIR>(d, a, b, how, add); }
DEVICE void multiply(e4m3, u32 d, u64 a, u64 b, u32 how, u32 add) { tcgen05_f8f6f4<PAIR>(d, a, b, how, add); }
DEVICE u32 pair(bf16, float x, float y) { return pack_bf16(x, y); }
DEVICE u32 pair(fp16, float x, float y) { return pack_fp16(x, y); }
DEVICE u32 pair(e4m3, float x, float y) { return pack_bf16(x, y); }

// ---------------------------------------------------------------- sizes

constexpr int STORERS = 4, COPIER = 4, MULTIPLIER = 5, THREADS = 6 * WARP;  // warps, by their number
constexpr int BM = 128, WIDTH = BN / PAIR;  // rows, and columns of B, that a block holds
constexpr int ELEMENT = Type::bytes, OUT = Type::out;
constexpr int BK = 128, K = BK / ELEMENT, STEP = 32, STEPS = BK / STEP;  // bytes and elements of k in a stage; of one product
constexpr int A_BYTES = BM * BK, B_BYTES = WIDTH * BK, STAGE = A_BYTES + B_BYTES;
constexpr int BOX = NN ? 64 : WIDTH, BOXES = WIDTH / BOX, BOX_BYTES = B_BYTES / BOXES;  // columns of B in one copy
constexpr int ACROSS = 64;                  // columns that a warp takes to registers at a time
constexpr int LINE = 128, PART = LINE / OUT, PART_BYTES = WARP * LINE;  // a store: 128 bytes of a warp's 32 rows
constexpr int BUFFERS = 2;                  // of results, for each warp; and of sums, in tensor memory
constexpr int GROUP = 8;                    // tile rows that pairs go through together: near the square root of the pairs at work
constexpr int PATTERN = 1024;               // bytes after which the swizzle repeats: stages begin there
constexpr u32 PRODUCT = tcgen05_instruction(Type::sum, Type::format, NN, PAIR * BM, BN);
constexpr u16 BOTH = (1 << PAIR) - 1;

static_assert(WIDTH % 64 == 0 && BN % ACROSS == 0 && BUFFERS * BN <= 512, "tensor memory has 512 columns");
static_assert(!NN || ELEMENT == 2, "B across k is laid out for 2-byte types only");

// Where things lie in shared memory.
struct Shared { u32 stages, results, full, empty, summed, drained, tmem; };

DEVICE Shared shared_places(u32 start) {
  u32 stages = (start + PATTERN - 1) / PATTERN * PATTERN, results = stages + STAGES * STAGE;
  u32 full = results + STORERS * BUFFERS * PART_BYTES, empty = full + 8 * STAGES, summed = empty + 8 * STAGES;
  return {stages, results, full, empty, summed, summed + 8 * BUFFERS, summed + 16 * BUFFERS};
}

// A place in a ring, and the parity of the phase of its mbarrier that is waited for.
template <int size> struct Turn { u32 slot, parity; };
template <int size> DEVICE void advance(Turn<size>& turn) {
  if (++turn.slot < size) return;
  turn.slot = 0;
  turn.parity ^= 1;
}

// What all warps of a pair go through in the same order: tiles of PAIR x BM rows, by the pairs in turn, in groups of GROUP tile
// rows: those that are at work at one time share the fewest rows and columns in the second-level cache.
struct Walk { int down, wide, stages, first, step; u32 rank; };
struct Corner { int row, column; };  // of the pair's tile

DEVICE Walk walk_of(int m, int n, int k) {
  u32 rank = PAIR > 1 ? cluster_rank() : 0;
  int down = (m + PAIR * BM - 1) / (PAIR * BM), wide = (n + BN - 1) / BN;
  return {down, wide, (k + K - 1) / K, static_cast<int>(blockIdx.x) / PAIR, static_cast<int>(gridDim.x) / PAIR, rank};
}
DEVICE Corner corner_of(const Walk& walk, int tile) {
  int first = tile / (GROUP * walk.wide) * GROUP, height = min(walk.down - first, GROUP), within = tile % (GROUP * walk.wide);
  return {(first + within % height) * PAIR * BM, within / height * BN};
}
// An address in the first block of the pair, which is told everything.
DEVICE u32 at_first(u32 place) { return PAIR > 1 ? cluster_address(place, 0) : place; }

// ---------------------------------------------------------------- one thread of each block: global -> shared

DEVICE void load(u32 to, const TensorMap& map, int x, int y, u32 full) {
  if (PAIR > 1) tensor_load_pair(to, map, x, y, full);
  else tensor_load(to, map, x, y, full);
}

DEVICE void bring(const TensorMap& a, const TensorMap& b, const Walk& walk, const Shared& shared) {
  Turn<STAGES> turn{0, 1};  // at first every slot is empty
  for (int tile = walk.first; tile < walk.down * walk.wide; tile += walk.step) {
    Corner corner = corner_of(walk, tile);
    int row = corner.row + static_cast<int>(walk.rank) * BM, column = corner.column + static_cast<int>(walk.rank) * WIDTH;
    for (int i = 0; i < walk.stages; i++, advance(turn)) {
      u32 stage = shared.stages + turn.slot * STAGE, full = shared.full + 8 * turn.slot;
      mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);
      if (walk.rank == 0) mbarrier_arrive_expect(full, PAIR * STAGE);
      load(stage, a, i * K, row, at_first(full));
#pragma unroll
      for (int box = 0; box < BOXES; box++) {
        int at = column + box * BOX;
        load(stage + A_BYTES + box * BOX_BYTES, b, NN ? at : i * K, NN ? i * K : at, at_first(full));
      }
    }
  }
  for (int s = 0; s < STAGES; s++, advance(turn))  // no commit is on its way when the block ends
    mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);
}

// ---------------------------------------------------------------- one thread of the pair: shared -> sums in tensor memory

DEVICE void commit(u32 mbarrier) {
  if (PAIR > 1) tcgen05_commit_pair(mbarrier, BOTH);
  else tcgen05_commit(mbarrier);
}

DEVICE void compute(const Walk& walk, const Shared& shared, u32 tmem) {
  Turn<STAGES> turn{0, 0};
  Turn<BUFFERS> buffer{0, 1};  // at first both are drained
  for (int tile = walk.first; tile < walk.down * walk.wide; tile += walk.step, advance(buffer)) {
    u32 sums = tmem + buffer.slot * BN;
    mbarrier_wait(shared.drained + 8 * buffer.slot, buffer.parity);
    for (int i = 0; i < walk.stages; i++, advance(turn)) {
      u32 stage = shared.stages + turn.slot * STAGE;
      u64 a = tcgen05_operand(stage, 0), b = tcgen05_operand(stage + A_BYTES, NN ? BOX_BYTES : 0);
      mbarrier_wait(shared.full + 8 * turn.slot, turn.parity);
      tcgen05_fence_after();
#pragma unroll
      for (int step = 0; step < STEPS; step++)
        multiply(Type{}, sums, a + step * (STEP / 16), b + step * (NN ? STEP / ELEMENT * LINE : STEP) / 16, PRODUCT, i + step > 0);
      commit(shared.empty + 8 * turn.slot);
    }
    commit(shared.summed + 8 * buffer.slot);
  }
}

// ---------------------------------------------------------------- four warps of each block: sums -> registers -> shared -> global

// 128 bytes of this thread's row, swizzled as the copy engine expects it: eight threads write to eight chunks.
template <class T> DEVICE void write_line(u32 buffer, const u32 (&sum)[ACROSS], int part) {
  u32 row = lane_id();
#pragma unroll
  for (u32 chunk = 0; chunk < 8; chunk++) {
    u32 v[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if constexpr (T::out == 2) {
        const u32* s = sum + chunk * 8 + i * 2;
        v[i] = pair(T{}, __uint_as_float(s[0]), __uint_as_float(s[1]));
      } else {
        v[i] = sum[part * PART + chunk * 4 + i];
      }
    }
    store_shared16(buffer + row * LINE + (chunk ^ row % 8) * 16, make_uint4(v[0], v[1], v[2], v[3]));
  }
}

DEVICE void store(const TensorMap& c, const Walk& walk, const Shared& shared, u32 tmem, u32 warp) {
  Turn<BUFFERS> buffer{0, 0}, result{0, 0};
  for (int tile = walk.first; tile < walk.down * walk.wide; tile += walk.step, advance(buffer)) {
    Corner corner = corner_of(walk, tile);
    int row = corner.row + static_cast<int>(walk.rank) * BM + static_cast<int>(warp) * WARP;
    mbarrier_wait(shared.summed + 8 * buffer.slot, buffer.parity);
    tcgen05_fence_after();
    for (int column = 0; column < BN; column += ACROSS) {
      u32 sum[ACROSS];
      tmem_load(sum, tmem_place(tmem, warp * WARP, buffer.slot * BN + column));
      tmem_load_wait(sum);
      if (column + ACROSS == BN) {  // the tensor cores may have the buffer back
        tcgen05_fence_before();
        __syncwarp();
        if (lane_id() == 0) mbarrier_arrive_cluster(cluster_address(shared.drained + 8 * buffer.slot, 0));
      }
#pragma unroll
      for (int part = 0; part < ACROSS / PART; part++, advance(result)) {
        u32 place = shared.results + (warp * BUFFERS + result.slot) * PART_BYTES;
        if (lane_id() == 0) tensor_store_wait_read<BUFFERS - 1>();
        __syncwarp();  // the place has been emptied
        write_line<Type>(place, sum, part);
        fence_proxy_async();
        __syncwarp();  // and is filled
        if (lane_id() == 0) {
          tensor_store(c, corner.column + column + part * PART, row, place);
          tensor_store_commit();
        }
      }
    }
  }
  if (lane_id() == 0) tensor_store_wait_read<0>();
}

// Grid: as many pairs as run at a time.
KERNEL void __cluster_dims__(PAIR, 1, 1) __launch_bounds__(THREADS, 1)
gemm(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const __grid_constant__ TensorMap c, int m, int n, int k) {
  DYNAMIC_SHARED(memory);
  Shared shared = shared_places(shared_address(memory));
  u32 warp = __shfl_sync(ALL_LANES, threadIdx.x / WARP, 0);  // the same in all lanes, and known to be
  if (threadIdx.x == 0) {
#pragma unroll
    for (int s = 0; s < STAGES; s++) {
      mbarrier_init(shared.full + 8 * s, 1);
      mbarrier_init(shared.empty + 8 * s, 1);
    }
#pragma unroll
    for (int b = 0; b < BUFFERS; b++) {
      mbarrier_init(shared.summed + 8 * b, 1);
      mbarrier_init(shared.drained + 8 * b, PAIR * STORERS);
    }
    fence_mbarrier_init();
  }
  if (warp == MULTIPLIER) {
    tmem_allocate<PAIR>(shared.tmem, BUFFERS * BN);
    tmem_allocate_no_more<PAIR>();
  }
  tcgen05_fence_before();
  cluster_arrive();
  cluster_wait();  // the mbarriers and the tensor memory are there, in every block
  u32 tmem = load_shared4(shared.tmem);
  Walk walk = walk_of(m, n, k);
  if (warp < STORERS) store(c, walk, shared, tmem, warp);
  else if (warp == COPIER && elect_one()) bring(a, b, walk, shared);
  else if (warp == MULTIPLIER && walk.rank == 0 && elect_one()) compute(walk, shared, tmem);
  __syncwarp();
  tcgen05_fence_before();
  cluster_arrive();
  cluster_wait();  // nobody reads, writes to, or arrives at, a block that has ended
  tcgen05_fence_after();
  if (warp == MULTIPLIER) tmem_free<PAIR>(tmem, BUFFERS * BN);
}
