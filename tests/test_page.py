"""report.html: what it shows, that it needs nothing from outside, in a real browser."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from common.ask.request import make_plan as make_plan_of
from common.cli import options
from common.contract.info import COMPONENTS
from common.contract.models import files_of
from common.contract.plan import Plan
from common.contract.registry import version
from common.errors import Refused
from common.results.document import Document
from common.results.folder import read_results
from common.shown import charts, drawing, entrants, gallery, page, repeat, vega
from common.shown.notebook import Comparison, Plot
from tests.conftest import (
    BACKENDS,
    BATCH,
    ENTRANTS,
    EXAMPLES,
    Command,
    Full,
    checked,
    make_plan,
)
from tests.fakes import copy_backend

SECTIONS = (
    "verdict", "table", "curves", "drift", "timing", "predictions", "confusion", "weights",
    "source", "environment",
)  # fmt: skip
#: Where a wrapped line of code begins, and where it goes on.
WRAPPED = """(() => {
  for (const line of document.querySelectorAll("pre.code > span")) {
    const words = document.createRange();
    words.selectNodeContents(line);
    const boxes = [...words.getClientRects()].filter(box => box.width);
    const below = boxes.filter(box => box.top > boxes[0].top + 4);
    const spaces = line.textContent.match(/^ */)[0].length;
    if (below.length && spaces >= 4) {
      const letter = boxes[0].width / line.firstChild.textContent.length;
      const begun = line.getBoundingClientRect().left + spaces * letter;
      return [begun, Math.min(...below.map(box => box.left))];
    }
  }
})()"""
HOSTILE = (
    '<script>window.hacked=1</script>"\'><img src=x onerror="window.hacked=2">\\u2028</script>'
)


@pytest.fixture
def ran(full: Full) -> Path:
    """The result folder of the run that has everything."""
    return full[0].folder / "out"


@pytest.fixture
def copy(ran: Path, tmp_path: Path) -> Path:
    """A result folder that may be changed."""
    return Path(shutil.copytree(ran, tmp_path / "out"))


def changed(folder: Path, change: Any) -> None:
    """Change what results.json says, and draw the page again."""
    path = folder / "results.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    change(found)
    path.write_text(json.dumps(found), encoding="utf-8")
    page.write(folder)


# ---- without a browser ---------------------------------------------------------------------


@pytest.mark.slow
def test_the_page_is_made_again_from_saved_results_alone(ran: Path, compare: Command) -> None:
    before = (ran / "report.html").read_bytes()
    copy = compare.folder / "moved"
    shutil.copytree(ran, copy)
    (copy / "report.html").unlink()
    done = compare("report", copy)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(copy / "report.html")
    assert (copy / "report.html").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "has no results"),
        ("{", "is not JSON"),
        ("[]", "is no results.json: Expected `object`, got `array`"),
        ('{"schema_version": 2}', "has schema_version 2"),
        ('{"schema_version": 1}', "is no results.json"),
    ],
    ids=["missing", "broken", "a-list", "later-version", "another-file"],
)
def test_no_page_of_what_is_no_result(text: str | None, words: str, compare: Command) -> None:
    folder = compare.folder / "other"
    folder.mkdir()
    if text is not None:
        (folder / "results.json").write_text(text)
    done = compare("report", folder)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "report.html").exists()


def test_every_component_was_timed(ran: Path) -> None:
    for entrant in read_results(ran).entrants:
        took = entrant.timing.component_seconds
        assert set(took) == {"data", "forward", "loss", "backward", "update", "accuracy"}
        assert all(0 < seconds < 1 for seconds in took.values()), took


@pytest.mark.slow
def test_the_source_is_the_one_that_ran(copy: Path) -> None:
    found = read_results(copy)
    assert page.verified(copy, found) == dict.fromkeys(BACKENDS, True)
    with (copy / "source" / "jax" / "loss.py").open("a") as file:
        file.write("\n")
    assert page.verified(copy, found) == {**dict.fromkeys(BACKENDS, True), "jax": False}
    assert "not what results.json says ran" in page.render(copy)


def document(plan: Plan, *entrants: dict[str, Any], **more: Any) -> Document:
    """Results of which only the named things matter."""
    sha = "0" * 64
    nothing: dict[str, Any] = {
        "notes": [], "status": "ok", "reason": None, "versions": {}, "device": "cpu", "threads": 1,
        "settings": {}, "steps_per_call": 1, "batches_sha256": sha, "source_sha256": sha,
        "epochs": [], "step_losses": [], "peak_memory_bytes": None, "learnt": None, "true": None,
        "timing": {
            "import_seconds": None, "open_seconds": None, "compile_seconds": None,
            "first_step_seconds": None, "examples_per_second": None,
            "epoch_seconds": {"median": None, "low": None, "high": None, "min": None, "all": []},
        },
    }  # fmt: skip
    verdict = {
        "verdict": "rounding", "identical_to": None, "max_abs_loss_difference": None,
        "noise_band": None, "criterion": "x", "prediction_agreement": None,
        "first_difference": None,
    }  # fmt: skip
    plain: dict[str, Any] = {
        "schema_version": 1,
        "plan": plan.asdict(),
        "environment": {
            "python": "3", "platform": "x", "cpu": "x", "cores": 1, "memory_bytes": 1,
            "packages": {}, "commit": None,
        },
        "data": {
            "name": "x", "source": "x", "train_examples": 1, "test_examples": 0, "sha256": {},
            "order_sha256": sha, "initial_sha256": sha,
        },
        "entrants": [
            {**nothing, "slug": f"s{n}", "style": "scratch", "mode": "jit", "data": "memory", **one}
            for n, one in enumerate(entrants)
        ],
        "parity": {"referee": "x", "entrants": {one["label"]: verdict for one in entrants}},
        "comparisons": [],
        **more,
    }  # fmt: skip
    return msgspec.convert(plain, Document)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--model mlp --hidden 17 --epochs 3 --limit 40 --drop-last --seed 5 --lr 0.25",
        "--optimizer momentum --momentum 0.5 --weight-decay 0.01 --dtype float64 --rounds 2",
        "--optimizer adamw --betas 0.8 0.9 --eps 1e-05 --weight-decay 0.1 --resize 14",
        "--optimizer momentum --momentum 0",
    ],
)
def test_the_command_that_repeats_a_run_asks_for_the_same(words: str) -> None:
    asked = options.parser().parse_args(["run", *words.split()])
    plan = make_plan_of(options.settings(asked))
    given = {
        "style": "scratch", "backend_path": "/a folder/x", "python": {"jax": "/o'dd/python"},
        "timeout": 7.5, "no_band": True, "check_float64": True, "data_dir": "/da ta;",
        "custom_data": True,
    }  # fmt: skip
    found = document(
        plan,
        {"label": "torch#1", "backend": "torch"},
        {"label": "torch:stock,loader", "backend": "torch", "data": "loader"},
        {"label": "torch:ddp,x3", "backend": "torch", "style": "concise"},
        {"label": "mix(loss=torch,model=jax)", "backend": "mix", "style": "concise"},
        options=given,
    )
    command = shlex.split(repeat.command(found))
    assert command[:2] == ["python", "compare.py"]
    again = options.parser().parse_args(["run", *command[2:]])
    assert make_plan_of(options.settings(again)) == plan
    assert again.backends == [
        "torch:scratch,jit,memory",
        "torch:scratch,jit,loader,stock",
        "torch:concise,jit,memory,ddp,x3",
    ]
    assert again.mix == ["loss=torch,model=jax"]
    assert again.python == ["jax=/o'dd/python"]
    assert {name: getattr(again, name) for name in given if name != "python"} == {
        **{name: value for name, value in given.items() if name != "python"},
        "backend_path": Path("/a folder/x"),
        "data_dir": Path("/da ta;"),
    }


@pytest.mark.slow
def test_who_keeps_more_cores_busy_is_named(copy: Path) -> None:
    """As in the terminal: its times are not those of the plan."""
    words = "kept 9.00 cores busy, and was to use"
    assert words not in page.render(copy)

    def crowd(found: dict[str, Any]) -> None:
        found["entrants"][0]["timing"]["cores_used"] = 9.0

    changed(copy, crowd)
    assert words in (copy / "report.html").read_text(encoding="utf-8")


def test_the_command_that_repeats_an_earlier_run_asks_for_its_data(copy: Path) -> None:
    """Where they were was not kept."""
    found = json.loads((copy / "results.json").read_text(encoding="utf-8"))
    del found["options"]
    found["data"]["name"] = "custom"
    words = shlex.split(repeat.command(msgspec.convert(found, Document)))
    assert words[-3:] == ["--custom-data", "--data-dir", "FOLDER"]


@pytest.mark.slow
def test_the_printed_command_repeats_the_run(compare: Command) -> None:
    """In folders whose names need quotes, with a backend from elsewhere and a mixed entrant."""
    backends = compare.folder / "my backends"
    copy_backend(backends, "own")
    compare.data = Path(shutil.copytree(compare.data, compare.folder / "the 'data'"))
    asked = [
        "--backends", "own", "numpy:stock", "--backend-path", "my backends", "--mix", "loss=own",
        "--style", "scratch", "--no-band", "--check-float64", "--timeout", "50", "--limit", "50",
        "--python", f"own={sys.executable}", "--optimizer", "momentum", "--check", "quick",
        "--check-seconds", "30", "--init", "framework",
    ]  # fmt: skip
    compare.page = True
    first = compare.run(*asked)
    text = (compare.folder / "out" / "report.html").read_text(encoding="utf-8")
    (printed,) = re.findall(r'<pre class="command">(.*?)</pre>', text)
    words = shlex.split(html.unescape(printed))
    assert words[:2] == ["python", "compare.py"]
    done = compare(*words[2:], "--out", "again")
    assert done.returncode == 0, done.stderr
    again = checked((compare.folder / "again" / "results.json").read_text(encoding="utf-8"))
    assert again["plan"] == first["plan"]
    assert again["options"] == first["options"]
    kept = ("backend", "style", "mode", "data", "settings", "step_losses")
    assert [[one[name] for name in kept] for one in again["entrants"]] == [
        [one[name] for name in kept] for one in first["entrants"]
    ]


def test_pictures_are_those_that_tell_something(ran: Path) -> None:
    found, predictions = read_results(ran), gallery.arrays(ran / "predictions.npz")
    pictures = gallery.arrays(ran / "pictures.npz")
    labels, torch = predictions["labels"], predictions["torch"]
    np.testing.assert_array_equal(pictures["first/index"], np.arange(12))
    wrong = pictures["wrong/index"]
    assert (labels[wrong] != torch[wrong]).all()
    grids = gallery.grids(found, predictions, pictures, [str(n) for n in range(10)])
    for one, index in zip(grids["wrong"], wrong, strict=True):
        assert one["true"] == str(labels[index])
        assert [(said["class"], said["right"]) for said in one["said"]] == [
            (str(torch[index]), False)
        ]


def test_entrants_that_disagree_are_named_at_the_picture() -> None:
    chosen = {"a": np.array([1, 2]), "b": np.array([1, 0]), "c": np.array([1, 2])}
    said = gallery.said_of(1, chosen, np.array([1, 0]), ["zero", "one", "two"])
    assert said == [
        {"class": "two", "right": False, "who": "a, c"},
        {"class": "zero", "right": True, "who": "b"},
    ]
    assert [
        one["who"] for one in gallery.said_of(0, chosen, np.array([1, 0]), ["0", "1", "2"])
    ] == [""]


def test_entrants_that_choose_alike_share_a_matrix() -> None:
    found = document(make_plan(), *({"label": n, "slug": n, "backend": "x"} for n in "abcd"))
    same, other = np.array([1, 2]), np.array([1, 0])
    chosen = gallery.choices(found, {"a": same, "b": other, "d": same.copy(), "labels": other})
    assert list(chosen) == ["a, d", "b"], "c left no predictions"


def test_a_framework_has_its_colour_and_a_style_its_dashes() -> None:
    """Whoever is beside it, in whatever order."""
    few = drawing.looks_by({"torch:jit": "concise", "torch": "scratch", "torch#1": "concise"})
    many = drawing.looks_by({"mine": "concise", "jax": "concise", "torch": "concise"})
    assert few["torch:jit"] == many["torch"]
    assert few["torch"].colour == many["torch"].colour
    assert few["torch"].dashes != many["torch"].dashes
    assert len({few["torch#1"].colour, *(look.colour for look in many.values())}) == 4
    found = document(
        make_plan(), {"label": "numpy", "backend": "numpy"}, {"label": "jax", "backend": "jax"}
    )
    assert charts.looks_of(found)["jax"].colour == many["jax"].colour


def test_long_runs_are_drawn_by_their_largest_steps() -> None:
    values = np.full(10_000, 1e-8)
    values[7_777] = 1e-3
    values[3] = np.nan
    found = charts.binned(values)
    assert len(found) <= charts.BINS
    assert max(value or 0 for value in found.values()) == 1e-3
    assert charts.binned(np.array([0.0, 2.0])) == {1.0: None, 2.0: 2.0}


@pytest.mark.slow
def test_a_run_without_pictures_has_a_page(compare: Command) -> None:
    compare.page = True
    done = compare("--model", "linear", "--backends", "numpy", "--epochs", 2, "--out", "out")
    assert done.returncode == 0, done.stderr
    text = (compare.folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "least squares" in text
    for empty in ("confusion", "predictions", "weights"):
        assert f'id="{empty}"' not in text
        assert f'href="#{empty}"' not in text
    assert " acc</th>" not in text
    assert '"scale": {"type": "log"}, "title": "train loss"' in text


@pytest.mark.slow
def test_who_failed_has_a_row_and_a_reason(copy: Path) -> None:
    def fail(found: dict[str, Any]) -> None:
        entrant = found["entrants"][-1]
        entrant.update(status="killed", reason="it was ended", epochs=[], step_losses=[])
        entrant["versions"] = {}
        entrant["timing"].update(
            import_seconds=None, component_seconds={}, times_limit=None,
            epoch_seconds={"median": None, "low": None, "high": None, "min": None, "all": []},
        )  # fmt: skip
        found["limit"] = None

    changed(copy, fail)
    text = (copy / "report.html").read_text(encoding="utf-8")
    assert "it was ended" in text
    assert "jax:fused (killed) did not finish" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slip", "words"),
    [
        pytest.param(
            "import jinja2; jinja2.Environment.get_template = None", "TypeError", id="page",
            marks=pytest.mark.slow,
        ),
        pytest.param("import sys; sys.modules['altair'] = None", "ModuleNotFound", id="library"),
    ],
)  # fmt: skip
def test_a_page_that_cannot_be_drawn_costs_nothing(slip: str, words: str, compare: Command) -> None:
    """The results are saved, the exit code is theirs, and what went wrong is said."""
    compare.env["PYTHONPATH"] = str(compare.folder)
    (compare.folder / "sitecustomize.py").write_text(slip)
    done = compare.process(
        *compare.small("--backends", "numpy", "--out", "out", "--json", "x.json")
    )
    assert done.returncode == 0, done.stderr
    assert f"report.html could not be written: {words}" in done.stderr
    assert (compare.folder / "x.json").exists()
    assert not (compare.folder / "out" / "report.html").exists()


@pytest.mark.slow
def test_pages_of_earlier_results_are_drawn(copy: Path) -> None:
    """What was added since is left out."""

    def earlier(found: dict[str, Any]) -> None:
        for name in ("limit", "interrupted", "options"):
            found.pop(name)
        for name in ("inputs", "classes"):
            found["data"].pop(name)
        found["parity"].pop("referee_losses")
        for entrant in found["entrants"]:
            entrant.pop("framework_memory_bytes")
            for name in ("times_limit", "cores_used"):
                entrant["timing"].pop(name)

    changed(copy, earlier)


@pytest.mark.slow
def test_a_page_stays_small_whatever_the_pictures(copy: Path) -> None:
    """Six megabytes at most, of which the charts' library is one."""
    pictures = gallery.arrays(copy / "pictures.npz")
    draw = np.random.default_rng(0)
    for kind in ("first", "wrong", "disagreed"):
        count = len(pictures[f"{kind}/index"])
        pictures[f"{kind}/images"] = draw.integers(0, 256, (count, 256, 256, 1), dtype=np.uint8)
    np.savez(copy / "pictures.npz", **pictures)
    assert page.write(copy).stat().st_size < 6e6


