"""Comparisons, boards and matrices as text, Markdown and CSV: fixed words of a fixed input; nothing steers them."""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from benchsuite import aggregate, compare, ranking
from benchsuite.compare import Comparison, Rule
from benchsuite.model import Case, Caveat, Exhibit, Metric, Origin, Status
from benchsuite.ranking import By, Question
from benchsuite.reading import printable
from benchsuite.render import markdown, sheet, terminal_comparison, versus
from benchsuite.statistics.runs import Verdict
from tests.exhibit_data import CHASE, GEMM, MEMORY, OFFER, exhibit, fleet, runs, score

GOLDEN = Path(__file__).parent / "golden"
FACTS = {"gpu": {"driver": "570.1", "power limit": "700 W", "ecc": "on"}}
CASES = ((GEMM, Metric.FLOPS, 7.02e14), (MEMORY, Metric.BANDWIDTH, 3.02e12), (CHASE, Metric.LATENCY, 5.1e-7))


def campaign(name: str, speed: float, sd: float, seed: int, facts: dict[str, dict[str, str]] = FACTS) -> Exhibit:
    """Three cases at ``speed`` times a usual one."""
    scores = [
        score(runs(usual / speed if metric is Metric.LATENCY else usual * speed, sd, seed + at), case, metric)
        for at, (case, metric, usual) in enumerate(CASES)
    ]
    return exhibit(name, *scores, facts=facts)


def several() -> list[Exhibit]:
    """A baseline; one faster and not clean; one with a lower limit, a failure and a hot cache; a published figure."""
    a, b = campaign("A", 1.0, 0.002, 10), campaign("Bee", 1.43, 0.002, 20)
    noted = replace(b.publication.results[1], caveats=(Caveat("CONTENDED", ""),))
    b = replace(
        b, publication=replace(b.publication, results=(b.publication.results[0], noted, b.publication.results[2]))
    )
    c = campaign("Cee", 0.99, 0.02, 30, {"gpu": FACTS["gpu"] | {"power limit": "500 W"}})
    bad = replace(c.publication.results[1], status=Status.FAILED, value=None, reason="It could not be measured.")
    hot = replace(c.publication.results[2], cache="hot")
    c = replace(c, publication=replace(c.publication, results=(c.publication.results[0], bad, hot)))
    paper = exhibit("Paper", score([9.89e14], runs=0, run_values=()), origin=Origin.PUBLISHED)
    return [a, b, c, paper]


def compared(exhibits: list[Exhibit], **rule: object) -> Comparison:
    return compare.against(exhibits[0], exhibits[1:], Rule(**rule))  # type: ignore[arg-type]


