import { glob } from 'node:fs/promises';
import {
  type DeviceSpec,
  InvalidInputError,
  type Location,
  type PointId,
  type SourceFile,
} from '@millwright/protocol';
import {
  type PointRef,
  pointText,
  type RuleSpec,
  readRules,
  type SourcedRule,
  type Tell,
} from '@millwright/protocol/automation';
import { readText } from '../config.ts';
import { wishesOf } from '../points/point-kind.ts';
import { MAX_RULES } from './rule-memory.ts';
import { createSchedule } from './schedule.ts';

const MAX_FILES = 1000;
const SCORE = '.score';
const WILD = /[*?[\]{}]/;

export interface RuleFileOptions {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Where the site is; absent: not known here, and no schedule is refused for it. */
  readonly location?: Location;
  /** The devices whose points rules may name; absent: any. */
  readonly site?: readonly DeviceSpec[];
}

/**
 * Reads and checks rule files.
 * @param patterns absolute paths, or globs such as `/etc/millwright/rules.d/*.yaml`; `*.test.yaml` is left out
 * @throws InvalidInputError `CONFIG_INVALID` with one line per problem; `FILE_MISSING`
 */
export async function readRuleFiles(
  patterns: readonly string[],
  options: RuleFileOptions,
): Promise<SourcedRule[]> {
  const files = await Promise.all((await expand(patterns)).map(sourceOf));
  const { variables, location, site } = options;
  const known = site && new Map(site.map((spec) => [spec.id, { spec, wishes: new Map(wishesOf(spec)) }]));
  const rules = readRules(files, {
    variables,
    check: (rule, tell) => {
      checkSchedule(rule, location, tell);
      if (known !== undefined) checkPoints(rule, known, tell);
    },
  });
  if (rules.length > MAX_RULES) {
    throw new InvalidInputError('CONFIG_INVALID', `${rules.length} rules; at most ${MAX_RULES} are allowed`);
  }
  return rules;
}

async function expand(patterns: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    if (!WILD.test(pattern)) found.add(pattern);
    else for await (const file of glob(pattern)) if (!/\.test\.ya?ml$/.test(file)) found.add(file);
    if (found.size > MAX_FILES)
      throw new InvalidInputError('CONFIG_INVALID', `"${pattern}" names more than ${MAX_FILES} rule files`);
  }
  return [...found].sort();
}

async function sourceOf(name: string): Promise<SourceFile> {
  return { name, text: await readText(name, 'a rule file') };
}

function checkSchedule(rule: RuleSpec, location: Location | undefined, tell: Tell): void {
  const { schedule } = rule;
  if (schedule === undefined || (schedule.kind === 'sun' && location === undefined)) return;
  try {
    createSchedule(schedule, location ?? { zone: 'UTC' });
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    tell(['schedule'], error.hint === undefined ? error.message : `${error.message}; ${error.hint}`);
  }
}

type Known = ReadonlyMap<
  string,
  { readonly spec: DeviceSpec; readonly wishes: ReadonlyMap<PointId, { readonly kind: string }> }
>;

function checkPoints(rule: RuleSpec, known: Known, tell: Tell): void {
  for (const [name, { ref, as, window }] of Object.entries(rule.inputs)) {
    const kind = kindOf(ref, known, ['inputs', name], tell);
    if (kind === undefined) continue;
    const natural = kind === 'bool' || kind === 'text' ? kind : 'number';
    const isFine = as === natural || (natural === 'bool' && window !== undefined);
    if (!isFine)
      tell(['inputs', name], `${pointText(ref)} is a ${natural}; write { point: …, as: ${natural} }`);
  }
  for (const [at, action] of rule.actions.entries()) {
    if (action.type === 'alarm' && action.point !== undefined)
      kindOf(action.point, known, ['do', at, 'alarm', 'point'], tell);
    if (action.type !== 'write') continue;
    const path = ['do', at, 'write', 'point'];
    if (kindOf(action.point, known, path, tell) === undefined) continue;
    const { write } = known.get(action.point.device)?.spec.points[action.point.point] ?? {};
    if (write === undefined) tell(path, `${pointText(action.point)} is not writable`);
    else if (write.role === 'engineer')
      tell(path, `${pointText(action.point)} takes an engineer; rules write as operators`);
  }
}

function kindOf(
  ref: PointRef,
  known: Known,
  path: readonly (string | number)[],
  tell: Tell,
): string | undefined {
  const device = known.get(ref.device);
  const point = ref.point;
  if (device === undefined) {
    tell(path, `there is no device "${ref.device}"`);
    return undefined;
  }
  const kind = [...device.wishes].find(([id]) => id === point)?.[1].kind;
  if (kind !== undefined) return kind;
  const scored = point.endsWith(SCORE) ? point.slice(0, -SCORE.length) : undefined;
  if (scored !== undefined && [...device.wishes.keys()].some((id) => id === scored)) return 'float64';
  tell(path, `${ref.device} has no point "${point}"`);
  return undefined;
}
