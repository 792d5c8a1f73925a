"""Which NVIDIA cards sit on the PCI bus, whether or not a driver is there: the number that the card itself answers.

A driver's name can be changed by software in between; the device number comes from the card's own configuration
space. Numbers: the names that NVIDIA's driver gives them (the table in open-gpu-kernel-modules 595.45.04), older cards
and those that share a name by the PCI ID database (pci.ids of 2026-08-22). A number that cards of different memory
share is left out (0x2d04, RTX 5060 Ti; 0x2bb3, RTX PRO 5000).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
NVIDIA = "0x10de"
DISPLAY = "0x03"
"""The class of display and 3D controllers; bridges, audio and NVSwitches have others."""


@dataclass(frozen=True, slots=True)
class Known:
    """A device number's meaning: the catalogue's key, and the form factor."""

    hardware: str
    form: str


DEVICES = {
    "0x20b0": Known("a100_sxm_40", "SXM4"),
    "0x20b1": Known("a100_pcie_40", "PCIe"),
    "0x20f1": Known("a100_pcie_40", "PCIe"),
    "0x20b2": Known("a100_sxm_80", "SXM4"),
    "0x20b5": Known("a100_pcie_80", "PCIe"),
    "0x20f3": Known("a800_sxm_80", "SXM4"),
    "0x20f5": Known("a800_pcie_80", "PCIe"),
    "0x2330": Known("h100_sxm_80", "SXM5"),
    "0x2331": Known("h100_pcie_80", "PCIe"),
    "0x2321": Known("h100_nvl_94", "PCIe, NVL"),
    "0x2324": Known("h800", "SXM5"),
    "0x2322": Known("h800_pcie_80", "PCIe"),
    "0x2329": Known("h20_sxm_96", "SXM5"),
    "0x232c": Known("h20_sxm_141", "SXM5"),
    "0x2335": Known("h200_sxm_141", "SXM5"),
    "0x233b": Known("h200_nvl_141", "PCIe, NVL"),
    "0x2342": Known("gh200_96", "superchip"),
    "0x2348": Known("gh200_144", "superchip"),
    "0x2901": Known("b200_sxm_180", "SXM6"),
    "0x2941": Known("gb200", "superchip"),
    "0x3182": Known("b300_sxm_270", "SXM6"),
    "0x31c2": Known("gb300", "superchip"),
    "0x27b8": Known("l4", "PCIe"),
    "0x26ba": Known("l20", "PCIe"),
    "0x26b5": Known("l40", "PCIe"),
    "0x26b9": Known("l40s", "PCIe"),
    "0x2236": Known("a10", "PCIe"),
    "0x2237": Known("a10g", "PCIe"),
    "0x2235": Known("a40", "PCIe"),
    "0x24b0": Known("rtx_a4000", "PCIe"),
    "0x2231": Known("rtx_a5000", "PCIe"),
    "0x2230": Known("rtx_a6000", "PCIe"),
    "0x26b2": Known("rtx_5000_ada", "PCIe"),
    "0x26b1": Known("rtx_6000_ada", "PCIe"),
    "0x2c34": Known("rtx_pro_4000", "PCIe"),
    "0x2c31": Known("rtx_pro_4500", "PCIe"),
    "0x2bb1": Known("rtx_pro_6000_ws", "PCIe"),
    "0x2bb5": Known("rtx_pro_6000_se", "PCIe"),
    "0x24c7": Known("rtx_3060_8", "PCIe"),
    "0x2487": Known("rtx_3060_12", "PCIe"),
    "0x2503": Known("rtx_3060_12", "PCIe"),
    "0x2504": Known("rtx_3060_12", "PCIe"),
    "0x2414": Known("rtx_3060_ti", "PCIe"),
    "0x2486": Known("rtx_3060_ti", "PCIe"),
    "0x2489": Known("rtx_3060_ti", "PCIe"),
    "0x24c9": Known("rtx_3060_ti_gddr6x", "PCIe"),
    "0x2484": Known("rtx_3070", "PCIe"),
    "0x2488": Known("rtx_3070", "PCIe"),
    "0x2207": Known("rtx_3070_ti", "PCIe"),
    "0x2482": Known("rtx_3070_ti", "PCIe"),
    "0x2206": Known("rtx_3080_10", "PCIe"),
    "0x2216": Known("rtx_3080_10", "PCIe"),
    "0x220a": Known("rtx_3080_12", "PCIe"),
    "0x2208": Known("rtx_3080_ti", "PCIe"),
    "0x2204": Known("rtx_3090", "PCIe"),
    "0x2203": Known("rtx_3090_ti", "PCIe"),
    "0x2808": Known("rtx_4060", "PCIe"),
    "0x2882": Known("rtx_4060", "PCIe"),
    "0x2803": Known("rtx_4060_ti_8", "PCIe"),
    "0x2805": Known("rtx_4060_ti_16", "PCIe"),
    "0x2709": Known("rtx_4070", "PCIe"),
    "0x2786": Known("rtx_4070", "PCIe"),
    "0x2783": Known("rtx_4070_super", "PCIe"),
    "0x2782": Known("rtx_4070_ti", "PCIe"),
    "0x2689": Known("rtx_4070_ti_super", "PCIe"),
    "0x2705": Known("rtx_4070_ti_super", "PCIe"),
    "0x2704": Known("rtx_4080", "PCIe"),
    "0x2702": Known("rtx_4080_super", "PCIe"),
    "0x2684": Known("rtx_4090", "PCIe"),
    "0x2d05": Known("rtx_5060", "PCIe"),
    "0x2f04": Known("rtx_5070", "PCIe"),
    "0x2c05": Known("rtx_5070_ti", "PCIe"),
    "0x2c02": Known("rtx_5080", "PCIe"),
    "0x2b85": Known("rtx_5090", "PCIe"),
    "0x1eb8": Known("t4", "PCIe"),
    "0x1db1": Known("v100_sxm2", "SXM2"),
    "0x1db5": Known("v100_sxm2", "SXM2"),
    "0x1db4": Known("v100_pcie", "PCIe"),
    "0x1db6": Known("v100_pcie", "PCIe"),
}


@dataclass(frozen=True, slots=True)
class Card:
    """A card on the bus. ``known`` is ``None`` for a number that is not in the table."""

    device: str
    known: Known | None


def cards(root: Path = ROOT) -> list[Card]:
    """Every NVIDIA display controller, in the order of the bus."""
    found = []
    for folder in sorted((root / "sys/bus/pci/devices").glob("*")):
        vendor, device, kind = (_text(folder / name) for name in ("vendor", "device", "class"))
        if vendor == NVIDIA and kind.startswith(DISPLAY):
            found.append(Card(device, DEVICES.get(device)))
    return found


def facts(root: Path = ROOT) -> dict[str, str]:
    """What a campaign keeps of it: the device numbers, and the form factor where all cards have one."""
    found = cards(root)
    numbers = sorted({card.device for card in found})
    forms = {card.known.form if card.known else "" for card in found}
    told = {"PCI device": ", ".join(numbers), "form factor": forms.pop() if len(forms) == 1 else ""}
    return {name: text for name, text in told.items() if text}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip().lower()
    except OSError:
        return ""
