"""Signatures: what is signed is what is verified, by whom the verifier trusts; all else is named for what it is."""

from __future__ import annotations

import base64
import json
import random
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from benchsuite import keys, provenance, publication
from benchsuite.cli import app
from benchsuite.commands import evidence
from benchsuite.errors import DataError, Exit, UsageError
from benchsuite.keys import Role, Trust, Trusted
from benchsuite.model import Level
from benchsuite.provenance import Checked, State, check
from tests.public_data import measured, published

NONCE = "3f1c9a7e5b2d4f60"


def pair(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


PROVIDER, OPERATOR, STRANGER = pair(1), pair(2), pair(3)


def trusting(*nonces: str) -> Trust:
    """The provider as provider, the operator as operator, the stranger not at all."""
    who = {"Alpha": (PROVIDER, Role.PROVIDER), "Lab": (OPERATOR, Role.OPERATOR)}
    found = {
        keys.fingerprint(key.public_key()): Trusted(name, role, key.public_key()) for name, (key, role) in who.items()
    }
    return Trust(found, frozenset(nonces))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("original"))[0]


@pytest.fixture
def file(original: Path, tmp_path: Path) -> Path:
    """A publication's file, with its samples, that a test may change."""
    for each in original.parent.glob(f"{original.stem}.*json*"):
        (tmp_path / each.name).write_bytes(each.read_bytes())
    return tmp_path / original.name


def signature(file: Path) -> Path:
    return file.with_name(file.name + provenance.SUFFIX)


def sign(file: Path, key: Ed25519PrivateKey = PROVIDER, role: Role = Role.PROVIDER, nonce: str = "") -> dict[str, Any]:
    """Sign it, and give the envelope."""
    signature(file).write_bytes(provenance.sign(file, key, role, nonce))
    document: dict[str, Any] = json.loads(signature(file).read_bytes())
    return document


def put(file: Path, envelope: object) -> Checked:
    """Replace the envelope, and check again."""
    signature(file).write_text(json.dumps(envelope))
    return check(file, trusting())


def statement(envelope: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return document


def resigned(payload: bytes, key: Ed25519PrivateKey = PROVIDER, kind: str = provenance.PAYLOAD_TYPE) -> dict[str, Any]:
    """An envelope over any payload, properly signed."""
    sig = base64.b64encode(key.sign(provenance.pae(kind, payload))).decode()
    made = {"keyid": keys.fingerprint(key.public_key()), "sig": sig}
    return {"payload": base64.b64encode(payload).decode(), "payloadType": kind, "signatures": [made]}


# -- what it is -----------------------------------------------------------------------------------


def test_the_pre_authentication_encoding_is_that_of_the_specification() -> None:
    """The vector of dsse/protocol.md, and one that counts bytes, not characters."""
    hello = provenance.pae("http://example.com/HelloWorld", b"hello world")
    assert hello == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert provenance.pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_the_statement_is_in_toto_s_and_names_file_and_samples(file: Path) -> None:
    envelope = sign(file, nonce=NONCE)
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    told = statement(envelope)
    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert told["predicateType"] == provenance.PREDICATE
    samples = file.with_name(file.stem + publication.SAMPLES)
    assert told["subject"] == [
        {"name": one.name, "digest": {"sha256": publication.digest(one.read_bytes())}} for one in (file, samples)
    ]
    assert told["predicate"] == {
        "tool": "benchsuite", "version": "0.1.0", "code": "c0de" * 4, "started": publication.read(file).started,
        "role": "provider", "level": "challenged", "nonce": NONCE,
    }  # fmt: skip


def test_any_tool_can_verify_it(file: Path) -> None:
    """Without a line of ours but the encoding, which is written out."""
    envelope = sign(file)
    payload = base64.b64decode(envelope["payload"])
    signed = b"DSSEv1 28 application/vnd.in-toto+json " + str(len(payload)).encode() + b" " + payload
    PROVIDER.public_key().verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)


# -- levels ---------------------------------------------------------------------------------------


