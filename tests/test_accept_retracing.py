"""Raw results that fit together and yet are not what was agreed: left out, made again, or made by something else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import log1p
from pathlib import Path

import pytest

from benchsuite import identity, journal, store
from benchsuite.accept import acceptance, deriving, layout, retracing, stages
from benchsuite.accept import contract as contracts
from benchsuite.burn import controller, events
from benchsuite.burn.counting import Seen
from benchsuite.burn.ledger import Board, Watch
from benchsuite.interrupt import Stop, TerminatedError
from benchsuite.journal import Journal
from benchsuite.model import State, Subject, Unit, Word
from benchsuite.placing import Placing
from benchsuite.protocol import Turn, decode, encode
from benchsuite.scan import ledger
from benchsuite.telemetry.health import Health
from benchsuite.telemetry.reading import Reading
from tests import accept_double as double
from tests.accept_double import Machine, Silent, begun, host, measured, unsynced  # noqa: F401  a fixture
from tests.test_accept_gates import WORK

pytestmark = pytest.mark.usefixtures("unsynced")
GPU = Subject("node0", 0)
Edit = Callable[[str, dict[str, str]], Mapping[str, str] | None]


def rewritten(path: Path, edit: Edit) -> None:
    """A journal as somebody writes it again who knows how: events as ``edit`` has them, ``None`` leaves one out."""
    told = journal.read(path)[0]
    path.unlink()
    fresh = Journal(path)
    for one in told:
        data = edit(one.event, dict(one.data))
        if data is not None:
            fresh.note(one.event, **data)


def burnt(folder: Path, faults: tuple[str, ...] = (), slow: float = 1.0, wrong: int = 0, node: str = "node0") -> Path:
    """A burn-in of three minutes of one GPU, ``slow`` from its middle on; its journal."""
    folder.mkdir(parents=True)
    with Journal(folder / events.FILE) as told:
        told.note("burn", asked=180.0, backend="cuda")
        told.note("subject", number=0, subject=encode(Subject(node, 0)).decode())
        for number in range(18):
            speed = 1e12 * (slow if number > 8 else 1.0)
            one = Turn("gemm", number, 10.0 * number, 1, (10.0,), (0.0,), speed, 10, wrong, "", True)
            told.note("turn", number=0, turn=encode(one).decode(), seen=encode(Seen()).decode())
        told.note("health", number=0, health=encode(Health(faults)).decode())
        told.note("done", number=0)
    return folder / events.FILE


def test_what_an_interrupted_burn_in_found_is_not_undone_by_a_clean_one(tmp_path: Path) -> None:
    burnt(tmp_path / "burn", ("XID 79.",), slow=0.5, wrong=1)
    burnt(tmp_path / "burn-2", ("New uncorrected memory errors: 1.",))
    burnt(tmp_path / "burn-10")
    found = deriving.burned(tmp_path, GPU)
    assert found is not None
    assert found.wrong == 18
    assert found.faults == ("XID 79.", "New uncorrected memory errors: 1.")
    assert found.worst == pytest.approx(0.5)
    assert found.reason == ""
    assert deriving.burned(tmp_path, Subject("node1", 0)) is None, "that of another node says nothing of it"


def test_a_burn_in_that_was_edited_leaves_nothing_to_rely_on(tmp_path: Path) -> None:
    file = burnt(tmp_path / "burn", wrong=1)
    burnt(tmp_path / "burn-2")
    file.write_bytes(file.read_bytes().replace(b"10.0", b"11.0"))
    found = deriving.burned(tmp_path, GPU)
    assert found is not None
    assert "burn: Line 3 of burn.jsonl was changed" in found.reason


def test_a_clock_that_the_hardware_lowered_under_heat_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow from the first minute on, so that no drift tells."""
    contract = double.gpus(1)
    contract = contracts.loads(f'{contract.source}[gates]\nthrottle = "reject"\n[burn]\nminutes = 3\n'.encode())
    burnt(tmp_path / "burn")
    hot = [Reading(one.at, {**one.values, "throttle": float(0x40)}, one.missing, (4711,)) for one in WORK]
    for readings, state in ((WORK, State.PASSED), (hot, State.FAILED)):
        monkeypatch.setattr(deriving, "recorded", lambda folder, told=readings: told if folder.name == "gpu0" else [])
        told = {one.check: one.state for one in deriving.evidence(contract, tmp_path, GPU, 1).observations}
        assert told["throttle"] is state


def pretended(request: controller.Request, stop: Stop, watch: Watch) -> None:
    """The journal of a burn-in as it was asked for, without its heat."""
    watch(Board(request.seconds, 0.0, ()))
    request.folder.mkdir()
    with Journal(request.folder / events.FILE) as told:
        told.note("burn", **controller._told(request))
        for number, subject in enumerate(request.subjects):
            told.note("subject", number=number, subject=encode(subject).decode())
            for at in range(4):
                one = Turn("gemm", at, float(at), 1, (request.seconds / 4,), (0.0,), 1e12, 10, done=True)
                told.note("turn", number=number, turn=encode(one).decode(), seen=encode(Seen()).decode())
            told.note("done", number=number)


