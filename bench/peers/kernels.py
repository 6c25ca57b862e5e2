"""PyTorch's side of `npm run bench:kernels`, which starts it: the same cases, by PyTorch's own operations.

The settings come as JSON in the first argument. One line of JSON answers: {"torch": versions}, or {"missing": reason}.
Then each line of the standard input is a case as bench/kernels/cases.ts has it, with the native calls that were timed,
and each answer gives milliseconds of every sample by call. Calls that PyTorch has no counterpart of are left out.
A sample is taken as on the other side (bench/kernels/measure.ts): a buffer larger than the cache is overwritten first,
and time is taken on the device. PyTorch runs at its best: channels_last images, TF32 and cuDNN's own choice of
algorithm on CUDA, fused optimizers, one untimed run before all.
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
    answer({"missing": f"{sys.executable} has no torch ({error})"})
    sys.exit()
if CUDA and not torch.cuda.is_available():
    answer({"missing": f"torch {torch.__version__} has no CUDA here"})
    sys.exit()

DEVICE = torch.device(SETTINGS["device"])
if CUDA:
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
else:
    torch.set_num_threads(SETTINGS["threads"])


def tensor(given):
    shape, below = given["shape"], given.get("below")
    if given["dtype"] == "int32":
        return torch.randint(below, shape, device=DEVICE)
    values = torch.randn(shape, device=DEVICE) if given.get("kind") == "normal" else torch.rand(shape, device=DEVICE)
    return values.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else values


def batch_norm(i, o):
    y = F.batch_norm(i["x"], i["runningMean"], i["runningVariance"], i["weight"], i["bias"], o["training"])
    if "residual" in i:
        y = y + i["residual"]
    return F.relu(y) if o["relu"] else y


def info_nce(i, o):
    e, labels = i["embeddings"], i["labels"]
    s = e @ e.T / o["temperature"]
    itself = torch.eye(len(e), dtype=torch.bool, device=DEVICE)
    positives = (labels[:, None] == labels) & ~itself
    s = s.masked_fill(itself, float("-inf"))
    each = s.logsumexp(1) - torch.where(positives, s, 0).sum(1) / positives.sum(1).clamp(min=1)
    return each[positives.any(1)].mean()


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


FUNCTIONS = {
    "conv2d": lambda i, o: F.conv2d(i["x"], i["weight"], i.get("bias"), o["stride"], int(o["padding"])),
    "linear": lambda i, o: F.linear(i["x"], i["weight"], i["bias"]),
    "batchNorm2d": batch_norm,
    "maxPool2d": lambda i, o: F.max_pool2d(i["x"], o["kernel"], o["stride"], o["padding"]),
    "globalAvgPool2d": lambda i, o: i["x"].mean((2, 3)),
    "l2Normalize": lambda i, o: F.normalize(i["x"]),
    "infoNCE": info_nce,
    "focalLoss": focal_loss,
    "softmax": lambda i, o: i["x"].softmax(1),
    "logSoftmax": lambda i, o: i["x"].log_softmax(1),
    "mse": lambda i, o: F.mse_loss(i["x"], i["target"]),
    "smoothL1": lambda i, o: F.smooth_l1_loss(i["x"], i["target"], beta=o["beta"]),
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

# Gradients that a call takes; the others, `backward` and its like, take all.
GRADIENTS = {"dgrad": ["x"], "wgrad": ["weight"], "biasGrad": []}


def stepping(kind, **options):
    def step_of(inputs, given):
        parameters = [t for name, t in inputs.items() if name.startswith("parameter.")]
        for index, parameter in enumerate(parameters):
            parameter.grad = inputs[f"gradient.{index}"]
        optimizer = kind(parameters, lr=given["learningRate"], fused=True, **options)
        return optimizer.step

    return step_of


def average(inputs, given):
    of = lambda kind: [t for name, t in inputs.items() if name.startswith(kind)]
    sources, targets = of("source."), of("target.")
    return lambda: torch._foreach_lerp_(targets, sources, 1 - given["decay"])


def clip(inputs, given):
    parameters = [torch.empty_like(t) for t in inputs.values()]
    for parameter, gradient in zip(parameters, inputs.values()):
        parameter.grad = gradient
    return lambda: torch.nn.utils.clip_grad_norm_(parameters, given["maxNorm"], foreach=True)


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
    while len(taken) < effort["least"] or (len(taken) < effort["most"] and time.perf_counter() < end):
        taken.append(sample(body))
    return taken


def without_gradient(function, inputs, options):
    def body():
        with torch.no_grad():
            function(inputs, options)

    return body


def bodies(case):
    """What to time, by native call."""
    operation, options = case["operation"], case.get("options", {})
    inputs = {name: tensor(given) for name, given in case["inputs"].items()}
    if operation in STEPS:
        step = STEPS[operation](inputs, options)
        return {call: step for call in case["calls"]}
    function = FUNCTIONS.get(operation)
    if function is None:
        return {}
    found = {}
    for call in case["calls"]:
        backward = "rad" in call or "ackward" in call
        if not backward:
            found[call] = without_gradient(function, inputs, options)
            continue
        wanted = GRADIENTS.get(call.split(".")[1], case.get("gradients", []))
        if not wanted:
            continue
        leaves = {name: t.detach().requires_grad_(name in wanted) if t.is_floating_point() else t for name, t in inputs.items()}
        y = function(leaves, options)
        gradient = torch.randn_like(y)
        sources = [leaves[name] for name in wanted]
        found[call] = lambda y=y, g=gradient, s=sources: torch.autograd.grad(y, s, g, retain_graph=True)
    return found


answer({"torch": f"PyTorch {torch.__version__}" + (f", cuDNN {torch.backends.cudnn.version()}" if CUDA else f", {torch.get_num_threads()} threads")})
for line in sys.stdin:
    answer({call: samples(body) for call, body in bodies(json.loads(line)).items()})
