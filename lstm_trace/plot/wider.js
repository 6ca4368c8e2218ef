"use strict";
// What is wider than the page says so. Without this the page works, and says nothing.
(() => {
  const wide = new ResizeObserver((seen) => seen.forEach(({ target: box }) => {
    const before = box.previousElementSibling, said = before && before.matches(".sideways");
    const wider = box.scrollWidth > box.clientWidth + 1;
    if (wider && !said) box.before(document.querySelector("#wider").content.cloneNode(true));
    if (!wider && said && before.matches(".wider")) before.remove();
  }));
  document.querySelectorAll(".scroll").forEach((box) => wide.observe(box));
})();
