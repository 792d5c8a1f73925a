"""What leaves: by one table. What comes back: number by number. What nobody named stays at home."""

from __future__ import annotations

import ast
import json
import math
import re
import tomllib
from collections.abc import Callable
from dataclasses import MISSING, asdict, fields, is_dataclass, make_dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import benchsuite
from benchsuite import allowlist, plausible, publication, results
from benchsuite.catalog import gpus
from benchsuite.errors import DataError, NewerError
from benchsuite.model import (
    Case,
    Caveat,
    Machine,
    Metric,
    Offer,
    Origin,
    Publication,
    Quantiles,
    Record,
    Roof,
    Samples,
    Score,
    Status,
    Work,
)
from benchsuite.reportable import compromised
from benchsuite.samples import problems as contradictions
from benchsuite.telemetry import conditions, join
from tests.public_data import FACTS, measured, published

PACKAGE = Path(benchsuite.__file__).parent
SECRET = "zanzibar"


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Publication]:
    """A publication's file, and what was put into it."""
    return published(tmp_path_factory.mktemp("sent"), secret=SECRET)


# -- what leaves --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", sorted(allowlist.FIELDS, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__
)
def test_every_field_is_named_as_leaving_or_as_staying(kind: type) -> None:
    """Whoever adds a field to one of these must decide; until then this fails, and the field stays."""
    leaves, stays = set(allowlist.FIELDS[kind]), set(allowlist.STAYS[kind])
    assert not leaves & stays
    assert leaves | stays == {one.name for one in fields(kind)}
    assert all(allowlist.STAYS[kind].values()), "every one that stays has its reason"


def test_what_stands_at_the_head_is_listed_too(sent: tuple[Path, Publication]) -> None:
    """``of`` and ``machine`` fill these one by one; a new field keeps its default until somebody adds it here."""
    head = {
        "schema", "id", "origin", "machine", "started", "suite", "results", "version", "code", "backend", "runs",
        "roof", "offer", "digest", "tool", "source", "samples", "planned",
    }  # fmt: skip
    assert {one.name for one in fields(Publication)} == head
    assert {one.name for one in fields(Machine)} == {"id", "name", "hardware", "devices", "facts"}
    assert (sent[1].tool, sent[1].source) == ("benchsuite", "")


def test_every_type_that_a_result_holds_is_in_the_table() -> None:
    inside = {Score, Case, Work, Quantiles, Roof, Offer, Record, Samples, type(spread())}
    assert set(allowlist.FIELDS) == set(allowlist.STAYS) == inside


def spread() -> Any:
    from benchsuite.model import Spread

    return Spread(0.01, 0.02, 9.0)


def test_a_new_field_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    grown = make_dataclass("Grown", [("n", int), ("secret", str, "")], frozen=True)
    monkeypatch.setitem(allowlist.FIELDS, grown, {"n": allowlist.whole})  # type: ignore[arg-type]
    assert allowlist.cut(grown(3, SECRET)) == grown(3)


def test_a_value_of_a_type_without_a_rule_is_an_error_not_a_leak() -> None:
    with pytest.raises(KeyError):
        allowlist.whole(Machine("a", "b"))
    with pytest.raises(TypeError, match="no rule"):
        allowlist.whole({"free": "text"})


def test_nothing_that_a_program_or_a_person_wrote_leaves(sent: tuple[Path, Publication]) -> None:
    path, _ = sent
    for file in (path, path.with_name(path.stem + publication.SAMPLES)):
        assert SECRET not in file.read_text()
        assert "/opt" not in file.read_text()


def test_what_leaves_says_what_happened_in_our_words(sent: tuple[Path, Publication]) -> None:
    told = {score.case.text("op"): score for score in sent[1].results}
    assert told["copy"].reason == "The result was wrong."
    assert told["triad"].reason == "It could not be measured."
    assert told["add"].reason == "It cannot run on this machine."
    assert {caveat.code for caveat in told["read"].caveats} == {"POWER_CAP", "CONTENDED"}
    assert all(caveat.text == allowlist.CAVEATS[caveat.code] for caveat in told["read"].caveats)
    assert set(told["read"].conditions) == {"sm_clock", "power_limit", "readings"}
    assert told["read"].unreportable
    assert sent[1].planned == 5


