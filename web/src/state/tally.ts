// Sums over sessions: what the server sends for a whole filter, and what one session adds up to. Pure.

import type { ChargingSession, Money, Origin } from "../api/types";
import { money } from "../units";

/** Costs by currency, in the order of the alphabet. Currencies are never added. */
export function byCurrency(costs: Money[]): Money[] {
  const sums = new Map<string, number>();
  for (const { amount_micros, currency } of costs) sums.set(currency, (sums.get(currency) ?? 0) + amount_micros);
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([currency, amount_micros]) => ({ currency, amount_micros }));
}

/** `€3.20`, `€3.20 + CHF 1.10`, or `null` when nothing was priced. */
export function told(costs: Money[]): string | null {
  const sums = byCurrency(costs);
  return sums.length === 0 ? null : sums.map((sum) => money(sum.amount_micros, sum.currency)).join(" + ");
}

/** The share that was not drawn from the grid, in thousandths. */
export function ownShare({ sun_wh, battery_wh, grid_wh }: Origin): number | null {
  const all = sun_wh + battery_wh + grid_wh;
  return all <= 0 ? null : Math.round(((sun_wh + battery_wh) / all) * 1000);
}

/** The share of the sun alone, in thousandths. */
export function sunShare({ sun_wh, battery_wh, grid_wh }: Origin): number | null {
  const all = sun_wh + battery_wh + grid_wh;
  return all <= 0 ? null : Math.round((sun_wh / all) * 1000);
}

/** Who charged, each once, in order. */
export function userIds(session: ChargingSession): string[] {
  return [...new Set(session.transactions.flatMap((transaction) => transaction.user ?? []))];
}

export function isEstimated(session: ChargingSession): boolean {
  return session.transactions.some((transaction) => transaction.estimated);
}