@pytest.mark.slow
def test_no_link_shows_what_is_not_the_runs(copy: Path) -> None:
    secret = copy.parent / "loss.py"
    secret.write_text("SECRET = 1\n")
    shown = copy / "source" / "jax" / "loss.py"
    shown.unlink()
    shown.symlink_to(secret)
    (copy / "source" / "elsewhere").symlink_to(copy.parent)
    text = page.render(copy)
    assert "SECRET" not in text
    assert "not what results.json says ran" in text


@pytest.mark.parametrize("where", [pytest.param("page", marks=pytest.mark.slow), "notebook"])
def test_a_column_is_added_in_one_place(where: str, ran: Path) -> None:
    """Its name at the head, its cell in every row."""
    column = entrants.Column("A NEW <COLUMN>", lambda one: f"of {one.entrant.label}")
    entrants.OUTCOME.append(column)
    try:
        text = page.render(ran) if where == "page" else Comparison(ran)._repr_html_()
    finally:
        entrants.OUTCOME.remove(column)
    assert text.count("A NEW &lt;COLUMN&gt;") == 1
    assert all(text.count(f"of {label}<") == 1 for label in ENTRANTS)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the charts' script is kept, by a vl-convert that takes no time."""
    monkeypatch.setenv("COMPARE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(vega, "made", lambda: "the script")
    digest = vega.digest("the script")
    monkeypatch.setattr(vega, "DIGESTS", {version("vl-convert-python"): digest})
    return tmp_path / f"vega-{digest}.js"


@pytest.mark.slow
def test_the_charts_script_is_the_pinned_one() -> None:
    assert vega.digest(vega.made()) == vega.DIGESTS[str(version("vl-convert-python"))]


@pytest.mark.parametrize("before", [None, b"alert(1)", b"\xff", b"the script\r\n"], ids=[
    "nothing", "another", "no-text", "nearly",
])  # fmt: skip
def test_a_kept_script_is_not_believed(before: bytes | None, kept: Path) -> None:
    if before is not None:
        kept.write_bytes(before)
    assert vega.vega() == "the script"
    assert kept.read_bytes() == b"the script"


def test_a_kept_script_is_not_made_again(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vega.vega()
    monkeypatch.setattr(vega, "made", lambda: pytest.fail("it is kept"))
    assert vega.vega() == "the script"


def test_the_script_of_an_unknown_version_is_never_taken_from_the_cache(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vega, "DIGESTS", {})
    for name in (kept.name, f"vega-{version('vl-convert-python')}.js"):
        (kept.parent / name).write_text("alert(1)")
    assert vega.vega() == "the script"


def test_show_as_a_page(compare: Command) -> None:
    done = compare("show", "update.sgd_scratch", "--backends", "torch", "jax", "--html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<!doctype html>")
    assert "torch/update.py" in done.stdout
    assert "src=" not in done.stdout
    assert "<script" not in done.stdout


@pytest.mark.slow
def test_notebooks_get_the_same(ran: Path) -> None:
    found = Comparison(ran)
    assert [row["entrant"] for row in found.epochs] == [e for e in ENTRANTS for _ in range(2)]
    assert len(found.steps) == len(ENTRANTS) * 2 * -(-EXAMPLES // BATCH)
    assert all(abs(row["loss"] - row["referee"]) < 1e-5 for row in found.steps)
    assert found.verdict in found._repr_html_()
    assert "def cross_entropy_scratch" in str(found.show("loss"))
    assert "<span" in found.show("loss")._repr_html_()
    for name in charts.NAMES[:-1]:
        bundle = found.plot(name)._repr_mimebundle_()
        assert bundle["image/svg+xml"].startswith("<svg")
        assert "<script" not in bundle["image/svg+xml"]
    with pytest.raises(Refused, match="nothing to draw as distances"):
        found.plot("distances")  # so little work has no limit that can be measured
    for refused in (lambda: found.plot("x"), lambda: found.show("x"), lambda: found.frame("x")):
        with pytest.raises(Refused):
            refused()


# ---- in a browser --------------------------------------------------------------------------


class Opened:
    """A page in the browser, with what went wrong and what it asked for."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.context = browser.new_context(offline=True, **context)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda said: self.wrong.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.resolve().as_uri())
        self.draw()

    def draw(self) -> None:
        """Go through the page, so that every chart is drawn."""
        for element in self.page.query_selector_all("[data-chart]"):
            element.scroll_into_view_if_needed()
            element.wait_for_selector("svg", timeout=10_000)

    def close(self, path: Path) -> None:
        self.context.close()
        own = path.resolve().as_uri()
        assert [url for url in self.requests if url != own and not url.startswith("data:")] == []
        assert self.wrong == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; where there is none, CI fails and others skip."""
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None and not os.environ.get("CI"):
        pytest.skip("no Chromium is installed")
    assert found, "CI has no Chromium"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        started = tool.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def opened(browser: Any, full: Full) -> Iterator[Opened]:
    """The page of that run, wide and light, for those who only look at it."""
    path = full[0].folder / "out" / "report.html"
    page = Opened(browser, path, viewport={"width": 1280, "height": 800})
    yield page
    page.close(path)


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(360, "light", marks=pytest.mark.slow),
        pytest.param(360, "dark", marks=pytest.mark.slow),
        pytest.param(1280, "light", marks=pytest.mark.slow),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
    ],
)
def test_opens_offline(browser: Any, ran: Path, scheme: str, width: int) -> None:
    path = ran / "report.html"
    viewport = {"width": width, "height": 800}
    opened = Opened(browser, path, color_scheme=scheme, viewport=viewport)
    seen = opened.page
    assert not seen.is_visible("#source details pre"), "whole files are folded"
    first = seen.inner_text("#source pre.code")
    assert f"def {read_results(ran).plan.model}_" in first, "what ran comes first"
    assert [one.get_attribute("id") for one in seen.query_selector_all("header, section")] == list(
        SECTIONS
    )
    assert seen.evaluate("document.scrollingElement.scrollWidth") <= width, "no sideways scrolling"
    ground = seen.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground.strip("rgb()").split(","))) < 384) == (scheme == "dark")
    ink = seen.evaluate(
        "getComputedStyle(document.querySelector('[data-chart=train_loss] .role-axis text')).fill"
    )
    assert ink == seen.evaluate("getComputedStyle(document.body).color"), "charts have its ink"
    for words in seen.query_selector_all("[data-chart] .role-legend-label text"):
        assert "…" not in words.text_content(), "a cut legend"
    axis = "[data-chart=train_loss] .role-axis-label text"
    ticks = [one.text_content() for one in seen.query_selector_all(axis)]
    assert {"1", "2"} < set(ticks)
    assert "1.5" not in ticks[:3], "whole epochs"
    if width < 1000:
        begun, below = seen.evaluate(WRAPPED)
        assert below > begun, "a wrapped line of code hangs under its own indentation"
    opened.close(path)


