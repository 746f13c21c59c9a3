"""What authors of layers test with, and tensorbp tests itself with.

``check_layer(Layer)`` certifies a layer; ``checks(Layer)`` gives the same as named checks, for
pytest to run one by one.
"""

from tensorbp.testing.case import Case as Case
from tensorbp.testing.case import CheckFailure as CheckFailure
from tensorbp.testing.conformance import Check as Check
from tensorbp.testing.conformance import check_layer as check_layer
from tensorbp.testing.conformance import checks as checks
from tensorbp.testing.laws import LAWS as LAWS
from tensorbp.testing.numerical import central_differences as central_differences
from tensorbp.testing.numerical import complex_step as complex_step