def test_facts_leave_by_name_and_form() -> None:
    extra = {
        "gpu": {**FACTS["gpu"], "serial": "1654922004544", "uuid": "GPU-5d1c8a2e-1111-2222-3333-444455556666"},
        "system": {**FACTS["system"], "hostname": "node17.corp.example"},
        "environment": {"CUDA_VISIBLE_DEVICES": "GPU-5d1c8a2e", "OMP_NUM_THREADS": "16", "OMP_PROC_BIND": "/home/x"},
        "cloud": {"account": "1234"},
    }
    found = allowlist.facts(extra)
    assert found["gpu"] == {name: value.replace("\u00a0", " ") for name, value in FACTS["gpu"].items()}
    assert found["system"] == {"system": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0", "Python": "3.11.7"}
    assert found["environment"] == {"OMP_NUM_THREADS": "16"}
    assert "cloud" not in found


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("gpu", "name", "NVIDIA H200 GPU-5d1c8a2e-1111-2222-3333-444455556666"),
        ("gpu", "name", "H200 at 0000:3b:00.0"),
        ("gpu", "name", "H200 1654922004544"),
        ("gpu", "name", "H200 of joe@example"),
        ("gpu", "name", "H200\nsecond line"),
        ("gpu", "name", "<img src=x>"),
        ("gpu", "name", "H" * 81),
        ("gpu", "PCI device", "0000:3b:00.0"),
        ("gpu", "form factor", "SXM5 of joe"),
        ("processor", "model", "CPU of 10.1.2.3"),
        ("system", "system", "Debian in /home/joe"),
        ("packages", "numpy", "file:///home/joe/numpy"),
        ("libraries", "numpy", "OpenBLAS 0.3.30 /home/joe/lib"),
        ("world", "library", "MPICH 4.2.1 built by joe"),
        ("processor", "cores usable", "sixteen"),
    ],
)
def test_a_value_of_another_form_stays(section: str, name: str, value: str) -> None:
    assert allowlist.fact(section, name, value) == ""


def test_an_offer_leaves_as_its_user_told_it_unless_it_identifies_somebody(tmp_path: Path) -> None:
    told = {"provider": "Alpha Cloud", "instance": "p5.48xlarge", "usd per hour": "2.5", "as of": "2026-01-01"}
    loaded = measured(tmp_path, facts={**FACTS, "offer": {**told, "region": "/home/joe", "account": "joe"}}, runs=1)
    offer = results.public(loaded).offer
    assert offer == Offer("Alpha Cloud", "p5.48xlarge", usd_per_hour=2.5, as_of="2026-01-01")
    lines = publication.leaving(loaded)
    assert "+ offer: provider = Alpha Cloud" in lines
    assert "joe" not in "\n".join(lines)


def test_of_a_version_the_part_that_somebody_chose_stays() -> None:
    assert allowlist.fact("packages", "torch", "2.8.0+cu128") == "2.8.0+cu128"
    assert allowlist.fact("packages", "torch", "2.8.0+acme.secret") == "2.8.0"


def test_the_facts_of_this_machine_have_their_forms() -> None:
    """A form that real facts do not have would keep them all at home."""
    from benchsuite.backends.cuda.checks import facts as gpu_facts
    from benchsuite.backends.cuda.driver import Driver
    from benchsuite.backends.host.providers import providers
    from benchsuite.machine.facts import collect
    from benchsuite.model import Device
    from benchsuite.tuned import fit
    from benchsuite.world.solo import SoloWorld

    device = Device("NVIDIA H200", "sm_90a", 132, 233472, 60 << 20, 150 << 30, (9, 0), 1)
    told = {
        **collect(),
        "libraries": providers(),
        "world": SoloWorld().facts(),
        "gpu": gpu_facts(Driver(13000, 0), fit(device), {"benchsuite": "NVRTC 13.0", "cupy": "14.1.0"}, "580.65.06"),
    }
    told.pop("environment", None)
    found = allowlist.facts(told)
    for section, values in told.items():
        assert set(found.get(section, {})) == set(values), section


