"""The MPIJob: validated against the operator's own schema and Kubernetes', and as YAML exactly the value it is."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.errors import UsageError
from benchsuite.launchers.manifest import Pods, document, pinned, yaml

CRD = Path(__file__).parents[1] / "../shared/data/schemas/kubeflow.org_mpijobs.crd.yaml"
DIGEST = "registry.example/bench/suite:1@sha256:" + "0" * 64
PLAIN = Pods(("run", "collectives"), 1, DIGEST)
FULL = Pods(
    ("scan", "--rounds", "30"),
    16,
    DIGEST,
    gpus=8,
    mpi="openmpi",
    name="acceptance",
    namespace="bench",
    claim="results",
    cpu="96",
    memory="512Gi",
    selector=("node.kubernetes.io/instance-type=p5.48xlarge",),
    seconds=7200,
)


@pytest.fixture(scope="module")
def schema() -> Any:
    """The operator's schema, with every field refused that it does not name."""
    reader = pytest.importorskip("yaml")
    if not CRD.exists():
        pytest.skip("the operator's schema is not here")
    with CRD.open() as stream:
        found = reader.load(stream, Loader=getattr(reader, "CSafeLoader", reader.SafeLoader))
    versions = {one["name"]: one["schema"]["openAPIV3Schema"] for one in found["spec"]["versions"]}
    return _strict(versions["v2beta1"], top=True)


def _strict(schema: dict[str, Any], *, top: bool = False) -> dict[str, Any]:
    made = copy.deepcopy(schema)
    for below in _objects(made):
        if "properties" in below and "additionalProperties" not in below:
            below["additionalProperties"] = False
    if top:
        made["properties"]["metadata"] = {"type": "object"}  # the API server's own
    return made


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for below in schema.values():
            yield from _objects(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _objects(below)


@pytest.mark.parametrize("pods", [PLAIN, FULL, replace(FULL, mpi="intel", gpus=0, per_node=2, claim="")])
def test_the_operator_s_schema_takes_it(schema: Any, pods: Pods) -> None:
    import jsonschema

    jsonschema.Draft7Validator(schema).validate(document(pods))


@pytest.mark.parametrize(
    "path",
    [
        ("spec", "slotPerWorker"),
        ("spec", "runPolicy", "backoffLimits"),
        ("spec", "mpiReplicaSpecs", "Launcher", "template", "spec", "container"),
    ],
)
def test_the_schema_sees_a_misspelt_field(schema: Any, path: tuple[str, ...]) -> None:
    import jsonschema

    wrong = document(FULL)
    place = wrong
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(wrong)


@pytest.mark.parametrize("pods", [PLAIN, FULL])
def test_kubernetes_takes_its_pods(pods: Pods) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        validator = pytest.importorskip("kubernetes_validate")
    for replica in document(pods)["spec"]["mpiReplicaSpecs"].values():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": replica["template"]["spec"]}
        validator.validate(pod, "1.30", strict=True)
        pod["spec"] = {**pod["spec"], "volume": []}
        with pytest.raises(validator.ValidationError):
            validator.validate(pod, "1.30", strict=True)


def test_the_first_pod_is_controller_and_rank_0() -> None:
    spec = document(FULL)["spec"]
    assert spec["runLauncherAsWorker"] is True
    assert spec["slotsPerWorker"] == 8
    assert spec["mpiImplementation"] == "OpenMPI"
    assert spec["runPolicy"]["activeDeadlineSeconds"] == 7200
    launcher, worker = spec["mpiReplicaSpecs"]["Launcher"], spec["mpiReplicaSpecs"]["Worker"]
    assert (launcher["replicas"], worker["replicas"]) == (1, 15)
    first = launcher["template"]["spec"]["containers"][0]
    assert first["command"][:2] == ["/bin/sh", "-c"]
    assert "follow benchsuite scan --rounds 30 --out" in first["command"][2]
    assert first["resources"]["limits"] == first["resources"]["requests"]
    assert first["resources"]["limits"] == {"cpu": "96", "memory": "512Gi", "nvidia.com/gpu": "8"}


def test_only_the_first_pod_has_the_results_and_they_stay_where_a_claim_keeps_them() -> None:
    def sources(pods: Pods, role: str) -> dict[str, Any]:
        volumes = document(pods)["spec"]["mpiReplicaSpecs"][role]["template"]["spec"]["volumes"]
        return {volume["name"]: volume for volume in volumes}

    assert sources(FULL, "Launcher")["runs"]["persistentVolumeClaim"] == {"claimName": "results"}
    assert "runs" not in sources(FULL, "Worker")
    assert sources(PLAIN, "Launcher")["runs"]["emptyDir"] == {}
    assert (
        document(FULL)["spec"]["runPolicy"]["backoffLimit"] > document(PLAIN)["spec"]["runPolicy"]["backoffLimit"] == 0
    )


def test_one_pod_alone_has_no_workers() -> None:
    assert list(document(PLAIN)["spec"]["mpiReplicaSpecs"]) == ["Launcher"]
    assert document(PLAIN)["spec"]["slotsPerWorker"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": "a b"},
        {"image": "$(id)"},
        {"image": "x@sha256:12"},
        {"name": "Upper"},
        {"name": "a" * 60},
        {"namespace": "a_b"},
        {"claim": "../x"},
        {"cpu": "many"},
        {"memory": "1 GiB"},
        {"resource": "gpu", "gpus": 1},
        {"selector": ("a",)},
        {"selector": ("a=b c",)},
        {"mpi": "lam"},
        {"nodes": 0},
        {"seconds": -1},
    ],
)
def test_what_cannot_stand_in_it_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        document(replace(FULL, **wrong))
    assert refused.value.remedy


def test_an_image_with_its_digest_is_pinned() -> None:
    assert pinned(DIGEST)
    assert not pinned("registry.example/bench/suite:1")


SCALARS = st.one_of(st.text(max_size=30), st.integers(-(10**9), 10**9), st.booleans())
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=12), below, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=12), VALUES, max_size=5))
@settings(max_examples=150, deadline=None)
def test_the_text_means_exactly_the_value(value: dict[str, Any]) -> None:
    reader = pytest.importorskip("yaml")
    assert reader.safe_load(yaml(value)) == value


@pytest.mark.parametrize(
    "text", ["a\nb\n", " a\nb\n", "a\n\n", "\na\n", "a\n  b\n", "a: b\n- c\n", "#a\nb\n", "a\tb\nc\n", "|\n>\n"]
)
def test_texts_of_several_lines(text: str) -> None:
    reader = pytest.importorskip("yaml")
    value = {"a": {"b": [text, {"c": text}, [text]]}, "d": text}
    assert reader.safe_load(yaml(value)) == value


def test_a_person_can_read_it() -> None:
    made = yaml(document(FULL))
    assert "\n  runLauncherAsWorker: true\n" in made
    assert "\n                - |\n                  out=/runs/acceptance\n" in made
    assert json.dumps(DIGEST) in made
