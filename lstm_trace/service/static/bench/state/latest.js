/** A map of the entries that were used last: what comes beyond `most` takes the place of the one unused for longest. */
export class Latest extends Map {
  #most;

  constructor(most) {
    super();
    this.#most = most;
  }

  get(key) {
    if (!this.has(key)) return undefined;
    const value = super.get(key);
    this.set(key, value); // to the end, as the one used last
    return value;
  }

  set(key, value) {
    this.delete(key);
    super.set(key, value);
    if (this.size > this.#most) this.delete(this.keys().next().value);
    return this;
  }
}