def test_the_libraries_of_this_machine_may_be_named_beside_a_result() -> None:
    from benchsuite.backends.host.providers import providers

    for text in (*providers().values(), "cuBLASLt 13.1.0.3", "PyTorch 2.8.0+cu128", "NVRTC 13.0", "Open MPI v5.0.5"):
        assert allowlist.library(text) == text
    assert allowlist.library("2.8.0+acme") == "2.8.0"


def test_every_card_and_many_systems_have_a_name_that_leaves() -> None:
    text = resources.files("benchsuite.catalog").joinpath("gpus.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)["gpu"].values()
    names = {name for row in rows for name in row.get("nvml_names", ())}
    assert len(names) > 20, "as their drivers call them"
    processors = ("12th Gen Intel(R) Core(TM) i7-12700K", "AMD EPYC 9654 96-Core Processor", "Neoverse-N1", "Apple M2")
    systems = ("Ubuntu 24.04.1 LTS", "Red Hat Enterprise Linux 9.4 (Plow)", "Debian GNU/Linux trixie/sid")
    told = {("gpu", "name"): names, ("processor", "model"): processors, ("system", "system"): systems}
    for (section, name), values in told.items():
        assert [value for value in values if allowlist.fact(section, name, value) != value] == []


def test_every_code_and_condition_that_we_know_is_in_the_table() -> None:
    made = set(conditions.TEXTS)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Caveat" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    made.add(first.value)
    from benchsuite.measure.collect import APART, DISAGREE

    assert set(allowlist.CAVEATS) - {allowlist.UNKNOWN} == made | {APART, DISAGREE}
    rates = {"foreign_cores", "steal", "numa_misses", *join.PARTS}
    assert {*join.GAUGES, *rates, "throttle", "foreign_processes", "readings"} == allowlist.CONDITIONS


def test_a_note_that_nobody_knows_never_leaves_a_number_clean() -> None:
    score = replace(good(), caveats=(Caveat("BRAND_NEW", "text"),), conditions={"readings": 9.0})
    told = publication.vet(of(score)).publication.results[0]
    assert [caveat.code for caveat in told.caveats] == [allowlist.UNKNOWN]
    assert compromised(told)
    assert told.unreportable


def test_a_suite_that_a_person_named_is_called_own(tmp_path: Path) -> None:
    loaded = measured(tmp_path, suite="acme-secret-model", runs=1)
    told = results.public(loaded)
    assert told.suite == publication.OWN
    assert told.id == "20260102-030405-own-beef"
    assert "acme" not in publication.encode(told).decode()
    assert publication.vet(told)
    odd = replace(loaded, campaign=replace(loaded.campaign, id="Acme's run"))
    assert re.fullmatch("[0-9a-f]{16}", results.public(odd).id)


def test_a_case_whose_names_identify_somebody_stays(tmp_path: Path) -> None:
    loaded = measured(tmp_path, runs=1)
    scores, ceilings = results.normalized(loaded.campaign, loaded.records)
    odd = replace(scores[0], case=Case.of("memory", op="/home/joe/model", bytes=4))
    told = publication.of(loaded.campaign, [odd, *scores[1:]], ceilings)
    assert len(told.results) == len(scores) - 1
    records = [replace(record, case=odd.case) for record in loaded.records]
    assert publication.encode_samples(records) == b""
    lines = publication.leaving(replace(loaded, records=(records[0], *loaded.records[1:])))
    assert "- results of cases whose names could identify somebody" in lines
    assert "joe" not in "\n".join(lines)


def test_leaving_tells_every_fact_and_every_field(tmp_path: Path) -> None:
    facts = {**FACTS, "gpu": {**FACTS["gpu"], "serial": SECRET}, "cloud": {"account": SECRET}}
    lines = publication.leaving(measured(tmp_path, facts=facts, secret=SECRET, runs=1))
    assert "+ gpu: name = NVIDIA H200" in lines
    assert "+ benchmarks and implementations: memory [stream]" in lines
    assert "- gpu: serial: not on the list" in lines
    assert "- cloud: account: not on the list" in lines
    assert any(line.startswith("- results: reason: ") for line in lines)
    assert any(line.startswith("- samples: by_rank: ") for line in lines)
    assert any(line.startswith("+ note POWER_CAP") for line in lines)
    assert all(line.startswith(("+ ", "- ")) for line in lines)
    assert SECRET not in "\n".join(lines)


# -- the file -----------------------------------------------------------------------------------


def test_it_reads_back_as_it_was(sent: tuple[Path, Publication]) -> None:
    path, told = sent
    found = publication.vetted(path)
    assert found.publication == told == publication.read(path)
    assert found.problems == ()
    assert found.digest == publication.digest(path.read_bytes())


def test_the_same_publication_has_the_same_bytes(sent: tuple[Path, Publication]) -> None:
    path, told = sent
    assert publication.encode(told) == path.read_bytes() == publication.encode(publication.decode(path.read_bytes()))


def test_only_what_is_not_usual_is_written(sent: tuple[Path, Publication]) -> None:
    def walk(value: Any, path: str = "") -> None:
        if isinstance(value, dict):
            for name, one in value.items():
                walk(one, f"{path}.{name}")
        elif isinstance(value, list):
            for one in value:
                walk(one, path)
        else:
            assert value is not None, path

    document = json.loads(sent[0].read_text())
    walk(document)
    assert "source" not in document


def test_every_number_leads_to_its_samples(sent: tuple[Path, Publication]) -> None:
    path, told = sent
    beside = path.with_name(told.id + publication.SAMPLES)
    assert told.samples == publication.digest(beside.read_bytes())
    assert contradictions(told, beside) == []
    lines = [json.loads(line) for line in beside.read_text().splitlines()]
    assert len(lines) == 2 * 5
    assert set(lines[0]) == {"case", "implementation", "run", "samples"}
    assert set(lines[0]["samples"]) == set(allowlist.FIELDS[Samples])
    assert lines[0]["samples"]["annotations"] == {"POWER_CAP": [1, 2]}


def test_samples_of_another_run_are_told(sent: tuple[Path, Publication], tmp_path: Path) -> None:
    path, told = sent
    other = tmp_path / "x.samples.jsonl"
    data = path.with_name(told.id + publication.SAMPLES).read_bytes()
    other.write_bytes(data.replace(b"0.001001", b"0.001002", 1))
    assert contradictions(told, other) == ["x.samples.jsonl is not the file that the publication names."]
    slower = data.replace(b"0.00100", b"0.00200")
    other.write_bytes(slower)
    found = contradictions(replace(told, samples=publication.digest(slower)), other)
    assert len(found) == 2
    assert "does not follow from the samples" in found[0]
    other.write_bytes(data)
    spread = told.results[0].samples
    flatter = replace(told.results[0], samples=(replace(spread[0], maximum=spread[0].median), *spread[1:]))
    assert len(contradictions(replace(told, results=(flatter, *told.results[1:])), other)) == 1


# -- what comes back ----------------------------------------------------------------------------


def good(value: float = 2.0**20 / 1e-3) -> Score:
    """A result as ``measured`` gives it, of one run."""
    seconds = 2.0**20 / value
    return Score(
        Case.of("memory", op="read", bytes=1 << 20), "stream", "", Metric.BANDWIDTH, Status.OK,
        Work(read=2.0**20), 1, value, value * 0.99, value * 1.01, "this run only", (value,), backend="host",
        samples=(Quantiles(9, seconds, seconds, seconds, seconds, seconds),),
    )  # fmt: skip


def flops(value: float, dtype: str = "bf16") -> Score:
    one, seconds = good(), 1e12 / value
    return replace(
        one, case=Case.of("gemm", m=4, n=4, k=4, dtype=dtype), metric=Metric.FLOPS, work=Work(flops=1e12), value=value,
        low=value, high=value, run_values=(value,), samples=(Quantiles(9, *(seconds,) * 5),),
    )  # fmt: skip


def of(*scores: Score, hardware: str = "", origin: Origin = Origin.MEASURED) -> Publication:
    machine = Machine("0a1b2c3d", "NVIDIA H200", hardware)
    return Publication(1, "20260102-030405-quick-beef", origin, machine, "2026-01-02", "quick", scores, backend="host")


def left_out(*scores: Score, hardware: str = "") -> tuple[str, ...]:
    return publication.vet(of(*scores, replace(good(), implementation="other"), hardware=hardware)).problems


def test_a_true_result_is_kept() -> None:
    assert left_out(good()) == ()


IMPOSSIBLE: dict[str, Callable[[Score], Score]] = {
    "a number": lambda one: replace(one, status=Status.FAILED),
    "no number": lambda one: replace(one, value=None, run_values=(), samples=()),
    "zero or negative": lambda one: replace(one, value=0.0, low=0.0, high=0.0, run_values=(0.0,), samples=()),
    "runs without a number": lambda one: replace(one, value=None, status=Status.FAILED),
    "outside its own interval": lambda one: replace(one, low=one.high, high=one.low),
    "more runs or fewer": lambda one: replace(one, runs=2),
    "among the values of its runs": lambda one: replace(one, run_values=(one.value * 1.5,), samples=()),  # type: ignore[operator]
    "follow from its samples": lambda one: replace(one, work=Work(read=2.0**21)),
    "out of order": lambda one: replace(one, samples=(replace(one.samples[0], minimum=1.0),)),
    "impossible amount of work": lambda one: replace(one, work=Work(read=2.0**20, flops=-1.0)),
    "part of its ceiling": lambda one: replace(one, ceiling=one.value, of_ceiling=0.5),
    "names that are none": lambda one: replace(one, implementation="/home/joe/kernel"),
}


@pytest.mark.parametrize("why", IMPOSSIBLE)
def test_a_result_that_cannot_be_true_is_named_and_left_out(why: str) -> None:
    problems = left_out(IMPOSSIBLE[why](good()))
    assert len(problems) == 1
    assert why in problems[0]
    assert problems[0].endswith("it was left out.")


def test_more_than_the_datasheet_allows_is_left_out() -> None:
    key = next(key for key in gpus.gpus() if key.startswith("h200"))
    card = gpus.gpus()[key]
    assert left_out(flops(card.peaks["bf16"] * 1.04), hardware=key) == ()
    assert "times what the datasheet allows" in left_out(flops(card.peaks["bf16"] * 1.06), hardware=key)[0]
    assert left_out(flops(card.peaks["bf16"] * 1.06)) == (), "of unknown hardware nothing is claimed"
    large = replace(good(card.bandwidth * 1.1), case=Case.of("memory", op="read", bytes=1 << 30))
    assert "1.10 times" in left_out(large, hardware=key)[0]
    assert left_out(good(card.bandwidth * 1.1), hardware=key) == (), "a small working set may lie in a cache"
    assert left_out(replace(good(), of_datasheet=1.2))
    network = replace(good(), metric=Metric.BUSBW, work=Work(wire=2.0**20), of_datasheet=1.2)
    assert left_out(network) == (), "a switch that adds up may exceed what its links carry"


def test_the_second_of_two_equal_tasks_is_left_out() -> None:
    assert "is there twice" in publication.vet(of(good(), good())).problems[0]


def test_of_what_is_left_nothing_is_refused_but_a_publication_without_results_is() -> None:
    with pytest.raises(DataError, match="holds no result"):
        publication.vet(of(replace(good(), runs=2)))
    with pytest.raises(DataError, match="holds no result"):
        publication.vet(of())


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../etc/passwd"},
        {"id": "Ünique"},
        {"machine": Machine("", "x")},
        {"machine": Machine("0a1b", "x", devices=0)},
        {"offer": Offer("x", usd_per_hour=-1.0)},
        {"roof": Roof({"bf16": 0.0})},
        {"digest": "123"},
        {"samples": "x" * 64},
        {"started": "yesterday"},
        {"code": "zz"},
        {"version": "1.0 <script>"},
        {"runs": -1},
        {"schema": 0},
    ],
    ids=str,
)
def test_a_head_without_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError) as caught:
        publication.vet(replace(of(good()), **change))
    assert caught.value.remedy


