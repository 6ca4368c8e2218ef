"""The API of runs as a client meets it: statuses, headers, and the numbers of the command line."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("fastapi")

from . import test_run_routes
from .test_run_routes import made

api = test_run_routes.api
folder = test_run_routes.folder


#: What a client may put where a name, a number or an address is expected.
ODD = (
    *(
        "",
        "0",
        "-1",
        "99",
        "9" * 30,
        "x",
        "h_t",
        "1:2",
        ":",
        "a:b",
        "é",
        "\0",
        "[0]",
        "h_t[0]",
        "0/forward/W_xi[0,0]",
        "W_xi",
        "x_t[0]",
    ),
    *("W_xi @ x_t[0]", "valid[0]", "../..", "%2e%2e", "forward", "de", "pytorch", "joined", "null", "NaN", "lengths"),
    *("where(valid, h_t, h_prev)[0]", "0/forward/h0[0]", "2/c_t[0]", "1 - u_t[0]", "0/0/x_t[0]"),
)


VALUES: tuple[Any, ...] = (0, -1e308, "NaN", "Infinity", [1, 2], [[1]], [], None, "x", [[1, 2, 3], [4, 5, 6]], True)


EQUATIONS = ("", "h_t = x_t", "h_t = h_t", "output: h_t", "h_t = x_t + h_prev\ncarry: h_prev <- h_t\noutput: h_t")


def test_whatever_is_asked_of_a_run_is_answered(api: Any) -> None:
    draw = random.Random(3)  # noqa: S311
    runs = [made(api, example=name)["id"] for name in ("q22", "batch", "readout", "custom-cell", "gru", "q20")]
    options = ("layer", "direction", "t", "unit", "batch", "line", "language", "notation", "digits", "count_from", "of")
    for _ in range(60):
        query = {name: draw.choice(ODD) for name in draw.sample(options, draw.randrange(4))}
        at, text = f"/runs/{draw.choice(runs)}", draw.choice(ODD)
        pair = {"a": draw.choice(runs), "b": draw.choice(runs)}
        edits: dict[str, Any] = {"edits": [{"address": text, "value": draw.choice(VALUES)}]}
        edits |= {"equations": draw.choice(EQUATIONS)} if draw.random() < 0.2 else {}
        question = {
            "run": pair["a"],
            "how": draw.choice(["memory", "gradient", "contribution", "gates", "attribution"]),
        }
        question |= {"of": text, **({"against": pair["b"]} if draw.random() < 0.4 else {})}
        replies = [
            *(api.get(f"{at}/{view}", params=query) for view in ("values", "step", "premises")),
            api.get(f"{at}/at/{quote(text, safe='/')}", params=query),
            api.get(f"{at}/download/report.txt", params=query),
            api.post(f"{at}/edits", json=edits),
            api.post("/explanations", json=question),
            api.post("/diffs", json=pair),
            api.get("/diffs/map", params={**pair, "line": text}),
        ]
        for reply in replies:
            assert reply.status_code < 500, (reply.request.url, reply.request.content, reply.text)
            if "json" in reply.headers["content-type"]:
                json.loads(reply.text, parse_constant=pytest.fail)
