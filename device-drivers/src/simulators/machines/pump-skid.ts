import type { Value } from '@millwright/protocol';
import { clamp, type Machine, numberWithin, resolved, STEP_MS } from '../machine.ts';
import { Random, Wander } from '../random.ts';

export interface PumpSkidConfig {
  readonly seed: number;
  /** Mean time between the beginnings of anomalies; absent: 15 minutes; 0: none. */
  readonly anomalyEveryMs?: number;
}

const DT_S = STEP_MS / 1000;
const GRAVITY = 9.81;
const DENSITY = 998;
/** Pump: 2,950 rev/min, 60 m³/h at 40 m, 52 m against a closed valve. */
const RATED = { speed: 2950, flow: 60, shutoffHead: 52, dropPerFlow2: 12 / 60 ** 2 } as const;
const STATIC_HEAD_M = 12;
const PIPE_LOSS = 20 / 60 ** 2;
/** Loss of the open control valve and its equal-percentage characteristic. */
const VALVE = { loss: 8 / 60 ** 2, rangeability: 30 } as const;
const TANK = { heightM: 3, areaM2: 4 } as const;
const BEARING_TIME_S = 240;
const SERVICE_S = 180;
const TRIP = { none: 0, dryRunning: 1, bearingTemperature: 2, vibration: 3 } as const;

/**
 * A centrifugal pump that lifts water from a tank through a control valve. Flow follows from the pump's and the
 * pipe's curves, power from flow and head, heat from power and wear. Now and then its suction strainer clogs
 * (cavitation) or a bearing is damaged, then wears out until it trips and is replaced.
 */
