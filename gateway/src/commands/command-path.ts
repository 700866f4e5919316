import { randomUUID } from 'node:crypto';
import {
  type Clock,
  type DeviceSlug,
  describeError,
  type EventRecord,
  type JsonValue,
  type Lifecycle,
  type Logger,
  MillwrightError,
  type Receipt,
  type Sample,
  toJsonValue,
  WriteCommand,
} from '@millwright/protocol';
import type { Journal } from '../journal/journal.ts';
import type { Kv } from '../journal/kv/kv.ts';
import {
  type Checked,
  checkCommand,
  checkInterlock,
  checkTime,
  type Refusal,
  refuse,
} from './command-check.ts';
import { type CommandRecord, CommandRecords } from './command-records.ts';
import { describeValue, failedWrite, type Outcome, rehearsal, shortened } from './outcome.ts';
import type { CommandDevices, CommandInterlocks, CommandPoints } from './ports.ts';
import { readBack, untilAborted } from './read-back.ts';
import { WriteRate } from './write-rate.ts';

const MAX_WAITING = 64;
const RECORD_WITHIN_MS = 5000;
const RECOVER_AGAIN_MS = 30_000;
const MAX_MESSAGE = 500;

export interface CommandPathDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: Pick<Journal, 'appendEvent'>;
  readonly kv: Pick<Kv, 'set' | 'list' | 'commit'>;
  readonly points: CommandPoints;
  readonly devices: CommandDevices;
  readonly interlocks: CommandInterlocks;
}

export interface CommandPathConfig {
  /** How long a device may take to accept a write. */
  readonly writeTimeoutMs: number;
}

type Accepted = Extract<Checked, { ok: true }>;
const STOPPING = refuse('STOPPING', 'the gateway is stopping or not yet running');

type AnsweredRecord = CommandRecord & { readonly receipt: Receipt };

/**
 * The only way from a command to a machine: checked, recorded before anything moves, carried out once, read back,
 * recorded again. One command at a time per device. What may have happened and is not known to have happened is
 * `unknown`, and nothing is ever repeated.
 */
export class CommandPath implements Lifecycle {
  readonly #deps: CommandPathDeps;
  readonly #config: CommandPathConfig;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #records: CommandRecords;
  readonly #rate: WriteRate;
  readonly #underWay = new Map<string, Promise<Receipt>>();
  readonly #lastOf = new Map<DeviceSlug, Promise<unknown>>();
  #abort = new AbortController();
  #started = false;
  #cancelRecovery: (() => void) | undefined;

  constructor(deps: CommandPathDeps, config: CommandPathConfig) {
    this.#deps = deps;
    this.#config = config;
    this.#logger = deps.logger;
    this.#clock = deps.clock;
    this.#records = new CommandRecords(deps);
    this.#rate = new WriteRate(deps);
  }

  /** Answers for the commands that were under way when the process last ended. */
  async start(): Promise<void> {
    if (this.#started) return;
    this.#abort = new AbortController();
    const interrupted = await this.#records.load();
    this.#started = true;
    const answered = interrupted.map((record) => this.#interrupted(record));
    for (const record of answered) this.#records.remember(record);
    void this.#recover(answered);
  }

  /** Lets a write that is under way end as `unknown` rather than wait for its device. */
  async stop(): Promise<void> {
    this.#started = false;
    this.#cancelRecovery?.();
    this.#abort.abort(new MillwrightError('STOPPING', 'the gateway is stopping'));
    await Promise.allSettled(this.#underWay.values());
  }

  /** Never rejects: whatever goes wrong is in the receipt. The same id is answered with the first receipt. */
  async handle(input: WriteCommand): Promise<Receipt> {
    const parsed = WriteCommand.safeParse(input);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      const what = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a command'}`;
      return this.#receipt(String(input?.id ?? '').slice(0, 64), {
        result: 'refused',
        code: 'INVALID',
        message: what,
      });
    }
    const command = parsed.data;
    const known = this.#records.receiptOf(command.id) ?? this.#underWay.get(command.id);
    if (known !== undefined) return known;
    if (!this.#started) return this.#receipt(command.id, refused(STOPPING));
    if (this.#underWay.size >= MAX_WAITING) {
      return this.#receipt(
        command.id,
        refused(refuse('BUSY', `${MAX_WAITING} commands are waiting already`)),
      );
    }
    const receipt = this.#inTurn(command).finally(() => this.#underWay.delete(command.id));
    this.#underWay.set(command.id, receipt);
    return receipt;
  }

