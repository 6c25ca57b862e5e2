"""Runs the workloads of bench/peers/spinegrad.ts with PyTorch for `npm run bench:peers`, which starts this process.

    python worker.py THREADS

The first line of output is {"versions": ...} or {"missing": reason}. Each line of input is a request
(bench/peers/job.ts), each line of output its answer. A workload can have several variants. PyTorch uses channels_last
images, fused optimizers, foreach clipping, and a float32 bank, which saves the conversion from uint16. Variants that
need a compiler are left out if there is none.
"""

import base64
import copy
import json
import math
import shutil
import sys
import time
import warnings

warnings.filterwarnings("ignore")


def answer(value):
    print(json.dumps(value), flush=True)


try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    answer({"missing": f"{sys.executable}: {error}"})
    sys.exit()

torch.set_num_threads(int(sys.argv[1]))
COMPILES = bool(shutil.which("g++") or shutil.which("c++"))
SIDE, MEAN, STD = 96, 0.4, 0.2
CLASS_WEIGHTS = torch.tensor([0.6, 1.3, 1.9])


def read(folder):
    """The tensors of inputs.safetensors."""
    with open(f"{folder}/inputs.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        body = file.read()
    kinds = {"F32": np.float32, "I32": np.int32, "U16": np.uint16}
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], kinds[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def variants(function, **compile_options):
    """The function, and its compiled version if there is a compiler."""
    return {"eager": function} | ({"compile": torch.compile(function, **compile_options)} if COMPILES else {})


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)).add_(shortcut), inplace=True)


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage in range(4):
            outputs = 64 << stage
            blocks = [Block(inputs, outputs, 1 if stage == 0 else 2), Block(outputs, outputs, 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            inputs = outputs

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))


class Network(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.encoder = ResNet18()
        self.head = head

    def forward(self, x):
        return self.head(self.encoder(x))

    def load(self, tensors):
        state = {name: torch.from_numpy(value.copy()) for name, value in tensors.items() if name[:5] in ("encod", "head.")}
        missing = self.load_state_dict(state, strict=False)
        assert not missing.unexpected_keys and all("num_batches" in key for key in missing.missing_keys), missing
        return self.to(memory_format=torch.channels_last)


def info_nce(embeddings, labels, temperature=0.1):
    s = embeddings @ embeddings.T / temperature
    diagonal = torch.eye(len(s), dtype=torch.bool)
    positives = (labels[:, None] == labels) & ~diagonal
    s = s.masked_fill(diagonal, float("-inf"))
    return (s.logsumexp(1) - torch.where(positives, s, 0).sum(1) / positives.sum(1)).mean()


def focal_loss(logits, targets, weights=CLASS_WEIGHTS):
    logp = logits.log_softmax(1).gather(1, targets[:, None]).squeeze(1)
    return (-weights[targets] * (1 - logp.exp()) ** 2 * logp).mean()


def sample(images, maps):
    """Resamples images [N, 1, H, W] with affine maps [N, 2, 3] from output pixels to input pixels."""
    scale = torch.tensor([2 / (SIDE - 1)])
    v, u = torch.meshgrid(torch.arange(SIDE, dtype=torch.float32), torch.arange(SIDE, dtype=torch.float32), indexing="ij")
    points = torch.stack([u, v, torch.ones_like(u)], 2).reshape(1, -1, 3) @ maps.transpose(1, 2)
    grid = (points * scale - 1).reshape(-1, SIDE, SIDE, 2)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)


def blurred(x, deviations):
    """Separable Gaussian blur with one standard deviation per image. It is at most 0.8, so a radius of 3 pixels is enough."""
    n = len(x)
    taps = torch.exp(-0.5 * (torch.arange(-3.0, 4.0)[None] / deviations[:, None]) ** 2)
    taps = (taps / taps.sum(1, keepdim=True)).reshape(n, 1, 7, 1)
    x = F.pad(x.reshape(1, n, SIDE, SIDE), (3, 3, 3, 3), mode="replicate")
    x = F.conv2d(F.conv2d(x, taps, groups=n), taps.transpose(2, 3), groups=n)
    return x.reshape(n, 1, SIDE, SIDE)


