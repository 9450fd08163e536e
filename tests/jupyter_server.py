"""A copy of the course, and the JupyterLab of `make start` on it, for tests/test_browser.py."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from course_utils import ROOT

TOKEN = "a-token-for-the-tests"


def copy_course(folder):
    """Copy to `folder` what is tracked, or is new and not ignored."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others"]
    names = subprocess.run([*listed, "--exclude-standard"], capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():  # not if it was deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start_command():
    """What `make start` runs, read from the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    found = re.search(r"^\t((?:\w+=\w+ )*)\$\(BIN\)/jupyter (lab .*00_start.*)$", makefile, re.M)
    settings, arguments = found.groups()
    jupyter = str(Path(sys.executable).with_name("jupyter"))
    return dict(pair.split("=") for pair in settings.split()), [jupyter, *arguments.split()]


@contextmanager
def serving(course, own):
    """The address of a JupyterLab that keeps its settings and its log in the folder `own`."""
    settings, command = start_command()
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k != "TQDM_DISABLE"} | settings
    environment |= {"PYTHONPATH": str(course), "COURSE_CAMERA": "sample", "COURSE_BUDGET": "1"}
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        environment[f"JUPYTER_{name}"] = str(own / name)
    # The question whether one wants news of Jupyter would lie over the lesson.
    news = own / "settings" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(own / "settings")
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(own / "workspaces")
    command += ["--no-browser", f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    command += ["--ServerApp.port_retries=0", "--allow-root", "--expose-app-in-browser"]
    command += ["--JupyterNotebookApp.expose_app_in_browser=True"]
    log = own / "log.txt"
    with log.open("w") as to:
        process = subprocess.Popen(command, cwd=course, env=environment, stdout=to, stderr=to)
    address = f"http://127.0.0.1:{port}"
    try:
        until_it_answers(process, f"{address}/api?token={TOKEN}", log)
        yield address
    finally:
        process.terminate()  # JupyterLab ends its kernels
        process.wait(60)


def until_it_answers(process, address, log):
    for _ in range(120):
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            return urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(1)
    raise AssertionError(
        f"JupyterLab did not answer within two minutes.\n{log.read_text()[-3000:]}"
    )
