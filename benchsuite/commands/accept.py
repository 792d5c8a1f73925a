"""``accept``: machines against a contract; the papers that say what was found; and how a bundle is verified."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from benchsuite import keys, provenance, store, units
from benchsuite.accept import acceptance, bundle, deriving, fleetrule, layout, node, stages
from benchsuite.accept.acceptance import Work
from benchsuite.accept.deriving import Judged
from benchsuite.accept.stages import Watcher
from benchsuite.errors import BenchsuiteError, Exit, UsageError
from benchsuite.interrupt import InterruptedRunError, TerminatedError, stoppable
from benchsuite.journal import Journal, replace_file
from benchsuite.keys import Role
from benchsuite.model import Evidence, FleetVerdict, Level
from benchsuite.protocol import decode, encode
from benchsuite.reading import printable
from benchsuite.render.certificate_parts import About
from benchsuite.render.progress import bar

NEWS = 30.0
"""Seconds between two lines about a step that goes on, where there is no terminal."""
SIGNING = "signing"
"""The journal's word for who is going to sign; also that nobody is."""
ENDS = {"nodes-end", "scan-end"}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who is going to sign, and as whom."""

    key: Ed25519PrivateKey
    role: Role


def signer(key: Path | None, role: str) -> Signer | None:
    """The key that was named, read before anything is measured. Raises ``UsageError`` and ``DataError``."""
    if role not in set(Role):
        raise UsageError(f"--as {printable(role)} is unknown.", f"Choose one of {', '.join(Role)}.")
    return Signer(keys.private(key), Role(role)) if key else None


def run(request: acceptance.Request, who: Signer | None, *, as_json: bool) -> int:
    """Test, judge, write the papers, seal. Returns the exit code; what was measured is kept when it ends early."""
    store.prepare_folder(request.out)
    made, contract = acceptance.prepare(request)
    least, most = stages.forecast(contract)
    claimed = contract.claim.nodes
    where = f"{made.layout.nodes} nodes" if made.layout.nodes > 1 else "this node"
    where += f" of the {claimed} that are claimed" if made.layout.nodes < claimed else ""
    shortest, longest = units.guessed(least), units.guessed(most)
    _say(f"{contract.title or contract.name}: {where}, {shortest} if all is decided early, at most {longest}.")
    path = layout.create(request.out, made, contract.source.encode())
    return _work(path, who, as_json=as_json)


def go_on(name: str, out: Path, who: Signer | None, *, again: bool, as_json: bool) -> int:
    """Go on with an acceptance that ended early, or test those again who were not accepted."""
    path = layout.find(name, out)
    if again:
        acceptance.again(path)
    return _work(path, who, as_json=as_json)


def part(path: Path) -> int:
    """Do this node's part of an acceptance; what a launcher starts."""
    with stoppable() as stop:
        node.work(path, Plain(), stop)
    return int(Exit.DONE)


def _work(path: Path, who: Signer | None, *, as_json: bool) -> int:
    made = layout.read(path)
    try:
        with watching() as watcher:
            work = Work(path, made, deriving.contract_of(path, made), watcher)
            sealed = work.complete and not bundle.unsealed(path, made)
            found = deriving.judged(path) if sealed else work.run()
    except BenchsuiteError as error:
        if error.exit_code is Exit.USAGE:
            raise
        before = "" if isinstance(error, InterruptedRunError | TerminatedError) else f"{error.remedy} "
        signing = " --key KEY" if who else ""
        on = f"benchsuite accept --resume {shlex.quote(printable(str(path)))}{signing}"
        raise type(error)(error.message, f"{before}What was measured is kept; go on with: {on}".lstrip()) from error
    if not sealed:
        close(path, found, who)
    elif who:
        bundle.sign(path, who.key, who.role)
    return show(path, found, as_json=as_json)