@pytest.fixture(scope="module")
def heated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An acceptance with a burn-in."""
    path = begun(tmp_path_factory.mktemp("heated"), host(top="[burn]\nminutes = 3.0"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages.controller, "run", pretended)
        found = measured(path, Machine())
    assert found.verdict.word is Word.ACCEPT, found.verdict.reason
    assert not retracing.problems(path, found)
    return path


@pytest.fixture
def path(heated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(heated, tmp_path / heated.name))


def problems(path: Path) -> str:
    return " ".join(retracing.problems(path, deriving.judged(path)))


@pytest.mark.parametrize(
    ("event", "name", "value", "told"),
    [
        ("burn", "seed", "7", "burn: its data was not made from the nonce"),
        ("burn", "code", "another", "burn: another program or backend made it"),
        ("burn", "backend", "fake", "burn: another program or backend made it"),
        ("burn", "loads", "gemm", "burn: it is not what the contract asks for"),
        ("burn", "asked", "0.5", "burn: it is not what the contract asks for"),
        ("subject", "subject", encode(Subject("node7")).decode(), "burn: it is of other devices"),
    ],
)
def test_another_burn_in_than_was_wanted_is_found(path: Path, event: str, name: str, value: str, told: str) -> None:
    folder = layout.attempt_folder(path, "node0", 1)
    file = folder / layout.BURN / events.FILE
    rewritten(file, lambda kind, data: {**data, name: value} if kind == event else data)
    sha = deriving.told_by_burn(file.parent)
    rewritten(folder / layout.JOURNAL, lambda kind, data: {**data, "sha": sha} if kind == "burnt" else data)
    assert told in problems(path)


def test_a_burn_in_that_was_interrupted_may_neither_be_left_out_nor_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = begun(tmp_path, host(top="[burn]\nminutes = 3.0"))

    def run(request: controller.Request, stop: Stop, watch: Watch) -> None:
        pretended(request, stop, watch)
        if request.folder.name == layout.BURN:
            raise TerminatedError("It was ended.")

    monkeypatch.setattr(stages.controller, "run", run)
    with pytest.raises(TerminatedError):
        measured(path, Machine())
    file = layout.attempt_folder(path, "node0", 1) / layout.BURN / events.FILE
    measured(path, Machine())
    whole = file.read_bytes()
    assert problems(path) == ""
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:-3]))
    assert "burn: its journal was changed, or is missing" in problems(path)
    file.unlink()
    assert "burn: its journal was changed, or is missing" in problems(path)


def test_what_the_sensors_said_is_vouched_for(path: Path) -> None:
    """The gates rest on it: a reading that tells of a slow clock could be left out."""
    folder = layout.attempt_folder(path, "node0", 1)
    (run,) = folder.glob("host/stage-1/*/campaign.json")
    for place in (run.parent, folder / layout.BURN / "host"):
        place.mkdir(exist_ok=True)
        (place / "telemetry.jsonl").write_text("{}\n")
        assert "changed" in problems(path)
        (place / "telemetry.jsonl").unlink()
    assert problems(path) == ""


def test_a_scan_that_was_made_again_until_it_was_well_is_found(three: Path) -> None:
    scanned(three, ("node0", "node1", "node2"))
    assert problems(three) == ""
    (run,) = (three / layout.SCAN).iterdir()
    shutil.copytree(run, run.with_name("scan-9"))
    assert "does not know the scan scan-9" in problems(three)
    shutil.rmtree(run.with_name("scan-9"))
    Journal(run / store.JOURNAL).note("again")
    assert "does not know the scan scan-0" in problems(three)


def test_a_run_that_was_made_shorter_on_the_command_line_is_found(tmp_path: Path) -> None:
    class Short(Machine):
        """Has its suite as it must be, and measures a tenth as long (``--budget``)."""

        def _run(self, part: str, words: list[str]) -> int:
            code = super()._run(part, words)
            (file,) = Path(dict(pairwise(words))["--out"]).glob(f"*/{store.CAMPAIGN}")
            made = decode(file.read_bytes(), store.Campaign)
            plan = replace(made.plan, policy=replace(made.plan.policy, seconds=made.plan.policy.seconds / 10))
            data = encode(replace(made, plan=plan)) + b"\n"
            file.write_bytes(data)
            rewritten(
                file.with_name(store.JOURNAL),
                lambda kind, told: {**told, "sha": store.digest(data)} if kind == "campaign" else told,
            )
            return code

    path = begun(tmp_path, host())
    assert measured(path, Short()).verdict.word is Word.ACCEPT
    assert "how long and how often it was measured is not what" in problems(path)


def test_a_stage_may_not_be_left_out(path: Path) -> None:
    folder = layout.attempt_folder(path, "node0", 1)
    (folder / "host/stage-1").rename(folder / "host/stage-2")
    rewritten(
        folder / layout.JOURNAL,
        lambda kind, data: {**data, "step": data["step"].replace("stage-1", "stage-2")} if "step" in data else data,
    )
    assert "stage-1 is missing, and stage-2 is there" in problems(path)


def test_the_kernels_that_the_certificate_names_are_those_of_the_program(path: Path) -> None:
    made = layout.read(path)
    layout.write_made(path, replace(made, kernels={**made.kernels, "gemm.cu": "0" * 64}))
    assert "The digests of the kernels are not those of this program" in problems(path)


def test_nobody_is_judged_by_a_baseline_in_which_its_own_runs_are(tmp_path: Path) -> None:
    baseline = f'[baseline]\ndigest = "{"a" * 64}"\nmachines = ["{{}}"]\n'
    for name, word in (("0" * 16, Word.ACCEPT), (double.MACHINE, Word.INVALID)):
        contract = contracts.loads((host().source + baseline.format(name)).encode())
        found = measured(begun(tmp_path / name, contract), Machine())
        assert found.verdict.word is word
    assert "learned from this very machine" in found.verdict.reason


# -- the scan between nodes ----------------------------------------------------------------------------------------


def scanned(path: Path, nodes: Sequence[str], **changes: object) -> None:
    """A scan of these nodes, as it was begun."""
    plan = ledger.Plan(rounds=24, margin=log1p(0.05))
    units = tuple(Unit(rank, node) for rank, node in enumerate(nodes))
    made = ledger.Made(
        ledger.SCHEMA, "20990101-scan", store.now(), "0", "benchsuite scan", "host", 5, plan, len(nodes),
        units=units, code=identity.code(),
    )  # fmt: skip
    folder = path / layout.SCAN / f"scan-{len(list((path / layout.SCAN).glob('*')))}"
    ledger.ScanDirectory(folder, replace(made, **changes))  # type: ignore[arg-type]
    sha = store.digest((folder / store.JOURNAL).read_bytes())
    Journal(path / layout.JOURNAL).note("scan-end", run=folder.name, sha=sha)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three hosts, all well."""
    path = begun(tmp_path, host(nodes=3), placing=Placing("mpiexec", "node0,node1,node2"))
    for node in ("node0", "node1", "node2"):
        double.on(Machine(), node)(path, Silent(), Stop())
    return path


