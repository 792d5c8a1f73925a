// The asynchronous machines of sm_90, as far as a kernel can tell: mbarriers, the copy engine (TMA), the tensor cores of a
// warpgroup (wgmma), clusters, named barriers, setmaxnreg. Included by cuda_host.h.
//
// Who comes after whom is kept in vector clocks (Fidge 1988, Mattern 1989): thread t knows of thread u its clock at the last
// release that t has seen, directly or through others. A mbarrier is the clock of the copies that report to it, counted in phases;
// a warpgroup's wgmma and a thread's bulk stores are counted in groups. So a touch of shared memory is ordered after another
// only if the program has waited for it, on whatever schedule. A second set of clocks tells what of a thread's ordinary writes
// its proxy fences have made visible to the machines.
//
// A copy lands at a moment drawn by lot, and is NaN until then; the registers of sums and of A are NaN from wgmma until it is
// waited for, and may not be written.
// Found beside races: a phase that ends before its copies (too few bytes expected) or never (too many, a wrong parity), a
// descriptor that does not fit its layout, a missing proxy fence, wgmma without its fence, blocks that end too early.
#pragma once

namespace sim {

// What other machines do, where a header adds some (cuda_host_tcgen05.h): in their turn, at the beginning, at ends.
struct Machines { bool (*go_on)(int others); void (*begin)(); void (*end_thread)(); void (*end)(); };
static Machines more;

// ---------------------------------------------------------------- clocks

constexpr int MOST_AGENTS = 192, MOST_MBARRIERS = 128, MOST_TRANSFERS = 4096;
static u32* clocks;  // of every thread: [threads | what their proxy fences have shown | agents]
static int width, agents;
static const char* agent_names[MOST_AGENTS];

static u32* clocks_of(int of) { return clocks + static_cast<size_t>(of) * width; }
static u32& clock_of(int of, int from) { return clocks_of(of)[from]; }
static int new_agent(const char* name) {
  if (agents == MOST_AGENTS) fail("more than %d mbarriers, warpgroups and storing threads in a cluster", MOST_AGENTS);
  agent_names[agents] = name;
  return 2 * total + agents++;
}
static const char* name_of(int by) {
  static char names[4][48];
  static int next;
  if (by >= total) return agent_names[by - 2 * total];
  char* name = names[next++ % 4];
  if (cluster > 1) snprintf(name, sizeof names[0], "thread %d of block %d of the cluster", by % threads, by / threads);
  else snprintf(name, sizeof names[0], "thread %d", by);
  return name;
}
__attribute__((optimize("O3"))) static void join(u32* into, const u32* from) {
  for (int i = 0; i < width; i++) into[i] = into[i] > from[i] ? into[i] : from[i];
}
static void release(u32* into) {
  join(into, clocks_of(current));
  clock_of(current, current)++;
}
static void acquire(const u32* from) { join(clocks_of(current), from); }
static void join_clocks(const bool* members) {
  static u32* all;
  all = static_cast<u32*>(realloc(all, width * sizeof(u32)));
  memset(all, 0, width * sizeof(u32));
  for (int i = 0; i < total; i++)
    if (members[i]) join(all, clocks_of(i));
  for (int i = 0; i < total; i++)
    if (members[i]) {
      memcpy(clocks_of(i), all, width * sizeof(u32));
      clock_of(i, i)++;
    }
}
static void join_warp(u32 present) {
  static bool members[MOST_FIBERS];
  int first = current / 32 * 32;
  for (int i = 0; i < total; i++) members[i] = i / 32 * 32 == first && (present >> i % 32 & 1);
  join_clocks(members);
}
// Ordinary writes of this thread so far become visible to the machines, for whoever comes after this fence.
static void fence_mbarriers();
static void fence_proxy() {
  clock_of(current, total + current) = clock_of(current, current);
  clock_of(current, current)++;
  fence_mbarriers();
}

// Wait until a counter changes; who changes it wakes the others.
static void wait_for_change(const u32& counter, const char* place) {
  fibers[current].watched = &counter;
  wait(AT_PHASE, place);
}
static void wake_watchers(const u32& counter) {
  for (int i = 0; i < total; i++)
    if (fibers[i].state == AT_PHASE && fibers[i].watched == &counter) wake(i);
}

// A place where threads release and acquire, phase after phase.
struct Phased {
  u32 phase = 0;
  u32 *arriving = nullptr, *completed = nullptr;  // what those know who arrive now, and who arrived in ended phases
};
static u32* fresh_clock(u32* old) {
  u32* made = static_cast<u32*>(realloc(old, width * sizeof(u32)));
  memset(made, 0, width * sizeof(u32));
  return made;
}
static void begin_phases(Phased& at) {
  at.phase = 0;
  at.arriving = fresh_clock(at.arriving);
  at.completed = fresh_clock(at.completed);
}
static void end_phase(Phased& at) {
  join(at.completed, at.arriving);
  at.phase++;
  wake_watchers(at.phase);
}

// ---------------------------------------------------------------- clusters: addresses and barrier

// The address of a place in another block's shared memory: above the window of a block's own.
constexpr u32 WINDOW = 24;
static u32 cluster_address(u32 place, u32 rank) {
  if (rank >= static_cast<u32>(cluster)) fail("mapa: there is no block %u in a cluster of %d", rank, cluster);
  return (place & ((1u << WINDOW) - 1)) | (rank + 1) << WINDOW;
}
static Block& block_of(u32 address, const char* what) {
  u32 rank = address >> WINDOW;
  if (!rank) return *here;
  Block& block = blocks[rank - 1];
  if (!block.alive) fail("%s: block %u of the cluster has ended, and its shared memory with it", what, rank - 1);
  return block;
}
static u32 offset_of(u32 address, u32 alignment, u32 bytes, const char* what) {
  u32 place = address & ((1u << WINDOW) - 1);
  if (place % alignment) fail("%s: shared address %u is not a multiple of %u", what, place - ARENA_BASE, alignment);
  if (place < ARENA_BASE || place - ARENA_BASE + bytes > arena_bytes)
    fail("%s: shared address %d lies outside the %u bytes of a block", what, static_cast<i32>(place - ARENA_BASE), arena_bytes);
  return place - ARENA_BASE;
}
static u32 cluster_load4(u32 address) {
  Block& block = block_of(address, "ld.shared::cluster");
  u32 offset = offset_of(address, 4, 4, "ld.shared::cluster"), v;
  watch(block, offset, 4, false, {current, clock_of(current, current)});
  memcpy(&v, block.arena + offset, 4);
  return v;
}
static void cluster_store4(u32 address, u32 v) {
  Block& block = block_of(address, "st.shared::cluster");
  u32 offset = offset_of(address, 4, 4, "st.shared::cluster");
  watch(block, offset, 4, true, {current, clock_of(current, current)});
  memcpy(block.arena + offset, &v, 4);
}

static Phased cluster_barrier;
static int cluster_arrived;
static u32 cluster_seen[MOST_FIBERS];
static void release_cluster_if_complete() {
  int alive = 0;
  for (int b = 0; b < cluster; b++) alive += blocks[b].alive;
  if (!cluster_arrived || cluster_arrived < alive) return;
  cluster_arrived = 0;
  end_phase(cluster_barrier);
}
static void cluster_arrive() {
  release(cluster_barrier.arriving);
  cluster_seen[current] = cluster_barrier.phase;
  cluster_arrived++;
  release_cluster_if_complete();
}
static void cluster_wait() {
  while (cluster_barrier.phase == cluster_seen[current]) wait_for_change(cluster_barrier.phase, "barrier.cluster.wait");
  acquire(cluster_barrier.completed);
}

// ---------------------------------------------------------------- named barriers

struct Named : Phased { int arrived = 0, count = 0; };
static Named named[MOST_CLUSTER][16];
static Named& named_arrive(u32 id, u32 count, const char* what) {
  if (id < 1 || id > 15 || !count || count % 32) fail("%s %u, %u: numbers are 1 to 15, and whole warps arrive", what, id, count);
  Named& at = named[here - blocks][id];
  if (at.arrived && at.count != static_cast<int>(count))
    fail("%s %u: %u threads are expected here and %d elsewhere", what, id, count, at.count);
  at.count = static_cast<int>(count);
  release(at.arriving);
  at.arrived++;
  return at;
}
static void named_complete(Named& at) {
  if (at.arrived < at.count) return;
  at.arrived = 0;
  end_phase(at);
}
static void named_barrier_arrive(u32 id, u32 count) { named_complete(named_arrive(id, count, "bar.arrive")); }
static void named_barrier_sync(u32 id, u32 count) {
  Named& at = named_arrive(id, count, "bar.sync");
  u32 seen = at.phase;
  named_complete(at);
  while (at.phase == seen) wait_for_change(at.phase, "bar.sync");
  acquire(at.completed);
}

// ---------------------------------------------------------------- mbarriers

constexpr u64 MARK = 0x726569727261626dull;  // what lies in its memory: its true bits are nobody's business
struct MBarrier : Phased {
  Block* block;
  u32 offset, count;
  i32 pending;  // arrivals that this phase still misses, and bytes
  i64 bytes;
  int agent, maker;
  bool fenced;
};
static MBarrier mbarriers[MOST_MBARRIERS];
static int mbarrier_count;

static MBarrier* find_mbarrier(const Block& block, u32 offset) {
  for (int i = 0; i < mbarrier_count; i++)
    if (mbarriers[i].block == &block && mbarriers[i].offset == offset) return &mbarriers[i];
  return nullptr;
}
static MBarrier& mbarrier_at(u32 address, const char* what) {
  Block& block = block_of(address, what);
  u32 offset = offset_of(address, 8, 8, what);
  MBarrier* found = find_mbarrier(block, offset);
  if (!found) fail("%s: there is no mbarrier at shared byte %u", what, offset);
  if (memcmp(block.arena + offset, &MARK, 8)) fail("%s: the mbarrier at shared byte %u was overwritten", what, offset);
  watch(block, offset, 8, false, {current, clock_of(current, current)});  // after it was made
  return *found;
}
static void mbarrier_init(u32 address, u32 count) {
  u32 offset = offset_of(address, 8, 8, "mbarrier.init");
  if (find_mbarrier(*here, offset)) fail("mbarrier.init: there is one at shared byte %u already", offset);
  if (!count || count >= 1u << 20) fail("mbarrier.init: %u arrivals", count);
  if (mbarrier_count == MOST_MBARRIERS) fail("mbarrier.init: more than %d in a cluster", MOST_MBARRIERS);
  touch(offset, 8, true);
  memcpy(here->arena + offset, &MARK, 8);
  MBarrier& made = mbarriers[mbarrier_count++];
  begin_phases(made);
  made.block = here;
  made.offset = offset;
  made.count = count;
  made.pending = static_cast<i32>(count);
  made.bytes = 0;
  made.agent = new_agent("the copy engine");
  made.maker = current;
  made.fenced = false;
}
static void fence_mbarriers() {
  for (int i = 0; i < mbarrier_count; i++)
    if (mbarriers[i].maker == current) mbarriers[i].fenced = true;
}
static void settle(MBarrier& at) {
  if (at.pending) return;
  if (at.bytes < 0)
    note_failure(": the mbarrier at shared byte %u was told of %lld bytes fewer than arrived", at.offset, -at.bytes);
  if (at.bytes) return;
  at.pending = static_cast<i32>(at.count);
  at.arriving[at.agent] = at.phase + 1;
  end_phase(at);
}
static void mbarrier_arrive(u32 address, u32 bytes, const char* what) {
  MBarrier& at = mbarrier_at(address, what);
  if (!at.pending)
    fail("%s: more than the %u arrivals that the mbarrier at shared byte %u expects in a phase", what, at.count, at.offset);
  release(at.arriving);
  at.bytes += bytes;
  at.pending--;
  settle(at);
}
static void mbarrier_wait(u32 address, u32 parity) {
  MBarrier& at = mbarrier_at(address, "mbarrier.try_wait");
  if (parity > 1) fail("mbarrier.try_wait: a parity of %u", parity);
  while ((at.phase & 1) == parity) wait_for_change(at.phase, "mbarrier.try_wait");
  acquire(at.completed);
}
static void describe_waiting(char* text, size_t room) {  // the first mbarrier that somebody waits for
  for (int i = 0; i < total; i++)
    for (int b = 0; b < mbarrier_count && fibers[i].state == AT_PHASE; b++) {
      const MBarrier& at = mbarriers[b];
      if (fibers[i].watched != &at.phase) continue;
      snprintf(text, room, "; the mbarrier at shared byte %u of block %d misses %d arrivals and %lld bytes in phase %u", at.offset,
               static_cast<int>(at.block - blocks), at.pending, at.bytes, at.phase);
      return;
    }
}

// ---------------------------------------------------------------- the copy engine

// What simulate.py puts into the 128 bytes of a tensor map: matrices, `rank` 3 being a row of them. Sizes in elements, innermost
// first; `stride` (from row to row, from matrix to matrix) and `swizzle` in bytes.
struct Map { u64 magic, address, stride[2]; u32 element, swizzle, rank, size[3], box[3]; };
struct Corner { u32 rank; i32 x, y, z; };  // of a box
constexpr u64 MAP = 0x70616d726f736e65ull;
static Map map_of(const void* place, const Corner& corner, const char* what) {
  Map map;
  memcpy(&map, place, sizeof map);
  if (map.magic != MAP) fail("%s: this is no tensor map", what);
  if (map.rank != corner.rank) fail("%s: %u coordinates for a tensor map of rank %u", what, corner.rank, map.rank);
  return map;
}

// The 16-byte chunk that the copy engine and wgmma put at an address: bits 4 to 6 are mixed with bits 7 to 9.
static u32 swizzled(u32 address, u32 swizzle) { return address ^ (address >> 7 & (swizzle / 16 - 1) & 7) << 4; }

// Every 16 bytes of a box in shared memory with where they lie in global memory; of what lies outside, nothing is read or written.
template <class Move> static void move_box(const Map& map, u8* arena, u32 offset, const Corner& corner, Move move) {
  u32 row_bytes = map.box[0] * map.element, each = 16 / map.element;
  for (u32 row = 0; row < map.box[1] * map.box[2]; row++)
    for (u32 chunk = 0; chunk < row_bytes / 16; chunk++) {
      u32 at = offset + row * row_bytes + chunk * 16;
      u8* shared = arena + (map.swizzle ? swizzled(at + ARENA_BASE, map.swizzle) - ARENA_BASE : at);
      i64 z = static_cast<i64>(corner.z) + row / map.box[1], y = static_cast<i64>(corner.y) + row % map.box[1];
      i64 first = static_cast<i64>(corner.x) + chunk * each;
      bool there = y >= 0 && y < map.size[1] && z >= 0 && z < map.size[2];
      i64 line = y * static_cast<i64>(map.stride[0]) + z * static_cast<i64>(map.stride[1]);
      for (u32 e = 0; e < each; e++) {
        bool inside = there && first + e >= 0 && first + e < map.size[0];
        u64 global = map.address + static_cast<u64>(line + (first + e) * map.element);
        move(shared + e * map.element, reinterpret_cast<u8*>(global), inside);
      }
    }
}

struct Transfer { Block* block; u32 to; Map map; Corner corner; MBarrier* report; u32 phase; };
static Transfer transfers[MOST_TRANSFERS];
static int transfer_count;
static u32 reluctance;  // a copy goes on in one of so many turns

static u32 bytes_of(const Map& map) { return map.box[0] * map.box[1] * map.box[2] * map.element; }

static void tensor_load(u32 to, const void* place, const Corner& corner, u32 mbarrier, u32 mask, bool multicast) {
  const char* what = "cp.async.bulk.tensor";
  Map map = map_of(place, corner, what);
  u32 bytes = bytes_of(map), offset = offset_of(to, 128, bytes, what);
  if (multicast && (!mask || mask >> cluster)) fail("%s: blocks %x of a cluster of %d", what, mask, cluster);
  for (u32 rank = 0; rank < static_cast<u32>(cluster); rank++) {
    if (multicast ? !(mask >> rank & 1) : &blocks[rank] != here) continue;
    MBarrier& report = mbarrier_at(cluster_address(mbarrier, rank), what);
    if (!report.fenced)
      fail("%s: the copy engine does not see the mbarrier at shared byte %u: fence.mbarrier_init is missing", what, report.offset);
    if (transfer_count == MOST_TRANSFERS) fail("%s: more than %d under way", what, MOST_TRANSFERS);
    watch(blocks[rank], offset, bytes, true, {report.agent, report.phase + 1});
    memset(blocks[rank].arena + offset, 0xff, bytes);  // NaN until it has come
    transfers[transfer_count++] = {&blocks[rank], offset, map, corner, &report, report.phase};
  }
}
// One copy arrives, where it is its turn.
static bool transfer_goes_on(int others) {
  if (more.go_on && more.go_on(others)) return true;
  if (!transfer_count || (others && random_number() % reluctance)) return false;
  int pick = random_number() % transfer_count;
  Transfer one = transfers[pick];
  transfers[pick] = transfers[--transfer_count];
  move_box(one.map, one.block->arena, one.to, one.corner, [&](u8* shared, const u8* global, bool inside) {
    if (inside) memcpy(shared, global, one.map.element);
    else memset(shared, 0, one.map.element);
  });
  blockIdx = one.block->index;
  MBarrier& at = *one.report;
  at.bytes -= bytes_of(one.map);
  if (at.phase != one.phase)
    note_failure(": the mbarrier at shared byte %u ended its phase before a copy of %u bytes: too few were expected", at.offset,
                 bytes_of(one.map));
  settle(at);
  return true;
}

// Bulk stores of a thread: they read shared memory until their group has been waited for.
struct Stores { int agent; u32 group; bool open; };
static Stores stores[MOST_FIBERS];

static void tensor_store(const void* place, u32 from, const Corner& corner) {
  const char* what = "cp.async.bulk.tensor to global memory";
  Map map = map_of(place, corner, what);
  u32 bytes = bytes_of(map), offset = offset_of(from, 128, bytes, what);
  Stores& mine = stores[current];
  if (mine.agent < 0) mine.agent = new_agent("a bulk store");
  mine.open = true;
  watch(*here, offset, bytes, false, {mine.agent, mine.group});
  move_box(map, here->arena, offset, corner, [&](const u8* shared, u8* global, bool inside) {
    if (inside) memcpy(global, shared, map.element);
  });
}
static void bulk_commit() {
  stores[current].group++;
  stores[current].open = false;
}
static void bulk_wait_read(u32 pending) {
  Stores& mine = stores[current];
  if (mine.agent < 0 || mine.group - 1 <= pending) return;
  u32& known = clock_of(current, mine.agent);
  known = known > mine.group - 1 - pending ? known : mine.group - 1 - pending;
}

// ---------------------------------------------------------------- warpgroups: wgmma, setmaxnreg

constexpr u32 POISON = 0x7fc0dead;  // in accumulators that must not be read: NaN as float
constexpr int MOST_PRODUCTS = 8;
struct Product { void* d[128]; u32* sums; int count; u32 group; };  // accumulators under way: their true sums, thread by thread
// Registers with rows of A that wgmma still reads: what they truly hold; `kept`: or held at the last wgmma.fence.
struct Fragment { u32* a[128]; u32 held[128][4], kept[128][4]; u32 group; bool under_way, known; };
constexpr int MOST_FRAGMENTS = 64;
struct Warpgroup {
  const char* what;
  int arrived;
  void* slot[128];
  int agent;
  u32 group;          // that is open
  bool open, fenced;  // whether it holds anything; whether registers may be handed to wgmma
  Product products[MOST_PRODUCTS];
  int product_count;
  Fragment fragments[MOST_FRAGMENTS];
  int fragment_count;
  u32 registers;
};
static Warpgroup warpgroups[MOST_FIBERS / 128];
static i64 register_pool[MOST_CLUSTER];  // free registers of each block's processor
static u32 register_changes;

// All 128 threads bring their slots; the last to come computes for all.
template <class Compute> static Warpgroup& gather(const char* what, void* slot, Compute compute) {
  if (threads % 128) fail("%s: %d threads are no whole warpgroups", what, threads);
  int member = current % 128, first = current - member;
  Warpgroup& group = warpgroups[current / 128];
  if (!group.arrived) group.what = what;
  if (strcmp(group.what, what)) fail("%s, while other threads of its warpgroup are at %s", what, group.what);
  group.slot[member] = slot;
  if (++group.arrived < 128) {
    wait(AT_MEETING, what);
    return group;
  }
  compute(group);
  group.arrived = 0;
  for (int i = first; i < first + 128; i++)
    if (i != current) wake(i);
  return group;
}

// A matrix as a descriptor lays it out (PTX ISA, "Matrix Descriptor"): chunks of 16 bytes in core matrices of eight rows.
struct Layout { u32 start, leading, stride, swizzle; };
static Layout layout_of(u64 descriptor, const char* what) {
  constexpr u64 KNOWN = 0x3fffull | 0x3fffull << 16 | 0x3fffull << 32 | 7ull << 49 | 3ull << 62;
  auto bytes = [&](int bit) { return static_cast<u32>(descriptor >> bit & 0x3fff) << 4; };
  static const u32 swizzles[] = {0, 128, 64, 32};
  if (descriptor & ~KNOWN) fail("%s: bits of the descriptor %016llx are set that mean nothing", what, descriptor);
  if (descriptor >> 49 & 7) fail("%s: base offsets are not simulated", what);
  Layout at{bytes(0), bytes(16), bytes(32), swizzles[descriptor >> 62]};
  if (at.swizzle && at.start % (8 * at.swizzle) >= at.swizzle)
    fail("%s: the matrix at shared byte %u begins within a pattern of %u bytes", what, at.start - ARENA_BASE, 8 * at.swizzle);
  return at;
}
// The chunk of row r, bytes 16 c of k; or, with k the slow index, of step k, rows 8 u and on.
static u32 chunk_along_k(const Layout& at, u32 r, u32 c) {
  if (!at.swizzle) return at.start + r / 8 * at.stride + r % 8 * 16 + c * at.leading;
  return swizzled(at.start + r / 8 * at.stride + r % 8 * at.swizzle + c * 16, at.swizzle);
}
static u32 chunk_across_k(const Layout& at, u32 k, u32 u) {
  if (!at.swizzle) return at.start + u * at.stride + k % 8 * 16 + k / 8 * at.leading;
  u32 units = at.swizzle / 16;
  return swizzled(at.start + u / units * at.leading + u % units * 16 + k / 8 * at.stride + k % 8 * at.swizzle, at.swizzle);
}
// `rows` rows of 32 bytes of k, whatever their order in shared memory.
static void fetch(const char* what, u64 descriptor, u32 rows, bool across, u8* into, const Touch& now) {
  Layout at = layout_of(descriptor, what);
  if (!across && at.swizzle && at.start % at.swizzle + 32 > at.swizzle)
    fail("%s: 32 bytes of k go beyond the row of %u", what, at.swizzle);
  auto chunk = [&](u32 address) {
    u32 offset = offset_of(address, 16, 16, what);
    watch(*here, offset, 16, false, now);
    return here->arena + offset;
  };
  if (!across) {
    for (u32 r = 0; r < rows; r++)
      for (u32 c = 0; c < 2; c++) memcpy(into + r * 32 + c * 16, chunk(chunk_along_k(at, r, c)), 16);
    return;
  }
  for (u32 k = 0; k < 16; k++)  // 2-byte elements
    for (u32 u = 0; u < rows / 8; u++) {
      const u8* from = chunk(chunk_across_k(at, k, u));
      for (u32 e = 0; e < 8; e++) memcpy(into + (u * 8 + e) * 32 + k * 2, from + e * 2, 2);
    }
}
__attribute__((optimize("O3"), noinline)) static void multiply_rows(const double* a, const double* b, double* c, int columns, int depth) {
  for (int row = 0; row < 64; row++) {
    double* sums = c + row * columns;
    for (int column = 0; column < columns; column++) sums[column] = 0.0;
    for (int k = 0; k < depth; k++) {
      double left = a[row * depth + k];
      const double* right = b + k * columns;
      for (int column = 0; column < columns; column++) sums[column] += left * right[column];
    }
  }
}
// Cut off to `bits` after the leading one, towards zero; all of them where `bits` is 0.
static double cut_off(double v, int bits) {
  if (!bits || v == 0.0 || v != v) return v;
  double unit = ldexp(1.0, ilogb(v) - bits);
  return trunc(v / unit) * unit;
}

static void check_untouched(const Product& product) {
  for (const void* d : product.d)
    for (int i = 0; i < product.count; i++)
      if (static_cast<const u32*>(d)[i] != POISON) fail("wgmma: an accumulator was written while it was under way");
}
static Product& product_of(Warpgroup& group, int count, void* (*accumulators)(void*)) {
  for (int p = 0; p < group.product_count; p++)
    if (group.products[p].d[0] == accumulators(group.slot[0])) {
      check_untouched(group.products[p]);
      return group.products[p];
    }
  if (!group.fenced) fail("wgmma: no wgmma.fence since the accumulators were last in other hands");
  if (group.product_count == MOST_PRODUCTS) fail("wgmma: more than %d accumulators under way", MOST_PRODUCTS);
  Product& product = group.products[group.product_count++];
  product.count = count;
  product.sums = static_cast<u32*>(realloc(product.sums, 128 * count * sizeof(u32)));
  for (int t = 0; t < 128; t++) {
    product.d[t] = accumulators(group.slot[t]);
    memcpy(product.sums + t * count, product.d[t], count * sizeof(u32));
  }
  return product;
}

// A's registers: 32 bytes of k of rows g and g + 8, as mma takes them. Until the wait nobody may read or write them, so they hold
// POISON; and a wgmma.fence must lie between their last writing and wgmma.
static void check_untouched(const Fragment& fragment) {
  for (const u32* a : fragment.a)
    for (int i = 0; i < 4; i++)
      if (a[i] != POISON) fail("wgmma: a register of A was written while it was under way");
}
static Fragment& fragment_of(Warpgroup& group, u32* const (&a)[128]) {
  int f = 0;
  while (f < group.fragment_count && group.fragments[f].a[0] != a[0]) f++;
  if (f == MOST_FRAGMENTS) fail("wgmma: more than %d fragments of A in a warpgroup", MOST_FRAGMENTS);
  Fragment& fragment = group.fragments[f];
  if (f == group.fragment_count) {
    group.fragment_count++;
    fragment.under_way = fragment.known = false;
  }
  if (fragment.under_way) {
    check_untouched(fragment);
    return fragment;
  }
  if (!group.fenced) fail("wgmma: no wgmma.fence since the registers of A were last in other hands");
  for (int t = 0; t < 128; t++) {
    fragment.a[t] = a[t];
    if (fragment.known && memcmp(fragment.kept[t], a[t], sizeof fragment.kept[t]))
      fail("wgmma: a register of A was written after the wgmma.fence");
    memcpy(fragment.held[t], a[t], sizeof fragment.held[t]);
    for (int i = 0; i < 4; i++) a[t][i] = POISON;
  }
  fragment.under_way = true;
  return fragment;
}
static void fetch_fragment(const Fragment& fragment, u8* into) {
  for (int t = 0; t < 128; t++)
    for (int i = 0; i < 4; i++)
      memcpy(into + (t / 32 * 16 + t % 32 / 4 + i % 2 * 8) * 32 + i / 2 * 16 + t % 4 * 4, &fragment.held[t][i], 4);
}

// d (64 x 2 count) = a b, or with `add` d += a b, for 32 bytes of k. Sums in double, rounded (or cut off) once. `a` is a descriptor
// or, where `fragment` is given, in those registers.
template <class Sum, int count, class Decode>
static void wgmma(const char* what, Sum (&d)[count], u64 a, u64 b, u32 add, int element, bool across, Decode decode, int bits = 0,
                  const u32* fragment = nullptr) {
  struct Operands { Sum* d; u64 a, b; u32 add; const u32* fragment; } mine{d, a, b, add != 0, fragment};
  gather(what, &mine, [&](Warpgroup& group) {
    for (void* slot : group.slot) {
      const Operands& other = *static_cast<Operands*>(slot);
      if (other.a != mine.a || other.b != mine.b || other.add != mine.add)
        fail("%s: the threads of a warpgroup disagree on its operands", what);
    }
    constexpr int columns = 2 * count;
    const int depth = 32 / element;
    static u8 raw[256 * 32];
    static double left[64 * 32], right[32 * 256], sums[64 * 256];
    auto value = [&](int row, int k) {
      u32 v = 0;
      memcpy(&v, raw + row * 32 + k * element, element);
      return decode(v);
    };
    if (group.agent < 0) group.agent = new_agent("wgmma");
    const Touch now{group.agent, group.group};
    if (fragment) {
      u32* places[128];
      for (int t = 0; t < 128; t++) places[t] = const_cast<u32*>(static_cast<Operands*>(group.slot[t])->fragment);
      Fragment& registers = fragment_of(group, places);
      registers.group = group.group;
      fetch_fragment(registers, raw);
    } else {
      fetch(what, a, 64, false, raw, now);
    }
    for (int row = 0; row < 64; row++)
      for (int k = 0; k < depth; k++) left[row * depth + k] = value(row, k);
    fetch(what, b, columns, across, raw, now);
    for (int k = 0; k < depth; k++)
      for (int column = 0; column < columns; column++) right[k * columns + column] = value(column, k);
    multiply_rows(left, right, sums, columns, depth);
    Product& product = product_of(group, count, [](void* slot) -> void* { return static_cast<Operands*>(slot)->d; });
    for (int t = 0; t < 128; t++)
      for (int i = 0; i < count; i++) {
        int row = t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + t % 4 * 2 + i % 2;
        Sum old;
        memcpy(&old, product.sums + t * count + i, sizeof old);
        double sum = (mine.add ? static_cast<double>(old) : 0.0) + sums[row * columns + column];
        Sum rounded = static_cast<Sum>(cut_off(sum, bits));
        memcpy(product.sums + t * count + i, &rounded, sizeof rounded);
        memcpy(static_cast<u32*>(product.d[t]) + i, &POISON, sizeof POISON);
      }
    product.group = group.group;
    group.open = true;
  });
}
static void wgmma_fence() {
  gather("wgmma.fence", nullptr, [](Warpgroup& group) {
    group.fenced = true;
    for (int f = 0; f < group.fragment_count; f++) {
      Fragment& fragment = group.fragments[f];
      fragment.known = !fragment.under_way;
      for (int t = 0; t < 128 && fragment.known; t++) memcpy(fragment.kept[t], fragment.a[t], sizeof fragment.kept[t]);
    }
  });
}
static void wgmma_commit() {
  gather("wgmma.commit_group", nullptr, [](Warpgroup& group) {
    group.group++;
    group.open = false;
  });
}
static void wgmma_wait(u32 pending) {
  Warpgroup& group = gather("wgmma.wait_group", nullptr, [=](Warpgroup& all) {
    for (int p = all.product_count - 1; p >= 0; p--) {
      Product& product = all.products[p];
      if (product.group + pending >= all.group) continue;
      check_untouched(product);
      for (int t = 0; t < 128; t++) memcpy(product.d[t], product.sums + t * product.count, product.count * sizeof(u32));
      const Product done = product;  // its memory is used again
      product = all.products[--all.product_count];
      all.products[all.product_count] = done;
    }
    for (int f = 0; f < all.fragment_count; f++) {
      Fragment& fragment = all.fragments[f];
      if (!fragment.under_way || fragment.group + pending >= all.group) continue;
      check_untouched(fragment);
      for (int t = 0; t < 128; t++) memcpy(fragment.a[t], fragment.held[t], sizeof fragment.held[t]);
      fragment.under_way = fragment.known = false;
    }
    all.fenced = false;
  });
  if (group.agent < 0 || group.group - 1 <= pending) return;
  u32& known = clock_of(current, group.agent);
  known = known > group.group - 1 - pending ? known : group.group - 1 - pending;
}

// setmaxnreg: what one warpgroup gives back another may take, so the sum must never exceed the processor's registers.
static void set_registers(const char* what, u32 count, bool more) {
  if (count % 8 || count < 24 || count > 256) fail("%s: %u registers", what, count);
  Warpgroup& group = gather(what, nullptr, [](Warpgroup&) {});
  i64& pool = register_pool[here - blocks];
  auto wanted = [&] { return 128 * (static_cast<i64>(count) - static_cast<i64>(group.registers)); };
  if (group.registers == count) return;  // another thread of the warpgroup has seen to it
  if (more != wanted() > 0) fail("%s: from %u registers to %u", what, group.registers, count);
  while (wanted() > pool) wait_for_change(register_changes, what);
  pool -= wanted();
  group.registers = count;
  register_changes++;
  wake_watchers(register_changes);
}

// ---------------------------------------------------------------- the beginning and the end

static void begin_cluster() {
  constexpr u32 REGISTERS = 65536;
  width = 2 * total + MOST_AGENTS;
  agents = mbarrier_count = transfer_count = cluster_arrived = 0;
  reluctance = 2u << 2 * (random_number() % 3);
  if (!clocks) clocks = static_cast<u32*>(malloc(static_cast<size_t>(total) * width * sizeof(u32)));
  memset(clocks, 0, static_cast<size_t>(total) * width * sizeof(u32));
  begin_phases(cluster_barrier);
  for (int b = 0; b < cluster; b++)
    for (Named& each : named[b]) {
      begin_phases(each);
      each.arrived = 0;
    }
  u32 registers = REGISTERS / static_cast<u32>(threads) / 8 * 8;
  if (registers > 256) registers = 256;
  for (int b = 0; b < cluster; b++) register_pool[b] = REGISTERS - static_cast<i64>(registers) * threads;
  for (int i = 0; i < total; i++) {
    clock_of(i, i) = 1;
    stores[i] = {-1, 1, false};
  }
  for (int g = 0; g <= (total - 1) / 128; g++) {
    Warpgroup& group = warpgroups[g];
    group.arrived = group.product_count = group.fragment_count = 0;
    group.agent = -1;
    group.group = 1;
    group.open = group.fenced = false;
    group.registers = registers;
  }
  if (more.begin) more.begin();
}
static void forget_clocks() {
  free(clocks);
  clocks = nullptr;
}
static void end_thread() {
  const Stores& mine = stores[current];
  if (mine.agent >= 0 && clock_of(current, mine.agent) + 1 < mine.group + mine.open)
    fail("the thread ends while its stores read shared memory: cp.async.bulk.wait_group is missing");
  const Warpgroup& group = warpgroups[current / 128];
  if (group.open || group.product_count) fail("the thread ends while wgmma is under way");
  for (int i = 0; i < transfer_count && here->alive == 1; i++)
    if (transfers[i].block == here) fail("the block ends while a copy into its shared memory is under way");
  if (more.end_thread) more.end_thread();
}
static void end_cluster() {
  for (int i = 0; i < mbarrier_count && !failure[0]; i++) {
    const MBarrier& at = mbarriers[i];
    blockIdx = at.block->index;
    if (at.bytes) note_failure(": the mbarrier at shared byte %u still expects %lld bytes at the end", at.offset, at.bytes);
  }
  if (more.end && !failure[0]) more.end();
}

}  // namespace sim
