"""What NCCL writes when it is asked to: how it is connected, and which algorithm and protocol it chose.

NCCL tells neither through a call, only through its log (``NCCL_DEBUG``), line by line:

- ``Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM``: over what two ranks talk,
- ``16 coll channels, 16 collnet channels, 0 nvls channels, …``: over how many channels at once,
- ``NVLS multicast support is available on dev 0``: whether the NVLink switches can add,
- ``Pattern 4, crossNic 0, nChannels 16, bw 20.0/20.0, type NVL/PIX, …``: links within and between hosts,
- ``AllReduce: 1048576 Bytes -> Algo Ring proto LL128 …``, in numbers until 2.21: what was chosen for a message.

The log is on while a communicator is made and while a collective is called for the first time; while something is
timed only warnings are written, since NCCL would write a line for every call. A log that the user asked for is left as
it is.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

LEVEL, SUBSYSTEMS, FILE = "NCCL_DEBUG", "NCCL_DEBUG_SUBSYS", "NCCL_DEBUG_FILE"
HEARD = "INIT,GRAPH,TUNING,ENV,P2P,SHM,NET,NVLS"
ALGORITHMS = ("Tree", "Ring", "CollNetDirect", "CollNetChain", "NVLS", "NVLSTree", "PAT")
PROTOCOLS = ("LL", "LL128", "Simple")
"""In the order of NCCL's numbers (``NCCL_ALGO_…`` and ``NCCL_PROTO_…`` in nccl_common.h)."""
SETTINGS = (
    "NCCL_ALGO", "NCCL_PROTO", "NCCL_NVLS_ENABLE", "NCCL_P2P_DISABLE", "NCCL_P2P_LEVEL", "NCCL_SHM_DISABLE",
    "NCCL_IB_DISABLE", "NCCL_NET", "NCCL_NET_GDR_LEVEL", "NCCL_CROSS_NIC", "NCCL_MIN_NCHANNELS", "NCCL_MAX_NCHANNELS",
    "NCCL_NTHREADS", "NCCL_BUFFSIZE", "NCCL_CUMEM_ENABLE", "NCCL_PXN_DISABLE", "NCCL_COLLNET_ENABLE",
)  # fmt: skip
"""Variables of a user that change what is measured; only values of letters, digits and a few signs are kept."""
FILES = ("NCCL_GRAPH_FILE", "NCCL_TOPO_FILE", "NCCL_TUNER_PLUGIN")
"""Those that name a file."""
LARGEST = 4 << 20
"""Bytes of a log that are read."""
CHOICE = re.compile(r"(\d+) Bytes -> Algo (\w+) proto (\w+)")
VIA = re.compile(
    r"Channel \d+(?:/\d+)? : \d+\[\w+\] -> \d+\[\w+\] (?:\[(?:send|receive)\] )?via (P2P|SHM|NET)(?:/(\w+))?"
)
COUNTS = re.compile(r"(\d+) coll channels, (?:\d+ collnet channels, )?(\d+) nvls channels")
OLD_COUNTS = re.compile(r"(\d+) coll channels")
MULTICAST = re.compile(r"NVLS multicast support is (not )?available")
LINKS = re.compile(r"Pattern \d+, .*\btype (\w+)/(\w+)")
WARNING = re.compile(r"NCCL WARN (.+)")


@dataclass(frozen=True, slots=True)
class Choice:
    """Algorithm and protocol of one collective, as NCCL calls them; empty where it did not tell."""

    algorithm: str = ""
    protocol: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.algorithm, self.protocol)))


def choice(text: str) -> Choice:
    """What was chosen last."""
    found = CHOICE.findall(text)
    if not found:
        return Choice()
    _, algorithm, protocol = found[-1]
    return Choice(_name(algorithm, ALGORITHMS), _name(protocol, PROTOCOLS))


