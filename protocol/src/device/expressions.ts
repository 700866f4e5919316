import { InvalidInputError } from '../errors.ts';
import type { ExpressionOptions } from '../expression/expression.ts';
import { isExpressionName } from '../expression/names.ts';
import type { AlarmRule } from './alarm.ts';
import type { ComputedPoints } from './computed-points.ts';
import type { Where } from './device-rules.ts';
import { didYouMean, type KeyPath, pathText } from './problems.ts';
import type { DeviceSpec } from './schema.ts';

/** What compiles expressions: `Expression` of `@millwright/protocol/expression`. */
export interface ExpressionLanguage {
  compile(text: string, options: ExpressionOptions): { readonly reads: readonly string[] };
}

type ValueType = ExpressionOptions['result'];
type Points = Pick<DeviceSpec, 'points'>['points'];

/** A device or type whose expressions are to be checked. */
export interface ExpressionScope {
  readonly points: Points;
  readonly computed: ComputedPoints;
}

interface Written {
  readonly path: KeyPath;
  readonly text: string;
  readonly inputs: Readonly<Record<string, string>> | undefined;
  readonly result: ValueType;
  /** The computed point it is the value of. */
  readonly computes: string | undefined;
}

/** Type of a point's values as an expression sees them. */
export function valueTypeOf(point: object): ValueType {
  const as: unknown = 'as' in point ? point.as : undefined;
  return as === 'bool' || as === 'text' ? as : 'number';
}

/** Whether anything here is an expression. */
export function hasExpressions(specs: Iterable<ExpressionScope | DeviceSpec>): boolean {
  for (const { points, computed = {} } of specs) {
    if (!writtenIn({ points, computed }).next().done) return true;
  }
  return false;
}

/**
 * Checks expressions over the points of one device: names, types, and that no point rests on itself.
 * Those that name points of other devices are left to `checkAcross`.
 */
export function checkWithin(language: ExpressionLanguage, scope: ExpressionScope, where: Where): void {
  const types = typesOf(scope);
  const rests = new Map<string, readonly string[]>();
  for (const written of writtenIn(scope)) {
    if (written.inputs !== undefined) continue;
    const reads = compile(language, written, types, where);
    if (written.computes !== undefined) rests.set(written.computes, reads);
  }
  tellCycles(rests, (id) => ({ where, id }));
}

/** One device of a site, and where it is described. */
export interface Located {
  readonly spec: DeviceSpec;
  readonly where: Where;
}

/** Checks the expressions that name points of other devices, and that no computed point rests on itself by way of one. */
export function checkAcross(language: ExpressionLanguage, located: readonly Located[]): void {
  const devices = new Map<string, Located>(located.map((each) => [each.spec.id, each]));
  const isNeeded = located.some(({ spec }) =>
    [...writtenIn(scopeOf(spec))].some(({ inputs }) => inputs !== undefined),
  );
  if (!isNeeded) return;
  const rests = new Map<string, readonly string[]>();
  for (const { spec, where } of located) {
    const scope = scopeOf(spec);
    const own = typesOf(scope);
    for (const written of writtenIn(scope)) {
      const { inputs } = written;
      if (inputs === undefined && written.computes === undefined) continue;
      const types = { ...own, ...foreignTypes(written, devices, where) };
      const silent = inputs === undefined ? undefined : where;
      const reads = compile(language, written, types, silent);
      const qualified = reads.map((name) => inputs?.[name] ?? `${spec.id}/${name}`);
      if (written.computes !== undefined) rests.set(`${spec.id}/${written.computes}`, qualified);
    }
  }
  tellCycles(rests, (ref) => {
    const [device = '', id = ''] = ref.split('/');
    const at = devices.get(device);
    return at === undefined ? undefined : { where: at.where, id };
  });
}

function scopeOf({ points, computed = {} }: DeviceSpec): ExpressionScope {
  return { points, computed };
}

function typesOf({ points, computed }: ExpressionScope): Record<string, ValueType> {
  const entries = [...Object.entries(points), ...Object.entries(computed)];
  return Object.fromEntries(entries.map(([id, point]) => [id, valueTypeOf(point)]));
}

