"""CUDA C++ -> machine code, by NVRTC: no toolkit, no nvcc, no GPU needed.

A chip that NVRTC knows gets a cubin for exactly that chip (``sm_90a``); a newer one gets PTX for the newest
virtual architecture (``compute_120``), which its driver translates. What was compiled is kept: a key over the
source, every file it includes, the options and the compiler's version names it, so an edit of any of these
compiles again and nothing else does.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchsuite import assets
from benchsuite.errors import BenchsuiteError, MeasureError, UnavailableError
from benchsuite.model import Source

OLDEST = 80
"""Ampere: the first that copies asynchronously and multiplies bf16 and tf32."""
SPECIFIC = 90
"""From here on a chip has instructions that only a target with an ``a`` may use."""
REMEDY = "pip install 'benchsuite[cuda13]', or 'benchsuite[kernels]' to compile where there is no GPU."
OPTIONS = ("--std=c++17", "--device-as-default-execution-space", "--generate-line-info", "--ptxas-options=-v")
"""The same for NVRTC 12 and 13; ``-v`` makes the log tell registers and spills."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """One source for one architecture. ``path``: the cubin (or PTX) in the cache.

    log: what the compiler said. version: NVRTC's. seconds: what compiling took when it was done.
    """

    path: Path
    source: Source
    arch: str
    log: str
    version: str
    seconds: float
    from_cache: bool


def compile(source: Source, arch: str) -> Compiled:  # noqa: A001 - compiler.compile is what it does
    """``source`` for ``arch``: a cubin for ``sm_NN``, PTX for ``compute_NN``. From the cache where it is there.

    Raises ``UnavailableError`` without NVRTC or for an architecture that it does not know, ``MeasureError``
    with source, line and the first error when the source does not compile.
    """
    file = locate(source)
    release = version()
    _check(arch, release)
    options = [f"--gpu-architecture={arch}", *OPTIONS, *(f"-D{name}={value}" for name, value in source.defines)]
    entry = _Entry(_key(file, options, release), "cubin" if arch.startswith("sm_") else "ptx")
    known = entry.read()
    if known is None:
        started = time.perf_counter()
        code, log = _run(source, file, options, arch)
        known = {"log": log, "seconds": time.perf_counter() - started}
        entry.write(code, known)
        return Compiled(entry.path, source, arch, log, release, known["seconds"], from_cache=False)
    return Compiled(entry.path, source, arch, known["log"], release, known["seconds"], from_cache=True)


def target(capability: tuple[int, int]) -> str:
    """What to compile for a device of this compute capability: ``"sm_90a"``, or ``"compute_120"`` for a later one.

    A cubin runs only on the chip it was made for, so nothing near is taken for it: PTX is.
    """
    number = 10 * capability[0] + capability[1]
    if number < OLDEST:
        told = f"This GPU has compute capability {capability[0]}.{capability[1]}"
        raise UnavailableError(
            f"{told}; benchsuite's kernels need Ampere or newer (8.0).", "Use --backend host or another GPU."
        )
    known = supported_architectures()
    if number in known:
        return f"sm_{number}a" if number >= SPECIFIC else f"sm_{number}"
    return f"compute_{max(one for one in known if one < number)}"


@cache
def supported_architectures() -> tuple[int, ...]:
    """Numbers of the architectures that this NVRTC compiles for: ``(75, 80, …, 120)``."""
    return tuple(sorted(int(number) for number in _call(_nvrtc().nvrtcGetSupportedArchs)))


@cache
def version() -> str:
    """NVRTC's version, ``"13.5"``."""
    major, minor = _call(_nvrtc().nvrtcVersion)
    return f"{major}.{minor}"


def locate(source: Source) -> Path:
    """The file of a source. An absolute path stands for itself: a kernel may lie beside its benchmark's file."""
    file = assets.folder("kernels") / source.path
    if not file.is_file():
        raise MeasureError(f"The kernel {source.label} has no file {file}.", "Paths begin below the kernels folder.")
    return file


def warnings(log: str) -> tuple[str, ...]:
    """The log's lines that complain: warnings of either stage, and ptxas' numbered advice.

    C7507 (setmaxnreg ignored) and C7510 (wgmma serialized) are called information, and each halves a kernel's rate.
    """
    complaint = re.compile(r"\bwarning(?: #|\s*:)|\(C\d{4}\)")
    return tuple(line.strip() for line in log.splitlines() if complaint.search(line))


@cache
def _nvrtc() -> Any:
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()  # the library itself is looked for at the first call
    except ImportError as error:
        raise UnavailableError("The CUDA compiler's bindings (cuda-bindings) are not installed.", REMEDY) from error
    except RuntimeError as error:
        raise UnavailableError(f"The CUDA compiler NVRTC cannot be loaded: {_first_line(error)}.", REMEDY) from error
    return nvrtc


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


