"""A user's own files: taken where sound, refused in one sentence with file, line and table where not."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import catalog
from benchsuite.catalog import Role, gpus, offers, user
from benchsuite.catalog.hardware import Datasheet
from benchsuite.catalog.prices import Price
from benchsuite.catalog.published import Row
from benchsuite.catalog.shipped import shipped
from benchsuite.errors import DataError

FILE = """as_of = "2026-11-01"

[gpu.my_card]
name = "NVIDIA My Card"
vendor = "nvidia"
form = "pcie"
sms = 100
boost_mhz = 2000
mem_gb = 24
mem_bw_gbs = 800
bf16 = 204.8
fp8 = 409.6
source = ["the leaflet in the box"]
confidence = "medium"

[[price]]
provider = "Our cellar"
instance = "box 1"
hardware = "my_card"
devices = 4
usd_per_hour = 3
kind = "on-demand"
source = "invoice 7"
confidence = "high"

[[figure]]
hardware = "my_card"
benchmark = "gemm by a colleague"
quantity = "gemm bf16"
dtype = "bf16"
value = 150
unit = "TFLOP/s"
metric = "flop/s"
source = "his notes"
confidence = "low"

[model.my_model]
hf_id = "me/mine"
kind = "dense"
layers = 1
hidden = 1024
heads = 8
kv_heads = 8
head_dim = 128
ffn = 4096
vocab = 10000
params_b = 0.0373
active_params_b = 0.0373
max_context = 4096
source = "config.json"
confidence = "high"
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of the person who runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(user.VARIABLE, raising=False)