def text(exhibits: list[Exhibit], width: int = 110, means: object = ()) -> str:
    stream = io.StringIO()
    found = compared(exhibits)
    terminal_comparison.comparison(found, exhibits, means, Console(file=stream, width=width))  # type: ignore[arg-type]
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def board_text(found: ranking.Board | ranking.Matrix) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=110)
    if isinstance(found, ranking.Board):
        terminal_comparison.board(found, console)
    else:
        terminal_comparison.matrix(found, console)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def boarded() -> list[Exhibit]:
    return [*fleet(4, sd=0.004, step=0.01, base=7e14), *several()[2:]]


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("comparison-two.txt", lambda: text(several()[:2])),
        ("comparison-four.txt", lambda: text(several())),
        ("comparison-many.txt", lambda: text([*several(), *fleet(3, base=6e14)])),
        ("comparison.md", lambda: markdown.comparison(compared(several()), several())),
        ("board.txt", lambda: board_text(ranking.boards(boarded(), ["gemm"])[0])),
        ("matrix.md", lambda: markdown.matrix(ranking.matrices(boarded(), ["gemm"])[0])),
    ],
)
def test_what_a_reader_sees_of_a_fixed_input(name: str, made: object) -> None:
    """Golden: rewrite it with BENCHSUITE_UPDATE_GOLDEN=1 and read the difference."""
    found = made()  # type: ignore[operator]
    if os.environ.get("BENCHSUITE_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(found, encoding="utf-8")
    assert found == (GOLDEN / name).read_text(encoding="utf-8")


# -- what a stranger may have written ---------------------------------------------------------

POISON = "a|b`c`\n# d <img src=x onerror=alert(1)> *e* _f_ [g](https://h) www.i.com @j $k$ \x1b[31m\u202e ~~l~~ \\"


def poisoned() -> list[Exhibit]:
    """Campaigns with that text wherever there is room for one."""
    case = Case.of(POISON, x=POISON)
    facts = {"gpu": {"driver": POISON}}
    good = score(runs(1.0, 0.01, 1), case, implementation=POISON, provider=POISON)
    bad = replace(good, case=Case.of("memory", op=POISON), value=None, status=Status.FAILED, reason=POISON)
    noted = replace(good, case=Case.of("memory", op="x"), caveats=(Caveat(POISON, POISON),))
    return [
        exhibit("A", good, bad, noted, suite=POISON),
        replace(exhibit("B", good, bad, noted, facts=facts, started=POISON, id=POISON), label=POISON),
        replace(exhibit("C", replace(good, run_values=(1.0,)), origin=Origin.PUBLISHED), label=f"=1+{POISON}"),
    ]


def markdowns() -> list[str]:
    """Everything that is ever written as Markdown."""
    made = poisoned()
    found = compared(made)
    mean = [(made[1].label, ranking.composite(found, made[1].label, [(POISON, POISON)]))]
    matrices = [markdown.matrix(one) for one in ranking.matrices(made)]
    return [
        markdown.comparison(found, made, mean),
        markdown.run(made[0].publication.results, POISON, all_implementations=True),
        *matrices,
    ]


SIGNS = re.compile(r"(?<!\\)(?:\\\\)*[`*_\[\]~$@<>]|https?:|(?<=www)\.")


def test_no_text_of_a_stranger_is_anything_but_text_in_markdown() -> None:
    for page in markdowns():
        assert "alert" in page
        assert not SIGNS.search(page)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", page)
        for line in page.splitlines():
            assert re.match(r"$|\| |- |### |By ", line), line


def test_every_line_of_a_table_has_as_many_cells_as_its_head() -> None:
    for page in markdowns():
        for block in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


@given(st.text(st.sampled_from("a1 |\\\\`*_[](){}<>&#+-~!:/.@$\"'=;x\n\t\u202e") | st.characters(), max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_text_comes_through_markdown_letter_by_letter(told: str) -> None:
    """As rich's own Markdown parser reads it: one cell that holds text and nothing else, the same as before."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(markdown.table(["h", "k"], [[markdown.escaped(told), "x"]]))
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    children = cells[2].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children).split() == printable(told).split()


@pytest.mark.parametrize("count", [2, 3])
def test_no_text_of_a_stranger_steers_a_terminal(count: int) -> None:
    made = poisoned()[:count]
    shown = text(made) + "".join(board_text(one) for one in ranking.matrices(made))
    assert "alert" in shown
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", shown)


def test_no_text_of_a_stranger_is_a_formula_in_a_spreadsheet() -> None:
    made = poisoned()
    for page in (sheet.comparison(compared(made)), sheet.boards(ranking.boards(made))):
        rows = list(csv.reader(io.StringIO(page)))
        assert len({len(row) for row in rows}) == 1
        assert any(cell.startswith("'=1+") for row in rows for cell in row)
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


# -- what is said -----------------------------------------------------------------------------


def test_the_csv_has_every_pair_with_its_numbers() -> None:
    rows = list(csv.DictReader(io.StringIO(sheet.comparison(compared(several())))))
    assert len(rows) == 7
    assert rows[0]["verdict"] == "faster"
    assert float(rows[0]["ratio"]) == pytest.approx(1.43, rel=0.01)
    assert rows[0]["unit"] == "flop/s"
    assert {row["campaign"] for row in rows} == {"Bee", "Cee", "Paper"}


def test_an_empty_board_is_an_empty_sheet() -> None:
    assert sheet.boards([]).strip() == ""


def test_a_composite_is_told_or_withheld_with_its_share() -> None:
    part = aggregate.Part("x", 2.0, 1.97, 2.03)
    assert versus.mean(aggregate.ratios([part]), "B", "A").endswith("1 case: ×2.000 (1.970–2.030).")
    gone = aggregate.ratios([part, aggregate.Part("y", None, reason="not measured")])
    assert ": –, 1 of 2; y: not measured." in versus.mean(gone, "B", "A")
    means = [("Bee", gone)]
    assert "1 of 2" in text(several()[:2], means=means)
    assert "1 of 2" in markdown.comparison(compared(several()[:2]), several()[:2], means)


def test_a_wild_interval_is_not_printed() -> None:
    pair = [exhibit("A", score([1.0, 1.0, 1.0])), exhibit("B", score([1e-9, 1.0, 1e9]))]
    assert "beyond" in versus.interval(compared(pair).rows[0])
    assert "inf" not in text(pair)


def test_a_strip_has_everybody_between_its_ends() -> None:
    strip = terminal_comparison._strip([("A", 1.0), ("B", 2.0), ("C", 3.0), ("D", 3.0)])
    assert strip[1] == "A"
    assert strip[-2] == versus.SHARED
    assert "B" in strip[10:22]
    assert terminal_comparison._strip([("A", 1.0), ("B", 1.0)])[1] == versus.SHARED


def test_a_strip_of_many_is_bars_as_high_as_many_stand_there() -> None:
    strip = terminal_comparison._strip([("", 1.0)] * 40 + [("", 2.0)] * 20 + [("", 3.0)])
    assert (strip[1], strip[-2]) == ("█", "▁")
    assert "▄" in strip[10:22]


def test_more_campaigns_than_letters_are_bars_and_have_no_matrix_in_text() -> None:
    made = fleet(30, step=0.01)
    shown = text(made)
    assert "Z  m025" in shown
    assert "a bar's height" in shown
    assert "too many" in board_text(ranking.matrices(made)[0])


def test_a_board_has_one_unit_and_says_what_it_is_ordered_by() -> None:
    made = [exhibit(name, score(runs(speed, 0.01, 1)), offer=OFFER) for name, speed in (("A", 1.2e12), ("B", 9e11))]
    shown = board_text(ranking.boards(made)[0])
    assert "TFLOP/s" in shown
    assert "GFLOP/s" not in shown
    dollars = board_text(ranking.boards(made, question=Question(by=By.DOLLAR))[0])
    assert "PFLOP/$" in dollars
    assert "per dollar" in dollars


def test_a_wide_interval_on_a_board_is_told_by_its_ends_and_a_wild_one_not_at_all() -> None:
    wide, wild = (score([1.5e12] * 3, low=low, high=high) for low, high in ((4e11, 2e12), (1e10, 2e13)))
    board = ranking.boards([exhibit("A", wide), exhibit("B", wild)])[0]
    told = {place.label: versus.amount(place, board).replace("\u00a0", " ") for place in board.ranked}
    assert told == {"A": "1.50 (0.400\u20132.00) TFLOP/s", "B": "1.50 TFLOP/s"}


def test_a_board_without_a_pair_says_so() -> None:
    assert "no two" in board_text(ranking.boards(fleet(1))[0])


def test_of_a_latency_less_is_better() -> None:
    made = [
        exhibit(name, score(runs(speed, 0.01, 1), CHASE, Metric.LATENCY)) for name, speed in (("A", 1e-7), ("B", 2e-7))
    ]
    assert "less is better" in board_text(ranking.boards(made)[0])


def test_every_verdict_has_a_glyph_a_word_and_a_style() -> None:
    assert set(versus.VERDICTS) == set(terminal_comparison.STYLES) == set(Verdict)
    assert len({glyph for glyph, _ in versus.VERDICTS.values()}) == len(Verdict)


def test_a_headline_counts_every_case_once() -> None:
    made = several()
    rows = [row for row in compared(made).rows if row.label == "Cee"]
    said = versus.headline(rows, "A", "C")
    assert sum(map(int, re.findall(r" in (\d+)", said))) == len(rows)
