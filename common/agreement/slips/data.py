"""What may have happened to pixels and labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from common.agreement.expectations import Expectations
from common.agreement.slips.slip import Slip, guarded
from common.contract.arrays import Array, Arrays
from common.contract.precision import cast_one


def data_slips(expectations: Expectations, values: Arrays) -> Iterator[Slip]:
    """What may have happened to pixels and labels."""
    images = expectations.images64
    look = "print the smallest and largest pixel of a batch: they should be 0 and 1"
    yield Slip({"images": images / 255}, "the pixels are divided by 255 twice", look)
    yield Slip({"images": images * 255}, "the pixels are not divided by 255", look)
    yield Slip({"images": images * 255 / 256}, "the pixels are divided by 256", look)
    product = (np.rint(images * 255) * np.float32(1 / 255)).astype("float32")
    multiplied = cast_one(product, expectations.dtype).astype("float64")
    yield Slip(
        {"images": multiplied},
        "the pixels are multiplied by 1/255 instead of divided by 255, which rounds 126 of the "
        "256 values differently",
        "convert the 256 values both ways and compare them bit for bit",
    )
    yield Slip({"images": 1 - images}, "the pixels are inverted, 1 - x", look)
    yield Slip({"images": 2 * images - 1}, "the pixels are scaled to [-1, 1]", look)
    inputs = expectations.referee.data.get("inputs")  # of a port nobody knows
    if inputs is not None and inputs["kind"] == "image":
        turned = images.reshape(-1, *inputs["shape"]).swapaxes(1, 2).reshape(images.shape)
        yield Slip({"images": turned}, "rows and columns of the images are exchanged", "show one")
        if inputs["shape"][2] > 1:
            first = images.reshape(-1, *inputs["shape"]).transpose(0, 3, 1, 2)
            yield Slip(
                {"images": first.reshape(images.shape)},
                "the channels come first: an image is flattened as (channels, height, width)",
                "flatten (height, width, channels), the channels running fastest",
            )
    yield from guarded(standardised(images, values["images"].astype("float64")))
    if expectations.model.classifies:
        yield from guarded(shifted_labels(expectations))
    yield from guarded(other_order(expectations, values))


def standardised(images: Array, theirs: Array) -> Iterator[Slip]:
    """Pixels with a mean taken off, and divided."""
    if images.std() > 0 and theirs.std() > 0:
        slope, offset = np.polyfit(images.ravel(), theirs.ravel(), 1)
        yield Slip(
            {"images": slope * images + offset},
            f"the pixels are standardised: {slope:.4g} x + {offset:.4g}",
            "look for a mean and a standard deviation in the transforms",
        )


def shifted_labels(expectations: Expectations) -> Iterator[Slip]:
    """Classes counted from another number."""
    labels = expectations.labels
    classes = expectations.logits.shape[1]
    for shift in (1, -1):
        for moved in (labels + shift, (labels + shift) % classes):
            yield Slip(
                {"labels": moved.astype("float64")},
                f"the labels are shifted by {shift:+d}",
                "compare the names of the first ten labels with their pictures",
            )


def other_order(expectations: Expectations, values: Arrays) -> Iterator[Slip]:
    """The right examples, but in another order, or images and labels that went apart."""
    look = "take labels and images by one and the same index"
    for name, ours in (("labels", expectations.labels), ("images", expectations.images64)):
        theirs = values[name]
        mine, other = rows_sorted(ours), rows_sorted(theirs)
        if np.array_equal(mine, other):
            words = f"the {name} are those of the batch in another order"
            yield Slip({name: theirs.astype("float64")}, words, look)
    first = expectations.referee.exact.batch(np.arange(len(expectations.labels)))
    words = "the data are not shuffled: this is the batch that comes first in the files"
    for name, array in (("images", first[0]), ("labels", first[1])):
        yield Slip({name: array.astype("float64")}, words, "look for the argument that shuffles")
    before = expectations.referee.exact.batch(expectations.at.other)
    words = "this is another step's batch"
    for name, array in (("images", before[0]), ("labels", before[1])):
        yield Slip({name: array.astype("float64")}, f"{words}: its {name}", look)


def rows_sorted(array: Array) -> Array:
    """Rows in an order of their own."""
    rows = array.reshape(len(array), -1).astype("float64")
    ordered: Array = rows[np.lexsort(rows.T[::-1])]
    return ordered
