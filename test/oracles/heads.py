"""Golden values of the heads corn and binary, by their papers' formulas in PyTorch with autograd, in float64.

    python3.11 -m venv venv && venv/bin/pip install torch==2.13.0
    venv/bin/python test/oracles/heads.py

Writes test/nn/golden/heads.json. Inputs are multiples of 1/64, so float32 represents them exactly.

The CORN loss divides by the number of pairs of a disc and a threshold, equation 5 of Shi et al. (arXiv 2111.08851).
"""

import json
import pathlib

import torch
from torch.nn import functional as F

GENERATOR = torch.Generator().manual_seed(7)
ROWS, FEATURES = 11, 4


def normal(*shape):
    values = torch.randn(shape, generator=GENERATOR, dtype=torch.float64)
    return torch.round(values * 64) / 64


def flat(tensor):
    return tensor.detach().flatten().tolist()


def focal(logits, labels, gamma):
    cross_entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    p = torch.sigmoid(logits)
    return cross_entropy * (1 - (p * labels + (1 - p) * (1 - labels))) ** gamma


def corn(logits, grades, gamma):
    losses = [focal(logits[grades >= k, k], (grades[grades >= k] > k).double(), gamma) for k in range(logits.shape[1])]
    above = torch.cumprod(torch.sigmoid(logits), 1)
    edges = torch.cat((torch.ones(len(logits), 1), above, torch.zeros(len(logits), 1)), 1)
    return torch.cat(losses).mean(), edges[:, :-1] - edges[:, 1:]


def binary(logits, grades, gamma):
    p = torch.sigmoid(logits)
    return focal(logits[:, 0], grades.double(), gamma).mean(), torch.cat((1 - p, p), 1)


cases = []
for head, function, classes in (("corn", corn, 3), ("corn", corn, 5), ("binary", binary, 2)):
    for gamma in (0.0, 2.0):
        embeddings, weight, bias = normal(ROWS, FEATURES), normal(classes - 1, FEATURES), normal(classes - 1)
        grades = torch.arange(ROWS) * 7 % classes
        weight.requires_grad_()
        bias.requires_grad_()
        loss, probabilities = function(embeddings @ weight.T + bias, grades, gamma)
        loss.backward()
        cases.append(
            {
                "head": head,
                "classes": classes,
                "gamma": gamma,
                "grades": grades.tolist(),
                "embeddings": flat(embeddings),
                "weight": flat(weight),
                "bias": flat(bias),
                "loss": loss.item(),
                "gradients": {"weight": flat(weight.grad), "bias": flat(bias.grad)},
                "probabilities": flat(probabilities),
            }
        )

path = pathlib.Path(__file__).parent.parent / "nn" / "golden" / "heads.json"
content = {"torch": torch.__version__, "precision": "float64", "rows": ROWS, "features": FEATURES, "cases": cases}
path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
print(path, path.stat().st_size, "bytes")
