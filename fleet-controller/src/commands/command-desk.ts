import { randomUUID } from 'node:crypto';
import {
  type AlarmAction,
  type AlarmCommand,
  type Clock,
  type DeviceId,
  DeviceSlug,
  describeError,
  type GatewayId,
  type JsonValue,
  type Logger,
  MillwrightError,
  PointId,
  type Principal,
  type Receipt,
  type WriteCommand,
} from '@millwright/protocol';
import type { InventoryReader } from '../inventory/inventory-reader.ts';
import type { Database } from '../store/database.ts';
import { onDatabase } from '../store/errors.ts';

/** A command that reaches its gateway later than this is not carried out. */
const VALID_MS = 15_000;

/** The way to a gateway. */
export interface CommandSender {
  /** @throws UnavailableError `GATEWAY_OFFLINE` when it was certainly not sent */
  sendCommand(
    gateway: GatewayId,
    command: WriteCommand | AlarmCommand,
    options: { readonly signal?: AbortSignal },
  ): Promise<Receipt>;
}

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly database: Database;
  readonly inventory: InventoryReader;
  readonly sender: CommandSender;
}

/** Sends what people and programs ask for, with a line in the database before and after. */
export class CommandDesk {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * @returns what became of it, or null when there is no such point
   * @throws UnavailableError when it cannot be recorded, or its gateway is not connected; nothing was sent then
   */
  async write(
    by: Principal,
    target: {
      readonly device: DeviceId;
      readonly point: string;
      readonly value: JsonValue;
      readonly dryRun?: boolean;
    },
  ): Promise<Receipt | null> {
    const { clock, inventory } = this.#deps;
    const point = PointId.safeParse(target.point);
    const gateway = point.success ? await inventory.gatewayOf(target.device, point.data) : null;
    if (!point.success || gateway === null) return null;
    const issuedAtMs = clock.wallMs();
    const command: WriteCommand = {
      id: randomUUID(),
      device: slugOf(target.device),
      point: point.data,
      value: target.value,
      by: { name: by.name, role: by.role },
      issuedAtMs,
      expiresAtMs: issuedAtMs + VALID_MS,
      ...(target.dryRun === true ? { dryRun: true } : {}),
    };
    return this.#send(gateway, command, target.device);
  }

  /**
   * What a person asks of an alarm.
   * @returns what became of it, or null when there is no such device or point
   * @throws like `write`
   */
  async alarm(
    by: Principal,
    target: {
      readonly device: DeviceId;
      readonly point: string;
      readonly alarm: string;
      readonly action: AlarmAction;
      readonly reason?: string | undefined;
      readonly forMs?: number | undefined;
    },
  ): Promise<Receipt | null> {
    const { reason, forMs, alarm, action } = target;
    const point = PointId.safeParse(target.point);
    const gateway = await this.#deps.inventory.gatewayOfDevice(target.device);
    if (!point.success || gateway === null) return null;
    const issuedAtMs = this.#deps.clock.wallMs();
    return this.#send(
      gateway,
      {
        ...{ id: randomUUID(), device: slugOf(target.device), point: point.data, alarm, action },
        by: { name: by.name, role: by.role },
        ...(reason === undefined ? {} : { reason }),
        ...(forMs === undefined ? {} : { forMs }),
        ...{ issuedAtMs, expiresAtMs: issuedAtMs + VALID_MS },
      },
      target.device,
    );
  }

  async #send(gateway: GatewayId, command: WriteCommand | AlarmCommand, device: DeviceId): Promise<Receipt> {
    const { clock, sender } = this.#deps;
    await this.#record(command, device);
    try {
      const receipt = await sender.sendCommand(gateway, command, {});
      await this.#recordAnswer(command.id, receipt);
      return receipt;
    } catch (error) {
      const code = error instanceof MillwrightError ? error.code : 'FAILED';
      const message = describeError(error);
      await this.#recordAnswer(command.id, { result: 'refused', code, message, atMs: clock.wallMs() });
      throw error;
    }
  }

  async #record(command: WriteCommand | AlarmCommand, device: DeviceId): Promise<void> {
    const value = 'action' in command ? `${command.action} ${command.alarm}` : command.value;
    await onDatabase(() =>
      this.#deps.database.write
        .insertInto('commands')
        .values({
          id: command.id,
          device_id: device,
          point: command.point,
          value: JSON.stringify(value).replaceAll('\\u0000', '\ufffd'),
          by_name: command.by.name,
          by_role: command.by.role,
          issued_at_ms: command.issuedAtMs,
        })
        .execute(),
    );
  }

  /** The receipt counts even when it cannot be written here: the gateway has it in its own journal. */
  async #recordAnswer(
    id: string,
    answer: Pick<Receipt, 'result' | 'code' | 'message' | 'atMs'>,
  ): Promise<void> {
    try {
      await this.#deps.database.write
        .updateTable('commands')
        .set({
          result: answer.result,
          code: answer.code ?? null,
          message: answer.message.replaceAll('\0', '\ufffd'),
          answered_at_ms: Math.round(answer.atMs),
        })
        .where('id', '=', id)
        .execute();
    } catch (error) {
      this.#deps.logger.warn({ err: error, command: id }, 'the answer to a command could not be recorded');
    }
  }
}

/** What its gateway calls a device. */
function slugOf(device: DeviceId): DeviceSlug {
  return DeviceSlug.parse(device.slice(device.indexOf('.') + 1));
}
