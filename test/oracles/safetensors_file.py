"""A file written by the safetensors library. Requires safetensors and numpy.

    python test/oracles/safetensors_file.py > test/io/golden/safetensors.json
"""

import base64
import json
import sys

import numpy as np
import safetensors
from safetensors.numpy import save

tensors = {
    "weight": np.array([[1.5, -2.25, 3.0], [0.0, 1e-8, -1e30]], np.float32),
    "num_batches_tracked": np.array(9007199254740991, np.int64),
    "labels": np.array([-1, 2**31 - 1], np.int32),
    "pixels": np.array([0, 65535, 7], np.uint16),
    "mask": np.array([255, 0, 1], np.uint8),
    "empty": np.zeros((0, 4), np.float32),
}
json.dump(
    {
        "versions": {"safetensors": safetensors.__version__, "numpy": np.__version__},
        "file": base64.b64encode(save(tensors, {"format": "np"})).decode(),
        "tensors": {name: {"shape": list(t.shape), "data": t.ravel().tolist()} for name, t in tensors.items()},
    },
    sys.stdout,
    indent=1,
)
print()
