"""The classifiers read digits; the scores order good and bad pictures as they should."""

import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional as F

from course_utils.data import datasets
from course_utils.evaluation import scores

N = 1000


@pytest.fixture(scope="module")
def train():
    return datasets.mnist()


@pytest.fixture(scope="module")
def real(train):
    """Digits of half B that no distance here was compared with."""
    return train[0][scores.half_b()[-N:]]


def blurred(images, width):
    return F.avg_pool2d(images + 1, width, stride=1, padding=width // 2) - 1


# --- the classifiers ----------------------------------------------------------------------------


def test_both_classifiers_read_the_test_set():
    images, labels = datasets.mnist(train=False)
    assert scores.label_accuracy(images, labels) >= 0.993
    plain = scores._classifier("classifier_plain")
    assert (plain.classes(scores.features(images)).argmax(1) == labels).double().mean() >= 0.993


def test_the_files_are_small_and_say_how_they_were_made():
    paths = [scores.CHECKPOINTS / f"{name}.safetensors" for name in scores.SHA256]
    assert sum(path.stat().st_size for path in paths) < 1e6
    for path in paths:
        with safe_open(path, "pt") as file:
            assert file.metadata()["made_by"] == "tools/train"
    for path in paths[:2]:
        with safe_open(path, "pt") as file:
            notes = file.metadata()
        assert {"settings", "steps", "seconds"} <= notes.keys()
        assert float(notes["test_accuracy"]) >= 0.993


def test_features_are_what_the_last_layer_sees_of_clamped_pictures(train):
    found = scores.features(train[0][:700])
    assert found.shape == (700, 96) and found.dtype == torch.float32 and not found.requires_grad
    assert torch.equal(scores.features(300 * train[0][:9]), scores.features(train[0][:9].sign()))
    one_by_one = torch.cat([scores.features(image[None]) for image in train[0][:5]])
    assert torch.allclose(one_by_one, found[:5], atol=1e-4)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The classifiers' files in a folder where they may be damaged, read anew."""
    for name in scores.SHA256:
        shutil.copy(scores.CHECKPOINTS / f"{name}.safetensors", tmp_path)
    monkeypatch.setattr(scores, "CHECKPOINTS", tmp_path)
    scores._classifier.cache_clear()
    yield tmp_path
    scores._classifier.cache_clear()


@pytest.mark.parametrize(
    "name", ["classifier_plain", "classifier_residual", "classifier_plain_half_a"]
)
@pytest.mark.parametrize("harm", ["missing", "half", "one bit"])
def test_a_file_that_is_not_the_courses_own_is_refused(files, name, harm):
    path = files / f"{name}.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw if harm == "one bit" else raw[: len(raw) // 2])
    if harm == "missing":
        path.unlink()
    images = torch.zeros(2, 1, 28, 28)
    with pytest.raises((FileNotFoundError, ValueError)) as caught:
        scores.label_accuracy(images, torch.zeros(2))
        scores._distance_from_half_a(scores.features(images))
    assert f"git checkout data/checkpoints/{path.name}" in str(caught.value)
    assert ("missing" if harm == "missing" else "damaged") in str(caught.value)


# --- the scores ---------------------------------------------------------------------------------


def test_the_halves_share_no_picture():
    assert torch.equal(
        torch.cat([scores.half_a(), scores.half_b()]).sort()[0], torch.arange(60_000)
    )
    assert len(scores.half_a()) == 30_000


def test_half_a_has_the_statistics_on_disk(train):
    """A distance of 0 from half A's own features: far under that of other digits."""
    mean, covariance = scores.mean_and_covariance(scores.features(train[0][scores.half_a()]))
    half = load_file(scores.CHECKPOINTS / "classifier_plain_half_a.safetensors")
    assert torch.allclose(mean, half["mean"], atol=1e-4)
    assert torch.allclose(covariance, half["covariance"], atol=1e-3)


def test_real_digits_are_at_1(real):
    assert 0.75 < scores.relative_fd(real) < 1.35


def test_worse_pictures_are_farther_away(real):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(real.shape, generator=generator)
    found = [
        scores.relative_fd(images)
        for images in (
            real,
            blurred(real, 3),
            blurred(real, 5),
            noise,
            real[:1].expand(N, 1, 28, 28),
        )
    ]
    assert found[0] < 1.5 and 5 < found[1] and 3 * found[1] < found[2] < found[3]
    assert found[4] > 50  # one digit, again and again


def test_what_nobody_sees_costs_little(real):
    """A grey level more on the background, and rounding to bytes."""
    assert scores.relative_fd(real.clamp(min=-1 + 1 / 127.5)) < 1.5
    assert scores.relative_fd(((real + 1) * 64).round() / 64 - 1) < 1.5


def test_a_missing_digit_is_noticed(train):
    images, labels = train
    without = images[labels != 7][:N]
    assert scores.relative_fd(without) > 3


def test_n_takes_the_first_images(real):
    assert scores.relative_fd(real, 200) == scores.relative_fd(real[:200])


@pytest.mark.parametrize("n", [1, 0, 11, 6001])
def test_an_impossible_number_of_pictures_is_refused(n):
    with pytest.raises(ValueError, match="can't be measured"):
        scores.relative_fd(torch.zeros(10, 1, 28, 28), n)


def test_label_accuracy_counts_right_readings(train):
    images, labels = train[0][:1000], train[1][:1000].clone()
    assert scores.label_accuracy(images, labels) > 0.98
    labels[:500] = (labels[:500] + 1) % 10
    assert scores.label_accuracy(images, labels) == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match="give one to each"):
        scores.label_accuracy(images, labels[:9])


