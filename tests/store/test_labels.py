"""Labels, titles and tags as they come from strangers."""

from __future__ import annotations

import pytest

from lstm_trace.store.files import MOST_LABEL, as_label, folded, seen


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ("q22.yaml", "q22.yaml"),
        ("../../etc/passwd", "passwd"),
        ("/etc/shadow", "shadow"),
        (r"C:\Users\me\net.npz", "net.npz"),
        ("a/b\\c.json", "c.json"),
        ("a/", "file"),
        ("", "file"),
        (".", "file"),
        ("..", "file"),
        ("-", "file"),
        ("--help.yaml", "help.yaml"),
        (".bashrc", "file.bashrc"),
        (".npz", "file.npz"),
        ("a.", "a"),
        ("a\0b.yaml", "a\ufffdb.yaml"),
        ("a\r\nb.yaml", "a b.yaml"),
        ("gpj.\u202elmay", "gpj.\ufffdlmay"),
        ("a\u200fb\u200e\u061cc\u2066.npz", "a\ufffdb\ufffd\ufffdc\ufffd.npz"),
        ("\x1b[2Jx.npz", "\ufffd[2Jx.npz"),
        ("half \ud800.npz", "half \ufffd.npz"),
        ("Übung 3, Größe.yaml", "Übung 3, Größe.yaml"),
        ("👩\u200d💻 نموذج.pt", "👩\u200d💻 نموذج.pt"),
        ("x" * 300 + ".safetensors", "x" * 188 + ".safetensors"),
        ("🙂" * 300 + ".npz", "🙂" * 49 + ".npz"),
        ("x." + "y" * 300, "x." + "y" * 198),
    ],
)
def test_a_label_is_a_name_that_can_be_shown(given: str, label: str) -> None:
    assert as_label(given) == label
    assert as_label(label) == label
    assert len(label.encode()) <= MOST_LABEL
    assert seen(label) == label


def test_case_and_forms_do_not_matter_to_a_search() -> None:
    assert folded("Maß") == folded("MASS") == "mass"
    assert folded("e\u0301té") == folded("ÉTÉ")
