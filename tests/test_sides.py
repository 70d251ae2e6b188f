"""SIDE: a network named on the command line, found, or one line that says why not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.entrants.port import Port
from common.errors import Failed, Refused
from common.modules.sides import Side, load, parse_side
from tests.conftest import BACKENDS
from tests.hosted import FAKES, imported_from


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where we stand: a package and files; what is imported is forgotten with the test."""
    (tmp_path / "port").mkdir()
    for path in ("fakes.py", "port/nets.py", "port/torch.py"):
        (tmp_path / path).write_text(FAKES)
    (tmp_path / "port" / "beside.py").write_text("from nets import Net")
    (tmp_path / "port" / "within.py").write_text("from .nets import Net")
    (tmp_path / "broken.py").write_text("import nothing_of_that_name")
    (tmp_path / "wrong.py").write_text("def f(:")
    (tmp_path / "script.py").write_text("raise SystemExit('usage: script')")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "notes.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    with imported_from(tmp_path):
        yield tmp_path


# ---- as written ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch=port.nets:Net", ("torch", "eager", "port.nets", "Net")),
        ("torch=port/nets.py:Net", ("torch", "eager", "port/nets.py", "Net")),
        ("torch:jit=fakes:Outer.Inner", ("torch", "jit", "fakes", "Outer.Inner")),
        ("torch=fakes.py:net", ("torch", "eager", "fakes.py", "net")),
    ],
)
def test_as_written(text: str, expected: tuple[str, ...], folder: Path) -> None:
    assert parse_side(text, BACKENDS) == Side(text, *expected)


def test_the_mode_of_a_side_that_does_not_say(folder: Path) -> None:
    assert parse_side("torch=fakes:Net", BACKENDS, "jit").mode == "jit"
    assert parse_side("torch:eager=fakes:Net", BACKENDS, "jit").mode == "eager"


def test_a_folder_may_have_an_equals_sign_and_a_colon(folder: Path) -> None:
    (folder / "a=b:c").mkdir()
    (folder / "a=b:c" / "d.py").write_text(FAKES)
    assert parse_side("torch=a=b:c/d.py:Net", BACKENDS).home == "a=b:c/d.py"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not FRAMEWORK=module.path:NAME"),
        ("torch", "is not FRAMEWORK=module.path:NAME"),
        ("torch=fakes", "is not FRAMEWORK=module.path:NAME"),
        ("torch=fakes.Net", "is not FRAMEWORK=module.path:NAME"),
        ("torch=:Net", "is not FRAMEWORK=module.path:NAME"),
        ("torch=fakes:", "is not FRAMEWORK=module.path:NAME"),
        ("torch=fakes:Net()", "is not FRAMEWORK=module.path:NAME"),
        ("fakes:Net", "is not FRAMEWORK=module.path:NAME"),
        ("tensorflow=fakes:Net", "'tensorflow' takes no modules; these do: "),
        ("numpy=fakes:Net", "'numpy' takes no modules; these do: "),
        ("keras=fakes:Net", "name the framework that keras computes in: jax=fakes:Net or "),
        ("torch:fused=fakes:Net", "'fused' is no mode of a module; there are eager, jit"),
        ("torch:=fakes:Net", "'' is no mode of a module"),
        ("torch=nowhere.py:Net", "there is no file nowhere.py in "),
        ("torch=port/none.py:Net", "there is no file port/none.py in "),
        ("torch=port/:Net", "there is no file port/ in "),
        ("torch=not a module:Net", "'not a module' is neither a module's name nor a file"),
    ],
)
def test_refused_as_written(text: str, words: str, folder: Path) -> None:
    with pytest.raises(Refused) as told:
        parse_side(text, BACKENDS)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


# ---- found -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("home", "name"),
    [
        ("fakes", "Net"),
        ("fakes", "made"),
        ("fakes", "net"),
        ("fakes", "Outer.Inner"),
        ("fakes.py", "Net"),
        ("port.nets", "Net"),
        ("port/nets.py", "made"),
        ("port/beside.py", "Net"),
        ("port.within", "Net"),
        ("port/torch.py", "Net"),
    ],
)
def test_found(home: str, name: str, folder: Path) -> None:
    net, params = load("torch", home, name)
    assert (type(net).__name__, params) == ("Net", None)