def connections(text: str) -> dict[str, str]:
    """How a communicator is connected, for the record: nothing that names a host, a device or an address."""
    found: dict[str, str] = {}
    if via := sorted({f"{kind} {how}".strip() if kind == "NET" else kind for kind, how in VIA.findall(text)}):
        found["transports"] = ", ".join(via)
    if counts := COUNTS.search(text) or OLD_COUNTS.search(text):
        found["channels"] = counts[1]
        found |= {"NVLS channels": counts[2]} if counts.lastindex == 2 else {}
    if multicast := MULTICAST.search(text):
        found["NVLS"] = "not available" if multicast[1] else "available"
    if links := LINKS.search(text):
        found |= {"links within a host": links[1], "links between hosts": links[2]}
    return found


def merged(told: Sequence[dict[str, str]]) -> dict[str, str]:
    """What all ranks say of their connections: the transports of any of them, all else as rank 0 has it.

    Without a network the way from a GPU to a network card, which NCCL tells all the same, is nobody's.
    """
    via = sorted({word for each in told for word in each.get("transports", "").split(", ") if word})
    found = {**told[0], **({"transports": ", ".join(via)} if via else {})}
    if not any(word.startswith("NET") for word in via):
        found.pop("links between hosts", None)
    return found


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The user's variables; of a file only that there is one."""
    told = {name: environment[name] for name in SETTINGS if name in environment}
    files = {name: "given" for name in FILES if name in environment}
    return {**{name: value for name, value in told.items() if re.fullmatch(r"[\w,;:^.=+-]{1,80}", value)}, **files}


class Log:
    """NCCL's log, in memory of this process, switched to and fro. ``reset``: makes NCCL read its variables again.

    An NCCL that cannot be made to (before 2.22) writes from the beginning how it is connected, and never what it chose.
    """

    def __init__(
        self, environment: MutableMapping[str, str] | None = None, reset: Callable[[], None] | None = None
    ) -> None:
        self._environment = os.environ if environment is None else environment
        self._reset = reset or _reset()
        self._file = -1
        if LEVEL not in self._environment:
            self._file = os.memfd_create("nccl-log")
            heard = HEARD if self._reset else HEARD.replace("TUNING,", "")
            self._environment.update({SUBSYSTEMS: heard, FILE: f"/proc/self/fd/{self._file}"})
            self._switch("WARN" if self._reset else "INFO")

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """Within it NCCL writes; afterwards the list holds what it wrote, as one text."""
        heard: list[str] = []
        if self._reset:
            self._forget()
            self._switch("INFO")
        try:
            yield heard
        finally:
            heard.append(self._read())
            if self._reset:
                self._switch("WARN")

    def warning(self) -> str:
        """The last warning that NCCL wrote, in its own words; nothing without one."""
        found = WARNING.findall(self._read())
        return " ".join(found[-1].split())[:300] if found else ""

    def _switch(self, level: str) -> None:
        if self._file < 0:
            return  # the user reads it
        self._environment[LEVEL] = level
        if self._reset is not None:
            self._reset()

    def _forget(self) -> None:
        if self._file >= 0:
            os.ftruncate(self._file, 0)

    def _read(self) -> str:
        if self._file < 0:
            return ""
        told = os.pread(self._file, LARGEST, 0)  # a writer that goes on where it was leaves zeros before it
        return told.lstrip(b"\0").decode(errors="replace")


def _name(told: str, names: tuple[str, ...]) -> str:
    """NCCL's word for a number of NCCL's; a word as it spells it in the list."""
    if told.isdigit():
        return names[int(told)] if int(told) < len(names) else ""
    return next((name for name in names if name.upper() == told.upper().replace("_", "")), "")


def _reset() -> Callable[[], None] | None:
    """``ncclResetDebugInit`` of the library that is loaded; ``None`` before NCCL 2.22, which has none."""
    try:
        function = ctypes.CDLL("libnccl.so.2").ncclResetDebugInit
    except (OSError, AttributeError):
        return None
    function.restype = None

    def reset() -> None:
        function()

    return reset
