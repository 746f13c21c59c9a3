"""tensorbp: backpropagation without indices.

Every layer declares its Jacobian as an einsum signature; the Jacobians of a model are one tensor
network; the cheapest contraction order is searched over the whole of it.

The public names are listed in the stub beside this file and loaded when they are first used, so
that looking at a version or a list of plugins loads no array library.
"""

import lazy_loader

from tensorbp import opt_einsum_name

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

opt_einsum_name.register()
