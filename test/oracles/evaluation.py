"""Golden values of the evaluation metrics, from scikit-learn and SciPy, for ordered and nominal grades.

    python -m venv venv && venv/bin/pip install scikit-learn==1.9.1
    venv/bin/python test/oracles/evaluation.py > test/evaluation/golden/sklearn.json

scikit-learn has no expected calibration error; this script computes it. The bootstrap interval uses NumPy's generator, so
the test compares it with a tolerance.
"""

import json
import sys
import warnings

import numpy
import scipy
import sklearn
from scipy.stats import binomtest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    log_loss,
    recall_score,
    roc_auc_score,
)

warnings.filterwarnings("ignore")
RSNA_WEIGHTS = [1, 2, 4]
LEVELS = ["L1/L2", "L2/L3", "L3/L4", "L4/L5", "L5/S1"]


def ece(probabilities, truth, bins=15):
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    edges = numpy.linspace(0, 1, bins + 1)
    error = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return error


def number(value):
    return None if value is None or numpy.isnan(value) else float(value)


def one_versus_rest(score, truth, probabilities, ordered):
    """The last grade against the rest, or the mean over the grades that occur."""
    grades = probabilities.shape[1]
    values = []
    for grade in [grades - 1] if ordered else range(grades):
        positive = truth == grade
        if not positive.any() or (score is roc_auc_score and positive.all()):
            continue
        values.append(score(positive, probabilities[:, grade]))
    return number(numpy.mean(values)) if values else None


def metrics(truth, probabilities, weights, ordered):
    labels = list(range(len(weights)))
    predicted = probabilities.argmax(axis=1)
    recall = recall_score(truth, predicted, labels=labels, average=None, zero_division=numpy.nan)
    kappa = cohen_kappa_score(truth, predicted, labels=labels, weights="quadratic" if ordered else None)
    sample_weight = numpy.array(weights)[truth]
    return {
        "balancedAccuracy": number(balanced_accuracy_score(truth, predicted)),
        "recall": [number(value) for value in recall],
        "kappa": number(kappa),
        "auroc": one_versus_rest(roc_auc_score, truth, probabilities, ordered),
        "auprc": one_versus_rest(average_precision_score, truth, probabilities, ordered),
        "ece": number(ece(probabilities, truth)),
        "weightedLogLoss": number(log_loss(truth, probabilities, labels=labels, sample_weight=sample_weight)),
        "confusion": confusion_matrix(truth, predicted, labels=labels).tolist(),
    }


def bootstrap(study, truth, called, resamples=20000):
    generator = numpy.random.default_rng(0)
    studies = numpy.unique(study)
    counts = numpy.zeros((len(studies), 3, 3))
    for s, t, c in zip(study, truth, called):
        counts[numpy.searchsorted(studies, s), t, c] += 1
    drawn = generator.multinomial(len(studies), numpy.full(len(studies), 1 / len(studies)), size=resamples)
    tables = numpy.einsum("bs,sij->bij", drawn, counts)
    rows = tables.sum(axis=2)
    tables, rows = tables[(rows > 0).all(axis=1)], rows[(rows > 0).all(axis=1)]
    values = (numpy.einsum("bii->bi", tables) / rows).mean(axis=1)
    return [float(value) for value in numpy.percentile(values, [2.5, 97.5])]


def case(name, truth, probabilities, interval=False, weights=RSNA_WEIGHTS, ordered=True):
    truth = numpy.asarray(truth)
    probabilities = numpy.asarray(probabilities, dtype=float)
    study = [f"s{i // 5:03d}" for i in range(len(truth))]
    golden = metrics(truth, probabilities, weights, ordered)
    if interval:
        golden["interval"] = bootstrap(study, truth, probabilities.argmax(axis=1))
    return {
        "name": name,
        "weights": weights,
        "ordered": ordered,
        "predictions": {
            "studyId": study,
            "level": [LEVELS[i % 5] for i in range(len(truth))],
            "truth": truth.tolist(),
            "probabilities": probabilities.tolist(),
        },
        "expected": golden,
    }


def noisy(generator, discs, prevalence, skill, digits):
    grades = len(prevalence)
    truth = generator.choice(grades, size=discs, p=prevalence)
    logits = generator.normal(size=(discs, grades)) + skill * numpy.eye(grades)[truth]
    probabilities = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
    probabilities = numpy.round(probabilities, digits)
    probabilities[:, 0] = numpy.round(1 - probabilities[:, 1:].sum(axis=1), digits)
    return truth, numpy.clip(probabilities, 0, 1)


