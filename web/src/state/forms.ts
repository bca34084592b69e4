// What is typed into forms, as text, and what it means. Pure: drafts in, bodies of requests or problems out.

import type {
  Band,
  Budget,
  BudgetPer,
  Card,
  CardBody,
  Contract,
  EvseView,
  Intent,
  PhaseChoice,
  Scope,
  SocSource,
  Tariff,
  TokenBody,
  User,
  UserBody,
  Vehicle,
  Watches,
} from "../api/types";
import type { VehicleBody } from "../api/vehicles";
import type { Key } from "../i18n";
import { dayStart, localDate, minuteOfDay, typable, typed } from "../units";
import type { Role } from "./session.svelte";

/** What is wrong, by field. */
export type Problems = Partial<Record<string, Key>>;

export function isFine(problems: Problems): boolean {
  return Object.values(problems).every((problem) => problem === undefined);
}

export const ID = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** An id made of a name: `Second car` is `second-car`. */
export function idOf(name: string): string {
  return name
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .replace(/ß/g, "ss")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63);
}

export function required(text: string): Key | undefined {
  return text.trim() === "" ? "form.required" : undefined;
}

/** Whether text is empty or a number from `least` on. */
function number(text: string, least: number, most = Infinity): Key | undefined {
  if (text.trim() === "") return undefined;
  const value = typed(text, 1_000);
  if (value === null) return "form.number";
  return value < least * 1_000 || value > most * 1_000 ? "form.range" : undefined;
}

function optional<T>(value: T | null | undefined): T | undefined {
  return value ?? undefined;
}

/** A body without what is not set. */
function given<T extends object>(body: { [Field in keyof T]-?: T[Field] | undefined }): T {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as T;
}

// --- budgets ---

export interface BudgetDraft {
  budget_kwh: string;
  budget_per: BudgetPer;
}

export const PERIODS: BudgetPer[] = ["session", "day", "week", "month", "year", "total"];

function budgetDraft(budget: Budget | null | undefined): BudgetDraft {
  return { budget_kwh: typable(budget?.energy_wh, 1_000), budget_per: budget?.per ?? "month" };
}

function budgetOf(draft: BudgetDraft, before: Budget | null | undefined, now_ms: number): Budget | undefined {
  const energy_wh = typed(draft.budget_kwh, 1_000);
  if (energy_wh === null) return undefined;
  if (draft.budget_per !== "total") return { energy_wh, per: draft.budget_per };
  return { energy_wh, per: "total", since_ms: before?.since_ms ?? now_ms };
}

// --- users ---

export interface UserDraft extends BudgetDraft {
  id: string;
  name: string;
  role: Role | "";
  sites: Record<string, Role | "">;
  enabled: boolean;
  display: boolean;
  phases: PhaseChoice | "";
  tariff: string;
  email: string;
  webhook: string;
  alarms_from: "warning" | "error" | "";
  /** `all`, `of:` and an operator, or nothing. */
  oversight: string;
}

const OF = "of:";

/** As an option of a form: whose stations somebody watches. */
export function oversightChoice(watches: Watches | undefined): string {
  if (watches?.operator !== undefined) return `${OF}${watches.operator}`;
  return watches?.all === true ? "all" : "";
}

function oversightOf(choice: string): Watches | undefined {
  if (choice.startsWith(OF)) return { operator: choice.slice(OF.length) };
  return choice === "all" ? { all: true } : undefined;
}

export function userDraft(user: User | null): UserDraft {
  return {
    id: user?.id ?? "",
    name: user?.name ?? "",
    role: user === null ? "user" : (user.role ?? ""),
    sites: { ...(user?.sites ?? {}) },
    enabled: user?.enabled ?? true,
    display: user?.display ?? false,
    phases: user?.phases ?? "",
    tariff: user?.tariff ?? "",
    email: user?.notify?.email ?? "",
    webhook: user?.notify?.webhook ?? "",
    alarms_from: user?.notify?.alarms_from ?? "",
    oversight: oversightChoice(user?.oversight),
    ...budgetDraft(user?.budget),
  };
}

export function userProblems(draft: UserDraft, taken: string[]): Problems {
  return {
    name: required(draft.name),
    id: taken.includes(draft.id) ? "form.taken" : ID.test(draft.id) ? undefined : "form.id",
    budget_kwh: number(draft.budget_kwh, 0),
    email: draft.email === "" || /^[^\s@]+@[^\s@]+$/.test(draft.email) ? undefined : "form.email",
    webhook: draft.webhook === "" || isAddress(draft.webhook) ? undefined : "form.url",
  };
}

