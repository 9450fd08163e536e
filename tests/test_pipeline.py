"""The pipeline: seeds, callbacks, masks, and what it says of impossible wishes."""

import pytest
import torch

from course_utils.built import (
    get_timesteps,
    image_to_image,
    inpaint,
    prepare_latents,
    text_denoiser,
    text_to_image,
)
from course_utils.built.clip import CLIPText
from course_utils.built.guidance import cfg_denoiser
from course_utils.built.inpaint import renoise, repaint, shrink_mask
from course_utils.built.pipeline import preview
from course_utils.built.schedule import NoiseSchedule, cosine_betas, scaled_linear_betas
from course_utils.built.stable_diffusion import StableDiffusion
from course_utils.built.tokenizer import Tokenizer, learn_merges
from course_utils.built.unet import UNet
from course_utils.built.vae import AutoencoderKL

CAPTIONS = ["a red cat", "two blue dogs", "a small yellow house"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small_pipeline(
    prediction_type="v_prediction",
    spacing="trailing",
    vae=None,
    length=16,
    size=32,
    betas=cosine_betas,
):
    """A random pipeline for pictures of 32 x 32: latents 4 x 4 x 4."""
    torch.manual_seed(0)
    tokenizer = Tokenizer(learn_merges(CAPTIONS, 40), length=length)
    text = CLIPText(len(tokenizer.vocab), 32, 2, 4, length, quick=True)
    unet = UNet(4, (32, 64), (True, True), 1, 4, 32, 8)
    for parameter in [*text.parameters(), *unet.parameters()]:  # so that words matter
        parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=seeded(3)))
    vae = vae or AutoencoderKL(3, 4, (8, 8, 16, 16), 1, 4, scaling_factor=0.8)
    return StableDiffusion(
        tokenizer, text, unet, vae, NoiseSchedule(betas(1000)), prediction_type, spacing, size
    )


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


def pictures(number=1, size=32, channels=3):
    return torch.rand(number, channels, size, size, generator=seeded(7)) * 2 - 1


def test_seeds_decide_and_each_caption_gets_its_picture(pipe):
    first = text_to_image(pipe, CAPTIONS[:2], seeded(), steps=4)
    assert first.shape == (2, 3, 32, 32) and first.abs().max() <= 1
    assert torch.equal(first, text_to_image(pipe, CAPTIONS[:2], seeded(), steps=4))
    assert not torch.allclose(first, text_to_image(pipe, CAPTIONS[:2], seeded(1), steps=4))
    latents = torch.randn(2, 4, 4, 4, generator=seeded())
    assert torch.equal(first, text_to_image(pipe, CAPTIONS[:2], None, steps=4, latents=latents))
    alone = text_to_image(pipe, CAPTIONS[1], None, steps=4, latents=latents[1:])
    torch.testing.assert_close(alone, first[1:], rtol=1e-4, atol=1e-4)
    same_words = text_to_image(pipe, CAPTIONS[1], None, steps=4, latents=latents)
    torch.testing.assert_close(same_words[1:], alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(same_words[:1], first[:1], atol=1e-3)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "euler", "heun", "dpmpp_2m"])
def test_every_sampler_runs_and_sizes_are_as_asked(pipe, sampler):
    drawn = text_to_image(pipe, "a cat", seeded(), steps=3, size=64, sampler=sampler)
    assert drawn.shape == (1, 3, 64, 64) and drawn.isfinite().all()


def test_a_negative_caption_takes_the_place_of_the_null_one(pipe):
    latents = torch.randn(1, 4, 4, 4, generator=seeded())
    t = 500
    denoise = text_denoiser(pipe, "a red cat", 1, 3.0, "two blue dogs")
    cond, uncond = (text_denoiser(pipe, words, 1, 1.0)(latents, t) for words in CAPTIONS[:2])
    torch.testing.assert_close(denoise(latents, t), uncond + 3 * (cond - uncond))
    same = text_denoiser(pipe, "a red cat", 1, 9.0, "a red cat")(latents, t)
    torch.testing.assert_close(same, cond, rtol=1e-4, atol=1e-4)


def test_guidance_of_zero_is_unconditional_for_any_number_of_captions(pipe):
    captions = ["a red apple", "a blue bird"]
    latents = prepare_latents(pipe, 2, seeded())
    uncond = text_to_image(pipe, captions, None, steps=2, latents=latents, guidance=0.0)
    empty = text_to_image(pipe, ["", ""], None, steps=2, latents=latents, guidance=1.0)
    torch.testing.assert_close(uncond, empty)


def test_guidance_works_within_its_interval_only(pipe):
    latents = torch.randn(1, 4, 4, 4, generator=seeded())
    cond, strong = (text_denoiser(pipe, "a red cat", 1, w) for w in (1.0, 5.0))
    inside = text_denoiser(pipe, "a red cat", 1, 5.0, interval=(200, 800))
    for t in (1, 199, 801, 1000):
        assert torch.equal(inside(latents, t), cond(latents, t))
    for t in (200, 500, 800):
        assert torch.equal(inside(latents, t), strong(latents, t))
    with pytest.raises(ValueError, match="upside down"):
        text_to_image(pipe, "a cat", seeded(), interval=(800, 200))
    with pytest.raises(ValueError, match="upside down"):
        cfg_denoiser(pipe.unet, latents, 2.0, interval=(1, 0))


