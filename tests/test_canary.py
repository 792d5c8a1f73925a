"""Secrets are planted wherever a machine has room for them; no byte of what is public holds one, however it is packed."""

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
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pandas
import pytest

from benchsuite import exhibits, frame, keys, publication, store
from benchsuite.machine import facts as host

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
SUITE = f'title = "A suite of {CANARY}20"\n# {CANARY}21\n[policy]\nruns = 3\nseconds = 0.05\n[[bench]]\nselect = ["toyleak"]\n'
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
    """A folder, itself named like a secret, with two finished runs in which secrets lie everywhere."""
    home = tmp_path_factory.mktemp(f"{CANARY}01")
    for name in ("benchmarks", "site", "home"):
        (home / name).mkdir()
    (home / "benchmarks" / "leak.py").write_text(BENCHMARK)
    (home / "site" / "sitecustomize.py").write_text(HOST)
    (home / f"{CANARY}02.toml").write_text(SUITE)
    for _ in range(2):
        done = benchsuite(home, "run", f"{CANARY}02.toml", "--only", "toyleak", "--backend", "fake", "--no-report")
        assert done.returncode in {1, 4}, done.stderr
    for run in sorted((home / "runs").iterdir()):
        directory = store.RunDirectory.reopen(run)
        told = {section: {**values} for section, values in host.collect().items()}
        told |= {section: {**told.get(section, {}), **values} for section, values in FACTS.items()}
        directory.write_campaign(replace(directory.campaign, facts=told))
        assert store.load(run).problems == ()
    return home


def benchsuite(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    names = ("USER", "LOGNAME", "HOSTNAME", "API_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTP_PROXY", "PIP_INDEX_URL")
    environment = {
        **os.environ,
        **{name: f"{CANARY}{60 + number}" for number, name in enumerate(names)},
        "BENCHSUITE_BENCHMARKS": str(home / "benchmarks"),
        "PYTHONPATH": os.pathsep.join([str(home / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "HOME": str(home / "home"),
        "XDG_CACHE_HOME": str(home / "home" / "cache"),
        "XDG_CONFIG_HOME": str(home / "home" / "config"),
        "NUMBA_CACHE_DIR": str(home / "home" / "numba"),
        "OMP_PROC_BIND": f"{CANARY}70",
    }
    command = [sys.executable, "-m", "benchsuite", *words]
    root = str(Path(__file__).parent.parent)
    environment["PYTHONPATH"] += os.pathsep + root
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=240, check=False)


def unpacked(data: bytes, depth: int = 3) -> Iterator[bytes]:
    """The bytes, and whatever is packed in them: base64, percent signs, hexadecimal, deflate, gzip, zip, Parquet."""
    yield data
    if not depth:
        return
    parts: list[bytes] = [urllib.parse.unquote_to_bytes(data)] if b"%" in data else []
    for word in re.findall(rb"[A-Za-z0-9+/_-]{16,}={0,2}", data):
        for start in range(4):
            text = word[start:].translate(bytes.maketrans(b"-_", b"+/"))
            parts.append(base64.b64decode(text[: len(text) // 4 * 4] + b"", validate=False))
    for word in re.findall(rb"(?:[0-9a-fA-F]{2}){8,}", data):
        parts.append(binascii.unhexlify(word))
    for found in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", data):
        try:
            kind = 31 if found[0].startswith(b"\x1f") else 15
            parts.append(zlib.decompressobj(kind).decompress(data[found.start() :], 32 << 20))
        except zlib.error:
            continue
    if data.startswith(b"PK"):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            parts += [archive.read(name) for name in archive.namelist()]
    if data.startswith(b"PAR1"):
        table = pandas.read_parquet(BytesIO(data))
        parts += [table.to_csv().encode(), repr(table.attrs).encode()]
    for part in parts:
        if part and part != data:
            yield from unpacked(part, depth - 1)


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


def public_files(place: Path) -> dict[str, bytes]:
    """Every public output that there is, by its name."""
    made: dict[str, bytes] = {}
    one, other = (path.name for path in sorted((place / "runs").iterdir()))
    written = place / "written"
    assert benchsuite(place, "keys", "new", "--to", "keys").returncode == 0
    asked = ["sign", one, "--key", "keys/benchsuite.key", "--to", "written/signed"]
    commands = [
        asked,
        *(["export", one, "--format", form, "--to", f"written/{form}"] for form in ("pytest-benchmark", "csv", "json")),
        ["compare", one, other, "--markdown"],
        ["compare", one, other, "--json"],
        ["compare", one, other, "--csv"],
        ["compare", one, other, "--board", "toyleak", "--markdown"],
        ["report", one, other, "--to", "written/comparison.html"],
        ["lint", one, other],
    ]
    if benchsuite(place, "publish", "--help").returncode == 0:
        commands += [["publish", "runs", "--out", "written/site"], ["publish", "runs", "--dry-run"]]
    written.mkdir()
    for words in commands:
        done = benchsuite(place, *words)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in {0, 1, 3}, f"{words}: {done.stderr}"
        made[" ".join(words)] = done.stdout.replace(str(place), "").encode()
    for path in sorted(written.rglob("*")):
        if path.is_file():
            made[str(path.relative_to(place))] = path.read_bytes()
    shown = exhibits.gather([str(place / "runs" / name) for name in (one, other)], place / "runs")
    made["table.csv"], made["table.json"] = frame.csv_of(shown).encode(), frame.json_of(shown).encode()
    made["table.parquet"] = frame.parquet_of(shown)
    made["leaving"] = "\n".join(publication.leaving(store.load(place / "runs" / one))).encode()
    made["names"] = "\n".join(made).encode()
    return made


def test_no_secret_is_in_anything_public(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = public_files(place)
    for name in ("written/signed", "written/comparison.html", "table.parquet"):
        assert any(each.startswith(name) for each in made), "an output that is not there leaks nothing"
    told = json.loads(
        next(
            data
            for name, data in made.items()
            if re.fullmatch(r"written/signed/[^/]*beef?.*json|written/signed/[0-9a-z-]*\.json", name)
        )
    )
    assert {score["status"] for score in told["results"]} == {"ok", "rejected", "failed"}
    found = {name: sorted(set(leaks(data))) for name, data in made.items()}
    assert {name: each for name, each in found.items() if each} == {}
    assert keys.PRIVATE not in " ".join(name for name in made if name.startswith("written"))
