import { z } from 'zod';

/** What a host application says of itself on `spBv1.0/STATE/<host>`. @see Sparkplug 3.0 §6.4.28 */
const HostState = z.object({ online: z.boolean(), timestamp: z.number().nonnegative() });
export type HostState = z.infer<typeof HostState>;

export function encodeState(state: HostState): string {
  return JSON.stringify({ online: state.online, timestamp: state.timestamp });
}

/** @returns undefined for anything else, such as the `ONLINE` of Sparkplug 2 */
export function parseState(payload: Uint8Array): HostState | undefined {
  if (payload.length > 1024) return undefined;
  try {
    const parsed = HostState.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
