// The tensor cores of sm_100a, as far as a kernel can tell: tensor memory, tcgen05.mma, commit, ld and their fences, one block's
// or a pair's. What `ptx_tcgen05.cuh` means when g++ compiles it; it adds a machine to those of cuda_host_async.h.
//
// A product (or copy of scales) is done at a moment drawn by lot, after those that its thread asked for earlier; only then is shared memory read and
// are the sums there. The arrivals of a commit follow each at a moment of its own. Registers are NaN until their ld is waited for.
//
// Who comes after whom is told by the same vector clocks. A product touches shared and tensor memory for an agent of its thread,
// counted in commits; a warp's ld, alloc and dealloc for an agent of the warp. What a barrier has told counts for tcgen05 only
// from the thread's next fence::after_thread_sync on, and a warp's ld is told to others only by a fence::before_thread_sync
// that follows its wait::ld.
//
// Found beside races: lanes that are not the warp's, columns that nobody allocated or freed, descriptors of shared memory and of
// products that the PTX ISA does not allow or that are not simulated, groups of one and two blocks mixed, a missing commit (as a
// deadlock), arrivals at a block that has ended, tensor memory that is not freed.
#pragma once

namespace sim {

constexpr u32 TMEM_COLUMNS = 512, TMEM_LANES = 128, QUARTERS = 4, MOST_OPERATIONS = 1024, TMEM_POISON = 0x7fc0dead;

// ---------------------------------------------------------------- tensor memory

struct TmemShadow { Touch write, reads[2]; };
struct Tmem {
  u32 word[TMEM_LANES][TMEM_COLUMNS];
  TmemShadow shadow[QUARTERS][TMEM_COLUMNS];  // a warp reads a quarter of the lanes
  u8 group[TMEM_COLUMNS];                     // for which it was allocated; 0: it is free
  u16 length[TMEM_COLUMNS];                   // of the allocation that begins here
  bool relinquished;
};
static Tmem tmems[MOST_CLUSTER];
static u32 tmem_lot;                          // where allocations begin, and which lane is elected
static u32 seen[MOST_FIBERS][MOST_AGENTS];    // what tcgen05 knows of the agents, by each thread's last fence

// What a warp asks of tensor memory, counted; up to which it has waited; and what its ld will bring.
struct Loading { u32* registers; u32 count, value[64]; };
struct TmemWarp { int agent; u32 count, waited; Loading loads[32][4]; int loading; bool storing; };
static TmemWarp tmem_warps[MOST_WARPS];

static TmemWarp& tmem_warp() {
  TmemWarp& warp = tmem_warps[current / 32];
  if (warp.agent < 0) warp.agent = new_agent("a warp's tcgen05.ld, st, alloc or dealloc");
  return warp;
}
static bool tcgen05_knows(const Touch& before, int agent) {
  return before.by < 0 || before.by == agent || seen[current][before.by - 2 * total] >= before.when;
}
static void tmem_watch(Block& block, u32 quarter, u32 column, bool write, const Touch& now) {
  TmemShadow& place = tmems[&block - blocks].shadow[quarter][column];
  auto check = [&](const Touch& before, const char* how) {
    if (tcgen05_knows(before, now.by)) return;
    const char* missing = ordered(before) ? "tcgen05.fence::after_thread_sync is missing" : "they are not ordered: a barrier or tcgen05.fence is missing";
    fail("race: column %u of tensor memory is %s by %s and %s: %s", column, how, name_of(before.by), name_of(now.by), missing);
  };
  check(place.write, write ? "written twice" : "written and read");
  if (write) {
    for (const Touch& read : place.reads) check(read, "read and written");
    place = TmemShadow{};
    place.write = now;
    return;
  }
  Touch* over = &place.reads[random_number() % 2];
  for (Touch& read : place.reads)
    if (read.by < 0 || read.by == now.by) over = &read;
  *over = now;
}
static void check_columns(Block& block, u32 column, u32 count, int group, const char* what) {
  if (column + count > TMEM_COLUMNS) fail("%s: columns %u to %u of tensor memory, which has %u", what, column, column + count - 1, TMEM_COLUMNS);
  for (u32 c = column; c < column + count; c++) {
    u8 owner = tmems[&block - blocks].group[c];
    if (!owner) fail("%s: column %u of tensor memory is not allocated in block %d of the cluster", what, c, static_cast<int>(&block - blocks));
    if (group && owner != group) fail("%s: column %u of tensor memory was allocated for cta_group::%u", what, c, owner);
  }
}
static void check_pair(int group, const char* what) {
  if (group == 2 && (cluster % 2 || threads % 32)) fail("%s: there are no pairs in a cluster of %d", what, cluster);
}

template <int group> static void tmem_allocate(u32 to, u32 columns) {
  const char* what = "tcgen05.alloc";
  check_pair(group, what);
  meet(what, ALL_LANES, nullptr, [=](void**, u32) {
    Tmem& memory = tmems[here - blocks];
    if (columns < 32 || columns > TMEM_COLUMNS || columns & (columns - 1)) fail("%s: %u columns", what, columns);
    if (memory.relinquished) fail("%s after tcgen05.relinquish_alloc_permit", what);
    u32 starts[TMEM_COLUMNS / 32], count = 0;
    for (u32 start = 0; start + columns <= TMEM_COLUMNS; start += columns) {
      bool free = true;
      for (u32 c = start; c < start + columns; c++) free &= !memory.group[c];
      if (free) starts[count++] = start;
    }
    if (!count) fail("%s: no %u columns are free, and nobody frees them", what, columns);
    u32 start = starts[tmem_lot % count];  // the same in both blocks of a pair, which allocate together
    TmemWarp& warp = tmem_warp();
    warp.waited = ++warp.count;
    for (u32 c = start; c < start + columns; c++) {
      memory.group[c] = group;
      for (u32 q = 0; q < QUARTERS; q++) tmem_watch(*here, q, c, true, {warp.agent, warp.count});
      for (u32 lane = 0; lane < TMEM_LANES; lane++) memory.word[lane][c] = TMEM_POISON;
    }
    memory.length[start] = static_cast<u16>(columns);
    memcpy(shared_place(to, 4, what), &start, 4);
    touch(to - ARENA_BASE, 4, true, current / 32 * 32);
  });
}
template <int group> static void tmem_free(u32 tmem, u32 columns) {
  const char* what = "tcgen05.dealloc";
  meet(what, ALL_LANES, nullptr, [=](void**, u32) {
    Tmem& memory = tmems[here - blocks];
    if (tmem >= TMEM_COLUMNS || memory.length[tmem] != columns) fail("%s: no %u columns were allocated at %x", what, columns, tmem);
    check_columns(*here, tmem, columns, group, what);
    TmemWarp& warp = tmem_warp();
    warp.waited = ++warp.count;
    for (u32 c = tmem; c < tmem + columns; c++) {
      for (u32 q = 0; q < QUARTERS; q++) tmem_watch(*here, q, c, true, {warp.agent, warp.count});
      memory.group[c] = 0;
    }
    memory.length[tmem] = 0;
  });
}
static void tmem_allocate_no_more() {
  meet("tcgen05.relinquish_alloc_permit", ALL_LANES, nullptr, [](void**, u32) { tmems[here - blocks].relinquished = true; });
}

static void tmem_load(u32* registers, u32 count, u32 place) {
  struct Slot { u32* registers; u32 place; } slot{registers, place};
  const char* what = "tcgen05.ld";
  meet(what, ALL_LANES, &slot, [=](void** slots, u32) {
    u32 lane = place >> 16, column = place & 0xffff, quarter = static_cast<u32>(current % threads / 32 % 4);
    for (int i = 0; i < 32; i++)
      if (static_cast<Slot*>(slots[i])->place != place) fail("%s: the lanes of a warp disagree on the place", what);
    if (lane != 32 * quarter) fail("%s: lane %u of tensor memory, and this warp reads from lane %u on", what, lane, 32 * quarter);
    check_columns(*here, column, count, 0, what);
    TmemWarp& warp = tmem_warp();
    if (warp.loading == 4) fail("%s: more than 4 under way in a warp", what);
    warp.count++;
    for (u32 c = column; c < column + count; c++) tmem_watch(*here, quarter, c, false, {warp.agent, warp.count});
    for (u32 i = 0; i < 32; i++) {
      Loading& load = warp.loads[i][warp.loading];
      load.registers = static_cast<Slot*>(slots[i])->registers;
      load.count = count;
      memcpy(load.value, &tmems[here - blocks].word[lane + i][column], count * 4);
      for (u32 c = 0; c < count; c++) load.registers[c] = TMEM_POISON;
    }
    warp.loading++;
  });
}
static void tmem_load_wait() {
  meet("tcgen05.wait::ld", ALL_LANES, nullptr, [](void**, u32) {
    TmemWarp& warp = tmem_warp();
    for (auto& lane : warp.loads)
      for (int l = 0; l < warp.loading; l++) memcpy(lane[l].registers, lane[l].value, lane[l].count * 4);
    warp.loading = 0;
    if (!warp.storing) warp.waited = warp.count;
  });
}
static void tmem_store(const u32* registers, u32 count, u32 place) {
  struct Slot { const u32* registers; u32 place; } slot{registers, place};
  const char* what = "tcgen05.st";
  meet(what, ALL_LANES, &slot, [=](void** slots, u32) {
    u32 lane = place >> 16, column = place & 0xffff, quarter = static_cast<u32>(current % threads / 32 % 4);
    for (int i = 0; i < 32; i++)
      if (static_cast<Slot*>(slots[i])->place != place) fail("%s: the lanes of a warp disagree on the place", what);
    if (lane != 32 * quarter) fail("%s: lane %u of tensor memory, and this warp writes from lane %u on", what, lane, 32 * quarter);
    check_columns(*here, column, count, 0, what);
    TmemWarp& warp = tmem_warp();
    warp.count++;
    warp.storing = true;
    for (u32 c = column; c < column + count; c++) tmem_watch(*here, quarter, c, true, {warp.agent, warp.count});
    for (u32 i = 0; i < 32; i++) memcpy(&tmems[here - blocks].word[lane + i][column], static_cast<Slot*>(slots[i])->registers, count * 4);
  });
}
static void tmem_store_wait() {
  meet("tcgen05.wait::st", ALL_LANES, nullptr, [](void**, u32) {
    TmemWarp& warp = tmem_warp();
    warp.storing = false;
    if (!warp.loading) warp.waited = warp.count;
  });
}

static void tcgen05_fence_before() {
  const TmemWarp& warp = tmem_warps[current / 32];
  if (warp.agent >= 0) clock_of(current, warp.agent) = warp.waited;
}
static void tcgen05_fence_after() { memcpy(seen[current], clocks_of(current) + 2 * total, sizeof seen[0]); }

// ---------------------------------------------------------------- what a thread asks of the tensor cores

// A product in `group` blocks, from this one on; scales copied to tensor memory; or the end of what came before, told to mbarriers.
enum { KIND_F16, KIND_TF32, KIND_F8F6F4, KIND_I8, KIND_MXFP8, KIND_NVFP4 };
struct Product5 {
  u32 column, columns, depth, bits, format;  // bits of an element
  int kind, group;
  u64 a, b;
  bool across_a, across_b, add;
  bool a_in_tmem;                          // then `a` is its first column
  u32 a_scales, b_scales, a_byte, b_byte;  // columns, and which byte of their words
};
enum Task { PRODUCT5, COPY5, COMMIT5 };
struct Operation { Task task; Product5 what; MBarrier* report[MOST_CLUSTER]; int reports; u32 commit; u32 known[MOST_AGENTS]; };
struct Issuer { int thread, agent, group; u32 commit; Operation* queue; u32 first, last; };
struct Arrival { MBarrier* at; int agent; u32 commit; u32 known[MOST_AGENTS]; };
static Issuer issuers[MOST_CLUSTER];
static int issuer_count, arrival_count;
static Arrival arrivals[MOST_OPERATIONS];

static Issuer& issuer_of(int group, const char* what) {
  Issuer* found = nullptr;
  for (int i = 0; i < issuer_count; i++)
    if (issuers[i].thread == current) found = &issuers[i];
  if (!found) {
    if (issuer_count == MOST_CLUSTER) fail("%s: more than %d threads of a cluster use the tensor cores", what, MOST_CLUSTER);
    found = &issuers[issuer_count++];
    if (!found->queue) found->queue = static_cast<Operation*>(malloc(MOST_OPERATIONS * sizeof(Operation)));
    *found = {current, new_agent("tcgen05.mma"), group, 1, found->queue, 0, 0};
  }
  if (found->group != group) fail("%s: cta_group::%d after cta_group::%d", what, group, found->group);
  if (found->last - found->first == MOST_OPERATIONS) fail("%s: more than %u operations under way", what, MOST_OPERATIONS);
  return *found;
}

// PTX ISA, "Shared memory descriptor" of tcgen05: not wgmma's.
static Layout operand_layout(u64 descriptor, const char* what) {
  constexpr u64 KNOWN = 0x3fffull | 0x3fffull << 16 | 0x3fffull << 32 | 15ull << 46 | 7ull << 49 | 1ull << 52 | 7ull << 61;
  auto bytes = [&](int bit) { return static_cast<u32>(descriptor >> bit & 0x3fff) << 4; };
  static const u32 swizzles[] = {0, 1, 128, 1, 64, 1, 32, 1};  // 1: the swizzle of 32-byte pieces, or none
  u32 swizzle = swizzles[descriptor >> 61];
  if (descriptor & ~KNOWN || (descriptor >> 46 & 7) != 1) fail("%s: the descriptor %016llx is not one of tcgen05", what, descriptor);
  if (swizzle == 1 || (descriptor >> 49 & 15)) fail("%s: the descriptor %016llx is not simulated", what, descriptor);
  Layout at{bytes(0), bytes(16), bytes(32), swizzle};
  if (at.swizzle && at.start % (8 * at.swizzle) >= at.swizzle)
    fail("%s: the matrix at shared byte %u begins within a pattern of %u bytes", what, at.start - ARENA_BASE, 8 * at.swizzle);
  return at;
}
// Every chunk of 16 bytes of `rows` rows of 32 bytes of k: the offset of each, and which it is (row and half; or k and rows / 8).
template <class Visit> static void visit_operand(u64 descriptor, u32 rows, bool across, const char* what, Visit visit) {
  Layout at = operand_layout(descriptor, what);
  if (!across && at.swizzle && at.start % at.swizzle + 32 > at.swizzle) fail("%s: 32 bytes of k go beyond the row of %u", what, at.swizzle);
  for (u32 i = 0; i < (across ? 16 : rows); i++)
    for (u32 j = 0; j < (across ? rows / 8 : 2); j++)
      visit(i, j, offset_of(across ? chunk_across_k(at, i, j) : chunk_along_k(at, i, j), 16, 16, what));
}
static void watch_chunk(Block& block, u32 offset, const Touch& now) {
  watch(block, offset, 16, false, now);
  for (u32 i = offset / GRAIN; i < (offset + 16) / GRAIN; i++) {
    const Touch& write = block.shadow[i].write;
    if (write.by >= 2 * total && !tcgen05_knows(write, now.by))
      fail("tcgen05 takes up shared byte %u from %s: tcgen05.fence::after_thread_sync is missing", i * GRAIN, name_of(write.by));
  }
}
static void watch_operand(Block& block, u64 descriptor, u32 rows, bool across, const Touch& now) {
  visit_operand(descriptor, rows, across, "tcgen05.mma", [&](u32, u32, u32 offset) { watch_chunk(block, offset, now); });
}

// PTX ISA, "Instruction descriptor": M and N, types and majorness, as far as they are simulated.
static Product5 product_of(int kind, int group, u32 instruction, const char* what) {
  static const u32 sums[] = {1, 1, 1, 2, 0, 0}, sizes[] = {16, 32, 8, 8, 8, 4};  // block-scaled, bits 4 and 5 mean something else
  const bool scaled = kind >= KIND_MXFP8;
  auto bits = [=](int from, int count) { return instruction >> from & ((1u << count) - 1); };
  Product5 p{};
  p.kind = kind, p.group = group, p.bits = sizes[kind], p.depth = 256 / p.bits, p.format = bits(7, 3);
  p.columns = bits(17, 6) * 8, p.across_a = bits(15, 1), p.across_b = bits(16, 1);
  u32 rows = bits(24, 5) * 16;
  if (bits(0, 4) || bits(6, 1) || bits(13, 2) || (scaled ? bits(31, 1) : bits(23, 1) || bits(29, 3)))
    fail("%s: the instruction descriptor %08x sets what is reserved or not simulated", what, instruction);
  bool known = kind == KIND_F16 ? p.format < 2 : kind == KIND_TF32 ? p.format == 2 : p.format == (kind == KIND_I8 || kind == KIND_NVFP4);
  if (!known || bits(10, 3) != p.format || (!scaled && bits(4, 2) != sums[kind]))
    fail("%s: types %u and %u with sums of type %u", what, p.format, bits(10, 3), bits(4, 2));
  if (scaled) {
    p.a_byte = bits(29, 2), p.b_byte = bits(4, 2);
    if (bits(23, 1) != (kind == KIND_MXFP8)) fail("%s: scales of type %u", what, bits(23, 1));
    if (kind == KIND_NVFP4 && (p.a_byte || p.b_byte)) fail("%s: four scales from byte %u or %u of a word", what, p.a_byte, p.b_byte);
  }
  if (rows != TMEM_LANES * group) fail("%s: %u rows are not simulated in cta_group::%d", what, rows, group);
  if (!p.columns || p.columns % (16 * group) || p.columns > 256) fail("%s: %u columns", what, p.columns);
  if ((p.across_a || p.across_b) && p.bits != 16) fail("%s: only 2-byte elements are simulated across k", what);
  return p;
}
static void watch_columns(Block& block, u32 column, u32 count, bool write, const Touch& now) {
  for (u32 c = column; c < column + count; c++)
    for (u32 q = 0; q < QUARTERS; q++) tmem_watch(block, q, c, write, now);
}
template <int group> static void multiply5(int kind, u32 d, u64 a, u64 b, u32 instruction, u32 add, u32 a_scales = 0, u32 b_scales = 0, bool a_in_tmem = false) {
  const char* what = "tcgen05.mma";
  check_pair(group, what);
  if ((here - blocks) % group) fail("%s: the second block of a pair multiplies", what);
  Product5 product = product_of(kind, group, instruction, what);
  product.column = d & 0xffff, product.a = a, product.b = b, product.add = add, product.a_scales = a_scales, product.b_scales = b_scales;
  product.a_in_tmem = a_in_tmem;
  if ((d | a_scales | b_scales) >> 16) fail("%s: sums or scales from lane %u on", what, (d | a_scales | b_scales) >> 16);
  Issuer& issuer = issuer_of(group, what);
  const Touch now{issuer.agent, issuer.commit};
  for (Block* block = here; block < here + group; block++) {
    if (!block->alive) fail("%s: the other block of the pair has ended", what);
    check_columns(*block, product.column, product.columns, group, what);
    if (a_in_tmem) {
      check_columns(*block, static_cast<u32>(a), 8, group, what);  // 32 bytes of a row
      watch_columns(*block, static_cast<u32>(a), 8, false, now);
    } else {
      watch_operand(*block, a, TMEM_LANES, product.across_a, now);
    }
    watch_operand(*block, b, product.columns / group, product.across_b, now);
    watch_columns(*block, product.column, product.columns, true, now);
    if (kind < KIND_MXFP8) continue;
    check_columns(*block, a_scales, TMEM_LANES / 32, group, what);
    check_columns(*block, b_scales, product.columns / 32, group, what);
    watch_columns(*block, a_scales, TMEM_LANES / 32, false, now);
    watch_columns(*block, b_scales, product.columns / 32, false, now);
  }
  Operation& next = issuer.queue[issuer.last++ % MOST_OPERATIONS];
  next.task = PRODUCT5;
  next.what = product;
}
// The offset of row `row` of 32 rows of 16 bytes.
static u32 plain_row(u64 descriptor, u32 row, const char* what) {
  Layout at = operand_layout(descriptor, what);
  if (at.swizzle) fail("%s: a swizzle is not simulated", what);
  return offset_of(at.start + row / 8 * at.stride + row % 8 * 16, 16, 16, what);
}
static void copy5(u32 columns, u64 from) {
  const char* what = "tcgen05.cp";
  check_pair(2, what);
  if ((here - blocks) % 2) fail("%s: the second block of a pair copies", what);
  if (columns >> 16) fail("%s: to lane %u", what, columns >> 16);
  Issuer& issuer = issuer_of(2, what);
  const Touch now{issuer.agent, issuer.commit};
  for (Block* block = here; block < here + 2; block++) {
    check_columns(*block, columns, 4, 2, what);
    for (u32 row = 0; row < 32; row++) watch_chunk(*block, plain_row(from, row, what), now);
    watch_columns(*block, columns, 4, true, now);
  }
  Operation& next = issuer.queue[issuer.last++ % MOST_OPERATIONS];
  next.task = COPY5;
  next.what = Product5{};
  next.what.column = columns, next.what.a = from;
}
static void commit5(int group, u32 mbarrier, u32 mask, bool multicast) {
  const char* what = "tcgen05.commit";
  if (multicast && (!mask || mask >> cluster)) fail("%s: blocks %x of a cluster of %d", what, mask, cluster);
  Issuer& issuer = issuer_of(group, what);
  Operation& next = issuer.queue[issuer.last++ % MOST_OPERATIONS];
  next.task = COMMIT5;
  next.reports = 0;
  next.commit = issuer.commit++;
  memcpy(next.known, clocks_of(current) + 2 * total, sizeof next.known);
  for (int rank = 0; rank < cluster; rank++) {
    if (multicast && !(mask >> rank & 1)) continue;
    MBarrier& at = mbarrier_at(multicast ? cluster_address(mbarrier, static_cast<u32>(rank)) : mbarrier, what);
    if (!at.fenced) fail("%s: fence.mbarrier_init is missing for the mbarrier at shared byte %u", what, at.offset);
    next.report[next.reports++] = &at;
    if (!multicast) break;
  }
}

// ---------------------------------------------------------------- what the tensor cores do, when their turn comes

static double decoded(const Product5& p, u32 v) {
  switch (p.kind) {
    case KIND_F16: return p.format ? from_bf16(static_cast<u16>(v)) : from_fp16(static_cast<u16>(v));
    case KIND_TF32: return __uint_as_float(v & 0xffffe000u);  // the low 13 bits are not read
    case KIND_F8F6F4: return from_e4m3(static_cast<u8>(v));
    case KIND_MXFP8: return from_e4m3(static_cast<u8>(v));
    case KIND_NVFP4: {  // e2m1: sign, two bits of exponent, one of mantissa
      static const double sizes[8] = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};
      return v & 8 ? -sizes[v & 7] : sizes[v & 7];
    }
    default: return static_cast<i8>(v);
  }
}
// The scale of row r of an operand at element k of the product: every quarter of the lanes must have the same.
static double scale_of(const Product5& p, const Tmem& memory, u32 column, u32 byte, u32 r, u32 k) {
  if (p.kind < KIND_MXFP8) return 1.0;
  u32 word = memory.word[r % 32][column + r / 32];
  for (u32 q = 1; q < QUARTERS; q++)
    if (memory.word[32 * q + r % 32][column + r / 32] != word) note_failure(": the scales of row %u differ between quarters of tensor memory", r);
  u8 bits = static_cast<u8>(word >> 8 * (p.kind == KIND_MXFP8 ? byte : k / 16));
  if (p.kind == KIND_NVFP4) return from_e4m3(bits & 127);
  return bits == 255 ? NAN : ldexp(1.0, bits - 127);
}
static void fetch5(const Block& block, const Product5& p, u64 descriptor, u32 rows, bool across, double* into, u32 row_step, u32 k_step) {
  static u8 raw[256 * 32];
  visit_operand(descriptor, rows, across, "tcgen05.mma", [&](u32 i, u32 j, u32 offset) {
    const u8* from = block.arena + offset;
    if (!across) memcpy(raw + i * 32 + j * 16, from, 16);
    else for (u32 e = 0; e < 8; e++) memcpy(raw + (j * 8 + e) * 32 + i * 2, from + e * 2, 2);
  });
  for (u32 row = 0; row < rows; row++)
    for (u32 k = 0; k < p.depth; k++) {
      u32 v = 0;
      memcpy(&v, raw + row * 32 + k * p.bits / 8, (p.bits + 7) / 8);
      if (p.bits == 4) v = v >> k % 2 * 4 & 15;
      into[row * row_step + k * k_step] = decoded(p, v);
    }
}
// Sums of an instruction in double, rounded once: how the chip rounds them is not known.
static void execute(const Product5& p, Block* first) {
  static double left[TMEM_LANES * 64], plain[64 * 256], right[64 * 256], sums[TMEM_LANES * 256];
  u32 half = p.columns / static_cast<u32>(p.group);
  for (int g = 0; g < p.group; g++) fetch5(first[g], p, p.b, half, p.across_b, plain + g * half, 1, p.columns);
  for (int g = 0; g < p.group; g++) {
    Tmem& memory = tmems[first + g - blocks];
    if (p.a_in_tmem) {
      for (u32 r = 0; r < TMEM_LANES; r++)
        for (u32 k = 0; k < p.depth; k++) left[r * p.depth + k] = decoded(p, memory.word[r][p.a + k / 2] >> k % 2 * 16 & 0xffff);
    } else {
      fetch5(first[g], p, p.a, TMEM_LANES, p.across_a, left, p.depth, 1);
    }
    for (u32 k = 0; k < p.depth; k++) {
      for (u32 r = 0; r < TMEM_LANES; r++) left[r * p.depth + k] *= scale_of(p, memory, p.a_scales, p.a_byte, r, k);
      for (u32 c = 0; c < p.columns; c++) right[k * p.columns + c] = plain[k * p.columns + c] * scale_of(p, memory, p.b_scales, p.b_byte, c, k);
    }
    for (u32 rows = 0; rows < TMEM_LANES; rows += 64)
      multiply_rows(left + rows * p.depth, right, sums + rows * p.columns, static_cast<int>(p.columns), static_cast<int>(p.depth));
    for (u32 lane = 0; lane < TMEM_LANES; lane++)
      for (u32 c = 0; c < p.columns; c++) {
        u32& word = memory.word[lane][p.column + c];
        double sum = sums[lane * p.columns + c];
        if (p.kind == KIND_I8) word = static_cast<u32>(static_cast<i32>(sum)) + (p.add ? word : 0u);
        else word = __float_as_uint(static_cast<float>(sum + (p.add ? __uint_as_float(word) : 0.0)));
      }
  }
}
static void copy_now(const Product5& p, const Block* first) {
  for (int g = 0; g < 2; g++)
    for (u32 lane = 0; lane < TMEM_LANES; lane++)
      memcpy(&tmems[first + g - blocks].word[lane][p.column], first[g].arena + plain_row(p.a, lane % 32, "tcgen05.cp"), 16);
}
static void arrive5(Arrival& arrival) {
  MBarrier& at = *arrival.at;
  blockIdx = at.block->index;
  if (!at.block->alive) return note_failure(": a tcgen05.commit arrives at a block that has ended");
  if (!at.pending) return note_failure(": tcgen05.commit: more than the %u arrivals that the mbarrier at shared byte %u expects", at.count, at.offset);
  u32* known = at.arriving + 2 * total;
  for (int i = 0; i < MOST_AGENTS; i++) known[i] = known[i] > arrival.known[i] ? known[i] : arrival.known[i];
  u32& own = at.arriving[arrival.agent];
  own = own > arrival.commit ? own : arrival.commit;
  at.pending--;
  settle(at);
}
static bool tensor_cores_go_on(int others) {
  int busy = 0, chosen = -1;
  for (int i = 0; i < issuer_count; i++)
    if (issuers[i].first != issuers[i].last && random_number() % ++busy == 0) chosen = i;
  if ((!busy && !arrival_count) || (others && random_number() % reluctance)) return false;
  if (arrival_count && (!busy || random_number() % 2)) {
    int pick = random_number() % arrival_count;
    static Arrival one;
    one = arrivals[pick];
    arrivals[pick] = arrivals[--arrival_count];
    arrive5(one);
    return true;
  }
  Issuer& issuer = issuers[chosen];
  const Operation& next = issuer.queue[issuer.first++ % MOST_OPERATIONS];
  Block* first = &blocks[issuer.thread / threads];
  if (next.task == PRODUCT5) execute(next.what, first);
  if (next.task == COPY5) copy_now(next.what, first);
  if (next.task != COMMIT5) return true;
  if (arrival_count + next.reports > static_cast<int>(MOST_OPERATIONS)) abort();
  for (int i = 0; i < next.reports; i++) {
    Arrival& arrival = arrivals[arrival_count++];
    arrival.at = next.report[i], arrival.agent = issuer.agent, arrival.commit = next.commit;
    memcpy(arrival.known, next.known, sizeof arrival.known);
  }
  return true;
}

