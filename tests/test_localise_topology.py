"""Leaf switches from Slurm's topology.conf and from a plain file; what is not understood in full is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.errors import DataError
from benchsuite.localise import topology


def read(text: str, folder: Path) -> dict[str, str]:
    path = folder / "topology"
    path.write_text(text)
    return topology.read(path)


def test_slurm(tmp_path: Path) -> None:
    text = """
    # the second floor
    SwitchName=s0 Switches=s[1-2] LinkSpeed=900
    SwitchName=s1 Nodes=node[01-03,07]
    switchname=s2 nodes=gpu1,node[8-9]-ib \\
        LinkSpeed=400   # a remark
    """
    assert read(text, tmp_path) == {
        "node01": "s1",
        "node02": "s1",
        "node03": "s1",
        "node07": "s1",
        "gpu1": "s2",
        "node8-ib": "s2",
        "node9-ib": "s2",
    }


def test_simple(tmp_path: Path) -> None:
    assert read("leaf1: a b\n\nleaf2 : c, d-[1-2] # more\n", tmp_path) == {
        "a": "leaf1",
        "b": "leaf1",
        "c": "leaf2",
        "d-1": "leaf2",
        "d-2": "leaf2",
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no node"),
        ("# nothing\n", "names no node"),
        ("SwitchName=s0 Switches=s1", "names no node"),
        ("leaf1: a\nleaf2: a", "Line 2.*a hangs on leaf1 already"),
        ("leaf1: a\nleaf1: b", "Line 2.*stands twice"),
        ("leaf1", "not understood"),
        ("leaf1:", "not understood"),
        ("SwitchName=s1", "needs SwitchName"),
        ("Nodes=a", "needs SwitchName"),
        ("SwitchName=s1 Nodes=a Switches=b", "either Nodes or Switches"),
        ("SwitchName=s1 Nodes=a Nodes=b", "not understood"),
        ("SwitchName=s1 Nodes=a Colour=red", "'colour' is not known"),
        ("SwitchName=s1 Nodes=a stray", "not understood"),
        ("SwitchName=s1 Nodes=", "not understood"),
        ("leaf1: node[3-1]", "not a range"),
        ("leaf1: node[1-999999999]", "not a range"),
        ("leaf1: node[a-b]", "not a range"),
        ("leaf1: node[1-2", "not a list"),
        ("leaf1: node[1-2]x[3]", "not a list"),
        ("leaf1: ../etc", "not a name"),
        ("leaf1: a;b", "not a name"),
        ("le/af: a", "not a name"),
        ("leaf1: a\x1b[31m", "hidden character"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=why) as error:
        read(text, tmp_path)
    assert error.value.remedy


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        topology.read(tmp_path / "none")


@given(st.text(alphabet="SwitchName=Nodes leaf:node[0-9],\\#\n\t", max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_text_ends_in_anything_but_a_topology_or_a_sentence(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            found = read(text, Path(folder))
        except DataError:
            return
    assert found


@given(st.integers(0, 999), st.integers(0, 99), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_ranges_keep_their_zeros(first: int, more: int, width: int) -> None:
    names = list(topology.expanded(f"n[{first:0{width}d}-{first + more}]"))
    assert names == [f"n{number:0{max(width, len(str(first)))}d}" for number in range(first, first + more + 1)]
