"""Times PyTorch for `npm run bench:kernels`, which starts this process.

The first argument is JSON with the settings. The first line of output is {"torch": versions} or {"missing": reason}.
Each line of input is a case of bench/kernels/cases.ts with its native calls. Each line of output has the samples in
milliseconds by call; calls without a counterpart in PyTorch are left out. Samples are taken as in
bench/kernels/measure.ts. PyTorch uses its fastest settings: channels_last, TF32 and cuDNN benchmark mode on CUDA, fused
optimizers, one additional warm-up.
"""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
SETTINGS = json.loads(sys.argv[1])
CUDA = SETTINGS["device"].startswith("cuda")


def answer(value):
    print(json.dumps(value), flush=True)


try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    answer({"missing": f"torch was not found by {sys.executable} ({error})"})
    sys.exit()
if CUDA and not torch.cuda.is_available():
    answer({"missing": f"torch {torch.__version__} does not support CUDA on this machine"})
    sys.exit()

DEVICE = torch.device(SETTINGS["device"])
if CUDA:
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
else:
    torch.set_num_threads(SETTINGS["threads"])


def tensor(spec):
    shape, below = spec["shape"], spec.get("below")
    if spec["dtype"] == "int32":
        return torch.randint(below, shape, device=DEVICE)
    if spec["dtype"] == "uint8":
        return torch.randint(256, shape, dtype=torch.uint8, device=DEVICE)
    values = torch.randn(shape, device=DEVICE) if spec.get("kind") == "normal" else torch.rand(shape, device=DEVICE)
    return values.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else values


def batch_norm(i, o):
    y = F.batch_norm(i["x"], i["runningMean"], i["runningVariance"], i["weight"], i["bias"], o["training"])
    if "residual" in i:
        y = y + i["residual"]
    return F.relu(y) if o["relu"] else y


def info_nce(i, o):
    e, labels = i["embeddings"], i["labels"]
    s = e @ e.T / o["temperature"]
    diagonal = torch.eye(len(e), dtype=torch.bool, device=DEVICE)
    positives = (labels[:, None] == labels) & ~diagonal
    s = s.masked_fill(diagonal, float("-inf"))
    loss = s.logsumexp(1) - torch.where(positives, s, 0).sum(1) / positives.sum(1).clamp(min=1)
    return loss[positives.any(1)].mean()


def focal_loss(i, o):
    x, targets, gamma = i["logits"], i["targets"], o["gamma"]
    if o["form"] == "sigmoid":
        p = x.sigmoid()
        missed = p * (1 - targets) + (1 - p) * targets
        return (F.binary_cross_entropy_with_logits(x, targets, reduction="none") * missed**gamma).mean()
    entropy = F.cross_entropy(x, targets, reduction="none")
    return ((1 - torch.exp(-entropy)) ** gamma * entropy).mean()


def positions(i, o):
    n, k, h, w = i["x"].shape
    p = i["x"].flatten(2).softmax(2).unflatten(2, (h, w))
    x = (p.sum(2) * torch.arange(w, device=DEVICE)).sum(2)
    y = (p.sum(3) * torch.arange(h, device=DEVICE)).sum(2)
    return torch.stack([x, y], 2)


def attention_pool(i, o):
    n, k = i["mask"].shape
    scores = i["scores"].reshape(n, k).masked_fill(i["mask"] == 0, float("-inf"))
    return (scores.softmax(1)[:, None] @ i["embeddings"].reshape(n, k, -1))[:, 0]


