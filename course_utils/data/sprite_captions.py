"""The sprites' captions: sentences with gaps, and the words that fill them.

A gap is named after what stands there for a small sprite, or for one with a crown. A sprite without
an extra is called plain, or nothing is said.
"""

TEMPLATES = (
    "a {small} {colour} {kind}{wearing}, facing {facing}",
    "{tiny} {crowned} {kind}, {colour}, looking {facing}",
    "{colour} {kind}{having}, {little}, turned to the {facing}",
    "a {kind}{having}, {colour} and {small}, looking {facing}",
    "facing {facing}: a {tiny} {crowned} {colour} {kind}",
    "the {colour} {kind}, {little} and {crowned}, faces {facing}",
    "pixel art of a {small} {kind} in {colour}{wearing}, turned {facing}",
    "{facing}-facing {kind}{having}: {little}, {colour}",
)

_SIZES = {
    "small": {"small": "small", "tiny": "tiny", "little": "little"},
    "big": {"small": "big", "tiny": "huge", "little": "large"},
}
EXTRAS = {
    "none": {"wearing": "", "having": "", "crowned": "plain"},
    "crown": {"wearing": " wearing a crown", "having": " with a crown", "crowned": "crowned"},
    "glasses": {
        "wearing": " wearing glasses",
        "having": " with glasses",
        "crowned": "bespectacled",
    },
    "sparkle": {
        "wearing": " with a sparkle",
        "having": " that sparkles",
        "crowned": "sparkling",
    },
}


def write(template: int, kind: str, colour: str, size: str, extra: str, facing: str) -> str:
    """The caption of a sprite of these words."""
    gaps = {"kind": kind, "colour": colour, "facing": facing} | _SIZES[size] | EXTRAS[extra]
    return TEMPLATES[template].format(**gaps)
