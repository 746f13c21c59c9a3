"""What a plain scalar of a model file means: the core schema of YAML 1.2, in decimal only.

YAML 1.1 reads ``no`` as false, ``1:30`` as ninety and ``010`` as eight. Here they are the texts
``no`` and ``1:30`` and the number ten.
"""

from __future__ import annotations

import re

Scalar = None | bool | int | float | str

LARGEST_INTEGER = 2**63 - 1

_NOTHING = ("", "~", "null", "Null", "NULL")
_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MOST_DIGITS = 40

__all__ = ["LARGEST_INTEGER", "Scalar", "resolve"]


def resolve(text: str) -> Scalar:
    """Return the value of a scalar that is written without quotes.

    >>> [resolve(text) for text in ("no", "1e3", "010", "null", "2*hidden")]
    ['no', 1000.0, 10, None, '2*hidden']

    Raises:
        OverflowError: it is an integer that no size or argument could need.
    """
    if text in _NOTHING:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INTEGER.fullmatch(text):
        # Python refuses to read very long integers, and takes long for those that it reads.
        number = int(text) if len(text) <= _MOST_DIGITS else LARGEST_INTEGER + 1
        if abs(number) > LARGEST_INTEGER:
            raise OverflowError(f"the largest integer is {LARGEST_INTEGER}")
        return number
    if _NUMBER.fullmatch(text):
        return float(text)
    return text