def test_what_nobody_signed_is_self_reported(file: Path) -> None:
    assert check(file, trusting()) == Checked(State.UNSIGNED, Level.SELF_REPORTED)


def test_signed_by_a_provider(file: Path) -> None:
    sign(file)
    assert check(file, trusting()) == Checked(State.VERIFIED, Level.SIGNED, "Alpha")


def test_independent_is_who_is_trusted_as_such_and_says_so(file: Path) -> None:
    sign(file, OPERATOR, Role.OPERATOR)
    assert check(file, trusting()) == Checked(State.VERIFIED, Level.INDEPENDENT, "Lab")
    sign(file, PROVIDER, Role.OPERATOR)
    assert check(file, trusting()).level is Level.SIGNED, "a provider cannot call itself independent"
    sign(file, OPERATOR, Role.PROVIDER)
    assert check(file, trusting()).level is Level.SIGNED, "an operator may sign as a provider"


def test_challenged_is_only_by_a_nonce_that_the_verifier_gave(file: Path) -> None:
    sign(file, nonce=NONCE)
    assert check(file, trusting(NONCE)).level is Level.CHALLENGED
    assert check(file, trusting("another-nonce-0123456789")).level is Level.SIGNED
    assert check(file, trusting()).level is Level.SIGNED
    sign(file)
    assert check(file, trusting(NONCE)).level is Level.SIGNED, "without a nonce in it no nonce matches"


def test_a_stranger_s_key_vouches_for_nothing(file: Path) -> None:
    sign(file, STRANGER, Role.OPERATOR, NONCE)
    found = check(file, trusting(NONCE))
    assert (found.state, found.level, found.signer) == (State.UNTRUSTED, Level.SELF_REPORTED, "")
    assert keys.fingerprint(STRANGER.public_key())[:16] in found.problem


def test_the_signer_has_the_name_that_the_verifier_gave(file: Path) -> None:
    sign(file)
    key = PROVIDER.public_key()
    renamed = Trust({keys.fingerprint(key): Trusted("Whoever", Role.PROVIDER, key)})
    assert check(file, renamed).signer == "Whoever"


def test_one_of_two_signatures_that_is_trusted_is_enough(file: Path) -> None:
    one, other = sign(file, PROVIDER, Role.OPERATOR), sign(file, OPERATOR, Role.OPERATOR)
    one["signatures"] = [resigned(base64.b64decode(one["payload"]), STRANGER)["signatures"][0], *one["signatures"]]
    assert put(file, one) == Checked(State.VERIFIED, Level.SIGNED, "Alpha")
    one["signatures"] += other["signatures"]
    assert statement(one) == statement(other)
    assert put(file, one) == Checked(State.VERIFIED, Level.INDEPENDENT, "Lab")


# -- what is wrong --------------------------------------------------------------------------------


def test_every_byte_of_the_publication_counts(file: Path) -> None:
    sign(file)
    data = file.read_bytes()
    rng = random.Random(1)
    for at in rng.sample(range(len(data)), 200):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
        assert check(file, trusting()).state is State.BAD
    for changed in (data + b"\n", data[:-1], data.replace(b":", b": ", 1)):
        file.write_bytes(changed)
        assert check(file, trusting()).state is State.BAD


def test_every_byte_of_the_envelope_counts(file: Path) -> None:
    """A change makes it malformed, false, or another's whom nobody trusts: never verified."""
    sign(file, nonce=NONCE)
    data = signature(file).read_bytes()
    rng = random.Random(2)
    states = set()
    for at in range(len(data) - 1):
        signature(file).write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(7)]) + data[at + 1 :])
        found = check(file, trusting(NONCE))
        states.add(found.state)
        assert found.level is Level.SELF_REPORTED, data[max(0, at - 20) : at + 20]
        assert found.problem.endswith((".", ")"))
    assert states == {State.BAD, State.UNTRUSTED}


def test_a_statement_changed_after_it_was_signed_is_false(file: Path) -> None:
    envelope = sign(file)
    for name, value in (("role", "operator"), ("nonce", NONCE), ("started", "2030-01-01"), ("version", "9")):
        told = statement(envelope)
        told["predicate"][name] = value
        forged = {**envelope, "payload": base64.b64encode(json.dumps(told).encode()).decode()}
        found = put(file, forged)
        assert found.state is State.BAD
        assert "does not fit" in found.problem


