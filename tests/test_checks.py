"""Every exercise names its classic mistakes and survives nonsense; each of the four kinds works.

That right answers are right is held by `test_wrong_answers.py`, against ones written independently.
"""

import pytest
import torch

from course_utils import checks
from course_utils.checks.engine import NOT_DONE, Explore, Mistake, Predict, Repair, Write


def numbered(name: str) -> str:
    """The exercise with its lesson's number, so that `make test LESSON=03` finds it."""
    return f"{checks.EXERCISES[name].lesson:02}_{name}"


exercises = pytest.mark.parametrize("name", checks.EXERCISES, ids=numbered)


@exercises
def test_each_classic_mistake_is_refused_by_its_own_name(name):
    exercise = checks.EXERCISES[name]
    if isinstance(exercise, Explore):
        return  # which has no wrong answers
    assert len(exercise.mistakes) >= 2
    for mistake in exercise.mistakes:
        passed, message = exercise.judge(mistake.answer)
        assert not passed
        assert mistake.says in message


@exercises
def test_stub_and_nonsense_are_refused_politely(name):
    exercise = checks.EXERCISES[name]
    assert exercise.judge(None) == (False, NOT_DONE)
    assert exercise.judge(...) == (False, NOT_DONE)
    if isinstance(exercise, Write):
        assert exercise.judge(lambda *arguments, **named: None) == (False, NOT_DONE)
    for nonsense in ("a text", [], torch.zeros(3, 1, 4), object()):
        passed, message = exercise.judge(nonsense)
        assert not passed and message.startswith("Not ")


@exercises
def test_hints_unfold_one_by_one(name, capsys):
    exercise = checks.EXERCISES[name]
    assert len(exercise.hints) >= 2
    for i, hint in enumerate(exercise.hints, 1):
        exercise.hint()
        assert capsys.readouterr().out == f"Hint {i} of {len(exercise.hints)}: {hint}\n"
    exercise.hint()
    assert "last hint" in capsys.readouterr().out


def test_a_raising_answer_and_a_changed_argument_are_explained():
    exercise = Write(right=lambda x: x + 1, cases=lambda: [(torch.zeros(2),)])
    assert "ZeroDivisionError" in exercise.judge(lambda x: 1 / 0)[1]
    assert "in place" in exercise.judge(lambda x: x.add_(1))[1]
    assert "shape" in exercise.judge(lambda x: torch.zeros(3))[1]
    assert "not finite" in exercise.judge(lambda x: x / 0)[1]
    assert exercise.judge(lambda x: 1.0 + x.clone())[0]


BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)


def test_predict_takes_a_choice_and_says_why():
    exercise = Predict(
        right="falls",
        choices=("falls", "stays", "grows"),
        mistakes=[
            Mistake("stays", "it stays where the factors' squares add up to 1."),
            Mistake("grows", "mixing is an average, and averages vary less."),
        ],
        praise="(1/2)^2 + (1/2)^2 is one half.",
    )
    generator = torch.Generator().manual_seed(0)
    picture, noise = torch.randn(2, 100_000, generator=generator)
    assert (picture / 2 + noise / 2).var() < 0.55  # what the cell would show
    assert exercise.judge(" Falls") == (True, "Right. (1/2)^2 + (1/2)^2 is one half.")
    assert "average" in exercise.judge("grows")[1]
    assert exercise.judge("nothing")[1] == "Not yet: choose one of 'falls', 'stays', 'grows'."
    assert exercise.judge(["falls"])[1].startswith("Not yet: choose one of")
    assert exercise.judge(...) == (False, NOT_DONE)


def broken_times(steps, generator):
    """Never draws the last timestep."""
    return torch.randint(0, steps - 1, (64 * steps,), generator=generator)


def mended_times(steps, generator):
    return torch.randint(0, steps, (64 * steps,), generator=generator)


def drawn(answer, steps):
    times = answer(steps, torch.Generator().manual_seed(0))
    return [int(times.min()), int(times.max())]


