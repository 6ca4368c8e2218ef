import { html } from "../vendor/standalone.module.js";
import { minus } from "../shared/numbers.js";

const INDEX = /(_\{[^}]*\}|_[^\W_]+|\^\{[^}]*\}|\^[^\W_]+)/;

/** The pieces of a text that the server wrote, `W_xi x_t` or `h_{t-1}`, with its indices lowered. */
const pieces = (text) =>
  text.split(INDEX).map((piece) => {
    const inner = piece.slice(1).replace(/^\{|\}$/g, "");
    if (piece.length > 1 && piece[0] === "_") return html`<sub>${inner}</sub>`;
    return piece.length > 1 && piece[0] === "^" ? html`<sup>${inner}</sup>` : piece;
  });

/** A symbol. */
export const SymbolText = ({ text }) => html`<span class="symbol">${pieces(text.replaceAll("-", "−"))}</span>`;

/** A sentence with symbols and numbers in it. */
export const Prose = ({ text }) => html`<span class="prose">${pieces(minus(text))}</span>`;
