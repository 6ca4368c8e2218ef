// The runs on the bench, offered on either side of a comparison. The bench says here what it shows; the first is A.

/** @type {{pinned: {id: string, title: string} | null, present: {id: string, title: string} | null}} */
export const benchRuns = { pinned: null, present: null };

/** As options of a picker. */
export const asSources = (said) =>
  ["pinned", "present"].filter((name) => benchRuns[name]).map((name) => ({
    source: `run:${benchRuns[name].id}`, title: benchRuns[name].title, about: said(`compare.bench.${name}`),
  }));
