"""What the lessons use, used once as they use it: installed is not yet working.

Each function returns what it saw, in words, and raises whatever a broken installation raises. All
imports are within them, so that one that fails says nothing of the others.
"""

import io

from course_utils import ROOT

CHECKPOINTS = ROOT / "data" / "checkpoints"
SAMPLE = ROOT / "images" / "person.jpg"


def network() -> str:
    """A small network learns for one step, on the device and in the precision of the lessons."""
    import torch
    from torch import nn

    from course_utils import training

    where = training.device()
    layers = nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 1, 1)
    model = nn.Sequential(*layers).to(where)
    x = torch.linspace(-1, 1, 64).view(1, 1, 8, 8).to(where)
    optimizer = torch.optim.AdamW(model.parameters())
    with training.autocast(where):
        loss = (model(x) - x).square().mean()
    loss.backward()
    optimizer.step()
    if not all(p.isfinite().all() for p in model.parameters()):
        raise ArithmeticError(f"a training step on {where.type} gives nan")
    return f"one training step on {where.type}"


def weights() -> str:
    """A safetensors file of the course is read."""
    from safetensors.torch import load_file

    path = min(CHECKPOINTS.glob("*.safetensors"), key=lambda path: path.stat().st_size, default="")
    if not path:
        raise FileNotFoundError("No such file: data/checkpoints/*.safetensors")
    return f"{len(load_file(path))} tensors of {path.name} read"


def opencv() -> str:
    """A picture is resized."""
    import cv2
    import numpy as np

    wedge = np.repeat(np.arange(0, 256, 16, dtype=np.uint8)[None, :, None], 3, axis=2)
    small = cv2.resize(wedge, (8, 1), interpolation=cv2.INTER_AREA)
    if small.shape != (1, 8, 3) or small[0, :, 0].tolist() != list(range(8, 256, 32)):
        raise ArithmeticError("cv2.resize does not average pixels")
    return f"{cv2.__version__} resizes a picture"


def detector() -> str:
    """The person in the sample photograph is found without YOLO."""
    import numpy as np
    from PIL import Image

    from course_utils.notebook import faces

    with Image.open(SAMPLE) as photo:
        found = faces.find(np.array(photo.convert("RGB")))
    if not found:
        raise LookupError("nobody was found in the sample photograph")
    return "the person in the sample photograph is found"


def pictures() -> str:
    """A figure becomes a picture of this IPython, with its alternative text, and a film a GIF."""
    import imageio.v3 as imageio
    import matplotlib.pyplot as plt
    import numpy as np
    from PIL import Image

    from course_utils.notebook import plotting

    figure, axes = plt.subplots()
    axes.plot([0, 1])
    picture = plotting.rendered(figure, alt="a line")
    with Image.open(io.BytesIO(picture.data)) as found:
        found.load()
    if picture._repr_png_()[1] != {"alt": "a line"}:  # what IPython hands to the notebook
        raise LookupError("this IPython shows pictures without their alternative text")
    frames = [np.full((8, 8, 3), grey, np.uint8) for grey in (0, 255)]
    gif = imageio.imwrite("<bytes>", frames, extension=".gif")
    return f"a figure and a film of {len(imageio.imread(gif))} frames drawn"


def sliders() -> str:
    """The widgets of lesson 01 are made."""
    import ipywidgets

    box = ipywidgets.VBox([ipywidgets.FloatSlider(0.5), ipywidgets.Image(format="png")])
    return f"ipywidgets {ipywidgets.__version__} makes {len(box.children)} widgets"


def mnist() -> str:
    """All of MNIST is read."""
    from course_utils.data import datasets

    images = sum(len(datasets.mnist(train)[0]) for train in (True, False))
    return f"{images:,} pictures, each file whole"


def emoji() -> str:
    """The smallest sheet of emoji, a WebP picture, is read."""
    from course_utils.data import emoji

    return f"{len(emoji.sheet('blob')):,} drawings read of the smallest of four sheets"


def photographs() -> str:
    """The sample photograph is read."""
    from PIL import Image

    with Image.open(SAMPLE) as photo:
        photo.load()
    return "the sample photograph is here"


TRIED = {
    "network": network,
    "weights": weights,
    "OpenCV": opencv,
    "detector": detector,
    "pictures": pictures,
    "sliders": sliders,
    "MNIST": mnist,
    "emoji": emoji,
    "photographs": photographs,
}
"""What the self-check tries out, by the name under which it says how that went."""
