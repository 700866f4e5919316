import type { Value } from '@millwright/protocol';
import { clamp, type Machine, numberWithin, resolved, STEP_MS } from '../machine.ts';
import { Random, Wander } from '../random.ts';
import { TimeOfDay } from './time-of-day.ts';

export interface EnergyMeterConfig {
  readonly seed: number;
  /** Epoch ms at which the simulation begins: load follows the time of day. */
  readonly startMs: number;
}

const DT_S = STEP_MS / 1000;
const PHASES = [0, 1, 2] as const;
const NOMINAL_V = 230;
/** Volts that one ampere takes on the way from the transformer. */
const DROP_V_PER_A = 0.025;
const DEMAND_TIME_S = 900;
/** Pulled when the demand limit is reached and put back when there is room for it again. */
const CHARGERS = { count: 3, kwEach: 11 } as const;

interface Phase {
  volts: number;
  amperes: number;
  kw: number;
  kva: number;
}

/**
 * A workshop's main meter: lights and sockets that follow the day, a compressor that cycles, small loads on single
 * phases, and car chargers that a demand limit sheds. Opening the breaker leaves the voltage and takes the rest.
 */
export class EnergyMeter implements Machine {
  readonly #random: Random;
  readonly #noise: Random;
  readonly #time: TimeOfDay;
  readonly #grid: Wander;
  readonly #mains: Wander;
  readonly #sockets: readonly Wander[];
  readonly #phases: Phase[] = PHASES.map(() => ({ volts: NOMINAL_V, amperes: 0, kw: 0, kva: 0 }));
  readonly #kettleLeftS = [0, 0, 0];
  #breaker = true;
  #limitKw = 120;
  #compressor = false;
  #compressorLeftS = 60;
  #chargers = 0;
  #chargersWanted = 1;
  #chargersChangeInS = 600;
  #shedForS = 0;
  #kw = 0;
  #powerFactor = 1;
  #frequency = 50;
  #demandKw: number;
  #energyWh: bigint;
  #restWh = 0;

