"""What the learner builds: every name that a lesson teaches, one concept a file."""

from course_utils.built.attention import Attention, attention, causal_mask, recorded_maps
from course_utils.built.clip import CLIP, CLIPText, CLIPVision, contrastive_loss
from course_utils.built.context import ContextEmbedding, ContextUNet
from course_utils.built.denoise import denoising_loss
from course_utils.built.diffusion import diffusion_loss, loss_weight, predict
from course_utils.built.digit_unet import DigitUNet
from course_utils.built.ema import EMA
from course_utils.built.encoder_decoder import EncoderDecoder
from course_utils.built.forward import forward_jump, forward_step
from course_utils.built.frechet import frechet_distance
from course_utils.built.guidance import cfg_denoiser, classifier_free_guidance, drop_cond
from course_utils.built.ideal_denoiser import conditional_mean
from course_utils.built.inpaint import inpaint, renoise, repaint, shrink_mask
from course_utils.built.noise import mix_noise, remove_noise
from course_utils.built.parameterization import from_x0, to_x0
from course_utils.built.pipeline import (
    image_to_image,
    preview,
    sample_latents,
    text_denoiser,
    text_to_image,
)
from course_utils.built.plain_unet import PlainUNet, double_conv
from course_utils.built.posterior import posterior, posterior_terms
from course_utils.built.resample import Downsample, Upsample
from course_utils.built.resblock import ResBlock, modulate
from course_utils.built.sample import SAMPLERS, Sampling, fresh_noise, sample
from course_utils.built.samplers import (
    ddim_step,
    ddpm_step,
    dpmpp_2m_step,
    euler_step,
    heun_step,
    sigma_at,
    step_betas,
)
from course_utils.built.schedule import (
    NoiseSchedule,
    at,
    cosine_betas,
    linear_betas,
    quadratic_betas,
    ramp,
    scaled_linear_betas,
    sigmoid_betas,
)
from course_utils.built.stable_diffusion import StableDiffusion, get_timesteps, prepare_latents
from course_utils.built.timestep_embedding import TimestepEmbedding, timestep_embedding
from course_utils.built.timesteps import (
    karras_timesteps,
    leading_timesteps,
    linspace_timesteps,
    spaced_timesteps,
    trailing_timesteps,
)
from course_utils.built.tokenizer import (
    CONTROLS,
    END,
    FONTS,
    QUOTES,
    RUNS,
    SHORT_FORMS,
    START,
    WORD_END,
    Tokenizer,
    apply_merges,
    build_vocab,
    byte_symbols,
    clean_text,
    learn_merges,
    load_tokenizer,
    merge_pair,
    save_tokenizer,
    split_words,
    warn_of_cut,
    word_symbols,
)
from course_utils.built.train import channels_last, train
from course_utils.built.transformer import (
    GEGLU,
    BasicTransformerBlock,
    QuickGELU,
    SpatialTransformer,
    TransformerBlock,
)
from course_utils.built.unet import DownBlock, MidBlock, UNet, UpBlock, unet_blocks
from course_utils.built.vae import (
    AttentionBlock,
    AutoencoderKL,
    Decoder,
    DiagonalGaussian,
    Encoder,
    VAEBlock,
    VAEMidBlock,
    edges,
    vae_loss,
    vae_resnets,
)

__all__ = [
    "Attention",
    "AttentionBlock",
    "AutoencoderKL",
    "BasicTransformerBlock",
    "CLIP",
    "CLIPText",
    "CLIPVision",
    "CONTROLS",
    "ContextEmbedding",
    "ContextUNet",
    "Decoder",
    "DiagonalGaussian",
    "DigitUNet",
    "DownBlock",
    "Downsample",
    "EMA",
    "END",
    "Encoder",
    "EncoderDecoder",
    "FONTS",
    "GEGLU",
    "MidBlock",
    "NoiseSchedule",
    "PlainUNet",
    "QUOTES",
    "QuickGELU",
    "RUNS",
    "ResBlock",
    "SAMPLERS",
    "SHORT_FORMS",
    "START",
    "Sampling",
    "SpatialTransformer",
    "StableDiffusion",
    "TimestepEmbedding",
    "Tokenizer",
    "TransformerBlock",
    "UNet",
    "UpBlock",
    "Upsample",
    "VAEBlock",
    "VAEMidBlock",
    "WORD_END",
    "apply_merges",
    "at",
    "attention",
    "build_vocab",
    "byte_symbols",
    "causal_mask",
    "cfg_denoiser",
    "channels_last",
    "classifier_free_guidance",
    "clean_text",
    "conditional_mean",
    "contrastive_loss",
    "cosine_betas",
    "ddim_step",
    "ddpm_step",
    "denoising_loss",
    "diffusion_loss",
    "double_conv",
    "dpmpp_2m_step",
    "drop_cond",
    "edges",
    "euler_step",
    "forward_jump",
    "forward_step",
    "frechet_distance",
    "fresh_noise",
    "from_x0",
    "get_timesteps",
    "heun_step",
    "image_to_image",
    "inpaint",
    "karras_timesteps",
    "leading_timesteps",
    "learn_merges",
    "linear_betas",
    "linspace_timesteps",
    "load_tokenizer",
    "loss_weight",
    "merge_pair",
    "mix_noise",
    "modulate",
    "posterior",
    "posterior_terms",
    "predict",
    "prepare_latents",
    "preview",
    "quadratic_betas",
    "ramp",
    "recorded_maps",
    "remove_noise",
    "renoise",
    "repaint",
    "sample",
    "sample_latents",
    "save_tokenizer",
    "scaled_linear_betas",
    "shrink_mask",
    "sigma_at",
    "sigmoid_betas",
    "spaced_timesteps",
    "split_words",
    "step_betas",
    "text_denoiser",
    "text_to_image",
    "timestep_embedding",
    "to_x0",
    "trailing_timesteps",
    "train",
    "unet_blocks",
    "vae_loss",
    "vae_resnets",
    "warn_of_cut",
    "word_symbols",
]
