/**
 * What this page is about, which stands in the page itself.
 * @type {{language: string, sources: {[name: string]: object}, cells: {name: string, title: string}[], blanks: {[cell: string]: object}, choices: object, words: {[language: string]: object}}}
 *   sources: traces without their lines
 */
export const embedded = JSON.parse(document.getElementById("embedded").textContent);
