import { UnitCode } from '@millwright/protocol';
import type { FoundModel } from './chain.ts';
import type { Model, ModelGroup, ModelPoint } from './models.ts';

/** A point in the words of a device file. */
export type PointText = Readonly<Record<string, unknown>>;

export interface DescribedModel {
  readonly points: ReadonlyMap<string, PointText>;
  /** How many points the device does not have, and how many could be written. */
  readonly absent: number;
  readonly writable: number;
}

/** SunSpec's types in ours, with the raw numbers that say "not here". @see Specification V1.1 §4.2 */
const TYPES: Readonly<Record<string, { readonly as: string; readonly invalid?: number }>> = {
  int16: { as: 'int16', invalid: -0x8000 },
  uint16: { as: 'uint16', invalid: 0xffff },
  count: { as: 'uint16', invalid: 0xffff },
  acc16: { as: 'uint16' },
  enum16: { as: 'uint16', invalid: 0xffff },
  bitfield16: { as: 'uint16', invalid: 0xffff },
  int32: { as: 'int32', invalid: -0x8000_0000 },
  uint32: { as: 'uint32', invalid: 0xffff_ffff },
  acc32: { as: 'uint32' },
  enum32: { as: 'uint32', invalid: 0xffff_ffff },
  bitfield32: { as: 'uint32', invalid: 0xffff_ffff },
  int64: { as: 'int64' },
  uint64: { as: 'uint64' },
  acc64: { as: 'uint64' },
  float32: { as: 'float32' },
  float64: { as: 'float64' },
  string: { as: 'text' },
  sunssf: { as: 'int16', invalid: -0x8000 },
};
/** Their units that are not spelt as UCUM spells them; what is in neither has none. */
const UNITS: Readonly<Record<string, string>> = {
  C: 'Cel',
  Pct: '%',
  Wh: 'W.h',
  VA: 'V.A',
  VAh: 'V.A.h',
  Ah: 'A.h',
  Secs: 's',
  Degrees: 'deg',
  Deg: 'deg',
};
/** Words such as `cos()` are theirs, and no unit. */
const UNIT_LIKE = /^[A-Za-z0-9/.%]+$/;
const MOST_REPEATS = 1000;
const LIVE = 'live';
const FIXED = 'fixed';

/**
 * A model's points as a device file describes them.
 * @param prefix of their names: `m103`
 */
export function describeModel(model: Model, found: FoundModel, prefix: string): DescribedModel {
  const { words } = found;
  const points = new Map<string, PointText>();
  let absent = 0;
  let writable = 0;
  let cursor = 0;
  if (words !== undefined) walk(model.group, prefix, undefined, words);
  return { points: withoutIdle(points), absent, writable };

  function walk(group: ModelGroup, name: string, outer: Scope | undefined, all: Uint16Array): void {
    const scope: Scope = { outer, places: new Map() };
    for (const point of group.points) {
      scope.places.set(point.name, { at: cursor, id: `${name}_${snake(point.name)}`, point });
      cursor += point.size;
    }
    for (const place of scope.places.values()) {
      if (place.at + place.point.size > all.length || isBookkeeping(place.point)) continue;
      const text = describePoint(place, scope, all, found.address);
      if (text === undefined) absent++;
      else {
        points.set(place.id, text);
        if (place.point.access === 'RW') writable++;
      }
    }
    for (const inner of group.groups) {
      const repeats = Math.min(MOST_REPEATS, repeatsOf(inner, scope, all));
      for (let nth = 1; nth <= repeats && cursor < all.length; nth++) {
        walk(inner, `${name}_${snake(inner.name)}${repeats > 1 ? `_${nth}` : ''}`, scope, all);
      }
    }
  }

  function repeatsOf(group: ModelGroup, scope: Scope, all: Uint16Array): number {
    const { count = 1 } = group;
    if (count === 0) {
      const size = group.points.reduce((sum, point) => sum + point.size, 0);
      return size === 0 ? 0 : Math.floor((all.length - cursor) / size);
    }
    if (typeof count === 'number') return count;
    const place = find(scope, count);
    const said = place === undefined ? undefined : all[place.at];
    return said === undefined || said === 0xffff ? 0 : said;
  }
}

