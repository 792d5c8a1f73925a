"""What the GPU offers, asked of a process of its own: no CuPy in the controller, and a driver that hangs is survived.

``ask`` runs ``python -m benchsuite.backends.cuda.describe [N]`` with a deadline; that process prints one
line of JSON, an ``Answer``. What it looks at: ``checks``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import msgspec

from benchsuite.backends.base import Description
from benchsuite.backends.cuda.answer import Answer, Check
from benchsuite.errors import UnavailableError

DEADLINE = 90.0
"""Seconds: opening eight GPUs and loading cuBLAS from a cold disk takes tens of them."""
SHOWN = 300
HANGS = "A hanging driver shows in nvidia-smi too; reset the GPU (nvidia-smi -r) or restart the machine."


def describe(device: int | None = None, deadline: float = DEADLINE) -> Description:
    """The GPU: the first visible one, or number ``device`` of them. ``UnavailableError`` says what is missing."""
    answer = ask(device, deadline)
    if answer.description is None:
        problem = answer.problem or Check("GPU", False, "The GPU gave no description of itself.", HANGS)
        raise UnavailableError(problem.detail, problem.remedy)
    return answer.description


def ask(device: int | None = None, deadline: float = DEADLINE) -> Answer:
    """What a process of its own finds; a hang or a crash of it is a failed check."""
    command = [sys.executable, "-m", __spec__.name, *([str(device)] if device is not None else [])]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", timeout=deadline, env=environment()
        )
    except subprocess.TimeoutExpired:
        return _failed(f"The GPU did not answer within {deadline:.0f} s.")
    for line in reversed(done.stdout.splitlines()):
        try:
            return msgspec.json.decode(line, type=Answer)
        except msgspec.MsgspecError:
            continue
    said = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "it said nothing")
    return _failed(f"Looking at the GPU ended with exit code {done.returncode}: {said[:SHOWN].rstrip('.')}.")


def environment(surroundings: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of a process that uses a GPU: devices are numbered as nvidia-smi numbers them.

    A launch must not wait for its end (a setting for debugging): nothing could be enqueued behind a gate.
    """
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", **surroundings, "CUDA_LAUNCH_BLOCKING": "0"}


def _failed(sentence: str) -> Answer:
    return Answer((Check("GPU", False, sentence, HANGS),))


def main(words: list[str]) -> None:
    """Print the answer. For another device than the first, start again with that one put first."""
    from benchsuite.backends.cuda import checks, devices, driver

    chosen = int(words[0]) if words else 0
    answer = checks.examine(os.environ, chosen)
    if chosen and answer.problem is None:
        order = checks.first(chosen, os.environ.get(devices.VISIBLE), len(driver.look().cards))
        os.execve(sys.executable, [sys.executable, "-m", __spec__.name], {**os.environ, devices.VISIBLE: order})  # noqa: S606
    print(msgspec.json.encode(answer).decode())


if __name__ == "__main__":
    main(sys.argv[1:])