/** What `inputs` names, told where it names nothing. */
function foreignTypes(
  { inputs = {}, path }: Written,
  devices: ReadonlyMap<string, Located>,
  where: Where,
): Record<string, ValueType> {
  const types: Record<string, ValueType> = {};
  for (const [name, ref] of Object.entries(inputs)) {
    const [device = '', id = ''] = ref.split('/');
    const spec = devices.get(device)?.spec;
    const known = spec === undefined ? {} : typesOf(scopeOf(spec));
    types[name] = known[id] ?? 'number';
    const inputPath = [...path.slice(0, -1), 'inputs', name];
    if (spec === undefined)
      tell(where, inputPath, `there is no device "${device}"${didYouMean(device, [...devices.keys()])}`);
    else if (known[id] === undefined)
      tell(where, inputPath, `"${device}" has no point "${id}"${didYouMean(id, Object.keys(known))}`);
  }
  return types;
}

function tell({ document, at, label, problems }: Where, path: KeyPath, what: string): void {
  problems.add(document.file, document.place([...at, ...path]), `${label}.${pathText(path)}`, what);
}

/** @returns the names it reads; problems are told, unless `where` is undefined because they are told already */
function compile(
  language: ExpressionLanguage,
  { text, path, result }: Written,
  types: Readonly<Record<string, ValueType>>,
  where: Where | undefined,
): readonly string[] {
  const usable = Object.entries(types).filter(([name]) => isExpressionName(name));
  try {
    return language.compile(text, { inputs: Object.fromEntries(usable), result }).reads;
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    const offset = 'offset' in error && typeof error.offset === 'number' ? error.offset : 0;
    if (where === undefined) return [];
    const { document, at, label, problems } = where;
    const place = document.placeInside([...at, ...path], text, offset);
    problems.add(document.file, place, `${label}.${pathText(path)}`, error.message);
    return [];
  }
}

function* writtenIn({ points, computed }: ExpressionScope): Generator<Written> {
  for (const [id, { compute: text, inputs, as }] of Object.entries(computed)) {
    const result = as === 'float64' ? 'number' : as;
    yield { path: ['points', id, 'compute'], text, inputs, result, computes: id };
  }
  const all: Readonly<Record<string, { readonly alarms?: Record<string, AlarmRule> | undefined }>> = {
    ...points,
    ...computed,
  };
  for (const [id, { alarms = {} }] of Object.entries(all)) {
    for (const [name, alarm] of Object.entries(alarms)) {
      for (const field of ['when', 'suppress'] as const) {
        const text = alarm[field];
        if (text === undefined) continue;
        const path = ['points', id, 'alarms', name, field];
        yield { path, text, inputs: alarm.inputs, result: 'bool', computes: undefined };
      }
    }
  }
  for (const [id, { write }] of Object.entries(points)) {
    if (write?.interlock === undefined) continue;
    const path = ['points', id, 'write', 'interlock'];
    yield { path, text: write.interlock, inputs: write.inputs, result: 'bool', computes: undefined };
  }
}

/** Tells each circle once, at the point it was found from. */
function tellCycles(
  rests: ReadonlyMap<string, readonly string[]>,
  placeOf: (name: string) => { readonly where: Where; readonly id: string } | undefined,
): void {
  const settled = new Set<string>();
  const visit = (name: string, way: readonly string[]): void => {
    const seen = way.indexOf(name);
    if (seen >= 0) {
      const place = placeOf(name);
      const circle = [...way.slice(seen), name].join(' → ');
      const what = way.length - seen === 1 ? 'rests on itself' : `rests on itself: ${circle}`;
      if (place !== undefined) tell(place.where, ['points', place.id, 'compute'], what);
      return;
    }
    if (settled.has(name)) return;
    for (const next of rests.get(name) ?? []) if (rests.has(next)) visit(next, [...way, name]);
    settled.add(name);
  };
  for (const name of rests.keys()) visit(name, []);
}
