import { anomalySentence, DetectorBank, Transition } from '@millwright/edge-models';
import {
  type DeviceSlug,
  GOOD,
  Kind,
  PointId,
  type PointNo,
  SampleBatch,
  type SampleSink,
} from '@millwright/protocol';
import type { AlarmRegister } from '../alarms/alarm-register.ts';
import { subjectOf } from '../alarms/watched-points.ts';
import type { NumberedDevice } from '../devices/line-factory.ts';
import type { Catalog, CatalogWish } from '../points/catalog.ts';
import { wishesOf } from '../points/point-kind.ts';
import type { PointsTable } from '../points/points-table.ts';

const ALARM = 'unusual';
const SUFFIX = '.score';
/** A score is reported when it moved by more than this. */
const SCORE_DEADBAND = 0.05;
const MIN_ROOM = 256;
const SCORE_ROWS = 1024;

/** A point that is watched. */
interface Watched {
  readonly no: PointNo;
  readonly device: DeviceSlug;
  readonly point: PointId;
  readonly subject: string;
  readonly unit: string | undefined;
  readonly wish: CatalogWish;
}

export interface DetectorLaneDeps {
  readonly catalog: Pick<Catalog, 'numbers'>;
  readonly points: Pick<PointsTable, 'accept' | 'configure' | 'retire'>;
  readonly alarms: Pick<AlarmRegister, 'raise' | 'clear'>;
}

/**
 * One detector on every analogue point. How unusual its last value was is a point of its own, `<point>.score`
 * (0 = usual, 1 = never like this); when it stays unusual, an alarm says so in a sentence.
 */
export class DetectorLane {
  readonly #deps: DetectorLaneDeps;
  readonly #scores = new SampleBatch(SCORE_ROWS);
  readonly #slotOfNo = new Map<PointNo, number>();
  #bank = new DetectorBank(0);
  /** By slot. */
  #watched: (Watched | undefined)[] = [];
  #scoreNo = new Uint32Array(0);
  /** By point number: slot + 1, or 0 for a point that is not watched. */
  #slots = new Uint32Array(0);
  #isFlushing = false;
  #scoreNumbers: readonly PointNo[] = [];

  constructor(deps: DetectorLaneDeps) {
    this.#deps = deps;
  }

