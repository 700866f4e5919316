import type { Logger, SampleBatch, SampleSink } from '@millwright/protocol';

export interface NamedSink {
  readonly name: string;
  readonly accept: SampleSink;
}

/** Hands samples to receivers of which none can keep them from the others. */
export class SinkList {
  readonly #logger: Logger;
  readonly #failing = new Set<string>();

  constructor(deps: { readonly logger: Logger }) {
    this.#logger = deps.logger;
  }

  handOn(sinks: readonly NamedSink[], batch: SampleBatch): void {
    if (batch.length === 0) return;
    for (const { name, accept } of sinks) {
      try {
        accept(batch);
        if (this.#failing.size > 0) this.#failing.delete(name);
      } catch (error) {
        // Named once until it works again.
        if (this.#failing.has(name)) continue;
        this.#failing.add(name);
        this.#logger.error({ err: error, sink: name }, `samples were refused by ${name}`);
      }
    }
  }
}
