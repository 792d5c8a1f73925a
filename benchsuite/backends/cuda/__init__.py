"""The CUDA backend: NVRTC compiles, CuPy launches, nothing is imported before a GPU is asked for."""
