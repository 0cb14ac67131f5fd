// Numbers and dates as plain words; the same rules as those of the reports.

const MONTHS = [
  "January", "February", "March", "April", "May", "June",
  "July", "August", "September", "October", "November", "December",
];
const Z95 = 1.959963984540054;

// The time axis: position i of the page's times, as a date or a number.
export class Calendar {
  constructor(about) {
    Object.assign(this, { clock: about.clock, start: about.start, step: about.step, count: about.count });
    this.first = about.first === null ? null : new Date(`${about.first}T00:00:00Z`);
  }

  get dated() {
    return this.first !== null;
  }

  number(i) {
    return this.start + i * this.step;
  }

  // The instant at which the record and the worlds are read: the end of the day.
  instant(i) {
    return this.dated ? this.number(i) + 1 : this.number(i);
  }

  index(number) {
    const steps = (number - this.start) / this.step;
    // A moment lies in its day; of plain numbers the nearest is meant.
    return Math.min(this.count - 1, Math.max(0, this.dated ? Math.floor(steps + 1e-9) : Math.round(steps)));
  }

  date(number) {
    const day = new Date(this.first);
    if (this.clock === "day") day.setUTCDate(day.getUTCDate() + Math.floor(number));
    else if (this.clock === "month") day.setUTCMonth(day.getUTCMonth() + Math.floor(number));
    else day.setUTCFullYear(day.getUTCFullYear() + Math.floor(number));
    return day;
  }

  words(number) {
    if (!this.dated) return String(Math.round(number * 100) / 100);
    const day = this.date(number);
    const month = `${MONTHS[day.getUTCMonth()]} ${day.getUTCFullYear()}`;
    if (this.clock === "year") return String(day.getUTCFullYear());
    return this.clock === "month" ? month : `${day.getUTCDate()} ${month}`;
  }

  text(number) {
    if (!this.dated) return String(Math.round(number * 10000) / 10000);
    const full = this.date(number).toISOString().slice(0, 10);
    return { day: full, month: full.slice(0, 7), year: full.slice(0, 4) }[this.clock];
  }

  // The position that a text names, or null where it is no date (or number) of the window.
  read(text) {
    if (!this.dated) {
      const value = Number(text);
      return text.trim() !== "" && Number.isFinite(value) && value >= this.start - 1e-9 &&
        value <= this.number(this.count - 1) + 1e-9 ? this.index(value) : null;
    }
    const found = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?$/.exec(text);
    if (!found) return null;
    const [year, month, day] = [Number(found[1]), Number(found[2] || 1) - 1, Number(found[3] || 1)];
    const asked = new Date(Date.UTC(year, month, day));
    if (asked.getUTCMonth() !== month || asked.getUTCDate() !== day) return null;
    let number;
    if (this.clock === "day") number = Math.round((asked - this.first) / 864e5);
    else {
      number = year - this.first.getUTCFullYear();
      if (this.clock === "month") number = number * 12 + month - this.first.getUTCMonth();
    }
    return number >= this.start && number <= this.number(this.count - 1) ? this.index(number) : null;
  }
}

// Wilson's 95% interval of a share of n (Wilson 1927).
export function wilson(count, n) {
  const share = count / n;
  const middle = (share + (Z95 * Z95) / (2 * n)) / (1 + (Z95 * Z95) / n);
  const half = (Z95 * Math.sqrt((share * (1 - share)) / n + (Z95 * Z95) / (4 * n * n))) / (1 + (Z95 * Z95) / n);
  return [share, Math.min(share, Math.max(0, middle - half)), Math.max(share, Math.min(1, middle + half))];
}

// The difference of two shares with its 95% interval (Newcombe 1998, method 10).
export function newcombe(one, other) {
  const change = other[0] - one[0];
  const below = Math.hypot(other[0] - other[1], one[2] - one[0]);
  const above = Math.hypot(other[2] - other[0], one[0] - one[1]);
  return [change, change - below, change + above];
}

export function hundred(share) {
  if (share > 0 && share < 0.005) return "<1";
  if (share > 0.995 && share < 1) return ">99";
  return String(Math.round(100 * share));
}

export function signed(value) {
  if (!value) return "0";
  return `${value > 0 ? "+" : "−"}${Math.abs(value)}`;
}

export function points(change) {
  return signed(Math.round(100 * change));
}

export function between(three) {
  return `${hundred(three[0])} of 100 worlds (${hundred(three[1])} to ${hundred(three[2])})`;
}

export function listed(items, most = 6) {
  const kept = items.length > most ? [...items.slice(0, most - 1), `${items.length - most + 1} more`] : items;
  return kept.length < 2 ? kept.join("") : `${kept.slice(0, -1).join(", ")} and ${kept[kept.length - 1]}`;
}

export function counted(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}

// The place of the time that lies nearest to a moment.
export function nearest(times, number) {
  let best = 0;
  times.forEach((time, n) => {
    if (Math.abs(time - number) < Math.abs(times[best] - number)) best = n;
  });
  return best;
}

// The place of the last time that is not after a moment; the first where all are.
export function latest(times, number) {
  const next = times.findIndex((time) => time > number);
  return Math.max(0, (next < 0 ? times.length : next) - 1);
}
