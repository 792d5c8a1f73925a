"""The tuner chooses what is faster, never what was lucky or wrong; the table holds for the device and code it names."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pytest

from benchsuite import allowlist, discovery, kernels, plan, tuned, tuning
from benchsuite.backends.cuda import compiler, cubin
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.backends.fake import FakeBackend, Script
from benchsuite.benchmarks import _gemm_cuda as cuda
from benchsuite.benchmarks import attention, gemm
from benchsuite.benchmarks.decode import BENCHMARK as DECODE
from benchsuite.errors import DataError
from benchsuite.measure.clock import Clock
from benchsuite.model import (
    TYPICAL,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    Choice,
    CudaKernel,
    Cut,
    Device,
    Expected,
    HostKernel,
    Implementation,
    Metric,
    Source,
    Step,
    Tunable,
    Work,
    cut,
)
from benchsuite.tuning import Plan, Trial
from tests.cuda_host import simulate

CUTS = tuple(cut(parts=parts) for parts in range(1, 9))
COMPUTED = CUTS[0]
WRONG, SPOILT = 66, 77
"""Parts with which the planted kernel is wrong: always, and from its fourth call on."""
CLOCK = Clock(1e-9, 1e-9)


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host kernel that doubles."""

    def double(buffers: Buffers, case: Case, threads: int, parts: int = 1) -> Step:
        calls = 0

        def step() -> None:
            nonlocal calls
            calls += 1
            factor = 3 if parts == WRONG or (parts == SPOILT and calls > 3) else 2
            np.multiply(buffers["x"], factor, out=buffers["y"])

        return step

    module = ModuleType("planted")
    module.__dict__["double"] = double
    monkeypatch.setitem(sys.modules, "benchsuite.backends.host.planted", module)


def benchmark(cuts: tuple[Cut, ...] = CUTS) -> Benchmark:
    kernel = HostKernel("planted:double", Tunable("planted:double", lambda case: "all", lambda case, device: cuts))
    return Benchmark(
        name="double",
        question="?",
        metric=Metric.BANDWIDTH,
        axes=(Axis("n", (64,)),),
        inputs=lambda case, rng: {"x": rng.standard_normal(case.integer("n"))},
        outputs=lambda case: {"y": ArraySpec((case.integer("n"),), "fp64")},
        work=lambda case: Work(read=1.0),
        reference=lambda case, ranks, rng: {"y": Expected(2 * ranks[0]["x"])},
        implementations=(Implementation("ours", kernel),),
        cache=CacheMode.HOT,
    )


CASE = Case.of("double", n=64)
MACHINE = Device("a processor", "host", 2, 0, 1 << 20, 1 << 30)


def plan_of(of: Benchmark) -> Plan:
    found = tuning.plan(of.implementations[0], CASE, MACHINE)
    assert found is not None
    return found


class Machine:
    """Scripted times: every process has noise of its own, and in it every cut its own cycle of times."""

    def __init__(self, gains: dict[Cut, float], seed: int, noise: float = 0.03, lucky: Cut | None = None) -> None:
        self.gains, self.seed, self.noise, self.lucky = gains, seed, noise, lucky
        self.processes: list[tuple[int, tuple[Cut, ...]]] = []

    def __call__(self, plans: Sequence[Plan], number: int) -> list[Trial]:
        (plan,) = plans
        self.processes.append((number, plan.cuts))
        rng = np.random.default_rng([self.seed, number])
        seconds = {}
        for one in plan.cuts:
            own = 1.0 + self.noise / 3 * rng.standard_normal()  # of this process: alignment, pages
            gain = self.gains.get(one, 1.0) * (1.2 if one == self.lucky and number == 0 else 1.0)
            taken = 1e-3 / gain * own * np.exp(self.noise * rng.standard_normal(97))
            seconds[f"[ours {tuning.label(one)}]"] = tuple(taken)
        backend = FakeBackend(Script(seconds=seconds))
        return tuning.measure(tuning.Bench(backend, CLOCK), benchmark(plan.cuts), plan, number)


