import { describeError, type Logger } from '@millwright/protocol';
import { hasWildcard, topicMatches } from './topic-filter.ts';

/**
 * @param kept it was retained before and is not sent now
 * @param retain it is sent now and to be retained
 */
export type MessageHandler = (topic: string, payload: Uint8Array, kept: boolean, retain: boolean) => void;

export interface Subscription {
  readonly filter: string;
  readonly handler: MessageHandler;
  /** It passes messages on and does not read them. */
  readonly isRelay?: boolean;
}

/** Who in this process wants which topics. */
export class LocalSubscriptions {
  readonly #logger: Logger;
  readonly #byTopic = new Map<string, Set<Subscription>>();
  readonly #wildcards = new Set<Subscription>();

  constructor(deps: { readonly logger: Logger }) {
    this.#logger = deps.logger;
  }

  /** @returns unsubscribe */
  add(filter: string, handler: MessageHandler, options: { readonly isRelay?: boolean } = {}): () => void {
    const subscription = { filter, handler, ...options };
    if (hasWildcard(filter)) {
      this.#wildcards.add(subscription);
      return () => this.#wildcards.delete(subscription);
    }
    const exact = this.#byTopic.get(filter) ?? new Set();
    this.#byTopic.set(filter, exact.add(subscription));
    return () => {
      exact.delete(subscription);
      if (exact.size === 0 && this.#byTopic.get(filter) === exact) this.#byTopic.delete(filter);
    };
  }

  /** @returns whether somebody here reads it */
  dispatch(topic: string, payload: Uint8Array, retain: boolean): boolean {
    const how = { kept: false, retain };
    let isRead = false;
    const give = (subscription: Subscription) => {
      isRead ||= subscription.isRelay !== true;
      this.deliver(subscription, topic, payload, how);
    };
    const exact = this.#byTopic.get(topic);
    if (exact !== undefined) for (const subscription of exact) give(subscription);
    for (const subscription of this.#wildcards) {
      if (topicMatches(subscription.filter, topic)) give(subscription);
    }
    return isRead;
  }

  /** A handler that throws is a fault of this gateway, not of the client whose message it was. */
  deliver(
    { filter, handler }: Subscription,
    topic: string,
    payload: Uint8Array,
    how: { readonly kept: boolean; readonly retain: boolean },
  ): void {
    try {
      handler(topic, payload, how.kept, how.retain);
    } catch (error) {
      this.#logger.error({ filter, topic, error: describeError(error) }, 'message handler failed');
    }
  }
}
