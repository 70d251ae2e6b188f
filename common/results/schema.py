"""The JSON Schema of results.json: `python -m common.results.schema` makes it of the types."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from common.results.document import SCHEMA_VERSION, Document

SCHEMA = Path(__file__).with_name("results.schema.json")

WORDS = (
    "Fields may be added within a schema_version, so unknown ones are accepted; renaming or "
    "removing one needs a new version. NaN and infinities are written as null."
)


def text() -> str:
    """The schema as it stands in the file."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"results.json of compare-frameworks, schema_version {SCHEMA_VERSION}",
        "description": WORDS,
    }
    made = head | msgspec.json.schema(Document)
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text(), encoding="utf-8")