def drawn(n, low, high):
    return torch.empty(n).uniform_(low, high)


def factors(n, maximum):
    return torch.exp(drawn(n, -math.log1p(maximum), math.log1p(maximum))).reshape(n, 1, 1, 1)


def augmented(images):
    """augment() with the settings of ts/training/settings/augmentation.ts."""
    n = len(images)
    angle, pitch = torch.deg2rad(drawn(n, -10, 10)), 1 / factors(n, 0.15).flatten()
    a, b = pitch * torch.cos(angle), -pitch * torch.sin(angle)
    middle = (SIDE - 1) / 2
    shift = 0.06 * SIDE
    c = middle + drawn(n, -shift, shift) - (a + b) * middle
    f = middle + drawn(n, -shift, shift) - (a - b) * middle
    x = sample(images, torch.stack([torch.stack([a, b, c], 1), torch.stack([-b, a, f], 1)], 1))
    x = blurred(x, drawn(n, 1e-3, 0.8))
    x = x.clamp_min(1e-12) ** factors(n, 0.25)
    mean = x.mean((2, 3), keepdim=True)
    x = ((x - mean) * factors(n, 0.25) + mean + drawn(n, -0.1, 0.1).reshape(n, 1, 1, 1)).clamp_min(0)
    deviation = drawn(n, 0, 0.04).reshape(n, 1, 1, 1)
    x = torch.sqrt((x + deviation * torch.randn_like(x)) ** 2 + (deviation * torch.randn_like(x)) ** 2)
    sides = (0.3 * SIDE * drawn(2 * n, 0.5, 1)).round().reshape(2, n, 1, 1, 1)
    corners = (torch.rand(2, n, 1, 1, 1) * (SIDE - sides + 1)).floor()
    v = torch.arange(SIDE, dtype=torch.float32).reshape(1, 1, SIDE, 1)
    u = v.transpose(2, 3)
    blank = (u >= corners[0]) & (u < corners[0] + sides[0]) & (v >= corners[1]) & (v < corners[1] + sides[1])
    blank = blank & (torch.rand(n, 1, 1, 1) < 0.3)
    x = torch.where(blank, x.mean((2, 3), keepdim=True), x)
    return (x - MEAN) / STD


def bank_of(tensors):
    return torch.from_numpy(tensors["bank"].astype(np.float32) / 65535)


def rows_of(bank, rows, step):
    return bank[(rows + step * len(rows)) % len(bank)][:, None]


def groups_of(network, contrastive):
    """Parameters with the learning rates and weight decays of ts/training/groups.ts."""
    for name, parameter in network.named_parameters():
        stage = int(name[len("encoder.layer")]) if name.startswith("encoder.layer") else 0
        differential = not contrastive and name.startswith("encoder.")
        decay = 0 if parameter.ndim == 1 else 1e-4 if contrastive else 1e-2
        yield {"params": [parameter], "lr": 1e-3 * (0.3 * 0.7 ** (4 - stage) if differential else 1), "weight_decay": decay}


def merged(groups):
    by_settings = {}
    for group in groups:
        by_settings.setdefault((group["lr"], group["weight_decay"]), {**group, "params": []})["params"] += group["params"]
    return list(by_settings.values())


