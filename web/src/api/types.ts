// The wire types under the names the page uses. They come from `schema.d.ts`, which `npm run api` makes from
// the API's own description.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type PerPhase = Schemas["PerPhase"];
export type ChargeMode = Schemas["ChargeMode"];
export type Wish = Schemas["Wish"];
export type Flow = Schemas["Flow"];
export type CircuitView = Schemas["CircuitView"];
export type DeviceView = Schemas["DeviceView"];
export type Measured = Schemas["MeasuredView"];
export type EvseView = Schemas["EvseView"];
export type Reason = Schemas["ReasonView"];
export type Alarm = Schemas["AlarmView"];
export type SiteView = Schemas["SiteView"];
export type Patch = Schemas["Patch"];
export type Backfill = Schemas["Backfill"];
export type Help = Schemas["HelpView"];
export type HelpList = Schemas["HelpList"];
export type Intent = Schemas["IntentRequest"];
export type Receipt = Schemas["IntentAnswer"];
export type History = Schemas["HistoryAnswer"];
export type HistorySeries = Schemas["HistorySeries"];
export type Session = Schemas["SessionView"];
export type Watches = Schemas["Watches"];
export type PageSessionList = Schemas["PageSessionList"];
export type SignIn = Schemas["SignIn"];
export type TicketSignIn = Schemas["TicketSignIn"];
export type SetUp = Schemas["SetUp"];

export type Money = Schemas["Cost"];
export type Origin = Schemas["Origin"];
export type Shown = Schemas["AuthorisationRequest"];
export type Transaction = Schemas["Transaction"];
export type ChargingSession = Schemas["Session"];
export type SessionPage = Schemas["SessionList"];
export type Source = Schemas["Source"];
export type Vehicle = Schemas["Vehicle"];
export type SocSource = Schemas["SocSource"];
export type Soc = Schemas["StateOfCharge"];
export type Tariff = Schemas["Tariff"];
export type Contract = Schemas["TariffContract"];
export type Band = Schemas["TariffBand"];
export type PriceSpan = Schemas["PriceSpan"];

export type GoeDoor = Schemas["GoeView"];
export type GoeDoorChange = Schemas["GoeDoorChange"];
export type GoeKey = Schemas["GoeKey"];
export type GoeKeyList = Schemas["GoeKeyList"];
export type GoeValues = Schemas["GoeValues"];

export type SolarView = Schemas["SolarView"];
export type SolarPeriod = Schemas["SolarPeriod"];
export type SolarDevice = Schemas["SolarDevice"];
export type SolarExpected = Schemas["SolarExpected"];
export type Logger = Schemas["LoggerView"];
export type ControlList = Schemas["ControlList"];
export type ControlView = Schemas["ControlView"];
export type LoggerList = Schemas["LoggerList"];
export type VacantGateway = Schemas["VacantGateway"];
export type PlantView = Schemas["PlantView"];
export type PlantSheet = Schemas["PlantSheet"];

export type ShinemonitorAccount = Schemas["ShinemonitorAccount"];
export type ShinemonitorAccountBody = Schemas["ShinemonitorAccountBody"];
export type ShinemonitorAccountList = Schemas["ShinemonitorAccountList"];
export type ShinemonitorCode = Schemas["ShinemonitorCode"];

export type VehicleList = Schemas["VehicleList"];
export type TariffList = Schemas["TariffList"];
export type PriceList = Schemas["PriceList"];
export type EnergySeries = Schemas["EnergySeries"];
export type Energy = Schemas["EnergyAnswer"];
export type InstallationSettings = Schemas["SettingsView"];
export type InstallationChange = Schemas["SettingsChange"];
export type Storage = Schemas["StorageView"];
export type AlarmList = Schemas["AlarmList"];
export type Parcel = Schemas["ParcelView"];
export type ParcelList = Schemas["ParcelList"];
export type User = Schemas["UserView"];
export type UserBody = Schemas["UserBody"];
export type UserList = Schemas["UserList"];
export type Budget = Schemas["Budget"];
export type BudgetPer = Schemas["BudgetPer"];
export type PhaseChoice = Schemas["Phases"];
export type Card = Schemas["CardView"];
export type CardBody = Schemas["CardBody"];
export type Scope = Schemas["Scope"];
export type Token = Schemas["TokenView"];
export type TokenBody = Schemas["TokenBody"];
export type TokenList = Schemas["TokenList"];
export type AuditEntry = Schemas["AuditItem"];
export type AuditList = Schemas["AuditList"];