export class PumpSkid implements Machine {
  readonly #random: Random;
  readonly #noise: Random;
  readonly #inflow: Wander;
  readonly #ambient: Wander;
  readonly #anomalyEveryS: number;
  #anomalyInS: number;
  #run = true;
  #speedSetpoint = 2800;
  #valveSetpoint = 85;
  #speed = 0;
  #valve = 85;
  #flow = 0;
  #head = 0;
  #levelM = 0.65 * TANK.heightM;
  #suctionBar = 0;
  #powerKw = 0;
  #currentA = 0;
  #vibration = 0;
  #bearingC = 26;
  /** 0 new … 1 worn out. */
  #wear = 0.04;
  #damagePerS = 0;
  #clogged = 0;
  #clogTarget = 0;
  #clogLeftS = 0;
  #cavitation = 0;
  #trip: number = TRIP.none;
  #serviceLeftS = 0;
  #hotS = 0;
  #shakingS = 0;
  #dryS = 0;
  #hours: number;
  #starts: number;
  #reading = {
    flow: 0,
    suction: 0,
    discharge: 0,
    head: 0,
    current: 0,
    power: 0,
    vibration: 0,
    bearing: 26,
    level: 0,
  };

  constructor(config: PumpSkidConfig) {
    const { seed, anomalyEveryMs = 15 * 60_000 } = config;
    this.#random = new Random(seed, 'pump-skid');
    this.#noise = new Random(seed, 'pump-skid/noise');
    this.#inflow = new Wander(new Random(seed, 'pump-skid/inflow'), { deviation: 4, timeS: 300 });
    this.#ambient = new Wander(new Random(seed, 'pump-skid/ambient'), { deviation: 1.5, timeS: 3600 });
    this.#anomalyEveryS = anomalyEveryMs / 1000;
    this.#anomalyInS = this.#nextAnomaly();
    this.#hours = resolved(this.#random.uniform(800, 9000), 0.01);
    this.#starts = Math.round(this.#random.uniform(20, 400));
  }

  /** What is wrong with it now; a detector has to find it out. */
  get condition(): { readonly cavitation: number; readonly wear: number } {
    return { cavitation: this.#cavitation, wear: this.#wear };
  }

  readonly values: Readonly<Record<string, () => Value>> = {
    flow: () => this.#reading.flow,
    suction_pressure: () => this.#reading.suction,
    discharge_pressure: () => this.#reading.discharge,
    head: () => this.#reading.head,
    speed: () => resolved(this.#speed, 1),
    motor_current: () => this.#reading.current,
    power: () => this.#reading.power,
    vibration: () => this.#reading.vibration,
    bearing_temperature: () => this.#reading.bearing,
    tank_level: () => this.#reading.level,
    valve_position: () => resolved(this.#valve, 0.1),
    running_hours: () => this.#hours,
    starts: () => this.#starts,
    trip: () => this.#trip,
    running: () => this.#speed > 30,
    run: () => this.#run,
    speed_setpoint: () => this.#speedSetpoint,
    valve_setpoint: () => this.#valveSetpoint,
  };

  readonly commands: Readonly<Record<string, (value: Value) => boolean>> = {
    run: (value) => {
      if (typeof value !== 'boolean') return false;
      if (value && !this.#run) this.#trip = this.#serviceLeftS > 0 ? this.#trip : TRIP.none;
      this.#run = value;
      return true;
    },
    speed_setpoint: (value) => {
      const speed = numberWithin(value, 0, 3000);
      if (speed !== undefined) this.#speedSetpoint = speed;
      return speed !== undefined;
    },
    valve_setpoint: (value) => {
      const valve = numberWithin(value, 0, 100);
      if (valve !== undefined) this.#valveSetpoint = valve;
      return valve !== undefined;
    },
  };

  step(): void {
    this.#stepAnomalies();
    this.#stepDrive();
    this.#stepHydraulics();
    this.#stepMechanics();
    this.#stepProtection();
    this.#measure();
  }

  #nextAnomaly(): number {
    return this.#anomalyEveryS > 0 ? this.#random.exponential(this.#anomalyEveryS) : Number.POSITIVE_INFINITY;
  }

  #stepAnomalies(): void {
    this.#anomalyInS -= DT_S;
    if (this.#anomalyInS <= 0) {
      this.#anomalyInS = this.#nextAnomaly();
      if (this.#random.chance(0.85)) {
        this.#clogTarget = this.#random.uniform(0.55, 1);
        this.#clogLeftS = this.#random.uniform(40, 150);
      } else if (this.#damagePerS === 0) {
        // Worn out in 10 to 40 minutes.
        this.#damagePerS = 1 / this.#random.uniform(600, 2400);
      }
    }
    this.#clogLeftS -= DT_S;
    const target = this.#clogLeftS > 0 ? this.#clogTarget : 0;
    this.#clogged += ((target - this.#clogged) * DT_S) / 6;
  }

  #stepDrive(): void {
    const target = this.#run && this.#trip === TRIP.none ? this.#speedSetpoint : 0;
    if (target > 0 && this.#speed < 1) this.#starts = (this.#starts + 1) % 65_536;
    const rampUp = 400 * DT_S;
    const rampDown = 250 * DT_S;
    this.#speed += clamp(target - this.#speed, -rampDown, rampUp);
    this.#valve += clamp(this.#valveSetpoint - this.#valve, -8 * DT_S, 8 * DT_S);
    if (this.#speed > 30) this.#hours += DT_S / 3600;
  }

  #stepHydraulics(): void {
    const ratio = this.#speed / RATED.speed;
    const opening = clamp(this.#valve / 100, 0, 1);
    const relativeCv = opening < 0.01 ? 0 : VALVE.rangeability ** (opening - 1);
    const flow2 = this.#flow * Math.abs(this.#flow);
    const healthyHead = RATED.shutoffHead * ratio ** 2 - RATED.dropPerFlow2 * flow2;
    // Suction: atmosphere and level against strainer losses; the pump needs more the more it delivers.
    const lossM = (0.8 + 13 * this.#clogged) * (this.#flow / RATED.flow) ** 2;
    const available = 10.1 + this.#levelM - 0.3 - lossM;
    const required = 2.4 + 3.6 * (this.#flow / RATED.flow) ** 2;
    this.#suctionBar = ((this.#levelM - lossM) * DENSITY * GRAVITY) / 1e5 + 0.05;
    this.#cavitation = ratio < 0.2 ? 0 : clamp((required + 1 - available) / 3, 0, 1);
    this.#head = Math.max(0, healthyHead * (1 - 0.3 * this.#cavitation) * (1 - 0.08 * this.#wear));
    const against =
      relativeCv === 0
        ? Number.POSITIVE_INFINITY
        : STATIC_HEAD_M - this.#levelM + (PIPE_LOSS + VALVE.loss / relativeCv ** 2) * flow2;
    // The water column's inertia; the check valve lets nothing back.
    const pull = clamp((this.#head - against) * 1.2, -60, 60);
    this.#flow = Number.isFinite(against) ? Math.max(0, this.#flow + pull * DT_S) : 0;
    const makeUp = 52 + this.#inflow.advance(DT_S) + 90 * (0.65 - this.#levelM / TANK.heightM);
    const net = (Math.max(0, makeUp) - this.#flow) / 3600;
    this.#levelM = clamp(this.#levelM + (net / TANK.areaM2) * DT_S, 0, TANK.heightM);
  }

  #stepMechanics(): void {
    const ratio = this.#speed / RATED.speed;
    const offDesign = this.#flow / (RATED.flow * Math.max(ratio, 0.05)) - 1;
    const efficiency = clamp(0.74 * (1 - 0.55 * offDesign ** 2) * (1 - 0.1 * this.#cavitation), 0.12, 0.74);
    const hydraulicKw = (DENSITY * GRAVITY * (this.#flow / 3600) * this.#head) / 1000;
    const frictionKw = (0.5 + 0.9 * this.#wear) * ratio ** 2;
    this.#powerKw = hydraulicKw / efficiency + frictionKw;
    const activeA = (this.#powerKw * 1000) / (Math.sqrt(3) * 400 * 0.91);
    this.#currentA = ratio < 0.01 ? 0 : Math.hypot(activeA, 5.5 * Math.min(1, ratio + 0.2));
    this.#wear +=
      DT_S * (ratio > 0.1 ? 1.5e-6 * (1 + 3 * this.#cavitation) + this.#damagePerS * (0.3 + this.#wear) : 0);
    const running = ratio > 0.01 ? 1 : 0;
    this.#vibration =
      running *
      (0.25 +
        1.1 * ratio ** 2 +
        0.9 * offDesign ** 2 * ratio +
        3.4 * this.#cavitation +
        6.5 * this.#wear ** 1.5);
    const heatC = 21 * ratio ** 2 + 52 * this.#wear * ratio + 4 * this.#cavitation;
    const restC = 24 + this.#ambient.advance(DT_S);
    this.#bearingC += ((restC + heatC - this.#bearingC) * DT_S) / BEARING_TIME_S;
  }

  #stepProtection(): void {
    if (this.#serviceLeftS > 0) {
      this.#serviceLeftS -= DT_S;
      if (this.#serviceLeftS > 0) return;
      this.#wear = 0.03;
      this.#damagePerS = 0;
      this.#trip = TRIP.none;
    }
    const lasts = (since: number, now: boolean) => (now ? since + DT_S : 0);
    this.#hotS = lasts(this.#hotS, this.#bearingC > 95);
    this.#shakingS = lasts(this.#shakingS, this.#vibration > 9.5);
    this.#dryS = lasts(this.#dryS, this.#levelM < 0.08 * TANK.heightM && this.#speed > 300);
    if (this.#trip !== TRIP.none) return;
    if (this.#dryS > 5) this.#trip = TRIP.dryRunning;
    if (this.#hotS > 5) this.#trip = TRIP.bearingTemperature;
    if (this.#shakingS > 10) this.#trip = TRIP.vibration;
    if (this.#trip === TRIP.bearingTemperature || this.#trip === TRIP.vibration)
      this.#serviceLeftS = SERVICE_S;
  }

  #measure(): void {
    const noise = this.#noise;
    const rough = 1 + 6 * this.#cavitation;
    const turning = this.#speed > 30 ? 1 : 0;
    const discharge = this.#suctionBar + (this.#head * DENSITY * GRAVITY) / 1e5;
    this.#reading = {
      flow: resolved(Math.max(0, this.#flow + turning * 0.12 * rough * noise.normal()), 0.01),
      suction: resolved(this.#suctionBar + turning * 0.002 * rough * noise.normal(), 0.001),
      discharge: resolved(discharge + turning * 0.008 * rough * noise.normal(), 0.001),
      head: resolved(Math.max(0, this.#head + turning * 0.08 * rough * noise.normal()), 0.01),
      current: resolved(Math.max(0, this.#currentA + turning * 0.06 * rough * noise.normal()), 0.01),
      power: resolved(Math.max(0, this.#powerKw + turning * 0.02 * rough * noise.normal()), 0.01),
      vibration: resolved(Math.max(0, this.#vibration * (1 + 0.03 * rough * noise.normal())), 0.01),
      bearing: resolved(this.#bearingC + 0.05 * noise.normal(), 0.1),
      level: resolved((100 * this.#levelM) / TANK.heightM + 0.05 * noise.normal(), 0.01),
    };
  }
}
