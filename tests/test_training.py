"""Device, seed, budget, precision, interrupts and checkpoints, down to killed processes."""

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from queue import Empty

import pytest
import torch
from jupyter_client import KernelManager
from safetensors.torch import load_file
from torch import nn

from course_utils import training
from course_utils.io import tensors

CPU = torch.device("cpu")


def small_model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


# --- device, seed, budget, precision ------------------------------------------------------------


@pytest.mark.parametrize(
    "cuda, mps, expected", [(1, 1, "cuda"), (1, 0, "cuda"), (0, 1, "mps"), (0, 0, "cpu")]
)
def test_device_is_the_fastest_at_hand(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: bool(mps))
    assert training.device().type == expected


def test_seed_repeats_every_source_of_randomness():
    import random

    import numpy as np

    def draw():
        generator = training.seed(7)
        own = torch.rand(2, generator=generator)
        return random.random(), np.random.rand(), torch.rand(2).tolist(), own.tolist()

    assert draw() == draw()
    first = draw()
    training.seed(8)
    assert random.random() != first[0]


def test_a_large_seed_is_fine():
    assert training.seed(2**40).initial_seed() == 2**40


@pytest.mark.parametrize(
    "text, expected", [("1", 300), ("10", 3000), ("0.5", 150), ("1e-6", 1), (" 2 ", 600)]
)
def test_budget_multiplies(monkeypatch, text, expected):
    monkeypatch.setenv("COURSE_BUDGET", text)
    assert training.budget(300) == expected


def test_budget_is_1_by_default(monkeypatch):
    monkeypatch.delenv("COURSE_BUDGET")
    assert training.budget(300) == 300


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "ten", "1,5"])
def test_a_budget_that_is_no_positive_number_is_named(monkeypatch, text):
    monkeypatch.setenv("COURSE_BUDGET", text)
    with pytest.raises(ValueError, match="COURSE_BUDGET is .*set it to a positive number"):
        training.budget(300)


@pytest.mark.parametrize(
    "found, expected",
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"avx512_bf16": False, "avx2": True}, False),
        ({}, False),
    ],
)
def test_autocast_only_where_the_processor_has_bf16(monkeypatch, found, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    layer, x = nn.Linear(3, 2), torch.ones(1, 3)
    with training.autocast(CPU):
        assert layer(x).dtype == (torch.bfloat16 if expected else torch.float32)
    assert layer.weight.dtype == torch.float32
    assert layer(x).dtype == torch.float32


def test_autocast_on_cuda_wants_bf16_in_hardware(monkeypatch):
    asked = {}
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **how: asked.update(how))
    training.has_bf16(torch.device("cuda"))
    assert asked == {"including_emulation": False}  # a T4 emulates it, slowly


def test_autocast_does_nothing_on_mps(recwarn):
    try:
        context = training.autocast(torch.device("mps"))
    except RuntimeError as error:  # torch 2.7 asks for the macOS version, also elsewhere
        if torch.backends.mps.is_built() or "without MPS backend" not in str(error):
            raise
        pytest.skip("this torch has no MPS, and does not say so before it is asked")
    with context:
        assert not torch.is_autocast_enabled("cpu")
    assert [str(w.message) for w in recwarn] == []


# --- progress and interrupts --------------------------------------------------------------------


def press_stop():
    os.kill(os.getpid(), signal.SIGINT)


def test_progress_passes_everything_on(capsys):
    assert list(training.progress(iter([3.0, 2.0, 1.0]), 3)) == [3.0, 2.0, 1.0]
    assert "Interrupted" not in capsys.readouterr().out


def test_an_interrupt_ends_the_loop_after_its_step(capsys):
    before, finished, kept = signal.getsignal(signal.SIGINT), [], []

    def steps():
        for i in range(100):
            if i == 4:
                press_stop()  # in the middle of the fifth step
            finished.append(i)
            yield float(i)

    for loss in training.progress(steps(), 100):
        kept.append(loss)
    assert kept == [0, 1, 2, 3, 4] and len(finished) == 5
    assert "Interrupted after step 5 of 100. The model keeps" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_in_the_learners_own_lines_does_the_same(capsys):
    kept = []
    for loss in training.progress(map(float, range(100)), 100):
        kept.append(loss)
        if loss == 2:
            press_stop()
    assert kept == [0, 1, 2]
    assert "Interrupted after step 3 of 100" in capsys.readouterr().out


