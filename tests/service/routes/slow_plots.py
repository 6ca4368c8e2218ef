"""Pictures over the API: types, names and headers of files, refusals by name, jobs for those who prefer them."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fastapi")

from . import test_plots

api = test_plots.api
run = test_plots.run


def test_the_choices_have_every_kind_with_its_options(api: Any, run: Any) -> None:
    plots = api.get("/choices").json()["plots"]
    assert plots["formats"] == ["svg", "html", "json", "png"]
    for kind in plots["kinds"]:
        given = {"unit": "0", "line": "c_t", "layer": 0, "direction": "forward", "batch": 0, "steps": "0:2",
                 "order": "index", "low": 0.2, "high": 0.9, "baseline": "zero-state", "occlusion": "none",
                 "language": "fr"}  # fmt: skip
        of = {"memory": "2/c_t[0]", "gradient": "2/h_t[0]", "contribution": "2/h_t[0]", "weights": "W_xi"}
        query = {**given, "of": of.get(kind["kind"], "")}
        if kind["kind"] == "saturation":
            query["line"] = "f_t"
        asked = {name: query[name] for name in kind["options"]} | dict.fromkeys(plots["common"])
        asked |= {"count_from": 0, "notation": "exercise"}
        place = f"/runs/{run['id']}/plot/{kind['kind']}"
        if kind["two"] == "must be":
            place, asked = f"/diffs/plot/{kind['kind']}", {**asked, "a": run["id"], "b": run["id"]}
        assert api.get(place, params=asked).status_code == 200, api.get(place, params=asked).text
