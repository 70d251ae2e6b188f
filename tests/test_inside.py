"""What the page shows of a model's inside: maps, attention, running statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from backends.numpy import layers
from common.results.folder import read_results
from common.shown.gallery import arrays
from common.shown.inside import Inside, looks, statistics
from common.shown.page import write
from tests.conftest import Command

MAPS = {
    "lenet": [(12, 14, 6), (2, 3, 16)],
    "lenet_bn": [(12, 14, 6), (2, 3, 16)],
    "resnet": [(6, 7, 8)] * 3 + [(3, 4, 16)] * 2,
    "gru": [],
    "attention": [],
}


#: Their checks take long; LeNet is looked at below.
DEAR = ("lenet", "lenet_bn", "resnet")


@pytest.fixture
def folder(compare: Command, picture_folder: Path, model: str) -> Path:
    compare.data = picture_folder
    compare.run("--model", model, "--backends", "numpy", "--epochs", 1, "--no-band")
    return compare.folder / "out"


def seen_in(folder: Path) -> tuple[dict[str, Inside], float]:
    return looks(folder, read_results(folder), arrays(folder / "pictures.npz"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [pytest.param(name, marks=[pytest.mark.slow] if name in DEAR else []) for name in MAPS],
)
def test_a_page_of(folder: Path, model: str) -> None:
    seen, apart = seen_in(folder)
    assert apart == 0
    maps = seen["numpy"].maps if seen else []
    assert [one.shape for one in maps] == MAPS[model]
    page = write(folder).read_text(encoding="utf-8")
    assert ('id="inside"' in page) == (model != "gru")
    assert page.count('alt="map ') == sum(shape[2] for shape in MAPS[model])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lenet"])
def test_maps_are_those_of_the_layer(folder: Path) -> None:
    seen, _ = seen_in(folder)
    params = load_file(folder / "params-numpy.safetensors")
    image = arrays(folder / "pictures.npz")["first/images"][:1] / 255
    expected = layers.sigmoid(layers.convolved(params, "conv1", image, padding=2))[0]
    np.testing.assert_allclose(seen["numpy"].maps[0], expected, rtol=1e-6)
    assert np.ptp(expected) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("model", ["attention"])
def test_a_patch_attends_to_what_is_not_later(folder: Path) -> None:
    (heads,) = seen_in(folder)[0]["numpy"].heads
    assert heads.shape == (4, 2, 2)
    np.testing.assert_allclose(heads.sum(axis=2), 1, rtol=1e-12)
    assert not np.triu(heads, 1).any()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lenet_bn"])
def test_statistics_and_who_is_apart(folder: Path) -> None:
    found = read_results(folder)
    first = next(statistics(folder, found))
    path = folder / "params-numpy.safetensors"
    params = load_file(path)
    assert first.name == "norm1.mean"
    assert first.middle == np.median(params["norm1.mean"].astype("float64"))
    assert (first.least, first.most) == (params["norm1.mean"].min(), params["norm1.mean"].max())
    assert first.apart == 0
    one, nothing = params["conv1.weight"], ({}, 0.0)
    for other in (one[:1].copy(), np.full_like(one, np.nan)):
        save_file({**params, "conv1.weight": other}, path)
        assert seen_in(folder) == nothing, "other shapes and no numbers cannot be looked into"
        write(folder)
    save_file(params, path)
    (folder / "initial.safetensors").unlink()
    assert seen_in(folder) == nothing
