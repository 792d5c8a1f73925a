"""SuperBench's results: every name with its unit, failures kept, hosts not told."""

from __future__ import annotations

import json
import re

import pytest

from benchsuite.errors import DataError
from benchsuite.imports import superbench
from benchsuite.imports.superbench_metrics import RULES, rule
from benchsuite.model import Metric, Status
from tests.imported import never_breaks, row, sample, samples, sound, statuses

FORMAT = superbench.FORMATS[0]


def summary(**extra: object) -> str:
    """A node's line as SuperBench 0.12 writes it."""
    names = {
        "node": "gpu-host-17.internal",
        "kernel-launch/return_code:0": 0,
        "kernel-launch/event_time:0": 0.0055,
        "gemm-flops:warm/fp16_tc_flops:3": 275000.5,
        "nccl-bw:default/allreduce_8589934592_busbw:0": 231.5,
        "nccl-bw:default/allreduce_8589934592_time:0": 64932.0,
        "model-benchmarks:gpt/pytorch-gpt2-large/1/fp16_train_step_time": 182.5,
        "monitor/gpu_power:2": 397.25,
    }
    return json.dumps(names | extra)


def one(name: str, value: object) -> object:
    found = superbench.read(json.dumps({name: value, "mem-bw/h2d_bw": 26.0}))
    return next(item for item in found.rows if item.params["name"] != "h2d_bw")


def test_a_line_gives_every_value_with_unit_and_place() -> None:
    found = superbench.read(summary())
    sound(found)
    launch = row(found, benchmark="superbench/kernel-launch")
    assert (launch.metric, launch.value, launch.text) == (Metric.LATENCY, 5.5e-6, "0.0055 ms")
    assert "GPU" in launch.meaning
    gemm = row(found, benchmark="superbench/gemm-flops")
    assert (gemm.metric, gemm.value) == (Metric.FLOPS, 275000.5e9)
    assert dict(gemm.params) == {
        "name": "fp16_tc_flops",
        "dtype": "fp16",
        "unit": "tc",
        "annotation": "warm",
        "rank": 3,
    }
    bus = row(found, name="allreduce_8589934592_busbw")
    assert (bus.metric, bus.value, bus.params["size"], bus.params["op"]) == (
        Metric.BUSBW,
        231.5e9,
        8589934592,
        "allreduce",
    )
    assert row(found, name="allreduce_8589934592_time").value == pytest.approx(64932e-6, rel=1e-15)
    step = row(found, benchmark="superbench/model-benchmarks/pytorch-gpt2-large")
    assert (step.value, step.params["run"], step.params["annotation"]) == (0.1825, 1, "gpt")
    power = row(found, benchmark="superbench/monitor")
    assert (power.metric, power.value, power.params["rank"]) == (Metric.POWER, 397.25, 2)
    assert found.facts["return codes of 0"] == "1"
    assert found.problems == ()


