"""Golden values of torchvision's ResNets: names, shapes and counts of full networks, weights and results of narrow ones.

    python3.11 -m venv venv && venv/bin/pip install torch==2.13.0 torchvision==0.28.0 safetensors==0.8.0 numpy
    venv/bin/python test/oracles/resnet.py

Writes test/nn/golden/resnet.json and the weights test/nn/golden/<network>.safetensors. Results are computed in float64
from the float32 weights. `float32Error` is the error of PyTorch's float32, the scale for the tolerance of a test. It is
the larger error of PyTorch's two convolution implementations, because one alone can be accidentally small (by a factor
of 20 in one case).

Gradients are discontinuous where a ReLU's input crosses zero or the maximum of a pooling window moves. Weights are drawn
until every such input has a margin larger than float32 rounding.
"""

import contextlib
import json
import pathlib

import safetensors
import torch

try:
    import torchvision
except RuntimeError:
    # torchvision's operators need the CUDA libraries, which a CPU build of torch lacks. A ResNet does not use them.
    operators = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

FOLDER = pathlib.Path(__file__).parent.parent / "nn" / "golden"
ARCHITECTURES = {
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
}
CLASSES = 3
MARGIN = 1e-5


class Network(ResNet):
    """torchvision's network with other numbers of input channels and of channels in the first stage."""

    def __init__(self, name, channels, width=64, classes=CLASSES):
        self.first = width
        block, layers = ARCHITECTURES[name]
        super().__init__(block, layers)
        self.conv1 = nn.Conv2d(channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.fc = nn.Linear(8 * width * block.expansion, classes)

    def _make_layer(self, block, planes, *rest, **options):
        if planes == 64:
            self.inplanes = self.first
        return super()._make_layer(block, planes * self.first // 64, *rest, **options)


def pattern(shape, dtype):
    """Multiples of 1/64 in [-2, 2] from a formula: element i is ((31 i^2 + 17 i) mod 257 - 128) / 64."""
    i = torch.arange(torch.Size(shape).numel())
    return (((31 * i * i + 17 * i) % 257 - 128) / 64).reshape(shape).to(dtype)


def full(name):
    state = lambda model: {
        key: list(tensor.shape)
        for key, tensor in model.state_dict().items()
        if not key.startswith("fc.") and not key.endswith("num_batches_tracked")
    }
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name)
        models = {channels: Network(name, channels) for channels in (1, 3)}
    assert list(state(models[3]).items()) == list(state(theirs).items())
    one, three = state(models[1]), state(models[3])
    assert {key for key in three if one[key] != three[key]} == {"conv1.weight"}
    count = lambda model: sum(p.numel() for key, p in model.named_parameters() if not key.startswith("fc."))
    return {
        "parameters": {str(channels): count(model) for channels, model in models.items()},
        "conv1": {"1": one["conv1.weight"], "3": three["conv1.weight"]},
        "state": three,
    }


def margin(model, x):
    """Returns the smallest change of an activation that changes a ReLU or the argmax of a pooling window."""
    smallest = []

    def relu(_, inputs):
        smallest.append(inputs[0].abs().min())

    def pool(_, inputs):
        windows = F.unfold(F.pad(inputs[0], [1] * 4, value=-1.0).flatten(0, 1)[:, None], 3, stride=2)
        first, second = windows.topk(2, dim=1).values.unbind(1)
        smallest.append((first - second)[first > 0].min())

    hooks = [m.register_forward_pre_hook(relu) for m in model.modules() if isinstance(m, nn.ReLU)]
    hooks.append(model.maxpool.register_forward_pre_hook(pool))
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return min(smallest).item()


def trained(name, channels, width, shape, seed):
    """Returns a network in which each tensor affects the result: scales are not 1, shifts are not 0."""
    torch.manual_seed(seed)
    model = Network(name, channels, width)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1, 0.2)
                module.bias.normal_(0, 0.2)
        for _ in range(10):
            model(torch.randn(shape))
    return model


