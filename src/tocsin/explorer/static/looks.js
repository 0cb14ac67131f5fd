// How units look at a moment: what happened, the share of worlds, or what a change makes of it.

import { between, hundred, newcombe, points, wilson } from "./words.js";

const WIDE = 0.5; // an interval of a share wider than this is too little information

export class Looks {
  constructor(about, calendar) {
    Object.assign(this, { about, calendar });
    this.units = new Map(about.units.map((each) => [each.id, each]));
    this.states = new Map(about.states.map((each) => [each.show, each]));
  }

  name(unit) {
    return this.units.get(unit)?.label || unit;
  }

  present(unit, i) {
    const each = this.units.get(unit), t = this.calendar.instant(i);
    const away = ((each && each.away) || []).some(([a, b]) => t > a + 1e-9 && t <= b + 1e-9);
    return !away && each !== undefined && t > each.enter && t <= each.exit + (this.calendar.dated ? 1e-9 : 0) + 1e-9;
  }

  // The spells of a unit that are going on, those shown first that were named first.
  standing(unit, i) {
    const t = this.calendar.instant(i);
    return (this.about.spells[unit] || []).filter(([, start, end]) => start < t && t <= end);
  }

  holds(unit, show, i) {
    return this.standing(unit, i).some((spell) => spell[0] === show);
  }

  holders(show, i) {
    return this.about.units.map((each) => each.id).filter((unit) => this.present(unit, i) && this.holds(unit, show, i));
  }

  // --- looks ----------------------------------------------------------------------------------------------

  record(unit, i, hidden) {
    if (!this.present(unit, i)) return { colour: "old", share: 0, gone: true };
    const going = this.standing(unit, i).filter(([show]) => !hidden.includes(show));
    // The wave before all else, then states with a colour of their own.
    going.sort((a, b) => this.rank(a[0]) - this.rank(b[0]));
    const wave = this.about.wave;
    if (going.length) {
      const [show, , , low] = going[0];
      return { colour: this.states.get(show).colour, share: 1, inked: show === wave, vague: low };
    }
    const t = this.calendar.instant(i);
    const fallen = !hidden.includes(wave) &&
      (this.about.spells[unit] || []).some(([show, , end]) => show === wave && end < t);
    return { colour: "old", share: 0, fallen };
  }

  rank(show) {
    return this.about.states.findIndex((each) => each.show === show);
  }

  worlds(unit, i, scene, show) {
    if (!this.present(unit, i)) return { colour: "old", share: 0, gone: true };
    const [share, low, high] = this.share(unit, i, scene);
    return {
      colour: this.states.get(show).own, share, inked: this.holds(unit, show, i), vague: high - low > WIDE,
    };
  }

  share(unit, i, scene) {
    const counts = scene?.counts.get(unit);
    const at = scene ? Math.min(scene.count - 1, Math.floor(i / scene.step)) : 0;
    // Over the parameters a share is as sure as that of so many worlds with one and the same.
    const sure = scene?.likeness.get(unit) || scene?.worlds || 1;
    return wilson(counts ? (counts[at] * sure) / scene.worlds : 0, sure);
  }

  // The expected effect of the change on a unit over the whole time, with its interval; null where none is told.
  effect(unit) {
    return this.effects?.get(unit) || null;
  }

  change(unit, i, base, scene) {
    if (!this.present(unit, i)) return { colour: "old", share: 0, gone: true };
    const change = this.share(unit, i, scene)[0] - this.share(unit, i, base)[0];
    const [, low, high] = this.effect(unit) || newcombe(this.share(unit, i, base), this.share(unit, i, scene));
    const vague = low <= 0 && high >= 0;
    return { colour: change > 0 ? "more" : "less", share: Math.min(1, (100 * Math.abs(change)) / this.full({ base, do: scene })), vague };
  }

  // The difference, in worlds of 100, that has the full colour: a round number not below the largest there is.
  full(scenes) {
    const { base, do: other } = scenes;
    if (!base || !other) return 50;
    if (this.fulls?.[0] === base && this.fulls[1] === other) return this.fulls[2];
    let most = 0;
    for (const unit of new Set([...base.counts.keys(), ...other.counts.keys()])) {
      const [a, b] = [base.counts.get(unit), other.counts.get(unit)];
      for (let i = 0; i < base.count; i++) most = Math.max(most, Math.abs((a ? a[i] : 0) - (b ? b[i] : 0)));
    }
    const share = (100 * most) / base.worlds;
    this.fulls = [base, other, [2, 5, 10, 25, 50, 100].find((each) => each >= share) || 100];
    return this.fulls[2];
  }

  // --- words ----------------------------------------------------------------------------------------------

  aboutUnit(unit, i, mode, scenes, show) {
    const lines = [this.units.get(unit)?.label || unit];
    if (!this.present(unit, i)) return [...lines, "not there at this time"];
    const going = this.standing(unit, i).map(([state]) => this.states.get(state).words);
    lines.push(`in the record: ${going.length ? going.join(", ") : "none of the states shown"}`);
    const words = this.states.get(show).words;
    if (mode === "change" && scenes.do && scenes.base) {
      const [one, other] = [this.share(unit, i, scenes.base), this.share(unit, i, scenes.do)];
      lines.push(`${words}: ${points(other[0] - one[0])} of 100 worlds, from ${hundred(one[0])} to ${hundred(other[0])}`);
      const effect = this.effect(unit);
      if (effect) lines.push(`expected effect, ever: ${points(effect[0])} (${points(effect[1])} to ${points(effect[2])})`);
    } else if (mode === "base" || mode === "do") {
      const scene = mode === "do" ? scenes.do : scenes.base;
      if (scene) lines.push(`${words} in ${between(this.share(unit, i, scene))}`);
    } else if (scenes.base) {
      lines.push(`${words} in ${between(this.share(unit, i, scenes.base))}`);
    }
    return lines;
  }
}
