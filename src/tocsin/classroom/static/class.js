// The class edition around the page of the explorer: where it begins, and the buttons of the tour.
"use strict";
(() => {
  const { body } = document;
  const whole = Boolean(window.tocsinEdition?.whole); // all pages in one document, with a router of its own
  const file = window.location.protocol === "file:";

  // Before the page reads its address: a page from a file keeps its state behind the #, so a link's query goes there.
  const asked = file ? window.location.hash.slice(1) || window.location.search.slice(1) : window.location.search.slice(1);
  const first = asked || body.dataset.start || "";
  if (!whole && first && (!asked || (file && !window.location.hash))) {
    window.history.replaceState(null, "", `${file ? "#" : "?"}${first}`);
  }

  const ready = (act) => {
    if (body.dataset.ready) act(window.tocsinPage);
    else new MutationObserver((_, watch) => {
      if (!body.dataset.ready) return;
      watch.disconnect();
      act(window.tocsinPage);
    }).observe(body, { attributes: true, attributeFilter: ["data-ready"] });
  };

  let mark = null;
  // The buttons of a step, on a page that is there.
  const step = (page) => {
    const { state } = page;
    const go = document.getElementById("go");
    const test = document.getElementById("try");
    if (mark === null) state.listen(["do"], () => mark());
    mark = () => {};
    if (!go || !test) return;
    const home = Object.fromEntries(new URLSearchParams(body.dataset.start));
    const moment = () => ({ i: state.calendar.read(home.date), unit: home.unit || null, show: home.show || state.about.wave,
      hide: home.hide ? home.hide.split(",") : state.hidden });
    const sentences = JSON.parse(test.dataset.do);
    mark = () => {
      const on = String(state.get("do")) === String(sentences);
      test.setAttribute("aria-pressed", on ? "true" : "false");
    };
    go.addEventListener("click", () => state.set({ ...moment(), map: home.map || "record", do: [] }, true));
    test.addEventListener("click", () => {
      const on = test.getAttribute("aria-pressed") === "true";
      state.set(on ? { map: home.map || "record", do: [] } : { ...moment(), do: sentences, map: "sides" }, true);
    });
    mark();
  };

  // Only states whose worlds are in this edition can be chosen.
  const offer = () => {
    const shown = JSON.parse(body.dataset.shown || "[]");
    for (const option of document.querySelectorAll("#show option")) {
      if (shown.length && !shown.includes(option.value)) option.remove();
    }
  };

  if (whole) {
    window.tocsinClass = (page) => {
      offer();
      step(page);
    };
    return;
  }
  ready((page) => {
    if (body.dataset.title) document.title = body.dataset.title;
    offer();
    step(page);
  });
})();
