"""Named arrays in a file: uncompressed ``.npz``, written atomically, read with suspicion.

Before anything is allocated, the sizes that the headers promise are compared with the size of
the file. Compressed archives are refused: a few kilobytes of them can stand for gigabytes.
"""

from __future__ import annotations

import os
import secrets
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tensorbp.errors import ParameterError

_SUFFIX = ".npy"
_ENCRYPTED = 0x1

__all__ = ["load", "save"]


def save(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a file, which takes its name only when it is complete.

    Raises:
        ParameterError: there is something of that name that is no file.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        raise ParameterError(
            f"cannot write parameters to '{target}': it is there and is no file; name a file, such "
            "as theta.npz"
        )
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
                for name, array in arrays.items():
                    # A fixed date makes equal arrays equal files.
                    member = zipfile.ZipInfo(name + _SUFFIX)
                    with archive.open(member, "w", force_zip64=True) as opened:
                        npy.write_array(opened, array, allow_pickle=False)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read arrays of real numbers from a file.

    Raises:
        ParameterError: the file is damaged, or no uncompressed ``.npz`` of real arrays.
    """
    with Path(path).open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                members = archive.infolist()
                _check_members(members, os.fstat(stream.fileno()).st_size)
                return {
                    member.filename.removesuffix(_SUFFIX): _read(archive, member)
                    for member in members
                }
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError) as error:
            raise ParameterError(f"'{path}' is no readable .npz archive: {error}") from None
        except ParameterError as error:
            raise ParameterError(f"'{path}': {error}") from None


def _check_members(members: list[zipfile.ZipInfo], file_size: int) -> None:
    seen: set[str] = set()
    for member in members:
        name = member.filename
        if not name.endswith(_SUFFIX):
            raise ParameterError(f"member '{name}' is no .npy array")
        if name in seen:
            raise ParameterError(f"member '{name}' is there twice")
        seen.add(name)
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & _ENCRYPTED:
            raise ParameterError(
                f"member '{name}' is compressed or encrypted; expected an archive as numpy.savez "
                "writes it"
            )
    promised = sum(member.file_size for member in members)
    if promised > file_size:
        raise ParameterError(f"it promises {promised} bytes of arrays, but has {file_size} bytes")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as stream:
        shape, dtype = _read_header(stream)
        promised, found = prod(shape) * dtype.itemsize, member.file_size - stream.tell()
    where = f"member '{member.filename}'"
    if dtype.kind != "f" or dtype.itemsize > np.dtype(np.float64).itemsize:
        raise ParameterError(f"{where} holds numbers of type {dtype}, expected float32 or float64")
    if any(size < 0 for size in shape):
        raise ParameterError(f"{where} has the impossible shape {shape}")
    if promised != found:
        raise ParameterError(
            f"{where} promises shape {shape} of {dtype}, {promised} bytes, but has {found} bytes"
        )
    with archive.open(member) as stream:
        array = npy.read_array(stream, allow_pickle=False)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype
