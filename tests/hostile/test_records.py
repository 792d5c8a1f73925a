"""Ten thousand hostile run directories: each is read, or refused with a sentence. Nothing crashes, nothing hangs.

A valid directory is damaged in ways that a disk, an editor or an enemy would: bytes, lines, JSON values, whole files.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchsuite import normalize, store
from benchsuite.benchmarks.memory import BENCHMARK
from benchsuite.errors import DataError
from benchsuite.frame import csv
from benchsuite.model import Case, Suite
from benchsuite.record import SCHEMA
from tests.builders import plan_of, record

SLOWEST = 1.0
MEMORY = 200 << 20
FILES = (store.RECORDS, store.RECORDS, store.JOURNAL, store.CAMPAIGN)
"""Which file is damaged: the records twice as often."""


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory of two cases and three runs."""
    cases = [Case.of("memory", op=op, bytes=1 << 20) for op in ("read", "triad")]
    plan = plan_of(*((case, "stream") for case in cases))
    suite = Suite("quick", "Two cases", (), plan.policy, source="[policy]\n")
    folder = tmp_path_factory.mktemp("valid") / "20260102-030405-quick-beef"
    facts = {"processor": {"model": "A processor"}}
    made = store.Campaign(SCHEMA, folder.name, store.now(), "0", "benchsuite run", "host", suite, plan, facts)
    directory = store.RunDirectory(folder, made)
    for run in range(3):
        for case in cases:
            seconds = [1e-3 + 1e-5 * (run + i) for i in range(9)]
            directory.append(record(BENCHMARK, case, "stream", run=run, seconds=seconds))
    return folder


def flip(data: bytes, rng: random.Random) -> bytes:
    """Some bits of some bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 3, 30))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(data: bytes, rng: random.Random) -> bytes:
    """Random bytes in the middle, or text that means something to a parser."""
    at = rng.randrange(len(data))
    words = (
        rng.randbytes(rng.randrange(1, 64)),
        b"\x00" * 64,
        b"\\u202e",
        b"\\ud800",
        b"\xef\xbb\xbf",
        b'"',
        b"\\",
        b"\n",
    )
    return data[:at] + rng.choice(words) + data[at + rng.randrange(0, 9) :]


def truncate(data: bytes, rng: random.Random) -> bytes:
    """Only the beginning, or only the end."""
    at = rng.randrange(len(data))
    return data[:at] if rng.random() < 0.8 else data[at:]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """A piece of it twice, or many times."""
    start = rng.randrange(len(data))
    piece = data[start : start + rng.randrange(1, 2000)]
    return data[:start] + piece * rng.choice((2, 2, 3, 200)) + data[start:]


def lines(data: bytes, rng: random.Random) -> bytes:
    """Lines shuffled, dropped, doubled, or taken apart."""
    found = data.splitlines(keepends=True)
    match rng.randrange(4):
        case 0:
            rng.shuffle(found)
        case 1:
            found.pop(rng.randrange(len(found)))
        case 2:
            found.insert(rng.randrange(len(found) + 1), rng.choice(found))
        case _:
            at = rng.randrange(len(found))
            found[at] = found[at].replace(b",", b",\n", rng.randrange(1, 4))
    return b"".join(found)


VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1e308, 2**63, 10**400, "", "x" * 300_000, "\u202e", "<script>alert(1)</script>",
    "\x1b[2J", "=1+1", "../../etc/passwd", [], {}, [None], {"a": {}}, [[[[[]]]]], [0.0], [1e-3, -1e-3], [1e-3] * 50,
    "NaN", -0.0,
)  # fmt: skip
RAW = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b"1" * 5000,
    b"[" * 100_000,
    b'{"a":' * 60_000,
    b"0" * 99,
)


def values(data: bytes, rng: random.Random) -> bytes:
    """One JSON value, anywhere, becomes another; or its name stands twice; or it is no JSON at all."""
    found = data.splitlines(keepends=True)
    at = rng.randrange(len(found))
    try:
        document = json.loads(found[at])
    except ValueError:
        return data
    places: list[tuple[object, object]] = []
    collect(document, places)
    holder, key = rng.choice(places)
    marker = "\ue000here\ue000"
    holder[key] = rng.choice(VALUES) if rng.random() < 0.6 else marker  # type: ignore[index]
    line = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    line = line.replace(json.dumps(marker, ensure_ascii=False).encode(), rng.choice(RAW))
    if rng.random() < 0.1:
        line = line.replace(b"{", b'{"schema": 1, "schema": 1, ', 1)
    found[at] = line + b"\n"
    return b"".join(found)


def collect(document: object, places: list[tuple[object, object]]) -> None:
    """Every place in a document that holds a value."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, inner in items:
        places.append((document, key))
        collect(inner, places)


def bomb(data: bytes, rng: random.Random) -> bytes:
    """Large and empty: zeros, one endless line, or very many short ones."""
    size = rng.choice((1 << 20, 9 << 20))
    return rng.choice(
        (b"\x00" * size, b" " * size, b"[" * size, b"\n" * size, b"{}\n" * (size // 8), data + b"\xff" * size)
    )


DAMAGE: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip, flip, overwrite, overwrite, truncate, repeat, lines, values, values, values, values
)  # fmt: skip


def judge(folder: Path) -> str:
    """What a reader makes of a directory: ``refused``, ``damaged`` or ``read``. Anything else is a crash."""
    try:
        loaded = store.load(folder)
    except DataError as error:
        return "refused" if error.message and error.remedy else f"refused without a remedy: {error}"
    if loaded.campaign.plan.tasks:
        scores, _ = normalize.scores(loaded.records, loaded.campaign.plan, {"memory": BENCHMARK}, loaded.campaign.cache)
        csv(scores)
    return "damaged" if loaded.damaged else "read"


def attack(valid: Path, folder: Path, count: int, seed: int) -> Counter[str]:
    """Damage ``count`` copies, one after another, and count what became of them."""
    rng = random.Random(seed)
    whole = {name: (valid / name).read_bytes() for name in set(FILES)}
    shutil.copytree(valid, folder)
    outcomes: Counter[str] = Counter()
    for number in range(count):
        name = rng.choice(FILES)
        damage = bomb if number % 500 == 17 else rng.choice(DAMAGE)
        data = damage(whole[name], rng)
        (folder / name).write_bytes(data)
        started = time.process_time()
        outcome = judge(folder)
        outcomes[outcome if data != whole[name] else "unchanged"] += 1
        assert time.process_time() - started < SLOWEST, (name, damage.__name__, number)
        (folder / name).write_bytes(whole[name])
    return outcomes


def test_the_undamaged_directory_reads(valid: Path) -> None:
    assert judge(valid) == "read"
    assert len(store.load(valid).records) == 6


def test_a_thousand_damaged_directories(valid: Path, tmp_path: Path) -> None:
    outcomes = attack(valid, tmp_path / "copy", 1000, seed=1)
    assert outcomes["refused"] > 50
    assert outcomes["damaged"] > 300
    assert set(outcomes) <= {"refused", "damaged", "read", "unchanged"}


@pytest.mark.long
def test_ten_thousand_damaged_directories(valid: Path, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    started = time.perf_counter()
    outcomes = attack(valid, tmp_path / "copy", 10_000, seed=2)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before
    print(f"\n{dict(outcomes)} in {time.perf_counter() - started:.0f} s, peak memory +{peak >> 20} MiB")
    assert outcomes.total() == 10_000
    assert peak < MEMORY
