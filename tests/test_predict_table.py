"""Tables of published results: what can be read, what is left out."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.errors import DataError
from benchsuite.model.forecast import Mesh
from benchsuite.predict import table

PUBLISHED = Path(__file__).parents[1].parent / "shared" / "data" / "serving.csv"
HEADER = "model,gpu,gpus,nodes,parallelism,precision,engine,benchmark,scenario,isl,osl,concurrency,tokens_per_s,"
HEADER += "tokens_per_s_per_gpu,metric,tpot_p50_ms,submitter,source,notes"


def read(tmp_path: Path, **fields: str) -> tuple[tuple[table.Row, ...], tuple[table.Unread, ...]]:
    plain = {"model": "m", "gpu": "g", "precision": "fp8", "isl": "128", "osl": "128", "tokens_per_s_per_gpu": "10"}
    row = plain | {"gpus": "1", "nodes": "1"} | fields
    file = tmp_path / "t.csv"
    file.write_text(HEADER + "\n" + ",".join(f'"{row.get(name, "")}"' for name in HEADER.split(",")) + "\n")
    return table.rows(file)


def one(tmp_path: Path, **fields: str) -> table.Row:
    found, unread = read(tmp_path, **fields)
    assert not unread
    return found[0]


def test_a_row_is_read(tmp_path: Path) -> None:
    row = one(tmp_path, gpus="8", parallelism="TP4 PP2", tpot_p50_ms="40", model="Llama", concurrency="16")
    assert (row.mesh, row.gpus, row.model, row.batch, row.tpot) == (Mesh(4, 2), 8, "llama", 16, 0.04)
    assert one(tmp_path, parallelism="TP8/EP8").mesh == Mesh(8, 1, 8)
    assert one(tmp_path).mesh is None
    assert one(tmp_path, tokens_per_s_per_gpu="", tokens_per_s="80", gpus="8").measured == 10
    assert one(tmp_path, tokens_per_s_per_gpu="1,234.5", isl="1,024").measured == 1234.5


@pytest.mark.parametrize(
    ("given", "mesh", "gpus"),
    [
        ("TP=4", Mesh(4), 4),
        ("tp4 pp2", Mesh(4, 2), 8),
        ("TP4_EP4", Mesh(4, 1, 4), 4),
        ("TP-2, DP-4", Mesh(2), 8),
        ("n/a", None, 1),
        ("-", None, 1),
    ],
)
def test_plans_are_spelt_in_many_ways_and_tell_how_many_devices(
    tmp_path: Path, given: str, mesh: Mesh | None, gpus: int
) -> None:
    row = one(tmp_path, parallelism=given, gpus="", tokens_per_s="80", tokens_per_s_per_gpu="")
    assert (row.mesh, row.gpus, row.measured) == (mesh, gpus, 80 / gpus)


@pytest.mark.parametrize(("given", "batch"), [("256", 256), ("256 users", 256), ("64.0", 64), ("inf", 0), ("N/A", 0)])
def test_sequences_at_once_are_read_in_many_ways(tmp_path: Path, given: str, batch: int) -> None:
    assert one(tmp_path, concurrency=given).batch == batch


def test_lengths_may_be_means_of_data_sets(tmp_path: Path) -> None:
    assert one(tmp_path, isl="~294 mean (OpenOrca, <=1024)").isl == 294
    assert one(tmp_path, isl="mixed (OpenOrca/GSM8K)").isl == 0


def test_queued_requests_are_counted_where_their_table_is_known(tmp_path: Path) -> None:
    assert one(tmp_path, concurrency="all queued (inf rate)").requests == 30_000
    assert one(tmp_path, concurrency="all queued (inf rate)", isl="77").requests == 0
    assert one(tmp_path).requests == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": ""}, "names no model"),
        ({"gpu": ""}, "names no gpu"),
        ({"tokens_per_s_per_gpu": "fast"}, "no number"),
        ({"tokens_per_s_per_gpu": "nan"}, "not a number from 0"),
        ({"tokens_per_s_per_gpu": "inf"}, "not a number from 0"),
        ({"tokens_per_s_per_gpu": "-3"}, "not a number from 0"),
        ({"isl": "many"}, "no number of tokens"),
        ({"osl": "-5"}, "no number of tokens"),
        ({"osl": "0.2"}, "not from 1 to"),
        ({"gpus": "1.5"}, "not a whole number"),
        ({"gpus": "1e8"}, "not a whole number"),
        ({"parallelism": "XP7"}, "written as TP8"),
        ({"parallelism": "TP0"}, "written as TP8"),
        ({"parallelism": "TP2 EP8"}, "spread over the tensor group"),
        ({"tpot_p50_ms": "x"}, "no number"),
        ({"concurrency": "a few"}, "no number of sequences"),
        ({"parallelism": "TP8", "tokens_per_s_per_gpu": "", "tokens_per_s": "80"}, "per GPU is not told"),
    ],
)
def test_nonsense_is_told_and_left_out(tmp_path: Path, fields: dict[str, str], words: str) -> None:
    found, unread = read(tmp_path, **fields)
    assert not found
    assert len(unread) == 1
    assert words in unread[0].why
    assert unread[0].line == 2


def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    for text, words in (
        ("", "no column"),
        ("a,b\n1,2\n", "no column model"),
        ("model,gpu,precision,osl\n", "no column t"),
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=words):
            table.rows(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        table.rows(file)
    with pytest.raises(DataError, match="cannot be read"):
        table.rows(tmp_path / "none.csv")


@settings(deadline=None, max_examples=60)
@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=60), column=st.integers(0, 18))
def test_no_text_breaks_it(tmp_path_factory: pytest.TempPathFactory, text: str, column: int) -> None:
    name = HEADER.split(",")[column]
    try:
        found, unread = read(tmp_path_factory.mktemp("t"), **{name: text.replace('"', "")})
    except DataError:
        return
    assert len(found) + len(unread) <= 1 + text.count("\u2028")


def test_rules_look_at_the_row_alone(tmp_path: Path) -> None:
    assert table.excluded(one(tmp_path)) == ""
    assert table.excluded(one(tmp_path, metric="tokens/s, in and out")) == "E1"
    assert table.excluded(one(tmp_path, metric="Output tokens per second per GPU")) == ""
    assert table.excluded(one(tmp_path, metric="output tokens/s (approx)")) == "E1"
    assert table.excluded(one(tmp_path, tokens_per_s_per_gpu="0")) == "E1"
    assert table.excluded(one(tmp_path, isl="mixed")) == "E2"
    assert table.excluded(one(tmp_path, notes="MaxQ power-capped")) == "E3"
    assert table.excluded(one(tmp_path, source="results/vLLM_8xL40S-reference-cpu/run")) == "E4"
    assert table.excluded(one(tmp_path, notes="CTS (up to 1000W)")) == "E5"
    assert table.excluded(one(tmp_path, nodes="2")) == "E6"
    assert one(tmp_path, scenario="Server").latency_limited
    assert not one(tmp_path, scenario="Offline").latency_limited


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published table is not here")
def test_the_published_table_is_cut_as_the_rules_say() -> None:
    found, unread = table.rows(PUBLISHED)
    assert (len(found), unread) == (450, ())
    count = collections.Counter(table.excluded(row) for row in found)
    assert count == {"": 366, "E1": 6, "E2": 50, "E3": 2, "E4": 2, "E5": 4, "E6": 20}
    offline = [row for row in found if not table.excluded(row) and not row.latency_limited]
    assert (len(offline), len({row.cell for row in offline})) == (286, 238)
