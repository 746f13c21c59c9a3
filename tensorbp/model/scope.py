"""One list of layers, that of the model or of a block, in which every name has been resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tensorbp.errors import suggestion
from tensorbp.model.problems import Problems, quoted
from tensorbp.model.specification import LayerSpecification, Reference

__all__ = ["Entry", "Names", "Scope", "Target", "Use"]


@dataclass(frozen=True)
class Target:
    """What a name stands for.

    Attributes:
        kind: a layer of this list or of a block used in it, the input of the block that this list
            belongs to, or an input of the model.
        path: its name, as seen from this list.
    """

    kind: Literal["layer", "block input", "model input"]
    path: str

    @property
    def use(self) -> str | None:
        """The entry of this list that it is, or is inside of."""
        return self.path.partition(".")[0] if self.kind == "layer" else None


@dataclass(frozen=True)
class Use:
    """An entry of the list: a layer or the use of a block, with its name and what it reads."""

    name: str
    specification: LayerSpecification
    inputs: tuple[Target, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of the other entries that it reads."""
        return tuple(target.use for target in self.inputs if target.use is not None)


@dataclass(frozen=True)
class Entry:
    """A layer or the use of a block, found by a name that may go on.

    Attributes:
        path: its name, as seen from the list.
        specification: what it is.
        rest: what of the name is left, such as a parameter.
        inside: the names of the layers in it, if it is a block.
    """

    path: str
    specification: LayerSpecification
    rest: str = ""
    inside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Names:
    """What names stand for in one list.

    Attributes:
        targets: layers and inputs by name.
        blocks: the blocks in use, by the name of the use.
        entries: what has parameters, by name: of a repeated layer, the one without a number is
            the first.
    """

    targets: Mapping[str, Target]
    blocks: Mapping[str, Scope]
    entries: Mapping[str, Entry]

    def entry(self, name: str) -> Entry | None:
        """Return the entry that a name starts with, as far inside of blocks as it leads."""
        head, _, rest = name.partition(".")
        if head not in self.entries:
            return None
        first = self.entries[head]
        block = self.blocks.get(first.path)
        inner = block.names.entry(rest) if block and rest else None
        if inner:
            return replace(inner, path=f"{first.path}.{inner.path}")
        return replace(first, rest=rest, inside=tuple(block.names.entries) if block else ())

    def find(self, name: str) -> Target | None:
        """Return what a name stands for; ``stage1.dense`` is a layer in a block."""
        if name in self.targets:
            return self.targets[name]
        head, _, rest = name.partition(".")
        inner = self.blocks[head].names.find(rest) if head in self.blocks else None
        return Target("layer", f"{head}.{inner.path}") if inner and inner.use else None

    def resolve(
        self, references: Iterable[Reference], problems: Problems, **others: Target
    ) -> tuple[Target, ...]:
        """Return what references stand for, noting those that stand for nothing.

        Args:
            references: names in the file.
            problems: where problems are noted.
            **others: what else may be named here, such as ``previous``.
        """
        found = []
        for reference in references:
            target = others.get(reference.name) or self.find(reference.name)
            if target:
                found.append(target)
            else:
                known = suggestion(reference.name, [*others, *self.targets])
                message = f"there is no layer or input {quoted(reference.name)}{known}"
                problems.add(reference.place, message)
        return tuple(found)


@dataclass(frozen=True)
class Scope:
    """A list of layers, resolved.

    Attributes:
        uses: its entries, each after what it reads.
        names: what the names in it stand for.
        output: the layer that comes last in the file.
        model_inputs: the inputs of the model that are read in it.
        count: how many layers there are, those in blocks included.
    """

    uses: Sequence[Use]
    names: Names
    output: Target
    model_inputs: frozenset[str]
    count: int
