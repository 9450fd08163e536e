"""The camera of the browser, in Google Colab: a page with two buttons and a time limit."""

import base64
import inspect
import io

from PIL import Image

from course_utils.notebook.frames import CameraError, first_line

SECONDS = 60
"""For which the page waits for a button; "Run all" then goes on with the sample."""
SECONDS_MORE = 15
"""For which Python waits on, where nothing shows the page: VS Code with a kernel of Colab."""

PAGE = """
(async () => {
  const until = Date.now() + 1000 * SECONDS;
  const box = document.createElement("div");
  const video = document.createElement("video");
  const photo = document.createElement("button");
  const sample = document.createElement("button");
  const left = document.createElement("span");
  photo.textContent = "Take the photo";
  photo.disabled = true;
  sample.textContent = "Use the sample";
  box.append(video, document.createElement("br"), photo, " ", sample, " ", left);
  document.body.append(box);
  const page = document.documentElement;
  const fit = () => google.colab.output.setIframeHeight(page.scrollHeight, true);
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    left.textContent = `In ${seconds} s the sample is taken.`;
  };
  const clock = setInterval(tick, 500);
  let stream = null, over = false;
  const stop = () => stream && stream.getTracks().forEach((track) => track.stop());
  const taken = async () => {
    stream = await navigator.mediaDevices.getUserMedia({video: true});
    if (over) return stop();  // allowed when it was too late
    video.srcObject = stream;
    await video.play();
    photo.disabled = false;
    fit();
    await new Promise((resolve) => (photo.onclick = resolve));
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    return canvas.toDataURL("image/jpeg", 0.95);
  };
  try {
    tick();
    fit();
    return await Promise.race([
      taken(),
      new Promise((resolve) => (sample.onclick = () => resolve("sample"))),
      new Promise((resolve) => setTimeout(() => resolve("late"), until - Date.now())),
    ]);
  } finally {
    over = true;
    clearInterval(clock);
    stop();
    box.remove();
  }
})()
"""


def photo() -> Image.Image | None:
    """The photo as RGB, or None where the learner pressed "Use the sample".

    Raises CameraError outside of Colab, where the camera is forbidden or shows nothing, and where
    nobody presses a button in time.
    """
    try:
        from google.colab import output
    except ImportError:
        raise CameraError("Colab's camera can only be used in Google Colab.") from None
    try:
        answer = _ask(output.eval_js)
    except Exception as error:  # Colab's own error type has changed its place before
        raise CameraError(f"the browser gave no picture ({first_line(error)}).") from error
    if answer == "sample":
        return None
    if answer == "late":
        raise CameraError(
            f"no button was pressed within {SECONDS} seconds. Run the cell again to take a photo."
        )
    return _decoded(answer)


def _ask(eval_js) -> object:
    """The page's answer; None where none comes (an older Colab waits for it without a limit)."""
    limit = {"timeout_sec": SECONDS + SECONDS_MORE}
    known = inspect.signature(eval_js).parameters
    takes_it = "timeout_sec" in known or any(p.kind == p.VAR_KEYWORD for p in known.values())
    return eval_js(PAGE.replace("SECONDS", str(SECONDS)), **(limit if takes_it else {}))


def _decoded(answer: object) -> Image.Image:
    """The picture in "data:image/jpeg;base64,....", or CameraError."""
    if answer is None:
        raise CameraError(
            "no answer came from the page with the camera. VS Code does not show such pages; open "
            "the lesson in Colab's own page, or give take_photo the path of a picture."
        )
    start, _, code = str(answer).partition(",")
    if not start.startswith("data:image") or not code:
        raise CameraError("the browser gave no picture (its answer was empty, or something else).")
    try:
        return Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB")
    except Exception as error:
        raise CameraError(f"the browser gave no picture ({first_line(error)}).") from error