@pytest.mark.parametrize(
    ("name", "printed", "metric", "value"),
    [
        ("gemm-flops/FP64:0", 9031.23, Metric.FLOPS, 9031.23e9),
        ("gemm-flops/INT8_xDLOPS:0", 159479.0, Metric.FLOPS, 159479e9),
        ("gemm-flops/int4_tc_iops", 956930.5, Metric.FLOPS, 956930.5e9),
        ("cublaslt-gemm/fp8_e4m3_4096_4096_4096_flops:1", 900.5, Metric.FLOPS, 900.5e12),
        ("hipblaslt-gemm/bf16_16_512_1024_4096_flops", 300.0, Metric.FLOPS, 300e12),
        ("kernel-launch/wall_overhead:0", 0.01026, Metric.LATENCY, 10.26e-6),
        ("kernel-launch/host_dispatch_us", 2.5, Metric.LATENCY, 2.5e-6),
        ("kernel-launch/launch_throughput_mkps", 0.5, Metric.RATE, 5e5),
        ("cudnn-function/name_cudnnConvolutionForward_algo_1_x:0", 0.0529, Metric.LATENCY, 52.9e-6),
        ("cudnn-function/name_cudnnconvolutionforward_algo_1_time", 53.24, Metric.LATENCY, 53.24e-6),
        ("cublas-function/name_cublasCgemm_k_32:0", 11.436, Metric.LATENCY, 11.436e-6),
        ("mem-bw/H2D_Mem_BW:7", 25.6, Metric.BANDWIDTH, 25.6e9),
        ("mem-bw/dtoh_512MB:1", 13.5, Metric.BANDWIDTH, 13.5e9),
        ("gpu-sm-copy-bw/htod:0", 23.9685, Metric.BANDWIDTH, 23.9685e9),
        ("gpu-copy-bw:perf/gpu0_to_gpu1_read_by_dma_bw", 250.5, Metric.BANDWIDTH, 250.5e9),
        ("gpu-copy-bw/cpu_to_gpu0_by_gpu0_using_sm_under_numa1_bw", 20.5, Metric.BANDWIDTH, 20.5e9),
        ("gpu-stream/STREAM_TRIAD_double_gpu_0_buffer_4294967296_block_1024_bw", 3100.5, Metric.BANDWIDTH, 3100.5e9),
        ("gpu-stream/STREAM_TRIAD_double_gpu_0_buffer_4294967296_block_1024_ratio", 92.5, Metric.RATIO, 0.925),
        ("ib-loopback/ib_write_bw_8388608:0", 24.5, Metric.BANDWIDTH, 24.5e9),
        ("ib-loopback/ib_write_bw_8388608:3:2", 24.5, Metric.BANDWIDTH, 24.5e9),
        ("ib-loopback/ib_write_8388608_ib3_bw:0", 23.5, Metric.BANDWIDTH, 23.5 * 1000 * 2**20),
        ("ib-loopback/IB_write_8388608_Avg_0:0", 23925.84, Metric.BANDWIDTH, 23925.84 * 2**20),
        ("cpu-stream/triad_throughput", 160000.5, Metric.BANDWIDTH, 160000.5e6),
        ("cpu-memory-bw-latency/mem_bandwidth_matrix_numa_0_1_lat", 130.5, Metric.LATENCY, 130.5e-9),
        ("cpu-memory-bw-latency/mem_max_bandwidth_stream-triad_like_bw", 200000.5, Metric.BANDWIDTH, 200000.5e6),
        ("nccl-bw/allgather_1_3:1024_algbw:0", 1.5, Metric.ALGBW, 1.5e9),
        ("rccl-bw/allreduce_1024_busbw:0", 1.5, Metric.BUSBW, 1.5e9),
        ("nvbandwidth/device_to_device_memcpy_read_ce_gpu0_gpu1_bw", 380.5, Metric.BANDWIDTH, 380.5e9),
        ("nvbandwidth/host_device_latency_sm_cpu0_gpu0_lat", 0.75, Metric.LATENCY, 0.75e-6),
        ("bert_models/pytorch-bert-base/steptime_train_float32", 114.5, Metric.LATENCY, 0.1145),
        ("bert_models/pytorch-bert-base/throughput_train_float16", 279.5, Metric.RATE, 279.5),
        ("model-benchmarks:x/pytorch-llama2-7b/fp8_hybrid_inference_step_time_99.9", 99.5, Metric.LATENCY, 0.0995),
        ("megatron-gpt/bf16_train_tflops", 150.5, Metric.FLOPS, 150.5e12),
        ("ort-inference/fp16_resnet50_time_99:0", 3.5, Metric.LATENCY, 3.5e-3),
        ("tensorrt-inference/bert-base_gpu_time_mean", 3.5, Metric.LATENCY, 3.5e-3),
        ("pytorch-sharding-matmul/allreduce", 10.5, Metric.LATENCY, 10.5e-3),
        ("sharding-matmul/allgather_time:0", 10.5, Metric.LATENCY, 10.5e-3),
        ("computation-communication-overlap/matmul_time:3", 10.5, Metric.LATENCY, 10.5e-3),
        ("matmul/nosharding_time", 10.5, Metric.LATENCY, 10.5e-3),
        ("dist-inference:x/step_times_99.9", 10.5, Metric.LATENCY, 10.5e-3),
        ("pytorch-computation-communication-overlap/mul_cost:0", 44.5, Metric.LATENCY, 44.5e-3),
        ("gpcnet-network-test/rr_two-sided+sync_bw_99%", 2000.5, Metric.BANDWIDTH, 2000.5 * 2**20),
        ("disk-benchmark/nvme0n1_rand_read_write_read_iops", 120000.5, Metric.RATE, 120000.5),
        ("disk-benchmark/nvme0n1_rand_read_write_read_lat_ns_99.9", 120000.5, Metric.LATENCY, 120000.5e-9),
        ("monitor/gpu_temperature:0", 61, Metric.TEMPERATURE, 61.0),
        ("monitor/gpu_uncorrected_ecc:0", 0, Metric.COUNT, 0.0),
    ],
)
def test_the_names_of_all_versions_have_their_documented_units(
    name: str, printed: float, metric: Metric, value: float
) -> None:
    found = one(name, printed)
    assert found.status is Status.OK, found.reason
    assert found.metric is metric
    assert found.value == pytest.approx(value, rel=1e-14)
    assert found.text.startswith(str(printed))


