import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Clock,
  EnrolAnswer,
  EnrolRequest,
  GatewayId,
  InvalidInputError,
  PROTOCOLS,
  parseEnrolToken,
  RegionId,
  UnauthorizedError,
  UnavailableError,
  withDeadline,
} from '@millwright/protocol';
import { type HostConnection, writePrivateFile } from '@millwright/protocol/node';
import { z } from 'zod';
import type { GatewayFacts } from './ports.ts';

const FILE = 'enrolment.json';
const ANSWER_WITHIN_MS = 15_000;

/** Which region this gateway belongs to, as its state folder keeps it. No secret is in it. */
export const Enrolment = z.object({
  version: z.literal(1),
  gateway: GatewayId,
  region: RegionId,
  /** PeerId the region is known by; whoever else answers is refused. */
  regionPeer: z.string().max(100),
  /** Where the region was when the gateway enrolled. */
  addresses: z.array(z.string().max(300)).max(16),
  /** Digest of the token that was spent: another token in its place is a wish to enrol anew. */
  tokenDigest: z.string().max(64),
  enrolledAtMs: z.number(),
});
export type Enrolment = z.infer<typeof Enrolment>;

/**
 * @returns undefined when the gateway has not enrolled yet
 * @throws InvalidInputError `ENROLMENT_UNREADABLE`
 */
export async function readEnrolment(stateDir: string): Promise<Enrolment | undefined> {
  const path = join(stateDir, FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new UnavailableError('STATE_DIR', `cannot read ${path}`, { cause });
  }
  try {
    return Enrolment.parse(JSON.parse(text));
  } catch (cause) {
    throw new InvalidInputError('ENROLMENT_UNREADABLE', `${path} is not an enrolment`, {
      hint: 'remove the file and enrol again with a new token',
      cause,
    });
  }
}

export async function writeEnrolment(stateDir: string, enrolment: Enrolment): Promise<void> {
  await writePrivateFile(join(stateDir, FILE), `${JSON.stringify(enrolment, null, 2)}\n`);
}

/**
 * A token source that reads a file each time, so that an operator can replace it while the gateway runs.
 * @returns undefined when there is no such file or it is empty
 * @throws UnavailableError `TOKEN_FILE`
 */
export function tokenFile(path: string): () => Promise<string | undefined> {
  return async () => {
    try {
      const text = (await readFile(path, 'utf8')).trim();
      return text === '' ? undefined : text;
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
      throw new UnavailableError('TOKEN_FILE', `cannot read the enrolment token in ${path}`, { cause });
    }
  };
}

/**
 * Presents the token to the region at the other end of `connection`.
 * @throws UnauthorizedError with the region's code (`TOKEN_USED`, `TOKEN_EXPIRED`, …) and what to do
 * @throws UnavailableError when the region does not answer or is busy
 */
export async function enrol(
  connection: HostConnection,
  request: {
    readonly token: string;
    readonly facts: GatewayFacts;
    readonly hardware: Readonly<Record<string, string>>;
  },
  options: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<{ readonly gateway: GatewayId; readonly region: RegionId }> {
  const { token, facts, hardware } = request;
  parseEnrolToken(token);
  const { name, site, version } = facts;
  const answer = await withDeadline(
    { ...options, withinMs: ANSWER_WITHIN_MS, what: "the region's answer to the enrolment" },
    async (signal) => {
      const schemas = { receive: EnrolAnswer, send: EnrolRequest };
      const channel = await connection.open(PROTOCOLS.enrol, schemas, { signal });
      await channel.send({ token: token.trim(), name, site, version, hardware: { ...hardware } }, { signal });
      const received = await channel.receive({ signal });
      await channel.end();
      return received;
    },
  );
  if (answer === undefined) {
    throw new UnavailableError('ENROL_NO_ANSWER', 'the region ended the enrolment without an answer');
  }
  if (answer.result === 'refused') throw refusal(answer.code, answer.message);
  if (answer.gateway !== facts.gateway) {
    throw new UnauthorizedError(
      'GATEWAY_MISMATCH',
      `the region calls this gateway ${answer.gateway}, its key says ${facts.gateway}`,
    );
  }
  return answer;
}

const NEW_TOKEN = 'issue a new one with "millwright region token" and put it in place of the old';

const HINTS: Readonly<Record<string, string>> = {
  TOKEN_UNKNOWN: `the token is not of this region: ${NEW_TOKEN}`,
  TOKEN_EXPIRED: `the token is too old: ${NEW_TOKEN}`,
  TOKEN_USED: `a token enrols one gateway: ${NEW_TOKEN}`,
  TOKEN_SITE: "check the gateway's site, or issue a token for it",
  NAME_TAKEN: 'give this gateway another name',
};

function refusal(code: string, message: string): Error {
  const text = `the region refused the enrolment: ${message}`;
  const hint = HINTS[code];
  return hint === undefined ? new UnavailableError(code, text) : new UnauthorizedError(code, text, { hint });
}
