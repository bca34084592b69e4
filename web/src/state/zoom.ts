// The part of a chart that is seen: zooming and panning within its limits. Pure.

export interface Window {
  from_s: number;
  to_s: number;
}

/** Nothing is magnified beyond this. */
const LEAST_S = 300;

/** Moves a window into the limits; one that is wider becomes them. */
export function within(window: Window, limits: Window): Window {
  const room = limits.to_s - limits.from_s;
  const width = Math.min(room, Math.max(Math.min(LEAST_S, room), window.to_s - window.from_s));
  const from_s = Math.min(limits.to_s - width, Math.max(limits.from_s, window.from_s));
  return { from_s, to_s: from_s + width };
}

/** Narrower by a factor below 1, wider above; what is at `at_s` stays where it is. */
export function zoomed(window: Window, limits: Window, factor: number, at_s: number): Window {
  const room = limits.to_s - limits.from_s;
  const width = window.to_s - window.from_s;
  const next = Math.min(room, Math.max(Math.min(LEAST_S, room), width * factor));
  const share = width === 0 ? 0.5 : (at_s - window.from_s) / width;
  return within({ from_s: at_s - share * next, to_s: at_s + (1 - share) * next }, limits);
}

/** Moved by a share of its own width. */
export function panned(window: Window, limits: Window, share: number): Window {
  const by_s = share * (window.to_s - window.from_s);
  return within({ from_s: window.from_s + by_s, to_s: window.to_s + by_s }, limits);
}

export function isWhole(window: Window, limits: Window): boolean {
  return window.from_s <= limits.from_s && window.to_s >= limits.to_s;
}
