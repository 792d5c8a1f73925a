// Executes CUDA kernels on the CPU: what `ptx.cuh` means when g++ compiles it.
//
// Blocks (those of a cluster together) run one after another, in random order. Each thread of a block is a fiber that
// runs until it meets a barrier or a warp-wide operation; which fiber runs next is random (seeded). So every execution
// is one of the schedules a GPU might choose, and another seed is another schedule.
//
// Found while executing, each with the thread and the place in words:
//   - barriers and warp-wide operations that not all their threads reach (divergence, deadlock)
//   - races in dynamic shared memory: two threads touch a word, one writes it, and no barrier lies between
//   - shared addresses outside the block's allocation, and misaligned vector accesses
//   - reads of an asynchronous copy before it was waited for (the place holds NaN until then)
//   - misuse of the asynchronous machines of sm_90, as cuda_host_async.h tells
// With -fsanitize=address,undefined also stray global accesses and undefined arithmetic.
//
// Warp-wide operations follow the PTX ISA's fragment layouts, written down anew here rather than shared with the kernels.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if !defined(__CUDA_ARCH__) || !defined(MACHINES)
#error "define __CUDA_ARCH__: 800 for sm_80, 1200 for sm_120a; MACHINES: 1 if the source uses the machines of cuda_host_async.h"
#endif

// ---------------------------------------------------------------- language

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __grid_constant__
#define __shared__ static  // blocks are serial; kernels of clusters use dynamic shared memory only
#define __align__(n) alignas(n)
#define DEVICE [[maybe_unused]] static inline
#define KERNEL extern "C"
#define DYNAMIC_SHARED(name) u8* name = sim::here->arena

struct uint2 { u32 x, y; };
struct alignas(16) uint4 { u32 x, y, z, w; };
struct int2 { i32 x, y; };
struct alignas(16) int4 { i32 x, y, z, w; };
struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
struct alignas(16) ulonglong2 { u64 x, y; };
struct alignas(16) longlong2 { i64 x, y; };
DEVICE uint2 make_uint2(u32 x, u32 y) { return {x, y}; }
DEVICE uint4 make_uint4(u32 x, u32 y, u32 z, u32 w) { return {x, y, z, w}; }
DEVICE int2 make_int2(i32 x, i32 y) { return {x, y}; }
DEVICE int4 make_int4(i32 x, i32 y, i32 z, i32 w) { return {x, y, z, w}; }
DEVICE float2 make_float2(float x, float y) { return {x, y}; }
DEVICE float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
DEVICE double2 make_double2(double x, double y) { return {x, y}; }
DEVICE ulonglong2 make_ulonglong2(u64 x, u64 y) { return {x, y}; }
struct dim3 { u32 x, y, z; };
static dim3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

// ---------------------------------------------------------------- fibers

#ifdef __SANITIZE_ADDRESS__
extern "C" void __sanitizer_start_switch_fiber(void** save, const void* bottom, size_t size);
extern "C" void __sanitizer_finish_switch_fiber(void* save, const void** bottom, size_t* size);
#endif