FUNCTIONS = {
    "conv2d": lambda i, o: F.conv2d(i["x"], i["weight"], i.get("bias"), o["stride"], int(o["padding"])),
    "linear": lambda i, o: F.linear(i["x"], i["weight"], i["bias"]),
    "batchNorm2d": batch_norm,
    "maxPool2d": lambda i, o: F.max_pool2d(i["x"], o["kernel"], o["stride"], o["padding"]),
    "globalAvgPool2d": lambda i, o: i["x"].mean((2, 3)),
    "concat": lambda i, o: torch.cat((i["a"], i["b"]), 1),
    "upsample2d": lambda i, o: F.interpolate(i["x"], scale_factor=o["scale"], mode="nearest"),
    "l2Normalize": lambda i, o: F.normalize(i["x"]),
    "infoNCE": info_nce,
    "focalLoss": focal_loss,
    "softmax": lambda i, o: i["x"].softmax(1),
    "logSoftmax": lambda i, o: i["x"].log_softmax(1),
    "mse": lambda i, o: F.mse_loss(i["x"], i["target"]),
    "smoothL1": lambda i, o: F.smooth_l1_loss(i["x"], i["target"], beta=o["beta"]),
    "bceWithLogits": lambda i, o: F.binary_cross_entropy_with_logits(i["x"], i["target"]),
    "attentionPool": attention_pool,
    "softArgmax2d": positions,
    "relu": lambda i, o: F.relu(i["x"]),
    "add": lambda i, o: i["x"] + i["y"],
    "mul": lambda i, o: i["x"] * o.get("factor", i.get("y")),
    "sum": lambda i, o: i["x"].sum(),
    "copy": lambda i, o: i["x"].clone(),
    "full": lambda i, o: torch.full(o["shape"], 1.0, device=DEVICE),
    "dropout": lambda i, o: F.dropout(i["x"], o["p"]),
    "gather": lambda i, o: i["x"][i["indices"]],
}

# Inputs whose gradient a call computes. Calls that are not listed compute all.
GRADIENTS = {"dgrad": ["x"], "wgrad": ["weight"], "biasGrad": []}


def stepping(kind, **options):
    def step_of(inputs, settings):
        parameters = [t for name, t in inputs.items() if name.startswith("parameter.")]
        for index, parameter in enumerate(parameters):
            parameter.grad = inputs[f"gradient.{index}"]
        optimizer = kind(parameters, lr=settings["learningRate"], fused=True, **options)
        return optimizer.step

    return step_of


def average(inputs, settings):
    of = lambda kind: [t for name, t in inputs.items() if name.startswith(kind)]
    sources, targets = of("source."), of("target.")
    return lambda: torch._foreach_lerp_(targets, sources, 1 - settings["decay"])


def clip(inputs, settings):
    parameters = [torch.empty_like(t) for t in inputs.values()]
    for parameter, gradient in zip(parameters, inputs.values()):
        parameter.grad = gradient
    return lambda: torch.nn.utils.clip_grad_norm_(parameters, settings["maxNorm"], foreach=True)


STEPS = {
    "adamW": stepping(torch.optim.AdamW),
    "sgd": stepping(torch.optim.SGD, momentum=0.9),
    "ema": average,
    "clipGradNorm": clip,
}

flush = torch.empty(max(SETTINGS["flushBytes"], 2**28 if CUDA else 0) // 4, device=DEVICE)


def sample(body):
    flush.zero_()
    if CUDA:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        body()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)
    begin = time.perf_counter()
    body()
    return (time.perf_counter() - begin) * 1000


def samples(body):
    effort = SETTINGS["effort"]
    for _ in range(1 + effort["warmUps"]):
        body()
    taken = []
    end = time.perf_counter() + effort["seconds"]
    while len(taken) < effort["minSamples"] or (len(taken) < effort["maxSamples"] and time.perf_counter() < end):
        taken.append(sample(body))
    return taken


def without_gradient(function, inputs, options):
    def body():
        with torch.no_grad():
            function(inputs, options)

    return body


def bodies(case):
    """The functions to time, by native call."""
    operation, options = case["operation"], case.get("options", {})
    inputs = {name: tensor(spec) for name, spec in case["inputs"].items()}
    if operation in STEPS:
        step = STEPS[operation](inputs, options)
        return {call: step for call in case["calls"]}
    function = FUNCTIONS.get(operation)
    if function is None:
        return {}
    functions = {}
    for call in case["calls"]:
        backward = "rad" in call or "ackward" in call
        if not backward:
            functions[call] = without_gradient(function, inputs, options)
            continue
        required = GRADIENTS.get(call.split(".")[1], case.get("gradients", []))
        if not required:
            continue
        leaves = {name: t.detach().requires_grad_(name in required) if t.is_floating_point() else t for name, t in inputs.items()}
        y = function(leaves, options)
        gradient = torch.randn_like(y)
        sources = [leaves[name] for name in required]
        functions[call] = lambda y=y, g=gradient, s=sources: torch.autograd.grad(y, s, g, retain_graph=True)
    return functions


answer({"torch": f"PyTorch {torch.__version__}" + (f", cuDNN {torch.backends.cudnn.version()}" if CUDA else f", {torch.get_num_threads()} threads")})
for line in sys.stdin:
    answer({call: samples(body) for call, body in bodies(json.loads(line)).items()})
