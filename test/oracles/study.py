"""Golden values of the statistics of a study, from scikit-learn, SciPy and statsmodels.

    python -m venv venv && venv/bin/pip install scikit-learn==1.9.1 statsmodels==0.15.0
    venv/bin/python test/oracles/study.py > test/study/golden/study.json

The metrics are computed for the pooled predictions of each repeat. Bootstrap intervals use NumPy's generator, so the test
compares them with a tolerance. The permutation test of ten patients enumerates all exchanges of the two arms.
"""

import json
import sys

import numpy
import scipy
import sklearn
import statsmodels
from scipy.stats import permutation_test
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    log_loss,
    recall_score,
    roc_auc_score,
)
from statsmodels.stats.multitest import multipletests

BINS = 15
DISCS = 5


def severe_as_mildest(truth, predicted, grades):
    return float((predicted[truth == grades - 1] == 0).mean())


def bins(probabilities, truth):
    """Counts, accuracies and mean confidences of the bins that have a prediction."""
    confidence = probabilities.max(axis=1)
    correct = (probabilities.argmax(axis=1) == truth).astype(int)
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=BINS, strategy="uniform")
    index = numpy.clip(numpy.ceil(confidence * BINS).astype(int), 1, BINS) - 1
    counts = numpy.bincount(index, minlength=BINS)
    return counts[counts > 0], accuracy, mean_confidence


def metrics(truth, probabilities, weights, ordered):
    grades = len(weights)
    labels = list(range(grades))
    predicted = probabilities.argmax(axis=1)
    positives = [grades - 1] if ordered else labels
    ranked = lambda score: float(numpy.mean([score(truth == grade, probabilities[:, grade]) for grade in positives]))
    counts, accuracy, confidence = bins(probabilities, truth)
    return {
        "balancedAccuracy": float(balanced_accuracy_score(truth, predicted)),
        "mostSevereAsMildest": severe_as_mildest(truth, predicted, grades) if ordered else None,
        "kappa": float(cohen_kappa_score(truth, predicted, labels=labels, weights="quadratic" if ordered else None)),
        "auroc": ranked(roc_auc_score),
        "auprc": ranked(average_precision_score),
        "ece": float((counts / counts.sum() * abs(accuracy - confidence)).sum()),
        "weightedLogLoss": float(log_loss(truth, probabilities, labels=labels, sample_weight=numpy.array(weights)[truth])),
        "recall": recall_score(truth, predicted, labels=labels, average=None).tolist(),
    }


def noisy(generator, truth, grades, skill):
    logits = generator.normal(size=(len(truth), grades)) + skill * numpy.eye(grades)[truth]
    probabilities = numpy.round(numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True), 6)
    probabilities[:, 0] = numpy.round(1 - probabilities[:, 1:].sum(axis=1), 6)
    return numpy.clip(probabilities, 0, 1)


def bootstrap(patient, truth, repeats, resamples=4000):
    """Balanced accuracy: the mean over the repeats for patients drawn with replacement."""
    generator = numpy.random.default_rng(1)
    patients = patient.max() + 1
    discs = [numpy.flatnonzero(patient == each) for each in range(patients)]
    values = []
    while len(values) < resamples:
        drawn = numpy.concatenate([discs[each] for each in generator.integers(patients, size=patients)])
        if len(set(truth[drawn])) < len(set(truth)):
            continue
        values.append(numpy.mean([balanced_accuracy_score(truth[drawn], p.argmax(axis=1)[drawn]) for p in repeats]))
    return {
        "interval": numpy.percentile(values, [2.5, 97.5]).tolist(),
        "standardError": float(numpy.std(values, ddof=1)),
    }


