"""What may leave a machine, in one table. A field, a fact or a text that it does not name stays, as every new one does.

``FIELDS`` names the fields of each type that leave, ``STAYS`` those that do not and why, ``FACTS`` the facts with the
form that a value must have. What programs or people wrote (failure messages, command lines, the texts of caveats) has
no form and never leaves: a code or a sentence of ours takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from benchsuite.model import Case, Offer, Quantiles, Record, Roof, Samples, Score, Spread, Status, Work
from benchsuite.reading import printable
from benchsuite.units import DTYPES, NO_BREAK_SPACE

Rule = Callable[[Any], Any]

IDENTIFYING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-"  # UUID
    r"|\b[0-9a-f]{2,8}:[0-9a-f]{2}[:.][0-9a-f]"  # PCI bus or network address
    r"|\b\d{1,3}(\.\d{1,3}){3}\b"  # IPv4
    r"|\w@\w"  # mail, or user at host
    r"|(^|[\s=:])[/~\\]|[A-Za-z]:\\|//"  # path, address of a page
    r"|\d{10}|\b[0-9a-f]{16}",  # serial number, key
    re.IGNORECASE,
)
"""What tells one machine or person from all others."""

TITLE = r"[^\W_][\w .,()@+/®™-]{0,79}"
COUNT = r"\d{1,15}"
SIZE = r"\d{1,4}(\.\d{1,4})?\s?[KMGT]?i?B"
NUMBER = r"\d{1,6}(\.\d{1,6}){0,4}"
VERSION = rf"(?P<kept>{NUMBER}((a|b|rc|\.post|\.dev)\d{{1,8}})?(\+(cpu|cu\d{{2,3}}|rocm[\d.]{{1,6}}))?)(\+.*)?"
"""Of a package's version all but a local part that somebody chose (PEP 440)."""
FAMILY = (
    r"(Haswell|SkylakeX|Cooperlake|SapphireRapids|Sandybridge|Nehalem|Penryn|Prescott|Core2|Atom|Barcelona|Bulldozer"
    r"|Piledriver|Steamroller|Excavator|[Zz]en\d?|skx|knl|haswell|NEOVERSE\w\d|CORTEXA\d\d|ARMV8\w{0,3}|A64FX|VORTEX)"
)
"""What OpenBLAS and BLIS call the processors that they have kernels for."""
CHOICE = r"(Tree|Ring|CollNetDirect|CollNetChain|NVLS|NVLSTree|PAT), (LL|LL128|Simple)"
"""Algorithm and protocol that NCCL chose."""
LIBRARY = (
    r"(NVRTC|cuBLAS|cuBLASLt|cuDNN|NCCL|CUDA|PyTorch|OpenBLAS|MKL|BLIS|numpy|scipy|MPICH|MVAPICH2?|Open MPI|mpi4py"
    rf"|Intel\(R\) MPI Library) ?v?{NUMBER}(rc\d+)?(\+(cpu|cu\d{{2,3}}))?( \({FAMILY}\)| \({CHOICE}\)| for Linux\* OS)?"
)
"""A library with its version, and the family of processors that it chose its kernels for or how it moves messages."""
WORD = re.compile(r"[A-Za-z0-9][\w.+:-]{0,59}( [\w.+-]{1,40}){0,4}|", re.ASCII)
LABEL = re.compile(r"[^\W_][\w .,()&+/×-]{0,79}|")
WORDS = r"benchsuite|scripted|threads|one process|host memory|numpy|scipy|numba|torch|mkl|mpi|driver|cublas|cublaslt"

