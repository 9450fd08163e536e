"""Cheat sheets, a page for each part of the course: `python -m tools.cheat_sheets`.

Writes docs/cheat_sheet_*.md out of the rows below. The lines of code are taken from
course_utils/built as they stand there, and the lesson is the one that shows the definition.
"""

import ast
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from course_utils.notebook import course_map
from tools.lessons import BUILT, LESSONS, ROOT, definitions


class Row(NamedTuple):
    """One line of a sheet.

    code: a definition in built/, "f" or "Class.method", and with what each of its decisive
    statements or expressions begins. elsewhere: the same thing in other libraries, as
    `tests/test_cheat_sheets.py` finds it: "a.b.C", "a.b.f(argument)" or "a.b.C().attribute".
    lesson: the number of the lesson that teaches it, if that is not the one that shows the code.
    """

    what: str
    formula: str
    code: tuple[str, ...]
    elsewhere: tuple[str, ...]
    remember: str
    lesson: str = ""


CLIP = "transformers.models.clip.modeling_clip"
PIPELINE = "diffusers.StableDiffusionPipeline"
SHEETS: dict[str, list[Row]] = {
    "networks": [
        Row(
            "Gaussian noise",
            r"$\epsilon \sim \mathcal{N}(0, I)$",
            ("denoising_loss", "torch.randn("),
            ("torch.randn", "diffusers.utils.torch_utils.randn_tensor"),
            "`randn`, not `rand`: all formulas are those of Gaussian noise.",
            "01",
        ),
        Row(
            "mix",
            r"$x_t = (1 - a)\, x_0 + a\, \epsilon$",
            ("mix_noise", "return"),
            ("diffusers.FlowMatchEulerDiscreteScheduler.scale_noise",),
            "At $a = 1/2$ a variance of 1 becomes 1/2; the square roots of lesson 04 keep it.",
        ),
        Row(
            "unmix",
            r"$x_0 = (x_t - a\, \epsilon) / (1 - a)$",
            ("remove_noise", "(xt - amount * noise) /"),
            (),
            "At $a = 1$ nothing is left to divide out.",
        ),
        Row(
            "encoder-decoder",
            r"$\hat{x}_0 = \mathrm{dec}(\mathrm{enc}(x_t))$",
            ("EncoderDecoder.forward", "return"),
            ("torch.nn.Sequential",),
            "What does not fit through the bottleneck is gone.",
        ),
        Row(
            "half the size",
            r"$H' = \lfloor (H + 2p - k) / s \rfloor + 1$",
            ("EncoderDecoder.__init__", "nn.Conv2d(channels"),
            ("torch.nn.Conv2d", "diffusers.models.downsampling.Downsample2D"),
            "MNIST is 28 x 28: halved to 14 and 7, and no further.",
        ),
        Row(
            "twice the size",
            r"$H' = (H - 1)\, s - 2p + k$",
            ("EncoderDecoder.__init__", "nn.ConvTranspose2d(2 * width"),
            ("torch.nn.ConvTranspose2d",),
            "Kernel 4 with stride 2 and padding 1 doubles exactly.",
        ),
        Row(
            "amount",
            r"$a \sim U(0, 1)$",
            ("denoising_loss", "torch.rand("),
            ("torch.rand",),
            "One for each picture, not one for the batch.",
        ),
        Row(
            "loss",
            r"$\mathrm{mean}\, (f_\theta(x_t) - x_0)^2$",
            ("denoising_loss", "guess =", "return"),
            ("torch.nn.functional.mse_loss",),
            "The network sees the mix, and nothing else.",
        ),
        Row(
            "batch",
            r"$i_1, \dots, i_N \sim U\{0, \dots, M - 1\}$",
            ("train", "chosen ="),
            ("torch.randint", "torch.utils.data.RandomSampler(replacement)"),
            "`randint` leaves out its upper end: here that is right.",
        ),
        Row(
            "gradient step",
            r"$\theta \leftarrow \theta - \eta\, \nabla_\theta L$ (AdamW rescales it)",
            ("train", "optimizer.zero_grad()", "loss.backward()", "optimizer.step()"),
            ("torch.optim.AdamW",),
            "Without `zero_grad` gradients add up from step to step.",
        ),
        Row(
            "learning rate",
            r"$\eta$ rises, then falls to 0 along a cosine",
            ("train", "rate ="),
            (
                "torch.optim.lr_scheduler.OneCycleLR",
                "diffusers.optimization.get_cosine_schedule_with_warmup",
            ),
            "`rate.step()` after each batch, not after each epoch.",
        ),
        Row(
            "best guess",
            r"$E[x_0 \mid x_t] = \sum_i w_i\, x_i$, "
            r"$w = \mathrm{softmax}(-\lVert x_t - s x_i \rVert^2 / 2\sigma^2)$",
            ("conditional_mean", "weights =", "return"),
            (),
            "Under heavy noise the best answer is a mean, and so a blur.",
        ),
        Row(
            "block",
            r"$3 \times 3$, SiLU, twice",
            ("double_conv", "nn.Conv2d(out_channels", "nn.SiLU()"),
            ("torch.nn.SiLU", "diffusers.models.resnet.ResnetBlock2D"),
            "Layers are made in `__init__`: one made in `forward` is never trained.",
        ),
        Row(
            "way down",
            r"$H \to H / 2$",
            ("PlainUNet.forward", "skips.append(", "x = nn.functional.max_pool2d("),
            ("torch.nn.functional.max_pool2d",),
            "Keep the features first, then halve them.",
        ),
        Row(
            "way up",
            r"$H \to 2 H$",
            ("PlainUNet.forward", "x = nn.functional.interpolate("),
            ("torch.nn.functional.interpolate", "diffusers.models.upsampling.Upsample2D"),
            "Resizing, then convolving, avoids a transposed convolution's checkerboard.",
        ),
        Row(
            "skip connection",
            r"$[x, \mathrm{skip}]$: channels add up",
            ("PlainUNet.forward", "x = block(torch.cat("),
            ("torch.cat", "diffusers.UNet2DModel"),
            "Last in, first out: the sizes then match.",
        ),
        Row(
            "last layer",
            r"$1 \times 1$, linear",
            ("PlainUNet.__init__", "self.out ="),
            ("torch.nn.Conv2d",),
            "No activation after it: noise has any sign and size.",
        ),
    ],
    "diffusion": [
        Row(
            "linear schedule",
            r"$\beta_1, \dots, \beta_T$ on a straight line",
            ("linear_betas", "return"),
            ("diffusers.DDPMScheduler(beta_schedule)",),
            "Made for $T = 1000$: with few steps the picture is not gone at $T$.",
        ),
        Row(
            "cosine schedule",
            r"$\bar\alpha_t \propto \cos^2 \left( \frac{t / T + s}{1 + s} \frac{\pi}{2} \right)$",
            ("cosine_betas", "alpha_bar ="),
            ("diffusers.schedulers.scheduling_ddpm.betas_for_alpha_bar",),
            "The name is that of alpha-bar's curve, not of beta's.",
        ),
        Row(
            "alpha-bar",
            r"$\bar\alpha_t = \prod_{s \le t} (1 - \beta_s)$",
            ("NoiseSchedule.__init__", "self.alpha_bar ="),
            ("diffusers.DDPMScheduler().alphas_cumprod",),
            "`alpha_bar[t]` here is `alphas_cumprod[t - 1]` there.",
        ),
        Row(
            "one step",
            r"$x_t = \sqrt{1 - \beta_t}\, x_{t-1} + \sqrt{\beta_t}\, \epsilon$",
            ("forward_step", "return"),
            (),
            "$x_{t-1}$ stands here, $x_0$ in the jump: two formulas, two letters.",
        ),
        Row(
            "jump",
            r"$x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon$",
            ("forward_jump", "return"),
            ("diffusers.DDPMScheduler.add_noise",),
            "Square roots: $\\bar\\alpha_t$ is a variance, the factor is its root.",
        ),
        Row(
            "log-SNR",
            r"$\log \frac{\bar\alpha_t}{1 - \bar\alpha_t}$",
            ("NoiseSchedule.__init__", "self.log_snr ="),
            ("diffusers.training_utils.compute_snr",),
            "Schedules of any $T$ can be compared by it.",
        ),
        Row(
            "posterior's mean",
            r"$\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\, \beta_t}{1 - \bar\alpha_t}\, x_0 + "
            r"\frac{\sqrt{\alpha_t}\, (1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t}\, x_t$",
            ("posterior_terms", "weight_x0 =", "weight_xt ="),
            ("diffusers.DDPMScheduler.step",),
            "Needs $x_0$: a network's estimate takes its place.",
        ),
        Row(
            "its variance",
            r"$\tilde\beta_t = \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\, \beta_t$",
            ("posterior_terms", "variance ="),
            ("diffusers.DDPMScheduler(variance_type)",),
            "0 at $t = 1$: no noise is added in the last step.",
        ),
        Row(
            "noise to picture",
            r"$\hat{x}_0 = (x_t - \sqrt{1 - \bar\alpha_t}\, \epsilon_\theta) / "
            r"\sqrt{\bar\alpha_t}$",
            ("to_x0", "return (xt - noise_std * value)"),
            ("diffusers.DDPMScheduler(prediction_type)",),
            "At large $t$ a small error of the noise is a large one of the picture.",
        ),
        Row(
            "velocity",
            r"$v = \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1 - \bar\alpha_t}\, x_0$",
            ("from_x0", "return signal * eps"),
            ("diffusers.DDPMScheduler.get_velocity",),
            "Not flow matching's $v$, which is $x_0 - \\epsilon$ in our letters.",
        ),
        Row(
            "score",
            r"$\nabla_{x_t} \log q(x_t \mid x_0) = -\epsilon / \sqrt{1 - \bar\alpha_t}$",
            ("from_x0", "return -eps"),
            (),
            "The noise, with the other sign: it points to where pictures are.",
        ),
        Row(
            "time embedding",
            r"$\cos \omega_k t$, $\sin \omega_k t$, $\omega_k = 10000^{-k / K}$",
            ("timestep_embedding", "frequency =", "return"),
            ("diffusers.models.embeddings.get_timestep_embedding(flip_sin_to_cos)",),
            "Give it whole steps: at times in [0, 1] most waves hardly move.",
        ),
        Row(
            "random time",
            r"$t \sim U\{1, \dots, T\}$",
            ("diffusion_loss", "t = torch.randint("),
            ("torch.randint",),
            "`randint` leaves out its upper end; the network itself gets $t - 1$.",
        ),
        Row(
            "simple loss",
            r"$\mathrm{mean}\, (\epsilon_\theta(x_t, t) - \epsilon)^2$",
            ("diffusion_loss", "error = (predict("),
            ("torch.nn.functional.mse_loss",),
            "All times weigh the same; the bound it comes from gives small $t$ more.",
        ),
        Row(
            "EMA",
            r"$\bar\theta \leftarrow d\, \bar\theta + (1 - d)\, \theta$",
            ("EMA.update", "average.lerp_("),
            ("diffusers.training_utils.EMAModel.step", "torch.optim.swa_utils.AveragedModel"),
            "Train the weights; sample with their average.",
        ),
        Row(
            "Frechet distance",
            r"$\lVert \mu_a - \mu_b \rVert^2 + \mathrm{tr}(C_a + C_b - 2 (C_a C_b)^{1/2})$",
            ("frechet_distance", "apart ="),
            (),
            "Compare only at equal numbers of pictures.",
        ),
        Row(
            "DDIM",
            r"$x_s = \sqrt{\bar\alpha_s}\, \hat{x}_0 + "
            r"\sqrt{1 - \bar\alpha_s - \varsigma^2}\, \hat\epsilon + \varsigma z$",
            ("ddim_step", "eps =", "return"),
            ("diffusers.DDIMScheduler.step(eta)",),
            "eta = 0: no new noise, so one noise gives one picture.",
        ),
        Row(
            "Euler",
            r"$y \leftarrow y + (\sigma_s - \sigma_t)\, (y - \hat{x}_0) / \sigma_t$, "
            r"$y = x / \sqrt{\bar\alpha}$",
            ("euler_step", "y = y +"),
            ("diffusers.EulerDiscreteScheduler.step",),
            "DDIM with eta = 0, in other letters.",
        ),
        Row(
            "DPM-Solver++(2M)",
            r"$D = \hat{x}_0 + \frac{h}{2}\, \frac{\hat{x}_0 - \hat{x}_0'}{h'}$, then DDIM's step",
            ("dpmpp_2m_step", "x0 = x0 +"),
            ("diffusers.DPMSolverMultistepScheduler.step",),
            "Second order for one network evaluation a step.",
        ),
        Row(
            "timesteps",
            r"$t_i = T (n - i) / n$, rounded",
            ("trailing_timesteps", "return"),
            ("diffusers.DDIMScheduler(timestep_spacing)",),
            'Start at $T$, where $x$ is noise; "leading" starts below it.',
        ),
    ],
    "words": [
        Row(
            "scale and shift",
            r"$h\, (1 + \gamma) + \beta$",
            ("modulate", "return"),
            ("diffusers.models.resnet.ResnetBlock2D(time_embedding_norm)",),
            "The 1 makes zeros mean: no change.",
            "08",
        ),
        Row(
            "context",
            r"$c\, W$",
            ("ContextEmbedding.forward", "return"),
            ("torch.nn.Embedding", "torch.nn.Linear"),
            "A single 1 picks a row; zeros say nothing.",
        ),
        Row(
            "dropping it",
            r"$c \to \varnothing$ with probability $p$",
            ("drop_cond", "dropped = torch.rand(", "return"),
            ("diffusers.models.embeddings.LabelEmbedding.token_drop",),
            "In training only; drop all of a picture's conditioning, or nothing.",
        ),
        Row(
            "guidance",
            r"$\epsilon_\varnothing + w\, (\epsilon_c - \epsilon_\varnothing)$",
            ("classifier_free_guidance", "return"),
            (f"{PIPELINE}.__call__(guidance_scale)",),
            "$w = 1$ is conditional, and the paper's $w$ is one less.",
        ),
        Row(
            "both in one call",
            r"$[\epsilon_\varnothing, \epsilon_c] = \epsilon_\theta([x, x], t, [\varnothing, c])$",
            ("cfg_denoiser", "parts = predict(model, torch.cat("),
            (f"{PIPELINE}.do_classifier_free_guidance",),
            "Unconditional first, in both lists.",
        ),
        Row(
            "attention",
            r"$\mathrm{softmax}(Q K^\top / \sqrt{D})\, V$",
            ("attention", "scores = q", "maps =", "return"),
            ("torch.nn.functional.scaled_dot_product_attention",),
            "$D$ is the width of a head; the softmax runs over the keys.",
        ),
        Row(
            "causal mask",
            r"$j \le i$",
            ("causal_mask", "return"),
            (
                "torch.nn.functional.scaled_dot_product_attention(is_causal)",
                "torch.nn.MultiheadAttention.forward(attn_mask)",
            ),
            "True: may look. In `nn.MultiheadAttention` True means the opposite.",
        ),
        Row(
            "heads",
            r"$N \times L \times (h D) \to N \times h \times L \times D$",
            ("Attention.split", "return"),
            ("torch.nn.MultiheadAttention(num_heads)",),
            "More heads, as many weights: they share the width.",
        ),
        Row(
            "cross-attention",
            r"$Q = x W_Q$, $K = c\, W_K$, $V = c\, W_V$",
            ("Attention.forward", "q, k, v ="),
            ("diffusers.models.attention_processor.Attention(cross_attention_dim)",),
            "The picture asks, the words answer.",
        ),
        Row(
            "CLIP's block",
            r"$x + f(\mathrm{norm}(x))$, twice",
            ("TransformerBlock.forward", "x = x +", "return"),
            (f"{CLIP}.CLIPEncoderLayer",),
            "The norm is inside the branch; the sum is left alone.",
        ),
        Row(
            "QuickGELU",
            r"$x\, \mathrm{sigmoid}(1.702\, x)$",
            ("QuickGELU.forward", "return"),
            ("transformers.activations.QuickGELUActivation",),
            "OpenAI's weights need it: with GELU they go slightly wrong, and no error says so.",
        ),
        Row(
            "GEGLU",
            r"$a \cdot \mathrm{gelu}(b)$, $[a, b] = x W$",
            ("GEGLU.forward", "a, b =", "return"),
            ("diffusers.models.activations.GEGLU",),
            "The second half is the gate.",
        ),
        Row(
            "Stable Diffusion's block",
            r"self, cross, network: each $x + f(\mathrm{norm}(x))$",
            ("BasicTransformerBlock.forward", "x = x + self.attn1", "x = x + self.attn2", "return"),
            ("diffusers.models.attention.BasicTransformerBlock",),
            "`attn1` looks at the picture, `attn2` at the words.",
        ),
        Row(
            "pixels as tokens",
            r"$N \times C \times H \times W \to N \times H W \times C$",
            ("SpatialTransformer.forward", "tokens = self.proj_in("),
            ("diffusers.Transformer2DModel",),
            "Flatten, then transpose: `reshape` alone mixes pixels with channels.",
        ),
        Row(
            "byte-pair encoding",
            r"join the most frequent pair, again and again",
            ("learn_merges", "merges.append(", "spelled = {word: merge_pair("),
            ("transformers.CLIPTokenizer",),
            "To encode, merges are applied in the order they were learned.",
        ),
        Row(
            "token and place",
            r"$E_{\mathrm{id}_i} + P_i$",
            ("CLIPText.forward", "x = self.token_embedding("),
            (f"{CLIP}.CLIPTextEmbeddings",),
            "Without a mask, attention itself knows no order.",
        ),
        Row(
            "end token",
            r"the first $i$ with $\mathrm{id}_i = \mathrm{end}$",
            ("CLIPText.forward", "first ="),
            ("transformers.CLIPTextModel", "transformers.CLIPModel.get_text_features"),
            "CLIP compares what stands there; the U-Net looks at the whole row.",
        ),
        Row(
            "contrastive loss",
            r"$S = \tau^{-1} I\, T^\top$, rows and columns choose",
            ("contrastive_loss", "similarity =", "return"),
            ("transformers.CLIPModel.forward(return_loss)",),
            "Vectors of length 1 first, or a long one wins.",
        ),
        Row(
            "temperature",
            r"$1 / \tau = e^{s} \le 100$",
            ("CLIP.forward", "scale ="),
            ("transformers.CLIPConfig(logit_scale_init_value)",),
            "Its logarithm is learned: so it stays positive.",
        ),
        Row(
            "U-Net with words",
            r"$\epsilon_\theta(x_t, t, c)$",
            ("UpBlock.forward", "x = resnet(", "x = self.attentions[i]("),
            ("diffusers.UNet2DConditionModel",),
            "Time goes into each residual block, words into each attention.",
        ),
    ],
    "whole": [
        Row(
            "encoder",
            r"$\mu, \log \sigma^2 = \mathrm{enc}(x)$",
            ("AutoencoderKL.encode", "mean, log_var ="),
            ("diffusers.AutoencoderKL.encode",),
            "It gives a distribution, not latents.",
        ),
        Row(
            "reparametrisation",
            r"$z = \mu + \sigma \cdot \mathrm{noise}$, $\sigma = e^{\frac{1}{2} \log \sigma^2}$",
            ("DiagonalGaussian.sample", "return"),
            ("diffusers.models.autoencoders.vae.DiagonalGaussianDistribution.sample",),
            "The half makes a standard deviation of a variance.",
        ),
        Row(
            "KL divergence",
            r"$\frac{1}{2} \sum (\mu^2 + \sigma^2 - 1 - \log \sigma^2)$",
            ("DiagonalGaussian.kl", "per_number =", "return"),
            ("diffusers.models.autoencoders.vae.DiagonalGaussianDistribution.kl",),
            "A sum over a picture's numbers, so its weight is tiny.",
        ),
        Row(
            "VAE's loss",
            r"$\lvert \hat{x} - x \rvert + w_e \lvert \nabla \hat{x} - \nabla x \rvert + "
            r"w\, \mathrm{KL}$",
            ("vae_loss", "return"),
            ("torch.nn.functional.l1_loss",),
            "With too much weight on the KL, the code says nothing of the picture.",
        ),
        Row(
            "decoder",
            r"$\hat{x} = \mathrm{dec}(z)$",
            ("AutoencoderKL.decode", "return"),
            ("diffusers.AutoencoderKL.decode",),
            "What the VAE loses, no diffusion brings back.",
        ),
        Row(
            "to latents",
            r"$x_0 = k\, z$, $k = 1 / \mathrm{std}(z)$",
            ("AutoencoderKL.to_latents", "return"),
            ("diffusers.AutoencoderKL(scaling_factor)",),
            "Multiply after encoding: the schedule expects variance 1.",
        ),
        Row(
            "to pictures",
            r"$\hat{x} = \mathrm{dec}(x_0 / k)$",
            ("AutoencoderKL.to_pictures", "return"),
            ("diffusers.image_processor.VaeImageProcessor.denormalize",),
            "Divide before decoding; no error tells you if you forget.",
        ),
        Row(
            "text embeddings",
            r"$c = \mathrm{text}(\mathrm{prompt})$: $N \times 77 \times 768$ in SD 1.x",
            ("StableDiffusion.encode_prompt", "return"),
            (f"{PIPELINE}.encode_prompt",),
            'The whole row of tokens. The null caption is "", not zeros.',
        ),
        Row(
            "first latents",
            r"$x_T \sim \mathcal{N}(0, I)$",
            ("prepare_latents", "return"),
            (f"{PIPELINE}.prepare_latents",),
            "Text to image starts from noise in latent space; the VAE's encoder has no part in it.",
        ),
        Row(
            "negative prompt",
            r"$\epsilon_- + w\, (\epsilon_c - \epsilon_-)$",
            ("text_denoiser", "cond, uncond ="),
            (f"{PIPELINE}.__call__(negative_prompt)",),
            "It takes the null caption's place; at $w = 1$ it does nothing.",
        ),
        Row(
            "text to image",
            r"noise, sampling loop, decoder",
            ("text_to_image", "return"),
            (f"{PIPELINE}.__call__",),
            "The decoder runs once, at the end.",
        ),
        Row(
            "strength",
            r"the last $\lfloor \mathrm{strength} \cdot n \rfloor$ of $n$ steps",
            ("get_timesteps", "return"),
            ("diffusers.StableDiffusionImg2ImgPipeline.get_timesteps",),
            "0 keeps the picture, 1 forgets it; fewer steps are made, not smaller ones.",
        ),
        Row(
            "image to image",
            r"$x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon$",
            ("image_to_image", "x = forward_jump("),
            ("diffusers.StableDiffusionImg2ImgPipeline.prepare_latents",),
            "Here the VAE's encoder is needed.",
        ),
        Row(
            "inpainting",
            r"$x = m\, x_{\mathrm{drawn}} + (1 - m)\, x_{\mathrm{known}}$",
            ("repaint", "kept =", "x = torch.where("),
            ("diffusers.RePaintScheduler.step",),
            "The known part gets the noise of the time that was reached.",
        ),
        Row(
            "resampling",
            r"$x_t = \sqrt{1 - \beta_{t \vert s}}\, x_s + \sqrt{\beta_{t \vert s}}\, z$",
            ("renoise", "return"),
            ("diffusers.RePaintScheduler.undo_step",),
            "Back to more noise and down again: so the parts come to fit.",
        ),
        Row(
            "Stable Diffusion's size",
            r"widths $c_1, \dots, c_4$",
            ("UNet.__init__", "(320,"),
            ("diffusers.UNet2DConditionModel(block_out_channels)",),
            "The same classes, other numbers: 860 million weights.",
            "14",
        ),
        Row(
            "half precision",
            r"32 bits $\to$ 16 bits",
            ("StableDiffusion.to", "part.to("),
            ("diffusers.DiffusionPipeline.to", f"{PIPELINE}.from_single_file"),
            "Half the memory for weights; the sampler's sums stay in float32.",
            "14",
        ),
        Row(
            "slicing",
            r"$N$ pictures, a few at a time",
            ("StableDiffusion.decode", "parts =", "return"),
            ("diffusers.AutoencoderKL.enable_slicing",),
            "The same pictures, with less memory at once.",
            "14",
        ),
    ],
}


