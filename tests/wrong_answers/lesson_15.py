"""Lesson 15: what learners answer, wrong ones with a word that they should read in the reply."""

import torch
from torch.nn.functional import linear

WRONG = {
    "word_count": [("as wide as", 1), ("whole table", 526_720)],
    "word_step": [
        ("all rows learn", lambda table, gradient, row, rate, decay: _adamw(table, gradient)),
        ("weight decay", lambda table, gradient, row, rate, decay: _masked(table, gradient, row)),
    ],
    "lora_count": [("add up", 229_376), ("only B writes", 3_584)],
    "first_to_move": [("passes through B", "A"), ("wait a step", "Both")],
    "lora_forward": [
        ("alpha / r is missing", lambda x, W, A, B, alpha, scale: x @ (W + scale * B @ A).T),
        (
            "the scale is missing",
            lambda x, W, A, B, alpha, scale: linear(x, W) + alpha / len(A) * linear(x, B @ A),
        ),
    ],
    "lora_start": [
        ("drawn by chance", lambda i, o, r: (torch.rand(r, i), torch.rand(o, r))),
        ("A is rank x inputs", lambda i, o, r: (torch.zeros(i, r), torch.zeros(r, o))),
        ("two matrices", lambda i, o, r: torch.zeros(r, i)),
    ],
    "lora_saved": [
        ("not r / alpha", lambda A, B, alpha: (A * (len(A) / alpha), B)),
        ("divides by nothing", lambda A, B, alpha: (alpha * A, B)),
        ("two matrices", lambda A, B, alpha: B @ A),
    ],
    "lora_merged": [
        ("twice", lambda W, A, B, alpha, scale: W + (scale * B) @ (scale * A) * (alpha / len(A))),
        ("not to W", lambda W, A, B, alpha, scale: (W + B @ A * alpha / len(A)) * scale),
    ],
    "wrong_prior": [("half of each batch", "Pip"), ("still shows", "any monster")],
}


def _adamw(table, gradient):
    return table * (1 - 0.1 * 0.5) - 0.1 * gradient


def _masked(table, gradient, row):
    rows = torch.arange(len(table))[:, None] == row
    return torch.where(rows, table - 0.1 * gradient, table)


def _row_by_row(table, gradient, row, rate, decay):
    rows = list(table.clone())
    rows[row] = (1 - rate * decay) * rows[row] - rate * gradient[row]
    return torch.stack(rows)


def _by_torch(table, gradient, row, rate, decay):
    """With AdamW's decay and plain descent, as torch's SGD has neither apart."""
    mine = torch.nn.Parameter(table[row].clone())
    mine.grad = gradient[row] + decay * mine.detach()
    torch.optim.SGD([mine], rate).step()
    return torch.cat([table[:row], mine.detach()[None], table[row + 1 :]])


def _by_layers(x, W, A, B, alpha, scale):
    down = torch.nn.Linear(A.shape[1], A.shape[0], bias=False)
    up = torch.nn.Linear(B.shape[1], B.shape[0], bias=False)
    with torch.no_grad():
        down.weight.copy_(A), up.weight.copy_(B)
        return linear(x, W) + up(down(x)) * alpha / A.shape[0] * scale


RIGHT = {
    "word_count": [128.0, torch.tensor(128)],
    "word_step": [_row_by_row, _by_torch],
    "lora_count": [2816, 8 * 128 + 224 * 8.0],
    "first_to_move": ["B", "b "],
    "lora_forward": [
        _by_layers,
        lambda x, W, A, B, alpha, scale: x @ (W + scale * alpha / A.shape[0] * B @ A).T,
    ],
    "lora_start": [
        lambda i, o, r: [torch.zeros(r, i), torch.rand(o, r)],
        lambda i, o, r: (torch.nn.Linear(i, r).weight, torch.zeros(o, r)),
    ],
    "lora_saved": [
        lambda A, B, alpha: (A * (alpha / len(A)), B),
        lambda A, B, alpha: (A * (alpha / len(A)) ** 0.5, B * (alpha / len(A)) ** 0.5),
    ],
    "lora_merged": [
        lambda W, A, B, alpha, scale: torch.addmm(W, B, A, alpha=scale * alpha / A.shape[0]),
        lambda W, A, B, alpha, scale: W + torch.einsum("or,ri->oi", B, scale * alpha * A / len(A)),
    ],
    "wrong_prior": ["a mixture", "A mixture"],
}
