"""Golden values of unet(): the weights of a narrow network and its results in PyTorch.

    venv/bin/python test/oracles/unet.py

Writes test/nn/golden/unet.json and test/nn/golden/unet.safetensors. resnet.py lists the packages and explains the
float64 results, `float32Error`, and why weights are drawn until no activation is close to a kink.
"""

import json

import safetensors
import torch
from resnet import FOLDER, MARGIN, keep_state, pattern
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from unet_network import UNet

OPTIONS = {"inputChannels": 2, "outputs": 3, "width": 3, "levels": 3}
SHAPE = [2, 2, 16, 12]


def margin(model, x):
    """Returns the smallest change of an activation that changes a ReLU or the argmax of a pooling window."""
    smallest = []

    def pool(_, inputs):
        windows = F.unfold(inputs[0].flatten(0, 1)[:, None], 2, stride=2)
        first, second = windows.topk(2, dim=1).values.unbind(1)
        smallest.append((first - second)[first > 0].min())

    hooks = [
        module.register_forward_pre_hook(lambda _, inputs: smallest.append(inputs[0].abs().min()))
        for module in model.modules()
        if isinstance(module, nn.ReLU)
    ]
    hooks.append(model.pool.register_forward_pre_hook(pool))
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return min(smallest).item()


def trained(seed):
    """Returns a network in which each tensor affects the result: scales are not 1, shifts are not 0."""
    torch.manual_seed(seed)
    model = UNet(**OPTIONS)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1, 0.2)
                module.bias.normal_(0, 0.2)
        for _ in range(10):
            model(torch.randn(SHAPE))
    return model


def results(model, x):
    """Logits and bottleneck in both modes, and all gradients and running statistics of one training step."""
    values = {}
    with torch.no_grad(), keep_state(model):
        values["eval logits"] = model.eval()(x)
        values["eval bottleneck"] = model.bottleneck
    with keep_state(model):
        model.train().zero_grad()
        logits = model(x)
        values["train logits"] = logits
        (logits * pattern(logits.shape, x.dtype)).sum().backward()
        for key, buffer in model.named_buffers():
            if not key.endswith("num_batches_tracked"):
                values[f"state {key}"] = buffer.clone()
        for key, parameter in model.named_parameters():
            values[f"gradient {key}"] = parameter.grad.clone()
    return {key: tensor.detach().double() for key, tensor in values.items()}


if __name__ == "__main__":
    x = pattern(SHAPE, torch.float32)
    for seed in range(1000):
        model = trained(seed)
        exact = UNet(**OPTIONS).double()
        exact.load_state_dict(model.state_dict())
        with keep_state(exact):
            if min(margin(exact.eval(), x.double()), margin(exact.train(), x.double())) > MARGIN:
                break
    save_file(model.state_dict(), FOLDER / "unet.safetensors", {"format": "pt"})
    expected = results(exact, x.double())
    rounded = []
    for enabled in (True, False):
        with torch.backends.mkldnn.flags(enabled=enabled):
            rounded.append(results(model, x))
    content = {
        "versions": {"torch": torch.__version__, "safetensors": safetensors.__version__},
        "options": OPTIONS,
        "shape": SHAPE,
        "seed": seed,
        "results": {
            key: {
                "values": [float(f"{value:.10g}") for value in tensor.flatten().tolist()],
                "float32Error": float(f"{max((one[key] - tensor).abs().max().item() for one in rounded):.3g}"),
            }
            for key, tensor in expected.items()
        },
    }
    (FOLDER / "unet.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
    print("seed", seed)
    for key, result in content["results"].items():
        print(f"  {key:44} largest {max(map(abs, result['values'])):9.3g}  float32Error {result['float32Error']:9.3g}")