def decided(run: Machine, cuts: tuple[Cut, ...] = CUTS) -> tuning.Found:
    (found,) = tuning.tune([plan_of(benchmark(cuts))], run)
    return found


def test_a_faster_cut_is_chosen_and_its_gain_is_told() -> None:
    found = decided(Machine({CUTS[5]: 1.10}, seed=1))
    assert found.cut == CUTS[5]
    assert found.low < 1.10 < found.over + 0.05
    assert 1.0 + tuning.MARGIN < found.low < found.over


def test_of_two_faster_cuts_the_faster_one_is_chosen() -> None:
    chosen = [decided(Machine({CUTS[2]: 1.08, CUTS[6]: 1.16}, seed)).cut for seed in range(5)]
    assert chosen == [CUTS[6]] * 5


def test_noise_is_not_chosen_though_some_cut_always_looks_fastest() -> None:
    kept, looked = 0, 0
    for seed in range(25):
        machine = Machine({}, seed)
        kept += decided(machine).kept
        swept = tuning.measure(tuning.Bench(FakeBackend(), CLOCK), benchmark(), plan_of(benchmark()), 0)
        assert {trial.cut for trial in swept} == set(CUTS)
        looked += len(machine.processes) > 1  # the sweep alone would have named one
    assert kept >= 24
    assert looked >= 15


def test_luck_in_the_sweep_is_not_believed() -> None:
    machine = Machine({}, seed=3, noise=0.005, lucky=CUTS[4])
    found = decided(machine)
    assert [number for number, _ in machine.processes] == list(range(1 + tuning.RUNS))
    assert machine.processes[1][1][:2] == (COMPUTED, CUTS[4])  # it was measured again, and beside the computed one
    assert found.kept


def test_less_than_the_margin_is_no_gain() -> None:
    assert decided(Machine({CUTS[3]: 1.003}, seed=2, noise=1e-5)).kept


@pytest.mark.parametrize(("parts", "why"), [(WRONG, "compared values of y are wrong"), (SPOILT, "after timing")])
def test_a_wrong_cut_is_never_chosen_however_fast(parts: int, why: str) -> None:
    wrong = cut(parts=parts)
    found = decided(Machine({wrong: 3.0, CUTS[1]: 1.1}, seed=1), (*CUTS[:3], wrong))
    assert found.cut == CUTS[1]
    assert why in (found.flaws or {})[wrong]


def test_a_wrong_computed_cut_leaves_nothing_decided() -> None:
    found = decided(Machine({}, seed=1), (cut(parts=WRONG), *CUTS[:3]))
    assert "wrong" in found.refused


def test_cuts_take_turns_in_an_order_drawn_anew() -> None:
    order: list[Cut] = []

    class Watched(FakeBackend):
        def elapsed(self, steps):  # type: ignore[no-untyped-def]
            order.append(self.cuts[id(steps[0])])
            return super().elapsed(steps)

        def bind(self, implementation, *rest, **more):  # type: ignore[no-untyped-def]
            step = super().bind(implementation, *rest, **more)
            self.__dict__.setdefault("cuts", {})[id(step)] = implementation.op.cut
            self.__dict__.setdefault("kept", []).append(step)
            return step

    tuning.measure(tuning.Bench(Watched(), CLOCK, rounds=6), benchmark(), plan_of(benchmark()), 5)
    rounds = [order[-8 * (i + 1) : len(order) - 8 * i] for i in range(6)]
    assert all(sorted(one) == sorted(CUTS) for one in rounds)
    assert len({tuple(one) for one in rounds}) == 6


def test_one_that_has_no_choice_is_not_planned() -> None:
    assert tuning.plan(benchmark(CUTS[:1]).implementations[0], CASE, MACHINE) is None