def test_the_signature_of_another_file_is_refused(file: Path, tmp_path: Path) -> None:
    sign(file)
    other = tmp_path / "other.json"
    other.write_bytes(file.read_bytes().replace(b'"planned":5', b'"planned":6'))
    signature(other).write_bytes(signature(file).read_bytes())
    found = check(other, trusting())
    assert found.state is State.BAD
    assert "another file" in found.problem


def test_of_two_subjects_the_first_is_the_publication(file: Path) -> None:
    """Else the digest of the samples' file would vouch for anything renamed to it."""
    envelope = sign(file)
    told = statement(envelope)
    told["subject"].reverse()
    assert put(file, resigned(json.dumps(told).encode())).state is State.BAD
    assert put(file, resigned(json.dumps({**told, "subject": []}).encode())).state is State.BAD
    told["subject"].reverse()
    assert put(file, resigned(json.dumps(told).encode())).state is State.VERIFIED


def test_a_wrong_key_under_a_trusted_name_is_false(file: Path) -> None:
    envelope = sign(file, STRANGER)
    envelope["signatures"][0]["keyid"] = keys.fingerprint(PROVIDER.public_key())
    assert put(file, envelope).state is State.BAD


def test_a_false_signature_is_not_outvoted_by_a_good_one(file: Path) -> None:
    envelope = sign(file)
    false = {"keyid": keys.fingerprint(OPERATOR.public_key()), "sig": envelope["signatures"][0]["sig"]}
    assert put(file, {**envelope, "signatures": [*envelope["signatures"], false]}).state is State.BAD


def test_signatures_are_some_and_each_of_another_key(file: Path) -> None:
    envelope = sign(file)
    one = envelope["signatures"][0]
    for wrong in ([], [one, one], [{**one, "keyid": f"{number}"} for number in range(17)]):
        found = put(file, {**envelope, "signatures": wrong})
        assert found.state is State.BAD
        assert f"{len(wrong)} signatures" in found.problem


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "application/json"},
        {"payloadType": "application/vnd.in-toto+json "},
        {"payload": "%%%"},
        {"payload": "é"},
        {"payload": "YQ"},
        {"payload": "YQ==\n"},
        {"payload": "YR=="},
        {"payload": ""},
        {"payload": None},
        {"signatures": {}},
        {"signatures": [{"sig": "AAAA"}]},
        {"signatures": [{"keyid": "x", "sig": "-_8="}]},
        {"signatures": [{"keyid": 1, "sig": "AAAA"}]},
    ],
    ids=str,
)
def test_a_malformed_envelope_is_bad(change: dict[str, Any], file: Path) -> None:
    assert put(file, {**sign(file), **change}).state is State.BAD


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b"\xff", b'{"_type": "x"}', b"[" * 20_000], ids=lambda payload: repr(payload[:20])
)
def test_a_signed_payload_that_is_no_statement_is_bad(payload: bytes, file: Path) -> None:
    assert put(file, resigned(payload)).state is State.BAD


def test_a_statement_of_another_kind_is_bad(file: Path) -> None:
    told = statement(sign(file))
    for name in ("_type", "predicateType"):
        assert (
            put(file, resigned(json.dumps({**told, name: "https://slsa.dev/provenance/v1"}).encode())).state
            is State.BAD
        )
    assert put(file, resigned(json.dumps(told).encode(), kind="text/plain")).state is State.BAD


def test_an_envelope_that_is_huge_or_no_file_is_bad(file: Path) -> None:
    envelope = sign(file)
    signature(file).write_text(json.dumps({**envelope, "more": "x" * (1 << 17)}))
    assert check(file, trusting()).state is State.BAD
    signature(file).unlink()
    signature(file).mkdir()
    assert check(file, trusting()).state is State.BAD
    signature(file).rmdir()
    signature(file).symlink_to(file)
    assert check(file, trusting()).state is State.BAD


