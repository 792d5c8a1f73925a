"""gpu-burn: how fast each GPU multiplied while it burned, how warm it got, how often it was wrong, and the verdict.

Gflop/s are 1e9 flop/s. gpu-burn exits with 0 even where it calls a GPU faulty; its error counts overflow; a GPU that
died shows -1 (0 Gflop/s). Progress is overwritten by carriage returns; the last line of each GPU counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchsuite.errors import DataError
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.lines import measured, name, number, numbered, together, unit
from benchsuite.model import Metric, Scalar, Status

TOOL = "gpu-burn"
REMEDY = "Save all that gpu-burn prints, to its end: 'Tested ... GPUs'."
GFLOPS = unit(Metric.FLOPS, "Gflop/s", "1e9")
CELSIUS = unit(Metric.TEMPERATURE, "C", 1)
COUNT = unit(Metric.COUNT, "", 1)
MOST = 4096
"""GPUs of one line that are looked at."""

LISTED = re.compile(r"^\s*(?:ID|GPU) (\d{1,4}): (.{1,100}?)(?: \(UUID: .*|, \d{1,9}MB)$")
SPEED = re.compile(r"(-?\d{1,12}) \((-?\d{1,12}|-?nan|-?inf) Gflop/s\)")
ERRORS = re.compile(r"(-?\d{1,12}) +(?:\((WARNING!|DIED!)\))?")
TEMPERATURE = re.compile(r"(-?\d{1,4}) ?°?C|--")
VERDICT = re.compile(r"^\s*GPU (\d{1,4}): (OK|FAULTY|O|F[AULTY]{0,4})\s*$")
PROGRESS = re.compile(r"(\d{1,3}\.\d)%\s+proc'd:")
KIND = re.compile(r"using (FLOATS|DOUBLES)(, using Tensor Cores)?")
BURNING = re.compile(r"Burning for (\d{1,9}) sec")
TROUBLES = {
    "No clients are alive": "No GPU is alive any more: gpu-burn gave up.",
    "Couldn't init": "A GPU could not be initialised.",
    "Failure during compute": "A computation failed.",
    "No CUDA devices": "There is no CUDA device.",
    "no temps available": "Temperatures could not be read.",
}


@dataclass(slots=True)
class Gpu:
    """What the lines say of one GPU."""

    speeds: list[tuple[int, str]] = field(default_factory=list)
    dead: bool = False
    errors: list[str] = field(default_factory=list)
    printed: str = ""
    temperatures: list[tuple[int, str]] = field(default_factory=list)
    verdict: str = ""
    line: int = 0


@dataclass(slots=True)
class Log:
    """The whole output while it is read."""

    gpus: dict[int, Gpu] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    params: dict[str, Scalar] = field(default_factory=dict)
    tested: int = 0
    progress: str = ""
    troubles: list[str] = field(default_factory=list)


def tells(text: str) -> bool:
    """A line of progress, the verdict, or what it says when it begins."""
    if "proc'd:" in text or ("Tested " in text and " GPUs:" in text):
        return True
    return KIND.search(text) is not None or "No clients are alive!" in text or "Using compare file:" in text


def read(text: str) -> Imported:
    """Speed, temperature, errors and verdict of each GPU. Raises ``DataError`` when there is none of them."""
    runs = [Log()]
    for place, line in numbered(text):
        if _again(runs[-1], line):
            runs.append(Log())
        _line(runs[-1], place, line)
    rows = [row for log in runs for index in sorted(log.gpus) for row in _rows(index, log.gpus[index], log.params)]
    if not rows:
        why = next((log.troubles[0] for log in runs if log.troubles), "It ends before the first line of progress.")
        raise DataError(f"There is no result in it. {why}", REMEDY)
    devices = together([log.names[index] for index in sorted(log.names)] for log in runs)
    problems = dict.fromkeys(problem for log in runs for problem in _problems(log))
    return Imported(TOOL, tuple(rows), "", "", devices, runs[-1].facts, tuple(problems))


FORMATS = (Format("gpu-burn", "the progress and verdict of gpu-burn", tells, read),)


def _again(log: Log, line: str) -> bool:
    """Whether another run begins here: it lists, begins or burns after a verdict, begins or is less far than before."""
    begins = "Using compare file" in line or BURNING.search(line) is not None
    judged = any(gpu.verdict for gpu in log.gpus.values())
    lists = LISTED.match(line) is not None and VERDICT.match(line) is None
    done = PROGRESS.search(line)
    if done and log.progress and float(done[1]) < float(log.progress):
        return True
    return (begins and bool(log.gpus)) or (judged and (lists or "proc'd:" in line))


def _line(log: Log, place: int, line: str) -> None:
    if "proc'd:" in line:
        for part in line.split("%  proc'd:")[1:] if line.count("proc'd:") > 1 else [line]:
            _progress(log, place, part)
        done = PROGRESS.findall(line)
        log.progress = done[-1] if done else log.progress
    elif found := VERDICT.match(line):
        gpu = log.gpus.setdefault(int(found[1]), Gpu())
        gpu.verdict, gpu.line = found[2], place
    elif listed := LISTED.match(line):
        log.names[int(listed[1])] = name(listed[2])
    elif found := re.search(r"Tested (\d{1,4}) GPUs", line):
        log.tested = int(found[1])
    if found := KIND.search(line):
        log.params["precision"] = "float" if found[1] == "FLOATS" else "double"
        log.params["tensor_cores"] = found[2] is not None
    if found := BURNING.search(line):
        log.facts["seconds"] = found[1]
    log.troubles += [words for sign, words in TROUBLES.items() if sign in line and words not in log.troubles]


def _progress(log: Log, place: int, line: str) -> None:
    """A line of progress: speeds, errors and temperatures of all GPUs, each in the order of their numbers."""
    head, _, rest = line.partition("errors:")
    errors, _, temperatures = rest.partition("temps:")
    for index, (done, speed) in enumerate(SPEED.findall(head)[:MOST]):
        gpu = log.gpus.setdefault(index, Gpu())
        gpu.dead = done == "-1"
        gpu.speeds.append((place, speed))
    for index, (count, note) in enumerate(ERRORS.findall(errors)[:MOST]):
        if index in log.gpus:
            log.gpus[index].printed = count
            log.gpus[index].errors += [count] if count != "0" or note else []
    for index, found in enumerate(list(TEMPERATURE.finditer(temperatures))[:MOST]):
        if found[1] and index in log.gpus:
            log.gpus[index].temperatures.append((place, found[1]))


def _rows(index: int, gpu: Gpu, common: dict[str, Scalar]) -> Iterator[Row]:
    """The rows of one GPU: none of them counts if it was faulty."""
    params = common | {"gpu": index}
    wrong = _wrong(gpu)
    died = "It died: -1 (0 Gflop/s)." if gpu.dead else _idle(gpu)
    for statistic, place, printed in _speeds(gpu):
        here = params | ({"statistic": statistic} if statistic else {})
        said = f"speed of the matrix product, {statistic or 'last'} of the reports of this GPU (Gflop/s)"
        yield measured(f"{TOOL}/burn", GFLOPS, printed, said, params=here, line=place, wrong=wrong, failed=died)
    if gpu.speeds:
        printed, place = gpu.errors[-1] if gpu.errors else gpu.printed, gpu.speeds[-1][0]
        said = "wrong elements found by comparison (errors; reset at each summary)"
        yield measured(
            f"{TOOL}/errors", COUNT, printed, said, params=params, line=place, wrong=wrong, failed=died, zero=True
        )
    if gpu.temperatures:
        place, hottest = max(gpu.temperatures, key=lambda one: int(one[1]))
        said = "highest temperature of the GPU while it burned (temps)"
        yield measured(f"{TOOL}/temperature", CELSIUS, hottest, said, params=params, line=place)
    if gpu.verdict:
        said = "verdict at the end: 1 is OK"
        if gpu.verdict == "OK" and not wrong and not died:
            yield Row(f"{TOOL}/verdict", Metric.COUNT, 1.0, "OK", said, params, line=gpu.line)
        else:
            reason = wrong or (f"gpu-burn calls it OK. {died}" if gpu.verdict == "OK" else "The verdict is cut.")
            status = Status.REJECTED if wrong else Status.FAILED
            yield Row(f"{TOOL}/verdict", Metric.COUNT, None, gpu.verdict, said, params, 1, status, reason, gpu.line)


def _idle(gpu: Gpu) -> str:
    """Why nothing that is said of the GPU counts, if it never computed: gpu-burn calls such a GPU OK."""
    moved = any((number(speed) or 0.0) > 0.0 for _, speed in gpu.speeds)
    return "" if moved else "It computed nothing: no report of it has a speed above 0."


def _speeds(gpu: Gpu) -> Iterator[tuple[str, int, str]]:
    """The last speed that a GPU reported, and the fastest and slowest of those above zero if there are several."""
    if gpu.speeds:
        yield ("", *gpu.speeds[-1])
    moving = [one for one in gpu.speeds if (number(one[1]) or 0.0) > 0.0]
    if len(moving) > 1:
        yield ("max", *max(moving, key=lambda one: number(one[1]) or 0.0))
        yield ("min", *min(moving, key=lambda one: number(one[1]) or 0.0))


def _wrong(gpu: Gpu) -> str:
    """Why the GPU is faulty; empty when it is not. A count below zero overflowed."""
    reasons = ["gpu-burn calls this GPU FAULTY."] if gpu.verdict.startswith("F") else []
    if gpu.errors and not gpu.dead:
        count = gpu.errors[-1]
        reasons.append(f"It computed wrong results: errors {count}{', overflowed' if count.startswith('-') else ''}.")
    return " ".join(reasons)


def _problems(log: Log) -> Iterator[str]:
    yield from log.troubles
    faulty = [str(index) for index, gpu in sorted(log.gpus.items()) if _wrong(gpu)]
    dead = [str(index) for index, gpu in sorted(log.gpus.items()) if gpu.dead]
    if faulty:
        yield f"These GPUs computed wrong results: {', '.join(faulty)}."
    if unknown := [str(index) for index, gpu in sorted(log.gpus.items()) if gpu.speeds and not gpu.printed]:
        yield f"The errors of these GPUs are not there: {', '.join(unknown)}."
    if idle := [str(index) for index, gpu in sorted(log.gpus.items()) if not gpu.dead and _idle(gpu)]:
        yield f"These GPUs computed nothing: {', '.join(idle)}."
    if dead:
        yield f"These GPUs died: {', '.join(dead)}."
    judged = sum(bool(gpu.verdict) for gpu in log.gpus.values())
    if not judged:
        reached = f"{log.progress} %" if log.progress else "unknown"
        yield f"There is no verdict: the output is cut, or gpu-burn did not end; the last progress is {reached}."
    elif judged < max(log.tested, len(log.gpus)):
        yield f"There are verdicts on {judged} of {max(log.tested, len(log.gpus))} GPUs: the output is cut."
