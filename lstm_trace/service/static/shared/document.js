import { html, useMemo } from "../vendor/standalone.module.js";
import { Markup } from "../markup.js";
import { memo } from "../parts.js";
import { broken } from "./breaking.js";
import { parted } from "./drawn.js";
import { minus } from "./numbers.js";

// A document of the service: the blocks of a result as lstm_trace/documents/wire.py sends them, as elements with the
// classes of a report in HTML, whose style (documents/blocks.css) the page has within `.document`. Words are set as
// text, since names in them are anybody's; formulas and pictures are the markup that markup.js lets through.

const XMLNS = 'xmlns="http://www.w3.org/1998/Math/MathML"';
const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Text that is no markup. */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** A power of ten that a report raises by HTML, in raised characters: markup is read as XML. */
const raised = (mathml) =>
  mathml.replace(/<span>([^<]*)<sup>([^<]*)<\/sup><\/span>/g, (_, digits, power) => digits + power.replace(/\d/g, (k) => RAISED[k]).replace("−", "⁻"));

/** A formula after its sign. tall: with fractions of full size. */
function Formula({ node, sign = "", tall = false }) {
  const { mathml, text } = node;
  const markup = useMemo(() => {
    const before = sign && `<mo form="infix">${escaped(sign)}</mo>`;
    const full = tall && mathml.includes("<mfrac>") ? ' displaystyle="true"' : "";
    return raised(mathml).replace("<math>", () => `<math ${XMLNS}${full}>${before}`);
  }, [mathml, sign, tall]);
  const words = minus(`${sign} ${text}`.trim());
  if (mathml.includes("<input")) return words; // HTML, which is no XML
  return html`<${Markup} text=${markup} otherwise=${words} ready=${broken} />`;
}

function inline(part, tall = false) {
  if (typeof part === "string") return minus(part);
  if (part.kind === "Code") return html`<code>${part.text}</code>`;
  if (part.kind === "Dots") return part.way === "down" ? "⋮" : "…";
  if (part.kind === "Field") return html`<input type="text" name=${part.name} aria-label=${part.name} size=${part.width} defaultValue=${part.value} />`;
  return html`<${Formula} node=${part} tall=${tall} />`;
}

/** Words and formulas in running text. */
const running = (text, tall) => text.map((part) => inline(part, tall));

/** The same as text alone: for names that only screen readers tell. */
const plain = (text) => text.map((part) => (typeof part === "string" ? part : part.text ?? "")).join("");

const WORDS = { inf: "∞", nan: "NaN" };

/** A number that stands alone, in its parts. */
function number({ negative, digits, exponent }) {
  const text = (negative ? "−" : "") + (WORDS[digits] ?? digits);
  return exponent === null ? text : html`${text}×10<sup>${String(exponent).replace("-", "−")}</sup>`;
}

/** The exponent of a number that is words already: 1.5e-12. */
const power = (part) => (typeof part === "string" ? part.replace(/^([−+]?[\d.,]+e)-(?=\d+$)/, "$1−") : part);

/** A wide part that scrolls by itself, with the keyboard too. */
const scrolled = (body, name) => html`<div class="scroll" role="group" tabindex="0" aria-label=${name || undefined}>${body}</div>`;

/** A table; the columns of words are aligned at the left, numbers at the right. */
function table({ head, rows, places, texts }, { name }) {
  const kind = (k) => (texts.includes(k) ? "text" : undefined);
  const content = (cell) => (cell.length === 1 && cell[0].kind === "Num" ? number(cell[0].shown) : running(cell).map(power));
  const of_head = (cell, k) => (cell.length ? html`<th scope="col" class=${kind(k)}>${running(cell)}</th>` : html`<td></td>`);
  const of_row = (cell, k) => (k < places ? html`<th scope="row" class=${kind(k)}>${content(cell)}</th>` : html`<td class=${kind(k)}>${content(cell)}</td>`);
  return scrolled(html`<table>
    ${name && html`<caption class="unseen">${name}</caption>`}
    ${head.length > 0 && html`<thead><tr>${head.map(of_head)}</tr></thead>`}
    <tbody>${rows.map((row) => html`<tr>${row.map(of_row)}</tr>`)}</tbody></table>`, name);
}

/** What a row of a calculation is about, with the colon of its first sign. */
const about = ({ left, parts }) => [running(left, true), parts[0]?.[0] === ":" && ": "];

