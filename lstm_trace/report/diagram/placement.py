"""Places for the nodes of a small acyclic graph, in columns from left to right, with few crossings and straight lanes.

Sugiyama, Tagawa & Toda 1981: columns by the longest path, long edges through a lane in each column that they pass,
order by barycentres, then heights near the mean of the neighbours. Intended for small graphs of tens of nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate, chain, combinations, pairwise

from ...base.arrays import by_key

Pair = tuple[str, str]
Lane = tuple[str, str, int]  # an edge where it passes a column
Place = str | Lane

#: The gaps between two nodes of a column, and between two lanes.
GAP, LANE = 18.0, 14.0
#: Below this an edge between two neighbours is drawn level.
NEARLY = 10.0


def columns(nodes: Sequence[str], edges: Sequence[Pair], last: Sequence[str]) -> dict[str, int]:
    """Column of each node: after all nodes that lead to it; `last` share the last column. nodes: sorted by edges."""
    found: dict[str, int] = {}
    for node in nodes:
        found[node] = 1 + max((found[source] for source, target in edges if target == node), default=-1)
    end = max((column for node, column in found.items() if node not in last), default=0) + 1
    return {node: end if node in last else column for node, column in found.items()}


def routes(edges: Sequence[Pair], column: Mapping[str, int]) -> dict[Pair, list[Place]]:
    """Each edge as the places that it passes through, including its ends."""
    return {(a, b): [a, *((a, b, k) for k in range(column[a] + 1, column[b])), b] for a, b in edges}


def order(
    nodes: Sequence[str], column: Mapping[str, int], paths: Mapping[Pair, list[Place]], fixed: set[int]
) -> list[list[Place]]:
    """The places of each column from top to bottom; columns in `fixed` keep the order of `nodes`."""
    rows: list[list[Place]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    for node in nodes:
        rows[column[node]].append(node)
    for path in paths.values():
        for place in path[1:-1]:
            rows[place[2]].append(place)  # type: ignore[index]
    links = [pair for path in paths.values() for pair in pairwise(path)]
    back = [(b, a) for a, b in links]
    best, fewest = [list(row) for row in rows], _crossings(rows, links)
    for sweep in range(12):
        forward = sweep % 2 == 0
        for k in range(1, len(rows)) if forward else range(len(rows) - 2, -1, -1):
            if k not in fixed:
                _by_barycentre(rows[k], rows[k - 1 if forward else k + 1], links if forward else back)
        crossings = _crossings(rows, links)
        for row in (row for k, row in enumerate(rows) if k not in fixed):
            for i in range(len(row) - 1):  # neighbours swap places as long as that removes crossings
                row[i], row[i + 1] = row[i + 1], row[i]
                if (now := _crossings(rows, links)) < crossings:
                    crossings = now
                else:
                    row[i], row[i + 1] = row[i + 1], row[i]
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _by_barycentre(row: list[Place], other: list[Place], links: list[tuple[Place, Place]]) -> None:
    """Sort a column by the mean place of its neighbours in `other`. links: from `other` to it."""
    at, own = ({place: i for i, place in enumerate(places)} for places in (other, row))
    near: dict[Place, list[int]] = {place: [] for place in row}
    for there, here in links:
        if here in near and there in at:
            near[here].append(at[there])
    row.sort(key=lambda place: sum(near[place]) / len(near[place]) if near[place] else own[place])


def _crossings(rows: list[list[Place]], links: list[tuple[Place, Place]]) -> int:
    at = {place: (k, i) for k, row in enumerate(rows) for i, place in enumerate(row)}
    by_column = by_key((at[a][0], (at[a][1], at[b][1])) for a, b in links)
    both = chain.from_iterable(combinations(pairs, 2) for pairs in by_column.values())
    return sum((p[0] - q[0]) * (p[1] - q[1]) < 0 for p, q in both)


def heights(
    rows: list[list[Place]], size: Mapping[str, float], paths: Mapping[Pair, list[Place]], pull: Mapping[Pair, float]
) -> dict[Place, float]:
    """The middle of each place from the top, 0: near its neighbours, never closer together than the gaps.

    pull: how straight an edge should run, 1 if not given.
    """

    def half(place: Place) -> float:
        return size[place] / 2 if isinstance(place, str) else 0.0

    def gap(a: Place, b: Place) -> float:
        return half(a) + half(b) + (LANE if not isinstance(a, str) or not isinstance(b, str) else GAP)

    y: dict[Place, float] = {}
    for row in rows:
        down = list(accumulate((gap(a, b) for a, b in pairwise(row)), initial=0.0))
        y |= {place: at - down[-1] / 2 for place, at in zip(row, down, strict=False)}
    near: dict[Place, list[tuple[Place, float]]] = {place: [] for row in rows for place in row}
    for edge, path in paths.items():
        for a, b in pairwise(path):
            flat = not isinstance(a, str) and not isinstance(b, str)
            weight = 40.0 if flat else pull.get(edge, 1.0)  # a long edge runs level and bends at its ends
            near[a].append((b, weight))
            near[b].append((a, weight))
    for sweep in range(160):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            weights = [sum(w for _, w in near[place]) or 1.0 for place in row]
            wanted = [
                sum(y[one] * w for one, w in near[place]) / weight if near[place] else y[place]
                for place, weight in zip(row, weights, strict=True)
            ]
            gaps = [gap(a, b) for a, b in pairwise(row)]
            y.update(zip(row, apart(wanted, weights, gaps), strict=True))
    y = levelled(y, [(a, b, gap(a, b)) for row in rows for a, b in pairwise(row)], list(paths.values()))
    top = min((y[place] - half(place) for place in y), default=0.0)
    return {place: value - top for place, value in y.items()}


def levelled(
    y: Mapping[Place, float], below: Sequence[tuple[Place, Place, float]], paths: Sequence[Sequence[Place]]
) -> dict[Place, float]:
    """Heights near `y` at which long edges run level from lane to lane.

    They also run level out of a place, or into one, if no other edge does; so does a short edge that is nearly level.
    below: for neighbours in a column, the upper one, the lower one, and their minimum distance.

    >>> a, b = ("a", "z", 1), ("a", "z", 2)
    >>> levelled({"a": 0.0, a: 3.0, b: 6.0, "z": 9.0, "y": -5.0}, [("y", b, 14.0)], [["a", a, b, "z"]])
    {'a': 6.75, ('a', 'z', 1): 6.75, ('a', 'z', 2): 6.75, 'z': 6.75, 'y': -7.25}
    """
    leaves, enters = Counter(path[0] for path in paths), Counter(path[-1] for path in paths)
    found = {place: place for place in y}
    for path in sorted(paths, key=len, reverse=True):  # the longest first: its bends would be most visible
        for a, b in pairwise(path):
            lanes = not isinstance(a, str) or not isinstance(b, str)
            alone = (not isinstance(a, str) or leaves[a] == 1) and (not isinstance(b, str) or enters[b] == 1)
            if alone if lanes else enters[b] == 1 and abs(y[a] - y[b]) < NEARLY:
                trial = {place: found[a] if one == found[b] else one for place, one in found.items()}
                found = trial if _order(trial, below) else found  # two edges that cross have to bend
    low = {one: sum(all_) / len(all_) for one, all_ in by_key((one, y[place]) for place, one in found.items()).items()}
    high, down = dict(low), _order(found, below)
    gaps = [(found[a], found[b], gap) for a, b, gap in below]
    for one in down:
        for a, b, gap in gaps:
            if a == one:
                low[b] = max(low[b], low[one] + gap)
    for one in reversed(down):
        for a, b, gap in gaps:
            if b == one:
                high[a] = min(high[a], high[one] - gap)
    return {place: (low[one] + high[one]) / 2 for place, one in found.items()}  # both keep the gaps, so the mean does


def _order(found: Mapping[Place, Place], below: Sequence[tuple[Place, Place, float]]) -> list[Place]:
    """The edges that run level together, from the top down; empty if that is impossible."""
    above: dict[Place, set[Place]] = {one: set() for one in found.values()}
    for a, b, _ in below:
        above[found[b]].add(found[a])
    try:
        return list(TopologicalSorter(above).static_order())
    except CycleError:
        return []


def apart(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Positions nearest to the wanted ones, in order and at least `gaps` apart (pooled, least squares).

    >>> apart([0.0, 1.0, 9.0], [1.0, 1.0, 1.0], [4.0, 4.0])
    [-1.5, 2.5, 9.0]
    """
    offset = list(accumulate(gaps, initial=0.0))
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight, shift in zip(wanted, weights, offset, strict=False):
        pools.append((value - shift, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, u, m), (b, v, n) = pools[-2], pools[-1]
            pools[-2:] = [((a * u + b * v) / (u + v), u + v, m + n)]
    found = [mean for mean, _, count in pools for _ in range(count)]
    return [value + shift for value, shift in zip(found, offset, strict=False)]
