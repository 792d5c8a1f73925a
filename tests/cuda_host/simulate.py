"""A GPU made of g++ and fibers: the CUDA backend's runtime on the CPU, and short ways to run one case on it.

``cuda_host.h`` says what is executed and what is found. Builds are kept in the user's cache by a digest of everything
that goes into them. ``BENCHSUITE_SANITIZE=1`` builds with address and undefined-behaviour sanitizers;
the process must then have been started with ``LD_PRELOAD`` of libasan (``sanitized_environment``).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchsuite import assets, units
from benchsuite.backends.cuda import tensormap
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.backends.cuda.runtime import Spent
from benchsuite.errors import MeasureError, UnavailableError
from benchsuite.measure.verify import check
from benchsuite.model import (
    DEVICE,
    TYPICAL,
    Array,
    Benchmark,
    Buffers,
    Case,
    CudaKernel,
    Device,
    Launch,
    Rejected,
    Source,
    Step,
    TensorMap,
    Tolerance,
)
from benchsuite.world.solo import SoloWorld

HERE = Path(__file__).parent
KERNELS = assets.folder("kernels")
SANITIZE = os.environ.get("BENCHSUITE_SANITIZE") == "1"
PROCESSORS = 4
ALIGNMENT = 256
MOST_BOX = 256
_MAP = int.from_bytes(b"ensormap", "little")
"""By this the simulator knows a tensor map."""
FLAGS = ("-std=c++17", "-fPIC", "-w", "-ffp-contract=off", "-fno-strict-aliasing")
PLAIN = ("-O1", "-g0")
SANITIZED = ("-Og", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
"""Sanitized kernels run for a moment and are built for longer; lines are for what a sanitizer tells."""
_ONE = threading.Lock()
"""A library's fibers have one scheduler; several ranks may be threads of this process."""
_ENTRY = re.compile(
    r"^KERNEL[^(]*?\bvoid\s+(?:__cluster_dims__\((?P<cluster>\w+)[^)]*\)\s*)?(?:__launch_bounds__\([^)]*\)\s*)?(?P<name>\w+)\s*\(",
    re.MULTILINE,
)
_MACHINES = re.compile(r"\b(?:mbarrier|tensor_|cluster_|named_barrier|wgmma|registers_)\w*\(")
"""What only sources for sm_90 use; the others are built without, which is sooner."""


