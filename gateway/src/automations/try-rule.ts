import { InvalidInputError, type Logger } from '@millwright/protocol';
import type { RuleSpec } from '@millwright/protocol/automation';
import { readText } from '../config.ts';
import { describeAction, type Firing } from './firing.ts';
import type { History } from './replay/replay.ts';
import { replay } from './replay/replay.ts';
import { readRuleFiles } from './rule-files.ts';
import { placeOf, type Variables } from './rule-place.ts';

const DAY_MS = 24 * 3600 * 1000;
const MAX_PRINTED = 1000;

export interface TryFlags {
  readonly rule?: string;
  readonly from?: string;
  readonly to?: string;
  readonly state?: string;
  readonly region?: string;
  readonly tokenFile?: string;
  readonly site?: string;
  readonly csv?: string;
  readonly config?: string;
}

type Bounded = History & { readonly firstMs: number; readonly lastMs: number };

/**
 * Replays recorded samples through the engine a gateway runs, and prints every firing.
 * @throws InvalidInputError and others of the place the samples come from
 */
export async function tryRule(
  file: string,
  flags: TryFlags,
  variables: Variables,
  print: (line: string) => void,
): Promise<void> {
  const place = await placeOf(flags, variables);
  const rules = await readRuleFiles([file], { variables, ...place });
  const spec = chosen(
    rules.map((each) => each.spec),
    flags.rule,
  );
  const span = { fromMs: timeOf('--from', flags.from), toMs: timeOf('--to', flags.to) };
  await using recorded = await openHistory(spec, flags, span);
  const { history } = recorded;
  const fromMs = span.fromMs ?? history.firstMs;
  const toMs = span.toMs ?? history.lastMs;
  if (toMs < fromMs) throw new InvalidInputError('USAGE', '--to is before --from');
  let printed = 0;
  const onFiring = (firing: Firing) => {
    printed += 1;
    if (printed <= MAX_PRINTED) print(lineOf(firing));
  };
  const location = place.location ?? { zone: 'UTC' };
  const result = await replay(spec, history, { location, fromMs, toMs, onFiring });
  if (printed > MAX_PRINTED) print(`… and ${printed - MAX_PRINTED} more`);
  if (result.limited > 0) {
    print(`Its limit of ${spec.firingsPerMinute} firings a minute was reached ${result.limited} times.`);
  }
  if (result.error !== undefined && result.limited === 0) print(`It failed: ${result.error}`);
  const when = `from ${new Date(fromMs).toISOString()} to ${new Date(toMs).toISOString()}`;
  print(`${spec.id} would have fired ${times(result.firings)} in ${result.samples} samples ${when}.`);
}

function chosen(rules: readonly RuleSpec[], id: string | undefined): RuleSpec {
  const [only, second] = id === undefined ? rules : rules.filter((each) => each.id === id);
  const ids = rules.map((each) => each.id).join(', ');
  if (only === undefined) throw new InvalidInputError('USAGE', `there is no rule "${id}"; there are: ${ids}`);
  if (second === undefined) return only;
  throw new InvalidInputError('USAGE', `the file has several rules: ${ids}`, {
    hint: 'choose one with --rule',
  });
}

async function openHistory(
  spec: RuleSpec,
  flags: TryFlags,
  span: { readonly fromMs: number | undefined; readonly toMs: number | undefined },
): Promise<AsyncDisposable & { readonly history: Bounded }> {
  const given = [flags.state, flags.region, flags.csv].filter((each) => each !== undefined);
  if (given.length !== 1) {
    throw new InvalidInputError('USAGE', 'say where the samples are: --state, --region or --csv');
  }
  const kept = (history: Bounded, close: () => Promise<void> = async () => undefined) => ({
    history,
    [Symbol.asyncDispose]: close,
  });
  if (Object.keys(spec.inputs).length === 0) return kept(emptyHistory(span));
  if (flags.csv !== undefined) {
    const { readCsvHistory } = await import('./replay/csv-history.ts');
    return kept(await readCsvHistory(flags.csv, spec, span));
  }
  if (flags.state !== undefined) {
    const { openJournalHistory } = await import('./replay/journal-history.ts');
    const history = await openJournalHistory({ logger: QUIET }, flags.state, spec, span);
    return kept(history, () => history.close());
  }
  if (flags.tokenFile === undefined)
    throw new InvalidInputError('USAGE', '--region needs --token-file', {
      hint: "the region's state folder has one: api-token",
    });
  const { readRegionHistory } = await import('./replay/region-history.ts');
  const token = (await readText(flags.tokenFile, "the region's token")).trim();
  const toMs = span.toMs ?? Date.now();
  const region = { url: flags.region ?? '', token, site: flags.site };
  return kept(await readRegionHistory(region, spec, { fromMs: span.fromMs ?? toMs - DAY_MS, toMs }));
}

/** A rule that goes by the clock alone needs no samples. */
function emptyHistory({ fromMs, toMs }: { fromMs: number | undefined; toMs: number | undefined }): Bounded {
  if (fromMs === undefined || toMs === undefined)
    throw new InvalidInputError('USAGE', 'a rule without inputs needs --from and --to');
  return { numbers: [], batches: () => [], firstMs: fromMs, lastMs: toMs };
}

function lineOf({ atMs, actions, inputs }: Firing): string {
  const seen = Object.entries(inputs).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const head = `${new Date(atMs).toISOString()}  ${seen.join(', ')}`.trimEnd();
  return [head, ...actions.map((action) => `    ${describeAction(action)}`)].join('\n');
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

function timeOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const hasZone = /[zZ]$|[+-]\d\d:?\d\d$/.test(text) || !text.includes('T');
  const ms = /^\d{10,}$/.test(text) ? Number(text) : Date.parse(hasZone ? text : `${text}Z`);
  if (Number.isFinite(ms)) return ms;
  throw new InvalidInputError('USAGE', `${option}: "${text}" is not a time; write it like 2026-06-01T12:00Z`);
}

const ignore = () => undefined;
/** What a gateway would log is not the shell's business here. */
const QUIET: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => QUIET };
