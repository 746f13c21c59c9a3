"""Feature layers: behaviour at the edges, structure, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layer_values import applied, evaluate

import tensorbp as tb
from tensorbp.errors import LayerError
from tensorbp.expression.layer import Parameter
from tensorbp.layers.bilinear import Bilinear, TensorProduct
from tensorbp.layers.fourier_features import FourierFeatures
from tensorbp.layers.gates import GatedLinear, Glu, Highway, Prelu, SqueezeExcite, Swiglu
from tensorbp.layers.graph_convolution import GraphConvolution
from tensorbp.layers.pooling.sets import SetPool
from tensorbp.layers.radial_basis import RadialBasis, SquaredDistance
from tensorbp.testing import Case

RANDOM = np.random.default_rng(0)


def test_functions_are_their_layers() -> None:
    x, y, centers = tb.variable("x", 3, 4), tb.variable("y", 3, 5), tb.variable("c", 2, 4)
    assert tb.tensor_product(x, y) is TensorProduct()(x, y)
    assert tb.tensor_product(x, y, flatten=True).shape == (3, 20)
    assert tb.squared_distance(x, centers) is SquaredDistance()(x, centers)
    assert tb.glu(x, 1) is Glu(1)(x)
    sets, mask = tb.variable("s", 3, 4, 2), tb.variable("mask", 3, 4)
    assert tb.set_pool(sets, "max") is SetPool("max")(sets)
    assert tb.set_pool(sets, "mean", mask) is SetPool("mean", mask=True)(sets, mask)


def test_the_jacobian_of_a_tensor_product_is_the_other_factor() -> None:
    x, y = tb.variable("x", 3, 4), tb.variable("y", 3, 5)
    assert tb.jacobian(tb.tensor_product(x, y), x).size == 3 * 5


def test_an_operand_too_many_is_numbered() -> None:
    assert TensorProduct().input_names(4) == ["x", "y", "y3", "y4"]


def test_distances_close_to_a_centre_keep_their_digits() -> None:
    x, centers = tb.variable("x", 1, 2), tb.variable("c", 1, 2)
    center = np.array([[1e8, -1e8]])
    y = evaluate(tb.squared_distance(x, centers), x=center + 0.5, c=center)
    assert y == 0.5


def test_the_jacobian_of_distances_keeps_the_samples_apart() -> None:
    x, centers = tb.variable("x", 64, 4), tb.variable("c", 5, 4)
    assert tb.jacobian(tb.squared_distance(x, centers), x).size <= 64 * 4 * 5


@pytest.mark.parametrize("self_loops", [False, True])
@pytest.mark.parametrize("normalization", ["symmetric", "row"])
def test_a_node_without_neighbours(normalization: Any, self_loops: bool) -> None:
    layer = GraphConvolution(2, normalization, self_loops, bias=False)
    case = Case(layer, ((3, 4), (3, 3)))
    adjacency = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    slope = tb.gradient(tb.sum(case.output), case.operands["adjacency"])
    with np.errstate(all="raise"):
        y, by_adjacency = tb.compile([case.output, slope])(case.arrays | {"adjacency": adjacency})
    alone = case.arrays["x"][2] @ case.arrays["W"] if self_loops else np.zeros(2)
    np.testing.assert_allclose(y[2], alone, atol=1e-15)
    assert np.isfinite(by_adjacency).all()


def test_self_loops_are_not_written_out() -> None:
    x, A, W = tb.variable("x", 30, 4), tb.variable("A", 30, 30), tb.variable("W", 4, 2)
    with_loops = GraphConvolution(2, "none", bias=False)(x, A, W=W)
    without = GraphConvolution(2, "none", self_loops=False, bias=False)(x, A, W=W)
    own = tb.plan([with_loops]).flops - tb.plan([without]).flops
    assert own <= 30 * 4 * 2 * 2 + 30 * 2


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_a_set_of_which_nothing_takes_part_gives_0(mode: Any) -> None:
    x, mask = tb.variable("x", 2, 3, 4), tb.variable("mask", 2, 3)
    y = tb.set_pool(x, mode, mask)
    program = tb.compile([y, tb.gradient(tb.sum(y), x)])
    with np.errstate(all="raise"):
        value, slope = program(
            x=RANDOM.normal(size=(2, 3, 4)), mask=np.array([[0.0, 0, 0], [0, 1, 0]])
        )
    np.testing.assert_array_equal(value[0], 0)
    np.testing.assert_array_equal(slope[0], 0)
    np.testing.assert_array_equal(slope[1], np.eye(3)[1][:, None] * np.ones(4))


def test_truth_values_are_a_mask() -> None:
    x, mask = tb.variable("x", 2, 3), tb.variable("mask", 2, 3)
    X, M = RANDOM.normal(size=(2, 3)), np.array([[True, False, True], [False, True, True]])
    y = evaluate(tb.set_pool(x, "max", mask), x=X, mask=M)
    np.testing.assert_array_equal(y, np.where(M, X, -np.inf).max(axis=1))


def test_the_maximum_of_negative_numbers_does_not_see_what_is_masked() -> None:
    x, mask = tb.variable("x", 1, 3), tb.variable("mask", 1, 3)
    y = evaluate(
        tb.set_pool(x, "max", mask), x=np.array([[-5.0, -1.0, -7.0]]), mask=np.array([[1.0, 0, 1]])
    )
    assert y == -5


def test_the_kernel_of_fourier_features_is_one_at_distance_0() -> None:
    case = Case(FourierFeatures(5), ((3, 4),))
    (y,) = case.values([case.output])
    assert y.shape == (3, 10)
    np.testing.assert_allclose((y * y).sum(axis=-1) / 5, 1)


def test_highway_carries_what_its_gate_does_not_let_through() -> None:
    case = Case(Highway(transform_bias=-100), ((3, 4),))
    (y,) = case.values([case.output])
    np.testing.assert_allclose(y, case.arrays["x"], atol=1e-15)


def test_parameters_of_gates() -> None:
    weights, bias = Parameter((4, 5)), Parameter((5,), "zeros")
    expected = {"W": weights, "V": weights, "b": bias, "c": bias}
    assert GatedLinear(5).parameters((3, 4)) == expected
    assert Swiglu(5, bias=False).parameters((3, 4)) == {"W": weights, "V": weights}
    assert SqueezeExcite(2).parameters((3, 6, 5))["W"] == Parameter((6, 3), "he_normal")
    assert Prelu().parameters((3, 4)) == {"slope": Parameter((1,), "zeros")}
    assert Prelu(channelwise=True).parameters((3, 4, 5)) == {"slope": Parameter((4,), "zeros")}


def test_prelu_takes_the_largest_numbers() -> None:
    case = Case(Prelu(), ((1, 2),))
    with np.errstate(all="raise"):
        y = tb.compile([case.output])(x=np.array([[1e308, -1e308]]), slope=np.array([0.25]))[0]
    np.testing.assert_array_equal(y, [[1e308, -0.25e308]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Bilinear(0),
            "layer 'bilinear': units must be a whole number from 1, found 0",
        ),
        (
            lambda: applied(Bilinear(5), (2, 3), (4, 3)),
            "layer 'bilinear': the inputs must have the same axes before the last, found shapes "
            "(2, 3), (4, 3)",
        ),
        (
            lambda: applied(Bilinear(5), (2, 3), ()),
            "layer 'bilinear': x2 needs an axis of features, found a number of shape ()",
        ),
        (
            lambda: applied(TensorProduct(), (2, 3), (2, 4), (2, 1, 5)),
            "layer 'tensor_product': the inputs must have the same axes before the last, found "
            "shapes (2, 3), (2, 4), (2, 1, 5)",
        ),
        (
            lambda: applied(TensorProduct(), (2, 3), (2, 4), ()),
            "layer 'tensor_product': y3 needs an axis of features, found a number of shape ()",
        ),
        (
            lambda: TensorProduct(flatten=1),  # type: ignore[arg-type]
            "layer 'tensor_product': flatten must be true or false, found 1",
        ),
        (
            lambda: applied(Swiglu(5), ()),
            "layer 'swiglu': x needs an axis of features, found a number of shape ()",
        ),
        (
            lambda: applied(Glu(), (2, 5)),
            "layer 'glu': axis -1 is halved, so its size must be even; found x of shape (2, 5)",
        ),
        (
            lambda: applied(Glu(2), (2, 4)),
            "layer 'glu': axis 2 is out of range for 2 dimensions: it must be from -2 to 1",
        ),
        (
            lambda: FourierFeatures(5, "wide"),  # type: ignore[arg-type]
            "layer 'fourier_features': scale must be a finite number, found 'wide'",
        ),
        (
            lambda: applied(FourierFeatures(5), ()),
            "layer 'fourier_features': x needs an axis of features, found a number of shape ()",
        ),
        (
            lambda: Highway("relo"),  # type: ignore[arg-type]
            "layer 'highway': activation must be one of relu, gelu, silu, tanh, found 'relo'; did "
            "you mean 'relu'?",
        ),
        (
            lambda: applied(SqueezeExcite(4), (2, 6, 3)),
            "layer 'squeeze_excite': reduction must divide the number of channels, 6, found 4",
        ),
        (
            lambda: applied(SqueezeExcite(1), (6,)),
            "layer 'squeeze_excite': x needs a batch axis and an axis of channels, found shape "
            "(6,)",
        ),
        (
            lambda: applied(Prelu(channelwise=True), (3,)),
            "layer 'prelu': with channelwise x needs a batch axis and an axis of channels, found "
            "shape (3,)",
        ),
        (
            lambda: applied(SquaredDistance(), (3, 4), (5, 3)),
            "layer 'squared_distance': centers must have a row for each centre, with as many "
            "numbers as the last axis of x has, found shapes (3, 4) and (5, 3)",
        ),
        (
            lambda: RadialBasis(5, 0),
            "layer 'radial_basis': gamma must be above 0, found 0",
        ),
        (
            lambda: applied(RadialBasis(5), ()),
            "layer 'radial_basis': x needs an axis of features, found a number of shape ()",
        ),
        (
            lambda: GraphConvolution(5, "rows"),  # type: ignore[arg-type]
            "layer 'graph_convolution': normalization must be one of none, symmetric, row, found "
            "'rows'; did you mean 'row'?",
        ),
        (
            lambda: applied(GraphConvolution(5), (2, 3, 4), (2, 2)),
            "layer 'graph_convolution': x must have nodes and features as its last axes, and "
            "adjacency a row and a column for each node, found shapes (2, 3, 4) and (2, 2)",
        ),
        (
            lambda: SetPool("maximum"),  # type: ignore[arg-type]
            "layer 'set_pool': mode must be one of sum, mean, max, found 'maximum'; did you "
            "mean 'max'?",
        ),
        (
            lambda: applied(SetPool("mean"), (3, 0, 2)),
            "layer 'set_pool': x needs a batch axis and an axis of elements, at least one for "
            "mean; found shape (3, 0, 2)",
        ),
        (
            lambda: applied(SetPool(mask=True), (3, 4, 2), (3, 2)),
            "layer 'set_pool': mask must have one number for each element of x, shape (3, 4), "
            "found (3, 2)",
        ),
        (
            lambda: SetPool("max")(tb.variable("x", 3, 4), tb.variable("mask", 3, 4)),
            "layer 'set_pool' takes 1 input (x), got 2",
        ),
    ],
)
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        make()
    assert str(caught.value) == message
