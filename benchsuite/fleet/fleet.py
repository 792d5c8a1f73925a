"""`benchsuite fleet`: every node alone, all at the same time; then in pairs; then all together.

Each phase is one command of benchsuite, so that each is measured, recorded and gone on with as by itself:

nodes      a launcher starts ``benchsuite run SUITE`` once on every node (``nodework``): as long as one node takes
scan       ``benchsuite scan``: rounds of disjoint pairs
together   ``benchsuite run collectives`` over all nodes

runs/<id>/fleet.json      what was set out to do
          journal.jsonl   which phase began and ended when, and how
          nodes/<node>/   a run directory of each node, and node.json: how its run ended
          scan/, together/ a run directory each
          *.log           what the commands said
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from benchsuite import launchers, reading, units
from benchsuite.errors import DataError, Exit, MeasureError
from benchsuite.fleet import nodework
from benchsuite.fleet.subcommand import execute
from benchsuite.interrupt import Stop, stoppable
from benchsuite.journal import Journal
from benchsuite.launchers.base import Launcher
from benchsuite.launchers.local import LocalLauncher
from benchsuite.model import Layout
from benchsuite.protocol import encode
from benchsuite.store import journal_of

FLEET = "fleet.json"
SCHEMA = 1
PATIENCE = 900.0
"""Seconds beyond four times the forecast after which the nodes' phase counts as hung: its runs have deadlines of their
own, so only a launcher that waits for a dead node comes to this."""
GATHERING = 120.0
NEWS = 30.0
"""Seconds between two lines about nodes that are still measured."""


class Phase(StrEnum):
    """A part of the work on a fleet."""

    NODES = "nodes"
    SCAN = "scan"
    TOGETHER = "together"


@dataclass(frozen=True, slots=True)
class Made:
    """What one ``benchsuite fleet`` set out to do. started: UTC; predicted: seconds of each phase, about.

    runs: of the suite on each node. words, scan_words, together_words: what follows ``run SUITE``, ``scan`` and ``run
    SUITE`` in the three phases; placing: the options that say where. phases: those wanted. margin: of ``peers``.
    """

    schema: int
    id: str
    started: str
    version: str
    command: str
    backend: str
    suite: str
    together: str
    runs: int
    launcher: str
    layout: Layout = field(default_factory=Layout)
    words: tuple[str, ...] = ()
    scan_words: tuple[str, ...] = ()
    together_words: tuple[str, ...] = ()
    placing: tuple[str, ...] = ()
    phases: tuple[Phase, ...] = tuple(Phase)
    predicted: Mapping[str, float] = field(default_factory=dict)
    margin: float = 0.05


@dataclass(frozen=True, slots=True)
class Spell:
    """One time in which a phase was worked on. began, ended: seconds since 1970; code: the exit code it ended with.

    reason: why it could not be done, or was not tried.
    """

    phase: Phase
    began: float
    ended: float
    code: int
    reason: str = ""

    @property
    def complete(self) -> bool:
        """Whether it need not be done again."""
        return self.code in nodework.GOOD


Say = Callable[[str], None]


def is_fleet(path: Path) -> bool:
    """Whether a folder holds a fleet's run."""
    return (path / FLEET).is_file()


def find(name: str, out: Path) -> Path | None:
    """The fleet's run called ``name``: a path, an id or its unique beginning; ``None`` when there is none."""
    if is_fleet(Path(name)):
        return Path(name)
    found = [path.parent for path in sorted(out.glob(f"*/{FLEET}")) if path.parent.name.startswith(name)]
    return found[0] if len(found) == 1 and name else None


def read(path: Path) -> Made:
    """What a fleet's run set out to do. Raises ``DataError``."""
    try:
        made = reading.value(reading.content(path / FLEET), Made)
    except DataError as error:
        raise DataError(f"{path / FLEET} cannot be read. {error.message}", error.remedy) from error
    if made.schema > SCHEMA:
        raise DataError(f"{path.name} has schema {made.schema}; this benchsuite knows up to {SCHEMA}.", "Upgrade it.")
    return made