def test_a_pair_of_a_module_and_its_variables(folder: Path) -> None:
    (module, variables), _ = load("torch", "fakes", "paired")
    assert (type(module).__name__, variables) == ("Net", {"params": {}})


def test_an_instance_is_that_one(folder: Path) -> None:
    assert load("torch", "fakes", "net")[0] is sys.modules["fakes"].net


FUNCTIONS = """
from compare import Port

forward = lambda params, x: x @ params["w"]
port = Port("torch", forward, lambda outputs, labels: outputs.mean())
paired = port, {"w": [[1.0]]}
elsewhere = Port("jax", forward, port.loss), {"w": [[1.0]]}
penalty = Port("torch", forward, lambda params, outputs, labels: outputs.mean()), {"w": [[1.0]]}


def made():
    return paired
"""


@pytest.mark.parametrize("name", ["paired", "made"])
def test_a_port_and_its_parameters(name: str, folder: Path) -> None:
    (folder / "functions.py").write_text(FUNCTIONS)
    port, params = load("torch", "functions.py", name)
    assert isinstance(port, Port)
    assert params is not None
    assert params.arrays["w"].shape == (1, 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("port", "port is a Port alone; make it a pair, (port, params by name)"),
        ("elsewhere", "elsewhere is of jax, not of torch: it is of type Port"),
        ("penalty", "the loss of penalty takes the parameters, too; hold it from Python"),
    ],
)
def test_a_port_that_cannot_be_taken(name: str, words: str, folder: Path) -> None:
    (folder / "functions.py").write_text(FUNCTIONS)
    with pytest.raises(Refused) as told:
        load("torch", "functions.py", name)
    assert words in str(told.value)


def test_a_file_takes_the_place_of_no_module(folder: Path) -> None:
    before = sys.modules.get("torch")
    load("torch", "port/torch.py", "Net")
    assert sys.modules.get("torch") is before


@pytest.mark.parametrize(
    ("home", "name", "kind", "words"),
    [
        ("fakes", "Nett", Refused, "fakes has no Nett; it has Net, Needs, Outer, made, paired"),
        ("fakes", "Outer.Other", Refused, "fakes has no Outer.Other; it has"),
        ("empty.py", "Net", Refused, "empty.py has no Net; it defines nothing"),
        ("nothing", "Net", Refused, "there is no module nothing, neither in "),
        ("port.none", "Net", Refused, "there is no module port.none, neither in "),
        ("none.port", "Net", Refused, "there is no module none, neither in "),
        ("notes.txt/", "Net", Refused, "notes.txt is no file of Python"),
        ("fakes", "number", Refused, "number() is no module of torch: it is of type int"),
        ("fakes", "Foreign", Refused, "Foreign() is no module of torch: it is of type Foreign"),
        ("fakes", "Needs", Failed, "Needs() raised TypeError: "),
        ("fakes", "raises", Failed, "raises() raised ValueError: boom"),
        ("fakes", "leaves", Failed, "leaves() raised SystemExit: 3"),
        ("broken", "Net", Failed, "importing broken raised ModuleNotFoundError: No module named"),
        ("broken.py", "Net", Failed, "importing broken.py raised ModuleNotFoundError: No module"),
        ("wrong.py", "Net", Failed, "importing wrong.py raised SyntaxError: "),
        ("script", "Net", Failed, "importing script raised SystemExit: usage: script"),
        ("port/within.py", "Net", Failed, "raised ImportError: attempted relative import"),
    ],
)
def test_not_found(home: str, name: str, kind: type[Exception], words: str, folder: Path) -> None:
    with pytest.raises(kind) as told:
        load("torch", home, name)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_a_module_of_another_framework(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.modules.sides.takes", lambda found: "jax")
    with pytest.raises(Refused, match="net is of jax, not of torch: it is of type Net"):
        load("torch", "fakes", "net")