def test_what_others_wrote_is_replaced_by_our_words() -> None:
    forged = replace(
        good(), caveats=(Caveat("CONTENDED", "all is well"),), unreportable=(), provider="call joe", source="/home/joe",
        meaning="the best ever",
    )  # fmt: skip
    told = publication.vet(of(forged)).publication.results[0]
    assert told.caveats[0].text == allowlist.CAVEATS["CONTENDED"]
    assert told.unreportable, "it is concluded again, not believed"
    assert (told.provider, told.source, told.meaning) == ("", "", "")


def test_facts_that_nobody_may_publish_are_not_taken_from_others() -> None:
    facts = {"gpu": {"name": "NVIDIA H200", "serial": "1654922004544"}, "notes": {"mail": "joe@example.com"}}
    told = of(good())
    forged = replace(told, machine=replace(told.machine, facts=facts))
    assert publication.vet(forged).publication.machine.facts == {"gpu": {"name": "NVIDIA H200"}}
    imported = replace(forged, origin=Origin.IMPORTED)
    assert publication.vet(imported).publication.machine.facts == facts, "its reader chose them"


def test_a_machine_without_a_name_of_its_own_has_one_that_reads_back(tmp_path: Path) -> None:
    loaded = measured(tmp_path, facts={"processor": {"model": "CPU of joe@example"}}, runs=1, backend="host")
    nameless = replace(loaded, campaign=replace(loaded.campaign, machine=""))
    told = results.public(nameless)
    assert told.machine.name == "unknown processor"
    assert publication.vet(told).publication == told


