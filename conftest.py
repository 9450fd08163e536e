"""Settings every test run shares; the notebook kernels inherit the environment."""

import os
import tempfile
from pathlib import Path

import pytest

from tools.settings import SETTINGS


def pytest_configure(config):
    os.environ.update(SETTINGS)
    folder = tempfile.TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    os.environ["COURSE_PROGRESS"] = str(Path(folder.name) / "progress.json")
    config.option.nbval_sanitize_with = str(config.rootpath / "tests" / "sanitize.cfg")
    if config.option.markexpr == "gpu":
        stop_without_a_gpu()


def stop_without_a_gpu():
    import torch  # takes seconds, and only this needs it

    if not torch.cuda.is_available():
        pytest.exit(
            "No GPU was found that torch can use (torch.cuda.is_available() is False): nothing was "
            "tested. Run `make test-gpu` where `nvidia-smi` lists one.",
            returncode=1,
        )
