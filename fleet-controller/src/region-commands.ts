import { z } from 'zod';
import { print } from './print.ts';
import { askRegion } from './running-region.ts';

/** What `millwright region …` asks of a running region. */

const Created = z.object({ token: z.string() });
const Listed = z.object({
  items: z.array(
    z.object({
      id: z.string(),
      site: z.string(),
      expiresAtMs: z.number(),
      uses: z.number(),
      usesLeft: z.number(),
      usedBy: z.array(z.string()),
    }),
  ),
});
const Link = z.object({ url: z.string() });

export async function createToken(options: {
  readonly state: string;
  readonly site: string;
  readonly expires: number;
  readonly uses: number;
}): Promise<void> {
  const { token } = await askRegion(options.state, {
    method: 'POST',
    path: '/api/v1/enrolment-tokens',
    body: { site: options.site, expiresInMs: options.expires, uses: options.uses },
    answer: Created,
  });
  print(token);
}

export async function listTokens(options: { readonly state: string }): Promise<void> {
  const { items } = await askRegion(options.state, {
    method: 'GET',
    path: '/api/v1/enrolment-tokens?limit=1000',
    answer: Listed,
  });
  if (items.length === 0) print('no tokens');
  for (const { id, site, expiresAtMs, uses, usesLeft, usedBy } of items) {
    const expires = new Date(expiresAtMs).toISOString();
    print(
      `${id}  ${site}  until ${expires}  ${usesLeft} of ${uses} uses left  ${usedBy.join(' ')}`.trimEnd(),
    );
  }
}

export async function revokeToken(options: { readonly state: string; readonly id: string }): Promise<void> {
  await askRegion(options.state, {
    method: 'DELETE',
    path: `/api/v1/enrolment-tokens/${encodeURIComponent(options.id)}`,
    answer: z.null(),
  });
}

export async function printSignInLink(options: { readonly state: string }): Promise<void> {
  const { url } = await askRegion(options.state, {
    method: 'POST',
    path: '/api/v1/sign-in-links',
    answer: Link,
  });
  print(url);
}
