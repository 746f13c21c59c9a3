"""``python -m tensorbp.testing [NAME...]``: which laws the installed layers obey."""

from __future__ import annotations

import sys

from tensorbp.errors import TensorbpError
from tensorbp.registry import default_registry
from tensorbp.testing.survey import survey, survey_table

__all__ = ["main"]


def main(names: list[str]) -> int:
    """Write a table of layers and laws, and below it what is broken; 1 if anything is.

    Args:
        names: the layers; all that are installed if there are none.
    """
    registry = default_registry()
    try:
        layers = [registry.layer(name) for name in names] or list(registry.layers.values())
        surveys = [survey(layer) for layer in layers]
    except TensorbpError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(survey_table(surveys, {}))
    failures = [failure for each in surveys for failure in each.failures.values()]
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
