"""Whose machine this is: cloud, instance type and region, from what the firmware says and from a metadata document.

The firmware's words are those that cloud-init (tools/ds-identify, doc/rtd/reference/datasources) and the providers'
own pages name. Nothing that identifies an account, an instance or a host is ever kept.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from benchsuite.errors import DataError

ROOT = Path("/")
AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"
"""The chassis asset tag of every virtual machine of Azure."""
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
"""What an instance type or a region may look like; anything else is not kept."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a machine stands. Empty where it is not known. ``kind``: ``on-demand`` or ``spot``.

    source: what said so: ``firmware``, ``environment``, ``metadata document`` or ``metadata address``.
    """

    provider: str = ""
    instance: str = ""
    region: str = ""
    kind: str = ""
    source: str = ""

    def over(self, other: Place) -> Place:
        """This place, with what it does not know taken from ``other``, if that is the same provider's."""
        if other.provider not in {"", self.provider} and self.provider:
            return self
        told = {one.name: getattr(self, one.name) or getattr(other, one.name) for one in fields(self)}
        return Place(**told)


@dataclass(frozen=True, slots=True)
class Firmware:
    """The texts of /sys/class/dmi/id that name no single machine."""

    sys_vendor: str = ""
    product_name: str = ""
    product_version: str = ""
    chassis_asset_tag: str = ""
    bios_vendor: str = ""

    @classmethod
    def read(cls, root: Path = ROOT) -> Firmware:
        """What this machine's firmware says; empty where it cannot be read."""
        folder = root / "sys/class/dmi/id"
        return cls(**{one.name: _text(folder / one.name) for one in fields(cls)})


def here(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> Place:
    """The place as far as firmware and environment tell it, with nobody asked."""
    inside = from_environment(environment)
    return inside if inside.provider else from_firmware(Firmware.read(root))


SIGNS = (
    ("AWS", "sys_vendor", "amazon ec2"),
    ("AWS", "bios_vendor", "amazon ec2"),
    ("AWS", "product_version", ".*amazon"),
    ("GCP", "product_name", "google compute engine"),
    ("Azure", "chassis_asset_tag", AZURE_TAG),
    ("OCI", "chassis_asset_tag", "oraclecloud.com"),
    ("Scaleway", "sys_vendor", "scaleway"),
    ("DigitalOcean", "sys_vendor", "digitalocean"),
    ("Hetzner", "sys_vendor", "hetzner"),
    ("Vultr", "sys_vendor", "vultr"),
    ("Akamai", "sys_vendor", "akamai|linode"),
    ("UpCloud", "sys_vendor", "upcloud"),
    ("CloudSigma", "sys_vendor", "cloudsigma"),
    ("Exoscale", "product_name", "exoscale"),
    ("Tencent", "sys_vendor", "tencent"),
    ("Alibaba", "sys_vendor", "alibaba"),
    ("Huawei", "sys_vendor", "huaweicloud|huawei cloud"),
    ("Nebius", "sys_vendor", "nebius"),
    ("Crusoe", "sys_vendor", "crusoe"),
    ("OpenStack", "product_name", "openstack"),
)
"""Provider, the text of the firmware that names it, and how that text begins, in lower case; the first sign counts."""


def from_firmware(said: Firmware) -> Place:
    """The place that the firmware names. AWS (Nitro) and Scaleway give the instance type as the product's name."""
    found = (name for name, told, sign in SIGNS if re.match(sign, getattr(said, told).lower()))
    provider = next(found, "")
    if provider == "AWS":
        return _place("AWS", said.product_name if "." in said.product_name else "")
    if provider == "Scaleway":
        return _place("Scaleway", said.product_name.removeprefix("SCW-"))
    return _place(provider) if provider else Place()


def from_environment(told: Mapping[str, str]) -> Place:
    """The place of a rented container, whose firmware is that of its host."""
    if "RUNPOD_POD_ID" in told:
        return _place("RunPod", region=told.get("RUNPOD_DC_ID", ""), source="environment")
    if "VAST_CONTAINERLABEL" in told:
        return _place("Vast.ai", source="environment")
    return Place()


def from_document(data: bytes) -> Place:
    """The place in an instance's metadata document (JSON) of AWS, Azure, GCP, OCI, Alibaba or Scaleway.

    AWS: the instance identity document; Azure: /metadata/instance; GCP: /computeMetadata/v1/instance/?recursive=true;
    OCI: /opc/v2/instance/; Scaleway: /conf?format=json. Raises ``DataError`` when it is none of them.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError("The metadata document is not JSON.", REMEDY) from error
    readers: tuple[Callable[[Mapping[str, Any]], Place], ...] = (_aws, _azure, _gcp, _oci, _alibaba, _scaleway)
    for reader in readers:
        found = reader(document) if isinstance(document, dict) else Place()
        if found.provider:
            return replace(found, source="metadata document")
    raise DataError("The metadata document is of no cloud that is known here.", REMEDY)


REMEDY = "Give the JSON that the cloud's metadata address answers (docs/renting.md), or --provider and --instance."


def _aws(told: Mapping[str, Any]) -> Place:
    if not {"instanceType", "region"} <= told.keys():
        return Place()
    return _place("AWS", told["instanceType"], told["region"], _kind(told.get("instanceLifeCycle")))


def _azure(told: Mapping[str, Any]) -> Place:
    compute = told.get("compute", told)
    if not isinstance(compute, dict) or "vmSize" not in compute:
        return Place()
    return _place("Azure", compute["vmSize"], compute.get("location"), _kind(compute.get("priority") or "regular"))


def _gcp(told: Mapping[str, Any]) -> Place:
    told = told.get("instance", told)
    if not isinstance(told, dict) or "machineType" not in told or "zone" not in told:
        return Place()
    plan = told.get("scheduling")
    spot = isinstance(plan, dict) and str(plan.get("preemptible", "")).upper() == "TRUE"
    zone = _last(told["zone"])
    return _place("GCP", _last(told["machineType"]), zone.rpartition("-")[0] or zone, _kind("spot" if spot else "no"))


def _oci(told: Mapping[str, Any]) -> Place:
    if "shape" not in told or "canonicalRegionName" not in told:
        return Place()
    return _place("OCI", told["shape"], told["canonicalRegionName"])


def _alibaba(told: Mapping[str, Any]) -> Place:
    if not {"instance-type", "region-id"} <= told.keys():
        return Place()
    return _place("Alibaba", told["instance-type"], told["region-id"])


def _scaleway(told: Mapping[str, Any]) -> Place:
    if "commercial_type" not in told:
        return Place()
    location = told.get("location")
    return _place("Scaleway", told["commercial_type"], told.get("zone", _zone(location)))


def _zone(location: Any) -> str:
    return str(location.get("zone_id", "")) if isinstance(location, dict) else ""


def _kind(said: Any) -> str:
    """``spot`` or ``on-demand``; nothing where nothing was said."""
    if not isinstance(said, str) or not said:
        return ""
    return "spot" if said.lower() in {"spot", "low"} else "on-demand"


def _last(path: Any) -> str:
    return str(path).rpartition("/")[2]


def _place(provider: str, instance: Any = "", region: Any = "", kind: str = "", source: str = "firmware") -> Place:
    return Place(provider, _word(instance), _word(region), kind, source)


def _word(told: Any) -> str:
    """As it is when it is a plain word, else nothing."""
    return told if isinstance(told, str) and WORD.fullmatch(told) else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