def written(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_adds_machines_prices_figures_and_models(tmp_path: Path) -> None:
    path = written(tmp_path, FILE)
    known = catalog.load([path])
    assert known.accelerators["my_card"].peaks["e4m3"] == pytest.approx(409.6e12)
    assert known.accelerators["my_card"].as_of == "2026-11-01"
    assert [price.usd_per_hour for price in offers(known.prices, hardware="my_card")] == [3.0]
    assert [one.value for one in catalog.population(known.figures, "my_card", "gemm bf16")] == [150e12]
    assert known.figures[-1].role is Role.MEASURED
    assert known.models["my_model"].key == "my_model"
    assert known.files == (str(path),)
    assert "published-my_card" in " ".join(one.id for one in catalog.publications(known))
    assert len(known.accelerators) == len(shipped().accelerators) + 1


def test_what_ships_stays_what_it_is(tmp_path: Path) -> None:
    before = catalog.load()
    catalog.load([written(tmp_path, FILE)])
    assert catalog.load() == before == shipped()
    assert catalog.load() is shipped()


def test_a_user_s_card_is_found_by_its_name(tmp_path: Path) -> None:
    known = catalog.load([written(tmp_path, FILE)])
    cards = known.accelerators.values()
    found = gpus.named("NVIDIA My Card", 24e9, 100, cards)
    assert found is known.accelerators["my_card"]
    assert gpus.named("NVIDIA My Card", 24e9, 100) is None
    assert gpus.named("NVIDIA H200", 141e9, 132, cards) is shipped().accelerators["h200_sxm_141"]


def test_files_come_from_the_configuration_the_variable_and_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "config" / "benchsuite" / "catalog"
    folder.mkdir(parents=True)
    cards = FILE.partition("[[price]]")[0]
    written(folder, cards.replace("my_card", "c1"), "b.toml")
    written(folder, cards.replace("my_card", "c0"), "a.toml")
    written(folder, "nonsense", "ignored.txt")
    others = [written(tmp_path, cards.replace("my_card", f"v{i}"), f"v{i}.toml") for i in range(2)]
    monkeypatch.setenv(user.VARIABLE, os.pathsep.join(map(str, others)) + os.pathsep)
    last = written(tmp_path, cards.replace("my_card", "f0"), "f0.toml")
    known = catalog.load([last])
    assert list(known.accelerators)[-5:] == ["c0", "c1", "v0", "v1", "f0"]
    assert [Path(file).name for file in known.files] == ["a.toml", "b.toml", "v0.toml", "v1.toml", "f0.toml"]


def test_a_later_file_may_speak_of_hardware_of_an_earlier_one(tmp_path: Path) -> None:
    cards, _, rest = FILE.partition("[[price]]")
    first = written(tmp_path, cards, "first.toml")
    second = written(tmp_path, 'as_of = "2026"\n[[price]]' + rest, "second.toml")
    assert catalog.load([first, second]).prices[-1].hardware == "my_card"
    with pytest.raises(DataError, match="there is no hardware 'my_card'"):
        catalog.load([second])


WRONG = [
    ("sms = 100", "smss = 100", "line 3, [gpu.my_card]: 'smss' is unknown. Did you mean 'sms'?"),
    ("bf16 = 204.8", 'bf16 = "204.8"', "line 3, [gpu.my_card]: bf16: expected float"),
    ("sms = 100", "sms = true", "line 3, [gpu.my_card]: sms: expected int"),
    ("sms = 100", "sms = 100.5", "line 3, [gpu.my_card]: sms: expected int"),
    ('form = "pcie"\n', "", "line 3, [gpu.my_card]: form is missing."),
    ('"medium"', '"sure"', "confidence: invalid enum value 'sure'. Use high, medium, low."),
    ("bf16 = 204.8", "bf16 = 150", "bf16 150 T is not 100 processors x"),
    ("fp8 = 409.6", "fp8 = 204.8", "fp8 is 1 x bf16, not 2 x."),
    ("mem_bw_gbs = 800", "mem_bw_gbs = 8e11", "out of all proportion"),
    ("bf16 = 204.8", "bf16 = nan", "out of all proportion"),
    ("bf16 = 204.8", "bf16 = -204.8", "out of all proportion"),
    ("[gpu.my_card]", "[gpu.h100_sxm_80]", "hardware 'h100_sxm_80' is there already. Give it another name, or add"),
    ("sms = 100", "sms = 100\nreplaces = true", "hardware 'my_card' replaces nothing."),
    ("[gpu.my_card]", '[gpu."My card"]', "'My card' is not a name."),
    ("usd_per_hour = 3", "usd_per_hour = 0", "line 16, [[price]] 1: 0 US dollars"),
    ("usd_per_hour = 3", "usd_per_hour = 3\nusd_per_device_hour = 1", "3 US dollars for 4 devices is 0.7500 for each"),
    ('kind = "on-demand"', 'kind = "gift"', "line 16, [[price]] 1: the kind is unknown"),
    ("value = 150", "value = 250", "line 26, [[figure]] 1: 250 TFLOP/s is above the dense bf16 peak"),
    ('"TFLOP/s"', '"GB/s"', "line 26, [[figure]] 1: 'GB/s' is no unit of flop/s."),
    ("layers = 1\n", "layers = 2\n", "line 37, [model.my_model]: the shape has"),
    ("[[figure]]", "[[figures]]", "'figures' is unknown. Did you mean 'figure'?"),
    ("[[figure]]", "[figure]", "figure is no list of tables."),
    ('as_of = "2026-11-01"', "schema = 2", "has schema 2, and only 1 is known."),
    ('as_of = "2026-11-01"', 'as_of = "yesterday"', "as_of 'yesterday' is no date"),
    ('as_of = "2026-11-01"', "", "as_of"),
    ("sms = 100", "sms = = 100", "is not valid TOML: Invalid value (at line 7"),
    ("sms = 100", "sms = 100\nsms = 101", "is not valid TOML: Cannot overwrite a value (at line 8"),
    ("sms = 100", "sms = " + "[" * 5000, "is not valid TOML"),
    ("sms = 100", "sms = " + "9" * 5000, "is not valid TOML"),
    ("My Card", "My \u202eCard", "Line 4 holds the hidden character U+202E"),
    ("My Card", "My \\u202eCard", "hidden character U+202E"),
]


@pytest.mark.parametrize(("old", "new", "words"), WRONG, ids=[words for _, _, words in WRONG])
def test_an_error_is_one_sentence_with_its_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in FILE
    path = written(tmp_path, FILE.replace(old, new, 1))
    with pytest.raises(DataError) as caught:
        catalog.load([path])
    text = str(caught.value)
    assert words in text
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 700


def test_a_shipped_entry_is_replaced_when_the_file_says_so(tmp_path: Path) -> None:
    text = FILE.replace("my_card", "h100_sxm_80").replace("sms = 100", "replaces = true\nsms = 100")
    known = catalog.load([written(tmp_path, text)])
    assert known.accelerators["h100_sxm_80"].processors == 100
    assert len(known.accelerators) == len(shipped().accelerators)
    old = shipped().prices[0]
    same = f"""[[price]]
provider = "{old.provider}"
instance = "{old.instance}"
hardware = "{old.hardware}"
devices = {old.devices}
kind = "{old.kind}"
region = "{old.region}"
usd_per_hour = 1.5
as_of = "2026-11"
source = "our contract"
confidence = "high"
"""
    with pytest.raises(DataError, match="is there already"):
        catalog.load([written(tmp_path, same)])
    prices = catalog.load([written(tmp_path, f"{same}replaces = true\n")]).prices
    assert [one.usd_per_hour for one in prices if one.identity == old.identity] == [1.5]
    assert len(prices) == len(shipped().prices)


def test_the_same_figure_does_not_count_twice(tmp_path: Path) -> None:
    first = written(tmp_path, FILE, "a.toml")
    second = written(
        tmp_path, 'as_of = "2026-11-01"\n[[figure]]' + FILE.partition("[[figure]]")[2].partition("[model")[0]
    )
    with pytest.raises(DataError, match="this very figure is there already"):
        catalog.load([first, second])


def test_all_errors_of_a_file_are_collected(tmp_path: Path) -> None:
    text = FILE.replace("bf16 = 204.8", "bf16 = 150").replace("layers = 1\n", "layers = 2\n")
    path = written(tmp_path, text)
    known, errors = user.merged(shipped(), path)
    assert len(errors) == 4
    assert ["gpu" in str(errors[0]), "price" in str(errors[2]), "figure" in str(errors[3])] == [True, True, True]
    assert known.accelerators == shipped().accelerators
    with pytest.raises(DataError, match=r"3 more: benchsuite catalog check .*mine\.toml"):
        catalog.load([path])


@pytest.mark.parametrize("kind", ["missing", "folder", "link", "fifo"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.toml"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(written(tmp_path, FILE))
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(DataError, match="cannot be read"):
        catalog.load([path])


def test_an_empty_file_adds_nothing(tmp_path: Path) -> None:
    known = catalog.load([written(tmp_path, "")])
    assert (known.accelerators, known.prices) == (shipped().accelerators, shipped().prices)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=80, deadline=None)
def test_any_bytes_are_a_catalogue_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(data)
    told = "any.toml"
    try:
        user.added(shipped(), path)
    except DataError as error:
        told = str(error)
    assert "any.toml" in told


WORDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["gpu", "price", "figure", "model"]),
    st.sampled_from(
        ["bf16", "sms", "source", "explained", "value", "usd_per_hour", "layers", "as_of", "replaces", "sparse"]
    ),
    WORDS,
)
@settings(max_examples=150, deadline=None)
def test_any_value_in_a_table_is_taken_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, kind: str, column: str, value: object
) -> None:
    import tomllib

    path = tmp_path_factory.getbasetemp() / "planted.toml"
    path.write_text(FILE, encoding="utf-8")
    file = user._File(path)
    tables = tomllib.loads(FILE)[kind]
    target = tables[0] if isinstance(tables, list) else next(iter(tables.values()))
    target[column] = value
    file.tables = {"gpu": tomllib.loads(FILE)["gpu"], kind: tables}
    _, errors = file.merged(shipped())
    assert all(str(error) for error in errors)


def test_more_processors_than_operations_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = written(tmp_path, re.sub(r"(?m)^sms = \d+", "sms = 144816", FILE))
    _, errors = user.merged(shipped(), path)
    assert errors


GUIDE = (Path(__file__).parent.parent / "docs" / "catalog.md").read_text(encoding="utf-8")


def test_the_guide_s_example_is_taken(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```$", GUIDE, flags=re.DOTALL | re.MULTILINE)
    known = catalog.load([written(tmp_path, example)])
    assert known.accelerators["my_card"].link is None
    assert len(known.prices) == len(shipped().prices) + 1


@pytest.mark.parametrize("kind", [Datasheet, Price, Row], ids=lambda kind: kind.__name__)
def test_the_guide_names_every_column(kind: type) -> None:
    told = set(re.findall(r"[a-z][a-z0-9_]*", GUIDE.partition("### Columns")[2]))
    assert {item.name for item in fields(kind)} <= told