class _Config(ctypes.Structure):
    _fields_ = (
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("shared", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("seed", ctypes.c_uint64),
    )


def device(arch: str = "sm_80", processors: int = PROCESSORS, count: int = 1) -> Device:
    """A typical card of this architecture with few processors, so that persistent kernels take several turns."""
    return replace(TYPICAL[arch], processors=processors, l2=1 << 16, memory=1 << 30, count=count)


def sanitized_environment() -> dict[str, str]:
    """The environment of a process that loads sanitized builds."""
    library = subprocess.run(["g++", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
    options = "detect_leaks=0:abort_on_error=0:exitcode=99"
    preload = {"LD_PRELOAD": library.stdout.strip(), "ASAN_OPTIONS": options, "UBSAN_OPTIONS": "print_stacktrace=1"}
    return {**os.environ, **preload, "BENCHSUITE_SANITIZE": "1"}


def build(text: str, defines: Sequence[tuple[str, int | str]], generation: int) -> ctypes.CDLL:
    """The kernels of this source text as a library; a compiler's complaint is raised as ``MeasureError``."""
    entries = [(found["name"], found["cluster"] or "1") for found in _ENTRY.finditer(text)]
    if not entries:
        raise MeasureError("The source declares no KERNEL.", "Write KERNEL void name(...).")
    calls = "".join(f"SIMULATED({name}, {cluster})\n" for name, cluster in entries)
    macros = "".join(f"#define {name} {value}\n" for name, value in defines)
    program = f'{macros}#line 1 "kernel.cu"\n{text}\n{calls}'
    machines = int(_MACHINES.search(text) is not None)
    flags = (
        *FLAGS,
        *(SANITIZED if SANITIZE else PLAIN),
        f"-D__CUDA_ARCH__={generation * 10}",
        f"-DMACHINES={machines}",
    )
    digest = hashlib.sha256(_headers() + program.encode() + "\0".join(flags).encode()).hexdigest()[:24]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "benchsuite" / "simulated"
    library = folder / f"{digest}.so"
    if not library.is_file():
        ahead = _ahead(folder, flags)
        source, made = folder / f"{digest}.{os.getpid()}.cpp", folder / f"{digest}.{os.getpid()}.so"
        source.write_text(program)
        failed = _compile(*flags, "-shared", "-include", str(ahead), str(source), "-o", str(made))
        source.unlink()
        if failed:
            raise MeasureError(f"The kernel does not compile: {failed[:4000]}")
        made.rename(library)
    return ctypes.CDLL(str(library))


@cache
def _headers() -> bytes:
    """Whatever a build may include, in one."""
    return b"".join(path.read_bytes() for path in sorted([*HERE.glob("*.h"), *KERNELS.rglob("*.cuh")]))


@cache
def _ahead(folder: Path, flags: tuple[str, ...]) -> Path:
    """``ptx.cuh`` and what it includes, to be included first: compiled for these flags, a fifth of every build.

    g++ reads the text where what is compiled beside it is missing. Only the last headers' is kept, as it is large.
    """
    kept = folder / f"ahead-{hashlib.sha256(chr(0).join(flags).encode()).hexdigest()[:12]}"
    kept.mkdir(parents=True, exist_ok=True)
    header = kept / f"{hashlib.sha256(_headers()).hexdigest()[:12]}.h"
    compiled = kept / f"{header.name}.gch"
    if not compiled.is_file():
        made = kept / f"{header.name}.{os.getpid()}"
        made.write_text('#include "ptx.cuh"\n')
        made.rename(header)
        if not _compile(*flags, "-x", "c++-header", str(header), "-o", str(made)):
            made.rename(compiled)
        for other in set(kept.glob("*.gch")) - {compiled}:
            other.unlink(missing_ok=True)
    return header


def _compile(*words: str) -> str:
    """What g++ complains of, nothing if it has compiled."""
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}  # not for the compiler
    command = ["g++", f"-I{KERNELS}", f"-I{HERE}", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=plain)
    return (done.stderr.strip() or f"g++ ended with {done.returncode}") if done.returncode else ""


def available() -> bool:
    """Whether kernels can be simulated here."""
    return shutil.which("g++") is not None


class SimulatedRuntime:
    """``backends.cuda.runtime.Runtime`` on NumPy memory. ``seed`` chooses the schedules."""

    name = "simulated"

    def __init__(
        self, device: Device | None = None, seed: int = 0, edit: Mapping[str, str] | None = None, nccl: Any = None
    ) -> None:
        """``edit``: text replaced in every source before it is built, to plant faults; each must occur.

        nccl: a double of CuPy's binding (``tests.fake_nccl``); without one there is no NCCL.
        """
        self._nccl = nccl
        self._device = device or globals()["device"]()
        self._seed = seed
        self._edit = dict(edit or {})
        self._libraries: dict[Source, ctypes.CDLL] = {}

    def device(self) -> Device:
        return self._device

    def capabilities(self) -> frozenset[str]:
        return frozenset({"cuda", self._device.arch} | ({"peers"} if self._device.count > 1 else set()))

    def providers(self) -> dict[str, str]:
        return {"benchsuite": "simulated"}

    def free_memory(self) -> int:
        return self._device.memory

    def bus(self) -> str:
        return f"simulated {id(self)}"

    def address(self, array: Array) -> int:
        return array.ctypes.data

    def stream(self) -> int:
        return 0

    def nccl(self) -> Any:
        if self._nccl is None:
            raise UnavailableError("NCCL cannot be loaded.")
        return self._nccl

    def empty(self, shape: tuple[int, ...], storage: str, place: str = DEVICE) -> Array:
        dtype = np.dtype(storage)
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if SANITIZE:  # allocated to the byte, so that the sanitizer sees the first one beyond
            return _guarded(nbytes).view(dtype).reshape(shape)
        raw = np.empty(nbytes + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        return raw[start : start + nbytes].view(dtype).reshape(shape)

    def upload(self, array: Array, place: str = DEVICE) -> Array:
        copy = self.empty(array.shape, array.dtype.str, place)
        copy[...] = array
        return copy

    def download(self, array: Array) -> Array:
        return array.copy()

    def fill(self, array: Array, byte: int) -> None:
        array.reshape(-1).view(np.uint8).fill(byte)

    def copy(self, destination: Array, source: Array) -> Step:
        return lambda: np.copyto(destination, source)

    def prepare(self, source: Source, launch: Launch, buffers: Buffers) -> Step:
        library = self._library(source)
        try:
            call = getattr(library, f"simulate_{launch.entry}")
        except AttributeError as error:
            raise MeasureError(f"{source.path} declares no kernel {launch.entry}.") from error
        values = [_value(arg, buffers) for arg in launch.args]
        _check_sizes(library, launch, values)
        pointers = (ctypes.c_void_p * max(1, len(values)))(*[value.ctypes.data for value in values])
        error = ctypes.create_string_buffer(512)
        calls = 0

        def step() -> None:
            nonlocal calls
            calls += 1
            config = _Config(launch.grid, launch.block, launch.shared, 0, 1 + self._seed * 1009 + calls)
            with _ONE:
                failed = call(ctypes.byref(config), pointers, error, len(error))
            if failed:
                raise MeasureError(f"{launch.entry}: {error.value.decode()}")

        step.__dict__["keeps"] = (values, buffers)
        return step

    def beside(self, enqueue: Step) -> Step:
        enqueue()
        return lambda: None

    def together(self, steps: Sequence[Step]) -> Step:
        return self.graph(steps)

    def graph(self, steps: Sequence[Step]) -> Step:
        def replay() -> None:
            for step in steps:
                step()

        return replay

    def synchronize(self) -> None:
        return

    def elapsed(self, steps: Sequence[Step], gated: bool = True) -> Spent:
        """The simulator's own time: it says nothing of a GPU."""
        start = time.perf_counter()
        for step in steps:
            step()
        spent = time.perf_counter() - start
        return Spent(spent, spent)

    def _library(self, source: Source) -> ctypes.CDLL:
        if source not in self._libraries:
            text = _whole((KERNELS / source.path).read_text())
            for before, after in self._edit.items():
                assert before in text, f"{source.path} has no {before!r} to plant a fault in"
                text = text.replace(before, after, 1)
            self._libraries[source] = build(text, source.defines, self._device.generation)
        return self._libraries[source]


def _whole(text: str) -> str:
    """A source with the headers of its own folder in place, so that faults can be planted there too."""
    return re.sub(
        r'^#include "(\w+/\w+\.cuh)"$', lambda found: (KERNELS / found[1]).read_text(), text, flags=re.MULTILINE
    )


def _guarded(nbytes: int) -> Array:
    """Memory that ends where the array ends (never freed: a test's process is short)."""
    address = ctypes.c_void_p()
    ctypes.CDLL(None).posix_memalign(ctypes.byref(address), ctypes.c_size_t(ALIGNMENT), ctypes.c_size_t(max(1, nbytes)))
    assert address.value, f"no memory for {nbytes} bytes"
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address.value))


def _value(arg: object, buffers: Buffers) -> Array:
    """The argument's bytes as the kernel receives them."""
    if isinstance(arg, str):
        return np.array([buffers[arg].ctypes.data], np.uint64)
    if isinstance(arg, TensorMap):
        return encode(arg, buffers[arg.buffer])
    return np.array([arg])


def encode(spec: TensorMap, array: Array) -> Array:
    """The tensor map as `cuda_host_async.h` reads it; ``MeasureError`` where the driver would refuse it.

    CUDA driver API, cuTensorMapEncodeTiled: rows of a multiple of 16 bytes, boxes of at most 256 a side, a row of a box
    a multiple of 16 bytes and not longer than the swizzle.
    """
    element, row = units.dtype(spec.dtype).bytes, spec.box[0] * units.dtype(spec.dtype).bytes
    rank, address = len(spec.shape), array.ctypes.data
    if rank not in (2, 3) or (spec.swizzle and row != spec.swizzle):
        raise MeasureError("Only matrices and rows of them, in boxes as wide as their swizzle, can be simulated.")
    strides, ones = tensormap.strides(spec), (1,) * (3 - rank)
    if address % 16 or strides[0] % 16 or row % 16 or max(spec.box) > MOST_BOX or min(*spec.box, *spec.shape) < 1:
        raise MeasureError(f"The driver would refuse a tensor map of {spec.dtype} {spec.shape} in boxes of {spec.box}.")
    if array.nbytes != strides[-1] * spec.shape[-1]:
        raise MeasureError(f"A tensor map of {spec.dtype} {spec.shape} does not fit {array.nbytes} bytes.")
    sizes = (element, spec.swizzle, rank, *spec.shape, *ones, *spec.box, *ones)
    packed = struct.pack("<4Q9I", _MAP, address, strides[0], strides[-1], *sizes)
    space = np.zeros(2 * tensormap.BYTES, np.uint8)
    start = -space.ctypes.data % tensormap.BYTES
    space[start : start + len(packed)] = np.frombuffer(packed, np.uint8)
    return space[start : start + tensormap.BYTES].view(f"V{tensormap.BYTES}")


def _check_sizes(library: ctypes.CDLL, launch: Launch, values: Sequence[Array]) -> None:
    sizes = (ctypes.c_uint64 * 64)()
    count = getattr(library, f"parameters_{launch.entry}")(sizes)
    got, wanted = [value.itemsize for value in values], list(sizes[:count])
    if got != wanted:
        raise MeasureError(f"{launch.entry} takes arguments of {wanted} bytes and is given {got}.")


def bound(
    benchmark: Benchmark, implementation: str, case: Case, runtime: SimulatedRuntime, seed: int = 0
) -> tuple[Step, dict[str, Array], dict[str, Array]]:
    """A step, the case's inputs, and the buffers it works on (inputs, poisoned outputs, scratch)."""
    return _bound(CudaBackend(runtime), benchmark, implementation, case, seed)


def _bound(
    backend: CudaBackend, benchmark: Benchmark, implementation: str, case: Case, seed: int
) -> tuple[Step, dict[str, Array], dict[str, Array]]:
    item = next(item for item in benchmark.implementations if item.name == implementation)
    assert isinstance(item.op, CudaKernel), f"{implementation} is no CUDA kernel"
    inputs, places = dict(benchmark.inputs(case, np.random.default_rng(seed))), benchmark.places(case)
    buffers = {**backend.upload(inputs, places), **backend.allocate(benchmark.outputs(case), places)}
    step = backend.bind(item, buffers, case, SoloWorld(), places)
    return step, inputs, dict(step.keeps)


def run(
    benchmark: Benchmark,
    implementation: str,
    case: Case,
    arch: str = "sm_80",
    *,
    seed: int = 0,
    on: Device | None = None,
    edit: Mapping[str, str] | None = None,
    iterations: int = 2,
) -> float | Rejected:
    """Iterations of an implementation on the simulator, then the verdict of the benchmark's reference.

    A fault that the simulator itself finds (a race, a stray address) is a rejection too.
    """
    backend = CudaBackend(SimulatedRuntime(on or device(arch), seed, edit))
    step, inputs, buffers = _bound(backend, benchmark, implementation, case, seed)
    outputs = {name: buffers[name] for name in benchmark.outputs(case)}
    try:
        for _ in range(iterations):
            backend.poison(outputs)  # an iteration that writes nothing must not live on the one before
            step()
    except MeasureError as error:
        return Rejected(str(error))
    expected = benchmark.reference(case, [inputs], np.random.default_rng(99))
    return check(buffers, expected, benchmark.outputs(case), benchmark.tolerance(case) or Tolerance())


@cache
def compiler() -> str:
    """The compiler's version, for a report."""
    return subprocess.run(["g++", "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
