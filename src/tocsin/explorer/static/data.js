// All that the page knows comes through here: from a server, or from files that were computed beforehand.

// The address of a question: names in a fixed order, so that one question has one address.
export function addressOf(name, asked = {}) {
  const query = new URLSearchParams();
  for (const key of ["view", "cut", "unit", "say", "table", "show", "worlds", "seed", "do", "base", "given"]) {
    const value = asked[key];
    if (value === undefined || value === null) continue;
    for (const each of Array.isArray(value) ? value : [value]) query.append(key, each);
  }
  const text = query.toString();
  return `api/${name}${text ? `?${text}` : ""}`;
}

export class Trouble extends Error {
  constructor(message, field = null) {
    super(message);
    this.field = field;
  }
}

// Answers of a server. A question that is asked again while its answer is kept is not sent again.
class Server {
  constructor() {
    this.kept = new Map();
  }

  ask(name, asked) {
    const address = addressOf(name, asked);
    if (!this.kept.has(address)) {
      const answer = this.fetched(address);
      this.kept.set(address, answer);
      answer.catch(() => this.kept.delete(address));
      if (this.kept.size > 60) this.kept.delete(this.kept.keys().next().value);
    }
    return this.kept.get(address);
  }

  async fetched(address, again = 3) {
    let answer;
    try {
      answer = await fetch(address, { headers: { accept: "application/json" } });
    } catch {
      throw new Trouble("The explorer does not answer: is it still running?");
    }
    if ((answer.status === 429 || answer.status === 503) && again > 0) {
      const wait = Math.min(10, Number(answer.headers.get("retry-after")) || 1);
      await new Promise((done) => setTimeout(done, 1000 * wait));
      return this.fetched(address, again - 1);
    }
    const content = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
    if (!answer.ok) throw new Trouble(content.error, content.field);
    return content;
  }

  file(asked) {
    return addressOf("download", asked);
  }

  get free() {
    return true;
  }
}

// Answers computed beforehand: `store` holds them by address, `files` names the script that puts one there.
// Scripts, unlike modules and fetch, work in a page that is opened from a file.
class Published {
  constructor(edition) {
    this.edition = edition;
    this.coming = new Map();
  }

  ask(name, asked) {
    const address = addressOf(name, asked);
    const { store, files } = this.edition;
    if (address in store) return Promise.resolve(store[address]);
    if (!(address in files)) {
      return Promise.reject(
        new Trouble("This edition does not hold that answer: it was computed beforehand. Install Tocsin to ask freely."),
      );
    }
    if (!this.coming.has(address)) {
      this.coming.set(address, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = files[address];
        script.onload = () => (address in store ? done(store[address]) : failed(new Trouble("A file of this edition is broken.")));
        script.onerror = () => failed(new Trouble("A file of this edition is missing."));
        document.head.append(script);
      }));
    }
    return this.coming.get(address);
  }

  file(asked) {
    return this.edition.files[addressOf("download", asked)] || null;
  }

  get free() {
    return false;
  }
}

export function openData() {
  return window.tocsinEdition ? new Published(window.tocsinEdition) : new Server();
}

// Counts of worlds by unit and day, from letters for the change of each day: # is 0, $ is -1, % is 1, and so on;
// ~130; is a change that no letter stands for.
export function unpacked(scene) {
  const found = new Map();
  scene.units.forEach((unit, row) => {
    const text = scene.counts[row];
    const counts = new Int32Array(scene.count);
    let sum = 0, place = 0;
    for (let i = 0; i < scene.count; i++) {
      const letter = text.charCodeAt(place);
      if (letter === 126) {
        const end = text.indexOf(";", place);
        sum += Number(text.slice(place + 1, end));
        place = end + 1;
      } else {
        const folded = letter - 35;
        sum += folded % 2 ? -(folded + 1) / 2 : folded / 2;
        place += 1;
      }
      counts[i] = sum;
    }
    found.set(unit, counts);
  });
  return found;
}

// Of how many worlds with one and the same parameters each unit's share would be as sure.
export function likeness(scene) {
  return new Map(scene.units.map((unit, row) => [unit, scene.sure[row]]));
}