def test_what_was_imported_keeps_its_words() -> None:
    row = replace(good(), reason="#wrong is 3", status=Status.REJECTED, value=None, run_values=(), samples=())
    told = publication.vet(of(good(), replace(row, implementation="nccl"), origin=Origin.IMPORTED)).publication
    assert told.results[1].reason == "#wrong is 3"


def test_a_newer_format_is_told_from_a_broken_one(tmp_path: Path, sent: tuple[Path, Publication]) -> None:
    document = json.loads(sent[0].read_text())
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**document, "schema": 2, "results": "elsewhere now"}))
    with pytest.raises(NewerError, match="schema 2"):
        publication.read(path)
    path.write_text(json.dumps({**document, "results": "none"}))
    with pytest.raises(DataError, match=r"x\.json is no publication"):
        publication.read(path)


@given(
    value=st.floats(1e-12, 1e18),
    spread=st.floats(0.0, 0.2),
    change=st.floats(1.02, 1e3),
)
@settings(max_examples=60)
def test_a_result_scaled_in_all_its_parts_stays_plausible_and_in_one_does_not(
    value: float, spread: float, change: float
) -> None:
    one = replace(
        good(), value=value, low=value * (1 - spread), high=value * (1 + spread), run_values=(value,), samples=()
    )
    assert plausible.problem(one, plausible.Limits()) == ""
    assert plausible.problem(replace(one, value=value * change, high=value * change * 2), plausible.Limits())


