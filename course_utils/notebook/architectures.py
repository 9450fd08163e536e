"""The drawings of the course's networks, each shown by one call."""

from course_utils.notebook import diagrams, plotting
from course_utils.notebook.diagrams import Block


def three_generators() -> None:
    """GAN, VAE and diffusion model as three chains (lesson 00)."""
    figure = diagrams.draw(
        [
            Block("noise", row=0, column=1, colour=1),
            Block("generator", row=0, column=2),
            Block("picture", row=0, column=3, colour=2),
            Block("discriminator:\nreal or made?", row=0, column=4),
            Block("picture", row=1, column=0, colour=2),
            Block("encoder", row=1, column=1),
            Block("code", row=1, column=2, colour=1),
            Block("decoder", row=1, column=3),
            Block("picture", row=1, column=4, colour=2),
            Block("noise", row=2, column=0, colour=1),
            Block("denoiser", row=2, column=1),
            Block("less noise", row=2, column=2, colour=1),
            Block("... denoiser ...", row=2, column=3),
            Block("picture", row=2, column=4, colour=2),
        ],
        arrows=[(i, i + 1) for i in range(13) if i not in (3, 8)],
        title="GAN (top), VAE (middle), diffusion (bottom)",
    )
    plotting.show(
        figure,
        alt="Three chains. GAN: noise, generator, picture, discriminator. VAE: picture, encoder, "
        "code, decoder, picture. Diffusion: noise, denoiser, less noise, and so on, picture.",
    )


def encoder_decoder() -> None:
    """The encoder-decoder of lesson 02."""
    figure = diagrams.draw(
        [
            Block("noisy picture", 1, 28, colour=1),
            Block("", 32, 14),
            Block("", 64, 7),
            Block("the code", 64, 1, colour=2),
            Block("", 64, 7),
            Block("", 32, 14),
            Block("guess", 1, 28, colour=1),
        ],
        title="Encoder (left of the code) and decoder (right of it)",
    )
    plotting.show(
        figure,
        alt="An hourglass: 1 x 28 x 28, 32 x 14 x 14, 64 x 7 x 7, 64 numbers, and the "
        "same way back",
    )


def plain_unet() -> None:
    """The U-Net of lesson 03, with its skip connections."""
    figure = diagrams.draw(
        [
            Block("noisy", 1, 28, colour=1),
            Block("", 16, 28),
            Block("", 32, 14, row=1),
            Block("bottom", 64, 7, row=2),
            Block("", 32, 14, row=1),
            Block("", 16, 28),
            Block("guess", 1, 28, colour=1),
        ],
        skips=[(1, 5, "skip"), (2, 4, "skip")],
    )
    plotting.show(
        figure,
        alt="A U: 1 x 28 x 28, 16 x 28 x 28, 32 x 14 x 14, 64 x 7 x 7 and back, "
        "with two skips across",
    )


def attention_layer() -> None:
    """One attention layer: queries, keys, values, maps."""
    figure = diagrams.draw(
        [
            Block("x: N x L x width", column=0),
            Block("to_q", column=1, colour=1),
            Block("scores, softmax:\nthe maps", column=2, colour=2),
            Block("mean of values", column=3, colour=2),
            Block("to_out", column=4, colour=1),
            Block("N x L x width", column=5),
            Block("context: N x S x cross_\nattention_dim (or x again)", column=0, row=1),
            Block("to_k", column=1, row=1, colour=1),
            Block("to_v", column=1, row=2, colour=1),
        ],
        arrows=[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (6, 7), (6, 8), (7, 2), (8, 3)],
    )
    plotting.show(
        figure,
        "x gives the queries, the context keys and values. Queries and keys make the maps, maps "
        "and values the means, and the layer to_out mixes the heads.",
    )


def transformer_block() -> None:
    """CLIP's transformer block."""
    figure = diagrams.draw(
        [
            Block("x", column=0),
            Block("layer norm", column=1),
            Block("self-\nattention", column=2, colour=2),
            Block("+", column=3),
            Block("x", column=4),
            Block("layer norm", column=5),
            Block("linear, GELU,\nlinear", column=6, colour=2),
            Block("+", column=7),
            Block("out", column=8),
        ],
        skips=[(0, 3, "as it is"), (4, 7, "as it is")],
    )
    plotting.show(
        figure,
        "x passes layer norm and self-attention and is added to the result; the sum passes "
        "layer norm "
        "and a network of two linear layers, and is added to that.",
    )


def spatial_transformer() -> None:
    """Stable Diffusion's transformer, on an image."""
    figure = diagrams.draw(
        [
            Block("picture", column=0),
            Block("group norm\n1 x 1 conv", column=1),
            Block("pixels\nas tokens", column=2),
            Block("self-\nattention", column=3, colour=2),
            Block("cross-\nattention", column=4, colour=2),
            Block("GEGLU\nnetwork", column=5, colour=2),
            Block("as picture\n1 x 1 conv", column=6),
            Block("+", column=7),
            Block("out", column=8),
            Block("words", column=4, row=-1, colour=1),
        ],
        arrows=[(i, i + 1) for i in range(8)] + [(9, 4)],
        skips=[(0, 7, "as it is")],
    )
    plotting.show(
        figure,
        "A picture passes group norm and 1 x 1 convolution, its pixels self-attention, "
        "cross-attention to the words, and the gated network; the result is added to the picture.",
    )


