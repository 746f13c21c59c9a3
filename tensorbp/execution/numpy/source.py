"""Source: instructions written out as Python code that calls numpy, to be read and to be run.

The code is one function that makes all views of the arena once, around another that is the program:
one call of numpy for each instruction, each into a place that is there already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tensorbp.execution.numpy.instructions import (
    Apply,
    Call,
    Check,
    Choose,
    Copy,
    EinsumCall,
    Instruction,
    Loop,
    Matmul,
    Reduce,
    Vecdot,
    reads,
    writes,
)
from tensorbp.execution.numpy.lowering import Lowered
from tensorbp.execution.numpy.memory import Memory
from tensorbp.execution.numpy.recycling import Recycled, is_worth_recycling
from tensorbp.execution.numpy.sums import as_matrix, ones
from tensorbp.execution.numpy.view import Shape, View, collapsed

__all__ = ["Source", "written"]


class Source:
    """The code of a program.

    Attributes:
        text: the code; it defines ``bind(arena)``, which returns the program.
        namespace: what its names stand for.
    """

    def __init__(self, text: str, namespace: Mapping[str, Any]) -> None:
        self.text, self.namespace = text, namespace


def written(lowered: Lowered, memory: Memory, marks: Collection[int] = ()) -> Source:
    """Return the code of a program.

    Args:
        lowered: its instructions.
        memory: where its values are.
        marks: after which instructions, by position, it calls a function without arguments. If
            there are any, that function is its first argument.
    """
    return _Writer(lowered, memory, marks).source()


class _Writer:
    def __init__(self, lowered: Lowered, memory: Memory, marks: Collection[int]) -> None:
        self.lowered, self.memory, self.marks = lowered, memory, marks
        self.values = lowered.values
        self.namespace: dict[str, Any] = {"numpy": np, "ndarray": np.ndarray, "parts": parts}
        self.prelude: list[str] = []
        self.body: list[str] = []
        self.indent = ""
        self._names: dict[tuple[object, ...], str] = {}
        self._bases: dict[int, Shape] = {}
        self._result_shapes: dict[int, Shape] = {}
        for view in lowered.results:
            count = self.values[view.value].size // max(view.size, 1)
            # values of different shapes may be in one stack
            shape = view.shape if count <= 1 else (count, *view.shape)
            self._result_shapes.setdefault(view.value, shape)
        self._moved: dict[View, str] = {}

    def source(self) -> Source:
        inputs = ["mark"] if self.marks else []
        for number, value in enumerate(self.values):
            if value.kind == "input":
                inputs.append(f"x{number}")
        shapes = self._result_shapes
        begun: set[int] = set()

        def begin(values: Iterable[int]) -> None:
            """Make the arrays of results that are about to be written."""
            for owner in dict.fromkeys([self.memory.owners[value] for value in values]):
                if owner in shapes and owner not in begun:
                    begun.add(owner)
                    self._line(f"r{owner} = {self._empty(owner, shapes[owner])}")

        for position, instruction in enumerate(self.lowered.instructions):
            begin([view.value for view in writes(instruction)])
            self._write(instruction)
            if position in self.marks:
                self._line("mark()")
        # what has no numbers is never written
        begin(shapes)
        returned = list(map(self._returned, self.lowered.results))
        lines = ["def bind(arena):", *[f"    {line}" for line in self.prelude], ""]
        lines.append(f"    def program({', '.join(inputs)}):")
        body = f"return [{', '.join(returned)}]"
        lines += [f"        {line}" for line in [*self.body, body]]
        lines += ["", "    return program"]
        return Source("\n".join(lines) + "\n", self.namespace)

    def _returned(self, view: View) -> str:
        """Return a result as it is handed out: an array, one of a stack of them, or a number."""
        name = f"r{view.value}"
        if view.size == self.values[view.value].size:
            return name if view.shape else f"{name}[()]"
        part = f"{name}[{view.offset // view.size}]"
        _, *shape = self._result_shapes[view.value]
        if view.shape == tuple(shape):
            return part
        return f"{part}.reshape({view.shape})" + ("" if view.shape else "[()]")

    def _empty(self, owner: int, shape: Shape) -> str:
        """Return the expression that makes the array of a result."""
        dtype = self._dtype(owner)
        if not is_worth_recycling(shape, self.values[owner].dtype):
            return f"{self._numpy('empty')}({shape}, {dtype})"
        self.namespace["Recycled"] = Recycled
        self.prelude.append(f"recycled_{owner} = Recycled({shape}, {dtype})")
        return f"recycled_{owner}()"

    # ----- names -----

    def _line(self, text: str) -> None:
        self.body.append(self.indent + text)

    def _numpy(self, function: str) -> str:
        name = function.replace(".", "_")
        if name not in self.namespace:
            found: Any = np
            for part in function.split("."):
                found = getattr(found, part)
            self.namespace[name] = found
        return name

    def _function(self, function: Any, method: str = "") -> str:
        """Return the name of a universal function, given by its name or itself."""
        if isinstance(function, str):
            return self._numpy(function + method)
        name = str(function.__name__) + method.replace(".", "_")
        if name not in self.namespace:
            self.namespace[name] = getattr(function, method[1:]) if method else function
        return name

    def _dtype(self, value: int) -> str:
        name = str(self.values[value].dtype)
        self.namespace.setdefault(name, self.values[value].dtype)
        return name

    def _number(self, number: complex, dtype: Any) -> str:
        """Return the name of a number as an array without dimensions, which numpy takes fastest."""
        array = np.asarray(number, dtype)
        key = ("number", array.item(), str(dtype), str(array.item()))
        if key not in self._names:
            self._names[key] = f"n{len(self.namespace)}"
            self.namespace[self._names[key]] = array
        return self._names[key]

    def _view(self, view: View) -> str:
        """Return the name of a view; it is made before it is used, where it can be once for all."""
        if view in self._moved:
            return self._moved[view]
        if len(view.shape) == 2 and view.transposed((1, 0)) in self._moved:
            return self._moved[view.transposed((1, 0))] + ".T"
        owner = self.memory.owners[view.value]
        dtype = self.values[view.value].dtype
        key = (owner, str(dtype), view.shape, view.strides, view.offset)
        if key not in self._names:
            kind = self.values[owner].kind
            base = {"input": "x", "result": "r"}.get(kind, "v") + str(owner)
            self._names[key] = f"{base}_{len(self._names)}"
            text, is_base = self._made(view, owner, kind, base)
            if is_base:
                self._names[key] = base
            elif kind in ("input", "result"):
                # made once a call, before any loop that uses it
                self.body.append(f"{self._names[key]} = {text}")
            else:
                self.prelude.append(f"{self._names[key]} = {text}")
        return self._names[key]

    def _made(self, view: View, owner: int, kind: str, base: str) -> tuple[str, bool]:
        """Return the expression that makes a view, and whether it is the array itself."""
        item = self.values[owner].dtype.itemsize
        dtype = self._dtype(view.value)
        if not view.size:
            return f"{self._numpy('zeros')}({view.shape}, {dtype})", False
        strides = tuple([stride * item for stride in view.strides])
        offset = view.offset * item
        if kind == "constant":
            self.namespace.setdefault(f"k{owner}", self.values[owner].array)
            return f"ndarray({view.shape}, {dtype}, k{owner}, {offset}, {strides})", False
        if kind == "buffer":
            offset += self.memory.offsets[owner]
            return f"ndarray({view.shape}, {dtype}, arena, {offset}, {strides})", False
        shape = self._shape_of(owner)
        whole = View.whole(view.value, shape)
        if view.shape == shape and view.is_contiguous:
            return base, True
        if len(shape) == 2 and _same(view, whole.transposed((1, 0))):
            return f"{base}.T", False
        if view.is_contiguous and view.size == whole.size:
            return f"{base}.reshape({view.shape})", False
        return f"ndarray({view.shape}, {dtype}, {base}, {offset}, {strides})", False

    def _shape_of(self, owner: int) -> Shape:
        if not self._bases:
            self._bases = {**self._result_shapes, **self.lowered.input_shapes}
        return self._bases[owner]

    # ----- instructions -----

    def _write(self, instruction: Instruction) -> None:
        if isinstance(instruction, Loop):
            self._loop(instruction)
            return
        writers: dict[type, Any] = {
            Apply: self._apply,
            Choose: self._choose,
            Copy: self._copy,
            Reduce: self._reduce,
            Matmul: self._matmul,
            Vecdot: self._vecdot,
            EinsumCall: self._einsum,
            Call: self._call,
            Check: self._check,
        }
        writers[type(instruction)](instruction)

    def _operands(self, instruction: Apply | Choose) -> tuple[list[str], str]:
        """Return the operands, with as few dimensions as they all allow, and the result."""
        views = [each for each in instruction.operands if isinstance(each, View)]
        result = instruction.result
        if not self._moved and not _are_alike([*views, result]):
            order = result.order
            flat = collapsed([each.transposed(order) for each in (result, *views)])
            result, views = flat[0], flat[1:]
        narrow = iter([self._view(each.narrow) for each in views])
        dtype = self.values[result.value].dtype
        if dtype.kind == "b" and views:
            dtype = self.values[views[0].value].dtype
        names = [
            next(narrow) if isinstance(each, View) else self._number(each, dtype)
            for each in instruction.operands
        ]
        return names, self._view(result)

    def _apply(self, instruction: Apply) -> None:
        names, result = self._operands(instruction)
        # numpy wants the place of an extremum named; to name it takes time
        place = f"out={result}" if instruction.function in ("maximum", "minimum") else result
        self._line(f"{self._function(instruction.function)}({', '.join(names)}, {place})")

    def _choose(self, instruction: Choose) -> None:
        (condition, chosen, other), result = self._operands(instruction)
        copy = self._numpy("copyto")
        if other != result:
            self._line(f"{copy}({result}, {other})")
        self._line(f"{copy}({result}, {chosen}, where={condition})")

    def _copy(self, instruction: Copy) -> None:
        (operand,) = instruction.operands
        result = self._view(instruction.result)
        if not isinstance(operand, View):
            self._line(f"{result}.fill({operand!r})")
        elif self._view(operand) != result:
            self._line(f"{self._numpy('copyto')}({result}, {self._view(operand)})")

    def _reduce(self, instruction: Reduce) -> None:
        (view,) = instruction.operands
        if instruction.function == "add" and self._add_rows(view, instruction):
            return
        axes: Any = instruction.axes
        if len(axes) == len(view.shape) and view.is_dense:
            view, axes = View(view.value, (view.size,), (1,), view.offset), (0,)
        if len(axes) == 1:
            (axes,) = axes
        function = self._function(instruction.function, ".reduce")
        result = self._view(instruction.result)
        self._line(f"{function}({self._view(view)}, {axes}, None, {result})")

    def _add_rows(self, view: View, instruction: Reduce) -> bool:
        """Write a sum as a product with ones, where it is one; say whether it is."""
        result = instruction.result
        matrix = as_matrix(view, instruction.axes)
        dtype = self.values[view.value].dtype
        is_plain = dtype.kind in "fc" and dtype == self.values[result.value].dtype
        if matrix is None or not is_plain or not result.is_contiguous or self._moved:
            return False
        summands = ones(matrix.shape[0], dtype)
        name = f"ones_{matrix.shape[0]}"
        if self.namespace.setdefault(name, summands) is not summands:
            name = f"{name}_{dtype}"
            self.namespace[name] = summands
        if matrix.shape[1] == 1 and not result.shape:
            matrix = View(matrix.value, matrix.shape[:1], matrix.strides[:1], matrix.offset)
        else:
            result = View(result.value, matrix.shape[1:], (1,), result.offset)
        self._line(f"{name}.dot({self._view(matrix)}, {self._view(result)})")
        return True

    def _matmul(self, instruction: Matmul) -> None:
        left, right = instruction.operands
        result = instruction.result
        if instruction.accumulates:
            self._accumulate(left, right, result)
            return
        names = [self._view(each) for each in (left, right, result)]
        plain = all(len(each.shape) == 2 for each in (left, right, result))
        if (
            plain
            and result.is_contiguous
            and all(
                each.is_contiguous or each.transposed((1, 0)).is_contiguous
                for each in (left, right)
            )
        ):
            self._line("{}.dot({}, {})".format(*names))
        else:
            self._line(f"{self._numpy('matmul')}({', '.join(names)})")

    def _accumulate(self, left: View, right: View, result: View) -> None:
        """Add a product of matrices to what is there: BLAS does it, numpy has no call for it."""
        from scipy.linalg.blas import get_blas_funcs

        dtype = self.values[result.value].dtype
        self.namespace.setdefault("gemm", get_blas_funcs("gemm", dtype=dtype))
        # BLAS counts columns first: the transposed product is the one that it writes
        a, b = (each.transposed((1, 0)) for each in (right, left))
        flags = []
        names = []
        for each in (a, b):
            is_transposed = each.is_contiguous
            flags.append(int(is_transposed))
            names.append(self._view(each.transposed((1, 0)) if is_transposed else each))
        target = self._view(result.transposed((1, 0)))
        self._line(f"gemm(1.0, {names[0]}, {names[1]}, 1.0, {target}, {flags[0]}, {flags[1]}, 1)")

    def _vecdot(self, instruction: Vecdot) -> None:
        names = [self._view(each) for each in (*instruction.operands, instruction.result)]
        if len(instruction.operands[0].shape) == 1:
            self._line("{}.dot({}, {})".format(*names))
        else:
            self._line(f"{self._numpy('vecdot')}({', '.join(names)})")

    def _einsum(self, instruction: EinsumCall) -> None:
        names = ", ".join([self._view(each) for each in instruction.operands])
        result = self._view(instruction.result)
        self._line(f"{self._numpy('einsum')}({instruction.spec!r}, {names}, out={result})")

    def _call(self, instruction: Call) -> None:
        name = f"{instruction.name}_{len(self.namespace)}"
        self.namespace[name] = instruction.function
        names = [self._view(each) for each in instruction.operands]
        result = self._view(instruction.result)
        if instruction.fills:
            self._line(f"{name}({', '.join([result, *names])})")
        else:
            self._line(f"{result}[...] = {name}({', '.join(names)})")

    def _check(self, instruction: Check) -> None:
        name = f"check_{len(self.namespace)}"
        self.namespace[name] = instruction.function
        self._line(f"{name}({', '.join([self._view(each) for each in instruction.operands])})")

    def _loop(self, loop: Loop) -> None:
        """Write a loop: what moves is made into lists of views, one for each time."""
        moving: dict[View, int] = {}
        for each in loop.body:
            for view in (*reads(each), *writes(each)):
                if view in loop.steps:
                    moving[view] = loop.steps[view]
        items, lists = [], []
        for view, step in moving.items():
            owner = self.memory.owners[view.value]
            kind = self.values[owner].kind
            name = f"p{len(self._names)}"
            self._names["part", name] = name
            item = self.values[view.value].dtype.itemsize
            offset = view.offset * item
            base = {"input": "x", "result": "r"}.get(kind, "k") + str(owner)
            if kind == "constant":
                self.namespace.setdefault(base, self.values[owner].array)
            if kind == "buffer":
                base, offset = "arena", offset + self.memory.offsets[owner]
            strides = tuple([stride * item for stride in view.strides])
            text = (
                f"{name}s = parts({view.shape}, {self._dtype(view.value)}, {base}, {offset}, "
                f"{strides}, {loop.count}, {step * item})"
            )
            (self.body if kind in ("input", "result") else self.prelude).append(text)
            items.append(name)
            lists.append(f"{name}s")
        moved = dict(zip(moving, items, strict=True))
        # what does not move is named first, outside the loop
        for each in loop.body:
            for view in (*reads(each), *writes(each)):
                if view not in moved:
                    self._view(view)
        at = len(self.body)
        self._moved, self.indent = moved, "    "
        for each in loop.body:
            self._write(each)
        self._moved, self.indent = {}, ""
        inside = self.body[at:]
        hoisted = [line for line in inside if not line.startswith("    ")]
        self.body[at:] = [
            *hoisted,
            f"for {', '.join(items)}, in zip({', '.join(lists)}):",
            *[line for line in inside if line.startswith("    ")],
        ]


def _same(one: View, other: View) -> bool:
    return (one.shape, one.strides, one.offset) == (other.shape, other.strides, other.offset)


def _are_alike(views: Sequence[View]) -> bool:
    """Say whether views are whole and of one shape, so that numpy runs through them as one row."""
    shape = views[-1].shape
    return all(each.shape == shape and each.is_contiguous for each in views)


def parts(
    shape: Shape, dtype: Any, base: Any, offset: int, strides: Shape, count: int, step: int
) -> list[Any]:
    """Return a view for each time that a loop runs.

    Args:
        shape: the shape of each.
        dtype: the type of its numbers.
        base: the array of which it is a view.
        offset: at which byte the first begins.
        strides: by how many bytes a step along each dimension moves.
        count: how many.
        step: by how many bytes each begins after the one before.
    """
    return [np.ndarray(shape, dtype, base, offset + k * step, strides) for k in range(count)]
