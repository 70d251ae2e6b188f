"""Backends are found, and entrants mean what they say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contract.entrant import parse
from common.contract.info import ALLOCATOR, Info
from common.contract.registry import Backend, find, version
from common.errors import Refused
from common.results.folder import write_predictions
from common.results.source import source_sha256
from common.running import starting
from tests.conftest import BACKENDS, make_plan
from tests.fakes import NOT_INSTALLED, copy_backend

#: Made up, so that these tests say what they mean by themselves.
AVAILABLE: dict[str, Backend] = {
    name: Backend(name, info, Path(name), external=False)
    for name, info in {
        "all": Info(
            "All",
            ("numpy",),
            None,
            "jit",
            ("eager", "jit", "fused"),
            data=("memory", "loader"),
        ),
        "jit": Info("Jit", ("numpy",), None, "eager", ("eager", "jit"), absent={"fused": "why"}),
        "bare": Info(
            "Bare",
            ("numpy",),
            None,
            "eager",
            ("eager",),
            styles=("scratch",),
            absent={
                "concise": "no layers",
                "jit": "no compiler",
                "fused": "no steps",
                "loader": "no classes",
            },
        ),
    }.items()
}


@pytest.mark.parametrize(
    ("text", "asked", "chosen", "notes"),
    [
        ("all", {}, ("concise", "jit", "memory"), []),
        ("all:scratch", {}, ("scratch", "jit", "memory"), []),
        ("all:eager,scratch", {}, ("scratch", "eager", "memory"), []),
        ("all:scratch,eager", {}, ("scratch", "eager", "memory"), []),
        ("all:fused", {}, ("concise", "fused", "memory"), []),
        ("all:loader", {}, ("concise", "jit", "loader"), []),
        ("jit", {}, ("concise", "eager", "memory"), []),
        ("all", {"style": "scratch", "mode": "eager"}, ("scratch", "eager", "memory"), []),
        ("all", {"data": "loader"}, ("concise", "jit", "loader"), []),
        ("all:concise", {"style": "scratch"}, ("concise", "jit", "memory"), []),
        ("all:memory", {"data": "loader"}, ("concise", "jit", "memory"), []),
        ("jit", {"mode": "fused"}, ("concise", "jit", "memory"), ["jit, not fused: why"]),
        (
            "jit",
            {"data": "loader"},
            ("concise", "eager", "memory"),
            ["memory, not loader: its INFO does not list loader"],
        ),
        ("bare", {}, ("scratch", "eager", "memory"), ["scratch, not concise: no layers"]),
        ("bare:scratch", {}, ("scratch", "eager", "memory"), []),
        (
            "bare",
            {"mode": "fused", "data": "loader"},
            ("scratch", "eager", "memory"),
            [
                "scratch, not concise: no layers",
                "eager, not fused: no steps",
                "memory, not loader: no classes",
            ],
        ),
        (
            "bare",
            {"style": "scratch", "mode": "jit"},
            ("scratch", "eager", "memory"),
            ["eager, not jit: no compiler"],
        ),
    ],
    ids=str,
)
def test_choices(
    text: str, asked: Mapping[str, str], chosen: tuple[str, ...], notes: list[str]
) -> None:
    (entrant,) = parse([text], AVAILABLE, **asked)
    assert (entrant.style, entrant.mode, entrant.data) == chosen
    assert list(entrant.notes) == notes
    assert (entrant.label, entrant.backend) == (text, text.partition(":")[0])
    assert not entrant.stock


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["all", "jit"], ["all", "jit"]),
        (["all", "all"], ["all#1", "all#2"]),
        (["all", "jit", "all", "all"], ["all#1", "jit", "all#2", "all#3"]),
        (["all:jit", "all"], ["all:jit", "all"]),
        (["all:jit,concise", "all:concise,jit"], ["all:jit,concise", "all:concise,jit"]),
    ],
    ids=str,
)
def test_labels(texts: list[str], labels: list[str]) -> None:
    assert [entrant.label for entrant in parse(texts, AVAILABLE)] == labels


def test_what_a_backend_lacks_of_one_model() -> None:
    lacking = {"gru": {"jit": "it is long", "fused": "it is longer"}}
    info = replace(AVAILABLE["all"].info, lacking=lacking)
    available = {"all": replace(AVAILABLE["all"], info=info)}
    with pytest.raises(Refused, match=r"all has no jit: not with gru, because it is long$"):
        parse(["all:jit"], available, model="gru")
    (entrant,) = parse(["all"], available, mode="fused", model="gru")
    assert (entrant.mode, entrant.notes) == (
        "eager",
        ("eager, not fused: not with gru, because it is longer",),
    )
    (entrant,) = parse(["all:jit"], available, model="mlp")
    assert (entrant.mode, entrant.notes) == ("jit", ())


@pytest.mark.parametrize(
    ("text", "mode", "tries"),
    [
        ("all:best", "jit", ("eager", "jit", "fused")),
        ("all:best,loader", "jit", ("eager", "jit")),
        ("jit:scratch,best", "eager", ("eager", "jit")),
        ("bare:best", "eager", ("eager",)),
        ("all", "fused", ()),
    ],
)
def test_best_has_modes_to_try(text: str, mode: str, tries: tuple[str, ...]) -> None:
    """What the others are told to take is no matter for it."""
    (entrant,) = parse([text], AVAILABLE, mode="fused")
    assert (entrant.label, entrant.mode, entrant.tries) == (text, mode, tries)


def test_slugs_are_made_of_letters_digits_dots_and_dashes() -> None:
    entrants = parse(["all:eager,scratch", "all", "all"], AVAILABLE)
    assert [entrant.slug for entrant in entrants] == ["all-eager-scratch", "all-1", "all-2"]


def test_no_slug_is_a_name_that_predictions_have_for_something_else(tmp_path: Path) -> None:
    names = ["file", "labels"]
    available = {name: replace(AVAILABLE["jit"], name=name) for name in names}
    entrants = parse(names, available)
    records: list[Any] = [SimpleNamespace(entrant=e, classes=np.ones(2, "u1")) for e in entrants]
    write_predictions(tmp_path / "predictions.npz", records, np.zeros(2, "u1"))
    with np.load(tmp_path / "predictions.npz") as found:
        assert {name: found[name].tolist() for name in found.files} == {
            "labels": [0, 0],
            **{entrant.slug: [1, 1] for entrant in entrants},
        }


def test_slugs_differ_where_labels_look_alike() -> None:
    """A backend may be called what another's label turns into."""
    available = {**AVAILABLE, "all-jit": AVAILABLE["jit"], "all-1": AVAILABLE["bare"]}
    entrants = parse(["all:jit", "all-jit", "all", "all", "all-1"], available)
    slugs = [entrant.slug for entrant in entrants]
    assert len(set(slugs)) == len(slugs), slugs


