import { html, useLayoutEffect, useRef } from "../../vendor/standalone.module.js";

/** The field in which a cell is edited. whole: whether its text is selected, for the next key to replace it. */
export function Entry({ text, whole, label, keyed, left }) {
  const field = useRef(null);
  const done = useRef(false);
  useLayoutEffect(() => {
    field.current.focus();
    if (whole) field.current.select();
    else field.current.setSelectionRange(text.length, text.length);
  }, []);
  const pressed = (event) => {
    done.current ||= ["Enter", "Escape", "Tab"].includes(event.key);
    keyed(event);
  };
  // the keys that telephones show for decimal numbers lack the minus sign (iPhone, Samsung) and the e of 1e-3
  return html`<input ref=${field} type="text" inputmode="text" enterkeyhint="next" autocomplete="off" spellcheck=${false} aria-label=${label} defaultValue=${text} onKeyDown=${pressed} onBlur=${(event) => !done.current && left(event.target.value)} />`;
}
