"""Golden values of temperature scaling and of the quantile of conformal sets, from SciPy and NumPy.

    python -m venv venv && venv/bin/pip install scipy
    venv/bin/python test/oracles/trust.py > test/evaluation/golden/trust.json
"""

import json
import sys

import numpy
import scipy
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax


def temperature(logits, truth):
    rows = numpy.arange(len(truth))
    loss = lambda log: -log_softmax(logits / numpy.exp(log), axis=1)[rows, truth].mean()
    found = minimize_scalar(loss, bounds=(numpy.log(0.1), numpy.log(10)), method="bounded", options={"xatol": 1e-10})
    return float(numpy.exp(found.x)), float(loss(0.0)), float(found.fun)


def minimums(probabilities, truth, coverage):
    """One minus the conformal quantile of the scores 1 - p (Angelopoulos and Bates 2023, section 1): an order statistic.
    NumPy's method "higher" interpolates over n - 1 intervals and takes the next one."""
    values = []
    for grade in range(probabilities.shape[1]):
        scores = 1 - probabilities[truth == grade, grade]
        n = len(scores)
        level = numpy.ceil((n + 1) * coverage) / n if n > 0 else numpy.inf
        values.append(0.0 if level > 1 + 1e-9 else 1 - float(numpy.quantile(scores, level, method="inverted_cdf")))
    return values


def case(generator, discs, grades, sharpness, coverage):
    logits = generator.normal(size=(discs, grades)) * 2
    truth = numpy.array([generator.choice(grades, p=row) for row in softmax(logits, axis=1)])
    probabilities = numpy.maximum(1e-9, numpy.round(softmax(logits * sharpness, axis=1), 9))
    found, before, after = temperature(numpy.log(probabilities), truth)
    return {
        "probabilities": probabilities.tolist(),
        "truth": truth.tolist(),
        "temperature": found,
        "loss": {"before": before, "after": after},
        "coverage": coverage,
        "minimums": minimums(probabilities, truth, coverage),
    }


generator = numpy.random.default_rng(2017)
json.dump(
    {
        "versions": {"python": sys.version.split()[0], "scipy": scipy.__version__, "numpy": numpy.__version__},
        "cases": [
            case(generator, 200, 3, 2.5, 0.9),
            case(generator, 150, 2, 0.5, 0.8),
            case(generator, 120, 5, 1.0, 0.95),
            case(generator, 20, 4, 1.5, 0.9),
        ],
    },
    sys.stdout,
    separators=(",", ":"),
)
print()