def test_a_name_that_is_not_known_is_reported_and_never_given_a_unit() -> None:
    found = superbench.read(summary(**{"new-test/speed_of_light:0": 3.0, "new-test/speed_of_light:1": 3.0}))
    assert not any("new-test" in item.benchmark for item in found.rows)
    assert len(found.problems) == 1
    assert found.problems[0].startswith("2 values")
    assert "new-test/speed_of_light:#" in found.problems[0]


@pytest.mark.parametrize("code", [4, 124, -9, None, "x"])
def test_a_return_code_that_is_not_zero_is_a_failure(code: object) -> None:
    found = superbench.read(summary(**{"mem-bw/return_code:5": code}))
    failed = row(found, benchmark="superbench/mem-bw")
    assert (failed.status, failed.value, failed.params["rank"]) == (Status.FAILED, None, 5)
    assert "return code" in failed.reason


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("gpu-burn/gpu_0_pass", 0, Status.REJECTED),
        ("gpu-burn/gpu_0_pass", 1, Status.OK),
        ("gpu-burn/abort", 1, Status.FAILED),
        ("gpu-burn/abort", 0, Status.OK),
        ("cpu-hpl/tests_pass", 0, Status.REJECTED),
        ("cublas-function/name_cublassgemm_k_1_correctness", 0, Status.REJECTED),
        ("gpu-hpcg/is_valid", 0, Status.REJECTED),
    ],
)
def test_a_test_that_did_not_pass_is_no_result(name: str, value: int, status: Status) -> None:
    assert one(name, value).status is status


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("gemm-flops/fp64_flops:0", 0.0, Status.FAILED),
        ("gemm-flops/fp64_flops:0", -1, Status.FAILED),
        ("gemm-flops/fp64_flops:0", None, Status.FAILED),
        ("gemm-flops/fp64_flops:0", "NaN", Status.FAILED),
        ("gemm-flops/fp64_flops:0", True, Status.FAILED),
        ("nccl-bw/allreduce_8_busbw:0", 0.0, Status.SKIPPED),
        ("nccl-bw/allreduce_8388608_busbw:0", 0.0, Status.FAILED),
        ("disk-benchmark/nvme0n1_rand_read_write_iops", 0.0, Status.SKIPPED),
    ],
)
def test_what_cannot_be_a_measurement_has_no_value(name: str, value: object, status: Status) -> None:
    found = one(name, value)
    assert found.status is status
    assert found.value is None


def test_a_bare_nan_costs_its_value_and_not_the_file() -> None:
    found = superbench.read(summary().replace("275000.5", "NaN").replace("231.5", "-Infinity"))
    assert statuses(found) == {"ok": 4, "failed": 2}


def test_nodes_become_numbers_and_hosts_are_not_told() -> None:
    secret = "gpu-host-17"
    text = "\n".join(
        summary(
            **{
                f"tcp-connectivity/{secret}.internal_time_avg": 0.25,
                "tcp-connectivity/10.0.0.4_time_avg": 0.5,
                f"ib-traffic/ib_write_bw_8388608_gpu-to-gpu_0_0:{secret},other:0": 24.5,
            }
        )
        for _ in range(2)
    )
    found = superbench.read(text)
    assert secret not in repr(found)
    assert "10.0.0.4" not in repr(found)
    assert {item.params["node"] for item in found.rows} == {1, 2}
    assert row(found, name="host 1_time_avg", node=1).value == 0.25e-3
    assert row(found, name="host 2_time_avg", node=2).value == 0.5e-3
    assert found.facts["nodes"] == "2"
    assert {item.line for item in found.rows} == {1, 2}


def test_a_line_that_is_cut_costs_that_node_only() -> None:
    found = superbench.read(f"{summary()}\n{summary()[:200]}")
    assert len(found.rows) == len(superbench.read(summary()).rows)
    assert found.problems[0].startswith("Line 2 could not be read")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"Category": "x", "Defective Details": "y", "mem-bw/h2d_bw:0": 0.01}),
        json.dumps({"index": "a", "diagnosis/category": "x", "mem-bw/h2d_bw:0": 0.01}),
        json.dumps([{"index": "a", "diagnosis/category": "x", "mem-bw/h2d_bw:0": 0.01}]),
    ],
)
def test_deviations_are_not_measurements(text: str) -> None:
    assert FORMAT.tells(text)
    with pytest.raises(DataError, match="deviations"):
        superbench.read(text)


