// What a page by itself does not have: a library, and pictures that a server draws.

export const Save = () => null;
export const Pictures = () => null;
