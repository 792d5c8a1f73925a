"""A step of training and an overlap in words, on the terminal and on the page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
import render_data
import training_data as data
from rich.console import Console

from benchsuite import bandwidths, frame, patterns, results
from benchsuite.model import Case, Metric, Parallelism, Score, Status
from benchsuite.render import html, markdown, terminal, terminal_training, training, view, words
from benchsuite.render.explorer.scores import detail
from benchsuite.render.site.case_page import formula
from benchsuite.training import Amount, Spent, exposures, spent

BANNED = ("significant", "beats", "up to", "best-in-class", "proven")
TIMES = {"compute": [4e-3] * 3, "communicate": [2e-3] * 3, "serial": [6e-3] * 3, "overlapped": [5e-3] * 3}
MODELS = {Parallelism.TENSOR: "qwen3-0.6b", Parallelism.EXPERT: "granite-3.1-1b-a400m"}


def step(kind: Parallelism, seconds: Sequence[float] = (1e-3, 1.1e-3, 1.2e-3)) -> tuple[Spent, list[Score]]:
    pattern = data.pattern(kind, MODELS.get(kind, "smollm2-135m"))
    scores = data.sent(pattern, 4, seconds)
    (found,) = spent([pattern], scores)
    return found, scores


def sentence(**times: Sequence[float]) -> str:
    (found,) = exposures(data.overlap({**TIMES, **times}))
    return training.exposure(found).replace("\u00a0", " ")


@pytest.mark.parametrize("kind", Parallelism)
def test_a_step_tells_its_messages_sum_and_caveats(kind: Parallelism) -> None:
    found, _ = step(kind)
    (told,) = training.steps([found])
    assert len(told.rows) == len(found.messages)
    assert "of communication in a step when none of it is hidden" in told.total
    assert patterns.CAVEATS[kind] in told.notes
    assert any("bf16" in note and "fp32" in note for note in told.notes)
    assert sum(row.part for row in told.rows) == pytest.approx(1.0)
    assert "4 ranks" in told.title
    assert all("arXiv" in source for source in told.sources)
    text = " ".join([told.title, told.total, *told.notes, *(row.what for row in told.rows)]).lower()
    assert not [word for word in BANNED if word in text]


def test_messages_sent_as_they_are_trained_with_need_no_note() -> None:
    found, _ = step(Parallelism.DATA)
    (told,) = training.steps([replace(found, pattern=replace(found.pattern, sent="bf16"))])
    assert told.notes == (patterns.CAVEATS[Parallelism.DATA],)


def test_a_missing_message_leaves_no_sum_and_says_why() -> None:
    pattern = data.pattern(Parallelism.DATA, "smollm2-135m")
    first, *rest = data.sent(pattern, 4)
    (told,) = training.steps(spent([pattern], [data.failed(first.case, Status.SKIPPED, "too large"), *rest]))
    assert told.total.replace("\u00a0", " ") == (
        "8.00 ms at least: 1 of 3 kinds of messages could not be measured, so there is no sum."
    )
    assert (told.rows[0].one, told.rows[0].total, told.rows[0].reason) == ("–", "–", "too large.")


def test_nothing_measured_is_no_sum() -> None:
    pattern = data.pattern(Parallelism.PIPELINE, "smollm2-135m")
    none = [data.failed(one.case, Status.SKIPPED, "no ranks") for one in data.sent(pattern, 4)]
    (told,) = training.steps(spent([pattern], none))
    assert told.total == "There is no sum: 2 of 2 kinds of messages could not be measured."


def test_a_refused_parallelism_is_said() -> None:
    found, _ = step(Parallelism.TENSOR)
    (told,) = training.steps([replace(found, refused="9 heads cannot be dealt evenly to 4 ranks")])
    assert "No framework trains so: 9 heads cannot be dealt evenly to 4 ranks." in told.notes


def test_what_hides_is_one_sentence() -> None:
    assert sentence() == (
        "50 % of the all-reduce hides behind the multiplication (95 % interval 50 % to 50 %, 3 runs): "
        "alone it takes 2.00 ms, beside the multiplication it adds 1.00 ms."
    )
    assert sentence(overlapped=[5.9e-3, 6e-3, 6.1e-3]).startswith("Nothing of the all-reduce is shown to hide")
    assert sentence(overlapped=[7e-3] * 3).startswith("Nothing hides: both at once takes longer")
    assert "−50 %" in sentence(overlapped=[7e-3] * 3)
    assert sentence(overlapped=[4e-3, 6e-3, 9e-3]).startswith("The runs are too far apart to tell")
    one = {name: values[:1] for name, values in TIMES.items()}
    assert sentence(**one).startswith("In one run 50 % of the all-reduce hid behind the multiplication")
    assert sentence(**{**one, "overlapped": [7e-3]}).startswith("In one run nothing hid, and both at once took longer")


def test_a_negative_time_keeps_its_sign_and_a_wide_one_says_so() -> None:
    assert training.amount(Amount(-2e-3)).replace("\u00a0", " ") == "−2.00 ms"
    assert training.amount(Amount(2e-3, -1e-3, 5e-3)).replace("\u00a0", " ") == "2 ± 3 ms"
    assert training.amount(Amount(2e-3, 1e-9, 5e3)).replace("\u00a0", " ") == "2.00 ms (beyond ×10)"


def test_bars_are_shares_of_the_longest() -> None:
    (told,) = training.overlaps(exposures(data.overlap(TIMES)))
    assert [round(bar.width, 1) for bar in told.bars] == [66.7, 33.3, 100.0, 83.3]
    assert [round(bar.exposed, 1) for bar in told.bars] == [0.0, 0.0, 0.0, 16.7]
    (hidden,) = training.overlaps(exposures(data.overlap({**TIMES, "overlapped": [3.9e-3] * 3})))
    assert hidden.bars[-1].exposed == 0.0


def printed(found: Sequence[Spent], scores: Sequence[Score], width: int = 80) -> str:
    stream = io.StringIO()
    terminal_training.section(found, scores, Console(file=stream, width=width, highlight=False))
    return stream.getvalue().replace("\u00a0", " ")


def test_the_terminal_shows_both() -> None:
    found, scores = step(Parallelism.SHARDED)
    text = printed([found], scores + data.overlap(TIMES))
    assert "A training step on this fabric" in text
    assert training.ALONE in text
    assert "All-gather: weights of" in text
    assert "of communication in a step when none of it is hidden." in text
    assert "░" in next(line for line in text.splitlines() if "both at once" in line)
    assert "░" not in next(line for line in text.splitlines() if "one after the other" in line)
    assert "50 % of the all-reduce hides" in text


def test_the_terminal_says_nothing_where_there_is_nothing() -> None:
    assert printed([], data.sent(data.pattern(Parallelism.DATA, "smollm2-135m"), 2)) == ""


def test_the_table_names_busbw_and_algbw() -> None:
    _, scores = step(Parallelism.SHARDED)
    stream = io.StringIO()
    terminal.table([replace(one, best=True) for one in scores], Console(file=stream, width=100))
    assert "All-gather, busbw" in stream.getvalue()
    head, *body = stream.getvalue().splitlines()
    assert "algbw" in head
    assert "algbw" not in "".join(body)  # the title says it
    mixed = [replace(one, best=True) for one in (*scores, *render_data.campaign([*render_data.probes()]).scores)]
    stream = io.StringIO()
    terminal.table(mixed, Console(file=stream, width=100))
    head, *body = stream.getvalue().splitlines()
    assert "ceiling" in head
    assert "".join(body).count("algbw") == len(scores)
    assert "nccl-tests" in " ".join(terminal.summary_lines(scores))


def test_both_bandwidths_stand_in_every_form() -> None:
    scores = step(Parallelism.EXPERT)[1]
    (told,) = scores
    rate = told.work.payload / 1.1e-3
    text = markdown.run([replace(told, best=True)], "a run").replace("\u00a0", " ")
    assert "algbw" in text
    assert detail(told)["algbw"] == pytest.approx(rate, rel=0.01)
    assert detail(told)["factor"] == "(n−1)/n"
    (row,) = frame.frame(scores).to_dict("records")
    assert row["algbw"] == pytest.approx(rate, rel=0.01)
    assert row["busbw_factor"] == 0.75
    document = results.case_document(told)["algbw"]
    assert document["value"] * document["factor"] == pytest.approx(told.value)
    assert document["source"] == bandwidths.SOURCE
    assert "algbw × (n−1)/n" in formula(Metric.BUSBW, "alltoall")
    assert "algbw" not in formula(Metric.BUSBW, "transfer")
    assert "algbw" not in detail(data.overlap(TIMES)[0])


def page(found: Sequence[Spent], scores: Sequence[Score]) -> str:
    campaign = replace(render_data.campaign([*render_data.probes()], trouble=False), scores=scores, steps=found)
    return html.report(view.build(campaign)).replace("\u00a0", " ")


def test_the_page_shows_both() -> None:
    found, scores = step(Parallelism.DATA)
    text = page([found], [replace(one, best=True) for one in scores] + data.overlap(TIMES))
    assert '<section id="training">' in text
    assert '<section id="overlap">' in text
    assert "13,271,040 gradients × 2 B" in text
    assert "50 % of the all-reduce hides" in text
    assert 'class="exposed" x="66.67" width="16.67"' in text
    assert "Li et al., VLDB 2020" in text
    assert "busbw; algbw" in text
    assert 'href="https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md" rel="noopener' in text
    assert 'style="' not in text


def test_a_page_without_training_has_neither() -> None:
    text = page([], [])
    assert 'id="training"' not in text
    assert 'id="overlap"' not in text


def test_collectives_have_names_for_people() -> None:
    case = data.case("allgather", 1 << 20, 4, place="in")
    assert words.parameters(case).replace("\u00a0", " ") == "fp32 1 MiB, in place, 4 ranks"
    assert words.parameters(data.case("alltoallv", 1 << 20, 4)).replace("\u00a0", " ").startswith("fp32 1 MiB, skew")
    assert words.parameters(data.overlap(TIMES)[0].case).startswith("multiplication alone, fp32 1024³")
    assert words.parameters(Case.of("barrier", 4)) == "4 ranks"
    for kind in Parallelism:
        for name in {one.benchmark for one in step(kind)[0].pattern.messages}:
            assert words.family(name) != name
