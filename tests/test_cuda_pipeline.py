"""The whole road with GPU kernels on the simulator: suite, plan, worker, records, scores, gate, report.

Only the times are meaningless; every step, verification and file is what a GPU would have.
"""

from __future__ import annotations

from html import unescape
from pathlib import Path

import numpy as np
import pytest

from benchsuite import assets, discovery, gate, normalize, results, store
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.commands import show
from benchsuite.execute import Execution
from benchsuite.model import Samples, Status
from benchsuite.plan import Capacity, Options, build
from benchsuite.record import SCHEMA
from benchsuite.render import html
from benchsuite.render.view import build as build_view
from benchsuite.suite import parse
from benchsuite.telemetry.join import Expected, join
from benchsuite.telemetry.reading import Reading
from tests.cuda_host import simulate
from tests.inline import InlineRunner, Notes

pytestmark = pytest.mark.skipif(not simulate.available(), reason="needs g++")

TEXT = """[policy]
runs = 1
seconds = 0.001
warmup = 0.0001
min_samples = 2
max_samples = 4
[[bench]]
select = ["peak"]
implementations = ["mma.sync"]
dtype = ["bf16"]
[[bench]]
select = ["gemm"]
dtype = ["bf16"]
layout = ["nt"]
data = ["normal"]
points = [{m = 64, n = 64, k = 64}]
implementations = ["mma"]
[[bench]]
select = ["memory"]
op = ["read"]
bytes = ["1 MiB"]
implementations = ["wide"]
[[bench]]
select = ["paged-decode"]
points = [{context = 40, head_dim = 128, kv = "int8", page = 16}]
implementations = ["split"]
"""
FACTS = {"gpu": {"name": "NVIDIA A100-SXM4-80GB", "arch": "sm_80", "processors": "108", "memory bytes": str(80 << 30)}}


class Sensors:
    """An observer with the sensors of a GPU that is held down by its power limit, or with none."""

    def __init__(self, **values: float) -> None:
        self._values = {"busy": 0.0, "own": 0.0, "steal": 0.0, **values}

    def own(self, pids: tuple[int, ...]) -> None:
        """Nobody else is there."""

    def observe(self, samples: Samples, began: float) -> Samples:
        """Readings before, while and after it was measured."""
        end = began + samples.starts[-1] + samples.seconds[-1] * samples.iterations
        moments = np.linspace(began - 0.1, end + 0.1, 2 + int(end - began + 0.2))
        return join(samples, began, [Reading(float(at), self._values) for at in moments], Expected(gpu=True))


def campaign(folder: Path, sensors: Sensors) -> store.Loaded:
    """The suite above, measured on the simulator."""
    benchmarks = discovery.discover()
    device = simulate.device("sm_80")
    offered = frozenset({"cuda", "sm_80"})
    capacity = Capacity(offered, cores=2, cache=device.l2, memory=device.memory, device=device)
    suite = parse(TEXT, "tiny", benchmarks)
    plan = build(suite, benchmarks, capacity, Options(seed=3))
    made = store.Campaign(SCHEMA, "id", store.now(), "0", "benchsuite run", "cuda", suite, plan, FACTS, cache=device.l2)
    runner = InlineRunner(benchmarks, backend=lambda: CudaBackend(simulate.SimulatedRuntime(device)))
    directory = store.RunDirectory(folder / "id", made)
    Execution(plan, benchmarks, directory, runner.place, "cuda", Notes(), observer=sensors).run()
    return store.load(folder / "id")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> store.Loaded:
    return campaign(tmp_path_factory.mktemp("runs"), Sensors())


def test_every_kernel_was_verified_and_timed(loaded: store.Loaded) -> None:
    assert {record.case.benchmark for record in loaded.records} == {"peak", "gemm", "memory", "paged-decode"}
    for record in loaded.records:
        assert record.status is Status.OK, f"{record.case.key}: {record.reason}"
        assert record.samples is not None
        assert min(record.samples.seconds) > 0.0


def test_sensors_that_say_nothing_stand_beside_every_number(loaded: store.Loaded) -> None:
    for record in loaded.records:
        assert "GPU_TELEMETRY_MISSING" in {caveat.code for caveat in record.caveats}


def test_what_the_sensors_said_is_stored_with_the_samples(tmp_path: Path) -> None:
    made = campaign(tmp_path, Sensors(sm_clock=1.5e9, throttle=4.0))
    record = next(one for one in made.records if one.case.benchmark == "peak")
    assert record.samples is not None
    assert record.samples.conditions["sm_clock"] == 1.5e9
    assert record.samples.conditions["throttle"] == 4.0
    assert "POWER_CAP" in {caveat.code for caveat in record.caveats}
    assert record.samples.annotations["POWER_CAP"] == tuple(range(len(record.samples.seconds)))


def test_scores_have_the_datasheet_and_the_probe_beside_them(loaded: store.Loaded) -> None:
    scores = {score.case.benchmark: score for score in results.scores_of(loaded) if score.status is Status.OK}
    card = normalize.card(FACTS)
    assert card is not None
    product = scores["gemm"]
    assert product.value is not None
    assert product.of_datasheet == pytest.approx(product.value / card.gpu.peaks["bf16"])
    assert product.of_clock is None, "no clock was read, so there is no peak at it"
    assert product.ceiling_name == "bf16 arithmetic by mma.sync"
    assert scores["memory"].of_datasheet is not None


def test_the_gate_s_table_has_a_row_for_each(loaded: store.Loaded) -> None:
    rows = {row.name.split()[0]: row for row in gate.rows(results.scores_of(loaded), FACTS)}
    assert set(rows) == {"gemm", "memory", "paged-decode"}
    assert rows["gemm"].verdict is gate.Verdict.NO_PEER
    assert rows["paged-decode"].ratio is not None


def test_the_report_shows_them(loaded: store.Loaded) -> None:
    page = html.report(
        build_view(show.campaign_view(loaded.campaign, loaded.records, loaded.digest)), assets.folder("reports")
    )
    assert "Of datasheet" in page
    assert "Nobody knows what the GPU's sensors said" in unescape(page), "a reader gets sentences, not codes alone"
