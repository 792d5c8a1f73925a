// Executes CUDA kernels on the CPU: what `ptx.cuh` means when g++ compiles it.
//
// Blocks run one after another, in random order. Each thread of a block is a fiber that runs until it meets a
// barrier or a warp-wide operation; which fiber runs next is random (seeded). So every execution is one
// of the schedules a GPU might choose, and another seed is another schedule.
//
// Found while executing, each with the thread and the place in words:
//   - barriers and warp-wide operations that not all their threads reach (divergence, deadlock)
//   - races in dynamic shared memory: two threads touch a word, one writes it, and no barrier lies between
//   - shared addresses outside the block's allocation, and misaligned vector accesses
//   - reads of an asynchronous copy before it was waited for (the place holds NaN until then)
// With -fsanitize=address,undefined also stray global accesses and undefined arithmetic.
//
// Warp-wide operations follow the PTX ISA's fragment layouts, written down anew here rather than shared with the kernels.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#ifndef __CUDA_ARCH__
#error "define __CUDA_ARCH__: 800 for sm_80, 1200 for sm_120a"
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
#define __shared__ static  // blocks are serial
#define __align__(n) alignas(n)
#define DEVICE [[maybe_unused]] static inline
#define KERNEL extern "C"
#define DYNAMIC_SHARED(name) u8* name = sim::arena

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

constexpr int MOST_THREADS = 1024;
#ifdef __SANITIZE_ADDRESS__
constexpr size_t STACK = 512 << 10;
#else
constexpr size_t STACK = 128 << 10;
#endif
constexpr u32 ARENA_BASE = 1024;  // so that a null shared address is never valid
constexpr u32 GRAIN = 4;          // bytes of shared memory that one shadow entry watches

enum State { RUNNABLE, AT_BARRIER, AT_MEETING, ENDED };

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
};

// One warp-wide operation in progress: who has come, and each lane's operands.
struct Meeting { const char* what = nullptr; u32 mask = 0, arrived = 0; void* slot[32] = {}; };

// Who touched a word of shared memory last, and when: barrier counts of block and warp.
struct Touch { i32 thread = -1; u32 block_epoch = 0, warp_epoch = 0; };
struct Shadow { Touch write, read, other_read; };  // other_read: the last reader of another warp than `read`'s

struct Config { u32 grid[3], block[3]; u32 shared, reserved; u64 seed; };

static Fiber fibers[MOST_THREADS];
static Meeting meetings[MOST_THREADS / 32];
static u32 warp_epochs[MOST_THREADS / 32];
static int runnable[MOST_THREADS], ready;
static int threads, alive, waiting, current = -1;
static u32 block_epoch, arena_bytes;
static u8* arena;
static Shadow* shadow;
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

// The launch ends here: nothing after a failure is worth executing.
template <class... Words> [[noreturn]] static void fail(const char* format, Words... words) {
  if (!failure[0]) {
    int n = snprintf(failure, sizeof failure, "block (%u, %u, %u) thread (%u, %u, %u): ", blockIdx.x, blockIdx.y, blockIdx.z,
                     threadIdx.x, threadIdx.y, threadIdx.z);
    snprintf(failure + n, sizeof failure - n, format, words...);
  }
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

static void release_barrier_if_complete() {
  if (waiting == 0 || waiting < alive) return;
  waiting = 0;
  block_epoch++;
  for (int i = 0; i < threads; i++)
    if (fibers[i].state == AT_BARRIER) wake(i);
}

static void barrier() {
  waiting++;
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
  int size = threads - first < 32 ? threads - first : 32;
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

static bool ordered(const Touch& before) {
  if (before.thread < 0 || before.thread == current || before.block_epoch != block_epoch) return true;
  return before.thread / 32 == current / 32 && before.warp_epoch != warp_epochs[current / 32];
}

static void touch(u32 offset, u32 bytes, bool write, int by = -1) {
  int self = current;
  if (by >= 0) current = by;
  Touch now{current, block_epoch, warp_epochs[current / 32]};
  for (u32 i = offset / GRAIN; i <= (offset + bytes - 1) / GRAIN; i++) {
    Shadow& word = shadow[i];
    const char* race = nullptr;
    i32 other = -1;
    if (!ordered(word.write)) { race = write ? "written twice" : "written and read"; other = word.write.thread; }
    if (write && !ordered(word.read)) { race = "read and written"; other = word.read.thread; }
    if (write && !ordered(word.other_read)) { race = "read and written"; other = word.other_read.thread; }
    if (race) fail("race: shared byte %u is %s by threads %d and %d with no barrier between", i * GRAIN, race, other, current);
    if (write) word.write = now;
    else {
      if (word.read.thread / 32 != current / 32) word.other_read = word.read;
      word.read = now;
    }
  }
  current = self;
}

static u8* shared_place(u32 address, u32 bytes, const char* what) {
  if (address % bytes) fail("%s: shared address %u is not a multiple of %u", what, address - ARENA_BASE, bytes);
  if (address < ARENA_BASE || address - ARENA_BASE + bytes > arena_bytes)
    fail("%s: shared address %d lies outside the %u bytes of this block", what, static_cast<i32>(address - ARENA_BASE), arena_bytes);
  return arena + (address - ARENA_BASE);
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
      touch(static_cast<u32>(copy.to - arena), copy.bytes, true);
    }
  self.issued -= done;
  memmove(self.copies, self.copies + done, self.issued * sizeof(Copy));
  self.committed -= complete;
  memmove(self.groups, self.groups + complete, self.committed * sizeof(int));
}

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
  self.state = ENDED;
  alive--;
  release_barrier_if_complete();
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
  fiber.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
  fiber.issued = fiber.open = fiber.committed = 0;
  wake(i);
}