def test_only_what_can_be_true_is_signed(file: Path) -> None:
    document = json.loads(file.read_text())
    document["results"][0]["runs"] = 99
    file.write_text(json.dumps(document))
    with pytest.raises(DataError, match="cannot be true"):
        provenance.sign(file, PROVIDER, Role.PROVIDER)
    file.write_text("{}")
    with pytest.raises(DataError, match="no publication"):
        provenance.sign(file, PROVIDER, Role.PROVIDER)


# -- keys -----------------------------------------------------------------------------------------


def test_a_pair_is_made_once_and_its_private_half_is_for_its_owner(tmp_path: Path) -> None:
    private, public, fingerprint = keys.new(tmp_path / "keys")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert keys.fingerprint(keys.private(private).public_key()) == fingerprint == keys.fingerprint(keys.public(public))
    before = private.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        keys.new(tmp_path / "keys")
    public.unlink()
    with pytest.raises(UsageError, match="is there already"):
        keys.new(tmp_path / "keys")
    assert private.read_bytes() == before
    public.write_text("somebody's")
    private.unlink()
    with pytest.raises(UsageError, match="is there already"):
        keys.new(tmp_path / "keys")
    assert not private.exists()
    assert public.read_text() == "somebody's"


def test_a_private_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    private, _, _ = keys.new(tmp_path)
    private.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        keys.private(private)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = Ed448PrivateKey.generate()
    pem = serialization.Encoding.PEM
    private, public = tmp_path / "a.key", tmp_path / "a.pub"
    secret = other.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    keys.write(private, secret, 0o600)
    public.write_bytes(other.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    for read, path in ((keys.private, private), (keys.public, public)):
        with pytest.raises(DataError, match="no Ed25519 key"):
            read(path)
    for text in ("", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "x" * 1000):
        private.write_text(text)
        for read in (keys.private, keys.public):
            with pytest.raises(DataError):
                read(private)


def test_a_folder_tells_whom_one_trusts_as_what(tmp_path: Path) -> None:
    folder = trust_folder(tmp_path)
    found = keys.trust([folder])
    assert {who.name: who.role for who in found.keys.values()} == {"alpha": Role.PROVIDER, "lab": Role.OPERATOR}
    assert found.nonces == {NONCE}
    assert keys.trust([folder / "alpha.pub"], [NONCE]).nonces == {NONCE}
    assert keys.trust([folder / "operators" / "lab.pub"]).keys == {
        name: who for name, who in found.keys.items() if who.role is Role.OPERATOR
    }


def trust_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "trust"
    (folder / keys.OPERATORS).mkdir(parents=True)
    pem, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "alpha.pub").write_bytes(PROVIDER.public_key().public_bytes(pem, form))
    (folder / keys.OPERATORS / "lab.pub").write_bytes(OPERATOR.public_key().public_bytes(pem, form))
    (folder / keys.NONCES).write_text(f"# given to Alpha on 2 January\n{NONCE}\n")
    return folder


def test_a_trusted_key_that_cannot_be_read_is_never_passed_over(tmp_path: Path) -> None:
    folder = trust_folder(tmp_path)
    (folder / "beta.pub").write_text("rubbish")
    with pytest.raises(DataError, match=r"beta\.pub"):
        keys.trust([folder])
    (folder / "beta.pub").unlink()
    (folder / keys.OPERATORS / "alpha.pub").write_bytes((folder / "alpha.pub").read_bytes())
    with pytest.raises(UsageError, match="as provider and as operator"):
        keys.trust([folder])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no public key"):
        keys.trust([tmp_path / "empty"])


@pytest.mark.parametrize("text", ["short", "x" * 129, "with space 0123456789", "0123456789abcdef\n"])
def test_a_nonce_is_long_and_plain(text: str) -> None:
    with pytest.raises(UsageError, match="openssl rand"):
        keys.nonce(text)


# -- the commands ---------------------------------------------------------------------------------


def verify(file: Path, *trusted: Path) -> int:
    return evidence.verify(file, trusted, (), as_json=False)


