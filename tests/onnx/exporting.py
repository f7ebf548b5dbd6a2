"""Makes the .onnx files in tests/onnx/pytorch: small networks of the usual kinds, exported by PyTorch itself.

    python tests/onnx/exporting.py      # in an environment with torch, onnx and onnxscript

PyTorch is too large for the tests' environment, so the files are kept. Each network is exported by the older exporter
(torchscript), with an open batch, and by the newer one (dynamo). Notes about the exporting computer are taken out.
"""

from pathlib import Path

import onnx
import torch
from torch import nn
from torch.nn import functional as F

FOLDER = Path(__file__).parent / "pytorch"


class Function(nn.Module):
    """A function of modules and inputs as a module."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(modules)

    def forward(self, *x):
        return self.function(self.parts, *x)


def separable(i, o, stride):
    return nn.Sequential(
        nn.Conv2d(i, i, 3, stride, 1, groups=i, bias=False),
        nn.BatchNorm2d(i),
        nn.ReLU6(),
        nn.Conv2d(i, o, 1, bias=False),
        nn.BatchNorm2d(o),
        nn.ReLU6(),
    )


def mobilenet():
    first = [nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU6()]
    return nn.Sequential(
        *first,
        separable(4, 6, 1),
        separable(6, 8, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(8, 3),
    )


def residual():
    """The beginning of a ResNet: a large first window, max pooling with a border, an addition."""

    def run(m, x):
        x = F.max_pool2d(F.relu(m[1](m[0](x))), 3, 2, 1)
        return m[4](F.relu(m[2](x) + m[3](x)).mean((2, 3)))

    parts = nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(4, 6, 1, 2)
    return Function(run, *parts, nn.Linear(6, 3))


def accelerometer():
    return nn.Sequential(
        nn.Conv1d(3, 6, 5, 2, 2),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(6, 8, 3, dilation=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32, 4),
    )


def keywords():
    first = [nn.Conv2d(1, 6, (10, 4), (2, 2), (5, 1)), nn.BatchNorm2d(6), nn.ReLU()]
    return nn.Sequential(*first, separable(6, 6, 1), nn.AvgPool2d((25, 5)), nn.Flatten(), nn.Linear(6, 12))


def unet(up):
    def run(m, x):
        a = F.relu(m[0](x))
        return torch.sigmoid(m[3](torch.cat([a, m[2](F.relu(m[1](a)))], 1)))

    channels = 8 if isinstance(up, nn.ConvTranspose2d) else 10
    return Function(run, nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, 2, 1), up, nn.Conv2d(channels, 2, 1))


def attention():
    """A transformer's first half, as people write it."""

    def run(m, x):
        batch, time, depth = x.shape
        q, k, v = m[1](m[0](x)).view(batch, time, 3, 2, depth // 2).permute(2, 0, 3, 1, 4).unbind(0)
        weights = torch.softmax(q @ k.transpose(-1, -2) * (depth // 2) ** -0.5, -1)
        return x + m[2]((weights @ v).transpose(1, 2).reshape(batch, time, depth))

    return Function(run, nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8))


def shuffled():
    """ShuffleNet's shuffle of the channels between two convolutions in groups."""

    def run(m, x):
        x = m[0](x)
        n, c, height, width = x.shape
        return m[1](x.view(n, 2, c // 2, height, width).transpose(1, 2).reshape(n, c, height, width)).mean([2, 3])

    return Function(run, nn.Conv2d(4, 8, 1, groups=2), nn.Conv2d(8, 8, 3, groups=8))


def excited():
    def run(m, x):
        x = m[0](x)
        return F.hardswish(x * torch.sigmoid(m[2](F.relu(m[1](F.adaptive_avg_pool2d(x, 1)))))).mean((2, 3))

    return Function(run, nn.Conv2d(3, 6, 3), nn.Conv2d(6, 3, 1), nn.Conv2d(3, 6, 1))


def activations():
    convolution = [
        nn.Conv2d(3, 4, 3),
        nn.LeakyReLU(0.1),
        nn.Conv2d(4, 4, 1),
        nn.PReLU(4),
        nn.SiLU(),
        nn.Conv2d(4, 4, 1),
    ]
    return nn.Sequential(*convolution, nn.Hardsigmoid(), nn.ELU(), nn.Hardtanh(-0.5, 1.5), nn.SELU(), nn.CELU(0.5))


def pooled():
    return nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.AvgPool2d(3, 2, 1),
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    )


def two_and_two():
    def run(m, image, numbers):
        numbers = m[1](numbers)
        return m[2](torch.cat([F.relu(m[0](image)).mean((2, 3)), numbers], 1)), m[3](numbers)

    return Function(run, nn.Conv2d(3, 4, 3), nn.Linear(5, 6), nn.Linear(10, 2), nn.Linear(6, 4))


def prepared():
    """Pixels are scaled, mirrored at their border and cut before the first layer."""

    def run(m, x):
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in ([0.4, 0.5, 0.6], [0.2, 0.3, 0.4]))
        return m[0](F.pad((x / 255 - mean) / deviation, (1, 2, 0, 1), mode="reflect"))[:, :2, ::2, 1:-1]

    return Function(run, nn.Conv2d(3, 4, 3))


NETWORKS = {
    "mobilenet": (mobilenet, [(3, 24, 24)]),
    "residual": (residual, [(3, 32, 32)]),
    "accelerometer": (accelerometer, [(3, 32)]),
    "keywords": (keywords, [(1, 49, 10)]),
    "unet_transposed": (lambda: unet(nn.ConvTranspose2d(6, 4, 3, 2, 1, 1)), [(3, 8, 8)]),
    "unet_bilinear": (lambda: unet(nn.Upsample(scale_factor=2, mode="bilinear")), [(3, 8, 8)]),
    "attention": (attention, [(5, 8)]),
    "shuffled": (shuffled, [(4, 8, 8)]),
    "excited": (excited, [(3, 8, 8)]),
    "activations": (activations, [(3, 6, 6)]),
    "pooled": (pooled, [(3, 23, 23)]),
    "two_and_two": (two_and_two, [(3, 8, 8), (5,)]),
    "prepared": (prepared, [(3, 8, 8)]),
    "gelu": (lambda: nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3)), [(6,)]),
}


def export(name):
    make, shapes = NETWORKS[name]
    torch.manual_seed(0)
    module = make()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            for values in (part.running_mean, part.bias):
                nn.init.uniform_(values, -0.5, 0.5)
            for values in (part.running_var, part.weight):
                nn.init.uniform_(values, 0.5, 1.5)
    inputs = tuple(torch.randn(1, *shape) for shape in shapes)
    names = [f"input_{place}" for place in range(len(shapes))]
    older, newer = (FOLDER / f"{name}.{exporter}.onnx" for exporter in ("torchscript", "dynamo"))
    options = {
        "opset_version": 17 if name == "attention" else 14,
        "dynamic_axes": {each: {0: "batch"} for each in names},
    }
    torch.onnx.export(module.eval(), inputs, older, dynamo=False, input_names=names, **options)
    torch.onnx.export(module, inputs, newer, dynamo=True, external_data=False, input_names=names, verbose=False)
    for path in (older, newer):
        model = onnx.load(path)
        for part in [
            model,
            model.graph,
            *model.graph.node,
            *model.graph.value_info,
            *model.graph.input,
            *model.functions,
        ]:
            if hasattr(part, "doc_string"):
                part.ClearField("doc_string")
            if hasattr(part, "metadata_props"):
                part.ClearField("metadata_props")
        model.graph.ClearField("value_info")
        onnx.save(model, path)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in NETWORKS:
        export(name)