@example("0//")
@given(st.text(max_size=40) | st.text("ab/@~\\<:. 0123456789", max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_name_that_leaves_is_plain(text: str) -> None:
    for rule in (allowlist.word, allowlist.library, allowlist.label):
        told = rule(text)
        assert told in {"", text}
        assert not set(told) & set("<>\\@~;\n\x00`$|*")
        assert "//" not in told
        assert not told.startswith(("/", ".", "-", "="))


def test_what_was_vetted_once_is_as_good_as_it_gets(sent: tuple[Path, Publication]) -> None:
    once = publication.vet(sent[1])
    assert publication.vet(once.publication) == once


def test_labels_are_unique_and_tell_where() -> None:
    offered = replace(of(good()), offer=Offer("Alpha"), machine=Machine("a1", "NVIDIA H200", devices=8))
    labels = [exhibit.label for exhibit in publication.exhibits([of(good()), of(good()), offered])]
    assert labels == ["NVIDIA H200 #1", "NVIDIA H200 #2", "8 × NVIDIA H200 · Alpha"]


def test_nothing_public_holds_a_number_that_json_has_not(sent: tuple[Path, Publication]) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, float):
            assert math.isfinite(value)
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
            walk(one)

    walk(asdict(sent[1]))
    assert re.search(rb"NaN|Infinity", sent[0].read_bytes()) is None
    assert all(is_dataclass(kind) and fields(kind)[0].default is MISSING for kind in (Score, Case))
