import { z } from 'zod';

/** What may leave the region besides counts and states. Nothing does unless it is named here. */
export const Share = z.strictObject({
  /** Latest values of all points. */
  latest: z.boolean().default(false),
  /** Hourly roll-ups of the points whose `<device id>.<point>` one of these patterns fits; `*` is any text. */
  rollups: z.array(z.string().min(1).max(200)).max(100).default([]),
});
export type Shared = z.infer<typeof Share>;

export function isShared(share: Shared, device: string, point: string): boolean {
  return share.rollups.some((pattern) => fits(pattern, `${device}.${point}`));
}

function fits(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return text === first;
  if (!text.startsWith(first)) return false;
  const last = rest.pop() ?? '';
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - at >= last.length && text.endsWith(last);
}
