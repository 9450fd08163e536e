"""What the learner builds, one concept a file; each is shown in the lesson that teaches it."""
