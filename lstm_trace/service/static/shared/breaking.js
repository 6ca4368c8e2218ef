// Chromium sets a formula on one line, however long. A formula is therefore cut before its operators into formulas
// that stand beside one another, between which a line may end.

const BEFORE = new Set(["=", "≈", "+", "−", "⊙"]);

/** The parts of a formula, those of groups that only hold others together among them. */
const parts = (node) => [...node.children].flatMap((child) => (child.localName === "mrow" ? parts(child) : [child]));

const breaks = (node) => node.localName === "mo" && node.getAttribute("form") !== "prefix" && BEFORE.has(node.textContent.trim());

/** Puts the pieces of a formula in its place. @param {Element} math */
export function broken(math) {
  const pieces = [[]];
  for (const node of parts(math)) {
    if (breaks(node) && pieces.at(-1).length) pieces.push([]);
    pieces.at(-1).push(node);
  }
  if (pieces.length < 2) return;
  math.replaceWith(...pieces.map((nodes) => {
    const piece = math.cloneNode(false);
    if (breaks(nodes[0])) nodes[0].setAttribute("form", "infix"); // at the beginning it would be a sign
    piece.replaceChildren(...nodes);
    return piece;
  }));
}
