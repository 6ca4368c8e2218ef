import { html } from "../vendor/standalone.module.js";
import { memo } from "../parts.js";
import { value_of } from "../shared/numbers.js";

// Tokens on the colours of their values. A token that begins with a mark stands on the letter before it: such ones are
// one piece of text, whose ground has a part for each.

const MARK = /^\p{M}/u, LARGEST = 8;

/** How far a value is from the middle of its scale, -1 to 1; NaN for no number. */
export function share({ low, high, two }, value) {
  const at = Math.min(Math.max(value_of(value), low), high);
  return two ? at / high : (at - low) / (high - low);
}

const colour = (part) => `color-mix(in srgb, var(--${part < 0 ? "below" : "above"}) ${(100 * Math.abs(part)).toFixed(1)}%, transparent)`;

/** The ground of tokens that share a piece of text. */
function ground(shares) {
  if (shares.length === 1) return { "background-color": Number.isNaN(shares[0]) ? "transparent" : colour(shares[0]) };
  const stops = shares.map((part, k) => `${Number.isNaN(part) ? "transparent" : colour(part)} ${(100 * k) / shares.length}% ${(100 * (k + 1)) / shares.length}%`);
  return { "background-image": `linear-gradient(90deg, ${stops.join(", ")})` };
}

/** The places of tokens that share a piece of text, and of those that stand alone. @returns {number[][]} */
export function clusters(tokens, spaced) {
  const found = [];
  tokens.forEach((token, k) => {
    const last = found.at(-1);
    if (last && !spaced && MARK.test(token) && last.length < LARGEST && !/\s$/.test(tokens[k - 1])) last.push(k);
    else found.push([k]);
  });
  return found;
}

/** A line break is seen, and breaks the line. */
const text = (token) => (token.includes("\n") ? html`<i>↵</i>${token}` : token);

/** The labels of steps: their tokens, else their numbers. */
export const labels = ({ tokens, values, first }) => tokens ?? values.map((_, k) => String(first + k).replace("-", "−"));

/**
 * @param {{tokens: string[] | null, values: any[], first: number, spaced: boolean, scale: object, from?: number, to?: number}} props
 *   first: the step of the first token; from, to: the steps that are set off
 */
export const Tokens = memo(({ tokens, values, first, spaced, scale, from, to }) => {
  const shown = labels({ tokens, values, first });
  const shares = values.map((value) => share(scale, value));
  const pieces = clusters(shown, spaced);
  return pieces.map((places, n) => {
    const [k] = places, inside = from !== undefined && first + k >= from && first + places.at(-1) <= to;
    const kind = `token${inside ? " inside" : ""}${places.some((one) => Number.isNaN(shares[one])) ? " no-number" : ""}`;
    return html`<span key=${k} class=${kind} data-k=${k} data-n=${places.length} style=${ground(places.map((one) => shares[one]))}>${places.map((one) => text(shown[one]))}</span>${spaced && n < pieces.length - 1 ? " " : ""}`;
  });
});
