"""A fleet of 64 nodes with four planted kinds of defect: each is found and named, and nobody healthy is rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchsuite.model import Word
from tests.simulation import acceptance_fleets as fleets


@pytest.mark.parametrize("seed", [1, 2])
def test_all_four_are_named_and_nobody_else(seed: int) -> None:
    where, said = fleets.accepted(seed)
    found = fleets.named(where, said)
    assert found == fleets.Found(memory=True, cap=True, link=True, corrupts=True, healthy=0, others=0)
    assert said.word is Word.REJECT
    ill = {f"node{node}, GPU {gpu}": f"GPU {gpu}" for node, gpu in (where.memory, where.cap, where.corrupts)}
    assert {one.subject.name: one.replace for one in said.parts if one.replace} == ill
    assert all(name in said.reason for name in [*ill, f"node{where.link}: "])


def test_names_are_compared_with_what_was_planted() -> None:
    """The counting itself can say no: the verdict of one fleet is none of another's."""
    where, said = fleets.accepted(1)
    other = replace(where, memory=where.cap, cap=where.memory, link=where.link - 1)
    found = fleets.named(other, said)
    assert [found.memory, found.cap, found.link, found.right] == [False] * 4
    assert found.healthy >= 1


@pytest.mark.long
def test_in_99_of_100_fleets_all_of_it_is_right() -> None:
    counts = fleets.counted(range(100))
    assert counts["all of it right"].hits >= 99, counts
