"""Lists of hosts as schedulers write them, read back exactly; what is none is refused with a sentence."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.errors import UsageError
from benchsuite.launchers import hostlist
from benchsuite.launchers.hostlist import Machine, checked, expand, machines


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", ()),
        ("node1", ("node1",)),
        ("node[1-3]", ("node1", "node2", "node3")),
        ("node[01-03,7],login", ("node01", "node02", "node03", "node7", "login")),
        ("rack[1-2]n[09-10]", ("rack1n09", "rack1n10", "rack2n09", "rack2n10")),
        ("a b,c\nd", ("a", "b", "c", "d")),
        ("n[8-10].site.org", ("n8.site.org", "n9.site.org", "n10.site.org")),
        ("10.0.0.1,fe80::1", ("10.0.0.1", "fe80::1")),
        ("n[098-101]", ("n098", "n099", "n100", "n101")),
    ],
)
def test_a_list_of_slurm(text: str, hosts: tuple[str, ...]) -> None:
    assert expand(text) == hosts


@pytest.mark.parametrize(
    "text",
    [
        "node[1-",
        "node1-3]",
        "node[[1]]",
        "node[a-b]",
        "node[3-1]",
        "node[]",
        "node[1-999999999]",
        "a[1-1000]b[1-1000]",
        "-oProxyCommand=evil",
        "a;rm",
        "$(id)",
        "a..",
        "x" * 300,
        "node[1-99999999999999999999]",
    ],
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        expand(text)
    assert refused.value.remedy
    assert len(str(refused.value)) < 300


@given(st.lists(st.integers(0, 99999), min_size=1, max_size=30, unique=True), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_every_number_comes_back_with_its_zeros(numbers: list[int], width: int) -> None:
    names = tuple(f"gpu-{number:0{width}d}" for number in numbers)
    assert expand(f"gpu-[{','.join(f'{number:0{width}d}' for number in numbers)}]") == names
    assert expand(",".join(names)) == names


@given(st.integers(0, 5000), st.integers(0, 300), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_range_is_all_of_its_numbers(first: int, more: int, width: int) -> None:
    found = expand(f"n[{first:0{width}d}-{first + more:0{width}d}]")
    assert found == tuple(f"n{number:0{width}d}" for number in range(first, first + more + 1))


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_list_of_safe_names_or_refused(text: str) -> None:
    try:
        hosts = expand(text)
    except UsageError:
        return
    assert all(hostlist.NAME.fullmatch(host) and not host.startswith("-") for host in hosts)


@pytest.mark.skipif(shutil.which("scontrol") is None, reason="Slurm is not installed")
@pytest.mark.parametrize("text", ["node[01-03,7],login", "rack[1-2]n[09-10]", "n[098-101]"])
def test_slurm_reads_it_the_same(text: str, tmp_path: object) -> None:
    (conf := tmp_path / "slurm.conf").write_text("ClusterName=x\nSlurmctldHost=localhost\n")  # type: ignore[operator]
    done = subprocess.run(
        ["scontrol", "show", "hostnames", text],
        env={"SLURM_CONF": str(conf), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if done.returncode:
        pytest.skip("scontrol does not run without a cluster")
    assert expand(text) == tuple(done.stdout.split())


def test_a_machine_file_of_each_kind() -> None:
    assert machines("a slots=4\nb slots=2 max_slots=8 # c slots=9\n") == (Machine("a", 4), Machine("b", 2))
    assert machines("a:4\nb:2\n\n# c\n") == (Machine("a", 4), Machine("b", 2))
    assert machines("a\na\nb\nb\n") == (Machine("a", 2), Machine("b", 2))
    assert machines("a\nb\n") == (Machine("a"), Machine("b"))
    assert machines("job-worker-0.job.ns.svc slots=8") == (Machine("job-worker-0.job.ns.svc", 8),)
    assert machines("a slots=2\na slots=2") == (Machine("a", 4),)
    assert machines("fe80::1 slots=2") == (Machine("fe80::1", 2),)
    assert machines("n[1-2]:3") == (Machine("n1", 3), Machine("n2", 3))


@pytest.mark.parametrize("text", ["a;b slots=2", "-x", "$HOME", "a:x", "n[1-"])
def test_a_file_that_names_no_hosts_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        machines(text)


def test_too_many_hosts_in_a_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostlist, "MOST", 3)
    with pytest.raises(UsageError, match="more than 3 hosts"):
        machines("\n".join(f"h{number}" for number in range(5)))


@pytest.mark.parametrize("host", ["", "-a", ".a", "a b", "a,b", "a'b", "a\nb", "é"])
def test_a_name_that_could_mean_something_else(host: str) -> None:
    with pytest.raises(UsageError, match="name of a host"):
        checked(host)
