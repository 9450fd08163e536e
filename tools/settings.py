"""The environment in which lessons are executed, tested and timed: their outputs are compared."""

import tempfile
from pathlib import Path

SETTINGS = {
    "TQDM_DISABLE": "1",
    "COURSE_CAMERA": "sample",
    "COURSE_BUDGET": "1",
    # The tests run two lessons side by side, and threads that wait for each other do so badly.
    "OMP_NUM_THREADS": "1",
    # No Stable Diffusion from this machine's cache: lesson 14 is the same everywhere.
    "HF_HUB_CACHE": "/nonexistent",
    # What is solved there is not what the learner has solved.
    "COURSE_PROGRESS": str(Path(tempfile.gettempdir()) / "course-progress-of-tests.json"),
}
TIMED = SETTINGS | {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
