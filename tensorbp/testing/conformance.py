"""Certifying a layer: every law on every example."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tensorbp.errors import LayerError
from tensorbp.expression.layer import Layer, Shape
from tensorbp.testing.case import Case, CheckFailure
from tensorbp.testing.laws import LAWS, Law

Check = tuple[str, Callable[[], None]]

__all__ = ["Check", "check_layer", "checks", "law_name"]


def checks(layer: Layer | type[Layer], *shapes: Shape, seed: int = 0) -> list[Check]:
    """Return the checks of a layer, named, one for each law and example.

    >>> from tensorbp.layers.softmax import Softmax
    >>> [name for name, run in checks(Softmax(), (3, 4))][3]
    'softmax-declared-jacobian'

    Args:
        layer: a layer, or a class of layers, of which the examples are checked.
        *shapes: the shapes of the inputs; a class needs none.
        seed: of the random numbers that the inputs hold.

    Raises:
        LayerError: a layer is given without the shapes of its inputs, or a class has no examples.
    """
    cases = [Case(*each, seed) for each in _applications(layer, shapes)]
    return [
        (f"{each.label}-{law_name(law)}", partial(_check, law, each))
        for each in cases
        for law in LAWS
    ]


def check_layer(layer: Layer | type[Layer], *shapes: Shape, seed: int = 0) -> None:
    """Check a layer against every law: certify it.

    Args:
        layer: a layer, or a class of layers, of which the examples are checked.
        *shapes: the shapes of the inputs; a class needs none.
        seed: of the random numbers that the inputs hold.

    Raises:
        CheckFailure: the layer breaks a law.
        LayerError: a layer is given without the shapes of its inputs, or a class has no examples.
    """
    for _, run in checks(layer, *shapes, seed=seed):
        run()


def _check(law: Law, case: Case) -> None:
    """Check a law, and say of which layer and law a failure is."""
    broken = f"layer '{case.label}' breaks the law {law_name(law)}"
    try:
        law(case)
    except CheckFailure as failure:
        raise CheckFailure(f"{broken}: {failure}") from None
    except Exception as error:
        raise CheckFailure(f"{broken}: it raises {type(error).__name__}: {error}") from error


def law_name(law: Law) -> str:
    """Return the name of a law, as checks have it."""
    return law.__name__.replace("_", "-")


def _applications(
    layer: Layer | type[Layer], shapes: tuple[Shape, ...]
) -> list[tuple[Layer, tuple[Shape, ...]]]:
    """Return what is to be checked, as layers with the shapes of their inputs."""
    if isinstance(layer, type):
        if shapes:
            return [(layer(), shapes)]
        examples = layer.examples()
        if not examples:
            raise LayerError(f"layer '{layer.name}' has no examples, so there is nothing to check")
        return [(each.layer, each.shapes) for each in examples]
    if not shapes:
        raise LayerError(
            f"check_layer needs the shapes of the inputs of layer '{layer.name}': "
            "check_layer(layer, (3, 4))"
        )
    layer.check_inputs(len(shapes))
    return [(layer, shapes)]
