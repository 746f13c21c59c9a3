"""The order finders of cotengra for tensorbp."""

from collections.abc import Callable
from typing import Any

import tensorbp as tb
from tensorbp_cotengra.finders import FINDERS as FINDERS
from tensorbp_cotengra.finders import CotengraFinder as CotengraFinder


@tb.hookimpl
def tensorbp_register_path_finders(register: Callable[[str, Any], None]) -> None:
    """Register the finders, each by its name."""
    for name, finder in FINDERS.items():
        register(name, finder)
