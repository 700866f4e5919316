import {
  bad,
  type ComputedPoint,
  type DeviceSlug,
  type DeviceSpec,
  describedPoint,
  describedPoints,
  GOOD,
  isExpressionName,
  type PointId,
  type PointNo,
  type QualityByte,
  qualityByte,
  qualityOf,
  reasonOf,
  SampleBatch,
  type SampleSink,
  type Value,
  valueTypeOf,
} from '@millwright/protocol';
import type { Expression, ExpressionInputs } from '@millwright/protocol/expression';
import type { PointsTable } from './points-table.ts';

const NOT_YET_READ = bad('not-yet-read');
const NOT_COMPUTABLE = bad('not-computable');

interface NumberedDevice {
  readonly spec: DeviceSpec;
  readonly numbers: ReadonlyMap<PointId, PointNo>;
}

/** One computed point, and the points whose news make it new. */
interface Computation {
  readonly no: PointNo;
  readonly expression: Expression;
  /** What the expression may read, in the order it was compiled with; undefined where there is no such point. */
  readonly inputs: readonly (PointNo | undefined)[];
  readonly reads: readonly PointNo[];
  /** Computed after everything of a lower rank. */
  rank: number;
  isDirty: boolean;
}

/**
 * Works out points from others in the turn in which one of these gets a sample, each once per batch, and hands them to the
 * table as a driver would: all that follows takes them for ordinary points.
 *
 * The result has the times of its newest input and is as good as its worst. A bad input makes it bad with the input's
 * reason; what cannot be worked out (a division by zero) is bad with `not-computable`. Nothing is said before every input
 * has been read once.
 */
export class ComputedPoints {
  readonly #points: PointsTable;
  readonly #sight: Sight;
  /** Indexed by point number: what rests on the point. */
  #restingOn: (Computation[] | undefined)[] = [];
  #queues: Computation[][] = [];
  #batch = new SampleBatch(1);
  #isWorking = false;

  constructor(deps: { readonly points: PointsTable }) {
    this.#points = deps.points;
    this.#sight = new Sight(deps.points);
  }

  /** Loads the expression language when there is anything to compute. @throws InvalidInputError `EXPRESSION_INVALID` */
  async apply(devices: ReadonlyMap<DeviceSlug, NumberedDevice>): Promise<void> {
    const hasAny = [...devices.values()].some(({ spec }) => spec.computed !== undefined);
    const computations = hasAny
      ? computationsOf(devices, (await import('@millwright/protocol/expression')).Expression)
      : [];
    this.#restingOn = [];
    for (const computation of computations) {
      for (const no of computation.reads) {
        const resting = this.#restingOn[no] ?? [];
        this.#restingOn[no] = resting;
        resting.push(computation);
      }
    }
    rank(computations);
    const ranks = Math.max(0, ...computations.map((each) => each.rank + 1));
    this.#queues = Array.from({ length: ranks }, () => []);
    this.#batch = new SampleBatch(Math.max(1, computations.length));
    for (const computation of computations) this.#enqueue(computation);
    this.#work();
  }

  readonly accept: SampleSink = (batch) => {
    if (this.#queues.length === 0) return;
    for (let row = 0; row < batch.length; row++) {
      const resting = this.#restingOn[batch.point[row] as number];
      if (resting === undefined) continue;
      for (let i = 0; i < resting.length; i++) this.#enqueue(resting[i] as Computation);
    }
    this.#work();
  };

  #enqueue(computation: Computation): void {
    if (computation.isDirty) return;
    computation.isDirty = true;
    this.#queues[computation.rank]?.push(computation);
  }

  /** Lower ranks first: what they yield comes back here and makes higher ones dirty. */
  #work(): void {
    if (this.#isWorking) return;
    this.#isWorking = true;
    try {
      for (const queue of this.#queues) {
        if (queue.length === 0) continue;
        this.#batch.clear();
        for (const computation of queue) {
          computation.isDirty = false;
          this.#compute(computation);
        }
        queue.length = 0;
        if (this.#batch.length > 0) this.#points.accept(this.#batch);
      }
    } finally {
      this.#isWorking = false;
    }
  }

  #compute({ no, expression, inputs, reads }: Computation): void {
    const points = this.#points;
    let tSourceMs = Number.NEGATIVE_INFINITY;
    let tGatewayMs = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < reads.length; i++) {
      const input = reads[i] as PointNo;
      if (points.isBlank(input)) return;
      tSourceMs = Math.max(tSourceMs, points.tSourceMs(input));
      tGatewayMs = Math.max(tGatewayMs, points.tGatewayMs(input));
    }
    const sight = this.#sight;
    sight.begin(inputs);
    const { value, quality } = expression.evaluate(sight);
    if (quality === 'bad' || value === null) {
      this.#batch.pushNull(no, tSourceMs, tGatewayMs, sight.worstIs('bad') ? sight.worst : NOT_COMPUTABLE);
      return;
    }
    const uncertain = sight.worstIs('uncertain') ? sight.worst : qualityByte('uncertain');
    this.#batch.push(no, tSourceMs, tGatewayMs, value, quality === 'good' ? GOOD : uncertain);
  }
}

