"""Writes the embedded digits (8 x 8 pixels of 0 ... 16, UCI "Optical Recognition of Handwritten Digits", test part).

Run it from the checkout: ``python tools/make_digits.py``. The file is the same bytes every time.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).parents[1] / "src/corten/data/digits.npz"


def main() -> None:
    digits = load_digits()
    arrays = {"images": digits.images.astype(np.uint8), "labels": digits.target.astype(np.uint8)}
    assert np.array_equal(arrays["images"], digits.images) and arrays["images"].shape == (1797, 8, 8)
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            # a fixed date, so that the file does not change when nothing in it does
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), content.getvalue(),
                             zipfile.ZIP_DEFLATED, 9)  # fmt: skip
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
