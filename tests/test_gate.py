"""The gate's table: ours against the right peer, floors and goals, and nothing that passes by being absent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchsuite import gate
from benchsuite.gate import Verdict
from benchsuite.model import Case, Metric, Score, Status, Work

OURS, THEIRS = "NVRTC 13.0", "nvidia-cublas 13.1"
GEMM = Case.of("gemm", m=8192, n=8192, k=8192, dtype="bf16", layout="nt", data="normal")
READ = Case.of("memory", op="read", bytes=1 << 30)
PAGED = Case.of("paged-decode", context=8192, page=64, dtype="bf16", kv="bf16")


def score(case: Case, value: float | None, provider: str = OURS, **changes: object) -> Score:
    metric = Metric.FLOPS if case.benchmark in {"gemm", "attention"} else Metric.BANDWIDTH
    status = Status.OK if value is not None else Status.REJECTED
    made = Score(case, "mma" if provider == OURS else "cublaslt", provider, metric, status, Work(), value=value)
    return replace(made, **changes)  # type: ignore[arg-type]


def only(*scores: Score, arch: str = "sm_80") -> gate.Row:
    (row,) = [row for row in gate.rows(scores, {"gpu": {"arch": arch}}) if not row.name.startswith("memory")]
    return row


@pytest.mark.parametrize(("ratio", "verdict"), [(0.95, Verdict.GOAL), (0.88, Verdict.FLOOR), (0.8799, Verdict.BELOW)])
def test_the_ratio_to_the_vendor_decides(ratio: float, verdict: Verdict) -> None:
    row = only(score(GEMM, ratio * 1e14), score(GEMM, 1e14, THEIRS))
    assert row.ratio == pytest.approx(ratio)
    assert row.verdict is verdict
    assert row.peer == "cublaslt"


def test_mma_sync_on_hopper_is_named_for_what_it_is_and_fp64_is_not_excused() -> None:
    assert only(score(GEMM, 0.6e14), score(GEMM, 1e14, THEIRS), arch="sm_90a").verdict is Verdict.BOUND
    fp64 = Case.of("gemm", m=4096, n=4096, k=4096, dtype="fp64", layout="nt", data="normal")
    assert only(score(fp64, 0.6e14), score(fp64, 1e14, THEIRS), arch="sm_90a").verdict is Verdict.BELOW


def test_what_runs_by_wgmma_is_not_excused() -> None:
    wgmma = score(GEMM, 0.6e14, implementation="wgmma")
    rows = (score(GEMM, 0.5e14), wgmma, score(GEMM, 1e14, THEIRS))
    assert only(*rows, arch="sm_90a").verdict is Verdict.BELOW
    assert only(*rows[:1], rows[2], arch="sm_90a").verdict is Verdict.BOUND


def test_attention_has_its_own_goal_on_hopper() -> None:
    case = Case.of("attention", head_dim=128, dtype="bf16", seq=16384)
    rows = score(case, 0.85e14, implementation="wgmma"), score(case, 1e14, THEIRS, implementation="cudnn")
    assert only(*rows, arch="sm_90a").verdict is Verdict.FLOOR
    assert only(*rows, arch="sm_80").verdict is Verdict.BELOW
    assert {only(*rows, arch=arch).goal for arch in ("sm_90a", "sm_80")} == {0.95, 1.0}


def test_without_a_vendor_there_is_no_verdict() -> None:
    assert only(score(GEMM, 1e14)).verdict is Verdict.NO_PEER


def test_one_wrong_kernel_of_ours_fails_the_row_whatever_the_others_reach() -> None:
    wrong = score(GEMM, None, implementation="other", reason="run 1: 3 elements are wrong")
    row = only(wrong, score(GEMM, 1e15), score(GEMM, 1e14, THEIRS))
    assert row.verdict is Verdict.FAILED
    assert "3 elements" in row.reason


def test_a_library_that_took_its_process_down_is_no_kernel_of_ours() -> None:
    crashed = score(GEMM, None, "cublaslt", implementation="cublaslt", status=Status.FAILED, reason="ended by SIGSEGV")
    assert only(score(GEMM, 0.95e14), score(GEMM, 1e14, "PyTorch 2.11.0"), crashed).verdict is Verdict.GOAL
    ours = replace(crashed, provider="benchsuite", implementation="mma")
    assert only(ours, score(GEMM, 1e14, THEIRS)).verdict is Verdict.FAILED


def test_decode_is_held_against_the_measured_read() -> None:
    read = score(READ, 4.0e12, ceiling=4.0e12, of_datasheet=0.9)
    row = only(score(PAGED, 3.4e12), read)
    assert row.ratio == pytest.approx(0.85)
    assert row.verdict is Verdict.FLOOR
    cached = score(Case.of("memory", op="read", bytes=1 << 20), 9e12)
    assert only(score(PAGED, 3.4e12), read, cached).ratio == pytest.approx(0.85), "a cache's rate is no memory's"


def test_memory_is_held_against_the_datasheet() -> None:
    (row,) = gate.rows([score(READ, 4.0e12, ceiling=4.0e12, of_datasheet=0.9)], {})
    assert row.ratio == pytest.approx(0.9)
    assert row.verdict is Verdict.FLOOR


def test_a_transfer_is_held_against_its_link() -> None:
    case = Case.of("transfer", direction="h2d", host="pinned", bytes=1 << 28)
    conditions = {"pcie_generation": 5.0, "pcie_width": 16.0}
    row = only(score(case, 30e9), score(case, 55e9, "CUDA", conditions=conditions))
    assert row.value == 55e9
    assert row.ratio == pytest.approx(55e9 / (16 * 3.938e9))
    assert only(score(case, 30e9), score(case, 55e9, "CUDA")).verdict is Verdict.NO_PEER


def test_the_table_is_short_and_ends_with_its_counts() -> None:
    rows = gate.rows([score(GEMM, 0.9e14), score(GEMM, 1e14, THEIRS), score(PAGED, 1e12)], {})
    said = gate.lines(rows)
    assert len(said) == 4
    assert said[-1] == "1 floor reached, 1 nothing to hold it against"
    assert gate.document(rows[0])["verdict"] in {"floor reached", "nothing to hold it against"}


def test_the_script_says_that_there_is_no_gpu_and_never_passes(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(root / "scripts" / "gpu-gate"), str(tmp_path), "--seconds", "100"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 4
    assert done.stdout.splitlines()[-1] == "Nothing was measured; see measure.txt."
    said = (tmp_path / "measure.txt").read_text()
    assert re.search(r"driver|CUDA_VISIBLE_DEVICES|CuPy", said)
    assert "Traceback" not in said
    assert (tmp_path / "environment.txt").stat().st_size > 0