// As `tensor_load` of cuda_host_async.h, but reported to a mbarrier of either block of the pair.
static void tensor_load_pair(u32 to, const void* place, const Corner& corner, u32 mbarrier) {
  const char* what = "cp.async.bulk.tensor.cta_group::2";
  check_pair(2, what);
  Map map = map_of(place, corner, what);
  u32 bytes = bytes_of(map), offset = offset_of(to, 128, bytes, what);
  MBarrier& report = mbarrier_at(mbarrier, what);
  if ((report.block - blocks) / 2 != (here - blocks) / 2) fail("%s: the mbarrier lies outside the pair", what);
  if (!report.fenced) fail("%s: fence.mbarrier_init is missing for the mbarrier at shared byte %u", what, report.offset);
  if (transfer_count == MOST_TRANSFERS) fail("%s: more than %d under way", what, MOST_TRANSFERS);
  watch(*here, offset, bytes, true, {report.agent, report.phase + 1});
  memset(here->arena + offset, 0xff, bytes);
  transfers[transfer_count++] = {here, offset, map, corner, &report, report.phase};
}

// ---------------------------------------------------------------- the beginning and the end

static void begin_tensor_cores() {
  issuer_count = arrival_count = 0;
  tmem_lot = random_number();
  for (int b = 0; b < cluster; b++) {
    memset(&tmems[b], 0, sizeof tmems[b]);
    for (auto& quarter : tmems[b].shadow)
      for (TmemShadow& place : quarter) place = TmemShadow{};
  }
  for (int i = 0; i < total; i++) memset(seen[i], 0, sizeof seen[i]);
  for (int w = 0; w <= (total - 1) / 32; w++) tmem_warps[w].agent = -1, tmem_warps[w].count = tmem_warps[w].waited = 0, tmem_warps[w].loading = 0, tmem_warps[w].storing = false;
}
static void end_tensor_thread() {
  if (tmem_warps[current / 32].storing) fail("the thread ends while its tcgen05.st is under way");
  if (tmem_warps[current / 32].loading) fail("the thread ends while its tcgen05.ld is under way");
}
static void end_tensor_cores() {
  for (int b = 0; b < cluster; b++)
    for (u32 c = 0; c < TMEM_COLUMNS; c++)
      if (tmems[b].group[c]) {
        blockIdx = blocks[b].index;
        return note_failure(": column %u of tensor memory is not freed at the end", c);
      }
  for (int i = 0; i < issuer_count; i++)
    if (arrival_count || issuers[i].first != issuers[i].last) note_failure(": the cluster ends while tcgen05.mma or tcgen05.commit is under way");
}
static const bool tensor_cores_added = (more = {tensor_cores_go_on, begin_tensor_cores, end_tensor_thread, end_tensor_cores}, true);

}  // namespace sim