def test_callbacks_and_previews_see_every_step(pipe):
    seen, film = [], []
    drawn = text_to_image(
        pipe, "a cat", seeded(), steps=6, callback=lambda t, x, x0: seen.append((t, x, x0))
    )
    assert [t for t, _, _ in seen] == get_timesteps(pipe, 6)[1:]
    assert torch.equal(pipe.decode(seen[-1][1]), drawn)
    text_to_image(pipe, "a cat", seeded(), steps=6, callback=preview(pipe, film, every=3))
    assert len(film) == 2
    torch.testing.assert_close(film[0], pipe.decode(seen[2][2]))


def test_strength_counts_steps_and_zero_gives_what_the_vae_makes(pipe):
    images = pictures(2)
    for strength, steps in ((0, 0), (0.04, 0), (0.5, 10), (0.6, 12), (1, 20)):
        assert len(get_timesteps(pipe, 20, strength)) == steps + 1
    again = image_to_image(pipe, "a cat", images, seeded(), strength=0)
    torch.testing.assert_close(again, pipe.decode(pipe.to_latents(images)))
    half = image_to_image(pipe, CAPTIONS[:2], images, seeded(), strength=0.5, steps=4)
    assert half.isfinite().all()
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            image_to_image(pipe, "a cat", images, seeded(), strength=strength)


def test_inpainting_keeps_what_is_known_and_draws_the_rest(pipe):
    images, mask = pictures(2), torch.zeros(1, 1, 32, 32)
    mask[..., 5:20, 8:16] = 1
    drawn = inpaint(pipe, "a cat", images, mask, seeded(), steps=3, resample=2)
    kept = (mask == 0).expand_as(images)
    assert torch.equal(drawn[kept], images[kept])
    assert not torch.allclose(drawn[~kept], images[~kept], atol=1e-3)
    whole = inpaint(pipe, "a cat", images, torch.ones(2, 1, 32, 32), seeded(), steps=3)
    assert whole.shape == images.shape and not torch.allclose(whole, images, atol=0.1)
    grey = inpaint(pipe, "a cat", images[:, :1], mask, seeded(), steps=3)
    assert grey.shape == images.shape
    with pytest.raises(ValueError, match="nothing to draw"):
        inpaint(pipe, "a cat", images, torch.zeros(1, 1, 32, 32), seeded())
    with pytest.raises(ValueError, match="round it"):
        inpaint(pipe, "a cat", images, mask / 2, seeded())
    with pytest.raises(ValueError, match="2, 1, 32, 32"):
        inpaint(pipe, "a cat", images, mask[..., :16], seeded())
    with pytest.raises(ValueError, match="resample"):
        inpaint(pipe, "a cat", images, mask, seeded(), resample=0)


def test_a_latent_is_new_where_any_pixel_is():
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 7, 8] = 1
    assert shrink_mask(mask, 8).nonzero().tolist() == [[0, 0, 0, 1]]


def test_renoising_is_the_forward_process_between_two_times():
    schedule = NoiseSchedule(scaled_linear_betas(1000))
    x = torch.randn(200_000, generator=seeded()).double()
    noise = torch.randn(200_000, generator=seeded(1)).double()
    xs = schedule.signal[300] * 0.7 + schedule.noise_std[300] * x
    xt = renoise(xs, noise, 300, 650, schedule)
    assert abs(xt.mean() - 0.7 * schedule.signal[650]) < 0.01
    assert abs(xt.std() - schedule.noise_std[650]) < 0.01


def test_resampling_makes_the_new_half_agree_with_the_known_one():
    """Data: pairs of equal normal numbers. The best denoiser is known, so is the right answer."""
    schedule = NoiseSchedule(cosine_betas(1000))

    def denoise(x, t):  # E[x0 | xt] of a N(0, 1) number seen twice
        signal, variance = schedule.signal[t].item(), schedule.noise_std[t].item() ** 2
        mean = signal * x.sum(-1, keepdim=True) / (2 * signal**2 + variance)
        return mean.expand_as(x)

    known = torch.randn(500, 1, 1, 1, generator=seeded(2)).expand(-1, -1, -1, 2)
    new = torch.tensor([False, True]).expand(500, 1, 1, 2)
    timesteps = [1000 - 50 * i for i in range(21)]
    error = []
    for resample in (1, 10):
        x = repaint(denoise, known, new, schedule, timesteps, seeded(), resample, "ddpm", "sample")
        assert torch.equal(x[..., 0], known[..., 0])
        error.append((x[..., 1] - known[..., 1]).square().mean().sqrt().item())
    assert error[1] < 0.7 * error[0]
    assert error[1] < 0.35


