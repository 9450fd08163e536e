"""What the tools say of this machine, against psutil."""

import os
from pathlib import Path

import psutil
import pytest

from tools import machine

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells it")


def test_memory_is_what_psutil_says():
    held = psutil.Process().memory_info().rss / 1e9
    assert machine.memory("VmRSS") == pytest.approx(held, rel=0.05)
    assert machine.memory("VmHWM") >= 0.95 * held
    assert machine.memory("VmRSS", os.getpid()) == pytest.approx(held, rel=0.05)


def test_a_process_that_is_not_there_holds_nothing():
    assert machine.memory("VmRSS", 2**22 + 1) == 0  # above the largest number there can be


def test_the_processor_has_a_name():
    name = machine.processor()
    assert name == "unknown" or f": {name}\n" in Path("/proc/cpuinfo").read_text()
