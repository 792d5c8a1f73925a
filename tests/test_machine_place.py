"""Where a machine stands: firmware, environment, metadata documents, the metadata address; nothing private is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from benchsuite.errors import DataError, UnavailableError
from benchsuite.machine import metadata, pci, place
from benchsuite.machine.place import Firmware, Place

AWS = {
    "accountId": "123456789012",
    "instanceId": "i-0123456789abcdef0",
    "privateIp": "10.0.0.7",
    "instanceType": "p5.48xlarge",
    "region": "us-east-1",
    "availabilityZone": "us-east-1a",
}
AZURE = {
    "compute": {
        "vmSize": "Standard_ND96isr_H100_v5",
        "location": "eastus",
        "priority": "Spot",
        "subscriptionId": "8d10da13-8125-4ba9-a717-bf7490507b3d",
        "name": "secret-name",
    }
}
GCP = {
    "machineType": "projects/42/machineTypes/a3-highgpu-8g",
    "zone": "projects/42/zones/us-central1-a",
    "scheduling": {"preemptible": "FALSE"},
    "hostname": "secret.internal",
}
OCI = {"shape": "BM.GPU.H100.8", "canonicalRegionName": "us-ashburn-1", "id": "ocid1.instance.oc1.secret"}
ALIBABA = {"instance-type": "ecs.gn7e-c16g1.4xlarge", "region-id": "cn-hangzhou", "owner-account-id": "42"}
SCALEWAY = {"commercial_type": "H100-1-80G", "location": {"zone_id": "fr-par-2", "node_id": "secret"}}
DOCUMENTS = {
    "AWS": (AWS, Place("AWS", "p5.48xlarge", "us-east-1", "", "metadata document")),
    "Azure": (AZURE, Place("Azure", "Standard_ND96isr_H100_v5", "eastus", "spot", "metadata document")),
    "GCP": (GCP, Place("GCP", "a3-highgpu-8g", "us-central1", "on-demand", "metadata document")),
    "OCI": (OCI, Place("OCI", "BM.GPU.H100.8", "us-ashburn-1", "", "metadata document")),
    "Alibaba": (ALIBABA, Place("Alibaba", "ecs.gn7e-c16g1.4xlarge", "cn-hangzhou", "", "metadata document")),
    "Scaleway": (SCALEWAY, Place("Scaleway", "H100-1-80G", "fr-par-2", "", "metadata document")),
}


@pytest.mark.parametrize("cloud", DOCUMENTS)
def test_a_metadata_document_tells_type_and_region_and_nothing_else(cloud: str) -> None:
    document, expected = DOCUMENTS[cloud]
    found = place.from_document(json.dumps(document).encode())
    assert found == expected
    assert "secret" not in str(found)
    assert "123456789012" not in str(found)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"compute": 3}', b'"x"', b"[" * 99999, b'{"region": "x"}'])
def test_a_document_of_no_cloud_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(DataError, match="metadata document"):
        place.from_document(data)


def test_what_is_no_plain_word_is_not_kept() -> None:
    document = {**AWS, "instanceType": "<script>", "region": "us-east-1\u202e"}
    assert place.from_document(json.dumps(document).encode()) == Place("AWS", source="metadata document")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Firmware("Amazon EC2", "p5.48xlarge"), Place("AWS", "p5.48xlarge", source="firmware")),
        (Firmware("Xen", "HVM domU", "4.11.amazon"), Place("AWS", source="firmware")),
        (Firmware("Google", "Google Compute Engine"), Place("GCP", source="firmware")),
        (
            Firmware("Microsoft Corporation", "Virtual Machine", chassis_asset_tag=place.AZURE_TAG),
            Place("Azure", source="firmware"),
        ),
        (Firmware("Microsoft Corporation", "Virtual Machine"), Place()),
        (Firmware("QEMU", chassis_asset_tag="OracleCloud.com"), Place("OCI", source="firmware")),
        (Firmware("Scaleway", "SCW-H100-1-80G"), Place("Scaleway", "H100-1-80G", source="firmware")),
        (Firmware("Akamai", "Compute Instance"), Place("Akamai", source="firmware")),
        (Firmware("OpenStack Foundation", "OpenStack Nova"), Place("OpenStack", source="firmware")),
        (Firmware("Dell Inc.", "PowerEdge XE9680"), Place()),
        (Firmware(), Place()),
    ],
)
def test_firmware_names_its_cloud(said: Firmware, expected: Place) -> None:
    assert place.from_firmware(said) == expected


def test_firmware_is_read_from_sys_and_a_container_s_environment_wins(tmp_path: Path) -> None:
    folder = tmp_path / "sys/class/dmi/id"
    folder.mkdir(parents=True)
    (folder / "sys_vendor").write_text("Amazon EC2\n")
    (folder / "product_name").write_text("g6.xlarge\n")
    assert place.here(tmp_path, {}) == Place("AWS", "g6.xlarge", source="firmware")
    inside = {"RUNPOD_POD_ID": "secret", "RUNPOD_DC_ID": "EU-RO-1"}
    assert place.here(tmp_path, inside) == Place("RunPod", "", "EU-RO-1", source="environment")
    assert place.here(tmp_path, {"VAST_CONTAINERLABEL": "C.1"}).provider == "Vast.ai"
    assert place.here(tmp_path / "nothing", {}) == Place()


def test_one_place_over_another_fills_what_it_does_not_know_but_mixes_no_providers() -> None:
    known = Place("AWS", "p5.48xlarge", source="firmware")
    asked = Place("AWS", "", "us-east-1", "spot", "metadata document")
    assert asked.over(known) == Place("AWS", "p5.48xlarge", "us-east-1", "spot", "metadata document")
    assert Place("GCP", source="the user").over(known) == Place("GCP", source="the user")
    assert Place().over(known) == known


class Cloud(BaseHTTPRequestHandler):
    """A metadata address of AWS (token first) and GCP."""

    asked: ClassVar[list[str]] = []

    def do_PUT(self) -> None:
        self.asked.append(f"PUT {self.path}")
        self._say(b"a-token" if self.headers.get("X-aws-ec2-metadata-token-ttl-seconds") else None)

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path}")
        aws = self.path == metadata.DOORS["AWS"].path and self.headers.get(metadata.TOKEN_HEADER) == "a-token"
        gcp = self.path == metadata.DOORS["GCP"].path and self.headers.get("Metadata-Flavor") == "Google"
        self._say(json.dumps(AWS if aws else GCP).encode() if aws or (gcp and "noaws" in self.asked) else None)

    def _say(self, body: bytes | None) -> None:
        self.send_response(200 if body is not None else 404)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_the_metadata_address_is_asked_with_a_token_and_only_the_known_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HTTPServer(("127.0.0.1", 0), Cloud)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(metadata, "ADDRESS", "127.0.0.1")
    monkeypatch.setattr(metadata, "PORT", server.server_port)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    try:
        Cloud.asked = []
        found = metadata.ask(Place("AWS", source="firmware"))
        assert found == Place("AWS", "p5.48xlarge", "us-east-1", "", "metadata address")
        assert Cloud.asked == [f"PUT {metadata.TOKEN_PATH}", f"GET {metadata.DOORS['AWS'].path}"]
        with pytest.raises(UnavailableError, match="No cloud answers"):
            metadata.ask(Place("GCP"))
        Cloud.asked = ["noaws"]
        assert metadata.ask(Place("GCP")).instance == "a3-highgpu-8g"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_unknown_machine_asks_every_door_and_a_silent_address_is_an_error() -> None:
    asked: list[str] = []

    def fetch(method: str, path: str, headers: Mapping[str, str]) -> bytes | None:
        asked.append(path)
        return json.dumps(OCI).encode() if path == "/opc/v2/instance/" else None

    assert metadata.ask(Place(), fetch).provider == "OCI"
    assert {door.path for name, door in metadata.DOORS.items() if name != "Scaleway"} <= set(asked)
    with pytest.raises(UnavailableError, match="--provider"):
        metadata.ask(Place(), lambda method, path, headers: b"not json")


def plant(root: Path, slot: str, vendor: str, device: str, kind: str) -> None:
    folder = root / "sys/bus/pci/devices" / slot
    folder.mkdir(parents=True)
    for name, text in {"vendor": vendor, "device": device, "class": kind}.items():
        (folder / name).write_text(text + "\n")


def test_cards_on_the_bus_are_found_without_a_driver(tmp_path: Path) -> None:
    plant(tmp_path, "0000:19:00.0", "0x10de", "0x2330", "0x030200")
    plant(tmp_path, "0000:3b:00.0", "0x10DE", "0x2330", "0x030200")
    plant(tmp_path, "0000:05:00.0", "0x10de", "0x22a3", "0x068000")  # an NVSwitch
    plant(tmp_path, "0000:01:00.0", "0x1a03", "0x2000", "0x030000")  # the server's own display
    found = pci.cards(tmp_path)
    assert [card.known and card.known.hardware for card in found] == ["h100_sxm_80", "h100_sxm_80"]
    assert pci.facts(tmp_path) == {"PCI device": "0x2330", "form factor": "SXM5"}
    plant(tmp_path, "0000:4b:00.0", "0x10de", "0x2331", "0x030200")
    assert pci.facts(tmp_path) == {"PCI device": "0x2330, 0x2331"}
    assert pci.facts(tmp_path / "nothing") == {}


def test_every_number_of_the_table_is_a_card_of_the_catalogue() -> None:
    from benchsuite.catalog import gpus

    assert {known.hardware for known in pci.DEVICES.values()} <= set(gpus.gpus())


@pytest.mark.parametrize("number", pci.DEVICES)
def test_the_form_factor_of_a_number_is_its_card_s(number: str) -> None:
    from benchsuite.catalog import Form, gpus

    known = pci.DEVICES[number]
    slot = {Form.SXM: "SXM", Form.SUPERCHIP: "superchip", Form.NVL: "PCIe, NVL"}
    assert known.form.startswith(slot.get(gpus.gpus()[known.hardware].form, "PCIe"))


def test_numbers_tell_apart_cards_that_the_driver_calls_the_same() -> None:
    told = {pci.DEVICES[number].hardware for number in ("0x2486", "0x24c9", "0x2206", "0x220a", "0x2803", "0x2805")}
    assert len(told) == 6
    assert not {"0x2d04", "0x2bb3"} & set(pci.DEVICES)
