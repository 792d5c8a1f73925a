"""The terminal's two questions: a line a figure within 80 columns, sources below, a sentence where nothing is known."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchsuite import appraisal, discovery, normal, publication, results, store, worth
from benchsuite.catalog import load
from benchsuite.catalog.published import Figure
from benchsuite.commands import show
from benchsuite.model import (
    Case,
    Caveat,
    Machine,
    Metric,
    Offer,
    Origin,
    Policy,
    Publication,
    Record,
    Samples,
    Score,
    Status,
    Work,
)
from benchsuite.normal import Hardware
from benchsuite.record import SCHEMA
from benchsuite.render import normality
from benchsuite.suite import parse
from benchsuite.units import DASH
from benchsuite.worth import Amount
from tests.builders import plan_of, record

H200 = Hardware("h200_sxm_141", "NVIDIA H200 SXM 141GB", 1.98e9, 700.0, id="m-own")
CAPPED = {"power_limit": 500.0, "power_limit_default": 700.0, "readings": 9.0, "power": 495.0}
OFFER = Offer("RunPod", "", "", 1, 2.10, "on-demand", "2026-11-30", "entered by the user")


def gemm(dtype: str, value: float, **more: object) -> Score:
    made = Score(
        Case.of("gemm", m=8192, n=8192, k=8192, dtype=dtype, layout="nt", data="normal"),
        "mma",
        "",
        Metric.FLOPS,
        Status.OK,
        Work(flops=2.0 * 8192**3),
        runs=5,
        value=value,
        low=value * 0.995,
        high=value * 1.005,
        best=True,
        of_datasheet=value / 989e12,
        conditions=CAPPED,
        backend="cuda",
    )
    return replace(made, **more)  # type: ignore[arg-type]


SCORES = (
    gemm("bf16", 612e12),
    gemm("e4m3", 1.19e15),
    gemm("bf16", 300e12, implementation="simt", best=False),
    gemm("bf16", 100e12, case=Case.of("gemm", m=64, n=64, k=64, dtype="bf16", layout="nt", data="normal")),
)


def printed(
    scores: Sequence[Score],
    others: Iterable[Publication] = (),
    *,
    hardware: Hardware = H200,
    figures: Iterable[Figure] | None = None,
    offer: Offer | None = None,
    width: int = 80,
) -> str:
    known = normal.reference(load().figures if figures is None else figures, others, hardware)
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False)
    normality.section(appraisal.appraise(scores, known, offer), console)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines()).replace("\u00a0", " ")


def lines_of(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


def test_a_known_figure_has_one_line_with_band_place_share_and_source() -> None:
    text = printed(SCORES)
    assert "Is this normal for NVIDIA H200 SXM 141GB?" in text
    (line,) = lines_of(text, "gemm e4m3")
    assert "1.19 PFLOP/s (120 %)" in line
    assert "1.28–1.45" in line
    assert "below all 2" in line
    assert lines_of(text, "stas00/ml-engineering, 2026-08-22")
    assert "(from memory)" in text
    assert "Measured at a power limit of 500 W instead of 700 W." in text
    assert "No verdict: that takes 20 machines of 3 sources" in text
    assert "slow" not in text.lower().replace("slower", "")


def test_only_the_best_of_a_quantity_stands_beside_published_figures() -> None:
    text = printed([*SCORES, gemm("bf16", 500e12, case=Case.of("gemm", **{**dict(SCORES[0].case.params), "m": 4096}))])
    assert len(lines_of(text, "gemm bf16")) == 1
    assert "612 TFLOP/s" in text
    assert "300 TFLOP/s" not in text
    assert "64³" not in text


def test_the_table_fits_80_columns() -> None:
    long = "h" * 40
    far = gemm(
        "bf16", 1.234e15, case=Case.of("gemm", m=16384, n=28672, k=8192, dtype="bf16", layout="nt", data="normal")
    )
    text = printed([far, SCORES[1]], offer=replace(OFFER, provider=long))
    table = text[text.index("here") : text.index("Measured")]
    bought = text[text.index("per $") : text.index("usual:")]
    assert max(len(line) for line in (table + bought).splitlines()) <= 80
    assert "…" not in table + bought
    narrow = printed([far, SCORES[1]], offer=OFFER, width=60)
    assert "1.23 PFLOP/s (125 %)" in narrow
    assert "2.115 ± 0.011 EFLOP/$" in narrow
    assert "…" not in narrow


def test_where_nothing_is_known_one_sentence_says_how_to_change_that() -> None:
    host = [replace(gemm("fp32", 1e11), backend="host")]
    text = printed(host, hardware=Hardware("", "Example CPU 9000", cores="4"))
    assert text == (
        "Is this normal? Nothing on record compares with these numbers on Example CPU 9000. "
        "Give records of such machines with 'benchsuite show --reference PATH', or figures with --catalog.\n"
    )


def others(count: int, value: float, like: Score, name: str = "NVIDIA H200") -> list[Publication]:
    made = []
    for number in range(count):
        machine = Machine(f"m-{number}", name, H200.key)
        score = replace(like, value=value * (1 + number * 1e-3), low=value, high=value * 1.1)
        offer = Offer(("Nebius", "RunPod", "Verda")[number % 3])
        made.append(Publication(1, f"r-{number}", Origin.MEASURED, machine, "2026-09-01", "gpu", (score,), offer=offer))
    return made


def test_a_verdict_is_a_glyph_a_place_and_a_sentence() -> None:
    text = printed(SCORES[:1], others(24, 700e12, SCORES[0]), figures=())
    (line,) = lines_of(text, "▼ below all 24")
    assert line.startswith("gemm bf16 8192³ ")
    assert line.endswith(" 1–3")
    (sentence,) = lines_of(text, "▼ gemm bf16 8192³: Slow for")
    assert "at a power limit of 500 W instead of 700 W" in sentence
    assert "of 24 machines of 3 sources" in sentence
    assert "records, Nebius, 2026-09-01" in text
    assert "No verdict" not in text


def test_other_machines_and_published_figures_have_a_line_each() -> None:
    text = printed(SCORES[1:2], others(3, 1.3e15, SCORES[1]))
    above, below = lines_of(text, "gemm e4m3 8192³")
    assert "below all 3" in above
    assert "below all 2" in below


def test_a_verdict_among_machines_is_none_among_published_figures() -> None:
    text = printed(SCORES[1:2], others(24, 1.3e15, SCORES[1]))
    above, below = lines_of(text, "gemm e4m3 8192³  1.19")
    assert "▼ below all 24" in above
    assert f"{DASH} below all 2" in below


def test_the_best_implementation_alone_is_told() -> None:
    other = replace(SCORES[2], value=310e12)
    assert "300 TFLOP/s" not in printed(SCORES, others(2, 305e12, other))


def test_numbers_that_are_not_sound_are_counted_with_the_reason() -> None:
    contended = [replace(score, caveats=(Caveat("CONTENDED", ""),)) for score in SCORES[:2]]
    text = printed(contended)
    assert "✖ 2 of 2: Not valid: other processes were at work meanwhile (CONTENDED)." in text
    assert text.count("Not valid") == 1


def test_what_is_most_wrong_is_shown_first_where_not_all_fits() -> None:
    many = [
        gemm("bf16", 690e12 if number == 30 else 700e12 + number, case=replace(SCORES[0].case, ranks=number + 1))
        for number in range(40)
    ]
    fleet = [
        replace(one, results=tuple(replace(score, value=750e12 + number * 1e11) for score in many))
        for number, one in enumerate(others(24, 1.0, SCORES[0]))
    ]
    slow = [replace(score, value=750e12, low=749e12, high=751.5e12) for score in many]
    slow[37] = many[30]
    text = printed([replace(slow[number], case=many[number].case) for number in range(40)], fleet, figures=())
    assert "38 ranks" in text
    assert "24 further lines with --json." in text
    assert lines_of(text, "▼ gemm")
    assert "Slow is below the 5th percentile, and about 2.0 of 40 numbers of a healthy machine are there by" in text


def test_what_was_not_used_is_told() -> None:
    own = replace(others(1, 700e12, SCORES[0])[0], machine=Machine("m-own", "NVIDIA H200", H200.key))
    assert "Not used as reference: 1 of this very machine" in printed(SCORES, [own])
    assert "Not used as reference: 1 of this very machine" in printed(SCORES, [own], figures=())


def test_a_dollar_is_told_with_the_price_its_date_and_the_usual() -> None:
    text = printed(SCORES, offer=OFFER)
    assert (
        "What a dollar buys at $2.10 an hour for 1 device (RunPod, on-demand, 2026-11-30; entered by the user)" in text
    )
    (line,) = lines_of(text[text.index("What a dollar") :], "gemm bf16 8192³")
    assert "1.049 ± 0.005 EFLOP/$" in line
    assert "1.23 EFLOP/$" in line
    assert "$2.47" in line
    assert "$1.79" in line
    assert "What a dollar buys" not in printed(SCORES)


def test_a_note_on_a_number_stays_with_what_it_buys() -> None:
    text = printed([replace(score, caveats=(Caveat("CONTENDED", ""),)) for score in SCORES], offer=OFFER)
    (line,) = lines_of(text[text.index("What a dollar") :], "gemm bf16 8192³")
    assert line.endswith(" c")


def test_without_a_price_energy_alone_is_told() -> None:
    text = printed([replace(score, joules=1.5) for score in SCORES])
    assert "What a joule buys" in text
    assert "GFLOP/J" in text or "TFLOP/J" in text
    unpriced = printed([replace(score, joules=1.5) for score in SCORES], offer=replace(OFFER, usd_per_hour=None))
    assert "What a joule buys" in unpriced


def test_clocks_that_differ_are_told_as_a_span() -> None:
    held = [
        replace(score, conditions={"readings": 9.0, "sm_clock": clock})
        for score, clock in zip(SCORES[:2], (1.3e9, 1.5e9), strict=True)
    ]
    assert "Measured at clocks of 1300–1500 MHz." in printed(held)


@pytest.mark.parametrize(
    ("numbers", "text"), [([1], "1"), ([1, 2], "1 2"), ([1, 2, 3, 5, 7, 8, 9, 10], "1–3 5 7–10"), ([], "")]
)
def test_neighbouring_numbers_are_told_as_a_span(numbers: list[int], text: str) -> None:
    assert normality.spans(numbers) == text


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (Amount(None, reason="no"), ""),
        (Amount(3.6e15, unit="FLOP/$"), "3.60 PFLOP/$"),
        (Amount(1.049e18, 1.044e18, 1.054e18, "FLOP/$"), "1.049 ± 0.005 EFLOP/$"),
        (Amount(5.0e12, 1e12, 9e12, "B/$"), "5.00 TB/$"),
        (Amount(2.4718, 2.4, 2.5, "$/h"), "$2.47"),
    ],
)
def test_amounts_are_written_with_prefix_and_interval(one: Amount, text: str) -> None:
    assert normality.amount(one).replace("\u00a0", " ") == text


def test_control_characters_of_the_data_do_nothing() -> None:
    evil = "\x1b[31mred\x07 [bold]\u202eabc"
    hardware = replace(H200, name=evil)
    figures = [replace(one, source=f"{evil}, from memory", benchmark=evil, as_of=evil) for one in load().figures]
    text = printed(
        SCORES,
        others(2, 1e12, SCORES[0], evil),
        hardware=hardware,
        figures=figures,
        offer=replace(OFFER, provider=evil, source=evil),
    )
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "[bold]" in text


BENCHMARKS = discovery.discover()
SUITE = """[policy]
runs = 3
[[bench]]
select = ["gemm"]
dtype = ["fp32"]
points = [{m = 64, n = 64, k = 64}]
implementations = ["numpy"]
"""
FMA = Case.of("gemm", m=64, n=64, k=64, dtype="fp32", layout="nn", data="normal")
FACTS = {"processor": {"model": "Example CPU 9000", "cores usable": "4"}}


def run_directory(
    folder: Path, number: int, seconds: float, machine: str | None = None, **facts: dict[str, str]
) -> Path:
    """A run of a processor, as it is stored."""
    quiet = {"busy": 1.0, "readings": 9.0}
    taken = [Samples((seconds * (1 + run / 1e4),) * 9, 1, conditions=quiet) for run in range(3)]
    records: list[Record] = [
        replace(record(BENCHMARKS["gemm"], FMA, "numpy", run=run, outcome=samples), backend="host")
        for run, samples in enumerate(taken)
    ]
    plan = replace(plan_of((FMA, "numpy")), policy=Policy(runs=3))
    made = store.Campaign(
        SCHEMA,
        f"20260901-0000{number:02d}-tiny-beef",
        f"2026-09-01T00:00:{number:02d}+00:00",
        "0",
        "benchsuite run",
        "host",
        parse(SUITE, "tiny", BENCHMARKS),
        plan,
        FACTS | facts,
        machine=f"m-{number:04d}" if machine is None else machine,
    )
    directory = store.RunDirectory(folder / made.id, made)
    for one in records:
        directory.append(replace(one, campaign=made.id))
    return folder / made.id


def shown(path: Path, capsys: pytest.CaptureFixture[str], form: str = "text", **given: object) -> str:
    capsys.readouterr()
    show.show(str(path), path.parent, form=form, all_implementations=False, **given)  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_show_sets_a_processor_against_the_records_it_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer = {"usd per hour": "0.5", "as of": "2026-09-01", "source": "entered by the user", "devices": "1"}
    own = run_directory(tmp_path, 0, 2e-3, offer=offer)
    assert "Nothing on record compares with these numbers on Example CPU 9000." in shown(own, capsys)
    runs = [run_directory(tmp_path, number, 1e-3) for number in (1, 2)]
    file = tmp_path / "three.json"
    file.write_bytes(publication.encode(results.public(store.load(run_directory(tmp_path / "more", 3, 1e-3)))))
    text = shown(own, capsys, references=[*map(str, runs), str(file)])
    (line,) = lines_of(text, "below all 3")
    assert "gemm fp32 64³" in line
    assert "What a dollar buys at $0.50 an hour" in text
    assert "$1.00" in text
    document = json.loads(shown(own, capsys, "json", references=[*map(str, runs), str(file)]))
    (case,) = document["cases"]
    assert case["standing"]["code"] == "no_ref"
    assert case["standing"]["measured"]["n"] == 3
    assert case["standing"]["measured"]["position"] == "below"
    assert case["standing"]["measured"]["distance"] == pytest.approx(0.5)
    assert case["worth"]["effective"]["value"] == pytest.approx(1.0)
    assert case["worth"]["offer"]["as_of"] == "2026-09-01"


def test_a_run_is_not_its_own_reference_even_where_its_machine_has_no_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = run_directory(tmp_path, 0, 2e-3, "")
    assert "Nothing on record" in shown(own, capsys, references=[str(own)])


def test_scripted_time_is_set_against_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_directory(tmp_path, 0, 1e-3)
    text = (path / "campaign.json").read_text().replace('"backend":"host"', '"backend":"fake"')
    (path / "campaign.json").write_text(text)
    made = replace(store.load(path).campaign, backend="fake")
    show.results_of(made, [], as_json=False, all_implementations=False)
    assert "normal" not in capsys.readouterr().out


def test_a_catalogue_that_cannot_be_read_takes_no_number_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "mine.toml"
    broken.write_text("[gpu")
    text = shown(run_directory(tmp_path, 0, 1e-3), capsys, catalog=[broken])
    assert "1 result measured and verified." in text
    assert len(lines_of(text, "Is this normal?")) == 1
    assert "mine.toml" in text


def test_an_offer_of_the_facts_becomes_the_publications() -> None:
    assert worth.offer_of({"offer": {"usd per hour": "0.5"}}) == Offer(usd_per_hour=0.5)
