"""Refusals of the page are short enough to read, however much is wrong."""

from __future__ import annotations

from tests.support.page_modules import computed

_SCRIPT = """
import { Runs } from "LINES/../service/static/bench/runs/runs.js";
export const answer = (texts) => texts.map((text) => {
  try { return new Runs().equations(text); } catch ({ message, problems }) { return { detail: message, problems }; }
});
"""


def test_of_many_problems_some_are_said() -> None:
    names = ", ".join(f"i{k}" for k in range(300))
    wrong, large, right = computed(
        _SCRIPT,
        [f"matrix: {names}\nh_t = x_t", f"{'a' * 60_000} = x_t\nh_t = x_t", "h_t = W @ x_t\noutput: h_t"],
    )
    assert len(wrong["problems"]) == 21
    assert "no equation reads 'i0'" in wrong["problems"][0]
    assert wrong["problems"][-1] == "… and 280 more"
    assert len(wrong["detail"]) < 6_000
    assert large["problems"] == [
        "the equations have a name of 60000 letters; a page computes at most 200. The lstm-trace program runs larger"
        " cells"
    ]
    assert right["parameters"] == ["W"]
