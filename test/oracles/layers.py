"""Golden values of linear, conv2d, batchNorm2d, maxPool2d, globalAvgPool2d, upsample2d and concat from PyTorch. See golden.py."""

import torch
import torch.nn.functional as F
from golden import Operation

linear = Operation("linear")
linear.case(
    "with bias",
    {"x": linear.normal(3, 7), "weight": linear.normal(5, 7), "bias": linear.normal(5)},
    lambda t: F.linear(t["x"], t["weight"], t["bias"]),
)
linear.write()

conv2d = Operation("conv2d")
for name, x, weight, bias, options in [
    ("3x3 stride 2 padding 1", (2, 3, 7, 6), (4, 3, 3, 3), True, {"stride": 2, "padding": 1}),
    ("3x2 stride 1,2 padding 0,1", (1, 2, 6, 7), (3, 2, 3, 2), False, {"stride": [1, 2], "padding": [0, 1]}),
    ("7x7 stride 2 padding 3, one channel", (1, 1, 11, 9), (3, 1, 7, 7), False, {"stride": 2, "padding": 3}),
]:
    inputs = {"x": conv2d.normal(*x), "weight": conv2d.normal(*weight)}
    if bias:
        inputs["bias"] = conv2d.normal(weight[0])
    conv2d.case(name, inputs, lambda t, options=options: F.conv2d(t["x"], t["weight"], t.get("bias"), **options), options)
conv2d.write()

batch_norm = Operation("batchNorm2d")
for training in (True, False):
    for relu, residual in ((False, False), (True, True)):
        inputs = {
            "x": batch_norm.normal(3, 4, 3, 5),
            "weight": batch_norm.normal(4),
            "bias": batch_norm.normal(4),
            "runningMean": batch_norm.normal(4),
            "runningVariance": batch_norm.normal(4).abs() + 0.5,
        }
        if residual:
            inputs["residual"] = batch_norm.normal(3, 4, 3, 5)

        def run(t):
            mean, variance = t["runningMean"].clone(), t["runningVariance"].clone()
            y = F.batch_norm(t["x"], mean, variance, t["weight"], t["bias"], training, 0.1, 1e-5)
            y = y + t["residual"] if residual else y
            return F.relu(y) if relu else y

        batch_norm.case(
            f"{'training' if training else 'inference'}{', residual and ReLU' if residual else ''}",
            inputs,
            run,
            {"training": training, "relu": relu},
            ["x", "weight", "bias"] + (["residual"] if residual else []),
        )
batch_norm.write()

max_pool = Operation("maxPool2d")
for kernel, stride, padding in ((3, 2, 1), (2, 2, 0), ([3, 2], [1, 2], [1, 0])):
    # All values differ, so the argmax is unique.
    x = torch.randperm(2 * 3 * 7 * 6, generator=max_pool.generator).to(torch.float64).reshape(2, 3, 7, 6) / 8
    max_pool.case(
        f"kernel {kernel} stride {stride} padding {padding}",
        {"x": x},
        lambda t, k=kernel, s=stride, p=padding: F.max_pool2d(t["x"], k, s, p),
        {"kernel": kernel, "stride": stride, "padding": padding},
    )
max_pool.write()

average = Operation("globalAvgPool2d")
average.case("odd sizes", {"x": average.normal(2, 5, 3, 7)}, lambda t: t["x"].mean(dim=(2, 3)))
average.write()

upsample = Operation("upsample2d")
for scale in (2, 3):
    upsample.case(
        f"scale {scale}",
        {"x": upsample.normal(2, 5, 3, 4)},
        lambda t, scale=scale: F.interpolate(t["x"], scale_factor=scale, mode="nearest"),
        {"scale": scale},
    )
upsample.write()

concat = Operation("concat")
concat.case(
    "three images",
    {"x0": concat.normal(2, 3, 2, 4), "x1": concat.normal(2, 1, 2, 4), "x2": concat.normal(2, 18, 2, 4)},
    lambda t: torch.cat((t["x0"], t["x1"], t["x2"]), dim=1),
)
concat.write()