def cases():
    generator = numpy.random.default_rng(2602)
    yield case("random", *noisy(generator, 200, [0.6, 0.25, 0.15], 1.5, 6), interval=True)
    yield case("rare severe", *noisy(generator, 100, [0.85, 0.11, 0.04], 1.0, 6))
    yield case("ties in scores", *noisy(generator, 120, [0.5, 0.3, 0.2], 1.0, 1))
    yield case("no skill", *noisy(generator, 90, [1 / 3, 1 / 3, 1 / 3], 0.0, 6))
    yield case("perfect", [0, 1, 2, 0, 1, 2, 0, 0], numpy.eye(3)[[0, 1, 2, 0, 1, 2, 0, 0]])
    yield case("all wrong", [0, 1, 2, 0, 1], numpy.eye(3)[[1, 2, 0, 2, 0]])
    yield case("constant predictor", [0, 1, 2, 0, 0, 2, 1], [[0.5, 0.3, 0.2]] * 7)
    yield case("no moderate in truth", [0, 2, 0, 2, 0], [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
    yield case("no severe in truth", [0, 1, 0, 1], [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.7, 0.2, 0.1]])
    yield case("one grade, predicted correctly", [0, 0, 0], [[0.8, 0.1, 0.1], [0.9, 0.05, 0.05], [0.7, 0.2, 0.1]])
    yield case("one severe disc", [2], [[0.2, 0.3, 0.5]])
    two = noisy(generator, 120, [0.7, 0.3], 1.0, 6)
    yield case("two ordered grades", *two, weights=[1, 3])
    yield case("two nominal grades", *two, weights=[1, 3], ordered=False)
    five = noisy(generator, 200, [0.1, 0.2, 0.3, 0.25, 0.15], 1.5, 6)
    yield case("five ordered grades", *five, weights=[1, 1, 2, 3, 5])
    yield case("five nominal grades", *five, weights=[1, 1, 2, 3, 5], ordered=False)
    yield case("a nominal grade that does not occur", [0, 1, 3, 1], numpy.eye(4)[[0, 1, 1, 3]], weights=[1] * 4, ordered=False)
    yield case("one nominal grade", [1, 1], [[0.3, 0.7], [0.6, 0.4]], weights=[1, 1], ordered=False)


RSNA_CONDITIONS = {
    "rsna/spinal_canal_stenosis": "spinal",
    "rsna/left_neural_foraminal_narrowing": "foraminal",
    "rsna/right_neural_foraminal_narrowing": "foraminal",
    "rsna/left_subarticular_stenosis": "subarticular",
    "rsna/right_subarticular_stenosis": "subarticular",
}


def rsna(generator):
    """The score of the RSNA 2024 challenge: three conditions and any severe canal stenosis per study, equally weighted."""
    tasks = {}
    for task in RSNA_CONDITIONS:
        truth, probabilities = noisy(generator, 40, [0.6, 0.25, 0.15], 1.0, 6)
        graded = numpy.sort(generator.permutation(40)[:36])
        study = numpy.array([f"s{i // 5}" for i in range(40)])[graded]
        level = numpy.array([LEVELS[i % 5] for i in range(40)])[graded]
        tasks[task] = (study, level, truth[graded], probabilities[graded])
    losses = {}
    for condition in ("spinal", "foraminal", "subarticular"):
        chosen = [tasks[task] for task, of in RSNA_CONDITIONS.items() if of == condition]
        truth = numpy.concatenate([entry[2] for entry in chosen])
        probabilities = numpy.concatenate([entry[3] for entry in chosen])
        losses[condition] = log_loss(truth, probabilities, labels=[0, 1, 2], sample_weight=numpy.array(RSNA_WEIGHTS)[truth])
    study, _, truth, probabilities = tasks["rsna/spinal_canal_stenosis"]
    studies = numpy.unique(study)
    most = lambda values: [values[study == name].max() for name in studies]
    severe, weight = most(truth == 2), most(numpy.array(RSNA_WEIGHTS)[truth])
    losses["anySevereSpinal"] = log_loss(severe, most(probabilities[:, 2]), labels=[0, 1], sample_weight=weight)
    losses["score"] = numpy.mean(list(losses.values()))
    return {
        "tasks": {
            task: {"studyId": study.tolist(), "level": level.tolist(), "truth": truth.tolist(), "probabilities": p.tolist()}
            for task, (study, level, truth, p) in tasks.items()
        },
        "expected": {name: number(loss) for name, loss in losses.items()},
    }


def wilson(k, n):
    interval = binomtest(k, n).proportion_ci(0.95, method="wilson")
    return {"k": k, "n": n, "low": float(interval.low), "high": float(interval.high)}


json.dump(
    {
        "versions": {
            "python": sys.version.split()[0],
            "scikit-learn": sklearn.__version__,
            "scipy": scipy.__version__,
            "numpy": numpy.__version__,
        },
        "cases": list(cases()),
        "rsna": rsna(numpy.random.default_rng(2024)),
        "wilson": [wilson(k, n) for k, n in [(0, 5), (5, 5), (1, 3), (2, 94), (5, 94), (37, 120), (0, 1), (999, 1000)]],
    },
    sys.stdout,
    separators=(",", ":"),
)
print()