def test_recall_is_the_part_of_reality_that_is_covered(train, real):
    everything = scores.recall(real)
    assert everything > 0.8
    images, labels = train
    half_of_the_digits = images[scores.half_a()][labels[scores.half_a()] < 5][:N]
    assert 0.3 * everything < scores.recall(half_of_the_digits) < 0.7 * everything
    generator = torch.Generator().manual_seed(0)
    one_digit = real[:1] + 0.01 * torch.randn(real.shape, generator=generator)
    assert scores.recall(one_digit) < 0.02


def test_recall_equals_its_definition():
    """With all balls written out, on few pictures."""
    images = datasets.mnist(train=False)[0][:60]
    drawn, others = scores.features(images), scores._real_features(60)[:60]
    radii = torch.cdist(drawn, drawn).sort(1).values[:, 4]
    inside = torch.cdist(others, drawn) <= radii
    assert scores.recall(images, k=4) == pytest.approx(inside.any(1).double().mean().item())


@pytest.mark.parametrize("n, k", [(3, 3), (5, 0), (6001, 3)])
def test_recall_needs_more_than_k_pictures(n, k):
    with pytest.raises(ValueError, match="Recall with k"):
        scores.recall(torch.zeros(1, 1, 28, 28).expand(n, 1, 28, 28), k)


def test_nearest_training_picture(train):
    """A copy finds itself at distance 0; others find what a plain search finds."""
    images = train[0]
    found, distance = scores.nearest_training(images[[5, 59_999, 777]])
    assert torch.equal(found, images[[5, 59_999, 777]]) and (distance == 0).all()
    strangers = datasets.mnist(train=False)[0][:4]
    found, distance = scores.nearest_training(strangers)
    assert found.shape == (4, 1, 28, 28)
    for stranger, near, d in zip(strangers, found, distance, strict=True):
        every = (images - stranger).square().mean((1, 2, 3)).sqrt()
        assert d == pytest.approx(every.min().item(), rel=1e-5)
        assert torch.equal(near, images[every.argmin()])


@pytest.mark.parametrize("score", [scores.features, scores.nearest_training, scores.recall])
def test_what_is_no_picture_is_refused(score):
    with pytest.raises(ValueError, match="N x 1 x 28 x 28"):
        score(torch.zeros(9, 28, 28))
    with pytest.raises(ValueError, match="uint8"):
        score(torch.zeros(9, 1, 28, 28, dtype=torch.uint8))
    with pytest.raises(ValueError, match="There is nan"):
        score(torch.full((9, 1, 28, 28), torch.nan))


# --- the table ----------------------------------------------------------------------------------

HEAD = "board,sha256,sampler,eta,timestep_spacing,steps,guidance,clamp,pictures,seed," + ",".join(
    scores.SCORES
)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "MEASURED", tmp_path)
    same = "ab,ddpm,0.0,trailing,100,0.0,True,2000"
    rows = [
        f"Shipped,{same},0,2.0,,0.8,100,9",
        f"Shipped,{same},1,4.0,,0.6,100,11",
        ",ab,ddim,0.0,trailing,10,1.5,True,2000,0,7.0,0.99,0.5,20,1",
    ]
    (tmp_path / "digits.csv").write_text("\n".join([HEAD, *rows]) + "\n")


def test_seeds_become_mean_and_standard_deviation(stored):
    ddpm, ddim = scores.measured("digits")
    assert ddpm["seeds"] == 2 and ddpm["relative_fd"] == 3 and ddpm["recall"] == 0.7
    assert ddpm["relative_fd_sd"] == pytest.approx(2**0.5) and ddpm["label_accuracy"] is None
    assert ddim["sampler"] == "ddim" and ddim["label_accuracy"] == 0.99
    assert ddim["relative_fd_sd"] == 0 and ddim["seeds"] == 1


def test_the_table_shows_named_rows_and_a_lessons_own(stored):
    shown = scores.table([{"board": "Mine", "pictures": 500, "relative_fd": 5.0, "recall": 0.25}])
    assert scores.table([{"board": "Short"}]).endswith("| Short |  |  |  |  |  |  |")
    assert repr(shown) == shown._repr_markdown_() == shown
    assert shown.splitlines()[2:] == [
        "| Shipped | 2,000 | 3.00 ± 1.41 |  | 0.70 | 100 | 10.0 |",
        "| Mine | 500 | 5.00 |  | 0.25 |  |  |",
    ]
    for row in ({"board": "Mine", "pictures": 500, "frechet": 5.0}, {"pictures": 500}):
        with pytest.raises(ValueError, match="A row has board and some of pictures"):
            scores.table([row])


def test_a_file_that_was_not_measured(stored):
    with pytest.raises(FileNotFoundError, match="python -m tools.score"):
        scores.measured("sprites")


def test_psnr_is_the_logarithm_of_the_squared_error():
    originals = torch.zeros(2, 1, 4, 4)
    images = originals.clone()
    images[0] += 0.2  # a tenth of the range: 20 dB
    images[1, 0, 0, 0] = 2.0  # one pixel of 16, by the whole range: 10 log10 16
    found = scores.psnr(images, originals)
    torch.testing.assert_close(found, torch.tensor([20.0, 12.0412]), atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="can't be compared"):
        scores.psnr(images, originals[:1])