def training(options, folder):
    contrastive = options["task"] == "pretraining"
    tensors = read(folder)
    bank = bank_of(tensors)
    if contrastive:
        head = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 128))
    else:
        head = nn.Sequential(nn.Dropout(0.2), nn.Linear(512, 3))
        tensors = {name.replace("head.", "head.1."): value for name, value in tensors.items()}
    network = Network(head).load(tensors)
    optimizer = torch.optim.AdamW(merged(groups_of(network, contrastive)), fused=True)
    parameters = list(network.parameters())
    rows, labels = (torch.from_numpy(tensors[name].astype(np.int64)) for name in ("rows", "labels"))
    weights = None if contrastive else torch.from_numpy(tensors["class_weights"].copy())

    def loss_of(views, forward):
        y = forward(views.contiguous(memory_format=torch.channels_last))
        return info_nce(F.normalize(y), labels) if contrastive else focal_loss(y, labels, weights)

    state = {"step": 0}

    def runner(augmentation, loss):
        def run():
            with torch.no_grad():
                views = augmentation(rows_of(bank, rows, state["step"]))
            value = loss(views)
            value.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 5, foreach=True)
            optimizer.step()
            optimizer.zero_grad()
            state["step"] += 1
            return value.item()

        return run

    def eager(views):
        return loss_of(views, network)

    def values():
        """Computed in float64: the gradient amplifies rounding; PyTorch's float32 result has an error of 2e-3."""
        exact = copy.deepcopy(network).double().train()
        exact.head.eval()
        loss = loss_of((rows_of(bank, rows, 0).double() - MEAN) / STD, exact)
        loss.backward()
        return [loss.item(), torch.nn.utils.clip_grad_norm_(exact.parameters(), 1e9).item()]

    runs = {"eager": runner(augmented, eager)}
    if COMPILES:
        runs["compiled views"] = runner(torch.compile(augmented), eager)
        runs["compile"] = runner(torch.compile(augmented), torch.compile(eager))
    return runs, values


def inference(options, folder):
    tensors = read(folder)
    network = Network(nn.Linear(512, 3)).load(tensors).eval().requires_grad_(False)
    images = tensors["images"].copy()
    rows = torch.from_numpy(images)
    channels_last = rows.contiguous(memory_format=torch.channels_last)

    def runner(model, shape=torch.channels_last):
        def run():
            with torch.inference_mode():
                return model(torch.from_numpy(images).contiguous(memory_format=shape)).numpy()

        return run

    def optimized(example):
        with torch.no_grad():
            return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, example)))

    def folded():
        from torch.nn.utils.fusion import fuse_conv_bn_eval

        model = copy.deepcopy(network)
        model.encoder.conv1 = fuse_conv_bn_eval(model.encoder.conv1, model.encoder.bn1)
        model.encoder.bn1 = nn.Identity()
        for block in (module for module in model.modules() if isinstance(module, Block)):
            for i in "12":
                setattr(block, f"conv{i}", fuse_conv_bn_eval(getattr(block, f"conv{i}"), getattr(block, f"bn{i}")))
                setattr(block, f"bn{i}", nn.Identity())
            if block.downsample is not None:
                block.downsample = fuse_conv_bn_eval(*block.downsample)
        return model

    runs = {
        "eager": runner(network),
        "folded": runner(folded()),
        "jit": runner(optimized(channels_last)),
        "jit, rows": runner(optimized(rows), torch.contiguous_format),
    }
    if COMPILES:
        import torch._inductor.config as inductor

        inductor.freezing = True
        runs["compile, freezing"] = runner(torch.compile(network))
    return runs, lambda: [runner(network)()]


def loss_workload(name, other, loss):
    def run_loss(options, folder):
        tensors = read(folder)
        x = torch.from_numpy(tensors[name].copy()).requires_grad_()
        y = torch.from_numpy(tensors[other].astype(np.int64))

        def runner(function):
            def run():
                x.grad = None
                value = function(x, y)
                value.backward()
                return value.item()

            return run

        def values():
            value = runner(loss)()
            return [value, x.grad.numpy()]

        return {key: runner(function) for key, function in variants(loss).items()}, values

    return run_loss