@pytest.mark.parametrize(
    "images, says",
    [
        (pictures(1, 44), "crop or resize to 48 x 48"),
        (pictures(1, 32, 4), "alpha"),
        (pictures(1, 32, 2), "3 channels or 1"),
        (pictures()[0], r"images\[None\]"),
        (pictures() * 255, "127.5"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "floats"),
        (torch.full((1, 3, 32, 32), torch.nan), "127.5"),
        (pictures().numpy(), "a tensor, of N x 3 x H x W; got .*ndarray"),
    ],
)
def test_other_pictures_are_refused_with_what_to_do(pipe, images, says):
    with pytest.raises(ValueError, match=says):
        image_to_image(pipe, "a cat", images, seeded())


def test_grey_pictures_become_three_channels(pipe):
    grey = pictures(2, 32, 1)
    assert torch.equal(pipe.to_latents(grey), pipe.to_latents(torch.cat([grey] * 3, dim=1)))


def test_long_captions_are_cut_with_a_warning_and_none_is_refused(pipe):
    with pytest.warns(UserWarning, match="the rest is cut off"):
        drawn = text_to_image(pipe, "cat " * 500, seeded(), steps=2)
    assert drawn.isfinite().all()
    with pytest.raises(ValueError, match="no caption"):
        text_to_image(pipe, [], seeded())
    with pytest.raises(ValueError, match="3 pictures and 2 conditionings"):
        image_to_image(pipe, CAPTIONS[:2], pictures(3), seeded(), steps=2)


@pytest.mark.parametrize(
    "asked, says",
    [
        (dict(prompts=["a cat", 3]), "A caption is a string; this one is 3"),
        (dict(prompts=["a cat"] * 3, negative=["a dog"] * 2), "2 negatives for 3 pictures"),
        (dict(generator=None), "give generator=torch.Generator"),
        (dict(guidance=float("nan")), "finite number"),
    ],
)
def test_what_is_no_caption_noise_or_guidance_is_refused(pipe, asked, says):
    usual = dict(prompts="a cat", images=pictures(3), generator=seeded(), steps=2)
    with pytest.raises(ValueError, match=says):
        image_to_image(pipe, **(usual | asked))
    with pytest.raises(ValueError, match=says):
        inpaint(pipe, **(usual | asked), mask=torch.ones(3, 1, 32, 32))


def test_half_precision_draws_nearly_the_same():
    wanted = text_to_image(small_pipeline(), "a cat", seeded(), steps=3, guidance=2.0)
    for dtype in (torch.bfloat16, torch.float16):
        found = small_pipeline().to(dtype=dtype)
        drawn = text_to_image(found, "a cat", seeded(), steps=3, guidance=2.0)
        assert drawn.dtype == torch.float32
        assert (drawn - wanted).abs().mean() < 0.1 * wanted.std()


def test_parts_of_different_models_are_refused():
    pipe = small_pipeline()
    with pytest.raises(ValueError, match="different models"):
        small_pipeline(vae=AutoencoderKL(3, 5, (8, 8), 1, 4))
    short = Tokenizer(learn_merges(CAPTIONS, 3), length=16)
    parts = pipe.text_encoder, pipe.unet, pipe.vae, pipe.schedule
    with pytest.raises(ValueError, match="different models"):
        StableDiffusion(short, *parts)
    with pytest.raises(ValueError, match="spacing is one of"):
        StableDiffusion(pipe.tokenizer, *parts, spacing="uneven")
    with pytest.raises(ValueError, match="multiples of 16"):
        StableDiffusion(pipe.tokenizer, *parts, size=40)


def test_large_pictures_go_through_the_vae_one_by_one(monkeypatch):
    """At most 512 x 512 pixels at once, and one picture at least; the result is the same."""
    pipe = small_pipeline()
    images = pictures(5, 256)
    with torch.no_grad():
        wanted = pipe.vae.to_latents(images)
    passed = []
    encode, decode = pipe.vae.to_latents, pipe.vae.to_pictures
    monkeypatch.setattr(pipe.vae, "to_latents", lambda x: passed.append(len(x)) or encode(x))
    monkeypatch.setattr(pipe.vae, "to_pictures", lambda z: passed.append(len(z)) or decode(z))
    latents = pipe.to_latents(images)
    torch.testing.assert_close(latents, wanted, rtol=1e-4, atol=1e-4)
    assert passed == [4, 1]
    assert pipe.decode(latents).shape == images.shape and passed == [4, 1] * 2
    del passed[:]
    pipe.to_latents(pictures(2, 528))
    assert passed == [1, 1]


def test_repaint_refuses_a_sampler_that_needs_the_step_before():
    known, new = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4, dtype=torch.bool)
    schedule = NoiseSchedule(cosine_betas(1000))
    with pytest.raises(ValueError, match="dpmpp_2m .* single steps can't use it: take ddim"):
        repaint(lambda x, t: x, known, new, schedule, [1000, 500, 0], seeded(), sampler="dpmpp_2m")