def test_a_process_that_says_nothing_decides_nothing() -> None:
    (found,) = tuning.tune([plan_of(benchmark())], lambda plans, number: [])
    assert found.refused
    run = Machine({CUTS[1]: 1.2}, seed=4)
    (found,) = tuning.tune([plan_of(benchmark())], lambda plans, number: run(plans, number) if number < 3 else [])
    assert found.kept


# ---------------------------------------------------------------- kernels cut as the tuner says


GEMM = Case.of("gemm", m=40, n=72, k=2048, dtype="bf16", layout="nt", data="integers")


@pytest.mark.skipif(not simulate.available(), reason="needs g++")
def test_the_first_and_the_last_cut_of_a_gemm_are_right() -> None:
    """On the simulated GPU: the same road as on a real one, but for the times."""
    device = simulate.device("sm_80", 8)
    item = next(item for item in gemm.BENCHMARK.implementations if item.name == "mma")
    plan = tuning.plan(item, GEMM, device)
    assert plan is not None
    some = replace(plan, cuts=(plan.cuts[0], plan.cuts[-1]))
    backend = CudaBackend(simulate.SimulatedRuntime(device))
    trials = tuning.measure(tuning.Bench(backend, Clock(0.0, 0.0), rounds=1), gemm.BENCHMARK, some, 0)
    assert [trial.flaw for trial in trials] == ["", ""]
    assert trials[0].error == trials[1].error < 0.5  # whole numbers: only the result is rounded, and alike
    assert all(len(trial.ratios) == 1 for trial in trials)


def test_a_measured_cut_replaces_the_computed_one_in_all_it_decides() -> None:
    this, device = Case.of("gemm", m=8192, n=8192, k=8192, dtype="bf16", layout="nt", data="normal"), TYPICAL["sm_90a"]
    other = cut(columns=128, stages=5, cluster=1)
    choice = Choice("gemm/wgmma.cu", "bf16 nt m=8192 n=8192 k=8192", other)
    with_it = replace(device, choices=(choice,))
    assert dict(cuda.wgmma_source(this, with_it).defines).items() >= {"BN": 128, "STAGES": 5, "CLUSTER": 1}.items()
    assert cuda.wgmma_launches(this, with_it) != cuda.wgmma_launches(this, device)
    near = Case.of("gemm", m=8000, n=9000, k=8100, dtype="bf16", layout="nt", data="zeros")
    assert cuda.wgmma_cut(near, with_it) == cuda.wgmma_cut(this, with_it)
    far = Case.of("gemm", m=2048, n=8192, k=8192, dtype="bf16", layout="nt", data="normal")
    assert cuda.wgmma_cut(far, with_it) == cuda.wgmma_cut(far, device)
    nonsense = replace(device, choices=(replace(choice, cut=cut(columns=100, stages=9, cluster=3)),))
    assert cuda.wgmma_cut(this, nonsense) == cuda.wgmma_cut(this, device)


def test_the_first_cut_is_the_computed_one_everywhere() -> None:
    for size in (16, 64, 500, 4096):
        this = Case.of("gemm", m=size, n=4096, k=4096, dtype="bf16", layout="nt", data="normal")
        for device in TYPICAL.values():
            assert cuda.mma_cuts(this, device)[0] == cuda.mma_cut(this, device)
            numbers = cuda.MMA_CUTS.cuts(this, device)
            assert len(set(numbers)) == len(numbers) <= 10


def test_a_prefill_takes_a_measured_tile_that_fits() -> None:
    this = Case.of("attention", batch=1, heads=16, kv_heads=16, head_dim=128, seq=4096, causal=True, dtype="bf16")
    a100, small = TYPICAL["sm_80"], TYPICAL["sm_89"]
    assert attention.tiling(this, a100) == dict(attention.tilings(this, a100)[0])
    slim = attention.tilings(this, small)[0]
    choice = Choice("attention/prefill.cu", attention.alike(this), slim)
    assert attention.tiling(this, replace(a100, choices=(choice,))) == dict(slim) != attention.tiling(this, a100)
    for device in TYPICAL.values():
        for tile in attention.tilings(this, device):
            assert attention.shared_memory(dict(tile), 256) <= device.shared


