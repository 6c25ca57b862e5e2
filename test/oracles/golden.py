"""Shared code of the PyTorch oracles, which write one JSON file per operation.

    python3.11 -m venv venv && venv/bin/pip install torch==2.13.0
    venv/bin/python test/oracles/layers.py
    venv/bin/python test/oracles/losses.py

Inputs are multiples of 1/64 from a fixed seed, so float32 represents them exactly. PyTorch computes in float64 with an
error of about 1e-15, so the tolerance of a test applies to the tested operation alone.
"""

import json
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent.parent / "ops" / "golden"

DTYPES = {torch.float64: "float32", torch.int32: "int32", torch.uint8: "uint8"}


class Operation:
    """Collects the cases of one operation. write() writes test/ops/golden/<name>.json."""

    def __init__(self, name):
        self.name = name
        self.cases = []
        self.generator = torch.Generator().manual_seed(sum(name.encode()))

    def normal(self, *shape, scale=1.0):
        values = torch.randn(shape, generator=self.generator, dtype=torch.float64) * scale
        return torch.round(values * 64) / 64

    def labels(self, *shape, classes):
        return torch.randint(classes, shape, generator=self.generator, dtype=torch.int32)

    def case(self, name, inputs, run, options=None, differentiable=None):
        """Records run(inputs) and the gradients of the float64 inputs, or of those named in `differentiable`."""
        floats = [key for key, value in inputs.items() if value.dtype == torch.float64]
        required = floats if differentiable is None else differentiable
        leaves = {key: value.clone().requires_grad_(key in required) for key, value in inputs.items()}
        value = run(leaves)
        cotangent = self.normal(*value.shape) if value.dim() else self.normal(1)
        (value * cotangent.reshape(value.shape)).sum().backward()
        flat = lambda tensor: tensor.detach().flatten().tolist()
        self.cases.append(
            {
                "name": name,
                "inputs": {
                    key: {
                        "dtype": DTYPES[tensor.dtype],
                        "shape": list(tensor.shape),
                        "values": flat(tensor),
                    }
                    for key, tensor in inputs.items()
                },
                "options": options or {},
                "shape": list(value.shape) or [1],
                "value": flat(value),
                "cotangent": flat(cotangent),
                "gradients": {key: flat(leaves[key].grad) for key in required},
            }
        )

    def write(self):
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / f"{self.name}.json"
        content = {"torch": torch.__version__, "precision": "float64", "cases": self.cases}
        path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
        print(path, path.stat().st_size, "bytes")
