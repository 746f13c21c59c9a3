"""What a program takes, for libraries in which numbers of one type are not converted silently."""

from __future__ import annotations

from typing import Any

from tensorbp.errors import CompileError

__all__ = ["check_dtype", "from_numpy"]


def check_dtype(name: str, found: str, dtype: str, kind: str, conversion: str) -> None:
    """Raise `CompileError` for an array of the wrong type of numbers.

    Args:
        name: of the input.
        found: the type of its numbers.
        dtype: that of the program.
        kind: ``"real"`` or ``"integer"``.
        conversion: how an array is converted to ``{}``.
    """
    if kind == "integer":
        if not found.startswith(("int", "uint")):
            raise CompileError(
                f"input '{name}' holds integers, found dtype {found}; convert it with "
                + conversion.format("int64")
            )
        return
    if found == dtype:
        return
    to = conversion.format(dtype)
    if not found.startswith(("float", "bfloat", "complex")):
        raise CompileError(
            f"input '{name}' holds real numbers, found dtype {found}; convert it with {to}"
        )
    raise CompileError(
        f"input '{name}' has dtype {found}, the program computes in {dtype}, and all its arrays "
        f'must; compile it with dtype="{found}", or convert the array with {to}'
    )


def from_numpy(name: str, value: Any, dtype: str, kind: str) -> Any:
    """Return an array of numpy, a number or a list of them, as numpy holds it.

    What numpy has no type for is rounded from float64 later.

    Raises:
        CompileError: it holds no numbers, or more digits than the dtype keeps.
    """
    from tensorbp.execution.numpy.inputs import as_input

    return as_input(name, value, "float64" if dtype in ("float16", "bfloat16") else dtype, kind)
