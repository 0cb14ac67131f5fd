// The what-if: sentences that are tried, kept and taken back; and the answer in words.

import { h, byId, fill } from "./dom.js";

let made = 0;

// A list of sentences with a field for another one. `field` is "do" or "base".
export class Builder {
  constructor(state, data, field, label) {
    Object.assign(this, { state, data, field, number: ++made });
    const list = `says-${this.number}`;
    this.trouble = h("p", { class: "warn small", role: "alert", hidden: true, id: `wrong-${this.number}` });
    this.input = h("input", {
      id: `say-${this.number}`, type: "text", list, autocomplete: "off", spellcheck: "false",
      maxlength: state.about.limits.letters, placeholder: state.about.examples[0]?.say || "",
      "aria-describedby": `wrong-${this.number}`, oninput: () => this.suggest(),
    });
    this.options = h("datalist", { id: list });
    this.chips = h("ul", { class: "chips" });
    this.form = h("form", { class: "say", onsubmit: (event) => { event.preventDefault(); this.add(this.input.value); } },
      h("label", { for: `say-${this.number}` }, label),
      h("div", { class: "row" }, this.input, h("button", { type: "submit" }, "Try it")), this.options);
    this.element = h("div", {}, this.chips, this.form, this.trouble);
    this.suggest();
    state.listen([field], () => this.show());
    this.show();
  }

  async add(text) {
    const said = text.trim();
    if (!said) {
      this.wrong("Write a sentence, or choose one of the examples.");
      return;
    }
    const now = this.state.get(this.field);
    const most = this.state.about.limits.sentences;
    if (now.length >= most) {
      this.wrong(`At most ${most} sentences can stand in one what-if: take one back first.`);
      return;
    }
    try {
      const { say } = await this.data.ask("check", { say: said, do: now });
      this.wrong("");
      this.input.value = "";
      this.suggest();
      const kept = this.state.get(this.field);
      if (!kept.includes(say)) this.state.set({ [this.field]: [...kept, say] }, true);
    } catch (error) {
      this.wrong(error.message);
      this.input.focus();
    }
  }

  wrong(words) {
    this.trouble.textContent = words;
    this.trouble.hidden = !words;
    this.input.setAttribute("aria-invalid", words ? "true" : "false");
  }

  show() {
    const now = this.state.get(this.field);
    fill(this.chips, now.map((text) => h("li", {},
      h("span", { class: "said" }, text),
      h("button", {
        type: "button", class: "small", "aria-label": `Take back “${text}”`,
        onclick: () => {
          this.state.set({ [this.field]: this.state.get(this.field).filter((each) => each !== text) }, true);
          this.input.focus();
        },
      }, "take back"))));
    this.chips.hidden = !now.length;
  }

  // Sentences that go on from what is written: the forms that fit it, with names in their places.
  suggest() {
    const { vocabulary, examples } = this.state.about;
    const text = this.input.value.toLowerCase();
    const words = text.trim().split(/\s+/).filter(Boolean);
    const whole = text.endsWith(" ") || !words.length;
    const found = words.length
      ? vocabulary.forms.flatMap((form) => completed(form, words, whole, vocabulary).slice(0, 30))
      : [];
    const fitting = examples.flatMap((each) => each.say || []).filter((say) => say.toLowerCase().startsWith(text.trim()));
    fill(this.options, [...new Set([...fitting, ...found])].slice(0, 40).map((value) => h("option", { value })));
  }
}