def test_an_interrupt_in_the_last_step_is_no_interruption(capsys):
    for loss in training.progress(map(float, range(3)), 3):
        if loss == 2:
            press_stop()
    assert "Interrupted" not in capsys.readouterr().out


def test_a_second_press_stops_a_step_that_is_stuck():
    before = signal.getsignal(signal.SIGINT)

    def stuck():
        yield 1.0
        time.sleep(60)
        yield 2.0

    def press_twice():
        for _ in range(2):
            time.sleep(0.3)
            press_stop()

    threading.Thread(target=press_twice).start()
    started, kept = time.monotonic(), []
    with pytest.raises(KeyboardInterrupt):
        for loss in training.progress(stuck(), 2):
            kept.append(loss)
    assert kept == [1.0] and time.monotonic() - started < 30
    assert signal.getsignal(signal.SIGINT) is before


def test_leaving_the_loop_early_gives_the_stop_button_back():
    before = signal.getsignal(signal.SIGINT)
    for _ in training.progress(map(float, range(10)), 10):
        break
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(ZeroDivisionError):
        for _ in training.progress((1 / n for n in (1, 0)), 2):
            pass
    assert signal.getsignal(signal.SIGINT) is before


def lines_of_a_second_bar(monkeypatch, first):
    """What a bar of 30 steps prints, in lines, after `first` has left one before it."""
    monkeypatch.setattr(training, "tqdm", partial(training.tqdm, disable=False, mininterval=0))
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    kept = first()  # as the variables of a notebook keep what they hold
    monkeypatch.setattr(sys, "stdout", screen := io.StringIO())
    list(training.progress(map(float, range(30)), 30))
    del kept
    return screen.getvalue().count("\n")


def left_by_break():
    bar = training.progress(map(float, range(5)), 5)
    for _ in bar:
        break
    return bar


def left_by_next():
    bar = training.progress(map(float, range(5)), 5)
    next(bar)
    return bar


def left_by_an_error():
    bar = training.progress(map(float, range(5)), 5)
    with pytest.raises(KeyError):
        for _ in bar:
            raise KeyError("in the learner's own lines")
    return bar


def two_left():
    return [left_by_break(), left_by_break()]


def anothers():
    from tqdm import tqdm

    return tqdm(total=5, disable=False, file=io.StringIO())


LEFT = [left_by_break, left_by_next, left_by_an_error, two_left, anothers]


@pytest.mark.parametrize("first", LEFT)
def test_a_bar_that_was_left_early_does_not_disturb_the_next(monkeypatch, first):
    assert lines_of_a_second_bar(monkeypatch, first) == 1


def test_a_loop_that_was_left_takes_the_stop_button_from_no_later_one(capsys):
    before, kept = signal.getsignal(signal.SIGINT), []
    left = left_by_break()
    for loss in training.progress(map(float, range(10)), 10):
        if loss == 2:
            left.close()  # as when a cell gives its name to something else
        if loss == 4:
            press_stop()
        kept.append(loss)
    assert kept == [0, 1, 2, 3, 4]
    assert "Interrupted after step 5 of 10" in capsys.readouterr().out
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_a_learners_own_loop_that_has_become_nan_stops_too(number):
    kept = []
    with pytest.raises(FloatingPointError, match="loss of step 3 of 9 is (nan|inf): .*diverged"):
        for loss in training.progress(iter([1.0, 2.0, number, 3.0]), 9):
            kept.append(loss)
    assert kept == [1.0, 2.0]


def test_progress_works_off_the_main_thread():
    kept = []
    thread = threading.Thread(target=lambda: kept.extend(training.progress(iter([1.0, 2.0]), 2)))
    thread.start()
    thread.join()
    assert kept == [1.0, 2.0]


def test_the_bar_shows_the_loss(monkeypatch, capsys):
    monkeypatch.setattr(training, "tqdm", partial(training.tqdm, disable=False))
    list(training.progress(iter([0.5] * 20), 20))
    shown = capsys.readouterr()
    assert "20/20" in shown.out and shown.err == ""  # Jupyter shows stderr as an error


SLOW_LOOP = """
import time
from course_utils import training

def steps():
    print("started")
    for i in range(2000):
        time.sleep(0.02)
        yield 1.0

losses = []
for loss in training.progress(steps(), 2000):
    losses.append(loss)
print("kept", len(losses) > 0, len(losses) < 2000)
"""


