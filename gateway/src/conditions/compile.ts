import {
  type DeviceSlug,
  type DeviceSpec,
  InvalidInputError,
  type PointId,
  type PointNo,
  qualityByte,
  type Reason,
} from '@millwright/protocol';
import {
  Expression,
  type ExpressionInputs,
  type ExpressionType,
  isExpressionName,
} from '@millwright/protocol/expression';
import { wishesOf } from '../points/point-kind.ts';
import {
  type CompileCondition,
  type Condition,
  type ConditionPlace,
  type ConditionPoints,
  type NumberedDevice,
  pointRef,
  type Verdict,
} from './condition.ts';

const NOT_YET_READ = qualityByte('bad', 'not-yet-read');

/** A name in an expression, and the point it stands for. */
interface Input {
  readonly name: string;
  readonly type: ExpressionType;
  readonly device: DeviceSlug;
  readonly point: PointId;
}

/** Conditions over the points of these devices. */
export function conditionCompiler(
  devices: ReadonlyMap<DeviceSlug, NumberedDevice>,
  points: ConditionPoints,
): CompileCondition {
  const specs = new Map([...devices].map(([id, { spec }]) => [id, spec]));
  return (text, place) => {
    const inputs = inputsOf(place, specs);
    const expression = compile(text, inputs);
    const numbers = inputs.map(({ device, point }) => devices.get(device)?.numbers.get(point));
    return new PointCondition(expression, inputs, numbers, points);
  };
}

function compile(text: string, inputs: readonly Input[]): Expression {
  const types = Object.fromEntries(inputs.map(({ name, type }) => [name, type]));
  return Expression.compile(text, { inputs: types, result: 'bool' });
}

/** The device's own points under their names, and what is named explicitly; the latter goes first. */
function inputsOf(place: ConditionPlace, specs: ReadonlyMap<DeviceSlug, DeviceSpec>): Input[] {
  const { spec, inputs = {} } = place;
  const named = Object.entries(inputs).map(([name, ref]): Input => {
    const { device, point } = pointRef(ref);
    const other = specs.get(device);
    if (other === undefined) throw unknownPoint(name, ref, `there is no device "${device}"`);
    const type = typesOf(other).get(point);
    if (type === undefined) throw unknownPoint(name, ref, `${device} has no point "${point}"`);
    return { name, type, device, point };
  });
  const own = [...typesOf(spec)]
    .filter(([point]) => isExpressionName(point) && !Object.hasOwn(inputs, point))
    .map(([point, type]): Input => ({ name: point, type, device: spec.id, point }));
  return [...named, ...own];
}

function typesOf(spec: DeviceSpec): Map<PointId, ExpressionType> {
  return new Map(
    [...wishesOf(spec)].map(([id, { kind }]) => [id, kind === 'bool' || kind === 'text' ? kind : 'number']),
  );
}

function unknownPoint(name: string, ref: string, why: string): InvalidInputError {
  return new InvalidInputError('EXPRESSION_INVALID', `input "${name}" is ${ref}, but ${why}`);
}

class PointCondition implements Condition, ExpressionInputs {
  readonly reads: readonly PointNo[];
  readonly readsAge: boolean;
  readonly #expression: Expression;
  readonly #inputs: readonly Input[];
  readonly #numbers: readonly (PointNo | undefined)[];
  readonly #points: ConditionPoints;

  constructor(
    expression: Expression,
    inputs: readonly Input[],
    numbers: readonly (PointNo | undefined)[],
    points: ConditionPoints,
  ) {
    this.#expression = expression;
    this.#inputs = inputs;
    this.#numbers = numbers;
    this.#points = points;
    const read = new Set(expression.reads);
    this.reads = numbers.flatMap((no, at) =>
      no !== undefined && read.has(inputs[at]?.name ?? '') ? [no] : [],
    );
    this.readsAge = /\bage\s*\./.test(expression.text);
  }

  get text(): string {
    return this.#expression.text;
  }

  isRead(): boolean {
    return this.reads.every((no) => this.#points.ageMs(no) !== Number.POSITIVE_INFINITY);
  }

  judge(): Verdict {
    const { value, quality, why } = this.#expression.evaluate(this);
    const holds = typeof value === 'boolean' ? value : undefined;
    if (quality === 'good' && holds !== undefined) return { holds, isCertain: true };
    return { holds, isCertain: false, why: why ?? this.#uncertain() };
  }

  value(input: number): ReturnType<ExpressionInputs['value']> {
    const no = this.#numbers[input];
    return no === undefined ? null : (this.#points.sample(no)?.v ?? null);
  }

  quality(input: number): number {
    const no = this.#numbers[input];
    const sample = no === undefined ? undefined : this.#points.sample(no);
    return sample === undefined ? NOT_YET_READ : qualityByte(sample.q, sample.why as Reason | undefined);
  }

  ageMs(input: number): number {
    const no = this.#numbers[input];
    return no === undefined ? Number.POSITIVE_INFINITY : this.#points.ageMs(no);
  }

  #uncertain(): string {
    const read = new Set(this.#expression.reads);
    for (const [at, { name }] of this.#inputs.entries()) {
      const no = this.#numbers[at];
      const sample = read.has(name) && no !== undefined ? this.#points.sample(no) : undefined;
      if (sample !== undefined && sample.q !== 'good')
        return `${name} is ${sample.q}${sample.why === undefined ? '' : `: ${sample.why}`}`;
    }
    return 'an input is uncertain';
  }
}
