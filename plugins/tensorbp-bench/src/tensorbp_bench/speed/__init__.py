"""``tensorbp bench speed``: programs of tensorbp beside those of other libraries."""

from tensorbp_bench.speed.comparison import compared as compared
from tensorbp_bench.speed.peers import PEERS as PEERS
from tensorbp_bench.speed.peers import missing as missing
from tensorbp_bench.speed.results import speed_tables as speed_tables
from tensorbp_bench.speed.tasks import TASKS as TASKS
