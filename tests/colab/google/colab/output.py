"""Stands in for google.colab.output: a browser whose camera is not allowed."""


class MessageError(Exception):
    """What Colab raises where JavaScript fails."""


def eval_js(script: str, *_, **__) -> None:
    raise MessageError("NotAllowedError: Permission denied")


def enable_custom_widget_manager() -> None:
    """Lets Colab load the scripts of widgets that are not its own, from the network."""
