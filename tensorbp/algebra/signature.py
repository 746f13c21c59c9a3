"""Reading einsum signatures: ``"io -> bo/bi"``, with ellipsis, groups, several factors and a sign.

A signature names the axes of the factors, left of ``->``, and of the linear map that they make,
right of it: output axes, ``/``, input axes. Without ``/`` it describes a tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from tensorbp.algebra.axes import Axis, Dimension, Shape
from tensorbp.errors import SignatureError

__all__ = ["BoundSignature", "Signature"]

_ELLIPSIS = "..."
Word = tuple[str, ...]
Words = tuple[Word, ...]


@dataclass(frozen=True)
class BoundSignature:
    """A signature whose letters have become axes with sizes.

    Attributes:
        factors: the dimensions of each factor.
        output: the dimensions of the output side.
        input: the dimensions of the input side.
        sizes: the size of each axis.
    """

    factors: tuple[tuple[Dimension, ...], ...]
    output: tuple[Dimension, ...]
    input: tuple[Dimension, ...]
    sizes: dict[Axis, int]


@dataclass(frozen=True)
class Signature:
    """A parsed signature; a dimension is a tuple of letters, the ellipsis is ``("...",)``.

    Attributes:
        text: what was read.
        sign: 1 or -1.
        factors: the dimensions of each factor.
        output: the dimensions left of ``/``.
        input: the dimensions right of ``/``.
    """

    text: str
    sign: int
    factors: tuple[Words, ...]
    output: Words
    input: Words

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(text: str) -> Signature:
        """Read a signature.

        >>> Signature.parse("io -> bo/bi").input
        (('b',), ('i',))

        Raises:
            SignatureError: the text is no signature; the message points at the fault.
        """
        compact = "".join(text.split())
        sign = -1 if compact.startswith("-") and not compact.startswith("->") else 1
        body = compact.removeprefix("-") if sign == -1 else compact
        if body.count("->") != 1:
            raise SignatureError(f"signature '{text}' needs exactly one '->'")
        left, right = body.split("->")
        if right.count("/") > 1:
            raise SignatureError(f"signature '{text}' has more than one '/'")
        output, _, input_ = right.partition("/")
        return Signature(
            text,
            sign,
            tuple(_words(each, text) for each in left.split(",")) if left else (),
            _words(output, text),
            _words(input_, text),
        )

    def bind(
        self,
        factor_shapes: tuple[Shape, ...],
        output_shape: Shape | None = None,
        input_shape: Shape | None = None,
    ) -> BoundSignature:
        """Give every letter an axis and a size, taken from the shapes.

        Args:
            factor_shapes: the shapes of the factors.
            output_shape: the shape of the output side; may be left out if the factors say it.
            input_shape: the same of the input side.

        Raises:
            SignatureError: a number of factors or dimensions, or a size, does not fit.
        """
        if len(factor_shapes) != len(self.factors):
            raise SignatureError(
                f"signature '{self.text}' has {len(self.factors)} factors, got {len(factor_shapes)}"
            )
        return _Binding(self).bind(factor_shapes, output_shape, input_shape)


def _words(text: str, whole: str) -> Words:
    """Split one side of a signature into dimensions."""
    words: list[Word] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character.isalpha():
            words.append((character,))
            position += 1
        elif text.startswith(_ELLIPSIS, position):
            if (_ELLIPSIS,) in words:
                raise SignatureError(f"signature '{whole}' has two ellipses in '{text}'")
            words.append((_ELLIPSIS,))
            position += 3
        elif character == "(":
            end = text.find(")", position)
            group = text[position + 1 : end]
            if end < 0 or not all(letter.isalpha() for letter in group):
                raise SignatureError(
                    f"signature '{whole}' has a group that is not letters between parentheses: "
                    f"'{text[position:]}'"
                )
            words.append(tuple(group))
            position = end + 1
        else:
            raise SignatureError(
                f"signature '{whole}' has an unexpected '{character}' in '{text}'; axes are "
                "letters, '...' or groups in parentheses"
            )
    return tuple(words)


class _Binding:
    """The letters met so far, and their axes and sizes."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.axes: dict[str, Axis] = {}
        self.sizes: dict[Axis, int] = {}
        self.rank: int | None = None

    def bind(
        self,
        factor_shapes: tuple[Shape, ...],
        output_shape: Shape | None,
        input_shape: Shape | None,
    ) -> BoundSignature:
        sides = [
            *zip(self.signature.factors, factor_shapes, strict=True),
            (self.signature.output, output_shape),
            (self.signature.input, input_shape),
        ]
        for words, shape in sides:
            if shape is not None:
                self._measure(words, shape)
        for words, shape in sides:
            if shape is not None:
                self._check_groups(words, shape)
        *factors, output, input_ = [self._dimensions(words) for words, _ in sides]
        for letter, axis in self.axes.items():
            if axis not in self.sizes:
                raise SignatureError(
                    f"signature '{self.signature.text}': nothing says the size of axis '{letter}'"
                )
        return BoundSignature(tuple(factors), output, input_, self.sizes)

    def _spread(self, words: Words) -> list[Word]:
        """Replace the ellipsis by as many one-letter words as it stands for."""
        spread: list[Word] = []
        for word in words:
            if word == (_ELLIPSIS,):
                spread.extend((f"{_ELLIPSIS}{k}",) for k in range(self.rank or 0))
            else:
                spread.append(word)
        return spread

    def _measure(self, words: Words, shape: Shape) -> None:
        text = self.signature.text
        named = len(words) - ((_ELLIPSIS,) in words)
        if (_ELLIPSIS,) in words:
            rank = len(shape) - named
            if rank < 0:
                raise SignatureError(
                    f"signature '{text}': shape {shape} has fewer than the {named} dimensions of "
                    f"'{_text(words)}'"
                )
            if self.rank is not None and rank != self.rank:
                raise SignatureError(
                    f"signature '{text}': '...' stands for {self.rank} axes elsewhere, but shape "
                    f"{shape} leaves {rank}"
                )
            self.rank = rank
        elif named != len(shape):
            raise SignatureError(
                f"signature '{text}': '{_text(words)}' has {named} dimensions, but the shape is "
                f"{shape}"
            )
        for word, size in zip(self._spread(words), shape, strict=True):
            if len(word) == 1:
                axis = self.axes.setdefault(word[0], len(self.axes))
                if self.sizes.setdefault(axis, size) != size:
                    raise SignatureError(
                        f"signature '{text}': axis '{word[0]}' has size {self.sizes[axis]} and "
                        f"also {size}"
                    )

    def _check_groups(self, words: Words, shape: Shape) -> None:
        """Find the one size that a group leaves open, and check that every group fits."""
        for word, size in zip(self._spread(words), shape, strict=True):
            axes = [self.axes.setdefault(letter, len(self.axes)) for letter in word]
            known = 1
            for axis in axes:
                known *= self.sizes.get(axis, 1)
            unknown = [axis for axis in axes if axis not in self.sizes]
            if len(unknown) == 1 and known and size % known == 0:
                self.sizes[unknown[0]] = size // known
            elif known != size or unknown:
                raise SignatureError(
                    f"signature '{self.signature.text}': group '({''.join(word)})' does not make "
                    f"up a dimension of size {size}"
                )

    def _dimensions(self, words: Words) -> tuple[Dimension, ...]:
        return tuple(
            tuple(self.axes.setdefault(letter, len(self.axes)) for letter in word)
            for word in self._spread(words)
        )


def _text(words: Words) -> str:
    return "".join(word[0] if len(word) == 1 else f"({''.join(word)})" for word in words)
