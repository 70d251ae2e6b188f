"""Listings: a model's training as one plain file of one framework, which runs by itself.

Each is drawn from a template of the backend, `listings/<style>.py.jinja`, which extends the one
that all share, `templates/base.py.jinja`: how Fashion-MNIST is read, and the settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from common.contract.models import MODELS
from common.contract.registry import Backend
from common.data.cache import cache_folder
from common.data.known import FASHION_MNIST
from common.errors import Refused
from common.results.folder import whole

#: What a listing's first line calls a model.
TITLES = {
    "linear": "Linear regression",
    "softmax": "Softmax regression",
    "mlp": "A multilayer perceptron",
    "lenet": "LeNet",
}
HOW = {"scratch": "from scratch", "concise": "concise"}
PAGE = "listings.html"
SHARED = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Listing:
    """One file.

    Attributes:
        name: of the file.
        code: what is in it.
    """

    name: str
    code: str


@dataclass(frozen=True)
class Asked:
    """What a listing is to train; None: as the model usually is.

    Attributes:
        model: its name.
        optimizer: sgd, or adam where the framework has it by itself.
        lr, batch_size, epochs, seed: as for runs.
    """

    model: str
    optimizer: str = "sgd"
    lr: float | None = None
    batch_size: int | None = None
    epochs: int | None = None
    seed: int = 0


def listing(backend: Backend, style: str, asked: Asked) -> Listing:
    """Write one.

    Raises:
        Refused: the backend has none of this model in this style, or by this optimiser.
    """
    models = backend.info.listings.get(style, ())
    if asked.model not in models:
        there = ", ".join(models) or "none"
        raise Refused(f"{backend.name} has no {style} listing of {asked.model}; there is {there}")
    if style == "scratch" and asked.optimizer != "sgd":
        raise Refused(f"--optimizer {asked.optimizer}: a scratch listing writes out sgd alone")
    usual = MODELS[asked.model]
    file = f"{asked.model}_{backend.name}_{style}.py"
    code = _template(backend, style).render(
        title=TITLES[asked.model],
        framework=backend.info.title,
        how=HOW[style],
        file=file,
        model=asked.model,
        images=usual.classifies,
        optimizer=asked.optimizer,
        lr=asked.lr or (usual.adam_lr if asked.optimizer == "adam" else usual.lr),
        batch_size=asked.batch_size or usual.batch_size,
        epochs=asked.epochs or usual.epochs,
        seed=asked.seed,
        places=[json.dumps(one) for one in (cached(), *FASHION_MNIST.places)],
    )
    return Listing(file, _spaced(code))


def _template(backend: Backend, style: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader([backend.folder / "listings", SHARED]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is source, not a page
    )
    return environment.get_template(f"{style}.py.jinja")


def cached() -> str:
    """Where a run keeps Fashion-MNIST, with ~ for whoever's home it is in."""
    folder = cache_folder() / FASHION_MNIST.option / "FashionMNIST" / "raw"
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


def _spaced(code: str) -> str:
    """As a formatter would: branches of a template leave more empty lines behind them."""
    return re.sub(r'"""\n\n+', '"""\n\n', re.sub(r"\n{4,}", "\n\n\n", code), count=1)


def write(found: Sequence[Listing], folder: Path, page: str | None) -> list[Path]:
    """Write files that are not there yet, each whole or not at all.

    Args:
        found: what to write, each by its name.
        folder: where; it is made.
        page: one more file, of all of them side by side.

    Returns:
        their paths.

    Raises:
        Refused: one of them is there, or the folder cannot be written.
    """
    texts = {folder / one.name: one.code for one in found}
    if page is not None:
        texts[folder / PAGE] = page
    if there := next((path for path in texts if path.exists()), None):
        raise Refused(f"{there} is there already; name another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with whole(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
    except OSError as cause:
        raise Refused(f"--out {folder} cannot be written: {cause.strerror}") from cause
    return list(texts)
