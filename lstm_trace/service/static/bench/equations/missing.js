import { html } from "../../vendor/standalone.module.js";
import { parsed } from "../../reading.js";
import { nearest } from "./slips.js";

// Names of the equations that have no values yet: new weights, or slips in a name that is there.

const sizes_of = (text) => text.split(/[×x*,;\s]+/).filter(Boolean).map(parsed);

/** A parameter without values: the shape that it is to have, of zeros, or the name that it was to be. */
function Parameter({ name, shape, meant, set, rename, said }) {
  const typed = (event) => {
    const sizes = sizes_of(event.target.value);
    set(sizes.length > 0 && sizes.length < 3 && sizes.every((n) => Number.isInteger(n) && n > 0) ? sizes : null);
  };
  return html`<div class="row-of"><label class="field" for=${`shape-${name}`}><code>${name}</code>
    <input id=${`shape-${name}`} type="text" size="7" defaultValue=${shape?.join(" × ")} onInput=${typed} aria-label=${said("bench.shape_of", { name })} aria-describedby="shape-hint" aria-invalid=${shape ? undefined : "true"} />
    <span class="quiet-text">${said("bench.zeros")}</span></label>
    ${meant && html`<button type="button" class="meant" data-name=${meant} onClick=${() => rename(meant)}>${said("bench.did_you_mean", { name: meant })}</button>`}</div>`;
}

/** @param {{names: string[], known: string[], shape_of: (name: string) => number[] | null}} props known: names that a slip may stand for */
export function Missing({ names, known, shape_of, set, rename, said }) {
  return html`<div class="sheet missing" id="missing"><p>${said("bench.missing", { names: names.join(", "), n: names.length })}</p>
    ${names.map((name) => html`<${Parameter} key=${name} name=${name} shape=${shape_of(name)} meant=${nearest(name, known)} set=${(shape) => set(name, shape)} rename=${(to) => rename(name, to)} said=${said} />`)}
    <p class="quiet-text" id="shape-hint">${said("bench.shape_hint")}</p></div>`;
}
