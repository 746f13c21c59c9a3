"""Attention by the library's own routine, which never writes the probabilities to memory.

Where gradients are wanted, the routine also returns how a cotangent is pulled back, and all
gradients are one call. Source: Dao et al. 2022, FlashAttention.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Protocol

from tensorbp.algebra import Axis, Number
from tensorbp.execution.functional.attention_steps import AttentionSteps, Tensor, attention_steps
from tensorbp.execution.functional.call import Call, needed
from tensorbp.execution.functional.einsums import (
    Function,
    as_number,
    blocks,
    chained,
    finishing,
    opening,
)
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.layers.attention.masks import CausalMask
from tensorbp.planning import Plan

__all__ = ["Attention", "with_attention"]

Array = Any


class Attention(Protocol):
    """The routine of a library; tensors are (batch, heads, queries or keys, columns)."""

    def attention(
        self, q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float
    ) -> Array:
        """Return softmax(scale · Q Kᵀ + B) V over the keys that are open to a query.

        Args:
            q: the queries.
            k: the keys.
            v: the values, a row for each key.
            mask: true where a key is open to a query; or B, minus infinity where a key is not
                open. A query to which none is gets zeros.
            is_causal: whether instead those are open that are not later than the query.
            scale: what the scores are multiplied with.
        """

    def with_pullback(
        self, q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float
    ) -> tuple[Array, Callable[[Array], tuple[Array, Array, Array]]]:
        """Return the same, and what returns the gradients for a cotangent of it."""


def with_attention(plan: Plan, calls: list[Call], routine: Attention) -> list[Call]:
    """Return the calls of a plan; those that are attention have become calls of the routine.

    They become so where nothing else reads the probabilities.
    """
    for steps in attention_steps(plan):
        calls_instead = _Calls(plan, steps, routine).calls()
        replaced = [calls_instead.get(call.results[0], call) for call in calls]
        kept = needed([call for call in replaced if call], plan.results)
        readers = [call for call in kept if steps.p.number in call.operands]
        is_read = steps.p.number in plan.results or any(
            call not in calls_instead.values() for call in readers
        )
        calls = calls if is_read else kept
    return calls


class _Calls:
    """Attention as calls of a routine."""

    def __init__(self, plan: Plan, steps: AttentionSteps, routine: Attention) -> None:
        self.plan, self.steps, self.routine = plan, steps, routine
        masks = steps.softmax.operands[1:]
        queries = steps.queries
        # the mask that says so is not needed where the routine knows it
        self.is_causal = (
            steps.bias is None
            and steps.p.dimensions[-2:] == (tuple(queries), (steps.keys,))
            and any(
                isinstance(step.operator, CausalMask) for step in plan.steps if step.result in masks
            )
        )
        self.masks = () if self.is_causal else masks
        self.biases = () if steps.bias is None else (steps.bias.operand,)

    def calls(self) -> dict[int, Call | None]:
        """Return what takes the place of steps, by their results.

        What pulls a cotangent back takes the number of the probabilities.
        """
        steps, p, y = self.steps, self.steps.p.number, self.steps.y.number
        operands = (steps.q.number, steps.k.number, steps.v.number, *self.masks, *self.biases)
        made = {each.tensor.number for each in steps.gradients.values()}
        first, *others = [each.result for each in self.plan.steps if each.result in {y, *made}]
        if not others or first != y:
            return {p: None, y: Call((y,), operands, "attention", self.attend)}
        sides = (steps.q.number, steps.k.number, steps.v.number)
        results = tuple([steps.gradients[k].tensor.number for k in sides if k in steps.gradients])
        assert steps.g is not None, "what has gradients has a cotangent"
        return {
            **dict.fromkeys([p, *results]),
            y: Call((y, p), operands, "attention", self.attend_with_pullback),
            others[0]: Call(results, (p, steps.g.number), "gradients of attention", self.pull_back),
        }

    def attend(self, xp: Namespace) -> Function:
        """Return attention as a function of Q, K, V, masks and biases."""
        arrange, finish = self._arranging(xp), self._finishing(self.steps.y, xp)
        scale = as_number(self.steps.scale)
        return lambda *arrays: finish(
            self.routine.attention(*arrange(arrays), self.is_causal, scale)
        )

    def attend_with_pullback(self, xp: Namespace) -> Function:
        """Return the same, followed by what returns the gradients for a cotangent."""
        arrange, finish = self._arranging(xp), self._finishing(self.steps.y, xp)
        scale = as_number(self.steps.scale)

        def attend(*arrays: Array) -> tuple[Array, Function]:
            y, pull = self.routine.with_pullback(*arrange(arrays), self.is_causal, scale)
            return finish(y), pull

        return attend

    def pull_back(self, xp: Namespace) -> Function:
        """Return the gradients that are wanted, as a function of what pulls back and of G."""
        steps = self.steps
        assert steps.g is not None, "what has gradients has a cotangent"
        as_g = self._blocks(steps.g, steps.queries, xp)
        sides = (steps.q, steps.k, steps.v)
        wanted = [(at, steps.gradients.get(side.number)) for at, side in enumerate(sides)]
        finishes = [
            (at, self._finishing(gradient.tensor, xp, gradient.multiple))
            for at, gradient in wanted
            if gradient is not None
        ]

        def pull_back(pull: Function, g: Array) -> Any:
            gradients = pull(as_g(g))
            finished = [finish(gradients[at]) for at, finish in finishes]
            return finished if len(finished) > 1 else finished[0]

        return pull_back

    def _arranging(
        self, xp: Namespace
    ) -> Callable[[Sequence[Array]], tuple[Array, Array, Array, Array]]:
        """Return what arranges Q, K, V and what masks and biases are together, for the routine."""
        steps, keys = self.steps, [self.steps.keys]
        sides = ((steps.q, steps.queries), (steps.k, keys), (steps.v, keys))
        functions = [self._blocks(tensor, rows, xp) for tensor, rows in sides]
        as_mask = self._blocks(steps.p, steps.queries, xp)
        first_bias = 3 + len(self.masks)
        spread = chained() if steps.bias is None else steps.bias.spread(xp)

        def as_full(array: Array) -> Array:
            return as_mask(xp.broadcast_to(array, steps.p.shape))

        def arrange(arrays: Sequence[Array]) -> tuple[Array, Array, Array, Array]:
            q, k, v = (f(x) for f, x in zip(functions, arrays, strict=False))
            masks = [as_full(x > 0) for x in arrays[3:first_bias]]
            biases = [as_full(spread(x)) for x in arrays[first_bias:]]
            if masks and biases:
                return q, k, v, xp.where(masks[0], biases[0], -inf)
            return q, k, v, next(iter(masks + biases), None)

        return arrange

    def _blocks(self, tensor: Tensor, rows: Sequence[Axis], xp: Namespace) -> Function:
        """Return what arranges a tensor as (batch, heads, rows, columns)."""
        sizes = self.steps.sizes
        axes, open_tensor = opening(tensor.dimensions, sizes, xp)
        batch = self.steps.batch
        columns = sorted(axis for axis in axes if axis not in (*batch, *rows))
        # gradients lie as if heads came after rows: the last of these axes, which a reader joins
        arrange = blocks(axes, [batch[:-1], batch[-1:], rows, columns], sizes, xp)
        return lambda array: arrange(open_tensor(array))

    def _finishing(self, tensor: Tensor, xp: Namespace, number: Number = 1) -> Function:
        """Return what turns (batch, heads, rows, columns) into the value of a step."""
        batch, sizes = self.steps.batch, self.steps.sizes
        rest = [axis for axis in tensor.axes if axis not in batch]
        # rows are axes of the probabilities, whose numbers are lower than those of columns
        present = [*batch, *sorted(rest)]
        shape = tuple([sizes[axis] for axis in present])
        finish = finishing(tensor.dimensions, sizes, number, present, xp)
        return lambda array: finish(array.reshape(shape))
