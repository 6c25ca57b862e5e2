"""Logistic regression on 12 x 12 pixels of the annotated crops of a run: balanced accuracy of the first task on the test
patients. The regularisation is the best one on the validation patients. Needs numpy and scikit-learn.

    python docs/tools/pixel-baseline.py runs/demo
"""
import json
import struct
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

PIXELS = 12

bank = f"{sys.argv[1]}/bank"
with open(f"{bank}/manifest.json") as file:
    manifest = json.load(file)
with open(f"{bank}/bank.safetensors", "rb") as file:
    (length,) = struct.unpack("<Q", file.read(8))
    entry = json.loads(file.read(length))["rois"]
    rois = np.frombuffer(file.read(), "<u2", np.prod(entry["shape"]), entry["data_offsets"][0]).reshape(entry["shape"])

records = [roi for roi in manifest["rois"] if roi["sliceOffset"] == 0 and roi["grades"][0] is not None]
side = rois.shape[1] // PIXELS
crops = rois[[roi["row"] for roi in records]].astype(float) / 65535
pixels = crops.reshape(len(records), PIXELS, side, PIXELS, side).mean((2, 4)).reshape(len(records), -1)
grades = np.array([roi["grades"][0] for roi in records])
parts = {split: np.array([roi["split"] == split for roi in records]) for split in ("train", "validation", "test")}
mean, std = pixels[parts["train"]].mean(0), pixels[parts["train"]].std(0)
pixels = (pixels - mean) / std


def accuracy(model, split):
    return balanced_accuracy_score(grades[parts[split]], model.predict(pixels[parts[split]]))


models = [
    LogisticRegression(C=c, class_weight="balanced", max_iter=5000).fit(pixels[parts["train"]], grades[parts["train"]])
    for c in (1e-4, 1e-3, 1e-2, 1e-1, 1)
]
best = max(models, key=lambda model: accuracy(model, "validation"))
print(f"C {best.C:g}, validation {accuracy(best, 'validation'):.3f}, test {accuracy(best, 'test'):.3f}")
