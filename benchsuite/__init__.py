"""benchsuite measures GEMM, attention, memory bandwidth and all-reduce, and says how sure it is."""

__version__ = "0.1.0"