@contextlib.contextmanager
def keep_state(model):
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    yield
    model.load_state_dict(before)


def results(model, x, gradients, statistics):
    """Embedding and logits in both modes, and running statistics and gradients of one training step.

    Gradient norms are recorded as logarithms, so that the relative errors of all parameters have equal weight.
    """
    values = {}
    embedding = {}
    hook = model.avgpool.register_forward_hook(lambda _, __, y: embedding.update(y=y.flatten(1)))
    with torch.no_grad(), keep_state(model):
        values["eval logits"] = model.eval()(x)
        values["eval embedding"] = embedding["y"]
    with keep_state(model):
        model.train().zero_grad()
        logits = model(x)
        values["train logits"], values["train embedding"] = logits, embedding["y"]
        (logits * pattern(logits.shape, x.dtype)).sum().backward()
        for key in statistics:
            values[f"state {key}"] = model.state_dict()[key].clone()
        norms = {}
        for key, parameter in model.named_parameters():
            # A batch norm cancels the scale of the channel before it, so this gradient is only rounding.
            if parameter[0].numel() > 1 or parameter.dim() == 1:
                norms[key] = parameter.grad.norm().log()
            if key in gradients:
                values[f"gradient {key}"] = parameter.grad.clone()
    hook.remove()
    values["log of gradient norms"] = torch.stack(list(norms.values()))
    return {key: tensor.detach().double() for key, tensor in values.items()}, list(norms)


def case(name, channels, width, shape, gradients, statistics):
    x = pattern(shape, torch.float32)
    for seed in range(1000):
        model = trained(name, channels, width, shape, seed)
        exact = Network(name, channels, width).double()
        exact.load_state_dict(model.state_dict())
        with keep_state(exact):
            if min(margin(exact.eval(), x.double()), margin(exact.train(), x.double())) > MARGIN:
                break
    save_file(model.state_dict(), FOLDER / f"{name}.safetensors", {"format": "pt"})
    expected, names = results(exact, x.double(), gradients, statistics)
    rounded = []
    for enabled in (True, False):
        with torch.backends.mkldnn.flags(enabled=enabled):
            rounded.append(results(model, x, gradients, statistics)[0])
    error = lambda key: max((one[key] - expected[key]).abs().max().item() for one in rounded)
    return {
        "name": name,
        "inputChannels": channels,
        "width": width,
        "shape": shape,
        "seed": seed,
        "parameters": names,
        "results": {
            key: {
                "values": [float(f"{value:.10g}") for value in tensor.flatten().tolist()],
                "float32Error": float(f"{error(key):.3g}"),
            }
            for key, tensor in expected.items()
        },
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    gradients = [
        "conv1.weight",
        "bn1.weight",
        "bn1.bias",
        "layer1.0.conv1.weight",
        "layer2.0.downsample.0.weight",
        "layer4.0.bn2.bias",
        "fc.weight",
    ]
    statistics = ["bn1.running_mean", "bn1.running_var", "layer4.0.downsample.1.running_var"]
    content = {
        "versions": {
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "safetensors": safetensors.__version__,
        },
        "networks": {name: full(name) for name in ARCHITECTURES},
        "cases": [
            case("resnet18", 1, 2, [4, 1, 48, 48], gradients, statistics),
            case("resnet34", 3, 1, [3, 3, 61, 45], gradients, statistics),
            case("resnet50", 1, 2, [4, 1, 48, 48], gradients, statistics),
        ],
    }
    (FOLDER / "resnet.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
    for path in sorted(FOLDER.iterdir()):
        print(path.name, path.stat().st_size, "bytes")
    for entry in content["cases"]:
        print(entry["name"], "seed", entry["seed"])
        for key, result in entry["results"].items():
            largest = max(map(abs, result["values"]))
            print(f"  {key:44} largest {largest:9.3g}  float32Error {result['float32Error']:9.3g}")
