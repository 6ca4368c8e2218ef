import { html } from "../vendor/standalone.module.js";

/** A symbol that the server wrote as text, `W_xi x_t` or `h_{t-1}`, with its indices lowered. */
export function Symbol({ text }) {
  const pieces = text.replaceAll("-", "−").split(/(_\{[^}]*\}|_[^\W_]+|\^\{[^}]*\}|\^[^\W_]+)/);
  return html`<span class="symbol">${pieces.map((piece) => {
    const inner = piece.slice(1).replace(/^\{|\}$/g, "");
    if (/^_/.test(piece) && piece.length > 1) return html`<sub>${inner}</sub>`;
    return /^\^/.test(piece) && piece.length > 1 ? html`<sup>${inner}</sup>` : piece;
  })}</span>`;
}
