"""Golden values of the losses and of softmax, l2Normalize, softArgmax2d and attentionPool from PyTorch. See golden.py.

The oracle is PyTorch's function if there is one (cross_entropy, binary_cross_entropy_with_logits, mse_loss,
smooth_l1_loss, and the formula of torchvision's sigmoid_focal_loss), otherwise the paper's equation with autograd.
"""

import torch
import torch.nn.functional as F
from golden import Operation

for name, function in (("softmax", torch.softmax), ("logSoftmax", torch.log_softmax)):
    operation = Operation(name)
    operation.case("rows", {"x": operation.normal(4, 9, scale=3)}, lambda t: function(t["x"], 1))
    operation.write()

normalize = Operation("l2Normalize")
normalize.case("rows", {"x": normalize.normal(4, 9)}, lambda t: F.normalize(t["x"]))
normalize.write()


def soft_argmax(heatmaps, temperature):
    n, k, h, w = heatmaps.shape
    p = torch.softmax(heatmaps.reshape(n, k, h * w) / temperature, 2).reshape(n, k, h, w)
    x = (p.sum(2) * torch.arange(w)).sum(2)
    y = (p.sum(3) * torch.arange(h)).sum(2)
    return torch.stack((x, y), 2)


argmax = Operation("softArgmax2d")
for temperature in (1.0, 0.5):
    heatmaps = argmax.normal(2, 3, 5, 7, scale=2)
    argmax.case(
        f"temperature {temperature}",
        {"heatmaps": heatmaps},
        lambda t: soft_argmax(t["heatmaps"], temperature),
        {"temperature": temperature},
    )
argmax.write()


def attention_pool(t):
    n, k = t["mask"].shape
    scores = t["scores"].reshape(n, k).masked_fill(t["mask"] == 0, -torch.inf)
    return (torch.softmax(scores, 1)[:, :, None] * t["embeddings"].reshape(n, k, -1)).sum(1)


pool = Operation("attentionPool")
pool.case(
    "masked",
    {
        "embeddings": pool.normal(12, 5),
        "scores": pool.normal(12, 1, scale=2),
        "mask": torch.tensor([[1, 1, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1]], dtype=torch.uint8),
    },
    attention_pool,
)
pool.write()

mse = Operation("mse")
smooth = Operation("smoothL1")
for reduction in ("mean", "sum"):
    mse.case(
        reduction,
        {"prediction": mse.normal(3, 5, 2), "target": mse.normal(3, 5, 2)},
        lambda t: F.mse_loss(t["prediction"], t["target"], reduction=reduction),
        {"reduction": reduction},
        ["prediction"],
    )
    smooth.case(
        reduction,
        {"prediction": smooth.normal(3, 5, 2), "target": smooth.normal(3, 5, 2)},
        lambda t: F.smooth_l1_loss(t["prediction"], t["target"], reduction=reduction, beta=0.75),
        {"reduction": reduction, "beta": 0.75},
        ["prediction"],
    )
mask = torch.tensor([1.0, 0.0, 2.0, 1.0, 0.0, 0.5], dtype=torch.float64)
for operation, loss in ((mse, F.mse_loss), (smooth, F.smooth_l1_loss)):
    operation.case(
        "weighted mean",
        {"prediction": operation.normal(6), "target": operation.normal(6), "weight": mask},
        lambda t: (loss(t["prediction"], t["target"], reduction="none") * t["weight"]).sum() / t["weight"].sum(),
        {},
        ["prediction"],
    )
    operation.write()

bce = Operation("bceWithLogits")
for reduction in ("mean", "sum"):
    bce.case(
        reduction,
        {"logits": bce.normal(3, 5, 2, scale=4), "targets": bce.labels(3, 5, 2, classes=2).double()},
        lambda t: F.binary_cross_entropy_with_logits(t["logits"], t["targets"], reduction=reduction),
        {"reduction": reduction},
        ["logits"],
    )
