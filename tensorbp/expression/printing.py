"""Printing: the index-free form of an expression where there is one, the einsum otherwise.

``X w`` is a matrix product, ``⊙`` the elementwise product, ``ᵀ`` the transpose, ``diag(d) A``
scales rows. A part that is read several times is printed once, after ``where``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from math import prod

from tensorbp.algebra import Axis, GroupingConflict, Number, Term, simplify, written
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum, term_of
from tensorbp.expression.graph import topological_order
from tensorbp.expression.layer import Layer
from tensorbp.expression.leaves import Variable
from tensorbp.expression.map_expression import MapExpression
from tensorbp.expression.node import Expression, provides
from tensorbp.expression.resolution import Resolution
from tensorbp.expression.selection import Affine, numbers_held

__all__ = ["formula", "map_formula"]

LONG = 24
"""A part that is read several times gets a name if its text is longer than this."""

MOST_NAMES = 40
"""After this many named parts the rest is left out: nobody reads on."""

MOST_FUSED = 12
"""Products of more factors than this are printed in parts."""

SYMBOLS = {"sigmoid": "σ"}

SUM, HADAMARD, PRODUCT, ATOM = range(4)
"""How tightly a text binds: sums, elementwise products, matrix products, all else."""


@dataclass(frozen=True)
class _Text:
    """A piece of formula.

    Attributes:
        text: what is written, without the coefficient.
        binding: how tightly it binds.
        coefficient: the number in front.
        axes: by which axes of a product the piece takes part.
        summed: of how many numbers the piece is the sum; 0 if it is no sum.
    """

    text: str
    binding: int = ATOM
    coefficient: Number = 1
    axes: tuple[Axis, ...] = ()
    summed: int = 0

    def inside(self, binding: int) -> str:
        """Return the text, in parentheses where it binds less tightly than asked."""
        return self.text if self.binding >= binding else f"({self.text})"

    @property
    def transposed(self) -> _Text:
        """The matrix with its two axes swapped."""
        return replace(self, text=f"{self.inside(ATOM)}ᵀ", binding=ATOM, axes=self.axes[::-1])


@provides("formula")
def formula(expression: Expression) -> str:
    """Return the text of an expression, maps worked out from their smaller side."""
    return _Printer([Resolution([expression]).expression(expression)]).text()


@provides("map_formula")
def map_formula(wanted: MapExpression) -> str:
    """Return the signature of each block of a map and the formula of what it holds."""
    linear_map = wanted.worked_out()
    size = numbers_held(value for term in linear_map.terms for value in term.values)
    lines = [f"linear map {wanted.input} → {wanted.output}, {size} numbers"]
    values = [value for term in linear_map.terms for value in term.values]
    printer = _Printer(values)
    for (row, column), terms in sorted(linear_map.blocks.items()):
        for term in terms:
            factors = ",".join(map(written, term.pattern.factors))
            spec = f"{factors} -> {written(term.output)}/{written(term.input)}".strip()
            pieces = [printer.of(value) for value in term.values]
            text = " ".join(_with_coefficient(each) for each in pieces) or str(term.coefficient)
            lines.append(f'  [{row}, {column}] "{spec}"  {text}')
    return "\n".join(lines + [f"  {each}" for each in printer.definitions])


class _Printer:
    """Texts of the nodes below some roots, each made once."""

    def __init__(self, roots: Sequence[Expression]) -> None:
        self.roots = roots
        self.definitions: list[str] = []
        self._texts: dict[Expression, _Text] = {}
        self._terms: dict[Expression, Term[Expression]] = {}
        order = topological_order(roots)
        self._readers: dict[Expression, int] = {}
        for node in order:
            for operand in set(node.operands):
                self._readers[operand] = self._readers.get(operand, 0) + 1
        for node in order:
            text = self._node(node)
            if self._readers.get(node, 0) > 1 and len(text.text) > LONG:
                text = self._named(text)
            self._texts[node] = text

    def of(self, node: Expression) -> _Text:
        """Return the text of a node."""
        return self._texts[node]

    def text(self) -> str:
        """Return the text of the only root and of the parts that it names."""
        main = _with_coefficient(self._texts[self.roots[0]])
        if not self.definitions:
            return main
        kept = self.definitions[:MOST_NAMES]
        if len(kept) < len(self.definitions):
            kept.append(f"... and {len(self.definitions) - len(kept)} more")
        return "\n  ".join([f"{main}", *[f"where {each}" for each in kept]])

    def _named(self, text: _Text) -> _Text:
        name = f"t{len(self.definitions) + 1}"
        self.definitions.append(f"{name} = {_with_coefficient(replace(text, coefficient=1))}")
        return _Text(name, coefficient=text.coefficient)

    def _node(self, node: Expression) -> _Text:
        operator = node.operator
        operands = [self._texts[each] for each in node.operands]
        if isinstance(operator, Variable):
            return _Text(operator.name)
        if isinstance(operator, Add):
            scaled = [
                replace(text, coefficient=simplify(text.coefficient * number))
                for text, number in zip(operands, operator.coefficients, strict=True)
            ]
            return _Text(_joined_sum(scaled), SUM)
        if isinstance(operator, Einsum):
            return self._einsum(node)
        if isinstance(operator, Affine):
            return _Text(f"S({operator.line})")
        assert isinstance(operator, Layer)
        arguments = [_with_coefficient(each) for each in operands] + _arguments(operator)
        name = operator.name
        return _Text(f"{SYMBOLS.get(name, name)}({', '.join(arguments)})")

    def _einsum(self, node: Expression) -> _Text:
        """Return the text of an einsum together with those that it alone reads, if it has one."""
        term = term_of(node)
        fused = term
        for position in reversed(range(len(term.values))):
            inner = self._terms.get(term.factors[position].value)
            if inner is not None and self._readers[term.factors[position].value] == 1:
                try:
                    fused = fused.inlined(position, inner)
                except GroupingConflict:
                    break
        if fused is not term and len(fused.values) <= MOST_FUSED:
            text = self._product(fused)
            if not text.text.startswith("einsum"):
                self._terms[node] = fused
                return text
        self._terms[node] = term
        return self._product(term)

    def _product(self, term: Term[Expression]) -> _Text:
        return _product(term, [self._texts[value] for value in term.values])


def _arguments(layer: Layer) -> list[str]:
    """Return the arguments of a layer that are not what they are by default."""
    return [
        f"{each.name}={getattr(layer, each.name)}"
        for each in fields(layer)  # type: ignore[arg-type]
        if getattr(layer, each.name) != each.default
    ]


def _joined_sum(parts: Iterable[_Text]) -> str:
    text = ""
    for part in parts:
        piece = _with_coefficient(part, inside=PRODUCT)
        if not text:
            text = piece
        elif piece.startswith("-"):
            text += f" - {piece[1:]}"
        else:
            text += f" + {piece}"
    return text


def _with_coefficient(part: _Text, inside: int = SUM) -> str:
    """Return the text with its coefficient written: a fraction divides at the end."""
    number = simplify(part.coefficient)
    if not part.text:
        return str(number)
    if number == 1:
        return part.inside(inside)
    sign = "-" if number < 0 else ""
    number = -number if number < 0 else number
    if isinstance(number, Fraction):
        front = "" if number.numerator == 1 else f"{number.numerator} "
        return f"{sign}{front}{part.inside(PRODUCT)} / {number.denominator}"
    front = "" if number == 1 else f"{number} "
    return f"{sign}{front}{part.inside(HADAMARD)}"


def _product(term: Term[Expression], operands: Sequence[_Text]) -> _Text:
    """Return the text of an einsum, index-free if rules can reduce it to one piece."""
    coefficient = simplify(term.coefficient * prod([each.coefficient for each in operands]))
    if not operands:
        return _Text("", coefficient=coefficient)
    output = tuple([axis for dimension in term.output for axis in dimension])
    pieces = [
        replace(text, coefficient=1, axes=factor.axes)
        for text, factor in zip(operands, term.factors, strict=True)
    ]
    is_plain = all(len(d) <= 1 for factor in term.factors for d in factor.dimensions)
    if is_plain and all(len(d) <= 1 for d in term.output):
        reduced = _Reduction(pieces, output, term.sizes).result()
        if reduced is not None:
            if reduced.summed and coefficient == Fraction(1, reduced.summed):
                return _Text(f"mean{reduced.text.removeprefix('sum')}")
            return replace(reduced, coefficient=coefficient, axes=(), summed=0)
    factors = ",".join(map(written, term.pattern.factors))
    arguments = ", ".join([each.text for each in pieces])
    spec = f"{factors}->{written(term.output)}"
    return _Text(f'einsum("{spec}", {arguments})', coefficient=coefficient)


class _Reduction:
    """Rewrites a product of vectors and matrices, two pieces at a time, into one piece."""

    def __init__(self, pieces: list[_Text], output: tuple[Axis, ...], sizes: Sequence[int]) -> None:
        self.pieces = pieces
        self.output = output
        self.sizes = sizes

    def result(self) -> _Text | None:
        """Return the one piece, or None where no rule applies."""
        if any(len(set(each.axes)) < len(each.axes) for each in self.pieces):
            return None
        rules = (self._square, self._same_axes, self._contraction, self._scaling, self._outer)
        while len(self.pieces) > 1:
            if not any(rule() for rule in rules):
                return None
        return self._finished(self.pieces[0])

    def _finished(self, piece: _Text) -> _Text | None:
        """Sum over what is left over and bring the axes into the order of the output."""
        summed = [axis for axis in piece.axes if axis not in self.output]
        if len(summed) == len(piece.axes) > 0:
            count = prod([self.sizes[axis] for axis in summed])
            return _Text(f"sum({piece.text})", summed=count)
        if summed:
            positions = ", ".join(str(piece.axes.index(axis)) for axis in summed)
            kept = tuple([axis for axis in piece.axes if axis not in summed])
            piece = _Text(f"sum({piece.text}, axis={positions})", axes=kept)
        wanted = tuple([axis for axis in self.output if axis in piece.axes])
        if piece.axes != wanted:
            if len(wanted) != 2:
                return None
            piece = piece.transposed
        return self._repeated(piece, wanted)

    def _repeated(self, piece: _Text, wanted: tuple[Axis, ...]) -> _Text | None:
        """Say along which axes the piece is repeated, where they are not the leading ones."""
        if self.output[len(self.output) - len(wanted) :] == wanted:
            return piece
        if len(wanted) == 1 and len(self.output) == 2:
            return _Text(f"{piece.inside(PRODUCT)} 1ᵀ", PRODUCT)
        return None

    def _uses(self, axis: Axis) -> int:
        return sum(axis in each.axes for each in self.pieces) + (axis in self.output)

    def _replace(self, first: _Text, second: _Text, new: _Text) -> bool:
        position = self.pieces.index(first)
        self.pieces[position] = new
        del self.pieces[_last_index(self.pieces, second)]
        return True

    def _pairs(self) -> Iterable[tuple[_Text, _Text]]:
        for k, first in enumerate(self.pieces):
            for second in self.pieces[k + 1 :]:
                yield first, second

    def _square(self) -> bool:
        """Rewrite x[i] x[i] as x²."""
        for first, second in self._pairs():
            if first.text == second.text and first.axes == second.axes:
                return self._replace(
                    first, second, _Text(f"{first.inside(ATOM)}²", axes=first.axes)
                )
        return False

    def _same_axes(self) -> bool:
        """Rewrite x[i] y[i] as x ⊙ y."""
        for first, second in self._pairs():
            if set(first.axes) == set(second.axes) and len(first.axes) <= 2:
                if not first.axes:
                    text = f"{first.inside(PRODUCT)} {second.inside(PRODUCT)}"
                    return self._replace(first, second, _Text(text, PRODUCT))
                is_inner = all(self._uses(axis) == 2 for axis in first.axes)
                if is_inner and len(first.axes) == 1:
                    continue
                other = second if first.axes == second.axes else second.transposed
                one, two = sorted((first, other), key=lambda each: len(each.text))
                text = f"{one.inside(HADAMARD)} ⊙ {two.inside(HADAMARD)}"
                return self._replace(first, second, _Text(text, HADAMARD, axes=first.axes))
        return False

    def _contraction(self) -> bool:
        """Rewrite A[i, j] B[j, k], summed over j, as A B."""
        for first, second in self._pairs():
            shared = [axis for axis in first.axes if axis in second.axes]
            if len(shared) != 1 or max(len(first.axes), len(second.axes)) > 2:
                continue
            axis = shared[0]
            if self._uses(axis) != 2 or axis in self.output:
                continue
            left, right = first, second
            if len(left.axes) == 1 and len(right.axes) == 2:
                left, right = right, left
            if len(left.axes) == len(right.axes) == 2 and self._prefers_swap(left, right, axis):
                left, right = right, left
            if left.axes[-1] != axis or len(left.axes) == 1:
                left = left.transposed
            if right.axes[0] != axis:
                right = right.transposed
            text = f"{left.inside(PRODUCT)} {right.inside(PRODUCT)}"
            axes = tuple([a for a in left.axes if a != axis]) + tuple(
                [a for a in right.axes if a != axis]
            )
            return self._replace(first, second, _Text(text, PRODUCT, axes=axes))
        return False

    def _prefers_swap(self, left: _Text, right: _Text, axis: Axis) -> bool:
        """Say whether the right matrix has the axis that comes first in the output."""
        rows = [a for a in left.axes if a != axis] + [a for a in right.axes if a != axis]
        positions = [self.output.index(a) if a in self.output else -1 for a in rows]
        return -1 not in positions and positions[0] > positions[1]

    def _scaling(self) -> bool:
        """Rewrite d[i] A[i, j] as diag(d) A."""
        scalings = []
        for one, two in self._pairs():
            vector, matrix = (one, two) if len(one.axes) <= len(two.axes) else (two, one)
            if len(matrix.axes) == 2 and len(vector.axes) == 1 and vector.axes[0] in matrix.axes:
                scalings.append((one, two, vector, matrix))
            if not vector.axes and matrix.axes:
                text = f"{vector.inside(ATOM)} {matrix.inside(PRODUCT)}"
                return self._replace(one, two, _Text(text, PRODUCT, axes=matrix.axes))
        if not scalings:
            return False
        # of several matrices, the one that will stand on the right: Xᵀ diag(d) X
        one, two, vector, matrix = max(scalings, key=lambda each: self._column(each[3]))
        scale = f"diag({vector.text})"
        if vector.axes[0] == matrix.axes[0]:
            text = f"{scale} {matrix.inside(PRODUCT)}"
        else:
            text = f"{matrix.inside(PRODUCT)} {scale}"
        return self._replace(one, two, _Text(text, PRODUCT, axes=matrix.axes))

    def _column(self, matrix: _Text) -> int:
        """Return how far to the right the last of a matrix's axes stands in the output."""
        return max(self.output.index(axis) if axis in self.output else -1 for axis in matrix.axes)

    def _outer(self) -> bool:
        """Rewrite x[i] y[j] as x yᵀ."""
        for first, second in self._pairs():
            if len(first.axes) == len(second.axes) == 1 and first.axes != second.axes:
                text = f"{first.inside(PRODUCT)} {second.transposed.inside(PRODUCT)}"
                axes = first.axes + second.axes
                return self._replace(first, second, _Text(text, PRODUCT, axes=axes))
        return False


def _last_index(pieces: Sequence[_Text], piece: _Text) -> int:
    return max(k for k, each in enumerate(pieces) if each is piece)