  /** Behind the commands of the same device that came before. */
  #inTurn(command: WriteCommand): Promise<Receipt> {
    const before = this.#lastOf.get(command.device) ?? Promise.resolve();
    const mine = before.then(() => this.#carryOut(command));
    this.#lastOf.set(command.device, mine);
    void mine.finally(() => {
      if (this.#lastOf.get(command.device) === mine) this.#lastOf.delete(command.device);
    });
    return mine;
  }

  async #carryOut(command: WriteCommand): Promise<Receipt> {
    if (this.#abort.signal.aborted) return this.#receipt(command.id, refused(STOPPING));
    const nowMs = this.#clock.wallMs();
    const checked = checkCommand(command, { ...this.#deps, nowMs });
    if (!checked.ok) return this.#finish(command, refused(checked));
    const tooSoon = this.#tooSoon(command, checked);
    if (tooSoon !== undefined) return this.#finish(command, refused(tooSoon));
    const before = this.#deps.points.latest(checked.point.no);
    if (command.dryRun === true) return this.#finish(command, rehearsal(command, checked, before));
    const refusal = await this.#accept(command, checked, nowMs, before);
    if (refusal !== undefined) return this.#finish(command, refused(refusal));
    const outcome = await this.#actuate(command, checked, before);
    return this.#finish(
      command,
      before === undefined ? outcome : { ...outcome, before: toJsonValue(before.v) },
    );
  }

  #tooSoon({ dryRun = false }: WriteCommand, { point, device }: Accepted): Refusal | undefined {
    const rule = point.spec.write;
    const waitMs = rule === undefined ? 0 : this.#rate.waitMs(point.no, rule, { isTrial: dryRun });
    if (waitMs === 0) return undefined;
    return refuse('RATE', `this point of ${device.name} may be written again in ${waitMs} ms`);
  }

  /** On disk before anything moves; a command that cannot be recorded is not carried out. */
  async #accept(
    command: WriteCommand,
    target: Accepted,
    atMs: number,
    before: Sample | undefined,
  ): Promise<Refusal | undefined> {
    const { id, point } = command;
    const { device } = target;
    try {
      await this.#records.put({ id, device: command.device, point, atMs });
      const message = `${command.by.name} writes ${describeValue(command.value)} to ${point} of ${device.name}`;
      await this.#within(RECORD_WITHIN_MS, () =>
        this.#append('command.accepted', command, message, before ? { before: toJsonValue(before.v) } : {}),
      );
    } catch (error) {
      return refuse(
        'NOT_RECORDED',
        `the command could not be recorded, so it was not carried out: ${describeError(error)}`,
      );
    }
    if (this.#abort.signal.aborted) return STOPPING;
    // Recording took its time: what held before may not hold any more.
    return checkTime(command, this.#clock.wallMs()) ?? checkInterlock(target.point, this.#deps.interlocks);
  }

  async #actuate(command: WriteCommand, target: Accepted, before: Sample | undefined): Promise<Outcome> {
    const { device, point, driver, value } = target;
    const what = `${command.point} of ${device.name}`;
    try {
      await this.#within(
        this.#config.writeTimeoutMs,
        (signal) => driver.write(command.device, command.point, value, { signal }),
        [this.#abort.signal],
      );
    } catch (error) {
      return failedWrite(what, error);
    }
    const back = await readBack(
      this.#deps,
      { device: command.device, pointId: command.point, point, driver, wanted: value },
      before,
      { signal: this.#abort.signal },
    );
    if (back.result === 'none') {
      const message = `${what} was written, but could not be read back: ${back.why}`;
      return { result: 'unknown', code: 'READBACK_TIMEOUT', message };
    }
    const found = toJsonValue(back.value);
    if (back.result === 'different') {
      const message = `${what} was written as ${describeValue(command.value)}, but reads back as ${describeValue(found)}`;
      return { result: 'unknown', code: 'READBACK_MISMATCH', message, readBack: found };
    }
    return { result: 'done', message: `${what} is ${describeValue(found)}`, readBack: found };
  }

  /** The receipt is given even when it cannot be recorded: then the next start reports the command as unknown. */
  async #finish(command: WriteCommand, outcome: Outcome): Promise<Receipt> {
    const { id, device, point, dryRun = false } = command;
    const receipt = this.#receipt(id, dryRun ? { ...outcome, dryRun } : outcome);
    const { code, before, readBack: found, raw } = outcome;
    const data = {
      ...(dryRun ? { dryRun } : {}),
      ...(raw === undefined ? {} : { raw }),
      ...(code === undefined ? {} : { code }),
      ...(before === undefined ? {} : { before }),
      ...(found === undefined ? {} : { readBack: found }),
    };
    const record = { id, device, point, atMs: receipt.atMs, receipt };
    this.#records.remember(record);
    try {
      await this.#within(RECORD_WITHIN_MS, async () => {
        const type =
          dryRun && receipt.result === 'done' ? 'command.dry-run' : (`command.${receipt.result}` as const);
        await this.#append(type, command, receipt.message, data);
        await this.#records.put(record);
      });
    } catch (error) {
      this.#logger.error({ command: id, error: describeError(error) }, 'receipt not recorded');
    }
    return receipt;
  }

  #receipt(id: string, outcome: Outcome & Pick<Receipt, 'dryRun'>): Receipt {
    return { id, ...outcome, message: outcome.message.slice(0, MAX_MESSAGE), atMs: this.#clock.wallMs() };
  }

  async #append(
    type: EventRecord['type'],
    { id, device, point, by, value }: WriteCommand,
    message: string,
    more: Readonly<Record<string, JsonValue>>,
  ): Promise<void> {
    const data = { command: id, by: by.name, role: by.role, value: shortened(value), ...more };
    const event = {
      id: `evt_${randomUUID()}`,
      atMs: this.#clock.wallMs(),
      type,
      device,
      point,
      message,
      data,
    };
    await this.#deps.journal.appendEvent(event);
  }

  #interrupted({ id, device, point, atMs }: CommandRecord): AnsweredRecord {
    const message = `the gateway stopped while it carried this out: ${device} ${point} may have been written`;
    const receipt = {
      id,
      result: 'unknown',
      code: 'INTERRUPTED',
      message,
      atMs: this.#clock.wallMs(),
    } as const;
    return { id, device, point, atMs, receipt };
  }

  /** Waits neither for a full disk nor for a slow one: what could not be recorded is tried again later. */
  async #recover(records: readonly AnsweredRecord[]): Promise<void> {
    const left: AnsweredRecord[] = [];
    for (const record of records) {
      const { id, device, point, receipt } = record;
      // The identifier is the same at every attempt, so that readers see one event.
      const event: EventRecord = {
        id: `cmd_${id}`.slice(0, 64),
        atMs: receipt.atMs,
        type: 'command.unknown',
        device,
        point,
        message: receipt.message,
        data: { command: id, code: 'INTERRUPTED' },
      };
      try {
        await this.#within(RECORD_WITHIN_MS, () => this.#deps.journal.appendEvent(event));
        await this.#records.put(record);
        this.#logger.warn({ command: id, device, point }, 'command was interrupted; its result is unknown');
      } catch (error) {
        this.#logger.error(
          { command: id, error: describeError(error) },
          'interrupted command not recorded yet',
        );
        left.push(record);
      }
    }
    if (left.length === 0 || !this.#started) return;
    this.#cancelRecovery = this.#clock.after(RECOVER_AGAIN_MS, () => void this.#recover(left));
  }

  /** What is begun is not cancelled by the timeout unless it minds the signal. */
  async #within<T>(
    limitMs: number,
    work: (signal: AbortSignal) => Promise<T>,
    more: readonly AbortSignal[] = [],
  ): Promise<T> {
    const timeout = new AbortController();
    const cancel = this.#clock.after(limitMs, () =>
      timeout.abort(new MillwrightError('TIMEOUT', `no answer within ${limitMs} ms`)),
    );
    const signal = AbortSignal.any([timeout.signal, ...more]);
    try {
      return await untilAborted(work(signal), signal);
    } finally {
      cancel();
    }
  }
}

function refused({ code, message }: Refusal): Outcome {
  return { result: 'refused', code, message };
}