def test_the_processor_s_kernel_takes_a_measured_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = replace(ENTRY, device="a processor", capability="", processors=2, kernel="decode:split", cut=cut(parts=4))
    case = Case.of("decode", context=4096, batch=1, heads=8, kv_heads=1, head_dim=128, dtype="fp32")
    what = DECODE.implementations[0].op
    assert isinstance(what, HostKernel)
    assert what.tunable is not None
    entry = replace(entry, kind=what.tunable.kind(case), code=tuned.code("decode:split"))
    device = tuned.fit(MACHINE, [entry]).device
    assert device.chosen("decode:split", entry.kind, what.tunable.cuts(case, device)) == cut(parts=4)


# ---------------------------------------------------------------- the table

ENTRY = tuned.Entry(
    device="NVIDIA H200",
    capability="9.0",
    processors=132,
    kernel="gemm/wgmma.cu",
    kind="bf16 nt m=8192 n=8192 k=8192",
    cut=cut(columns=128, stages=6, cluster=2),
    code=tuned.code("gemm/wgmma.cu"),
    over=1.0312,
    low=1.0211,
    runs=5,
    date="2026-12-01",
    driver='580.65 "open" (CUDA 13.0)',
    clock="1980 MHz",
    records="0f" * 32,
)
H200 = replace(TYPICAL["sm_90a"], name="NVIDIA H200")


def test_the_shipped_table_can_be_read_and_is_written_as_the_tuner_writes_it() -> None:
    assert tuned.text(tuned.load()) == tuned.TABLE.read_text()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "tuned.toml"
    other = replace(ENTRY, kind="other", cut=())
    path.write_text(tuned.text([other, ENTRY]))
    assert sorted(tuned.load(path), key=lambda one: one.kind) == [ENTRY, other]
    assert tuned.text([ENTRY, other]) == path.read_text()


def test_choices_hold_for_the_model_and_say_where_they_come_from() -> None:
    found = tuned.fit(H200, [ENTRY])
    assert [(one.kind, one.cut) for one in found.device.choices] == [(ENTRY.kind, ENTRY.cut)]
    assert found.device.choices[0].origin == "measured 2026-12-01 over 5 runs 0f0f0f0f0f0f"
    assert found.told == "measured 2026-12-01 for gemm/wgmma.cu"
    assert allowlist.fact("gpu", "cuts of kernels", found.told) == found.told  # and it may be published
    for other in (
        replace(H200, name="NVIDIA H100"),
        replace(H200, processors=114),
        replace(H200, capability=(10, 0)),
    ):
        assert tuned.fit(other, [ENTRY]).device.choices == ()
        assert tuned.fit(other, [ENTRY]).told == "computed"


def test_a_description_with_choices_crosses_to_the_controller() -> None:
    device = tuned.fit(H200, [ENTRY]).device
    assert msgspec.json.decode(msgspec.json.encode(device), type=Device) == device


def test_a_table_of_another_code_is_ignored_and_that_is_said() -> None:
    found = tuned.fit(H200, [replace(ENTRY, code="0" * 16)])
    assert found.device == H200
    assert found.told == "computed; ignored, since changed: gemm/wgmma.cu"
    assert allowlist.fact("gpu", "cuts of kernels", found.told) == found.told


def test_an_edit_of_a_kernel_or_of_what_it_includes_changes_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "a.cu").write_text("a")
    (folder / "ptx.cuh").write_text("b")
    monkeypatch.setattr(tuned.assets, "folder", lambda name: folder)
    digests = set()
    for file, text in (("a.cu", "a"), ("a.cu", "c"), ("ptx.cuh", "d")):
        (folder / file).write_text(text)
        tuned.code.cache_clear()
        digests.add(tuned.code("a.cu"))
    tuned.code.cache_clear()
    assert len(digests) == 3
    with pytest.raises(DataError, match="no kernel"):
        tuned.code("b.cu")