def table(name, generator, patients, prevalence, skill, weights, ordered, repeats=3, interval=False):
    grades = len(prevalence)
    truth = generator.choice(grades, size=patients * DISCS, p=prevalence)
    patient = numpy.arange(len(truth)) // DISCS
    predictions = [noisy(generator, truth, grades, skill) for _ in range(repeats)]
    counts, accuracy, confidence = bins(numpy.concatenate(predictions), numpy.tile(truth, repeats))
    expected = {
        "repeats": [metrics(truth, p, weights, ordered) for p in predictions],
        "reliability": {"counts": counts.tolist(), "accuracy": accuracy.tolist(), "confidence": confidence.tolist()},
    }
    if interval:
        expected["bootstrap"] = bootstrap(patient, truth, predictions)
    return {
        "name": name,
        "weights": weights,
        "ordered": ordered,
        "study": [f"p{each:03d}" for each in patient],
        "truth": truth.tolist(),
        "probabilities": [p.tolist() for p in predictions],
        "expected": expected,
    }


def permutation(generator, skills, patients=10, repeats=2, grades=3):
    """The exact p-value for two arms: whole patients are exchanged, together in all repeats."""
    truth = generator.choice(grades, size=patients * DISCS, p=[0.5, 0.3, 0.2])
    patient = numpy.arange(len(truth)) // DISCS
    arms = [[noisy(generator, truth, grades, skill) for _ in range(repeats)] for skill in skills]
    # Patient i of the first arm is number i, of the second arm number patients + i.
    statistics = {
        "balancedAccuracy": balanced_accuracy_score,
        "kappa": lambda t, p: cohen_kappa_score(t, p, weights="quadratic"),
        "mostSevereAsMildest": lambda t, p: severe_as_mildest(t, p, grades),
    }

    def value(selection, score):
        found = []
        for repeat in range(repeats):
            rows = [(each % patients, arms[each // patients][repeat]) for each in selection]
            t = numpy.concatenate([truth[patient == i] for i, _ in rows])
            p = numpy.concatenate([probabilities[patient == i].argmax(axis=1) for i, probabilities in rows])
            found.append(score(t, p))
        return numpy.mean(found)

    expected = {}
    for name, score in statistics.items():
        difference = lambda x, y, score=score: value(x, score) - value(y, score)
        both = (numpy.arange(patients), numpy.arange(patients, 2 * patients))
        result = permutation_test(both, difference, permutation_type="samples", vectorized=False, n_resamples=numpy.inf)
        far = abs(result.null_distribution) >= abs(result.statistic) - 1e-12
        expected[name] = {"difference": float(result.statistic), "p": float(far.mean())}
    return {
        "study": [f"p{each:03d}" for each in patient],
        "truth": truth.tolist(),
        "arms": [[p.tolist() for p in arm] for arm in arms],
        "expected": expected,
    }


def holm(p_values):
    return {"p": p_values, "corrected": multipletests(p_values, method="holm")[1].tolist()}


def main():
    generator = numpy.random.default_rng(13)
    tables = [
        table("three ordered grades", generator, 40, [0.6, 0.25, 0.15], 1.5, [1, 2, 4], True, interval=True),
        table("five ordered grades", generator, 40, [0.1, 0.2, 0.3, 0.25, 0.15], 1.2, [1, 1, 2, 3, 5], True),
        table("two ordered grades", generator, 30, [0.7, 0.3], 1.0, [1, 3], True, repeats=2),
        table("four nominal grades", generator, 30, [0.4, 0.3, 0.2, 0.1], 1.0, [1, 1, 1, 1], False),
        table("one repeat", generator, 20, [0.5, 0.3, 0.2], 1.0, [1, 2, 4], True, repeats=1),
    ]
    json.dump(
        {
            "versions": {
                "python": sys.version.split()[0],
                "scikit-learn": sklearn.__version__,
                "scipy": scipy.__version__,
                "statsmodels": statsmodels.__version__,
                "numpy": numpy.__version__,
            },
            "tables": tables,
            "permutations": [permutation(generator, skills) for skills in ([1.0, 1.0], [2.5, 0.3])],
            "holm": [
                holm([0.01, 0.04, 0.03]),
                holm([0.9, 0.001, 0.02, 0.02, 0.4]),
                holm([0.5]),
                holm(numpy.round(generator.uniform(size=10) ** 3, 6).tolist()),
            ],
        },
        sys.stdout,
        separators=(",", ":"),
    )
    print()


main()
