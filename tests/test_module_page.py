"""The page of a check of modules: what is in it, escaped, with nothing from outside."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from common.agreement.cause import Cause
from common.contract.code import source_of
from common.contract.root import ROOT
from common.errors import Refused
from common.modules.advice import advice
from common.modules.report import ModuleReport
from common.shown.layers import picture, rows
from common.shown.module_page import CheckReport, render
from compare import check
from tests.test_modules import (
    VECTORS,
    Deep,
    Detached,
    Doubled,
    Gelu,
    Pictures,
    held,
    made,
    nn,
    torch,
)
from tests.test_page import Opened, browser

__all__ = ["browser"]  # a fixture

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}"
EXAMPLE = ROOT / "docs" / "test_port_example.py"


@pytest.fixture(scope="module")
def right() -> ModuleReport:
    return held(made(Pictures, 1), labels=None, steps=0)


@pytest.fixture(scope="module")
def wrong() -> ModuleReport:
    return held(made(lambda: Pictures(eps=1e-3)), labels=None)


@pytest.fixture(scope="module")
def hostile() -> ModuleReport:
    """A wrong layer whose name, whose class and whose words are somebody's."""

    def named(kind: type) -> Any:
        net = nn.Sequential()
        net.add_module(HOSTILE, kind(12, 12))
        net.add_module("head", nn.Linear(12, 3))
        return net

    def says(self: Any) -> str:
        return HOSTILE

    port = made(lambda: named(type(HOSTILE, (Doubled,), {"extra_repr": says})))
    return held(port, made(lambda: named(nn.Linear)), VECTORS, None)


class Tags(HTMLParser):
    """Every element of a page, and every address in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.slow
def test_the_page_says_what_the_text_says(wrong: ModuleReport) -> None:
    report = replace(wrong, cause=Cause("eps", "an eps & no <other>", "look"))
    words = re.sub(r"\s+", " ", Tags(render(report)).words)
    assert "  likely an eps & no <other>; to confirm, look\n" in str(report)
    for line in str(report).splitlines():
        assert " ".join(line.split()) in words


def test_the_layers_stand_in_order(wrong: ModuleReport) -> None:
    shown = [(row.name, row.part, row.state, row.first) for row in rows(wrong)]
    assert shown == [
        ("conv1", "way in", "right", False),
        ("conv1", "layer", "right", False),
        ("bn", "way in", "right", False),
        ("bn", "layer", "wrong", True),
        ("conv2", "layer", "not run", False),
        ("fc", "layer", "not run", False),
    ]
    text = render(wrong)
    assert text.count("✗ wrong, the first") == text.count('<tr class="first">') == 1
    assert text.count("not run") == 2


def test_backwards_the_first_alone_is_marked() -> None:
    port = made(Deep, 1)
    port.layers[4] = Detached(12, 12)
    found = rows(held(port, made(Deep), VECTORS, None, steps=0))
    first = next(row for row in found if row.first)
    assert (first.name, first.part, first.stage) == ("layers.4", "layer", "backward")
    assert sum(row.first for row in found) == 1
    backward = [row.name for row in found if row.stage == "backward" and row.part == "layer"]
    assert backward == ["head", *(f"layers.{k}" for k in reversed(range(12)))]


def test_the_code_of_both_sides_is_there(wrong: ModuleReport) -> None:
    words = Tags(render(wrong)).words
    assert "# BatchNorm2d(4, eps=1e-05" in words
    assert "# BatchNorm2d(4, eps=0.001" in words
    assert words.count("class _BatchNorm(") == 2, "where forward is"
    assert words.count("self.bn = nn.BatchNorm2d(4, eps=eps, momentum=momentum)") == 2


def test_what_leads_into_a_layer_is_its_caller_s_code() -> None:
    words = Tags(render(held(made(Gelu), labels=None))).words
    assert "return functional.gelu(x)" in words
    assert "class Conv2d" not in words


def test_a_side_without_code_says_so(wrong: ModuleReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(wrong.matched.port.net), "source", lambda *_: None)
    assert "There is no code to be had." in render(wrong)


def test_what_was_typed_in_has_no_code() -> None:
    space: dict[str, Any] = {"nn": nn, "__name__": "typed"}
    exec("class Typed(nn.Module):\n    def forward(self, x): return x", space)
    assert source_of(space["Typed"], "forward", "Typed()\n1") == "# Typed() 1\n"


def test_a_manual_is_cut_and_no_code_is() -> None:
    code = source_of(nn.BatchNorm2d, "forward", "")
    assert 'Applies Batch Normalization over a 4D input.\n    ..."""\n' in code
    assert "math::" not in code
    compile(code, "BatchNorm2d", "exec")
    assert "def _check_input_dim" in code


def test_nothing_comes_from_outside(right: ModuleReport, wrong: ModuleReport) -> None:
    for report in (right, wrong):
        text = render(report)
        tags = Tags(text)
        assert not {"script", "iframe", "object", "link rel=stylesheet"} & set(tags.names)
        addresses = [v or "" for n, v in tags.attributes if n in ("src", "href", "xlink:href")]
        assert addresses
        assert all(one.startswith(("#", "data:")) for one in addresses)
        assert "default-src 'none'" in text
        assert not re.search(r"@import|url\(\s*['\"]?(?!#)", text)


