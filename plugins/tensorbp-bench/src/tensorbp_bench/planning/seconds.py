"""How long planning takes: CPU time, each time in a process that remembers nothing."""

from __future__ import annotations

from random import Random
from time import process_time
from typing import Any

from tensorbp_bench.planning.models import draw_widths, multilayer_gradients
from tensorbp_bench.tables import Cell, Table
from tensorbp_bench.times import Times
from tensorbp_bench.workers import Handler, Worker

REPETITIONS = 5

__all__ = ["handler", "tables"]


def tables(quick: bool, seed: int) -> list[Table]:
    """Return the seconds to plan value and gradients of deep models."""
    depths = {"multilayer": [10, 100, 1000], "transformer": [1, 10, 100]}
    if quick:
        depths = {"multilayer": [2, 4], "transformer": [1, 2]}
    rows: list[tuple[Cell, ...]] = []
    for model, each in depths.items():
        for depth in each:
            question = {"model": model, "depth": depth, "seed": seed}
            answers = []
            for _ in range(2 if quick else REPETITIONS):
                with Worker("tensorbp_bench.planning.seconds:handler") as worker:
                    answers.append(worker.ask(question))
            times = Times.of([answer["seconds"] for answer in answers])
            steps = answers[0]["steps"]
            per_step = 1e6 * times.median / steps
            rows.append((model, depth, steps, times.median, f"{times.spread:.0%}", per_step))
    return [
        Table(
            "Seconds to plan the value and all gradients",
            ("model", "layers or blocks", "steps", "median seconds", "spread", "µs a step"),
            tuple(rows),
            "Multilayer: tanh, widths of 1 to 1024, batch 32. Transformer: blocks of 128 tokens, "
            "width 256, 4 heads, batch 8. CPU time from expressions to the plan, in a new process "
            "each time; the spread is from the tenth to the ninetieth percentile, over the median.",
        )
    ]


def handler() -> Handler:
    """Return what builds one model and times its plan."""

    def answer(question: Any) -> Any:
        # what is loaded when something is first planned; numpy is with larger products
        import numpy  # noqa: F401

        import tensorbp as tb

        tb.plan(tb.tanh(tb.variable("x", 3)))
        build = {"multilayer": _multilayer, "transformer": _transformer}[question["model"]]
        outputs = build(question["depth"], question["seed"])
        start = process_time()
        plan = tb.plan(outputs)
        return {"seconds": process_time() - start, "steps": len(plan.steps)}

    return answer


def _multilayer(depth: int, seed: int) -> list[Any]:
    return list(multilayer_gradients(draw_widths(Random(seed), depth), 32))


def _transformer(depth: int, seed: int) -> list[Any]:
    del seed
    from io import BytesIO

    import tensorbp as tb

    text = f"""
tensorbp: 1
dims: {{batch: 8, tokens: 128, width: 256, heads: 4}}
inputs: {{x: [batch, tokens, width], target: [batch, tokens, width]}}
layers:
  - {{name: block, type: gpt_block, heads: heads, repeat: {depth}}}
loss: {{type: mean_squared_error}}
"""
    model = tb.load(BytesIO(text.encode()))
    return [model.loss, *model.gradient.values()]
