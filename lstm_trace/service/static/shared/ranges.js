// Whole numbers as text, `2,4..6`, counted from 0; people type and read them as `3, 5–7` where they count from 1.

const moved = (text, by) => text.replace(/\d+/g, (n) => Number(n) + by);

/** As they are shown. */
export const counted = (ranges, count) => moved(ranges, count).replaceAll("..", "–").replaceAll(",", ", ");

/** What was typed; null where it is none, or has nothing in it. */
export function ranges_of(typed, count) {
  const parts = typed.replace(/\s*(\.\.|[-–−])\s*/g, "..").split(/[\s,;]+/).filter(Boolean);
  const fits = parts.every((part) => {
    const [first, last = first] = part.split("..").map(Number);
    return /^\d{1,9}(\.\.\d{1,9})?$/.test(part) && count <= first && first <= last;
  });
  return fits ? moved(parts.join(","), -count) : null;
}

/** The first and the last number of each range. */
export const ends = (ranges) => ranges.split(",").map((part) => part.split("..").map(Number)).map(([first, last = first]) => [first, last]);
