"""Arrays for the inputs of a model, read from an ``.npz`` file that may come from anywhere.

Nothing is unpickled. What a file promises is compared with what it holds, and with the memory
there is, before anything is allocated: a few kilobytes can promise terabytes.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from math import prod
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tensorbp.cli.failures import CommandError
from tensorbp.errors import suggestion
from tensorbp.planning.memory.machine import memory_bytes
from tensorbp.report.units import byte_count

__all__ = ["read_inputs"]

_SUFFIX = ".npy"


def read_inputs(path: str, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays in a file.

    Args:
        path: an ``.npz`` file, as `numpy.savez` writes it, compressed or not.
        names: the inputs of the model; the file may hold no other arrays.

    Raises:
        CommandError: the file cannot be read, is damaged, or holds something else.
    """
    known = list(names)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_size(sum(each.file_size for each in members))
            return {_name(each, known): _read(archive, each) for each in members}
    except CommandError as error:
        raise CommandError(f"'{path}': {error}") from None
    except zipfile.BadZipFile as error:
        raise CommandError(f"'{path}' is no .npz archive: {error}") from None
    except OSError as error:
        raise CommandError(f"cannot read '{path}': {error.strerror or error}") from None
    except (ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise CommandError(f"'{path}' is damaged: {error}") from None


def _check_size(promised: int) -> None:
    available = memory_bytes()
    if available is not None and promised > available:
        raise CommandError(
            f"it holds {byte_count(promised)} of arrays, this machine has {byte_count(available)}"
        )


def _name(member: zipfile.ZipInfo, known: list[str]) -> str:
    name = member.filename.removesuffix(_SUFFIX)
    if name not in known:
        raise CommandError(f"the model has no input '{name}'{suggestion(name, known)}")
    return name


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as stream:
        shape, dtype = _header(stream)
        promised = prod(shape) * dtype.itemsize
        found = member.file_size - stream.tell()
    where = f"array '{member.filename.removesuffix(_SUFFIX)}'"
    if dtype.kind not in "biuf":
        raise CommandError(f"{where} has dtype {dtype}, expected real numbers or integers")
    if promised != found:
        raise CommandError(f"{where} promises {promised} bytes of numbers, but has {found}")
    with archive.open(member) as stream:
        return np.asarray(npy.read_array(stream, allow_pickle=False))


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype
