import { AttributeIds, type ClientSession, readOperationLimits } from 'node-opcua-client';

/** What one request may carry at most. */
export interface ServerLimits {
  readonly nodesPerRead: number;
  readonly itemsPerCall: number;
  readonly nodesPerHistoryRead: number;
  readonly nodesPerBrowse: number;
  readonly subscriptions: number;
}

/** Below every limit seen in the field of servers that do not tell theirs. */
const UNTOLD: ServerLimits = {
  nodesPerRead: 500,
  itemsPerCall: 500,
  nodesPerHistoryRead: 50,
  nodesPerBrowse: 250,
  subscriptions: 20,
};
const MAX_SUBSCRIPTIONS_PER_SESSION = 'i=24098';

/**
 * What the server says about its limits; where it says nothing, or no limit, a careful number of our own.
 * @see OPC UA Part 5 §6.3.11 OperationLimitsType
 */
export async function readLimits(session: ClientSession): Promise<ServerLimits> {
  const [told, subscriptions] = await Promise.all([
    readOperationLimits(session),
    session.read({ nodeId: MAX_SUBSCRIPTIONS_PER_SESSION, attributeId: AttributeIds.Value }),
  ]);
  return {
    nodesPerRead: atMost(UNTOLD.nodesPerRead, told.maxNodesPerRead),
    itemsPerCall: atMost(UNTOLD.itemsPerCall, told.maxMonitoredItemsPerCall),
    nodesPerHistoryRead: atMost(UNTOLD.nodesPerHistoryRead, told.maxNodesPerHistoryReadData),
    nodesPerBrowse: atMost(UNTOLD.nodesPerBrowse, told.maxNodesPerBrowse),
    subscriptions: atMost(UNTOLD.subscriptions, subscriptions.value.value),
  };
}

/** 0 means that the server knows no limit. */
function atMost(ours: number, told: unknown): number {
  return typeof told === 'number' && told > 0 ? Math.min(ours, told) : ours;
}

/** @returns `list` in pieces of at most `size` */
export function* chunks<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  for (let from = 0; from < list.length; from += size) yield list.slice(from, from + size);
}