#if defined(__x86_64__)
// Save the callee's registers on this stack, leave the stack pointer in *save, go on where `to` was saved.
asm(R"(
.text
sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
extern "C" void sim_switch(void** save, void* to);
#elif defined(__aarch64__)
asm(R"(
.text
sim_switch:
  sub sp, sp, #176
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #176
  ret
)");
extern "C" void sim_switch(void** save, void* to);
#else
#error "the simulator's fibers are written for x86-64 and aarch64"
#endif

namespace sim {

constexpr int MOST_THREADS = 1024;  // of a block
constexpr int MOST_CLUSTER = 8;     // blocks
constexpr int MOST_FIBERS = MOST_THREADS * MOST_CLUSTER, MOST_WARPS = MOST_FIBERS / 32;
#ifdef __SANITIZE_ADDRESS__
constexpr size_t STACK = 512 << 10;
#else
constexpr size_t STACK = 128 << 10;
#endif
constexpr u32 ARENA_BASE = 1024;  // so that a null shared address is never valid
constexpr u32 GRAIN = 4;          // bytes of shared memory that one shadow entry watches
constexpr int READERS = MACHINES ? 3 : 2;  // that one shadow entry remembers

enum State { RUNNABLE, AT_BARRIER, AT_MEETING, AT_PHASE, ENDED };

struct Copy { u8* to; u8 data[16]; u32 bytes; };  // data is read when the copy is issued
constexpr int MOST_COPIES = 4096;


struct Fiber {
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  void* asan = nullptr;
  State state = ENDED;
  dim3 index{};
  const char* place = "";        // what it waits for, in words
  Copy* copies = nullptr;        // asynchronous copies issued and not yet waited for
  int groups[64] = {};           // copies in each committed group, oldest first
  int committed = 0, issued = 0, open = 0;
  const u32* watched = nullptr;   // the counter whose change it waits for
};

// One warp-wide operation in progress: who has come, and each lane's operands.
struct Meeting { const char* what = nullptr; u32 mask = 0, arrived = 0; void* slot[32] = {}; };

// Who touched a word of shared memory last, and when: a thread at its block's and its warp's count of barriers; or, where
// asynchronous machines are at work, a thread or a machine at its own clock (see cuda_host_async.h).
struct Touch { i32 by = -1; u32 when = 0, warp = 0; };
struct Shadow { Touch write, reads[READERS]; };

// One of the blocks that run: the launch's blocks follow each other, but those of a cluster run together.
struct Block {
  dim3 index{};
  u8* arena = nullptr;
  Shadow* shadow = nullptr;
  int alive = 0, waiting = 0;
  u32 epoch = 0;
};

struct Config { u32 grid[3], block[3]; u32 shared, reserved; u64 seed; };

static Fiber fibers[MOST_FIBERS];
static Meeting meetings[MOST_WARPS];
static u32 warp_epochs[MOST_WARPS];
static int runnable[MOST_FIBERS], ready;
static Block blocks[MOST_CLUSTER];
static Block* here = blocks;
static int threads, cluster = 1, total, current = -1;  // threads of a block; blocks that run together, and their threads
constexpr bool asynchronous = MACHINES;
static u32 arena_bytes;
static void* scheduler;
[[maybe_unused]] static void* scheduler_asan;
[[maybe_unused]] static const void* main_stack;
[[maybe_unused]] static size_t main_stack_size;
static void (*invoke)(void*, void**);
static void *kernel, **arguments;
static char failure[512];
static u64 random_state;

static u32 random_number() {  // xorshift64*, Vigna 2016
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return static_cast<u32>((random_state * 0x2545f4914f6cdd1dull) >> 32);
}

static void leave() {  // this fiber -> scheduler
  Fiber& self = fibers[current];
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(self.state == ENDED ? nullptr : &self.asan, main_stack, main_stack_size);
#endif
  sim_switch(&self.stack_pointer, scheduler);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fibers[current].asan, nullptr, nullptr);
#endif
}

// What went wrong, of which only the first is told.
template <class... Words> static void note_failure(const char* format, Words... words) {
  if (failure[0]) return;
  int n = snprintf(failure, sizeof failure, "block (%u, %u, %u)", blockIdx.x, blockIdx.y, blockIdx.z);
  snprintf(failure + n, sizeof failure - n, format, words...);
}

// The launch ends here: nothing after a failure is worth executing.
template <class... Words> [[noreturn]] static void fail(const char* format, Words... words) {
  char text[sizeof failure];
  snprintf(text, sizeof text, format, words...);
  note_failure(" thread (%u, %u, %u): %s", threadIdx.x, threadIdx.y, threadIdx.z, text);
  for (;;) leave();
}

static void wait(State state, const char* place) {
  fibers[current].state = state;
  fibers[current].place = place;
  leave();
}

static void wake(int thread) {
  fibers[thread].state = RUNNABLE;
  runnable[ready++] = thread;
}

static int first_of(const Block& block) { return static_cast<int>(&block - blocks) * threads; }

static void join_clocks(const bool* members);
static void release_barrier_if_complete() {
  if (here->waiting == 0 || here->waiting < here->alive) return;
  here->waiting = 0;
  here->epoch++;
  static bool members[MOST_FIBERS];
  int first = first_of(*here);
  for (int i = 0; i < total; i++) members[i] = i >= first && i < first + threads && fibers[i].state == AT_BARRIER;
  join_clocks(members);
  for (int i = first; i < first + threads; i++)
    if (members[i]) wake(i);
}

static void barrier() {
  here->waiting++;
  fibers[current].state = AT_BARRIER;
  fibers[current].place = "__syncthreads";
  release_barrier_if_complete();
  leave();
}

// Every lane of `mask` brings its slot; the last to come computes for all. A lane that comes to another
// operation than its warp's others is divergence, which hardware does not define.
template <class Compute> static void meet(const char* what, u32 mask, void* slot, Compute compute) {
  int lane = current % 32, first = current - lane;
  Meeting& meeting = meetings[current / 32];
  if (!(mask >> lane & 1)) fail("%s: the lane is not in its own mask %08x", what, mask);
  int size = total - first < 32 ? total - first : 32;
  if (size < 32) mask &= (1u << size) - 1;
  if (!meeting.arrived) { meeting.what = what; meeting.mask = mask; }
  if (strcmp(meeting.what, what) || meeting.mask != mask)
    fail("%s with mask %08x, while other lanes of its warp are at %s with mask %08x", what, mask, meeting.what, meeting.mask);
  meeting.slot[lane] = slot;
  meeting.arrived |= 1u << lane;
  if (meeting.arrived != mask) return wait(AT_MEETING, what);
  compute(meeting.slot, mask);
  meeting.arrived = 0;
  for (int i = 0; i < 32; i++)
    if (i != lane && (mask >> i & 1)) wake(first + i);
}

// ---------------------------------------------------------------- shared memory and its watch

// What thread `of` knows of the clock of a thread or machine `from`.
static u32& clock_of(int of, int from);

// Whether thread `current` comes after a touch.
static bool ordered(const Touch& before) {
  if (before.by < 0 || before.by == current) return true;
  if (asynchronous) return clock_of(current, before.by) >= before.when;
  if (before.when != here->epoch) return true;
  return before.by / 32 == current / 32 && before.warp != warp_epochs[current / 32];
}

static const char* name_of(int by);
[[noreturn]] static void race(u32 byte, const char* how, const Touch& before, const Touch& now) {
  fail("race: shared byte %u is %s by %s and %s with no barrier between", byte, how, name_of(before.by), name_of(now.by));
}

// The same machine, or a thread of the same warp: of these the last one is remembered.
static bool alike(const Touch& one, const Touch& two) {
  return one.by == two.by || (one.by < total && two.by < total && one.by / 32 == two.by / 32);
}

static void watch(Block& block, u32 offset, u32 bytes, bool write, const Touch& now) {
  for (u32 i = offset / GRAIN; i <= (offset + bytes - 1) / GRAIN; i++) {
    Shadow& word = block.shadow[i];
    if (!ordered(word.write)) race(i * GRAIN, write ? "written twice" : "written and read", word.write, now);
    const int writer = word.write.by;
    if (asynchronous && now.by >= total && writer >= 0 && writer < total && clock_of(current, total + writer) < word.write.when)
      fail("shared byte %u was written by %s and %s takes it up: fence.proxy.async is missing between", i * GRAIN,
           name_of(writer), name_of(now.by));
    if (write) {
      for (const Touch& read : word.reads)
        if (!ordered(read)) race(i * GRAIN, "read and written", read, now);
      word = Shadow{};
      word.write = now;
      continue;
    }
    Touch *own = nullptr, *over = nullptr;  // what is of the same machine or warp, and what can no longer race
    for (Touch& read : word.reads) {
      if (alike(read, now)) { own = &read; break; }
      if (!over && ordered(read)) over = &read;
    }
    *(own ? own : over ? over : &word.reads[random_number() % READERS]) = now;
  }
}

// The running thread touches its block's shared memory; or has lane `by` of its warp do so.
static void touch(u32 offset, u32 bytes, bool write, int by = -1) {
  int self = current;
  if (by >= 0) current = by;
  watch(*here, offset, bytes, write, {current, asynchronous ? clock_of(current, current) : here->epoch, warp_epochs[current / 32]});
  current = self;
}

static u8* shared_place(u32 address, u32 bytes, const char* what) {
  if (address % bytes) fail("%s: shared address %u is not a multiple of %u", what, address - ARENA_BASE, bytes);
  if (address < ARENA_BASE || address - ARENA_BASE + bytes > arena_bytes)
    fail("%s: shared address %d lies outside the %u bytes of this block", what, static_cast<i32>(address - ARENA_BASE), arena_bytes);
  return here->arena + (address - ARENA_BASE);
}

template <class T> static T load_shared(u32 address) {
  T v;
  memcpy(&v, shared_place(address, sizeof v, "load"), sizeof v);
  touch(address - ARENA_BASE, sizeof v, false);
  return v;
}
template <class T> static void store_shared(u32 address, T v) {
  memcpy(shared_place(address, sizeof v, "store"), &v, sizeof v);
  touch(address - ARENA_BASE, sizeof v, true);
}

template <class T> static T load_global(const void* place, const char* what) {
  if (reinterpret_cast<u64>(place) % sizeof(T)) fail("%s: the address is not a multiple of %zu", what, sizeof(T));
  T v;
  memcpy(&v, place, sizeof v);
  return v;
}
template <class T> static void store_global(void* place, T v, const char* what) {
  if (reinterpret_cast<u64>(place) % sizeof(T)) fail("%s: the address is not a multiple of %zu", what, sizeof(T));
  memcpy(place, &v, sizeof v);
}

// ---------------------------------------------------------------- asynchronous copies

static void copy_async(u32 to, const void* from, bool valid, u32 bytes) {
  Fiber& self = fibers[current];
  if (valid && reinterpret_cast<u64>(from) % bytes) fail("cp.async: the global address is not a multiple of %u", bytes);
  if (self.issued == MOST_COPIES) fail("cp.async: more than %d copies under way in one thread", MOST_COPIES);
  Copy& copy = self.copies[self.issued++];
  copy.to = shared_place(to, bytes, "cp.async");
  copy.bytes = bytes;
  memset(copy.data, 0, sizeof copy.data);
  if (valid) memcpy(copy.data, from, bytes);
  touch(to - ARENA_BASE, bytes, true);
  memset(copy.to, 0xff, bytes);  // NaN until it is waited for
  self.open++;
}

static void copy_async_commit() {
  Fiber& self = fibers[current];
  if (self.committed == 64) fail("cp.async: more than 64 groups under way in one thread");
  self.groups[self.committed++] = self.open;
  self.open = 0;
}

static void copy_async_wait(int pending) {
  Fiber& self = fibers[current];
  int complete = self.committed - pending, done = 0;
  if (complete <= 0) return;
  for (int g = 0; g < complete; g++)
    for (int i = 0; i < self.groups[g]; i++, done++) {
      Copy& copy = self.copies[done];
      memcpy(copy.to, copy.data, copy.bytes);
      touch(static_cast<u32>(copy.to - here->arena), copy.bytes, true);
    }
  self.issued -= done;
  memmove(self.copies, self.copies + done, self.issued * sizeof(Copy));
  self.committed -= complete;
  memmove(self.groups, self.groups + complete, self.committed * sizeof(int));
}

}  // namespace sim