def part_of(sheet: str) -> tuple[str, list[course_map.Lesson]]:
    """The course's part that a sheet belongs to: its name and its lessons."""
    for row, lessons in course_map.ROWS.items():
        if row.split()[-1] == sheet:
            return " ".join(row.split()), lessons
    raise ValueError(f"The course's map has no part that ends with {sheet!r}.")


@cache
def shown_in() -> dict[str, str]:
    """The name of each definition of a lesson's cells -> the lesson's number."""
    found = {}
    for path in LESSONS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and not source.startswith(("%", "!")):
                found |= dict.fromkeys(definitions(source), path.stem[:2])
    return found


@cache
def find(name: str) -> tuple[ast.AST, str, str]:
    """A definition of built/, its file's text, and how it is called: `f(x, t, ...)`."""
    for module in sorted(BUILT.glob("*.py")):
        source = module.read_text(encoding="utf-8")
        node = ast.parse(source)
        for part in name.split("."):
            inner = [n for n in getattr(node, "body", []) if getattr(n, "name", "") == part]
            node = inner[0] if inner else None
        if node is not None:
            made = name.endswith(".__init__")
            called = name.removesuffix(".__init__") if made else name + _arguments(node)
            return node, source, called
    raise ValueError(f"There is no {name} in course_utils/built.")