def close(path: Path, found: Judged, who: Signer | None) -> None:
    """Write the papers, seal the folder, and sign it if somebody is there to."""
    told = {"signer": keys.fingerprint(who.key.public_key()), "role": who.role.value} if who else {}
    Journal(path / layout.JOURNAL).note(SIGNING, **told)
    for name, text in papers(path, found).items():
        target = path / name
        target.parent.mkdir(exist_ok=True)
        replace_file(target, text.encode())
    bundle.seal(path, found.made)
    if who:
        bundle.sign(path, who.key, who.role)


def papers(path: Path, found: Judged) -> Mapping[str, str]:
    """The papers as they follow from what is written: the same again from the same files."""
    from benchsuite.render import certificate

    evidences = decode(encode(found.evidences), tuple[Evidence, ...])
    told = replace(found, evidences=evidences, verdict=decode(encode(found.verdict), FleetVerdict))
    return certificate.papers(told.verdict, told.contract, about(path, told))


def about(path: Path, found: Judged) -> About:
    """Where the certificate comes from."""
    made, events = found.made, store.journal_of(path)[0]
    told = next((event.data for event in reversed(events) if event.event == SIGNING), {})
    ended = next((event.time for event in reversed(events) if event.event in ENDS), "")
    nonce = made.nonce if made.challenged else ""
    return About(
        id=made.id,
        started=made.started,
        ended=ended,
        version=made.version,
        command=made.command,
        code=made.code,
        kernels=made.kernels,
        nonce=nonce,
        signer=told.get("signer", ""),
        level=_level(told.get("role", ""), nonce),
        evidences=found.evidences,
        problems=found.problems,
    )


def _level(role: str, nonce: str) -> Level:
    """What a signature as this would be worth."""
    return provenance.claimed(Role(role), nonce) if role in set(Role) else Level.SELF_REPORTED


def show(path: Path, found: Judged, *, as_json: bool) -> int:
    """Print the verdict, and return the exit code."""
    from benchsuite.render import certificate_document, certificate_view, verdict_terminal

    told = about(path, found)
    if as_json:
        document = certificate_document.document(found.verdict, found.contract, told)
        print(msgspec.json.encode({**document, "exit": int(acceptance.exit_code(found)), "path": str(path)}).decode())
    else:
        view = certificate_view.build(found.verdict, found.contract, told)
        verdict_terminal.show(view, Console(highlight=False))
        where = printable(str(path))
        print(f"Certificate: {where}/certificate.html")
        print(f"Derive it again: benchsuite verify {shlex.quote(where)}")
        if fleetrule.retestable(found.contract, found.verdict):
            print(f"When that is mended: benchsuite accept --retest {shlex.quote(where)}")
    return int(acceptance.exit_code(found))


# -- how it goes on ------------------------------------------------------------------------------------------------


@contextmanager
def watching() -> Iterator[Watcher]:
    """A watcher fit for standard error: a bar on a terminal, lines now and then elsewhere."""
    if not sys.stderr.isatty():
        yield Plain()
        return
    with bar(sys.stderr) as progress:
        drawn = progress.add_task("starting", total=1.0, left="")

        class Drawn:
            """Draws a bar; sentences scroll by above it."""

            def said(self, text: str) -> None:
                progress.console.print(printable(text), markup=False, highlight=False)

            def went(self, step: str, part: float, left: float) -> None:
                progress.update(drawn, description=printable(step), completed=part, left=_left(left))

        yield Drawn()


class Plain:
    """Says sentences, and now and then how far a step is."""

    def __init__(self) -> None:
        self._step, self._told = "", 0.0

    def said(self, text: str) -> None:
        """A line."""
        _say(text)

    def went(self, step: str, part: float, left: float) -> None:
        """A line every ``NEWS`` seconds."""
        now = time.monotonic()
        if step != self._step:
            self._step, self._told = step, now
        elif now - self._told >= NEWS:
            self._told = now
            _say(f"{step}: {100 * part:.0f} %, {_left(left)}")


def _left(seconds: float) -> str:
    return f"about {units.guessed(seconds)} left"


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)
