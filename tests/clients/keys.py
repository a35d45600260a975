"""Keys that servers get wrong."""

FILE_KEYS = [
    "100%", "a b/c d", "a+b=c&d", "apostrophe'quote\"", "brackets[1]{2}(3)", "emoji-😀/🙂", "hash#question?x=y",
    "percent%2Fencoded%20", "semi;colon,comma@at:$", "tilde~", "ünï/çødé", "日本語/キー",
]

AWKWARD_KEYS = FILE_KEYS + [
    "../up", "..", ".", "./dot", "/lead", "//lead", "a", "a/", "a/../b", "a//b", "back\\slash", "less<more>&amp;",
    "tab\tnew\nline\rreturn", "trailing/", "x" * 1024, "é" * 512, "\U0010ffff",
]