DEVICE bool elect_one() {
  __syncwarp();
  return lane_id() == (sim::tmem_lot + static_cast<u32>(sim::current) / 32 * 7) % 32;
}
template <int count> DEVICE void registers_decrease() { sim::set_registers("setmaxnreg.dec", count, false); }
template <int count> DEVICE void registers_increase() { sim::set_registers("setmaxnreg.inc", count, true); }
template <int group> DEVICE void tmem_allocate(u32 to, u32 columns) { sim::tmem_allocate<group>(to, columns); }
template <int group> DEVICE void tmem_free(u32 tmem, u32 columns) { sim::tmem_free<group>(tmem, columns); }
template <int group> DEVICE void tmem_allocate_no_more() { sim::tmem_allocate_no_more(); }
DEVICE void tcgen05_fence_before() { sim::tcgen05_fence_before(); }
DEVICE void tcgen05_fence_after() { sim::tcgen05_fence_after(); }
DEVICE void tcgen05_commit(u32 mbarrier) { sim::commit5(1, mbarrier, 0, false); }
DEVICE void tcgen05_commit_pair(u32 mbarrier, u16 blocks) { sim::commit5(2, mbarrier, blocks, true); }
#define TCGEN05_MULTIPLY(name, kind)                                                                \
  template <int group> DEVICE void tcgen05_##name(u32 d, u64 a, u64 b, u32 instruction, u32 add) { \
    sim::multiply5<group>(sim::kind, d, a, b, instruction, add);                                   \
  }
