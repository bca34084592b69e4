// Users and cars by name, for pages that show ids. Loaded when a page needs them.

import { users } from "../api/users";
import { vehicles } from "../api/vehicles";
import type { User, Vehicle } from "../api/types";
import { names, type Names } from "./people";

class Directory {
  users = $state.raw<User[]>([]);
  vehicles = $state.raw<Vehicle[]>([]);
  /** Whether it was asked for and answered; before that nothing is known of how many there are. */
  is_loaded = $state(false);
  readonly names = $derived<Names>(names(this.users, this.vehicles));

  /** Users are told to those who may see them. A failure leaves ids, which is no reason to show nothing. */
  async load(sees_users: boolean): Promise<void> {
    const [people, cars] = await Promise.allSettled([
      sees_users ? users() : Promise.resolve({ items: [] }),
      vehicles(),
    ]);
    if (people.status === "fulfilled") this.users = people.value.items;
    if (cars.status === "fulfilled") this.vehicles = cars.value.items;
    this.is_loaded = true;
  }
}

export const directory = new Directory();
