import { randomBytes } from 'node:crypto';
import {
  type Clock,
  enrolTokenDigest,
  formatEnrolToken,
  type GatewayId,
  type SiteId,
} from '@millwright/protocol';
import { sql } from 'kysely';
import { formatCursor, pageOf, parseCursor } from '../inventory/cursor.ts';
import type { Page } from '../inventory/inventory-reader.ts';
import type { Database } from '../store/database.ts';
import { onDatabase } from '../store/errors.ts';

export interface NewToken {
  readonly site: SiteId;
  readonly expiresInMs: number;
  readonly uses: number;
  readonly createdBy: string;
}

/** Issues the tokens with which gateways join. */
export class EnrolmentTokens {
  readonly #clock: Clock;
  readonly #database: Database;
  readonly #regionPeer: string;

  /** @param deps.regionPeer PeerId of this region's key: part of every token, so that a gateway knows whom it joins */
  constructor(deps: { readonly clock: Clock; readonly database: Database; readonly regionPeer: string }) {
    this.#clock = deps.clock;
    this.#database = deps.database;
    this.#regionPeer = deps.regionPeer;
  }

  async create({ site, expiresInMs, uses, createdBy }: NewToken) {
    const token = formatEnrolToken({ regionPeer: this.#regionPeer, secret: randomBytes(32) });
    const id = `et_${randomBytes(9).toString('base64url')}`;
    const nowMs = this.#clock.wallMs();
    const expiresAtMs = nowMs + expiresInMs;
    await onDatabase(() =>
      this.#database.write
        .insertInto('enrolment_tokens')
        .values({
          id,
          digest: enrolTokenDigest(token),
          site,
          created_at_ms: nowMs,
          created_by: createdBy,
          expires_at_ms: expiresAtMs,
          uses,
          uses_left: uses,
        })
        .execute(),
    );
    return { id, token, site, expiresAtMs, uses };
  }

  async list(page: Page) {
    const after = page.cursor === undefined ? 0 : parseCursor(page.cursor)[0];
    const { rows } = await onDatabase(() =>
      sql<TokenRow>`
        select t.id, t.site, t.created_at_ms, t.created_by, t.expires_at_ms, t.uses, t.uses_left,
          array(select g.id from enrolment_uses u join gateways g on g.key = u.gateway where u.token = t.id) as used_by
        from enrolment_tokens t
        order by t.created_at_ms desc, t.id limit ${page.limit + 1} offset ${after}`.execute(
        this.#database.read,
      ),
    );
    return pageOf(rows, page.limit, tokenView, () => formatCursor([after + page.limit, 0, 0, 0]));
  }

  /** @returns false when there is no such token */
  async revoke(id: string): Promise<boolean> {
    const result = await onDatabase(() =>
      this.#database.write.deleteFrom('enrolment_tokens').where('id', '=', id).executeTakeFirst(),
    );
    return result.numDeletedRows > 0n;
  }
}

interface TokenRow {
  readonly id: string;
  readonly site: SiteId;
  readonly created_at_ms: number;
  readonly created_by: string;
  readonly expires_at_ms: number;
  readonly uses: number;
  readonly uses_left: number;
  readonly used_by: GatewayId[];
}

function tokenView(row: TokenRow) {
  return {
    id: row.id,
    site: row.site,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by,
    expiresAtMs: row.expires_at_ms,
    uses: row.uses,
    usesLeft: row.uses_left,
    usedBy: row.used_by,
  };
}
