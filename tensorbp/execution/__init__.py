"""Execution: from a plan to a program on an array library."""

from tensorbp.execution.backends import Backend as Backend
from tensorbp.execution.program import Program as Program
from tensorbp.execution.program import compile as compile
from tensorbp.execution.structured_map import StructuredMap as StructuredMap