#if MACHINES
#include "cuda_host_async.h"
#else
namespace sim {  // who comes after whom is then counted by barriers alone
static u32& clock_of(int, int) { return here->epoch; }
static const char* name_of(int by) {
  static char names[2][24];
  static int next;
  char* name = names[next++ % 2];
  snprintf(name, sizeof names[0], "thread %d", by);
  return name;
}
static void join_clocks(const bool*) {}
static void join_warp(u32) {}
static void release_cluster_if_complete() {}
static bool transfer_goes_on(int) { return false; }
static void describe_waiting(char*, size_t) {}
static void begin_cluster() {}
static void end_thread() {}
static void end_cluster() {}
static void forget_clocks() {}
}  // namespace sim
#endif

namespace sim {

// ---------------------------------------------------------------- running

static void body() {
#ifdef __SANITIZE_ADDRESS__
  const void* bottom; size_t size;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
  main_stack = bottom; main_stack_size = size;
#endif
  invoke(kernel, arguments);
  Fiber& self = fibers[current];
  if (self.open + self.committed) copy_async_wait(0);
  end_thread();
  self.state = ENDED;
  here->alive--;
  release_barrier_if_complete();
  release_cluster_if_complete();
  leave();
  abort();  // never resumed
}

static void start(int i) {
  Fiber& fiber = fibers[i];
  if (!fiber.stack) {
    fiber.stack = static_cast<char*>(malloc(STACK));
    fiber.copies = static_cast<Copy*>(malloc(MOST_COPIES * sizeof(Copy)));
  }
  void** top = reinterpret_cast<void**>(fiber.stack + STACK - 64);
#if defined(__x86_64__)
  top[0] = reinterpret_cast<void*>(&body);  // returned to; the stack is then 8 beyond a multiple of 16, as after a call
  fiber.stack_pointer = top - 6;
#else
  fiber.stack_pointer = reinterpret_cast<char*>(top) - 176;
  static_cast<void**>(fiber.stack_pointer)[11] = reinterpret_cast<void*>(&body);
#endif
  u32 thread = static_cast<u32>(i % threads);
  fiber.index = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y)};
  fiber.issued = fiber.open = fiber.committed = 0;
  wake(i);
}

