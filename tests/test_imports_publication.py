"""What was imported as publications: marked, with its source, and read back whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import publication as public
from benchsuite.catalog import gpus
from benchsuite.imports.base import Imported, Row
from benchsuite.imports.publication import machines, moment, publication
from benchsuite.model import Metric, Origin, Publication, Status

DIGEST = "ab" * 32
GOOD = Row(
    "tool/a", Metric.BUSBW, 4.8e11, "480.00 GB/s", "bus bandwidth", {"size": 1024, "op": "sum"}, ranks=8, line=12
)
WRONG = replace(GOOD, value=None, status=Status.REJECTED, reason="#wrong is 3.", params={"size": 2048, "op": "sum"})
FOUND = Imported("nccl-tests", (GOOD, WRONG), "2.13.9", "2026-02-03 10:00:00", ("NVIDIA H200",) * 8, {"CUDA": "12.4"})


def made(found: Imported = FOUND, **options: str) -> Publication:
    one = publication(found, "all_reduce.txt", DIGEST, **options)
    vetted = public.vet(public.decode(public.encode(one)))
    assert vetted.problems == ()
    assert vetted.publication == one
    return one


def test_an_imported_publication_says_what_and_where_it_is_from() -> None:
    one = made()
    assert (one.origin, one.tool, one.version) == (Origin.IMPORTED, "nccl-tests", "2.13.9")
    assert (one.source, one.digest, one.started) == ("all_reduce.txt", DIGEST, "2026-02-03T10:00:00")
    assert (one.id, one.planned) == ("nccl-tests-abababababab", 2)
    assert (one.machine.name, one.machine.hardware, one.machine.devices) == ("NVIDIA H200", "h200_sxm_141", 8)
    assert one.machine.facts == {"imported": {"CUDA": "12.4"}}


def test_every_row_keeps_its_case_status_place_and_meaning() -> None:
    good, wrong = made().results
    assert good.case.key == "tool/a op=sum size=1024 ranks=8"
    assert (good.value, good.run_values, good.runs, good.metric) == (4.8e11, (4.8e11,), 1, Metric.BUSBW)
    assert (good.source, good.meaning) == ("all_reduce.txt:12", "bus bandwidth; printed as 480.00 GB/s")
    assert (good.provider, good.implementation) == ("nccl-tests 2.13.9", "nccl-tests")
    assert (good.low, good.high, good.ceiling, good.ceiling_name) == (None, None, None, "")
    assert (wrong.status, wrong.value, wrong.run_values, wrong.runs) == (Status.REJECTED, None, (), 0)
    assert wrong.reason == "#wrong is 3."


def test_a_number_beside_another_status_is_not_taken() -> None:
    odd = replace(GOOD, status=Status.FAILED, reason="It failed.")
    assert made(replace(FOUND, rows=(odd,))).results[0].value is None
    none = replace(GOOD, value=None)
    assert made(replace(FOUND, rows=(none,))).results[0].status is Status.FAILED


def test_the_same_case_twice_says_so() -> None:
    keys = [one.case.key for one in made(replace(FOUND, rows=(GOOD, GOOD, GOOD))).results]
    assert keys == [
        "tool/a op=sum size=1024 ranks=8",
        "tool/a again=1 op=sum size=1024 ranks=8",
        "tool/a again=2 op=sum size=1024 ranks=8",
    ]


def test_parameters_may_have_any_name() -> None:
    row = replace(GOOD, params={"benchmark": "x", "ranks": 3, "cls": "y"})
    assert made(replace(FOUND, rows=(row,))).results[0].case.params == (("benchmark", "x"), ("cls", "y"), ("ranks", 3))


def test_texts_of_any_length_can_be_read_again() -> None:
    long = "長" * 5000
    row = replace(GOOD, benchmark=long, meaning=long, text=long, params={long: long, f"{long}x": 1, "n": 1})
    other = replace(row, value=None, status=Status.FAILED, reason=long)
    made(replace(FOUND, rows=(row, other), devices=(long,), facts={long: long}))


def test_what_the_tool_told_is_not_replaced_by_what_the_user_says() -> None:
    assert made(machine="NVIDIA B200").machine.name == "NVIDIA H200"
    untold = replace(FOUND, devices=())
    assert made(untold).machine.name == "unknown device"
    assert (made(untold, machine="NVIDIA H200").machine.hardware, made(untold).machine.hardware) == ("h200_sxm_141", "")


def test_devices_that_differ_are_no_card_of_the_catalogue() -> None:
    one = made(replace(FOUND, devices=("NVIDIA H200", "NVIDIA L4")))
    assert (one.machine.name, one.machine.hardware, one.machine.devices) == ("NVIDIA H200, NVIDIA L4", "", 2)


@pytest.mark.parametrize(
    ("facts", "asked"),
    [
        ({"memory bytes": "150110011392", "processors": "132"}, ("NVIDIA H200", 150110011392, 132)),
        ({"memory bytes": "many", "processors": "-1"}, ("NVIDIA H200", 0, 0)),
    ],
)
def test_cards_of_one_name_are_told_apart_by_what_the_tool_counted(
    facts: dict[str, str], asked: tuple[str, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[object, ...]] = []
    monkeypatch.setattr(gpus, "named", lambda *words: seen.append(words))
    publication(replace(FOUND, facts=facts), "x.txt", DIGEST)
    assert seen == [asked]


def test_each_node_of_a_fleet_is_a_machine() -> None:
    rows = tuple(replace(GOOD, params={"size": 1, "node": node}) for node in (1, 2, 2))
    parts = machines(replace(FOUND, rows=rows, devices=()))
    assert [len(part.rows) for part in parts] == [1, 2]
    ones = [made(part) for part in parts]
    assert [one.id for one in ones] == ["nccl-tests-abababababab-1", "nccl-tests-abababababab-2"]
    assert [one.machine.name for one in ones] == ["unknown device, node 1", "unknown device, node 2"]
    assert ones[0].results[0].case.key == "tool/a size=1 ranks=8"
    assert len({one.machine.id for one in ones}) == 2
    assert machines(FOUND) == [FOUND]


def test_samples_are_kept_as_their_quantiles_where_the_value_is_their_median() -> None:
    row = replace(GOOD, metric=Metric.LATENCY, value=3.0, samples=(1.0, 3.0, 5.0, 2.0, 4.0))
    (quantiles,) = made(replace(FOUND, rows=(row,))).results[0].samples
    assert (quantiles.n, quantiles.minimum, quantiles.median, quantiles.maximum) == (5, 1.0, 3.0, 5.0)
    assert made(replace(FOUND, rows=(replace(row, value=2.0),))).results[0].samples == ()
    assert made(replace(FOUND, rows=(replace(row, metric=Metric.BUSBW),))).results[0].samples == ()


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_quantiles_are_in_order(samples: list[float]) -> None:
    middle = sorted(samples)[len(samples) // 2]
    row = replace(GOOD, metric=Metric.LATENCY, value=middle, samples=tuple(samples))
    made(replace(FOUND, rows=(row,)))


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("2015/03/17-18:40:25", "2015-03-17T18:40:25"),
        ("2016-08-02 17:44:46", "2016-08-02T17:44:46"),
        ("2026-02-03T10:00:00+01:00", "2026-02-03T10:00:00+01:00"),
        ("2019-12-06T08:58:58.115974", "2019-12-06T08:58:58.115974"),
        ("yesterday", ""),
        ("2026", ""),
        ("2026-02-03", "2026-02-03T00:00:00"),
        ("", ""),
    ],
)
def test_dates_are_iso_and_nothing_else(told: str, meant: str) -> None:
    assert moment(told) == meant
    made(replace(FOUND, started=told))


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_whatever_a_file_says_the_publication_can_be_read(version: str, started: str, device: str) -> None:
    text = "".join(one for one in device if one.isprintable() and not "\ud800" <= one <= "\udfff")
    one = publication(replace(FOUND, version=version, started=started, devices=(text,)), "x.txt", DIGEST)
    public.vet(public.decode(public.encode(one)))