def test_new_entries_replace_those_that_decide_the_same() -> None:
    again, other = replace(ENTRY, over=1.5), replace(ENTRY, kind="other")
    assert set(tuned.merged([ENTRY, other], [again])) == {again, other}


@pytest.mark.parametrize(
    "text",
    [
        "choice = 3",
        "[[choice]]\nkernel = 5",
        tuned.text([ENTRY]).replace("stages = 6", 'stages = "6"'),
        tuned.text([ENTRY]).replace("runs = 5", "runs = true"),
        tuned.text([ENTRY]) + tuned.text([ENTRY]).removeprefix(tuned.HEAD),
        tuned.text([ENTRY]).replace("clock", "clock\u202e"),
        tuned.text([ENTRY]).replace("over", "more"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tuned.toml"
    path.write_text(text)
    with pytest.raises(DataError):
        tuned.load(path)


# ---------------------------------------------------------------- the command

ROOT = Path(__file__).parent.parent
SMALL = """title = "one case"
[[bench]]
select = ["decode"]
points = [{context = 512, batch = 1, heads = 4, kv_heads = 1, head_dim = 64, dtype = "fp32"}]
"""


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "small.toml").write_text(SMALL)
    files = [
        "--suite",
        str(folder / "small.toml"),
        "--table",
        str(folder / "t.toml"),
        "--records",
        str(folder / "r.jsonl"),
    ]
    line = [sys.executable, str(ROOT / "scripts" / "tune"), "--backend", "host", *files, *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)


def test_the_command_lists_what_it_would_try(tmp_path: Path) -> None:
    done = command(tmp_path, "--list")
    assert done.returncode == 0, done.stderr
    assert "head_dim=64 heads=4 kv_heads=1 [split]: parts=" in done.stdout
    assert not (tmp_path / "t.toml").exists()


@pytest.mark.long
def test_the_command_measures_here_and_remembers(tmp_path: Path) -> None:
    """A real processor, real processes; what is faster here is not this test's business."""
    first = command(tmp_path, "--runs", "3", "--rounds", "3")
    assert first.returncode == 0, first.stderr + first.stdout
    (entry,) = tuned.load(tmp_path / "t.toml")
    assert (entry.kernel, entry.valid) == ("decode:split", True)
    assert entry.records == hashlib.sha256((tmp_path / "r.jsonl").read_bytes()).hexdigest()
    again = command(tmp_path)
    assert again.returncode == 0
    assert "knows every case" in again.stdout
    changed = (tmp_path / "t.toml").read_text().replace(entry.code, "0" * 16)
    (tmp_path / "t.toml").write_text(changed)
    assert "ignored: its kernel changed since" in command(tmp_path, "--list").stdout


@pytest.mark.long
@pytest.mark.parametrize("arch", ["sm_80", "sm_90a"])
def test_every_candidate_compiles_without_spills(arch: str) -> None:
    """What the tuner would try for the gate's cases; the computed ones ``test_kernels`` looks at."""
    device, benchmarks = TYPICAL[arch], discovery.discover()
    sources: dict[Source, Cut] = {}
    for entry in kernels.asked(benchmarks):
        for owner, case in plan.cases(entry, benchmarks, device.l2, ranks=1):
            for item in owner.implementations:
                if not isinstance(item.op, CudaKernel) or arch not in item.op.archs or owner.invalid(case):
                    continue
                found = tuning.plan(item, case, device)
                for one in found.cuts if found else ():
                    op = tuning.cut_so(item, found, one).op
                    assert not op.lacks(case, device), (case.key, one)
                    sources[op.source(case, device)] = one
    assert len(sources) > 20
    for source in sources:
        compiled = compiler.compile(source, arch)
        assert not list(compiler.warnings(compiled.log)), source.label
        spills = [entry.spills for entry in cubin.entries(compiled.path.read_bytes(), compiled.log)]
        assert not any(spills), source.label
