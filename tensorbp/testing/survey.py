"""Which laws layers obey: every law on every example, as data and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tensorbp.expression.layer import Layer
from tensorbp.testing.case import CheckFailure
from tensorbp.testing.conformance import checks, law_name
from tensorbp.testing.laws import LAWS

__all__ = ["LAW_NAMES", "Survey", "survey", "survey_table"]

LAW_NAMES = tuple(law_name(law) for law in LAWS)
"""The names of the laws, as checks have them."""

PASSED, FAILED = "✓", "✗"


@dataclass(frozen=True)
class Survey:
    """What checking a layer found.

    Attributes:
        layer: its name.
        examples: on how many examples it was checked.
        method: what its derivatives were compared with.
        failures: why laws are broken, by the name of the law.
    """

    layer: str
    examples: int
    method: str
    failures: Mapping[str, str]


def survey(layer: type[Layer]) -> Survey:
    """Check a layer against every law on every example, to the end.

    Raises:
        LayerError: the layer has no examples.
    """
    failures: dict[str, str] = {}
    found = checks(layer)
    for name, run in found:
        law = next(each for each in LAW_NAMES if name.endswith(f"-{each}"))
        try:
            run()
        except CheckFailure as failure:
            failures.setdefault(law, str(failure))
    method = "complex steps" if layer.analytic else "central differences"
    return Survey(layer.name, len(found) // len(LAWS), method, failures)


def survey_table(surveys: Iterable[Survey], more: Mapping[str, Mapping[str, str]]) -> str:
    """Return a table in Markdown: a row for each layer, a column for each law.

    Args:
        surveys: what was found.
        more: further columns, each with a cell for every layer that has one.
    """
    columns = ("layer", "examples", "compared with", *more, *LAW_NAMES)
    rows = [
        (
            f"`{each.layer}`",
            str(each.examples),
            each.method,
            *(cells.get(each.layer, "") for cells in more.values()),
            *(FAILED if law in each.failures else PASSED for law in LAW_NAMES),
        )
        for each in surveys
    ]
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
