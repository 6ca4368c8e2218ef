// The words of the page as the server sends them, a file for each language.

const files = new Map();

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
    found.catch(() => files.delete(code)); // asked for again, once the server is back
  }
  return files.get(code);
}
