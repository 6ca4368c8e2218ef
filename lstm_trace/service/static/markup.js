import { html, useLayoutEffect, useRef } from "./vendor/standalone.module.js";

// The one place where markup becomes nodes: SVG and MathML that the server wrote, read as XML (never as HTML, in which
// a text could grow a script) and without anything that runs or loads. Every other text of the page is a text node.

const NAMESPACES = new Set(["http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"]);
const REFUSED = new Set(["script", "style", "foreignObject", "image", "annotation-xml", "maction"]);

/** Whether an attribute is one that draws or names; handlers, links elsewhere and styles are not. */
const harmless = ({ name, value }) =>
  !/^on/i.test(name) && name !== "style" && !(/(^|:)(href|src)$/i.test(name) && !value.startsWith("#"));

/**
 * The element that a text describes, for this document.
 * @param {string} text one whole `<svg …>` or `<math …>`
 * @returns {Element | null} null where the text is not well-formed, or not of these two
 */
export function element(text) {
  const root = new DOMParser().parseFromString(text, "application/xml").documentElement;
  if (root.querySelector("parsererror") || !NAMESPACES.has(root.namespaceURI)) return null;
  for (const node of [root, ...root.querySelectorAll("*")]) {
    if (REFUSED.has(node.localName) || !(NAMESPACES.has(node.namespaceURI) || node.localName === "span")) node.remove();
    for (const attribute of [...node.attributes]) if (!harmless(attribute)) node.removeAttributeNode(attribute);
  }
  return document.importNode(root, true);
}

/**
 * Markup of the server in a span.
 * @param {{text: string, otherwise?: string, ready?: (element: Element) => void}} props
 *   otherwise: shown where the text cannot be read; ready: called with the new element
 */
export function Markup({ text, otherwise = "", ready, ...rest }) {
  const place = useRef(null);
  useLayoutEffect(() => {
    const made = element(text);
    place.current.replaceChildren(made ?? otherwise);
    if (made && ready) ready(made);
  }, [text]);
  return html`<span class="markup" ref=${place} ...${rest}></span>`;
}
