"""What `analysis/schema/summary.schema.json` says of a summary."""

import functools
import json
from importlib.resources import files
from typing import Any

import jsonschema


@functools.cache
def summary_schema() -> jsonschema.Draft202012Validator:
    """The validator of the schema that is shipped with the package."""
    text = (files("analysis.schema") / "summary.schema.json").read_text("utf-8")
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def summary_errors(summary: Any) -> list[str]:
    """One line per violation: where, and what; none for a valid summary."""
    return [
        f"{error.json_path}: {error.message[:200]}"
        for error in summary_schema().iter_errors(summary)
    ]