static void enter(int i) {  // whose registers are read
  current = i;
  here = &blocks[i / threads];
  threadIdx = fibers[i].index;
  blockIdx = here->index;
}

static void resume(int i) {
  enter(i);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&scheduler_asan, fibers[i].stack, STACK);
#endif
  sim_switch(&scheduler, fibers[i].stack_pointer);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(scheduler_asan, nullptr, nullptr);
#endif
}

static void describe_deadlock() {
  int waits = -1;
  for (int i = 0; i < total && waits < 0; i++)
    if (fibers[i].state != ENDED) waits = i;
  int other = -1;
  for (int i = 0; i < total && other < 0; i++)
    if (fibers[i].state != fibers[waits].state || strcmp(fibers[i].place, fibers[waits].place)) other = i;
  const char* elsewhere = other < 0 ? "nobody else" : fibers[other].state == ENDED ? "has ended" : fibers[other].place;
  enter(waits);
  char missing[200] = "";
  describe_waiting(missing, sizeof missing);
  note_failure(": deadlock: thread %d waits at %s, thread %d: %s%s", waits % threads, fibers[waits].place, other, elsewhere, missing);
}

// The blocks of one cluster, the first of which is `first`.
static void run_cluster(dim3 first) {
  for (int b = 0; b < cluster; b++) {
    Block& block = blocks[b];
    block.index = {first.x + static_cast<u32>(b), first.y, first.z};
    memset(block.arena, 0xff, arena_bytes);  // NaN: shared memory starts undefined
    for (u32 i = 0; i <= arena_bytes / GRAIN; i++) block.shadow[i] = Shadow{};
    block.alive = threads;
    block.waiting = 0;
    block.epoch = 0;
  }
  for (int w = 0; w <= (total - 1) / 32; w++) { meetings[w].arrived = 0; warp_epochs[w] = 0; }
  ready = 0;
  begin_cluster();
  int alive = total;
  for (int i = 0; i < total; i++) start(i);
  while (alive && !failure[0]) {
    if (transfer_goes_on(ready)) continue;
    if (!ready) return describe_deadlock();
    int pick = random_number() % ready, next = runnable[pick];
    runnable[pick] = runnable[--ready];
    resume(next);
    alive -= fibers[next].state == ENDED;
  }
  if (!failure[0]) end_cluster();
}

