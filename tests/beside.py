"""Long tests that a whole run has done beside itself, on another core.

They are the same tests, run by the same pytest in a process of its own from the start; where their turn would be, at
the end now, the run waits for that process and takes over what it says of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

CHOSEN = (
    "tests/conformance/test_cuda.py::test_no_kernel_strays_outside_its_buffers",
    "tests/test_docs.py::test_every_readme_command_runs",
    "tests/test_docs.py::test_the_guide_s_benchmark_appears_everywhere_by_one_file",
)
"""Each takes long, needs no quiet machine, and disturbs no other."""
PATIENCE = 600.0


@dataclass(frozen=True)
class Beside:
    """That process, and the folder with its report and what it said."""

    process: subprocess.Popen[bytes]
    folder: Path

    def __call__(self, node: str) -> None:
        """What became of a test: it fails or is skipped here as it did there."""
        self.process.wait(PATIENCE)
        said = (self.folder / "output.txt").read_text(errors="replace")
        path, _, name = node.partition("::")
        module = path.removesuffix(".py").replace("/", ".")
        found = [one for one in self._cases() if (one.get("classname"), one.get("name")) == (module, name)]
        if not found:
            pytest.fail(f"{node} was not run beside: {said}", pytrace=False)
        for one in found[0]:
            if one.tag == "skipped":
                pytest.skip(one.get("message") or "skipped beside")
            if one.tag in {"failure", "error"}:
                pytest.fail(f"{one.get('message')}\n{one.text}\n{said}", pytrace=False)

    def end(self) -> None:
        """Leave no process behind."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _cases(self) -> list[ElementTree.Element]:
        file = self.folder / "report.xml"
        return list(ElementTree.parse(file).iter("testcase")) if file.exists() else []


def begin(root: Path, folder: Path, chosen: tuple[str, ...] = CHOSEN) -> Beside:
    """Start them, politely: whatever else runs goes first."""
    options = ("-q", "-p", "no:cacheprovider", f"--junitxml={folder / 'report.xml'}")
    environment = {name: value for name, value in os.environ.items() if name != "BENCHSUITE_LOCKS"}
    with open(folder / "output.txt", "wb") as output:
        process = subprocess.Popen(
            ["nice", sys.executable, "-m", "pytest", *options, *chosen],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Beside(process, folder)


def take_over(beside: Beside, items: list[pytest.Item], chosen: tuple[str, ...] = CHOSEN) -> None:
    """Have the chosen ones of these tests report what became of them beside, after all others."""
    own = [item for item in items if item.nodeid in chosen and isinstance(item, pytest.Function)]
    for item in own:
        item.obj = _reporter(beside, item.nodeid)
    items[:] = [item for item in items if item not in own] + own


def _reporter(beside: Beside, node: str) -> Callable[..., None]:
    def report(**fixtures: object) -> None:
        beside(node)

    return report
