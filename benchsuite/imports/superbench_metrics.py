"""What SuperBench's metrics are: a closed table of names, units and meanings, after its documentation 0.2 to 0.12.

SuperBench prints bare numbers. A name that no row of this table knows has no unit here: it is reported, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from benchsuite.model import Metric

US, MS, NS = 1e-6, 1e-3, 1e-9
MB, GB = 1e6, 1e9
MIB = 2.0**20


@dataclass(frozen=True, slots=True)
class Rule:
    """Metrics of one kind. ``pattern``: of ``benchmark/metric`` without annotation and rank; its named groups become
    parameters, but ``host``: that is what must not be told. scale: SI units in one of what is printed; unit: as
    SuperBench names it; zero: whether 0 can be true, or only be the sign of a failure; idle: 0 says that nothing of the
    kind was asked for; good: what a yes-or-no metric says when all is well.
    """

    pattern: re.Pattern[str]
    metric: Metric
    scale: float
    unit: str
    meaning: str
    zero: bool = False
    idle: bool = False
    good: float | None = None


def _rules(
    metric: Metric, scale: float, unit: str, rows: Iterable[tuple[str, str]], *, zero: bool = False, idle: bool = False
) -> list[Rule]:
    return [Rule(re.compile(pattern), metric, scale, unit, meaning, zero, idle) for pattern, meaning in rows]


COLLECTIVE = r"(?P<library>nccl|rccl)-bw/(?P<op>[a-z]+)_(?:(?P<serial>\d+)_(?P<parallel>\d+):)?(?P<size>\d+)_"
PRECISION = r"(?P<dtype>(?:fp|tf|bf|int|float)\d+(?:_[a-z0-9]+?)?)"
MODEL = rf".+/[a-z0-9]+-[\w.-]+/{PRECISION}_(?P<phase>train|inference)_"
OLD_MODEL = r"\w+_models/pytorch-[\w.-]+/{}_(?P<phase>train|inference)_(?P<dtype>[a-z]+\d+)"
COPY = r"gpu-copy-bw/(?:cpu|gpu)\w*_(?:to|and)_(?:cpu|gpu)\w*_by_[\w]+_bw"
FUNCTION = r"(?:cublas|cudnn)-function/name_[^:]+"
IB = r"(?P<op>ib_(?:read|write|send))"
PAIR = r"(?:(?P<size>\d+)_(?P<direction>[cg]pu-to-[cg]pu)_)?\d+_\d+:(?P<host>[^:]+):\d+"
SHAPE = r"(?:_(?P<batch>\d+))?_(?P<m>\d+)_(?P<n>\d+)_(?P<k>\d+)"
PERCENTILE = r"(?:_(?P<percentile>\d+(?:\.\d+)?))?"
PERFTEST = "; perftest's MB/sec are 2^20 bytes, as its message rates show"

RULES: tuple[Rule, ...] = (
    *_rules(
        Metric.FLOPS,
        1e9,
        "GFLOPS",
        [
            (r"gemm-flops/(?P<dtype>[a-z]+\d+)(?:_(?P<unit>tc|xdlops))?_(?:flops|iops)", "peak rate of a GEMM"),
            (r"gemm-flops/(?P<dtype>[A-Z]+\d+)(?:_(?P<unit>TC|xDLOPS))?", "peak rate of a GEMM"),
            (r"cpu-hpl/throughput", "rate of High-Performance Linpack"),
            (r"gpu-hpcg/(?P<op>[a-z]+)_gflops(?P<share>_per_process)?", "rate of an operation of HPCG"),
        ],
    ),
    *_rules(
        Metric.FLOPS,
        1e12,
        "TFLOPS",
        [
            (
                r"(?:cublaslt|hipblaslt)-gemm/(?P<dtype>[a-z0-9]+(?:_[a-z][a-z0-9]*)?)" + SHAPE + "_flops",
                "rate of a GEMM",
            ),
            (r"megatron-gpt/(?P<dtype>[a-z0-9]+)_train_tflops", "training rate of an iteration, as Megatron counts"),
        ],
    ),
    *_rules(
        Metric.LATENCY,
        MS,
        "ms",
        [
            (r"kernel-launch/event_(?:time|overhead)", "launch of an empty kernel, in time of the GPU"),
            (r"kernel-launch/wall_(?:time|overhead)", "launch of an empty kernel, in time of the CPU"),
            (r"(?:pytorch-)?matmul/nosharding(?:_time)?", "matrix product on one GPU"),
            (r"(?:pytorch-)?computation-communication-overlap/(?P<op>mul|matmul)_(?:time|cost)", "kernels beside NCCL"),
            (
                r"(?:pytorch-)?sharding-matmul/(?P<op>allreduce|allgather)(?:_time)?",
                "matrix product shared by all GPUs",
            ),
            (r"cudnn-function/name_[^:]+(?<!_time)", "mean time of a cuDNN function"),
            (MODEL + "step_time" + PERCENTILE, "mean time of a step, or the percentile named"),
            (OLD_MODEL.format("steptime"), "mean time of a step"),
            (r"megatron-gpt/(?P<dtype>[a-z0-9]+)_train_step_time", "mean time of an iteration"),
            (r"ort-inference/(?P<dtype>[a-z0-9]+)_.+_time" + PERCENTILE, "latency of one batch, mean or percentile"),
            (r"tensorrt-inference/.+_(?:gpu|host|end_to_end)_time_(?P<statistic>mean|99)", "latency of a query"),
            (r"(?:pytorch-)?dist-inference/step_times" + PERCENTILE, "time of an inference, mean or percentile"),
            (r"tcp-connectivity/(?P<host>.+)_time_(?P<statistic>min|max|avg)", "latency of a TCP connection"),
        ],
    ),
    *_rules(
        Metric.LATENCY,
        US,
        "us",
        [
            (r"kernel-launch/e2e_latency_us", "launch of one kernel from end to end, in time of the CPU"),
            (r"kernel-launch/host_dispatch_us", "dispatch of a kernel on the host, in time of the CPU"),
            (r"kernel-launch/device_launch_us", "mean launch on the device, in time of the GPU"),
            (FUNCTION + "_time", "mean time of a library function"),
            (r"cublas-function/name_[^:]+(?<!_correctness)(?<!_error)", "mean time of a cuBLAS function"),
            (COLLECTIVE + "time", "time of a collective operation"),
            (r"ib-traffic/" + IB + "_lat_" + PAIR, "greatest latency between a pair of nodes"),
            (r"gpcnet-network-test/rr_two-sided_lat_(?P<statistic>[\w.%]+)", "latency of a random ring"),
            (r"gpcnet-network-test/multiple_allreduce_time_(?P<statistic>[\w.%]+)", "time of several all-reduces"),
            (r"nvbandwidth/\w+_lat", "latency of a copy or of a pointer that is followed"),
        ],
    ),
    *_rules(
        Metric.LATENCY,
        NS,
        "ns",
        [
            (r"cpu-memory-bw-latency/mem_bandwidth_matrix_numa_(?P<source>\d+)_(?P<target>\d+)_lat", "memory latency"),
        ],
    ),
    *_rules(
        Metric.LATENCY,
        NS,
        "ns",
        [(r"disk-benchmark/.+_lat_ns_(?P<percentile>\d+(?:\.\d+)?)", "latency of the disk at a percentile")],
        idle=True,
    ),
    *_rules(
        Metric.LATENCY,
        1.0,
        "s",
        [
            (r"gpu-burn/time", "how long gpu-burn ran"),
            (r"cpu-hpl/time", "how long High-Performance Linpack ran"),
            (r"cpu-stream/(?P<op>copy|scale|add|triad)_time_(?P<statistic>avg|min|max)", "time of an iteration"),
            (r"gpu-hpcg/(?:setup|optimization|total)_time", "how long a phase of HPCG took"),
        ],
    ),
    *_rules(
        Metric.BANDWIDTH,
        GB,
        "GB/s",
        [
            (r"mem-bw/(?P<op>[hd]2[hd])_bw", "copy between host and device, or in the device"),
            (r"mem-bw/(?P<op>[HD]2[HD])_Mem_BW", "copy between host and device, or in the device"),
            (r"mem-bw/(?P<op>[hd]to[hd])_(?P<size>\+?\d+[kMG]?By?|\d+[kMG]?B)", "copy between host and device"),
            (r"gpu-sm-copy-bw/(?P<op>[hd]to[hd])", "copy by a kernel between host and device"),
            (COPY, "copy of one GPU, by a kernel (sm) or a copy engine (dma)"),
            (r"gpu-stream/STREAM_(?P<op>[A-Z]+)_(?P<dtype>[a-z]+)_.+_bw", "memory bandwidth of STREAM on a GPU"),
            (r"ib-loopback/" + IB + r"_bw_(?P<size>\d+)(?::(?P<adapter>\d+))?", "InfiniBand to itself"),
            (r"ib-traffic/" + IB + "_bw_" + PAIR, "InfiniBand between a pair of nodes"),
            (r"nvbandwidth/\w+_bw", "copy between memories; a sum adds all of its matrix"),
            (r"gpu-hpcg/(?P<op>[a-z]+)_bandwidth(?P<share>_per_process)?", "bandwidth of an operation of HPCG"),
        ],
    ),
    *_rules(
        Metric.BANDWIDTH,
        1000 * MIB,
        "GB/s",
        [
            (r"ib-loopback/" + IB + r"_(?P<size>\d+)_ib(?P<adapter>\d+)_bw", "InfiniBand to itself" + PERFTEST),
            (r"ib-traffic/" + IB + r"_bw_\d+_\d+_(?P<host>.+)_bw", "InfiniBand between a pair of nodes" + PERFTEST),
        ],
    ),
    *_rules(
        Metric.BANDWIDTH,
        MIB,
        "MB/s",
        [(r"ib-loopback/IB_(?P<op>[a-z]+)_(?P<size>\d+)_Avg_(?P<adapter>\d+)", "InfiniBand to itself" + PERFTEST)],
    ),
    *_rules(
        Metric.BANDWIDTH,
        MB,
        "MB/s",
        [
            (r"cpu-stream/(?P<op>copy|scale|add|triad)_throughput", "memory bandwidth of STREAM on the CPU"),
            (r"cpu-memory-bw-latency/mem_bandwidth_matrix_numa_(?P<source>\d+)_(?P<target>\d+)_bw", "memory bandwidth"),
            (r"cpu-memory-bw-latency/mem_max_bandwidth_[\w-]+_bw", "greatest memory bandwidth of the whole CPU"),
        ],
    ),
    *_rules(
        Metric.BANDWIDTH,
        MIB,
        "MiB/s",
        [(r"gpcnet-network-test/\w+(?:-sided)?(?:\+sync)?_bw_(?P<statistic>[\w.%]+)", "network bandwidth of a rank")],
    ),
    *_rules(Metric.ALGBW, GB, "GB/s", [(COLLECTIVE + "algbw", "algorithm bandwidth of a collective operation")]),
    *_rules(Metric.BUSBW, GB, "GB/s", [(COLLECTIVE + "busbw", "bus bandwidth of a collective operation")]),
    *_rules(
        Metric.RATE,
        1.0,
        "samples/s",
        [
            (MODEL + "throughput" + PERCENTILE, "samples in a second and GPU, mean or percentile"),
            (OLD_MODEL.format("throughput"), "samples in a second and GPU"),
            (r"megatron-gpt/(?P<dtype>[a-z0-9]+)_train_throughput", "samples in a second"),
        ],
    ),
    *_rules(Metric.RATE, 1e6, "MKPS", [(r"kernel-launch/launch_throughput_mkps", "kernels launched in a second")]),
    *_rules(Metric.RATE, 1.0, "IOPS", [(r"disk-benchmark/.+_iops", "operations of the disk in a second")], idle=True),
    *_rules(
        Metric.RATIO,
        0.01,
        "%",
        [
            (r"gpu-stream/STREAM_(?P<op>[A-Z]+)_(?P<dtype>[a-z]+)_.+_ratio", "of the theoretical memory bandwidth"),
            (r"monitor/(?:cpu|gpu)_usage", "utilisation"),
        ],
    ),
    *_rules(
        Metric.RATIO,
        1.0,
        "",
        [
            (r"cublas-function/name_[^:]+_error", "share of the results that are wrong"),
            (r"tcp-connectivity/(?P<host>.+)_success_rate", "share of the connections that succeeded"),
            (r"gpcnet-network-load-test/[\w+-]+_x_(?P<statistic>[\w.%]+)", "slowdown by congestion"),
        ],
        zero=True,
    ),
    *_rules(Metric.POWER, 1.0, "W", [(r"monitor/gpu_power(?:_limit)?", "power of a GPU, or its limit")]),
    *_rules(Metric.TEMPERATURE, 1.0, "°C", [(r"monitor/gpu_temperature", "temperature of a GPU")]),
    *_rules(
        Metric.COUNT,
        1.0,
        "",
        [
            (r"monitor/gpu_(?:un)?corrected_ecc", "errors of the memory"),
            (r"monitor/gpu_remap_\w+", "rows or banks of the memory that were remapped"),
            (r"cpu-stream/threads", "threads"),
            (r"tcp-connectivity/(?P<host>.+)_(?:successed|failed)_count", "connections"),
            (r"disk-benchmark/.+_bs", "bytes in a block"),
            (r"gpu-hpcg/(?:local|global|process)_domain_[xyz]", "size of the domain"),
        ],
        zero=True,
    ),
    *_rules(
        Metric.COUNT,
        GB,
        "GB",
        [(r"megatron-gpt/(?P<dtype>[a-z0-9]+)_train_(?:max_)?mem_allocated", "bytes of GPU memory allocated")],
    ),
    *(
        Rule(re.compile(pattern), Metric.COUNT, 1.0, "", meaning, zero=True, good=good)
        for pattern, meaning, good in (
            (r"gpu-burn/gpu_(?P<gpu>\d+)_pass", "1 where every result of gpu-burn was right", 1.0),
            (r"gpu-burn/abort", "1 where gpu-burn stopped before it had results", 0.0),
            (r"cpu-hpl/tests_pass", "1 where High-Performance Linpack's result was right", 1.0),
            (r"cublas-function/name_[^:]+_correctness", "1 where the results were right", 1.0),
            (r"gpu-hpcg/is_valid", "1 where HPCG calls its result valid", 1.0),
        )
    ),
)


@lru_cache(65536)
def rule(name: str) -> Rule | None:
    """The one that knows ``benchmark/metric``; ``None`` where none does."""
    return next((one for one in RULES if one.pattern.fullmatch(name)), None)
