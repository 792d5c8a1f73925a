"""The comparison that everything rests on: every element, bit by bit, on the host and on the simulated GPU alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.backends.cuda import compiler
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.backends.fake import FakeBackend
from benchsuite.burn import comparing
from benchsuite.burn.comparing import NONE, Comparison, Count, difference
from benchsuite.errors import MeasureError, UnavailableError
from benchsuite.model import ARCHITECTURES, Case, HostCall, Implementation, Source
from benchsuite.world.solo import SoloWorld
from tests.cuda_host import simulate

KINDS = {1: "uint8", 2: "float16", 4: "float32", 8: "float64"}
GPP = pytest.mark.skipif(not simulate.available(), reason="g++ is not installed")


def numbers(size: int, nbytes: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(size)
    if nbytes == 1:
        return rng.integers(0, 255, size, np.uint8)
    return rng.standard_normal(size).astype(KINDS[nbytes])


@given(nbytes=st.sampled_from(sorted(KINDS)), data=st.data())
def test_every_flipped_bit_is_counted_as_the_element_it_is_in(nbytes: int, data: st.DataObject) -> None:
    want = numbers(data.draw(st.integers(1, 200)), nbytes)
    places = st.lists(st.tuples(st.integers(0, want.size - 1), st.integers(0, 8 * nbytes - 1)), max_size=6, unique=True)
    got, flips = want.copy(), data.draw(places)
    for place, bit in flips:
        got.view(np.uint8)[place * nbytes + bit // 8] ^= 1 << bit % 8
    hit = sorted({place for place, _ in flips})
    assert difference(got, want) == Count(len(hit), hit[0] if hit else NONE, want.size)


def test_a_nan_is_wrong_and_so_is_the_smallest_error_and_the_sign_of_zero() -> None:
    want = np.array([1.0, 0.0, 3.0])
    for place, value in ((0, np.nan), (0, np.nextafter(1.0, 2.0)), (1, -0.0), (2, np.inf)):
        got = want.copy()
        got[place] = value
        assert difference(got, want) == Count(1, place, 3)


def test_what_was_compared_is_overwritten_with_ones() -> None:
    got, found = np.arange(5.0), np.array([0, NONE, 0], np.uint64)
    comparing.on_host({"got": got, "want": np.arange(5.0), "found": found}, Case.of("compare", bytes=8))
    assert np.isnan(got).all()
    assert list(found) == [0, NONE, 5]


def test_more_than_a_chunk_is_compared_to_its_last_element() -> None:
    want = np.zeros(2 * comparing.CHUNK + 3, np.float32)
    got = want.copy()
    got[-1] = 1
    assert difference(got, want) == Count(1, want.size - 1, want.size)


@GPP
@pytest.mark.parametrize("nbytes", sorted(KINDS))
@pytest.mark.parametrize("size", [1, 15, 64, 5003])
def test_the_kernel_counts_as_the_host_does(nbytes: int, size: int) -> None:
    want = numbers(size, nbytes)
    got = want.copy()
    for place in {size // 2, size - 1}:
        got.view(np.uint8)[place * nbytes] ^= 1
    backend = CudaBackend(simulate.SimulatedRuntime())
    found = np.array([0, NONE, 0], np.uint64)
    buffers = dict(backend.upload({"got": got, "want": want, "found": found}))
    case = Case.of("compare", elements=size, bytes=nbytes)
    step = backend.bind(comparing.IMPLEMENTATIONS[0], buffers, case, SoloWorld())
    step()
    expected = difference(got, want)
    assert Count(*map(int, buffers["found"])) == expected
    assert (expected.wrong, expected.first) == (len({size // 2, size - 1}), size // 2)
    assert (buffers["got"].view(np.uint8) == 0xFF).all()
    step()
    again = Count(*map(int, buffers["found"]))
    assert again == Count(expected.wrong + size, 0, 2 * size)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_kernel_compiles_for_every_gpu(arch: str) -> None:
    for nbytes in KINDS:
        try:
            made = compiler.compile(Source.of("burn/compare.cu", BYTES=nbytes), arch)
        except UnavailableError as error:
            pytest.skip(str(error))
        assert "0 bytes spill stores" in made.log or "spill" not in made.log


def test_a_comparison_tells_what_is_new() -> None:
    backend = FakeBackend()
    outputs = backend.upload({"y": np.arange(6.0)})
    compared = Comparison(backend, SoloWorld(), outputs, {"y": np.arange(6.0)})
    for wrong in (0, 2, 0):
        outputs["y"][...] = np.arange(6.0)
        outputs["y"][:wrong] += 1
        compared.steps[0]()
        assert compared.fresh()["y"][::2] == (wrong, 6)


@pytest.mark.parametrize(("wrong", "compared", "said"), [(0, 6, "saw 0 of 6"), (6, 5, "saw 6 of 6")])
def test_a_comparison_that_is_blind_is_not_used(
    wrong: int, compared: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(buffers: Any, case: Case) -> None:
        buffers["found"][0] += np.uint64(wrong)
        buffers["found"][2] += np.uint64(compared)

    monkeypatch.setattr(comparing, "IMPLEMENTATIONS", (Implementation("compare", HostCall(blind)),))
    backend = FakeBackend()
    with pytest.raises(MeasureError, match=said):
        Comparison(backend, SoloWorld(), backend.upload({"y": np.arange(6.0)}), {"y": np.arange(6.0)})