const formulas = (parts) => parts.map(([sign, node]) => html`<${Formula} node=${node} sign=${sign === ":" ? "" : sign} tall />`);

function line_row(row) {
  if (!row.under) return html`<div class="row">${about(row)}${formulas(row.parts)}</div>`;
  return html`<div class="row under"><span class="what">${about(row)}</span><span>${formulas(row.parts)}</span></div>`;
}

function chain({ title, rows }) {
  return html`<div class="chain"><p>${running(title)}</p><div>
    ${rows.map((row) => html`<div class="row worked"><span>${about(row)}</span><span>${formulas(row.parts)}</span></div>`)}</div></div>`;
}

/** A table of a frame stands below the paragraph that names it. */
function framed(blocks) {
  const parts = [];
  for (const block of blocks) {
    if (parts.length && block.kind === "Table") parts.at(-1).push(block);
    else parts.push([block]);
  }
  return parts;
}

const without_title = (svg) => { if (svg.dataset.body) parted(svg); };

function picture({ svg, title, caption, beside }, rest) {
  const figure = html`<figure class="plot">${scrolled(html`<${Markup} text=${svg} otherwise=${title} ready=${without_title} />`, title)}
    ${caption && html`<figcaption>${caption}</figcaption>`}</figure>`;
  return beside ? html`<div class="beside"><div>${table(beside, rest)}</div>${figure}</div>` : figure;
}

/** Every kind of block as elements. name: of the heading above it; under: the level of the heading above all. */
const KINDS = {
  Heading: ({ level, text }, { under }) => html`<${`h${Math.min(level + under, 6)}`}>${running(text)}<//>`,
  Para: ({ text, leads }) => html`<p class=${leads ? "leads" : undefined}>${running(text)}</p>`,
  Items: ({ rows }) => html`<ul>${rows.map((row) => html`<li>${running(row)}</li>`)}</ul>`,
  Table: table,
  Listing: ({ rows }, { name }) => scrolled(html`<pre>${rows.join("\n")}</pre>`, name),
  Derivation: ({ lines }) => html`<div class=${lines.some((rows) => rows.length > 1) ? "derivation" : "derivation tight"}>
    ${lines.map((rows) => html`<div class="line">${rows.map(line_row)}</div>`)}</div>`,
  Stacked: ({ rows }, rest) => table({ head: [], rows, places: 1, texts: [0, 1] }, rest),
  Premises: ({ rows }) => rows.map((items) => html`<div class="premises">
    ${items.map(([left, sign, right]) => html`<span class="item"><${Formula} node=${left} /><${Formula} node=${right} sign=${sign} /></span>`)}</div>`),
  Chains: ({ chains }) => html`<div class="chains">${chains.map(chain)}</div>`,
  Boxed: ({ blocks }, rest) => html`<div class="boxed">${framed(blocks).map((part) => html`<div>${part.map((block) => KINDS[block.kind](block, rest))}</div>`)}</div>`,
  Picture: picture,
};

/**
 * Blocks, one below the other.
 * @param {{blocks: object[], under: number, language: string}} props
 *   under: the level of the page's own heading above them; language: of their words
 */
export const Document = memo(function Document({ blocks, under, language }) {
  let name = "";
  return html`<div class="document" lang=${language}>${blocks.map((block) => {
    if (block.kind === "Heading") name = plain(block.text);
    return KINDS[block.kind](block, { name, under });
  })}</div>`;
});

/**
 * A document without its title in two: what stands before its first section, and its sections.
 * @param {object[]} blocks
 * @returns {{lead: object[], sections: object[]}}
 */
export function sectioned(blocks) {
  const body = blocks.filter(({ kind, level }) => kind !== "Heading" || level > 1);
  const at = body.findIndex(({ kind }) => kind === "Heading");
  return at < 0 ? { lead: body, sections: [] } : { lead: body.slice(0, at), sections: body.slice(at) };
}

/** Sections behind their headings, which open them. */
export function Folded({ sections, ...rest }) {
  const names = sections.filter(({ kind }) => kind === "Heading").map(({ text }) => plain(text));
  if (names.length === 0) return null;
  return html`<details class="folded"><summary>${names.join(" · ")}</summary><${Document} blocks=${sections} ...${rest} /></details>`;
}
