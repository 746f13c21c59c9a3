"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = [
    "At",
    "Derivative",
    "Dims",
    "Dtype",
    "File",
    "Json",
    "MemoryLimit",
    "NoCache",
    "Of",
    "Order",
    "Output",
    "Precision",
    "Seed",
    "Sequence",
    "Time",
    "Wrt",
]


class Derivative(StrEnum):
    """What can be asked for: a derivative, or the value alone."""

    VALUE = "value"
    GRADIENT = "gradient"
    JACOBIAN = "jacobian"
    HESSIAN = "hessian"


class Precision(StrEnum):
    """The types of numbers."""

    SINGLE = "float32"
    DOUBLE = "float64"


class Sequence(StrEnum):
    """The plain orders."""

    REVERSE = "reverse"
    FORWARD = "forward"


File = Annotated[str, typer.Argument(help="A model file; - is standard input.")]
Of = Annotated[Derivative, typer.Option("--of", help="What is asked for.")]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="NODE",
        help="The layer whose output is computed or differentiated. By default the loss, for a "
        "value or a Jacobian the model's output.",
    ),
]
Wrt = Annotated[
    list[str] | None,
    typer.Option(
        "--wrt",
        metavar="NAME",
        help="With respect to what: 'parameters' (the default), a parameter, a layer (all its "
        "parameters) or an input. May be given several times.",
    ),
]
Dims = Annotated[
    list[str] | None,
    typer.Option(
        "--dim",
        metavar="NAME=SIZE",
        help="The size of a dimension, in place of the default in the file. May be given several "
        "times.",
    ),
]
Dtype = Annotated[Precision, typer.Option("--dtype", help="The type of the numbers.")]
Order = Annotated[
    Sequence | None, typer.Option("--order", help="A plain order, in place of a search.")
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        metavar="SIZE",
        help="The memory that may be needed at one time, as in 2GiB. It is kept by slices of an "
        "axis, or by computing values again.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to a file, which appears when complete."
    ),
]
NoCache = Annotated[
    bool,
    typer.Option("--no-cache", help="Plan anew, and keep nothing on disk."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of all random numbers.")]
Time = Annotated[
    float | None,
    typer.Option(
        "--time",
        metavar="SECONDS",
        min=0,
        help="How long the search may take. By default it makes a fixed number of tries.",
    ),
]
