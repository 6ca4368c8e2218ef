// How a number follows the pointer that drags it.

const hundredth = (size) => (size < 0.1 ? 0.001 : 10 ** (Math.floor(Math.log10(size)) - 2)); // of the leading digit's place

/**
 * How fast a number changes when it is dragged: by `step` for each `pixels`. A zero has no digit to go by: it follows
 * the largest number beside it, and moves by a hundredth for each pixel at least.
 * @param {number[]} beside numbers of its grid
 */
export function drag_rate(number, beside) {
  if (number !== 0) return { step: hundredth(Math.abs(number)), pixels: 3 };
  return { step: Math.max(0.01, ...beside.map(Math.abs).filter(Number.isFinite).map(hundredth)), pixels: 1 };
}

/** A sum of a number and steps, without the digits that binary fractions leave behind. */
export const tidy = (number, step) => Number(number.toFixed(Math.max(0, Math.min(15, 2 - Math.floor(Math.log10(step))))));
