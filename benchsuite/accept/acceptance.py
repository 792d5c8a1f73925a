"""`benchsuite accept`: a contract becomes a folder of raw results, on one node or many, and these a verdict.

One node is worked on in this process (``stages``). On several a launcher starts the same on each at once
(``fleet.nodework``); then the scan looks for stragglers and links. What follows from it all is written at the
end (``deriving``).
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchsuite import __version__, identity, keys, launchers, lock, placing, store
from benchsuite.accept import contract as contracts
from benchsuite.accept import deriving, fleetrule, layout, needs, node, stages
from benchsuite.accept.deriving import Judged
from benchsuite.accept.layout import Attempt, Made
from benchsuite.accept.stages import PATIENCE, Watcher
from benchsuite.errors import Exit, UsageError
from benchsuite.fleet import nodework
from benchsuite.fleet.subcommand import execute
from benchsuite.interrupt import Stop, stoppable
from benchsuite.journal import Journal, replace_file
from benchsuite.launchers.base import Launcher
from benchsuite.model import Contract, Layout, Word
from benchsuite.placing import Placing
from benchsuite.protocol import encode
from benchsuite.scan import ledger

HANDING = 120.0
"""Seconds in which the contract must have reached every node, and the records must have come back."""
NEWS = 30.0
CODES = {Word.ACCEPT: Exit.DONE, Word.REJECT: Exit.REJECTED}
"""Exit codes; every other word is ``INCONCLUSIVE``."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for. contract: a shipped one's name or a file; nonce: what the other party gave.

    topology, reference: files, as for ``scan``.
    """

    contract: str
    nonce: str = ""
    placing: Placing = field(default_factory=Placing)
    topology: Path | None = None
    reference: Path | None = None
    out: Path = Path("acceptances")


def prepare(request: Request) -> tuple[Made, Contract]:
    """What will be done; nothing is measured or written yet. Raises ``UsageError`` when it cannot be."""
    contract = contracts.find(request.contract)
    if contract.challenge and not request.nonce:
        raise UsageError(
            "This contract wants a challenge: data made from a nonce that the other party gives.",
            "Ask for one (openssl rand -hex 16), and give it with --nonce.",
        )
    launcher, where = placing.layout(request.placing)
    if where.nodes > contract.claim.nodes:
        raise UsageError(
            f"The contract claims {contract.claim.nodes} nodes, and here are {where.nodes}.",
            "Choose some with --hosts or --nodes, or let the contract claim them all: alpha is divided among them.",
        )
    files = {name: str(file.resolve()) if file else "" for name, file in _files(request)}
    if lost := [file for file in files.values() if file and not Path(file).is_file()]:
        raise UsageError(f"There is no file {lost[0]}.", "Check the path.")
    made = Made(
        schema=layout.SCHEMA,
        id=store.new_id("accept"),
        started=store.now(),
        version=__version__,
        code=identity.code(),
        contract=contract.digest,
        nonce=keys.nonce(request.nonce) if request.nonce else secrets.token_hex(16),
        challenged=bool(request.nonce),
        command=_command(request),
        backend=needs.BACKENDS[contract.claim.kind],
        launcher=launcher,
        layout=where,
        kernels=layout.kernels(),
        attempts=(Attempt(1, store.now()),),
        **files,
    )
    return made, contract


def _files(request: Request) -> Sequence[tuple[str, Path | None]]:
    return ("topology", request.topology), ("reference", request.reference)


def _command(request: Request) -> str:
    """The command without anything that names these machines."""
    words = ["benchsuite", "accept", Path(request.contract).name]
    words += ["--nonce", request.nonce] if request.nonce else []
    return " ".join([*words, *(["--nodes", str(request.placing.nodes)] if request.placing.nodes else [])])


def again(path: Path) -> None:
    """Begin the re-test of everybody who was not accepted. Raises ``UsageError`` when none may be."""
    found = deriving.judged(path)
    node.same_code(found.made)
    if not (path / layout.VERDICT).is_file():
        raise UsageError("This attempt has not ended yet.", f"Go on with it: benchsuite accept --resume {path}")
    subjects = fleetrule.retestable(found.contract, found.verdict)
    if not subjects:
        raise UsageError(f"Nobody may be tested again: {_refused(found)}", "What was found stands.")
    sealed = path / layout.MANIFEST
    sha = store.digest(sealed.read_bytes()) if sealed.is_file() else ""
    attempt = Attempt(found.made.attempt.number + 1, store.now(), subjects, sha)
    made = replace(found.made, attempts=(*found.made.attempts, attempt))
    layout.unseal(path)
    layout.write_made(path, made)


def _refused(found: Judged) -> str:
    """Why there is no re-test."""
    left = [one for one in found.verdict.parts if one.word is not Word.ACCEPT]
    if not left:
        return "everybody who was tested is accepted."
    tests = 1 + found.contract.rule.retests
    return f"the contract allows {tests} {'test' if tests == 1 else 'tests'} of each."


@dataclass
class Work:
    """An acceptance while it is worked on. launcher: instead of the layout's own."""

    path: Path
    made: Made
    contract: Contract
    watcher: Watcher
    launcher: Launcher | None = None
    apart: Callable[[Path, Watcher, Stop], None] = node.work

    def run(self) -> Judged:
        """Measure what is not measured yet, judge, and write what follows. Raises what ends it early: an interrupt, a
        full disk; what was measured is kept."""
        node.same_code(self.made)
        with lock.hold(self.path / layout.LOCK, f"The acceptance {self.path.name}"):
            if not self.complete:
                layout.unseal(self.path)
                with Journal(self.path / layout.JOURNAL) as journal, stoppable() as stop:
                    self._measure(journal, stop)
            found = deriving.judged(self.path)
            replace_file(self.path / layout.EVIDENCE, encode(found.evidences) + b"\n")
            replace_file(self.path / layout.VERDICT, encode(found.verdict) + b"\n")
            return found

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be measured."""
        if not (self.path / layout.VERDICT).is_file() or len(layout.nodes(self.path)) < self.made.layout.nodes:
            return False
        number = self.made.attempt.number
        return all(stages.finished(layout.attempt_folder(self.path, name, number)) for name in self._involved())

    def _measure(self, journal: Journal, stop: Stop) -> None:
        attempt, several = self.made.attempt.number, self.made.layout.nodes > 1
        journal.note("nodes", attempt=attempt)
        if several:
            self._nodes(stop)
        else:
            self.apart(self.path, self.watcher, stop)
        stop.check(measuring=False)
        ended = {name: stages.finished(layout.attempt_folder(self.path, name, attempt)) for name in self._involved()}
        journal.note("nodes-end", attempt=attempt, ended=" ".join(name for name, whole in ended.items() if whole))
        if several and self.contract.between.scan:
            journal.note("scan", attempt=attempt)
            code = self._scan(stop)
            stop.check(measuring=False)
            run = deriving.newest_scan(self.path)
            told = {"run": run.name, "sha": store.digest((run / store.JOURNAL).read_bytes())} if run else {}
            journal.note("scan-end", attempt=attempt, code=code, **told)

    def _involved(self) -> list[str]:
        """The nodes that are there and have a part in this attempt."""
        there = layout.nodes(self.path)
        return [name for name in there if deriving.tested(self.contract, name, self.made.attempt)]

    # -- several nodes ---------------------------------------------------------------------------------------------

    def _nodes(self, stop: Stop) -> None:
        """The attempt on every node at the same time; what is elsewhere is brought here."""
        count, where = self.made.layout.nodes, Layout(self.made.layout.hosts, 1, self.made.layout.hostfile)
        chosen = self.launcher or launchers.choose(self.made.launcher, where)
        if problem := chosen.unavailable():
            raise UsageError(f"The nodes cannot be reached: {problem}.", "See 'benchsuite doctor'.")
        path, base = self.path.resolve(), (self.path / layout.NODES).resolve()
        for old in base.glob(f"*/{nodework.NODE}"):
            old.unlink()
        start = [*chosen.tokens(count), sys.executable, "-m"]
        variables = chosen.environment(count)
        give = [*start, "benchsuite.accept.node", chosen.world, str(count), str(path)]
        execute(give, variables, self.path / "giving", stop, limit=HANDING)
        stop.check(measuring=False)
        work = [*start, "benchsuite.fleet.nodework", str(base), "--", "accept", "--part-of", str(path)]
        longest = stages.forecast(self.contract)[1]
        log = self.path / layout.NODES
        execute(work, variables, log, stop, limit=4 * longest + PATIENCE, meanwhile=self._news(base, longest))
        if len(list(base.glob(f"*/{nodework.NODE}"))) < count:
            gather = [*start, "benchsuite.fleet.gathering", chosen.world, str(count), str(base)]
            execute(gather, variables, self.path / "gathering", stop, limit=HANDING)

    def _news(self, base: Path, longest: float) -> Callable[[float], None]:
        """Tells how many nodes have ended, and how long it may last at most."""

        def news(spent: float) -> None:
            ended = len(list(base.glob(f"*/{nodework.NODE}")))
            count = self.made.layout.nodes
            self.watcher.went(f"{ended} of {count} nodes have ended", ended / count, max(0.0, longest - spent))

        return news

    def _scan(self, stop: Stop) -> int:
        """The scan between the nodes that are there: its exit code."""
        folder = self.path / layout.SCAN
        folder.mkdir(exist_ok=True)
        begun = deriving.newest_scan(self.path)
        if begun is not None and self._goes_on(begun):
            words = ["resume", str(begun)]
        else:
            lost = {name.partition(".")[0] for name in deriving.absent(self.path, self.made, self.contract)}
            left = [host for host in self.made.layout.hosts if host.partition(".")[0] not in lost]
            if len(left) < 2:
                return int(Exit.FAILED)
            words = ["scan", *self._scan_words(), "--hosts", ",".join(left), "--out", str(folder)]
        self.watcher.said("Scan between the nodes.")
        command = [sys.executable, "-m", "benchsuite", *words, "--no-report", "--json"]
        return execute(command, {}, self.path / layout.SCAN, stop)

    def _goes_on(self, begun: Path) -> bool:
        """Whether a scan is this attempt's, and of all nodes that are there by now."""
        made = ledger.load(begun)[2]
        whole = not made.units or not deriving.unscanned(made.units, layout.nodes(self.path))
        return whole and made.started >= self.made.attempt.started

    def _scan_words(self) -> list[str]:
        made, between = self.made, self.contract.between
        words = ["--launcher", made.launcher, "--backend", made.backend, "--rounds", str(between.rounds)]
        words += ["--margin", f"{100 * between.margin:g}"]
        words += ["--per-node", str(made.layout.per_node)] if made.layout.per_node else []
        for name, file in (("--topology", made.topology), ("--reference", made.reference)):
            words += [name, file] if file else []
        return words


def exit_code(found: Judged) -> Exit:
    """0 accepted, 1 rejected, 4 when nothing at all could be measured, else 3."""
    code = CODES.get(found.verdict.word, Exit.INCONCLUSIVE)
    runs = any(run.run for evidence in found.evidences for one in evidence.measured for run in one.runs)
    return Exit.FAILED if code is Exit.INCONCLUSIVE and not runs else code
