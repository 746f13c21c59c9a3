"""Three layers for tensorbp: logish, snake and l2_normalize."""

from collections.abc import Callable

import tensorbp as tb
from tensorbp_gallery.layers import L2Normalize as L2Normalize
from tensorbp_gallery.layers import Logish as Logish
from tensorbp_gallery.layers import Snake as Snake


@tb.hookimpl
def tensorbp_register_layers(register: Callable[[type[tb.Layer]], None]) -> None:
    """Register the three layers."""
    register(Logish)
    register(Snake)
    register(L2Normalize)
