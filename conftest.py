"""Settings every test run shares; the notebook kernels inherit the environment."""

import os


def pytest_configure(config):
    # As SETTINGS in the Makefile.
    os.environ.update(TQDM_DISABLE="1", COURSE_CAMERA="sample", COURSE_BUDGET="1")
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_CACHE="/nonexistent")
    config.option.nbval_sanitize_with = str(config.rootpath / "tests" / "sanitize.cfg")
