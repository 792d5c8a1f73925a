// How many processors are there? One block on each at a time, all equally long: one block more than processors takes twice as long.
//
// A launch asks for so much shared memory that no two blocks fit on one processor. A block is a chain of `steps` dependent
// pairs of operations, some 4 to 5 cycles each: 2^15 pairs are 0.1 to 0.2 ms, a hundred times a launch's own cost.
#include "ptx.cuh"

// Before: which processors were seen, none. One block of `length` threads.
KERNEL void forget(u32* seen) { seen[threadIdx.x] = 0; }

// Block i takes start[i] through the chain x -> (x ^ mask) + addend; `seen` counts blocks by the processor's number.
KERNEL void __launch_bounds__(32) spin(const u32* start, const u32* operands, u32* end, u32* seen, u32 steps, u32 length) {
  u32 mask = operands[0], addend = operands[1], value = start[blockIdx.x];
#pragma unroll 16
  for (u32 i = 0; i < steps; i++) value = (value ^ mask) + addend;
  if (threadIdx.x) return;
  end[blockIdx.x] = value;
  u32 processor = processor_id();
  if (processor < length) atomicAdd(seen + processor, 1u);
}