def test_the_stop_button_of_jupyter_ends_the_cell_normally():
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        asked, printed = client.execute(SLOW_LOOP), ""
        while "\nkept" not in printed:
            try:
                message = client.get_iopub_msg(timeout=60)
            except Empty:
                pytest.fail(f"the cell did not end: {printed}")
            assert message["msg_type"] != "error", message["content"]
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]
                if message["content"]["text"].startswith("started"):
                    manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=60)
        while reply["parent_header"]["msg_id"] != asked:  # late answers to wait_for_ready
            reply = client.get_shell_msg(timeout=60)
        assert reply["content"]["status"] == "ok"
        assert "Interrupted after step" in printed and "kept True True" in printed
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


# --- expect -------------------------------------------------------------------------------------


def test_expect_holds_a_full_run_to_its_claim(capsys):
    training.expect(True, "loss under 1", done=100, planned=100)
    assert capsys.readouterr().out == "Reached: loss under 1.\n"
    with pytest.raises(AssertionError, match="should have reached: loss under 1"):
        training.expect(False, "loss under 1", done=100, planned=100)


@pytest.mark.parametrize("ok", [True, False])
def test_expect_raises_nothing_after_a_short_run(capsys, ok):
    training.expect(ok, "loss under 1", done=12, planned=100)
    assert "12 of 100 steps. A full run reaches: loss under 1." in capsys.readouterr().out


# --- checkpoints --------------------------------------------------------------------------------


class Odd(nn.Module):
    """Everything that is awkward to save: two types, strides, one tensor under two names."""

    def __init__(self):
        super().__init__()
        self.half = nn.Linear(3, 3).bfloat16()
        self.lines = nn.Parameter(torch.randn(4, 5).t())
        self.photo = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)
        self.embed = nn.Embedding(6, 4)
        self.head = nn.Linear(4, 6, bias=False)
        self.head.weight = self.embed.weight
        steps = torch.arange(8.0)
        self.register_buffer("early", steps[:5])
        self.register_buffer("late", steps[3:])
        self.register_buffer("one_for_all", torch.ones(1).expand(3))
        self.register_buffer("count", torch.tensor(3))


def same(a: nn.Module, b: nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(
        torch.equal(left[k], right[k]) and left[k].dtype == right[k].dtype for k in left
    )


def test_round_trip_of_awkward_weights(tmp_path):
    torch.manual_seed(0)
    saved, loaded = Odd(), Odd()
    loaded.one_for_all = torch.zeros(3)
    assert not same(saved, loaded)
    path = tensors.save_checkpoint(tmp_path / "new" / "folder" / "odd.safetensors", saved)
    assert tensors.load_checkpoint(path, loaded) is loaded
    assert same(saved, loaded)
    assert loaded.head.weight is loaded.embed.weight


def test_saving_does_not_touch_the_model(tmp_path):
    model = Odd()
    before = {key: (t.data_ptr(), t.stride()) for key, t in model.state_dict().items()}
    tensors.save_checkpoint(tmp_path / "odd.safetensors", model)
    assert before == {key: (t.data_ptr(), t.stride()) for key, t in model.state_dict().items()}


def test_notes_are_kept_in_the_header(tmp_path):
    from safetensors import safe_open

    path = tensors.save_checkpoint(tmp_path / "a.safetensors", small_model(), steps=300, data="x")
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"steps": "300", "data": "x"}


@pytest.fixture
def older(tmp_path):
    """A checkpoint that must survive, and the model whose weights are in it."""
    torch.manual_seed(1)
    model = small_model()
    return tensors.save_checkpoint(tmp_path / "model.safetensors", model), model


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", ["weight", "buffer", "half"])
def test_lost_weights_never_replace_good_ones(tmp_path, number, place):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    path = tensors.save_checkpoint(tmp_path / "good.safetensors", model)
    before = path.read_bytes()
    with torch.no_grad():
        if place == "weight":
            model[0].weight[1, 2] = number
        elif place == "buffer":
            model[1].running_var[0] = number
        else:  # beyond what 16 bits can say
            model[0].bias[0] = 1e6
            model.half()
    with pytest.raises(ValueError, match="good.safetensors was not written: 1 of its 7 tensors"):
        tensors.save_checkpoint(path, model)
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


