"""Trains the U-Net of the localizer with PyTorch on the slices of a bank, for `npm run bench:localizer`.

    python localizer.py FOLDER THREADS

FOLDER has job.json and slices.safetensors, which bench/peers/localizer.ts writes: settings, split and landmarks of the
slices, and their pixels. The script writes maps.safetensors, the probabilities of the test slices, and prints the seconds
of each epoch. Network, initial weights, targets, loss, optimizer and schedule are those of spinegrad; the augmentation
draws from the same distributions with its own random numbers. Images are channels_last, the optimizer is fused.
"""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(str(Path(__file__).parents[2] / "test/oracles"))
from unet_network import UNet

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
with open(f"{folder}/job.json") as file:
    job = json.load(file)
settings, size, seed = job["settings"], job["size"], job["seed"]
strength, stride = settings["augmentation"], settings["unet"]["outputStride"]
torch.manual_seed(seed)


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        body = file.read()
    kinds = {"F32": np.float32, "U16": np.uint16}
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], kinds[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def write(path, name, values):
    header = json.dumps({name: {"dtype": "F32", "shape": values.shape, "data_offsets": [0, values.nbytes]}}).encode()
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + values.tobytes())


def initialize(network):
    for block in network.blocks():
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(network.head.weight, std=0.01)
    nn.init.constant_(network.head.bias, job["prior"])


def drawn(n, low, high):
    return torch.empty(n).uniform_(low, high)


def factors(n, maximum):
    return torch.exp(drawn(n, -math.log1p(maximum), math.log1p(maximum)))


def likely(n, probability):
    return torch.rand(n) < probability


pixel = torch.arange(size, dtype=torch.float32)
GRID = torch.stack(torch.meshgrid(pixel, pixel, indexing="xy"), -1).reshape(-1, 2)
MAP_PIXELS = GRID.reshape(size, size, 2)[: size // stride, : size // stride]


def geometry(n):
    """Matrices [n, 2, 2] and offsets [n, 2]: view pixel p samples the slice at matrix p + offset."""
    angle = torch.deg2rad(drawn(n, -strength["rotation"], strength["rotation"]))
    pitch = 1 / factors(n, strength["scale"])
    mirror, upend = (1 - 2 * likely(n, strength[name]).float() for name in ("flip", "upend"))
    cosine, sine = pitch * torch.cos(angle), pitch * torch.sin(angle)
    matrix = torch.stack([cosine * mirror, -sine * upend, sine * mirror, cosine * upend], 1).reshape(n, 2, 2)
    middle = torch.full((2,), (size - 1) / 2)
    shift = size * strength["translation"] * torch.empty(n, 2).uniform_(-1, 1)
    return matrix, middle + shift - matrix @ middle


def sample(images, matrix, offset):
    points = GRID @ matrix.transpose(1, 2) + offset[:, None]
    grid = (points * (2 / (size - 1)) - 1).reshape(-1, size, size, 2)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)


