"""``tensorbp run``: the numbers are those of the library, and files are read with suspicion."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import DIGITS, KINKED, SMALL, WITHOUT_PARAMETERS, complaint, invoke

import tensorbp as tb
from tensorbp.cli import memory
from tensorbp.cli.random_inputs import random_inputs
from tensorbp.planning.memory import machine
from tensorbp.registry import default_registry


@pytest.fixture
def data(tmp_path: Path) -> str:
    random = np.random.default_rng(5)
    path = tmp_path / "data.npz"
    np.savez(path, x=random.normal(size=(6, 3)), label=random.integers(2, size=6))
    return str(path)


def run(*arguments: str, stdin: str | None = None) -> Any:
    outcome = invoke("run", *arguments, "--json", stdin=stdin)
    assert (outcome.code, outcome.err) == (0, ""), outcome.err
    return json.loads(outcome.out)


def expected(small: str, data: str, seed: int = 0) -> tuple[float, tb.Parameters]:
    model = tb.load(small)
    return model.value_and_gradient(model.initialize(seed), **np.load(data))


def test_the_value_and_the_gradient_are_those_of_the_model(
    small: str, data: str, tmp_path: Path
) -> None:
    output = str(tmp_path / "out.npz")
    document = run(small, "--data", data, "-o", output)
    value, gradient = expected(small, data)
    assert document["schema"] == "tensorbp/run/1"
    assert document["dims"]["batch"] == 6
    assert document["value"] == pytest.approx(value, rel=1e-14)
    assert document["gradient_norm"] == pytest.approx(gradient.norm(), rel=1e-13)
    assert document["gradient_size"] == 32
    assert document["seconds"] > 0
    with np.load(output) as written:
        assert set(written) == {"loss", *(f"gradient/{name}" for name in gradient)}
        assert written["loss"] == pytest.approx(value)
        for name in gradient:
            np.testing.assert_allclose(written[f"gradient/{name}"], gradient[name], rtol=1e-13)


def test_a_value_alone_is_that_of_the_model(small: str, data: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out.npz")
    document = run(small, "--data", data, "--of", "value", "-o", output)
    model = tb.load(small)
    logits = model.predict(model.initialize(0), x=np.load(data)["x"])
    assert (document["at"], document["shape"], document["value"]) == ("logits", [6, 2], None)
    assert document["norm"] == pytest.approx(np.linalg.norm(logits), rel=1e-14)
    with np.load(output) as saved:
        assert saved.files == ["logits"]
        np.testing.assert_allclose(saved["logits"], logits, rtol=1e-14)
    losses = run(small, "--data", data, "--of", "value", "--at", "loss")
    assert losses["shape"] == [6]
    text = invoke("run", small, "--data", data, "--of", "value").out
    assert "logits     6 × 2, norm " in text


def test_a_value_that_is_one_number_is_shown() -> None:
    text = "tensorbp: 1\ninputs: {x: [3]}\nlayers: [{name: total, type: sum, axis: 0}]"
    document = run("-", "--of", "value", stdin=text)
    assert document["shape"] == []
    assert abs(document["value"]) == pytest.approx(document["norm"])


def test_the_result_is_shown(small: str) -> None:
    outcome = invoke("run", small, "--dim", "batch=9")
    assert (outcome.code, outcome.err) == (0, "")
    names = [line.split()[0] for line in outcome.out.splitlines()]
    assert names == ["model", "computed", "loss", "gradient", "planning", "computing"]
    assert "batch=9" in outcome.out


def test_seeds_make_the_same_numbers_again(small: str) -> None:
    first, again, other = (run(small, "--seed", seed)["value"] for seed in "113")
    assert first == again != other


def test_parameters_from_a_file(small: str, data: str, tmp_path: Path) -> None:
    path = str(tmp_path / "theta.npz")
    tb.load(small).initialize(7).save(path)
    document = run(small, "--data", data, "--parameters", path)
    assert document["value"] == pytest.approx(expected(small, data, seed=7)[0], rel=1e-14)
    single = run(small, "--data", data, "--parameters", path, "--dtype", "float32")
    assert single["value"] == pytest.approx(document["value"], rel=1e-5)


def test_a_jacobian_is_written_block_by_block(small: str, data: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out.npz")
    document = run(small, "--data", data, "--of", "jacobian", "--at", "loss", "-o", output)
    assert (document["at"], document["dense_numbers"]) == ("loss", 6 * 32)
    assert document["numbers"] < 6 * 32 + 1
    gradient = expected(small, data)[1]
    with np.load(output) as written:
        assert set(written) == {f"jacobian/{name}" for name in gradient}
        for name in gradient:
            mean = written[f"jacobian/{name}"].mean(axis=0)
            np.testing.assert_allclose(mean, gradient[name], atol=1e-14)
    held = run(small, "--of", "jacobian", "--at", "tanh1", "--wrt", "dense.b")
    assert (held["numbers"], held["dense_numbers"]) == (20, 100)


def test_a_hessian_is_symmetric(small: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out.npz")
    arguments = (small, "--of", "hessian", "--wrt", "dense.b", "--wrt", "logits.W", "-o", output)
    document = run(*arguments)
    assert document["dense_numbers"] == 15 * 15
    with np.load(output) as written:
        assert written["hessian/dense.b/logits.W"].shape == (5, 5, 2)
        np.testing.assert_allclose(
            written["hessian/dense.b/logits.W"],
            written["hessian/logits.W/dense.b"].transpose(2, 0, 1),
            atol=1e-14,
        )
        blocks = dict(written)
    assert invoke("run", *arguments, "--order", "forward").code == 0
    with np.load(output) as written:
        for name in written:
            np.testing.assert_allclose(written[name], blocks[name], atol=1e-14)


def test_with_respect_to_an_input_no_parameters_are_needed(tmp_path: Path) -> None:
    output = str(tmp_path / "out.npz")
    arguments = ("-", "--of", "jacobian", "--wrt", "x", "-o", output)
    document = run(*arguments, stdin=WITHOUT_PARAMETERS)
    assert (document["numbers"], document["dense_numbers"]) == (6, 36)
    with np.load(output) as written:
        assert written["jacobian/x"].shape == (3, 2, 3, 2)


@pytest.mark.parametrize("classes", [1, 2, 9])
def test_random_labels_are_in_range(classes: int) -> None:
    model = tb.load(io.StringIO(SMALL), dims={"classes": classes, "batch": 500})
    drawn = random_inputs(model, default_registry(), seed=0)
    assert sorted(set(drawn["label"].tolist())) == list(range(classes))
    assert drawn["x"].shape == (500, 3)


def test_random_labels_are_those_of_the_argument_that_counts_classes() -> None:
    text = """
