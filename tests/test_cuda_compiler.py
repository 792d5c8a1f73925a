"""NVRTC on a machine without a GPU: what is compiled, what is kept, what is said when it does not work."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchsuite import assets
from benchsuite.backends.cuda import compiler, cubin
from benchsuite.errors import MeasureError, UnavailableError
from benchsuite.model import ARCHITECTURES, Source, family, generation

SCALE = """#include "factor.cuh"
extern "C" __global__ void scale(float* x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] *= FACTOR * MORE;
}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return assets.cache_folder() / "cuda"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A kernel with a header that includes another."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scale.cu").write_text(SCALE)
    (tmp_path / "mine" / "factor.cuh").write_text('#pragma once\n  #  include "more.cuh"\n#define FACTOR 3.0f\n')
    (tmp_path / "mine" / "more.cuh").write_text("#pragma once\n#define MORE 2.0f\n")
    return tmp_path / "mine" / "scale.cu"


def planted(folder: Path, text: str) -> Source:
    (folder / "planted.cu").write_text(text)
    return Source.of(str(folder / "planted.cu"))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_cubin_is_for_exactly_the_architecture_asked_for(arch: str, file: Path) -> None:
    compiled = compiler.compile(Source.of(str(file)), arch)
    assert compiled.arch == arch
    assert compiled.path.suffix == ".cubin"
    command = [cubin.nvdisasm(), "--print-code", str(compiled.path)]
    head = subprocess.run(command, capture_output=True, text=True, check=True).stdout[:300]
    older = f"{'ACCELERATORS ' if arch.endswith('a') else ''}EF_CUDA_SM{generation(arch)} "  # NVRTC 12 up to sm_90
    assert f".target\t{arch}\n" in head or older in head
    assert compiled.version == compiler.version()
    assert compiled.seconds > 0
    assert "registers" in compiled.log


def test_a_virtual_architecture_gives_ptx(file: Path) -> None:
    compiled = compiler.compile(Source.of(str(file)), "compute_90")
    assert compiled.path.suffix == ".ptx"
    text = compiled.path.read_text()
    assert ".target sm_90" in text
    assert ".visible .entry scale" in text


def test_the_shipped_header_is_found_from_anywhere(tmp_path: Path) -> None:
    source = planted(tmp_path, '#include "ptx.cuh"\nKERNEL void lane(u32* x) { x[0] = lane_id(); }\n')
    assert not compiler.compile(source, "sm_80").from_cache
    assert source.label == "planted.cu"


def test_what_was_compiled_is_kept(file: Path, cache: Path) -> None:
    first = compiler.compile(Source.of(str(file)), "sm_80")
    content = first.path.read_bytes()
    second = compiler.compile(Source.of(str(file)), "sm_80")
    assert (first.from_cache, second.from_cache) == (False, True)
    assert (second.path, second.log, second.seconds) == (first.path, first.log, first.seconds)
    assert second.path.read_bytes() == content
    assert {path.name for path in cache.iterdir()} == {first.path.name, f"{first.path.name}.json"}


@pytest.mark.parametrize("edited", ["scale.cu", "factor.cuh", "more.cuh"])
def test_an_edit_of_anything_included_compiles_again(edited: str, file: Path) -> None:
    before = compiler.compile(Source.of(str(file)), "sm_80")
    with (file.parent / edited).open("a") as text:
        text.write("// edited\n")
    after = compiler.compile(Source.of(str(file)), "sm_80")
    assert not after.from_cache
    assert after.path != before.path


def test_macros_architecture_and_compiler_are_part_of_the_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source.of(str(file))
    paths = {compiler.compile(source, "sm_80").path, compiler.compile(source, "sm_86").path}
    paths.add(compiler.compile(Source.of(str(file), TILE=4), "sm_80").path)
    monkeypatch.setattr(compiler, "version", lambda: "99.0")
    paths.add(compiler.compile(source, "sm_80").path)
    assert len(paths) == 4


def test_macros_reach_the_source(tmp_path: Path) -> None:
    text = '#if TILE != 4\n#error "TILE is not 4"\n#endif\nextern "C" __global__ void k(KIND* x) { *x = 1; }\n'
    planted(tmp_path, text)
    compiler.compile(Source.of(str(tmp_path / "planted.cu"), TILE=4, KIND="double"), "sm_80")
    with pytest.raises(MeasureError, match="TILE is not 4"):
        compiler.compile(Source.of(str(tmp_path / "planted.cu"), TILE=5, KIND="double"), "sm_80")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose_description(path: Path) -> None:
    Path(f"{path}.json").unlink()


def scribble(path: Path) -> None:
    Path(f"{path}.json").write_text('{"log": 1, ')


def empty(path: Path) -> None:
    Path(f"{path}.json").write_text("[]")


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink, lose_description, scribble, empty])
def test_a_damaged_entry_is_compiled_again(damage: object, file: Path) -> None:
    first = compiler.compile(Source.of(str(file)), "sm_80")
    content = first.path.read_bytes()
    damage(first.path)  # type: ignore[operator]
    again = compiler.compile(Source.of(str(file)), "sm_80")
    assert not again.from_cache
    assert again.path.read_bytes() == content
    assert compiler.compile(Source.of(str(file)), "sm_80").from_cache