static u64 common_divisor(u64 a, u64 b) { return b ? common_divisor(b, a % b) : a; }

static int run(const Config& config, void* function, void (*call)(void*, void**), void** args, char* error, int room, int together) {
  kernel = function; invoke = call; arguments = args;
  gridDim = {config.grid[0], config.grid[1], config.grid[2]};
  blockDim = {config.block[0], config.block[1], config.block[2]};
  blockIdx = {0, 0, 0};
  threads = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
  cluster = together;
  total = threads * cluster;
  failure[0] = 0;
  random_state = config.seed * 0x9e3779b97f4a7c15ull | 1;
  u64 clusters = static_cast<u64>(gridDim.x) * gridDim.y * gridDim.z / static_cast<u64>(cluster);
  if (threads < 1 || threads > MOST_THREADS || clusters < 1)
    note_failure(": a block of %d threads in a grid of %u x %u x %u blocks cannot be launched", threads, gridDim.x, gridDim.y, gridDim.z);
  else if (cluster > MOST_CLUSTER || gridDim.x % static_cast<u32>(cluster) || (cluster > 1 && threads % 32))
    note_failure(": %u blocks of %d threads cannot be launched in clusters of %d", gridDim.x, threads, cluster);
  arena_bytes = config.shared;
  for (int b = 0; b < cluster && !failure[0]; b++) {
    void* memory = nullptr;  // to the byte, so that the sanitizer sees the first one beyond
    if (posix_memalign(&memory, 1024, arena_bytes + !arena_bytes)) abort();
    blocks[b].arena = static_cast<u8*>(memory);
    blocks[b].shadow = static_cast<Shadow*>(malloc((arena_bytes / GRAIN + 1) * sizeof(Shadow)));
  }
  // Clusters in random order: an affine walk through all of them, its step coprime to their number.
  u64 step = 1, at = clusters ? random_number() % clusters : 0;
  if (!failure[0]) do step = 1 + random_number() % clusters; while (common_divisor(step, clusters) != 1);
  u32 wide = gridDim.x / static_cast<u32>(cluster);
  for (u64 i = 0; i < clusters && !failure[0]; i++, at = (at + step) % clusters)
    run_cluster({static_cast<u32>(at % wide) * static_cast<u32>(cluster), static_cast<u32>(at / wide % gridDim.y),
                 static_cast<u32>(at / wide / gridDim.y)});
  for (int b = 0; b < cluster && b < MOST_CLUSTER; b++) {
    free(blocks[b].arena);
    free(blocks[b].shadow);
    blocks[b] = Block{};
  }
  forget_clocks();
  snprintf(error, room, "%s", failure);
  return failure[0] != 0;
}