bce.case(
    "weighted mean",
    {"logits": bce.normal(6, scale=4), "targets": bce.normal(6).abs().clamp(max=1), "weight": mask},
    lambda t: F.binary_cross_entropy_with_logits(t["logits"], t["targets"], t["weight"], reduction="sum")
    / t["weight"].sum(),
    {},
    ["logits"],
)
bce.write()


def info_nce(embeddings, labels, scale, inside):
    s = embeddings @ embeddings.T * scale
    n = len(s)
    other = ~torch.eye(n, dtype=torch.bool)
    positive = (labels[:, None] == labels[None, :]) & other
    z = s.masked_fill(~other, -torch.inf).logsumexp(1)
    rows = positive.any(1)
    if inside:
        loss = z[rows] - s.masked_fill(~positive, -torch.inf)[rows].logsumexp(1)
    else:
        loss = -((s - z[:, None]) * positive).sum(1)[rows] / positive.sum(1)[rows]
    return loss.mean()


nce = Operation("infoNCE")
for mean in ("outside", "inside"):
    # After rounding to 1/64 the norm of a row is about 1, which the loss accepts.
    embeddings = torch.round(F.normalize(nce.normal(24, 6)) * 64) / 64
    labels = nce.labels(24, classes=9)
    nce.case(
        f"{mean}, fixed temperature",
        {"embeddings": embeddings, "labels": labels},
        lambda t: info_nce(t["embeddings"], t["labels"], 1 / 0.1, mean == "inside"),
        {"mean": mean, "temperature": 0.1},
    )
    nce.case(
        f"{mean}, learned temperature",
        {"embeddings": embeddings, "labels": labels, "logScale": torch.tensor([2.25], dtype=torch.float64)},
        lambda t: info_nce(t["embeddings"], t["labels"], t["logScale"].exp(), mean == "inside"),
        {"mean": mean},
    )
nce.write()

focal = Operation("focalLoss")
alpha = [0.25, 1.0, 2.0, 0.5]
weight = torch.tensor(alpha, dtype=torch.float64)
targets = focal.labels(13, classes=4)
targets[5] = -100
for smoothing in (0.0, 0.125):
    focal.case(
        f"softmax, gamma 0 is cross_entropy, smoothing {smoothing}",
        {"logits": focal.normal(13, 4, scale=2), "targets": targets},
        lambda t: F.cross_entropy(t["logits"], t["targets"].long(), weight, label_smoothing=smoothing),
        {"gamma": 0, "alpha": alpha, "labelSmoothing": smoothing, "reduction": "weightedMean"},
    )
for gamma in (0.5, 2.0):

    def softmax_focal(t):
        log_p = torch.log_softmax(t["logits"], 1)
        live = t["targets"] >= 0
        index = t["targets"].long().clamp(min=0)
        log_t = log_p.gather(1, index[:, None])[:, 0]
        return (weight[index] * (1 - log_t.exp()) ** gamma * -log_t)[live].mean()

    focal.case(
        f"softmax, gamma {gamma}",
        {"logits": focal.normal(13, 4, scale=2), "targets": targets},
        softmax_focal,
        {"gamma": gamma, "alpha": alpha},
    )

    def sigmoid_focal(t):
        p, y = torch.sigmoid(t["logits"]), t["targets"]
        cross_entropy = F.binary_cross_entropy_with_logits(t["logits"], y, reduction="none")
        p_t = p * y + (1 - p) * (1 - y)
        return ((0.25 * y + 0.75 * (1 - y)) * cross_entropy * (1 - p_t) ** gamma).mean()

    focal.case(
        f"sigmoid, gamma {gamma}, as torchvision.ops.sigmoid_focal_loss",
        {"logits": focal.normal(5, 3, scale=2), "targets": focal.labels(5, 3, classes=2).double()},
        sigmoid_focal,
        {"form": "sigmoid", "gamma": gamma, "alpha": [0.25] * 3},
        ["logits"],
    )
focal.write()
