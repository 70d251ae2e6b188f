"""Train one model in several frameworks, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common.cli.options import parser
from common.cli.request import default_folder, read_request, train
from common.errors import Refused
from common.results.folder import prepare
from common.shown.notebook import Comparison, Curves


def compare(backends: Sequence[str] | None = None, **settings: Any) -> Comparison:
    """Train one model in several frameworks, on the same batches from the same weights.

    In a notebook the curves grow while it runs.

    Args:
        backends: entrants as on the command line: `["torch", "jax:fused"]`; None for all there are.
        settings: the command line's options by name, underscores for hyphens: `model="mlp"`,
            `epochs=3`, `batch_size=64`, `drop_last=True`, `mix=["loss=torch"]`.

    Returns:
        what came out; the same is in its `folder`.

    Raises:
        Refused: the request cannot be run as it stands.
    """
    words = ["run", "--no-progress"]
    if backends is not None:
        words += ["--backends", *backends]
    for name, value in settings.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif name in ("mix", "python") and not isinstance(value, str):
            words += [word for one in value for word in (option, one)]
        elif isinstance(value, (list, tuple)):
            words += [option, *map(str, value)]
        elif value is not None and value is not False:
            words += [option, str(value)]
    asked = parser().parse_args(words)
    if asked.json:
        raise Refused("compare() returns the results; leave json out")
    request = read_request(asked)
    folder = asked.out or default_folder(request.plan.model)
    prepare(folder, force=asked.force)
    with Curves(request.records) as curves:
        train(asked, request, folder, curves)
    return Comparison(folder)
