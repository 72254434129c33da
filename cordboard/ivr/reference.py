"""The reference of the language, made from its models: JSON Schema for editors, a page to read.
Pure."""

from __future__ import annotations

from typing import Any

from cordboard.ivr.script import Script


def schema() -> dict[str, Any]:
    """By which editors complete and check. YAML's numbers and booleans are texts to us, so each is
    taken where a text is."""
    found = Script.model_json_schema()
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = "A script of cordboard"
    return found
