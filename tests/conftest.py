"""Fixtures that several files of tests share."""

import pytest


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Training writes into a folder of its own: `checkpoints` and `downloads` in tmp_path."""
    from tools.train import loop

    for name in ("CHECKPOINTS", "DOWNLOADS"):
        (tmp_path / name.lower()).mkdir()
        monkeypatch.setattr(loop, name, tmp_path / name.lower())
    return tmp_path