def test_a_scan_without_one_of_the_nodes_is_none(three: Path) -> None:
    scanned(three, ("node0.cluster", "node1.cluster", "node2.cluster"))
    assert deriving.judged(three).scan is not None
    scanned(three, ("node0", "node2"))
    found = deriving.judged(three)
    assert found.scan is None
    assert "it went without node1" in " ".join(found.problems)
    assert "were not scanned" in found.verdict.reason


def test_a_node_that_came_late_is_scanned_too(three: Path) -> None:
    scanned(three, ("node0", "node2"))
    made = layout.read(three)
    work = acceptance.Work(three, made, deriving.contract_of(three, made), Silent())
    begun_ = deriving.newest_scan(three)
    assert begun_ is not None
    assert not work._goes_on(begun_)
    scanned(three, ("node0", "node1", "node2"))
    whole = deriving.newest_scan(three)
    assert whole is not None
    assert work._goes_on(whole)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"code": "another"}, "Another program or backend"),
        ({"backend": "fake"}, "Another program or backend"),
        ({"plan": ledger.Plan(rounds=2, margin=log1p(0.05))}, "not the one that the contract asks for"),
        ({"plan": ledger.Plan(rounds=24, margin=log1p(0.5))}, "not the one that the contract asks for"),
        ({"plan": ledger.Plan(rounds=24)}, "not the one that the contract asks for"),
        ({}, ""),
    ],
)
def test_another_scan_than_was_agreed_is_found(three: Path, changes: dict[str, object], told: str) -> None:
    scanned(three, ("node0", "node1", "node2"), **changes)
    assert told in problems(three)
    assert ("scan between" in problems(three)) is bool(told)


def test_scans_before_the_last_are_heard(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = ("node0", "node1", "node2")
    assert deriving.replaced(three) == ()
    scanned(three, everybody)
    first = deriving.newest_scan(three)
    scanned(three, everybody)
    assert len(deriving.replaced(three)) == 1
    heard: list[int] = []
    monkeypatch.setattr("benchsuite.accept.fleetrule.judge_all", lambda *given: heard.append(len(given[4])))
    deriving.judged(three)
    assert heard == [1]
    assert first is not None
    (first / ledger.SCAN).write_text("{}")
    assert deriving.replaced(three) == (), "one that cannot be trusted says nothing"
