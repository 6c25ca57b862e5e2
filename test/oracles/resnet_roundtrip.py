"""spinegrad writes the weights of full networks; PyTorch loads them and must compute the same logits.

    python3.11 -m venv venv && venv/bin/pip install torch==2.13.0 torchvision==0.28.0 safetensors==0.8.0 numpy
    npm run build && venv/bin/python test/oracles/resnet_roundtrip.py

This is a manual check; docs/networks.md has its output. spinegrad first trains the networks for three steps, so that
scales, shifts and running statistics differ from their initial values. PyTorch loads them with strict=True. It fills in
`num_batches_tracked`, which is not stored.
"""

import pathlib
import subprocess
import tempfile

import torch
from resnet import CLASSES, Network, torchvision
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).parent.parent.parent
CASES = [("resnet18", 1), ("resnet18", 3), ("resnet34", 1), ("resnet50", 1), ("resnet50", 3)]
SHAPE = (4, 96, 96)

WRITE = """
import { writeSafetensors } from '#spinegrad/io/safetensors.js';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/device.js';
import { focalLoss } from '#spinegrad/engine/ops/focalLoss.js';
import { tidy } from '#spinegrad/engine/tensor.js';
import { Linear } from '#spinegrad/nn/layers.js';
import * as networks from '#spinegrad/nn/resnet.js';
import { AdamW } from '#spinegrad/optim/adamW.js';
import { RandomStream } from '#spinegrad/random.js';

const [name, channels, classes, batch, height, width, folder] = process.argv.slice(1);
const device = await openDevice('cpu');
const random = new RandomStream(1);
const build = { device, random };
const encoder = networks[name](build, { inputChannels: Number(channels) });
const fc = new Linear(build, encoder.features, Number(classes));
const named = (method) =>
  new Map([...encoder[method](), ...[...fc[method]()].map(([key, tensor]) => [`fc.${key}`, tensor])]);

const shape = [batch, channels, height, width].map(Number);
const values = new Float32Array(shape.reduce((a, b) => a * b)).map(() => random.normal());
const x = device.tensor(values, shape);
const labels = device.tensor(Int32Array.from({ length: shape[0] }, (_, i) => i % Number(classes)));
const optimizer = new AdamW(named('parameters'), { learningRate: 1e-3 });
for (let step = 0; step < 3; step++) {
  tidy(() => {
    backward(focalLoss(fc.forward(encoder.forward(x)), labels));
    optimizer.step();
  });
  optimizer.zeroGrad();
}

const read = async (tensor) => ({ shape: tensor.shape, data: await tensor.data() });
const weights = new Map();
for (const [key, tensor] of named('state')) weights.set(key, await read(tensor));
await writeSafetensors(`${folder}/weights.safetensors`, weights);
const logits = () => read(noGrad(() => tidy(() => fc.forward(encoder.forward(x)))));
encoder.eval();
const evaluation = await logits();
encoder.train();
const training = await logits();
await writeSafetensors(`${folder}/results.safetensors`, { x: await read(x), eval: evaluation, train: training });
device.close();
"""


def write(name, channels, folder):
    arguments = [name, channels, CLASSES, SHAPE[0], *SHAPE[1:], folder]
    command = ["node", "--input-type=module", "--eval", WRITE, "--", *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True)


print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
print("largest difference of the logits         to float32   to float64   PyTorch float32 to float64   largest logit")
for name, channels in CASES:
    with tempfile.TemporaryDirectory() as folder:
        write(name, channels, folder)
        weights, results = (load_file(f"{folder}/{part}.safetensors") for part in ("weights", "results"))
    model = Network(name, channels)
    model.load_state_dict(weights, strict=True)
    exact = Network(name, channels).double()
    exact.load_state_dict(weights, strict=True)
    for mode in ("eval", "train"):
        model.train(mode == "train")
        exact.train(mode == "train")
        with torch.no_grad():
            single, double = model(results["x"]), exact(results["x"].double())
        ours = results[mode]
        errors = [(ours - single).abs().max(), (ours - double).abs().max(), (single - double).abs().max()]
        columns = "   ".join(f"{error.item():10.2e}" for error in errors)
        print(f"{name}, {channels} input channels, {mode:5}   {columns}   {double.abs().max():24.3f}")
