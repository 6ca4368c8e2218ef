"""Several traces against one: every row is what the pair says, and the picture has the differences by step."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.base.remark import Remark
from lstm_trace.cli import main
from lstm_trace.errors import FileError, OptionError
from lstm_trace.languages.strings import words
from lstm_trace.results.comparisons import Comparisons
from lstm_trace.trace.trace import Trace

from ..support.pictures import images
from ..support.table_cases import same

DRAW = np.random.default_rng(14)
WEIGHTS = {f"W_{s}{g}": DRAW.normal(size=(3, 3 if s == "h" else 2)) for s in "xh" for g in "ifco"}
X, H0, C0 = DRAW.normal(size=(6, 2)), DRAW.normal(size=3), DRAW.normal(size=3)


def run(steps: int = 6, title: str = "", **entries: float) -> Trace:
    """A run; entries: by name of a weight the number at [1, 0]."""
    weights = {name: values.copy() for name, values in WEIGHTS.items()}
    for name, value in entries.items():
        weights[name][1, 0] = value
    problem: dict[str, Any] = {"weights": weights, "x": X[:steps], "h0": H0, "c0": C0}
    return lt.run({**problem, "title": title} if title else problem)


A, SETS = run(), {"b": run(W_xf=2.0), "c": run(), "d": run(W_ho=-1.0, W_xi=0.5), "e": run(4, W_xc=1.0)}


@pytest.fixture(scope="module")
def found() -> Comparisons:
    return lt.diff(A, *SETS.values())  # type: ignore[call-overload, no-any-return]


def test_each_is_the_comparison_of_the_pair(found: Comparisons) -> None:
    assert len(found) == 4
    assert found.names == tuple(SETS)
    for one, other in zip(found, SETS.values(), strict=True):
        assert one.as_json() == lt.diff(A, other).as_json()
    assert (found.verdict, found.same) == ("different", False)
    assert lt.diff(A, A, A).verdict == "same"
    unsure = replace(found[1], undecided=Remark("diff.unsure.padding"))
    assert replace(found, found=(found[1], unsure)).verdict == "inconclusive"
    assert replace(found, found=(unsure, found[0])).verdict == "different"
    sentences = json.loads(found.as_json())["sentences"]
    assert sentences == ["different: b, d, e", "same: c"]


@pytest.mark.parametrize("format", ["text", "tex"])
def test_no_picture_is_explained_where_there_is_none(found: Comparisons, format: Any) -> None:
    assert "olour" not in found.report(format)
    assert "lstm-trace diff a b" in " ".join(found.report("text").split()), "where all changes of one are"


def test_the_first_table_has_a_row_for_each_set(found: Comparisons) -> None:
    (sets,) = json.loads(found.as_json())["more"]
    rows = {row["set"]: row for row in sets["rows"]}
    assert [row["verdict"] for row in sets["rows"]] == ["different", "same", "different", "different"]
    assert rows["b"]["changed"] == f"0/forward/W_xf[1,0]: {WEIGHTS['W_xf'][1, 0]:.6g} → 2 (100\u00a0%)"
    assert rows["c"]["changed"] == ""
    most = lt.diff(A, SETS["d"]).changes
    assert most is not None
    assert rows["d"]["changed"].startswith(most.most[0].place + ": ")
    assert rows["d"]["changed"].endswith(" and 1 more")
    for name, other in SETS.items():
        off = (other["h_t"] - A["h_t"][: other.steps])[:, 0]
        if name == "c":
            assert rows[name]["first"] is rows[name]["largest_change"] is rows[name]["where"] is None
        else:
            t, j = np.unravel_index(np.abs(off).argmax(), off.shape)
            assert rows[name]["largest_change"] == off[t, j]
            assert rows[name]["where"] == f"0/forward/{t}/0/h_t[{j}]"
            assert rows[name]["at_end"] == np.abs(off[-1]).max()
    assert rows["b"]["first"] == "0/forward/0/0/W_xf @ x_t[1]"


def test_the_second_table_says_who_differs_where(found: Comparisons) -> None:
    rows = {row["line"]: row for row in json.loads(found.as_json())["rows"]}
    assert list(rows) == [f"0/forward/{line}" for line in A.lines["0/forward"]]
    for line in A:
        for name, other in SETS.items():
            assert rows[f"0/forward/{line}"][name] == np.abs(other[line] - A[line][: other.steps]).max()


def test_what_is_not_finite_is_said_in_words() -> None:
    broken = run(W_xf=2.0)
    broken.lines["0/forward"]["h_t"][2, 0, 1] = np.nan
    broken.lines["0/forward"]["c_t"][3, 0, 1] = -np.inf
    several = lt.diff(A, broken, run())
    lines = str(several.report("md")).splitlines()
    first = broken.not_finite
    assert first is not None
    assert f"- b: {first.said(words())}" in "\n".join(lines).replace("`", "")
    rows = [line for line in lines if line.startswith("|")]
    assert not [line for line in rows if re.search(r"\b(inf|nan)\b", line, re.IGNORECASE)]
    (where,) = [line for line in rows if line.startswith("| 0/forward/h_t ")]
    assert [cell.strip() for cell in where.split("|")[2:4]] == ["not finite", "0"]
    (row,) = [line for line in rows if line.startswith("| b ") and "different" in line]
    assert "not finite" in row
    assert "0/forward/2/0/h_t[1]" in row
    ((image, _),) = images(several.plot().svg())
    assert image[0, 2] == 1


@pytest.mark.few(0)
def test_the_rows_are_the_values_of_all_sets(found: Comparisons, tmp_path: Path) -> None:
    frame = found.to_frame()
    assert list(frame.columns[:3]) == ["set", "layer", "direction"]
    for name, other in SETS.items():
        here = frame[frame["set"] == name]
        assert same(here["difference"].to_numpy(), lt.diff(A, other).to_frame()["difference"].to_numpy())
    found.save(tmp_path / "m.csv")
    assert pd.read_csv(tmp_path / "m.csv")["difference"].tolist() == frame["difference"].tolist()
    pytest.importorskip("pyarrow")
    found.save(tmp_path / "m.parquet")
    assert pd.read_parquet(tmp_path / "m.parquet")["set"].tolist() == frame["set"].tolist()
    wide = replace(found, shape="wide").to_frame()
    assert list(wide.columns[:6]) == ["set", "layer", "direction", "t", "batch", "z_i[0]"]
    assert len(wide) == 6 + 6 + 6 + 4
    pd.testing.assert_frame_equal(found.to_frame("wide"), wide)
    pd.testing.assert_frame_equal(found.to_frame(shape="wide"), wide)
    with pytest.raises(OptionError, match="there is no shape 'wild'; did you mean 'wide'"):
        found.to_frame("wild")


def test_the_picture_has_the_largest_difference_of_the_output_at_each_step(found: Comparisons) -> None:
    figure = found.plot("de")
    assert figure.title == "Größtes |b − a| von 0/forward/h_t in jedem Schritt"
    assert figure.caption.startswith("Farbe: das größte |b − a| von 0/forward/h_t im Satz der Reihe")
    assert figure.caption in str(found.report("html", language="de"))
    for name, other in SETS.items():
        sizes = np.abs(other["h_t"] - A["h_t"][: other.steps]).max(axis=(1, 2))
        assert figure.data[name].tolist()[: other.steps] == sizes.tolist()
        assert figure.data[name].isna().sum() == 6 - other.steps
    ((image, _),) = images(figure.svg())
    assert image.shape == (4, 6)  # colours: 0 is padding, 1 what is not finite, 2 the lower end
    assert (image[1] == 2).all()
    assert (image[3] == [*image[3, :4], 0, 0]).all()
    assert (image[3, :4] > 0).all()
    assert image.max() == 255
    specification = json.dumps(figure.to_vega())
    assert specification.count('"set": "d"') == 6
    assert specification.count('"set": "e"') == 4
    assert lt.diff(A, A, A).picture() is None


def test_titles_name_the_sets_if_they_differ() -> None:
    one = lt.diff(run(title="at 0"), run(title="at 100", W_xf=2.0), run(title="at 200"))
    assert str(one).startswith("Compared with at 0\n")
    assert one.names == ("at 100", "at 200")
    assert lt.diff(run(title="it"), run(title="it", W_xf=2.0), run()).names == ("b", "c")


@pytest.mark.few(0)
def test_one_of_other_sizes_does_not_stop_the_others(tmp_path: Path) -> None:
    wider = lt.run({n: np.ones((4, 4 if n[2] == "h" else 2)) for n in WEIGHTS}, X, record=["h_t"])
    several = lt.diff(A, wider, SETS["b"])
    assert [one.verdict for one in several] == ["inconclusive", "different"]
    assert several.verdict == "different"
    (sets,) = json.loads(several.as_json())["more"]
    assert sets["rows"][0]["changed"].startswith("no value is in common: 0/forward/h_t: a has width 3, b has width 4")
    assert json.loads(several.as_json())["sentences"] == ["different: c", "inconclusive: b"]
    pd.testing.assert_series_equal(several.to_frame()["difference"], lt.diff(A, SETS["b"]).to_frame()["difference"])
    figure = several.plot()
    assert figure.data["c"].tolist() == np.abs(SETS["b"]["h_t"] - A["h_t"]).max(axis=(1, 2)).tolist()
    with pytest.raises(lt.ShapeError, match="no value in common"):
        lt.diff(A, wider)
    A.save(tmp_path / "a.json")
    wider.save(tmp_path / "wider.json")
    SETS["b"].save(tmp_path / "b.json")
    written = CliRunner().invoke(main, ["diff", *(str(tmp_path / f"{name}.json") for name in ("a", "wider", "b"))])
    assert written.exit_code == 1
    assert "inconclusive: wider.json" in written.stdout


def test_what_several_cannot_be(found: Comparisons, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"results are written as .*, not \.xlsx"):
        found.save(tmp_path / "m.xlsx")
    with pytest.raises(OptionError, match="a tolerance is a keyword, as in rtol=1e-05"):
        lt.diff(A, A, 1e-5)