export function userBody(draft: UserDraft, before: User | null, now_ms: number): UserBody {
  const sites = Object.entries(draft.sites).filter((entry): entry is [string, Role] => entry[1] !== "");
  return given({
    id: draft.id,
    name: draft.name.trim(),
    role: draft.role === "" ? undefined : draft.role,
    sites: Object.fromEntries(sites),
    enabled: draft.enabled,
    display: draft.display,
    budget: budgetOf(draft, before?.budget, now_ms),
    phases: draft.phases === "" ? undefined : draft.phases,
    tariff: draft.tariff === "" ? undefined : draft.tariff,
    oversight: oversightOf(draft.oversight),
    rules: before?.rules ?? [],
    notify: given({
      email: draft.email === "" ? undefined : draft.email,
      webhook: draft.webhook === "" ? undefined : draft.webhook,
      alarms_from: draft.alarms_from === "" ? undefined : draft.alarms_from,
    }),
  });
}

function isAddress(text: string): boolean {
  try {
    return /^https?:$/.test(new URL(text).protocol);
  } catch {
    return false;
  }
}

// --- cards ---

export interface CardDraft extends BudgetDraft {
  kind: Card["kind"];
  number: string;
  name: string;
  enabled: boolean;
  /** The last local day on which it counts. */
  valid_until: string;
  phases: PhaseChoice | "";
  tariff: string;
  vehicle: string;
}

export function cardDraft(card: Card | null, time_zone: string): CardDraft {
  return {
    kind: card?.kind ?? "rfid",
    number: "",
    name: card?.name ?? "",
    enabled: card?.enabled ?? true,
    valid_until: card?.valid_until_ms == null ? "" : localDate(card.valid_until_ms - 1, time_zone),
    phases: card?.phases ?? "",
    tariff: card?.tariff ?? "",
    vehicle: card?.vehicle ?? "",
    ...budgetDraft(card?.budget),
  };
}

/** A number as it is stored: readers write that of an RFID card with or without marks between. */
export function plainNumber(number: string): string {
  return number.replace(/[\s:.-]/g, "").toUpperCase();
}

/** What is wrong with the number of a card or a PIN. */
export function numberProblems(kind: Card["kind"], number: string): Problems {
  const plain = plainNumber(number);
  if (kind === "rfid") return { number: /^[0-9A-F]{6,40}$/.test(plain) ? undefined : "form.rfid" };
  return { number: /^\d{4,12}$/.test(plain) ? undefined : "form.pin" };
}

export function cardProblems(draft: CardDraft, is_new: boolean): Problems {
  return {
    name: required(draft.name),
    ...(is_new ? numberProblems(draft.kind, draft.number) : {}),
    budget_kwh: number(draft.budget_kwh, 0),
  };
}

export function cardBody(draft: CardDraft, before: Card | null, time_zone: string, now_ms: number): CardBody {
  return given({
    kind: draft.kind,
    number: before === null ? plainNumber(draft.number) : undefined,
    name: draft.name.trim(),
    enabled: draft.enabled,
    valid_until_ms: draft.valid_until === "" ? undefined : dayStart(nextDay(draft.valid_until), time_zone),
    budget: budgetOf(draft, before?.budget, now_ms),
    phases: draft.phases === "" ? undefined : draft.phases,
    tariff: draft.tariff === "" ? undefined : draft.tariff,
    vehicle: draft.vehicle === "" ? undefined : draft.vehicle,
    rules: before?.rules ?? [],
  }) as CardBody;
}

function nextDay(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}

// --- tokens ---

export interface TokenDraft {
  name: string;
  role: Role;
  scopes: Record<Scope, boolean>;
  /** The last local day; empty for one that does not expire. */
  until: string;
}

export const SCOPES: Scope[] = ["read", "steer", "administer"];

export function tokenDraft(): TokenDraft {
  return { name: "", role: "viewer", scopes: { read: true, steer: false, administer: false }, until: "" };
}

export function tokenProblems(draft: TokenDraft, taken: string[]): Problems {
  return {
    name: required(idOf(draft.name)) ?? (taken.includes(idOf(draft.name)) ? "form.taken" : undefined),
    scopes: SCOPES.some((scope) => draft.scopes[scope]) ? undefined : "form.scope",
  };
}