// The sentences of one form that begin with some words; the last one may be the beginning of a name.
export function completed(form, words, whole, vocabulary) {
  const free = { "{by}": "0.5", "{value}": "0", "{weight}": "1", "{at}": vocabulary.date, "{until}": vocabulary.date };
  const choices = (part) => {
    const name = part.match(/^\{(\w+)\}$/)?.[1];
    return name === undefined ? [part] : vocabulary.names[name] || (part in free ? [free[part]] : []);
  };
  const said = [];
  const given = whole ? words : words.slice(0, -1);
  if (given.length >= form.length) return [];
  for (const [n, word] of given.entries()) {
    const match = choices(form[n]).find((each) => each.toLowerCase() === word);
    if (match === undefined && !(form[n] in free)) return [];
    said.push(match ?? word);
  }
  const part = form[said.length];
  const begun = whole ? "" : words[words.length - 1];
  const next = part in free && begun ? [begun] : choices(part).filter((each) => each.toLowerCase().startsWith(begun));
  const rest = form.slice(said.length + 1).map((each) => choices(each)[0] ?? "…");
  return next.map((each) => [...said, each, ...rest].join(" "));
}

// The box with examples, both builders and the answer.
export class WhatIf {
  constructor(state, data) {
    Object.assign(this, { state, data });
    this.builder = new Builder(state, data, "do", "Change something, in a sentence");
    this.base = new Builder(state, data, "base", "Compare with worlds in which");
    this.examples = h("ul", { class: "examples" });
    const other = h("details", { class: "small", open: state.get("base").length > 0 },
      h("summary", {}, "Compare with something else than the unchanged worlds"), this.base.element);
    const forms = h("details", { class: "small" }, h("summary", {}, "All that can be said"),
      h("ul", { class: "forms" }, state.about.vocabulary.shown.map((form) => h("li", {}, h("code", {}, form)))));
    // Which worlds a question is asked of is one switch.
    this.asked = [["", "of worlds like ours"], ["history", "of our own world"]].map(([value, words]) => h("label", { class: "choice" },
      h("input", { type: "radio", name: "given", value, onchange: () => state.set({ given: value || null }, true) }), h("span", {}, words)));
    const kinds = state.about.ours && h("fieldset", { class: "choices" }, h("legend", { class: "small" }, "Asked"), this.asked);
    state.listen(["given", "show"], () => this.switched());
    this.switched();
    fill(byId("builder"), kinds, this.examples, data.free ? [this.builder.element, other, forms] : this.builder.chips);
    state.listen(["do", "unit"], () => this.offer());
    this.offer();
  }

  switched() {
    const free = this.data.free || this.state.get("show") === this.state.about.wave;
    for (const { firstChild: radio } of this.asked) {
      radio.checked = radio.value === ((free && this.state.get("given")) || "");
      radio.disabled = !free && radio.value !== "";
    }
  }

  offer() {
    const { about } = this.state;
    const now = this.state.get("do");
    const all = [...about.examples];
    fill(this.examples, all.map((each) => {
      // An edition holds whole scenarios; a server answers any sentences together.
      const said = each.do || [each.say];
      const pressed = each.do ? String(now) === String(said) : now.includes(each.say);
      const press = () => {
        if (each.do) this.state.set({ do: pressed ? [] : said }, true);
        else if (pressed) this.state.set({ do: now.filter((text) => text !== each.say) }, true);
        else this.builder.add(each.say);
      };
      return h("li", {}, h("button", {
        type: "button", class: "example", "aria-pressed": pressed ? "true" : "false", title: said.join("; "), onclick: press,
      }, each.words));
    }));
  }

  // The answer about the wave and about the unit that is looked at.
  tell(difference, unit) {
    const row = difference?.rows.find((each) => each.unit === unit);
    const name = this.state.about.units.find((each) => each.id === unit)?.label;
    fill(byId("answer"),
      difference && h("p", { class: "answer", id: "headline" }, difference.headline),
      difference && row && h("p", { class: "answer", id: "unitanswer" }, row.sentence),
      difference && unit && !row && h("p", { id: "unitanswer" }, `${name}: ${difference.given ? "not in our world" : "in no world"}, with or without the change.`),
      difference && h("p", { class: "small" }, difference.answer),
      difference && difference.do.length > 0 && h("p", { class: "small quiet" },
        `${difference.doubt.join(" ")} What drove the wave can be told apart only as far as the record allows.`));
  }

  busy(words) {
    byId("answer").setAttribute("aria-busy", words ? "true" : "false");
    document.body.classList.toggle("busy", Boolean(words));
  }
}