def test_from_key_to_verdict(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "keys"
    evidence.new_keys(folder, as_json=False)
    assert verify(file) == Exit.INCONCLUSIVE
    evidence.sign(file, folder / keys.PRIVATE, "provider", "", as_json=False)
    assert verify(file) == Exit.INCONCLUSIVE
    capsys.readouterr()
    assert verify(file, folder / keys.PUBLIC) == Exit.DONE
    assert capsys.readouterr().out == "verified: signed (benchsuite): its provider vouches for it.\n"
    file.write_bytes(file.read_bytes().replace(b'"planned":5', b'"planned":4'))
    assert verify(file, folder / keys.PUBLIC) == Exit.REJECTED
    assert "was changed since" in capsys.readouterr().out


def test_the_command_line_ends_with_the_verdict(file: Path, tmp_path: Path) -> None:
    def code(*words: object) -> int:
        return CliRunner().invoke(app, [str(word) for word in words]).exit_code

    assert code("keys", "new", "--to", tmp_path / "k") == Exit.DONE
    assert code("verify", file) == Exit.INCONCLUSIVE
    assert code("sign", file, "--key", tmp_path / "k" / keys.PRIVATE, "--as", "operator", "--nonce", NONCE) == Exit.DONE
    trusted = ("--trust", tmp_path / "k" / keys.PUBLIC)
    assert code("verify", file, *trusted, "--nonce", NONCE) == Exit.DONE
    file.write_bytes(file.read_bytes()[:-2])
    assert code("verify", file, *trusted) == Exit.REJECTED


def test_json_says_the_same(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sign(file, OPERATOR, Role.OPERATOR, NONCE)
    assert evidence.verify(file, [trust_folder(tmp_path)], [], as_json=True) == Exit.DONE
    document = json.loads(capsys.readouterr().out)
    assert document == {"state": "verified", "level": "challenged", "signer": "lab", "problems": []}


def test_samples_that_are_not_those_published_refuse_it(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign(file)
    beside = file.with_name(file.stem + publication.SAMPLES)
    beside.write_bytes(beside.read_bytes().replace(b"0.001001", b"0.001002", 1))
    assert verify(file, trust_folder(tmp_path)) == Exit.REJECTED
    assert "is not the file that the publication names" in capsys.readouterr().out


def test_a_good_signature_does_not_make_true_what_cannot_be(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = statement(sign(file))
    file.write_bytes(file.read_bytes().replace(b'"runs":5,"samples":[', b'"runs":6,"samples":[', 1))
    told["subject"][0]["digest"]["sha256"] = publication.digest(file.read_bytes())
    assert put(file, resigned(json.dumps(told).encode())).state is State.VERIFIED
    assert verify(file, trust_folder(tmp_path)) == Exit.REJECTED
    assert "has more runs or fewer than it says" in capsys.readouterr().out


def test_a_run_is_written_with_its_samples_before_it_is_signed(tmp_path: Path) -> None:
    loaded = measured(tmp_path / "runs")
    file = evidence.file_of("latest", tmp_path / "runs", tmp_path / "signed")
    assert file == evidence.file_of(str(file), tmp_path, tmp_path)
    assert publication.read(file).id == loaded.campaign.id
    sign(file)
    assert verify(file, trust_folder(tmp_path)) == Exit.DONE
    assert file.with_name(file.stem + publication.SAMPLES).is_file()
    records = loaded.path / "records.jsonl"
    records.write_bytes(records.read_bytes().replace(b"0.001001", b"0.001002", 1))
    with pytest.raises(DataError, match="was changed after it was measured"):
        evidence.file_of("latest", tmp_path / "runs", tmp_path / "signed")


def test_a_signature_is_never_replaced(file: Path, tmp_path: Path) -> None:
    private, _, _ = keys.new(tmp_path / "keys")
    evidence.sign(file, private, "provider", "", as_json=True)
    before = signature(file).read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        evidence.sign(file, private, "operator", NONCE, as_json=True)
    assert signature(file).read_bytes() == before
    with pytest.raises(UsageError, match="provider, operator"):
        evidence.sign(file, private, "owner", "", as_json=True)
