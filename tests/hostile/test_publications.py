"""Hostile publications, envelopes and samples: each is read, or refused with a sentence. Nothing crashes or hangs."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchsuite import keys, lint, provenance, publication, samples
from benchsuite.errors import DataError
from benchsuite.frame import csv_of, json_of
from benchsuite.model import Level
from tests.hostile.test_records import DAMAGE, RAW, bomb
from tests.public_data import published

SLOWEST = 1.0


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A publication's file with samples, key and signature beside it."""
    folder = tmp_path_factory.mktemp("valid")
    path, _ = published(folder)
    private, _, _ = keys.new(folder)
    envelope = provenance.sign(path, keys.private(private), keys.Role.PROVIDER)
    path.with_name(path.name + provenance.SUFFIX).write_bytes(envelope)
    return path


def judge(path: Path) -> str:
    """What a reader makes of it: ``refused``, ``partly`` or ``read``. Anything else is a crash."""
    try:
        found = publication.vetted(path)
    except DataError as error:
        return "refused" if error.message and error.remedy else f"refused without a remedy: {error}"
    exhibits = publication.exhibits([found.publication])
    csv_of(exhibits)
    json_of(exhibits)
    lint.lint(exhibits)
    assert publication.vet(publication.decode(publication.encode(found.publication))).problems == ()
    return "partly" if found.problems else "read"


def attack(path: Path, whole: bytes, judged: Callable[[], str], count: int, seed: int) -> Counter[str]:
    """Damage the file ``count`` times, and count what became of it."""
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for number in range(count):
        damage = bomb if number % 250 == 17 else rng.choice(DAMAGE)
        data = damage(whole, rng)
        path.write_bytes(data)
        started = time.process_time()
        outcome = judged()
        assert time.process_time() - started < SLOWEST, (damage.__name__, number)
        outcomes["unchanged" if data == whole else outcome] += 1
    return outcomes


def test_the_undamaged_publication_reads(valid: Path) -> None:
    assert judge(valid) == "read"


def test_damaged_publications(valid: Path, tmp_path: Path) -> None:
    path = tmp_path / valid.name
    outcomes = attack(path, valid.read_bytes(), lambda: judge(path), 700, seed=1)
    assert outcomes["refused"] > 200
    assert outcomes["partly"] > 10
    assert set(outcomes) <= {"refused", "partly", "read", "unchanged"}


def test_damaged_envelopes_never_verify(valid: Path, tmp_path: Path) -> None:
    path = tmp_path / valid.name
    path.write_bytes(valid.read_bytes())
    trust = keys.trust([valid.parent / keys.PUBLIC])
    assert provenance.check(valid, trust).level is Level.SIGNED
    envelope = path.with_name(path.name + provenance.SUFFIX)
    whole = valid.with_name(valid.name + provenance.SUFFIX).read_bytes()

    def judged() -> str:
        found = provenance.check(path, trust)
        if found.state is provenance.State.VERIFIED:  # only what says the same in other words
            changed, first = json.loads(envelope.read_bytes()), json.loads(whole)
            same = all(changed[name] == first[name] for name in ("payload", "payloadType"))
            assert same
            assert first["signatures"][0] in changed["signatures"]
        return found.state.value

    outcomes = attack(envelope, whole, judged, 500, seed=2)
    assert outcomes["bad"] > 300


def test_damaged_samples_never_pass_for_those_published(valid: Path, tmp_path: Path) -> None:
    told = publication.read(valid)
    path = tmp_path / "x.samples.jsonl"
    whole = valid.with_name(told.id + publication.SAMPLES).read_bytes()

    def judged() -> str:
        try:
            return "refused" if samples.problems(told, path) else f"passed {path.read_bytes() != whole}"
        except DataError:
            return "refused"

    outcomes = attack(path, whole, judged, 200, seed=3)
    assert set(outcomes) <= {"refused", "unchanged", "passed False"}


@pytest.mark.parametrize("raw", RAW, ids=lambda raw: repr(raw[:12]))
@pytest.mark.parametrize("place", [b'"runs":5', b'"planned":5'])
def test_a_number_that_is_none_is_refused(place: bytes, raw: bytes, valid: Path, tmp_path: Path) -> None:
    path = tmp_path / valid.name
    path.write_bytes(valid.read_bytes().replace(place, place.partition(b":")[0] + b":" + raw, 1))
    assert judge(path) == "refused"


def test_a_file_that_is_too_large_too_deep_or_too_full_is_refused(valid: Path, tmp_path: Path) -> None:
    document = json.loads(valid.read_bytes())
    path = tmp_path / valid.name
    for data in (
        json.dumps({**document, "more": "x" * publication.LIMITS.size}),
        json.dumps({**document, "source": "x" * 3000}),
        json.dumps({**document, "more": [0] * publication.LIMITS.values}),
        json.dumps({**document, "more": [[[[[[[[[]]]]]]]]]}),
        json.dumps({**document, "tool": "a\u202eb"}),
        json.dumps(document)[:-1] + ', "schema": 1}',
    ):
        path.write_text(data)
        assert judge(path) == "refused"
    path.unlink()
    path.symlink_to(valid)
    assert judge(path) == "refused"
