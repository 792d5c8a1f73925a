"""What is in a cubin: each entry's needs from its ELF sections, its instructions from nvdisasm.

Only the sections' bytes are read; no CUDA header or tool is needed for the needs. The attribute numbers are
those that ``cuobjdump -elf`` prints by name (``EIATTR_…``); spills are in the compiler's log alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import struct
import subprocess
import tempfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from pathlib import Path

from benchsuite.backends.cuda.compiler import write_whole
from benchsuite.errors import DataError, UnavailableError

TENSOR = re.compile(r"^(UTC)?[A-Z]{1,3}MMA\b")
"""Tensor cores: HMMA IMMA DMMA QMMA OMMA by a warp, HGMMA QGMMA IGMMA by a warpgroup, UTC…MMA by a block."""
FEEDING = re.compile(r"^(LDSM|LDGSTS|UTMALDG|UTMASTG|USETMAXREG|LDTM|UTCCP|UTCBAR)\b")
"""What feeds them: matrices from shared memory, asynchronous copies, the copy engine, registers moved between warps;
and on sm_100a tensor memory to registers, scales to tensor memory, a commit's arrival at a barrier."""
RESERVED = 1024
"""Bytes that the system keeps of each block's shared memory; from sm_90 on a kernel's section counts them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One kernel of a cubin. Sizes in bytes.

    registers: of each thread. shared: static, of each block. stack: local memory of each thread. spills: stores and
    loads of registers that did not fit. barriers: named ones used. threads: most in a block that it was compiled for,
    0 if unstated. parameters: size of each.
    """

    name: str
    registers: int
    shared: int
    stack: int
    spills: int
    barriers: int
    threads: int
    parameters: tuple[int, ...]


def entries(content: bytes, log: str = "") -> tuple[Entry, ...]:
    """The kernels of a cubin, in name order; ``log`` is what the compiler said of it, for the spills.

    Raises ``DataError`` if it is not a cubin.
    """
    try:
        sections = {section.name: section for section in _sections(content)}
        return tuple(_entries(sections, report(log)))
    except (struct.error, ValueError, IndexError) as error:
        raise DataError("This is not a cubin.", "Compile it again.") from error


def _entries(sections: Mapping[str, _Section], told: Mapping[str, Reported]) -> Iterator[Entry]:
    reserved = RESERVED if ".nv.shared.reserved.0" in sections else 0
    registers, stacks = _by_symbol(sections, _REGISTERS), _by_symbol(sections, _FRAME_SIZE)
    for kernel in sorted(name.removeprefix(".text.") for name in sections if name.startswith(".text.")):
        if f".nv.info.{kernel}" not in sections:
            continue
        static = sections.get(f".nv.shared.{kernel}")
        threads, parameters = _facts(sections[f".nv.info.{kernel}"].content)
        yield Entry(
            name=kernel,
            registers=registers.get(kernel, 0),
            shared=max(0, static.size - reserved) if static else 0,
            stack=stacks.get(kernel, 0),
            spills=told.get(kernel, _SILENT).spills,
            barriers=told.get(kernel, _SILENT).barriers,
            threads=threads,
            parameters=parameters,
        )


@dataclass(frozen=True, slots=True)
class Reported:
    """What only the log says of a kernel: bytes spilled (stores and loads together), named barriers used."""

    spills: int = 0
    barriers: int = 0


_SILENT = Reported()


def report(log: str) -> dict[str, Reported]:
    """ptxas' account of each kernel (``--ptxas-options=-v``)."""
    found: dict[str, Reported] = {}
    name = ""
    for line in log.splitlines():
        if match := re.search(r"(?:Function properties for|Compiling entry function) '?([\w$]+)'?", line):
            name = match[1]
        elif match := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            found[name] = replace(found.get(name, _SILENT), spills=int(match[1]) + int(match[2]))
        elif match := re.search(r"used (\d+) barriers", line):
            found[name] = replace(found.get(name, _SILENT), barriers=int(match[1]))
    return found


Counts = Mapping[str, Mapping[str, int]]
"""How often each kernel holds each instruction: ``{"gemm": {"HMMA.16816.F32": 64, …}}``."""


def instructions(paths: Sequence[Path], arch: str) -> dict[Path, Counts]:
    """The instructions of each of these cubins of one architecture. Raises ``UnavailableError`` without nvdisasm.

    They are disassembled together, as starting nvdisasm takes longer than reading a kernel, and kept beside the cubins.
    """
    contents = {path: path.read_bytes() for path in paths}
    found: dict[Path, Counts] = {}
    code: dict[tuple[Path, str], bytes] = {}
    for path, content in contents.items():
        known = _kept(path, content)
        if known is not None:
            found[path] = known
            continue
        for section in _sections(content):
            if section.name.startswith(".text."):
                code[path, section.name.removeprefix(".text.")] = section.content
    counted = dict(zip(code, _counts(list(code.values()), arch), strict=True)) if code else {}
    for path, content in contents.items():
        if path not in found:
            found[path] = {kernel: counts for (owner, kernel), counts in counted.items() if owner == path}
            about = {"sha256": hashlib.sha256(content).hexdigest(), "kernels": found[path]}
            write_whole(_beside(path), json.dumps(about).encode())
    return found


