"""What launchers, containers, editors and issue trackers put around a tool's lines: gone before it is read, and nothing
of it is kept; what several ranks or several runs printed is not mixed up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import imports, publication
from benchsuite.errors import DataError
from benchsuite.imports import surroundings
from benchsuite.imports.base import Imported
from benchsuite.imports.publication import machines
from benchsuite.imports.publication import publication as made_of

NCCL = """# nccl-tests version 2.17.6 nccl-headers=22809 nccl-library=22809
# Collective test starting: all_reduce_perf
# nThread 1 nGpus 1 minBytes 1024 maxBytes 2048 step: 2(factor) warmup iters: 5 iters: 20 agg iters: 1 validation: 1
#
# Using devices
#  Rank  0 Group  0 Pid  31337 on  canary-1 device  0 [0000:1b:00] NVIDIA H200
#  Rank  1 Group  0 Pid  31338 on  canary-1 device  1 [0000:43:00] NVIDIA H200
#
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
     1048576        262144     float     sum      -1    27.76   37.77   37.77      0    27.50   38.13   38.13      0
     2097152        524288     float     sum      -1    40.10   52.30   52.30      0    40.05   52.36   52.36      0
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 45.14
#
"""
NVBANDWIDTH = """nvbandwidth Version: v0.7
Built from Git version: v0.7

CUDA Runtime Version: 12080
Driver Version: 570.10

Device 0: NVIDIA H200 (00000000:1b:00)
Device 1: NVIDIA H200 (00000000:43:00)

Running device_to_device_memcpy_read_ce.
memcpy CE GPU(row) -> GPU(column) bandwidth (GB/s)
           0         1
 0       N/A    395.10
 1    396.20       N/A

SUM device_to_device_memcpy_read_ce 791.30

"""
OSU = """# OSU MPI Allreduce Latency Test v7.3
# Datatype: MPI_FLOAT.
# Size       Avg Latency(us)   Min Latency(us)   Max Latency(us)  Iterations
4                       1.68              1.60              1.77        1000
8                       1.70              1.61              1.79        1000
"""
STREAM = """STREAM version $Revision: 5.10 $
Array size = 80000000 (elements), Offset = 0 (elements)
Function    Best Rate MB/s  Avg time     Min time     Max time
Copy:           90014.1     0.014581     0.014220     0.015416
Scale:          91318.6     0.014391     0.014017     0.015802
Add:            97299.2     0.020065     0.019733     0.020896
Triad:          98350.8     0.019845     0.019522     0.020835
Solution Validates: avg error less than 1.000000e-13 on all three arrays
"""
BABELSTREAM = """BabelStream
Version: 5.0
Implementation: CUDA
Running kernels 100 times
Precision: double
Array size: 268.4 MB (=0.3 GB)
Using CUDA device NVIDIA H200
Driver: 12080
Function    MBytes/sec  Min (sec)   Max         Average
Copy        4104217.6   0.000131    0.000140    0.000135
Mul         4103001.2   0.000132    0.000141    0.000136
"""
BURN = """Using compare file: compare.fatbin
Burning for 10 seconds.
GPU 0: NVIDIA H200 (UUID: GPU-canary)
Initialized device 0 with 143771 MB of memory (143000 MB available, using 128700 MB of it), using FLOATS
50.0%  proc'd: 100 (51000 Gflop/s)   errors: 0   temps: 60 C
100.0%  proc'd: 300 (50000 Gflop/s)   errors: 0   temps: 70 C
Killing processes with SIGTERM (soft kill)
done

Tested 1 GPUs:
\tGPU 0: OK
"""
FRYER = """Detected GPU #0: NVIDIA H200
GPU #0:  51494 Gflops/s (min: 50577.53, max: 51677.05, dev: 51493.79)
         Temperature: 48.83°C (min: 47.00, max: 50.00)
         Throttling HW: false, Thermal SW: false, Thermal HW: false