def assert_survived(older):
    path, model = older
    assert same(tensors.load_checkpoint(path, small_model()), model)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_write_that_fails_leaves_the_older_file_and_no_litter(older, monkeypatch):
    def half_a_file(weights, path, notes):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensors, "save_file", half_a_file)
    with pytest.raises(OSError, match="model.safetensors could not be written.*No space left"):
        tensors.save_checkpoint(older[0], small_model())
    assert_survived(older)


def test_a_move_that_fails_leaves_the_older_file_and_no_litter(older, monkeypatch):
    def refused(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OSError, match="could not be written"):
        tensors.save_checkpoint(older[0], small_model())
    assert_survived(older)


def test_an_interrupt_while_saving_leaves_the_older_file_and_no_litter(older, monkeypatch):
    def interrupted(weights, path, notes):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(tensors, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tensors.save_checkpoint(older[0], small_model())
    assert_survived(older)


FULL_DISK = """
import resource, sys, torch
from course_utils.io import tensors
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
tensors.save_checkpoint(sys.argv[1], torch.nn.Linear(200, 200))
"""


def test_a_disk_that_is_really_full_leaves_the_older_file_and_no_litter(older):
    command = [sys.executable, "-c", FULL_DISK, str(older[0])]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=120)
    assert "could not be written" in done.stderr
    assert_survived(older)


SAVE_FOR_EVER = """
import sys, torch
from course_utils.io import tensors
model = torch.nn.Linear(1000, 1000)
while True:
    torch.nn.init.constant_(model.weight, torch.randint(100, ()).item())
    tensors.save_checkpoint(sys.argv[1], model)
    print("saved", flush=True)
"""


def test_a_process_killed_while_saving_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model.safetensors"
    for wait in (0.0, 0.003, 0.011):
        command = [sys.executable, "-c", SAVE_FOR_EVER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == b"saved\n"
            time.sleep(wait)
            child.kill()
        weight = tensors.load_checkpoint(path, nn.Linear(1000, 1000)).weight
        assert (weight == weight[0, 0]).all()


class Bomb:
    """Unpickled, it makes a file: proof that somebody opened a pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_damaged_files_are_named(older):
    path, model = older
    whole = path.read_bytes()
    marker = path.parent / "unpickled"
    rest = bytes(torch.randint(256, (500,), dtype=torch.uint8).tolist())
    for content in (whole[:-1], whole[:100], whole[:4], b"", rest, pickle.dumps(Bomb(marker))):
        path.write_bytes(content)
        before = [p.clone() for p in model.parameters()]
        with pytest.raises(ValueError, match="model.safetensors is damaged or only half there"):
            tensors.load_checkpoint(path, model)
        assert all(map(torch.equal, before, model.parameters()))
    assert not marker.exists()


def test_a_torch_pickle_is_refused_and_never_opened(tmp_path):
    path = tmp_path / "model.safetensors"
    torch.save({"0.weight": Bomb(tmp_path / "unpickled")}, path)
    with pytest.raises(ValueError, match="damaged"):
        tensors.load_checkpoint(path, small_model())
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    "other, first",
    [
        (nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2)), "0.bias"),
        (nn.Sequential(nn.Linear(3, 4)), "1.bias"),
        (nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 2)), "2.bias"),
        (nn.Linear(3, 4), "0.bias"),
    ],
)
def test_another_architecture_is_named_and_left_alone(older, other, first):
    before = [p.clone() for p in other.parameters()]
    with pytest.raises(ValueError, match=f"weights of another model.*the first is '{first}'"):
        tensors.load_checkpoint(older[0], other)
    assert all(map(torch.equal, before, other.parameters()))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint .*nowhere.safetensors"):
        tensors.load_checkpoint(tmp_path / "nowhere.safetensors", small_model())
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        tensors.load_checkpoint(tmp_path, small_model())


def test_other_libraries_can_read_the_file(older):
    assert load_file(older[0]).keys() == small_model().state_dict().keys()


def test_weights_of_an_earlier_version_are_named(tmp_path):
    old = {"enter.1.weight": torch.zeros(2, 2), "enter.1.bias": torch.zeros(2)}
    path = tensors.write_tensors(tmp_path / "mine.safetensors", old)
    with pytest.raises(ValueError, match="mine.safetensors was saved by an earlier version"):
        tensors.load_checkpoint(path, nn.Linear(2, 2))
