"""A forecast's money, joules and times against arithmetic of their own; what is refused; what is chosen."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.catalog import ModelShape, load
from benchsuite.errors import RefusedError
from benchsuite.model import Band, Ceiling, Ceilings, Footing, Forecast, Mesh, MessagePoint, Precision, Traffic
from benchsuite.predict import choose, datasheet, interval, step
from benchsuite.predict.batching import served
from benchsuite.predict.engine import BARE, FITTED
from benchsuite.predict.forecast import forecast, paid, slower
from benchsuite.predict.precision import PRECISIONS

CATALOG = load()
SMALL = CATALOG.models["llama-3.1-8b"]
LARGE = CATALOG.models["llama-3.1-70b"]
FP8 = PRECISIONS["fp8"]
BF16 = PRECISIONS["bf16"]
TRAFFIC = Traffic(2048, 512)
ALONE = Mesh()


def machine(devices: int = 8, price: float | None = 2.0, watts: float | None = 500.0) -> Ceilings:
    return Ceilings(
        name="Example H",
        hardware="example_h",
        devices=devices,
        memory=80 * 1024**3,
        bandwidth=Ceiling(3e12, Footing.ASSUMED, "made up"),
        gemm={
            name: Ceiling(rate, Footing.ASSUMED) for name, rate in (("bf16", 7e14), ("fp16", 7e14), ("e4m3", 1.4e15))
        },
        link=Ceiling(4.5e11, Footing.ASSUMED),
        fabric="NVLink",
        watts=None if watts is None else Ceiling(watts, Footing.ASSUMED),
        types=frozenset({"bf16", "fp16", "e4m3"}),
        usd_per_hour=None if price is None else Ceiling(price, Footing.PUBLISHED, "made up"),
    )


def made(
    ceilings: Ceilings | None = None,
    shape: ModelShape = SMALL,
    precision: Precision = FP8,
    mesh: Mesh = ALONE,
    traffic: Traffic = TRAFFIC,
) -> Forecast:
    return forecast(shape, ceilings or machine(), precision, mesh, traffic)


def value(band: Band | None) -> float:
    assert band is not None
    return band.value


@settings(deadline=None, max_examples=25)
@given(st.floats(0.01, 200.0), st.floats(1.0, 40.0))
def test_dollars_scale_linearly_with_the_price(price: float, factor: float) -> None:
    one, more = made(machine(price=price)), made(machine(price=price * factor))
    for name in ("usd_in", "usd_out"):
        first, second = getattr(one, name), getattr(more, name)
        for end in ("value", "low", "high"):
            assert getattr(second, end) == pytest.approx(factor * getattr(first, end))
    assert one.throughput == more.throughput


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 4000), st.integers(1, 4000), st.sampled_from([0, 1, 7, 32]), st.sampled_from([1, 2, 4]),
    st.floats(0.05, 90.0),
)  # fmt: skip
def test_reading_and_writing_pay_for_all_the_time(isl: int, osl: int, batch: int, tensor: int, price: float) -> None:
    """$/Mtok of all = price / 3600 / rate x 1e6, computed here by itself, split between what is read and written."""
    found = made(machine(price=price), mesh=Mesh(tensor=tensor), traffic=Traffic(isl, osl, batch=batch))
    rate = found.throughput.value
    seconds_of_a_million = 1e6 / rate
    whole = price / 60 / 60 * seconds_of_a_million
    assert value(found.usd_out) + value(found.usd_in) * isl / osl == pytest.approx(whole)
    assert 0 < value(found.usd_out) <= whole


@settings(deadline=None, max_examples=30)
@given(st.integers(16, 3000), st.integers(16, 3000), st.integers(1, 64))
def test_shares_are_the_times_of_the_phases(isl: int, osl: int, batch: int) -> None:
    """A copy of one device: a token out costs its part of a step; so the price of a step over its tokens."""
    found = made(machine(price=3.6), traffic=Traffic(isl, osl, batch=batch))
    per_second = 3.6 / 3600
    assert value(found.usd_out) == pytest.approx(per_second * found.decode.seconds / batch * 1e6, rel=1e-6)


def test_stages_of_a_pipeline_read_different_prompts_at_once() -> None:
    """A prompt keeps one stage busy at a time: two stages of 3.6 dollars an hour pay for it once, not twice."""
    mesh, traffic = Mesh(pipeline=2), Traffic(2048, 64, batch=8)
    found = made(machine(price=3.6), mesh=mesh, traffic=traffic)
    reading = served(SMALL, FP8, machine(), mesh, FITTED, traffic).prefill.seconds
    assert value(found.usd_in) == pytest.approx(3.6 / 3600 * reading / 2048 * 1e6)
    assert found.tpot.value == pytest.approx(found.decode.seconds + 7 / 64 * reading / 2)


def test_the_ends_of_a_price_change_places_with_those_of_the_rate() -> None:
    found = made()
    out, rate = found.usd_out, found.throughput
    assert out is not None
    assert rate.low < rate.value < rate.high
    assert out.low < out.value < out.high
    assert out.low / out.value == pytest.approx(rate.value / rate.high)
    assert out.high / out.value == pytest.approx(rate.value / rate.low)


def test_joules_are_watts_of_a_device_over_its_tokens() -> None:
    found = made(machine(watts=640.0), mesh=Mesh(tensor=2))
    assert value(found.joules) == pytest.approx(640.0 / found.throughput.value)
    assert made(machine(watts=None)).joules is None
    assert any("No joules" in text for text in made(machine(watts=None)).assumptions)


def test_devices_of_a_copy_share_its_tokens_and_each_costs() -> None:
    """The same copy on two devices: both are paid."""
    found = made(machine(price=1.0), mesh=Mesh(tensor=2), traffic=Traffic(1, 512, batch=8))
    copy = found.decode.seconds / 8
    assert value(found.usd_out) == pytest.approx(2 * 1.0 / 3600 * copy * 1e6, rel=1e-6)


@pytest.mark.parametrize("price", [0.0, -2.0, math.nan, math.inf, 1e300])
def test_no_dollars_of_a_price_that_is_none(price: float) -> None:
    found = made(machine(price=price))
    assert found.usd_in is None
    assert found.usd_out is None
    (why,) = [text for text in found.assumptions if text.startswith("No dollars")]
    assert f"{price:g}" in why


def test_no_dollars_without_a_price() -> None:
    found = made(machine(price=None))
    assert found.usd_in is found.usd_out is None
    assert paid(None)[0] == 0.0
    assert any("nobody said what a device costs" in text for text in found.assumptions)
    assert paid(Ceiling(2.5, Footing.PUBLISHED, "a list"))[0] == 2.5


def test_the_first_token_waits_for_nobody_and_others_for_prompts_between() -> None:
    found = made(traffic=Traffic(2048, 512, batch=64))
    alone = step.prefill(SMALL, FP8, machine(), Mesh(), FITTED, 2048)
    assert found.ttft.value == pytest.approx(alone.seconds)
    assert found.prefill == alone
    assert found.tpot.value > found.decode.seconds
    one = made(traffic=Traffic(2048, 512, batch=1))
    assert one.tpot.value == pytest.approx(one.decode.seconds)


@settings(deadline=None, max_examples=30)
@given(st.integers(16, 3000), st.integers(64, 3000), st.integers(1, 64))
def test_little_s_law_holds_but_for_one_s_own_prompt(isl: int, osl: int, batch: int) -> None:
    """B / rate = step + B / osl x reading; of a token's time one's own prompt is no part."""
    found = made(traffic=Traffic(isl, osl, batch=batch))
    assert found.tpot.value <= batch / found.throughput.value * (1 + 1e-9)
    assert found.tpot.value >= found.decode.seconds * (1 - 1e-9)


def test_times_grow_where_the_rate_falls() -> None:
    found = slower(2.0, Band(100.0, 50.0, 125.0))
    assert [found.low, found.high] == pytest.approx([1.6, 4.0])


def test_memory_and_batch_are_told() -> None:
    found = made(shape=LARGE)
    assert found.batch == found.max_batch
    assert 0 < found.max_context < LARGE.max_context
    assert made(shape=SMALL).max_context == SMALL.max_context


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": LARGE, "precision": BF16}, "does not fit"),
        ({"traffic": Traffic(131_000, 512)}, "was made for 131,072 tokens, and 131,000 + 512 are 131,512"),
        ({"traffic": Traffic(2048, 512, batch=100_000)}, "do not fit at once"),
        ({"mesh": Mesh(tensor=16)}, "needs more than the 8 of Example H"),
        ({"mesh": Mesh(tensor=3)}, "32 query heads, which 3 devices cannot share evenly"),
        ({"mesh": Mesh(pipeline=64), "ceilings": machine(64)}, "fewer than 64 stages"),
        ({"mesh": Mesh(tensor=2, expert=2)}, "no experts to spread over 2 devices"),
        (
            {"shape": CATALOG.models["mixtral-8x7b"], "mesh": Mesh(tensor=2, expert=4)},
            "8 experts, which 4 of 2 devices",
        ),
        (
            {"shape": CATALOG.models["mixtral-8x7b"], "mesh": Mesh(8, 1, 16), "ceilings": machine(16)},
            "8 experts, which",
        ),
        ({"precision": PRECISIONS["nvfp4"]}, "not known to multiply fp4"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_with_a_remedy(changes: dict[str, object], words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        made(**changes)  # type: ignore[arg-type]
    assert words in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.remedy.endswith(".")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("hardware", "name"), [("example_h", "example_h"), ("", "Example H")])
def test_more_devices_than_there_are_names_how_to_ask_for_them(hardware: str, name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        made(replace(machine(1), hardware=hardware), mesh=Mesh(tensor=2))
    assert caught.value.remedy == f"Name as many: --machine {name}:2."


def test_fp8_on_an_a100_is_refused() -> None:
    older = replace(machine(), name="NVIDIA A100", gemm={"bf16": Ceiling(2.7e14, Footing.ASSUMED)})
    with pytest.raises(RefusedError, match="A100 is not known to multiply e4m3"):
        made(older)


def test_heads_that_are_neither_shared_nor_copied_are_refused() -> None:
    odd = replace(SMALL, heads=24, kv_heads=6, hidden=4096)
    with pytest.raises(RefusedError, match="6 key-value heads, which 4 devices"):
        made(shape=odd, mesh=Mesh(tensor=4))
    assert made(shape=replace(SMALL, kv_heads=2), mesh=Mesh(tensor=4)).throughput.value > 0


@pytest.mark.parametrize(
    ("model", "types", "name", "words"),
    [
        ("llama-3.1-8b", {"bf16", "e4m3"}, "bf16", "in which llama-3.1-8b was released"),
        ("gpt-oss-20b", {"bf16", "fp4"}, "mxfp4", "in which gpt-oss-20b was released"),
        ("gpt-oss-20b", {"bf16", "e4m3"}, "mxfp4", "in which gpt-oss-20b was released"),
        ("llama-3.1-8b", {"fp32"}, "fp32", "is not known to multiply bf16"),
    ],
)
def test_without_a_precision_the_released_one_or_the_nearest(
    model: str, types: set[str], name: str, words: str
) -> None:
    ceilings = replace(machine(), gemm={each: Ceiling(1e15, Footing.ASSUMED) for each in types})
    found, why = choose.precision(CATALOG.models[model], ceilings)
    assert found.name == name
    assert words in why


@pytest.mark.parametrize(("native", "name"), [("fp8", "w8a16"), ("nvfp4", "w4a16")])
def test_what_the_machine_cannot_multiply_is_kept_as_narrow(native: str, name: str) -> None:
    found, why = choose.precision(
        replace(SMALL, native_weight_format=native), replace(machine(), gemm={"bf16": Ceiling(1e15, Footing.ASSUMED)})
    )
    assert found.name == name
    assert f"since Example H is not known to multiply {native}" in why


def test_how_a_model_is_stored_may_be_no_precision_and_is_no_fault_of_the_machine() -> None:
    found, why = choose.precision(replace(SMALL, native_weight_format="compressed-tensors"), machine())
    assert found.name == "bf16"
    assert "was released in compressed-tensors, which stands for no single precision: say which with --precision" in why
    assert "not known to multiply" not in why


def test_a_forecast_tells_the_precision_as_the_machine_runs_it() -> None:
    ceilings = replace(machine(), gemm={"fp16": Ceiling(1e15, Footing.ASSUMED)})
    assert made(ceilings, precision=PRECISIONS["mxfp4"]).precision.gemm == "fp16"
    assert "products of fp16" in " ".join(made(ceilings, precision=BF16).assumptions)


def test_without_any_type_there_is_no_precision() -> None:
    with pytest.raises(RefusedError):
        choose.precision(SMALL, replace(machine(), gemm={}))


def test_without_a_mesh_the_most_tokens_per_device_of_those_that_fit() -> None:
    found, why = choose.fitted(LARGE, machine(), BF16, TRAFFIC)
    rates = {
        degree: forecast(LARGE, machine(), BF16, Mesh(tensor=degree), TRAFFIC).throughput.value for degree in (2, 4, 8)
    }
    assert found.mesh.tensor == max(rates, key=lambda degree: rates[degree])
    assert "of 2, 4, 8; 2 is the smallest that fits" in why
    only, why = choose.fitted(LARGE, machine(2), BF16, TRAFFIC)
    assert only.mesh.tensor == 2
    assert "the only degree" in why


def test_what_does_not_fit_names_how_many_devices_would_do() -> None:
    with pytest.raises(RefusedError) as caught:
        choose.fitted(LARGE, machine(1), BF16, TRAFFIC)
    assert "2 devices would do: --machine example_h:2." in caught.value.remedy
    with pytest.raises(RefusedError) as caught:
        choose.fitted(CATALOG.models["llama-3.1-405b"], replace(machine(1), memory=8e9), PRECISIONS["fp32"], TRAFFIC)
    assert "would do" not in caught.value.remedy


def test_what_no_group_holds_names_a_pipeline_of_groups() -> None:
    shape = CATALOG.models["llama-3.1-405b"]
    card = datasheet.ceilings(CATALOG.accelerators["h100_sxm_80"], CATALOG.figures, 8)
    with pytest.raises(RefusedError) as caught:
        choose.fitted(shape, card, PRECISIONS["bf16"], TRAFFIC)
    assert "16 devices would do: --machine h100_sxm_80:16 --tensor 8 --pipeline 2." in caught.value.remedy
    assert forecast(shape, replace(card, devices=16), PRECISIONS["bf16"], Mesh(8, 2), TRAFFIC).throughput.value > 0


def test_the_band_is_that_of_calibration_and_knows_its_engine() -> None:
    known = replace(machine(), hardware="h100_sxm_80")
    plain = made(known)
    assert plain.cautions == ()
    assert plain.confidence == interval.NOMINAL
    assert plain.throughput == interval.band(plain.throughput.value)[0]
    bare = forecast(SMALL, known, FP8, Mesh(), TRAFFIC, BARE)
    assert [one.code for one in bare.cautions] == ["UNSEEN_ENGINE"]
    assert bare.confidence == 0.0


def test_above_all_published_rates_the_band_reaches_down_to_them() -> None:
    """Tokens read and written by a device in a second: a prompt of 99 tokens for one written makes a hundred."""
    fast = replace(
        machine(),
        hardware="h100_sxm_80",
        gemm={"e4m3": Ceiling(3e15, Footing.ASSUMED), "bf16": Ceiling(1.5e15, Footing.ASSUMED)},
        bandwidth=Ceiling(1e13, Footing.ASSUMED),
    )
    faster = replace(fast, gemm={name: replace(one, value=one.value * 3) for name, one in fast.gemm.items()})
    with pytest.raises(RefusedError, match="times what any result in calibration reached"):
        made(faster, traffic=Traffic(1980, 20))
    found = made(fast, traffic=Traffic(1980, 20))
    assert [one.code for one in found.cautions] == ["READING", "ABOVE_RATE"]
    rate = found.throughput.value * 100
    assert interval.shipped().rate < rate
    told = interval.band(found.throughput.value, found.cautions, rate=rate)[0]
    assert found.throughput.low == pytest.approx(told.low)
    assert told.low < told.value * told.value / told.high


def test_a_model_is_called_by_its_key_else_as_its_authors_do() -> None:
    assert made().model == "llama-3.1-8b"
    assert made(shape=replace(SMALL, key="")).model == SMALL.hf_id


def test_a_cap_of_the_engine_is_told_only_where_it_decides() -> None:
    short = Traffic(16, 16)
    cap = "No more than 4,096 sequences run at once"
    assert made(machine(), traffic=short).batch == 4096
    assert any(text.startswith(cap) for text in made(machine(), traffic=short).assumptions)
    for other in (Traffic(16, 16, batch=64), TRAFFIC):
        assert not any(text.startswith(cap) for text in made(machine(), traffic=other).assumptions)


def test_a_link_is_told_where_it_is_used_and_was_not_measured() -> None:
    def told(ceilings: Ceilings, tensor: int) -> bool:
        return any(text.startswith("The link: ") for text in made(ceilings, mesh=Mesh(tensor=tensor)).assumptions)

    reduced = {"allreduce": (MessagePoint(1 << 20, 2, 1e-4),)}
    assert told(machine(), 2)
    assert not told(machine(), 1)
    assert not told(replace(machine(), messages=reduced), 2)


def test_power_says_where_it_comes_from() -> None:
    said = " ".join(made(replace(machine(), watts=Ceiling(500.0, Footing.ASSUMED, "its board"))).assumptions)
    assert "A device draws 500 W (its board);" in said
    assert "A device draws 500 W (assumed);" in " ".join(made().assumptions)


def test_engines_and_unmeasured_rates_are_named() -> None:
    found = made()
    text = " ".join(found.assumptions)
    assert "Reading memory: assumed, made up." in text
    assert "whose published results it was fitted to" in text
    assert "Of the time of a step 100\u00a0% rests on assumed rates." in text
    firm = {name: replace(one, footing=Footing.MEASURED) for name, one in machine().gemm.items()}
    solid = made(replace(machine(), gemm=firm, bandwidth=Ceiling(3e12, Footing.MEASURED)))
    assert not any("Reading memory:" in one or "Large products" in one for one in solid.assumptions)
    bare = forecast(SMALL, machine(), FP8, Mesh(), TRAFFIC, BARE)
    assert any("Engine bare" in one for one in bare.assumptions)
    assert bare.engine == "bare"
