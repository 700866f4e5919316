import type { Value } from '@millwright/protocol';
import { clamp, type Machine, numberWithin, resolved, STEP_MS } from '../machine.ts';
import { Random, Wander } from '../random.ts';
import { TimeOfDay } from './time-of-day.ts';

export interface AirHandlerConfig {
  readonly seed: number;
  /** Epoch ms at which the simulation begins: weather and people follow the time of day. */
  readonly startMs: number;
}

const DT_S = STEP_MS / 1000;
const MODE = { off: 0, automatic: 1, ventilate: 2 } as const;
const MINIMUM_FRESH_AIR = 20;
/** Kelvin that a wide open valve adds or takes at full air flow. */
const HEATER_K = 24;
const COOLER_K = 14;
const FAN_HEAT_K = 0.8;
const COIL_TIME_S = 25;
const ROOM_TIME_S = 1500;
/** Share of the difference to the outside that reaches the room through its walls. */
const WALLS = 0.12;
const FILTER = { cleanPa: 70, cloggedPa: 260, lifeS: 20 * 3600 } as const;

/** Mixes outside and return air, heats or cools it to a setpoint and blows it through a filter that fills up. */
export class AirHandler implements Machine {
  readonly #noise: Random;
  readonly #weather: Wander;
  readonly #people: Wander;
  readonly #time: TimeOfDay;
  #mode: number = MODE.automatic;
  #setpointC = 18;
  #outsideC = 12;
  #roomC = 22;
  #supplyC = 19;
  #fan = 0;
  #damper = 0;
  /** −100 cooling … 100 heating; the sum of the controller. */
  #demand = 0;
  #heating = 0;
  #cooling = 0;
  /** 0 new … 1 clogged. */
  #filter: number;
  #reading = { supply: 19, return: 22, outside: 12, filter: 0, fan: 0 };

  constructor({ seed, startMs }: AirHandlerConfig) {
    this.#noise = new Random(seed, 'air-handler/noise');
    this.#weather = new Wander(new Random(seed, 'air-handler/weather'), { deviation: 2, timeS: 7200 });
    this.#people = new Wander(new Random(seed, 'air-handler/people'), { deviation: 0.25, timeS: 900 });
    this.#time = new TimeOfDay(startMs);
    this.#filter = new Random(seed, 'air-handler').uniform(0.1, 0.6);
    this.#outsideC = 12 + 6 * this.#time.warmth;
  }

  readonly values: Readonly<Record<string, () => Value>> = {
    supply_temperature: () => this.#reading.supply,
    return_temperature: () => this.#reading.return,
    outside_temperature: () => this.#reading.outside,
    fan_speed: () => this.#reading.fan,
    damper: () => resolved(this.#damper, 0.1),
    heating: () => resolved(this.#heating, 0.1),
    cooling: () => resolved(this.#cooling, 0.1),
    filter_pressure: () => this.#reading.filter,
    supply_setpoint: () => this.#setpointC,
    mode: () => BigInt(this.#mode),
  };

  readonly commands: Readonly<Record<string, (value: Value) => boolean>> = {
    supply_setpoint: (value) => {
      const setpoint = numberWithin(value, 12, 30);
      if (setpoint !== undefined) this.#setpointC = setpoint;
      return setpoint !== undefined;
    },
    mode: (value) => {
      const mode = numberWithin(value, MODE.off, MODE.ventilate);
      if (mode === undefined || !Number.isInteger(mode)) return false;
      this.#mode = mode;
      return true;
    },
  };

  step(): void {
    this.#time.step();
    this.#outsideC = 12 + 6 * this.#time.warmth + this.#weather.advance(DT_S);
    const occupied = clamp(this.#time.working + this.#people.advance(DT_S), 0, 1.4);
    const fanTarget =
      this.#mode === MODE.off ? 0 : this.#mode === MODE.ventilate ? 80 : 45 + 40 * clamp(occupied, 0, 1);
    this.#fan += clamp(fanTarget - this.#fan, -3 * DT_S, 2 * DT_S);
    this.#stepControl();
    this.#stepAir(occupied);
    this.#measure();
  }

  /** Proportional and integral control with free cooling before the chiller. */
  #stepControl(): void {
    const error = this.#setpointC - this.#supplyC;
    const active = this.#mode === MODE.automatic && this.#fan > 10;
    this.#demand = active ? clamp(this.#demand + 0.25 * error * DT_S, -100, 100) : 0;
    const output = active ? clamp(this.#demand + 4 * error, -100, 100) : 0;
    const canFreeCool = this.#outsideC < this.#roomC - 1;
    let damper = this.#mode === MODE.off ? 0 : MINIMUM_FRESH_AIR;
    if (this.#mode === MODE.ventilate) damper = 100;
    else if (active && output < 0 && canFreeCool) damper = MINIMUM_FRESH_AIR - 2 * output;
    this.#damper += clamp(clamp(damper, 0, 100) - this.#damper, -2 * DT_S, 2 * DT_S);
    const beyondFreeCooling = canFreeCool ? -output - 40 : -output;
    this.#heating += clamp(Math.max(0, output) - this.#heating, -5 * DT_S, 5 * DT_S);
    this.#cooling += clamp(Math.max(0, active ? beyondFreeCooling : 0) - this.#cooling, -5 * DT_S, 5 * DT_S);
  }

  #stepAir(occupied: number): void {
    const air = this.#fan / 100;
    const fresh = this.#damper / 100;
    const mixedC = fresh * this.#outsideC + (1 - fresh) * this.#roomC;
    const treatedC = mixedC + (HEATER_K * this.#heating - COOLER_K * this.#cooling) / 100 + FAN_HEAT_K * air;
    // A still fan leaves the duct to drift to the room's temperature.
    const targetC = air > 0.05 ? treatedC : this.#roomC;
    this.#supplyC += ((targetC - this.#supplyC) * DT_S) / (COIL_TIME_S / Math.max(air, 0.1));
    const gainsK = 3 + 9 * occupied;
    const equilibriumC =
      (air * this.#supplyC + WALLS * this.#outsideC + (air + WALLS) * 0.35 * gainsK) / (air + WALLS);
    this.#roomC += ((equilibriumC - this.#roomC) * (air + WALLS) * DT_S) / ROOM_TIME_S;
    this.#filter += (air * DT_S) / FILTER.lifeS;
    // Somebody changes it.
    if (this.#filter >= 1) this.#filter = 0.02;
  }

  #measure(): void {
    const normal = () => this.#noise.normal();
    const filterPa =
      (FILTER.cleanPa + (FILTER.cloggedPa - FILTER.cleanPa) * this.#filter) * (this.#fan / 85) ** 2;
    const turning = this.#fan > 1 ? 1 : 0;
    this.#reading = {
      supply: resolved(this.#supplyC + 0.04 * normal(), 0.01),
      return: resolved(this.#roomC + 0.02 * normal(), 0.01),
      outside: resolved(this.#outsideC + 0.02 * normal(), 0.01),
      filter: resolved(Math.max(0, filterPa + turning * 0.8 * normal()), 0.1),
      fan: resolved(clamp(this.#fan + turning * 0.05 * normal(), 0, 100), 0.1),
    };
  }
}
