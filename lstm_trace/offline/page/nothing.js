// What a page by itself does not have: a library, and what a server draws and writes.

export const InWords = () => null;
export const Save = () => null;
export const Pictures = () => null;