def _arguments(node: ast.FunctionDef) -> str:
    """The names of a function's arguments that have no default value, in brackets."""
    given = node.args.posonlyargs + node.args.args
    needed = [a.arg for a in given[: len(given) - len(node.args.defaults)] if a.arg != "self"]
    if node.args.defaults or node.args.kwonlyargs or node.args.kwarg:
        needed.append("...")
    return f"({', '.join(needed)})"


def _pieces(node: ast.AST, source: str) -> Iterator[tuple[tuple[int, int], str]]:
    """Where each simple statement and each expression of a definition begins, and its text."""
    for inner in ast.walk(node):
        simple = isinstance(inner, ast.stmt) and not hasattr(inner, "body")
        if simple or isinstance(inner, ast.expr):
            text = ast.get_source_segment(source, inner)
            line = "\n".join(part.split("  #")[0] for part in text.splitlines())
            yield (inner.lineno, inner.col_offset), " ".join(line.split())


def lines_of(row: Row) -> list[str]:
    """The decisive lines of a row's code, each once; ValueError where one is not to be found."""
    name, *starts = row.code
    node, source, _ = find(name)
    found = []
    for start in starts:
        longest = {}
        for place, text in _pieces(node, source):
            if text.startswith(start) and len(text) > len(longest.get(place, "")):
                longest[place] = text
        lines = list(dict.fromkeys(longest.values()))
        if not lines:
            raise ValueError(f"Nothing in {name} begins with {start!r}: see tools/cheat_sheets.py.")
        found += [line for line in lines if line not in found]
    return found