def test_hostile_words_do_no_harm(hostile: ModuleReport, tmp_path: Path) -> None:
    report = CheckReport.of(hostile)
    for text in (render(hostile), report._repr_html_()):
        tags = Tags(text)
        assert not {"script", "img"} & set(tags.names)
        assert not [name for name, _ in tags.attributes if name.startswith("on")]
        assert tags.words.count(HOSTILE) > 3
    assert "&lt;script&gt;" in picture(rows(hostile))
    report.save(tmp_path / "x.json")
    told = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert told["first"]["layer"] == HOSTILE


@pytest.mark.slow
def test_files(wrong: ModuleReport, tmp_path: Path) -> None:
    report = CheckReport.of(wrong)
    report.save(tmp_path / "x.html")
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == render(wrong)
    report.save(str(tmp_path / "x.json"))
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == json.loads(json.dumps(wrong.asdict()))
    with pytest.raises(Refused, match=r"\.html or \.json"):
        report.save(tmp_path / "x.pdf")
    with pytest.raises(Refused, match="cannot be written"):
        report.save(tmp_path / "nowhere" / "x.html")


def test_in_a_notebook(right: ModuleReport, wrong: ModuleReport) -> None:
    shown = CheckReport.of(right)._repr_html_()
    assert "Only rounding differs" in shown
    shown = CheckReport.of(wrong)._repr_html_()
    assert "differs: bn, forward, layer 2 of 4" in shown
    assert "<svg" in shown
    assert "<style" not in shown, "it would be the notebook's"


def test_what_has_no_number_is_drawn() -> None:
    """A layer that raised: its row is there, at the right edge."""

    class Raises(nn.Linear):
        def forward(self, x: Any) -> Any:
            if x.dtype == torch.float64:
                raise ValueError("not for me")
            return super().forward(x)

    port, reference = nn.Sequential(Raises(12, 3)), nn.Sequential(nn.Linear(12, 3))
    report = held(port, reference, VECTORS, None)
    assert "raised ValueError: not for me" in render(report)
    assert "NaN" not in picture(rows(report))


def changed(report: ModuleReport, **place: Any) -> ModuleReport:
    """As if the first wrong tensor belonged elsewhere; `dtype` is its own."""
    first = report.first
    assert first is not None
    dtype = place.pop("dtype", first.dtype)
    one = replace(first, place=replace(first.place, **place), dtype=dtype)
    return ModuleReport(report.matched, [one], 0.0)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({}, "compare how both were made"),
        ({"stage": "backward", "tensor": "slope of bn.weight"}, "Forwards the layer is right"),
        ({"tensor": "bn.running_mean"}, "keeps of its batches"),
        ({"unit": "wiring"}, "what leads into bn is what to read"),
        ({"unit": "wiring", "stage": "backward"}, "between them look for a detached tensor"),
        ({"unit": "loss", "stage": "loss", "layer": ""}, "mean or sum"),
        ({"unit": "whole", "layer": ""}, "kept from call to call"),
        ({"dtype": "float32"}, "In float64 it is right"),
    ],
    ids=["layer", "slopes", "buffer", "way in", "way on", "loss", "whole", "float32"],
)
def test_what_to_try(place: dict[str, Any], words: str, wrong: ModuleReport) -> None:
    (line,) = advice(changed(wrong, **place))
    assert words in line


def test_what_to_try_where_nothing_is_wrong(right: ModuleReport) -> None:
    assert "report.require()" in " ".join(advice(right))
    mapping = right.matched.mapping
    less = replace(right.matched, mapping=mapping.with_entries(mapping.entries[1:]))
    report = replace(right, matched=less)
    assert "mapping.save" in " ".join(advice(report))
    assert "not compared: weight of conv1" in render(report)


def test_the_text_fits_a_terminal(right: ModuleReport, wrong: ModuleReport) -> None:
    assert wrong.likely_cause
    lines = [line for one in (right, wrong) for line in str(one).splitlines()]
    assert all(len(line) <= 80 for line in lines if wrong.likely_cause not in line)
    numbers = [line[12:] for line in str(wrong).splitlines()[2:6]]
    assert {line.index(".") for line in numbers} == {4}, "one point below the other"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("test_port_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_of_the_docs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes, and fails with the layer as soon as the port is wrong."""
    docs = example()
    docs.test_the_port_agrees(True)

    class Slipped(docs.Ported):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem[1].eps = 1e-3

    monkeypatch.setattr(docs, "Ported", Slipped)
    with pytest.raises(AssertionError, match=r"differs: norm, forward, layer 2 of 4 \(stem\.1"):
        docs.test_the_port_agrees(False)


def test_check_answers_with_what_saves_itself(tmp_path: Path) -> None:
    report = check(nn.Linear(12, 3), nn.Linear(12, 3), VECTORS, steps=0)
    assert isinstance(report, CheckReport)
    report.save(tmp_path / "x.html")
    assert "Only rounding differs" in (tmp_path / "x.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opens_offline(
    browser: Any, hostile: ModuleReport, wrong: ModuleReport, scheme: str, tmp_path: Path
) -> None:
    """Nothing is asked for, nothing said, nothing wider than a telephone."""
    for name, report in (("hostile", hostile), ("wrong", wrong)):
        path = tmp_path / f"{name}.html"
        CheckReport.of(report).save(path)
        viewport = {"width": 360, "height": 800}
        opened = Opened(browser, path, color_scheme=scheme, viewport=viewport)
        seen = opened.page
        assert seen.evaluate("document.scrollingElement.scrollWidth") <= 360
        ink = seen.evaluate("getComputedStyle(document.querySelector('svg .role-axis text')).fill")
        assert ink == seen.evaluate("getComputedStyle(document.body).color")
        opened.close(path)
