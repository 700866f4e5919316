/** A point as it would stand in a site file, below the device's base topic. */
export interface ProposedPoint {
  readonly topic: string;
  readonly pick?: string;
  readonly as: 'bool' | 'float64' | 'text';
}

const MAX_DEPTH = 4;
const MAX_KEYS = 200;
const MAX_TEXT = 500;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const SWITCH = /^(on|off|true|false)$/i;
/** Last levels of a topic that say what kind of message it is, not which device. */
const MESSAGE_KINDS = new Set([
  'data',
  'info',
  'measurements',
  'sensor',
  'state',
  'status',
  'tele',
  'telemetry',
  'values',
]);

/**
 * What a message says about the device that sent it.
 * @returns the topic below which it speaks, and a point for each value in the payload; undefined when there is none
 */
export function proposedPoints(
  topic: string,
  payload: string,
): { readonly root: string; readonly points: ReadonlyMap<string, ProposedPoint> } | undefined {
  const levels = topic.split('/');
  const last = levels.at(-1) ?? '';
  const parent = levels.slice(0, -1).join('/');
  const json = parsed(payload);
  const points = new Map<string, ProposedPoint>();
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) {
    const isKind = parent !== '' && MESSAGE_KINDS.has(last.toLowerCase());
    const root = isKind ? parent : topic;
    collect(json, '$', [], (names, pick, as) => {
      points.set(pointName(names), { topic: isKind ? `~/${last}` : '~', pick, as });
    });
    return points.size === 0 ? undefined : { root, points };
  }
  const as = kindOf(typeof json === 'string' || json === undefined ? (json ?? payload) : json);
  if (as === undefined) return undefined;
  const root = parent === '' ? topic : parent;
  points.set(pointName([last]), { topic: parent === '' ? '~' : `~/${last}`, as });
  return { root, points };
}

function collect(
  value: object,
  path: string,
  names: readonly string[],
  found: (names: readonly string[], pick: string, as: ProposedPoint['as']) => void,
): void {
  if (names.length >= MAX_DEPTH) return;
  for (const [key, child] of Object.entries(value).slice(0, MAX_KEYS)) {
    const pick = path + (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? `.${key}` : `[${quoted(key)}]`);
    if (typeof child === 'object' && child !== null) {
      if (!Array.isArray(child)) collect(child, pick, [...names, key], found);
      continue;
    }
    const as = kindOf(child);
    if (as !== undefined && pick.length <= 200) found([...names, key], pick, as);
  }
}

function kindOf(value: unknown): ProposedPoint['as'] | undefined {
  if (typeof value === 'number') return 'float64';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value !== 'string' || value.length > MAX_TEXT || /\p{Cc}/u.test(value)) return undefined;
  if (NUMBER.test(value.trim())) return 'float64';
  return SWITCH.test(value.trim()) ? 'bool' : 'text';
}

/** Letters, digits and "_", as points are called. */
function pointName(names: readonly string[]): string {
  const name = names
    .join('_')
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .slice(0, 100)
    .replace(/^_+|_+$/g, '')
    .toLowerCase();
  return name === '' ? 'value' : name;
}

/** @see RFC 9535 §2.3.1, single-quoted name */
function quoted(key: string): string {
  return `'${JSON.stringify(key).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
