"""Golden values of gather and of the optimizers from PyTorch.

    python3.11 -m venv venv && venv/bin/pip install torch==2.13.0
    venv/bin/python test/oracles/optim.py

The optimizers run in float64 on values that float32 represents exactly. Writes test/ops/golden/gather.json and
test/optim/golden/optimizers.json.
"""

import json
import pathlib

import torch

TEST = pathlib.Path(__file__).parent.parent
STEPS = 6


def exact(*shape, generator):
    return torch.randn(*shape, generator=generator).double()


def gather():
    generator = torch.Generator().manual_seed(1)
    x = exact(4, 3, generator=generator).requires_grad_()
    indices = torch.tensor([3, 0, 3, 1, 3])
    y = torch.index_select(x, 0, indices)
    cotangent = exact(5, 3, generator=generator)
    (y * cotangent).sum().backward()
    flat = lambda tensor: tensor.detach().flatten().tolist()
    case = {
        "name": "index_select",
        "inputs": {
            "x": {"dtype": "float32", "shape": [4, 3], "values": flat(x)},
            "indices": {"dtype": "int32", "shape": [5], "values": indices.tolist()},
        },
        "options": None,
        "shape": list(y.shape),
        "value": flat(y),
        "cotangent": flat(cotangent),
        "gradients": {"x": flat(x.grad)},
    }
    return {"torch": torch.__version__, "cases": [case]}


def run(make, shapes, skip):
    """Returns the parameters after each step. `skip` has the (step, parameter) pairs without a gradient."""
    generator = torch.Generator().manual_seed(2)
    parameters = [exact(*shape, generator=generator).requires_grad_() for shape in shapes]
    start = [p.detach().flatten().tolist() for p in parameters]
    optimizer = make(parameters)
    gradients, trajectory = [], []
    for step in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        row = []
        for index, p in enumerate(parameters):
            gradient = exact(*p.shape, generator=generator)
            if (step, index) in skip:
                row.append(None)
            else:
                p.grad = gradient
                row.append(gradient.flatten().tolist())
        gradients.append(row)
        optimizer.step()
        trajectory.append([p.detach().flatten().tolist() for p in parameters])
    return {"shapes": shapes, "start": start, "gradients": gradients, "trajectory": trajectory}


def optimizers():
    shapes, skip = [[3, 4], [5]], {(2, 1), (3, 1)}
    adamw = lambda **options: lambda ps: torch.optim.AdamW(ps, **options)
    sgd = lambda **options: lambda ps: torch.optim.SGD(ps, **options)

    def decoupled(ps):
        class Decoupled(torch.optim.SGD):
            def step(self, closure=None):
                for p in ps:
                    if p.grad is not None:
                        p.data.mul_(1 - 0.1 * 0.2)
                super().step(closure)

        return Decoupled(ps, lr=0.1, momentum=0.9)

    class LARS(torch.optim.Optimizer):
        """You, Gitman and Ginsburg 2017, algorithm 1; tensors of one axis are neither adapted nor decayed."""

        def __init__(self, ps, lr, momentum=0.9, weight_decay=0.0, trust=1e-3):
            super().__init__(ps, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    decay = group["weight_decay"] if p.ndim > 1 else 0.0
                    rate = group["lr"]
                    if p.ndim > 1 and p.norm() > 0 and p.grad.norm() > 0:
                        rate *= group["trust"] * p.norm() / (p.grad.norm() + decay * p.norm())
                    velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
                    velocity.mul_(group["momentum"]).add_(rate * (p.grad + decay * p))
                    p.sub_(velocity)

    lars = lambda **options: lambda ps: LARS(ps, **options)
    groups = lambda ps: torch.optim.AdamW(
        [{"params": ps[:1], "lr": 0.3, "weight_decay": 0}, {"params": ps[1:]}], lr=0.01, weight_decay=0.1
    )
    cases = [
        ("AdamW", {}, adamw()),
        (
            "AdamW",
            {"learningRate": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weightDecay": 0.2},
            adamw(lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.2),
        ),
        (
            "AdamW",
            {"learningRate": 0.01, "weightDecay": 0.1, "groups": [{"learningRate": 0.3, "weightDecay": 0}, {}]},
            groups,
        ),
        ("SGD", {"learningRate": 0.1}, sgd(lr=0.1)),
        ("SGD", {"learningRate": 0.1, "momentum": 0.9}, sgd(lr=0.1, momentum=0.9)),
        (
            "SGD",
            {"learningRate": 0.1, "momentum": 0.9, "weightDecay": 0.2, "nesterov": True},
            sgd(lr=0.1, momentum=0.9, weight_decay=0.2, nesterov=True),
        ),
        ("SGD", {"learningRate": 0.1, "momentum": 0.9, "weightDecay": 0.2, "decoupled": True}, decoupled),
        ("LARS", {"learningRate": 0.5}, lars(lr=0.5)),
        (
            "LARS",
            {"learningRate": 0.5, "momentum": 0.8, "weightDecay": 0.3, "trust": 0.1},
            lars(lr=0.5, momentum=0.8, weight_decay=0.3, trust=0.1),
        ),
    ]
    norms = []
    for max_norm in (0.5, 100.0):
        ps = [torch.zeros(2, 3, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)]
        generator = torch.Generator().manual_seed(3)
        for p in ps:
            p.grad = exact(*p.shape, generator=generator)
        before = [p.grad.flatten().tolist() for p in ps]
        norm = torch.nn.utils.clip_grad_norm_(ps, max_norm)
        after = [p.grad.flatten().tolist() for p in ps]
        norms.append({"maxNorm": max_norm, "shapes": [[2, 3], [4]], "before": before, "norm": norm.item(), "after": after})
    return {
        "torch": torch.__version__,
        "optimizers": [{"class": name, "settings": s, **run(make, shapes, skip)} for name, s, make in cases],
        "clipGradNorm": norms,
    }


for path, golden in {"ops/golden/gather.json": gather(), "optim/golden/optimizers.json": optimizers()}.items():
    (TEST / path).write_text(json.dumps(golden) + "\n")