@pytest.mark.slow
def test_pointing_at_an_epoch_shows_every_entrant(opened: Opened) -> None:
    chart = opened.page.query_selector("[data-chart=train_loss] svg")
    chart.scroll_into_view_if_needed()
    chart.hover()
    tip = opened.page.wait_for_selector("#vg-tooltip-element.visible").inner_text()
    for label in ENTRANTS:
        assert label in tip
    assert "epoch" in tip
    assert opened.wrong == []


@pytest.mark.slow
def test_a_notebooks_chart_is_drawn_without_network(browser: Any, ran: Path) -> None:
    """By a front end's own Vega-Lite."""
    context = browser.new_context(offline=True)
    seen, asked = context.new_page(), []
    seen.on("request", lambda request: asked.append(request.url))
    seen.set_content("<div id=chart></div>")
    seen.add_script_tag(content=vega.vega())
    bundle = Comparison(ran).plot("train_loss")._repr_mimebundle_()
    seen.evaluate("it => { vegaEmbed('#chart', it, {actions: false}) }", bundle[Plot.MIME])
    seen.wait_for_selector("#chart .marks", timeout=10_000)
    context.close()
    assert asked == []


@pytest.mark.slow
def test_the_code_is_shown_byte_for_byte(opened: Opened, ran: Path) -> None:
    model = read_results(ran).plan.model
    shown = [component for component in COMPONENTS if component != "initial"]  # it was not used
    for name in (name for component in shown for name in files_of(component, model)):
        for backend in BACKENDS:
            file = f"{backend}/{name}"
            code = opened.page.eval_on_selector(f'pre[data-file="{file}"]', "e => e.textContent")
            assert code.encode() == (ran / "source" / file).read_bytes(), file


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(HOSTILE, id="script"),
        pytest.param("x" * 10_000, id="10000-characters", marks=pytest.mark.slow),
        pytest.param("‮数据 🙂\u0000 {{ 7 * 7 }}", id="odd-characters", marks=pytest.mark.slow),
    ],
)
def test_hostile_words_do_no_harm(browser: Any, copy: Path, words: str) -> None:
    def poison(found: dict[str, Any]) -> None:
        label = found["entrants"][0]["label"]
        found["parity"]["entrants"][words] = found["parity"]["entrants"].pop(label)
        found["entrants"][0].update(
            label=words, reason=words, notes=[words], settings={words: words}
        )
        found["data"].update(name=words, source=words)
        found["environment"].update(cpu=words, platform=words)
        for pair in found["comparisons"]:
            pair.update({side: words for side in "ab" if pair[side] == label})

    changed(copy, poison)
    path = copy / "report.html"
    opened = Opened(browser, path, viewport={"width": 360, "height": 800})
    seen = opened.page
    assert seen.evaluate("window.hacked") is None
    assert seen.evaluate("document.scrollingElement.scrollWidth") <= 360
    assert words.replace("\u0000", "") in seen.evaluate("document.body.textContent")
    opened.close(path)
