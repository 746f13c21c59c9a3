"""The example models in torch, from which their parameters and multiply-adds are counted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["MODELS", "counted"]


def counted(module: Callable[[], nn.Module], *inputs: torch.Tensor) -> tuple[int, int]:
    """Return how many parameters a module has, and its multiply-adds as torch counts them.

    No number is computed: the arrays are on the device meta, where they have shapes alone.
    """
    with torch.device("meta"):
        built = module()
    with FlopCounterMode(display=False) as counter:
        built(*[each.to("meta") for each in inputs])
    return sum(each.numel() for each in built.parameters()), counter.get_total_flops() // 2


class Skip(nn.Module):
    """The sum of two branches, of which the second may do nothing."""

    def __init__(self, branch: nn.Module, skip: nn.Module | None = None) -> None:
        super().__init__()
        self.branch, self.skip = branch, skip or nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.branch(x) + self.skip(x)


class Apply(nn.Module):
    """A function in which modules may be used."""

    def __init__(
        self, function: Callable[..., torch.Tensor], *used: nn.Module, **own: nn.Parameter
    ) -> None:
        super().__init__()
        self.function, self.used = function, nn.ModuleList(used)
        for name, parameter in own.items():
            self.register_parameter(name, parameter)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs, *self.used, *self._parameters.values())


def lenet5() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(64, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def convolved(inner: int, outer: int, size: int, stride: int = 1, groups: int = 1) -> nn.Module:
    """Return a convolution that keeps the size at stride 1, and the normalisation after it."""
    convolution = nn.Conv2d(inner, outer, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outer))


def resnet(branch: Callable[[int, int, int], nn.Module], wider: int, *depths: int) -> nn.Module:
    layers = [convolved(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inner = 64
    for stage, depth in enumerate(depths):
        width = 64 * 2**stage
        for k in range(depth):
            stride = 2 if stage and not k else 1
            changes = stride > 1 or inner != wider * width
            skip = convolved(inner, wider * width, 1, stride) if changes else None
            layers += [Skip(branch(inner, width, stride), skip), nn.ReLU()]
            inner = wider * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inner, 1000))


def basic(inner: int, width: int, stride: int) -> nn.Module:
    first = convolved(inner, width, 3, stride)
    return nn.Sequential(first, nn.ReLU(), convolved(width, width, 3))


def bottleneck(inner: int, width: int, stride: int) -> nn.Module:
    return nn.Sequential(
        *(convolved(inner, width, 1), nn.ReLU(), convolved(width, width, 3, stride), nn.ReLU()),
        convolved(width, 4 * width, 1),
    )


def mobilenet_v2() -> nn.Module:
    layers = [convolved(3, 32, 3, 2), nn.ReLU6()]
    inner = 32
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]
    for expansion, width, depth, first_stride in [*stages, (6, 160, 3, 2), (6, 320, 1, 1)]:
        for k in range(depth):
            wide, stride = expansion * inner, 1 if k else first_stride
            expand = [convolved(inner, wide, 1), nn.ReLU6()] if expansion > 1 else []
            by_channel = convolved(wide, wide, 3, stride, wide)
            branch = nn.Sequential(*expand, by_channel, nn.ReLU6(), convolved(wide, width, 1))
            layers.append(Skip(branch) if k else branch)
            inner = width
    layers += [convolved(inner, 1280, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(1280, 1000))


def unet() -> nn.Module:
    def double(inner: int, outer: int) -> nn.Module:
        return nn.Sequential(
            *(nn.Conv2d(inner, outer, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(outer, outer, 3, padding=1), nn.ReLU()),
        )

    def below(inner: int, outer: int) -> nn.Module:
        """Return all that is done at a size of space and at the smaller ones."""
        if outer == 1024:
            return double(inner, outer)
        down = nn.Sequential(nn.MaxPool2d(2), below(outer, 2 * outer))
        up = nn.ConvTranspose2d(2 * outer, outer, 2, 2)
        joined = Apply(lambda x, down, up: torch.cat([x, up(down(x))], 1), down, up)
        return nn.Sequential(double(inner, outer), joined, double(2 * outer, outer))

    return nn.Sequential(below(1, 64), nn.Conv2d(64, 2, 1))


def network(features: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, features))


def patches() -> nn.Module:
    return Apply(lambda x, stem: stem(x).flatten(2).mT, nn.Conv2d(3, 768, 16, 16))


def mlp_mixer() -> nn.Module:
    def block() -> nn.Module:
        columns = Apply(lambda x, mix: mix(x.mT).mT, network(196, 384))
        return nn.Sequential(
            Skip(nn.Sequential(nn.LayerNorm(768), columns)),
            Skip(nn.Sequential(nn.LayerNorm(768), network(768, 3072))),
        )

    blocks = nn.Sequential(*[block() for _ in range(12)])
    mean = Apply(lambda x: x.mean(1))
    return nn.Sequential(patches(), blocks, nn.LayerNorm(768), mean, nn.Linear(768, 1000))


def transformer_layers(depth: int) -> nn.Module:
    options = {"activation": "gelu", "batch_first": True, "norm_first": True}
    layers = [nn.TransformerEncoderLayer(768, 12, 3072, **options) for _ in range(depth)]
    return nn.Sequential(*layers, nn.LayerNorm(768))


def vit_b16() -> nn.Module:
    def tokens(x: torch.Tensor, token: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        return torch.cat([token.expand(len(x), 1, 768), x], 1) + position

    own = {"token": torch.zeros(1, 768), "position": torch.zeros(197, 768)}
    joined = Apply(tokens, **{name: nn.Parameter(each) for name, each in own.items()})
    first = Apply(lambda x: x[:, 0])
    return nn.Sequential(patches(), joined, transformer_layers(12), first, nn.Linear(768, 1000))


def gpt2_small() -> nn.Module:
    # what masks later tokens away is multiplied all the same
    embedding, position = nn.Embedding(50257, 768), nn.Parameter(torch.zeros(1024, 768))
    logits = nn.Linear(768, 50257, bias=False)
    logits.weight = embedding.weight
    embedded = Apply(lambda text, table, place: table(text) + place, embedding, place=position)
    return nn.Sequential(embedded, transformer_layers(12), logits)


def lstm_language_model() -> nn.Module:
    cells = [nn.LSTMCell(650, 650) for _ in range(2)]

    def unrolled(x: torch.Tensor, *cells: nn.Module) -> torch.Tensor:
        for cell in cells:
            state, outputs = None, []
            for step in x.unbind(1):
                state = cell(step, state)
                outputs.append(state[0])
            x = torch.stack(outputs, 1)
        return x

    embedding = nn.Embedding(10000, 650)
    return nn.Sequential(embedding, Apply(unrolled, *cells), nn.Linear(650, 10000))


def graph_network() -> nn.Module:
    first, second = nn.Linear(1433, 16), nn.Linear(16, 7)
    W, V = first.weight, second.weight

    def convolved(x: torch.Tensor, adjacency: torch.Tensor, *_: nn.Module) -> torch.Tensor:
        hidden = (adjacency @ (x @ W.T) + first.bias).relu()
        return adjacency @ (hidden @ V.T) + second.bias

    return Apply(convolved, first, second)


def image(channels: int, size: int) -> tuple[torch.Tensor, ...]:
    return (torch.empty(1, channels, size, size, device="meta"),)


def words(*shape: int) -> tuple[torch.Tensor, ...]:
    return (torch.empty(shape, dtype=torch.int64, device="meta"),)


MODELS = {
    "gpt2_small": (gpt2_small, words(1, 1024)),
    "graph_network": (
        graph_network,
        (torch.empty(2708, 1433, device="meta"), torch.empty(2708, 2708, device="meta")),
    ),
    "lenet5": (lenet5, image(1, 8)),
    "lstm_language_model": (lstm_language_model, words(1, 35)),
    "mlp_mixer": (mlp_mixer, image(3, 224)),
    "mobilenet_v2": (mobilenet_v2, image(3, 224)),
    "resnet18": (lambda: resnet(basic, 1, 2, 2, 2, 2), image(3, 224)),
    "resnet50": (lambda: resnet(bottleneck, 4, 3, 4, 6, 3), image(3, 224)),
    "unet": (unet, image(1, 256)),
    "vit_b16": (vit_b16, image(3, 224)),
}
"""The modules by the name of the model file, each with one sample that it reads."""
