"""A run directory made in a moment, with a GPU's facts and things that must not leave in every place that has room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchsuite import publication, results, store
from benchsuite.benchmarks.memory import BENCHMARK
from benchsuite.model import Case, Caveat, Failed, Publication, Rejected, Samples, Skip, Suite
from benchsuite.record import SCHEMA
from tests.builders import plan_of, record

CASES = tuple(Case.of("memory", op=op, bytes=1 << 20) for op in ("read", "write", "copy", "triad"))
FACTS = {
    "gpu": {
        "PCI device": "0x2335",
        "form factor": "SXM5",
        "name": "NVIDIA H200",
        "arch": "sm_90a",
        "compute capability": "9.0",
        "processors": "132",
        "memory": "139.8\u00a0GiB",
        "memory bytes": "150110011392",
        "driver": "580.65.06 (CUDA 13.0)",
        "toolkit": "NVRTC 13.0",
    },
    "processor": {
        "model": "Intel(R) Xeon(R) 8480C @ 2.00GHz",
        "cores usable": "16",
        "cache L1d": "48\u00a0KiB",
    },
    "system": {"system": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0-18-cloud-amd64", "Python": "3.11.7"},
    "packages": {"numpy": "2.3.1", "torch": "2.8.0+cu128"},
}


def measured(
    folder: Path,
    *,
    facts: Mapping[str, Mapping[str, str]] = FACTS,
    secret: str = "",
    runs: int = 5,
    suite: str = "quick",
    backend: str = "cuda",
) -> store.Loaded:
    """A campaign of four cases: two measured, one rejected, one failed, one skipped.

    secret: written wherever a program or a person could have written it.
    """
    plan = plan_of(*((case, "stream") for case in CASES), runs=runs)
    skip = Skip(Case.of("memory", op="add", bytes=1 << 20), "stream", f"no room {secret}")
    plan = replace(plan, skips=(skip,), suite=suite)
    named = Suite(suite, f"A title {secret}", (), plan.policy, source=f"# {secret}\n")
    path = folder / f"20260102-030405-{suite}-beef"
    command = f"benchsuite run {suite} --only '{secret}'"
    made = store.Campaign(
        SCHEMA, path.name, store.now(), "0.1.0", command, backend, named, plan, facts,
        cache=1 << 16, code="c0de" * 4, machine="5eed" * 4,
    )  # fmt: skip
    directory = store.RunDirectory(path, made)
    outcomes = {"copy": Rejected(f"c[3] is wrong {secret}"), "triad": Failed(f"it raised {secret}", "measure")}
    for run in range(runs):
        for case in CASES:
            seconds = tuple(1e-3 + 1e-6 * (run + i) for i in range(9))
            starts = tuple(float(i) for i in range(9))
            notes = (Caveat("POWER_CAP", f"The limit {secret} held it."), Caveat("CONTENDED", f"By {secret}."))
            conditions = {"sm_clock": 1.7e9, "power_limit": 700.0, "readings": 9.0, secret or "x": 1.0}
            annotations = {"POWER_CAP": (1, 2), secret or "OTHER": (3,)}
            good = Samples(seconds, 1, starts, caveats=notes, conditions=conditions, annotations=annotations)
            one = record(BENCHMARK, case, "stream", run=run, outcome=outcomes.get(case.text("op"), good))
            directory.append(replace(one, provider=f"/opt/{secret}/libx.so", backend=backend, campaign=path.name))
    return store.load(path)


def published(folder: Path, **options: object) -> tuple[Path, Publication]:
    """The publication's file of such a run, with its samples beside it."""
    loaded = measured(folder, **options)  # type: ignore[arg-type]
    told = results.public(loaded)
    path = folder / f"{told.id}.json"
    path.write_bytes(publication.encode(told))
    (folder / f"{told.id}{publication.SAMPLES}").write_bytes(publication.encode_samples(loaded.records))
    return path, told