/** What an expression sees of the table, and the worst of what it looked at. */
class Sight implements ExpressionInputs {
  worst: QualityByte = GOOD;
  readonly #points: PointsTable;
  #inputs: readonly (PointNo | undefined)[] = [];

  constructor(points: PointsTable) {
    this.#points = points;
  }

  begin(inputs: readonly (PointNo | undefined)[]): void {
    this.#inputs = inputs;
    this.worst = GOOD;
  }

  worstIs(quality: 'uncertain' | 'bad'): boolean {
    return qualityOf(this.worst) === quality && reasonOf(this.worst) !== 'none';
  }

  value(input: number): Value {
    const no = this.#inputs[input];
    return no === undefined ? null : this.#points.value(no);
  }

  quality(input: number): QualityByte {
    const no = this.#inputs[input];
    const quality = no === undefined ? NOT_YET_READ : this.#points.quality(no);
    if ((quality & 3) > (this.worst & 3)) this.worst = quality;
    return quality;
  }

  ageMs(input: number): number {
    const no = this.#inputs[input];
    return no === undefined ? Number.POSITIVE_INFINITY : this.#points.ageMs(no);
  }
}

function computationsOf(
  devices: ReadonlyMap<DeviceSlug, NumberedDevice>,
  language: typeof Expression,
): Computation[] {
  const numberOf = (ref: string): PointNo | undefined => {
    const [device = '', point = ''] = ref.split('/');
    return devices.get(device as DeviceSlug)?.numbers.get(point as PointId);
  };
  const computations: Computation[] = [];
  for (const { spec, numbers } of devices.values()) {
    for (const [id, point] of Object.entries(spec.computed ?? {})) {
      const no = numbers.get(id as PointId);
      if (no === undefined) continue;
      const named = namesFor(spec, point, devices);
      const expression = language.compile(point.compute, {
        inputs: Object.fromEntries(named.map(({ name, type }) => [name, type])),
        result: point.as === 'float64' ? 'number' : point.as,
      });
      const inputs = named.map(({ ref }) => numberOf(ref));
      const read = new Set(expression.reads);
      const reads = inputs.filter(
        (each, at): each is PointNo => each !== undefined && read.has(named[at]?.name ?? ''),
      );
      computations.push({ no, expression, inputs, reads, rank: 0, isDirty: false });
    }
  }
  return computations;
}

interface Named {
  readonly name: string;
  readonly type: ReturnType<typeof valueTypeOf>;
  /** `device/point`. */
  readonly ref: string;
}

/** Points of other devices by the names given to them, and the device's own. */
function namesFor(
  spec: DeviceSpec,
  { inputs = {} }: ComputedPoint,
  devices: ReadonlyMap<DeviceSlug, NumberedDevice>,
): Named[] {
  const foreign = Object.entries(inputs).map(([name, ref]): Named => {
    const [device = '', id = ''] = ref.split('/');
    const other = devices.get(device as DeviceSlug)?.spec;
    const point = other && describedPoint(other, id as PointId);
    return { name, ref, type: point === undefined ? 'number' : valueTypeOf(point) };
  });
  const own = [...describedPoints(spec)]
    .filter(([id]) => isExpressionName(id) && !Object.hasOwn(inputs, id))
    .map(([id, point]): Named => ({ name: id, ref: `${spec.id}/${id}`, type: valueTypeOf(point) }));
  return [...foreign, ...own];
}

/** Inputs before what rests on them; device files with circles are refused before. */
function rank(computations: readonly Computation[]): void {
  const byNo = new Map(computations.map((each) => [each.no, each]));
  const ranked = new Set<Computation>();
  const visit = (computation: Computation): number => {
    if (ranked.has(computation)) return computation.rank;
    ranked.add(computation);
    for (const no of computation.reads) {
      const input = byNo.get(no);
      if (input !== undefined) computation.rank = Math.max(computation.rank, visit(input) + 1);
    }
    return computation.rank;
  };
  for (const computation of computations) visit(computation);
}
