"""Write the cheat sheets, a page for each part of the course: `python -m tools.cheat_sheets`

A row is one idea: its formula, the line of course_utils/built that is the formula, and its name in
the libraries that people use. The line is looked up in the source, so it is what the lessons show;
`tests/test_cheat_sheets.py` fails where a page is stale or a library has no such name.
"""

import re
from typing import NamedTuple

from course_utils import ROOT
from course_utils.io import files
from course_utils.notebook import course_map
from tools.lessons import LESSONS, built_definitions, code_cells, definitions

DOCS = ROOT / "docs"


class Row(NamedTuple):
    """An idea: what it is called, its formula, where its line stands, what others call it."""

    idea: str
    formula: str  # LaTeX, without dollars
    name: str  # of course_utils/built
    line: str  # how the line begins, or a part of it that stands there once
    library: str  # dotted; empty where there is none
    remember: str


NETWORKS = [
    Row(
        "mix in noise, on a straight line",
        r"x = (1 - a)\, x_0 + a\, \epsilon",
        "mix_noise",
        "return (1 - amount)",
        "diffusers.FlowMatchEulerDiscreteScheduler.scale_noise",
        "The noise is Gaussian: `randn`, not `rand`.",
    ),
    Row(
        "take known noise out",
        r"x_0 = \frac{x - a\, \epsilon}{1 - a}",
        "remove_noise",
        "x0 = (xt - amount",
        "",
        "At $a = 1$ nothing is left to recover: guard the division.",
    ),
    Row(
        "an amount for each picture",
        r"a \sim U(0, 1)",
        "denoising_loss",
        "amount = torch.rand",
        "torch.rand",
        "Not one for the whole batch. Here `rand` is right: an amount is no noise.",
    ),
    Row(
        "the loss of a denoiser",
        r"\mathbb{E}\, \lVert f(x) - x_0 \rVert^2",
        "denoising_loss",
        "return torch.nn.functional.mse_loss",
        "torch.nn.functional.mse_loss",
        "Amounts and noise are drawn anew for every picture and step.",
    ),
    Row(
        "what its best answer is",
        r"\mathbb{E}[x_0 \mid x] = \sum_i w_i\, x_i, \quad w = \mathrm{softmax}"
        r"\left(-\frac{\lVert x - s\, x_i \rVert^2}{2 \sigma^2}\right)",
        "conditional_mean",
        "weights = torch.softmax",
        "",
        "A mean: under heavy noise it is blurred, and right.",
    ),
    Row(
        "encoder-decoder",
        r"x \to \text{few numbers} \to \hat{x}",
        "EncoderDecoder",
        "return self.decoder",
        "",
        "No activation after the last layer: outputs may be negative.",
    ),
    Row(
        "half the size",
        r"H' = \lfloor (H + 2p - k) / s \rfloor + 1",
        "EncoderDecoder",
        "nn.Conv2d(channels, width",
        "torch.nn.Conv2d",
        "28 x 28 becomes 14 x 14, then 7 x 7, which can't be halved again.",
    ),
    Row(
        "twice the size",
        r"H' = (H - 1)\, s - 2p + k",
        "EncoderDecoder",
        "nn.ConvTranspose2d(2 * width",
        "torch.nn.ConvTranspose2d",
        "Kernel 4, stride 2 and padding 1 double it exactly.",
    ),
    Row(
        "the way down",
        r"H \to H / 2",
        "PlainUNet",
        "x = nn.functional.max_pool2d",
        "torch.nn.functional.max_pool2d",
        "Keep the features for the way up first, then halve them.",
    ),
    Row(
        "skip connection",
        r"h = [\, \text{up}(h),\ \text{skip} \,]",
        "PlainUNet",
        "x = block(torch.cat",
        "diffusers.models.unets.unet_2d_blocks.UpBlock2D",
        "Detail goes around the coarse layers.",
    ),
    Row(
        "the last layer",
        r"\hat{x} = W h + b \text{, at each pixel}",
        "PlainUNet",
        "self.out = nn.Conv2d",
        "torch.nn.Conv2d",
        "No activation after it: noise can have any value.",
    ),
    Row(
        "the training loop",
        r"\theta \leftarrow \theta - \eta\, \nabla_\theta L",
        "train",
        "loss.backward()",
        "torch.optim.AdamW",
        "Zero the gradients; step the optimizer; then the learning rate.",
    ),
    Row(
        "a batch",
        r"i_1, \dots, i_N \sim U\{0, \dots, M - 1\}",
        "train",
        "chosen = torch.randint",
        "torch.randint",
        "`randint` leaves out its upper end: here that is right.",
    ),
    Row(
        "clear the gradients",
        r"g \leftarrow 0",
        "train",
        "optimizer.zero_grad()",
        "torch.optim.Optimizer.zero_grad",
        "Without it they add up from step to step.",
    ),
]
DIFFUSION = [
    Row(
        "a step of noise",
        r"x_t = \sqrt{1 - \beta_t}\, x_{t-1} + \sqrt{\beta_t}\, \epsilon",
        "forward_step",
        "return at((1 - beta)",
        "",
        r"The square roots keep the variance at 1. $\beta_t$ is a variance.",
    ),
    Row(
        "a jump to any step",
        r"x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon",
        "forward_jump",
        "return at(schedule.signal",
        "diffusers.DDPMScheduler.add_noise",
        r"From $x_0$, not from $x_{t-1}$; $\bar\alpha$ under a root.",
    ),
    Row(
        "alpha-bar",
        r"\bar\alpha_t = \prod_{s \le t} (1 - \beta_s)",
        "NoiseSchedule",
        "self.alpha_bar = torch.cumprod",
        "diffusers.DDPMScheduler",
        "`alpha_bar[t]` is `alphas_cumprod[t - 1]` there: ours begins with the clean picture.",
    ),
    Row(
        "log-SNR",
        r"\log \frac{\bar\alpha_t}{1 - \bar\alpha_t}",
        "NoiseSchedule",
        "self.log_snr =",
        "diffusers.training_utils.compute_snr",
        "Schedules of any $T$ can be compared by it. There: the SNR itself.",
    ),
    Row(
        "Stable Diffusion's betas",
        r"\beta_t = \left(\sqrt{\beta_1} + \tfrac{t - 1}{T - 1}"
        r"(\sqrt{\beta_T} - \sqrt{\beta_1})\right)^2",
        "scaled_linear_betas",
        "return quadratic_betas",
        "diffusers.DDPMScheduler",
        'There: `beta_schedule="scaled_linear"`.',
    ),
    Row(
        "posterior",
        r"\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\, \beta_t}{1 - \bar\alpha_t} x_0 + "
        r"\frac{\sqrt{\alpha_t} (1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t} x_t",
        "posterior",
        "mean = at(weight_x0",
        "diffusers.DDPMScheduler.step",
        r"Its variance is $\tilde\beta_t$: 0 at $t = 1$, so no noise at the last step.",
    ),
    Row(
        "the clean picture, from a guess of the noise",
        r"\hat{x}_0 = \frac{x_t - \sqrt{1 - \bar\alpha_t}\, \hat\epsilon}{\sqrt{\bar\alpha_t}}",
        "to_x0",
        "return (xt - noise_std * value) / signal",
        "diffusers.DDPMScheduler.step",
        'There: `prediction_type="epsilon"`.',
    ),
    Row(
        "velocity",
        r"v = \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1 - \bar\alpha_t}\, x_0",
        "from_x0",
        "return signal * eps",
        "diffusers.DDPMScheduler.get_velocity",
        'There: `prediction_type="v_prediction"`.',
    ),
    Row(
        "score",
        r"\nabla \log q(x_t) \approx -\frac{\hat\epsilon}{\sqrt{1 - \bar\alpha_t}}",
        "from_x0",
        "return -eps / noise_std",
        "",
        "The same prediction, at another scale.",
    ),
    Row(
        "the objective",
        r"\mathbb{E}_{t, \epsilon}\, \lVert \epsilon_\theta(x_t, t) - \epsilon \rVert^2",
        "diffusion_loss",
        "error = (predict(",
        "torch.nn.functional.mse_loss",
        "Every time weighs the same; the bound it comes from gives small $t$ more.",
    ),
    Row(
        "a time for each picture",
        r"t \sim U\{1, \dots, T\}",
        "diffusion_loss",
        "t = torch.randint",
        "torch.randint",
        "`randint` leaves out its upper end, hence `T + 1`.",
    ),
    Row(
        "time embedding",
        r"[\cos(t \omega_k),\ \sin(t \omega_k)], \quad \omega_k = 10000^{-2k/d}",
        "timestep_embedding",
        "return torch.cat([angle.cos()",
        "diffusers.models.embeddings.get_timestep_embedding",
        r"Give it $t$ in steps, not in $[0, 1]$.",
    ),
    Row(
        "averaged weights",
        r"\bar\theta \leftarrow d\, \bar\theta + (1 - d)\, \theta",
        "EMA",
        "average.lerp_",
        "diffusers.training_utils.EMAModel",
        "Sample with the average, train the weights.",
    ),
    Row(
        "DDIM",
        r"x_s = \sqrt{\bar\alpha_s}\, \hat{x}_0 + \sqrt{1 - \bar\alpha_s - \varsigma^2}\, "
        r"\hat\epsilon + \varsigma z",
        "ddim_step",
        "return signal * x0",
        "diffusers.DDIMScheduler",
        r"$\eta = 0$: no new noise, the same noise gives the same picture.",
    ),
    Row(
        "Euler's method",
        r"y_s = y_t + (\sigma_s - \sigma_t) \frac{y_t - \hat{x}_0}{\sigma_t}, \quad "
        r"y = x / \sqrt{\bar\alpha}",
        "euler_step",
        "y = y + (sigma_next - sigma) * (y - x0) / sigma",
        "diffusers.EulerDiscreteScheduler",
        r"DDIM with $\eta = 0$ is the same step.",
    ),
    Row(
        "DPM-Solver++(2M)",
        r"x_s = \sqrt{\tfrac{1 - \bar\alpha_s}{1 - \bar\alpha_t}}\, x_t + "
        r"\sqrt{\bar\alpha_s}\, (1 - e^{-h})\, \hat{x}_0",
        "dpmpp_2m_step",
        "return ratio * x",
        "diffusers.DPMSolverMultistepScheduler",
        r"$\hat{x}_0$ is extrapolated from the last two estimates: one NFE a step.",
    ),
    Row(
        "timesteps",
        r"t_i = T (n - i) / n \text{, rounded}",
        "trailing_timesteps",
        "return [round(",
        "diffusers.DDIMScheduler",
        'There: `timestep_spacing="trailing"`. It begins at $T$, where $x$ is noise.',
    ),
    Row(
        "Frechet distance",
        r"\lVert \mu_a - \mu_b \rVert^2 + \mathrm{tr}(C_a + C_b - 2 (C_a C_b)^{1/2})",
        "frechet_distance",
        "apart = (mean_a",
        "",
        "Compare only for as many pictures, by the same network.",
    ),
]
WORDS = [
    Row(
        "scale and shift (FiLM)",
        r"h \leftarrow h\, (1 + \text{scale}) + \text{shift}",
        "modulate",
        "return h * (1 + scale)",
        "diffusers.models.resnet.ResnetBlock2D",
        'There: `resnet_time_scale_shift="scale_shift"`.',
    ),
    Row(
        "classifier-free guidance",
        r"\hat\epsilon = \epsilon_\varnothing + w\, (\epsilon_c - \epsilon_\varnothing)",
        "classifier_free_guidance",
        "return uncond + w",
        "diffusers.StableDiffusionPipeline",
        r"`guidance_scale` is $w$; the paper's is smaller by one.",
    ),
    Row(
        "context",
        r"c\, W",
        "ContextEmbedding",
        "return context @",
        "torch.nn.Embedding",
        "A vector with a single 1 picks a row, as a label does; zeros say nothing.",
    ),
    Row(
        "train both predictions at once",
        r"c \leftarrow \varnothing \text{ with probability } p",
        "drop_cond",
        "return torch.where(dropped",
        "",
        "Without it there is no unconditional prediction to guide from.",
    ),
    Row(
        "attention",
        r"\mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{D}}\right) V",
        "attention",
        "scores = q @ k",
        "torch.nn.functional.scaled_dot_product_attention",
        r"$D$ is a head's width, not the layer's.",
    ),
    Row(
        "causal mask",
        r"\text{token } i \text{ sees } j \le i",
        "causal_mask",
        "return torch.ones",
        "torch.nn.Transformer.generate_square_subsequent_mask",
        "True is what may be seen; before the softmax.",
    ),
    Row(
        "heads",
        r"L \times (h D) \to h \times L \times D",
        "Attention",
        "return x.unflatten",
        "torch.nn.MultiheadAttention",
        "More heads, as many weights: they share the width. In its masks True hides.",
    ),
    Row(
        "transformer block of CLIP",
        r"x + \mathrm{attn}(\mathrm{norm}(x)), \quad x + \mathrm{mlp}(\mathrm{norm}(x))",
        "TransformerBlock",
        "x = x + self.self_attn",
        "transformers.CLIPTextModel",
        "The norm stands before (pre-norm).",
    ),
    Row(
        "QuickGELU",
        r"x\, \mathrm{sigmoid}(1.702\, x)",
        "QuickGELU",
        "return x * torch.sigmoid",
        "transformers.activations.QuickGELUActivation",
        "OpenAI's weights need it: with GELU they go slightly wrong, and no error says so.",
    ),
    Row(
        "gated network",
        r"a \cdot \mathrm{gelu}(b), \quad [a, b] = x W",
        "GEGLU",
        "return a * gelu(b)",
        "diffusers.models.activations.GEGLU",
        "The second half is the gate.",
    ),
    Row(
        "contrastive loss",
        r"\tfrac12 \left(\mathrm{CE}(I T^\top / \tau) + \mathrm{CE}(T I^\top / \tau)\right)",
        "contrastive_loss",
        "return (cross_entropy",
        "transformers.CLIPModel",
        "Rows and columns; the right answer is the diagonal.",
    ),
    Row(
        "temperature",
        r"1 / \tau = e^{s} \le 100",
        "CLIP",
        "scale = self.log_scale",
        "transformers.CLIPConfig",
        "$s$ is learned, so the scale stays positive. There: `logit_scale_init_value`.",
    ),
    Row(
        "byte-pair encoding",
        r"\text{merge the most frequent pair, again and again}",
        "learn_merges",
        "merges.append",
        "transformers.CLIPTokenizer",
        "The words of training, and no others: another tokenizer, another model.",
    ),
    Row(
        "the end token",
        r"\text{the first } i \text{ with } \mathrm{id}_i = \mathrm{end}",
        "CLIPText",
        "first = (ids == end)",
        "transformers.CLIPModel.get_text_features",
        "CLIP compares what stands there; Stable Diffusion's U-Net looks at the whole row.",
    ),
    Row(
        "cross-attention",
        r"Q \text{ from the picture},\ K, V \text{ from the words}",
        "BasicTransformerBlock",
        "x = x + self.attn2",
        "diffusers.models.attention.BasicTransformerBlock",
        "`attn1` looks at the picture, `attn2` at the words.",
    ),
    Row(
        "attention on a picture",
        r"C \times H \times W \to HW \times C",
        "SpatialTransformer",
        "tokens = self.proj_in",
        "diffusers.models.transformers.Transformer2DModel",
        r"The cost grows with $(HW)^2$: only at coarse resolutions.",
    ),
    Row(
        "conditional U-Net",
        r"\epsilon_\theta(x_t, t, c)",
        "UNet",
        "x = self.mid_block",
        "diffusers.UNet2DConditionModel",
        "conv_in, down, middle, up, conv_out.",
    ),
]
WHOLE = [
    Row(
        "the encoder's answer",
        r"q(z \mid x) = \mathcal{N}(\mu, \sigma^2)",
        "AutoencoderKL",
        "return DiagonalGaussian",
        "diffusers.AutoencoderKL.encode",
        "A Gaussian for each latent, not a number.",
    ),
    Row(
        "reparametrisation",
        r"z = \mu + \sigma\, \epsilon",
        "DiagonalGaussian",
        "return self.mean +",
        "diffusers.models.autoencoders.vae.DiagonalGaussianDistribution.sample",
        "So gradients reach the encoder.",
    ),
    Row(
        "KL divergence",
        r"\tfrac12 (\mu^2 + \sigma^2 - 1 - \log \sigma^2)",
        "DiagonalGaussian",
        "per_number = 0.5",
        "diffusers.models.autoencoders.vae.DiagonalGaussianDistribution.kl",
        "Stable Diffusion weighs it with 1e-6: nearly a plain autoencoder.",
    ),
    Row(
        "the loss of a VAE",
        r"\lvert \hat{x} - x \rvert + w_e \lvert \nabla \hat{x} - \nabla x \rvert + "
        r"w\, \mathrm{KL}",
        "vae_loss",
        "return l1_loss",
        "torch.nn.functional.l1_loss",
        "With too much weight on the KL, the code says nothing of the picture.",
    ),
    Row(
        "scaled latents",
        r"z \leftarrow s\, z, \quad s = 1 / \mathrm{std}(z)",
        "AutoencoderKL",
        "return self.scaling_factor * (",
        "diffusers.AutoencoderKL",
        "0.18215 in Stable Diffusion; divide before decoding.",
    ),
    Row(
        "back to pictures",
        r"\hat{x} = \mathrm{dec}(z / s)",
        "AutoencoderKL",
        "return self.decode(latents /",
        "diffusers.AutoencoderKL.decode",
        "The library's `decode` does not divide; its pipelines do.",
    ),
    Row(
        "text embeddings",
        r"c = \mathrm{text}(\mathrm{prompt})",
        "StableDiffusion",
        "return self.text_encoder(",
        "diffusers.StableDiffusionPipeline.encode_prompt",
        'All tokens, not the end token alone. The null caption is "", not zeros.',
    ),
    Row(
        "the first latents",
        r"x_T \sim \mathcal{N}(0, I)",
        "prepare_latents",
        "return torch.randn(number",
        "diffusers.StableDiffusionPipeline.prepare_latents",
        "The VAE's encoder has no part in text to image.",
    ),
    Row(
        "negative prompt",
        r"\epsilon_- + w\, (\epsilon_c - \epsilon_-)",
        "text_denoiser",
        "cond, uncond = model.encode_prompt",
        "diffusers.StableDiffusionPipeline",
        "`negative_prompt` takes the null caption's place; at $w = 1$ it does nothing.",
    ),
    Row(
        "text to image",
        r"\text{noise} \to \text{latents} \to \text{decode}",
        "text_to_image",
        "return model.decode",
        "diffusers.StableDiffusionPipeline",
        "It begins with noise, not with an encoded picture.",
    ),
    Row(
        "image to image",
        r"x_t = \sqrt{\bar\alpha_t}\, z_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon, "
        r"\text{ then sample from } t",
        "image_to_image",
        "x = forward_jump",
        "diffusers.StableDiffusionImg2ImgPipeline",
        "`strength` is the share of the steps that is made.",
    ),
    Row(
        "strength",
        r"\text{the last } \lfloor \text{strength} \cdot n \rfloor \text{ of } n \text{ steps}",
        "get_timesteps",
        "return timesteps[steps -",
        "diffusers.StableDiffusionImg2ImgPipeline.get_timesteps",
        "Fewer steps are made, not smaller ones.",
    ),
    Row(
        "inpainting by resampling",
        r"x = m \odot \text{drawn} + (1 - m) \odot \text{known, with noise}",
        "repaint",
        "x = torch.where(new",
        "diffusers.RePaintScheduler.step",
        "The known part gets the noise of the time that was reached.",
    ),
    Row(
        "back to more noise",
        r"x_t = \sqrt{1 - \beta_{t \vert s}}\, x_s + \sqrt{\beta_{t \vert s}}\, z",
        "renoise",
        "return (1 - beta) ** 0.5",
        "diffusers.RePaintScheduler.undo_step",
        "Down again after it: so the new part comes to fit the known one.",
    ),
    Row(
        "timesteps of Stable Diffusion",
        r"t = 1 + \text{offset} + i \lfloor T / n \rfloor",
        "leading_timesteps",
        "times = [1 + offset",
        "diffusers.PNDMScheduler",
        r"They end at $t = 1$, not at 0: `set_alpha_to_one=False`.",
    ),
    Row(
        "the network's own time",
        r"\epsilon_\theta(x_t, t - 1)",
        "predict",
        "return model(xt, (t - 1)",
        "diffusers.UNet2DConditionModel.forward",
        "Published checkpoints count from 0.",
    ),
    Row(
        "a new word",
        r"v^* = \arg\min_v L(v)",
        "EnlargedEmbedding",
        "return torch.cat([self.table",
        "diffusers.StableDiffusionPipeline.load_textual_inversion",
        "One row learns; a mask on the gradient does not stop weight decay.",
    ),
    Row(
        "LoRA",
        r"y = W x + s\, \tfrac{\alpha}{r}\, B A\, x",
        "LoRALinear",
        "return self.base(x) + self.scale",
        "peft.LoraConfig",
        "$B = 0$ at the start, $A$ not. A file without $\\alpha$ is read as $\\alpha = r$.",
    ),
    Row(
        "merging a LoRA",
        r"W \leftarrow W + s\, \tfrac{\alpha}{r}\, B A",
        "merge_lora",
        "lora.weight.add_(",
        "diffusers.StableDiffusionPipeline.fuse_lora",
        "Merged once: the scale is then fixed.",
    ),
    Row(
        "prior preservation",
        r"L = L_\text{own} + \lambda\, L_\text{prior}",
        "prior_preservation_loss",
        "return own + weight",
        "",
        "The prior's pictures are drawn before training, and their caption names the class alone.",
    ),
]
SHEETS = {
    "networks": ("Noise and networks", NETWORKS),
    "diffusion": ("Diffusion", DIFFUSION),
    "words": ("Words", WORDS),
    "whole": ("The whole", WHOLE),
}
"""Each page's rows, by the last word of its row on the course's map."""


