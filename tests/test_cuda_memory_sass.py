"""The memory kernels' machine code: loads under way before the first use, chains without arithmetic, real atomics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest

from benchsuite.backends.cuda import compiler
from benchsuite.model import Source
from tests.sass import disassembly

pytest.importorskip("cuda.bindings", reason="NVRTC comes with the extra cuda13")

ARCHS = ("sm_80", "sm_90a", "sm_120a")
STREAM = [f"stream_{op}" for op in ("read", "copy", "scale", "add", "triad")]
CACHE, TRANSFER, CHASE, ATOMICS = (Source.of(f"memory/{name}.cu") for name in ("cache", "transfer", "chase", "atomics"))
INSTRUCTION = re.compile(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+ )?([A-Z][\w.]*)\s*([^;]*);")


@cache
def listings(source: Source, arch: str) -> dict[str, list[tuple[str, str]]]:
    """Operation and operands of each kernel's instructions; a label is the operation ``":"``."""
    found: dict[str, list[tuple[str, str]]] = {}
    kernel = ""
    for line in disassembly(compiler.compile(source, arch).path).splitlines():
        if section := re.match(r"\.text\.(\w+):", line):
            kernel = section[1]
            found[kernel] = []
        elif kernel and re.match(r"\.L_x?_?\d+:", line):
            found[kernel].append((":", ""))
        elif kernel and (match := INSTRUCTION.match(line)):
            found[kernel].append((match[1], match[2]))
    return found


def under_way(instructions: list[tuple[str, str]]) -> int:
    """The most 16-byte loads issued, without a label between, before anything reads what they bring."""
    most, pending, count = 0, set[int](), 0
    for operation, operands in instructions:
        registers = [int(number) for number in re.findall(r"\bR(\d+)", operands)]
        stores = operation.startswith(("ST", "RED", "ATOM"))
        if operation.startswith(("LDG", "LDS")) and "128" in operation:
            pending |= set(range(registers[0], registers[0] + 4))
            count += 1
        elif operation == ":" or pending & set(registers if stores else registers[1:]):
            pending, count = set(), 0
        most = max(most, count)
    return most


def runs(instructions: list[tuple[str, str]], operation: str) -> Iterator[int]:
    """Lengths of the runs of this operation with nothing between."""
    length = 0
    for name, _ in [*instructions, ("end", "")]:
        if name.startswith(operation):
            length += 1
        elif length:
            yield length
            length = 0


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("once", [0, 1])
def test_a_thread_has_128_bytes_under_way(once: int, arch: str) -> None:
    found = listings(Source.of("memory/stream.cu", ONCE=once), arch)
    assert {name: under_way(found[name]) for name in STREAM} == dict.fromkeys(STREAM, 8)
    hints = {name for name, _ in found["stream_triad"] if name.startswith(("LDG", "STG"))}
    assert any(".EF." in name for name in hints) == any(".NA." in name for name in hints) == bool(once)


@pytest.mark.parametrize("arch", ARCHS)
def test_caches_and_links_have_enough_under_way(arch: str) -> None:
    found = {**listings(CACHE, arch), **listings(TRANSFER, arch)}
    least = {"cache_l2": 8, "cache_l1": 4, "cache_shared": 4, "transfer_one": 8, "transfer_both": 8}
    assert all(under_way(found[name]) >= wanted for name, wanted in least.items())
    loads = {name: {op for op, _ in found[name] if op.startswith("LDG")} for name in ("cache_l1", "cache_l2")}
    assert loads == {"cache_l1": {"LDG.E.128"}, "cache_l2": {"LDG.E.128.STRONG.GPU"}}


@pytest.mark.parametrize("arch", ARCHS)
def test_a_step_of_the_chase_is_one_load(arch: str) -> None:
    found = listings(CHASE, arch)
    assert max(runs(found["chase_l1"], "LDG.E.64")) >= 15
    assert max(runs(found["chase_l2"], "LDG.E.64.STRONG.GPU")) >= 15


@pytest.mark.parametrize("arch", ARCHS)
def test_atomics_are_made_one_by_one(arch: str) -> None:
    for name, instructions in listings(ATOMICS, arch).items():
        words = {operation.split(".")[0] for operation, _ in instructions}
        assert not words & {"REDUX", "VOTE", "MATCH", "CAS"}, name
        assert bool(words & {"RED", "REDG"}) == name.startswith("red_")
        assert bool(words & {"ATOM", "ATOMG"}) == name.startswith("atom_")


@pytest.mark.parametrize("arch", ARCHS)
def test_nothing_lies_in_local_memory(arch: str) -> None:
    for source in (
        Source.of("memory/stream.cu", ONCE=0),
        Source.of("memory/stream.cu", ONCE=1),
        CACHE,
        TRANSFER,
        CHASE,
        ATOMICS,
    ):
        for name, instructions in listings(source, arch).items():
            assert not [op for op, _ in instructions if op.startswith(("LDL", "STL"))], name
