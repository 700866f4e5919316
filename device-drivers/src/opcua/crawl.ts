import {
  BrowseDirection,
  type BrowseResult,
  type ClientSession,
  NodeClass,
  type ReferenceDescription,
} from 'node-opcua-client';

const HIERARCHICAL = 'i=33';
const HAS_PROPERTY = 'ns=0;i=46';
const OBJECTS_FOLDER = 'i=85';
/** What every server has: about itself, not about machines. */
const STANDARD = 'ns=0;';
const REFERENCES_PER_NODE = 1000;
const RESULT_MASK = 0x3f;
const MAX_PATH = 400;
const MAX_DEPTH = 30;

/** A variable or method that was found, with the way to it. */
export interface FoundNode {
  readonly nodeId: string;
  /** Browse names from the starting node on. */
  readonly path: readonly string[];
  readonly kind: 'variable' | 'method';
}

export interface CrawlOptions {
  readonly session: ClientSession;
  readonly from: string;
  readonly nodesPerBrowse: number;
  /** Looks at no more nodes than this. */
  readonly maxNodes: number;
  readonly signal: AbortSignal;
}

export interface CrawlEnd {
  readonly nodes: number;
  /** More was there than `maxNodes`. */
  readonly isCut: boolean;
}

interface Pending {
  readonly nodeId: string;
  readonly path: readonly string[];
}

/**
 * Walks down from a node and yields variables and methods page by page, so that whoever takes them can stop at any
 * time. Memory is bounded by `maxNodes`; cycles are seen; nothing is asked for while nobody asks for more.
 * @see OPC UA Part 4 §5.9.2 Browse, §5.9.3 BrowseNext
 */
export async function* crawl(options: CrawlOptions): AsyncGenerator<readonly FoundNode[], CrawlEnd> {
  const { session, from, maxNodes, signal } = options;
  session.requestedMaxReferencesPerNode = REFERENCES_PER_NODE;
  const skipsStandard = from === OBJECTS_FOLDER;
  const seen = new Set([from]);
  const stack: Pending[] = [{ nodeId: from, path: [] }];
  let isCut = false;
  let perBrowse = options.nodesPerBrowse;
  while (stack.length > 0) {
    signal.throwIfAborted();
    const asked = stack.splice(-perBrowse);
    const results = await session.browse(asked.map(({ nodeId }) => descriptionOf(nodeId)));
    for (const [index, first] of results.entries()) {
      const parent = asked[index];
      if (parent === undefined) continue;
      if (first.statusCode.name === 'BadNoContinuationPoints' && asked.length > 1) {
        // The server cannot keep so many pages open at once: fewer nodes at a time from here on.
        perBrowse = Math.max(1, Math.floor(perBrowse / 4));
        stack.push(parent);
        continue;
      }
      for await (const references of pages(session, first, signal)) {
        const found: FoundNode[] = [];
        for (const reference of references) {
          const nodeId = reference.nodeId.toString();
          if (seen.has(nodeId) || (skipsStandard && nodeId.startsWith(STANDARD))) continue;
          if (seen.size >= maxNodes) {
            isCut = true;
            continue;
          }
          seen.add(nodeId);
          const path = [...parent.path, reference.browseName.name ?? ''];
          if (reference.nodeClass === NodeClass.Method) found.push({ nodeId, path, kind: 'method' });
          else if (reference.referenceTypeId.toString() !== HAS_PROPERTY) {
            if (reference.nodeClass === NodeClass.Variable) found.push({ nodeId, path, kind: 'variable' });
            if (path.length < MAX_DEPTH && path.join('.').length < MAX_PATH) stack.push({ nodeId, path });
          }
        }
        if (found.length > 0) yield found;
      }
    }
  }
  return { nodes: seen.size, isCut };
}

function descriptionOf(nodeId: string) {
  return {
    nodeId,
    browseDirection: BrowseDirection.Forward,
    referenceTypeId: HIERARCHICAL,
    includeSubtypes: true,
    nodeClassMask: NodeClass.Object | NodeClass.Variable | NodeClass.Method,
    resultMask: RESULT_MASK,
  };
}

/** The pages of one node; whoever stops early gives the server its continuation point back. */
async function* pages(
  session: ClientSession,
  first: BrowseResult,
  signal: AbortSignal,
): AsyncGenerator<readonly ReferenceDescription[]> {
  let result: BrowseResult | undefined = first;
  try {
    while (result?.statusCode.isGood()) {
      signal.throwIfAborted();
      const { continuationPoint }: BrowseResult = result;
      yield result.references ?? [];
      if (!hasMore(continuationPoint)) return;
      result = (await session.browseNext([continuationPoint], false))[0];
    }
  } finally {
    if (result !== undefined && hasMore(result.continuationPoint)) {
      await session.browseNext([result.continuationPoint], true).catch(() => undefined);
    }
  }
}

function hasMore(continuationPoint: Buffer | null): continuationPoint is Buffer {
  return continuationPoint !== null && continuationPoint.length > 0;
}