FACTS: Mapping[str, Mapping[str, str]] = {
    "gpu": {
        "name": TITLE,
        "all names": TITLE,
        "arch": r"sm_\d{2,3}[af]?",
        "compute capability": r"\d{1,2}\.\d",
        "processors": COUNT,
        "memory": SIZE,
        "memory bytes": COUNT,
        "L2 cache": SIZE,
        "shared memory a block": SIZE,
        "count": COUNT,
        "driver": rf"({NUMBER} ?)?\(CUDA {NUMBER}\)",
        "toolkit": LIBRARY,
        "CuPy": VERSION,
        "cuts of kernels": r"(computed|measured( \d{4}-\d\d-\d\d,?){1,9} for [a-z0-9_/., ]{1,200})"
        r"(; ignored, since changed: [a-z0-9_/., ]{1,200})?",
        "PCI device": r"0x[0-9a-f]{4}(, 0x[0-9a-f]{4}){0,7}",
        "form factor": r"SXM\d?|OAM|NVL|PCIe|PCIe, NVL|superchip",
    },
    "processor": {
        "model": TITLE,
        "architecture": r"x86_64|aarch64|arm64|ppc64le|riscv64",
        "cores usable": COUNT,
        "logical processors": COUNT,
        "cache L1d": SIZE,
        "cache L2": SIZE,
        "cache L3": SIZE,
        "vector extensions": r"(avx2|avx512f|avx512_bf16|avx512_vnni|amx_bf16|sve|asimd|, ){1,14}",
        "virtual machine": r"yes",
    },
    "memory": {"usable": SIZE, "transparent huge pages": r"always|madvise|never"},
    "system": {
        "system": TITLE,
        "kernel": rf"(?P<kept>{NUMBER}).*",
        "Python": VERSION,
        "frequency governor": r"performance|powersave|userspace|ondemand|conservative|schedutil",
    },
    "packages": dict.fromkeys(
        (
            "numpy", "scipy", "numba", "llvmlite", "torch", "mkl", "mpi4py", "mpich", "openmpi", "cupy-cuda12x",
            "cupy-cuda13x",
        ),
        VERSION,
    ),
    "environment": {
        "OMP_NUM_THREADS": r"\d{1,4}",
        "MKL_NUM_THREADS": r"\d{1,4}",
        "OMP_PROC_BIND": r"(?i:true|false|master|primary|close|spread)",
    },
    "libraries": dict.fromkeys(
        (
            "python", "numpy", "scipy", "numba", "torch", "mkl", "driver", "cupy", "cublas", "cublaslt", "nccl",
            "benchsuite",
        ),
        rf"{LIBRARY}|{VERSION}|{WORDS}",
    ),
    "world": {
        "name": r"solo|threads|mpi",
        "ranks": COUNT,
        "hosts": r"\d{1,5}",
        "library": rf"{LIBRARY}|{WORDS}",
        "binding": LIBRARY,
        "thread_level": r"single|funneled|serialized|multiple",
        "transport": WORDS,
    },
    "nccl": {
        "version": LIBRARY,
        "transports": r"(P2P|SHM|NET [A-Za-z]{1,20}|, ){1,9}",
        "channels": COUNT,
        "NVLS": r"(not )?available",
        "NVLS channels": COUNT,
        "links within a host": r"[A-Z0-9]{2,5}",
        "links between hosts": r"[A-Z0-9]{2,5}",
        **dict.fromkeys(
            (
                "NCCL_ALGO", "NCCL_PROTO", "NCCL_NVLS_ENABLE", "NCCL_P2P_DISABLE", "NCCL_P2P_LEVEL", "NCCL_SHM_DISABLE",
                "NCCL_IB_DISABLE", "NCCL_NET_GDR_LEVEL", "NCCL_CROSS_NIC", "NCCL_MIN_NCHANNELS", "NCCL_MAX_NCHANNELS",
                "NCCL_NTHREADS", "NCCL_BUFFSIZE", "NCCL_CUMEM_ENABLE", "NCCL_PXN_DISABLE", "NCCL_COLLNET_ENABLE",
                "NCCL_GRAPH_FILE", "NCCL_TOPO_FILE", "NCCL_TUNER_PLUGIN",
            ),
            r"\^?((?i:Tree|Ring|CollNetDirect|CollNetChain|NVLSTree|NVLS|PAT|LL128|LL|Simple|LOC|NVL|PIX|PXB|PHB|SYS)"
            r"|given|\d{1,9}|,){1,15}",
        ),
    },
    "mpi-cuda": {"device memory": r"exchanged correctly|arrived wrong"},
}  # fmt: skip
"""Section and name of every fact that may leave, and the form of its value (of which ``kept``, where it is named)."""

CONDITIONS = frozenset(
    {
        "sm_clock", "memory_clock", "power", "power_limit", "power_limit_default", "temperature", "pcie_generation",
        "pcie_width", "gpu_utilisation", "persistence", "frequency", "load", "memory_available", "cpu_pressure",
        "memory_pressure", "throttled", "foreign_cores", "steal", "numa_misses", "throttle", "foreign_processes",
        "readings",
    }
)  # fmt: skip
"""Names of what the sensors said; all are numbers (``telemetry.join``)."""

