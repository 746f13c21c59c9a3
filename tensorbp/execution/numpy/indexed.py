"""Selections whose places are index arrays: what numpy does with them, into a given array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from tensorbp.expression.selection import Selection

__all__ = ["Places", "mask", "places", "put", "take"]

Array = Any
Places = Callable[..., Array]
"""Returns the places, given the integers of a selection; -1 selects nothing."""


def places(rule: Selection, shape: tuple[int, ...], order: Sequence[int]) -> Places:
    """Return what gives the places of a selection.

    Args:
        rule: the selection.
        shape: the sizes of its free axes.
        order: the free axes in the order in which the places are to have them.
    """

    def arranged(*integers: Array) -> Array:
        return np.asarray(rule.places(np, *integers)).reshape(shape).transpose(order)

    if rule.inputs:
        return arranged
    known = arranged()
    return lambda: known


def take(places: Places, common: int) -> Callable[..., None]:
    """Return what fills an array with what places name along one axis of a tensor.

    Args:
        places: the places; their first axes are the first ones of the tensor.
        common: how many these are; the axis that is taken from comes after them.
    """

    def fill(result: Array, tensor: Array, *integers: Array) -> None:
        place = places(*integers)
        size = tensor.shape[common]
        if not size:
            result[...] = 0
            return
        if common:
            grids = np.ogrid[tuple([slice(n) for n in place.shape])][:common]
            result[...] = tensor[(*grids, place)]
        else:
            np.take(tensor, place, axis=0, out=result, mode="wrap")
        is_missing = place < 0
        if is_missing.any():
            result[is_missing] = 0
        if place.size and place.max() >= size:
            raise IndexError(f"index {place.max()} is out of range for an axis of size {size}")

    return fill


def mask(places: Places) -> Callable[..., None]:
    """Return what fills an array with a tensor, and zeros where places select nothing."""

    def fill(result: Array, tensor: Array, *integers: Array) -> None:
        result[...] = 0
        np.copyto(result, tensor, where=places(*integers) >= 0)

    return fill


def put(places: Places, rank: int, kept: int, size: int) -> Callable[..., None]:
    """Return what fills an array with sums of the rows of a tensor that belong to each place.

    Args:
        places: the places; the axes that are kept come before those that are summed over.
        rank: how many axes they have.
        kept: the size of all axes that are kept.
        size: the size of the axis of places.
    """

    def fill(result: Array, tensor: Array, *integers: Array) -> None:
        place = places(*integers)
        # the places of all kept axes, one after the other, are the places of one long axis
        begins = size * np.arange(kept)[:, None]
        place = place.reshape(kept, -1) if kept else place.reshape(0, 0)
        flat = place + begins
        is_missing = place < 0
        if is_missing.any():
            flat[is_missing] = -1
        flat = flat.ravel()
        width = prod(tensor.shape[rank:])
        rows = tensor.reshape(flat.size, width)
        if width == 1 and flat.size <= kept * size and result.flags.c_contiguous:
            # few numbers come together in a place: their own precision does
            result[...] = 0
            there = flat >= 0 if is_missing.any() else slice(None)
            np.add.at(result.reshape(-1), flat[there], rows[there, 0])
            return
        if width == 1 and tensor.dtype.kind == "f":
            # one place more takes what is lost
            sums = np.bincount(flat + 1, rows[:, 0], kept * size + 1)
            result[...] = sums[1:].reshape(result.shape)
            return
        columns = np.flatnonzero(flat >= 0)
        ones = np.ones(columns.size, tensor.dtype)
        matrix = csr_array((ones, (flat[columns], columns)), shape=(kept * size, flat.size))
        result[...] = np.asarray(matrix @ rows, tensor.dtype).reshape(result.shape)

    return fill