words = st.lists(
    st.sampled_from(["scratch", "concise", "eager", "jit", "fused", "memory", "loader", "stock"]),
    unique=True,
    max_size=4,
)
texts = st.builds(
    lambda name, words: f"{name}:{','.join(words)}" if words else name,
    st.sampled_from(list(AVAILABLE)),
    words,
)


@given(st.lists(texts, max_size=6))
def test_any_entrants_are_refused_or_told_apart(asked: list[str]) -> None:
    try:
        entrants = parse(asked, AVAILABLE)
    except Refused:
        return
    assert len({entrant.label for entrant in entrants}) == len(asked)
    assert len({entrant.slug.lower() for entrant in entrants}) == len(asked)
    for entrant in entrants:
        assert re.fullmatch(r"[A-Za-z0-9.-]+", entrant.slug)
        has = AVAILABLE[entrant.backend].info
        assert entrant.style in has.styles
        assert entrant.mode in has.modes
        assert entrant.data in has.data
        assert (entrant.mode, entrant.data) != ("fused", "loader")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tensorflow", "unknown backend 'tensorflow'; there are all, jit, bare"),
        ("", "unknown backend ''"),
        (":eager", "unknown backend ''"),
        ("all:fast", "unknown word 'fast' in 'all:fast'; there are scratch, concise, eager"),
        ("all:eager,", "unknown word ''"),
        ("all:Eager", "unknown word 'Eager'"),
        ("bare:jit", "bare has no jit: no compiler"),
        ("bare:concise", "bare has no concise: no layers"),
        ("jit:loader", "jit has no loader: its INFO does not list loader"),
        ("all:eager,jit", "'all:eager,jit' names two: eager and jit"),
        ("all:scratch,concise", "names two: scratch and concise"),
        ("all:memory,loader", "names two: memory and loader"),
        ("all:jit,jit", "names two: jit and jit"),
        ("all:best,jit", "'all:best,jit' names two: best and jit"),
        ("all:eager,best", "names two: eager and best"),
        ("all:fused,loader", "all:fused,loader: loader hands out batches one by one"),
        ("all\n[red]", "unknown backend 'all\\n[red]'"),
    ],
    ids=repr,
)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(["all", text], AVAILABLE)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_loader_and_fused_are_refused_together_wherever_they_come_from() -> None:
    with pytest.raises(Refused, match="loader hands out batches"):
        parse(["all:fused"], AVAILABLE, data="loader")
    with pytest.raises(Refused, match="loader hands out batches"):
        parse(["all:loader"], AVAILABLE, mode="fused")


def test_stock_is_not_a_choice_of_another_kind() -> None:
    (entrant,) = parse(["all:stock,eager"], AVAILABLE)
    assert entrant.stock
    assert (entrant.style, entrant.mode, entrant.data) == ("concise", "eager", "memory")
    assert entrant.label == "all:stock,eager"


