"""Writes test/dicom/golden/pydicom.json: the DICOM test files as pydicom reads them.

    SPINEGRAD_TEST_DATA=... python test/oracles/dicom.py

Requires pydicom, numpy and imagecodecs; the file was made with the plug-ins GDCM and Pillow. For each file it records
shape, sha256 and range of the modality values as float32 in C order, or pydicom's error. Exceptions:

- apply_modality_lut reads RescaleSlope and RescaleIntercept only at the top level. Enhanced multi-frame files have them
  in functional groups; this script applies them per frame.
- pydicom loses all elements of a file that ends without the sequence delimiter of its fragments. Such a file is read
  again with the delimiter appended (`repaired`).
- No plug-in decodes 12-bit JPEG or the retired processes .53 and .55. imagecodecs (libjpeg-turbo 3) decodes them
  (`decoder`), and pydicom's error is recorded as well.
"""

import hashlib
import io
import json
import os
import pathlib
import warnings

import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_modality_lut, get_decoder

FOLDERS = ["spine-dicom", "dicom-odd", "dicom-transfer-syntaxes"]
LOSSY_JPEG = [f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 53, 55)]


def per_frame_rescale(dataset, values):
    shared = dataset.get("SharedFunctionalGroupsSequence")
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    if not shared and not per_frame:
        return values
    out = values.astype(np.float64)
    frames = out[np.newaxis] if out.ndim == 2 else out
    for index, frame in enumerate(frames):
        for groups in (per_frame[index] if per_frame else None, shared[0] if shared else None):
            macro = groups.get("PixelValueTransformationSequence") if groups is not None else None
            if macro:
                frame *= float(macro[0].RescaleSlope)
                frame += float(macro[0].RescaleIntercept)
                break
    return out


def read(path):
    dataset = pydicom.dcmread(path, force=True)
    if "PixelData" not in dataset:
        delimited = path.read_bytes() + b"\xfe\xff\xdd\xe0\0\0\0\0"
        repaired = pydicom.dcmread(io.BytesIO(delimited), force=True)
        if "PixelData" in repaired:
            return repaired, {"repaired": True}
    return dataset, {}


def stored_values(dataset, syntax):
    try:
        return dataset.pixel_array, {}
    except Exception as error:  # noqa: BLE001 - any error of pydicom is recorded
        failure = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        if syntax not in LOSSY_JPEG:
            return None, {"error": failure}
        count = int(dataset.get("NumberOfFrames", 1))
        frames = [imagecodecs.jpeg8_decode(f) for f in generate_frames(dataset.PixelData, number_of_frames=count)]
        return np.stack(frames).squeeze(), {"pydicomError": failure, "decoder": "imagecodecs"}


def describe(path):
    dataset, entry = read(path)
    syntax = str(getattr(dataset.file_meta, "TransferSyntaxUID", "none"))
    stored, note = stored_values(dataset, syntax)
    entry |= {"transferSyntax": syntax} | note
    if stored is None:
        return entry
    values = per_frame_rescale(dataset, apply_modality_lut(stored, dataset)).astype("<f4")
    entry |= {
        "photometric": dataset.PhotometricInterpretation,
        "shape": list(values.shape),
        "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        "min": float(values.min()),
        "max": float(values.max()),
        "mean": float(values.mean(dtype=np.float64)),
    }
    return entry


def main():
    warnings.simplefilter("ignore")
    root = pathlib.Path(os.environ["SPINEGRAD_TEST_DATA"])
    files = sorted(path for folder in FOLDERS for path in (root / folder).glob("*.dcm"))
    plugins = get_decoder(pydicom.uid.JPEG2000Lossless).available_plugins
    golden = {
        "versions": {"pydicom": pydicom.__version__, "numpy": np.__version__, "plugins": list(plugins), "imagecodecs": imagecodecs.__version__},
        "files": {str(path.relative_to(root)): describe(path) for path in files},
    }
    out = pathlib.Path(__file__).parents[1] / "dicom" / "golden" / "pydicom.json"
    out.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