  constructor({ seed, startMs }: EnergyMeterConfig) {
    this.#random = new Random(seed, 'energy-meter');
    this.#noise = new Random(seed, 'energy-meter/noise');
    this.#time = new TimeOfDay(startMs);
    this.#grid = new Wander(new Random(seed, 'energy-meter/grid'), { deviation: 1.4, timeS: 200 });
    this.#mains = new Wander(new Random(seed, 'energy-meter/mains'), { deviation: 0.02, timeS: 60 });
    this.#sockets = PHASES.map(
      (phase) =>
        new Wander(new Random(seed, `energy-meter/sockets/${phase}`), { deviation: 1.1, timeS: 120 }),
    );
    this.#energyWh = BigInt(Math.round(this.#random.uniform(4e7, 9e8)));
    this.#demandKw = 20;
  }

  readonly values: Readonly<Record<string, () => Value>> = {
    voltage_l1: () => this.#measured(0, 'volts', 0.1),
    voltage_l2: () => this.#measured(1, 'volts', 0.1),
    voltage_l3: () => this.#measured(2, 'volts', 0.1),
    current_l1: () => this.#measured(0, 'amperes', 0.01),
    current_l2: () => this.#measured(1, 'amperes', 0.01),
    current_l3: () => this.#measured(2, 'amperes', 0.01),
    power_l1: () => this.#measured(0, 'kw', 0.001),
    power_l2: () => this.#measured(1, 'kw', 0.001),
    power_l3: () => this.#measured(2, 'kw', 0.001),
    power: () => resolved(this.#kw, 0.001),
    power_factor: () => resolved(this.#powerFactor, 0.001),
    frequency: () => resolved(this.#frequency, 0.001),
    demand: () => resolved(this.#demandKw, 0.01),
    energy: () => Number(this.#energyWh) / 1000,
    breaker: () => this.#breaker,
    demand_limit: () => this.#limitKw,
  };

  readonly commands: Readonly<Record<string, (value: Value) => boolean>> = {
    breaker: (value) => {
      if (typeof value !== 'boolean') return false;
      this.#breaker = value;
      return true;
    },
    demand_limit: (value) => {
      const limit = numberWithin(value, 0, 400);
      if (limit !== undefined) this.#limitKw = limit;
      return limit !== undefined;
    },
  };

  step(): void {
    this.#time.step();
    this.#stepLoads();
    const grid = this.#grid.advance(DT_S);
    this.#frequency = 50 + this.#mains.advance(DT_S);
    let kw = 0;
    let kva = 0;
    for (const phase of PHASES) {
      this.#stepPhase(phase, grid);
      kw += this.#phases[phase]?.kw ?? 0;
      kva += this.#phases[phase]?.kva ?? 0;
    }
    this.#kw = kw;
    this.#powerFactor = kva > 0 ? kw / kva : 1;
    this.#demandKw += ((kw - this.#demandKw) * DT_S) / DEMAND_TIME_S;
    this.#restWh += (kw * 1000 * DT_S) / 3600;
    const whole = Math.floor(this.#restWh);
    this.#energyWh += BigInt(whole);
    this.#restWh -= whole;
  }

  #measured(phase: number, what: keyof Phase, resolution: number): number {
    return resolved(this.#phases[phase]?.[what] ?? 0, resolution);
  }

  #stepLoads(): void {
    this.#compressorLeftS -= DT_S;
    if (this.#compressorLeftS <= 0) {
      this.#compressor = !this.#compressor;
      const busy = 0.4 + 0.6 * this.#time.working;
      this.#compressorLeftS = this.#compressor
        ? this.#random.uniform(60, 180) * busy
        : this.#random.uniform(120, 400) / busy;
    }
    for (const phase of PHASES) {
      this.#kettleLeftS[phase] = (this.#kettleLeftS[phase] ?? 0) - DT_S;
      const perS = (0.1 + this.#time.working) / 500;
      if ((this.#kettleLeftS[phase] ?? 0) <= 0 && this.#random.chance(perS * DT_S)) {
        this.#kettleLeftS[phase] = this.#random.uniform(90, 240);
      }
    }
    this.#chargersChangeInS -= DT_S;
    if (this.#chargersChangeInS <= 0) {
      this.#chargersChangeInS = this.#random.exponential(1800);
      this.#chargersWanted = Math.round(this.#random.uniform(-0.4, CHARGERS.count + 0.4));
    }
    // One charger at a time, and none back at once: the limiter must not hunt.
    this.#shedForS -= DT_S;
    if (this.#kw > this.#limitKw && this.#chargers > 0) {
      this.#chargers -= 1;
      this.#shedForS = 60;
    } else if (this.#chargers > this.#chargersWanted) this.#chargers = this.#chargersWanted;
    else if (
      this.#chargers < this.#chargersWanted &&
      this.#shedForS <= 0 &&
      this.#kw + CHARGERS.kwEach < this.#limitKw
    ) {
      this.#chargers += 1;
      this.#shedForS = 5;
    }
  }

  #stepPhase(index: number, grid: number): void {
    const phase = this.#phases[index];
    const sockets = this.#sockets[index];
    if (phase === undefined || sockets === undefined) return;
    const wander = sockets.advance(DT_S);
    const lighting = 2.5 + 7 * this.#time.working + 0.8 * index;
    const resistiveKw = Math.max(0.3, lighting + wander) + ((this.#kettleLeftS[index] ?? 0) > 0 ? 2.2 : 0);
    const chargingKw = (this.#chargers * CHARGERS.kwEach) / 3;
    const motorKw = this.#compressor ? 3.7 : 0.2;
    const closed = this.#breaker ? 1 : 0;
    const kw = closed * (resistiveKw + chargingKw + motorKw) * (1 + 0.002 * this.#noise.normal());
    const kvar = closed * (0.12 * resistiveKw + 0.03 * chargingKw + (this.#compressor ? 2.3 : 0.1));
    phase.kw = kw;
    phase.kva = Math.hypot(kw, kvar);
    phase.volts =
      NOMINAL_V + grid + 0.6 * (index - 1) - DROP_V_PER_A * phase.amperes + 0.05 * this.#noise.normal();
    phase.amperes = clamp((phase.kva * 1000) / phase.volts, 0, 1000);
  }
}
