"""report.html: one file that opens offline, made of a result folder alone.

Charts are Vega's (`common.shown.charts`), the page Jinja's, the colours of the source Pygments'.
Whatever comes from outside, labels, paths, messages, is escaped by the template, and a policy in
the page's head forbids every request.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from safetensors.numpy import load_file

from common.contract.arrays import Array
from common.contract.entrant import STOCK
from common.contract.info import COMPONENTS, MIXED
from common.errors import Refused
from common.results.folder import read_results, whole
from common.results.record import AGREE
from common.results.source import source_files
from common.shown import charts
from common.shown.words import DASH, disturbed_line, megabytes, percent, said, seconds

REPORT = "report.html"
#: Pygments' styles for the two schemes.
LIGHT, DARK = "friendly", "github-dark"
#: A component's times, as they stand under its column.
TIMED = {
    "data": (("data", "take"),),
    "model": (("forward", "forward"), ("backward", "backward")),
    "loss": (("loss", "with its gradient"),),
    "update": (("update", "update"),),
    "accuracy": (("accuracy", "count"),),
    "train": (),
}
#: Units of an MLP that are shown, those with the largest weights to the output.
UNITS = 10
#: Side of a picture, in pixels.
LARGEST = 84


def write(folder: Path) -> Path:
    """Make the page of a result folder.

    Args:
        folder: what `compare.py run` left.

    Returns:
        its path.

    Raises:
        Refused: the folder has no results that can be read.
    """
    path = folder / REPORT
    text = render(folder)
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def render(folder: Path) -> str:
    """The text of the page."""
    found = completed(read_results(folder))
    drawn = {name: charts.named(found, name) for name in charts.NAMES}
    predictions = arrays(folder / "predictions.npz")
    pictures = arrays(folder / "pictures.npz")
    names = charts.class_names(pictures.get("classes", ()), _classes(predictions))
    confusions: dict[str, str] = {}
    for who, chosen in choices(found, predictions).items():
        confusions[who] = f"confusion {len(confusions)}"
        drawn[confusions[who]] = charts.confusion(chosen, predictions["labels"], names)
    specifications = {
        name: charts.specification(chart) for name, chart in drawn.items() if chart is not None
    }
    text: str = template("report.html").render(
        found=found,
        entrants=[Shown(entrant, found) for entrant in found["entrants"]],
        sentence=sentence(found),
        charts=specifications,
        vega=Markup(script_safe(charts.vega())) if specifications else "",
        grids=grids(found, predictions, pictures, names),
        disagreements=int(pictures.get("disagreements", 0)),
        weights=list(weights(folder, found)),
        names=names,
        confusions=confusions,
        predicted=sum(entrant["slug"] in predictions for entrant in found["entrants"]),
        disturbed=disturbed_words(found),
        components=[component(folder, found, name) for name in COMPONENTS],
        verified=verified(folder, found),
        command=command(found),
        styles=styles(),
    )
    return text


def source_page(what: str, columns: Sequence[tuple[str, str]]) -> str:
    """A page of a component's source in columns, on its own."""
    text: str = template("source.html").render(
        what=what,
        columns=[{"title": title, "code": coloured(code)} for title, code in columns],
        styles=styles(),
    )
    return text


def completed(found: dict[str, Any]) -> dict[str, Any]:
    """Results with None where an earlier version did not write what there is now."""
    found.setdefault("limit", None)
    found.setdefault("interrupted", False)
    for entrant in found["entrants"]:
        entrant.setdefault("framework_memory_bytes", None)
        for name in ("times_limit", "cores_used"):
            entrant["timing"].setdefault(name, None)
        entrant["timing"].setdefault("component_seconds", {})
    for verdict in found["parity"]["entrants"].values():
        verdict.setdefault("reason", None)
    return found