def line_of(row: Row, built: dict[str, str]) -> str:
    """The line of code, as it stands in `built`. Raises ValueError where it is not there once."""
    found = [line.strip() for line in built[row.name].splitlines() if row.line in line]
    if len(set(found)) != 1:
        raise ValueError(f"{row.name} has {len(found)} lines with {row.line!r}.")
    return found[0].split("  #")[0].rstrip(",")


def taught_in() -> dict[str, str]:
    """The file of the lesson that shows each name of `built`."""
    import nbformat

    found = {}
    for path in LESSONS:
        for cell in code_cells(nbformat.read(path, as_version=4)):
            found |= dict.fromkeys(definitions(cell.source), path.name)
    return found


def page(part: str) -> str:
    """The Markdown of one part's sheet."""
    title, rows = SHEETS[part]
    built, lessons = built_definitions(), taught_in()
    written = [
        f"# Cheat sheet: {title.lower()}",
        "",
        f"{len(rows)} ideas on a page: the formula, the line of the course's code that is the "
        "formula, and its name elsewhere. Symbols are explained in the [notation](notation.md), "
        "terms in the [glossary](glossary.md). Made by `python -m tools.cheat_sheets`.",
        "",
    ]
    for row in rows:
        lesson = lessons[row.name]
        elsewhere = f" · `{row.library}`" if row.library else ""
        link = f"[{lesson[:2]}](../notebooks/{lesson})"
        written += [
            f"**{row.idea[0].upper()}{row.idea[1:]}** · lesson {link} · `{row.name}`{elsewhere}",
            "",
            f"$${row.formula}$$",
            "",
            "```python",
            line_of(row, built),
            "```",
            "",
            row.remember,
            "",
        ]
    return "\n".join(written)


def path_of(part: str):
    return DOCS / f"cheat_sheet_{part}.md"


def main() -> None:
    assert [re.split(r"\s", row)[-1] for row in course_map.ROWS] == [*SHEETS]
    for part in SHEETS:
        with files.whole(path_of(part)) as beside:
            beside.write_text(page(part))


if __name__ == "__main__":
    main()
