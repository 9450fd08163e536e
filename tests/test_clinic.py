"""The clinic: its file is what its code makes, and its checks know a diagnosis from a guess."""

import dataclasses

import pytest
import torch

from course_utils import checks
from course_utils.built import NoiseSchedule, linear_betas
from course_utils.checks import abroad, clinic, clinic_signs, doctor, ward
from course_utils.checks.clinic import Bugs
from tools import build_clinic

NAMES = {number: ward.bug_name(number) for number in ward.NUMBERS}


@pytest.fixture(scope="module")
def charts():
    return ward.charts()


def test_each_bug_has_one_patient_and_the_order_tells_nothing():
    names = [field.name for field in dataclasses.fields(Bugs)]
    assert sorted(NAMES.values()) == sorted(names)
    places = torch.tensor([float(names.index(name)) for name in NAMES.values()])
    order = torch.corrcoef(torch.stack([places, torch.arange(16.0)]))[0, 1]
    assert order.abs() < 0.5 and sum(places == torch.arange(16)) < 3
    with pytest.raises(ValueError, match="numbered 1 to 16"):
        ward.admit(17)
    with pytest.raises(ValueError, match="no data"):
        ward.data("sprites")


def test_the_file_is_small_and_whole(charts):
    assert ward.FILE.stat().st_size < 600_000
    assert [*charts] == [*ward.NUMBERS, *ward.HEALTHY]
    for name, chart in charts.items():
        assert chart.samples.dtype == torch.uint8 and len(chart.samples) == 16
        assert len(chart.losses) == len(chart.gradients) in (150, 300)
        assert len(chart.by_t) == 10 and chart.losses.isfinite().all()
        assert (chart.finite < 1) == (NAMES.get(name) == "nan_in_half")


@pytest.mark.parametrize("name", ["digits", 14, 11])
def test_the_file_is_what_the_code_makes(name, charts):
    """A few steps of the same run; on another processor the losses differ a little."""
    _, losses, gradients = build_clinic.fit(ward.admit(name), build_clinic.STEPS, steps=4)
    assert torch.allclose(losses, charts[name].losses[:4], rtol=0.05)
    assert torch.allclose(gradients, charts[name].gradients[:4], rtol=0.2)
    others = [chart.losses[:4] for other, chart in charts.items() if other in (5, 12)]
    assert not any(torch.allclose(losses, other, rtol=0.05) for other in others)


def test_what_is_drawn_of_nan_is_black():
    saved = build_clinic.as_saved(torch.tensor([[[[torch.nan, -2.0, 0.0, 3.0]]]]))
    assert saved.flatten().tolist() == [0, 0, 128, 255]


def test_steps_of_the_sampler_are_those_of_a_spaced_schedule():
    """All T steps by default; with fewer the same law between those that are left."""
    schedule, labels = NoiseSchedule(linear_betas(10, 0.01, 0.3)), torch.zeros(2).long()
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))

    def seen(steps):
        times = []

        def network(x, t, cond):
            times.append(t[0].item())
            return torch.zeros_like(x)

        generator = torch.Generator().manual_seed(1)
        clinic.sampler_of(Bugs(), schedule, labels, steps=steps)(network, x, generator)
        return times[::2]

    assert seen(None) == list(range(9, -1, -1)) and seen(5) == [9, 7, 5, 3, 1]


def test_healthy_runs_learn_and_the_worst_do_not(charts):
    for kind in ward.HEALTHY:
        assert charts[kind].losses[-20:].mean() < 0.5 * charts[kind].losses[0]
    stuck = [n for n in NAMES if NAMES[n] in ("layer_made_anew", "activation_last")]
    assert all(charts[n].losses[-20:].mean() > 0.3 for n in stuck)


def test_every_bug_has_a_hallmark_of_its_own():
    """Else nothing could speak against a wrong diagnosis."""
    for number in ward.NUMBERS:
        for_it, against = clinic_signs.evidence(number, NAMES[number])
        assert for_it and not against, NAMES[number]
        for other in set(NAMES.values()) - {NAMES[number]}:
            assert clinic_signs.evidence(number, other)[1], (NAMES[number], other)


def test_the_reply_never_names_what_it_is_instead():
    for number in ward.NUMBERS:
        for guess in ward.NAMES:
            if guess != NAMES[number]:
                passed, says = checks.diagnoses.judge({number: guess})
                assert not passed and "Against it" in says and "0 of 16 are right" in says
                assert NAMES[number] not in says


def test_a_diagnosis_is_right_when_all_are():
    assert checks.diagnoses.judge(NAMES)[0]
    passed, says = checks.diagnoses.judge({**NAMES, 1: ...})
    assert not passed and says.startswith("Not yet: 15 of 16 are right, 1 open.")


FOUND_ABROAD = {
    "none": [],
    "a root is missing, in a module": ["variance of x_t"],
    "rand_like, in a script": ["variance of x_t", "shape of the noise"],
    "noise at t = 0, in a scheduler": ["last step"],
    "t in (0, 1) in the sinusoid": ["waves of t"],
    "an overflow that is cut off": ["half precision"],
    "the last t is never drawn": [],  # one step in a thousand: not found
}


def test_what_the_doctor_finds_in_code_of_other_habits():
    found = {
        bug: [finding.test for finding in findings if finding.well is False]
        for bug, findings in abroad.cases().items()
    }
    assert found == FOUND_ABROAD


@pytest.mark.parametrize("number", ward.NUMBERS)
def test_the_doctor_on_the_ward(number):
    """It finds the marked bugs before any training, but that of the average."""
    patient = clinic_signs.as_patient(ward.admit(number))
    with torch.random.fork_rng(), torch.no_grad():
        ill = [f.test for f in (test(patient) for test in doctor.TESTS) if f.well is False]
    marked = [field.name for field in dataclasses.fields(Bugs)][:12]
    found = {*marked} - {"ema_not_updated"}
    assert bool(ill) == (NAMES[number] in found), ill
