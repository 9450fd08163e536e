"""Stands in for Google Colab's own package: as much of it as the course uses, with no browser.

The environment says what the learner does: COLAB_UPLOAD is the file that they choose to upload
(none: they cancel), COLAB_DRIVE the folder that is their Drive (none: they refuse).
"""
