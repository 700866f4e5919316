import type { Value } from '@millwright/protocol';
import { clamp, type Machine, numberWithin, resolved, STEP_MS } from '../machine.ts';
import { Random, Wander } from '../random.ts';
import { TimeOfDay } from './time-of-day.ts';

export interface RoomConfig {
  readonly seed: number;
  /** Rooms of one seed differ by name. */
  readonly name: string;
  /** Epoch ms at which the simulation begins: people follow the time of day. */
  readonly startMs: number;
}

const DT_S = STEP_MS / 1000;
const OUTSIDE_PPM = 420;
/** A seated person in an office of this size. */
const PPM_PER_PERSON_S = 0.11;
const BATTERY_LIFE_S = 400 * 86_400;

/** People come and go through a door, breathe, and warm the air. With a thermostat, its relay switches a heater. */
export class Room implements Machine {
  readonly #random: Random;
  readonly #noise: Random;
  readonly #weather: Wander;
  readonly #time: TimeOfDay;
  readonly #places: number;
  #people = 0;
  #doorLeftS = 0;
  #ppm = 480;
  #temperatureC: number;
  #waterGPerM3 = 8.2;
  #battery: number;
  #setpointC = 21;
  #automatic = true;
  #relay = false;
  #reading = { temperature: 21, humidity: 45, co2: 480 };

  constructor({ seed, name, startMs }: RoomConfig) {
    this.#random = new Random(seed, `room/${name}`);
    this.#noise = new Random(seed, `room/${name}/noise`);
    this.#weather = new Wander(new Random(seed, `room/${name}/weather`), { deviation: 1.5, timeS: 5400 });
    this.#time = new TimeOfDay(startMs);
    this.#places = Math.round(this.#random.uniform(2, 7));
    this.#people = Math.round(this.#places * 0.6 * this.#time.working);
    this.#temperatureC = this.#random.uniform(19.5, 22.5);
    this.#battery = this.#random.uniform(35, 100);
  }

  readonly values: Readonly<Record<string, () => Value>> = {
    temperature: () => this.#reading.temperature,
    humidity: () => this.#reading.humidity,
    co2: () => this.#reading.co2,
    door: () => this.#doorLeftS > 0,
    battery: () => resolved(this.#battery, 0.1),
    setpoint: () => this.#setpointC,
    relay: () => this.#relay,
    automatic: () => this.#automatic,
  };

  readonly commands: Readonly<Record<string, (value: Value) => boolean>> = {
    setpoint: (value) => {
      const setpoint = numberWithin(value, 5, 30);
      if (setpoint !== undefined) this.#setpointC = setpoint;
      return setpoint !== undefined;
    },
    relay: (value) => {
      if (typeof value !== 'boolean') return false;
      this.#automatic = false;
      this.#relay = value;
      return true;
    },
    automatic: (value) => {
      if (typeof value !== 'boolean') return false;
      this.#automatic = value;
      return true;
    },
  };

  step(): void {
    this.#time.step();
    this.#stepPeople();
    const open = this.#doorLeftS > 0;
    const airPerS = (open ? 1 / 240 : 1 / 1500) * DT_S;
    this.#ppm += this.#people * PPM_PER_PERSON_S * DT_S + (OUTSIDE_PPM - this.#ppm) * airPerS;
    const outsideC = 11 + 6 * this.#time.warmth + this.#weather.advance(DT_S);
    if (this.#automatic) {
      if (this.#temperatureC < this.#setpointC - 0.25) this.#relay = true;
      if (this.#temperatureC > this.#setpointC + 0.25) this.#relay = false;
    }
    const restC = 0.75 * 20.5 + 0.25 * outsideC + 0.35 * this.#people + (this.#relay ? 6 : 0);
    this.#temperatureC +=
      ((restC - this.#temperatureC) * DT_S) / 2400 + (open ? (20 - this.#temperatureC) * DT_S * 2e-4 : 0);
    const restWater = 7.4 + 0.35 * this.#people;
    this.#waterGPerM3 += (restWater - this.#waterGPerM3) * (airPerS + DT_S / 7200);
    this.#battery = this.#battery <= 5 ? 100 : this.#battery - (100 * DT_S) / BATTERY_LIFE_S;
    this.#measure();
  }

  #stepPeople(): void {
    this.#doorLeftS -= DT_S;
    const wanted = this.#places * 0.8 * this.#time.working;
    const perS = (0.15 + this.#time.working) / 180;
    if (!this.#random.chance(perS * DT_S)) return;
    const comes = this.#random.chance(clamp(0.5 + (wanted - this.#people) / (2 * this.#places), 0.05, 0.95));
    const next = clamp(this.#people + (comes ? 1 : -1), 0, this.#places);
    if (next === this.#people) return;
    this.#people = next;
    this.#doorLeftS = this.#random.uniform(4, 30);
  }

  #measure(): void {
    const temperatureC = this.#temperatureC + 0.015 * this.#noise.normal();
    // Magnus' formula for saturation pressure, as mass of water in the air.
    const saturationHpa = 6.112 * Math.exp((17.62 * temperatureC) / (243.12 + temperatureC));
    const saturationGPerM3 = (216.7 * saturationHpa) / (273.15 + temperatureC);
    const humidity = (100 * this.#waterGPerM3) / saturationGPerM3;
    this.#reading = {
      temperature: resolved(temperatureC, 0.01),
      humidity: resolved(clamp(humidity + 0.1 * this.#noise.normal(), 0, 100), 0.1),
      co2: resolved(Math.max(380, this.#ppm + 2 * this.#noise.normal()), 1),
    };
  }
}
