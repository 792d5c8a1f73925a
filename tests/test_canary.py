"""Secrets are planted wherever a machine has room for them; no byte of what is public holds one, however packed."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import os
import re
import subprocess
import sys
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pandas
import pytest
from typer.testing import CliRunner

from benchsuite import discovery, exhibits, frame, keys, publication, store
from benchsuite.cli.app import app
from benchsuite.machine import facts as host
from benchsuite.model import Status
from benchsuite.render.explorer import page as explorer

FORMS = ("pytest-benchmark", "csv", "json")
CANARY = "canaryq7"
"""How each of them begins; two digits follow, so that a find names its place."""
BENCHMARK = f'''
import sys
import numpy as np
from benchsuite.model import ArraySpec, Axis, Benchmark, Expected, HostCall, Implementation, Metric, Tolerance, Work

def double(buffers, case):
    print("{CANARY}10 on standard output", file=sys.stdout)
    print("{CANARY}11 on standard error", file=sys.stderr)
    np.multiply(buffers["x"], 2.0, out=buffers["y"])

def wrong(buffers, case):
    buffers["y"][:] = 3.0

def raises(buffers, case):
    raise RuntimeError("{CANARY}12 in /home/{CANARY}13/secret.py")

def made(name, function):
    return Implementation(name, HostCall(function), provider="/opt/{CANARY}14/lib.so 1.2")

BENCHMARK = Benchmark(
    name="toyleak", question="Does {CANARY}15 leak?", metric=Metric.BANDWIDTH, axes=(Axis("n", (64,), "{CANARY}16"),),
    inputs=lambda case, rng: {{"x": rng.standard_normal(64)}},
    outputs=lambda case: {{"y": ArraySpec((64,), "fp64")}},
    work=lambda case: Work(read=512.0, written=512.0),
    reference=lambda case, ranks, rng: {{"y": Expected(2.0 * ranks[0]["x"])}},
    tolerance=lambda case: Tolerance(relative=1e-12),
    implementations=(made("good", double), made("wrong", wrong), made("raises", raises)),
    tags=frozenset({{"{CANARY}17"}}),
)
'''
SUITE = f"""
title = "A suite of {CANARY}20"
# {CANARY}21
[policy]
runs = 2
seconds = 0.01
warmup = 0.001
min_samples = 6
max_samples = 6
[[bench]]
select = ["toyleak"]
[[bench]]
select = ["memory"]
op = ["read"]
bytes = ["16 KiB", "1 MiB"]
"""
HOST = f'''
import platform, socket
socket.gethostname = lambda: "{CANARY}30.corp.example"
platform.node = lambda: "{CANARY}31"
platform.release = lambda: "6.1.0-{CANARY}32"
'''
FACTS = {
    "gpu": {
        "name": "NVIDIA H200", "serial": f"{CANARY}40", "uuid": f"GPU-{CANARY}41", "bus": f"0000:3b:00.0 {CANARY}42",
        "driver": f"580.65.06 {CANARY}43 (CUDA 13.0)", "arch": f"sm_90a {CANARY}44",
    },
    "system": {"hostname": f"{CANARY}45", "kernel": f"6.1.0-{CANARY}46", "Python": f"3.11.7+{CANARY}47"},
    "packages": {"numpy": f"2.3.1+{CANARY}48", f"{CANARY}49": "1.0"},
    "libraries": {"numpy": f"OpenBLAS 0.3.30 (/home/{CANARY}50)", "mkl": f"{CANARY}51"},
    "world": {"library": f"MPICH 4.2 built by {CANARY}52@host"},
    "environment": {"CUDA_VISIBLE_DEVICES": f"GPU-{CANARY}53", "OMP_PROC_BIND": f"{CANARY}54"},
    f"{CANARY}55": {"name": f"{CANARY}56"},
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, itself named like a secret, with a finished run in which secrets lie everywhere."""
    home = tmp_path_factory.mktemp(f"{CANARY}01")
    for name in ("benchmarks", "site", "home"):
        (home / name).mkdir()
    (home / "benchmarks" / "leak.py").write_text(BENCHMARK)
    (home / "site" / "sitecustomize.py").write_text(HOST)
    (home / f"{CANARY}02.toml").write_text(SUITE)
    words = ("run", f"{CANARY}02.toml", "--backend", "fake", "--no-report")
    environment = {**os.environ, **surroundings(home)}
    command = [sys.executable, "-m", "benchsuite", *words]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1, done.stderr
    run = next((home / "runs").iterdir())
    directory = store.RunDirectory.reopen(run)
    told = {section: {**values} for section, values in host.collect().items()}
    told |= {section: {**told.get(section, {}), **values} for section, values in FACTS.items()}
    directory.write_campaign(replace(directory.campaign, facts=told))
    assert store.load(run).problems == ()
    return home


