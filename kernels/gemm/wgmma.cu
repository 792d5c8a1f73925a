// C (m, n) = A (m, k) B on Hopper's tensor cores by wgmma: bf16, fp16, tf32, int8 and e4m3 in one main loop.
//
// A block of three warpgroups computes tiles of 128 x BN, one after the other. One warpgroup produces: a single thread has the
// copy engine bring stages of 128 bytes of k. Two consume: each multiplies 64 rows by all BN columns, and stores them. Producer
// and consumers meet at mbarriers only, so loading runs ahead through the end of a tile into the next one:
//
//   copy engine   A0 B0 | A1 B1 | A2 B2 | A3 B3 | A0 B0 ...      waits for empty[s], reports to full[s]
//   consumer 0           wgmma 0 | wgmma 1 | wgmma 2 ...  store  waits for full[s], arrives at empty[s] one stage later
//   consumer 1           wgmma 0 | wgmma 1 | wgmma 2 ...  store  (the tensor cores take them in turn)
//
// The budget, for BN = 256 and bf16:
//   clocks        64 x 256 x 16 multiply-adds are 128 clocks at 2048 a clock; a stage of 64 k, both halves, is 1024.
//                 A tile of k = 8192 is 131,072 clocks. Storing it, while the tensor cores are idle, takes 1024 at least: 64 KiB
//                 into shared memory and out of it.
//   shared reads  a wgmma reads 2 KiB of A and 8 KiB of B: 80 of 128 B a clock. 64 x 128 would read 96.
//   level 2       a stage is 16 KiB of A and 32 KiB of B, 48 B a clock. Two blocks of a cluster share their B: each loads half
//                 of it for both (multicast), and 32 B a clock remain.
//   in flight     3 of 4 stages, 144 KiB a processor or 19 MB in all; 4.8 TB/s x 0.8 us need 4 MB.
//   shared memory 4 x 48 KiB of stages and 4 x 8 KiB of results on their way out: 224 of 227 KiB.
//   registers     384 threads begin with 168 each. The producer keeps 24, so that a consumer has 240 for its 128 sums and
//                 what surrounds them: 128 x (24 + 2 x 240) = 384 x 168.
//
// Whatever the type, a stage is 128 bytes of k and four wgmma of 32. The copy engine's swizzle (chunk c of row r at
// c xor r mod 8) is what wgmma undoes, so both walk shared memory without bank conflicts. Beyond m, n and k it loads zeros
// and stores nothing: tails need no code. B is (n, k); or with NN (k, n), which wgmma takes in 2-byte types, here in boxes
// of 64 columns.
//
// e4m3: Hopper keeps 13 bits after a sum's leading one while it adds fp8 products (DeepSeek-V3, arXiv 2412.19437, 3.3.2). With
// PROMOTE = 0 they stay in the tensor core, as cuBLAS' fast accumulation leaves them; the benchmark's tolerance says what that
// costs. With PROMOTE = n they are added to float32 registers every n stages, 128 n of k: twice the sums, so BN = 128 (2 x 64
// a thread), and 64 additions a thread (64 clocks, if nothing else is issued) while the other consumer multiplies (256 clocks).
#include "ptx.cuh"

#if !defined(TYPE) || !defined(BN) || !defined(STAGES) || !defined(CLUSTER) || !defined(NN) || !defined(PROMOTE)
#error "give TYPE (bf16 fp16 tf32 int8 e4m3), BN (128, 256), STAGES, CLUSTER (blocks: 1, 2), NN, PROMOTE"
#endif

// ---------------------------------------------------------------- element types

struct bf16 { static constexpr int bytes = 2, out = 2; typedef float Sum; };
struct fp16 { static constexpr int bytes = 2, out = 2; typedef float Sum; };
struct tf32 { static constexpr int bytes = 4, out = 4; typedef float Sum; };
struct int8 { static constexpr int bytes = 1, out = 4; typedef i32 Sum; };
struct e4m3 { static constexpr int bytes = 1, out = 2; typedef float Sum; };  // to bf16

typedef TYPE Type;
typedef Type::Sum Sum;

#define JOIN(a, b) a##b
#define WGMMA_OF(type) JOIN(wgmma_, type)
#define WGMMA_NN_OF(type) WGMMA_NN(type)
#define WGMMA_NN(type) wgmma_##type##_nn
#if NN
#define MULTIPLY WGMMA_NN_OF(TYPE)
#else
#define MULTIPLY WGMMA_OF(TYPE)
#endif

