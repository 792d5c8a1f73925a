"""The CPU of this machine: what it offers, and the kernels that measure it."""
