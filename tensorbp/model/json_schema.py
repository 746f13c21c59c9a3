"""The form of model files as a JSON schema, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Any

from tensorbp.expression.layer import Layer
from tensorbp.model.argument_types import INTEGER, Schema
from tensorbp.model.arguments import arguments
from tensorbp.model.checks import DIM_NAME, NAME, PARAMETER, REFERENCE
from tensorbp.model.layer_schema import LOSS_KEYS, MOST_REPETITIONS
from tensorbp.model.schema import FORMAT, KINDS, REQUIRED_MODEL_KEYS
from tensorbp.model.sizes import LARGEST_SIZE
from tensorbp.registry import Registry

__all__ = ["json_schema"]


def json_schema(registry: Registry) -> Schema:
    """Return the JSON schema (draft 7) of model files with the layers of a registry.

    It accepts every file that `load` accepts. It cannot see everything that `load` sees, such as
    shapes that do not fit together.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "tensorbp model",
        **_closed(
            {
                "tensorbp": {"const": FORMAT, "description": "the version of the format"},
                "name": {"type": "string"},
                "dims": _named({"$ref": "#/definitions/dim"}, DIM_NAME.pattern),
                "inputs": {**_named({"$ref": "#/definitions/input"}), "minProperties": 1},
                "blocks": _named(_closed({"layers": _layers()}, ["layers"])),
                "layers": _layers(),
                "loss": {"$ref": "#/definitions/loss"},
                "outputs": {"$ref": "#/definitions/references"},
            },
            list(REQUIRED_MODEL_KEYS),
        ),
        "definitions": {
            "dim": {
                "description": "the size of a dimension by default; null if it has none",
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE},
                    {"type": "null"},
                ],
            },
            "shape": {"type": "array", "items": INTEGER.schema},
            "input": {
                "anyOf": [
                    {"$ref": "#/definitions/shape"},
                    _closed(
                        {"shape": {"$ref": "#/definitions/shape"}, "kind": {"enum": list(KINDS)}},
                        ["shape"],
                    ),
                ]
            },
            "reference": {"type": "string", "pattern": f"^{REFERENCE.pattern}$"},
            "references": {
                "anyOf": [
                    {"$ref": "#/definitions/reference"},
                    {"type": "array", "items": {"$ref": "#/definitions/reference"}, "minItems": 1},
                ]
            },
            "layer": _layer(registry, _STRUCTURE),
            "loss": _layer(registry, {key: _STRUCTURE[key] for key in LOSS_KEYS}),
        },
    }


_STRUCTURE: dict[str, Schema] = {
    "name": {"type": "string", "pattern": f"^{NAME.pattern}$"},
    "type": {"type": "string"},
    "inputs": {"$ref": "#/definitions/references"},
    "repeat": {"type": "integer", "minimum": 1, "maximum": MOST_REPETITIONS},
    "share": {
        "description": "the layer whose parameters it uses, or one parameter for each of its own",
        "anyOf": [
            {"$ref": "#/definitions/reference"},
            {
                "type": "object",
                "patternProperties": {
                    f"^{REFERENCE.pattern}$": {
                        "type": "string",
                        "pattern": f"^{PARAMETER.pattern}$",
                    }
                },
                "additionalProperties": False,
                "minProperties": 1,
            },
        ],
    },
}


def _layer(registry: Registry, structure: dict[str, Schema]) -> Schema:
    """Return the schema of a layer: its type decides which arguments it has."""
    names = list(registry.layers)
    of_type = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": _closed({**structure, **_argument_schemas(layer)}, ["type", *_required(layer)]),
        }
        for name, layer in registry.layers.items()
    ]
    of_block = {
        "if": {"properties": {"type": {"not": {"enum": names}}}},
        "then": _closed(structure, ["type"]),
    }
    # The list of names is what editors offer; the pattern admits the names of blocks.
    kind = {"anyOf": [{"enum": names}, structure["name"]]}
    return {"type": "object", "properties": {"type": kind}, "allOf": [*of_type, of_block]}


def _argument_schemas(layer: type[Layer]) -> dict[str, Any]:
    schemas = {}
    for name, each in arguments(layer).items():
        if each.type is not None:
            schemas[name] = {**each.type.schema, "description": each.explanation}
    return schemas


def _required(layer: type[Layer]) -> list[str]:
    return [name for name, each in arguments(layer).items() if each.required]


def _layers() -> Schema:
    return {"type": "array", "items": {"$ref": "#/definitions/layer"}, "minItems": 1}


def _named(schema: Schema, pattern: str = NAME.pattern) -> Schema:
    return {
        "type": "object",
        "patternProperties": {f"^{pattern}$": schema},
        "additionalProperties": False,
    }


def _closed(properties: dict[str, Any], required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
