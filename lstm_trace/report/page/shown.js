// What a page shows, as text: its sentences, its numbers, and what was written.

/** @import { Shown } from "../../lines/numbers.js" */

/** @type {(selector: string, root?: ParentNode) => HTMLElement[]} */
export const every = (selector, root = document) => [...root.querySelectorAll(/** @type {"p"} */ (selector))];
/** The only element of a kind. @param {string} selector */
function one(selector) {
  const found = every(selector);
  if (found.length !== 1) throw new Error(`it has ${found.length} elements "${selector}", not 1`);
  return found[0];
}
/** @param {Element} element */
export const json = (element) => JSON.parse(element.textContent ?? "");
/** @type {{[key: string]: string}} */
let sentences = {};
/** Reads the sentences of the page; an error if they are not in it. */
export const read_sentences = () => { sentences = json(one("script.said")); };
export const is_said = () => "faults" in sentences;
/** A sentence of the page. @param {string} key @param {{[name: string]: unknown}} [fields] @returns {string} */
export const word = (key, fields = {}) => sentences[key].replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ name) => String(fields[name]));
/** @param {number} n */
export const agreement = (n) => word(n === 1 ? "agree.1" : "agree", { n: String(n).replace(/\B(?=(\d{3})+$)/g, sentences.thousands) });

// -- what was written -------------------------------------------------------------------------------------------------

export const BLOCKS = new Set("h1 h2 h3 h4 h5 p li tr pre div section article figure figcaption summary svg text math script".split(" "));

/** A sum as `written` of live.py has it. @param {string} text */
function sum(text) {
  let crc = -1;
  for (const byte of new TextEncoder().encode(text.replace(/[ \n\t\r\f]+/g, " ").replace(/ ?([<>]) ?/g, "$1").replace(/^ | $/g, ""))) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return (~crc >>> 0) % 36 ** 5;
}

/** The blocks that are not as they were written, and whether their number is another. @returns {{blocks: Set<Element>, other: boolean}} */
export function changed_blocks() {
  const sums = json(one("script.written")), title = document.querySelector("title") ?? document.head;
  const own = /** @type {Map<Element, string>} */ (new Map([[title, title.textContent ?? ""], [document.body, ""]]));
  /** @param {Node} node @param {Element} block */
  const walk = (node, block) => {
    const add = (/** @type {string} */ text, at = block) => own.set(at, (own.get(at) ?? "") + text);
    if (!(node instanceof Element)) return void add(node instanceof Text ? node.data : `<!${node.nodeValue}>`);
    if (node.matches("template, script:not([type]), script.written")) return;
    const tag = node.localName.toLowerCase(), here = BLOCKS.has(tag) ? node : block;
    if (here === node) add("<>");
    add(`<${[tag, ...[...node.attributes].map(({ name, value }) => `${name.toLowerCase()}=${value}`)].join("<")}>`, here);
    for (const child of node.childNodes) walk(child, here);
    add("</>", here);
  };
  for (const child of document.body.childNodes) walk(child, document.body);
  const blocks = [...own].filter(([, text], k) => sum(text) !== parseInt(sums.slice(5 * k, 5 * k + 5), 36));
  return { blocks: new Set(blocks.map(([block]) => block)), other: own.size * 5 !== sums.length };
}

// -- numbers as text --------------------------------------------------------------------------------------------------

/** A number as it is printed: with a real minus, and its power of ten raised if `raised`. @param {Shown} shown @param {boolean} [raised] */
export function printed({ negative, digits, exponent }, raised = true) {
  const text = (negative ? "−" : "") + ({ inf: "∞", nan: "NaN" }[digits] ?? digits);
  return exponent === null ? text : `${text}${raised ? "×10" : "e"}${String(exponent).replace("-", "−")}`;
}

/** The number that a text stands for. @param {string} text */
export const number_of = (text) => Number(text.trim().replace("×10", "e").replace(/[−–]/g, "-").replace(",", ".").replace("∞", "Infinity") || NaN);

/** How many decimals a text has, less its exponent. @param {string} text */
export const decimals = (text) => {
  const [, part = "", exponent = "0"] = /^[^.,]*[.,]?(\d*)(?:×10(.*))?$/.exec(text) ?? [];
  return part.length - Number(exponent.replace("−", "-"));
};

/** Put a number into an element. @param {Element} element @param {string} text */
export function write(element, text) {
  const [number, exponent] = text.split("×10");
  element.textContent = exponent ? "" : number;
  if (!exponent) return;
  const whole = document.createElement("span"), raised = document.createElement("sup");
  raised.textContent = exponent;
  whole.append(`${number}×10`, raised);
  element.append(whole);
}