def test_several_threads_may_compile_one_source(file: Path, cache: Path) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(compiler.compile(Source.of(str(file)), "sm_80").path.read_bytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('\n\nextern "C" __global__ void k(int* x) { *x = y; }\n', 'planted.cu, line 3: identifier "y" is undefined.'),
        ('extern "C" __global__ void k(int* x) {\n  *x = 1\n}\n', "planted.cu, line 3: expected a"),
        ('#error "what is missing"\n', 'planted.cu, line 1: #error directive: "what is missing".'),
        ('#include "nowhere.cuh"\n', "planted.cu, line 1: cannot open source file"),
        ('extern "C" __global__ void k() { asm("no.such.thing;"); }\n', "application ptx input, line "),
        (
            'extern "C" __global__ void k() { __shared__ int s[99999]; asm("" :: "l"(s)); }\n',
            "uses too much shared data",
        ),
    ],
)
def test_what_does_not_compile_is_told_with_line_and_log(text: str, said: str, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(MeasureError) as caught:
        compiler.compile(planted(tmp_path, text), "sm_80")
    assert said in caught.value.message
    assert caught.value.message.startswith("planted.cu does not compile for sm_80: ")
    assert "\n" not in caught.value.message
    assert caught.value.remedy.startswith("The compiler's log ends:\n")
    assert not list(cache.glob("*"))


def test_a_source_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(MeasureError, match=r"The kernel gemm/nothing.cu has no file"):
        compiler.compile(Source.of("gemm/nothing.cu"), "sm_80")


@pytest.mark.parametrize("arch", ["sm_30", "sm_999", "compute_999", "90a", "", "sm_90a -DX"])
def test_an_architecture_that_nvrtc_does_not_know_is_refused(arch: str, file: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot compile for"):
        compiler.compile(Source.of(str(file)), arch)


KNOWN = (75, 80, 86, 87, 89, 90, 100, 103, 120, 121)


@pytest.mark.parametrize(
    ("capability", "wanted", "computes_as"),
    [
        ((8, 0), "sm_80", "sm_80"),
        ((8, 6), "sm_86", "sm_86"),
        ((8, 7), "sm_87", "sm_86"),
        ((8, 9), "sm_89", "sm_89"),
        ((9, 0), "sm_90a", "sm_90a"),
        ((10, 0), "sm_100a", "sm_100a"),
        ((10, 3), "sm_103a", "sm_100a"),
        ((11, 0), "compute_103", "sm_80"),
        ((12, 0), "sm_120a", "sm_120a"),
        ((12, 1), "sm_121a", "sm_120a"),
        ((12, 2), "compute_121", "sm_80"),
        ((14, 0), "compute_121", "sm_80"),
    ],
)
def test_each_device_gets_its_own_code_and_a_later_one_ptx(
    capability: tuple[int, int], wanted: str, computes_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "supported_architectures", lambda: KNOWN)
    assert compiler.target(capability) == wanted
    assert family(wanted) == computes_as


@pytest.mark.parametrize("capability", [(7, 5), (7, 0), (6, 1)])
def test_what_is_older_than_ampere_is_refused(capability: tuple[int, int]) -> None:
    with pytest.raises(UnavailableError, match="need Ampere or newer"):
        compiler.target(capability)


def test_this_nvrtc_knows_every_architecture_of_ours() -> None:
    for arch in ARCHITECTURES:
        assert compiler.target(divmod(generation(arch), 10)) == arch


@pytest.fixture
def unloaded() -> object:
    """The bindings are looked for again, before and after."""
    functions = (compiler._nvrtc, compiler.version, compiler.supported_architectures)
    for function in functions:
        function.cache_clear()
    yield None
    for function in functions:
        function.cache_clear()


def no_library() -> None:
    raise RuntimeError("Failure finding libnvrtc.so.13.\nA long story")


@pytest.mark.parametrize(
    ("stand_in", "said"),
    [
        (None, "are not installed"),
        (
            SimpleNamespace(nvrtc=SimpleNamespace(nvrtcVersion=no_library)),
            "cannot be loaded: Failure finding libnvrtc.so.13. pip",
        ),
    ],
)
def test_without_the_compiler_the_remedy_is_told(
    stand_in: object, said: str, file: Path, unloaded: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings", stand_in)
    for ask in (compiler.version, compiler.supported_architectures, lambda: compiler.target((9, 0))):
        with pytest.raises(UnavailableError, match="pip install 'benchsuite") as caught:
            ask()
        assert said in str(caught.value)
        assert "benchsuite[kernels]" in caught.value.remedy


def test_a_cache_that_cannot_be_written_is_a_sentence(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "occupied").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "occupied"))
    with pytest.raises(UnavailableError, match="Set XDG_CACHE_HOME"):
        compiler.compile(Source.of(str(file)), "sm_80")


LOG = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'k' for 'sm_90a'
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, used 0 barriers
"""


@pytest.mark.parametrize(
    "line",
    [
        'k.cu(3): warning #177-D: variable "unused" was declared but never referenced',
        "ptxas info    : (C7507) Potential Performance Loss: 'setmaxnreg' ignored",
        "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized",
        "ptxas warning : Value of threads per SM for entry k is out of range. .minnctapersm will be ignored",
    ],
)
def test_what_the_compiler_complains_of_is_found(line: str) -> None:
    assert compiler.warnings(LOG) == ()
    assert compiler.warnings(f"{LOG}{line}\n{LOG}") == (line,)
