"""The structure of a model as one text, by which a plan knows the model that it was made for."""

from __future__ import annotations

import json
from hashlib import sha256

from tensorbp.model.model import Model

__all__ = ["structure"]


def structure(model: Model) -> str:
    """Return the SHA-256 of all that decides what a model computes, and what its parts are called.

    That is its inputs, its layers with their arguments, what they read, their shapes and
    parameters, and the sizes of its dimensions; not the file that it comes from, nor any number.
    """
    described = {
        "dims": model.dims,
        "inputs": {
            name: [list(each.shape), getattr(each.operator, "kind", "real")]
            for name, each in model.inputs.items()
        },
        "layers": [
            [
                *(each.name, each.type, dict(each.arguments), each.inputs, each.shape),
                *(dict(each.parameters), dict(each.shared)),
            ]
            for each in model.layers
        ],
        "outputs": list(model.outputs),
    }
    text = json.dumps(described, separators=(",", ":"), default=repr)
    return sha256(text.encode()).hexdigest()
