"""find_people and crop_person, with YOLO's weights made here and without any weights."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.io import downloads
from course_utils.notebook import faces, person
from course_utils.notebook.camera import ROOT, take_photo
from course_utils.notebook.person import Box, NobodyFound, crop_person, find_people

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
    for cache in (person._yolo_or_say_why, person._say_once, faces._network):
        cache.cache_clear()


@pytest.fixture
def offline(monkeypatch):
    tried = []

    def refuse(address, **options):
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    return tried


# Without weights: the face detector.


def test_the_sample_person_is_found_without_weights(offline, capsys):
    (box,) = find_people(PERSON)
    assert box.detector == "face" and 0.4 <= box.confidence < 1
    assert box.x0 < FACE[0] < box.x1 and box.y0 < FACE[1] < box.y1
    assert 0 <= box.x0 < box.x1 <= 512 and 0 <= box.y0 < box.y1 <= 512
    find_people(PERSON)
    crop_person(PERSON)
    printed = capsys.readouterr().out  # told once, tried once
    assert printed.count("\n") == 1 and "no network in this test" in printed
    assert printed.startswith("Using the course's face detector instead of YOLO")
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
        assert find_people(nobody, "face") == []
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


# The face detector on any OpenCV, in any folder.


def test_the_face_detector_needs_nothing_that_opencv_5_lacks(monkeypatch):
    """OpenCV 5 has no Haar cascades and no HOG, and puts no data file beside itself."""
    wanted = find_people(PERSON, "face")
    faces._network.cache_clear()
    for name in ("CascadeClassifier", "HOGDescriptor", "data"):
        monkeypatch.delattr(cv2, name, raising=False)
    assert find_people(PERSON, "face") == wanted and wanted[0].detector == "face"


def test_one_network_reads_pictures_of_any_size_after_each_other():
    """OpenCV 4 answers nonsense, with certainty, where the size of a network's input changes."""
    whole = find_people(PERSON, "face")
    for height, width in ((330, 512), (64, 64), (2000, 900), (3, 700), (1, 1)):
        canvas = np.full((height, width, 3), 114, np.uint8)
        side = min(height, width)
        canvas[:side, :side] = np.asarray(Image.fromarray(PERSON).resize((side, side)))
        found = find_people(canvas, "face")
        assert len(found) == (side > 60)
        for box in found:
            scaled = [corner * side / 512 for corner in whole[0][:4]]
            assert overlap(box[:4], scaled) > 0.8
    assert find_people(PERSON, "face") == whole


def test_the_boxes_are_those_of_the_papers_formula():
    """A face made by hand: the inverse of Xu et al., section 3, in one cell."""
    heat = np.zeros((160, 160), np.float32)
    size, offset = np.zeros((2, 160, 160)), np.zeros((2, 160, 160))
    x0, y0, x1, y1 = 101.0, 50.0, 141.0, 110.0
    middle_y, middle_x = (y0 + y1) / 2 / faces.STRIDE, (x0 + x1) / 2 / faces.STRIDE
    cell = int(middle_y), int(middle_x)
    heat[cell] = 0.8
    size[:, *cell] = np.log([(y1 - y0) / faces.STRIDE, (x1 - x0) / faces.STRIDE])
    offset[:, *cell] = middle_y - cell[0] - 0.5, middle_x - cell[1] - 0.5
    boxes, sure = faces._boxes(heat, size, offset)
    assert np.allclose(boxes, [[x0, y0, x1 - x0, y1 - y0]]) and np.allclose(sure, 0.8)


def test_a_course_folder_with_accents_is_no_trouble_for_opencv(tmp_path, monkeypatch):
    """On Windows OpenCV opens no path with an accent; here all paths are refused."""
    folder = tmp_path / "José Müller"
    shutil.copytree(faces.NETWORK.parent, folder)
    monkeypatch.setattr(faces, "NETWORK", folder / faces.NETWORK.name)
    read = cv2.dnn.readNetFromONNX

    def without_paths(given):
        assert not isinstance(given, str | os.PathLike)
        return read(given)

    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", without_paths)
    assert find_people(PERSON, "face")[0].detector == "face"


def missing(patch, tmp_path):
    patch.setattr(faces, "NETWORK", tmp_path / "centerface.onnx")


def damaged(patch, tmp_path):
    missing(patch, tmp_path)
    faces.NETWORK.write_bytes(b"version https://git-lfs.github.com/spec/v1")


def without_graphics(patch, _):
    patch.setitem(sys.modules, "cv2", None)


def without_dnn(patch, _):
    patch.delattr(cv2, "dnn")


