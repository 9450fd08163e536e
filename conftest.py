"""Settings every test run shares; the notebook kernels inherit the environment."""

import os


def pytest_configure(config):
    os.environ.update(TQDM_DISABLE="1", COURSE_CAMERA="sample", OMP_NUM_THREADS="2")
    os.environ["COURSE_BUDGET"] = "1"
    config.option.nbval_sanitize_with = str(config.rootpath / "tests" / "sanitize.cfg")
