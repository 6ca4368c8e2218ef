import { html, useLayoutEffect, useRef } from "./vendor/standalone.module.js";

// The one place where markup becomes nodes: SVG and MathML that the server wrote, read as XML (never as HTML, in which
// a text could grow a script) and without anything that runs or loads. Every other text of the page is a text node.

const NAMESPACES = new Set(["http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"]);
const REFUSED = new Set(["script", "style", "foreignObject", "annotation-xml", "maction"]);
const PIXELS = /^data:image\/png;base64,/; // an image that is in the text itself, and that nothing in it can run

/** Whether an element has no place on a page. */
const refused = (node) => REFUSED.has(node.localName) || (node.localName === "image" && !PIXELS.test(node.getAttribute("href") ?? ""));

/** Whether an attribute is one that draws or names; handlers, links elsewhere and styles are not. */
const harmless = ({ name, value, ownerElement: { localName } }) =>
  !/^on/i.test(name) && name !== "style" && (!/(^|:)(href|src)$/i.test(name) || value.startsWith("#") || (localName === "image" && PIXELS.test(value)));

/**
 * The element that a text describes, for this document.
 * @param {string} text one whole `<svg …>` or `<math …>`
 * @returns {Element | null} null where the text is not well-formed, or not of these two
 */
export function element(text) {
  const bare = text.replace(/<style>[^<]*<\/style>/g, ""); // the page has the rules: reading them is an inline style for its policy
  const root = new DOMParser().parseFromString(bare, "application/xml").documentElement;
  if (root.querySelector("parsererror") || !NAMESPACES.has(root.namespaceURI)) return null;
  for (const node of [root, ...root.querySelectorAll("*")]) {
    if (refused(node) || !(NAMESPACES.has(node.namespaceURI) || node.localName === "span")) node.remove();
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