def refused(patch, _):
    def refuse(*_):
        raise cv2.error("(-215:Assertion failed) in function 'getMemoryShapes'")

    patch.setattr(cv2.dnn, "readNetFromONNX", refuse)


@pytest.mark.parametrize(
    "trouble, says",
    [
        (missing, "git checkout data/faces"),
        (damaged, "git checkout data/faces"),
        (without_graphics, "cv2"),
        (without_dnn, "dnn"),
        (refused, "getMemoryShapes"),
    ],
)
@pytest.mark.parametrize("detector", ["auto", "face"])
def test_where_no_detector_works_the_whole_picture_is_taken(
    offline, monkeypatch, tmp_path, capsys, trouble, says, detector
):
    with monkeypatch.context() as patch:
        trouble(patch, tmp_path)
        assert find_people(PERSON[:300], detector) == [Box(0, 0, 512, 300, 0.0, "whole picture")]
        crop = crop_person(PERSON[:300], square=True, detector=detector)
    assert np.array_equal(crop, PERSON[:300, 106:406])  # the middle
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1 + (detector == "auto")  # of YOLO, which is offline; and of this
    assert (
        printed[-1].startswith("No detector works here, so the whole picture")
        and says in printed[-1]
    )


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


def test_a_damaged_file_of_weights_is_explained(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(person, "WEIGHTS", tmp_path / "yolo26n.pt")
    person.WEIGHTS.write_bytes(b"an error page, perhaps")
    with pytest.raises(ValueError, match="does not open as a YOLO model .* Delete"):
        find_people(PERSON, "yolo")
    assert find_people(PERSON)[0].detector == "face"
    assert "does not open as a YOLO model" in capsys.readouterr().out


def classifier():
    from ultralytics.nn.tasks import ClassificationModel

    return ClassificationModel("yolo26n-cls.yaml", nc=2, verbose=False), {0: "cat", 1: "person"}


def turned_boxes():
    from ultralytics.nn.tasks import OBBModel

    return OBBModel("yolo26n-obb.yaml", nc=2, verbose=False), {0: "ship", 1: "person"}


def of_cats_alone():
    from ultralytics.nn.tasks import DetectionModel

    return DetectionModel("yolo26n.yaml", nc=1, verbose=False), {0: "cat"}


def save_yolo(path, model, names):
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import guess_model_task

    model.args, model.names = get_cfg(), names
    torch.save({"model": model.eval(), "train_args": {"task": guess_model_task(model)}}, path)


@pytest.mark.parametrize(
    "make, says",
    [
        (classifier, "for the task 'classify' and gives no box"),
        (turned_boxes, "for the task 'obb' and gives no box"),
        (of_cats_alone, "knows no class 'person' among its 1"),
    ],
)
def test_weights_of_another_task_are_named_and_the_face_is_found(
    tmp_path, monkeypatch, capsys, make, says
):
    monkeypatch.setattr(person, "WEIGHTS", tmp_path / "yolo26n.pt")
    with person._ultralytics_kept_apart():
        save_yolo(person.WEIGHTS, *make())
    with pytest.raises(ValueError, match=f"{says}. Delete"):
        find_people(PERSON, "yolo")
    assert [box.detector for box in find_people(PERSON)] == ["face"]
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and says in printed and "instead of YOLO" in printed


@pytest.mark.parametrize("task", ["pose", "segment"])
def test_models_that_give_boxes_beside_something_else_are_used(tmp_path, monkeypatch, task):
    from ultralytics.nn import tasks

    kind, short = {
        "pose": (tasks.PoseModel, "pose"),
        "segment": (tasks.SegmentationModel, "seg"),
    }[task]
    monkeypatch.setattr(person, "WEIGHTS", tmp_path / "yolo26n.pt")
    with person._ultralytics_kept_apart():
        model = kind(f"yolo26n-{short}.yaml", nc=1, verbose=False)
        save_yolo(person.WEIGHTS, model, {0: "person"})
    assert find_people(PERSON, "yolo") == []  # an untrained network is sure of nothing


def test_a_yolo_that_stops_at_a_picture_is_replaced(weights, monkeypatch, capsys):
    monkeypatch.setattr(person, "WEIGHTS", weights)

    def stop(*_, **__):
        raise NotImplementedError("torchvision::nms is not there")

    from ultralytics import YOLO

    monkeypatch.setattr(YOLO, "predict", stop)
    assert find_people(PERSON)[0].detector == "face"
    assert "YOLO stopped at this picture (torchvision::nms" in capsys.readouterr().out
    with pytest.raises(ValueError, match="YOLO stopped"):
        find_people(PERSON, "yolo")


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
from course_utils.notebook import camera, person
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