TCGEN05_MULTIPLY(f16, KIND_F16)
TCGEN05_MULTIPLY(tf32, KIND_TF32)
TCGEN05_MULTIPLY(f8f6f4, KIND_F8F6F4)
TCGEN05_MULTIPLY(i8, KIND_I8)
#undef TCGEN05_MULTIPLY
DEVICE void tcgen05_f16_tmem(u32 d, u32 a, u64 b, u32 instruction, u32 add) {
  sim::multiply5<1>(sim::KIND_F16, d, a, b, instruction, add, 0, 0, true);
}
DEVICE void tcgen05_mxfp8(u32 d, u64 a, u64 b, u32 instruction, u32 a_scales, u32 b_scales, u32 add) {
  sim::multiply5<2>(sim::KIND_MXFP8, d, a, b, instruction, add, a_scales, b_scales);
}
DEVICE void tcgen05_nvfp4(u32 d, u64 a, u64 b, u32 instruction, u32 a_scales, u32 b_scales, u32 add) {
  sim::multiply5<2>(sim::KIND_NVFP4, d, a, b, instruction, add, a_scales, b_scales);
}
DEVICE void tcgen05_copy_scales(u32 columns, u64 from) { sim::copy5(columns, from); }
DEVICE void tmem_load(u32 (&r)[64], u32 place) { sim::tmem_load(r, 64, place); }
DEVICE void tmem_load(u32 (&r)[32], u32 place) { sim::tmem_load(r, 32, place); }
DEVICE void tmem_load_wait(u32 (&)[64]) { sim::tmem_load_wait(); }
DEVICE void tmem_load_wait(u32 (&)[32]) { sim::tmem_load_wait(); }
DEVICE void tmem_store(u32 place, const u32 (&r)[32]) { sim::tmem_store(r, 32, place); }
DEVICE void tmem_store_wait() { sim::tmem_store_wait(); }
DEVICE void tensor_load_pair(u32 to, const TensorMap& map, int x, int y, u32 mbarrier) {
  sim::tensor_load_pair(to, &map, {2, x, y, 0}, mbarrier);
}