def test_the_monitor_gives_the_median_of_its_moments() -> None:
    lines = [{"time": f"2026-01-01 00:00:0{i}", "cpu_usage": 5.0, "gpu_power:0": 100.0 + i} for i in range(3)]
    found = superbench.read("\n".join(map(json.dumps, lines)))
    power = row(found, name="gpu_power")
    assert (power.value, power.samples, power.text) == (101.0, (100.0, 101.0, 102.0), "3 readings")


def test_damage_never_breaks_it() -> None:
    text = f"{summary()}\n{summary(**{'mem-bw/return_code:5': 4})}"
    assert FORMAT.tells(text)
    assert never_breaks(FORMAT, text) > 10


@pytest.mark.parametrize(
    "name",
    [
        "ib-traffic/ib_write_bw_0_0_a_b_bw",
        "ib-traffic/ib_write_bw_8388608_cpu-to-cpu_0_0:0,1:0",
        "cudnn-function/name_x_time",
        "cudnn-function/name_x",
        "cublas-function/name_x_time",
        "cublas-function/name_x_error",
        "gemm-flops/fp64_flops",
        "gemm-flops/FP64_TC",
        "ib-loopback/ib_write_bw_512:0",
        "ib-loopback/ib_write_512_ib0_bw",
        "nvbandwidth/x_bw",
    ],
)
def test_no_two_rules_give_a_name_different_units(name: str) -> None:
    assert len({(known.metric, known.scale) for known in RULES if known.pattern.fullmatch(name)}) == 1


def test_a_name_that_no_rule_knows() -> None:
    assert rule("mem-bw/unheard_of") is None


@pytest.mark.parametrize("name", samples("superbench", ".json", ".jsonl"))
def test_real_samples_are_read_whole(name: str) -> None:
    text = sample(name)
    if "sysinfo" in name:
        assert not FORMAT.tells(text)
        return
    assert FORMAT.tells(text)
    if "diagnosis" in name:
        with pytest.raises(DataError):
            superbench.read(text)
        return
    found = superbench.read(text)
    sound(found)
    if "monitor" in name:
        assert len(found.rows) == 1 + 8 * 5  # cpu_usage; usage, temperature, power limit, two kinds of errors of 8 GPUs
        return
    documents = [json.loads(line) for line in text.splitlines()] if name.endswith("l") else [json.loads(text)]
    expected = sum(len([key for key in one if key != "node" and "return_code" not in key]) for one in documents)
    assert len(found.rows) == expected, found.problems
    assert found.problems == ()
    zeros = sum(value == 0 for one in documents for key, value in one.items() if "return_code" not in key)
    assert statuses(found) == {"ok": expected - zeros} | ({"skipped": zeros} if zeros else {})


@pytest.mark.parametrize(
    ("name", "params", "value"),
    [
        ("superbench/results-summary-ndv4-a100.json", {"name": "FP64_TC", "rank": 0}, 18963.6e9),
        ("superbench/results-summary-ndv4-a100.json", {"name": "allreduce_8_time"}, 37.84e-6),
        ("superbench/results-summary-ndv4-a100.json", {"name": "D2D_Mem_BW", "rank": 0}, 1118e9),
        ("superbench/results-summary-mi100.json", {"name": "FP32_xDLOPS", "rank": 0}, 40102.9e9),
        ("superbench/results-summary-v100.json", {"name": "nosharding"}, 345.0229263305664e-3),
        ("superbench/baseline-ndmv4-a100-v0.4.0.json", {"name": "event_time"}, 0.0055452148625e-3),
        ("superbench/baseline-ndmv4-a100-v0.4.0.json", {"name": "ib_write_1024_ib0_bw"}, 3.30482611259395e3 * 2**20),
    ],
)
def test_real_values_land(name: str, params: dict[str, object], value: float) -> None:
    assert row(superbench.read(sample(name)), **params).value == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("name", samples("superbench", ".json", ".jsonl"))
def test_damaged_samples_never_break_it(name: str) -> None:
    never_breaks(FORMAT, re.sub(r"\s+", " ", sample(name))[:6000] if name.endswith(".json") else sample(name)[:6000])