export function tokenBody(draft: TokenDraft, time_zone: string): TokenBody {
  return given({
    name: idOf(draft.name),
    role: draft.role,
    scopes: SCOPES.filter((scope) => draft.scopes[scope]),
    expires_ms: draft.until === "" ? undefined : dayStart(nextDay(draft.until), time_zone),
  });
}

// --- vehicles ---

export interface VehicleDraft {
  id: string;
  name: string;
  capacity_kwh: string;
  phases: PhaseChoice;
  min_a: string;
  max_a: string;
  efficiency_percent: string;
  limit_percent: string;
  default_mode: NonNullable<Vehicle["default_mode"]> | "";
  owner: string;
  home: string;
  source: SocSource["kind"];
  url: string;
  path: string;
  every_s: string;
  header: string;
  broker: string;
  topic: string;
  user: string;
  /** Never known here; empty: it stays as it is. */
  secret: string;
  has_secret: boolean;
}

export function vehicleDraft(vehicle: Vehicle | null): VehicleDraft {
  const source = vehicle?.soc_source ?? { kind: "manual" };
  const fetched = source.kind === "http" ? source : null;
  const heard = source.kind === "mqtt" ? source : null;
  return {
    id: vehicle?.id ?? "",
    name: vehicle?.name ?? "",
    capacity_kwh: typable(vehicle?.capacity_wh, 1_000),
    phases: vehicle?.phases ?? "three",
    min_a: typable(vehicle?.min_ma ?? 6_000, 1_000),
    max_a: typable(vehicle?.max_ma, 1_000),
    efficiency_percent: typable(vehicle?.efficiency_permille ?? 900, 10),
    limit_percent: typable(vehicle?.charge_limit_permille, 10),
    default_mode: vehicle?.default_mode ?? "",
    owner: vehicle?.owner ?? "",
    home: vehicle?.home ?? "",
    source: source.kind,
    url: fetched?.url ?? "",
    path: fetched?.path ?? heard?.path ?? "",
    every_s: String(fetched?.every_s ?? 300),
    header: fetched?.header ?? "",
    broker: heard?.broker ?? "",
    topic: heard?.topic ?? "",
    user: heard?.user ?? "",
    secret: "",
    has_secret: (fetched ?? heard)?.has_secret ?? false,
  };
}

