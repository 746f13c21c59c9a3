"""Parameters are one vector: its arithmetic, its names, and what may be in its file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.errors import ParameterError, ShapeError
from tensorbp.model.layout import Layout
from tensorbp.model.parameters import Parameters


def example(seed: int = 0, dtype: str = "float64") -> Parameters:
    rng = np.random.default_rng(seed)
    return Parameters.from_arrays(
        {"dense1.W": rng.normal(size=(4, 3)), "dense1.b": rng.normal(size=3), "scale": 2.0},
        dtype=dtype,
    )


def test_names_are_views_of_one_vector() -> None:
    theta = example()
    assert theta.names == ("dense1.W", "dense1.b", "scale") == theta.keys()
    assert theta.shapes == {"dense1.W": (4, 3), "dense1.b": (3,), "scale": ()}
    assert (theta.size, len(theta), list(theta)) == (16, 3, list(theta.names))
    assert theta.flat.flags.c_contiguous
    for name, array in theta.items():
        assert np.shares_memory(array, theta.flat)
        assert array.shape == theta.shapes[name]
    assert [array.shape for array in theta.values()] == list(theta.shapes.values())
    assert "scale" in theta
    assert "scales" not in theta
    assert dict(**theta).keys() == set(theta.names)


def test_parameters_cannot_be_written_to() -> None:
    theta = example()
    for array in (theta.flat, theta["dense1.W"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_the_arrays_given_are_copied() -> None:
    array = np.ones(3)
    theta = Parameters.from_arrays({"a": array})
    flat = Parameters.from_flat(array, {"a": (3,)})
    array[:] = 2.0
    assert theta["a"].tolist() == flat["a"].tolist() == [1.0, 1.0, 1.0]


def test_from_flat_is_the_inverse_of_flat() -> None:
    theta = example()
    assert Parameters.from_flat(theta.flat, theta.shapes) == theta
    assert Parameters.from_flat(range(16), theta.shapes)["dense1.W"].dtype == np.float64
    with pytest.raises(ShapeError) as error:
        Parameters.from_flat(np.zeros(15), theta.shapes)
    assert str(error.value) == (
        "a vector of shape (15,) is given for 3 parameters, expected shape (16,)"
    )


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a / b": lambda a, b: a / b,
    "-a": lambda a, b: -a,
    "2 + a": lambda a, b: 2 + a,
    "2 - a": lambda a, b: 2 - a,
    "2 * a": lambda a, b: 2 * a,
    "2 / a": lambda a, b: 2 / a,
    "a + 2": lambda a, b: a + 2,
    "a - 2": lambda a, b: a - 2,
    "a * 2": lambda a, b: a * 2,
    "a / 2": lambda a, b: a / 2,
    "a ** 2": lambda a, b: a**2,
    "numpy number * a": lambda a, b: np.float64(0.1) * a,
    "a - 0.1 * b": lambda a, b: a - 0.1 * b,
}


@pytest.mark.parametrize("formula", ARITHMETIC.values(), ids=ARITHMETIC)
def test_arithmetic_is_that_of_the_vector(formula: Callable[[Any, Any], Any]) -> None:
    a, b = example(0), example(1)
    result = formula(a, b)
    assert isinstance(result, Parameters)
    assert result.layout is a.layout
    np.testing.assert_array_equal(result.flat, formula(a.flat, b.flat))


def test_numbers_do_not_change_the_type() -> None:
    theta = example(dtype="float32")
    assert (np.float64(0.1) * theta).dtype == np.float32
    assert (theta / np.int64(3)).dtype == np.float32
    assert theta.astype("float64").dtype == np.float64


def test_inner_product_and_norm() -> None:
    a, b = example(0), example(1)
    assert a @ b == pytest.approx(sum(np.vdot(a[name], b[name]) for name in a))
    assert isinstance(a @ b, float)
    assert a.norm() == pytest.approx((a @ a) ** 0.5)


def test_equality_is_of_layout_and_numbers() -> None:
    theta = example()
    assert theta == example()
    assert theta != example(1)
    assert theta != Parameters.from_flat(theta.flat, {"all": (16,)})
    assert theta != 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(theta)


def test_replace() -> None:
    theta = example()
    other = theta.replace({"dense1.b": [1, 2, 3]})
    assert other["dense1.b"].tolist() == [1.0, 2.0, 3.0]
    assert np.array_equal(other["dense1.W"], theta["dense1.W"])
    with pytest.raises(ShapeError) as shape_error:
        theta.replace({"dense1.b": np.zeros(4)})
    assert str(shape_error.value) == (
        "parameter 'dense1.b' has shape (3,), but is replaced by an array of shape (4,)"
    )


def test_unknown_names_get_a_suggestion() -> None:
    theta = example()
    for use in (lambda: theta["dense1.w"], lambda: theta.replace({"dense1.w": 0.0})):
        with pytest.raises(ParameterError) as error:
            use()
        assert str(error.value) == "there is no parameter 'dense1.w'; did you mean 'dense1.W'?"


@pytest.mark.parametrize(
    ("shapes", "difference"),
    [
        ({"a": (2,)}, "'b' is only on the left"),
        ({"a": (2,), "b": (3,), "c": ()}, "'c' is only on the right"),
        ({"a": (2,), "b": (1, 3)}, "'b' has shape (3,) on the left, (1, 3) on the right"),
        ({"b": (3,), "a": (2,)}, "their arrays are in a different order"),
    ],
)
def test_different_layouts_do_not_mix(shapes: dict[str, Any], difference: str) -> None:
    left = Parameters.from_flat(np.zeros(5), {"a": (2,), "b": (3,)})
    layout = Layout(tuple(shapes.items()))
    right = Parameters(np.zeros(layout.size), layout)
    for use in (lambda: left + right, lambda: left @ right):
        with pytest.raises(ShapeError) as error:
            use()
        assert str(error.value) == f"parameters of different layouts meet: {difference}"


def test_only_numbers_and_parameters_combine() -> None:
    theta: Any = example()
    for use, message in {
        lambda: theta + "1": "parameters combine with numbers and other parameters, got str",
        lambda: theta * np.ones(16): (
            "parameters combine with numbers and other parameters, got ndarray"
        ),
        lambda: theta @ 2.0: "parameters combine with other parameters, got float",
    }.items():
        with pytest.raises(TypeError) as error:
            use()
        assert str(error.value) == message


def test_only_real_numbers_are_parameters() -> None:
    with pytest.raises(ParameterError) as error:
        Parameters.from_arrays({"a": np.array([1j])})
    assert str(error.value) == (
        "parameter 'a' holds numbers of type complex128, expected real numbers"
    )


def test_repr_is_a_small_table() -> None:
    assert repr(example()) == (
        "Parameters: 16 numbers of type float64 in 3 arrays\n"
        "  dense1.W  (4, 3)\n"
        "  dense1.b  (3,)\n"
        "  scale     ()"
    )
    many = Parameters.from_arrays({f"a{k}": 0.0 for k in range(25)})
    assert repr(many).splitlines()[-1] == "  ... and 5 more"
    assert len(repr(many).splitlines()) == 22
    assert repr(Parameters.from_arrays({})) == "Parameters: 0 numbers of type float64 in 0 arrays"


@given(
    shapes=st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True),
        st.lists(st.integers(0, 4), max_size=3).map(tuple),
        max_size=5,
    ),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_files_keep_everything(
    shapes: dict[str, tuple[int, ...]], dtype: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("parameters") / "weights.npz"
    rng = np.random.default_rng(0)
    theta = Parameters.from_arrays({k: rng.normal(size=v) for k, v in shapes.items()}, dtype)
    theta.save(path)
    loaded = Parameters.load(path)
    assert loaded == theta
    assert loaded.dtype == theta.dtype or not shapes
    assert [each.name for each in path.parent.iterdir()] == ["weights.npz"]


def test_numpy_reads_and_writes_the_same_files(tmp_path: Path) -> None:
    theta = example()
    theta.save(tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as archive:
        assert {name: archive[name].tolist() for name in archive} == {
            name: array.tolist() for name, array in theta.items()
        }
    np.savez(tmp_path / "theirs.npz", a=np.asfortranarray(np.ones((2, 3))), b=np.ones(2, ">f8"))
    loaded = Parameters.load(tmp_path / "theirs.npz")
    assert loaded == Parameters.from_arrays({"a": np.ones((2, 3)), "b": np.ones(2)})


def test_equal_parameters_make_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        example().save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.npz"
    example().save(path)

    def full_disk(*arguments: Any, **keywords: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("tensorbp.model.storage.npy.write_array", full_disk)
    with pytest.raises(OSError, match="no space left"):
        example(1).save(path)
    assert Parameters.load(path) == example()
    assert [each.name for each in tmp_path.iterdir()] == ["weights.npz"]


def header(shape: str, descr: str = "<f8", body: bytes = b"") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return stream.getvalue()


FAULTY_FILES = {
    "no archive": (b"weights", "is no readable .npz archive: File is not a zip file"),
    "lying header": (
        archive(("a.npy", header("(1000000000, 1000)", body=b"\0" * 8))),
        ": member 'a.npy' promises shape (1000000000, 1000) of float64, 8000000000000 bytes, but "
        "has 8 bytes",
    ),
    "compressed": (
        archive(("a.npy", header("(1000,)", body=b"\0" * 8000)), compression=zipfile.ZIP_DEFLATED),
        ": member 'a.npy' is compressed or encrypted; expected an archive as numpy.savez writes it",
    ),
    "objects": (
        archive(("a.npy", header("(1,)", "|O", b"cos\nsystem\n"))),
        ": member 'a.npy' holds numbers of type object, expected float32 or float64",
    ),
    "integers": (
        archive(("a.npy", header("(1,)", "<i8", b"\0" * 8))),
        ": member 'a.npy' holds numbers of type int64, expected float32 or float64",
    ),
    "another member": (archive(("a.py", b"")), ": member 'a.py' is no .npy array"),
    "no header": (
        archive(("a.npy", b"")),
        "is no readable .npz archive: EOF: reading magic string, expected 8 bytes got 0",
    ),
    "negative size": (
        archive(("a.npy", header("(-1, -1)", body=b"\0" * 8))),
        ": member 'a.npy' has the impossible shape (-1, -1)",
    ),
}


@pytest.mark.parametrize(("content", "message"), FAULTY_FILES.values(), ids=FAULTY_FILES)
def test_faulty_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    with pytest.raises(ParameterError) as error:
        Parameters.load(path)
    assert str(error.value).removeprefix(f"'{path}'").strip() == message


def test_a_member_that_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    member = ("a.npy", header("(1,)", body=b"\0" * 8))
    with pytest.warns(UserWarning, match="Duplicate name"):
        path.write_bytes(archive(member, member))
    with pytest.raises(ParameterError, match=r": member 'a.npy' is there twice$"):
        Parameters.load(path)


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    """An archive whose directory lists one member under many names is small, and large."""
    path = tmp_path / "weights.npz"
    size = 100_000
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("a.npy", header(f"({size},)", body=b"\0" * 8 * size))
        for k in range(10):
            copy = zipfile.ZipInfo(f"b{k}.npy")
            first = opened.infolist()[0]
            copy.file_size, copy.compress_size = first.file_size, first.compress_size
            copy.CRC, copy.header_offset = first.CRC, first.header_offset
            opened.filelist.append(copy)
    with pytest.raises(ParameterError, match=r": it promises \d+ bytes of arrays, but has \d+"):
        Parameters.load(path)


@pytest.mark.parametrize("seed", range(5))
def test_damaged_files_are_refused_or_read(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "weights.npz"
    example().save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(seed)
    for _ in range(100):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(whole) // 2, len(whole) + 1)])
        try:
            Parameters.load(path)
        except ParameterError as error:
            assert str(path) in str(error)


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="it is there and is no file; name a file, such as"):
        example().save(tmp_path)
    assert tmp_path.is_dir()
    assert not list(tmp_path.iterdir())
