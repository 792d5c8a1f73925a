"""An MPIJob (kubeflow.org/v2beta1) of the MPI Operator: what is asked of Kubernetes for a job of benchsuite. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import UsageError
from benchsuite.launchers import script

IMPLEMENTATIONS = {"openmpi": "OpenMPI", "mpich": "MPICH", "intel": "Intel"}
"""What ``--mpi`` knows, and what the operator calls it."""
LABEL = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
"""A name that is still one (63 characters) with what the operator appends."""
DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
IMAGE = re.compile(r"[a-z0-9]([A-Za-z0-9._:/-]{0,254})(@sha256:[0-9a-f]{64})?")
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGTPE]i?)?")
RESOURCE = re.compile(r"[a-z0-9.-]+/[A-Za-z0-9._-]+")
PAIR = re.compile(r"([A-Za-z0-9./_-]{1,253})=([A-Za-z0-9._-]{0,63})")
RUNS = "/runs"
Volumes = Mapping[str, tuple[str, Mapping[str, Any]]]
"""Where each volume is mounted, and what it is."""
SHARED: Volumes = {"shm": ("/dev/shm", {"emptyDir": {"medium": "Memory"}})}  # noqa: S108
"""Shared memory for the ranks of a pod: a container has 64 MiB of it by itself."""
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Keys that some readers of YAML take for something else than a text."""


@dataclass(frozen=True, slots=True)
class Pods:
    """What ``benchsuite launch kubernetes`` asks for. words: as in ``batch.Batch``; nodes: pods, each on a node alone.

    gpus: of each pod, of the kind ``resource``; per_node: slots, 0: one a GPU, at least one. claim: the
    PersistentVolumeClaim that keeps results, empty: they end with the pod. seconds: how long the job may take.
    """

    words: tuple[str, ...]
    nodes: int
    image: str
    gpus: int = 0
    per_node: int = 0
    mpi: str = "mpich"
    name: str = "benchsuite"
    namespace: str = ""
    claim: str = ""
    cpu: str = ""
    memory: str = ""
    resource: str = "nvidia.com/gpu"
    selector: tuple[str, ...] = ()
    seconds: int = 0


def document(pods: Pods) -> dict[str, Any]:
    """The manifest as a value. Raises ``UsageError`` for a value that cannot stand in it."""
    if pods.mpi not in IMPLEMENTATIONS:
        raise UsageError(f"There is no MPI {pods.mpi!r}.", f"Choose one of {', '.join(IMPLEMENTATIONS)}.")
    if pods.nodes < 1 or pods.gpus < 0 or pods.per_node < 0 or pods.seconds < 0:
        raise UsageError("A job has at least one pod, and no negative numbers.", "For example --nodes 4 --gpus 8.")
    name = _fit("name", pods.name, LABEL)
    space = {"namespace": _fit("namespace", pods.namespace, LABEL)} if pods.namespace else {}
    # A pod that failed is replaced where what it measured is kept, and goes on with it.
    policy = {"cleanPodPolicy": "Running", "backoffLimit": 3 if pods.claim else 0}
    limit = {"activeDeadlineSeconds": pods.seconds} if pods.seconds else {}
    replicas = {"Launcher": _replica(pods, 1, _launcher(pods), {"runs": (RUNS, _kept(pods))})}
    if pods.nodes > 1:
        replicas["Worker"] = _replica(pods, pods.nodes - 1, {"command": ["/usr/sbin/sshd", "-De"]}, {})
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": name, **space},
        "spec": {
            "mpiImplementation": IMPLEMENTATIONS[pods.mpi],
            "slotsPerWorker": _slots(pods),
            "runLauncherAsWorker": True,
            "launcherCreationPolicy": "WaitForWorkersReady",
            "runPolicy": {**policy, **limit},
            "mpiReplicaSpecs": replicas,
        },
    }


def pinned(image: str) -> bool:
    """Whether the image is named by its digest, so that it is the same one tomorrow."""
    return "@sha256:" in image


def _slots(pods: Pods) -> int:
    return pods.per_node or pods.gpus or 1


def _launcher(pods: Pods) -> dict[str, Any]:
    """The first pod is host and controller in one, so that rank 0 runs where the results are written."""
    out = f"out={RUNS}/{pods.name}"
    return {"command": ["/bin/sh", "-c", f"{out}\n{script.body(('benchsuite',), pods.words)}"]}


def _replica(pods: Pods, count: int, container: Mapping[str, Any], volumes: Volumes) -> dict[str, Any]:
    """One role's pods."""
    labels = {"app.kubernetes.io/name": "benchsuite", "app.kubernetes.io/instance": pods.name}
    template = {"metadata": {"labels": labels}, "spec": _pod(pods, container, {**volumes, **SHARED}, labels)}
    return {"replicas": count, "restartPolicy": "Never", "template": template}


def _kept(pods: Pods) -> dict[str, Any]:
    """Where results lie: in the claim, or with the pod."""
    claim = {"claimName": _fit("pvc", pods.claim, DOMAIN)} if pods.claim else {}
    return {"persistentVolumeClaim": claim} if claim else {"emptyDir": {}}


def _pod(pods: Pods, container: Mapping[str, Any], volumes: Volumes, labels: Mapping[str, str]) -> dict[str, Any]:
    apart = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    return {
        **({"nodeSelector": dict(_pairs(pods.selector))} if pods.selector else {}),
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
        "containers": [
            {
                "name": "benchsuite",
                "image": _fit("image", pods.image, IMAGE),
                **container,
                **_resources(pods),
                "volumeMounts": [{"name": name, "mountPath": path} for name, (path, _) in volumes.items()],
            }
        ],
        "volumes": [{"name": name, **source} for name, (_, source) in volumes.items()],
    }


def _resources(pods: Pods) -> dict[str, Any]:
    """Requests that equal limits, so that no neighbour takes a part (the class "guaranteed")."""
    told = (("cpu", pods.cpu), ("memory", pods.memory))
    wanted = {name: _fit(name, value, QUANTITY) for name, value in told if value}
    wanted |= {_fit("resource", pods.resource, RESOURCE): str(pods.gpus)} if pods.gpus else {}
    return {"resources": {"limits": wanted, "requests": wanted}} if wanted else {}


def _pairs(selector: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in selector:
        found = PAIR.fullmatch(text)
        if not found:
            raise UsageError(f"{text[:80]!r} is not a label.", "For example --node-selector node.kubernetes.io/type=a.")
        yield found[1], found[2]


def _fit(name: str, value: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(value):
        raise UsageError(f"--{name} {value[:80]!r} cannot stand in a manifest.", "See docs/kubernetes.md.")
    return value


def yaml(value: Any) -> str:
    """A value of dictionaries, lists, texts, numbers and booleans as YAML 1.2, which holds JSON.

    Texts and keys that are not plain words are written as JSON writes them, so nothing in them can mean anything else.
    """
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _headed(f"{key if PLAIN.fullmatch(key) and key.lower() not in WORDS else _quoted(key)}:", below)
    elif isinstance(value, list) and value:
        for item in value:
            if isinstance(item, str):
                yield from _headed("-", item)
                continue
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _quoted(value) if isinstance(value, str) else json.dumps(value)


def _headed(head: str, below: Any) -> Iterator[str]:
    lines = list(_lines(below))
    if isinstance(below, Mapping | list) and below:
        yield head
        yield from (f"  {line}" for line in lines)
    elif isinstance(below, str) and _literal(below):
        yield f"{head} |"
        yield from (f"  {line}" if line else "" for line in below.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {lines[0]}"


def _quoted(text: str) -> str:
    """As JSON writes it, but for characters beyond 16 bits, which YAML does not write as two."""
    return '"' + "".join(map(_character, text)) + '"'


def _character(one: str) -> str:
    if ord(one) >= 1 << 16:
        return f"\\U{ord(one):08x}"
    return json.dumps(one)[1:-1]


def _literal(text: str) -> bool:
    """Whether a block of lines means exactly this text: one newline at its end, no space at its beginning."""
    plain = all(one.isprintable() or one == "\n" for one in text)
    return plain and "\n" in text[:-1] and text[-1] == "\n" != text[-2] and text[0] not in " \n"
