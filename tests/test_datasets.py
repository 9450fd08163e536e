"""MNIST is MNIST, byte by byte; damage, a missing network and read-only folders are survived."""

import gzip
import hashlib
import http.server
import lzma
import os
import shutil
import socket
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from course_utils.data import datasets, torchvision_data
from course_utils.io import downloads


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Downloads go to a fresh folder, and nothing is looked up through a proxy."""
    monkeypatch.setattr(downloads, "FOLDER", tmp_path / "downloads")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "downloads"


@pytest.fixture
def mnist_copy(tmp_path, monkeypatch):
    """The test pictures' files in a folder that may be damaged."""
    for path in datasets.MNIST_FOLDER.glob("t10k*.xz"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(datasets, "MNIST_FOLDER", tmp_path)
    return tmp_path


def idx(array):
    """An array of bytes in LeCun's IDX format."""
    header = struct.pack(f">HBB{array.ndim}i", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize("train, part, number", [(True, "train", 60_000), (False, "t10k", 10_000)])
def test_mnist_is_the_original_byte_by_byte(train, part, number):
    images, labels = datasets.mnist(train)
    assert images.shape == (number, 1, 28, 28) and images.dtype == torch.float32
    assert labels.shape == (number,) and labels.dtype == torch.int64
    assert images.min() == -1 and images.max() == 1
    pixels = ((images + 1) * 127.5).round()[:, 0].numpy()
    for array, kind in ((pixels, "images-idx3"), (labels.numpy(), "labels-idx1")):
        digest = hashlib.md5(idx(array), usedforsecurity=False).hexdigest()
        assert digest == datasets.MNIST_MD5[f"{part}-{kind}-ubyte"]


@pytest.mark.parametrize("damage", ["cut short", "one byte changed", "other content", "empty"])
def test_a_damaged_file_is_named_with_what_to_do(mnist_copy, damage):
    path = mnist_copy / "t10k-labels-idx1-ubyte.xz"
    raw = bytearray(path.read_bytes())
    if damage == "cut short":
        raw = raw[: len(raw) // 2]
    elif damage == "one byte changed":
        raw[len(raw) // 2] ^= 1
    elif damage == "other content":
        raw = lzma.compress(b"something else")
    else:
        raw = b""
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte.xz is damaged.*git checkout"):
        datasets.mnist(train=False)


def test_a_missing_file_is_named_with_what_to_do(mnist_copy):
    (mnist_copy / "t10k-images-idx3-ubyte.xz").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-images-idx3-ubyte.xz is missing.*checkout"):
        datasets.mnist(train=False)


def test_a_read_only_course_folder_falls_back_to_the_users_cache(tmp_path, monkeypatch):
    (tmp_path / "file").touch()  # nothing can be made below a file, not even by root
    monkeypatch.setattr(downloads, "FOLDER", tmp_path / "file" / "downloads")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert downloads.folder() == tmp_path / "cache" / "diffusion-course"
    assert downloads.folder().is_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    with pytest.raises(PermissionError, match="XDG_CACHE_HOME"):
        downloads.folder()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_without_write_permission_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "FOLDER", tmp_path / "shared")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "shared").mkdir(mode=0o555)
    assert downloads.folder() == tmp_path / "cache" / "diffusion-course"


def test_an_unknown_name_lists_those_that_work():
    with pytest.raises(ValueError, match="'Fashion'.*FashionMNIST.*CIFAR10"):
        datasets.from_torchvision("Fashion")


class Server:
    """A data set's server on this machine; `cut` makes it hang up in the middle of a file."""

    def __init__(self, files):
        self.cut, self.asked = False, 0
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.do_GET(body=False)

            def do_GET(self, body=True):
                raw = files[Path(self.path).name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                if body:
                    server.asked += 1
                    self.wfile.write(raw[: len(raw) // 2] if server.cut else raw)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def fashion(elsewhere, monkeypatch):
    """A server of a tiny Fashion-MNIST in torchvision's layout, and its arrays."""
    drawn = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": drawn.integers(0, 256, (20, 28, 28)),
        "train-labels-idx1-ubyte": drawn.integers(0, 10, 20),
        "t10k-images-idx3-ubyte": drawn.integers(0, 256, (10, 28, 28)),
        "t10k-labels-idx1-ubyte": drawn.integers(0, 10, 10),
    }
    files = {f"{name}.gz": gzip.compress(idx(array)) for name, array in arrays.items()}
    server = Server(files)
    kind = torchvision.datasets.FashionMNIST
    monkeypatch.setattr(kind, "mirrors", [server.address])
    digests = [(name, hashlib.md5(raw).hexdigest()) for name, raw in files.items()]
    monkeypatch.setattr(kind, "resources", digests)
    yield server, arrays, elsewhere
    server.http.shutdown()
    server.http.server_close()


def test_a_data_set_is_downloaded_once_and_read_as_tensors(fashion):
    server, arrays, folder = fashion
    for train, part in ((True, "train"), (False, "t10k")):
        images, labels = datasets.from_torchvision("FashionMNIST", train)
        pixels = arrays[f"{part}-images-idx3-ubyte"]
        assert images.shape == (len(pixels), 1, 28, 28) and images.dtype == torch.float32
        np.testing.assert_array_equal(((images[:, 0] + 1) * 127.5).round().numpy(), pixels)
        assert labels.tolist() == arrays[f"{part}-labels-idx1-ubyte"].tolist()
        assert labels.dtype == torch.int64
    asked = server.asked
    datasets.from_torchvision("FashionMNIST")
    assert server.asked == asked > 0
    assert [path.name for path in folder.iterdir()] == ["FashionMNIST"]


def test_a_download_that_breaks_off_does_not_spoil_the_next(fashion):
    server, arrays, folder = fashion
    server.cut = True
    with pytest.raises(ConnectionError, match="FashionMNIST could not be fetched"):
        datasets.from_torchvision("FashionMNIST")
    assert list(folder.iterdir()) == []
    server.cut = False
    assert len(datasets.from_torchvision("FashionMNIST")[0]) == 20


def test_a_half_written_folder_is_fetched_again(fashion):
    server, arrays, folder = fashion
    datasets.from_torchvision("FashionMNIST")
    images = folder / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:5000])
    assert len(datasets.from_torchvision("FashionMNIST")[0]) == 20


def test_colour_pictures_come_channels_first(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)

    class Ten:
        def __init__(self, folder, train, download):
            self.data, self.targets = pixels, [3, 1, 4, 1, 5]

    monkeypatch.setitem(torchvision_data.KINDS, "CIFAR10", Ten)
    images, labels = datasets.from_torchvision("CIFAR10")
    expected = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    torch.testing.assert_close(images, expected)
    assert images.is_contiguous() and labels.tolist() == [3, 1, 4, 1, 5]


def test_no_network_fails_at_once_with_a_clear_message(elsewhere, monkeypatch):
    kind = torchvision.datasets.CIFAR10
    monkeypatch.setattr(kind, "url", "http://name.invalid/cifar-10-python.tar.gz")
    start = time.perf_counter()
    with pytest.raises(ConnectionError, match=r"CIFAR10 could not be fetched.*datasets.mnist\(\)"):
        datasets.from_torchvision("CIFAR10")
    assert time.perf_counter() - start < 10
    assert list(elsewhere.iterdir()) == []


def test_a_server_that_never_answers_is_given_up(elsewhere, monkeypatch):
    silent = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [address])
    monkeypatch.setattr(downloads, "SECONDS_TO_CONNECT", 0.5)
    start = time.perf_counter()
    with pytest.raises(ConnectionError, match="FashionMNIST could not be fetched"):
        datasets.from_torchvision("FashionMNIST")
    assert time.perf_counter() - start < 5
    assert socket.getdefaulttimeout() is None
    silent.close()
