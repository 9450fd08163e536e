"""find_people and crop_person, with YOLO's weights made here and without any weights."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils import downloads, person
from course_utils.camera import ROOT, take_photo
from course_utils.person import Box, NobodyFound, crop_person, find_people

PERSON, CAT = take_photo("sample"), take_photo(ROOT / "images" / "cat.jpg")
FACE = (225, 115)  # column and row of the nose in the sample photograph
SCENE_PERSON = (330, 10, 630, 310)  # where `scene` shows the person: x0, y0, x1, y1
SCENE_CAT = (10, 60, 310, 260)


def scene():
    """The cat at the left and the person at the right, 320 x 640."""
    picture = Image.new("RGB", (640, 320), "white")
    for array, (x0, y0, x1, y1) in ((CAT, SCENE_CAT), (PERSON, SCENE_PERSON)):
        picture.paste(Image.fromarray(array).resize((x1 - x0, y1 - y0)), (x0, y0))
    return np.array(picture)


def overlap(a, b):
    """Intersection over union of two boxes."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return width * height / (sum(areas) - width * height)


@pytest.fixture(autouse=True, scope="module")
def ultralytics_settings_elsewhere(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        place = str(tmp_path_factory.mktemp("settings"))
        patch.setitem(person.ULTRALYTICS_ENVIRONMENT, "YOLO_CONFIG_DIR", place)
        yield


@pytest.fixture(autouse=True)
def no_weights(monkeypatch, tmp_path):
    """Without this a machine whose owner has fetched the weights would test something else."""
    monkeypatch.setattr(person, "WEIGHTS", tmp_path / "downloads" / "yolo26n.pt")
    person._yolo_or_say_why.cache_clear()


@pytest.fixture
def offline(monkeypatch):
    tried = []

    def refuse(address, **options):
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    return tried


# Without weights: OpenCV's detectors.


def test_the_sample_person_is_found_without_weights(offline, capsys):
    (box,) = find_people(PERSON)
    assert box.detector == "face" and 0.4 <= box.confidence < 1
    assert box.x0 < FACE[0] < box.x1 and box.y0 < FACE[1] < box.y1
    assert 0 <= box.x0 < box.x1 <= 512 and 0 <= box.y0 < box.y1 <= 512
    find_people(PERSON)
    crop_person(PERSON)
    printed = capsys.readouterr().out  # told once, tried once
    assert printed.count("\n") == 1 and "no network in this test" in printed
    assert len(offline) == 1


def test_head_and_shoulders_are_in_the_crop(offline):
    crop = crop_person(PERSON, margin=0)
    box = find_people(PERSON)[0]
    assert np.array_equal(crop, PERSON[box.y0 : box.y1, box.x0 : box.x1])
    assert 200 < crop.shape[0] < 400 and 200 < crop.shape[1] < 400
    crop[:] = 0  # a copy: the photo stays as it was
    assert PERSON[FACE[1], FACE[0]].any()


def test_nobody_is_an_error_that_helps(offline):
    for nobody in (CAT, np.zeros((200, 300, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)):
        assert find_people(nobody, "opencv") == []
        with pytest.raises(NobodyFound, match="face towards the camera"):
            crop_person(nobody)
    assert issubclass(NobodyFound, ValueError)


def test_largest_first_and_a_chosen_one(offline):
    small = np.asarray(Image.fromarray(PERSON).resize((256, 256)))
    both = np.full((512, 768, 3), 255, np.uint8)
    both[:256, :256], both[:, 256:] = small, PERSON
    people = find_people(both)
    assert len(people) == 2 and people[0].area > people[1].area
    assert people[0].x0 >= 256 > people[1].x0
    assert np.array_equal(crop_person(both), crop_person(both, 0))
    assert crop_person(both, 1).shape < crop_person(both, 0).shape
    for wrong in (2, -1):
        with pytest.raises(IndexError, match="2 people"):
            crop_person(both, wrong)


@pytest.mark.parametrize("margin", [0, 0.1, 3])
def test_square_crops_are_square_and_inside(offline, margin):
    for height, width in ((512, 512), (512, 370), (330, 512)):
        photo = np.ascontiguousarray(PERSON[:height, :width])
        crop = crop_person(photo, margin=margin, square=True)
        assert crop.shape[0] == crop.shape[1] <= min(height, width)
        assert crop_person(photo, margin=margin).size <= photo.size
    if margin == 3:
        assert np.array_equal(crop_person(PERSON, margin=margin), PERSON)


@pytest.mark.parametrize(
    "box, expected",
    [
        ((10, 10, 30, 20), (10, 5, 30, 25)),  # grows around its middle
        ((0, 0, 10, 40), (0, 0, 40, 40)),  # moved inside at the left
        ((90, 0, 100, 40), (60, 0, 100, 40)),  # and at the right
        ((0, 0, 100, 50), (25, 0, 75, 50)),  # cut where the picture is too low
    ],
)
def test_square_box(box, expected):
    assert person._square(Box(*box, 1.0, "face"), height=50, width=100)[:4] == expected


@pytest.mark.parametrize(
    "wrong", [PERSON / 255, PERSON[..., 0], PERSON[:0], PERSON[..., :2], "me.jpg", None]
)
def test_what_is_no_photo_is_refused(wrong):
    with pytest.raises(ValueError, match="H x W x 3"):
        find_people(wrong)


def test_unknown_detector_is_refused():
    with pytest.raises(ValueError, match="'hog'"):
        find_people(PERSON, "hog")


def test_asking_for_yolo_without_weights_is_an_error(offline):
    with pytest.raises(OSError, match="yolo26n.pt cannot be fetched"):
        find_people(PERSON, "yolo")


# Fetching the weights.


def test_a_silent_network_is_given_up_in_seconds(monkeypatch, tmp_path):
    monkeypatch.setattr(downloads, "SECONDS_TO_CONNECT", 0.2)
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: time.sleep(30))
    start = time.monotonic()
    with pytest.raises(OSError, match="cannot be fetched"):
        downloads.fetch("https://example.org/a.pt", tmp_path / "a.pt")
    assert time.monotonic() - start < 5
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def server():
    """A web server on this machine: /whole.pt, /short.pt, /broken.pt (ends early), else 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = {"/whole.pt": 300_000, "/short.pt": 20, "/broken.pt": 200_000}.get(self.path)
            self.send_response(200 if found else 404)
            if found:
                promised = 2 * found if "broken" in self.path else found
                self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(b"x" * (found or 0))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_fetch_takes_whole_files_only(server, tmp_path):
    path = tmp_path / "new" / "w.pt"
    assert downloads.fetch(f"{server}/whole.pt", path) == path
    assert path.stat().st_size == 300_000
    downloads.fetch("http://127.0.0.1:1/never-asked.pt", path)  # it is there already
    for name in ("short", "broken", "missing"):
        with pytest.raises(OSError):
            downloads.fetch(f"{server}/{name}.pt", tmp_path / "bad" / f"{name}.pt")
    assert list((tmp_path / "bad").iterdir()) == []


# With weights: a real YOLO26 nano, fitted here to one picture.


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """YOLO26 nano from its .yaml, fitted to `scene` for some seconds, as a .pt file."""
    path = tmp_path_factory.mktemp("yolo") / "yolo26n.pt"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with person._ultralytics_kept_apart(), torch.random.fork_rng():
            torch.manual_seed(0)
            torch.save({"model": _fitted(steps=45), "train_args": {}}, path)
    finally:
        torch.set_num_threads(threads)
    return path


def _fitted(steps):
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel("yolo26n.yaml", nc=2, verbose=False)
    model.args, model.names = get_cfg(), {0: "cat", 1: "person"}
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 0.3  # few steps: the running means must follow soon
    boxes = torch.tensor([SCENE_CAT, SCENE_PERSON]) / torch.tensor([640.0, 320.0, 640.0, 320.0])
    middles, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    batch = {
        "img": torch.from_numpy(scene()).permute(2, 0, 1)[None] / 255,
        "cls": torch.tensor([[0.0], [1.0]]),
        "bboxes": torch.cat([middles, sizes], dim=1),
        "batch_idx": torch.zeros(2),
    }
    optimizer = torch.optim.AdamW(model.parameters(), lr=2.5e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(batch)[0].sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    model.criterion = None  # the loss is no part of a checkpoint
    return model.eval()


def test_yolo_finds_the_person_and_not_the_cat(weights, monkeypatch, offline, capsys):
    monkeypatch.setattr(person, "WEIGHTS", weights)
    (box,) = find_people(scene())
    assert box.detector == "yolo" and 0.4 <= box.confidence <= 1
    assert overlap(box[:4], SCENE_PERSON) > 0.7
    assert all(isinstance(corner, int) for corner in box[:4])
    crop = crop_person(scene(), margin=0)
    assert np.array_equal(crop, scene()[box.y0 : box.y1, box.x0 : box.x1])
    assert crop_person(scene(), square=True, detector="yolo").shape[0] <= 320
    assert offline == [] and capsys.readouterr().out == ""


def test_yolo_is_loaded_once(weights):
    with person._ultralytics_kept_apart():
        assert person._load_yolo(weights) is person._load_yolo(weights)


def test_yolo_sees_nobody_in_a_grey_picture(weights, monkeypatch):
    monkeypatch.setattr(person, "WEIGHTS", weights)
    with pytest.raises(NobodyFound):
        crop_person(np.full((320, 640, 3), 114, np.uint8))


def test_a_damaged_file_of_weights_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(person, "WEIGHTS", tmp_path / "yolo26n.pt")
    person.WEIGHTS.write_bytes(b"an error page, perhaps")
    with pytest.raises(ValueError, match="does not open as a YOLO model .* Delete"):
        find_people(PERSON)


ALONE = """
import json, os, pathlib, socket, sys
asked = []
def refuse(*arguments, **options):
    asked.append(str(arguments[:2]))
    raise OSError("no network in this test")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse

import cv2, numpy, torch
from PIL import Image
def state():
    return [id(Image.open), id(torch.save), id(cv2.imread), id(cv2.imwrite),
            torch.get_num_threads(), cv2.getNumThreads(), torch._tensor_str.PRINT_OPTS.linewidth,
            str(numpy.get_printoptions()), sorted(os.environ.items())]
torch.set_num_threads(2)
before = state()
from course_utils import camera, person
person.WEIGHTS = pathlib.Path(sys.argv[1])
person.ULTRALYTICS_ENVIRONMENT["YOLO_CONFIG_DIR"] = sys.argv[2]
found = person.find_people(camera.take_photo(sys.argv[3]))
from ultralytics.utils import ONLINE, SETTINGS, SETTINGS_FILE
from ultralytics.utils.events import events
print(json.dumps({"found": len(found), "asked": asked, "same": state() == before,
    "reports": bool(ONLINE or SETTINGS["sync"] or events.enabled), "settings": str(SETTINGS_FILE)}))
"""


def test_ultralytics_keeps_to_itself(weights, tmp_path):
    """No network, no reports, no file outside its folder, no changed settings of the process."""
    home, empty, ours = (tmp_path / name for name in ("home", "work", "ours"))
    home.mkdir(), empty.mkdir(), ours.mkdir()
    Image.fromarray(scene()).save(tmp_path / "scene.png")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("YOLO_", "PYTEST"))}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("OMP_NUM_THREADS", None)  # ultralytics sets it where it is not set
    environment.pop("XDG_CONFIG_HOME", None)
    ran = subprocess.run(
        [sys.executable, "-c", ALONE, weights, ours, tmp_path / "scene.png"],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stdout.splitlines()  # nothing else is printed
    seen = json.loads(line)
    assert seen["found"] == 1 and seen["asked"] == []
    assert not seen["reports"] and seen["same"]
    assert seen["settings"].startswith(str(ours))
    assert list(empty.iterdir()) == []
    written = {p.name for p in home.rglob("*") if not p.name.startswith("fontlist")}  # Matplotlib's
    assert not any("ltralytics" in name or "font" in name for name in written)
    assert not any((ROOT / name).exists() for name in ("runs", "weights", "tests/tmp"))
