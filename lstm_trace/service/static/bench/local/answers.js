// What the page says of a run that it computed, in the form in which a server says it.

export { };