def _beside(path: Path) -> Path:
    return path.with_suffix(".sass.json")


def _kept(path: Path, content: bytes) -> Counts | None:
    """The instructions counted before, or nothing where they are missing, damaged or of another cubin."""
    try:
        known = json.loads(_beside(path).read_bytes())
        right = known["sha256"] == hashlib.sha256(content).hexdigest()
        return {str(name): dict(counts) for name, counts in known["kernels"].items()} if right else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


_INSTRUCTION = re.compile(r"\s+/\*([0-9a-f]{4,})\*/\s+(?:@!?\w+\s+)?([A-Z][\w.]*)")


def _counts(pieces: Sequence[bytes], arch: str) -> list[dict[str, int]]:
    """Instructions of each piece of machine code; predicates and operands are left out."""
    ends = list(accumulate(map(len, pieces)))
    found = [Counter[str]() for _ in pieces]
    for line in _disassembly(b"".join(pieces), arch).splitlines():
        if match := _INSTRUCTION.match(line):
            found[bisect_right(ends, int(match[1], 16))][match[2]] += 1
    return [dict(counts) for counts in found]


def _disassembly(code: bytes, arch: str) -> str:
    """Machine code as text: a line ``/*0010*/ @!P0 BRA …`` for each instruction, with its position."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(code)
        file.flush()
        command = [nvdisasm(), "--binary", arch.replace("sm_", "SM"), "--no-dataflow", file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        raise DataError(f"nvdisasm cannot read code for {arch}: {done.stderr.strip()[:200]}.", "Compile it again.")
    return done.stdout


@cache
def nvdisasm() -> str:
    """The disassembler: from the wheel, else from PATH."""
    package = importlib.util.find_spec("nvidia")
    for folder in package.submodule_search_locations or () if package else ():
        for found in sorted(Path(folder).glob("*/bin/nvdisasm"), reverse=True):
            return str(found)
    found_in_path = shutil.which("nvdisasm")
    if found_in_path is None:
        raise UnavailableError("The disassembler nvdisasm is not installed.", "pip install 'benchsuite[kernels]'")
    return found_in_path


# -- ELF -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    content: bytes
    size: int


_NOBITS = 8


def _sections(content: bytes) -> Iterator[_Section]:
    """The sections of a 64-bit little-endian ELF file (System V ABI, "Object Files")."""
    if content[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no ELF file")
    (table,) = struct.unpack_from("<Q", content, 0x28)
    stride, number, names = struct.unpack_from("<HHH", content, 0x3A)
    headers = [struct.unpack_from("<IIQQQQII", content, table + i * stride) for i in range(number)]
    strings = headers[names][4]
    for name, kind, _, _, offset, size, _, _ in headers:
        if kind != _NOBITS and offset + size > len(content):
            raise ValueError("a section lies beyond the end")
        start = strings + name
        text = content[start : content.index(b"\0", start)].decode()
        yield _Section(text, b"" if kind == _NOBITS else content[offset : offset + size], size)


_MAX_THREADS, _REQUIRED_THREADS, _FRAME_SIZE, _KPARAM_INFO, _REGISTERS = 0x05, 0x10, 0x11, 0x17, 0x2F
_SIZED = 4


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Attributes of a ``.nv.info`` section: format, number, then two bytes of value or of its length."""
    position = 0
    while position + 4 <= len(content):
        form, number, short = struct.unpack_from("<BBH", content, position)
        position += 4
        if form == _SIZED:
            yield number, content[position : position + short]
            position += short
        else:
            yield number, struct.pack("<H", short)


def _facts(content: bytes) -> tuple[int, tuple[int, ...]]:
    """Most threads of a block, and every parameter's size, from ``.nv.info.<kernel>``.

    KPARAM_INFO holds index, ordinal, offset and 18 further bits before the size.
    """
    threads = 0
    sizes: dict[int, int] = {}
    for number, value in _attributes(content):
        if number in {_MAX_THREADS, _REQUIRED_THREADS}:
            x, y, z = struct.unpack_from("<III", value)
            threads = x * y * z
        elif number == _KPARAM_INFO:
            _, ordinal, _, bits = struct.unpack_from("<IHHI", value)
            sizes[ordinal] = bits >> 18
    return threads, tuple(sizes[ordinal] for ordinal in sorted(sizes))


def _by_symbol(sections: Mapping[str, _Section], wanted: int) -> dict[str, int]:
    """An attribute of ``.nv.info`` by kernel: there functions are named by their symbol's number."""
    info, symbols, strings = (sections.get(name) for name in (".nv.info", ".symtab", ".strtab"))
    found: dict[str, int] = {}
    if info is None or symbols is None or strings is None:
        return found
    for number, value in _attributes(info.content):
        if number == wanted:
            symbol, amount = struct.unpack_from("<II", value)
            (start,) = struct.unpack_from("<I", symbols.content, 24 * symbol)
            found[strings.content[start : strings.content.index(b"\0", start)].decode()] = amount
    return found
