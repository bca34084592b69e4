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

/** Units alone, for what is typed in. */
export const UNITS = { energy: "kWh", current: "A", share: "%", time: "s", angle: "°" } as const;

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

/** What the sun brought in large: `3.4 kWh`, `640 kWh`, `12.3 MWh`. */
export function yielded(wattHours: number | null): Quantity {
  if (wattHours === null || Math.abs(wattHours) < 9_999_500) return energy(wattHours);
  return { value: fixed(wattHours / 1_000_000, Math.abs(wattHours) < 99_950_000 ? 2 : 1), unit: "MWh" };
}

/** Energy beside the peak power of the panels: `3.42 kWh/kWp`. */
export function specificYield(wh_per_kwp: number | null): Quantity {
  return { ...energy(wh_per_kwp), unit: "kWh/kWp" };
}

/** Weight: `640 g`, `3.4 kg`, `120 kg`, `1.20 t`. */
export function weight(grams: number): Quantity {
  const size = Math.abs(grams);
  if (size < 999.5) return { value: fixed(grams, 0), unit: "g" };
  if (size < 999_500) return { value: fixed(grams / 1000, size < 99_950 ? 1 : 0), unit: "kg" };
  return { value: fixed(grams / 1_000_000, size < 9_995_000 ? 2 : 1), unit: "t" };
}

/** What a radio hears: `−61 dBm`. */
export function signal(dbm: number): string {
  return `${fixed(dbm, 0)}\u00a0dBm`;
}

/** The state of a counter, to the watt-hour: `12 345.678 kWh`. */
export function counter(wattHours: number | null): string {
  if (wattHours === null) return UNKNOWN;
  const [whole = "", part = ""] = fixed(wattHours / 1000, 3).split(".");
  return `${whole.replace(/\B(?=(\d{3})+$)/g, "\u202f")}.${part}\u00a0kWh`;
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

/** Warmth, given in thousandths of a degree: `27.4 °C`. */
export function temperature(milliDegrees: number | null): Quantity {
  return { value: milliDegrees === null ? UNKNOWN : fixed(milliDegrees / 1000, 1), unit: "°C" };
}

/** How far on the ground: `200 m`, `5 km`. */
export function distance(metres: number): string {
  return metres < 1_000 ? `${fixed(metres, 0)}\u00a0m` : `${fixed(metres / 1000, 0)}\u00a0km`;
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
  const days = `${Math.floor(hours / 24)}\u00a0d`;
  return hours % 24 === 0 ? days : `${days} ${hours % 24}\u00a0h`;
}

/** A countdown that keeps its width: `0:42`, `12:05`. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Money as people write it: `€3.42`, `−€0.08`. */
export function money(amount_micros: number, currency: string, digits = 2): string {
  const unit = amount_micros / 1_000_000;
  const key = `${currency} ${digits}`;
  let format = moneys.get(key);
  if (!format) {
    format = new Intl.NumberFormat(locale, {
      style: "currency",
      currency,
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
    moneys.set(key, format);
  }
  return format.format(Number(unit.toFixed(digits)) === 0 ? 0 : unit).replace("-", "−");
}

const moneys = new Map<string, Intl.NumberFormat>();

/** A price of energy: `€0.312/kWh`. */
export function price(micros_per_kwh: number, currency: string): string {
  return `${money(micros_per_kwh, currency, 3)}/kWh`;
}

/** The unit of a price that is typed in: `EUR/kWh`. */
export function perKwh(currency: string): string {
  return `${currency}/kWh`;
}

/** Sizes of files: `640 B`, `12.3 kB`, `1.20 GB`. */
export function bytes(count: number): string {
  if (count < 1_000) return `${fixed(count, 0)}\u00a0B`;
  const names = ["kB", "MB", "GB", "TB"];
  let [value, step] = [count / 1_000, 0];
  while (value >= 999.5 && step < names.length - 1) [value, step] = [value / 1_000, step + 1];
  return `${fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0)}\u00a0${names[step]}`;
}

/** A day and its time: `3 Aug 2026, 14:05`. */
export function dateTime(at_ms: number, timeZone: string): string {
  return `${date(at_ms, timeZone)}, ${clock(at_ms, timeZone)}`;
}

/** A day: `3 Aug 2026`. */
export function date(at_ms: number, timeZone: string): string {
  return clockFormat(timeZone, { day: "numeric", month: "short", year: "numeric" }).format(at_ms);
}

/** A day within a month that is told elsewhere: `Mon 3`. */
export function shortDay(at_ms: number, timeZone: string): string {
  return clockFormat(timeZone, { weekday: "short", day: "numeric" }).format(at_ms);
}

/** The name of a local day, month or year: `Mon 3 August 2026`, `August 2026`, `2026`. */
export function spanName(span: "day" | "month" | "year", day: string): string {
  const at_ms = Date.parse(`${day}T00:00:00Z`);
  const options: Record<typeof span, Intl.DateTimeFormatOptions> = {
    day: { weekday: "short", day: "numeric", month: "long", year: "numeric" },
    month: { month: "long", year: "numeric" },
    year: { year: "numeric" },
  };
  return clockFormat("UTC", options[span]).format(at_ms);
}

/** The name of a month: `Aug`; of a day of the week, 1 Monday to 7 Sunday: `Mon`. */
export function monthName(month: number): string {
  return clockFormat("UTC", { month: "short" }).format(Date.UTC(2024, month - 1, 1));
}

export function weekdayName(weekday: number): string {
  return clockFormat("UTC", { weekday: "short" }).format(Date.UTC(2024, 0, weekday));
}

/** Minutes since midnight as a time of day: `06:30`. */
export function minuteOfDay(minute: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

/** A change against before: `+12 %`, `−3 %`; nothing when there is nothing to compare with. */
export function change(now: number, before: number): string | null {
  if (before <= 0) return null;
  const percent = Math.round((now / before - 1) * 100);
  if (Math.abs(percent) > 999) return null;
  return `${percent > 0 ? "+" : percent < 0 ? "−" : "±"}${Math.abs(percent)}\u00a0%`;
}

/** What somebody typed, in a finer unit: `"12,5"` kWh with 1000 is 12500 Wh. `null` when it is no such number. */
export function typed(text: string, factor: number): number | null {
  const plain = text.trim().replace(",", ".").replace("−", "-");
  if (!/^-?\d+(\.\d+)?$/.test(plain)) return null;
  return Math.round(Number(plain) * factor);
}

/** The same the other way, for an input: 12500 with 1000 is `"12.5"`. */
export function typable(value: number | null | undefined, factor: number): string {
  return value == null ? "" : String(Number((value / factor).toFixed(6)));
}

/** The local day that holds a moment: `2026-08-03`. */
export function localDate(at_ms: number, timeZone: string): string {
  return new Date(at_ms + offset(at_ms, timeZone)).toISOString().slice(0, 10);
}

/** When a local day begins. */
export function dayStart(day: string, timeZone: string): number {
  const wall = Date.parse(`${day}T00:00:00Z`);
  return wall - offset(wall - offset(wall, timeZone), timeZone);
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