def test_repair_tells_the_symptom_until_the_function_is_mended():
    exercise = Repair(
        broken=broken_times,
        symptom="The last timestep stays as noisy as it was before training.",
        right=mended_times,
        cases=lambda: [(10,), (4,)],
        outcome=drawn,
        measured=True,
        mistakes=[Mistake(lambda n, g: 1 + mended_times(n, g), "now the first one is left out.")],
    )
    passed, says = exercise.judge(broken_times)
    assert not passed and says.startswith("Not done yet") and exercise.symptom in says
    assert exercise.judge(lambda n, g: 1 + torch.randint(n, (999,), generator=g))[1].endswith(
        "out."
    )
    assert exercise.judge(lambda n, g: (torch.rand(999, generator=g) * n).long())[0]
    assert exercise.judge(...) == (False, NOT_DONE)
    assert exercise.judge(lambda n, g: 1 / 0)[1].startswith("Not yet: ")


def signal_left(betas):
    """Amplitude of the signal at the last timestep, of any 1,000 betas."""
    if not isinstance(betas, torch.Tensor) or betas.shape != BETAS.shape:
        raise ValueError("1,000 betas are wanted, as a tensor.")
    return (1 - betas).log().sum().div(2).exp()


def test_explore_says_how_far_an_answer_came_and_never_that_it_is_wrong():
    board = {"200 steps' betas": 0.36, "linear betas": signal_left(BETAS).item()}
    exercise = Explore(score=signal_left, board=board, higher=False, praise="Now draw with it.")
    passed, says = exercise.judge(BETAS / 100)
    assert not passed and "Not yet better than 200 steps' betas (0.36)" in says
    passed, says = exercise.judge(BETAS / 2)
    assert (
        passed and "Better than 200 steps' betas" in says and "Not yet better than linear" in says
    )
    passed, says = exercise.judge(2 * BETAS)
    assert passed and "Better than linear betas" in says and says.endswith("Now draw with it.")
    for answer in (BETAS / 100, BETAS[:3], "a text", BETAS * torch.nan):
        says = exercise.judge(answer)[1]
        assert "wrong" not in says and "Right" not in says
    assert exercise.judge(BETAS[:3])[1] == "Not scored yet: 1,000 betas are wanted, as a tensor."
    assert "division by 0" in exercise.judge(BETAS * torch.nan)[1]
    assert exercise.judge(...) == exercise.judge(lambda: None) == (False, NOT_DONE)


def test_a_weight_that_is_the_same_at_all_times_is_scored():
    exercise = checks.EXERCISES["guidance_schedule"]
    board = list(exercise.board.values())
    assert exercise.score(lambda t: 1.45) == pytest.approx(board[0], abs=0.01)
    assert not exercise.judge(lambda t: 1.5)[0]
    assert "0.955 is asked for" in exercise.judge(lambda t: 1)[1]
    says = exercise.judge(lambda t: 4 if t <= 70 else 1.2 if t < 300 else 1)[1]
    assert board[0] < float(says.split()[2].rstrip(".")) < board[2]


def test_eight_steps_are_scored_and_other_numbers_are_not():
    exercise = checks.EXERCISES["eight_steps"]
    first, *_, best = exercise.board.values()
    trailing = [1000, 875, 750, 625, 500, 375, 250, 125, 0]
    assert exercise.score(trailing) == pytest.approx(exercise.board["trailing"], abs=1e-3)
    assert "nine timesteps" in exercise.judge(trailing[1:])[1]
    assert best < exercise.score([1000, 760, 580, 430, 300, 190, 100, 35, 0]) < first
    assert not exercise.judge([1000, 999, 998, 997, 996, 995, 994, 993, 0])[0]


def test_the_board_of_captions_holds_their_lengths():
    """And the pictures of each are right, eight out of eight."""
    exercise = checks.EXERCISES["shortest_caption"]
    captions = (
        "a big green potion wearing a crown, facing left",
        "big green crowned potion left",
        "left:green potion crown",
    )
    assert [exercise.score(caption) for caption in captions] == [*exercise.board.values()]
    assert not exercise.judge(captions[0])[0]
    passed, says = exercise.judge("green crowned potion left")
    assert passed and "Better than five bare words" in says and ": 2 characters to go" in says
    assert "0 of 8 pictures" in exercise.judge("a green potion")[1]
