"""Pictures in the page: test images, weights."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from common.contract.arrays import Array
from common.contract.models import PATCH
from common.locale.language import _
from common.results.document import Document
from common.shown.inside import Inside

#: Units of an MLP that are shown, those with the largest weights to the output.
UNITS = 10

#: A first layer's weight, in the order they are looked for, and what one of its outputs is.
FIRST = {
    "hidden.weight": "unit",
    "conv1.weight": "kernel",
    "patch.weight": "feature",
    "output.weight": "class",
}

#: Longer side of a picture, in pixels.
LARGEST = 84

# ---- pictures ------------------------------------------------------------------------------


def arrays(path: Path) -> dict[str, Array]:
    """Every array of an .npz file; none if it is not there."""
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def choices(found: Document, predictions: Mapping[str, Array]) -> dict[str, Array]:
    """The classes chosen, once for all entrants that choose the same: their labels -> classes."""
    groups: list[tuple[list[str], Array]] = []
    for entrant in found.entrants:
        chosen = predictions.get(entrant.slug)
        if chosen is None:
            continue
        for labels, classes in groups:
            if np.array_equal(chosen, classes):
                labels.append(entrant.label)
                break
        else:
            groups.append(([entrant.label], chosen))
    return {", ".join(labels): classes for labels, classes in groups}


def grids(
    found: Document,
    predictions: Mapping[str, Array],
    pictures: Mapping[str, Array],
    names: Sequence[str],
) -> dict[str, list[dict[str, Any]]]:
    """Test images with what they are and what they are taken for, kind by kind."""
    if "labels" not in predictions or found.data.inputs is None:
        return {}
    chosen = {
        entrant.label: predictions[entrant.slug]
        for entrant in found.entrants
        if entrant.slug in predictions
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
    """A picture, (height, width, channels), as a data URI; a grey one dark on light, as ink."""
    if pixels.shape[2] > 1:
        return data_uri(small(Image.fromarray(pixels)))
    return data_uri(small(Image.fromarray(255 - pixels[..., 0], mode="L")))


def data_uri(image: Image.Image) -> str:
    """A picture as PNG in a data URI."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def weights(folder: Path, found: Document) -> Iterable[dict[str, Any]]:
    """Pictures of what every entrant's first layer looks for, the mean over the channels.

    Of an MLP the same units in all, of a convolution its kernels; nothing of what takes rows.
    """
    inputs = found.data.inputs
    if inputs is None or inputs.kind != "image" or min(inputs.shape[:2]) < 2:
        return
    chosen: list[int] | None = None
    for entrant in found.entrants:
        path = folder / f"params-{entrant.slug}.safetensors"
        if not path.is_file():
            continue
        params = load_file(path)
        name = next((name for name in FIRST if name in params), None)
        if name is None:  # a backend that handed over something else has failed, and says so
            continue
        kind, first = FIRST[name], params[name]
        channels = inputs.shape[2]
        seen = (PATCH, PATCH, channels) if kind == "feature" else tuple(inputs.shape)
        if kind != "kernel":
            if len(first) != math.prod(seen):
                continue
            first = first.reshape(*seen, -1)
        first = first.mean(axis=2)
        units: Sequence[int] = range(first.shape[-1])
        if kind == "unit":
            if chosen is None:
                sizes = np.linalg.norm(params["output.weight"], axis=1)
                chosen = [int(unit) for unit in np.argsort(-sizes, kind="stable")[:UNITS]]
            units = chosen
        yield {
            "label": entrant.label,
            "kind": kind,
            "images": [(unit, diverging(first[..., unit])) for unit in units],
        }


def on_the_way(one: Inside) -> dict[str, Any]:
    """What stands between a picture and its logits, as pictures: dark is much, white is least."""
    return {
        "picture": picture(one.picture),
        "maps": [
            {
                "size": _(
                    "{number} of {height} × {width}",
                    number=maps.shape[2],
                    height=maps.shape[0],
                    width=maps.shape[1],
                ),
                "images": [ink(maps[..., channel], maps) for channel in range(maps.shape[2])],
            }
            for maps in one.maps
        ],
        "heads": [[ink(head, heads) for head in heads] for heads in one.heads],
    }


def ink(values: Array, among: Array) -> str:
    """Values as a picture, dark on light, from the least to the largest of some."""
    least, most = float(among.min()), float(among.max())
    share = (values - least) / ((most - least) or 1.0)
    return data_uri(small(Image.fromarray((255 * (1 - share)).round().astype(np.uint8), mode="L")))


def diverging(values: Array) -> str:
    """Values as a picture: blue below zero, white at it and where there is no number, red above."""
    values = np.where(np.isfinite(values), values, 0)
    top = float(np.abs(values).max()) or 1.0
    share = np.clip(values.astype("float64") / top, -1, 1)[..., None]
    red, blue, white = np.array([178, 24, 43]), np.array([33, 102, 172]), np.full(3, 247)
    colour = np.where(share > 0, white + share * (red - white), white - share * (blue - white))
    return data_uri(small(Image.fromarray(colour.round().astype(np.uint8), mode="RGB")))


def small(image: Image.Image) -> Image.Image:
    """As large as it is shown, at most."""
    share = LARGEST / max(image.size)
    if share >= 1:
        return image
    return image.resize((max(1, round(image.width * share)), max(1, round(image.height * share))))