def surroundings(home: Path) -> dict[str, str]:
    """The environment of every command here."""
    names = ("USER", "LOGNAME", "HOSTNAME", "API_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTP_PROXY", "PIP_INDEX_URL")
    return {
        **{name: f"{CANARY}{60 + number}" for number, name in enumerate(names)},
        "BENCHSUITE_BENCHMARKS": str(home / "benchmarks"),
        "PYTHONPATH": os.pathsep.join([str(home / "site"), str(Path(__file__).parent.parent)]),
        "HOME": str(home / "home"),
        "XDG_CACHE_HOME": str(home / "home" / "cache"),
        "XDG_CONFIG_HOME": str(home / "home" / "config"),
        "OMP_PROC_BIND": f"{CANARY}70",
    }


def unpacked(data: bytes, depth: int = 3) -> Iterator[bytes]:
    """The bytes, and whatever is packed in them: base64, percent signs, hexadecimal, deflate, gzip, zip, Parquet."""
    yield data
    if depth:
        for part in (*written_out(data), *deflated(data), *archived(data)):
            if part and part != data:
                yield from unpacked(part, depth - 1)


def written_out(data: bytes) -> Iterator[bytes]:
    """Bytes that stand there as text."""
    if b"%" in data:
        yield urllib.parse.unquote_to_bytes(data)
    for word in re.findall(rb"[A-Za-z0-9+/_-]{16,}", data):
        for start in range(4):
            text = word[start:].translate(bytes.maketrans(b"-_", b"+/"))
            yield base64.b64decode(text[: len(text) // 4 * 4])
    for word in re.findall(rb"(?:[0-9a-fA-F]{2}){8,}", data):
        yield binascii.unhexlify(word)


def deflated(data: bytes) -> Iterator[bytes]:
    """Streams of zlib and gzip, wherever they begin."""
    for found in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", data):
        kind = 31 if found[0].startswith(b"\x1f") else 15
        with suppress(zlib.error):
            yield zlib.decompressobj(kind).decompress(data[found.start() :], 32 << 20)


def archived(data: bytes) -> Iterator[bytes]:
    """The members of a zip file, the cells of a Parquet file."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            yield from map(archive.read, archive.namelist())
    if data.startswith(b"PAR1"):
        yield pandas.read_parquet(BytesIO(data)).to_csv().encode()


def leaks(data: bytes) -> list[str]:
    """Every secret in these bytes, however packed, in one or two bytes a character."""
    plain, wide = CANARY.encode(), CANARY.encode("utf-16-le")
    found = []
    for part in unpacked(data):
        low = part.lower()
        found += [low[at.start() : at.start() + 12].decode("latin-1") for at in re.finditer(plain, low)]
        found += ["wide"] if wide in low else []
    return found


def test_the_search_finds_what_is_packed() -> None:
    secret = f"x {CANARY}99 y".encode()
    table = BytesIO()
    pandas.DataFrame({"a": [secret.decode()] * 3}).to_parquet(table, engine="pyarrow")
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("inner.txt", base64.b64encode(secret))
    packed = {
        "plain": secret,
        "upper case": secret.upper(),
        "base64": b'{"payload":"' + base64.b64encode(secret) + b'"}',
        "base64 shifted": b'"' + base64.b64encode(b"ab" + secret) + b'"',
        "url-safe": base64.urlsafe_b64encode(secret),
        "gzip": b"head" + gzip.compress(secret * 9),
        "deflate in base64": base64.b64encode(zlib.compress(secret * 9)),
        "zip": archive.getvalue(),
        "parquet": table.getvalue(),
        "percent": urllib.parse.quote(secret.decode(), safe="").replace("c", "%63").encode(),
        "hexadecimal": secret.hex().encode(),
        "wide": secret.decode().encode("utf-16-le"),
    }
    assert {name for name, data in packed.items() if not leaks(data)} == set()
    assert leaks(b"nothing here, and no bytes of it") == []


def test_the_secrets_lie_where_they_could_leak_from(place: Path) -> None:
    """Else finding none would prove nothing."""
    run = next((place / "runs").iterdir())
    kept = b"".join((run / name).read_bytes() for name in (store.CAMPAIGN, store.RECORDS))
    kept += b"".join(path.read_bytes() for path in (run / "attempts").rglob("*") if path.is_file())
    there = set(re.findall(rf"{CANARY}\d\d".encode(), kept))
    wanted = {"02", "10", "11", "12", "13", "14", "20", "21", *(str(n) for n in range(40, 57))}
    assert {f"{CANARY}{number}".encode() for number in wanted} <= there


@pytest.fixture(scope="module")
def public(place: Path) -> Iterator[dict[str, bytes]]:
    """Every public output that there is, by its name; the benchmark of secrets is known meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in surroundings(place).items():
            patch.setenv(name, value)
        patch.chdir(place)
        discovery.discover.cache_clear()
        yield outputs(place)
    discovery.discover.cache_clear()


def outputs(place: Path) -> dict[str, bytes]:
    """Runs every command that writes what may leave, in the folder ``place``."""
    run = next((place / "runs").iterdir())
    keys.new(Path("keys"))
    commands = [
        ["sign", run.name, "--key", "keys/benchsuite.key", "--to", "written/signed"],
        *(["export", run.name, "--format", form, "--to", f"written/{form}"] for form in FORMS),
        *(["compare", run.name, run.name, form] for form in ("--markdown", "--json", "--csv")),
        ["compare", run.name, run.name, "--board", "toyleak", "--markdown"],
        ["lint", run.name],
        ["publish", "runs", "--out", "written/site"],
        ["chart", run.name, "--to", "written/chart.svg", "--kind", "sizes"],
    ]
    (place / "written").mkdir()
    made = {" ".join(words).replace(run.name, "RUN"): printed(words).encode() for words in commands}
    made |= {str(path.relative_to(place)): path.read_bytes() for path in place.glob("written/**/*") if path.is_file()}
    shown = exhibits.gather([run.name], place / "runs")
    made["table.csv"], made["table.json"] = frame.csv_of(shown).encode(), frame.json_of(shown).encode()
    made["comparison.html"] = explorer.page(shown).encode()
    made["table.parquet"] = frame.parquet_of(shown)
    made["names"] = "\n".join(made).replace(run.name, "").encode()
    return made


def printed(words: list[str]) -> str:
    """What a command prints, here in this process; it must not crash."""
    done = CliRunner().invoke(app, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_only_our_own_benchmarks_may_be_described_in_public(public: dict[str, bytes]) -> None:
    assert set(discovery.discover()) - set(discovery.shipped()) == {"toyleak"}
    assert list(discovery.shipped()) == sorted(discovery.shipped())


def test_no_secret_is_in_anything_public(public: dict[str, bytes], place: Path) -> None:
    for name in ("written/signed", "written/json", "written/site", "comparison.html", "table.parquet"):
        assert any(each.startswith(name) for each in public), "an output that is not there leaks nothing"
    told = json.loads(public["written/json"])
    assert {score["status"] for score in told["results"]} == {status.value for status in Status}
    found = {name: sorted(set(leaks(data))) for name, data in public.items()}
    assert {name: each for name, each in found.items() if each} == {}
    assert not [name for name, data in public.items() if b"PRIVATE KEY" in data]


def test_what_is_said_to_stay_is_named_but_not_shown(place: Path) -> None:
    """It is read here, not sent; the names of facts that stay are what it is for."""
    lines = "\n".join(publication.leaving(store.load(next((place / "runs").iterdir()))))
    assert set(re.findall(rf"{CANARY}\d\d", lines)) == {f"{CANARY}49", f"{CANARY}55"}