tensorbp: 1
inputs: {label: {shape: [400], kind: integer}}
layers: [{type: one_hot, classes: 7}]
"""
    drawn = random_inputs(tb.load(io.StringIO(text)), default_registry(), seed=0)
    assert set(drawn["label"].tolist()) == set(range(7))


def test_random_numbers_are_where_the_layers_that_read_them_are_smooth() -> None:
    text = """
tensorbp: 1
inputs: {x: [100], y: [100]}
layers: [{name: a, type: log, inputs: x}, {type: add, inputs: [a, y]}]
"""
    drawn = random_inputs(tb.load(io.StringIO(text)), default_registry(), seed=0)
    assert drawn["x"].min() >= 0.5
    assert drawn["y"].min() < 0


def test_arrays_of_any_numbers_are_taken(small: str, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, x=np.ones((2, 3), np.uint8), label=np.zeros(2, np.int8))
    assert run(small, "--data", str(path))["dims"]["batch"] == 2
    np.savez(path, x=np.ones((2, 3), np.float32), label=np.zeros(2, bool).astype(int))
    double = run(small, "--data", str(path))["value"]
    np.savez(path, x=np.ones((2, 3)), label=np.zeros(2, int))
    single = run(small, "--data", str(path), "--dtype", "float32")["value"]
    assert single == pytest.approx(double, rel=1e-5)


def header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    stream = io.BytesIO()
    described = {"shape": shape, "fortran_order": False, "descr": descr}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


def archive(path: Path, **members: bytes) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(f"{name}.npy", content)
    return str(path)


def test_files_of_data_are_read_with_suspicion(small: str, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    absent = str(tmp_path / "absent.npz")
    assert complaint("run", small, "--data", absent) == (
        f"error: cannot read '{absent}': No such file or directory\n"
    )
    path.write_text("x,y\n1,2\n")
    assert complaint("run", small, "--data", str(path)) == (
        f"error: '{path}' is no .npz archive: File is not a zip file\n"
    )
    np.savez(path, x=np.ones((6, 3)), lable=np.zeros(6, int))
    assert complaint("run", small, "--data", str(path)) == (
        f"error: '{path}': the model has no input 'lable'; did you mean 'label'?\n"
    )
    np.savez(path, x=np.array([[object()]]))
    assert complaint("run", small, "--data", str(path)) == (
        f"error: '{path}': array 'x' has dtype object, expected real numbers or integers\n"
    )
    archive(path, x=header((10**9, 10**9)) + bytes(100))
    assert complaint("run", small, "--data", str(path)) == (
        f"error: '{path}': array 'x' promises 8000000000000000000 bytes of numbers, but has 100\n"
    )
    archive(path, x=b"\x93NUMPY\x01\x00nonsense")
    assert complaint("run", small, "--data", str(path)).startswith(f"error: '{path}' is damaged: ")
    archive(path, x=b"")
    assert complaint("run", small, "--data", str(path)).startswith(f"error: '{path}' is damaged: ")


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.npz"
    archive(path, x=header((2**17, 3)) + bytes(2**17 * 24))
    monkeypatch.setattr("tensorbp.cli.input_file.memory_bytes", lambda: 2**20)
    assert complaint("run", small, "--data", str(path)) == (
        f"error: '{path}': it holds 3 MiB of arrays, this machine has 1 MiB\n"
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((6, 4)), "label": np.zeros(6, int)}, "parameters"),
        ({"x": np.ones((6, 3)), "label": np.zeros(5, int)}, "dimension 'batch' is"),
        ({"x": np.ones(6), "label": np.zeros(6, int)}, "input 'x' has shape (6,), expected"),
        ({"x": np.ones((6, 3))}, "the program needs its input 'label' of shape (6,)"),
        ({"x": np.ones((6, 3)), "label": np.ones(6)}, "input 'label' holds integers, found dtype"),
        ({"x": np.ones((6, 3)), "label": np.full(6, 2)}, "labels must be from 0 to 1"),
    ],
)
def test_arrays_that_do_not_fit(
    small: str, tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    theta = str(tmp_path / "theta.npz")
    tb.load(small).initialize().save(theta)
    error = complaint("run", small, "--data", str(path), "--parameters", theta)
    if message == "parameters":
        assert error == (
            f"error: '{theta}' does not fit the model: 'dense.W' has shape (4, 5) on the left, "
            "(3, 5) on the right (left: the model, right: the file)\n"
        )
    else:
        assert message in error


def test_parameters_that_do_not_fit(small: str, tmp_path: Path) -> None:
    path = tmp_path / "theta.npz"
    absent = str(tmp_path / "absent.npz")
    assert complaint("run", small, "--parameters", absent) == (
        f"error: cannot read '{absent}': No such file or directory\n"
    )
    np.savez(path, a=np.ones(3))
    assert complaint("run", small, "--parameters", str(path)) == (
        f"error: '{path}' does not fit the model: 'dense.W' is only on the left "
        "(left: the model, right: the file)\n"
    )
    path.write_bytes(b"PK")
    assert "is no readable .npz archive" in complaint("run", small, "--parameters", str(path))


def test_nothing_is_allocated_of_what_does_not_fit_into_memory(
    small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "memory_bytes", lambda: 1000)
    outcome = invoke("run", small)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("error: the memory limit of 800 B cannot be kept: the least ")


def test_a_limit_is_kept_with_the_same_numbers(small: str, tmp_path: Path) -> None:
    options = ("--dim", "batch=500")
    whole = run(small, *options)
    planned = json.loads(invoke("plan", small, *options, "--json").out)
    limit = str(planned["peak_bytes"] * 3 // 4)
    limited = json.loads(invoke("plan", small, *options, "--memory-limit", limit, "--json").out)
    assert limited["peak_bytes"] <= int(limit) < planned["peak_bytes"]
    shown = invoke("plan", small, *options, "--memory-limit", limit).out
    assert f"The memory limit is kept by {', '.join(limited['kept_by'])}." in shown
    kept = run(small, *options, "--memory-limit", limit)
    assert kept["value"] == pytest.approx(whole["value"], rel=1e-12)
    assert kept["gradient_norm"] == pytest.approx(whole["gradient_norm"], rel=1e-12)


def test_a_plan_from_a_file_is_not_changed_for_a_limit(small: str, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    assert invoke("plan", small, "-o", plan).code == 0
    outcome = invoke("run", small, "--plan", plan, "--memory-limit", "100B")
    assert outcome.code == 1
    assert outcome.err.endswith("more than the memory limit of 100 B; plan again with that limit\n")


@pytest.mark.parametrize("command", ["plan", "run"])
def test_what_is_no_amount_of_memory_is_refused(command: str, small: str) -> None:
    outcome = invoke(command, small, "--memory-limit", "2 hands")
    assert outcome.code == 2
    assert outcome.err.startswith("error: memory limit '2 hands': 'hands' is no unit; known: B, kB")


def test_a_map_that_is_too_large_when_written_out_is_not_written(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "memory_bytes", lambda: 2**20)
    output = tmp_path / "out.npz"
    arguments = ("--of", "jacobian", "--at", "dense", "--wrt", "x", "--dim", "batch=100")
    assert invoke("run", small, *arguments).code == 0
    assert complaint("run", small, *arguments, "-o", str(output)) == (
        "error: the jacobian, written out, needs 1.14 MiB, this machine has 1 MiB; choose smaller "
        "dimensions with --dim, or --dtype float32\n"
    )
    assert not output.exists()


def test_numbers_that_are_not_finite_are_valid_json(small: str, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.full((2, 3), np.nan), label=np.zeros(2, int))
    assert run(small, "--data", str(path))["value"] == "nan"


def test_a_folder_is_no_output(small: str, tmp_path: Path) -> None:
    assert complaint("run", small, "-o", str(tmp_path)) == (
        f"error: cannot write '{tmp_path}': it is a folder\n"
    )


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_libraries_compute_the_same(backend: str, tmp_path: Path) -> None:
    here, there = (str(tmp_path / f"{name}.npz") for name in ("numpy", backend))
    run(DIGITS, "--dtype", "float32", "-o", here)
    document = run(DIGITS, "--dtype", "float32", "--backend", backend, "-o", there)
    assert document["gradient_size"] == 13066
    with np.load(here) as expected, np.load(there) as found:
        assert set(found) == set(expected)
        for name in expected:
            assert found[name].dtype == "float32"
            assert np.allclose(found[name], expected[name], rtol=1e-4, atol=1e-6)
    held = [
        run(DIGITS, "--dtype", "float32", "--of", "jacobian", "--backend", each)["numbers"]
        for each in ("numpy", backend)
    ]
    assert held[0] == held[1]


def test_a_library_that_is_not_known() -> None:
    outcome = invoke("run", DIGITS, "--backend", "troch")
    assert outcome.code == 2
    assert outcome.err == "error: there is no backend 'troch'; did you mean 'torch'?\n"


def test_models_with_kinks_run(tmp_path: Path) -> None:
    assert run("-", stdin=KINKED)["gradient_size"] == 32


def test_random_inputs_are_of_the_type_that_is_asked_for() -> None:
    outcome = invoke("run", DIGITS, "--dtype", "float32", "--json")
    assert outcome.code == 0
    double = json.loads(invoke("run", DIGITS, "--json").out)["value"]
    assert json.loads(outcome.out)["value"] == pytest.approx(double, rel=1e-5)