export function vehicleProblems(draft: VehicleDraft, taken: string[]): Problems {
  return {
    name: required(draft.name),
    id: taken.includes(draft.id) ? "form.taken" : ID.test(draft.id) ? undefined : "form.id",
    capacity_kwh: number(draft.capacity_kwh, 0.1, 1_000),
    min_a: required(draft.min_a) ?? number(draft.min_a, 6, 63),
    max_a: number(draft.max_a, Math.max(6, (typed(draft.min_a, 1_000) ?? 6_000) / 1_000), 63),
    efficiency_percent: required(draft.efficiency_percent) ?? number(draft.efficiency_percent, 50, 100),
    limit_percent: number(draft.limit_percent, 1, 100),
    url: draft.source !== "http" || isAddress(draft.url) ? undefined : "form.url",
    every_s: draft.source !== "http" ? undefined : (required(draft.every_s) ?? number(draft.every_s, 15, 86_400)),
    broker: draft.source !== "mqtt" || /^mqtts?:\/\/[^\s/@]+\/?$/.test(draft.broker.trim()) ? undefined : "vehicle.broker_wrong",
    topic: draft.source !== "mqtt" || /^[^#+]+$/.test(draft.topic) ? undefined : "vehicle.topic_wrong",
    secret: draft.secret === "" || hasPlaceForSecret(draft) ? undefined : "vehicle.secret_place",
  };
}

export function vehicleBody(draft: VehicleDraft): VehicleBody {
  return given({
    id: draft.id,
    name: draft.name.trim(),
    capacity_wh: optional(typed(draft.capacity_kwh, 1_000)),
    phases: draft.phases,
    min_ma: typed(draft.min_a, 1_000) ?? 6_000,
    max_ma: optional(typed(draft.max_a, 1_000)),
    efficiency_permille: typed(draft.efficiency_percent, 10) ?? 900,
    charge_limit_permille: optional(typed(draft.limit_percent, 10)),
    default_mode: draft.default_mode === "" ? undefined : draft.default_mode,
    owner: draft.owner === "" ? undefined : draft.owner,
    home: draft.home === "" ? undefined : draft.home,
    soc_source: socSource(draft),
  });
}

function hasPlaceForSecret({ source, header, user }: VehicleDraft): boolean {
  return (source === "http" && header.trim() !== "") || (source === "mqtt" && user.trim() !== "");
}

function socSource(draft: VehicleDraft): SocSource {
  const path = draft.path.trim();
  const [header, user] = [draft.header.trim(), draft.user.trim()];
  const secret = draft.secret === "" ? {} : { secret: draft.secret };
  switch (draft.source) {
    case "http":
      return {
        kind: draft.source,
        url: draft.url.trim(),
        path,
        every_s: Number(draft.every_s),
        ...(header === "" ? {} : { header }),
        ...secret,
      };
    case "mqtt":
      return {
        kind: draft.source,
        broker: draft.broker.trim(),
        topic: draft.topic.trim(),
        path,
        ...(user === "" ? {} : { user }),
        ...secret,
      };
    default:
      return { kind: draft.source };
  }
}

// --- tariffs ---

export interface BandDraft {
  weekdays: number[];
  from: string;
  to: string;
  price: string;
  months: number[];
}

export interface ContractDraft {
  name: string;
  from: string;
  until: string;
  currency: string;
  vat_percent: string;
  monthly_fee: string;
  kind: Contract["prices"]["kind"];
  /** The one price, the price outside the bands, or the one where a provider has none. */
  price: string;
  bands: BandDraft[];
  provider: string;
  factor_percent: string;
  surcharge: string;
}

export interface TariffDraft {
  id: string;
  name: string;
  direction: Tariff["direction"];
  site: string;
  contracts: ContractDraft[];
}

const MICROS = 1_000_000;

export function contractDraft(from: string, contract: Contract | null = null): ContractDraft {
  const prices = contract?.prices;
  const price =
    prices?.kind === "fixed"
      ? prices.price_micros_per_kwh
      : prices?.kind === "time_of_use"
        ? prices.otherwise_micros_per_kwh
        : prices?.fallback_micros_per_kwh;
  return {
    name: contract?.name ?? "",
    from: contract?.from ?? from,
    until: contract?.until ?? "",
    currency: contract?.currency ?? "EUR",
    vat_percent: typable(contract?.vat_permille ?? 0, 10),
    monthly_fee: typable(contract?.monthly_fee_micros ?? 0, MICROS),
    kind: prices?.kind ?? "fixed",
    price: typable(price, MICROS),
    bands: prices?.kind === "time_of_use" ? prices.bands.map(bandDraft) : [],
    provider: prices?.kind === "dynamic" ? prices.provider : "",
    factor_percent: typable(prices?.kind === "dynamic" ? prices.factor_permille : 1_000, 10),
    surcharge: typable(prices?.kind === "dynamic" ? prices.surcharge_micros_per_kwh : 0, MICROS),
  };
}

export function bandDraft(band: Band | null): BandDraft {
  return {
    weekdays: [...(band?.weekdays ?? [])],
    months: [...(band?.months ?? [])],
    from: minuteOfDay(band?.from_minute ?? 22 * 60),
    to: minuteOfDay(band?.to_minute ?? 6 * 60),
    price: typable(band?.price_micros_per_kwh, MICROS),
  };
}

export function tariffDraft(tariff: Tariff | null, today: string, site: string): TariffDraft {
  return {
    id: tariff?.id ?? "",
    name: tariff?.name ?? "",
    direction: tariff?.direction ?? "import",
    site: tariff === null ? site : (tariff.site ?? ""),
    contracts: tariff?.contracts.map((contract) => contractDraft(today, contract)) ?? [contractDraft(today)],
  };
}

/** Problems of contracts are named `<number>.<field>`, of bands `<number>.<band>.<field>`. */
export function tariffProblems(draft: TariffDraft, taken: string[]): Problems {
  const problems: Problems = {
    name: required(draft.name),
    id: taken.includes(draft.id) ? "form.taken" : ID.test(draft.id) ? undefined : "form.id",
  };
  draft.contracts.forEach((contract, place) => {
    const price = (text: string) => required(text) ?? number(text, -1_000, 1_000);
    Object.assign(problems, {
      [`${place}.name`]: required(contract.name),
      [`${place}.from`]: required(contract.from),
      [`${place}.until`]: contract.until !== "" && contract.until < contract.from ? "form.until" : undefined,
      [`${place}.currency`]: /^[A-Z]{3}$/.test(contract.currency) ? undefined : "form.currency",
      [`${place}.vat_percent`]: required(contract.vat_percent) ?? number(contract.vat_percent, 0, 100),
      [`${place}.monthly_fee`]: required(contract.monthly_fee) ?? number(contract.monthly_fee, 0),
      [`${place}.price`]: price(contract.price),
    });
    if (contract.kind === "time_of_use") {
      contract.bands.forEach((band, row) => (problems[`${place}.${row}.price`] = price(band.price)));
    }
    if (contract.kind === "dynamic") {
      problems[`${place}.provider`] = required(contract.provider);
      problems[`${place}.factor_percent`] = required(contract.factor_percent) ?? number(contract.factor_percent, 0, 1_000);
      problems[`${place}.surcharge`] = price(contract.surcharge);
    }
  });
  return problems;
}

export function tariffBody(draft: TariffDraft): Tariff {
  return given({
    id: draft.id,
    name: draft.name.trim(),
    direction: draft.direction,
    site: draft.site === "" ? undefined : draft.site,
    contracts: draft.contracts.map(contractBody),
  });
}

function contractBody(draft: ContractDraft): Contract {
  const price = (text: string) => typed(text, MICROS) ?? 0;
  const prices: Contract["prices"] =
    draft.kind === "fixed"
      ? { kind: "fixed", price_micros_per_kwh: price(draft.price) }
      : draft.kind === "time_of_use"
        ? {
            kind: "time_of_use",
            otherwise_micros_per_kwh: price(draft.price),
            bands: draft.bands.map((band) => ({
              weekdays: band.weekdays.toSorted((a, b) => a - b),
              months: band.months,
              from_minute: minute(band.from),
              to_minute: minute(band.to),
              price_micros_per_kwh: price(band.price),
            })),
          }
        : {
            kind: "dynamic",
            provider: draft.provider.trim(),
            factor_permille: typed(draft.factor_percent, 10) ?? 1_000,
            surcharge_micros_per_kwh: price(draft.surcharge),
            fallback_micros_per_kwh: price(draft.price),
          };
  return given({
    name: draft.name.trim(),
    from: draft.from,
    until: draft.until === "" ? undefined : draft.until,
    currency: draft.currency,
    vat_permille: typed(draft.vat_percent, 10) ?? 0,
    monthly_fee_micros: price(draft.monthly_fee),
    prices,
  });
}

function minute(text: string): number {
  const [hours = "0", minutes = "0"] = text.split(":");
  return Number(hours) * 60 + Number(minutes);
}

// --- passwords ---

export const MIN_PASSWORD = 8;

export function passwordProblems(password: string, repeated: string): Problems {
  return {
    password: password.length < MIN_PASSWORD ? "form.password" : undefined,
    repeated: password === repeated ? undefined : "setup.differ",
  };
}

/** What one charging point is held to; empty is no limit. */
export interface LimitsDraft {
  /** kWh since the car was plugged in. */
  energy: string;
  /** The currency's main unit per kWh. */
  price: string;
  /** A, for ten minutes. */
  temporary: string;
}

export function limitsDraft(evse: EvseView): LimitsDraft {
  return {
    energy: typable(evse.wish.energy_limit_wh, 1_000),
    price: typable(evse.wish.price_limit_micros_per_kwh, 1_000_000),
    temporary: typable(evse.temporary?.current_ma, 1_000),
  };
}

export function limitsProblems(draft: LimitsDraft, evse: EvseView): Problems {
  return {
    energy: number(draft.energy, 0.001, 1_000_000),
    price: number(draft.price, -1_000, 1_000),
    temporary: number(draft.temporary, evse.min_ma / 1_000, evse.max_ma / 1_000),
  };
}

/** One wish for each limit that is other than before. */
export function limitIntents(draft: LimitsDraft, before: LimitsDraft, evse: string): Intent[] {
  const changed = (field: keyof LimitsDraft) => draft[field].trim() !== before[field];
  const intents: Intent[] = [];
  if (changed("energy")) intents.push({ kind: "energy_limit", evse, limit_wh: typed(draft.energy, 1_000) });
  if (changed("price")) {
    intents.push({ kind: "price_limit", evse, limit_micros_per_kwh: typed(draft.price, 1_000_000) });
  }
  if (changed("temporary")) intents.push({ kind: "temporary_current", evse, current_ma: typed(draft.temporary, 1_000) });
  return intents;
}