def spells(path: Path) -> list[Spell]:
    """What the journal says of the phases, in the order in which they ended."""
    return [
        Spell(
            Phase(event.data["phase"]),
            float(event.data["began"]),
            datetime.fromisoformat(event.time).timestamp(),
            int(event.data["code"]),
            event.data.get("reason", ""),
        )
        for event in journal_of(path)[0]
        if event.event == "phase-end"
    ]


def create(out: Path, made: Made) -> Path:
    """A new folder for this fleet's run."""
    path = out / made.id
    try:
        (path / Phase.NODES).mkdir(parents=True)
        (path / FLEET).write_bytes(encode(made) + b"\n")
    except OSError as error:
        raise MeasureError(f"{path} could not be written: {error.strerror}.", "Choose another folder.") from error
    return path


def absent(path: Path, made: Made) -> list[str]:
    """The nodes that have no finished run here: by the hosts' names, else how many of them."""
    there = [one for folder in sorted((path / Phase.NODES).glob("*")) if (one := nodework.read(folder))]
    if len(there) >= made.layout.nodes:
        return []
    names = {name for one in there for name in (one.node, one.node.partition(".")[0])}
    lost = [host for host in made.layout.hosts if not {host, host.partition(".")[0]} & names]
    count = made.layout.nodes - len(there)
    return lost if len(lost) == count else [f"{count} of {made.layout.nodes} nodes"]


def broken(path: Path, made: Made) -> dict[str, str]:
    """The nodes whose run is missing or did not end well, by name, and why."""
    found = {}
    for folder in sorted((path / Phase.NODES).glob("*")):
        one = nodework.read(folder)
        if one is None and folder.is_dir() and nodework.newest(folder):
            found[folder.name] = "its run did not end"
        elif one is not None and not one.complete:
            found[one.node] = _why(folder, one)
    known = {name.partition(".")[0] for name in found}
    lost = [name for name in absent(path, made) if name.partition(".")[0] not in known]
    return {**found, **dict.fromkeys(lost, "no run came back from it")}


def _why(folder: Path, one: nodework.Node) -> str:
    """What a node's run said last before it ended badly."""
    with suppress(OSError):
        lines = (folder / nodework.LOG).read_bytes()[-4096:].decode("utf-8", "replace").split("\n")
        if said := [line.strip() for line in lines if line.strip()]:
            return reading.printable(said[-1].removeprefix("benchsuite: "))[:300].rstrip(".")
    return f"its run ended with exit code {one.code}"