def augmentation(options, folder):
    tensors = read(folder)
    bank, maps, n = bank_of(tensors), torch.from_numpy(tensors["maps"].copy()), options["batch"]
    state = {"step": 0}

    def runner(function):
        @torch.no_grad()
        def run():
            state["step"] += 1
            return function(rows_of(bank, n, state["step"]))

        return run

    runs = {key: runner(function) for key, function in variants(augmented).items()}
    return runs, lambda: [(sample(rows_of(bank, n, 0), maps).numpy() - MEAN) / STD]


def weights_of(step, start, size, length):
    """Matrix of a bilinear filter, widened to the step if that is above 1. The border is repeated."""
    at = start + step * np.arange(size)
    radius = max(1.0, abs(step))
    first = math.floor(at.min() - radius)
    taps = np.arange(first, math.ceil(at.max() + radius) + 1)
    weights = np.maximum(0, 1 - np.abs(taps[None] - at[:, None]) / radius)
    weights /= weights.sum(1, keepdims=True)
    matrix = np.zeros((size, length))
    np.add.at(matrix, (np.arange(size)[:, None], np.clip(taps, 0, length - 1)[None]), weights)
    return matrix


def roi(path):
    import pydicom
    from pydicom.pixels import apply_modality_lut

    dataset = pydicom.dcmread(path)
    pixels = np.asarray(apply_modality_lut(dataset.pixel_array, dataset), np.float32)
    rows, columns = pixels.shape
    ranks = [math.floor(p * (pixels.size - 1) + 0.5) for p in (0.005, 0.995)]
    low, high = np.partition(pixels.ravel(), ranks)[ranks]
    high = high if high > low else low + 1
    row_spacing, column_spacing = map(float, dataset.PixelSpacing)
    step = 60 / SIDE
    middle = (SIDE - 1) / 2
    sx, sy = step / column_spacing, step / row_spacing
    across = weights_of(sx, columns / 2 - sx * middle, SIDE, columns)
    down = weights_of(sy, rows / 2 - sy * middle, SIDE, rows)
    used = slice(*(np.flatnonzero(down.any(0))[[0, -1]] + [0, 1]))
    out = down[:, used] @ ((pixels[used] - low) @ across.T)
    return np.clip(np.floor(out * (65535 / (high - low)) + 0.5), 0, 65535)


def dicom(options, folder):
    import pydicom  # noqa: F401, fails here if it is missing

    with open(f"{folder}/files.json") as file:
        paths = json.load(file)
    return {"pydicom": lambda: [roi(path) for path in paths]}, lambda: [np.stack([roi(path) for path in paths])]


WORKLOADS = {
    "training": training,
    "inference": inference,
    "contrast": loss_workload("embeddings", "labels", info_nce),
    "focal": loss_workload("logits", "targets", focal_loss),
    "augmentation": augmentation,
    "dicom": dicom,
}


def peak_bytes():
    with open("/proc/self/status") as file:
        return 1024 * int(next(line.split()[1] for line in file if line.startswith("VmHWM")))


def reply(request):
    global RUNS, VALUES
    match request["command"]:
        case "open":
            torch.manual_seed(1)
            torch._dynamo.reset()
            RUNS, VALUES = WORKLOADS[request["workload"]](request["options"], request["folder"])
            return {"variants": list(RUNS)}
        case "values":
            texts = [base64.b64encode(np.asarray(value, np.float32).tobytes()).decode() for value in VALUES()]
            return {"values": texts}
        case "sample":
            run = RUNS[request["variant"]]
            begin = time.perf_counter()
            for _ in range(request["calls"]):
                run()
            return {"milliseconds": 1000 * (time.perf_counter() - begin) / request["calls"]}
        case "peak":
            return {"bytes": peak_bytes()}
        case "close":
            RUNS, VALUES = {}, None
            return {}


answer({"versions": f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, Python {sys.version.split()[0]}"
        + ("" if COMPILES else ", no compiler: without torch.compile")})
for line in sys.stdin:
    try:
        answer(reply(json.loads(line)))
    except Exception as error:  # reported by the bench
        answer({"error": f"{type(error).__name__}: {error}"[:300]})
