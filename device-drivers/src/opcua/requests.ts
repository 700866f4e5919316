import {
  describeError,
  InvalidInputError,
  qualityOf,
  reasonOf,
  SampleBatch,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import {
  AttributeIds,
  type ClientSession,
  coerceNodeId,
  type NodeId,
  type StatusCode,
} from 'node-opcua-client';
import type { PointState } from './point-state.ts';
import { qualityOfStatus } from './status.ts';
import { encode, isConcrete, pushValue } from './values.ts';

/** @throws InvalidInputError, UnavailableError as the `Driver` port says */
export async function writeValue(session: ClientSession, state: PointState, value: Value): Promise<void> {
  const nodeId = coerceNodeId(state.point.node);
  state.dataType ??= await typeOf(session, nodeId);
  const variant = encode(state.dataType, value);
  const request = { nodeId, attributeId: AttributeIds.Value, value: { value: variant } };
  const status = await session.write(request).catch((error: unknown) => {
    throw unconfirmed(`the write was sent but not confirmed: ${describeError(error)}`, error);
  });
  judge(status, 'the write');
}

/**
 * Calls the method of an action with the value, or with nothing where it takes nothing.
 * @throws InvalidInputError, UnavailableError as the `Driver` port says of a write
 */
export async function callMethod(session: ClientSession, { point }: PointState, value: Value): Promise<void> {
  const objectId = coerceNodeId(point.callOn ?? '');
  const methodId = coerceNodeId(point.node);
  const { inputArguments } = await session.getArgumentDefinition(methodId).catch((error: unknown) => {
    throw new InvalidInputError('DEVICE_REFUSED', `the server has no such method: ${describeError(error)}`);
  });
  const [argument] = inputArguments;
  if (inputArguments.length > 1) {
    throw new InvalidInputError(
      'DEVICE_REFUSED',
      `the method takes ${inputArguments.length} arguments; an action gives it one at most`,
    );
  }
  if (argument === undefined && value !== true) {
    throw new InvalidInputError('VALUE_INVALID', 'the method takes no argument: only true is written');
  }
  const given = argument === undefined ? [] : [encode(argumentType(argument.dataType), value)];
  const { statusCode } = await session
    .call({ objectId, methodId, inputArguments: given })
    .catch((error: unknown) => {
      throw unconfirmed(`the method was called but has not answered: ${describeError(error)}`, error);
    });
  judge(statusCode, 'the call');
}

/** @throws UnavailableError */
export async function readValue(session: ClientSession, { point }: PointState): Promise<Value> {
  const received = await session.read({ nodeId: coerceNodeId(point.node), attributeId: AttributeIds.Value });
  const batch = new SampleBatch(1);
  pushValue(batch, point, received, 0);
  if (qualityOf(batch.quality[0] ?? 0) !== 'bad') return batch.valueAt(0);
  throw new UnavailableError('VALUE_BAD', `the server has no valid value: ${received.statusCode.toString()}`);
}

/** The node's built-in type; where it is declared abstract, that of the value it holds. */
async function typeOf(session: ClientSession, nodeId: NodeId): Promise<number> {
  const declared = await session.getBuiltInDataType(nodeId);
  if (isConcrete(declared)) return declared;
  const { value } = await session.read({ nodeId, attributeId: AttributeIds.Value });
  return value.dataType;
}

/** Built-in types have their number as node id in namespace 0. */
function argumentType({ namespace, value }: NodeId): number {
  return namespace === 0 && typeof value === 'number' ? value : 0;
}

function judge(status: StatusCode, what: string): void {
  if (status.isGood()) return;
  const reason = reasonOf(qualityOfStatus(status.value));
  if (reason === 'timeout' || reason === 'disconnected') throw unconfirmed(status.toString());
  throw new InvalidInputError('DEVICE_REFUSED', `the server refused ${what}: ${status.description}`);
}

function unconfirmed(message: string, cause?: unknown): UnavailableError {
  return new UnavailableError('WRITE_UNCONFIRMED', message, {
    retry: 'never',
    hint: 'the server may have taken the value: read it before you write again',
    cause,
  });
}
