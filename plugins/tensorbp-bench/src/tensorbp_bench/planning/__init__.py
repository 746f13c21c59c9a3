"""``tensorbp bench planning``: how good the plans are, and how long it takes to find them."""

from tensorbp_bench.planning.catalogue import BENCHMARKS as BENCHMARKS
from tensorbp_bench.planning.catalogue import handler as handler
from tensorbp_bench.planning.catalogue import measured as measured
