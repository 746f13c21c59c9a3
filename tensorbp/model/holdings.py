"""Which layer holds which parameters, its own or those of another layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tensorbp.errors import suggestion
from tensorbp.expression import Expression, Parameter
from tensorbp.expression.layer import Shape
from tensorbp.model.argument_types import Mismatch
from tensorbp.model.sharing import WiredShare

TRANSPOSED = ".T"

__all__ = ["Held", "Holdings"]


@dataclass(frozen=True)
class Held:
    """A parameter of the model, as a layer uses it.

    Attributes:
        name: its name in the model.
        is_transposed: whether the layer uses its transpose.
    """

    name: str
    is_transposed: bool = False

    @property
    def transposed(self) -> Held:
        """The transpose of what the layer uses."""
        return Held(self.name, not self.is_transposed)

    def value(self, variables: Mapping[str, Expression]) -> Expression:
        """Return what the layer computes with."""
        return variables[self.name].T if self.is_transposed else variables[self.name]

    def __str__(self) -> str:
        return self.name + TRANSPOSED * self.is_transposed


class Holdings:
    """The parameters of all layers so far."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Held]] = {}
        self._shapes: dict[str, dict[str, Shape]] = {}

    def add(
        self, layer: str, held: Mapping[str, Held], parameters: Mapping[str, Parameter]
    ) -> None:
        """Add a layer.

        Args:
            layer: its name.
            held: what it uses, by its own name of the parameter.
            parameters: the shapes in which it uses them.
        """
        self._held[layer] = dict(held)
        self._shapes[layer] = {name: each.shape for name, each in parameters.items()}

    def has(self, shares: Iterable[WiredShare]) -> bool:
        """Say whether all layers are there whose parameters are shared; a faulty one is not."""
        return all(share.layer in self._held for share in shares)

    def shared(
        self, parameters: Mapping[str, Parameter], shares: Iterable[WiredShare]
    ) -> dict[str, Held]:
        """Return which parameters of other layers a layer uses, by its own name of them.

        Args:
            parameters: those that it declares.
            shares: what it shares.

        Raises:
            Mismatch: it cannot use them.
        """
        found: dict[str, Held] = {}
        for share in shares:
            for name, source in _pairs(parameters, share):
                held, shape = self._source(share, source)
                expected = parameters[name].shape
                if shape != expected:
                    fits = len(shape) == 2 and shape[::-1] == expected
                    raise Mismatch(
                        share.place,
                        f"its parameter '{name}' has shape {expected}, but "
                        f"'{share.layer}.{source}' has shape {shape}"
                        + (f"; share '{share.layer}.{_turned(source)}'" if fits else ""),
                    )
                found[name] = held
        return found

    def _source(self, share: WiredShare, source: str) -> tuple[Held, Shape]:
        """Return a parameter of the other layer, and the shape in which it is shared."""
        held, shapes = self._held[share.layer], self._shapes[share.layer]
        if source in held:
            return held[source], shapes[source]
        name = source.removesuffix(TRANSPOSED)
        if name not in held:
            known = suggestion(name, held)
            raise Mismatch(share.place, f"'{share.layer}' has no parameter '{name}'{known}")
        if len(shapes[name]) != 2:
            raise Mismatch(
                share.place,
                f"only a matrix can be transposed, and '{share.layer}.{name}' has shape "
                f"{shapes[name]}",
            )
        return held[name].transposed, shapes[name][::-1]


def _pairs(parameters: Mapping[str, Parameter], share: WiredShare) -> Iterator[tuple[str, str]]:
    """Yield the names of the parameters that are shared, in the one layer and in the other."""
    if share.parameter is None:
        if not parameters and not share.is_of_block:
            raise Mismatch(share.place, "it has no parameters that it could share; remove 'share'")
        yield from ((name, name) for name in parameters)
    elif share.parameter in parameters:
        yield share.parameter, share.source
    else:
        known = suggestion(share.parameter, parameters)
        raise Mismatch(share.place, f"it has no parameter '{share.parameter}'{known}")


def _turned(source: str) -> str:
    """Return how a file says the transpose of a parameter, or of a transpose."""
    if source.endswith(TRANSPOSED):
        return source.removesuffix(TRANSPOSED)
    return source + TRANSPOSED
