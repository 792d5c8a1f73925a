"""``benchsuite catalog``: lists, filters, explains and checks, in 80 columns, quiet in a pipe."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchsuite.catalog import Accelerator, Basis, explain, user
from benchsuite.catalog.shipped import shipped
from benchsuite.cli import app
from benchsuite.errors import BenchsuiteError, DataError, UsageError
from benchsuite.render import catalog as render
from tests.test_catalog_user import FILE

KNOWN = shipped()


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of the person who runs the tests, and no terminal."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(user.VARIABLE, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def said(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["catalog", *words])
    if isinstance(done.exception, BenchsuiteError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output.replace("\u00a0", " ")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["hardware"],
        ["prices"],
        ["figures"],
        ["models"],
        ["explain", "h100_sxm_80", "bf16"],
        ["explain", "b200"],
        ["check"],
    ],
    ids=" ".join,
)
def test_everything_is_readable_at_80_columns_and_plain_in_a_pipe(words: list[str]) -> None:
    text = said(*words)
    tables = [line for line in text.splitlines() if not line.startswith(("Source:", "With", "The ", "8.0 vs"))]
    assert max(map(len, tables)) <= 80
    assert "\x1b" not in text
    assert "…" not in text


def test_the_overview_counts() -> None:
    counts = json.loads(said("--json"))
    assert counts == {
        "hardware": len(KNOWN.accelerators),
        "prices": len(KNOWN.prices),
        "figures": len(KNOWN.figures),
        "models": len(KNOWN.models),
        "files": [],
    }
    memory = sum(price.basis is Basis.MEMORY for price in KNOWN.prices)
    assert f"prices    {len(KNOWN.prices)}  17 providers; {memory} from memory" in said()


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("hardware", len(KNOWN.accelerators)),
        ("prices", len(KNOWN.prices)),
        ("figures", len(KNOWN.figures)),
        ("models", len(KNOWN.models)),
    ],
)
def test_json_and_csv_hold_every_row_and_column(kind: str, count: int) -> None:
    rows = json.loads(said(kind, "--json"))
    table = list(csv.DictReader(io.StringIO(said(kind, "--csv"))))
    assert len(rows) == len(table) == count
    assert list(rows[0]) == list(table[0])
    assert {"source", "confidence", "as_of"} <= set(rows[0])


def test_words_choose_rows_by_the_beginnings_of_their_words() -> None:
    keys = [row["key"] for row in json.loads(said("hardware", "--only", "H200", "--json"))]
    assert keys == ["h200_sxm_141", "h200_nvl_141"]
    both = json.loads(said("prices", "--only", "spot", "--only", "h100_sxm", "--json"))
    assert both
    assert all(row["kind"] == "spot" and row["hardware"] == "h100_sxm_80" for row in both)
    with pytest.raises(UsageError, match=f"None of the {len(KNOWN.prices)} prices holds all of: unobtainium"):
        said("prices", "--only", "unobtainium")


def test_an_option_before_the_command_is_not_silently_lost(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="come after the command"):
        said("--json", "hardware")
    with pytest.raises(UsageError, match="come after the command"):
        said("--catalog", str(tmp_path / "mine.toml"), "prices")


def test_a_spreadsheet_computes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FILE.replace("Our cellar", "=HYPERLINK(1)"), encoding="utf-8")
    text = said("prices", "--catalog", str(path), "--only", "my_card", "--csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["provider"] == "'=HYPERLINK(1)"


def test_a_figure_is_explained_with_formula_source_date_and_confidence() -> None:
    text = said("explain", "h200_sxm_141", "bf16")
    assert "NVIDIA H200 SXM 141GB: bf16  989 TFLOP/s" in text
    assert "132 SMs × 4096 FLOP/clk × 1830 MHz = 989 TFLOP/s" in text
    assert "found in a source below; confidence of the entry: high" in text
    assert "2026-11-24" in text
    assert "stas00/ml-engineering" in text
    assert "gemm typical Llama-70B shapes" in text
    assert "from memory" in text


def test_names_and_other_words_for_a_figure_do_as_well() -> None:
    one = json.loads(said("explain", "NVIDIA GeForce RTX 4090", "FP8", "--json"))
    assert (one["hardware"], one["subject"], one["basis"]) == ("rtx_4090", "e4m3", "found")
    assert json.loads(said("explain", "H200", "hbm", "--json"))["value"] == "4.80\u00a0TB/s".replace("\u00a0", " ")
    assert json.loads(said("explain", "h200", "nvlink", "--json"))["value"].startswith("900 GB/s in both directions")


def test_what_is_from_memory_disputed_or_sparse_is_told() -> None:
    assert "from memory, not seen in a source" in said("explain", "h100_sxm_80", "fp64")
    disputed = said("explain", "b300_sxm_270", "fp4")
    assert "the catalogue has no such figure" in disputed
    assert "sources disagree" in disputed
    assert "counts zeros" in said("explain", "cerebras_wse3", "fp16")
    assert "GeForce halves the tensor rate" in said("explain", "rtx_4090", "int8")


def test_published_shares_are_of_what_they_are_shares_of() -> None:
    one = explain.explain(KNOWN, "h100_sxm_80", "link")
    shares = {figure.value: share for figure, share in one.published if figure.ranks == 8}
    assert shares[476e9] == pytest.approx(476 / 450)
    pcie = explain.explain(KNOWN, "h200_sxm_141", "pcie")
    assert [round(share, 2) for _, share in pcie.published if share] == [0.88, 0.87]


@pytest.mark.parametrize(
    ("hardware", "figure", "words"),
    [
        ("h2", "bf16", "Did you mean h200_sxm_141 or h200_nvl_141"),
        ("RTX 4060 Ti", "bf16", "Say which: rtx_4060_ti_8, rtx_4060_ti_16"),
        ("rtx_409", "bf16", "Did you mean rtx_4090"),
        ("h100_sxm_08", "bf16", "Did you mean 'h100_sxm_80'?"),
        ("A100", "bf16", "fits several accelerators. Say which: a100_pcie_40"),
        ("", "bf16", "No accelerator is called ''"),
        ("h200", "bf61", "Did you mean 'bf16'?"),
        ("h200", "bandwith", "Did you mean 'bandwidth'?"),
        ("h200", "taste", "Known: fp64"),
    ],
)
def test_a_typo_gets_a_suggestion(hardware: str, figure: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        explain.explain(KNOWN, hardware, figure)
    assert words in str(caught.value)


@pytest.mark.parametrize("one", KNOWN.accelerators.values(), ids=lambda one: one.key)
def test_every_accelerator_is_found_by_its_key_and_name_and_explained(one: Accelerator) -> None:
    assert explain.find(KNOWN, one.key) is one
    assert explain.find(KNOWN, one.name) is one
    made = explain.everything(KNOWN, one.key)
    assert {each.subject for each in made} >= set(one.peaks)
    assert all(each.basis is not None for each in made)
    for each in made:
        if each.formula and not each.departs:
            stated, _, formula = each.value.partition(" ")[0], None, each.formula.partition(" = ")[2]
            assert float(formula.split("\u00a0")[0]) == pytest.approx(float(stated.split("\u00a0")[0]), rel=0.031)


def test_the_check_passes_on_what_ships_and_a_sound_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FILE, encoding="utf-8")
    assert "Nothing is wrong with it." in said("check", str(path))
    assert json.loads(said("check", "--json"))["problems"] == []


def test_the_check_names_everything_that_is_wrong_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        FILE.replace("bf16 = 204.8", "bf16 = 150").replace("layers = 1\n", "layers = 2\n"), encoding="utf-8"
    )
    text = said("check", str(path), code=1)
    assert len(text.splitlines()) == 4
    assert "[gpu.my_card]: bf16 150 T is not" in text
    assert len(json.loads(said("check", str(path), "--json", code=1))["problems"]) == 4
    with pytest.raises(DataError, match="cannot be read"):
        said("check", str(tmp_path / "nothing.toml"))


def test_hints_are_for_people_only() -> None:
    def shown(*, terminal: bool) -> str:
        stream = io.StringIO()
        console = Console(file=stream, width=80, highlight=False, force_terminal=terminal or None)
        render.hardware(list(KNOWN.accelerators.values())[:2], console)
        return stream.getvalue()

    assert "explain KEY" in shown(terminal=True)
    assert "explain KEY" not in shown(terminal=False)


def test_no_control_character_of_a_file_reaches_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FILE.replace("NVIDIA My Card", "NVIDIA [red]My\\tCard"), encoding="utf-8")
    text = said("explain", "my_card", "bf16", "--catalog", str(path))
    assert "NVIDIA [red]My Card" in text
    assert "\t" not in text
    path.write_text(FILE.replace("gemm by a", "gemm [b]\\nby a"), encoding="utf-8")
    text = said("figures", "--only", "my_card", "--catalog", str(path))
    assert "gemm [b] by a" in text
