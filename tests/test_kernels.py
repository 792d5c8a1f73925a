"""The gate: every kernel of every benchmark compiles for every architecture it claims and is what it should be.

And faults planted on purpose, each of which the gate must find.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchsuite import discovery, inspection, kernels
from benchsuite import suite as suites
from benchsuite.errors import UsageError
from benchsuite.kernels import Variant
from benchsuite.model import ARCHITECTURES, Axis, Benchmark, CudaKernel, Implementation, Launch, Source, TensorMap
from tests import planted_kernels
from tests.test_docs import ROOT, benchsuite, blocks

SCALE = """#include "ptx.cuh"
KERNEL void __launch_bounds__(256) scale(float* y, const float* x, float factor, int n) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) y[i] = factor * x[i];
}
"""
NEAR = Launch("scale", (4, 1, 1), (256, 1, 1), ("y", "x", np.float32(2.0), np.int32(1000)))


def planted(folder: Path, text: str = SCALE, launch: Launch = NEAR, arch: str = "sm_80", **changes: object) -> Variant:
    """The only variant of a benchmark with this kernel, launched so."""
    file = folder / "scale.cu"
    file.write_text(text)
    kernel = CudaKernel(lambda case, device: Source.of(str(file)), lambda case, device: (launch,), **changes)  # type: ignore[arg-type]
    (found,) = kernels.variants({"scale": planted_kernels.benchmark(kernel)}, [arch])
    return found


def faults(variant: Variant) -> list[str]:
    """What the gate has against it."""
    (one,) = inspection.inspect([variant])
    return list(one.faults)


# -- the gate ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inspections() -> list[inspection.Inspection]:
    """Every kernel there is, compiled."""
    benchmarks = discovery.discover()
    return inspection.inspect(kernels.variants(benchmarks, ARCHITECTURES, kernels.asked(benchmarks)))


def test_every_kernel_compiles_and_is_what_it_should_be(inspections: list[inspection.Inspection]) -> None:
    told = [f"{one.variant.label}: {fault}" for one in inspections for fault in one.faults]
    assert not told, "\n".join(told)


def test_every_implementation_was_looked_at_for_every_architecture_it_claims(
    inspections: list[inspection.Inspection],
) -> None:
    seen = {
        (benchmark, implementation, one.variant.arch)
        for one in inspections
        for benchmark in one.variant.benchmarks
        for implementation in one.variant.implementations
    }
    claimed = {
        (benchmark.name, item.name, arch)
        for benchmark in discovery.discover().values()
        for item in benchmark.implementations
        if isinstance(item.op, CudaKernel)
        for arch in item.op.archs
    }
    assert claimed <= seen
    assert {arch for _, _, arch in claimed} == set(ARCHITECTURES)


def test_every_kernel_runs_on_a_whole_multiprocessor(inspections: list[inspection.Inspection]) -> None:
    for one in inspections:
        for kernel in one.kernels:
            assert kernel.blocks >= 1, one.variant.label
            assert kernel.registers * kernel.threads <= 65_536, one.variant.label
            assert 0 < kernel.registers <= 255, one.variant.label


def test_the_kernels_are_listed_for_a_reader() -> None:
    told = (ROOT / "kernels" / "README.md").read_text()
    files = {file.relative_to(ROOT / "kernels").as_posix() for file in (ROOT / "kernels").glob("*/*.cu")}
    assert files == set(re.findall(r"`(\w+/\w+\.cu)`", told))


# -- faults planted on purpose -------------------------------------------------------------------


def test_a_good_kernel_has_no_fault(tmp_path: Path) -> None:
    (one,) = inspection.inspect([planted(tmp_path)])
    assert one.faults == ()
    (kernel,) = one.kernels
    assert (kernel.entry, kernel.threads, kernel.static, kernel.dynamic, kernel.spills) == ("scale", 256, 0, 0, 0)
    assert (kernel.benchmarks, kernel.implementations, kernel.source) == (("scale",), ("ours",), "scale.cu")
    assert kernel.blocks == 8  # 2048 threads
    assert kernel.tensor == kernel.feeding == {}


def test_a_syntax_error_is_told_with_its_line_and_the_others_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    broken = planted(tmp_path, SCALE.replace("factor * x[i];", "factor * x[i]"))
    first, second = inspection.inspect([broken, planted(tmp_path / "other")])
    assert len(first.faults) == 1
    assert first.faults[0].startswith("scale.cu does not compile for sm_80: scale.cu, line 5: expected a")
    assert first.kernels == ()
    assert second.faults == ()
    assert len(second.kernels) == 1


SPILLING = """#include "ptx.cuh"
KERNEL void __launch_bounds__(1024) scale(float* y, const float* x, float factor, int n) {
  float v[128];
#pragma unroll
  for (int i = 0; i < 128; i++) v[i] = x[i * n + threadIdx.x];
  for (int k = 0; k < n; k++) {
#pragma unroll
    for (int i = 0; i < 128; i++) v[i] = v[i] * v[(i * 37 + 11) % 128] + factor;
  }
#pragma unroll
  for (int i = 0; i < 128; i++) y[i * n + threadIdx.x] = v[i];
}
"""


def test_spills_are_found_and_may_be_accepted(tmp_path: Path) -> None:
    (fault,) = faults(planted(tmp_path, SPILLING))
    assert fault.startswith("scale spills ")
    assert fault.endswith("0 B are accepted.")
    assert faults(planted(tmp_path, SPILLING, spills=1 << 20)) == []


def test_an_array_in_local_memory_is_found(tmp_path: Path) -> None:
    text = SCALE.replace(
        "if (i < n) y[i] = factor * x[i];",
        "float v[16]; for (int k = 0; k < 16; k++) v[k] = x[k];\n"
        "for (int k = 0; k < n; k++) y[i + k] = v[static_cast<int>(x[k]) & 15] * factor;",
    )
    (fault,) = faults(planted(tmp_path, text))
    assert fault.startswith("scale keeps 64 B a thread in local memory")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("y", "x", np.float64(2.0), np.int32(1)), "takes parameters of 8, 8, 4, 4 B and is given 8, 8, 8, 4 B."),
        (("y", "x", np.float32(2.0), np.int64(1)), "given 8, 8, 4, 8 B"),
        (("y", "x", np.float32(2.0)), "given 8, 8, 4 B"),
        (("y", np.float32(2.0), "x", np.int32(1)), "given 8, 4, 8, 4 B"),
        ((), "given no B"),
        ((TensorMap("y", "bf16", (8, 8), (8, 8)), "x", np.float32(2.0), np.int32(1)), "given 128, 8, 4, 4 B"),
    ],
)
def test_arguments_that_do_not_fit_the_parameters_are_found(
    arguments: tuple[object, ...], said: str, tmp_path: Path
) -> None:
    (fault,) = faults(planted(tmp_path, launch=replace(NEAR, args=arguments)))  # type: ignore[arg-type]
    assert said in fault


SHARED = "extern __shared__ float wide[]; wide[threadIdx.x] = x[i]; __syncthreads(); y[i] = wide[n & 255] * factor;"


@pytest.mark.parametrize(
    ("launch", "said"),
    [
        (replace(NEAR, entry="skale"), "There is no kernel skale; the source has scale."),
        (replace(NEAR, block=(512, 1, 1)), "scale is launched with 512 threads and compiled for 256."),
        (replace(NEAR, grid=(1, 65_536, 1)), "the second and third number end at 65535."),
    ],
)
def test_launches_that_a_gpu_would_refuse_are_found(launch: Launch, said: str, tmp_path: Path) -> None:
    (fault,) = faults(planted(tmp_path, launch=launch))
    assert said in fault


def test_shared_memory_beyond_the_block_s_is_found_static_and_dynamic_together(tmp_path: Path) -> None:
    text = SCALE.replace(
        "if (i < n)", "__shared__ float s[256]; s[threadIdx.x] = x[i]; __syncthreads(); x = s; i &= 127;"
    )
    least = replace(NEAR, shared=98 * 1024)
    assert faults(planted(tmp_path, text, least, "sm_86")) == []
    (fault,) = faults(planted(tmp_path, text, replace(NEAR, shared=98 * 1024 + 16), "sm_86"))
    assert fault.replace("\u00a0", " ").endswith("of shared memory; a block has 99 KiB.")


def test_more_registers_than_there_are_is_found(tmp_path: Path) -> None:
    text = SPILLING.replace("__launch_bounds__(1024)", "__launch_bounds__(256)")
    wide = replace(NEAR, block=(256, 1, 1))
    assert faults(planted(tmp_path, text, wide)) == []
    text = SPILLING.replace("__launch_bounds__(1024) ", "")
    (fault,) = faults(planted(tmp_path, text, replace(NEAR, block=(1024, 1, 1))))
    assert fault.startswith("scale cannot be launched: 1024 threads with ")


def test_a_warning_of_the_compiler_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults(planted(tmp_path, SCALE.replace("if (i < n)", "int unused; if (i < n)")))
    assert fault.startswith("scale.cu(4): warning #177-D")


MMA = """#include "ptx.cuh"
KERNEL void scale(float* y, const float* x, float factor, int n) {
  const unsigned* bits = reinterpret_cast<const unsigned*>(x);
  float r[4] = {0, 0, 0, 0};
  asm volatile("mma.sync.aligned.SHAPE.row.col.f32.KIND.KIND.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(r[0]), "+f"(r[1]), "+f"(r[2]), "+f"(r[3])
               : "r"(bits[0]), "r"(bits[1]), "r"(bits[2]), "r"(bits[3]), "r"(bits[4]), "r"(bits[5]));
  y[threadIdx.x] = (r[0] + r[1] + r[2] + r[3]) * factor;
}
"""
FP8 = MMA.replace("SHAPE", "m16n8k32").replace("KIND", "e4m3")
BF16 = MMA.replace("SHAPE", "m16n8k16").replace("KIND", "bf16")
FP16 = MMA.replace("SHAPE", "m16n8k16").replace("KIND", "f16")
QMMA = "QMMA.16832.F32.E4M3.E4M3"


def wanting(instruction: str) -> Callable[[object], str]:
    return lambda case: instruction


@pytest.mark.parametrize("arch", ["sm_89", "sm_120a"])
def test_fp8_tensor_cores_are_used_where_the_chip_has_them(arch: str, tmp_path: Path) -> None:
    assert faults(planted(tmp_path, FP8, arch=arch, tensor=wanting(QMMA))) == []


@pytest.mark.parametrize("arch", ["sm_90a", "sm_100a"])
def test_fp8_that_silently_becomes_fp16_is_found(arch: str, tmp_path: Path) -> None:
    """There ``mma.sync`` has no fp8: the compiler makes two fp16 products of it and says nothing."""
    missing, other = faults(planted(tmp_path, FP8, arch=arch, tensor=wanting(QMMA)))
    assert missing == f"{QMMA} is missing: there is HMMA.16816.F32."
    assert other == f"HMMA.16816.F32 was not asked for: {QMMA} was."


@pytest.mark.parametrize(
    ("text", "wanted", "found"),
    [
        (BF16, "HMMA.16816.F32.BF16", []),
        (BF16, "HMMA", []),
        (FP16, "HMMA.16816.F32", []),
        (BF16, "HMMA.16816.F32", ["HMMA.16816.F32 is missing: there is HMMA.16816.F32.BF16.", "was not asked for"]),
        (BF16, "", ["HMMA.16816.F32.BF16 was not asked for: no tensor instruction was."]),
        (SCALE, "HMMA.16816.F32.BF16", ["HMMA.16816.F32.BF16 is missing: there is no tensor instruction."]),
        (SCALE, "FMUL", []),
    ],
)
def test_exactly_the_instruction_meant_must_be_there(text: str, wanted: str, found: list[str], tmp_path: Path) -> None:
    told = faults(planted(tmp_path, text, tensor=wanting(wanted)))
    assert len(told) == len(found)
    assert all(expected in fault for expected, fault in zip(found, told, strict=True))


WGMMA = """#include "ptx.cuh"
KERNEL void __launch_bounds__(128) scale(float* y, const float* x, float factor, int n) {
  float d[4] = {0, 0, 0, 0};
  u64 a = reinterpret_cast<u64>(x), b = a + n;
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  for (int k = 0; k < 2; k++) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3}, %4, %5, 1, 1, 1, 0, 0;"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(a), "l"(b));
    BETWEEN
  }
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
  for (int i = 0; i < 4; i++) y[threadIdx.x * 4 + i] = d[i] * factor;
}
"""


def test_tensor_cores_that_ptxas_has_to_serialize_are_found(tmp_path: Path) -> None:
    launch = replace(NEAR, block=(128, 1, 1))

    def told(between: str) -> list[str]:
        text = WGMMA.replace("BETWEEN", between)
        return faults(planted(tmp_path, text, launch, "sm_90a", tensor=wanting("HGMMA.64x8x16.F32.BF16")))

    assert told("") == []
    assert any("wgmma.mma_async instructions are serialized" in fault for fault in told("d[0] += 1.0f;"))


# -- which kernels there are ---------------------------------------------------------------------


def variants(benchmark: Benchmark, archs: tuple[str, ...] = ("sm_80", "sm_90a")) -> list[Variant]:
    return kernels.variants({benchmark.name: benchmark}, archs)


def labelled(*names: str) -> CudaKernel:
    """A kernel whose source names these axes of the case, so that variants tell which cases there were."""
    return CudaKernel(
        lambda case, device: Source.of("scale.cu", **{name.upper(): str(case[name]) for name in names}),
        lambda case, device: (replace(NEAR, shared=1024 * case.integer("n") // 1000),),
    )


def texts(found: list[Variant]) -> set[str]:
    return {one.source.label for one in found if one.arch == "sm_80"}


def test_choices_are_crossed_and_every_default_is_tried() -> None:
    benchmark = planted_kernels.benchmark(labelled("n", "mode"))
    assert texts(variants(benchmark)) == {
        f"scale.cu MODE={m} N={n}" for m, n in [("near", 1000), ("far", 1000), ("near", 1 << 20)]
    } - (
        {"scale.cu MODE=near N=1048576"}  # needs more shared memory than a block has: ``lacks``
    )


def test_many_choices_are_tried_one_axis_at_a_time() -> None:
    tens = tuple(range(1, 11))
    axes = (Axis("n", (1000,)), *(Axis(name, (1,), choices=tens) for name in ("p", "q")))
    benchmark = replace(planted_kernels.benchmark(labelled("p", "q")), axes=axes)
    assert len(texts(variants(benchmark))) == 19
    axes = (axes[0], Axis("p", (1,), choices=tens), Axis("q", (1,), choices=tens[:6]))
    assert len(texts(variants(replace(benchmark, axes=axes)))) == 60


def test_cases_that_cannot_run_are_left_out() -> None:
    benchmark = planted_kernels.benchmark(labelled("mode"))
    (item,) = benchmark.implementations
    assert texts(variants(replace(benchmark, invalid=lambda case: "no" if case["mode"] == "far" else ""))) == {
        "scale.cu MODE=near"
    }
    only = replace(item, supports=lambda case: case["mode"] == "far")
    assert texts(variants(replace(benchmark, implementations=(only,)))) == {"scale.cu MODE=far"}
    hopper = replace(item, op=replace(labelled("mode"), archs=frozenset({"sm_90a"})))
    assert {one.arch for one in variants(replace(benchmark, implementations=(hopper,)))} == {"sm_90a"}
    ampere = replace(item, requires=frozenset({"cuda", "sm_80"}))
    assert {one.arch for one in variants(replace(benchmark, implementations=(ampere,)))} == {"sm_80"}
    several = replace(item, op=replace(labelled("mode"), devices=lambda case: 8))
    assert len(variants(replace(benchmark, implementations=(several,)))) == 4


def test_what_several_cases_and_implementations_share_is_compiled_once() -> None:
    benchmark = planted_kernels.benchmark(labelled())
    (item,) = benchmark.implementations
    twice = replace(benchmark, implementations=(item, Implementation("again", item.op)))
    found = kernels.variants({"scale": twice, "other": planted_kernels.benchmark(labelled(), "other")}, ["sm_80"])
    (one,) = found
    assert one.benchmarks == ("scale", "other")
    assert one.implementations == ("ours", "again")
    (use,) = one.uses
    assert use == kernels.Use("scale", 256, (4, 1, 1), 1024, ((8, 8, 4, 4),))


def test_a_benchmark_whose_function_fails_is_a_sentence() -> None:
    benchmark = planted_kernels.benchmark(labelled("speed"))
    with pytest.raises(UsageError, match=r"scale mode=near n=1000 \[ours\] cannot say how it runs on sm_80: KeyError"):
        variants(benchmark)


def test_the_gpu_suites_add_their_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = tmp_path / "gpu-mine.toml"
    suite.write_text('[[bench]]\nselect = ["scale"]\npoints = [{n = 2000, mode = "far"}]\n')
    benchmark = planted_kernels.benchmark(labelled("n", "mode"))
    benchmarks = {"scale": benchmark}
    wanted = "scale.cu MODE=far N=2000"
    assert wanted not in texts(variants(benchmark))
    monkeypatch.setattr(suites, "available", lambda: {"gpu-mine": suite})
    assert wanted in texts(kernels.variants(benchmarks, ["sm_80"], kernels.asked(benchmarks)))
    monkeypatch.setattr(suites, "available", lambda: {"mine": suite})
    assert kernels.asked(benchmarks) == []


@pytest.mark.parametrize(
    ("argument", "size"),
    [("x", 8), (np.int8(1), 1), (np.float32(1), 4), (np.int64(1), 8), (TensorMap("x", "bf16", (8,), (8,)), 128)],
)
def test_arguments_take_what_they_are(argument: str | np.generic | TensorMap, size: int) -> None:
    assert kernels.bytes_of(argument) == size


# -- the command ---------------------------------------------------------------------------------


@pytest.fixture
def mine(tmp_path: Path) -> dict[str, str]:
    """The environment in which the planted benchmark is a user's own."""
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(planted_kernels.__file__, folder / "scale.py")
    (folder / "scale.cu").write_text(SCALE)
    return {"BENCHSUITE_BENCHMARKS": str(folder), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_a_user_s_kernel_is_listed_for_every_architecture(mine: dict[str, str], tmp_path: Path) -> None:
    done = benchsuite("list", "--kernels", "--only", "scale", "--json", cwd=tmp_path, **mine)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["faults"] == []
    assert [kernel["arch"] for kernel in document["kernels"]] == list(ARCHITECTURES)
    assert {kernel["source"] for kernel in document["kernels"]} == {"scale.cu WIDTH=2", "scale.cu WIDTH=4"}

    done = benchsuite("list", "--kernels", "--only", "sc?le.cu", "--arch", "sm_90a", cwd=tmp_path, **mine)
    assert (done.returncode, done.stderr) == (0, "")
    assert "scale  scale.cu WIDTH=4" in done.stdout
    assert "sm_90a" in done.stdout
    assert "sm_80" not in done.stdout
    assert "1 compilation, none with faults." in done.stdout


def test_a_faulty_kernel_ends_the_command_with_1(mine: dict[str, str], tmp_path: Path) -> None:
    broken = SCALE.replace("factor * x[i];", "factor * z[i];")
    Path(mine["BENCHSUITE_BENCHMARKS"], "scale.cu").write_text(broken)
    words = ("list", "--kernels", "--only", "scale", "--arch", "sm_80")
    done = benchsuite(*words, cwd=tmp_path, **mine)
    assert (done.returncode, done.stderr) == (1, "")
    assert 'scale.cu, line 4: identifier "z" is undefined' in done.stdout
    assert "1 compilation, 1 with faults." in done.stdout
    document = json.loads(benchsuite(*words, "--json", cwd=tmp_path, **mine).stdout)
    assert [(one["arch"], len(one["faults"])) for one in document["faults"]] == [("sm_80", 1)]


def test_the_guide_s_kernel_is_listed(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "add-a-benchmark.md").read_text()
    whole, functions, implementation = blocks(guide, "python")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "reverse.cu").write_text(blocks(guide, "cuda")[0])
    whole = whole.replace("import numpy", "from pathlib import Path\n\nimport numpy", 1)
    whole = whole.replace("    Case,\n", "    Case,\n    CudaKernel,\n    Device,\n    Launch,\n    Source,\n", 1)
    whole = whole.replace("BENCHMARK = ", f"{functions}\n\nBENCHMARK = ", 1)
    whole = whole.replace("implementations=(", f"implementations=({implementation.strip()}, ", 1)
    (folder / "reverse.py").write_text(whole)
    words = ("list", "--kernels", "--only", "reverse", "--json")
    done = benchsuite(*words, cwd=tmp_path, BENCHSUITE_BENCHMARKS=str(folder), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads(done.stdout)["kernels"]) == len(ARCHITECTURES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kernels", "--arch", "sm_90"), "Did you mean 'sm_90a'?"),
        (("--kernels", "--only", "nothing"), "No kernel matches."),
        (("--arch", "sm_80"), "Add --kernels."),
        (("--only", "gemm"), "Add --kernels."),
    ],
)
def test_what_makes_no_sense_is_a_sentence(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = benchsuite("list", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_extra_the_remedy_is_told(mine: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['cuda'] = None\n")
    done = benchsuite("list", "--kernels", cwd=tmp_path, PYTHONPATH=str(tmp_path), **mine)
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "are not installed. pip install 'benchsuite[cuda13]'" in done.stderr
    plain = benchsuite("list", cwd=tmp_path, PYTHONPATH=str(tmp_path), **mine)
    assert plain.returncode == 0