All GPUs seem healthy
"""
GPU_STREAM = """blockSize   threads       %occ  |                init       read       scale     triad
       32      8448       1.6 %  |  GB/s:         100.1      101.2       102.3     103.4
       64     16896       3.1 %  |  GB/s:         200.1      201.2       202.3     203.4
"""
MAMF = """** Dtype: torch.bfloat16
** Critical software versions:
torch=2.4.0
     1 |  700.1(mean)  701.2(median)  710.3(max) @ 4096x4096x4096 | best:  700.1(mean)  701.2(median)  710.3(max) TFLOPS
Tried  1 shapes => the best outcomes were:
mean:   700.1 TFLOPS @ 4096x4096x4096 (MxNxK)
median: 701.2 TFLOPS @ 4096x4096x4096 (MxNxK)
max:    710.3 TFLOPS @ 4096x4096x4096 (MxNxK)
"""
TEXTS = {
    "nccl-tests": NCCL,
    "nvbandwidth": NVBANDWIDTH,
    "osu": OSU,
    "stream": STREAM,
    "babelstream": BABELSTREAM,
    "gpu-burn": BURN,
    "gpu-fryer": FRYER,
    "gpu-stream": GPU_STREAM,
    "mamf-finder": MAMF,
}


def every_line(prefix: str) -> Callable[[str], str]:
    return lambda text: "".join(prefix + line for line in text.splitlines(keepends=True))


AROUND: dict[str, Callable[[str], str]] = {
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "spaces at the end": lambda text: text.replace("\n", "   \n"),
    "no-break spaces": lambda text: text.replace("  ", "\xa0 "),
    "tabs": lambda text: text.replace("    ", "\t"),
    "a fence": lambda text: f"```\n{text}```\n",
    "a fence with a language and words": lambda text: f"What we saw:\n\n```shell-session\n{text}```\n",
    "a quote": every_line("> "),
    "a quoted fence": lambda text: every_line("> ")(f"```\n{text}```\n"),
    "an indent": every_line("    "),
    "srun": every_line("0: "),
    "srun of many tasks": every_line("  0: "),
    "mpirun": every_line("[1,0]<stdout>:"),
    "mpirun 5": every_line("[1,0]<stdout>: "),
    "hydra": every_line("[0] "),
    "a host in brackets": every_line("[canary-1] "),
    "pdsh": every_line("canary-1: "),
    "a container": every_line("2024-05-01T12:34:56.123456789Z "),
    "a container's file": every_line("2024-05-01T12:34:56.123456789Z stdout F "),
    "a container and mpirun": every_line("2024-05-01T12:34:56.123456789+02:00 [1,0]<stdout>:"),
    "kubectl": every_line("[pod/canary-launcher-x7/main] "),
    "kubectl and a container": every_line("[pod/canary-x7/main] 2024-05-01T12:34:56.123456789Z > 0: "),
    "a log": every_line("[2024-05-01 12:34:56,123] "),
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("tool", TEXTS)
def test_what_stands_around_the_lines_changes_nothing_and_is_not_kept(tool: str, around: str) -> None:
    text, plain = AROUND[around](TEXTS[tool]), imports.parse(TEXTS[tool])
    found = imports.parse(text)
    assert found.tool == tool
    assert values(found) == values(plain)
    assert found.devices == plain.devices
    assert kept(found) == []


@pytest.mark.parametrize(
    "prompt",
    [
        "canary@canary-1:/home/canary$ mpirun -np 2 --hostfile /home/canary/hosts /opt/canary/tool -b 8 -e 8G\n",
        "[root@canary-1 canary]# /home/canary/tool --log /home/canary/log\n",
        "$ srun -w canary-1 tool\n",
        "+ CANARY=canary ./tool -d 0\n",
    ],
)
@pytest.mark.parametrize("tool", TEXTS)
def test_a_prompt_and_its_command_are_not_kept(tool: str, prompt: str) -> None:
    found = imports.parse(prompt + TEXTS[tool])
    assert values(found) == values(imports.parse(TEXTS[tool]))
    assert kept(found) == []


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
def test_what_editors_and_shells_of_windows_write_is_read(coding: str, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_bytes(NVBANDWIDTH.replace("\n", "\r\n").encode(coding))
    assert imports.read(path) == imports.parse(NVBANDWIDTH)


def test_a_mark_inside_a_file_stays_hidden_and_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text(OSU.replace("Size", "\ufeffSize"), encoding="utf-8")
    with pytest.raises(DataError, match="hidden character"):
        imports.read(path)


def test_labels_of_several_ranks_are_left_for_the_readers() -> None:
    text = "0: a\n1: b\n0: c\n"
    assert surroundings.without(text) == text
    assert surroundings.without(text.replace("1:", "0:")) == "a\nb\nc\n"


@pytest.mark.parametrize("label", ["{}: ", "[1,{}]<stdout>:", "node-{}: "])
@pytest.mark.parametrize("tool", ["stream", "babelstream", "gpu-burn", "gpu-fryer", "gpu-stream", "mamf-finder"])
def test_ranks_that_each_print_everything_are_not_mixed(tool: str, label: str) -> None:
    """The GPU 0 of one host is not that of another, and what is wrong on one is not judged on the other."""
    lines = TEXTS[tool].splitlines(keepends=True)
    mixed = "".join(label.format(rank) + line for line in lines for rank in (0, 1))
    name = "mamf" if tool == "mamf-finder" else tool
    with pytest.raises(DataError, match="several ranks") as caught:
        imports.parse(mixed, name)
    assert "on its own" in caught.value.remedy


def test_other_ranks_may_speak_where_the_first_alone_prints_results() -> None:
    lines = [f"[1,0]<stdout>:{line}\n[1,1]<stderr>:canary\n" for line in NVBANDWIDTH.splitlines()]
    found = imports.parse("".join(lines))
    assert found.devices == ("NVIDIA H200",) * 2
    assert values(found) == values(imports.parse(NVBANDWIDTH))


def test_what_a_tool_itself_prints_at_the_begin_of_lines_stays() -> None:
    for text in ("Triad: 1.0\nTriad: 2.0\n", "GPU 0: OK\nGPU 1: OK\n", "   1 | 2.0\n   2 | 3.0\n"):
        assert surroundings.without(text) == text
    assert surroundings.without("a\n> b\nc\n") == "a\n> b\nc\n"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab01:[]>` \n\r\tZ-T", max_size=80))
def test_lines_keep_their_numbers(text: str) -> None:
    assert surroundings.without(text).count("\n") == text.count("\n")


@pytest.mark.parametrize("tool", TEXTS)
def test_two_runs_in_one_file_give_each_value_twice_on_the_same_devices(tool: str) -> None:
    one, two = imports.parse(TEXTS[tool]), imports.parse(TEXTS[tool] * 2)
    assert sorted(values(two)) == sorted(values(one) * 2)
    assert two.devices == one.devices


def test_output_of_two_tools_in_one_file_is_asked_about() -> None:
    with pytest.raises(DataError, match="nvbandwidth, osu") as caught:
        imports.parse(NVBANDWIDTH + OSU)
    assert "on its own" in caught.value.remedy
    assert values(imports.parse(NVBANDWIDTH + OSU, "osu")) == values(imports.parse(OSU))


def test_two_documents_in_one_file_are_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match="not JSON") as caught:
        imports.parse('{"context": {}, "benchmarks": []}\n' * 2, "google-benchmark")
    assert caught.value.remedy


def values(found: Imported) -> list[tuple[str, str, str, str]]:
    """What was read, without where it stood and why it is none."""
    return [(one.benchmark, one.metric.value, repr(one.value), repr(sorted(one.params.items()))) for one in found.rows]


def kept(found: Imported) -> list[str]:
    """What the publications hold that nobody may see."""
    texts = [publication.encode(made_of(part, "out.txt", "ab" * 32)).decode() for part in machines(found)]
    return [word for word in ("canary", "CANARY", "31337", "/home", "/opt") if any(word in text for text in texts)]
