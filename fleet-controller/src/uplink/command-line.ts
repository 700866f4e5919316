import {
  AlarmCommand,
  type Clock,
  describeError,
  type GatewayId,
  MillwrightError,
  PROTOCOLS,
  Receipt,
  UnavailableError,
  WriteCommand,
  withDeadline,
} from '@millwright/protocol';
import type { Channel, HostConnection } from '@millwright/protocol/node';
import { z } from 'zod';

/** Carrying out includes the read-back; what takes longer is reported as unknown. */
const RECEIPT_WITHIN_MS = 15_000;

/**
 * Hands a command to the gateway behind `connection` and waits for its receipt. It is sent once: when the answer is
 * lost, the result is `unknown` and nothing is repeated.
 * @throws UnavailableError `GATEWAY_OFFLINE` when it was certainly not sent
 */
export async function sendCommandOver(
  connection: HostConnection | undefined,
  gateway: GatewayId,
  command: WriteCommand | AlarmCommand,
  options: { readonly clock: Clock; readonly signal?: AbortSignal | undefined; readonly withinMs?: number },
): Promise<Receipt> {
  const { clock, signal, withinMs = RECEIPT_WITHIN_MS } = options;
  if (connection === undefined || !connection.isOpen) throw offline(gateway);
  let channel: Channel<Receipt, WriteCommand | AlarmCommand>;
  const limits = { clock, withinMs, what: 'the answer of the gateway', ...(signal ? { signal } : {}) };
  try {
    channel = await withDeadline(limits, (limit) =>
      connection.open(protocolOf(command), SCHEMAS, { signal: limit }),
    );
  } catch (cause) {
    throw offline(gateway, cause);
  }
  const unknown = (code: string, why: string): Receipt => ({
    id: command.id,
    result: 'unknown',
    code,
    message: `it may have been carried out: ${why}`.slice(0, 500),
    atMs: clock.wallMs(),
  });
  try {
    const receipt = await withDeadline(limits, async (limit) => {
      await channel.send(command, { signal: limit });
      return channel.receive({ signal: limit });
    });
    await channel.end();
    if (receipt === undefined) return unknown('NO_RECEIPT', 'the gateway gave no receipt');
    if (receipt.id !== command.id) return unknown('NO_RECEIPT', 'the receipt is for another command');
    return receipt;
  } catch (error) {
    channel.abort(error instanceof Error ? error : new Error(String(error)));
    return unknown(error instanceof MillwrightError ? error.code : 'ABORTED', describeError(error));
  }
}

const SCHEMAS = { receive: Receipt, send: z.union([AlarmCommand, WriteCommand]) };

function protocolOf(command: WriteCommand | AlarmCommand) {
  if ('action' in command) return PROTOCOLS.alarm;
  return command.dryRun === true ? PROTOCOLS.dryRun : PROTOCOLS.command;
}

function offline(gateway: GatewayId, cause?: unknown): UnavailableError {
  return new UnavailableError(
    'GATEWAY_OFFLINE',
    `the gateway ${gateway} is not connected; nothing was sent`,
    {
      hint: 'try again once it is back',
      cause,
    },
  );
}