class _NvrtcError(BenchsuiteError):
    """NVRTC answered with something else than success."""


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of an NVRTC function (one value, or a tuple of several)."""
    status, *result = function(*arguments)
    if int(status) != 0:
        raise _NvrtcError(f"NVRTC: {status.name}.")
    return result[0] if len(result) == 1 else result


def _check(arch: str, release: str) -> None:
    match = re.fullmatch(r"(sm|compute)_(\d+)[af]?", arch)
    if match is None or int(match[2]) not in supported_architectures():
        raise UnavailableError(
            f"NVRTC {release} cannot compile for {arch!r}.", "A newer one may: 'benchsuite[cuda13]'."
        )


def _key(file: Path, options: list[str], release: str) -> str:
    """What the result depends on, and where the files lie does not."""
    digest = hashlib.sha256(json.dumps([release, options, file.name]).encode())
    for part in _texts(file, set()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:32]


def _texts(file: Path, seen: set[Path]) -> Iterator[bytes]:
    """The file's bytes, then those of every file it includes by a name in quotes, each once."""
    seen.add(file)
    text = file.read_bytes()
    yield text
    for name in re.findall(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', text, re.MULTILINE):
        for folder in (file.parent, assets.folder("kernels")):
            included = folder / name.decode(errors="replace")
            if included.is_file():
                if included not in seen:
                    yield from _texts(included, seen)
                break


def _run(source: Source, file: Path, options: list[str], arch: str) -> tuple[bytes, str]:
    """Machine code and log. NVRTC lets other threads compile at the same time."""
    nvrtc = _nvrtc()
    folders = [f"--include-path={folder}" for folder in (file.parent, assets.folder("kernels"))]
    words = [word.encode() for word in (*options, *folders)]
    program = _call(nvrtc.nvrtcCreateProgram, file.read_bytes(), source.label.split()[0].encode(), 0, [], [])
    try:
        try:
            _call(nvrtc.nvrtcCompileProgram, program, len(words), words)
        except _NvrtcError as error:
            log = _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program)
            raise _explained(source, arch, log or error.message) from error
        log = _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program)
        if arch.startswith("sm_"):
            return _bytes(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program), log
        return _bytes(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program), log
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _bytes(size: Callable[..., Any], get: Callable[..., Any], program: Any) -> bytes:
    content = bytearray(_call(size, program))
    _call(get, program, content)
    return bytes(content)


def _text(size: Callable[..., Any], get: Callable[..., Any], program: Any) -> str:
    return _bytes(size, get, program).decode(errors="replace").strip("\0 \n")


_COMPLAINTS = (
    re.compile(r"^(?P<file>.+?)\((?P<line>\d+)\): (?:\w+ )?error(?: #\S+)?: (?P<what>.+)$", re.MULTILINE),
    re.compile(r"^ptxas (?P<file>.+?), line (?P<line>\d+); error\s*: (?P<what>.+)$", re.MULTILINE),
)


def _explained(source: Source, arch: str, log: str) -> MeasureError:
    """The first error in a sentence, then the end of the log."""
    found = next(filter(None, (pattern.search(log) for pattern in _COMPLAINTS)), None)
    lines = [line for line in log.splitlines() if line.strip()]
    complaint = next((line for line in lines if "error" in line), lines[0])
    first = f"{found['file']}, line {found['line']}: {found['what']}" if found else complaint
    tail = "\n".join(lines[-20:])
    return MeasureError(
        f"{source.label} does not compile for {arch}: {first.rstrip('.')}.", f"The compiler's log ends:\n{tail}"
    )


class _Entry:
    """One compilation in the cache: the code, and beside it what was said, with the code's digest."""

    def __init__(self, key: str, suffix: str) -> None:
        self.path = assets.cache_folder() / "cuda" / f"{key}.{suffix}"
        self.about = self.path.with_suffix(f".{suffix}.json")

    def read(self) -> dict[str, Any] | None:
        """Log and seconds, or nothing where the entry is missing or damaged."""
        try:
            about = json.loads(self.about.read_bytes())
            whole = about["sha256"] == hashlib.sha256(self.path.read_bytes()).hexdigest()
            return {"log": str(about["log"]), "seconds": float(about["seconds"])} if whole else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, code: bytes, about: dict[str, Any]) -> None:
        """Both files, each whole or not at all; the description last, as it vouches for the code."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, code)
            write_whole(self.about, json.dumps({**about, "sha256": hashlib.sha256(code).hexdigest()}).encode())
        except OSError as error:
            message = f"Compiled kernels cannot be kept in {self.path.parent}: {error.strerror}."
            raise UnavailableError(message, "Set XDG_CACHE_HOME to a folder that can be written.") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or what was there before."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
