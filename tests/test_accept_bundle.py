"""An acceptance as evidence: every edited byte is found, every verdict is derived again, and no more is claimed."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchsuite import keys, provenance, store
from benchsuite.accept import acceptance, bundle, deriving, layout
from benchsuite.cli import app
from benchsuite.commands import accept, evidence
from benchsuite.commands import bundle as verifying
from benchsuite.commands.bundle import State, check, same
from benchsuite.errors import DataError, Exit, UsageError
from benchsuite.keys import Role, Trust
from benchsuite.model import Level, Word
from tests.accept_double import Machine, begun, host, measured, unsynced  # noqa: F401  a fixture
from tests.test_provenance import OPERATOR, PROVIDER, STRANGER, trusting

NONCE = "3f1c9a7e5b2d4f60"
MOST = 1 << 16
Edit = Callable[[Path], object]

pytestmark = pytest.mark.usefixtures("unsynced")


def closed(out: Path, machine: Machine | None = None, who: accept.Signer | None = None, **more: object) -> Path:
    """A sealed acceptance of a host that is as agreed, unless the machine says otherwise."""
    path = begun(out, host(), **more)
    accept.close(path, measured(path, machine or Machine()), who)
    return path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return closed(tmp_path_factory.mktemp("sealed"), nonce=NONCE)


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    """A sealed bundle that a test may change."""
    return Path(shutil.copytree(original, tmp_path / original.name))


def resealed(path: Path, edit: Edit) -> verifying.Found:
    """What is said of a folder that was edited and sealed again by whoever knows how."""
    edit(path)
    bundle.seal(path, layout.read(path))
    return check(path, Trust())


def edited(path: Path, name: str, old: str, new: str) -> None:
    text = (path / name).read_text()
    assert old in text, name
    (path / name).write_text(text.replace(old, new))


# -- what it is worth ----------------------------------------------------------------------------------------------


def test_unsigned_it_is_whole_and_nobody_vouches(path: Path) -> None:
    found = check(path, trusting())
    assert found.state is State.UNSIGNED, found.problems
    assert found.verdict
    assert found.verdict.word is Word.ACCEPT
    assert not found.problems
    assert "nobody signed it" in verifying.MEANS[State.UNSIGNED]


def test_signed_by_whom_one_trusts_it_is_verified(path: Path) -> None:
    bundle.sign(path, OPERATOR, Role.OPERATOR)
    found = check(path, trusting())
    assert (found.state, found.level, found.signer) == (State.VERIFIED, Level.INDEPENDENT, "Lab")
    assert check(path, trusting(NONCE), [NONCE]).level is Level.CHALLENGED
    assert check(path, Trust()).state is State.UNTRUSTED


def test_signed_by_a_stranger_it_is_untrusted(path: Path) -> None:
    bundle.sign(path, STRANGER, Role.OPERATOR)
    assert check(path, trusting()).state is State.UNTRUSTED


def test_the_certificate_names_who_was_going_to_sign(tmp_path: Path) -> None:
    path = closed(tmp_path, who=accept.Signer(PROVIDER, Role.PROVIDER))
    assert check(path, trusting()).state is State.VERIFIED
    assert keys.fingerprint(PROVIDER.public_key()) in (path / "certificate.html").read_text()


def test_the_statement_is_about_the_manifest(path: Path) -> None:
    bundle.sign(path, PROVIDER, Role.PROVIDER)
    envelope = json.loads((path / (layout.MANIFEST + provenance.SUFFIX)).read_bytes())
    told = json.loads(base64.b64decode(envelope["payload"]))
    sha = store.digest((path / layout.MANIFEST).read_bytes())
    assert told["subject"] == [{"name": "manifest.json", "digest": {"sha256": sha}}]
    assert told["predicate"]["nonce"] == NONCE


def test_the_manifest_names_every_file_and_no_lock_is_left(path: Path) -> None:
    files = json.loads((path / layout.MANIFEST).read_bytes())["files"]
    there = {str(one.relative_to(path)) for one in path.rglob("*") if one.is_file()} - {layout.MANIFEST}
    assert set(files) == there
    assert not any(name.endswith(layout.LOCK) for name in files)
    assert {"acceptance.json", "contract.toml", "journal.jsonl", "evidence.json", "verdict.json"} < set(files)
    assert {"certificate.html", "certificate.md", "junit.xml"} < set(files)


# -- edited --------------------------------------------------------------------------------------------------------


def test_any_edited_byte_is_found(path: Path) -> None:
    """Every 97th byte of each file, beginning elsewhere in each; of large ones fewer, and always the first and last."""
    bundle.sign(path, PROVIDER, Role.PROVIDER)
    assert check(path, trusting()).state is State.VERIFIED
    tried = 0
    signature = path / (layout.MANIFEST + provenance.SUFFIX)
    for number, file in enumerate(sorted(one for one in path.rglob("*") if one.is_file() and one != signature)):
        data = file.read_bytes()
        step = max(97, len(data) // 40)
        for at in sorted({0, len(data) - 1, *range(number % step, len(data), step)}):
            changed = bytearray(data)
            changed[at] ^= 1 << (at % 8)
            file.write_bytes(changed)
            assert check(path, trusting()).state is State.BAD, f"{file.name}, byte {at}"
            tried += 1
        file.write_bytes(data)
    assert tried > 300
    assert check(path, trusting()).state is State.VERIFIED


@pytest.mark.parametrize("name", [layout.MANIFEST, layout.MANIFEST + provenance.SUFFIX])
def test_any_byte_of_what_seals_it_is_found(path: Path, name: str) -> None:
    """Nothing vouches for these two but themselves, so that line ends and spaces are tried, too."""
    bundle.sign(path, PROVIDER, Role.PROVIDER)
    made, data = layout.read(path), (path / name).read_bytes()
    for at in sorted({0, len(data) - 1, *range(0, len(data), 3 if name != layout.MANIFEST else 41)}):
        for change in (b"\n", b" ", bytes([data[at] ^ 1])):
            if change == data[at : at + 1]:
                continue
            (path / name).write_bytes(data[:at] + change + data[at + 1 :])
            whole = not bundle.unsealed(path, made) if name == layout.MANIFEST else True
            assert not (whole and bundle.signed(path, trusting()).state is provenance.State.VERIFIED), at
    (path / name).write_bytes(data)
    assert check(path, trusting()).state is State.VERIFIED


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda path: (path / "note.txt").write_text("hello"), "note.txt was added"),
        (lambda path: (path / "certificate.md").unlink(), "certificate.md is missing"),
        (lambda path: (path / "link").symlink_to(path / "contract.toml"), "link is neither a file nor a folder"),
        (lambda path: (path / layout.MANIFEST).unlink(), "manifest.json cannot be read"),
        (lambda path: (path / layout.MANIFEST).write_text("{}"), "manifest.json cannot be read"),
        (lambda path: edited(path, layout.MANIFEST, "\n", "\n\n"), "manifest.json was changed"),
        (lambda path: (path / layout.ACCEPTANCE).write_text("{}"), "acceptance.json cannot be read"),
        (lambda path: (path / layout.JOURNAL).unlink(), "journal"),
        (lambda path: (path / "new\nline").write_text(""), "has a name that cannot be shown"),
    ],
)
def test_what_does_not_fit_the_seal_is_named(path: Path, edit: Edit, told: str) -> None:
    edit(path)
    found = check(path, Trust())
    assert found.state is State.BAD
    assert any(told in problem for problem in found.problems), found.problems


def test_it_says_where_the_certificate_lies_and_what_comes_next(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = closed(tmp_path / "slow", Machine(speed=lambda part, benchmark, run: 0.9 + 0.001 * (run % 2)))
    told = {}
    for one in (path, slow):
        accept.show(one, deriving.judged(one), as_json=False)
        told[one] = capsys.readouterr().out.splitlines()
        assert f"Certificate: {one}/certificate.html" in told[one]
        assert f"Derive it again: benchsuite verify {one}" in told[one]
    assert told[slow][-1] == f"When that is mended: benchsuite accept --retest {slow}"
    assert "--retest" not in told[path][-1]


def test_a_path_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(UsageError, match="There is no gone"):
        evidence.verify(Path("gone"), (), (), path / layout.CONTRACT, as_json=False)


def test_what_has_not_ended_is_told_from_what_was_changed(path: Path) -> None:
    layout.unseal(path)
    assert "has not ended" in " ".join(check(path, Trust()).problems)


# -- sealed again --------------------------------------------------------------------------------------------------


def run_of(path: Path) -> Path:
    (campaign,) = path.glob(f"nodes/node0/attempt-1/host/stage-1/*/{store.CAMPAIGN}")
    return campaign.parent


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda path: edited(path, layout.VERDICT, '"marginal"', '"accept"'), "verdict.json does not follow"),
        (lambda path: edited(path, layout.EVIDENCE, '"ok"', '"failed"'), "evidence.json does not follow"),
        (lambda path: (path / layout.EVIDENCE).unlink(), "evidence.json does not follow"),
        (lambda path: edited(path, "certificate.html", "arginal", "ccepted"), "certificate.html does not say"),
        (lambda path: (path / "junit.xml").unlink(), "junit.xml does not say"),
        (lambda path: edited(path, "certificate.md", "arginal", "ccepted"), "certificate.md does not say"),
        (lambda path: edited(run_of(path), store.RECORDS, '"iterations":4', '"iterations":5'), "was changed after"),
        (lambda path: shutil.rmtree(run_of(path)), "is missing"),
        (lambda path: edited(path, "contract.toml", "10 GB/s", "9.5 GB/s"), "is not the contract that was tested"),
        (lambda path: edited(path, "nodes/node0/attempt-1/inspection-before.json", "b00t", "b001"), "was changed"),
        (lambda path: edited(path, "nodes/node0/attempt-1/journal.jsonl", "inspection", "inspectiom"), "journal"),
    ],
)
def test_what_does_not_follow_is_found_though_it_was_sealed_again(tmp_path: Path, edit: Edit, told: str) -> None:
    path = closed(tmp_path, Machine(lambda part, benchmark, run: 0.965 + (0.0002 if run % 2 else -0.0002)))
    before = check(path, Trust())
    assert before.verdict
    assert before.verdict.word is Word.MARGINAL
    found = resealed(path, edit)
    assert found.state is State.BAD
    assert any(told in problem for problem in found.problems), found.problems


def test_a_run_of_other_data_or_another_suite_is_found(tmp_path: Path) -> None:
    class Forged(Machine):
        """Measures, but not what it is asked to."""

        def __init__(self, old: str, new: str) -> None:
            super().__init__()
            self.old, self.new = old, new

        def _run(self, part: str, words: list[str]) -> int:
            file = Path(words[1])
            file.write_text(file.read_text().replace(self.old, self.new))
            return super()._run(part, [self.new if word == self.old else word for word in words])

    seed = begun(tmp_path / "seed", host(), nonce=NONCE)
    found = measured(seed, machine := Machine())
    own = machine.words[0][machine.words[0].index("--seed") + 1]
    forged = closed(tmp_path / "forged", Forged(own, "7"), nonce=NONCE)
    assert any("was not made from the nonce" in one for one in check(forged, Trust()).problems)
    easier = closed(tmp_path / "easier", Forged("4xLLC", "16 KiB"))
    assert check(easier, Trust()).state is State.BAD
    shorter = closed(tmp_path / "shorter", Forged("warmup = 1.0", "warmup = 0.1"))
    assert any("not what the contract asks for" in one for one in check(shorter, Trust()).problems)
    assert found.verdict.word is Word.ACCEPT


def test_more_or_fewer_runs_than_the_rule_wants_are_found(tmp_path: Path) -> None:
    class Eager(Machine):
        """Makes a run more than it is asked for."""

        def _run(self, part: str, words: list[str]) -> int:
            return super()._run(part, ["5" if word == "4" else word for word in words])

    found = check(closed(tmp_path, Eager()), Trust())
    assert any("5 runs were made, and 4 were wanted" in one for one in found.problems)


def test_by_another_version_it_cannot_be_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying.identity, "code", lambda: "another")
    assert check(path, Trust()).state is State.UNSIGNED, "what follows all the same, follows"
    edited(path, "certificate.md", "ccepted", "CCEPTED")
    bundle.seal(path, layout.read(path))
    assert check(path, Trust()).state is State.UNKNOWN


def test_a_re_test_takes_the_seal_away_and_keeps_what_was_found(tmp_path: Path) -> None:
    machine = Machine(codes=lambda part, benchmark, run: ("CONTENDED",) if run < 4 else ())
    path = closed(tmp_path, machine, accept.Signer(PROVIDER, Role.PROVIDER))
    sealed = store.digest((path / layout.MANIFEST).read_bytes())
    acceptance.again(path)
    assert not (path / layout.MANIFEST).exists()
    assert not (path / (layout.MANIFEST + provenance.SUFFIX)).exists()
    accept.close(path, measured(path, machine), None)
    assert layout.read(path).attempt.sealed == sealed
    found = check(path, Trust())
    assert found.state is State.UNSIGNED, found.problems
    assert found.verdict
    assert found.verdict.word is Word.ACCEPT
    assert len(found.verdict.earlier) == 1
    assert "Attempt 1" in (path / "certificate.html").read_text()


# -- of what -------------------------------------------------------------------------------------------------------


def test_a_bundle_of_another_contract_is_refused(path: Path, tmp_path: Path) -> None:
    same_one, other = tmp_path / "same.toml", tmp_path / "other.toml"
    same_one.write_bytes((path / layout.CONTRACT).read_bytes())
    other.write_bytes((path / layout.CONTRACT).read_bytes() + b"\n")
    assert check(path, Trust(), contract=same_one).state is State.UNSIGNED
    found = check(path, Trust(), contract=other)
    assert found.state is State.BAD
    assert "about another contract" in found.problems[0]


def test_a_bundle_made_with_another_nonce_is_refused(path: Path, tmp_path: Path) -> None:
    assert check(path, Trust(), [NONCE]).state is State.UNSIGNED
    assert check(path, Trust(), [NONCE[::-1]]).state is State.BAD
    assert check(closed(tmp_path / "free"), Trust(), [NONCE]).state is State.BAD, "nobody gave that one a nonce"


def test_only_a_whole_bundle_is_signed(path: Path) -> None:
    edited(path, "certificate.md", "ccepted", "ejected")
    with pytest.raises(DataError, match=r"is not signed: certificate\.md was changed"):
        bundle.sign(path, PROVIDER, Role.PROVIDER)
    edited(path, "certificate.md", "ejected", "CCEPTED")
    bundle.seal(path, layout.read(path))
    with pytest.raises(DataError, match=r"is not signed: certificate\.md does not say"):
        verifying.sign(path, accept.Signer(PROVIDER, Role.PROVIDER))


# -- the commands --------------------------------------------------------------------------------------------------


def test_the_commands_sign_and_verify_it(path: Path, tmp_path: Path) -> None:
    invoke = CliRunner().invoke
    private, public, _ = keys.new(tmp_path / "keys")
    unsigned = invoke(app, ["verify", str(path), "--json"])
    assert unsigned.exit_code == Exit.INCONCLUSIVE
    assert json.loads(unsigned.stdout) == {
        "state": "unsigned",
        "level": "self-reported",
        "signer": "",
        "verdict": "accept",
        "reason": json.loads(unsigned.stdout)["reason"],
        "contract": store.digest((path / layout.CONTRACT).read_bytes()),
        "problems": [],
    }
    assert "it is not signed" in (path / "certificate.md").read_text()
    signed = invoke(app, ["sign", str(path), "--key", str(private)])
    assert signed.exit_code == Exit.DONE, signed.output
    assert "it is not signed" not in (path / "certificate.md").read_text()
    verified = invoke(app, ["verify", str(path), "--trust", str(public), "--contract", str(path / layout.CONTRACT)])
    assert verified.exit_code == Exit.DONE, verified.output
    assert verified.stdout.startswith("verified by benchsuite (signed):")
    assert "Its verdict is accept" in verified.stdout
    for name in ("latest", path.name):
        assert invoke(app, ["verify", name, "--trust", str(public), "--out", str(path.parent)]).exit_code == Exit.DONE
    elsewhere = invoke(app, ["verify", "latest", "--trust", str(public), "--out", str(tmp_path / "keys")])
    assert isinstance(elsewhere.exception, UsageError)
    (path / "certificate.md").write_text("accepted")
    bad = invoke(app, ["verify", str(path), "--trust", str(public)])
    assert bad.exit_code == Exit.REJECTED
    assert "certificate.md was changed." in bad.stdout
    assert "verdict is" not in bad.stdout


def test_what_makes_no_sense_is_refused(path: Path, tmp_path: Path) -> None:
    private, _, _ = keys.new(tmp_path / "keys")
    with pytest.raises(UsageError, match="its own nonce"):
        evidence.sign(path, private, "provider", NONCE, as_json=True)
    publication = tmp_path / "one.json"
    publication.write_text("{}")
    with pytest.raises(UsageError, match="--contract is for an acceptance"):
        evidence.verify(publication, (), (), publication, as_json=True)
    with pytest.raises(UsageError, match="is a folder"):
        evidence.verify(tmp_path, (), (), as_json=True)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"a": [1, 2.0]}, {"a": [1.0, 2]}, True),
        ([0.1 + 0.2], [0.3], True),
        ([1.0], [1.001], False),
        ({"a": 1}, {"b": 1}, False),
        ([True], [1], False),
        (["1"], [1], False),
        ([None], [0], False),
        ([1], [1, 1], False),
    ],
)
def test_json_is_the_same_but_for_rounding(one: object, other: object, equal: bool) -> None:
    assert same(one, other) is equal
    assert same(msgspec.json.decode(msgspec.json.encode(one)), other) is equal


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_was_edited_and_sealed_again_is_a_sentence(
    original: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    copy = Path(shutil.copytree(original, tmp_path_factory.mktemp("edited") / original.name))
    files = sorted(one for one in copy.rglob("*.json*") if one.is_file() and one.name != layout.MANIFEST)
    file = data.draw(st.sampled_from(files))
    held = file.read_bytes()
    at = data.draw(st.integers(0, len(held) - 1))
    what = data.draw(st.sampled_from([b"", b"0", b"-1", b"null", b"[]", b'""', b"\xff", b"1e400"]))
    file.write_bytes(held[:at] + what + held[at + 1 :])
    with suppress(DataError):
        bundle.seal(copy, layout.read(copy))
    assert check(copy, Trust()).state in {State.BAD, State.UNSIGNED}


def test_with_probes_and_a_burn_in_it_is_derived_again_too(tmp_path: Path) -> None:
    """What has an order in memory has another in a file."""
    path = begun(tmp_path, host(top="[burn]\nminutes = 0.02"))
    accept.close(path, measured(path, Machine()), None)
    found = check(path, Trust())
    assert found.state is State.UNSIGNED, found.problems
    assert found.verdict
    assert found.verdict.parts[0].burned
    (file,) = path.glob("nodes/*/attempt-1/burn/burn.jsonl")
    assert resealed(path, lambda path: file.write_bytes(file.read_bytes() + b"\n")).state is State.BAD