interface Place {
  /** Registers from the model's first. */
  readonly at: number;
  readonly id: string;
  readonly point: ModelPoint;
}

interface Scope {
  readonly outer: Scope | undefined;
  readonly places: Map<string, Place>;
}

function find(scope: Scope | undefined, name: string): Place | undefined {
  return scope === undefined ? undefined : (scope.places.get(name) ?? find(scope.outer, name));
}

/** @returns undefined when the device does not have it */
function describePoint(
  { at, point }: Place,
  scope: Scope,
  words: Uint16Array,
  address: number,
): PointText | undefined {
  const type = TYPES[point.type];
  if (type === undefined || isAbsent(point, words.subarray(at, at + point.size))) return undefined;
  const { label, units, sf, symbols } = point;
  const scale = typeof sf === 'number' ? scaleOf(sf) : undefined;
  const factor = typeof sf === 'string' ? find(scope, sf) : undefined;
  const isUnscaled =
    factor !== undefined &&
    (factor.at >= words.length || isAbsent(factor.point, words.subarray(factor.at, factor.at + 1)));
  if (isUnscaled) return undefined;
  const unit = unitOf(units);
  const isFixed = point.static === 'S' && point.type !== 'sunssf';
  const enumeration = point.type.startsWith('enum') && symbols !== undefined && symbols.length > 0;
  return {
    at: address + at,
    as: type.as,
    ...(type.as === 'text' ? { length: Math.min(60, point.size) } : {}),
    ...(type.invalid === undefined ? {} : { invalid: type.invalid }),
    ...(scale === undefined || scale === 1 ? {} : { scale }),
    ...(factor === undefined ? {} : { scaleFrom: factor.id }),
    ...(unit === undefined ? {} : { unit }),
    ...(label === undefined ? {} : { label: label.slice(0, 200) }),
    ...(enumeration
      ? { enum: Object.fromEntries(symbols.map(({ name, value }) => [String(value), name])) }
      : {}),
    ...(point.type.startsWith('acc') ? { class: 'total_increasing' } : {}),
    scan: isFixed ? FIXED : LIVE,
  };
}

/** Id, length and padding say nothing about the machine. */
function isBookkeeping({ name, type }: ModelPoint): boolean {
  return type === 'pad' || name === 'ID' || name === 'L';
}

function isAbsent({ type }: ModelPoint, words: Uint16Array): boolean {
  const all = (word: number) => words.every((each) => each === word);
  const [first = 0, ...others] = words;
  switch (type) {
    case 'int16':
    case 'sunssf':
    case 'int32':
    case 'int64':
      return first === 0x8000 && others.every((each) => each === 0);
    case 'float32':
      return (first & 0x7f80) === 0x7f80 && ((first & 0x7f) !== 0 || others.some((each) => each !== 0));
    case 'float64':
      return (first & 0x7ff0) === 0x7ff0 && ((first & 0xf) !== 0 || others.some((each) => each !== 0));
    case 'string':
      return all(0) || all(0xffff);
    case 'acc16':
    case 'acc32':
    case 'acc64':
      return false;
    default:
      return all(0xffff);
  }
}

/** Factors that no point needs are left out. */
function withoutIdle(points: Map<string, PointText>): ReadonlyMap<string, PointText> {
  const needed = new Set([...points.values()].map(({ scaleFrom }) => scaleFrom));
  return new Map([...points].filter(([id]) => !id.endsWith('_sf') || needed.has(id)));
}

function scaleOf(exponent: number): number {
  return exponent < 0 ? 1 / 10 ** -exponent : 10 ** exponent;
}

function unitOf(units: string | undefined): string | undefined {
  if (units === undefined) return undefined;
  if (units.startsWith('%')) return '%';
  const code = UNITS[units] ?? units;
  if (!UNIT_LIKE.test(code)) return undefined;
  return UnitCode.safeParse(code).success ? code : undefined;
}

function snake(name: string): string {
  return name.replace(/[^A-Za-z0-9]+/g, '_').toLowerCase();
}
