"""The titles of the OSU micro-benchmarks, and the program that each is printed by."""

from __future__ import annotations

import re

from benchsuite.model import Scalar

COLLECTIVES = {
    "allgather": "allgather",
    "allgatherv": "allgatherv",
    "allreduce": "allreduce",
    "all-to-all personalized exchange": "alltoall",
    "all-to-allv personalized exchange": "alltoallv",
    "all-to-allw personalized exchange": "alltoallw",
    "barrier": "barrier",
    "broadcast": "bcast",
    "gather": "gather",
    "gatherv": "gatherv",
    "reduce": "reduce",
    "reduce_scatter": "reduce_scatter",
    "reduce_scatter_block": "reduce_scatter_block",
    "scatter": "scatter",
    "scatterv": "scatterv",
}
OTHERS = {
    "latency": "latency",
    "bandwidth": "bw",
    "bi-directional bandwidth": "bibw",
    "multiple bandwidth / message rate": "mbw_mr",
    "multi latency": "multi_lat",
    "multi-threaded latency": "latency_mt",
    "multi-process latency": "latency_mp",
    "persistent latency": "persistent_latency",
    "persistent bandwidth": "persistent_bw",
    "persistent bi-directional bandwidth": "persistent_bibw",
    "init": "init",
}
ONE_SIDED = {
    "get": "get",
    "put": "put",
    "accumulate": "acc",
    "get_accumulate": "get_acc",
    "fetch_and_op": "fop",
    "compare_and_swap": "cas",
}
KINDS = {"latency": "latency", "bandwidth": "bw", "bi-directional bandwidth": "bibw"}
LIBRARY = re.compile(r"(MPI_|MPI|NCCL|RCCL|XCCL|OpenSHMEM|UPC\+\+|UPCXX|UPC)(-[A-Z]{2,10}(?: MANAGED)?)? ?(.*)")


def called(title: str) -> tuple[str, dict[str, Scalar]]:
    """The program's name without ``osu_``, and the library and accelerator of the title.

    >>> called("MPI-CUDA Non-blocking Allreduce Latency Test")
    ('iallreduce', {'accelerator': 'CUDA'})
    """
    found = LIBRARY.match(title)
    params: dict[str, Scalar] = {}
    if found and found[1] not in {"MPI", "MPI_"}:
        params["library"] = found[1]
    if found and found[2]:
        params["accelerator"] = found[2][1:]
    words = (found[3] if found else title).lower()
    words = re.sub(r"\s*test\b.*", "", words).strip()
    if found and found[1] == "MPI_":
        return _one_sided(words), params
    return _plain(words), params


def _one_sided(words: str) -> str:
    operation, _, kind = words.partition(" ")
    if operation in ONE_SIDED and kind in KINDS:
        return f"{ONE_SIDED[operation]}_{KINDS[kind]}"
    return "init" if words == "init" else _slug(words)


def _plain(words: str) -> str:
    if words in OTHERS:
        return OTHERS[words]
    prefix, persistent = "", ""
    bare = words.removesuffix(" latency")
    if bare.startswith(("non-blocking ", "nonblocking ")):
        prefix, bare = "i", bare.partition(" ")[2]
    if bare.startswith("persistent "):
        persistent, bare = "_persistent", bare.partition(" ")[2]
    neighbour = bare.startswith("neighborhood ")
    bare = bare.removeprefix("neighborhood ")
    if bare in COLLECTIVES:
        return f"{prefix}{'neighbor_' if neighbour else ''}{COLLECTIVES[bare]}{persistent}"
    return _slug(words)


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", words)[:60].strip("_") or "unnamed"