static void resume(int i) {
  current = i;
  threadIdx = fibers[i].index;
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
  for (int i = 0; i < threads && waits < 0; i++)
    if (fibers[i].state == AT_MEETING || fibers[i].state == AT_BARRIER) waits = i;
  int other = -1;
  for (int i = 0; i < threads && other < 0; i++)
    if (fibers[i].state != fibers[waits].state || strcmp(fibers[i].place, fibers[waits].place)) other = i;
  const char* elsewhere = other < 0 ? "nobody else" : fibers[other].state == ENDED ? "has ended" : fibers[other].place;
  snprintf(failure, sizeof failure, "block (%u, %u, %u): deadlock: thread %d waits at %s, thread %d: %s", blockIdx.x, blockIdx.y,
           blockIdx.z, waits, fibers[waits].place, other, elsewhere);
}

static void run_block() {
  memset(arena, 0xff, arena_bytes);  // NaN: shared memory starts undefined
  for (u32 i = 0; i <= arena_bytes / GRAIN; i++) shadow[i] = Shadow{};
  for (int w = 0; w < MOST_THREADS / 32; w++) { meetings[w].arrived = 0; warp_epochs[w] = 0; }
  alive = threads;
  waiting = ready = 0;
  block_epoch = 0;
  for (int i = 0; i < threads; i++) start(i);
  while (alive && !failure[0]) {
    if (!ready) return describe_deadlock();
    int pick = random_number() % ready, next = runnable[pick];
    runnable[pick] = runnable[--ready];
    resume(next);
  }
}

static u64 common_divisor(u64 a, u64 b) { return b ? common_divisor(b, a % b) : a; }

static int run(const Config& config, void* function, void (*call)(void*, void**), void** args, char* error, int room) {
  kernel = function; invoke = call; arguments = args;
  gridDim = {config.grid[0], config.grid[1], config.grid[2]};
  blockDim = {config.block[0], config.block[1], config.block[2]};
  threads = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
  failure[0] = 0;
  random_state = config.seed * 0x9e3779b97f4a7c15ull | 1;
  u64 blocks = static_cast<u64>(gridDim.x) * gridDim.y * gridDim.z;
  if (threads < 1 || threads > MOST_THREADS || blocks < 1)
    snprintf(failure, sizeof failure, "a block of %d threads in a grid of %llu blocks cannot be launched", threads, blocks);
  arena_bytes = config.shared;
  void* memory = nullptr;  // to the byte, so that the sanitizer sees the first one beyond
  if (posix_memalign(&memory, 1024, arena_bytes + !arena_bytes)) abort();
  arena = static_cast<u8*>(memory);
  shadow = static_cast<Shadow*>(malloc((arena_bytes / GRAIN + 1) * sizeof(Shadow)));
  // Blocks in random order: an affine walk through all of them, its step coprime to their number.
  u64 step, at = random_number() % blocks;
  do step = 1 + random_number() % blocks; while (common_divisor(step, blocks) != 1);
  for (u64 i = 0; i < blocks && !failure[0]; i++, at = (at + step) % blocks) {
    blockIdx = {static_cast<u32>(at % gridDim.x), static_cast<u32>(at / gridDim.x % gridDim.y),
                static_cast<u32>(at / gridDim.x / gridDim.y)};
    run_block();
  }
  free(arena);
  free(shadow);
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
template <class... P> static int launch(const Config& config, void (*k)(P...), void** args, char* error, int room) {
  return run(config, reinterpret_cast<void*>(k), &Call<P...>::invoke, args, error, room);
}
template <class... P> static int parameter_sizes(void (*)(P...), u64* sizes) {
  u64 all[] = {sizeof(P)..., 0};
  memcpy(sizes, all, sizeof...(P) * sizeof(u64));
  return sizeof...(P);
}

}  // namespace sim

// What the loader calls for each kernel of a file.
#define SIMULATED(name)                                                                               \
  extern "C" int simulate_##name(const sim::Config* config, void** args, char* error, int room) {     \
    return sim::launch(*config, name, args, error, room);                                             \
  }                                                                                                   \
  extern "C" int parameters_##name(u64* sizes) { return sim::parameter_sizes(name, sizes); }

#include "cuda_host_ptx.h"