UNKNOWN = "UNKNOWN_NOTE"
"""The code of a note that is not in the list."""
CAVEATS: Mapping[str, str] = {
    "CALL": "A part of the time that counts is the call itself.",
    "CGROUP_THROTTLED": "A CPU quota stopped the benchmark while this was measured.",
    "CLOCK_DISAGREE": "Two clocks disagree on how long it took.",
    "CLOCK_LOCKED": "The GPU's clock was locked below its maximum.",
    "CONTENDED": "Other processes used the processor or the GPU while this was measured.",
    "GPU_SHARED": "Another process used the GPU when the run began.",
    "GPU_TELEMETRY_MISSING": "The GPU's sensors could not be read.",
    "HOST_STEAL": "The hypervisor took processor time away while this was measured.",
    "HW_SLOWDOWN": "The GPU's hardware lowered its clock: heat, or trouble with its power.",
    "IMPRECISE": "It is less precise than the suite asks for.",
    "LINK_NARROW": "The GPU's PCIe link was narrower or slower than it can be.",
    "MIG_SLICE": "This is a slice of a GPU: its neighbours share memory and power.",
    "MIXED_GPUS": "The GPUs of this machine differ.",
    "NVLS": "The NVLink switches added: bus bandwidth may exceed what a link carries.",
    "NOT_STEADY": "The times had not become steady.",
    "ONE_GPU_SENSED": "Only one GPU's sensors were read.",
    "OVERSUBSCRIBED": "There were more ranks than cores: times include waiting for one.",
    "POWER_CAP": "The power limit held the GPU's clock down.",
    "POWER_LIMIT_LOWERED": "The GPU's power limit was set below its default.",
    "RANKS_APART": "The ranks did not begin together.",
    "RESTORED": "The time includes putting back the message that the operation overwrites.",
    "STRAGGLER": "The other ranks wait for one that is slower.",
    "TELEMETRY_MISSING": "How busy others were is not known.",
    "THERMAL": "The GPU lowered its clock because of heat.",
    UNKNOWN: "Something was noted that this benchsuite does not know.",
}
"""Every code of a caveat, and what it says in public."""

REASONS = {
    Status.REJECTED: "The result was wrong.",
    Status.FAILED: "It could not be measured.",
    Status.SKIPPED: "It cannot run on this machine.",
}
"""What is said in public of a result without a number."""


def whole(value: Any) -> Any:
    """A number, a member of an enumeration, or a value of a type that has its own row in ``FIELDS``."""
    if is_dataclass(value) and not isinstance(value, type):
        return cut(value)
    if isinstance(value, tuple):
        return tuple(whole(item) for item in value)
    if value is None or isinstance(value, bool | int | float | Enum):
        return value
    raise TypeError(f"{type(value).__name__} has no rule here")


@lru_cache(4096)
def word(text: str) -> str:
    """A name that our code gave: nothing that could hold a sentence, a path or an address; else nothing."""
    return text if WORD.fullmatch(text) and not identifies(text) else ""


