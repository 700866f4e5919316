import { type Clock, describeError, every, type Lifecycle, type Logger } from '@millwright/protocol';
import { regionNotes, type Vault } from '@millwright/vault-sync';
import type { RegionStore } from './regions/store.ts';

interface VaultWriterDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: RegionStore;
  readonly vault: Vault;
}

/** Brings the vault's notes up to date, at most once a period and only after news. */
export class VaultWriter implements Lifecycle {
  readonly #deps: VaultWriterDeps;
  readonly #everyMs: number;
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #hasNews = true;
  #isRunning = false;

  constructor(deps: VaultWriterDeps, config: { readonly everyMs: number }) {
    this.#deps = deps;
    this.#everyMs = config.everyMs;
  }

  noteNews(): void {
    this.#hasNews = true;
  }

  async start(): Promise<void> {
    this.#cancel ??= every(this.#deps.clock, this.#everyMs, () => this.#tick());
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#running;
  }

  #tick(): void {
    if (!this.#hasNews || this.#isRunning) return;
    this.#hasNews = false;
    this.#isRunning = true;
    this.#running = this.#write().finally(() => {
      this.#isRunning = false;
    });
  }

  async #write(): Promise<void> {
    try {
      const news = await this.#deps.store.all();
      await this.#deps.vault.sync(news.flatMap(({ summary }) => regionNotes(summary)));
    } catch (error) {
      this.#hasNews = true;
      this.#deps.logger.warn(
        { error: describeError(error) },
        'the vault could not be brought up to date; trying again',
      );
    }
  }
}
