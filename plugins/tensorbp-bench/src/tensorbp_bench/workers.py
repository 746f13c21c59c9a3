"""Measuring in processes of their own, which are asked questions one at a time.

Array libraries in one process disturb each other's threads, and what one benchmark has remembered
makes the next one faster. A worker reads questions from standard input, a line of JSON each, and
answers each with a line; whatever libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tensorbp.errors import TensorbpError

__all__ = ["Handler", "Worker", "WorkerError"]

Handler = Callable[[Any], Any]
"""Answers one question; both are what JSON can write."""


class WorkerError(TensorbpError):
    """A measurement that failed in its process."""


class Worker:
    """A process that answers questions; a context manager that ends it."""

    def __init__(self, target: str, environment: Mapping[str, str | None] | None = None) -> None:
        """Start the process.

        Args:
            target: ``"module:function"``; the function returns the handler of the questions.
            environment: variables to set, or with None to unset.
        """
        variables = dict(os.environ)
        for name, value in (environment or {}).items():
            variables.pop(name, None)
            if value is not None:
                variables[name] = value
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tensorbp_bench.workers", target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=variables,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def ask(self, question: Any) -> Any:
        """Return the answer to a question.

        Raises:
            WorkerError: the handler raised something, or the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            raise WorkerError(f"the process of a measurement ended with code {code}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["answer"]


def _serve(target: str) -> None:
    """Answer questions until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, attribute = target.partition(":")
    handler: Handler = getattr(import_module(module), attribute)()
    for line in sys.stdin:
        try:
            answer = {"answer": handler(json.loads(line))}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
