"""Reads the lumbar test volume with nibabel. Requires nibabel and numpy.

    SPINEGRAD_TEST_DATA=DIR python test/oracles/nifti.py > test/data/golden/nifti.json

Records the shape, and position in the patient (LPS, mm) and value of some voxels.
"""

import json
import os
import sys

import nibabel
import numpy as np

volume = nibabel.load(os.path.join(os.environ["SPINEGRAD_TEST_DATA"], "lumbar-volume", "t2_lumbar.nii.gz"))
values = volume.get_fdata()
generator = np.random.default_rng(0)
voxels = []
for _ in range(40):
    index = [int(generator.integers(n)) for n in values.shape]
    x, y, z = nibabel.affines.apply_affine(volume.affine, index)
    voxels.append({"lps": [round(float(v), 6) for v in (-x, -y, z)], "value": float(values[tuple(index)])})
json.dump(
    {
        "versions": {"nibabel": nibabel.__version__, "numpy": np.__version__},
        "shape": list(values.shape),
        "voxels": voxels,
    },
    sys.stdout,
    indent=1,
)
print()