DEVICE u32 pair(bf16, float x, float y) { return pack_bf16(x, y); }
DEVICE u32 pair(fp16, float x, float y) { return pack_fp16(x, y); }
DEVICE u32 pair(e4m3, float x, float y) { return pack_bf16(x, y); }
DEVICE u32 bits(float v) { return __float_as_uint(v); }
DEVICE u32 bits(i32 v) { return static_cast<u32>(v); }

// ---------------------------------------------------------------- sizes

constexpr int BM = 128, CONSUMERS = 2, GROUP_THREADS = 128, THREADS = (1 + CONSUMERS) * GROUP_THREADS;
constexpr int ROWS = BM / CONSUMERS, SUMS = ROWS * BN / GROUP_THREADS;  // of a consumer, and of each of its threads
constexpr int ELEMENT = Type::bytes, OUT = Type::out;
constexpr int BK = 128, K = BK / ELEMENT, STEP = 32, STEPS = BK / STEP;  // bytes and elements of k in a stage; of one wgmma
constexpr int A_BYTES = BM * BK, B_BYTES = BN * BK, STAGE = A_BYTES + B_BYTES;
constexpr int BOX = NN ? 64 : BN / CLUSTER, BOXES = BN / BOX, BOX_BYTES = B_BYTES / BOXES;  // columns of B in one copy
constexpr int LINE = 128, ACROSS = LINE / OUT, PARTS = BN / ACROSS, PART_BYTES = ROWS * LINE;  // a store: 128 bytes of ROWS rows
constexpr int BUFFERS = 2;  // of results, for each consumer
constexpr int GROUP = 8;    // tile rows that clusters go through together: near the square root of the clusters at work
constexpr int PATTERN = 1024;  // bytes after which the swizzle repeats: stages begin there

static_assert(BN % 64 == 0 && BOXES % CLUSTER == 0, "the blocks of a cluster load equal parts of B");
static_assert(!NN || ELEMENT == 2, "wgmma takes B across k in 2-byte types only");
static_assert(!PROMOTE || BN == 128, "sums in the tensor core and in float32 fill the registers");
static_assert(PARTS % BUFFERS == 0, "every tile begins with the same buffer");

// Where things lie in shared memory.
struct Shared { u32 stages, results, full, empty; };

DEVICE Shared shared_places(u32 start) {
  u32 stages = (start + PATTERN - 1) / PATTERN * PATTERN, results = stages + STAGES * STAGE;
  u32 full = results + CONSUMERS * BUFFERS * PART_BYTES;
  return {stages, results, full, full + 8 * STAGES};
}

// A slot of the ring of stages, and the parity of the phase of its mbarrier that is waited for.
struct Turn { u32 slot, parity; };
DEVICE void advance(Turn& turn) {
  if (++turn.slot < STAGES) return;
  turn.slot = 0;
  turn.parity ^= 1;
}

// What all warpgroups of a block go through in the same order: tiles of CLUSTER x BM rows, by the clusters in turn, in groups of
// GROUP tile rows: those that are at work at one time share the fewest rows and columns in the second-level cache.
struct Walk { int down, wide, stages, first, step; u32 rank; };
struct Corner { int row, column; };

DEVICE Walk walk_of(int m, int n, int k) {
  u32 rank = CLUSTER > 1 ? cluster_rank() : 0;
  int down = (m + CLUSTER * BM - 1) / (CLUSTER * BM), wide = (n + BN - 1) / BN;
  return {down, wide, (k + K - 1) / K, static_cast<int>(blockIdx.x) / CLUSTER, static_cast<int>(gridDim.x) / CLUSTER, rank};
}
DEVICE Corner corner_of(const Walk& walk, int tile) {
  int first = tile / (GROUP * walk.wide) * GROUP, height = min(walk.down - first, GROUP), within = tile % (GROUP * walk.wide);
  int row = (first + within % height) * CLUSTER + static_cast<int>(walk.rank);
  return {row * BM, within / height * BN};
}

// ---------------------------------------------------------------- producer: global -> shared

