"""The JSON Schemas of what is saved: `python -m common.results.schema` makes them of the types."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from common.results import document, inference

SCHEMA = Path(__file__).with_name("results.schema.json")
INFERENCE = Path(__file__).with_name("inference.schema.json")

WORDS = (
    "Fields may be added within a schema_version, so unknown ones are accepted; renaming or "
    "removing one needs a new version. NaN and infinities are written as null."
)

#: Each schema's file -> what it is of, its version, its type.
KINDS = {
    SCHEMA: ("results.json", document.SCHEMA_VERSION, document.Document),
    INFERENCE: ("infer --json", inference.SCHEMA_VERSION, inference.Inference),
}


def text(path: Path) -> str:
    """A schema as it stands in its file."""
    what, version, kind = KINDS[path]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{what} of compare-frameworks, schema_version {version}",
        "description": WORDS,
    }
    made = head | msgspec.json.schema(kind)
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path in KINDS:
        path.write_text(text(path), encoding="utf-8")
