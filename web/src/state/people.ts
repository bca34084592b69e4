// Names for ids: users, cards and cars as people call them. Pure.

import type { User, Vehicle } from "../api/types";

export interface Names {
  users: Map<string, string>;
  cards: Map<string, string>;
  vehicles: Map<string, string>;
}

export function names(users: User[], vehicles: Vehicle[]): Names {
  return {
    users: new Map(users.map((user) => [user.id, user.name])),
    cards: new Map(users.flatMap((user) => user.cards.map((card) => [card.id, card.name]))),
    vehicles: new Map(vehicles.map((vehicle) => [vehicle.id, vehicle.name])),
  };
}

/** Where somebody is told of alarms. Of a webhook only the host: its path may be a secret. */
export function addresses(user: User | null): string[] {
  const { email, webhook } = user?.notify ?? {};
  const host = webhook == null || webhook === "" || !URL.canParse(webhook) ? null : new URL(webhook).host;
  return [email, host].filter((address): address is string => address != null && address !== "");
}

/** The name, else the id itself: what was deleted still has one. */
export function nameOf(names: Map<string, string>, id: string): string {
  return names.get(id) ?? id;
}
