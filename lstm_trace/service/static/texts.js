// The words of the page as the server sends them, a file for each language.

const files = new Map();
const tables = new Map(); // what came of them

/** The texts of a language, once they are there. @param {string} code */
export const loaded = (code) => tables.get(code);

async function read(url) {
  const reply = await fetch(url);
  if (!reply.ok) throw new Error(`${url}: ${reply.status}`); // a problem document is no language
  return reply.json();
}

/** The texts of a file, fetched once. @param {string} code of a language */
export function texts(code) {
  if (!files.has(code)) {
    const found = read(new URL(`./words/${code}.json`, import.meta.url));
    files.set(code, found);
    found.then((table) => tables.set(code, table), () => files.delete(code)); // asked for again, once the server is back
  }
  return files.get(code);
}
