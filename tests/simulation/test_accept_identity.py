"""How often a healthy card falls outside its own region, and which other models fall inside: the stated rates hold."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy.stats import beta

from benchsuite.accept import regions
from benchsuite.catalog import Accelerator
from benchsuite.catalog.gpus import gpus

CARDS = gpus()
DRAWS = 400_000
SHIPPED = (
    "a100_sxm_80", "h100_sxm_80", "h100_pcie_80", "h200_sxm_141", "b200_sxm_180", "l40s", "rtx_4090", "rtx_5090",
)  # fmt: skip


def outside(card: Accelerator, draws: int, tail: str, seed: int) -> int:
    """How many of so many healthy cards lie outside the joint region.

    Each probe's share of the datasheet is anywhere in what was seen of healthy cards (even in logs), and scatters
    around it with the standard deviation that is assumed; ``t3`` is of variance 1 too.
    """
    rng = np.random.default_rng(seed)
    found = np.zeros(draws, bool)
    for one in regions.expected(card):
        region, healthy = one.region, one.healthy
        place = rng.uniform(math.log(healthy.least), math.log(healthy.most), draws)
        noise = rng.standard_normal(draws) if tail == "normal" else rng.standard_t(3, draws) / math.sqrt(3.0)
        value = one.figure * np.exp(place + healthy.scatter * noise)
        found |= (value < region.low) | (value > region.high)
    return int(found.sum())


def at_most(hits: int, of: int) -> float:
    """95 % upper bound of the rate (Clopper & Pearson); with no hits it is the rule of three."""
    return float(beta.ppf(0.95, hits + 1, of - hits))


@pytest.mark.parametrize("key", SHIPPED)
def test_a_healthy_card_is_hardly_ever_outside(key: str) -> None:
    """As ``regions.STATED`` says; ten times as many in the long run."""
    normal, heavy = (outside(CARDS[key], DRAWS, tail, 7) for tail in ("normal", "t3"))
    assert normal == 0
    assert at_most(normal, DRAWS) < 1e-5
    assert at_most(heavy, DRAWS) < 4e-3


@pytest.mark.long
@pytest.mark.parametrize("key", SHIPPED)
def test_a_healthy_card_is_hardly_ever_outside_in_ten_times_as_many(key: str) -> None:
    assert at_most(outside(CARDS[key], 10 * DRAWS, "normal", 8), 10 * DRAWS) < 1e-5


def test_what_is_stated_is_what_is_simulated() -> None:
    assert f"Of {DRAWS:,} simulated" in regions.STATED
    assert "1 of 100,000" in regions.STATED
    assert "4 in 1,000" in regions.STATED


def test_narrower_edges_would_reject_healthy_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "SIGMAS", 1.0)
    assert outside(CARDS["h200_sxm_141"], DRAWS, "normal", 7) > 0.005 * DRAWS


@pytest.mark.parametrize("key", SHIPPED)
def test_what_can_pass_for_a_card_is_the_same_silicon_with_as_much_memory(key: str) -> None:
    """The names of models alone differ then, or what joins them: the gate ``model`` looks at name and bus."""
    card = CARDS[key]
    chip = card.architecture.split()[0]
    for other in regions.lookalikes(card):
        like = CARDS[other]
        assert like.architecture.split()[0] == chip, (key, other)
        assert like.processors == card.processors
        assert re.match(r"\d+\.\d+", like.capability)
        assert like.memory > 0.9 * card.memory


def test_most_models_have_no_lookalike() -> None:
    counts = {key: len(regions.lookalikes(card)) for key, card in CARDS.items() if card.bandwidth and card.cache}
    assert sum(count == 0 for count in counts.values()) > len(counts) / 2, counts


@pytest.mark.parametrize("key", CARDS)
def test_regions_are_numbers_with_a_source(key: str) -> None:
    for region in regions.of(CARDS[key]):
        assert 0.0 < region.low <= region.high < math.inf
        assert region.source.startswith("catalogue: ")
        assert region.source.isprintable()
