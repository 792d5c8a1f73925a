// Holds a stream until the host opens the gate, so that what the host needs to enqueue launches lies outside the
// time between two events. One thread looks at a word of pinned host memory; it gives up after `patience`
// nanoseconds, so that a host that was killed, or waits for this very stream, never leaves a GPU spinning.
#include "ptx.cuh"

// opened: the number of the last gate the host has opened; number: this gate's, counted from 1.
// late: this gate writes its number there when it opened by itself: what followed was not held back, and is no measurement.
KERNEL void gate(const u32* opened, u32 number, u32* late, u64 patience) {
  const u64 start = global_timer();
  while (load_acquire_system(opened) < number) {
    if (global_timer() - start > patience) {
      store_release_system(late, number);
      return;
    }
  }
}