def clip() -> None:
    """CLIP: two encoders that meet in one space."""
    figure = diagrams.draw(
        [
            Block("caption", column=0, colour=1),
            Block("tokenizer:\nids", column=1),
            Block("embeddings of\ntoken, position", column=2),
            Block("transformer\nblocks, causal", column=3, colour=2),
            Block("a vector\nfor each token", column=4, colour=1),
            Block("end token's vector:\nlinear, length 1", column=5),
            Block("picture", column=0, row=2, colour=1),
            Block("three\nconvolutions", column=3, row=2, colour=2),
            Block("one vector", column=4, row=2, colour=1),
            Block("linear, length 1", column=5, row=2),
            Block("cosine", column=6, row=1, colour=3),
            Block("U-Net of\nlesson 11", column=4, row=1),
        ],
        arrows=[*((i, i + 1) for i in range(9) if i != 5), (5, 10), (9, 10), (4, 11)],
    )
    plotting.show(
        figure,
        "A caption passes tokenizer, embeddings and causal transformer blocks: a vector for each "
        "token. "
        "The end token's meets the vector that convolutions make of a picture, in a cosine. The "
        "vectors of all tokens also go to the U-Net of lesson 11.",
    )


def conditional_unet() -> None:
    """The text-to-image U-Net of lesson 11."""
    figure = diagrams.draw(
        [
            Block("sprite", 3, 16, colour=1),
            Block("conv in", 32, 8),
            Block("ResBlock,\nattention", 32, 8, colour=2),
            Block("smaller", 32, 4, row=1),
            Block("ResBlock,\nattention", 96, 4, row=1, colour=2),
            Block("ResBlock, attention,\nResBlock", 96, 4, row=2, colour=2),
            Block("ResBlock,\nattention", 96, 4, row=1, colour=2),
            Block("ResBlock,\nattention", 96, 4, row=1, colour=2),
            Block("larger", 96, 8),
            Block("ResBlock,\nattention", 32, 8, colour=2),
            Block("ResBlock,\nattention", 32, 8, colour=2),
            Block("conv out", 3, 16, colour=1),
        ],
        skips=[(4, 6), (3, 7), (2, 9), (1, 10)],
    )
    plotting.show(
        figure,
        "The U-Net of this lesson: 16 x 16 sprites as 8 x 8 patches, two levels down and up, and "
        "skips between them. Wherever there are residual blocks, there is attention to the words.",
    )


def conditioning() -> None:
    """Where time and caption enter a resolution of the U-Net."""
    figure = diagrams.draw(
        [
            Block("features\n(upwards: and a skip's)", column=0),
            Block("ResBlock", column=1),
            Block("attention:\nSpatialTransformer", column=2, colour=2),
            Block("features", column=3),
            Block("time", column=1, row=1, colour=1),
            Block("caption: a vector\nfor each token", column=2, row=1, colour=1),
        ],
        arrows=[(0, 1), (1, 2), (2, 3), (4, 1), (5, 2)],
    )
    plotting.show(
        figure,
        "Features pass a residual block, which is given the time, and a spatial transformer that "
        "attends to the vectors of the caption's tokens.",
    )


def vae() -> None:
    """The VAE, with its latents in the middle."""
    figure = diagrams.draw(
        [
            Block("picture", 3, 32, colour=1),
            Block("blocks", 16, 32),
            Block("blocks", 32, 16),
            Block("blocks,\nattention", 64, 8),
            Block("mean,\nlog-variance", 8, 8),
            Block("latents", 4, 8, colour=2),
            Block("blocks,\nattention", 64, 8),
            Block("blocks", 32, 16),
            Block("blocks", 16, 32),
            Block("picture", 3, 32, colour=1),
            Block("noise", row=1, column=5, colour=1),
        ],
        arrows=[*((i, i + 1) for i in range(9)), (10, 5)],
    )
    plotting.show(
        figure,
        "3 x 32 x 32 becomes 16 x 32 x 32, 32 x 16 x 16, 64 x 8 x 8, then a mean and a "
        "log-variance of "
        "4 channels each; latents 4 x 8 x 8 are drawn with noise; and all the way back.",
    )


def latent_diffusion() -> None:
    """Stable Diffusion, whole: text to image, and the way in for images."""
    figure = diagrams.draw(
        [
            Block("caption", column=0, colour=1),
            Block("tokenizer"),
            Block("text encoder"),
            Block("text embeddings", colour=1),
            Block("noise", row=1, column=2, colour=1),
            Block("U-Net and sampler,\n20 times", row=1, column=3, colour=2),
            Block("latents", row=1, colour=1),
            Block("VAE's decoder", row=1),
            Block("picture", row=1, colour=1),
            Block(
                "picture, for training,\nimage to image\nand inpainting", row=2, column=0, colour=1
            ),
            Block("VAE's encoder", row=2),
            Block("latents, with\nnoise added", row=2, colour=1),
        ],
        arrows=[(0, 1), (1, 2), (2, 3), (3, 5), (4, 5), (5, 6), (6, 7), (7, 8)]
        + [(9, 10), (10, 11), (11, 5)],
    )
    plotting.show(
        figure,
        "The whole: a caption becomes text embeddings; the U-Net, conditioned on them, makes "
        "latents "
        "of noise; the decoder makes a picture of them. Below, for training, image to image and "
        "inpainting: the encoder makes latents of a picture, noise is added, and they go to the "
        "U-Net.",
    )
