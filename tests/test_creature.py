"""Pip: five drawings of one creature, like one another and like no emoji."""

import numpy as np
import torch

from course_utils.data import creature, emoji


def colours(pictures):
    """N x 64 shares of colours, four steps in each channel, of what is not white paper."""
    bins = (pictures // 64).astype(int) @ [16, 4, 1]
    found = np.stack([np.bincount(b.ravel(), minlength=64) for b in bins]).astype(float)
    found[:, 63] = 0
    return found / found.sum(axis=1, keepdims=True).clip(1)


def test_there_are_five_on_white_and_they_differ():
    found = creature.drawings()
    assert found.shape == (5, 3, 64, 64) and found.dtype == torch.float32
    assert found.min() >= -1 and found.max() == 1
    assert torch.equal(found, creature.drawings())
    border = torch.cat([found[:, :, 0], found[:, :, -1], found[:, :, :, 0], found[:, :, :, -1]], 2)
    assert (border == 1).all()  # none is cut off
    for i in range(5):
        for j in range(i):
            assert (found[i] - found[j]).abs().mean() > 0.1
    assert len({pose.caption for pose in creature.POSES}) == 5


def test_by_its_colours_each_is_nearer_to_the_others_than_to_any_emoji():
    own = colours(((creature.drawings().permute(0, 2, 3, 1) + 1) * 127.5).round().numpy())
    others = np.concatenate([colours(emoji.sheet(style)) for style in emoji.STYLES])
    for i in range(5):
        apart = np.abs(own - own[i]).sum(axis=1)
        apart[i] = 0
        assert apart.max() < np.abs(others - own[i]).sum(axis=1).min()