def template(name: str) -> Template:
    """A template of the project's, which escapes what it is given."""
    environment = Environment(
        loader=PackageLoader("common", "pages"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(seconds=seconds, percent=percent, megabytes=megabytes, digits=digits)
    found: Template = environment.get_template(f"{name}.jinja")
    return found


class Shown:
    """An entrant of results.json with what the page needs besides."""

    def __init__(self, entrant: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        self.entrant = entrant
        self.verdict = found["parity"]["entrants"][entrant["label"]]
        self.last = entrant["epochs"][-1] if entrant["epochs"] else None
        self.timing = entrant["timing"]
        self.word = self.verdict["verdict"] if entrant["status"] == "ok" else entrant["status"]
        self.right = self.word in AGREE
        self.pair = (entrant["label"], entrant["learnt"])


def sentence(found: Mapping[str, Any]) -> str:
    """The verdict of a run in one sentence."""
    statuses = {entrant["label"]: entrant["status"] for entrant in found["entrants"]}
    verdicts = {label: one["verdict"] for label, one in found["parity"]["entrants"].items()}
    return said(statuses, verdicts, interrupted=found.get("interrupted", False))


def digits(value: float | None, how: str) -> str:
    """A number in a format, or a dash."""
    return DASH if value is None else format(value, how)


# ---- pictures ------------------------------------------------------------------------------


def arrays(path: Path) -> dict[str, Array]:
    """Every array of an .npz file; none if it is not there."""
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _classes(predictions: Mapping[str, Array]) -> int:
    return 1 + max((int(array.max()) for array in predictions.values() if len(array)), default=-1)


def choices(found: Mapping[str, Any], predictions: Mapping[str, Array]) -> dict[str, Array]:
    """The classes chosen, once for all entrants that choose the same: their labels -> classes."""
    groups: list[tuple[list[str], Array]] = []
    for entrant in found["entrants"]:
        chosen = predictions.get(entrant["slug"])
        if chosen is None:
            continue
        for labels, classes in groups:
            if np.array_equal(chosen, classes):
                labels.append(entrant["label"])
                break
        else:
            groups.append(([entrant["label"]], chosen))
    return {", ".join(labels): classes for labels, classes in groups}


def disturbed_words(found: Mapping[str, Any]) -> str:
    """Whose epochs others disturbed; empty if nobody's."""
    return disturbed_line(
        {
            entrant["label"]: entrant["timing"]["epoch_seconds"].get("disturbed") or []
            for entrant in found["entrants"]
        }
    )


def grids(
    found: Mapping[str, Any],
    predictions: Mapping[str, Array],
    pictures: Mapping[str, Array],
    names: Sequence[str],
) -> dict[str, list[dict[str, Any]]]:
    """Test images with what they are and what they are taken for, kind by kind."""
    if "labels" not in predictions:
        return {}
    chosen = {
        entrant["label"]: predictions[entrant["slug"]]
        for entrant in found["entrants"]
        if entrant["slug"] in predictions
    }
    return {
        kind: [
            {
                "number": int(index),
                "image": picture(image),
                "true": names[predictions["labels"][index]],
                "said": said_of(int(index), chosen, predictions["labels"], names),
            }
            for index, image in zip(
                pictures.get(f"{kind}/index", ()), pictures.get(f"{kind}/images", ()), strict=True
            )
        ]
        for kind in ("first", "wrong", "disagreed")
    }


def said_of(
    index: int, chosen: Mapping[str, Array], labels: Array, names: Sequence[str]
) -> list[dict[str, Any]]:
    """What the entrants take an image for: one line where they agree."""
    classes: dict[int, list[str]] = {}
    for label, of in chosen.items():
        classes.setdefault(int(of[index]), []).append(label)
    return [
        {"class": names[which], "right": which == labels[index],
         "who": "" if len(classes) == 1 else ", ".join(who)}
        for which, who in classes.items()
    ]  # fmt: skip


def picture(pixels: Array) -> str:
    """A square grey picture as a data URI: dark on light, as ink on paper."""
    side = round(len(pixels) ** 0.5)
    return data_uri(small(Image.fromarray(255 - pixels.reshape(side, side), mode="L")))


def data_uri(image: Image.Image) -> str:
    """A picture as PNG in a data URI."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def weights(folder: Path, found: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Pictures of what every entrant's first layer looks for; of an MLP the same units in all."""
    chosen: list[int] | None = None
    for entrant in found["entrants"]:
        path = folder / f"params-{entrant['slug']}.safetensors"
        if not path.is_file():
            continue
        params = load_file(path)
        first = params.get("hidden.weight", params.get("output.weight"))
        if first is None:  # a backend that handed over something else has failed, and says so
            continue
        side = round(len(first) ** 0.5)
        if side * side != len(first) or side < 2:
            continue
        units: Sequence[int] = range(first.shape[1])
        if "hidden.weight" in params:
            if chosen is None:
                sizes = np.linalg.norm(params["output.weight"], axis=1)
                chosen = [int(unit) for unit in np.argsort(-sizes, kind="stable")[:UNITS]]
            units = chosen
        yield {
            "label": entrant["label"],
            "hidden": "hidden.weight" in params,
            "images": [(unit, diverging(first[:, unit].reshape(side, side))) for unit in units],
        }


def diverging(values: Array) -> str:
    """Values as a picture: blue below zero, white at it, red above."""
    top = float(np.abs(values).max()) or 1.0
    share = np.clip(values.astype("float64") / top, -1, 1)[..., None]
    red, blue, white = np.array([178, 24, 43]), np.array([33, 102, 172]), np.full(3, 247)
    colour = np.where(share > 0, white + share * (red - white), white - share * (blue - white))
    return data_uri(small(Image.fromarray(colour.round().astype(np.uint8), mode="RGB")))


def small(image: Image.Image) -> Image.Image:
    """As large as it is shown, at most."""
    return image.resize((LARGEST, LARGEST)) if image.width > LARGEST else image


# ---- source --------------------------------------------------------------------------------


def component(folder: Path, found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One component's files, a column for each backend, and what it took there."""
    columns = [
        {
            **column,
            "code": coloured(column["text"]),
            "times": list(component_times(found, column["backend"], name)),
        }
        for column in columns_of(folder, found, name)
    ]
    return {"name": name, "columns": columns}


def columns_of(folder: Path, found: Mapping[str, Any], name: str) -> list[dict[str, str]]:
    """A component's file as each backend of a result folder ran it.

    Raises:
        Refused: there is no such component.
    """
    if name not in COMPONENTS:
        raise Refused(f"unknown component {name!r}; there are {', '.join(COMPONENTS)}")
    columns = []
    order = dict.fromkeys(entrant["backend"] for entrant in found["entrants"])
    files = (folder / "source").glob(f"*/{name}.py")
    place = {backend: number for number, backend in enumerate(order)}
    for file in sorted(files, key=lambda file: (place.get(file.parent.name, len(place)), file)):
        raw = file.read_bytes()
        text = raw.decode(tokenize.detect_encoding(io.BytesIO(raw).readline)[0])
        backend = file.parent.name
        columns.append(
            {
                "backend": backend,
                "title": f"{backend}/{name}.py",
                "text": text,
            }
        )
    return columns


def component_times(
    found: Mapping[str, Any], backend: str, name: str
) -> Iterable[tuple[str, list[tuple[str, float]]]]:
    """What a component took in each entrant of a backend."""
    for entrant in found["entrants"]:
        took = entrant["timing"]["component_seconds"]
        parts = [(words, took[key]) for key, words in TIMED[name] if key in took]
        if entrant["backend"] == backend and parts:
            yield entrant["label"], parts


def coloured(code: str, *, noclasses: bool = False) -> Markup:
    """Python source in colours, character for character; with `noclasses` needing no style."""
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    return Markup(highlight(code, lexer, HtmlFormatter(nowrap=True, noclasses=noclasses)))


def styles() -> Markup:
    """Colours of the source, light and dark."""
    light = HtmlFormatter(style=LIGHT).get_style_defs(".code")
    dark = HtmlFormatter(style=DARK).get_style_defs(".code")
    return Markup(f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}")


def verified(folder: Path, found: Mapping[str, Any]) -> dict[str, bool]:
    """Whether the source that is shown is, byte for byte, what results.json says ran."""
    said = {}
    for entrant in found["entrants"]:
        if entrant["backend"] == MIXED or entrant["source_sha256"] is None:
            continue
        sha = hashlib.sha256()
        for path in source_files(folder / "source" / entrant["backend"]):
            sha.update(path.read_bytes())
        said[entrant["backend"]] = sha.hexdigest() == entrant["source_sha256"]
    return said


# ---- the rest ------------------------------------------------------------------------------


def command(found: Mapping[str, Any]) -> str:
    """The command line that makes this run again."""
    plan = found["plan"]
    words = ["python compare.py --backends"]
    words += [in_full(entrant) for entrant in found["entrants"] if entrant["backend"] != MIXED]
    for entrant in found["entrants"]:
        if entrant["backend"] == MIXED:
            words.append(f"--mix {entrant['label'].removeprefix('mix(').removesuffix(')')}")
            words.append(f"--style {entrant['style']}")
    for name in (
        "model", "epochs", "batch_size", "lr", "optimizer", "seed", "dtype", "device", "threads",
        "rounds",
    ):  # fmt: skip
        words.append(f"--{name.replace('_', '-')} {plan[name]}")
    if plan["optimizer"] == "momentum" or plan["momentum"]:
        words.append(f"--momentum {plan['momentum']}")
    if plan["optimizer"].startswith("adam"):
        words.append(f"--betas {plan['betas'][0]} {plan['betas'][1]} --eps {plan['eps']}")
    if plan["weight_decay"]:
        words.append(f"--weight-decay {plan['weight_decay']}")
    if plan["model"] == "mlp":
        words.append(f"--hidden {plan['hidden']}")
    for name in ("limit", "resize"):
        if plan[name] is not None:
            words.append(f"--{name} {plan[name]}")
    if plan["drop_last"]:
        words.append("--drop-last")
    if plan["workers"]:
        words.append(f"--workers {plan['workers']}")
    if found["data"]["name"] == "custom":
        words.append("--custom-data --data-dir FOLDER")
    if any(one.get("float64_drift") is not None for one in found["parity"]["entrants"].values()):
        words.append("--check-float64")
    return " ".join(words)


def in_full(entrant: Mapping[str, Any]) -> str:
    """An entrant with every choice that was made for it, whatever its label leaves out."""
    choices = [entrant["style"], entrant["mode"], entrant["data"]]
    asked = entrant["label"].partition("#")[0].partition(":")[2].split(",")
    return f"{entrant['backend']}:{','.join(choices + [w for w in asked if w == STOCK])}"


def script_safe(text: str) -> str:
    """A library's text so that nothing in it can end the script element."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