def blurred(x, deviations):
    n, radius = len(x), math.ceil(3 * strength["blur"])
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1.0)[None] / deviations[:, None]) ** 2)
    taps = (taps / taps.sum(1, keepdim=True)).reshape(n, 1, -1, 1)
    x = F.pad(x.reshape(1, n, size, size), (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(x, taps, groups=n), taps.transpose(2, 3), groups=n).reshape(n, 1, size, size)


def toned(x):
    n = len(x)
    control = torch.arange(5) / 4 + strength["tone"] * torch.empty(n, 5).uniform_(-1, 1)
    control = control.clamp(0, 1)
    control = torch.where(likely(n, strength["invert"])[:, None], 1 - control, control)
    c0, c1, c2, c3, c4 = (column.reshape(n, 1, 1, 1) for column in control.unbind(1))
    y = c4 - 4 * c3 + 6 * c2 - 4 * c1 + c0
    for coefficient in (4 * (c3 - 3 * c2 + 3 * c1 - c0), 6 * (c2 - 2 * c1 + c0), 4 * (c1 - c0), c0):
        y = y * x + coefficient
    return y.clamp_(min=0)


def augmented(x):
    """The intensities of augment() in its order, from blur to normalization."""
    n = len(x)
    each = lambda values: values.reshape(n, 1, 1, 1)
    if strength["blur"] > 0:
        x = blurred(x, drawn(n, 1e-3, strength["blur"]))
    x = toned(x)
    x = x ** each(factors(n, strength["gamma"]))
    mean, contrast = x.mean((2, 3), keepdim=True), each(factors(n, strength["contrast"]))
    x = (x * contrast + mean * (1 - contrast) + each(drawn(n, -strength["brightness"], strength["brightness"]))).clamp_(min=0)
    deviation = each(drawn(n, 0, strength["noise"]))
    x = torch.hypot(x + deviation * torch.randn_like(x), deviation * torch.randn_like(x))
    sides = (strength["cutoutSize"] * size * (0.5 + 0.5 * torch.rand(2, n))).round().clamp(min=1)
    corners = (torch.rand(2, n) * (size - sides + 1)).floor()
    u, v = (GRID[:, axis].reshape(1, 1, size, size) for axis in (0, 1))
    inside = [(p >= each(first)) & (p < each(first + side)) for p, first, side in zip((u, v), corners, sides)]
    blank = inside[0] & inside[1] & each(likely(n, strength["cutout"]))
    x = torch.where(blank, 0.0, x)
    return normalized(x)


def normalized(x):
    return ((x - job["mean"]) / job["std"]).contiguous(memory_format=torch.channels_last)


def heatmaps(rows, matrix, offset):
    """Targets [n, 3, side, side]: the maximum of one Gaussian per landmark."""
    side = size // stride
    sigma = settings["sigma"] * side
    targets = torch.zeros(len(rows), 3, side, side)
    inverse = torch.linalg.inv(matrix)
    for n, row in enumerate(rows):
        for channel, points in enumerate(job["landmarks"][row]):
            if not points:
                continue
            views = (torch.tensor(points) - offset[n]) @ inverse[n].T
            centres = (views - (stride - 1) / 2) / stride
            deviation = sigma * job["deviations"][channel]
            x = torch.exp(-0.5 * ((MAP_PIXELS[0, :, 0] - centres[:, :1]) / deviation) ** 2)
            y = torch.exp(-0.5 * ((MAP_PIXELS[:, 0, 1] - centres[:, 1:]) / deviation) ** 2)
            targets[n, channel] = (y[:, :, None] * x[:, None]).amax(0)
    return targets


def rate(step, steps_per_epoch):
    total = settings["epochs"] * steps_per_epoch
    warmup = min(total, round(settings["warmupEpochs"] * steps_per_epoch))
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return settings["floor"] + (1 - settings["floor"]) * 0.5 * (1 + math.cos(math.pi * progress))


images = torch.from_numpy(read(f"{folder}/slices.safetensors")["slices"].astype(np.float32) / 65535)[:, None]
network = UNet(3, **settings["unet"])
initialize(network)
network.to(memory_format=torch.channels_last)
parameters = [parameter for block in network.blocks() for parameter in block.parameters()]
groups = {}
for parameter in parameters:
    groups.setdefault(settings["weightDecay"] if parameter.ndim > 1 else 0, []).append(parameter)
optimizer = torch.optim.AdamW(
    [{"params": group, "weight_decay": decay} for decay, group in groups.items()],
    lr=settings["learningRate"],
    fused=True,
)
train = torch.tensor(job["train"])
batch = settings["batch"]
steps = max(1, len(train) // batch)
seconds = []
for epoch in range(settings["epochs"]):
    start = time.perf_counter()
    order = train[torch.randperm(len(train))]
    losses = []
    for step in range(steps):
        rows = order[step * batch : (step + 1) * batch].tolist()
        with torch.no_grad():
            matrix, offset = geometry(len(rows))
            views = augmented(sample(images[rows], matrix, offset))
            targets = heatmaps(rows, matrix, offset)
            weights = (1 + (settings["centreWeight"] - 1) * targets) * torch.tensor([1, settings["sacralWeight"], 1])[:, None, None]
        loss = F.binary_cross_entropy_with_logits(network(views), targets, weights, reduction="sum") / weights.sum()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, settings["clipNorm"], foreach=True)
        for group in optimizer.param_groups:
            group["lr"] = settings["learningRate"] * rate(epoch * steps + step, steps)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    seconds.append(time.perf_counter() - start)
    print(json.dumps({"epoch": epoch + 1, "loss": sum(losses) / len(losses), "seconds": seconds[-1]}), flush=True)

network.eval()
with torch.no_grad():
    chunks = [network(normalized(images[chunk])).sigmoid() for chunk in torch.tensor(job["test"]).split(batch)]
write(f"{folder}/maps.safetensors", "maps", torch.cat(chunks).contiguous().numpy())
print(json.dumps({"versions": f"Python {sys.version.split()[0]}, torch {torch.__version__}"}), flush=True)