// Its share of B's boxes goes to every block of the cluster.
DEVICE void load_b(const TensorMap& b, u32 to, int column, int k, u32 full, u32 rank) {
#pragma unroll
  for (int i = 0; i < BOXES / CLUSTER; i++) {
    int box = static_cast<int>(rank) * (BOXES / CLUSTER) + i, at = column + box * BOX;
    int x = NN ? at : k, y = NN ? k : at;
    if (CLUSTER > 1) tensor_load_multicast(to + box * BOX_BYTES, b, x, y, full, (1 << CLUSTER) - 1);
    else tensor_load(to + box * BOX_BYTES, b, x, y, full);
  }
}

DEVICE void produce(const TensorMap& a, const TensorMap& b, const Walk& walk, const Shared& shared) {
  Turn turn{0, 1};  // at first every slot is empty
  for (int tile = walk.first; tile < walk.down * walk.wide; tile += walk.step) {
    Corner corner = corner_of(walk, tile);
    for (int i = 0; i < walk.stages; i++, advance(turn)) {
      u32 stage = shared.stages + turn.slot * STAGE, full = shared.full + 8 * turn.slot;
      mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);
      mbarrier_arrive_expect(full, STAGE);
      tensor_load(stage, a, i * K, corner.row, full);
      load_b(b, stage + A_BYTES, corner.column, i * K, full, walk.rank);
    }
  }
}

// ---------------------------------------------------------------- consumers: shared -> sums -> shared -> global

// Of a matrix in 128-byte rows with the 128-byte swizzle. Along k: eight rows are a pattern, and the next eight follow it.
// Across k: a pattern is eight k of 64 columns; the next eight k follow it, the next columns a box later.
DEVICE u64 descriptor(u32 place, bool across) {
  constexpr u64 SWIZZLE_128 = 1ull << 62, STRIDE = static_cast<u64>(PATTERN / 16) << 32;
  return SWIZZLE_128 | STRIDE | (across ? static_cast<u64>(BOX_BYTES / 16) << 16 : 0) | place / 16;
}

// Every warp tells every block of the cluster that it has read a slot.
DEVICE void give_back(const Shared& shared, u32 slot) {
  u32 empty = shared.empty + 8 * slot;
  if (lane_id() >= CLUSTER) return;
  if (CLUSTER > 1) mbarrier_arrive_cluster(cluster_address(empty, lane_id()));
  else mbarrier_arrive(empty);
}

// Start the products of one stage, which is there.
DEVICE void multiply_stage(Sum (&sum)[SUMS], u32 stage, u32 consumer, bool add) {
  u64 a = descriptor(stage + consumer * (ROWS * BK), false), b = descriptor(stage + A_BYTES, NN);
  wgmma_fence();
#pragma unroll
  for (int step = 0; step < STEPS; step++)
    MULTIPLY(sum, a + step * (STEP / 16), b + step * (NN ? STEP / ELEMENT * LINE : STEP) / 16, add || step > 0);
  wgmma_commit();
}

// One tile: the sums of this consumer's rows.
DEVICE void multiply(Sum (&sum)[SUMS], const Walk& walk, const Shared& shared, u32 consumer, Turn& turn) {
  u32 before = 0;
  for (int i = 0; i < walk.stages; i++, advance(turn)) {
    mbarrier_wait(shared.full + 8 * turn.slot, turn.parity);
    multiply_stage(sum, shared.stages + turn.slot * STAGE, consumer, i > 0);
    wgmma_wait<1>(sum);  // the stage before this one has been read
    if (i > 0) give_back(shared, before);
    before = turn.slot;
  }
  wgmma_wait<0>(sum);
  give_back(shared, before);
}

// The same, with sums that leave the tensor core every PROMOTE stages.
DEVICE void multiply_promoted(Sum (&sum)[SUMS], const Walk& walk, const Shared& shared, u32 consumer, Turn& turn) {
  Sum part[SUMS];
#pragma unroll
  for (int j = 0; j < SUMS; j++) sum[j] = 0;
  for (int i = 0; i < walk.stages;) {
    for (int end = min(i + PROMOTE, walk.stages), begin = i; i < end; i++, advance(turn)) {
      mbarrier_wait(shared.full + 8 * turn.slot, turn.parity);
      multiply_stage(part, shared.stages + turn.slot * STAGE, consumer, i > begin);
      wgmma_wait<0>(part);
      give_back(shared, turn.slot);
    }
#pragma unroll
    for (int j = 0; j < SUMS; j++) sum[j] += part[j];
  }
}