  /** Watches the analogue points of `devices`; what was learned of a point that stays is kept while there is room. */
  async apply(devices: Iterable<NumberedDevice>): Promise<void> {
    const { catalog, points } = this.#deps;
    const watched = [...devices].flatMap(analoguePointsOf);
    const numbers = await catalog.numbers(watched.map(({ wish }) => wish));
    const kept = new Set(numbers);
    points.retire(this.#scoreNumbers.filter((no) => !kept.has(no)));
    points.configure(numbers.map((no) => ({ no, deadband: SCORE_DEADBAND })));
    this.#scoreNumbers = numbers;

    const wanted = new Set(watched.map(({ no }) => no));
    this.#end(({ no }) => !wanted.has(no));
    const fresh = watched.filter(({ no }) => !this.#slotOfNo.has(no)).length;
    if (this.#watched.length + fresh > this.#bank.capacity) this.#makeRoom(watched.length);
    const highest = watched.reduce((max, { no }) => Math.max(max, no), -1);
    this.#slots = new Uint32Array(highest + 1);
    for (const [at, point] of watched.entries()) {
      const slot = this.#slotOfNo.get(point.no) ?? this.#watched.length;
      this.#slotOfNo.set(point.no, slot);
      this.#watched[slot] = point;
      this.#scoreNo[slot] = numbers[at] ?? 0;
      this.#slots[point.no] = slot + 1;
    }
  }

  readonly accept: SampleSink = (batch) => {
    const slots = this.#slots;
    for (let row = 0; row < batch.length; row++) {
      const no = batch.point[row] as number;
      const slot = (no < slots.length ? (slots[no] as number) : 0) - 1;
      if (slot < 0 || batch.quality[row] !== GOOD) continue;
      const value = numberAt(batch, row);
      if (!Number.isFinite(value)) continue;
      const transition = this.#bank.observe(slot, value);
      if (transition !== Transition.none) this.#tell(slot, value, transition);
      if (this.#scores.isFull) this.#flush();
      this.#scores.pushNumber(
        this.#scoreNo[slot] as PointNo,
        batch.tSourceMs[row] as number,
        batch.tGatewayMs[row] as number,
        this.#bank.score(slot),
      );
    }
    this.#flush();
  };

  /** The scores come back here through the table, as samples of all points do. */
  #flush(): void {
    if (this.#scores.length === 0 || this.#isFlushing) return;
    this.#isFlushing = true;
    try {
      this.#deps.points.accept(this.#scores);
    } finally {
      this.#isFlushing = false;
      this.#scores.clear();
    }
  }

  #tell(slot: number, value: number, transition: Transition): void {
    const watched = this.#watched[slot];
    if (watched === undefined) return;
    const { device, point, subject, unit } = watched;
    const name = { device, point, alarm: ALARM };
    if (transition === Transition.raised) {
      const message = anomalySentence(subject, value, unit, this.#bank.baseline(slot));
      this.#deps.alarms.raise({ ...name, priority: 'low', kind: 'anomaly', message, value });
    } else {
      this.#deps.alarms.clear(name, `${subject} is as usual again`);
    }
  }

  /** Clears what stands of points that are no longer watched, or not by the same detector. */
  #end(isOver: (watched: Watched) => boolean): void {
    for (const [slot, watched] of this.#watched.entries()) {
      if (watched === undefined || !isOver(watched)) continue;
      const { device, point, subject } = watched;
      if (this.#bank.isRaised(slot)) {
        this.#deps.alarms.clear({ device, point, alarm: ALARM }, `${subject} is watched anew`);
      }
      this.#watched[slot] = undefined;
      this.#slotOfNo.delete(watched.no);
    }
  }

  /** A larger bank knows nothing yet: every detector learns anew. */
  #makeRoom(points: number): void {
    this.#end(() => true);
    const room = Math.max(MIN_ROOM, 2 * points);
    this.#bank = new DetectorBank(room);
    this.#scoreNo = new Uint32Array(room);
    this.#watched = [];
    this.#slotOfNo.clear();
  }
}

function analoguePointsOf(device: NumberedDevice): Watched[] {
  const { spec, numbers } = device;
  return [...wishesOf(spec)].flatMap(([id, wish]) => {
    const no = numbers.get(id);
    const score = PointId.safeParse(`${id}${SUFFIX}`);
    if (no === undefined || !isAnalogue(wish) || !score.success || spec.points[score.data] !== undefined)
      return [];
    const label = `${wish.label ?? id}: how unusual`.slice(0, 200);
    return {
      no,
      device: spec.id,
      point: id,
      subject: subjectOf(spec, id),
      unit: wish.unit,
      wish: { device: spec.id, point: score.data, kind: 'float64' as const, class: 'score' as const, label },
    };
  });
}

/** Counters only rise, states only switch: neither has a usual level. */
function isAnalogue({ kind, class: behaviour }: CatalogWish): boolean {
  return kind !== 'bool' && kind !== 'text' && (behaviour === undefined || behaviour === 'measurement');
}

function numberAt(batch: SampleBatch, row: number): number {
  const kind = batch.kind[row];
  if (kind === Kind.float64) return batch.value[row] as number;
  const low = (batch.words[2 * row] as number) >>> 0;
  const high = batch.words[2 * row + 1] as number;
  if (kind === Kind.int64) return high * 0x1_0000_0000 + low;
  return kind === Kind.uint64 ? (high >>> 0) * 0x1_0000_0000 + low : Number.NaN;
}
