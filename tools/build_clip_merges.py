"""Write data/clip/merges.txt from the list in open_clip: `python -m tools.build_clip_merges`

The package open_clip_torch carries CLIP's merges as OpenAI published them: 262,144 lines, of which
CLIP uses the first 48,894. Only these are kept, in the format in which Stable Diffusion ships them.
"""

import gzip
import hashlib
from pathlib import Path

import open_clip

from course_utils import ROOT

SOURCE = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
SHA256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
MERGES = 49_408 - 2 * 256 - 2  # CLIP's vocabulary without bytes, bytes that end words, start, end
PLACE = ROOT / "data" / "clip" / "merges.txt"


def main() -> None:
    raw = SOURCE.read_bytes()
    if hashlib.sha256(raw).hexdigest() != SHA256:
        raise SystemExit(f"{SOURCE} is not the file that was published with CLIP.")
    lines = gzip.decompress(raw).decode("utf-8").split("\n")[1 : MERGES + 1]
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    PLACE.write_text("\n".join(["#version: 0.2", *lines]) + "\n", encoding="utf-8")
    print(f"{len(lines)} merges written to {PLACE}")


if __name__ == "__main__":
    main()
