"""The bricks of `/openapi.json`: shapes that many answers share. Pure."""

from typing import Any

Schema = dict[str, Any]
Responses = dict[int | str, Schema]

ID = "019f3c5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f"

BASE_ERROR: Schema = {
    "type": "object",
    "properties": {
        "errors": {
            "type": "object",
            "properties": {"base": {"type": "string"}},
            "required": ["base"],
            "additionalProperties": False,
        }
    },
    "required": ["errors"],
    "additionalProperties": False,
}
FIELD_ERRORS: Schema = {
    "type": "object",
    "properties": {
        "errors": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string"},
        }
    },
    "required": ["errors"],
    "additionalProperties": False,
}
RETRY_AFTER: Schema = {
    "Retry-After": {
        "description": "Seconds to wait before trying again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


def described(description: str, schema: Schema, examples: Schema, **more: Any) -> Schema:
    """An answer in JSON, with examples by name."""
    named = {name: {"value": value} for name, value in examples.items()}
    content = {"application/json": {"schema": schema, "examples": named}}
    return {"description": description, "content": content, **more}


def base(sentence: str) -> Schema:
    """An example of an error of the request as a whole."""
    return {"errors": {"base": sentence}}


def shape(properties: Schema) -> Schema:
    """An object that has exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def array(items: Schema) -> Schema:
    """A list of such."""
    return {"type": "array", "items": items}


def maybe(schema: Schema) -> Schema:
    """Such, or null."""
    return {**schema, "type": [schema["type"], "null"]}
