"""What checking a model file found, as text."""

from __future__ import annotations

from rich.console import Group, RenderableType

from tensorbp.model import Model
from tensorbp.report.certificate import Certificate
from tensorbp.report.console import paragraphs, table, words
from tensorbp.report.units import grouped, shape_text

__all__ = ["check_report"]


def check_report(model: Model, certificate: Certificate | None) -> Group:
    """Return the layers of a valid model, and how its gradient was certified.

    Args:
        model: the model.
        certificate: what its gradient was compared with, if it was.
    """
    inputs = ", ".join(f"{name} {shape_text(each.shape)}" for name, each in model.inputs.items())
    heading = (
        f"{model.source}: valid; {len(model.layers)} layers, "
        f"{grouped(model.parameter_count)} parameters, reads {inputs}"
    )
    parts: list[RenderableType] = [words(heading)]
    if certificate is not None:
        parts += [_comparisons(certificate), words(_verdict(certificate), "bold")]
    return paragraphs(*parts)


def _comparisons(certificate: Certificate) -> RenderableType:
    columns = ("direction", "numerical", "gradient", "deviation", "allowed", "")
    rows = [
        (
            each.direction,
            f"{each.expected:.10g}",
            f"{each.found:.10g}",
            f"{abs(each.found - each.expected):.1e}",
            f"{each.allowed:.1e}",
            "" if each.holds else "differs",
        )
        for each in certificate.comparisons
    ]
    return table(columns, rows, columns[1:5])


def _verdict(certificate: Certificate) -> str:
    if certificate.holds:
        return f"The gradient agrees with {certificate.method}."
    return f"The gradient does not agree with {certificate.method}."
