"""The catalogue of GPUs: its figures agree with each other, and a name finds its card."""

from __future__ import annotations

import pytest

from benchsuite.catalog import Form, gpus

GIB = 2.0**30
CARDS = gpus.gpus()


@pytest.mark.parametrize("key", CARDS)
def test_every_figure_has_a_source_and_a_confidence(key: str) -> None:
    card = CARDS[key]
    assert card.source
    assert card.confidence in {"high", "medium", "low"}
    assert card.bandwidth > 1e11
    assert card.memory > 1e9


@pytest.mark.parametrize("key", [key for key, card in CARDS.items() if card.clock and card.clock > 0])
def test_the_formula_gives_the_datasheet_s_peak(key: str) -> None:
    """Processors x operations per clock x boost clock, within what datasheets' different clocks explain."""
    card = CARDS[key]
    for dtype, peak in card.peaks.items():
        formula = card.at_clock(dtype, card.clock)
        assert formula is not None
        assert 0.7 < peak / formula < 1.42, f"{dtype}: datasheet {peak:.3g}, formula {formula:.3g}"


@pytest.mark.parametrize(
    ("key", "dtype", "rate"),
    [
        ("h100_sxm_80", "bf16", 4096),
        ("h100_sxm_80", "fp32", 256),
        ("h100_sxm_80", "fp64", 256),
        ("a100_sxm_80", "bf16", 2048),
        ("a100_sxm_80", "fp64", 128),
        ("rtx_4090", "bf16", 512),
        ("rtx_3080_10", "bf16", 512),
        ("rtx_3080_10", "int8", 2048),
        ("rtx_5080", "fp4", 4096),
        ("rtx_a5000", "bf16", 1024),
        ("h20_sxm_96", "bf16", 1024),
        ("l40s", "bf16", 1024),
        ("b200_sxm_180", "bf16", 8192),
    ],
)
def test_operations_per_clock_are_those_of_the_architecture(key: str, dtype: str, rate: int) -> None:
    assert CARDS[key].per_clock(dtype) == rate


@pytest.mark.parametrize(
    ("name", "memory", "key"),
    [
        ("NVIDIA H200", 139.8 * GIB, "h200_sxm_141"),
        ("NVIDIA H100 80GB HBM3", 79.1 * GIB, "h100_sxm_80"),
        ("NVIDIA A100-SXM4-80GB", 79.3 * GIB, "a100_sxm_80"),
        ("NVIDIA A100-SXM4-40GB", 39.4 * GIB, "a100_sxm_40"),
        ("NVIDIA GeForce RTX 4090", 23.6 * GIB, "rtx_4090"),
        ("NVIDIA GeForce RTX 5090", 31.4 * GIB, "rtx_5090"),
        ("NVIDIA GeForce RTX 4070 Ti", 11.6 * GIB, "rtx_4070_ti"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", 15.6 * GIB, "rtx_4070_ti_super"),
        ("NVIDIA RTX 5000 Ada Generation", 31.5 * GIB, "rtx_5000_ada"),
        ("NVIDIA H20-3e", 139.8 * GIB, "h20_sxm_141"),
    ],
)
def test_the_driver_s_name_finds_the_card(name: str, memory: float, key: str) -> None:
    found = gpus.named(name, memory)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize(
    ("name", "mib", "processors", "key"),
    [
        ("NVIDIA GeForce RTX 3060", 12288, 28, "rtx_3060_12"),
        ("NVIDIA GeForce RTX 3060", 8192, 28, "rtx_3060_8"),
        ("NVIDIA GeForce RTX 3080", 10240, 0, "rtx_3080_10"),
        ("NVIDIA GeForce RTX 3080", 12288, 0, "rtx_3080_12"),
        ("NVIDIA GeForce RTX 3080", 0, 70, "rtx_3080_12"),
        ("NVIDIA GeForce RTX 4060 Ti", 8188, 34, "rtx_4060_ti_8"),
        ("NVIDIA GeForce RTX 4060 Ti", 16380, 34, "rtx_4060_ti_16"),
        ("NVIDIA GeForce RTX 5060 Ti", 8151, 36, "rtx_5060_ti_8"),
        ("NVIDIA GeForce RTX 5060 Ti", 16311, 36, "rtx_5060_ti_16"),
    ],
)
def test_memory_and_processors_tell_cards_of_one_name_apart(name: str, mib: int, processors: int, key: str) -> None:
    assert len(gpus.called(name)) == 2
    found = gpus.named(name, mib * 2.0**20, processors)
    assert found is not None
    assert found.key == key


def test_cards_of_one_name_that_differ_in_bandwidth_alone_stay_undecided() -> None:
    """RTX 3060 Ti with GDDR6 and with GDDR6X: the driver says the same of both."""
    assert gpus.named("NVIDIA GeForce RTX 3060 Ti", 8192 * 2.0**20, 38) is None


RATES = {
    Form.CONSUMER: {"tf32": 256, "bf16": 512, "fp16": 512, "fp16-sum16": 1024, "e4m3": 1024},
    Form.WORKSTATION: {"tf32": 512, "bf16": 1024, "fp16": 1024, "e4m3": 2048},
}
BOTH = {"fp64": 4, "fp64-vector": 4, "fp32": 256, "int8": 2048, "fp4": 4096}


@pytest.mark.parametrize("key", [key for key, card in CARDS.items() if card.form in RATES])
def test_geforce_halves_the_tensor_rate_when_the_sum_is_fp32_and_no_other_rate(key: str) -> None:
    card = CARDS[key]
    rates = {dtype: card.per_clock(dtype) for dtype in card.peaks}
    assert rates == {dtype: rate for dtype, rate in {**RATES[card.form], **BOTH}.items() if dtype in card.peaks}


def test_an_unknown_name_finds_nothing() -> None:
    assert gpus.named("NVIDIA H9000") is None
    assert gpus.named("") is None


@pytest.mark.parametrize("key", CARDS)
def test_no_card_contradicts_itself(key: str) -> None:
    card = CARDS[key]
    for told in (card.memory * 0.93, card.memory * 1.074):  # what a driver leaves; GiB for GB
        assert gpus.contradictions(card.name, told, card.processors) == ()


@pytest.mark.parametrize(
    ("name", "gib", "processors", "words"),
    [
        ("NVIDIA H100 80GB HBM3", 79.1, 132, []),
        ("NVIDIA H100 80GB HBM3", 79.1, 114, ["132 multiprocessors; here are 114"]),
        ("NVIDIA H100 80GB HBM3", 40.0, 132, ["80 GB of memory; here are 43 GB"]),
        ("NVIDIA H100 80GB HBM3", 23.0, 46, ["multiprocessors", "GB of memory"]),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", 9.5, 14, ["a slice of a card (MIG)"]),
        ("NVIDIA of tomorrow", 1.0, 1, []),
    ],
)
def test_a_card_that_is_not_what_its_name_says_is_found(
    name: str, gib: float, processors: int, words: list[str]
) -> None:
    found = gpus.contradictions(name, gib * GIB, processors)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))