def lesson_of(row: Row) -> str:
    """The number of the lesson that teaches a row."""
    return row.lesson or shown_in()[row.code[0].split(".")[0]]


def _cell(code: str) -> str:
    return "`" + code.removeprefix("return ").replace("|", r"\|") + "`"


def _elsewhere(name: str) -> str:
    """A name as it is shown: without what is long and says little."""
    short = name.removeprefix(f"{CLIP}.").removeprefix("diffusers.").removeprefix("transformers.")
    if name.startswith("torch."):
        shown = short.replace("torch.nn.functional.", "F.").replace("torch.nn.", "nn.")
    else:  # without the modules, which are in small letters
        *before, last = short.split(".")
        shown = ".".join([part for part in before if part[0].isupper()] + [last])
    return _cell(shown.replace(".__call__", ""))


def page(sheet: str) -> str:
    """The text of docs/cheat_sheet_NAME.md."""
    part, lessons = part_of(sheet)
    stems = {lesson.stem[:2]: lesson.stem for lesson in lessons}
    lines = [
        f"# Cheat sheet: {part}",
        "",
        f"Lessons {min(stems)} to {max(stems)} on one page. The code is that of "
        "`course_utils.built`; beside it stand the names of torch, diffusers and transformers "
        "(`F` is `torch.nn.functional`).",
        "",
        "| | formula | the line that is it | elsewhere | remember |",
        "|---|---|---|---|---|",
    ]
    for row in SHEETS[sheet]:
        link = f"[{lesson_of(row)}](../notebooks/{stems[lesson_of(row)]}.ipynb)"
        code = "<br>".join(map(_cell, lines_of(row)))
        called = f"**{_cell(find(row.code[0])[2])}**"
        elsewhere = "<br>".join(map(_elsewhere, row.elsewhere)) or "-"
        cells = [f"{link} {row.what}", row.formula, f"{called}<br>{code}", elsewhere, row.remember]
        lines.append(f"| {' | '.join(cells)} |")
    others = [
        f"[{part_of(other)[0]}](cheat_sheet_{other}.md)" for other in SHEETS if other != sheet
    ]
    lines += [
        "",
        f"Other sheets: {', '.join(others)}. All symbols: [notation](notation.md); all terms: "
        "[glossary](glossary.md).",
        "",
    ]
    return "\n".join(lines)


def path_of(sheet: str) -> Path:
    return ROOT / "docs" / f"cheat_sheet_{sheet}.md"


def main() -> None:
    for sheet in SHEETS:
        path_of(sheet).write_text(page(sheet), encoding="utf-8")


if __name__ == "__main__":
    main()