@pytest.mark.parametrize("model", ["softmax", "lenet"])
@pytest.mark.parametrize("stock", [False, True], ids=["tuned", "stock"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_worker_gets_the_environment_of_its_info(
    backend: str, stock: bool, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a stock entrant gets all of it but what INFO calls tuned."""
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "common.running.starting.WorkerSession", lambda *_, **given: started.append(given)
    )
    plan = make_plan(model, threads=1)
    text = f"{backend}:stock" if stock else backend
    records = starting.new_records(parse([text], BACKENDS), BACKENDS, plan, {})
    starting.start_worker(records[0], plan, tmp_path, 7.0, {})
    info = BACKENDS[backend].info
    tuned = {**ALLOCATOR, **info.tuned, **(info.tuned_convolutions if model == "lenet" else {})}
    wanted = {**info.environment, **({} if stock else tuned)}
    wanted = {name: text.format(threads=1, device="cpu") for name, text in wanted.items()}
    assert started[0]["environment"] == wanted
    assert wanted.items() <= records[0].settings.items()
    assert (started[0]["threads"], started[0]["timeout"]) == (1, 7.0)
    assert "python" not in started[0]
    assert "folder" not in started[0]


def test_python_of_a_backend_reaches_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "common.running.starting.WorkerSession", lambda *_, **given: started.append(given)
    )
    plan, pythons = make_plan(), {"numpy": "/somewhere/python"}
    records = starting.new_records(parse(["numpy"], BACKENDS), BACKENDS, plan, pythons)
    starting.start_worker(records[0], plan, tmp_path, 7.0, pythons)
    assert started[0]["python"] == "/somewhere/python"


# ---- find ----------------------------------------------------------------------------------


def test_own_backends() -> None:
    found = find()
    assert list(found) == ["jax", "mindspore", "numpy", "torch"]
    assert not any(backend.external for backend in found.values())


def test_folder_adds_backends_and_replaces_own_ones(tmp_path: Path) -> None:
    copy_backend(
        tmp_path, "numpy", init='INFO = __import__("dataclasses").replace(INFO, title="X")'
    )
    copy_backend(tmp_path, "zebra")
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-file").write_text("")
    found = find(tmp_path)
    assert list(found) == ["jax", "mindspore", "numpy", "torch", "zebra"]
    assert found["numpy"].external
    assert found["numpy"].info.title == "X"
    assert found["numpy"].folder == tmp_path / "numpy"
    assert found["zebra"].external
    assert not found["torch"].external
    assert find()["numpy"].info.title == "NumPy", "the folder must not stay in force"


def test_external_entrant_says_where_it_is_from(tmp_path: Path) -> None:
    folder = copy_backend(tmp_path, "zebra")
    (entrant,) = parse(["zebra:scratch"], find(tmp_path))
    assert list(entrant.notes) == [f"zebra from {folder}"]


def test_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers may run elsewhere."""
    copy_backend(tmp_path / "more", "zebra")
    monkeypatch.chdir(tmp_path)
    assert find(Path("more"))["zebra"].folder == tmp_path / "more" / "zebra"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("INFO = {'title': 'x'}", "is dict, not Info"),
        ("", "has no readable INFO: AttributeError"),
        ("import no_such_module_9f3c", "has no readable INFO: ModuleNotFoundError"),
        ("INFO = (", "has no readable INFO: SyntaxError"),
        (
            "from common.contract.info import Info\nINFO = Info('x')",
            "has no readable INFO: TypeError",
        ),
        ("raise ValueError('two\\nlines')", "has no readable INFO: ValueError"),
    ],
    ids=["dict", "none", "import", "syntax", "fields", "two-lines"],
)
def test_bad_info_is_refused(tmp_path: Path, code: str, words: str) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "__init__.py").write_text(code)
    with pytest.raises(Refused) as refused:
        find(tmp_path)
    assert words in str(refused.value)
    assert str(tmp_path / "bad") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is not a folder"):
        find(tmp_path / "nowhere")


def test_missing_package_is_told_with_its_remedy(tmp_path: Path) -> None:
    copy_backend(tmp_path, "ghost", init=NOT_INSTALLED)
    words = find(tmp_path)["ghost"].missing()
    assert words is not None
    assert "no-such-distribution-9f3c is not installed" in words
    assert "pip install -e '.[torch]'" in words


@pytest.mark.parametrize("backend", BACKENDS)
def test_asked_for_backends_are_installed(backend: str) -> None:
    """Without them nothing here says anything: a failure, not a skip."""
    assert BACKENDS[backend].missing() is None
    for package in BACKENDS[backend].info.packages:
        assert version(package)


def test_hash_of_the_source_follows_every_byte(tmp_path: Path) -> None:
    before = source_sha256(copy_backend(tmp_path, "one"))
    assert before == source_sha256(BACKENDS["numpy"].folder)
    for component in ("init", "data", "model", "loss", "update", "accuracy", "train"):
        changed = copy_backend(tmp_path, component, **{component: "# changed"})
        assert source_sha256(changed) != before, component