@dataclass
class Work:
    """One fleet's run while it is measured. say: tells a person what happens; launcher: instead of the layout's own."""

    path: Path
    made: Made
    say: Say = lambda text: None
    launcher: Launcher | None = None

    def run(self) -> None:
        """Do each phase that is wanted and not complete yet. Raises what ends it early: an interrupt, a full disk."""
        journal = Journal(self.path / "journal.jsonl")
        with journal, stoppable() as stop:
            for phase in self.made.phases:
                if phase in {one.phase for one in spells(self.path) if one.complete}:
                    self.say(f"{phase}: complete already.")
                    continue
                began = time.time()
                journal.note("phase", phase=phase)
                code, reason = self._phase(phase, stop)
                journal.note("phase-end", phase=phase, began=began, code=code, reason=reason)
                self._tell(phase, time.time() - began, reason)
                stop.check(measuring=False)

    def _tell(self, phase: Phase, seconds: float, reason: str) -> None:
        """Say how long a phase took beside the forecast, and what went wrong in it."""
        expected = self.made.predicted.get(phase)
        forecast = f", forecast {units.guessed(expected)}" if expected is not None else ""
        self.say(f"{phase}: {units.seconds(seconds)}{forecast}{f'; {reason}' if reason else ''}.")

    def _news(self, base: Path) -> Callable[[float], None]:
        """Says now and then how long the nodes have been at work, and how many have ended as far as is seen here."""
        told, count = 0, self.made.layout.nodes
        expected = self.made.predicted.get(Phase.NODES)

        def news(spent: float) -> None:
            nonlocal told
            if spent // NEWS > told:
                told = int(spent // NEWS)
                ended = f"{len(list(base.glob(f'*/{nodework.NODE}')))} of {count} have ended; " if count > 1 else ""
                forecast = f", forecast {units.guessed(expected)}" if expected is not None else ""
                self.say(f"nodes: {ended}{units.seconds(spent)} so far{forecast}.")

        return news

    def _phase(self, phase: Phase, stop: Stop) -> tuple[int, str]:
        """Do a phase: the exit code and, where it is no good one, why."""
        if phase is Phase.NODES:
            return self._nodes(stop)
        gone = absent(self.path, self.made) if Phase.NODES in self.made.phases else []
        placing = self.made.placing
        if gone:
            left = [host for host in self.made.layout.hosts if host not in gone]
            if len(left) < 2 or len(left) == self.made.layout.nodes:
                return int(Exit.FAILED), f"not tried: missing is {', '.join(gone[:8])}"
            placing = _placed_on(left, placing)
            self.say(f"{phase}: without {', '.join(gone[:8])}.")
        folder = self.path / phase
        folder.mkdir(exist_ok=True)
        before = [one.code for one in spells(self.path) if one.phase is phase]
        begun = max((one.parent for one in folder.glob("*/journal.jsonl")), default=None)
        if begun is not None and (not before or before[-1] in nodework.STOPPED):
            words = ["resume", str(begun)]
        elif phase is Phase.SCAN:
            words = ["scan", *self.made.scan_words, *placing, "--out", str(folder)]
        else:
            words = ["run", self.made.together, *self.made.together_words, *placing, "--out", str(folder)]
        command = [sys.executable, "-m", "benchsuite", *words, "--json"]
        code = execute(command, {}, self.path / phase, stop, speaks=True)
        return code, "" if code in nodework.GOOD else f"it ended with exit code {code}, and said why on standard error"

    def _nodes(self, stop: Stop) -> tuple[int, str]:
        """Run the suite on every node at the same time; bring the records here if they are elsewhere."""
        count, where = self.made.layout.nodes, Layout(self.made.layout.hosts, 1, self.made.layout.hostfile)
        chosen = self.launcher or (
            launchers.choose(self.made.launcher, where) if self.made.layout.hosts else LocalLauncher()
        )
        if problem := chosen.unavailable():
            raise MeasureError(f"The nodes cannot be reached: {problem}.", "See 'benchsuite doctor'.")
        base = (self.path / Phase.NODES).resolve()
        node = [
            sys.executable,
            "-m",
            "benchsuite.fleet.nodework",
            str(base),
            "--",
            "run",
            self.made.suite,
            *self.made.words,
        ]
        command, log = [*chosen.tokens(count), *node, "--no-report", "--json"], self.path / Phase.NODES
        limit = 4 * self.made.predicted.get(Phase.NODES, 0.0) + PATIENCE
        code = execute(command, chosen.environment(count), log, stop, limit=limit, meanwhile=self._news(base))
        if absent(self.path, self.made) and count > 1:
            gather = [sys.executable, "-m", "benchsuite.fleet.gathering", chosen.world, str(count), str(base)]
            log = self.path / "gathering"
            execute([*chosen.tokens(count), *gather], chosen.environment(count), log, stop, limit=GATHERING)
        if bad := broken(self.path, self.made):
            return int(Exit.FAILED), "; ".join(f"{node}: {why}" for node, why in list(bad.items())[:8])
        return (int(Exit.DONE), "") if code == 0 else (int(Exit.FAILED), f"the launcher ended with exit code {code}")


def _placed_on(hosts: Sequence[str], placing: Sequence[str]) -> tuple[str, ...]:
    """The placing options with these hosts instead of those that they name."""
    kept = list(placing)
    for name in ("--hosts", "--nodes"):
        if name in kept:
            at = kept.index(name)
            del kept[at : at + 2]
    return (*kept, "--hosts", ",".join(hosts))
