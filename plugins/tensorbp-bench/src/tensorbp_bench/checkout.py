"""The sources of tensorbp, where the benchmarks need more than the installed package."""

from __future__ import annotations

from pathlib import Path

import tensorbp
from tensorbp.errors import TensorbpError

__all__ = ["in_checkout"]


def in_checkout(*parts: str) -> Path:
    """Return the path of a file of tensorbp's sources.

    Raises:
        TensorbpError: tensorbp is installed without them.
    """
    path = Path(tensorbp.__file__).parent.parent.joinpath(*parts)
    if not path.exists():
        raise TensorbpError(
            f"'{'/'.join(parts)}' is not beside the installed package; install tensorbp from its "
            "sources with 'pip install -e'"
        )
    return path