// Call `k` with its arguments from an array of pointers, each read as the parameter's type.
template <class... P> struct Call {
  template <u64... I> struct Indices {};
  template <u64 n, u64... I> struct Make : Make<n - 1, n - 1, I...> {};
  template <u64... I> struct Make<0, I...> { using type = Indices<I...>; };
  template <u64... I> static void with(void (*k)(P...), void** args, Indices<I...>) { k(*static_cast<P*>(args[I])...); }
  static void invoke(void* k, void** args) {
    with(reinterpret_cast<void (*)(P...)>(k), args, typename Make<sizeof...(P)>::type{});
  }
};
template <class... P>
static int launch(const Config& config, void (*k)(P...), void** args, char* error, int room, int together) {
  return run(config, reinterpret_cast<void*>(k), &Call<P...>::invoke, args, error, room, together);
}
template <class... P> static int parameter_sizes(void (*)(P...), u64* sizes) {
  u64 all[] = {sizeof(P)..., 0};
  memcpy(sizes, all, sizeof...(P) * sizeof(u64));
  return sizeof...(P);
}

}  // namespace sim

// What the loader calls for each kernel of a file. `cluster`: how many blocks run together.
#define SIMULATED(name, cluster)                                                                      \
  extern "C" int simulate_##name(const sim::Config* config, void** args, char* error, int room) {     \
    return sim::launch(*config, name, args, error, room, cluster);                                    \
  }                                                                                                   \
  extern "C" int parameters_##name(u64* sizes) { return sim::parameter_sizes(name, sizes); }

#include "cuda_host_ptx.h"
