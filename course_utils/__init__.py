"""Helpers of the course. What the learner builds is in `course_utils.built`."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The course's folder: `notebooks/`, `data/` and `images/` are in it."""