def parameters(values: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """Names and values of a case's parameters."""
    return tuple((word(name), word(value) if isinstance(value, str) else whole(value)) for name, value in values)


@lru_cache(256)
def library(text: str) -> str:
    """A library's name and version as ``LIBRARY`` says, or a version alone; else nothing."""
    if re.fullmatch(rf"{LIBRARY}|{WORDS}", text):
        return text
    found = re.fullmatch(VERSION, text)
    return found["kept"] if found else ""


def conditions(values: Mapping[str, float]) -> dict[str, float]:
    """Those that are named in ``CONDITIONS``."""
    return {name: value for name, value in values.items() if name in CONDITIONS}


def rates(values: Mapping[str, float]) -> dict[str, float]:
    """Ceilings by element type."""
    return {name: value for name, value in values.items() if name in DTYPES}


def codes(values: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Annotations whose code is in ``CAVEATS``."""
    return {code: numbers for code, numbers in values.items() if code in CAVEATS}


def label(text: str) -> str:
    """A name that a person or a cloud's firmware gave: of a provider, an instance type, a region; else nothing."""
    return text if LABEL.fullmatch(text) and not identifies(text) else ""


def typed(text: str) -> str:
    """A text that a person gave to be published, such as where a price stands: on one line, and not long."""
    return printable(text)[:200]


FIELDS: Mapping[type, Mapping[str, Rule]] = {
    Score: {
        "case": whole, "implementation": word, "provider": library, "metric": whole, "status": whole, "work": whole,
        "runs": whole, "value": whole, "low": whole, "high": whole, "interval": word, "run_values": whole,
        "ceiling": whole, "of_ceiling": whole, "ceiling_name": word, "of_datasheet": whole, "of_clock": whole,
        "conditions": conditions, "best": whole, "spread": whole, "backend": word, "cache": word, "sync": word,
        "joules": whole, "samples": whole,
    },
    Case: {"benchmark": word, "params": parameters, "ranks": whole},
    Work: dict.fromkeys(("flops", "read", "written", "payload", "wire", "steps"), whole),
    Spread: dict.fromkeys(("between", "within", "samples", "cost"), whole),
    Quantiles: dict.fromkeys(("n", "minimum", "p5", "median", "p95", "maximum"), whole),
    Roof: {"flops": rates, "bandwidth": whole},
    Offer: {
        "provider": label, "instance": label, "region": label, "devices": whole, "usd_per_hour": whole, "kind": label,
        "as_of": label, "source": typed,
    },
    Record: {"case": whole, "implementation": word, "run": whole, "samples": whole},
    Samples: {"seconds": whole, "iterations": whole, "starts": whole, "steady_from": whole, "annotations": codes},
}  # fmt: skip
"""Type and name of every field that leaves, and through what. Of ``Record`` and ``Samples``: into the samples' file."""

STAYS: Mapping[type, Mapping[str, str]] = {
    Score: {
        "reason": "a program wrote it; a sentence of ours by its status takes its place",
        "caveats": "their texts were written by programs; their codes leave",
        "unreportable": "it is concluded again from what leaves",
        "source": "a place on this machine",
        "meaning": "only what another tool measured has one",
    },
    Case: {}, Work: {}, Spread: {}, Quantiles: {}, Roof: {}, Offer: {},
    Record: {
        "campaign": "the publication names it", "position": "nobody needs it", "provider": "the result has it",
        "backend": "the result has it", "metric": "the result has it", "status": "only verified ones have samples",
        "work": "the result has it", "started": "the publication tells when", "summary": "it follows from the samples",
        "reason": "a program wrote it", "caveats": "their texts were written by programs",
    },
    Samples: {
        "warmup": "not part of any result", "warmup_starts": "not part of any result",
        "by_rank": "the slowest rank's are there", "rank_starts": "the slowest rank's are there",
        "setup_seconds": "not part of any result", "sets": "the result tells hot or cold",
        "sync": "the result has it", "sync_error": "the result tells how the ranks began",
        "max_error": "verified means within the tolerance", "caveats": "their texts were written by programs",
        "conditions": "the result has their medians", "energy": "the result has it",
        "beside": "the codes of the caveats tell where it counts",
    },
}  # fmt: skip
"""Type and name of every field that stays, and why."""


def kept(value: Any) -> dict[str, Any]:
    """The fields that leave, by name."""
    return {name: rule(getattr(value, name)) for name, rule in FIELDS[type(value)].items()}


def cut(value: Any) -> Any:
    """The value with the fields that leave; all others have their defaults."""
    return type(value)(**kept(value))


def identifies(text: str) -> bool:
    """Whether a text holds what tells one machine or person from all others, by its form."""
    return bool(IDENTIFYING.search(text))


def fact(section: str, name: str, value: str) -> str:
    """What of a fact leaves; nothing, when it is not named in ``FACTS`` or does not have the form."""
    form = FACTS.get(section, {}).get(name)
    found = re.fullmatch(form, value, re.DOTALL) if form else None
    if not found:
        return ""
    part = (found.groupdict().get("kept") or value).replace(NO_BREAK_SPACE, " ")
    return "" if form == TITLE and identifies(part) else part


def facts(found: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The facts that leave."""
    sections = {
        section: {name: part for name, value in values.items() if (part := fact(section, name, value))}
        for section, values in found.items()
    }
    return {section: values for section, values in sections.items() if values}
