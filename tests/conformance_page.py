"""Writes ``docs/reference/conformance.md``: ``python tests/conformance_page.py``.

Every check is run: the laws on every example of every built-in layer, and the comparisons with
PyTorch in ``tests/test_torch_*.py``, of which those that agree are counted.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import wraps
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "conformance.md"
HOW_TO_WRITE = "python tests/conformance_page.py"
PYTORCH = "PyTorch"


def page(surveys: list[Any], compared: Mapping[str, int]) -> str:
    """Return the page.

    Args:
        surveys: which laws each layer obeys.
        compared: how many times a layer was compared with PyTorch.
    """
    from tensorbp.testing import LAWS
    from tensorbp.testing.conformance import law_name
    from tensorbp.testing.survey import survey_table

    laws = "\n".join(
        f"| {law_name(law)} | {(law.__doc__ or '').partition(chr(10))[0]} |" for law in LAWS
    )
    counts = {name: f"{count} ×" for name, count in compared.items()}
    examples = sum(each.examples for each in surveys)
    return f"""# Conformance

Every built-in layer against every law: {len(surveys)} layers, {examples} examples,
{len(LAWS)} laws. The tests run all of it. This page is written by a program that runs it too:

```sh
{HOW_TO_WRITE}
```

| law | what must hold |
| --- | --- |
{laws}

*Compared with* says what declared derivatives are held against: complex steps, exact to rounding
(allowed 1e-10), or for layers that are not analytic central differences (allowed 1e-6). *{PYTORCH}*
says how many times value, gradient and, where it is small, Hessian were compared with those of
PyTorch (allowed 1e-9), or with the closed form written in PyTorch where it has no such layer.
[How to certify a layer of your own](../how-to/write-a-plugin.md).

{survey_table(surveys, {PYTORCH: counts})}
"""


def compared_with_torch() -> Counter[str]:
    """Run the comparisons with PyTorch and count, for each layer, those that agree."""
    import torch_oracle

    counts: Counter[str] = Counter()
    compare = torch_oracle.assert_equals_torch

    @wraps(compare)
    def counting(layer: Any, *args: Any, **kwargs: Any) -> None:
        compare(layer, *args, **kwargs)
        counts[layer.name] += 1

    torch_oracle.assert_equals_torch = counting
    modules = sorted(str(path) for path in Path(__file__).parent.glob("test_torch_*.py"))
    if pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *modules]):
        raise SystemExit("a comparison with PyTorch fails; the page is not written")
    return counts


def surveyed(name: str) -> Any:
    """Return what checking a built-in layer finds."""
    from tensorbp.registry import build_registry
    from tensorbp.testing.survey import survey

    return survey(build_registry(entry_points=False).layer(name))


def main() -> None:
    """Write the page, and say what is broken."""
    from tensorbp.registry import build_registry

    compared = compared_with_torch()
    names = list(build_registry(entry_points=False).layers)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        surveys = list(pool.map(surveyed, names))
    broken = [failure for each in surveys for failure in each.failures.values()]
    PAGE.write_text(page(surveys, compared), encoding="utf-8")
    print(*broken, f"wrote {PAGE.relative_to(ROOT)}", sep="\n")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
