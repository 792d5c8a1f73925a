"""Which NVIDIA cards sit on the PCI bus, whether or not a driver is there: the number that the card itself answers.

A driver's name can be changed by software in between; the device number comes from the card's own configuration
space. Numbers: the PCI ID database (pci.ids of 2023-04-11) where it names the card, else from memory (marked).
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
    """A device number's meaning: the catalogue's key, the form factor, and whether it is only from memory."""

    hardware: str
    form: str
    from_memory: bool = False


DEVICES = {
    "0x20b0": Known("a100_sxm_40", "SXM4"),
    "0x20b1": Known("a100_pcie_40", "PCIe"),
    "0x20f1": Known("a100_pcie_40", "PCIe"),
    "0x20b2": Known("a100_sxm_80", "SXM4"),
    "0x20b5": Known("a100_pcie_80", "PCIe"),
    "0x2330": Known("h100_sxm_80", "SXM5"),
    "0x2331": Known("h100_pcie_80", "PCIe"),
    "0x2321": Known("h100_nvl_94", "PCIe, NVL", from_memory=True),
    "0x2335": Known("h200_sxm_141", "SXM5", from_memory=True),
    "0x233b": Known("h200_nvl_141", "PCIe, NVL", from_memory=True),
    "0x2342": Known("gh200_96", "superchip", from_memory=True),
    "0x2901": Known("b200_sxm_180", "SXM6", from_memory=True),
    "0x27b8": Known("l4", "PCIe"),
    "0x26b5": Known("l40", "PCIe"),
    "0x26b9": Known("l40s", "PCIe", from_memory=True),
    "0x2236": Known("a10", "PCIe"),
    "0x2237": Known("a10g", "PCIe"),
    "0x2235": Known("a40", "PCIe"),
    "0x2230": Known("rtx_a6000", "PCIe"),
    "0x26b1": Known("rtx_6000_ada", "PCIe"),
    "0x2bb1": Known("rtx_pro_6000_ws", "PCIe", from_memory=True),
    "0x2204": Known("rtx_3090", "PCIe"),
    "0x2684": Known("rtx_4090", "PCIe"),
    "0x2b85": Known("rtx_5090", "PCIe", from_memory=True),
    "0x1eb8": Known("t4", "PCIe"),
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