// 128 bytes of each of this warp's 16 rows, from part `part` of the sums, swizzled as the copy engine expects it.
template <class T> DEVICE void write_part(u32 buffer, const typename T::Sum (&sum)[SUMS], int part) {
  u32 lane = lane_id(), rows = buffer + threadIdx.x % GROUP_THREADS / WARP * (16 * LINE);
#pragma unroll
  for (int q = 0; q < 4; q++) {
    if constexpr (T::out == 2) {
      const auto* s = sum + part * (ACROSS / 2) + q * 8;  // 16 columns
      u32 r[4] = {pair(T{}, s[0], s[1]), pair(T{}, s[2], s[3]), pair(T{}, s[4], s[5]), pair(T{}, s[6], s[7])};
      u32 row = lane % 16, chunk = 2 * q + lane / 16;
      store_matrix_x4(rows + row * LINE + (chunk ^ row % 8) * 16, r);
    } else {
      const auto* s = sum + part * (ACROSS / 2) + q * 4;  // 8 columns
      u32 row = lane / 4, place = rows + row * LINE + ((2 * q + lane % 4 / 2) ^ row % 8) * 16 + lane % 2 * 8;
      store_shared8(place, make_uint2(bits(s[0]), bits(s[1])));
      store_shared8(place + 8 * LINE, make_uint2(bits(s[2]), bits(s[3])));
    }
  }
}

// The sums leave through two buffers: while the copy engine empties one, the other is filled.
DEVICE void store(const TensorMap& c, const Sum (&sum)[SUMS], const Shared& shared, u32 consumer, Corner corner) {
  bool leader = threadIdx.x % GROUP_THREADS == 0;
#pragma unroll
  for (int part = 0; part < PARTS; part++) {
    u32 buffer = shared.results + (consumer * BUFFERS + part % BUFFERS) * PART_BYTES;
    if (leader) tensor_store_wait_read<BUFFERS - 1>();
    named_barrier_sync(1 + consumer, GROUP_THREADS);  // the buffer has been emptied
    write_part<Type>(buffer, sum, part);
    fence_proxy_async();
    named_barrier_sync(1 + consumer, GROUP_THREADS);  // and is filled
    if (leader) {
      tensor_store(c, corner.column + part * ACROSS, corner.row + static_cast<int>(consumer) * ROWS, buffer);
      tensor_store_commit();
    }
  }
}

DEVICE void consume(const TensorMap& c, const Walk& walk, const Shared& shared, u32 consumer) {
  Turn turn{0, 0};
  for (int tile = walk.first; tile < walk.down * walk.wide; tile += walk.step) {
    Sum sum[SUMS];  // undefined until its first wgmma, which does not add
    if constexpr (PROMOTE) multiply_promoted(sum, walk, shared, consumer, turn);
    else multiply(sum, walk, shared, consumer, turn);
    store(c, sum, shared, consumer, corner_of(walk, tile));
  }
  tensor_store_wait_read<0>();
}

// Grid: as many clusters as run at a time.
KERNEL void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(THREADS, 1)
gemm(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const __grid_constant__ TensorMap c, int m, int n, int k) {
  DYNAMIC_SHARED(memory);
  Shared shared = shared_places(shared_address(memory));
  if (threadIdx.x == 0) {
#pragma unroll
    for (int s = 0; s < STAGES; s++) {
      mbarrier_init(shared.full + 8 * s, 1);
      mbarrier_init(shared.empty + 8 * s, CLUSTER * CONSUMERS * GROUP_THREADS / WARP);
    }
    fence_mbarrier_init();
  }
  cluster_arrive();
  cluster_wait();  // the mbarriers are there, in every block
  Walk walk = walk_of(m, n, k);
  if (threadIdx.x < GROUP_THREADS) {
    registers_decrease<24>();
    if (threadIdx.x == 0) produce(a, b, walk, shared);
  } else {
    registers_increase<240>();
    // The same in all lanes, and known to be: so descriptors are made in uniform registers, where wgmma takes them.
    u32 group = __shfl_sync(ALL_LANES, threadIdx.x / GROUP_THREADS, 0);
    consume(c, walk, shared, group - 1);
  }
  cluster_arrive();
  cluster_wait();  // nobody writes to, or arrives at, a block that has ended
}
