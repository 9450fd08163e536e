"""The page that asks for a photo in Colab, run by node with a browser made of paper."""

import json
import shutil
import subprocess

import pytest

from course_utils.notebook import colab_camera

BROWSER = """
const wanted = JSON.parse(process.argv[1]);
const later = (ms, value) => new Promise((resolve) => setTimeout(() => resolve(value), ms));
const seen = {stopped: 0, shown: 0, buttons: []};
const element = (kind) => ({
  kind, append() {}, remove() { seen.shown -= 1; }, play: async () => {},
  getContext: () => ({drawImage() {}}), toDataURL: (type) => `data:${type};base64,AAAA`,
});
globalThis.document = {
  documentElement: {scrollHeight: 100},
  body: {append() { seen.shown += 1; }},
  createElement(kind) {
    const made = element(kind);
    if (kind === "button") seen.buttons.push(made);
    return made;
  },
};
globalThis.google = {colab: {output: {setIframeHeight() {}}}};
const stream = {getTracks: () => [{stop() { seen.stopped += 1; }}]};
Object.defineProperty(globalThis, "navigator", {configurable: true, value: {mediaDevices: {
  async getUserMedia() {
    if (wanted.refused) throw new Error("NotAllowedError");
    return later(wanted.allowed, stream);
  },
}}});
const press = async () => {
  for (;;) {
    await later(5);
    const [photo, sample] = seen.buttons;
    const button = wanted.press === "photo" ? photo : sample;
    if (wanted.press && button && !button.disabled && button.onclick) return button.onclick();
    if (!wanted.press) return;
  }
};
const page = PAGE;
press();
const answer = await page.catch((error) => `error ${error.message}`);
await later(120);
console.log(JSON.stringify({...seen, answer, buttons: seen.buttons.map((b) => b.textContent)}));
process.exit(0);
"""


def run(seconds, **wanted):
    page = colab_camera.PAGE.strip().replace("SECONDS", str(seconds))
    command = ["node", "--input-type=module", "-e", BROWSER.replace("PAGE", page)]
    ran = subprocess.run([*command, json.dumps(wanted)], capture_output=True, text=True, timeout=30)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize(
    "seconds, wanted, answer, stopped",
    [
        (9, {"allowed": 1, "press": "photo"}, "data:image/jpeg;base64,AAAA", 1),
        (9, {"allowed": 1, "press": "sample"}, "sample", 1),
        (9, {"allowed": 9000, "press": "sample"}, "sample", 0),  # the browser still asks
        (0.2, {"allowed": 1}, "late", 1),  # "Run all", and nobody there
        (0.2, {"allowed": 9000}, "late", 0),
        (0.05, {"allowed": 100}, "late", 1),  # allowed too late: the camera is let go
        (9, {"refused": True}, "error NotAllowedError", 0),
    ],
)
def test_the_page_always_answers_and_lets_go_of_the_camera(seconds, wanted, answer, stopped):
    seen = run(seconds, **wanted)
    assert seen["answer"] == answer
    assert (seen["shown"], seen["buttons"]) == (0, ["Take the photo", "Use the sample"])
    assert (seen["stopped"] > 0) == bool(stopped)
