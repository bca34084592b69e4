// The only place that turns numbers into text people read: power, current, energy, shares, times.
//
// The API keeps one sign rule (positive flows into the thing named). The page differs in one point: it
// shows the sun as positive, and `shownSun` below is where that happens.

/** A number and its unit, apart, so that the page can set them in different sizes. */
export interface Quantity {
  value: string;
  unit: string;
}

/** What stands where nothing is known. */
export const UNKNOWN = "–";

const locale = "en-GB";
const decimals = new Map<number, Intl.NumberFormat>();

function fixed(value: number, digits: number): string {
  let format = decimals.get(digits);
  if (!format) {
    format = new Intl.NumberFormat(locale, {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      useGrouping: false,
    });
    decimals.set(digits, format);
  }
  // Never "-0.0": what rounds to nothing has no sign. The sign is a real minus.
  const text = format.format(value);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** The sun's power as the page shows it: positive when it shines. */
export function shownSun(pv_w: number | null): number | null {
  return pv_w === null ? null : Math.max(0, -pv_w);
}

/** Power, signed: `640 W`, `3.42 kW`, `12.3 kW`. */
export function power(watts: number | null): Quantity {
  if (watts === null) return { value: UNKNOWN, unit: "W" };
  const size = Math.abs(watts);
  if (size < 999.5) return { value: fixed(watts, 0), unit: "W" };
  return { value: fixed(watts / 1000, size < 9_995 ? 2 : 1), unit: "kW" };
}

/** Energy: `640 Wh`, `3.4 kWh`, `120 kWh`. */
export function energy(wattHours: number | null): Quantity {
  if (wattHours === null) return { value: UNKNOWN, unit: "kWh" };
  const size = Math.abs(wattHours);
  if (size < 99_950) return { value: fixed(wattHours / 1000, size < 9_995 ? 2 : 1), unit: "kWh" };
  return { value: fixed(wattHours / 1000, 0), unit: "kWh" };
}

/** Current with one decimal: `10.0 A`. */
export function current(milliAmps: number | null): Quantity {
  return { value: milliAmps === null ? UNKNOWN : fixed(milliAmps / 1000, 1), unit: "A" };
}

/** Current without a decimal when it has none: `16 A`, `9.4 A`. For sentences. */
export function shortCurrent(milliAmps: number): string {
  const text = fixed(milliAmps / 1000, 1);
  return `${text.endsWith(".0") ? text.slice(0, -2) : text} A`;
}

/** Voltage: `231 V`. */
export function voltage(milliVolts: number | null): Quantity {
  return { value: milliVolts === null ? UNKNOWN : fixed(milliVolts / 1000, 0), unit: "V" };
}

/** A share given in thousandths: `62 %`. */
export function share(perMille: number | null): Quantity {
  return { value: perMille === null ? UNKNOWN : fixed(perMille / 10, 0), unit: "%" };
}

/** Number and unit in one string, kept on one line. */
export function text(quantity: Quantity): string {
  return quantity.value === UNKNOWN ? UNKNOWN : `${quantity.value}\u00a0${quantity.unit}`;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockFormat(timeZone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${timeZone} ${JSON.stringify(options)}`;
  let format = clocks.get(key);
  if (!format) {
    try {
      format = new Intl.DateTimeFormat(locale, { ...options, timeZone });
    } catch {
      // A time zone this browser does not know must not blank the page.
      format = new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" });
    }
    clocks.set(key, format);
  }
  return format;
}

/** Time of day at the site: `14:05`. */
export function clock(at_ms: number, timeZone: string): string {
  return clockFormat(timeZone, { hour: "2-digit", minute: "2-digit" }).format(at_ms);
}

/** Time of day with seconds: `14:05:09`. */
export function clockSeconds(at_ms: number, timeZone: string): string {
  return clockFormat(timeZone, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(at_ms);
}

/** Time of day today, with the date on any other day: `14:05`, `3 Aug, 14:05`. */
export function moment(at_ms: number, now_ms: number, timeZone: string): string {
  const day = { day: "numeric", month: "short" } as const;
  const date = clockFormat(timeZone, day).format(at_ms);
  if (date === clockFormat(timeZone, day).format(now_ms)) return clock(at_ms, timeZone);
  return `${date}, ${clock(at_ms, timeZone)}`;
}

/** A length of time in its largest fitting units: `8 s`, `12 min`, `3 h 05 min`, `2 d 4 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}\u00a0s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}\u00a0min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}\u00a0h ${String(minutes % 60).padStart(2, "0")}\u00a0min`;
  return `${Math.floor(hours / 24)}\u00a0d ${hours % 24}\u00a0h`;
}

/** A countdown that keeps its width: `0:42`, `12:05`. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** How far local time is ahead of UTC at that moment, in ms. */
function offset(at_ms: number, timeZone: string): number {
  const parts = clockFormat(timeZone, {
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
    hourCycle: "h23",
  }).formatToParts(at_ms);
  const part = (type: string) => Number(parts.find((p) => p.type === type)?.value ?? 0);
  const local = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  return local - Math.floor(at_ms / 1000) * 1000;
}

/** When the local day began that holds this moment, and when the next one begins. */
export function localDay(at_ms: number, timeZone: string): { from_ms: number; to_ms: number } {
  const day_ms = 86_400_000;
  const local = at_ms + offset(at_ms, timeZone);
  const midnight = local - (((local % day_ms) + day_ms) % day_ms);
  // The offset at midnight may differ from the one now: days of changing clocks have 23 or 25 hours.
  const at = (wall: number) => wall - offset(wall - offset(wall, timeZone), timeZone);
  return { from_ms: at(midnight), to_ms: at(midnight + day_ms) };
}
